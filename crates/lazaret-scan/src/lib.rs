//! The pipeline, from a reference to a verdict, shared by every door.
//!
//! The program (this process) resolves references, moves bytes and keeps the store. The worker
//! (a confined process, started from the same file) reads layers and judges. Only digests, facts
//! and small contents come back.

mod base;
mod beside;
mod conclude;
mod error;
pub mod feeds;
mod glob;
mod ignore;
mod layers;
mod progress;
mod scanner;
mod source;
mod worker;

pub use beside::Folder;
pub use conclude::conclude;
pub use error::ScanError;
pub use feeds::{FeedSettings, Feeds};
pub use glob::Glob;
pub use ignore::{DEFAULT_IGNORE_FILE, IgnoreError, IgnoreList};
pub use lazaret_oci::begins_as_archive;
pub use lazaret_registry::{BlobCopy, Client, ClientOptions, CredentialFiles, Login};
pub use progress::{Listener, Progress};
pub use scanner::{Scanner, Settings};
pub use source::{Asker, BlobShelf};
pub use worker::{ReadWhat, WORKER_ARGUMENT, Worker, WorkerConfig, WorkerError, run_worker};
