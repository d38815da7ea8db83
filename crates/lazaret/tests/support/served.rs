//! A registry on loopback that holds one layout and can be told to stall, for what a real
//! registry does not do on request.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

// The registry client's tests have real registries, engines and a server that does as it is told.
#[path = "../../../lazaret-registry/tests/support/mod.rs"]
pub mod field;

use field::fake::{Reply, Request, Then, from};

/// Longest wait for anything in these tests.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `ready` gives something.
pub fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn blob(layout: &Path, digest: &str) -> Option<Vec<u8>> {
    fs::read(layout.join("blobs/sha256").join(digest.strip_prefix("sha256:")?)).ok()
}

/// The digest of the one manifest of a layout.
pub fn manifest_digest(layout: &Path) -> String {
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    index["manifests"][0]["digest"].as_str().unwrap().to_owned()
}

/// What an honest registry that holds this layout answers, under every name and tag.
pub fn answer(layout: &Path, request: &Request) -> Reply {
    let path = request.path.split('?').next().unwrap_or_default();
    if path == "/v2/" {
        return Reply::new(200, "{}").header("Docker-Distribution-Api-Version", "registry/2.0");
    }
    let last = path.rsplit('/').next().unwrap_or_default().replace("%3A", ":");
    let found = if path.contains("/manifests/") {
        let digest = if last.starts_with("sha256:") { last } else { manifest_digest(layout) };
        blob(layout, &digest).map(|bytes| {
            Reply::new(200, bytes)
                .header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
                .header("Docker-Content-Digest", digest)
        })
    } else {
        blob(layout, &last).map(|bytes| match from(request) {
            0 => Reply::new(200, bytes),
            from => Reply::new(206, bytes[from..].to_vec())
                .header("Content-Range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
        })
    };
    found.unwrap_or_else(|| Reply::new(404, r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"unknown"}]}"#))
}

/// A registry that sends half of the blob `digest` and then nothing more.
pub fn stalling(layout: PathBuf, digest: String) -> impl Fn(&Request, usize) -> Reply + Send + Sync {
    move |request, _| {
        let reply = answer(&layout, request);
        if request.method == "GET" && request.path.ends_with(&digest) {
            let (half, whole) = (reply.body.len() / 2, reply.body.len() as u64);
            return Reply::new(200, reply.body[..half].to_vec()).cut(whole, Then::Stall);
        }
        reply
    }
}
