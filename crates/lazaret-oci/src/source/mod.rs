//! Images on this machine's disk: layouts, archives, root file systems.

mod archive_file;
mod blob;
mod directory;
mod docker_archive;
mod oci_form;
mod rootfs;
mod rootfs_tar;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use lazaret_model::{Budget, Digest, ImageRef, Layer, Platform};

pub use archive_file::begins_as_archive;
pub use blob::{Blob, BlobReader};

use crate::resolve::{ResolveError, Resolved};
use archive_file::{Archive, Member};
use directory::Directory;

/// Why a local image cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or directory cannot be read.
    #[error("{what}: {error}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        error: std::io::Error,
    },
    /// It is not what it was said to be.
    #[error("{path} is no {expected}: {why}")]
    NotThat {
        /// What was typed.
        path: String,
        /// `OCI image layout`, …
        expected: &'static str,
        /// What is missing or wrong.
        why: String,
    },
    /// A whole archive, and of something else.
    #[error("{path} is no image archive: it holds neither index.json nor manifest.json")]
    NoImageArchive {
        /// What was typed.
        path: String,
    },
    /// What is there is damaged.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// What was typed.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The image that was asked for is not in it.
    #[error("{path} holds no image `{wanted}`; it holds: {available}")]
    NoSuchReference {
        /// What was typed.
        path: String,
        /// The reference asked for.
        wanted: String,
        /// What there is.
        available: String,
    },
    /// It says different things to different readers.
    #[error("{path} can be read in two ways: {why}")]
    Ambiguous {
        /// What was typed.
        path: String,
        /// The two.
        why: String,
    },
    /// Its manifests lead to no image.
    #[error("{path}: {error}")]
    Resolve {
        /// What was typed.
        path: String,
        /// Why.
        error: ResolveError,
    },
    /// It unpacks to more than the budget allows.
    #[error("{path} unpacks to more than {limit} bytes (raise the limit with --max-layer-bytes)")]
    TooLarge {
        /// What was typed.
        path: String,
        /// The limit.
        limit: u64,
    },
    /// A blob is not there.
    #[error("{path}: blob {digest} is not there")]
    NoBlob {
        /// What was typed.
        path: String,
        /// Which.
        digest: Digest,
    },
    /// A layer that only its maker's server has.
    #[error(
        "layer {digest} is a foreign layer that would have to be fetched from {url}, which is never done"
    )]
    ForeignLayer {
        /// Which.
        digest: Digest,
        /// Where it is said to be.
        url: String,
    },
    /// The reference names something that is not on this disk.
    #[error("`{0}` is not a file or directory")]
    NotLocal(String),
}

impl SourceError {
    /// Whether what is there is whole, and is nothing that an engine runs.
    pub fn is_no_image(&self) -> bool {
        matches!(self, Self::NoImageArchive { .. } | Self::Resolve { error: ResolveError::NoImage(_), .. })
    }

    fn io(what: impl Into<String>, error: std::io::Error) -> Self {
        Self::Io { what: what.into(), error }
    }
}

/// Where the bytes are.
enum Store {
    Directory(Directory),
    Archive(Archive),
    RootFs(PathBuf),
}

/// Opened images on disk.
pub struct LocalSource {
    /// What was typed, for messages.
    words: String,
    store: Store,
    resolved: Vec<Resolved>,
    /// Layers of a docker archive, which are named by path.
    members: HashMap<Digest, Member>,
}

impl std::fmt::Debug for LocalSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalSource").field("words", &self.words).finish_non_exhaustive()
    }
}

/// What opening needs besides the place.
#[derive(Clone, Copy)]
struct Wish<'a> {
    words: &'a str,
    reference: Option<&'a str>,
    platforms: &'a [Platform],
    budget: &'a Budget,
}

impl LocalSource {
    /// Opens what a reference names: [`ImageRef::OciLayout`], [`ImageRef::OciArchive`],
    /// [`ImageRef::DockerArchive`], [`ImageRef::Directory`] or [`ImageRef::Path`]. An empty
    /// `platforms` means all.
    ///
    /// # Errors
    /// It is not there, cannot be read, is not what it is said to be, or holds no image.
    pub fn open(reference: &ImageRef, platforms: &[Platform], budget: &Budget) -> Result<Self, SourceError> {
        let words = reference.to_string();
        let wish = |reference| Wish { words: &words, reference, platforms, budget };
        match reference {
            ImageRef::OciLayout { path, reference } => Self::layout(path, wish(reference.as_deref())),
            ImageRef::OciArchive { path, reference } => {
                let archive = Archive::open(open_file(path)?, &path.display().to_string(), budget)?;
                if !archive.has("index.json") {
                    return Err(not_that(path, "OCI archive", "it holds no index.json"));
                }
                Self::archive(archive, wish(reference.as_deref()))
            }
            ImageRef::DockerArchive { path, reference } => {
                let archive = Archive::open(open_file(path)?, &path.display().to_string(), budget)?;
                if !archive.has("manifest.json") {
                    return Err(not_that(path, "docker archive", "it holds no manifest.json"));
                }
                Self::archive(archive, wish(reference.as_deref()))
            }
            ImageRef::Directory(path) => {
                let directory = Directory::open(path)?;
                if directory.is_transport() {
                    Self::transport(directory, wish(None))
                } else {
                    Self::rootfs(path, wish(None))
                }
            }
            ImageRef::Path(path) => Self::look(path, wish(None)),
            other => Err(SourceError::NotLocal(other.to_string())),
        }
    }

    /// Opens an archive that another part of the program wrote to an unlinked file: what a
    /// daemon exported. `words` names its origin in messages and in reports.
    ///
    /// # Errors
    /// As [`LocalSource::open`].
    pub fn from_archive_file(
        file: File,
        words: &str,
        reference: Option<&str>,
        platforms: &[Platform],
        budget: &Budget,
    ) -> Result<Self, SourceError> {
        Self::archive(Archive::open(file, words, budget)?, Wish { words, reference, platforms, budget })
    }

    /// The images, one [`Resolved`] for each reference that the place holds. Never empty.
    pub fn resolved(&self) -> &[Resolved] {
        &self.resolved
    }

    /// Opens a layer's blob, from which [`crate::read_layer`] reads. Nothing is verified here.
    ///
    /// # Errors
    /// It is not there, or cannot be opened.
    pub fn open_layer(&self, layer: &Layer) -> Result<Blob, SourceError> {
        let found = match &self.store {
            Store::RootFs(path) => return rootfs_tar::pipe(path),
            Store::Directory(directory) => directory.blob(&layer.digest)?,
            Store::Archive(archive) => match self.members.get(&layer.digest) {
                Some(member) => Some(archive.blob(member)?),
                None => archive.find_blob(&layer.digest)?,
            },
        };
        found.ok_or_else(|| match layer.foreign_urls.first() {
            Some(url) => SourceError::ForeignLayer {
                digest: layer.digest.clone(),
                url: lazaret_model::one_line(url, 200),
            },
            None => SourceError::NoBlob { path: self.words.clone(), digest: layer.digest.clone() },
        })
    }

    fn look(path: &Path, wish: Wish<'_>) -> Result<Self, SourceError> {
        let metadata = std::fs::metadata(path).map_err(|e| SourceError::io(path.display().to_string(), e))?;
        if !metadata.is_dir() {
            let archive = Archive::open(open_file(path)?, &path.display().to_string(), wish.budget)?;
            return Self::archive(archive, wish);
        }
        let directory = Directory::open(path)?;
        if directory.is_layout() {
            return Self::layout(path, wish);
        }
        if directory.is_transport() {
            return Self::transport(directory, wish);
        }
        if ["etc", "bin", "usr", "sbin", "lib", "opt"].iter().any(|name| path.join(name).is_dir()) {
            return Self::rootfs(path, wish);
        }
        Err(not_that(
            path,
            "image",
            "it has neither oci-layout nor manifest.json, and no directory of a root file system; write dir:PATH to scan it as one",
        ))
    }

    fn layout(path: &Path, wish: Wish<'_>) -> Result<Self, SourceError> {
        let directory = Directory::open(path)?;
        let Some(index) = directory.document("index.json", wish.budget)? else {
            return Err(not_that(path, "OCI image layout", "it holds no index.json"));
        };
        let from = format!("OCI layout {}", path.display());
        let resolved = oci_form::resolve(&index, &from, wish, |digest| directory.blob(digest))?;
        Ok(Self {
            words: wish.words.to_owned(),
            store: Store::Directory(directory),
            resolved,
            members: HashMap::new(),
        })
    }

    fn transport(directory: Directory, wish: Wish<'_>) -> Result<Self, SourceError> {
        let Some(manifest) = directory.document("manifest.json", wish.budget)? else {
            return Err(SourceError::Damaged {
                path: wish.words.to_owned(),
                why: "manifest.json is gone".to_owned(),
            });
        };
        let from = format!("directory {}", directory.path().display());
        let resolved = oci_form::resolve_root(&manifest, &from, wish, &|digest| directory.blob(digest))?;
        Ok(Self {
            words: wish.words.to_owned(),
            store: Store::Directory(directory),
            resolved: vec![resolved],
            members: HashMap::new(),
        })
    }

    fn rootfs(path: &Path, wish: Wish<'_>) -> Result<Self, SourceError> {
        let resolved = rootfs::resolve(path, wish)?;
        Ok(Self {
            words: wish.words.to_owned(),
            store: Store::RootFs(path.to_owned()),
            resolved: vec![resolved],
            members: HashMap::new(),
        })
    }

    /// Both forms in one archive are what `docker save` writes since version 25. Engines differ
    /// in which they read, so the OCI form, which holds more, is scanned, and the other must name
    /// nothing else.
    fn archive(archive: Archive, wish: Wish<'_>) -> Result<Self, SourceError> {
        let words = wish.words.to_owned();
        let index = archive.document("index.json", wish.budget)?;
        let manifest = archive.document("manifest.json", wish.budget)?;
        let (resolved, members) = match (index, manifest) {
            (None, None) if archive.has("repositories") => {
                let why = "it is in the form that engines before Docker 1.10 wrote; load and save it with a current one";
                return Err(SourceError::NotThat {
                    path: words,
                    expected: "image archive",
                    why: why.to_owned(),
                });
            }
            // What names the image may be what is lost.
            (None, None) => {
                return Err(match archive.damage() {
                    Some(why) => SourceError::Damaged { path: words, why },
                    None => SourceError::NoImageArchive { path: words },
                });
            }
            (Some(index), manifest) => {
                let from = format!("OCI archive {}", archive.words());
                match (oci_form::resolve(&index, &from, wish, |digest| archive.find_blob(digest)), manifest) {
                    (Ok(resolved), Some(manifest)) => {
                        docker_archive::must_agree(&archive, &manifest, &index, &resolved, wish)?;
                        (resolved, HashMap::new())
                    }
                    // Some versions of `docker save` wrote an index with nothing in it.
                    (Err(SourceError::Resolve { error: ResolveError::NoImage(_), .. }), Some(manifest)) => {
                        docker_archive::resolve(&archive, &manifest, wish)?
                    }
                    (resolved, _) => (resolved?, HashMap::new()),
                }
            }
            (None, Some(manifest)) => docker_archive::resolve(&archive, &manifest, wish)?,
        };
        Ok(Self { words, store: Store::Archive(archive), resolved, members })
    }
}

fn not_that(path: &Path, expected: &'static str, why: &str) -> SourceError {
    SourceError::NotThat { path: path.display().to_string(), expected, why: why.to_owned() }
}

/// Opens a file for reading without hanging on a pipe.
fn open_file(path: &Path) -> Result<File, SourceError> {
    use rustix::fs::{Mode, OFlags};
    let fail = |e: std::io::Error| SourceError::io(path.display().to_string(), e);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|e| fail(e.into()))?);
    let kind = file.metadata().map_err(fail)?.file_type();
    if kind.is_file() {
        Ok(file)
    } else if kind.is_dir() {
        Err(not_that(path, "archive", "it is a directory"))
    } else {
        Err(not_that(path, "archive", "it is no regular file"))
    }
}
