//! Drives the built program, and builds images byte by byte where a recipe would be too honest.
#![allow(dead_code, clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lazaret_recipe::Recipe;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A text that the test rule calls malware. Nothing else does.
pub const MARKER: &str = "LAZARET-TEST-MARKER-7f3a";

/// The built program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lazaret");

/// A place of its own for one test: rules, cache, images.
pub struct Place {
    dir: tempfile::TempDir,
}

/// What the program said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("lazaret-test-").tempdir().unwrap();
        fs::create_dir(dir.path().join("rules")).unwrap();
        let rule = format!(
            "rule marker {{\n  meta:\n    title = \"hold the marker of the tests\"\n    explanation = \"A marker.\"\n    \
             class = \"malware\"\n    severity = \"high\"\n    confidence = \"high\"\n  strings:\n    $a = \"{MARKER}\"\n  \
             condition:\n    $a\n}}\n"
        );
        fs::write(dir.path().join("rules/marker.yar"), rule).unwrap();
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the program with a scrubbed environment.
    pub fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, &[])
    }

    pub fn run_with(&self, arguments: &[&str], env: &[(&str, &str)]) -> Said {
        let output = self.command(arguments, env).output().unwrap();
        said(output)
    }

    pub fn command(&self, arguments: &[&str], env: &[(&str, &str)]) -> Command {
        let mut command = Command::new(PROGRAM);
        self.scrub(&mut command, arguments, env);
        command
    }

    /// Gives a command the arguments and an environment of this place alone.
    pub fn scrub(&self, command: &mut Command, arguments: &[&str], env: &[(&str, &str)]) {
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("XDG_CACHE_HOME", self.path("cache"))
            .current_dir(self.dir.path())
            .stdin(std::process::Stdio::null())
            .envs(env.iter().copied());
    }

    /// Runs the program and gives the report that it wrote as JSON too.
    pub fn json(&self, arguments: &[&str]) -> (Said, Value) {
        let said = self.run(&[arguments, &["-f", "json"]].concat());
        let report = serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {said:?}"));
        (said, report)
    }

    /// Scans a layout with the marker rule alone, without a store.
    pub fn scan_marker(&self, layout: &Path, more: &[&str]) -> Said {
        self.scan_marker_in(&format!("oci:{}", layout.display()), more)
    }

    /// Scans anything with the marker rule alone, without a store.
    pub fn scan_marker_in(&self, reference: &str, more: &[&str]) -> Said {
        let rules = self.path("rules");
        let mut arguments = vec!["scan", "--no-store", "--fail-on", "suspicious", "--only-rules", "--rules"];
        arguments.push(rules.to_str().unwrap());
        arguments.push(reference);
        arguments.extend(more);
        self.run(&arguments)
    }

    /// Writes a layout from a recipe.
    pub fn recipe(&self, name: &str, text: &str) -> PathBuf {
        let recipe = Recipe::parse(text).unwrap();
        let mut image = RawImage::default();
        image.config["architecture"] = json!(recipe.platform.architecture);
        image.config["config"]["Entrypoint"] = json!(recipe.config.entrypoint);
        image.config["config"]["Cmd"] = json!(recipe.config.cmd);
        image.config["config"]["Env"] =
            json!(recipe.config.env.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>());
        image.config["config"]["Labels"] =
            Value::Object(recipe.config.labels.iter().map(|(n, v)| (n.clone(), json!(v))).collect());
        for layer in &recipe.layers {
            image.layer(layer.to_tar());
        }
        image.write(&self.path(name))
    }
}

/// The images of a report, over all references.
pub fn images(report: &Value) -> Vec<&Value> {
    report["reports"].as_array().unwrap().iter().flat_map(|r| r["images"].as_array().unwrap()).collect()
}

/// One gap for each of the report, as text.
pub fn gaps(report: &Value) -> Vec<String> {
    images(report).iter().flat_map(|i| i["gaps"].as_array().unwrap()).map(Value::to_string).collect()
}

/// The ids of the rules that speak in a report.
pub fn rules(report: &Value) -> Vec<String> {
    let findings = images(report).into_iter().flat_map(|i| i["findings"].as_array().unwrap());
    findings.map(|f| f["rule"]["id"].as_str().unwrap().to_owned()).collect()
}

/// Copies a directory tree.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Takes a blob out of a layout.
pub fn remove_blob(layout: &Path, digest: &str) {
    fs::remove_file(layout.join("blobs/sha256").join(&digest["sha256:".len()..])).unwrap();
}

pub fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(length: usize, seed: u32) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// One layer as it lies in the layout.
pub struct RawLayer {
    pub blob: Vec<u8>,
    pub diff_id: String,
    pub media_type: String,
    pub urls: Vec<String>,
    /// Whether the blob is there.
    pub present: bool,
}

/// An image whose every byte the test decides.
pub struct RawImage {
    pub config: Value,
    pub layers: Vec<RawLayer>,
    pub platform: Value,
}

impl Default for RawImage {
    fn default() -> Self {
        Self {
            config: json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers"}}),
            layers: Vec::new(),
            platform: json!({"architecture": "amd64", "os": "linux"}),
        }
    }
}

impl RawLayer {
    pub fn digest(&self) -> String {
        sha256(&self.blob)
    }
}

impl RawImage {
    /// Adds a layer of this uncompressed tar, stored as gzip.
    pub fn layer(&mut self, tar: Vec<u8>) -> &mut RawLayer {
        let diff_id = sha256(&tar);
        let blob = gzip(&tar);
        self.blob(blob, diff_id, "application/vnd.oci.image.layer.v1.tar+gzip")
    }

    /// Adds a layer whose blob is this.
    pub fn blob(&mut self, blob: Vec<u8>, diff_id: String, media_type: &str) -> &mut RawLayer {
        self.layers.push(RawLayer {
            blob,
            diff_id,
            media_type: media_type.to_owned(),
            urls: Vec::new(),
            present: true,
        });
        self.layers.last_mut().unwrap()
    }

    pub fn write(&self, dir: &Path) -> PathBuf {
        write_index(dir, &[self]);
        dir.to_owned()
    }
}

pub fn put(dir: &Path, bytes: &[u8]) -> String {
    let digest = sha256(bytes);
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join(&digest[7..]), bytes).unwrap();
    digest
}

/// Writes one index over all images.
pub fn write_index(dir: &Path, images: &[&RawImage]) {
    let mut manifests = Vec::new();
    for image in images {
        let mut config = image.config.clone();
        config["rootfs"]["diff_ids"] =
            json!(image.layers.iter().map(|l| l.diff_id.clone()).collect::<Vec<_>>());
        let config = serde_json::to_vec(&config).unwrap();
        let config_digest = put(dir, &config);
        let mut layers = Vec::new();
        for layer in &image.layers {
            let digest = if layer.present { put(dir, &layer.blob) } else { sha256(&layer.blob) };
            let mut descriptor =
                json!({"mediaType": layer.media_type, "digest": digest, "size": layer.blob.len()});
            if !layer.urls.is_empty() {
                descriptor["urls"] = json!(layer.urls);
            }
            layers.push(descriptor);
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": config.len()},
            "layers": layers,
        });
        let manifest = serde_json::to_vec(&manifest).unwrap();
        let digest = put(dir, &manifest);
        manifests.push(json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "size": manifest.len(),
            "platform": image.platform,
        }));
    }
    let index = if images.len() == 1 {
        let mut only = manifests.remove(0);
        only["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
        json!({"schemaVersion": 2, "manifests": [only]})
    } else {
        let nested = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": manifests,
        }))
        .unwrap();
        let digest = put(dir, &nested);
        json!({"schemaVersion": 2, "manifests": [{
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "digest": digest,
            "size": nested.len(),
            "annotations": {"org.opencontainers.image.ref.name": "latest"},
        }]})
    };
    fs::write(dir.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// A tar archive made header by header.
#[derive(Default)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    /// Adds an entry as ustar has it; `size` may lie.
    pub fn raw(&mut self, name: &[u8], kind: u8, size: u64, link: &[u8], content: &[u8]) -> &mut Self {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name);
        header[100..107].copy_from_slice(b"0000755");
        header[108..115].copy_from_slice(b"0000000");
        header[116..123].copy_from_slice(b"0000000");
        header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = kind;
        header[157..157 + link.len()].copy_from_slice(link);
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(&mut self, name: &str, content: &[u8]) -> &mut Self {
        self.raw(name.as_bytes(), b'0', content.len() as u64, b"", content)
    }

    /// A PAX header for the entry that follows.
    pub fn pax(&mut self, records: &[(&str, &str)]) -> &mut Self {
        let mut body = String::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            body.push_str(&format!("{length} {key}={value}\n"));
        }
        self.raw(b"PaxHeaders/x", b'x', body.len() as u64, b"", body.as_bytes())
    }

    pub fn end(&self) -> Vec<u8> {
        let mut out = self.0.clone();
        out.extend_from_slice(&[0; 1024]);
        out
    }
}
