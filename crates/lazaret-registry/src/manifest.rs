use lazaret_model::{Algorithm, Budget, Digest, RegistryRef};
use lazaret_oci::digest_of;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LINK};
use serde::Deserialize;

use crate::RegistryError;
use crate::client::{Ask, BodyError, Client, Target, is_html};
use crate::refusal::Refusal;

/// Every kind of manifest that is read, in one header: some registries look at the last
/// `Accept` line only, and then answer with schema 1.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// Tags that are named when the one asked for does not exist.
const TAGS_SHOWN: usize = 8;

/// A manifest or index as the registry sent it, digest checked.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Digest of `bytes`.
    pub digest: Digest,
    /// The media type that the registry or, failing that, the document itself states.
    pub media_type: String,
    /// The document, byte for byte.
    pub bytes: Vec<u8>,
}

/// A list as the registry sent it.
#[derive(Debug, Clone)]
pub struct List {
    /// The media type that the registry states.
    pub media_type: String,
    /// The list, byte for byte.
    pub bytes: Vec<u8>,
    /// Where the next page is (RFC 8288), as the registry says it.
    pub link: Option<String>,
    /// By what the registry has chosen (`OCI-Filters-Applied`).
    pub filters: Option<String>,
}

impl Client {
    /// Reads the manifest or index that a reference names. A tag is asked for exactly once;
    /// everything after goes by digest.
    ///
    /// # Errors
    /// Each way in which a registry refuses or lies has its own.
    pub async fn manifest(
        &self,
        reference: &RegistryRef,
        budget: &Budget,
    ) -> Result<Manifest, RegistryError> {
        let target = self.target(&reference.registry, &reference.repository).await?;
        let what = match &reference.digest {
            Some(digest) => format!("manifest {digest}"),
            None => format!("tag `{}`", reference.tag_or_latest()),
        };
        let ask = Ask {
            path: format!("manifests/{}", reference.manifest_reference()),
            accept: Some(MANIFEST_TYPES),
            from: 0,
            what: &what,
            presence: false,
        };
        let (headers, bytes) = self.document(&target, &ask, budget.document_bytes, reference).await?;
        let mismatch = |expected: String, found: Digest| RegistryError::DigestMismatch {
            what: format!("the {what}"),
            host: reference.registry.clone(),
            expected,
            found,
        };
        let algorithm = reference.digest.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
        let digest = digest_of(algorithm, &bytes);
        if let Some(typed) = reference.digest.as_ref().filter(|typed| **typed != digest) {
            return Err(mismatch(typed.to_string(), digest));
        }
        if let Some(announced) = headers.get("docker-content-digest") {
            let bad = |error| RegistryError::BadDigest {
                host: reference.registry.clone(),
                what: format!("the {what}"),
                error,
            };
            let announced: Digest =
                String::from_utf8_lossy(announced.as_bytes()).trim().parse().map_err(bad)?;
            let found = digest_of(announced.algorithm(), &bytes);
            if announced != found {
                return Err(mismatch(announced.to_string(), found));
            }
        }
        let media_type = media_type(&headers, &bytes);
        if is_schema1(&media_type, &bytes) {
            return Err(RegistryError::Schema1 { image: reference.to_string() });
        }
        if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err() && is_html(&headers) {
            let reason = "it answers with a web page".to_owned();
            return Err(RegistryError::NotARegistry { host: reference.registry.clone(), reason });
        }
        Ok(Manifest { digest, media_type, bytes })
    }

    /// The digest that a reference stands for now. Nothing but headers is sent, so that a registry which
    /// counts pulls counts none. None where the registry does not say it that way.
    ///
    /// # Errors
    /// As for a manifest, but for what the registry says of a reference that it does not have: None.
    pub async fn stands_for(&self, reference: &RegistryRef) -> Result<Option<Digest>, RegistryError> {
        let target = self.target(&reference.registry, &reference.repository).await?;
        let ask = Ask {
            path: format!("manifests/{}", reference.manifest_reference()),
            accept: Some(MANIFEST_TYPES),
            from: 0,
            what: "a manifest",
            presence: true,
        };
        let response = self.ask(&target, &ask).await?;
        let announced = response.headers().get("docker-content-digest");
        let digest = announced.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Ok(digest.filter(|_| response.status() == 200))
    }

    /// Reads a list that a repository gives: its tags, what refers to a manifest.
    ///
    /// # Errors
    /// As for a manifest.
    pub async fn list(&self, reference: &RegistryRef, path: &str, limit: u64) -> Result<List, RegistryError> {
        let target = self.target(&reference.registry, &reference.repository).await?;
        // What refers to a manifest is missing where the manifest is, or the whole list of lists.
        let about = path.strip_prefix("referrers/").and_then(|rest| rest.split('?').next()?.parse().ok());
        let what = if about.is_some() { "manifest" } else { "a list" };
        let reference = RegistryRef { digest: about, ..reference.clone() };
        let ask = Ask { path: path.to_owned(), accept: None, from: 0, what, presence: false };
        let (headers, bytes) = self.document(&target, &ask, limit, &reference).await?;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let media_type = text(CONTENT_TYPE.as_str()).unwrap_or_else(|| "application/json".to_owned());
        Ok(List { media_type, bytes, link: text(LINK.as_str()), filters: text("oci-filters-applied") })
    }

    /// Reads a document that another one names by digest: a manifest of an index, or a
    /// configuration.
    pub(crate) async fn child(
        &self,
        target: &Target,
        reference: &RegistryRef,
        digest: &Digest,
        size: u64,
        kind: ChildKind,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let (path, what) = match kind {
            ChildKind::Manifest => (format!("manifests/{digest}"), format!("manifest {digest}")),
            ChildKind::Blob => (format!("blobs/{digest}"), format!("configuration {digest}")),
        };
        if size > limit {
            return Err(RegistryError::DocumentTooLarge { what, host: reference.registry.clone(), limit });
        }
        let accept = matches!(kind, ChildKind::Manifest).then_some(MANIFEST_TYPES);
        let ask = Ask { path, accept, from: 0, what: &what, presence: false };
        let by_digest = RegistryRef { digest: Some(digest.clone()), ..reference.clone() };
        let (_, bytes) = self.document(target, &ask, limit, &by_digest).await?;
        let found = digest_of(digest.algorithm(), &bytes);
        if found != *digest {
            let expected = digest.to_string();
            return Err(RegistryError::DigestMismatch {
                what,
                host: reference.registry.clone(),
                expected,
                found,
            });
        }
        Ok(bytes)
    }

    /// A document, asked for again when its transfer breaks off.
    async fn document(
        &self,
        target: &Target,
        ask: &Ask<'_>,
        limit: u64,
        reference: &RegistryRef,
    ) -> Result<(HeaderMap, Vec<u8>), RegistryError> {
        let begun = std::time::Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let response = self.ask(target, ask).await?;
            if response.status() != 200 {
                return Err(self.explain(target, response, ask.what, reference, What::Document).await);
            }
            let headers = response.headers().clone();
            match self.body(response, limit).await {
                Ok(bytes) => return Ok((headers, bytes)),
                Err(BodyError::TooLarge(limit)) => {
                    let what = ask.what.to_owned();
                    return Err(RegistryError::DocumentTooLarge {
                        what,
                        host: reference.registry.clone(),
                        limit,
                    });
                }
                Err(BodyError::Broken(reason)) if self.options().retry.ends(tries, begun.elapsed()) => {
                    return Err(RegistryError::Unreachable {
                        host: reference.registry.clone(),
                        reason,
                        tries,
                    });
                }
                Err(BodyError::Broken(_)) => tokio::time::sleep(self.options().retry.wait(tries)).await,
            }
        }
    }

    /// Turns an answer that is no success into the sentence that says what to do.
    pub(crate) async fn explain(
        &self,
        target: &Target,
        response: Response,
        what: &str,
        reference: &RegistryRef,
        kind: What,
    ) -> RegistryError {
        let status = response.status().as_u16();
        let host = reference.registry.clone();
        let repository = reference.repository.clone();
        let refusal = Refusal::read(response, self.options().stall_timeout).await;
        if status != 404 {
            return RegistryError::UnexpectedStatus {
                host,
                status,
                detail: refusal.clause(),
                what: what.to_owned(),
            };
        }
        if !refusal.spoken_by_registry
            && let Err(reason) = self.speaks_the_protocol(target).await
        {
            return RegistryError::NotARegistry { host, reason };
        }
        if refusal.code == "NAME_UNKNOWN" {
            return RegistryError::NoSuchRepository { host, repository };
        }
        match (&reference.digest, kind) {
            (Some(digest), What::Document) => {
                let what = if what.starts_with("manifest") { "manifest" } else { "configuration" };
                RegistryError::NoSuchDigest { host, repository, what, digest: digest.clone() }
            }
            (Some(digest), What::Layer) => {
                RegistryError::NoSuchDigest { host, repository, what: "layer", digest: digest.clone() }
            }
            (None, _) => {
                let tag = reference.tag_or_latest().to_owned();
                // Registries say "manifest unknown" of a repository that does not exist, too.
                match self.tags(target).await {
                    Tags::NoRepository => RegistryError::NoSuchRepository { host, repository },
                    Tags::Known(tags) => {
                        RegistryError::NoSuchTag { host, repository, tag, known: listed(tags) }
                    }
                }
            }
        }
    }

    /// The first tags of a repository, for a hint. Whatever goes wrong gives no hint.
    async fn tags(&self, target: &Target) -> Tags {
        #[derive(Deserialize)]
        struct TagList {
            tags: Option<Vec<String>>,
        }
        let ask = Ask {
            path: "tags/list?n=100".to_owned(),
            accept: None,
            from: 0,
            what: "the list of tags",
            presence: false,
        };
        let Ok(response) = self.ask(target, &ask).await else { return Tags::Known(Vec::new()) };
        match response.status().as_u16() {
            404 => {
                let refusal = Refusal::read(response, self.options().stall_timeout).await;
                if refusal.code == "NAME_UNKNOWN" { Tags::NoRepository } else { Tags::Known(Vec::new()) }
            }
            200 => {
                let list = self.body(response, 1 << 20).await.ok();
                let list = list.and_then(|text| serde_json::from_slice::<TagList>(&text).ok());
                Tags::Known(list.and_then(|l| l.tags).unwrap_or_default())
            }
            _ => Tags::Known(Vec::new()),
        }
    }
}

/// Which of a registry's two stores holds a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChildKind {
    Manifest,
    Blob,
}

/// What was asked for, where a message depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Document,
    Layer,
}

enum Tags {
    NoRepository,
    Known(Vec<String>),
}

fn listed(mut tags: Vec<String>) -> String {
    // Registries differ in their order.
    tags.sort();
    if tags.is_empty() {
        return "; check the name".to_owned();
    }
    let shown: Vec<String> =
        tags.iter().take(TAGS_SHOWN).map(|tag| lazaret_model::one_line(tag, 128)).collect();
    let more = if tags.len() > TAGS_SHOWN { ", …" } else { "" };
    format!("; it has {}{more}", shown.join(", "))
}

/// The stated media type, without parameters; from the document where the header says nothing.
fn media_type(headers: &HeaderMap, bytes: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "mediaType")]
        media_type: Option<String>,
    }
    let header = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase())
        .filter(|value| value.starts_with("application/vnd."));
    header.or_else(|| serde_json::from_slice::<Head>(bytes).ok()?.media_type).unwrap_or_default()
}

/// Schema 1 (distribution, `docs/spec/manifest-v2-1.md`): its layers carry no size, and its
/// digest excludes the signature, so nothing of it can be checked by the common rules.
fn is_schema1(media_type: &str, bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "schemaVersion")]
        version: Option<u64>,
    }
    media_type.starts_with("application/vnd.docker.distribution.manifest.v1+")
        || serde_json::from_slice::<Head>(bytes).is_ok_and(|head| head.version == Some(1))
}
