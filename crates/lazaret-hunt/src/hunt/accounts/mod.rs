//! What the sites of registries say of an account: its repositories with their descriptions, times,
//! counts and tags. Each follows what the documentation of its interface states.

mod docker_hub;
mod github;
mod quay;

use std::fmt;

use lazaret_model::{ImageRef, Listing};
use lazaret_registry::{Client, RegistryError, SiteAnswer};
use serde::de::DeserializeOwned;

/// Longest description that is kept, in bytes.
const DESCRIPTION: usize = 64 << 10;

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

/// What an account holds, as far as its site says.
#[derive(Debug, Default)]
pub struct Held {
    /// Its repositories.
    pub listings: Vec<Listing>,
    /// Names that are none of a repository or tag, left out.
    pub skipped: u64,
    /// What was not read to its end, and why.
    pub troubles: Vec<String>,
}

/// Lists an account of a registry.
///
/// # Errors
/// As [`AccountError`] has them. What can be listed in part is listed, with a trouble.
pub async fn list(client: &Client, sites: &Sites, registry: &str, name: &str) -> Result<Held, AccountError> {
    match registry {
        "docker.io" => docker_hub::list(client, sites, name).await,
        "quay.io" => quay::list(client, sites, name).await,
        "ghcr.io" => github::list(client, sites, name).await,
        other => Err(AccountError::Registry(other.to_owned())),
    }
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
fn bounded(mut text: String) -> String {
    if text.len() > DESCRIPTION {
        let mut end = DESCRIPTION;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}
