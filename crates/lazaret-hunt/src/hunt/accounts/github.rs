//! GitHub's REST API for packages (docs.github.com/rest/packages/packages): `GET
//! /users/{username}/packages?package_type=container`, the same under `/orgs/`, and `…/versions`. Pages
//! follow the `Link` header; every request needs a token with `read:packages`.

use std::collections::HashSet;

use lazaret_model::{ListedTag, Listing};
use lazaret_registry::{Client, Site};
use serde::Deserialize;

use super::{AccountError, Held, Sites, bounded, read, sound};

const VARIABLE: &str = "LAZARET_GITHUB_TOKEN";
const SITE: &str = "GitHub";

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    updated_at: Option<String>,
    #[serde(default)]
    repository: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    description: Option<String>,
}

#[derive(Deserialize)]
struct Version {
    /// The digest.
    name: String,
    #[serde(default)]
    updated_at: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    container: Option<Container>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    tags: Vec<String>,
}

pub(super) async fn list(client: &Client, sites: &Sites, name: &str) -> Result<Held, AccountError> {
    let Some(token) = sites.github_token.as_deref() else {
        return Err(AccountError::Token { site: SITE.to_owned(), name: name.to_owned(), variable: VARIABLE });
    };
    let mut site = client.site(&sites.github, Some(token))?;
    let mut held = Held::default();
    // Whether it is a person or an organisation shows by where it is found.
    let mut kind = "orgs";
    let query = [("package_type", "container"), ("per_page", "100")];
    let mut answer = site.begin(&[kind, name, "packages"], &query).await?;
    if answer.status == 404 {
        kind = "users";
        answer = site.begin(&[kind, name, "packages"], &query).await?;
    }
    let account = name.to_ascii_lowercase();
    let (mut packages, mut known): (Vec<Package>, HashSet<String>) = Default::default();
    loop {
        let page: Vec<Package> = read(&answer, SITE, name, VARIABLE)?;
        let before = packages.len();
        for package in page {
            if !sound(&repository(&account, &package.name), None) {
                held.skipped += 1;
            } else if known.insert(package.name.clone()) {
                packages.push(package);
            }
        }
        let Some(link) = answer.link.take() else { break };
        match site.next(&link, packages.len() == before).await {
            Ok(next) => answer = next,
            Err(error @ lazaret_registry::RegistryError::Paging { .. }) => {
                held.troubles.push(error.to_string());
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    for package in packages {
        held.listings.push(one(&mut site, kind, name, package, &mut held.skipped, &mut held.troubles).await?);
    }
    Ok(held)
}

fn repository(account: &str, package: &str) -> String {
    format!("ghcr.io/{account}/{}", package.to_ascii_lowercase())
}

async fn one(
    site: &mut Site,
    kind: &str,
    name: &str,
    package: Package,
    skipped: &mut u64,
    troubles: &mut Vec<String>,
) -> Result<Listing, AccountError> {
    let account = name.to_ascii_lowercase();
    let repository = repository(&account, &package.name);
    let path = [kind, name, "packages", "container", package.name.as_str(), "versions"];
    let mut answer = site.begin(&path, &[("per_page", "100")]).await?;
    let (mut tags, mut known): (Vec<ListedTag>, HashSet<String>) = Default::default();
    let mut versions = 0usize;
    while answer.status == 200 {
        let page: Vec<Version> = read(&answer, SITE, name, VARIABLE)?;
        let barren = page.is_empty();
        versions += page.len();
        for version in page {
            let digest = version.name.parse().ok();
            for tag in version.metadata.and_then(|m| m.container).map(|c| c.tags).unwrap_or_default() {
                if !sound(&repository, Some(&tag)) {
                    *skipped += 1;
                } else if known.insert(tag.clone()) {
                    tags.push(ListedTag {
                        name: tag,
                        digest: Clone::clone(&digest),
                        updated: version.updated_at.clone(),
                    });
                }
            }
        }
        let Some(link) = answer.link.take() else { break };
        match site.next(&link, barren).await {
            Ok(next) => answer = next,
            Err(error @ lazaret_registry::RegistryError::Paging { .. }) => {
                troubles.push(format!("{repository}: {error}"));
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if tags.is_empty() && versions > 0 {
        troubles
            .push(format!("{repository}: none of its {versions} versions has a tag; name them by digest"));
    }
    Ok(Listing {
        repository,
        name: None,
        account: Some(format!("ghcr.io/{account}")),
        description: bounded(package.repository.and_then(|source| source.description).unwrap_or_default()),
        run: None,
        created: package.created_at,
        updated: package.updated_at,
        pulls: None,
        stars: None,
        tags,
        source: SITE.to_owned(),
    })
}
