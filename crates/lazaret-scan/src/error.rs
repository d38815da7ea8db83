use lazaret_detect::PackError;
use lazaret_oci::{ResolveError, SourceError};
use lazaret_registry::RegistryError;
use lazaret_store::StoreError;

use crate::WorkerError;

impl ScanError {
    /// Whether all is well with what is there, and it is nothing that an engine runs.
    pub fn is_no_image(&self) -> bool {
        match self {
            Self::Resolve(error) | Self::Registry(RegistryError::Resolve(error)) => {
                matches!(error, ResolveError::NoImage(_))
            }
            Self::Source(error) => error.is_no_image(),
            _ => false,
        }
    }
}

/// Why an image could not be looked at at all. What could be looked at in part is a report with
/// gaps instead.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The registry or daemon refused, or cannot be reached.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The archive, layout or directory cannot be opened, or is none.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The manifest or index cannot be understood.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The rules cannot be used.
    #[error(transparent)]
    Rules(#[from] PackError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The pinned keys of feeds cannot be read.
    #[error(transparent)]
    Pins(#[from] lazaret_trust::PinError),
    /// The worker cannot be started, or refuses to work.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A blob is not what its digest says. Nothing that was read from it is believed.
    #[error("digest mismatch: the blob that is named {named} is {is}; the source is damaged or lies")]
    DigestMismatch {
        /// The digest in the manifest.
        named: lazaret_model::Digest,
        /// The digest of what came.
        is: lazaret_model::Digest,
    },
    /// Bases are kept in the store, and the user wants none.
    #[error("trusted bases are kept in the store, and there is none: leave out --no-store")]
    NoStore,
    /// A base without a chain of layers cannot be compared with anything.
    #[error("{0} does not name the digests of its layers, so nothing can be compared with it")]
    NoChain(String),
    /// Something of the system failed.
    #[error("{what}: {error}")]
    System {
        /// What was to be done.
        what: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
}
