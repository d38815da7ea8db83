use serde::{Deserialize, Serialize};

/// What reading one image may cost at most. It is a value that is passed down, never a global.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Uncompressed bytes of one layer.
    pub layer_bytes: u64,
    /// Entries of one layer, members of archives in it included.
    pub entries: u64,
    /// Uncompressed bytes for each compressed byte, judged once 64 MiB were written.
    pub ratio: u64,
    /// Archives inside archives.
    pub depth: u32,
    /// Bytes that archives inside one layer may unpack to, together.
    pub nested_bytes: u64,
    /// Largest file that is held in memory whole; a larger one is read in overlapping windows.
    pub whole_file: u64,
    /// Seconds for one image, all layers together.
    pub seconds: u64,
    /// Bytes of small content kept from one layer for later stages.
    pub kept_bytes: u64,
    /// Largest manifest, index or configuration.
    pub document_bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            layer_bytes: 64 << 30,
            entries: 4_000_000,
            ratio: 1_100,
            depth: 6,
            nested_bytes: 16 << 30,
            whole_file: 32 << 20,
            seconds: 1_800,
            kept_bytes: 32 << 20,
            document_bytes: 8 << 20,
        }
    }
}

/// Which limit was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BudgetKind {
    /// [`Budget::layer_bytes`].
    LayerBytes,
    /// [`Budget::entries`].
    Entries,
    /// [`Budget::ratio`].
    Ratio,
    /// [`Budget::depth`].
    Depth,
    /// [`Budget::nested_bytes`].
    NestedBytes,
    /// [`Budget::seconds`].
    Time,
    /// [`Budget::kept_bytes`].
    KeptBytes,
    /// [`Budget::document_bytes`].
    DocumentBytes,
    /// Memory of the reading worker.
    Memory,
}

impl BudgetKind {
    /// The command line flag that raises this limit.
    pub fn flag(self) -> &'static str {
        match self {
            Self::LayerBytes => "--max-layer-bytes",
            Self::Entries => "--max-entries",
            Self::Ratio => "--max-ratio",
            Self::Depth => "--max-depth",
            Self::NestedBytes => "--max-nested-bytes",
            Self::Time => "--timeout",
            Self::KeptBytes => "--max-kept-bytes",
            Self::DocumentBytes => "--max-document-bytes",
            Self::Memory => "--max-memory",
        }
    }
}
