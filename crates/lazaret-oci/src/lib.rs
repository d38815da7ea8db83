//! Container image formats, read: manifests and configurations, layouts and archives on disk,
//! layers, and archives inside them. No network, no async.
//!
//! Everything here takes hostile input. Two rules hold throughout: what could not be read
//! becomes a [`Gap`](lazaret_model::Gap), never silence; and memory does not grow with what the
//! input claims.

mod codec;
mod config;
mod hash;
mod json;
mod layer;
mod manifest;
mod nested;
mod resolve;
mod source;
mod statement;
mod tar;

pub use codec::Compression;
pub use config::{ConfigError, ParsedConfig};
pub use hash::{Hasher, digest_of};
pub use layer::{LayerRead, LayerSink, Owner, Piece, WINDOW_OVERLAP, read_layer};
pub use manifest::{
    DOCKER_LIST, DOCKER_MANIFEST, Descriptor, Document, Index, Manifest, ManifestError, OCI_INDEX,
    OCI_MANIFEST, image, parse_document,
};
pub use nested::{
    ArchiveFormat, Member, NestedBudget, NestedGap, NestedRead, Walked, sniff, walk, walk_stream,
};
pub use resolve::{ResolveError, Resolved, ResolvedImage, Resolver};
pub use source::{Blob, BlobReader, LocalSource, SourceError, begins_as_archive};
pub use statement::{STATEMENT_BYTES, is_statement, may_be_statement};
