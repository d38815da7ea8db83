//! Manifests and indexes, read tolerantly and decided by what they hold
//! (image-spec `manifest.md`, `image-index.md`, `descriptor.md`; Docker's "Image Manifest
//! Version 2, Schema 2").

use std::collections::BTreeMap;

use lazaret_model::{Digest, DigestError, Gap, GapKind, Image, Layer, Location, PinnedRef, Platform};
use serde::Deserialize;
use serde_json::Value;

use crate::config::{ConfigError, ParsedConfig};
use crate::json::{self, folded};

/// Media type of an OCI index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of an OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of a Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Media type of a Docker schema 2 manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What one document points at (image-spec, `descriptor.md`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Media type as stated. It may lie.
    pub media_type: String,
    /// Digest.
    pub digest: Digest,
    /// Size in bytes as stated.
    pub size: u64,
    /// Platform, in an index.
    pub platform: Option<Platform>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Addresses outside the registry. Never contacted.
    pub urls: Vec<String>,
    /// Artifact type, where stated.
    pub artifact_type: Option<String>,
    /// The content itself, base64, where it is embedded (`data`). It is not used: the blob is
    /// what a runtime pulls.
    pub data: Option<String>,
}

impl Descriptor {
    /// Whether the index marks this as an attestation about another manifest, as BuildKit does.
    pub fn is_attestation(&self) -> bool {
        self.annotations.get("vnd.docker.reference.type").is_some_and(|t| t == "attestation-manifest")
    }

    /// `linux/arm64`, or the digest where no platform is stated.
    pub fn words(&self) -> String {
        match &self.platform {
            Some(platform) => format!("{platform} ({})", self.digest),
            None => self.digest.to_string(),
        }
    }
}

/// A list of manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The manifests, in order.
    pub manifests: Vec<Descriptor>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Artifact type, where stated.
    pub artifact_type: Option<String>,
}

/// A manifest of one image or artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Media type as the document or the transport states it.
    pub media_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Artifact type, where stated.
    pub artifact_type: Option<String>,
}

/// What a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// An index or manifest list.
    Index(Index),
    /// An image that can run.
    Image(Manifest),
    /// Something else in image clothes: a signature, a chart, a bill of materials. No runtime
    /// unpacks it.
    Artifact(Manifest),
    /// Docker's schema 1, which describes layers by hashes of JSON inside the manifest. Current
    /// engines refuse it, and so must callers.
    Schema1,
}

/// Why a document cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is no JSON object.
    #[error("the manifest is no JSON document: {0}")]
    Json(String),
    /// A required part is missing or of the wrong type.
    #[error("the manifest is damaged: {0}")]
    Shape(String),
    /// A digest in it is none.
    #[error("the manifest is damaged: {place}: {error}")]
    Digest {
        /// Which descriptor.
        place: String,
        /// What is wrong with its digest.
        error: DigestError,
    },
    /// It can be read in two ways, which lets one reader see another image than the next
    /// (CVE-2021-41190).
    #[error("the manifest can be read in two ways: {0}; engines refuse it")]
    Ambiguous(String),
    /// It is neither an image, an index nor a known artifact.
    #[error("this is no manifest that can be scanned: media type `{0}`")]
    Unknown(String),
    /// The configuration cannot be read.
    #[error("the configuration {digest} cannot be used: {error}")]
    Config {
        /// The configuration's digest.
        digest: Digest,
        /// What is wrong.
        error: ConfigError,
    },
}

/// Descriptor with nothing taken for granted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    size: Option<Value>,
    #[serde(default)]
    platform: Option<Value>,
    #[serde(default)]
    annotations: Option<Value>,
    #[serde(default)]
    urls: Option<Value>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    data: Option<Value>,
}

fn strings(value: Option<&Value>) -> BTreeMap<String, String> {
    let Some(Value::Object(map)) = value else { return BTreeMap::new() };
    map.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

fn platform(value: &Value) -> Option<Platform> {
    let field = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    Some(Platform {
        os: field("os")?.to_owned(),
        architecture: field("architecture")?.to_owned(),
        variant: field("variant").map(str::to_owned),
    })
}

fn descriptor(value: &Value, place: &str) -> Result<Descriptor, ManifestError> {
    let raw: RawDescriptor =
        RawDescriptor::deserialize(value).map_err(|e| ManifestError::Shape(format!("{place}: {e}")))?;
    let digest = raw.digest.ok_or_else(|| ManifestError::Shape(format!("{place} has no digest")))?;
    let digest = digest.parse().map_err(|error| ManifestError::Digest { place: place.to_owned(), error })?;
    let size = match &raw.size {
        Some(size) => {
            size.as_u64().ok_or_else(|| ManifestError::Shape(format!("{place}: its size is `{size}`")))?
        }
        None => return Err(ManifestError::Shape(format!("{place} has no size"))),
    };
    let urls = match raw.urls {
        Some(Value::Array(urls)) => urls.iter().filter_map(|u| u.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    Ok(Descriptor {
        media_type: raw.media_type.unwrap_or_default(),
        digest,
        size,
        platform: raw.platform.as_ref().and_then(platform),
        annotations: strings(raw.annotations.as_ref()),
        urls,
        artifact_type: raw.artifact_type.filter(|t| !t.is_empty()),
        data: raw.data.and_then(|d| d.as_str().map(str::to_owned)),
    })
}

fn descriptors(value: Option<&Value>, place: &str) -> Result<Vec<Descriptor>, ManifestError> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => {
            list.iter().enumerate().map(|(n, value)| descriptor(value, &format!("{place}[{n}]"))).collect()
        }
        Some(_) => Err(ManifestError::Shape(format!("`{place}` is no list"))),
    }
}

/// Without parameters, in lower case.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_index_type(media_type: &str) -> bool {
    media_type == OCI_INDEX || media_type == DOCKER_LIST
}

fn is_manifest_type(media_type: &str) -> bool {
    media_type == OCI_MANIFEST || media_type == DOCKER_MANIFEST
}

fn is_schema1_type(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.docker.distribution.manifest.v1+")
}

/// Whether an engine would run what a configuration of this media type describes. The last four are
/// no types of images; dockerd takes them for one all the same, because registries once sent them
/// (moby, `distribution/registry.go`, `ImageTypes`).
fn is_image_config(media_type: &str) -> bool {
    matches!(
        essence(media_type).as_str(),
        "application/vnd.oci.image.config.v1+json"
            | "application/vnd.docker.container.image.v1+json"
            | "application/octet-stream"
            | "application/json"
            | "text/html"
            | ""
    )
}

/// What manifests and indexes are made of.
const KEYS: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "digest",
    "size",
    "urls",
    "data",
    "platform",
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "features",
    "fsLayers",
    "blobSum",
    "history",
    "signatures",
];

/// Refuses a key that Go's decoder takes for one of ours, and that we do not: `Layers`.
fn one_spelling(value: &Value) -> Result<(), ManifestError> {
    match value {
        Value::Array(items) => items.iter().try_for_each(one_spelling),
        Value::Object(object) => object.iter().try_for_each(|(key, value)| {
            let fold = folded(key);
            if let Some(meant) = KEYS.iter().find(|known| folded(known) == fold && *known != key) {
                let key = lazaret_model::one_line(key, 60);
                return Err(ManifestError::Ambiguous(format!("it says `{key}` for `{meant}`")));
            }
            // The keys of annotations are anybody's.
            if key == "annotations" { Ok(()) } else { one_spelling(value) }
        }),
        _ => Ok(()),
    }
}

/// Whether a layer of this media type is a file system for a runtime.
fn is_layer(media_type: &str) -> bool {
    let media_type = essence(media_type);
    media_type.starts_with("application/vnd.oci.image.layer.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.")
}

/// Reads a manifest or an index. What it is, its content decides; the document's `mediaType` and
/// the transport's (`media_type`, the `Content-Type` of a registry or the descriptor's) must not
/// contradict that.
///
/// # Errors
/// Damage, ambiguity (both `manifests` and `layers`; a media type of the other kind), or a
/// document that is nothing we know.
pub fn parse_document(bytes: &[u8], media_type: Option<&str>) -> Result<Document, ManifestError> {
    let value = json::read(bytes).map_err(|e| match e.classify() {
        serde_json::error::Category::Data => ManifestError::Ambiguous(e.to_string()),
        _ => ManifestError::Json(e.to_string()),
    })?;
    let Value::Object(object) = &value else {
        return Err(ManifestError::Json("it is no object".to_owned()));
    };
    one_spelling(&value)?;
    let present = |key: &str| object.get(key).filter(|v| !v.is_null());
    let own = present("mediaType").and_then(Value::as_str).map(essence).unwrap_or_default();
    let given = media_type.map(essence).unwrap_or_default();
    let schema = present("schemaVersion").and_then(Value::as_u64);
    let (manifests, layers, config, fs_layers) =
        (present("manifests"), present("layers"), present("config"), present("fsLayers"));

    if manifests.is_some() && (layers.is_some() || config.is_some()) {
        return Err(ManifestError::Ambiguous("it holds both a list of manifests and an image".to_owned()));
    }
    if fs_layers.is_some() && (layers.is_some() || config.is_some() || manifests.is_some()) {
        return Err(ManifestError::Ambiguous("it holds both schema 1 and schema 2".to_owned()));
    }
    if fs_layers.is_some() || schema == Some(1) || is_schema1_type(&own) {
        return Ok(Document::Schema1);
    }
    for stated in [&own, &given] {
        if (manifests.is_some() && (is_manifest_type(stated) || is_schema1_type(stated)))
            || ((layers.is_some() || config.is_some()) && (is_index_type(stated) || is_schema1_type(stated)))
        {
            return Err(ManifestError::Ambiguous(format!(
                "its content is not what its media type `{stated}` says"
            )));
        }
    }
    let annotations = strings(present("annotations"));
    let artifact_type =
        present("artifactType").and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
    let given_docker = given == DOCKER_MANIFEST;
    let stated = if own.is_empty() { given } else { own };
    if manifests.is_some() || (is_index_type(&stated) && config.is_none()) {
        let manifests = descriptors(manifests, "manifests")?;
        return Ok(Document::Index(Index { manifests, annotations, artifact_type }));
    }
    let Some(config) = config else {
        return Err(match (layers.is_some() || is_manifest_type(&stated), stated) {
            (true, _) => ManifestError::Shape("it has no configuration".to_owned()),
            (false, stated) => ManifestError::Unknown(stated),
        });
    };
    let manifest = Manifest {
        media_type: stated,
        config: descriptor(config, "config")?,
        layers: descriptors(layers, "layers")?,
        annotations,
        artifact_type,
    };
    // A runtime unpacks by the layers' types, so an image that calls itself an artifact but has
    // file system layers is read as the image it would run as. Of a manifest in Docker's own format
    // podman asks for no type at all.
    let runs = is_image_config(&manifest.config.media_type);
    let layered = manifest.layers.iter().any(|layer| is_layer(&layer.media_type));
    let docker = manifest.media_type == DOCKER_MANIFEST || given_docker;
    Ok(if runs || layered || docker { Document::Image(manifest) } else { Document::Artifact(manifest) })
}

/// The image that a manifest and its configuration describe. `platform` is what the index says
/// of it, which the configuration must not contradict.
///
/// Also gives what is wrong between the two: a layer without a diff id, a platform that differs.
///
/// # Errors
/// A configuration that cannot be read.
pub fn image(
    pinned: PinnedRef,
    manifest_digest: Digest,
    manifest: &Manifest,
    config: &[u8],
    platform: Option<&Platform>,
) -> Result<(Image, Vec<Gap>), ManifestError> {
    let parsed = ParsedConfig::parse(config)
        .map_err(|error| ManifestError::Config { digest: manifest.config.digest.clone(), error })?;
    let mut gaps = Vec::new();
    if parsed.diff_ids.len() != manifest.layers.len() {
        let detail = format!(
            "the manifest has {} layers, the configuration names {} diff ids",
            manifest.layers.len(),
            parsed.diff_ids.len()
        );
        gaps.push(Gap::serious(GapKind::Mismatch, Location::Config("rootfs.diff_ids".to_owned()), detail));
    }
    if manifest.layers.is_empty() {
        let detail = "the image has no layers: there is no file in it that could be scanned";
        gaps.push(Gap::serious(GapKind::Missing, Location::Image, detail));
    }
    let steps: Vec<usize> = parsed
        .config
        .history
        .iter()
        .enumerate()
        .filter_map(|(n, step)| (!step.empty_layer).then_some(n))
        .collect();
    if !parsed.config.history.is_empty() && steps.len() != manifest.layers.len() {
        let detail = format!(
            "the history claims {} layers, there are {}: which step made which layer is not known",
            steps.len(),
            manifest.layers.len()
        );
        gaps.push(Gap::minor(GapKind::Mismatch, Location::Config("history".to_owned()), detail));
    }
    let told = steps.len() == manifest.layers.len();
    let mut layers = Vec::with_capacity(manifest.layers.len());
    for (index, layer) in manifest.layers.iter().enumerate() {
        let diff_id = match parsed.diff_ids.get(index) {
            Some(Ok(digest)) => Some(digest.clone()),
            Some(Err(error)) => {
                let place = Location::Config(format!("rootfs.diff_ids[{index}]"));
                gaps.push(Gap::serious(GapKind::Mismatch, place, error.to_string()));
                None
            }
            None => None,
        };
        if layer.media_type.ends_with("+encrypted") {
            let detail = "the layer is encrypted; only whoever holds the key can read it";
            gaps.push(Gap::serious(GapKind::Encrypted, Location::Layer(index), detail));
        }
        layers.push(Layer {
            index,
            digest: layer.digest.clone(),
            diff_id,
            media_type: layer.media_type.clone(),
            size: layer.size,
            history: if told { steps.get(index).copied() } else { None },
            foreign_urls: layer.urls.clone(),
        });
    }
    let stated = platform.filter(|p| !p.is_unknown());
    if let (Some(stated), Some(own)) = (stated, &parsed.platform)
        && (stated.os != own.os || stated.architecture != own.architecture)
    {
        let detail = format!("the index says {stated}, the configuration {own}");
        gaps.push(Gap::minor(GapKind::Mismatch, Location::Config("architecture".to_owned()), detail));
    }
    let image = Image {
        pinned,
        manifest: manifest_digest,
        config_digest: manifest.config.digest.clone(),
        platform: stated.cloned().or(parsed.platform),
        config: parsed.config,
        layers,
    };
    Ok((image, gaps))
}
