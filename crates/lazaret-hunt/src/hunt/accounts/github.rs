//! GitHub's REST API for packages (docs.github.com/rest/packages/packages): `GET
//! /users/{username}/packages?package_type=container`, the same under `/orgs/`, and `…/versions`. Pages
//! follow the `Link` header; every request needs a token with `read:packages`.

use std::collections::HashSet;

use lazaret_model::{ListedTag, Listing};
use lazaret_registry::{Client, Site};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Account, AccountError, Found, Held, Kind, Names, Sites, Tagged, Whole, bounded, pages, read, segments,
    tags,
};

const VARIABLE: &str = "LAZARET_GITHUB_TOKEN";
const SITE: &str = "GitHub";

#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    updated_at: Option<String>,
    #[serde(default)]
    repository: Option<Source>,
}

#[derive(Debug, Deserialize)]
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

const OF_PACKAGE: &[(&str, Kind)] =
    &[("created_at", Kind::Text), ("updated_at", Kind::Text), ("repository", Kind::Record)];
const OF_VERSION: &[(&str, Kind)] = &[("updated_at", Kind::Text)];

/// Its lists go on under the number of the account instead of its name.
fn is_same_list(path: &str, own: &[&str]) -> bool {
    let path = segments(path);
    let by_number = match own.first() {
        Some(&"orgs") => "organizations",
        _ => "user",
    };
    path.len() == own.len()
        && path[0] == by_number
        && path[1].bytes().all(|b| b.is_ascii_digit())
        && path[2..] == own[2..]
}

pub(super) async fn open(
    client: &Client,
    sites: &Sites,
    name: &str,
    whole: Whole,
) -> Result<Account, AccountError> {
    let Some(token) = sites.github_token.as_deref() else {
        return Err(AccountError::Token { site: SITE.to_owned(), name: name.to_owned(), variable: VARIABLE });
    };
    let mut site = client.site(&sites.github, Some(token))?;
    // Whether it is a person or an organisation shows by where it is found.
    let mut kind = "orgs";
    let query = [("package_type", "container"), ("per_page", "100")];
    let mut answer = site.begin(&[kind, name, "packages"], &query).await?;
    if answer.status == 404 {
        kind = "users";
        answer = site.begin(&[kind, name, "packages"], &query).await?;
    }
    let (mut packages, mut names): (Vec<Package>, Names) = Default::default();
    let alias = |path: &str| is_same_list(path, &[kind, name, "packages"]);
    let trouble = pages(&mut site, answer, &mut names, whole, &alias, |answer, names| {
        let page: Vec<Value> = read(&answer, SITE, name, VARIABLE)?;
        let list = format!("ghcr.io/{name}");
        for row in page {
            let Some(one) = names.row::<Package>(&list, row, OF_PACKAGE) else { continue };
            if names.take(&one.name, &full(name, &one.name), false) {
                packages.push(one);
            }
        }
        Ok(answer.link)
    })
    .await?;
    packages.sort_by_cached_key(|package| full(name, &package.name));
    let (skipped, troubles) = (names.skipped, names.told(trouble));
    let found = Found::GitHub { kind, packages };
    Ok(Account { site, name: name.to_owned(), found, skipped, troubles })
}

pub(super) fn full(account: &str, package: &str) -> String {
    format!("ghcr.io/{}/{}", account.to_ascii_lowercase(), package.to_ascii_lowercase())
}

pub(super) async fn held(
    site: &mut Site,
    kind: &str,
    name: &str,
    package: &Package,
    as_far: Whole,
) -> Result<Held, AccountError> {
    let repository = full(name, &package.name);
    let path = [kind, name, "packages", "container", package.name.as_str(), "versions"];
    let mut versions = HashSet::new();
    let of = Tagged {
        repository: &repository,
        path: &path,
        query: &[("per_page", "100")],
        whole: as_far,
        alias: &|other| is_same_list(other, &path),
    };
    let (tags, mut names) = tags(site, of, |answer, names, tags| {
        let page: Vec<Value> = read(answer, SITE, name, VARIABLE)?;
        for row in page {
            let Some(version) = names.row::<Version>(&repository, row, OF_VERSION) else { continue };
            // A version without a tag is something new too.
            names.barren &= !versions.insert(version.name.clone());
            let digest = version.name.parse().ok();
            let own = version.metadata.and_then(|metadata| metadata.container);
            for tag in own.map(|container| container.tags).unwrap_or_default() {
                if names.take(&tag, &repository, true) {
                    tags.push(ListedTag {
                        name: tag,
                        digest: Clone::clone(&digest),
                        updated: version.updated_at.clone(),
                    });
                }
            }
        }
        Ok(answer.link.clone())
    })
    .await?;
    let mut whole = !names.lost;
    let mut troubles = names.told(None);
    if tags.is_empty() && !versions.is_empty() {
        let count = versions.len();
        troubles.push(format!("{repository}: none of its {count} versions has a tag; name them by digest"));
        // What has a version holds an image, whether it has a tag or not.
        whole = false;
    }
    let source = package.repository.as_ref().and_then(|source| source.description.clone());
    let listing = Listing {
        repository,
        name: None,
        account: Some(format!("ghcr.io/{}", name.to_ascii_lowercase())),
        description: bounded(source.unwrap_or_default()),
        run: None,
        created: package.created_at.clone(),
        updated: package.updated_at.clone(),
        pulls: None,
        stars: None,
        tags,
        source: SITE.to_owned(),
    };
    Ok(Held { listing, whole, skipped: names.skipped, troubles })
}
