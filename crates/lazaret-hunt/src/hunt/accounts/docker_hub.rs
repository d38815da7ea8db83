//! Docker Hub's API (docs.docker.com/reference/api/hub/latest): `GET
//! /v2/namespaces/{namespace}/repositories` and `…/repositories/{repository}/tags`. Pages follow `next`.

use lazaret_model::{ListedTag, Listing};
use lazaret_registry::{Client, Site};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Account, AccountError, Found, Held, Kind, Names, Sites, Tagged, Whole, bounded, pages, read, segments,
    tags,
};

const PAGE: &str = "100";
const VARIABLE: &str = "LAZARET_HUB_TOKEN";
const SITE: &str = "Docker Hub";

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    next: Option<String>,
    results: Vec<Value>,
}

const OF_REPOSITORY: &[(&str, Kind)] = &[
    ("description", Kind::Text),
    ("full_description", Kind::Text),
    ("star_count", Kind::Count),
    ("pull_count", Kind::Count),
    ("last_updated", Kind::Text),
    ("date_registered", Kind::Text),
];
const OF_TAG: &[(&str, Kind)] =
    &[("digest", Kind::Text), ("last_updated", Kind::Text), ("tag_last_pushed", Kind::Text)];

#[derive(Debug, Default, Deserialize)]
pub(super) struct Repository {
    pub(super) name: String,
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

pub(super) async fn open(
    client: &Client,
    sites: &Sites,
    name: &str,
    whole: Whole,
) -> Result<Account, AccountError> {
    let name = name.to_ascii_lowercase();
    let mut site = client.site(&sites.docker_hub, sites.docker_hub_token.as_deref())?;
    let answer = site.begin(&["v2", "namespaces", &name, "repositories"], &[("page_size", PAGE)]).await?;
    let (mut repositories, mut names): (Vec<Repository>, Names) = Default::default();
    // The path that the site had before, and may still name.
    let alias = |path: &str| segments(path) == ["v2", "repositories", &name];
    let trouble = pages(&mut site, answer, &mut names, whole, &alias, |answer, names| {
        let page: Page = read(&answer, SITE, &name, VARIABLE)?;
        let list = format!("docker.io/{name}");
        for row in page.results {
            let Some(one) = names.row::<Repository>(&list, row, OF_REPOSITORY) else { continue };
            if names.take(&one.name, &full(&name, &one.name), false) {
                repositories.push(one);
            }
        }
        Ok(page.next)
    })
    .await?;
    repositories.sort_by(|a, b| a.name.cmp(&b.name));
    let (skipped, troubles) = (names.skipped, names.told(trouble));
    Ok(Account { site, name, found: Found::DockerHub(repositories), skipped, troubles })
}

pub(super) fn full(account: &str, repository: &str) -> String {
    format!("docker.io/{account}/{repository}")
}

/// A repository with its tags, and with what its own page says, which the list leaves out.
pub(super) async fn held(
    site: &mut Site,
    account: &str,
    short: &Repository,
    as_far: Whole,
) -> Result<Held, AccountError> {
    let path = ["v2", "namespaces", account, "repositories", short.name.as_str()];
    let repository = full(account, &short.name);
    let mut own = Names::default();
    // Where the page itself is not shown, what the list says stands.
    let whole: Option<Repository> = match site.begin(&path, &[]).await {
        Ok(answer) => read::<Value>(&answer, SITE, account, VARIABLE).ok().and_then(|mut page| {
            // Which one it is about is known.
            if let Some(page) = page.as_object_mut() {
                page.insert("name".to_owned(), Value::from(short.name.as_str()));
            }
            own.row(&repository, page, OF_REPOSITORY)
        }),
        Err(error) if error.may_pass() && as_far == Whole::Wanted => return Err(error.into()),
        Err(error) => {
            own.odd(format!("{repository}: {error}"));
            None
        }
    };
    let whole = whole.unwrap_or_default();
    let of = Tagged {
        repository: &repository,
        path: &[&path[..], &["tags"]].concat(),
        query: &[("page_size", PAGE)],
        whole: as_far,
        alias: &|path| segments(path) == ["v2", "repositories", account, &short.name, "tags"],
    };
    let (tags, mut names) = tags(site, of, |answer, names, tags| {
        let page: Page = read(answer, SITE, account, VARIABLE)?;
        for row in page.results {
            let Some(tag) = names.row::<Tag>(&repository, row, OF_TAG) else { continue };
            if names.take(&tag.name, &repository, true) {
                tags.push(ListedTag {
                    name: tag.name,
                    digest: tag.digest.and_then(|digest| digest.parse().ok()),
                    updated: tag.tag_last_pushed.or(tag.last_updated),
                });
            }
        }
        Ok(page.next)
    })
    .await?;
    let texts = [
        whole.description.or(short.description.clone()),
        whole.full_description.or(short.full_description.clone()),
    ];
    let mut description = String::new();
    for text in texts.into_iter().flatten().filter(|text| !text.trim().is_empty()) {
        if !description.is_empty() {
            description.push_str("\n\n");
        }
        description.push_str(&text);
    }
    let listing = Listing {
        repository,
        name: None,
        account: Some(format!("docker.io/{account}")),
        description: bounded(description),
        run: None,
        created: whole.date_registered.or(short.date_registered.clone()),
        updated: whole.last_updated.or(short.last_updated.clone()),
        pulls: whole.pull_count.or(short.pull_count),
        stars: whole.star_count.or(short.star_count),
        tags,
        source: SITE.to_owned(),
    };
    Ok(Held {
        listing,
        whole: !names.lost,
        skipped: names.skipped,
        troubles: [own.told(None), names.told(None)].concat(),
    })
}
