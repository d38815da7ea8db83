//! A blob as a part of an open file, which can be handed to a process that may open nothing.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use lazaret_model::BudgetKind;

/// A part of an open file. The file descriptor, the offset and the length are all that a
/// confined worker needs.
#[derive(Debug)]
pub struct Blob {
    /// The file.
    pub file: File,
    /// Where the blob begins in it.
    pub offset: u64,
    /// How long it is; None where it is a pipe that is read to its end.
    pub len: Option<u64>,
}

impl Blob {
    /// Reads it from the beginning. Several readers of copies of one descriptor do not disturb
    /// each other, unless it is a pipe.
    pub fn reader(self) -> BlobReader {
        BlobReader { at: self.offset, left: self.len, file: self.file }
    }

    /// The whole blob in memory: a manifest, an index or a configuration.
    ///
    /// # Errors
    /// It cannot be read, or is longer than `limit` bytes, the budget for documents.
    pub(crate) fn read_all(self, limit: u64) -> io::Result<Vec<u8>> {
        if self.len.is_some_and(|len| len > limit) {
            return Err(too_long(limit));
        }
        let mut bytes = Vec::with_capacity(self.len.and_then(|l| usize::try_from(l).ok()).unwrap_or(0));
        self.reader().take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(too_long(limit));
        }
        Ok(bytes)
    }
}

fn too_long(limit: u64) -> io::Error {
    let flag = BudgetKind::DocumentBytes.flag();
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("it is longer than {limit} bytes; raise the limit with {flag} if that is meant"),
    )
}

/// Reads a [`Blob`].
#[derive(Debug)]
pub struct BlobReader {
    file: File,
    at: u64,
    left: Option<u64>,
}

impl Read for BlobReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.left else { return self.file.read(out) };
        let most = usize::try_from(left).map_or(out.len(), |left| left.min(out.len()));
        let n = self.file.read_at(&mut out[..most], self.at)?;
        self.at += n as u64;
        self.left = Some(left - n as u64);
        Ok(n)
    }
}
