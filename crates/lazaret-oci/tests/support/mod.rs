//! Small archives and images, made in code.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use lazaret_model::{Algorithm, Budget, Digest, Fact, FactKind, FileEntry, Layer};
use lazaret_oci::{LayerRead, LayerSink, Owner, Piece, digest_of, read_layer};
use serde_json::{Value, json};

pub fn sha256(bytes: &[u8]) -> Digest {
    digest_of(Algorithm::Sha256, bytes)
}

/// Writes tar archives, wrong ones too.
#[derive(Clone, Default)]
pub struct Tar {
    pub bytes: Vec<u8>,
}

/// One header, every field open.
#[derive(Clone)]
pub struct Header {
    pub block: [u8; 512],
}

impl Header {
    pub fn new(name: &str, typeflag: u8, size: u64) -> Self {
        let mut block = [0u8; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[156] = typeflag;
        let mut header = Self { block };
        header.octal(100..108, 0o644);
        header.octal(108..116, 0);
        header.octal(116..124, 0);
        header.octal(124..136, size);
        header.octal(136..148, 0);
        header
    }

    pub fn octal(&mut self, range: std::ops::Range<usize>, value: u64) {
        let digits = range.len() - 1;
        if value >> (3 * digits) > 0 {
            // Base-256, as GNU tar writes what does not fit.
            self.block[range.start..range.end].fill(0);
            self.block[range.end - 8..range.end].copy_from_slice(&value.to_be_bytes());
            self.block[range.start] = 0x80;
            return;
        }
        self.block[range.start..range.end - 1].copy_from_slice(format!("{value:0digits$o}").as_bytes());
    }

    pub fn mode(mut self, mode: u64) -> Self {
        self.octal(100..108, mode);
        self
    }

    pub fn link(mut self, target: &str) -> Self {
        self.block[157..157 + target.len()].copy_from_slice(target.as_bytes());
        self
    }

    pub fn gnu(mut self) -> Self {
        self.block[257..265].copy_from_slice(b"ustar  \0");
        self
    }

    pub fn sealed(mut self) -> [u8; 512] {
        self.block[148..156].fill(b' ');
        let sum: u64 = self.block.iter().map(|&b| u64::from(b)).sum();
        self.octal(148..155, sum);
        self.block
    }
}

impl Tar {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub fn entry(mut self, header: Header, content: &[u8]) -> Self {
        self.bytes.extend_from_slice(&header.sealed());
        self.bytes.extend_from_slice(content);
        let pad = self.bytes.len().wrapping_neg() % 512;
        self.bytes.resize(self.bytes.len() + pad, 0);
        self
    }

    pub fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(Header::new(name, b'0', content.len() as u64), content)
    }

    pub fn pax(self, records: &[(&str, &str)]) -> Self {
        self.meta(b'x', &pax_records(records))
    }

    pub fn meta(self, typeflag: u8, payload: &[u8]) -> Self {
        self.entry(Header::new("meta", typeflag, payload.len() as u64), payload)
    }

    pub fn end(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0; 1024]);
        self.bytes
    }
}

pub fn pax_records(records: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        out.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
    }
    out
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Bytes that do not compress.
pub fn noise(length: u32) -> Vec<u8> {
    (0..length).map(|n| (n.wrapping_mul(2_654_435_761).rotate_left(n % 31) >> 13) as u8).collect()
}

/// An image layer as its manifest would describe it.
pub fn layer(blob: &[u8], tar: &[u8]) -> Layer {
    Layer {
        index: 0,
        digest: sha256(blob),
        diff_id: Some(sha256(tar)),
        media_type: String::new(),
        size: blob.len() as u64,
        history: None,
        foreign_urls: Vec::new(),
    }
}

/// Remembers everything.
#[derive(Default)]
pub struct Gathered {
    pub entries: Vec<FileEntry>,
    pub pieces: Vec<(Owner, Piece)>,
    pub oddities: Vec<String>,
}

impl LayerSink for Gathered {
    fn entry(&mut self, entry: FileEntry) -> ControlFlow<()> {
        self.entries.push(entry);
        ControlFlow::Continue(())
    }

    fn content(&mut self, owner: Owner, piece: Piece) -> ControlFlow<()> {
        self.pieces.push((owner, piece));
        ControlFlow::Continue(())
    }

    fn fact(&mut self, fact: Fact) {
        if let FactKind::ArchiveOddity { what } = fact.kind {
            self.oddities.push(format!("{}: {what}", fact.path));
        }
    }
}

impl Gathered {
    pub fn names(&self) -> Vec<String> {
        self.entries.iter().map(|e| e.path.to_string()).collect()
    }

    /// The whole content of the first entry with this path.
    pub fn content(&self, path: &str) -> Vec<u8> {
        let number = self.entries.iter().position(|e| e.path == path.into()).unwrap();
        self.of(Owner::Entry(number))
    }

    pub fn of(&self, owner: Owner) -> Vec<u8> {
        self.pieces.iter().filter(|(o, _)| *o == owner).flat_map(|(_, p)| p.bytes.clone()).collect()
    }

    pub fn odd(&self, words: &str) -> bool {
        self.oddities.iter().any(|o| o.contains(words))
    }
}

pub fn read_blob(blob: &[u8], layer: &Layer, budget: &Budget) -> (LayerRead, Gathered) {
    let mut sink = Gathered::default();
    let read = read_layer(blob, layer, budget, None, &mut sink);
    (read, sink)
}

/// Reads a plain tar whose digests are right.
pub fn read_tar(tar: &[u8]) -> (LayerRead, Gathered) {
    read_blob(tar, &layer(tar, tar), &Budget::default())
}

/// An image in parts.
pub struct Made {
    pub blobs: Vec<Vec<u8>>,
    pub manifest: Value,
}

impl Made {
    pub fn manifest_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.manifest).unwrap()
    }

    pub fn descriptor(&self) -> Value {
        let bytes = self.manifest_bytes();
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": sha256(&bytes).to_string(), "size": bytes.len()})
    }
}

/// A one-layer image whose command is `word`.
pub fn image(word: &str, architecture: &str) -> Made {
    let tar = Tar::new().file("word", word.as_bytes()).end();
    let blob = gzip(&tar);
    let config = serde_json::to_vec(&json!({
        "architecture": architecture, "os": "linux", "config": {"Cmd": [word]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(&tar).to_string()]},
        "history": [{"created_by": format!("COPY {word}")}, {"created_by": "CMD", "empty_layer": true}],
    }))
    .unwrap();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(&config).to_string(), "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": sha256(&blob).to_string(), "size": blob.len()}],
    });
    let bytes = serde_json::to_vec(&manifest).unwrap();
    Made { blobs: vec![blob, config, bytes], manifest }
}

/// Writes an OCI layout.
pub fn layout(path: &Path, images: &[&Made], index: &Value) {
    std::fs::create_dir_all(path.join("blobs/sha256")).unwrap();
    std::fs::write(path.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    std::fs::write(path.join("index.json"), serde_json::to_vec(index).unwrap()).unwrap();
    for blob in images.iter().flat_map(|i| &i.blobs) {
        std::fs::write(path.join("blobs/sha256").join(sha256(blob).hex()), blob).unwrap();
    }
}
