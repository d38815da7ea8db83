use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Environment, Pace};

/// How to talk to registries.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Registries (`host` or `host:port`) that may be spoken to without TLS. Loopback addresses
    /// always may.
    pub plain_http: Vec<String>,
    /// Where a registry is really spoken to, by its name: `docker.io` at `http://127.0.0.1:5000`, say.
    /// A mirror; names, credentials and verdicts stay those of the registry.
    pub addresses: BTreeMap<String, String>,
    /// A PEM file with certificate authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Credentials for one registry, given explicitly. They win over every file.
    pub login: Option<Login>,
    /// Whether credential files and helpers are looked at.
    pub credential_files: CredentialFiles,
    /// The environment variables that name credential files and certificates.
    pub environment: Environment,
    /// How failed requests are repeated.
    pub retry: RetryPolicy,
    /// How fast a host may be asked; as fast as it answers where None.
    pub pace: Option<Pace>,
    /// Longest wait for a connection, the TLS handshake included.
    pub connect_timeout: Duration,
    /// Longest wait for the next bytes. There is no limit on a whole download.
    pub stall_timeout: Duration,
}

/// Credentials for one registry.
#[derive(Clone)]
pub struct Login {
    /// The registry as in a reference: `docker.io`, `localhost:5000`.
    pub registry: String,
    /// The user name.
    pub username: String,
    /// The password or access token.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("registry", &self.registry)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Whether credential files and helpers are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CredentialFiles {
    /// The files of docker and of podman, and the helpers that they name.
    #[default]
    Read,
    /// None: anonymous, but for an explicit [`Login`].
    Ignore,
}

/// How failed requests are repeated. Only what can pass by itself is repeated: refused and
/// broken connections, time-outs, 408, 429 and 5xx.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Tries in all, the first included.
    pub tries: u32,
    /// Longest wait before the second try; it doubles with each further one. The wait is drawn
    /// from the upper half of this, so that many clients do not come back at once.
    pub first_wait: Duration,
    /// Longest wait that doubling leads to.
    pub longest_wait: Duration,
    /// Longest `Retry-After` that is obeyed; beyond it the request fails with a text that names it.
    pub longest_retry_after: Duration,
    /// Longest time for which one request is repeated, all waits included.
    pub longest_in_all: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 5,
            first_wait: Duration::from_millis(300),
            longest_wait: Duration::from_secs(8),
            longest_retry_after: Duration::from_secs(60),
            longest_in_all: Duration::MAX,
        }
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            plain_http: Vec::new(),
            addresses: BTreeMap::new(),
            ca_file: None,
            login: None,
            credential_files: CredentialFiles::default(),
            environment: Environment::of_process(),
            retry: RetryPolicy::default(),
            pace: None,
            connect_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(60),
        }
    }
}
