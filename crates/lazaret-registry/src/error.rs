use std::path::PathBuf;
use std::time::Duration;

use lazaret_model::{Digest, DigestError};

/// Why an image could not be had. Each text is one line that names what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The client could not be set up.
    #[error("cannot use {what}: {reason}")]
    Setup {
        /// The file or setting.
        what: String,
        /// Why not.
        reason: String,
    },
    /// Nothing answers at the address.
    #[error(
        "cannot reach {host}: {reason} (tried {tries} times); check the name, the network and the proxy settings"
    )]
    Unreachable {
        /// Host and port.
        host: String,
        /// What went wrong last.
        reason: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The server's certificate is not accepted.
    #[error("cannot trust {host}: {reason}; name its certificate authority with --ca-file or SSL_CERT_FILE")]
    Untrusted {
        /// Host and port.
        host: String,
        /// What TLS says.
        reason: String,
    },
    /// The server speaks HTTP without TLS.
    #[error(
        "{host} does not speak TLS; to read from it over plain HTTP all the same, pass --plain-http {host}"
    )]
    PlainHttp {
        /// Host and port.
        host: String,
    },
    /// The server answers, but not as a registry does.
    #[error("{host} is not a container registry: {reason}; check the host name and port")]
    NotARegistry {
        /// Host and port.
        host: String,
        /// What it answered.
        reason: String,
    },
    /// The registry refused the user name and password or token.
    #[error(
        "{host} refused the credentials from {origin}{detail}; log in again (`docker login {host}`) or pass --username and --password"
    )]
    CredentialsRefused {
        /// Host and port.
        host: String,
        /// Where the credentials came from.
        origin: String,
        /// What the registry says, with leading punctuation, or nothing.
        detail: String,
    },
    /// The registry wants credentials and none are known for it.
    #[error(
        "{host} wants credentials for `{repository}`{detail}: there is no such repository, or it is not public; log in (`docker login {host}`) or pass --username and --password"
    )]
    CredentialsNeeded {
        /// Host and port.
        host: String,
        /// The repository.
        repository: String,
        /// What the registry says and why no credentials were found, or nothing.
        detail: String,
    },
    /// The credentials are accepted and do not suffice.
    #[error(
        "{host} denies access to `{repository}`{detail}: there is no such repository, or this account has no right to see it"
    )]
    Denied {
        /// Host and port.
        host: String,
        /// The repository.
        repository: String,
        /// What the registry says, with leading punctuation, or nothing.
        detail: String,
    },
    /// The registry does not tell what repositories it has.
    #[error(
        "{host} does not list its repositories (it answered {status}), as docker.io, ghcr.io and others do not; name the repositories, or an account where it has such"
    )]
    NoCatalogue {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// The registry tells others what repositories it has.
    #[error(
        "{host} lists its repositories only to whom it allows that{detail}; log in (`docker login {host}`), or name the repositories"
    )]
    CatalogueRefused {
        /// Host and port.
        host: String,
        /// What the registry says, with leading punctuation, or nothing.
        detail: String,
    },
    /// A list whose pages lead nowhere.
    #[error("{what} of {host} was not read to its end: {reason}; what it listed until then counts")]
    Paging {
        /// Host and port.
        host: String,
        /// What was listed.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry has no such repository.
    #[error("{host} has no repository `{repository}`; check the name")]
    NoSuchRepository {
        /// Host and port.
        host: String,
        /// The repository.
        repository: String,
    },
    /// The repository has no such tag.
    #[error("`{repository}` on {host} has no tag `{tag}`{known}")]
    NoSuchTag {
        /// Host and port.
        host: String,
        /// The repository.
        repository: String,
        /// The tag asked for.
        tag: String,
        /// Tags that exist, as a clause, or nothing.
        known: String,
    },
    /// The repository has no such manifest or blob.
    #[error("`{repository}` on {host} has no {what} {digest}")]
    NoSuchDigest {
        /// Host and port.
        host: String,
        /// The repository.
        repository: String,
        /// "manifest", "configuration" or "layer".
        what: &'static str,
        /// The digest asked for.
        digest: Digest,
    },
    /// The registry answers that it cannot serve now.
    #[error("{host} answered {status}{detail} to {tries} requests{wait}; try again later")]
    Busy {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What the registry says, with leading punctuation, or nothing.
        detail: String,
        /// How often it was asked.
        tries: u32,
        /// How long it asks to wait, as a clause, or nothing.
        wait: String,
        /// The same as a number, for whoever passes it on.
        retry_after: Option<Duration>,
        /// For how long it was asked before this was given up.
        lasted: Duration,
    },
    /// An answer that no rule of the protocol explains.
    #[error("{host} answered {status}{detail} to the request for {what}")]
    UnexpectedStatus {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What the registry says, with leading punctuation, or nothing.
        detail: String,
        /// What was asked for.
        what: String,
    },
    /// A redirect that is not followed.
    #[error("{host} redirects the request for {what} {reason}; it was not followed")]
    Redirect {
        /// Host and port.
        host: String,
        /// What was asked for.
        what: String,
        /// Where to, and why that is wrong.
        reason: String,
    },
    /// The registry names a token server that must not be given credentials.
    #[error("{host} sends clients to the token server `{realm}`: {reason}; nothing was sent to it")]
    TokenServer {
        /// Host and port.
        host: String,
        /// The address of the token server.
        realm: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry wants an authentication scheme that is not known.
    #[error("{host} wants an authentication scheme that is not supported ({schemes}); Basic and Bearer are")]
    AuthScheme {
        /// Host and port.
        host: String,
        /// What it offers.
        schemes: String,
    },
    /// The bytes are not the ones that the digest names.
    #[error(
        "{what} from {host} does not match its digest: expected {expected}, got {found}; the content was changed on the way or in the registry"
    )]
    DigestMismatch {
        /// What was read.
        what: String,
        /// Host and port.
        host: String,
        /// The digest asked for or announced.
        expected: String,
        /// The digest of what came.
        found: Digest,
    },
    /// The `Docker-Content-Digest` header is none.
    #[error("{host} announces a digest for {what} that is none: {error}")]
    BadDigest {
        /// Host and port.
        host: String,
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        error: DigestError,
    },
    /// A document larger than the limit.
    #[error("{what} from {host} is larger than {limit} bytes; raise --max-document-bytes if that is meant")]
    DocumentTooLarge {
        /// What was read.
        what: String,
        /// Host and port.
        host: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// An image in the format that the field dropped in 2017.
    #[error(
        "`{image}` is a Docker schema 1 image, a format without checkable content that registries no longer serve; push it again with a current docker or skopeo"
    )]
    Schema1 {
        /// The reference.
        image: String,
    },
    /// What a foreign layer would have to be fetched from is never contacted.
    #[error(
        "layer {digest} is a foreign layer, to be fetched from addresses that the image names; these are never contacted"
    )]
    ForeignLayer {
        /// The layer.
        digest: Digest,
    },
    /// A blob that is longer than the manifest says.
    #[error("{host} sends more than the {size} bytes that the manifest gives for {digest}")]
    BlobTooLong {
        /// Host and port.
        host: String,
        /// The blob.
        digest: Digest,
        /// Size in bytes according to the manifest.
        size: u64,
    },
    /// A blob that ends early, and again after each new try.
    #[error("{host} sent only {got} of {size} bytes of {digest}: {reason} (tried {tries} times)")]
    BlobTooShort {
        /// Host and port.
        host: String,
        /// The blob.
        digest: Digest,
        /// Bytes that came.
        got: u64,
        /// Bytes that the manifest gives.
        size: u64,
        /// What went wrong last.
        reason: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The documents of the image make no sense together.
    #[error(transparent)]
    Resolve(#[from] lazaret_oci::ResolveError),
    /// A name that cannot be asked for.
    #[error("`{name}` is not an image name: {reason}")]
    BadName {
        /// What was typed.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No daemon listens at any of its usual addresses.
    #[error("cannot find {engine}: {tried}; start it or set {variable}")]
    NoDaemon {
        /// "the Docker daemon", "podman", "containerd".
        engine: &'static str,
        /// What was looked at, and what came of it.
        tried: String,
        /// The environment variable that names the address.
        variable: &'static str,
    },
    /// The daemon does not hold the image.
    #[error("{engine} at {address} holds no image `{name}`; {hint}")]
    NoSuchImage {
        /// "the Docker daemon", "podman", "containerd".
        engine: &'static str,
        /// Its address.
        address: String,
        /// What was asked for.
        name: String,
        /// What to do instead.
        hint: String,
    },
    /// The daemon failed.
    #[error("{engine} at {address} could not hand over `{name}`: {reason}")]
    Daemon {
        /// "the Docker daemon", "podman", "containerd".
        engine: &'static str,
        /// Its address.
        address: String,
        /// What was asked for.
        name: String,
        /// What it says.
        reason: String,
    },
    /// An exported image is larger than the limit.
    #[error("`{name}` is larger than {limit} bytes when exported; raise --max-layer-bytes if that is meant")]
    ExportTooLarge {
        /// The image.
        name: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The disk that holds the exported image is full or fails.
    #[error("cannot keep the export of `{name}` in {}: {reason} after {written} bytes; free some space or set TMPDIR to a larger disk", directory.display())]
    Spool {
        /// The image.
        name: String,
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        reason: String,
        /// Bytes that were written before.
        written: u64,
    },
    /// The pipe to the reader broke in another way than by the reader leaving.
    #[error("cannot hand {digest} to the reader: {reason}")]
    Pump {
        /// The blob.
        digest: Digest,
        /// What the system says.
        reason: String,
    },
}

impl RegistryError {
    /// Whether it may pass by itself: whoever waits and asks again may get an answer.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Busy { .. })
    }
}

/// A duration as people say it.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        1 => "1 second".to_owned(),
        n => format!("{n} seconds"),
    }
}

/// `: text` with the text made safe to show, or nothing.
pub(crate) fn clause(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(" ({})", lazaret_model::one_line(text, 300)) }
}
