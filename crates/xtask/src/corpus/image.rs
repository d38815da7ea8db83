//! One foreign file made into an image: as its only layer, or as the only file of that layer.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The most bytes that a layer is decompressed to for its diff id. What is larger gets a wrong one.
const LARGEST: u64 = 256 << 20;

/// One block of a tar.
const BLOCK: usize = 512;

/// An image whose only layer is the file.
pub(super) fn with_layer(file: &Path, layout: &Path) -> Result<PathBuf> {
    let bytes = fs::read(file)?;
    // The diff id of what other libraries make of it, so that nothing but the content is wrong.
    let plain = decompressed(&bytes);
    write(layout, &bytes, plain.as_deref().unwrap_or(&bytes))
}

/// An image whose only layer holds the file as `data/NAME`.
pub(super) fn with_file(file: &Path, layout: &Path) -> Result<PathBuf> {
    let bytes = fs::read(file)?;
    let name = file.file_name().context("a file without a name")?.to_string_lossy();
    // A name field holds a hundred bytes; what stands at the end tells the format.
    let name: String = name.chars().rev().filter(char::is_ascii).take(60).collect();
    let name: String = name.chars().rev().collect();
    let mut tar = header(&format!("data/{name}"), bytes.len()).to_vec();
    tar.extend_from_slice(&bytes);
    tar.resize(tar.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    write(layout, &tar, &tar)
}

fn decompressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let read = match bytes {
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(bytes).take(LARGEST).read_to_end(&mut plain),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::Decoder::new(bytes).ok()?.take(LARGEST).read_to_end(&mut plain),
        _ => return None,
    };
    read.ok().map(|_| plain)
}

/// The header of a regular file in the ustar format (POSIX.1-1988).
fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Writes an OCI layout with one layer, in place of the one that stood there before.
fn write(layout: &Path, blob: &[u8], plain: &[u8]) -> Result<PathBuf> {
    if layout.exists() {
        fs::remove_dir_all(layout)?;
    }
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let put = |bytes: &[u8]| -> Result<String> {
        let name = hex(bytes);
        fs::write(blobs.join(&name), bytes)?;
        Ok(format!("sha256:{name}"))
    };
    let described = |kind: &str, bytes: &[u8]| -> Result<Value> {
        let media_type = format!("application/vnd.oci.image.{kind}");
        Ok(json!({ "mediaType": media_type, "digest": put(bytes)?, "size": bytes.len() }))
    };
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hex(plain))] },
        "history": [{ "created_by": "COPY . / # buildkit" }],
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described("config.v1+json", config.to_string().as_bytes())?,
        "layers": [described("layer.v1.tar", blob)?],
    });
    let index = json!({
        "schemaVersion": 2,
        "manifests": [described("manifest.v1+json", manifest.to_string().as_bytes())?],
    });
    fs::write(layout.join("index.json"), index.to_string())?;
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(layout.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
