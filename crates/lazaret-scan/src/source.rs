//! Where an image's bytes come from, behind one face.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use lazaret_model::{Budget, Digest, ImageRef, Layer, Platform, RegistryRef};
use lazaret_oci::{LocalSource, Resolved};
use lazaret_registry::daemon::DaemonOptions;
use lazaret_registry::{BlobCopy, BlobStream, Client};

use crate::ScanError;

/// An opened source: what was resolved, once, and the way to its layers.
pub(crate) enum Source {
    Local(Box<LocalSource>),
    Registry { asker: Asker, reference: RegistryRef },
}

/// Who asks registries, and what of the answers is kept for others.
#[derive(Clone)]
pub struct Asker {
    /// Asks with the credentials of whoever wants the image.
    pub client: Client,
    /// Where blobs lie that were downloaded before, and go that are downloaded now.
    pub shelf: Option<Arc<dyn BlobShelf>>,
}

/// A place for blobs. What it hands out has the digest that it was asked for.
pub trait BlobShelf: Send + Sync {
    /// The blob and its length, where it is here.
    fn open(&self, digest: &Digest) -> Option<(File, u64)>;
    /// Takes a copy of a blob that is downloaded, where there is room.
    fn copy(&self, digest: &Digest, size: u64) -> Option<Box<dyn BlobCopy>>;
}

/// The bytes of a layer, for the worker.
pub(crate) enum LayerBytes {
    /// A part of a file.
    File { descriptor: OwnedFd, offset: u64, length: Option<u64>, seekable: bool },
    /// A download; the pipe's other end is fed while the worker reads.
    Download { descriptor: OwnedFd, stream: Box<BlobStream>, feed: OwnedFd, copy: Option<Box<dyn BlobCopy>> },
}

impl Source {
    /// Opens a reference and resolves it, once, to what is scanned.
    pub(crate) async fn open(
        reference: &ImageRef,
        platforms: &[Platform],
        budget: &Budget,
        asker: &Asker,
    ) -> Result<(Self, Vec<Resolved>), ScanError> {
        match reference {
            ImageRef::Registry(name) => {
                let resolved = asker.client.resolve(name, platforms, budget).await?;
                // From here on the digest counts, whatever the tag does meanwhile.
                let pinned = RegistryRef { digest: Some(resolved.pinned.digest.clone()), ..name.clone() };
                Ok((Self::Registry { asker: asker.clone(), reference: pinned }, vec![resolved]))
            }
            ImageRef::DockerDaemon(_) | ImageRef::Podman(_) | ImageRef::Containerd(_) => {
                let options = DaemonOptions { export_limit: budget.layer_bytes, ..DaemonOptions::default() };
                let export = lazaret_registry::daemon::export(reference, &options).await?;
                let (platforms, budget) = (platforms.to_vec(), *budget);
                let source = blocking(move || {
                    LocalSource::from_archive_file(export.file, &export.origin, None, &platforms, &budget)
                })
                .await??;
                Ok(Self::local(source))
            }
            _ => {
                let (reference, platforms, budget) = (reference.clone(), platforms.to_vec(), *budget);
                let source = blocking(move || LocalSource::open(&reference, &platforms, &budget)).await??;
                Ok(Self::local(source))
            }
        }
    }

    fn local(source: LocalSource) -> (Self, Vec<Resolved>) {
        let resolved = source.resolved().to_vec();
        (Self::Local(Box::new(source)), resolved)
    }

    /// The bytes of a layer.
    pub(crate) async fn layer(&self, layer: &Layer) -> Result<LayerBytes, ScanError> {
        match self {
            Self::Local(source) => {
                let blob = source.open_layer(layer)?;
                Ok(LayerBytes::File {
                    // A blob of unknown length is a pipe, fed while it is read.
                    seekable: blob.len.is_some(),
                    descriptor: blob.file.into(),
                    offset: blob.offset,
                    length: blob.len,
                })
            }
            Self::Registry { asker, reference } => {
                if let Some((file, length)) = asker.shelf.as_ref().and_then(|shelf| shelf.open(&layer.digest))
                {
                    return Ok(LayerBytes::File {
                        descriptor: file.into(),
                        offset: 0,
                        length: Some(length),
                        seekable: true,
                    });
                }
                let stream = asker.client.open_blob(reference, layer).await?;
                let copy = asker.shelf.as_ref().and_then(|shelf| shelf.copy(&layer.digest, layer.size));
                let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
                    .map_err(|e| ScanError::System { what: "a pipe to the worker", error: e.into() })?;
                // A larger pipe means fewer turns between the two processes.
                let _ = rustix::pipe::fcntl_setpipe_size(&write, 1 << 20);
                Ok(LayerBytes::Download { descriptor: read, stream: Box::new(stream), feed: write, copy })
            }
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ScanError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| ScanError::System { what: "opening the image", error: std::io::Error::other(e) })
}
