//! Writes an image as an OCI layout (image-spec, `image-layout.md`).

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use flate2::{Compression as Level, GzBuilder};
use lazaret_model::{HistoryStep, ImageConfig};
use lazaret_recipe::Recipe;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::Case;

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// Plain tar.
    None,
}

impl Compression {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
            Self::None => "application/vnd.oci.image.layer.v1.tar",
        }
    }

    fn apply(self, tar: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut writer = GzBuilder::new().mtime(0).write(Vec::new(), Level::new(6));
                writer.write_all(&tar)?;
                writer.finish()
            }
            Self::Zstd => zstd::bulk::compress(&tar, 3),
            Self::None => Ok(tar),
        }
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)))
}

/// The blobs of one layout.
struct Blobs<'a>(&'a Path);

impl Blobs<'_> {
    /// Writes a blob and returns its descriptor.
    fn put(&self, media_type: &str, bytes: &[u8]) -> io::Result<Map<String, Value>> {
        let digest = digest(bytes);
        let name = digest.trim_start_matches("sha256:");
        fs::write(self.0.join(name), bytes)?;
        Ok(object([
            ("mediaType", json!(media_type)),
            ("digest", json!(digest)),
            ("size", json!(bytes.len())),
        ]))
    }

    fn put_json(&self, media_type: &str, value: &Value) -> io::Result<Map<String, Value>> {
        self.put(media_type, value.to_string().as_bytes())
    }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

impl Case {
    /// Writes the case as an OCI layout into `dir`, which is made if it is not there. Several
    /// images become an index. A case without an image writes an empty layout.
    pub fn write_oci_layout(&self, dir: &Path) -> io::Result<()> {
        let blobs_dir = dir.join("blobs/sha256");
        fs::create_dir_all(&blobs_dir)?;
        let blobs = Blobs(&blobs_dir);
        let mut manifests = Vec::new();
        for image in &self.images {
            let mut descriptor = self.write_image(&blobs, image)?;
            let platform = &image.platform;
            let mut shown =
                object([("architecture", json!(platform.architecture)), ("os", json!(platform.os))]);
            if let Some(variant) = &platform.variant {
                shown.insert("variant".to_owned(), json!(variant));
            }
            descriptor.insert("platform".to_owned(), Value::Object(shown));
            manifests.push(descriptor);
        }
        if manifests.len() > 1 {
            let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
            manifests = vec![blobs.put_json(INDEX, &index)?];
        }
        for manifest in &mut manifests {
            let name = json!({ "org.opencontainers.image.ref.name": self.tag });
            manifest.insert("annotations".to_owned(), name);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        fs::write(dir.join("index.json"), index.to_string())?;
        fs::write(dir.join("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }).to_string())
    }

    fn write_image(&self, blobs: &Blobs<'_>, image: &Recipe) -> io::Result<Map<String, Value>> {
        let mut layers = Vec::new();
        let mut diff_ids = Vec::new();
        for layer in &image.layers {
            let tar = layer.to_tar();
            diff_ids.push(digest(&tar));
            let bytes = self.compression.apply(tar)?;
            layers.push(blobs.put(self.compression.media_type(), &bytes)?);
        }
        let config = blobs.put_json(CONFIG, &config_json(image, &diff_ids))?;
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        blobs.put_json(MANIFEST, &manifest)
    }
}

/// The image configuration (image-spec, `config.md`), with what Docker adds to it.
fn config_json(image: &Recipe, diff_ids: &[String]) -> Value {
    let config = &image.config;
    let mut root = object([
        ("created", json!(config.created)),
        ("architecture", json!(image.platform.architecture)),
        ("os", json!(image.platform.os)),
    ]);
    if let Some(variant) = &image.platform.variant {
        root.insert("variant".to_owned(), json!(variant));
    }
    if !config.author.is_empty() {
        root.insert("author".to_owned(), json!(config.author));
    }
    root.insert("config".to_owned(), Value::Object(execution(config)));
    root.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": diff_ids }));
    if !config.history.is_empty() {
        root.insert("history".to_owned(), config.history.iter().map(history_json).collect());
    }
    Value::Object(root)
}

fn execution(config: &ImageConfig) -> Map<String, Value> {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        let empty = match &value {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if !empty {
            out.insert(name.to_owned(), value);
        }
    };
    let set = |names: &[String]| Value::Object(names.iter().map(|n| (n.clone(), json!({}))).collect());
    put("User", json!(config.user));
    put("ExposedPorts", set(&config.exposed_ports));
    put("Env", config.env.iter().map(|(name, value)| json!(format!("{name}={value}"))).collect());
    put("Entrypoint", json!(config.entrypoint));
    put("Cmd", json!(config.cmd));
    put("Volumes", set(&config.volumes));
    put("WorkingDir", json!(config.working_dir));
    put("Labels", Value::Object(config.labels.iter().map(|(n, v)| (n.clone(), json!(v))).collect()));
    put("StopSignal", json!(config.stop_signal));
    put("OnBuild", json!(config.on_build));
    put("Shell", json!(config.shell));
    if let Some(health) = &config.healthcheck {
        put("Healthcheck", json!({ "Test": health.test }));
    }
    out
}

fn history_json(step: &HistoryStep) -> Value {
    let mut out = object([("created", json!(step.created)), ("created_by", json!(step.created_by))]);
    if !step.comment.is_empty() {
        out.insert("comment".to_owned(), json!(step.comment));
    }
    if step.empty_layer {
        out.insert("empty_layer".to_owned(), json!(true));
    }
    Value::Object(out)
}
