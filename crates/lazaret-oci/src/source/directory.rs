//! A directory that holds an image: OCI layout, or the `dir:` form of containers-transports(5).
//! Nothing outside the directory is ever opened, whatever links it holds.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use lazaret_model::{Budget, Digest};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use super::{Blob, SourceError};

/// An open directory with an image in it.
pub(super) struct Directory {
    root: OwnedFd,
    path: PathBuf,
}

/// Opens a file below `root` for reading; no link leads out of it and no pipe makes it wait.
pub(super) fn open_below(root: &OwnedFd, name: &Path) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, name, flags, Mode::empty(), resolve) {
        Ok(fd) => Ok(File::from(fd)),
        // A kernel before 5.6, or a sandbox that hides the call: no link is followed at all.
        Err(Errno::NOSYS | Errno::PERM) => {
            let mut at = rustix::io::dup(root)?;
            let mut parts = name.components().peekable();
            while let Some(part) = parts.next() {
                let more = if parts.peek().is_some() { OFlags::DIRECTORY } else { OFlags::empty() };
                if !matches!(part, std::path::Component::Normal(_)) {
                    return Err(Errno::XDEV);
                }
                at = openat(&at, part.as_os_str(), flags | OFlags::NOFOLLOW | more, Mode::empty())?;
            }
            Ok(File::from(at))
        }
        Err(e) => Err(e),
    }
}

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY;
        let root = openat(CWD, path, flags, Mode::empty())
            .map_err(|e| SourceError::io(path.display().to_string(), e.into()))?;
        Ok(Self { root, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_layout(&self) -> bool {
        self.file("oci-layout").is_ok_and(|f| f.is_some())
            || (self.path.join("blobs").is_dir() && self.file("index.json").is_ok_and(|f| f.is_some()))
    }

    pub(super) fn is_transport(&self) -> bool {
        let version = self.file("version").ok().flatten().and_then(|blob| blob.read_all(256).ok());
        version.is_some_and(|v| v.starts_with(b"Directory Transport Version"))
            && self.file("manifest.json").is_ok_and(|f| f.is_some())
    }

    fn file(&self, name: &str) -> Result<Option<Blob>, SourceError> {
        let shown = || self.path.join(name).display().to_string();
        match open_below(&self.root, Path::new(name)) {
            Ok(file) => {
                let metadata = file.metadata().map_err(|e| SourceError::io(shown(), e))?;
                if !metadata.is_file() {
                    return Err(SourceError::Damaged {
                        path: shown(),
                        why: "it is no regular file".to_owned(),
                    });
                }
                Ok(Some(Blob { file, offset: 0, len: Some(metadata.len()) }))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(Errno::XDEV | Errno::LOOP) => {
                let why = "it is a link that leads out of the directory".to_owned();
                Err(SourceError::Damaged { path: shown(), why })
            }
            Err(e) => Err(SourceError::io(shown(), e.into())),
        }
    }

    pub(super) fn document(&self, name: &str, budget: &Budget) -> Result<Option<Vec<u8>>, SourceError> {
        let Some(blob) = self.file(name)? else { return Ok(None) };
        let bytes = blob.read_all(budget.document_bytes);
        bytes.map(Some).map_err(|e| SourceError::io(self.path.join(name).display().to_string(), e))
    }

    /// A blob, where a layout or a transport directory keeps it.
    pub(super) fn blob(&self, digest: &Digest) -> Result<Option<Blob>, SourceError> {
        let layout = format!("blobs/{}/{}", digest.algorithm().name(), digest.hex());
        match self.file(&layout)? {
            Some(blob) => Ok(Some(blob)),
            None => self.file(digest.hex()),
        }
    }
}
