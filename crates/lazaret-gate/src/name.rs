//! What a client asks a registry for (OCI distribution specification, "Endpoints").

use axum::http::Method;
use lazaret_model::{Digest, RegistryRef};

use crate::Refusal;

/// Longest path that is looked at, in bytes.
const LONGEST: usize = 2_048;

/// One request, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// `GET /v2/`: does a registry live here?
    Ping,
    /// A manifest, by the tag or the digest of the reference.
    Manifest(RegistryRef),
    /// A blob, by its digest.
    Blob(RegistryRef, Digest),
    /// The tags of a repository.
    Tags(RegistryRef),
    /// What refers to a manifest (its signatures, attestations).
    Referrers(RegistryRef, Digest),
    /// Anything that would change the registry.
    Push,
}

/// The registries behind a gate, the default one first.
#[derive(Debug, Clone)]
pub struct Upstreams {
    names: Vec<String>,
}

impl Upstreams {
    /// Registries as they are named in references: `docker.io`, `ghcr.io`, `127.0.0.1:5000`.
    /// The first is asked for names that name none.
    pub fn new(names: Vec<String>) -> Self {
        Self { names }
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The registry and the repository that a name means: by `ns`, by the registry in front, or
    /// the default.
    fn split(&self, ns: Option<&str>, name: &str) -> Result<(String, String), Refusal> {
        if let Some(ns) = ns {
            // containerd says `docker.io`, whatever host serves it.
            let known = self.names.iter().find(|known| known.as_str() == ns);
            let known = known.ok_or_else(|| Refusal::unknown_upstream(ns, &self.names))?;
            return Ok((known.clone(), name.to_owned()));
        }
        if let Some((first, rest)) = name.split_once('/') {
            if let Some(known) = self.names.iter().find(|known| known.as_str() == first) {
                return Ok((known.clone(), rest.to_owned()));
            }
            if first.contains(['.', ':']) || first == "localhost" {
                return Err(Refusal::unknown_upstream(first, &self.names));
            }
        }
        match self.names.first() {
            Some(default) => Ok((default.clone(), name.to_owned())),
            None => Err(Refusal::unknown_upstream("", &self.names)),
        }
    }
}

impl Asked {
    /// Reads method, path and query of a request. `origin` is the registry under whose own name the
    /// gate was asked, where it was.
    ///
    /// # Errors
    /// The refusal to send: a path that is none of the protocol, a name that is none, a registry
    /// that the gate does not stand before.
    pub fn read(
        method: &Method,
        path: &str,
        query: Option<&str>,
        origin: Option<&str>,
        upstreams: &Upstreams,
    ) -> Result<Self, Refusal> {
        if path == "/v2/" || path == "/v2" {
            return Ok(Self::Ping);
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return Err(Refusal::no_such_page(path)) };
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Ok(Self::Push);
        }
        // Some clients write the colon of a digest as %3A; no other octet of a valid path needs it.
        let rest = rest.replace("%3A", ":").replace("%3a", ":");
        if rest.len() > LONGEST || rest.contains('%') || rest.contains("//") {
            return Err(Refusal::bad_name(&rest));
        }
        let ns = match origin {
            Some(origin) => Some(origin.to_owned()),
            None => namespace(query)?,
        };
        let reference = |name: &str| -> Result<RegistryRef, Refusal> {
            let (registry, repository) = upstreams.split(ns.as_deref(), name)?;
            named(&registry, &repository).ok_or_else(|| Refusal::bad_name(name))
        };
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Ok(Self::Tags(reference(name)?));
        }
        let Some((head, last)) = rest.rsplit_once('/') else { return Err(Refusal::no_such_page(path)) };
        if let Some(name) = head.strip_suffix("/manifests") {
            let reference = reference(name)?;
            if last.contains(':') {
                let digest = last.parse::<Digest>().map_err(|_| Refusal::bad_digest(last))?;
                return Ok(Self::Manifest(RegistryRef { digest: Some(digest), ..reference }));
            }
            if !is_tag(last) {
                return Err(Refusal::bad_name(last));
            }
            return Ok(Self::Manifest(RegistryRef { tag: Some(last.to_owned()), ..reference }));
        }
        let digest = || last.parse::<Digest>().map_err(|_| Refusal::bad_digest(last));
        if let Some(name) = head.strip_suffix("/blobs") {
            return Ok(Self::Blob(reference(name)?, digest()?));
        }
        if let Some(name) = head.strip_suffix("/referrers") {
            return Ok(Self::Referrers(reference(name)?, digest()?));
        }
        if head.contains("/blobs/uploads") {
            return Ok(Self::Push);
        }
        Err(Refusal::no_such_page(path))
    }
}

/// The registry that `ns` names, as containerd says whose image it wants from a mirror. Two of them
/// could be read in two ways.
fn namespace(query: Option<&str>) -> Result<Option<String>, Refusal> {
    let mut named =
        query.into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.strip_prefix("ns="));
    let Some(ns) = named.next() else { return Ok(None) };
    if named.next().is_some() {
        return Err(Refusal::bad_name(&format!("ns={ns}&ns=")));
    }
    // The colon before a port is the one octet of a registry's name that is written otherwise.
    Ok(Some(ns.replace("%3A", ":").replace("%3a", ":")))
}

/// The reference of a repository, if its name is one.
fn named(registry: &str, repository: &str) -> Option<RegistryRef> {
    let parsed: RegistryRef = format!("{registry}/{repository}").parse().ok()?;
    // Docker Hub's own images have their folder added; nothing else may be read into a name.
    let same = parsed.repository == repository || parsed.repository == format!("library/{repository}");
    (parsed.registry == registry && same && parsed.tag.is_none() && parsed.digest.is_none()).then_some(parsed)
}

/// Tags (distribution specification, "Pulling manifests").
fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = text.as_bytes();
    bytes.len() <= 128
        && bytes.first().is_some_and(|&b| word(b))
        && bytes.iter().all(|&b| word(b) || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn ask(path: &str, query: Option<&str>) -> Result<Asked, Refusal> {
        let upstreams = Upstreams::new(vec!["docker.io".into(), "ghcr.io".into(), "127.0.0.1:5000".into()]);
        Asked::read(&Method::GET, path, query, None, &upstreams)
    }

    fn manifest(path: &str, query: Option<&str>) -> String {
        match ask(path, query) {
            Ok(Asked::Manifest(reference)) => reference.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn names_mean_the_registry_in_front_the_one_that_ns_names_or_the_default() {
        for (path, query, meant) in [
            ("/v2/nginx/manifests/1", None, "docker.io/library/nginx:1"),
            ("/v2/library/nginx/manifests/1", None, "docker.io/library/nginx:1"),
            ("/v2/docker.io/library/nginx/manifests/1", None, "docker.io/library/nginx:1"),
            ("/v2/ghcr.io/a/b/c/manifests/v", None, "ghcr.io/a/b/c:v"),
            ("/v2/127.0.0.1:5000/a/manifests/v", None, "127.0.0.1:5000/a:v"),
            ("/v2/a/b/manifests/v", Some("ns=ghcr.io"), "ghcr.io/a/b:v"),
            ("/v2/a/b/manifests/v", Some("ns=127.0.0.1%3A5000"), "127.0.0.1:5000/a/b:v"),
            ("/v2/a/manifests/manifests/v", None, "docker.io/a/manifests:v"),
        ] {
            assert_eq!(manifest(path, query), meant, "{path}");
        }
        let by_digest = manifest(&format!("/v2/a/b/manifests/{}", DIGEST.replace(':', "%3A")), None);
        assert_eq!(by_digest, format!("docker.io/a/b@{DIGEST}"));
    }

    #[test]
    fn tricks_with_paths_and_unknown_registries_are_refused() {
        for path in [
            "/v2/../manifests/x",
            "/v2/a/../b/manifests/x",
            "/v2/a%2fb/manifests/x",
            "/v2/a//b/manifests/x",
            "/v2/A/manifests/x",
            "/v2/a/manifests/..",
            "/v2/a/manifests/-x",
            "/v2/a/manifests/x%00",
            "/v2/a/blobs/sha256:12",
            "/v2/a/blobs/../../etc/passwd",
            "/v2/a:tag/manifests/x",
            "/v2/quay.io/a/manifests/x",
            "/v2/localhost/a/manifests/x",
            "/v2/_catalog",
            "/v1/search",
            "/",
        ] {
            assert!(ask(path, None).is_err(), "{path}: {:?}", ask(path, None));
        }
        for query in ["ns=quay.io", "ns=ghcr.io&ns=docker.io", "ns=ghcr.io&ns=ghcr.io", "ns=", "ns=%67hcr.io"]
        {
            assert!(ask("/v2/a/manifests/x", Some(query)).is_err(), "{query}");
        }
        assert!(ask(&format!("/v2/{}/manifests/x", "a/".repeat(2_000)), None).is_err());
    }

    #[test]
    fn whatever_changes_a_registry_is_a_push() {
        let upstreams = Upstreams::new(vec!["docker.io".into()]);
        for (method, path) in [
            (Method::PUT, "/v2/a/manifests/x"),
            (Method::POST, "/v2/a/blobs/uploads/"),
            (Method::DELETE, "/v2/a/manifests/x"),
            (Method::GET, "/v2/a/blobs/uploads/1"),
        ] {
            assert_eq!(Asked::read(&method, path, None, None, &upstreams).unwrap(), Asked::Push, "{path}");
        }
    }
}
