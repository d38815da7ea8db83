use serde::{Deserialize, Serialize};

use crate::{Digest, Platform};

/// An image that a person trusts as a base, with the chain of its layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedBase {
    /// Its name, as `docker.io/library/debian:12`.
    pub name: String,
    /// Digest that the name was resolved to (the index, where there is one).
    pub root: Digest,
    /// Digest of the platform's manifest.
    pub manifest: Digest,
    /// The platform.
    pub platform: Option<Platform>,
    /// Digests of its uncompressed layers, lowest first. Never empty.
    pub diff_ids: Vec<Digest>,
    /// The day on which it was recorded, RFC 3339 date (UTC).
    pub recorded: String,
}

/// A recorded base whose layers are the lowest ones of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltOn {
    /// Name of the base.
    pub name: String,
    /// Digest that the name stood for.
    pub digest: Digest,
    /// The day on which it was recorded, RFC 3339 date (UTC).
    pub recorded: String,
    /// How many of the image's layers are the base's.
    pub layers: usize,
}
