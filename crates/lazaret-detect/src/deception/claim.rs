use lazaret_model::{Image, Location};

use super::{How, Official, look_alike};

/// A place where an image says that it is an official one, or lets itself be mistaken for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The official image.
    pub(crate) official: &'static Official,
    /// How the name passes for it.
    pub(crate) how: How,
    /// The account, where the name is that of a repository in a registry.
    pub(crate) account: Option<String>,
    /// The words.
    pub(crate) said: String,
    /// Where.
    pub(crate) location: Location,
}

/// What an image claims to be: by the name of its repository, and by its title.
///
/// An official image, and a mirror of one, claims nothing: it is what it says.
pub(crate) fn claims(image: &Image) -> Vec<Claim> {
    let mut claims = Vec::new();
    for said in names(image) {
        if let Some(claim) = of_name(&said) {
            claims.push(claim);
        }
    }
    for (label, title) in &image.config.labels {
        let last = label.rsplit('.').next().unwrap_or(label).to_ascii_lowercase();
        if matches!(last.as_str(), "title" | "name")
            && let Some(claim) = of_title(label, title)
        {
            claims.push(claim);
        }
    }
    claims.dedup_by(|a, b| a.official == b.official && a.account == b.account);
    claims
}

/// Names that the image goes by in a registry.
fn names(image: &Image) -> Vec<String> {
    let daemons = ["docker:", "podman:", "containerd:"];
    let repository = &image.pinned.repository;
    let is_local = image.pinned.is_on_disk()
        || daemons.iter().any(|scheme| repository.starts_with(scheme))
        || !repository.contains('/');
    let mut names: Vec<String> = Vec::new();
    if !is_local {
        names.push(repository.clone());
    }
    // A layout's reference name may be the whole name in a registry.
    let tag = image.pinned.tag.iter().filter(|tag| tag.contains('/'));
    names.extend(tag.map(|tag| tag.rsplit_once(':').map_or(tag.as_str(), |(name, _)| name).to_owned()));
    names
}

fn of_name(name: &str) -> Option<Claim> {
    let mut parts = name.rsplit('/');
    let last = parts.next()?;
    let account = parts.next().unwrap_or_default();
    // `docker.io/library/x`, and what mirrors it under the same two words.
    if account == "library" {
        return None;
    }
    let (official, how) = look_alike(last)?;
    Some(Claim {
        official,
        how,
        account: Some(account.to_owned()),
        said: name.to_owned(),
        location: Location::Image,
    })
}

/// Words beside the product in a title that claims to be the product itself.
const BESIDE: &[&str] =
    &["apache", "official", "docker", "image", "server", "the", "database", "web", "oracle", "eclipse"];

fn of_title(label: &str, title: &str) -> Option<Claim> {
    let lower = title.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().filter(|word| !BESIDE.contains(word)).collect();
    let [product] = words.as_slice() else { return None };
    let (official, how) = look_alike(product).filter(|(_, how)| !matches!(how, How::Typo))?;
    Some(Claim {
        official,
        how,
        account: None,
        said: title.to_owned(),
        location: Location::Config(format!("Labels.{label}")),
    })
}
