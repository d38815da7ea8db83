//! The bytes of a layer: blob digest, decompression, diff id and budgets, in one pass.

use std::io::Read;
use std::time::Instant;

use lazaret_model::{Algorithm, Budget, BudgetKind, Digest};

use crate::codec::{Compression, Decompressor, Fault, Input, ReadInput};
use crate::hash::Hasher;
use crate::tar::Stream;

/// Uncompressed bytes produced at once: small enough that they are still in the cache when the
/// diff id is computed over them.
const STEP: usize = 128 << 10;
/// The ratio is judged only after this many bytes: small files compress well honestly.
const RATIO_FROM: u64 = 64 << 20;

/// A layer's tar, and everything counted on the way.
pub(crate) struct LayerStream<R> {
    decompressor: Decompressor<ReadInput<R>>,
    diff: Hasher,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Uncompressed bytes that came out of the decompressor.
    produced: u64,
    /// Of those, bytes that were handed out.
    passed: u64,
    /// Bytes that were made up: holes of sparse files.
    expanded: u64,
    budget: Budget,
    deadline: Option<Instant>,
    stop: Option<BudgetKind>,
    ended: bool,
}

impl<R: Read> LayerStream<R> {
    pub(crate) fn new(
        blob: R,
        blob_algorithm: Algorithm,
        diff_algorithm: Algorithm,
        budget: &Budget,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            decompressor: Decompressor::new(ReadInput::new(blob, Some(Hasher::new(blob_algorithm)))),
            diff: Hasher::new(diff_algorithm),
            buffer: vec![0; STEP],
            start: 0,
            end: 0,
            produced: 0,
            passed: 0,
            expanded: 0,
            budget: *budget,
            deadline,
            stop: None,
            ended: false,
        }
    }

    pub(crate) fn compression(&self) -> Compression {
        self.decompressor.format()
    }

    pub(crate) fn produced(&self) -> u64 {
        self.produced
    }

    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.decompressor.fault()
    }

    /// The budget that stopped it, if one did.
    pub(crate) fn stop(&self) -> Option<BudgetKind> {
        self.stop
    }

    pub(crate) fn stop_for(&mut self, kind: BudgetKind) {
        self.stop.get_or_insert(kind);
        self.ended = true;
        self.start = self.end;
    }

    /// Counts bytes that are about to be made up; false where the budget forbids it.
    pub(crate) fn may_expand(&mut self, bytes: u64) -> bool {
        self.expanded = self.expanded.saturating_add(bytes);
        self.within();
        self.stop.is_none()
    }

    fn within(&mut self) {
        let made = self.produced.saturating_add(self.expanded);
        let read = self.decompressor.consumed().max(1);
        if made > self.budget.layer_bytes {
            self.stop_for(BudgetKind::LayerBytes);
        } else if made > RATIO_FROM && made / read > self.budget.ratio {
            self.stop_for(BudgetKind::Ratio);
        } else if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.stop_for(BudgetKind::Time);
        }
    }

    /// One piece from the decompressor into `out`, hashed.
    fn pull(
        decompressor: &mut Decompressor<ReadInput<R>>,
        diff: &mut Hasher,
        produced: &mut u64,
        out: &mut [u8],
    ) -> usize {
        let n = decompressor.read(out);
        diff.update(&out[..n]);
        *produced += n as u64;
        n
    }

    /// Makes sure that the buffer holds something; false at the end.
    fn refill(&mut self) -> bool {
        if self.start < self.end {
            return true;
        }
        if self.ended {
            return false;
        }
        self.within();
        if self.ended {
            return false;
        }
        self.start = 0;
        self.end = Self::pull(&mut self.decompressor, &mut self.diff, &mut self.produced, &mut self.buffer);
        self.ended = self.end == 0;
        !self.ended
    }

    /// The next uncompressed bytes, at most `most`, without a copy.
    pub(crate) fn some(&mut self, most: usize) -> &[u8] {
        if !self.refill() {
            return &[];
        }
        let n = (self.end - self.start).min(most);
        let at = self.start;
        self.start += n;
        self.passed += n as u64;
        &self.buffer[at..at + n]
    }

    /// After the end of the tar: the compressed bytes that belong to no member, piece by piece.
    /// An empty one is the end of the blob. An error is a blob that cannot be read on.
    pub(crate) fn rest(&mut self, take: &mut dyn FnMut(u64, &[u8])) -> std::io::Result<()> {
        let mut at = self.decompressor.consumed();
        loop {
            let input = self.decompressor.input();
            let seen = input.peek(1)?;
            if seen.is_empty() {
                return Ok(());
            }
            let n = seen.len();
            take(at, seen);
            input.take(n);
            at += n as u64;
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.stop.get_or_insert(BudgetKind::Time);
                return Ok(());
            }
        }
    }

    /// Digest and size of the blob, and the diff id. Right only after [`LayerStream::rest`].
    pub(crate) fn finish(mut self) -> (Digest, u64, Digest) {
        let input = self.decompressor.input();
        let total = input.total();
        // The hasher is there: it was given in `new` and this takes it once.
        let blob = input.digest().unwrap_or_else(|| Hasher::new(Algorithm::Sha256).finish());
        (blob, total, self.diff.finish())
    }
}

impl<R: Read> Stream for LayerStream<R> {
    fn fill(&mut self, out: &mut [u8]) -> usize {
        let mut done = 0;
        while done < out.len() {
            // Large wishes are served straight from the decompressor, without a copy.
            if self.start == self.end && out.len() - done >= STEP / 4 && !self.ended {
                self.within();
                if self.ended {
                    break;
                }
                let end = out.len().min(done + STEP);
                let n = Self::pull(
                    &mut self.decompressor,
                    &mut self.diff,
                    &mut self.produced,
                    &mut out[done..end],
                );
                self.ended = n == 0;
                self.passed += n as u64;
                done += n;
                continue;
            }
            let piece = self.some(out.len() - done);
            if piece.is_empty() {
                break;
            }
            out[done..done + piece.len()].copy_from_slice(piece);
            done += piece.len();
        }
        done
    }

    fn skip(&mut self, n: u64) -> u64 {
        let mut left = n;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let got = self.some(most).len() as u64;
            if got == 0 {
                break;
            }
            left -= got;
        }
        n - left
    }

    fn position(&self) -> u64 {
        self.passed
    }
}
