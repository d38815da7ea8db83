//! What a person means by a name or a digest: every name that any output prints is understood.

use std::collections::{BTreeMap, HashMap, HashSet};

use lazaret_store::{Store, StoreError};

use super::Memory;
use super::listed::name_of;

/// Digits of a digest from which on they are taken for one where no name fits.
const DIGITS: usize = 6;

/// Images that one name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The repository, as it is told, or the digest where one was asked for.
    pub name: String,
    /// The images by number, the convicted ones first.
    pub images: Vec<u32>,
}

/// What a person may mean: by repository, with or without registry, account and tag, as the store or as a
/// site calls it; by the beginning of a digest; or by both. One entry for each repository (each digest,
/// where one was given), by name; those that are called exactly so hide those that end so.
///
/// # Errors
///
/// If the store cannot be read.
pub async fn find(store: &Store, memory: &Memory, typed: &str) -> Result<Vec<Found>, StoreError> {
    let typed = typed.trim();
    let (name, digest) = match typed.rsplit_once('@') {
        Some((name, digest)) => match hex(digest, 1) {
            Some(digest) => (name, Some(digest)),
            None => (typed, None),
        },
        None => (typed, None),
    };
    let named = if name.is_empty() { Vec::new() } else { by_name(store, memory, name).await? };
    let digest = match digest {
        Some(digest) => Some(digest),
        None if named.is_empty() => hex(typed, DIGITS),
        None => None,
    };
    let mut groups: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    match digest {
        None => {
            for (image, repository) in named {
                groups.entry(repository).or_default().push(image);
            }
        }
        Some(digest) => {
            let named: HashSet<u32> = named.into_iter().map(|(image, _)| image).collect();
            let any = name.is_empty() || (named.is_empty() && name == typed);
            for row in store.images_of_digest(&digest).await? {
                let Some(image) = memory.node(row) else { continue };
                if any || named.contains(&image) {
                    groups.entry(memory.image(image).root.to_string()).or_default().push(image);
                }
            }
        }
    }
    let group = |(name, mut images): (String, Vec<u32>)| {
        images.sort_by_key(|image| (!memory.image(*image).is_convicted(), *image));
        images.dedup();
        Found { name, images }
    };
    Ok(groups.into_iter().map(group).collect())
}

/// Images of a name, each with its repository as it is told.
async fn by_name(store: &Store, memory: &Memory, name: &str) -> Result<Vec<(u32, String)>, StoreError> {
    let listings = store.listings().await?;
    let listed: HashMap<&str, (String, Option<String>)> = listings
        .iter()
        .filter(|row| row.listing.name.is_some())
        .map(|row| (row.listing.repository.as_str(), name_of(&row.listing.repository, Some(&row.listing))))
        .collect();
    let (mut exact, mut ending) = (Vec::new(), Vec::new());
    for (number, known) in (0u32..).zip(memory.images()) {
        let own = (&known.repository, known.tag.as_ref());
        let other = listed.get(known.repository.as_str());
        let other = other.map(|(repository, tag)| (repository, known.tag.as_ref().or(tag.as_ref())));
        let told = other.map_or(own.0, |(repository, _)| repository);
        let fit = [Some(own), other]
            .into_iter()
            .flatten()
            .map(|(repository, tag)| fits(repository, tag, name))
            .max();
        match fit {
            Some(Fit::Exact) => exact.push((number, told.clone())),
            Some(Fit::Ends) => ending.push((number, told.clone())),
            Some(Fit::No) | None => {}
        }
    }
    Ok(if exact.is_empty() { ending } else { exact })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    No,
    Ends,
    Exact,
}

/// How a name fits an image: whole, or as the end of it after a slash.
fn fits(repository: &str, tag: Option<&String>, name: &str) -> Fit {
    // What has no tag is the one that is meant by default.
    let tag = tag.map_or("latest", String::as_str);
    let without = name.strip_suffix(tag).and_then(|name| name.strip_suffix(':'));
    [Some(name), without]
        .into_iter()
        .flatten()
        .map(|name| match repository.strip_suffix(name) {
            Some("") => Fit::Exact,
            Some(before) if before.ends_with('/') && !name.is_empty() => Fit::Ends,
            _ => Fit::No,
        })
        .max()
        .unwrap_or(Fit::No)
}

/// The beginning of a digest as the store writes it, where it is one.
fn hex(text: &str, least: usize) -> Option<String> {
    let (algorithm, digits, least) = match text.split_once(':') {
        Some((algorithm @ ("sha256" | "sha512"), digits)) => (algorithm, digits, 1),
        Some(_) => return None,
        None => ("sha256", text, least),
    };
    let formed = digits.len() >= least && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    formed.then(|| format!("{algorithm}:{}", digits.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::{Fit, fits, hex};

    #[test]
    fn a_name_fits_whole_or_after_a_slash_with_and_without_its_tag() {
        let tag = "1.0".to_owned();
        for (name, fit) in [
            ("docker.io/a/cron", Fit::Exact),
            ("docker.io/a/cron:1.0", Fit::Exact),
            ("a/cron:1.0", Fit::Ends),
            ("cron", Fit::Ends),
            ("on", Fit::No),
            ("cron:2.0", Fit::No),
            ("cron:latest", Fit::No),
            ("", Fit::No),
            (":1.0", Fit::No),
        ] {
            assert_eq!(fits("docker.io/a/cron", Some(&tag), name), fit, "{name}");
        }
        assert_eq!(fits("docker.io/a/cron", None, "a/cron:latest"), Fit::Ends);
    }

    #[test]
    fn the_beginning_of_a_digest_is_one_and_a_short_word_is_not() {
        assert_eq!(hex("sha256:AB", 6).as_deref(), Some("sha256:ab"));
        assert_eq!(hex("abcdef0", 6).as_deref(), Some("sha256:abcdef0"));
        for none in ["cafe", "nothex0", "md5:abcdef", "sha256:", ""] {
            assert_eq!(hex(none, 6), None, "{none}");
        }
    }
}
