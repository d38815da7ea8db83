//! Images that a container engine on this machine holds, exported into an archive.
//!
//! Docker and podman are asked over their sockets, containerd through its own command line
//! (`ctr`), as its API hands out content only piece by piece.

mod containerd;
mod docker;
mod engine_api;
mod podman;
mod spool;

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use lazaret_model::ImageRef;

use crate::{Environment, RegistryError};

/// How to have an image exported.
#[derive(Debug, Clone)]
pub struct DaemonOptions {
    /// The variables that name the daemons' addresses.
    pub environment: Environment,
    /// Largest export in bytes.
    pub export_limit: u64,
    /// The directory for the temporary file; `TMPDIR` or `/tmp` where it is None.
    pub directory: Option<PathBuf>,
    /// Longest wait for the next bytes. Docker prepares the whole archive before it sends the
    /// first, which takes minutes for large images.
    pub stall_timeout: Duration,
}

impl Default for DaemonOptions {
    fn default() -> Self {
        Self {
            environment: Environment::of_process(),
            export_limit: 64 << 30,
            directory: None,
            stall_timeout: Duration::from_secs(600),
        }
    }
}

/// An exported image. The file has no name any more: it is gone as soon as it is closed.
#[derive(Debug)]
pub struct Export {
    /// The archive, positioned at its start: `docker save`'s form from Docker and podman, an OCI
    /// archive from containerd (newer Docker engines write both in one).
    pub file: File,
    /// Its size in bytes.
    pub size: u64,
    /// Who exported it and where that was: `the Docker daemon at /var/run/docker.sock`.
    pub origin: String,
    /// What the engine calls the image: the digest of its configuration, or, where an engine
    /// keeps images by manifest, of its manifest or index.
    pub id: String,
    /// `repository@digest` under which the engine pulled or pushed it; empty for one built here.
    pub repo_digests: Vec<String>,
}

/// Has the engine that a reference names export its image.
///
/// # Errors
/// No such engine or image, a failure of the engine, an export over the limit, a full disk; and a
/// reference that names no engine.
pub async fn export(reference: &ImageRef, options: &DaemonOptions) -> Result<Export, RegistryError> {
    match reference {
        ImageRef::DockerDaemon(name) => docker::export(&checked(name)?, options).await,
        ImageRef::Podman(name) => podman::export(&checked(name)?, options).await,
        ImageRef::Containerd(name) => containerd::export(&checked(name)?, options).await,
        other => Err(RegistryError::BadName {
            name: other.to_string(),
            reason: "it names no container engine (docker-daemon:, podman: and containerd: do)".to_owned(),
        }),
    }
}

/// Something that the Docker daemon holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// An image, by name or id.
    Image,
    /// A container, by name or id.
    Container,
    /// A volume, by name.
    Volume,
}

/// What the Docker daemon says of something that it holds, as its API writes it; None where it
/// holds nothing of that name.
///
/// # Errors
/// No daemon, a failure of the daemon, a name that is none.
pub async fn inspect(
    what: Held,
    name: &str,
    options: &DaemonOptions,
) -> Result<Option<Vec<u8>>, RegistryError> {
    docker::inspect(what, &checked(name)?, options).await
}

/// An image name or id that is safe in the path of a URL and as an argument.
fn checked(name: &str) -> Result<String, RegistryError> {
    let bad = |reason: &str| RegistryError::BadName {
        name: lazaret_model::one_line(name, 200),
        reason: reason.to_owned(),
    };
    if name.is_empty() || name.len() > 512 {
        return Err(bad("a name has 1 to 512 characters"));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:@+".contains(&b)) {
        return Err(bad("a name has letters, digits and `._-/:@+` only"));
    }
    if name.starts_with(['-', '/', '.']) || name.split('/').any(|part| part.is_empty() || part == "..") {
        return Err(bad("it would be read as an option or a path"));
    }
    Ok(name.to_owned())
}

/// The name to read the same image from its registry, for a hint.
fn registry_hint(name: &str) -> String {
    match name.parse::<lazaret_model::RegistryRef>() {
        // An id or a name that only this engine knows is in no registry.
        Ok(reference) if reference.registry != "localhost" && !looks_like_id(name) => {
            format!("use docker://{name} to read it from its registry")
        }
        _ => "check the name or id".to_owned(),
    }
}

fn looks_like_id(name: &str) -> bool {
    let hex = name.strip_prefix("sha256:").unwrap_or(name);
    hex.len() >= 12 && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place_in_a_path_or_become_an_option() {
        for good in ["nginx", "localhost:5000/a/b:1", "sha256:0f0f", "a@sha256:00", "0123456789ab"] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in
            ["", "-x", "../../info", "a/../../b", "/etc", "a?b", "a#b", "a b", "a%2f", "a//b", "a\nb", ".."]
        {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_hint_never_sends_an_id_to_a_registry() {
        assert_eq!(registry_hint("nginx:1"), "use docker://nginx:1 to read it from its registry");
        for local in ["localhost/a:1", "0123456789abcdef", "sha256:0123456789abcdef"] {
            assert_eq!(registry_hint(local), "check the name or id", "{local}");
        }
    }
}
