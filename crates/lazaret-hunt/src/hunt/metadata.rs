//! What a file says of repositories, where no site is asked: the lab's `hub.json`, or listings as
//! Lazaret itself writes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use lazaret_model::{ListedTag, Listing};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::target::on_disk;

/// Largest file, in bytes.
const LIMIT: u64 = 256 << 20;

/// Why a file with metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than any list that is meant.
    #[error("{} is larger than {LIMIT} bytes; split it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is in no form that is known.
    #[error("{}: {reason}; a list of records is expected, as in the lab's hub.json, or of listings", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What a file with metadata says.
#[derive(Debug, Default)]
pub struct Metadata {
    /// One for each repository, by name.
    pub listings: Vec<Listing>,
    /// The images on disk that it describes, as references.
    pub images: Vec<String>,
    /// Records that could not be used, and why.
    pub troubles: Vec<String>,
}

/// A record of `hub.json`: what the page of a repository on Docker Hub shows.
#[derive(Deserialize)]
struct HubRecord {
    #[serde(default)]
    path: Option<String>,
    account: String,
    repository: String,
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    run: Option<String>,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    updated: Option<String>,
    #[serde(default)]
    pulls: Option<u64>,
    #[serde(default)]
    stars: Option<u64>,
}

/// Reads a file with metadata. Paths in it are relative to its folder and stay below it.
///
/// # Errors
/// A file that cannot be read or is no such list. A single record that makes no sense is a trouble.
pub fn read(path: &Path) -> Result<Metadata, MetadataError> {
    let failed = |source| MetadataError::Read { path: path.to_owned(), source };
    let mut text = Vec::new();
    File::open(path).map_err(failed)?.take(LIMIT + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > LIMIT {
        return Err(MetadataError::TooLarge { path: path.to_owned() });
    }
    let records: Vec<Value> = serde_json::from_slice(&text)
        .map_err(|e| MetadataError::Form { path: path.to_owned(), reason: e.to_string() })?;
    let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let mut metadata = Metadata::default();
    let mut listings: BTreeMap<String, Listing> = BTreeMap::new();
    for (at, record) in records.into_iter().enumerate() {
        let read = match record.get("tags").is_some_and(Value::is_array) {
            true => serde_json::from_value::<Listing>(record).map_err(|e| e.to_string()).map(|l| (l, None)),
            false => serde_json::from_value::<HubRecord>(record)
                .map_err(|e| e.to_string())
                .and_then(|record| hub(record, &folder, &file)),
        };
        match read {
            Ok((mut listing, image)) => {
                for wrong in put_times_right(&mut listing) {
                    metadata
                        .troubles
                        .push(format!("{file}, record {}: `{wrong}` is no time; it is left out", at + 1));
                }
                metadata.images.extend(image);
                match listings.get_mut(&listing.repository) {
                    // A further tag of the same repository.
                    Some(known) => known.tags.extend(listing.tags),
                    None => {
                        listings.insert(listing.repository.clone(), listing);
                    }
                }
            }
            Err(reason) => metadata.troubles.push(format!("{file}, record {}: {reason}", at + 1)),
        }
    }
    metadata.listings = listings.into_values().collect();
    metadata.images.sort();
    metadata.images.dedup();
    Ok(metadata)
}

/// Puts every time of a listing into the form of RFC 3339, so that all that is told of it counts it alike.
/// What is no time is taken out, and given back.
fn put_times_right(listing: &mut Listing) -> Vec<String> {
    let tags = listing.tags.iter_mut().map(|tag| &mut tag.updated);
    let times = [&mut listing.created, &mut listing.updated].into_iter().chain(tags);
    let mut wrong = Vec::new();
    for time in times {
        let Some(text) = time.take() else { continue };
        match moment(&text) {
            Some(right) => *time = Some(right),
            None => wrong.push(text.chars().take(80).collect()),
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

/// A time as lists write it: RFC 3339, with a space for the `T`, without a zone (then it is UTC), without
/// seconds, or a date alone.
fn moment(text: &str) -> Option<String> {
    let text = text.trim();
    let (date, clock) = match text.split_once(['T', 't', ' ']) {
        Some((date, clock)) => (date, clock.trim().replace(' ', "")),
        None => (text, String::new()),
    };
    let zone = clock.rfind(['Z', 'z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(zone);
    let clock = match clock.len() {
        0 => "00:00:00".to_owned(),
        5 => format!("{clock}:00"),
        _ => clock.to_owned(),
    };
    let zone = match zone {
        "" => "Z",
        zone => zone,
    };
    let whole = format!("{date}T{clock}{zone}");
    OffsetDateTime::parse(&whole, &Rfc3339).ok().map(|_| whole)
}

/// The name of a repository below its account, however much of the account is written before it.
fn below<'r>(account: &str, repository: &'r str) -> Result<&'r str, String> {
    let after = |above: &str| repository.strip_prefix(above).and_then(|rest| rest.strip_prefix('/'));
    if let Some(rest) = after(account) {
        return Ok(rest);
    }
    // Other registries have names in names; Docker Hub has none.
    let Some(name) = account.strip_prefix("docker.io/") else { return Ok(repository) };
    match after(name).unwrap_or(repository) {
        rest if rest.contains('/') => Err(format!(
            "the repository `{repository}` is none of the account `{account}`: write its name alone"
        )),
        rest => Ok(rest),
    }
}

fn hub(record: HubRecord, folder: &Path, file: &str) -> Result<(Listing, Option<String>), String> {
    // An account without a registry is one of Docker Hub.
    let account = match record.account.contains('/') {
        true => record.account,
        false => format!("docker.io/{}", record.account),
    };
    let published = format!("{account}/{}", below(&account, &record.repository)?);
    let (repository, image) = match &record.path {
        None => (published.clone(), None),
        Some(path) => {
            let place = Path::new(path);
            if !place.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
                return Err(format!("the path `{path}` leads out of the folder"));
            }
            let place = folder.join(place);
            let whole =
                |path: &Path| std::fs::canonicalize(path).map_err(|e| format!("`{}`: {e}", path.display()));
            if !whole(&place)?.starts_with(whole(folder)?) {
                return Err(format!("the path `{path}` leads out of the folder by a link"));
            }
            let reference = on_disk(&place).map_err(|e| format!("`{}`: {e}", place.display()))?;
            (reference.clone(), Some(reference))
        }
    };
    let name = record.path.is_some().then(|| match &record.tag {
        Some(tag) => format!("{published}:{tag}"),
        None => published,
    });
    let tag = record.tag.map(|name| ListedTag { name, digest: None, updated: record.updated.clone() });
    let mut tags: Vec<ListedTag> = tag.into_iter().collect();
    if tags.is_empty() && image.is_some() {
        tags.push(ListedTag { name: "latest".to_owned(), ..ListedTag::default() });
    }
    let listing = Listing {
        repository,
        name,
        account: Some(account),
        description: record.description,
        run: record.run,
        created: record.created,
        updated: record.updated,
        pulls: record.pulls,
        stars: record.stars,
        tags,
        source: format!("the file {file}"),
    };
    Ok((listing, image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_named_with_and_without_its_account_and_not_with_another_one() {
        for (account, repository, meant) in [
            ("docker.io/a", "x", Some("x")),
            ("docker.io/a", "a/x", Some("x")),
            ("docker.io/a", "docker.io/a/x", Some("x")),
            ("docker.io/a", "a", Some("a")),
            ("docker.io/a", "b/x", None),
            ("docker.io/a", "a/b/x", None),
            ("ghcr.io/a", "b/x", Some("b/x")),
            ("ghcr.io/a", "ghcr.io/a/b/x", Some("b/x")),
        ] {
            assert_eq!(below(account, repository).ok(), meant, "{account} {repository}");
        }
    }

    #[test]
    fn times_are_understood_as_lists_write_them_and_nothing_else_is_one() {
        for (written, meant) in [
            ("2017-05-01T10:00:00Z", "2017-05-01T10:00:00Z"),
            ("2017-05-01T10:00:00.5+02:00", "2017-05-01T10:00:00.5+02:00"),
            ("2017-05-01", "2017-05-01T00:00:00Z"),
            ("2017-05-01 10:00:00", "2017-05-01T10:00:00Z"),
            (" 2017-05-01 10:00 ", "2017-05-01T10:00:00Z"),
            ("2017-05-01 10:00:00 +02:00", "2017-05-01T10:00:00+02:00"),
        ] {
            assert_eq!(moment(written).as_deref(), Some(meant), "{written}");
        }
        for wrong in ["never", "", "9999-99-99T00:00:00Z", "2017-05", "05/01/2017", "2017-05-01T25:00:00Z"] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
        let tag =
            ListedTag { name: "1".to_owned(), updated: Some("soon".to_owned()), ..ListedTag::default() };
        let mut listing = Listing {
            created: Some("2017-05-01".to_owned()),
            updated: Some("soon".to_owned()),
            tags: vec![tag],
            ..Listing::default()
        };
        assert_eq!(put_times_right(&mut listing), ["soon"]);
        assert_eq!(listing.created.as_deref(), Some("2017-05-01T00:00:00Z"));
        assert_eq!((listing.updated, &listing.tags[0].updated), (None, &None));
    }
}
