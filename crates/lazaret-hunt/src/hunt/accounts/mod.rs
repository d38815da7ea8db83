//! What the sites of registries say of an account: its repositories with their descriptions, times,
//! counts and tags. Each follows what the documentation of its interface states.

mod docker_hub;
mod github;
mod quay;

use std::collections::HashSet;
use std::fmt;

use lazaret_model::{ImageRef, ListedTag, Listing};
use lazaret_registry::{Client, RegistryError, Site, SiteAnswer};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Longest description that is kept, in bytes.
const DESCRIPTION: usize = 64 << 10;
/// Most repositories of an account, and most tags of one of them.
const NAMES: usize = 200_000;

/// Where the interfaces are, and with which tokens they are asked.
#[derive(Clone)]
pub struct Sites {
    /// Docker Hub.
    pub docker_hub: String,
    /// Quay.
    pub quay: String,
    /// GitHub.
    pub github: String,
    /// Of Docker Hub, for private repositories.
    pub docker_hub_token: Option<String>,
    /// Of Quay, for private repositories.
    pub quay_token: Option<String>,
    /// Of GitHub, with `read:packages`: without one it lists nothing.
    pub github_token: Option<String>,
}

impl Default for Sites {
    fn default() -> Self {
        Self {
            docker_hub: "https://hub.docker.com".to_owned(),
            quay: "https://quay.io".to_owned(),
            github: "https://api.github.com".to_owned(),
            docker_hub_token: None,
            quay_token: None,
            github_token: None,
        }
    }
}

impl fmt::Debug for Sites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sites")
            .field("docker_hub", &self.docker_hub)
            .field("quay", &self.quay)
            .field("github", &self.github)
            .finish_non_exhaustive()
    }
}

/// Why an account could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The site cannot be reached, refuses, or its pages lead nowhere.
    #[error(transparent)]
    Site(#[from] RegistryError),
    /// There is no interface for accounts of this registry.
    #[error(
        "accounts of {0} cannot be listed: docker.io, quay.io and ghcr.io tell what an account has; name its repositories, or registry:{0}"
    )]
    Registry(String),
    /// There is no such account.
    #[error("{site} knows no account `{}`; check the name", lazaret_model::visible(name))]
    NoAccount {
        /// The site.
        site: String,
        /// The account.
        name: String,
    },
    /// The site wants a token, or another one.
    #[error(
        "{site} does not show `{}` without a token that may read it; set {variable}",
        lazaret_model::visible(name)
    )]
    Token {
        /// The site.
        site: String,
        /// The account.
        name: String,
        /// The environment variable with the token.
        variable: &'static str,
    },
    /// An answer in another form than its documentation says.
    #[error("{site} answers in a form that is not known: {reason}")]
    Form {
        /// The site.
        site: String,
        /// What is wrong.
        reason: String,
    },
}

/// An account whose repositories are known by name; what each holds is asked for one after the other.
#[derive(Debug)]
pub struct Account {
    site: Site,
    /// As the site is asked for it.
    name: String,
    found: Found,
    /// Names that are none of a repository, left out.
    pub skipped: u64,
    /// What was not read to its end, and why.
    pub troubles: Vec<String>,
}

/// The repositories, in the form of their site, by name.
#[derive(Debug)]
enum Found {
    DockerHub(Vec<docker_hub::Repository>),
    Quay(Vec<quay::Repository>),
    GitHub { kind: &'static str, packages: Vec<github::Package> },
}

/// What a repository of an account holds, as far as its site says.
#[derive(Debug)]
pub struct Held {
    /// What is said of it.
    pub listing: Listing,
    /// Whether all of its tags were listed.
    pub whole: bool,
    /// Names that are none of a tag, left out.
    pub skipped: u64,
    /// What was not read to its end, and why.
    pub troubles: Vec<String>,
}

/// What is wanted of a list where a further page of it does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// All of it, later.
    Wanted,
    /// What was listed until then, and that it is not whole.
    AsFarAsItGoes,
}

impl Account {
    /// Lists the repositories of an account of a registry.
    ///
    /// # Errors
    /// As [`AccountError`] has them. What can be listed in part is listed, with a trouble.
    pub async fn open(
        client: &Client,
        sites: &Sites,
        registry: &str,
        name: &str,
        whole: Whole,
    ) -> Result<Self, AccountError> {
        match registry {
            "docker.io" => docker_hub::open(client, sites, name, whole).await,
            "quay.io" => quay::open(client, sites, name, whole).await,
            "ghcr.io" => github::open(client, sites, name, whole).await,
            other => Err(AccountError::Registry(other.to_owned())),
        }
    }

    /// The repositories with their registry, sorted.
    pub fn repositories(&self) -> Vec<String> {
        match &self.found {
            Found::DockerHub(all) => all.iter().map(|one| docker_hub::full(&self.name, &one.name)).collect(),
            Found::Quay(all) => all.iter().map(|one| quay::full(&self.name, &one.name)).collect(),
            Found::GitHub { packages, .. } => {
                packages.iter().map(|one| github::full(&self.name, &one.name)).collect()
            }
        }
    }

    /// What the repository at this position of [`Self::repositories`] holds; None where there is none.
    ///
    /// # Errors
    /// A site that cannot be reached or asks to be left alone. What is wrong with one repository is told
    /// with what is known of it.
    pub async fn held(&mut self, at: usize, whole: Whole) -> Result<Option<Held>, AccountError> {
        let (site, name) = (&mut self.site, self.name.as_str());
        Ok(match &self.found {
            Found::DockerHub(all) => match all.get(at) {
                Some(one) => Some(docker_hub::held(site, name, one, whole).await?),
                None => None,
            },
            Found::Quay(all) => match all.get(at) {
                Some(one) => Some(quay::held(site, name, one, whole).await?),
                None => None,
            },
            Found::GitHub { kind, packages } => match packages.get(at) {
                Some(one) => Some(github::held(site, kind, name, one, whole).await?),
                None => None,
            },
        })
    }
}

/// Names of a list, each once.
#[derive(Debug, Default)]
struct Names {
    known: HashSet<String>,
    skipped: u64,
    barren: bool,
    /// What is odd about its rows.
    troubles: Vec<String>,
    /// Whether a row was left out for that.
    lost: bool,
}

impl Names {
    /// Rows that are told each by itself where they are odd.
    const MOST: usize = 100;

    /// Whether `name` is new, and `repository` with it as its tag, or by itself, can be asked for.
    fn take(&mut self, name: &str, repository: &str, is_tag: bool) -> bool {
        if !sound(repository, is_tag.then_some(name)) {
            self.skipped += 1;
            return false;
        }
        let new = self.known.len() < NAMES && self.known.insert(name.to_owned());
        self.barren &= !new;
        new
    }

    fn full(&self) -> bool {
        self.known.len() >= NAMES
    }

    /// A row of `list` in its form. What of it has another form than its documentation says is told and
    /// left out; where that is its name, the row is.
    fn row<T: DeserializeOwned>(&mut self, list: &str, mut row: Value, fields: &[(&str, Kind)]) -> Option<T> {
        let named = |row: &Value| match row.get("name").and_then(Value::as_str) {
            Some(name) => format!("`{}`", lazaret_model::one_line(name, 120)),
            None => "a row".to_owned(),
        };
        for (field, kind) in fields {
            let Some(value) = row.get_mut(*field).filter(|value| !kind.holds(value)) else { continue };
            // A whole number may be written as one with a fraction of nothing.
            let count = value.as_f64().filter(|count| *count >= 0.0 && count.fract() == 0.0 && *count < 1e15);
            match (*kind, count) {
                (Kind::Count, Some(count)) => *value = Value::from(count as u64),
                _ => {
                    let found = lazaret_model::one_line(&value.to_string(), 40);
                    *value = Value::Null;
                    let name = named(&row);
                    self.odd(format!("{list}: {name} has `{found}` as its {field}, which is left out"));
                }
            }
        }
        let name = named(&row);
        match serde_json::from_value(row) {
            Ok(row) => Some(row),
            Err(error) => {
                self.lost = true;
                let reason = lazaret_model::one_line(&error.to_string(), 120);
                self.odd(format!("{list}: {name} has a form that is not known, and is left out: {reason}"));
                None
            }
        }
    }

    fn odd(&mut self, why: String) {
        match self.troubles.len() < Self::MOST {
            true => self.troubles.push(why),
            false => self.skipped += 1,
        }
    }

    /// What is wrong with the list in all.
    fn told(&mut self, trouble: Option<String>) -> Vec<String> {
        let mut troubles = std::mem::take(&mut self.troubles);
        troubles.extend(trouble);
        troubles
    }
}

/// What a field of a row is, where it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Count,
    /// Seconds since 1970.
    Seconds,
    Record,
}

impl Kind {
    fn holds(self, value: &Value) -> bool {
        value.is_null()
            || match self {
                Self::Text => value.is_string(),
                Self::Count => value.is_u64(),
                Self::Seconds => value.is_i64(),
                Self::Record => value.is_object(),
            }
    }
}

/// Another path under which a site knows the same list, without the path of the site itself.
type Alias<'a> = &'a (dyn Fn(&str) -> bool + Sync);

/// Follows a list of names from its first answer: `take` takes what a page brings and says where the next
/// one is. Why the list is not whole, where it is not.
async fn pages(
    site: &mut Site,
    mut answer: SiteAnswer,
    names: &mut Names,
    whole: Whole,
    alias: Alias<'_>,
    mut take: impl FnMut(SiteAnswer, &mut Names) -> Result<Option<String>, AccountError>,
) -> Result<Option<String>, AccountError> {
    let mut first = true;
    loop {
        names.barren = true;
        if !first && answer.status != 200 {
            return Ok(Some(format!("{} answered {} to the request for a page", site.host(), answer.status)));
        }
        let next = match take(answer, names) {
            Ok(next) => next,
            Err(error) if first => return Err(error),
            Err(error) => return Ok(Some(error.to_string())),
        };
        first = false;
        if names.full() {
            return Ok(Some(format!("{} lists {NAMES} names or more; the rest is left out", site.host())));
        }
        let Some(next) = next else { return Ok(None) };
        answer = match site.next(&next, names.barren, alias).await {
            Ok(answer) => answer,
            Err(error) if error.may_pass() && whole == Whole::Wanted => return Err(error.into()),
            Err(error) => return Ok(Some(error.to_string())),
        };
    }
}

/// A repository of which the tags are asked for.
struct Tagged<'a> {
    repository: &'a str,
    path: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    whole: Whole,
    alias: Alias<'a>,
}

/// The tags of a repository: which, and what is wrong where these are not all.
async fn tags(
    site: &mut Site,
    of: Tagged<'_>,
    mut take: impl FnMut(&SiteAnswer, &mut Names, &mut Vec<ListedTag>) -> Result<Option<String>, AccountError>,
) -> Result<(Vec<ListedTag>, Names), AccountError> {
    let (mut tags, mut names) = (Vec::new(), Names::default());
    let listed = match site.begin(of.path, of.query).await {
        Ok(answer) if answer.status != 200 => {
            Ok(Some(format!("{} answered {} to the request for its tags", site.host(), answer.status)))
        }
        Ok(answer) => {
            let take = |answer: SiteAnswer, names: &mut Names| take(&answer, names, &mut tags);
            pages(site, answer, &mut names, of.whole, of.alias, take).await
        }
        Err(error) => Err(error.into()),
    };
    let trouble = match listed {
        Err(AccountError::Site(error)) if error.may_pass() && of.whole == Whole::Wanted => {
            return Err(error.into());
        }
        Err(error) => Some(error.to_string()),
        Ok(trouble) => trouble,
    };
    if let Some(trouble) = trouble {
        names.lost = true;
        names.troubles.push(format!("{}: {trouble}", of.repository));
    }
    Ok((tags, names))
}

/// The segments of a path as they are written in it.
fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

/// The answer in its form, where it is one.
fn read<T: DeserializeOwned>(
    answer: &SiteAnswer,
    site: &str,
    name: &str,
    variable: &'static str,
) -> Result<T, AccountError> {
    match answer.status {
        200 => serde_json::from_slice(&answer.body)
            .map_err(|e| AccountError::Form { site: site.to_owned(), reason: e.to_string() }),
        404 => Err(AccountError::NoAccount { site: site.to_owned(), name: name.to_owned() }),
        _ => Err(AccountError::Token { site: site.to_owned(), name: name.to_owned(), variable }),
    }
}

/// Whether `repository` with `tag` can be asked for: what a site says is hostile as well.
fn sound(repository: &str, tag: Option<&str>) -> bool {
    let text = match tag {
        Some(tag) => format!("{repository}:{tag}"),
        None => repository.to_owned(),
    };
    matches!(text.parse::<ImageRef>(), Ok(ImageRef::Registry(parsed))
        if format!("{}/{}", parsed.registry, parsed.repository) == repository && parsed.digest.is_none()
            && parsed.tag.as_deref() == tag)
}

/// A description within its bounds.
pub(super) fn bounded(mut text: String) -> String {
    if text.len() > DESCRIPTION {
        let mut end = DESCRIPTION;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}
