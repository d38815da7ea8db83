//! Quay's API (docs.quay.io/api, docs.redhat.com "Red Hat Quay API reference"): `GET
//! /api/v1/repository?namespace=…` and `/api/v1/repository/{repository}/tag/`. Pages follow `next_page`,
//! and `page` with `has_additional`.

use std::collections::HashSet;

use lazaret_model::{ListedTag, Listing};
use lazaret_registry::{Client, Site};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use super::{AccountError, Held, Sites, bounded, read, sound};

const VARIABLE: &str = "LAZARET_QUAY_TOKEN";
const SITE: &str = "Quay";

#[derive(Deserialize)]
struct Page {
    repositories: Vec<Repository>,
    #[serde(default)]
    next_page: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    namespace: String,
    name: String,
    #[serde(default)]
    description: Option<String>,
    /// Seconds since 1970.
    #[serde(default)]
    last_modified: Option<i64>,
}

#[derive(Deserialize)]
struct Tags {
    tags: Vec<Tag>,
    #[serde(default)]
    has_additional: bool,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    manifest_digest: Option<String>,
    #[serde(default)]
    start_ts: Option<i64>,
    /// As mail has it.
    #[serde(default)]
    last_modified: Option<String>,
}

pub(super) async fn list(client: &Client, sites: &Sites, name: &str) -> Result<Held, AccountError> {
    let mut site = client.site(&sites.quay, sites.quay_token.as_deref())?;
    let mut held = Held::default();
    let path = ["api", "v1", "repository"];
    let query = [("namespace", name), ("public", "true"), ("last_modified", "true")];
    let mut answer = site.begin(&path, &query).await?;
    let (mut repositories, mut known): (Vec<Repository>, HashSet<String>) = Default::default();
    loop {
        let page: Page = read(&answer, SITE, name, VARIABLE)?;
        let before = repositories.len();
        for repository in page.repositories {
            let own = repository.namespace == name;
            if !own || !sound(&format!("quay.io/{name}/{}", repository.name), None) {
                held.skipped += 1;
            } else if known.insert(repository.name.clone()) {
                repositories.push(repository);
            }
        }
        let Some(next) = page.next_page.filter(|next| !next.is_empty()) else { break };
        let link = following(&[&query[..], &[("next_page", next.as_str())]].concat());
        match site.next(&link, repositories.len() == before).await {
            Ok(next) => answer = next,
            Err(error @ lazaret_registry::RegistryError::Paging { .. }) => {
                held.troubles.push(error.to_string());
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    for repository in repositories {
        held.listings.push(one(&mut site, name, repository, &mut held.skipped, &mut held.troubles).await?);
    }
    Ok(held)
}

async fn one(
    site: &mut Site,
    account: &str,
    found: Repository,
    skipped: &mut u64,
    troubles: &mut Vec<String>,
) -> Result<Listing, AccountError> {
    let repository = format!("quay.io/{account}/{}", found.name);
    // The empty last segment is the `/` at the end of the documented path.
    let path = ["api", "v1", "repository", account, found.name.as_str(), "tag", ""];
    let query = |page: &str| {
        [("onlyActiveTags", "true".to_owned()), ("limit", "100".to_owned()), ("page", page.to_owned())]
    };
    let first = query("1");
    let first: Vec<(&str, &str)> = first.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut answer = site.begin(&path, &first).await?;
    let (mut tags, mut known): (Vec<ListedTag>, HashSet<String>) = Default::default();
    let mut number = 1u64;
    while answer.status == 200 {
        let page: Tags = read(&answer, SITE, account, VARIABLE)?;
        let before = tags.len();
        for tag in page.tags {
            if !sound(&repository, Some(&tag.name)) {
                *skipped += 1;
            } else if known.insert(tag.name.clone()) {
                let mail = || OffsetDateTime::parse(tag.last_modified.as_deref()?, &Rfc2822).ok();
                let time =
                    tag.start_ts.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()).or_else(mail);
                tags.push(ListedTag {
                    name: tag.name,
                    digest: tag.manifest_digest.and_then(|digest| digest.parse().ok()),
                    updated: time.and_then(|time| time.format(&Rfc3339).ok()),
                });
            }
        }
        if !page.has_additional {
            break;
        }
        number += 1;
        let next = query(&number.to_string());
        let next: Vec<(&str, &str)> = next.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match site.next(&following(&next), tags.len() == before).await {
            Ok(next) => answer = next,
            Err(error @ lazaret_registry::RegistryError::Paging { .. }) => {
                troubles.push(format!("{repository}: {error}"));
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let updated = found.last_modified.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    Ok(Listing {
        repository,
        name: None,
        account: Some(format!("quay.io/{account}")),
        description: bounded(found.description.unwrap_or_default()),
        run: None,
        created: None,
        updated: updated.and_then(|time| time.format(&Rfc3339).ok()),
        // It counts the pulls of the last 90 days only, which is not what is meant.
        pulls: None,
        stars: None,
        tags,
        source: SITE.to_owned(),
    })
}

/// The same list with another query.
fn following(query: &[(&str, &str)]) -> String {
    let mut text = String::from("?");
    for (at, (name, value)) in query.iter().enumerate() {
        if at > 0 {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    text.push(char::from(byte))
                }
                other => text.push_str(&format!("%{other:02X}")),
            }
        }
    }
    text
}
