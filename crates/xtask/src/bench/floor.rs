//! The least that reading an image can cost: decompress every layer, SHA-256 of the blob and of
//! the diff id, with the same libraries and the same number of threads.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Hashes what passes through.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hash.update(&buffer[..got]);
        Ok(got)
    }
}

/// `xtask floor LAYOUT`.
pub fn run(arguments: &[String]) -> Result<()> {
    let [layout] = arguments else { bail!("write: xtask floor LAYOUT") };
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let queue = Mutex::new(layers(Path::new(layout))?);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().map(|mut q| q.pop());
                    let Ok(Some(path)) = next else { return };
                    if let Err(error) = one(&path)
                        && let Ok(mut slot) = failed.lock()
                    {
                        *slot = Some(error);
                    }
                }
            });
        }
    });
    match failed.into_inner() {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(error),
        Err(_) => bail!("a thread of the floor panicked"),
    }
}

fn one(path: &Path) -> Result<u64> {
    let mut magic = [0; 4];
    File::open(path)?.read_exact(&mut magic)?;
    let blob = Hashing { inner: File::open(path)?, hash: Sha256::new() };
    let blob = BufReader::with_capacity(256 << 10, blob);
    let tar: Box<dyn Read> = match magic {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(blob)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::stream::read::Decoder::with_buffer(blob)?),
        _ => Box::new(blob),
    };
    let mut tar = Hashing { inner: tar, hash: Sha256::new() };
    let mut buffer = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        let got = tar.read(&mut buffer)?;
        if got == 0 {
            break;
        }
        bytes += got as u64;
    }
    std::hint::black_box(tar.hash.finalize());
    Ok(bytes)
}

/// The blobs of all layers, the largest last, so that it is taken first.
fn layers(layout: &Path) -> Result<Vec<PathBuf>> {
    let read = |path: &Path| -> Result<Value> {
        let text = std::fs::read(path).with_context(|| path.display().to_string())?;
        Ok(serde_json::from_slice(&text)?)
    };
    let blob = |digest: &Value| -> Result<PathBuf> {
        let digest =
            digest.as_str().and_then(|d| d.strip_prefix("sha256:")).context("a descriptor without digest")?;
        Ok(layout.join("blobs/sha256").join(digest))
    };
    let mut documents = vec![read(&layout.join("index.json"))?];
    let mut paths = BTreeSet::new();
    while let Some(document) = documents.pop() {
        for child in document["manifests"].as_array().into_iter().flatten() {
            documents.push(read(&blob(&child["digest"])?)?);
        }
        for layer in document["layers"].as_array().into_iter().flatten() {
            paths.insert(blob(&layer["digest"])?);
        }
    }
    let mut paths: Vec<PathBuf> = paths.into_iter().collect();
    paths.sort_by_key(|path| std::fs::metadata(path).map_or(0, |m| m.len()));
    Ok(paths)
}

/// Bytes of all blobs, and of what they unpack to.
pub fn sizes(layout: &Path) -> Result<(u64, u64)> {
    let mut sums = (0, 0);
    for path in layers(layout)? {
        sums.0 += std::fs::metadata(&path)?.len();
        sums.1 += one(&path)?;
    }
    Ok(sums)
}
