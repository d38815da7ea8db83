//! Blobs on disk: each under its digest, checked before it lies there, the least used go first.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use lazaret_model::Digest;
use lazaret_oci::Hasher;
use lazaret_scan::{BlobCopy, BlobShelf};
use tempfile::NamedTempFile;
use tokio::sync::mpsc::Sender;

/// A shelf. Clones are the same shelf.
#[derive(Clone)]
pub struct Shelf {
    inner: Arc<Inner>,
}

struct Inner {
    directory: PathBuf,
    limit: u64,
    books: Mutex<Books>,
    /// Who wants to know what arrived.
    told: OnceLock<Sender<Digest>>,
}

/// What lies on the shelf.
#[derive(Default)]
struct Books {
    /// Size and last use, by digest.
    blobs: HashMap<Digest, (u64, u64)>,
    total: u64,
    clock: u64,
}

impl Shelf {
    /// Opens the shelf in a directory that nobody else writes to; `limit` is in bytes. What lies
    /// there from before counts as used in the order of its times.
    ///
    /// # Errors
    /// A directory that cannot be made or read.
    pub fn open(directory: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().replacen('-', ":", 1);
            match name.parse::<Digest>() {
                Ok(digest) => {
                    let about = entry.metadata()?;
                    found.push((about.modified().ok(), digest, about.len()));
                }
                // What a process that was killed left half written.
                Err(_) => drop(fs::remove_file(entry.path())),
            }
        }
        found.sort();
        let shelf = Self {
            inner: Arc::new(Inner {
                directory: directory.to_owned(),
                limit,
                books: Mutex::default(),
                told: OnceLock::new(),
            }),
        };
        for (_, digest, size) in found {
            shelf.note(digest, size);
        }
        shelf.make_room(0);
        Ok(shelf)
    }

    /// Bytes and blobs that lie on it.
    pub fn holds(&self) -> (u64, usize) {
        let books = self.books();
        (books.total, books.blobs.len())
    }

    /// Whether a blob could be put there.
    ///
    /// # Errors
    /// What the system says.
    pub fn is_writable(&self) -> io::Result<()> {
        NamedTempFile::with_prefix_in("part-", &self.inner.directory).map(drop)
    }

    /// Tells what arrives from now on. The first who asks is told, and of no more than there is room
    /// for.
    pub(crate) fn tell(&self, sender: Sender<Digest>) {
        let _ = self.inner.told.set(sender);
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // A panic while the lock is held leaves counts, not bytes, in doubt.
        self.inner.books.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.inner.directory.join(digest.to_string().replace(':', "-"))
    }

    fn note(&self, digest: Digest, size: u64) {
        let mut books = self.books();
        books.clock += 1;
        let now = books.clock;
        if books.blobs.insert(digest, (size, now)).is_none() {
            books.total += size;
        }
    }

    /// Takes the least used away until `more` bytes fit. Whoever reads one goes on reading it.
    fn make_room(&self, more: u64) {
        let mut gone = Vec::new();
        {
            let mut books = self.books();
            while books.total.saturating_add(more) > self.inner.limit {
                let least = books.blobs.iter().min_by_key(|(_, (_, used))| *used);
                let Some(digest) = least.map(|(digest, _)| digest.clone()) else { break };
                if let Some((size, _)) = books.blobs.remove(&digest) {
                    books.total -= size;
                }
                gone.push(digest);
            }
        }
        for digest in gone {
            let _ = fs::remove_file(self.path(&digest));
        }
    }

    /// Begins a blob. None where it is larger than the shelf.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub fn begin(&self, digest: &Digest, size: u64) -> io::Result<Option<Arriving>> {
        if size > self.inner.limit {
            return Ok(None);
        }
        self.make_room(size);
        let file = NamedTempFile::with_prefix_in("part-", &self.inner.directory)?;
        Ok(Some(Arriving {
            shelf: self.clone(),
            digest: digest.clone(),
            hash: Hasher::new(digest.algorithm()),
            file,
            written: 0,
            failed: None,
        }))
    }
}

impl BlobShelf for Shelf {
    fn open(&self, digest: &Digest) -> Option<(File, u64)> {
        let size = self.books().blobs.get(digest).map(|(size, _)| *size)?;
        let file = File::open(self.path(digest)).ok()?;
        // What was cut or grew behind our back is not what was checked.
        if file.metadata().ok()?.len() != size {
            return None;
        }
        self.note(digest.clone(), size);
        Some((file, size))
    }

    fn copy(&self, digest: &Digest, size: u64) -> Option<Box<dyn BlobCopy>> {
        let arriving = self.begin(digest, size).ok()??;
        Some(Box::new(arriving))
    }
}

/// A blob on its way to the shelf. Dropped before its end, it leaves nothing.
pub struct Arriving {
    shelf: Shelf,
    digest: Digest,
    hash: Hasher,
    file: NamedTempFile,
    written: u64,
    failed: Option<io::Error>,
}

impl Arriving {
    /// The next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.hash.update(bytes);
            self.written += bytes.len() as u64;
            self.failed = self.file.write_all(bytes).err();
        }
    }

    /// Puts the blob on the shelf, if it is what its digest says.
    ///
    /// # Errors
    /// The disk is full or fails; another content than the digest names.
    pub fn finish(self) -> io::Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let found = self.hash.finish();
        if found != self.digest {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the blob that is named {} has the digest {found}", self.digest),
            ));
        }
        self.file.persist(self.shelf.path(&self.digest)).map_err(|error| error.error)?;
        self.shelf.note(self.digest.clone(), self.written);
        self.shelf.make_room(0);
        if let Some(told) = self.shelf.inner.told.get() {
            let _ = told.try_send(self.digest);
        }
        Ok(())
    }
}

impl BlobCopy for Arriving {
    fn write(&mut self, bytes: &[u8]) {
        self.add(bytes);
    }

    fn complete(self: Box<Self>) {
        // A copy that fails is fetched again when it is wanted.
        let _ = self.finish();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use lazaret_model::Algorithm;
    use lazaret_oci::digest_of;

    use super::*;

    fn put(shelf: &Shelf, bytes: &[u8]) -> Digest {
        let digest = digest_of(Algorithm::Sha256, bytes);
        let mut arriving = shelf.begin(&digest, bytes.len() as u64).unwrap().unwrap();
        arriving.add(bytes);
        arriving.finish().unwrap();
        digest
    }

    #[test]
    fn the_least_used_go_first_and_a_restart_knows_what_lies_there() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), 30).unwrap();
        let digests: Vec<Digest> = (0..3u8).map(|n| put(&shelf, &[n; 10])).collect();
        assert!(shelf.open(&digests[0]).is_some(), "used: it must stay");
        let more = put(&shelf, &[9; 10]);
        assert_eq!(shelf.holds(), (30, 3));
        let here = |shelf: &Shelf, digest: &Digest| BlobShelf::open(shelf, digest).is_some();
        assert!(here(&shelf, &digests[0]) && !here(&shelf, &digests[1]) && here(&shelf, &more));
        fs::write(folder.path().join("part-left"), "x").unwrap();
        let again = Shelf::open(folder.path(), 30).unwrap();
        assert_eq!(again.holds(), (30, 3));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert!(again.begin(&more, 31).unwrap().is_none(), "larger than the shelf");
    }

    #[test]
    fn what_is_not_its_digest_never_lies_there() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), 100).unwrap();
        let digest = digest_of(Algorithm::Sha256, b"right");
        let mut arriving = shelf.begin(&digest, 5).unwrap().unwrap();
        arriving.add(b"wrong");
        assert_eq!(arriving.finish().unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(BlobShelf::open(&shelf, &digest).is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // Cut behind our back.
        let digest = put(&shelf, b"right");
        fs::write(shelf.path(&digest), b"righ").unwrap();
        assert!(BlobShelf::open(&shelf, &digest).is_none());
    }
}
