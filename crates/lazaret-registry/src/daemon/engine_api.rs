//! What the HTTP APIs of Docker and podman share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use serde::Deserialize;

use super::spool::Spool;
use super::{DaemonOptions, Export};
use crate::RegistryError;
use crate::client::reason;
use crate::error::seconds;
use crate::tls::{self, ClientCertificate, SystemRoots};

/// Longest wait for a daemon to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest description of an image that is read, in bytes.
const INSPECT_LIMIT: usize = 8 << 20;

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A Unix socket.
    Socket(PathBuf),
    /// `host:port` over TCP, with TLS where there is material for it.
    Tcp { authority: String, tls: Option<TlsFiles> },
}

/// The files of Docker's TLS set-up: `ca.pem`, `cert.pem`, `key.pem`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsFiles {
    pub(super) directory: PathBuf,
}

impl Address {
    /// Reads `unix:///path`, `tcp://host:port`, `http://host:port`.
    pub(super) fn parse(text: &str, tls: Option<TlsFiles>) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix://") {
            return if Path::new(path).is_absolute() {
                Ok(Self::Socket(PathBuf::from(path)))
            } else {
                Err("a unix:// address needs an absolute path".to_owned())
            };
        }
        let (authority, tls) = match text.split_once("://") {
            Some(("tcp", rest)) => (rest, tls),
            Some(("http", rest)) => (rest, None),
            Some(("https", rest)) => (rest, tls),
            Some(("ssh", _)) => {
                return Err(
                    "ssh is not supported; save the image there (`docker save`) and read the archive"
                        .to_owned(),
                );
            }
            _ => return Err("it is neither unix://, tcp:// nor http://".to_owned()),
        };
        let authority = authority.trim_end_matches('/');
        if authority.is_empty() || authority.contains(['/', '@', '?', '#']) {
            return Err("what follows tcp:// must be host:port".to_owned());
        }
        Ok(Self::Tcp { authority: authority.to_owned(), tls })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Tcp { authority, .. } => write!(f, "tcp://{authority}"),
        }
    }
}

/// What an engine says about an image it holds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Described {
    pub(super) id: String,
    #[serde(default)]
    pub(super) repo_digests: Option<Vec<String>>,
}

/// An engine at an address.
pub(super) struct Engine<'a> {
    pub(super) engine: &'static str,
    pub(super) address: Address,
    pub(super) options: &'a DaemonOptions,
    client: reqwest::Client,
    base: Url,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        engine: &'static str,
        address: Address,
        options: &'a DaemonOptions,
    ) -> Result<Self, RegistryError> {
        let setup = |reason: String| RegistryError::Setup {
            what: format!("the address of {engine} ({address})"),
            reason,
        };
        let builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT);
        let environment = &options.environment;
        let (builder, base) = match &address {
            // reqwest wants a TLS set-up even where none is used; an empty one reads no files.
            Address::Socket(path) => (
                builder
                    .tls_backend_preconfigured(http1(tls::config(
                        environment,
                        SystemRoots::Ignore,
                        None,
                        None,
                    )?))
                    .unix_socket(path.as_path()),
                "http://localhost/".to_owned(),
            ),
            Address::Tcp { authority, tls: None } => (
                builder.tls_backend_preconfigured(http1(tls::config(
                    environment,
                    SystemRoots::Ignore,
                    None,
                    None,
                )?)),
                format!("http://{authority}/"),
            ),
            Address::Tcp { authority, tls: Some(files) } => {
                let ca = files.directory.join("ca.pem");
                let (certificate, key) = (files.directory.join("cert.pem"), files.directory.join("key.pem"));
                let client = certificate.exists().then_some(ClientCertificate { certificate, key });
                // Docker trusts the named authority alone, and the system's where none is named.
                let (system, ca) =
                    if ca.exists() { (SystemRoots::Ignore, Some(ca)) } else { (SystemRoots::Trust, None) };
                let config = tls::config(environment, system, ca.as_deref(), client.as_ref())?;
                (builder.tls_backend_preconfigured(http1(config)), format!("https://{authority}/"))
            }
        };
        let base = Url::parse(&base).map_err(|e| setup(e.to_string()))?;
        let client = builder.build().map_err(|e| setup(reason(&e)))?;
        Ok(Self { engine, address, options, client, base })
    }

    /// Asks for a path. The second value names the image, for messages.
    pub(super) async fn get(
        &self,
        path: &str,
        query: Option<&str>,
        name: &str,
    ) -> Result<Response, RegistryError> {
        let mut url = self.base.clone();
        url.set_path(path);
        url.set_query(query);
        match tokio::time::timeout(self.options.stall_timeout, self.client.get(url).send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => Err(RegistryError::NoDaemon {
                engine: self.engine,
                tried: format!("{}: {}", self.address, hint_of(&reason(&error))),
                variable: if self.engine == super::podman::ENGINE { "CONTAINER_HOST" } else { "DOCKER_HOST" },
            }),
            Ok(Err(error)) => Err(self.failed(name, reason(&error))),
            Err(_) => {
                Err(self.failed(name, format!("no answer within {}", seconds(self.options.stall_timeout))))
            }
        }
    }

    /// Looks an image up by name or id.
    pub(super) async fn describe(&self, path: &str, name: &str) -> Result<Described, RegistryError> {
        let response = self.get(path, None, name).await?;
        let status = response.status().as_u16();
        let text = self.text(response, name).await?;
        match status {
            200 => serde_json::from_slice(&text).map_err(|_| {
                self.failed(name, "its description of the image is in no known form".to_owned())
            }),
            404 => Err(RegistryError::NoSuchImage {
                engine: self.engine,
                address: self.address.to_string(),
                name: name.to_owned(),
                hint: super::registry_hint(name),
            }),
            _ => Err(self.failed(name, message(status, &text))),
        }
    }

    /// What the engine says at a path; None where it has nothing of that name.
    pub(super) async fn look(&self, path: &str, name: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        let response = self.get(path, None, name).await?;
        let status = response.status().as_u16();
        let text = self.text(response, name).await?;
        match status {
            200 => Ok(Some(text)),
            404 => Ok(None),
            _ => Err(self.failed(name, message(status, &text))),
        }
    }

    /// Spools the archive that a path gives.
    pub(super) async fn spool(
        &self,
        path: &str,
        query: Option<&str>,
        name: &str,
        described: Described,
    ) -> Result<Export, RegistryError> {
        let mut spool = Spool::new(name, self.options)?;
        let mut response = self.get(path, query, name).await?;
        let status = response.status().as_u16();
        if status != 200 {
            let text = self.text(response, name).await?;
            return Err(self.failed(name, message(status, &text)));
        }
        let stall = self.options.stall_timeout;
        loop {
            match tokio::time::timeout(stall, response.chunk()).await {
                Ok(Ok(Some(chunk))) => spool.write(&chunk)?,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    return Err(self.failed(name, format!("the export broke off: {}", reason(&error))));
                }
                Err(_) => return Err(self.failed(name, format!("no more bytes within {}", seconds(stall)))),
            }
        }
        let (file, size) = spool.finish()?;
        Ok(Export {
            file,
            size,
            origin: format!("{} at {}", self.engine, self.address),
            id: described.id,
            repo_digests: described.repo_digests.unwrap_or_default(),
        })
    }

    async fn text(&self, mut response: Response, name: &str) -> Result<Vec<u8>, RegistryError> {
        let mut text = Vec::new();
        loop {
            match tokio::time::timeout(self.options.stall_timeout, response.chunk()).await {
                Ok(Ok(Some(chunk))) if text.len() + chunk.len() > INSPECT_LIMIT => {
                    return Err(self.failed(name, format!("its answer is larger than {INSPECT_LIMIT} bytes")));
                }
                Ok(Ok(Some(chunk))) => text.extend_from_slice(&chunk),
                Ok(Ok(None)) => return Ok(text),
                Ok(Err(error)) => return Err(self.failed(name, reason(&error))),
                Err(_) => return Err(self.failed(name, "its answer stopped half-way".to_owned())),
            }
        }
    }

    pub(super) fn failed(&self, name: &str, reason: String) -> RegistryError {
        RegistryError::Daemon {
            engine: self.engine,
            address: self.address.to_string(),
            name: name.to_owned(),
            reason,
        }
    }
}

/// The engines speak HTTP/1.1 only.
fn http1(mut config: rustls::ClientConfig) -> rustls::ClientConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn message(status: u16, text: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    match serde_json::from_slice::<Said>(text) {
        Ok(said) => lazaret_model::one_line(&said.message, 300),
        Err(_) => format!("it answered {status}"),
    }
}

/// What the system says about a socket, with what to do where that is known.
pub(super) fn hint_of(reason: &str) -> String {
    if reason.contains("Permission denied") {
        format!("{reason}; your user may not use it (it needs the group `docker`, or root)")
    } else {
        reason.to_owned()
    }
}
