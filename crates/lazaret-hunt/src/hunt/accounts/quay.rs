//! Quay's API (docs.quay.io/api, docs.redhat.com "Red Hat Quay API reference"): `GET
//! /api/v1/repository?namespace=…` and `/api/v1/repository/{repository}/tag/`. Pages follow `next_page`,
//! and `page` with `has_additional`.

use lazaret_model::{ListedTag, Listing};
use lazaret_registry::{Client, Site};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use super::{
    Account, AccountError, Found, Held, Kind, Names, Sites, Tagged, Whole, bounded, pages, read, tags,
};

const VARIABLE: &str = "LAZARET_QUAY_TOKEN";
const SITE: &str = "Quay";

#[derive(Deserialize)]
struct Page {
    repositories: Vec<Value>,
    #[serde(default)]
    next_page: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    namespace: String,
    pub(super) name: String,
    #[serde(default)]
    description: Option<String>,
    /// Seconds since 1970.
    #[serde(default)]
    last_modified: Option<i64>,
}

#[derive(Deserialize)]
struct Tags {
    tags: Vec<Value>,
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

const OF_REPOSITORY: &[(&str, Kind)] = &[("description", Kind::Text), ("last_modified", Kind::Seconds)];
const OF_TAG: &[(&str, Kind)] =
    &[("manifest_digest", Kind::Text), ("start_ts", Kind::Seconds), ("last_modified", Kind::Text)];

pub(super) async fn open(
    client: &Client,
    sites: &Sites,
    name: &str,
    whole: Whole,
) -> Result<Account, AccountError> {
    let mut site = client.site(&sites.quay, sites.quay_token.as_deref())?;
    let query = [("namespace", name), ("public", "true"), ("last_modified", "true")];
    let answer = site.begin(&["api", "v1", "repository"], &query).await?;
    let (mut repositories, mut names): (Vec<Repository>, Names) = Default::default();
    let trouble = pages(&mut site, answer, &mut names, whole, &|_| false, |answer, names| {
        let page: Page = read(&answer, SITE, name, VARIABLE)?;
        let list = format!("quay.io/{name}");
        for row in page.repositories {
            let Some(repository) = names.row::<Repository>(&list, row, OF_REPOSITORY) else { continue };
            if repository.namespace != name {
                names.skipped += 1;
            } else if names.take(&repository.name, &full(name, &repository.name), false) {
                repositories.push(repository);
            }
        }
        let next = page.next_page.filter(|next| !next.is_empty());
        Ok(next.map(|next| following(&[&query[..], &[("next_page", next.as_str())]].concat())))
    })
    .await?;
    repositories.sort_by(|a, b| a.name.cmp(&b.name));
    let (skipped, troubles) = (names.skipped, names.told(trouble));
    Ok(Account { site, name: name.to_owned(), found: Found::Quay(repositories), skipped, troubles })
}

pub(super) fn full(account: &str, repository: &str) -> String {
    format!("quay.io/{account}/{repository}")
}

pub(super) async fn held(
    site: &mut Site,
    account: &str,
    found: &Repository,
    whole: Whole,
) -> Result<Held, AccountError> {
    let repository = full(account, &found.name);
    // The empty last segment is the `/` at the end of the documented path.
    let path = ["api", "v1", "repository", account, found.name.as_str(), "tag", ""];
    let query = |page: &'static str| [("onlyActiveTags", "true"), ("limit", "100"), ("page", page)];
    let mut number = 1u64;
    let first = query("1");
    let of = Tagged { repository: &repository, path: &path, query: &first, whole, alias: &|_| false };
    let (tags, mut names) = tags(site, of, |answer, names, tags| {
        let page: Tags = read(answer, SITE, account, VARIABLE)?;
        for row in page.tags {
            let Some(tag) = names.row::<Tag>(&repository, row, OF_TAG) else { continue };
            if names.take(&tag.name, &repository, true) {
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
        number += 1;
        Ok(page.has_additional.then(|| {
            let [active, limit, _] = query("");
            following(&[active, limit, ("page", number.to_string().as_str())])
        }))
    })
    .await?;
    let updated = found.last_modified.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let listing = Listing {
        repository,
        name: None,
        account: Some(format!("quay.io/{account}")),
        description: bounded(found.description.clone().unwrap_or_default()),
        run: None,
        created: None,
        updated: updated.and_then(|time| time.format(&Rfc3339).ok()),
        // It counts the pulls of the last 90 days only, which is not what is meant.
        pulls: None,
        stars: None,
        tags,
        source: SITE.to_owned(),
    };
    let whole = !names.lost;
    Ok(Held { listing, whole, skipped: names.skipped, troubles: names.told(None) })
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
