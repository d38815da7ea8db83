//! Streams whose next bytes can be had as a slice.

use std::io::{self, Read};

use lazaret_model::BudgetKind;

use super::NestedBudget;
use crate::codec::{Decompressor, Input};
use crate::tar::{SliceStream, Stream};

/// A stream that gives its next bytes as a slice: its own memory, or `buffer` filled.
pub(super) trait Contents: Stream {
    /// The next `want` bytes, fewer only at the end.
    fn chunk<'b>(&'b mut self, want: usize, buffer: &'b mut Vec<u8>) -> &'b [u8];

    /// What ended it early, for people.
    fn fault(&self) -> Option<String> {
        None
    }
}

impl Contents for SliceStream<'_> {
    fn chunk<'b>(&'b mut self, want: usize, _buffer: &'b mut Vec<u8>) -> &'b [u8] {
        self.slice(want as u64)
    }
}

/// Fills `buffer` with the next `want` bytes of a stream, growing it only as bytes come.
fn gather(stream: &mut (impl Stream + ?Sized), want: usize, buffer: &mut Vec<u8>) -> usize {
    fill(stream, 0, want, buffer)
}

/// Adds the next bytes of a stream to `buffer` until it holds `most`, fewer at the end.
pub(super) fn extend(stream: &mut dyn Contents, most: usize, buffer: &mut Vec<u8>) {
    let have = fill(stream, buffer.len(), most, buffer);
    buffer.truncate(have);
}

/// The first `have` bytes of `buffer` are there; fills it up to `want`.
fn fill(stream: &mut (impl Stream + ?Sized), mut have: usize, want: usize, buffer: &mut Vec<u8>) -> usize {
    loop {
        let room = (have * 2).clamp(64 << 10, 8 << 20).min(want.saturating_sub(have));
        if room == 0 {
            return have;
        }
        if buffer.len() < have + room {
            // No more than is asked for: a vector left to itself takes twice of what it has.
            if buffer.capacity() < have + room {
                buffer.reserve_exact(have + room - buffer.len());
            }
            buffer.resize(have + room, 0);
        }
        let n = stream.fill(&mut buffer[have..have + room]);
        have += n;
        if n < room {
            return have;
        }
    }
}

/// What comes out of a decompressor.
pub(super) struct Inflated<I> {
    decompressor: Decompressor<I>,
    at: u64,
}

impl<I: Input> Inflated<I> {
    pub(super) fn of(decompressor: Decompressor<I>) -> Self {
        Self { decompressor, at: 0 }
    }

    /// Compressed bytes that were taken.
    pub(super) fn consumed(&self) -> usize {
        usize::try_from(self.decompressor.consumed()).unwrap_or(usize::MAX)
    }
}

/// A reader as it is.
pub(super) struct Direct<'a> {
    reader: &'a mut dyn Read,
    at: u64,
    fault: Option<String>,
}

impl<'a> Direct<'a> {
    pub(super) fn new(reader: &'a mut dyn Read) -> Self {
        Self { reader, at: 0, fault: None }
    }
}

impl Stream for Direct<'_> {
    fn fill(&mut self, out: &mut [u8]) -> usize {
        let mut done = 0;
        while done < out.len() && self.fault.is_none() {
            match self.reader.read(&mut out[done..]) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => self.fault = Some(format!("it cannot be read on: {e}")),
            }
        }
        self.at += done as u64;
        done
    }

    fn skip(&mut self, n: u64) -> u64 {
        skip_by_filling(self, n)
    }

    fn position(&self) -> u64 {
        self.at
    }
}

impl Contents for Direct<'_> {
    fn chunk<'b>(&'b mut self, want: usize, buffer: &'b mut Vec<u8>) -> &'b [u8] {
        let n = gather(self, want, buffer);
        &buffer[..n]
    }

    fn fault(&self) -> Option<String> {
        self.fault.clone()
    }
}

impl<I: Input> Stream for Inflated<I> {
    fn fill(&mut self, out: &mut [u8]) -> usize {
        let mut done = 0;
        while done < out.len() {
            let n = self.decompressor.read(&mut out[done..]);
            if n == 0 {
                break;
            }
            done += n;
        }
        self.at += done as u64;
        done
    }

    fn skip(&mut self, n: u64) -> u64 {
        skip_by_filling(self, n)
    }

    fn position(&self) -> u64 {
        self.at
    }
}

fn skip_by_filling(stream: &mut impl Stream, n: u64) -> u64 {
    let mut buffer = [0u8; 8 << 10];
    let mut left = n;
    while left > 0 {
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let got = stream.fill(&mut buffer[..most]);
        left -= got as u64;
        if got < most {
            break;
        }
    }
    n - left
}

impl<I: Input> Contents for Inflated<I> {
    fn chunk<'b>(&'b mut self, want: usize, buffer: &'b mut Vec<u8>) -> &'b [u8] {
        let n = gather(self, want, buffer);
        &buffer[..n]
    }

    fn fault(&self) -> Option<String> {
        self.decompressor.fault().map(|fault| format!("{} (at byte {})", fault.what, fault.at))
    }
}

/// The first so many bytes of a stream: one member.
pub(super) struct Limited<'a> {
    stream: &'a mut dyn Contents,
    limit: u64,
    taken: u64,
    short: bool,
}

impl<'a> Limited<'a> {
    pub(super) fn new(stream: &'a mut dyn Contents, limit: u64) -> Self {
        Self { stream, limit, taken: 0, short: false }
    }

    /// Bytes that were read.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether the stream ended inside.
    pub(super) fn short(&self) -> bool {
        self.short
    }

    fn room(&self, want: usize) -> usize {
        usize::try_from(self.limit - self.taken).map_or(want, |left| left.min(want))
    }
}

impl Stream for Limited<'_> {
    fn fill(&mut self, out: &mut [u8]) -> usize {
        let most = self.room(out.len());
        let n = self.stream.fill(&mut out[..most]);
        self.taken += n as u64;
        self.short |= n < most;
        n
    }

    fn skip(&mut self, n: u64) -> u64 {
        let most = n.min(self.limit - self.taken);
        let done = self.stream.skip(most);
        self.taken += done;
        self.short |= done < most;
        done
    }

    fn position(&self) -> u64 {
        self.taken
    }
}

impl Contents for Limited<'_> {
    fn chunk<'b>(&'b mut self, want: usize, buffer: &'b mut Vec<u8>) -> &'b [u8] {
        let most = self.room(want);
        let bytes = self.stream.chunk(most, buffer);
        self.taken += bytes.len() as u64;
        self.short |= bytes.len() < most;
        bytes
    }
}

/// Bytes that were already read, and the stream that they came from. Counts what the stream still
/// unpacks against the budget.
pub(super) struct Joined<'a> {
    first: SliceStream<'a>,
    left: usize,
    rest: &'a mut dyn Contents,
    at: u64,
    passed: u64,
    budget: &'a NestedBudget,
    counts: bool,
    stop: Option<BudgetKind>,
}

impl<'a> Joined<'a> {
    pub(super) fn new(
        first: &'a [u8],
        rest: &'a mut dyn Contents,
        budget: &'a NestedBudget,
        counts: bool,
    ) -> Self {
        let left = first.len();
        Self { first: SliceStream::new(first), left, rest, at: 0, passed: 0, budget, counts, stop: None }
    }

    pub(super) fn stop(&self) -> Option<BudgetKind> {
        self.stop
    }

    /// Bytes that came after the first ones.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    fn count(&mut self, n: usize) {
        self.passed += n as u64;
        if self.counts {
            self.stop = self.stop.or(self.budget.spend(n as u64));
        }
    }
}

impl Stream for Joined<'_> {
    fn fill(&mut self, out: &mut [u8]) -> usize {
        let from_first = self.first.fill(out);
        self.left -= from_first;
        let mut done = from_first;
        if done < out.len() && self.stop.is_none() {
            let n = self.rest.fill(&mut out[done..]);
            self.count(n);
            done += n;
        }
        self.at += done as u64;
        done
    }

    fn skip(&mut self, n: u64) -> u64 {
        skip_by_filling(self, n)
    }

    fn position(&self) -> u64 {
        self.at
    }
}

impl Contents for Joined<'_> {
    fn chunk<'b>(&'b mut self, want: usize, buffer: &'b mut Vec<u8>) -> &'b [u8] {
        if want <= self.left {
            self.left -= want;
            self.at += want as u64;
            return self.first.slice(want as u64);
        }
        let n = gather(self, want, buffer);
        &buffer[..n]
    }
}

/// A stream as reader.
pub(super) struct ReadOf<'a>(pub(super) &'a mut dyn Contents);

impl Read for ReadOf<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        Ok(self.0.fill(out))
    }
}
