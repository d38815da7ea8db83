//! Credentials for one registry, from what docker, podman and their friends keep.
//!
//! Sources: docker's `config.json` (docs.docker.com, "docker login", "Credential stores" and
//! "Credential helpers"), containers' `auth.json` (containers-auth.json(5)).

use std::collections::BTreeMap;
use std::path::PathBuf;

use data_encoding::{BASE64, BASE64_NOPAD};
use serde::Deserialize;

use crate::helper::{self, HelperAnswer};
use crate::{CredentialFiles, Environment, Login};

/// The key under which docker keeps the credentials of Docker Hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// Largest credential file that is read, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

/// What proves who is asking.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A user name and a password.
    Basic { username: String, password: String },
    /// A token that the token server takes for a new one (OAuth 2 refresh token).
    Identity(String),
    /// A token that the registry itself takes.
    Registry(String),
}

/// A credential and where it was found, for messages.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) credential: Credential,
    pub(crate) origin: String,
}

/// The outcome of a look-up.
#[derive(Default)]
pub(crate) struct Lookup {
    /// The credential for the registry, if one is known.
    pub(crate) found: Option<Found>,
    /// Places that could not be looked at, each with its reason. They stop nobody from reading a
    /// public image, and are told when access is refused.
    pub(crate) troubles: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ConfigFile {
    auths: BTreeMap<String, Option<AuthEntry>>,
    #[serde(rename = "credHelpers")]
    cred_helpers: BTreeMap<String, String>,
    #[serde(rename = "credsStore")]
    creds_store: Option<String>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(default)]
struct AuthEntry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// Looks up the credential for `registry` and `repository`: the explicit login, then the files.
pub(crate) async fn look_up(
    registry: &str,
    repository: &str,
    login: Option<&Login>,
    files: CredentialFiles,
    environment: &Environment,
) -> Lookup {
    if let Some(login) = login.filter(|login| same_registry(&login.registry, registry)) {
        let credential =
            Credential::Basic { username: login.username.clone(), password: login.password.clone() };
        let found = Found { credential, origin: "the command line".to_owned() };
        return Lookup { found: Some(found), troubles: Vec::new() };
    }
    let mut lookup = Lookup::default();
    if files == CredentialFiles::Ignore {
        return lookup;
    }
    for place in places(environment) {
        let config = match read(&place) {
            Ok(Some(config)) => config,
            Ok(None) => continue,
            Err(reason) => {
                lookup.troubles.push(format!("{}: {reason}", place.path.display()));
                continue;
            }
        };
        match from_config(&config, registry, repository, environment).await {
            Ok(Some((credential, via))) => {
                let origin = match via {
                    Some(helper) => format!("docker-credential-{helper} ({})", place.path.display()),
                    None => place.path.display().to_string(),
                };
                lookup.found = Some(Found { credential, origin });
                return lookup;
            }
            Ok(None) => {}
            Err(reason) => lookup.troubles.push(format!("{}: {reason}", place.path.display())),
        }
    }
    lookup
}

/// A file that may hold credentials.
struct Place {
    path: PathBuf,
    /// Whether the user named this very file, so that its absence is worth telling.
    named: bool,
}

/// The files in the order in which containers tools read them. `REGISTRY_AUTH_FILE` replaces all.
fn places(environment: &Environment) -> Vec<Place> {
    if let Some(path) = environment.path("REGISTRY_AUTH_FILE") {
        return vec![Place { path, named: true }];
    }
    let config_home =
        environment.path("XDG_CONFIG_HOME").or_else(|| Some(environment.path("HOME")?.join(".config")));
    let mut places: Vec<PathBuf> = Vec::new();
    places.extend(environment.path("XDG_RUNTIME_DIR").map(|d| d.join("containers/auth.json")));
    places.extend(config_home.map(|d| d.join("containers/auth.json")));
    places.extend(environment.docker_config().map(|d| d.join("config.json")));
    places.into_iter().map(|path| Place { path, named: false }).collect()
}

fn read(place: &Place) -> Result<Option<ConfigFile>, String> {
    use std::io::Read as _;
    let file = match std::fs::File::open(&place.path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && !place.named => return Ok(None),
        Err(e) => return Err(e.to_string()),
    };
    let mut text = Vec::new();
    file.take(FILE_LIMIT + 1).read_to_end(&mut text).map_err(|e| e.to_string())?;
    if text.len() as u64 > FILE_LIMIT {
        return Err(format!("it is larger than {FILE_LIMIT} bytes"));
    }
    // The text of a serde_json error names line and column and quotes no value.
    serde_json::from_slice(&text).map(Some).map_err(|e| format!("it is no valid JSON ({e})"))
}

/// The credential that one file gives, with the helper that gave it.
async fn from_config(
    config: &ConfigFile,
    registry: &str,
    repository: &str,
    environment: &Environment,
) -> Result<Option<(Credential, Option<String>)>, String> {
    let helper = keys_of(registry)
        .iter()
        .find_map(|key| config.cred_helpers.get(*key).filter(|name| !name.is_empty()))
        .or(config.creds_store.as_ref().filter(|name| !name.is_empty()));
    let mut trouble = None;
    if let Some(name) = helper {
        let server = if registry == "docker.io" { HUB_KEY } else { registry };
        match helper::get(name, server, environment.path("PATH")).await {
            Ok(Some(HelperAnswer { username, secret })) => {
                let credential = if username == "<token>" {
                    Credential::Identity(secret)
                } else {
                    Credential::Basic { username, password: secret }
                };
                return Ok(Some((credential, Some(name.clone()))));
            }
            Ok(None) => {}
            Err(reason) => trouble = Some(reason),
        }
    }
    if let Some(entry) = entry_for(config, registry, repository)
        && let Some(credential) = decode(&entry)?
    {
        return Ok(Some((credential, None)));
    }
    trouble.map_or(Ok(None), Err)
}

/// The entry of `auths` that fits best: the longest namespace first (containers-auth.json(5)),
/// then the host, then docker's keys that are URLs.
fn entry_for(config: &ConfigFile, registry: &str, repository: &str) -> Option<AuthEntry> {
    let get = |key: &str| config.auths.get(key).and_then(Option::as_ref).cloned();
    let mut scope = format!("{registry}/{repository}");
    loop {
        if let Some(entry) = get(&scope) {
            return Some(entry);
        }
        match scope.rsplit_once('/') {
            Some((shorter, _)) => scope.truncate(shorter.len()),
            None => break,
        }
    }
    let names = keys_of(registry);
    names.iter().find_map(|key| get(key)).or_else(|| {
        config.auths.iter().find_map(|(key, entry)| {
            // Only a key that is a URL may carry a path that means nothing.
            let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"))?;
            let host = rest.split('/').next().unwrap_or(rest);
            if names.contains(&host) { entry.clone() } else { None }
        })
    })
}

/// The names under which a registry's credentials may be kept.
fn keys_of(registry: &str) -> Vec<&str> {
    match registry {
        "docker.io" => vec![HUB_KEY, "docker.io", "index.docker.io", "registry-1.docker.io"],
        other => vec![other],
    }
}

fn same_registry(a: &str, b: &str) -> bool {
    let bare = |text: &str| {
        let text = text.strip_prefix("https://").or(text.strip_prefix("http://")).unwrap_or(text);
        let host = text.split('/').next().unwrap_or(text).to_ascii_lowercase();
        match host.as_str() {
            "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
            _ => host,
        }
    };
    bare(a) == bare(b)
}

fn decode(entry: &AuthEntry) -> Result<Option<Credential>, String> {
    let set = |value: &Option<String>| value.clone().filter(|v| !v.is_empty());
    if let Some(token) = set(&entry.identitytoken) {
        return Ok(Some(Credential::Identity(token)));
    }
    if let Some(token) = set(&entry.registrytoken) {
        return Ok(Some(Credential::Registry(token)));
    }
    if let Some(auth) = set(&entry.auth) {
        let bytes = BASE64
            .decode(auth.trim().as_bytes())
            .or_else(|_| BASE64_NOPAD.decode(auth.trim().as_bytes()))
            .map_err(|_| "an `auth` entry is no base64".to_owned())?;
        let text = String::from_utf8(bytes).map_err(|_| "an `auth` entry is no UTF-8".to_owned())?;
        let (username, password) =
            text.split_once(':').ok_or_else(|| "an `auth` entry is not user:password".to_owned())?;
        // docker pads with NUL bytes (cli/config/configfile, `decodeAuth`).
        let password = password.trim_end_matches('\0');
        return Ok(Some(Credential::Basic { username: username.to_owned(), password: password.to_owned() }));
    }
    match (set(&entry.username), set(&entry.password)) {
        (Some(username), Some(password)) => Ok(Some(Credential::Basic { username, password })),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
