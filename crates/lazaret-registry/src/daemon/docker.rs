use std::path::{Path, PathBuf};

use lazaret_oci::digest_of;
use serde::Deserialize;

use super::engine_api::{Address, Engine, TlsFiles};
use super::{DaemonOptions, Export, Held};
use crate::{Environment, RegistryError};

const ENGINE: &str = "the Docker daemon";

/// Exports an image by its id, so that a tag that moves between the two requests changes nothing.
pub(super) async fn export(name: &str, options: &DaemonOptions) -> Result<Export, RegistryError> {
    let engine = Engine::new(ENGINE, address(&options.environment)?, options)?;
    let described = engine.describe(&format!("/images/{name}/json"), name).await?;
    let id = super::checked(&described.id)?;
    engine.spool(&format!("/images/{id}/get"), None, name, described).await
}

/// What the daemon says of something that it holds, as JSON.
pub(super) async fn inspect(
    what: Held,
    name: &str,
    options: &DaemonOptions,
) -> Result<Option<Vec<u8>>, RegistryError> {
    let engine = Engine::new(ENGINE, address(&options.environment)?, options)?;
    let path = match what {
        Held::Image => format!("/images/{name}/json"),
        Held::Container => format!("/containers/{name}/json"),
        Held::Volume => format!("/volumes/{name}"),
    };
    engine.look(&path, name).await
}

/// Where the daemon listens, found as the docker command line finds it: `DOCKER_HOST`, then the
/// context (`DOCKER_CONTEXT`, `currentContext`), then the usual sockets.
fn address(environment: &Environment) -> Result<Address, RegistryError> {
    let setup = |what: String| move |reason: String| RegistryError::Setup { what, reason };
    if let Some(host) = environment.text("DOCKER_HOST") {
        let tls = environment.text("DOCKER_TLS_VERIFY").and_then(|_| {
            let directory = environment.path("DOCKER_CERT_PATH").or_else(|| environment.docker_config())?;
            Some(TlsFiles { directory })
        });
        return Address::parse(&host, tls).map_err(setup(format!("DOCKER_HOST={host}")));
    }
    if let Some(context) = current_context(environment) {
        let config = environment.docker_config().unwrap_or_default();
        return of_context(&config, &context).map_err(setup(format!("the docker context `{context}`")));
    }
    let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
    sockets.extend(environment.path("XDG_RUNTIME_DIR").map(|d| d.join("docker.sock")));
    sockets.extend(environment.path("HOME").map(|d| d.join(".docker/run/docker.sock")));
    first_socket(ENGINE, "DOCKER_HOST", sockets)
}

/// The first socket that is there.
pub(super) fn first_socket(
    engine: &'static str,
    variable: &'static str,
    sockets: Vec<PathBuf>,
) -> Result<Address, RegistryError> {
    if let Some(found) = sockets.iter().find(|path| path.exists()) {
        return Ok(Address::Socket(found.clone()));
    }
    let looked: Vec<String> = sockets.iter().map(|path| path.display().to_string()).collect();
    Err(RegistryError::NoDaemon { engine, tried: format!("no socket at {}", looked.join(", ")), variable })
}

/// The context in use, if it is another one than the default.
fn current_context(environment: &Environment) -> Option<String> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "currentContext")]
        current: Option<String>,
    }
    let configured = || {
        let text = std::fs::read(environment.docker_config()?.join("config.json")).ok()?;
        serde_json::from_slice::<Config>(&text).ok()?.current
    };
    environment
        .text("DOCKER_CONTEXT")
        .or_else(configured)
        .filter(|context| !context.is_empty() && context != "default")
}

/// The address that a context names. A context lives in a directory named after the SHA-256 of
/// its name (docker/cli, `cli/context/store`).
fn of_context(config: &Path, context: &str) -> Result<Address, String> {
    #[derive(Deserialize)]
    struct Meta {
        #[serde(rename = "Endpoints")]
        endpoints: std::collections::BTreeMap<String, Endpoint>,
    }
    #[derive(Deserialize)]
    struct Endpoint {
        #[serde(rename = "Host")]
        host: Option<String>,
    }
    let id = digest_of(lazaret_model::Algorithm::Sha256, context.as_bytes());
    let path = config.join("contexts/meta").join(id.hex()).join("meta.json");
    let text = std::fs::read(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => format!("there is none of that name ({} is missing)", path.display()),
        _ => format!("{}: {e}", path.display()),
    })?;
    let meta: Meta = serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let host = meta
        .endpoints
        .get("docker")
        .and_then(|endpoint| endpoint.host.as_deref())
        .ok_or_else(|| format!("{} names no docker endpoint", path.display()))?;
    let directory = config.join("contexts/tls").join(id.hex()).join("docker");
    Address::parse(host, directory.exists().then_some(TlsFiles { directory }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown(environment: &Environment) -> String {
        address(environment).map_or_else(|e| e.to_string(), |a| a.to_string())
    }

    /// Writes a context as the docker command line does.
    fn context(config: &Path, name: &str, host: &str) {
        let id = digest_of(lazaret_model::Algorithm::Sha256, name.as_bytes());
        let dir = config.join("contexts/meta").join(id.hex());
        std::fs::create_dir_all(&dir).unwrap();
        let meta = format!(
            r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#
        );
        std::fs::write(dir.join("meta.json"), meta).unwrap();
    }

    #[test]
    fn docker_host_wins_over_a_context_and_that_over_the_usual_sockets() {
        let dir = tempfile::tempdir().unwrap();
        context(dir.path(), "lab", "unix:///srv/lab.sock");
        context(dir.path(), "other", "tcp://192.0.2.1:2375");
        std::fs::write(dir.path().join("config.json"), r#"{"currentContext":"lab"}"#).unwrap();
        let config = ("DOCKER_CONFIG", dir.path().to_str().unwrap());
        assert_eq!(shown(&Environment::from_pairs([config])), "/srv/lab.sock");
        assert_eq!(
            shown(&Environment::from_pairs([config, ("DOCKER_CONTEXT", "other")])),
            "tcp://192.0.2.1:2375"
        );
        assert_eq!(
            shown(&Environment::from_pairs([config, ("DOCKER_HOST", "unix:///srv/host.sock")])),
            "/srv/host.sock"
        );
    }

    #[test]
    fn an_address_or_context_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let config = ("DOCKER_CONFIG", dir.path().to_str().unwrap());
        for (variable, value, said) in [
            ("DOCKER_HOST", "ssh://host.example", "ssh is not supported"),
            ("DOCKER_HOST", "nonsense", "neither unix://"),
            ("DOCKER_HOST", "unix://relative", "absolute path"),
            ("DOCKER_CONTEXT", "missing", "there is none of that name"),
        ] {
            let text = shown(&Environment::from_pairs([config, (variable, value)]));
            assert!(text.contains(said) && text.contains(value), "{text}");
        }
    }

    #[test]
    fn a_rootless_socket_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        std::fs::write(&socket, "").unwrap();
        let found =
            first_socket(ENGINE, "DOCKER_HOST", vec![dir.path().join("none"), socket.clone()]).unwrap();
        assert_eq!(found, Address::Socket(socket));
        let error =
            first_socket(ENGINE, "DOCKER_HOST", vec![dir.path().join("none")]).unwrap_err().to_string();
        assert!(error.contains("none") && error.contains("DOCKER_HOST"), "{error}");
    }
}
