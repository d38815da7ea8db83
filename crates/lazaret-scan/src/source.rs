//! Where an image's bytes come from, behind one face.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use lazaret_model::{Budget, Digest, Image, ImageRef, Layer, Platform, RegistryRef, Unscanned, one_line};
use lazaret_oci::{
    LocalSource, ResolveError, Resolved, STATEMENT_BYTES, digest_of, is_statement, may_be_statement,
};
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
    /// Takes signatures and attestations out that look like images: they are nothing that runs.
    ///
    /// # Errors
    /// Nothing else is there.
    pub(crate) async fn without_statements(
        &self,
        mut resolved: Vec<Resolved>,
    ) -> Result<Vec<Resolved>, ScanError> {
        let mut first = None;
        for one in &mut resolved {
            let images = std::mem::take(&mut one.images);
            for image in images {
                match self.is_statement(&image.image).await {
                    None => one.images.push(image),
                    Some(kind) => {
                        let reason =
                            format!("a statement of type {}, nothing that runs", one_line(&kind, 100));
                        first.get_or_insert_with(|| reason.clone());
                        let image = image.image;
                        one.unscanned.push(Unscanned {
                            digest: image.manifest,
                            platform: image.platform,
                            reason,
                        });
                    }
                }
            }
        }
        let empty = |one: &Resolved| one.images.is_empty() && one.gaps.is_empty();
        match first {
            Some(reason) if resolved.iter().all(empty) => Err(ResolveError::NoImage(reason).into()),
            _ => {
                let (none, mut rest): (Vec<_>, Vec<_>) = resolved.into_iter().partition(empty);
                if let Some(one) = rest.first_mut() {
                    one.unscanned.extend(none.into_iter().flat_map(|one| one.unscanned));
                }
                Ok(rest)
            }
        }
    }

    /// The type of a statement, where each layer of an image is one. What cannot be read may be a layer.
    async fn is_statement(&self, image: &Image) -> Option<String> {
        let layers = &image.layers;
        if !may_be_statement(layers.iter().map(|layer| (layer.media_type.as_str(), layer.size))) {
            return None;
        }
        for layer in layers {
            let content = self.document(layer).await?;
            if digest_of(layer.digest.algorithm(), &content) != layer.digest || !is_statement(&content) {
                return None;
            }
        }
        Some(layers.first()?.media_type.clone())
    }

    /// A small layer in memory.
    async fn document(&self, layer: &Layer) -> Option<Vec<u8>> {
        match self {
            Self::Local(source) => {
                let blob = source.open_layer(layer).ok()?;
                let read = move || {
                    let mut content = Vec::new();
                    // Of a pipe, which is a root file system's, nothing may be taken.
                    blob.len?;
                    blob.reader().take(STATEMENT_BYTES + 1).read_to_end(&mut content).ok()?;
                    Some(content)
                };
                blocking(read).await.ok()?
            }
            Self::Registry { asker, reference } => {
                let mut stream = asker.client.open_blob(reference, layer).await.ok()?;
                let mut content = Vec::new();
                while let Some(chunk) = stream.next_chunk().await.ok()? {
                    content.extend_from_slice(&chunk);
                    if content.len() as u64 > STATEMENT_BYTES {
                        return None;
                    }
                }
                Some(content)
            }
        }
    }

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
