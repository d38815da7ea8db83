use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Digest;

/// The registry that a name without a host means.
const DOCKER_HUB: &str = "docker.io";

/// What a person typed to name an image, in any dialect that people already use
/// (containers-transports(5), Docker's short names, syft's and grype's scheme names).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ImageRef {
    /// An image in a registry: `nginx`, `docker://quay.io/x/y:1`, `registry:localhost:5000/x`.
    Registry(RegistryRef),
    /// An image that the Docker daemon holds: `docker-daemon:nginx:1`, `docker:nginx`.
    DockerDaemon(String),
    /// An image that podman holds: `podman:nginx`, `containers-storage:nginx`.
    Podman(String),
    /// An image that containerd holds: `containerd:docker.io/library/nginx:1`.
    Containerd(String),
    /// A `docker save` archive, optionally one image of it: `docker-archive:path[:ref]`.
    DockerArchive {
        /// The archive.
        path: PathBuf,
        /// Which image, where the archive holds several.
        reference: Option<String>,
    },
    /// An OCI image layout in a directory: `oci:dir[:ref]`, `oci-dir:dir[:ref]`.
    OciLayout {
        /// The directory with `oci-layout` and `index.json`.
        path: PathBuf,
        /// Which image (`org.opencontainers.image.ref.name`), where it holds several.
        reference: Option<String>,
    },
    /// An OCI image layout in a tar archive: `oci-archive:path[:ref]`.
    OciArchive {
        /// The archive.
        path: PathBuf,
        /// Which image, where the archive holds several.
        reference: Option<String>,
    },
    /// A root file system, or the directory form of containers-transports: `dir:path`.
    Directory(PathBuf),
    /// A path on disk without a scheme (`./image.tar`, `/srv/layout`); what it is, is found out
    /// by looking at it.
    Path(PathBuf),
}

/// A repository in a registry, with a tag, a digest or both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryRef {
    /// Host and optional port, `docker.io` where none was typed.
    pub registry: String,
    /// Path in the registry, `library/nginx`.
    pub repository: String,
    /// The tag typed, if any.
    pub tag: Option<String>,
    /// The digest typed, if any. It wins over the tag (Docker and containerd ignore the tag then).
    pub digest: Option<Digest>,
}

/// Why a text names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {reason}")]
pub struct ReferenceError {
    /// What was typed.
    pub text: String,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

impl RegistryRef {
    /// The tag to ask for where no digest is given: the one typed, else `latest`.
    pub fn tag_or_latest(&self) -> &str {
        self.tag.as_deref().unwrap_or("latest")
    }

    /// What follows `/manifests/` in a registry request: the digest, else the tag.
    pub fn manifest_reference(&self) -> String {
        match &self.digest {
            Some(digest) => digest.to_string(),
            None => self.tag_or_latest().to_owned(),
        }
    }
}

impl fmt::Display for RegistryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        match (&self.tag, &self.digest) {
            (Some(tag), _) => write!(f, ":{tag}")?,
            (None, None) => f.write_str(":latest")?,
            (None, Some(_)) => {}
        }
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl FromStr for RegistryRef {
    type Err = ReferenceError;

    /// Grammar: distribution's `reference` package (`[host[:port]/]path[:tag][@digest]`).
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let fail = |reason: String| ReferenceError { text: text.to_owned(), reason };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>().map_err(|e| fail(e.to_string()))?)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            // A colon before a slash belongs to the port of the host.
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag {
            let first = tag.bytes().next();
            if tag.len() > 128
                || !first.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
                || !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            {
                return Err(fail(format!("`{tag}` is not a tag")));
            }
        }
        let (registry, path) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
                (host.to_owned(), path.to_owned())
            }
            _ => (DOCKER_HUB.to_owned(), name.to_owned()),
        };
        let registry = match registry.as_str() {
            "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => DOCKER_HUB.to_owned(),
            _ => registry,
        };
        let repository = if registry == DOCKER_HUB && !path.contains('/') && !path.is_empty() {
            format!("library/{path}")
        } else {
            path
        };
        if !is_host(&registry) {
            return Err(fail(format!("`{registry}` is not a registry host")));
        }
        if repository.is_empty() || repository.len() > 255 || !repository.split('/').all(is_path_component) {
            return Err(fail(
                "a repository is lower-case letters, digits and single separators (`.`, `_`, `__`, `-`), split by `/`"
                    .to_owned(),
            ));
        }
        Ok(Self { registry, repository, tag: tag.map(str::to_owned), digest })
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((v6, port)) => {
                return v6.parse::<std::net::Ipv6Addr>().is_ok()
                    && (port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.parse::<u16>().is_ok()));
            }
            None => return false,
        },
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.split('.').all(label) && port.is_none_or(|p| p.parse::<u16>().is_ok())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(component: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    if !alnum(first) || !alnum(last) || !bytes.iter().all(|&b| alnum(b) || b"._-".contains(&b)) {
        return false;
    }
    component
        .split(|c: char| c.is_ascii_alphanumeric())
        .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-'))
}

/// Splits `path[:reference]`. An existing colon in the path can be kept by ending it with the
/// reference only, as skopeo does: the first colon after the last slash separates.
fn path_and_reference(text: &str) -> (PathBuf, Option<String>) {
    let name_at = text.rfind('/').map_or(0, |slash| slash + 1);
    // A reference may hold slashes itself (`img.tar:localhost/app:1`): then the first colon counts.
    let colon = match text.find(':') {
        Some(first) if first < name_at => Some(first),
        _ => text[name_at..].find(':').map(|at| name_at + at),
    };
    match colon {
        Some(at) => (
            PathBuf::from(&text[..at]),
            Some(text[at + 1..].to_owned()).filter(|reference| !reference.is_empty()),
        ),
        None => (PathBuf::from(text), None),
    }
}

impl FromStr for ImageRef {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let fail = |reason: &str| ReferenceError { text: text.to_owned(), reason: reason.to_owned() };
        if text.is_empty() {
            return Err(fail("it is empty"));
        }
        if text.starts_with(['/', '.']) || text.starts_with("~/") {
            return Ok(Self::Path(PathBuf::from(text)));
        }
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) => (scheme, rest),
            None => return text.parse().map(Self::Registry),
        };
        let needed = |rest: &str| {
            if rest.is_empty() { Err(fail("nothing follows the scheme")) } else { Ok(rest.to_owned()) }
        };
        match scheme {
            "docker" => match rest.strip_prefix("//") {
                Some(name) => name.parse().map(Self::Registry),
                // `docker:22` is the image `docker`, tag 22: a name wins over a scheme only when
                // what follows cannot be a repository of its own.
                None => needed(rest).map(Self::DockerDaemon),
            },
            "registry" => rest.parse().map(Self::Registry),
            "docker-daemon" => needed(rest).map(Self::DockerDaemon),
            "podman" | "containers-storage" => needed(rest).map(Self::Podman),
            "containerd" => needed(rest).map(Self::Containerd),
            "docker-archive" => {
                let (path, reference) = path_and_reference(&needed(rest)?);
                Ok(Self::DockerArchive { path, reference })
            }
            "oci" | "oci-dir" => {
                let (path, reference) = path_and_reference(&needed(rest)?);
                Ok(Self::OciLayout { path, reference })
            }
            "oci-archive" => {
                let (path, reference) = path_and_reference(&needed(rest)?);
                Ok(Self::OciArchive { path, reference })
            }
            "dir" => needed(rest).map(|path| Self::Directory(PathBuf::from(path))),
            _ => text.parse().map(Self::Registry),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let archive = |f: &mut fmt::Formatter<'_>, scheme, path: &PathBuf, reference: &Option<String>| {
            write!(f, "{scheme}:{}", path.display())?;
            reference.as_ref().map_or(Ok(()), |r| write!(f, ":{r}"))
        };
        match self {
            Self::Registry(registry) => registry.fmt(f),
            Self::DockerDaemon(name) => write!(f, "docker-daemon:{name}"),
            Self::Podman(name) => write!(f, "podman:{name}"),
            Self::Containerd(name) => write!(f, "containerd:{name}"),
            Self::DockerArchive { path, reference } => archive(f, "docker-archive", path, reference),
            Self::OciLayout { path, reference } => archive(f, "oci", path, reference),
            Self::OciArchive { path, reference } => archive(f, "oci-archive", path, reference),
            Self::Directory(path) => write!(f, "dir:{}", path.display()),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<ImageRef>().map_or_else(|e| format!("error: {e}"), |r| r.to_string())
    }

    #[test]
    fn every_dialect_that_people_type_is_understood() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        for (typed, meant) in [
            ("nginx", "docker.io/library/nginx:latest".to_owned()),
            ("nginx:1.25", "docker.io/library/nginx:1.25".to_owned()),
            ("index.docker.io/library/nginx", "docker.io/library/nginx:latest".to_owned()),
            ("bitnami/redis", "docker.io/bitnami/redis:latest".to_owned()),
            ("localhost/x", "localhost/x:latest".to_owned()),
            ("localhost:5000/x", "localhost:5000/x:latest".to_owned()),
            ("[::1]:5000/x:1", "[::1]:5000/x:1".to_owned()),
            ("docker://quay.io/a/b:c", "quay.io/a/b:c".to_owned()),
            ("registry:127.0.0.1:5000/a", "127.0.0.1:5000/a:latest".to_owned()),
            ("docker-daemon:a:1", "docker-daemon:a:1".to_owned()),
            ("podman:localhost/a:1", "podman:localhost/a:1".to_owned()),
            ("oci:/tmp/l:tag", "oci:/tmp/l:tag".to_owned()),
            ("oci-dir:l", "oci:l".to_owned()),
            ("oci-archive:a.tar:v1", "oci-archive:a.tar:v1".to_owned()),
            ("docker-archive:/t/a.tar:localhost/app:1", "docker-archive:/t/a.tar:localhost/app:1".to_owned()),
            ("dir:/srv/root", "dir:/srv/root".to_owned()),
            ("./image.tar", "./image.tar".to_owned()),
        ] {
            assert_eq!(shown(typed), meant, "{typed}");
        }
        assert_eq!(shown(&format!("a:1@{digest}")), format!("docker.io/library/a:1@{digest}"));
        assert_eq!(shown(&format!("a@{digest}")), format!("docker.io/library/a@{digest}"));
    }

    #[test]
    fn what_is_no_reference_is_refused_with_its_reason() {
        for bad in ["", "UPPER/case", "a//b", "a:-x", "a@sha256:12", "host:notaport/x", "-a", "a b", "oci:"] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad}");
        }
    }
}
