//! A root file system on disk, presented as an image of one layer.
//!
//! The layer is the tar that [`super::rootfs_tar`] writes of it. It is written twice: once to
//! learn its digest, which pins what is scanned, and once to be read; a file that changes between
//! the two is found by the digest like any other tampering.

use std::path::Path;

use lazaret_model::{Algorithm, Image, ImageConfig, Layer, PinnedRef};

use super::{SourceError, Wish, rootfs_tar};
use crate::hash::Hasher;
use crate::resolve::{Resolved, ResolvedImage};

/// Hashes and counts what is written.
struct Counting {
    hasher: Hasher,
    bytes: u64,
}

impl std::io::Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn resolve(path: &Path, wish: Wish<'_>) -> Result<Resolved, SourceError> {
    let mut counting = Counting { hasher: Hasher::new(Algorithm::Sha256), bytes: 0 };
    let gaps =
        rootfs_tar::write(path, &mut counting).map_err(|e| SourceError::io(path.display().to_string(), e))?;
    let digest = counting.hasher.finish();
    let pinned = PinnedRef { repository: wish.words.to_owned(), tag: None, digest: digest.clone() };
    let layer = Layer {
        index: 0,
        digest: digest.clone(),
        diff_id: Some(digest.clone()),
        media_type: "application/vnd.oci.image.layer.v1.tar".to_owned(),
        size: counting.bytes,
        history: None,
        foreign_urls: Vec::new(),
    };
    let image = Image {
        pinned: pinned.clone(),
        manifest: digest.clone(),
        config_digest: digest,
        platform: None,
        config: ImageConfig::default(),
        layers: vec![layer],
    };
    Ok(Resolved {
        pinned,
        source: format!("root file system {}", path.display()),
        images: vec![ResolvedImage { image, gaps }],
        unscanned: Vec::new(),
        gaps: Vec::new(),
    })
}
