//! Docker Hub's API (docs.docker.com/reference/api/hub/latest): `GET
//! /v2/namespaces/{namespace}/repositories` and `…/repositories/{repository}/tags`. Pages follow `next`.

use std::collections::HashSet;

use lazaret_model::{ListedTag, Listing};
use lazaret_registry::{Client, Site};
use serde::Deserialize;

use super::{AccountError, Held, Sites, bounded, read, sound};

const PAGE: &str = "100";
const VARIABLE: &str = "LAZARET_HUB_TOKEN";
const SITE: &str = "Docker Hub";

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    next: Option<String>,
    results: Vec<T>,
}

#[derive(Deserialize)]
struct Repository {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    full_description: Option<String>,
    #[serde(default)]
    star_count: Option<u64>,
    #[serde(default)]
    pull_count: Option<u64>,
    #[serde(default)]
    last_updated: Option<String>,
    #[serde(default)]
    date_registered: Option<String>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    last_updated: Option<String>,
    #[serde(default)]
    tag_last_pushed: Option<String>,
}

pub(super) async fn list(client: &Client, sites: &Sites, name: &str) -> Result<Held, AccountError> {
    let name = name.to_ascii_lowercase();
    let mut site = client.site(&sites.docker_hub, sites.docker_hub_token.as_deref())?;
    let mut held = Held::default();
    let mut answer = site.begin(&["v2", "namespaces", &name, "repositories"], &[("page_size", PAGE)]).await?;
    let (mut repositories, mut known): (Vec<Repository>, HashSet<String>) = Default::default();
    loop {
        let page: Page<Repository> = read(&answer, SITE, &name, VARIABLE)?;
        let before = repositories.len();
        for repository in page.results {
            if !sound(&format!("docker.io/{name}/{}", repository.name), None) {
                held.skipped += 1;
            } else if known.insert(repository.name.clone()) {
                repositories.push(repository);
            }
        }
        let Some(next) = page.next else { break };
        match site.next(&next, repositories.len() == before).await {
            Ok(next) => answer = next,
            Err(error @ lazaret_registry::RegistryError::Paging { .. }) => {
                held.troubles.push(error.to_string());
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    for repository in repositories {
        held.listings.push(one(&mut site, &name, repository, &mut held.skipped, &mut held.troubles).await?);
    }
    Ok(held)
}

/// A repository with its tags, and with what its own page says, which the list leaves out.
async fn one(
    site: &mut Site,
    account: &str,
    short: Repository,
    skipped: &mut u64,
    troubles: &mut Vec<String>,
) -> Result<Listing, AccountError> {
    let path = ["v2", "namespaces", account, "repositories", short.name.as_str()];
    let answer = site.begin(&path, &[]).await?;
    // Where the page itself is not shown, what the list says stands.
    let whole: Option<Repository> = read(&answer, SITE, account, VARIABLE).ok();
    let whole = whole.unwrap_or(Repository {
        name: short.name.clone(),
        description: None,
        full_description: None,
        star_count: None,
        pull_count: None,
        last_updated: None,
        date_registered: None,
    });
    let repository = format!("docker.io/{account}/{}", short.name);
    let (mut tags, mut known): (Vec<ListedTag>, HashSet<String>) = Default::default();
    let mut answer = site.begin(&[&path[..], &["tags"]].concat(), &[("page_size", PAGE)]).await?;
    while answer.status == 200 {
        let page: Page<Tag> = read(&answer, SITE, account, VARIABLE)?;
        let before = tags.len();
        for tag in page.results {
            if !sound(&repository, Some(&tag.name)) {
                *skipped += 1;
            } else if known.insert(tag.name.clone()) {
                tags.push(ListedTag {
                    name: tag.name,
                    digest: tag.digest.and_then(|digest| digest.parse().ok()),
                    updated: tag.tag_last_pushed.or(tag.last_updated),
                });
            }
        }
        let Some(next) = page.next else { break };
        match site.next(&next, tags.len() == before).await {
            Ok(next) => answer = next,
            Err(error @ lazaret_registry::RegistryError::Paging { .. }) => {
                troubles.push(format!("{repository}: {error}"));
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let texts = [whole.description.or(short.description), whole.full_description.or(short.full_description)];
    let mut description = String::new();
    for text in texts.into_iter().flatten().filter(|text| !text.trim().is_empty()) {
        if !description.is_empty() {
            description.push_str("\n\n");
        }
        description.push_str(&text);
    }
    Ok(Listing {
        repository,
        name: None,
        account: Some(format!("docker.io/{account}")),
        description: bounded(description),
        run: None,
        created: whole.date_registered.or(short.date_registered),
        updated: whole.last_updated.or(short.last_updated),
        pulls: whole.pull_count.or(short.pull_count),
        stars: whole.star_count.or(short.star_count),
        tags,
        source: SITE.to_owned(),
    })
}
