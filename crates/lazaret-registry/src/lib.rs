//! Where images come from: registries, and the daemons that hold images.
//!
//! [`Client`] reads from registries (Docker Registry HTTP API V2 and the OCI distribution
//! specification). It authenticates with what docker and podman keep, scoped to one host; it
//! follows redirects by hand and never with credentials; it caps, checks and repeats. The
//! addresses that an image's own content names are never contacted.
//!
//! [`daemon`] has an image exported by Docker, podman or containerd.

mod auth;
mod blob;
mod client;
mod credentials;
pub mod daemon;
mod endpoint;
mod environment;
mod error;
mod helper;
mod manifest;
mod options;
mod pace;
mod pages;
mod pump;
mod redirect;
mod refusal;
mod resolve;
mod retry;
mod tls;

pub use blob::BlobStream;
pub use client::Client;
pub use endpoint::host_of;
pub use environment::Environment;
pub use error::RegistryError;
pub use manifest::{List, Manifest};
pub use options::{ClientOptions, CredentialFiles, Login, RetryPolicy};
pub use pace::Pace;
pub use pages::{Names, Site, SiteAnswer};
pub use pump::{BlobCopy, Pumped, pump};
