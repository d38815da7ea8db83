//! A tar walker on raw 512-byte blocks that sees what the container runtimes see.
//!
//! containerd, dockerd and containers-storage all read layers with Go's `archive/tar`, so its
//! choices are ours: which of two names wins, which header a PAX size belongs to, what a hard
//! link's size means. Wherever another common reader (GNU tar, libarchive, Python) would see
//! something else, that is said as an oddity. Where Go's reader gives up, we do not: the damage
//! is noted, the bytes up to the next sound header are handed out as stray, and reading goes on.

mod header;
mod owners;
mod pax;
mod sparse;
mod walker;

pub(crate) use header::{has_checksum, looks_like_header};
pub(crate) use sparse::Extent;
pub(crate) use walker::{NoteKind, Step, Walker};

/// Size of a tar block.
pub(crate) const BLOCK: usize = 512;

/// Uncompressed bytes, read forward. Why a stream ended is asked of the stream, not of the walker.
pub(crate) trait Stream {
    /// Fills `out` as far as the stream goes; fewer bytes mean that it ended.
    fn fill(&mut self, out: &mut [u8]) -> usize;
    /// Passes over `n` bytes; fewer mean that it ended.
    fn skip(&mut self, n: u64) -> u64;
    /// Bytes passed so far.
    fn position(&self) -> u64;
}

/// A slice as stream.
pub(crate) struct SliceStream<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> SliceStream<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `n` bytes without a copy, fewer at the end; they count as passed.
    pub(crate) fn slice(&mut self, n: u64) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let got = &rest[..usize::try_from(n).map_or(rest.len(), |n| n.min(rest.len()))];
        self.at += got.len();
        got
    }
}

impl Stream for SliceStream<'_> {
    fn fill(&mut self, out: &mut [u8]) -> usize {
        let got = self.slice(out.len() as u64);
        out[..got.len()].copy_from_slice(got);
        got.len()
    }

    fn skip(&mut self, n: u64) -> u64 {
        self.slice(n).len() as u64
    }

    fn position(&self) -> u64 {
        self.at as u64
    }
}
