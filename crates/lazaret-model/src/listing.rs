use serde::{Deserialize, Serialize};

use crate::Digest;

/// What a registry's site says of a repository, beside its bytes. All of it is its owner's word,
/// but for the counts and times, which are the registry's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// As [`crate::PinnedRef::repository`] has it: `docker.io/somebody/mysql`, or where it lies on disk.
    pub repository: String,
    /// What it is called where it was published, with its tag, where that is not `repository`: the name
    /// of an image that lies on disk now. `docker.io/somebody/mysql:5.7`.
    #[serde(default)]
    pub name: Option<String>,
    /// Who published it, with the registry: `docker.io/somebody`. None where nobody says.
    pub account: Option<String>,
    /// The description that its page shows, short and long.
    pub description: String,
    /// How its page tells people to start it, where that is known apart from the description.
    pub run: Option<String>,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// When it was last changed, RFC 3339.
    pub updated: Option<String>,
    /// How often it was pulled.
    pub pulls: Option<u64>,
    /// How many people marked it.
    pub stars: Option<u64>,
    /// Its tags as listed; empty where it holds no image.
    pub tags: Vec<ListedTag>,
    /// Who said so, in words: `Docker Hub`, `the file hub.json`.
    pub source: String,
}

/// A tag as a site lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedTag {
    /// Its name.
    pub name: String,
    /// What it stood for, where the site says.
    pub digest: Option<Digest>,
    /// When it was last pushed, RFC 3339.
    pub updated: Option<String>,
}
