use std::path::PathBuf;

use super::docker::first_socket;
use super::engine_api::{Address, Engine};
use super::{DaemonOptions, Export};
use crate::{Environment, RegistryError};

pub(super) const ENGINE: &str = "podman";
/// Podman answers to its API's version or any older one; 4.0.0 is the oldest still supported.
const API: &str = "/v4.0.0/libpod";

/// Exports an image by its id. `docker-archive` keeps the layers as they are stored, unpacked:
/// the other forms would compress them anew.
pub(super) async fn export(name: &str, options: &DaemonOptions) -> Result<Export, RegistryError> {
    let engine = Engine::new(ENGINE, address(&options.environment)?, options)?;
    let described = engine.describe(&format!("{API}/images/{name}/json"), name).await?;
    let id = super::checked(&described.id)?;
    engine.spool(&format!("{API}/images/{id}/get"), Some("format=docker-archive"), name, described).await
}

/// Where podman listens: `CONTAINER_HOST`, then the user's socket, then the system's
/// (podman-system-service(1)).
fn address(environment: &Environment) -> Result<Address, RegistryError> {
    if let Some(host) = environment.text("CONTAINER_HOST") {
        return Address::parse(&host, None)
            .map_err(|reason| RegistryError::Setup { what: format!("CONTAINER_HOST={host}"), reason });
    }
    let mut sockets: Vec<PathBuf> = Vec::new();
    sockets.extend(environment.path("XDG_RUNTIME_DIR").map(|d| d.join("podman/podman.sock")));
    sockets.push(PathBuf::from("/run/podman/podman.sock"));
    first_socket(ENGINE, "CONTAINER_HOST", sockets).map_err(|error| match error {
        RegistryError::NoDaemon { engine, tried, variable } => RegistryError::NoDaemon {
            engine,
            tried: format!(
                "{tried} (podman listens only while `podman system service` or podman.socket runs)"
            ),
            variable,
        },
        other => other,
    })
}
