use serde::{Deserialize, Serialize};

/// How much of an image was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Layers that the manifest names.
    pub layers: u64,
    /// Layers that were read to their end with the right digest (now or before).
    pub layers_read: u64,
    /// Of those, layers whose facts came from the store.
    pub layers_remembered: u64,
    /// Regular files seen.
    pub files: u64,
    /// Uncompressed bytes read.
    pub bytes: u64,
    /// Gaps that could matter.
    pub gaps: u64,
}
