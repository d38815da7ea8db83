//! What a file says of repositories, where no site is asked: the lab's `hub.json`, or listings as
//! Lazaret itself writes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use lazaret_model::{ListedTag, Listing};
use serde::Deserialize;
use serde_json::Value;

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
            Ok((listing, image)) => {
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

fn hub(record: HubRecord, folder: &Path, file: &str) -> Result<(Listing, Option<String>), String> {
    // An account without a registry is one of Docker Hub.
    let account = match record.account.contains('/') {
        true => record.account,
        false => format!("docker.io/{}", record.account),
    };
    let published = format!("{account}/{}", record.repository);
    let (repository, image) = match &record.path {
        None => (published.clone(), None),
        Some(path) => {
            let place = Path::new(path);
            if !place.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
                return Err(format!("the path `{path}` leads out of the folder"));
            }
            let place = folder.join(place);
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
