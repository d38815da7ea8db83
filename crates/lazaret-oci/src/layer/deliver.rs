//! The content of one entry, in pieces that the sink may keep.

use std::io::Read;
use std::ops::ControlFlow;

use lazaret_model::Budget;

use super::stream::LayerStream;
use super::{LayerSink, Owner, Piece, WINDOW_OVERLAP};
use crate::tar::{Extent, Walker};

/// Memory of `size` bytes, to be written over.
fn room(sink: &mut dyn LayerSink, size: usize) -> Vec<u8> {
    let mut bytes = sink.prepare(size as u64);
    if bytes.capacity() < size {
        // Fresh memory is zero already; writing zeros over it would cost a pass.
        return vec![0; size];
    }
    bytes.resize(size, 0);
    bytes
}

/// A window of `size` bytes that begins with `head`, to be filled.
fn joined(sink: &mut dyn LayerSink, head: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = room(sink, size.max(head.len()));
    bytes[..head.len()].copy_from_slice(head);
    bytes
}

/// What is to be delivered.
pub(super) struct Delivery {
    /// The entry.
    pub(super) number: usize,
    /// Size of the content.
    pub(super) size: u64,
    /// Bytes of it that are stored.
    pub(super) stored: u64,
    /// Where the stored bytes go, in a sparse file.
    pub(super) extents: Option<Vec<Extent>>,
}

impl Delivery {
    /// Reads the content and hands it out. Gives how many stored bytes there were.
    pub(super) fn run<R: Read>(
        self,
        walker: &mut Walker,
        stream: &mut LayerStream<R>,
        sink: &mut dyn LayerSink,
        budget: &Budget,
    ) -> ControlFlow<(), u64> {
        let whole = usize::try_from(budget.whole_file).unwrap_or(usize::MAX).max(4 * WINDOW_OVERLAP);
        match &self.extents {
            None if self.stored <= whole as u64 => self.at_once(walker, stream, sink),
            None => self.windows(walker, stream, sink, whole),
            Some(extents) if self.size <= whole as u64 => self.expanded(extents, walker, stream, sink),
            Some(extents) => self.parts(extents, walker, stream, sink, whole),
        }
    }

    fn piece(&self, sink: &mut dyn LayerSink, offset: u64, bytes: Vec<u8>, last: bool) -> ControlFlow<()> {
        sink.content(Owner::Entry(self.number), Piece { offset, bytes, size: self.size, last })
    }

    fn at_once<R: Read>(
        &self,
        walker: &mut Walker,
        stream: &mut LayerStream<R>,
        sink: &mut dyn LayerSink,
    ) -> ControlFlow<(), u64> {
        let mut bytes = room(sink, self.stored as usize);
        let got = walker.content(stream, &mut bytes);
        bytes.truncate(got);
        self.piece(sink, 0, bytes, true)?;
        ControlFlow::Continue(got as u64)
    }

    /// Windows of `most` bytes, each beginning with the end of the one before.
    fn windows<R: Read>(
        &self,
        walker: &mut Walker,
        stream: &mut LayerStream<R>,
        sink: &mut dyn LayerSink,
        most: usize,
    ) -> ControlFlow<(), u64> {
        let (mut offset, mut got, mut head) = (0u64, 0u64, Vec::new());
        loop {
            let kept: usize = head.len();
            let room = usize::try_from(walker.left()).map_or(most, |left| (kept + left).min(most));
            let mut bytes = joined(sink, &head, room);
            let n = walker.content(stream, &mut bytes[kept..]);
            got += n as u64;
            let short = kept + n < bytes.len();
            bytes.truncate(kept + n);
            let last = short || walker.left() == 0;
            let length = bytes.len();
            head = if last { Vec::new() } else { bytes[length - WINDOW_OVERLAP..].to_vec() };
            let next = offset + (length - head.len()) as u64;
            self.piece(sink, offset, bytes, last)?;
            offset = next;
            if last {
                return ControlFlow::Continue(got);
            }
        }
    }

    /// A sparse file small enough to be held as its readers would see it.
    fn expanded<R: Read>(
        &self,
        extents: &[Extent],
        walker: &mut Walker,
        stream: &mut LayerStream<R>,
        sink: &mut dyn LayerSink,
    ) -> ControlFlow<(), u64> {
        if !stream.may_expand(self.size.saturating_sub(self.stored)) {
            self.piece(sink, 0, Vec::new(), true)?;
            return ControlFlow::Continue(0);
        }
        let mut bytes = room(sink, self.size as usize);
        // The holes are zeros.
        bytes.fill(0);
        let mut got = 0;
        for extent in extents {
            let (from, to) = (extent.offset as usize, (extent.offset + extent.length) as usize);
            let n = walker.content(stream, &mut bytes[from..to]);
            got += n as u64;
            if n < to - from {
                break;
            }
        }
        self.piece(sink, 0, bytes, true)?;
        ControlFlow::Continue(got + self.surplus(walker, stream, sink)?)
    }

    /// A large sparse file: its stored parts, never its holes.
    fn parts<R: Read>(
        &self,
        extents: &[Extent],
        walker: &mut Walker,
        stream: &mut LayerStream<R>,
        sink: &mut dyn LayerSink,
        most: usize,
    ) -> ControlFlow<(), u64> {
        let mut got = 0;
        for extent in extents {
            let (mut offset, mut left) = (extent.offset, extent.length);
            let mut head: Vec<u8> = Vec::new();
            while left > 0 {
                let kept = head.len();
                let available = walker.left().min(left);
                let room = usize::try_from(available).map_or(most, |n| (kept + n).min(most));
                let mut bytes = joined(sink, &head, room);
                let n = walker.content(stream, &mut bytes[kept..]);
                bytes.truncate(kept + n);
                got += n as u64;
                left -= n as u64;
                let length = bytes.len();
                head = if left == 0 || n == 0 {
                    Vec::new()
                } else {
                    bytes[length.saturating_sub(WINDOW_OVERLAP)..].to_vec()
                };
                let next = offset + (length - head.len()) as u64;
                if n > 0 {
                    self.piece(sink, offset, bytes, false)?;
                }
                offset = next;
                if n == 0 {
                    break;
                }
            }
        }
        got += self.surplus(walker, stream, sink)?;
        self.piece(sink, self.size, Vec::new(), true)?;
        ControlFlow::Continue(got)
    }

    /// Stored bytes that the map does not name: no reader sees them.
    fn surplus<R: Read>(
        &self,
        walker: &mut Walker,
        stream: &mut LayerStream<R>,
        sink: &mut dyn LayerSink,
    ) -> ControlFlow<(), u64> {
        let mut got = 0;
        while walker.left() > 0 {
            let room = walker.left().min(1 << 20) as usize;
            let mut bytes = vec![0; room];
            let offset = crate::tar::Stream::position(stream);
            let n = walker.content(stream, &mut bytes);
            if n == 0 {
                break;
            }
            bytes.truncate(n);
            got += n as u64;
            sink.content(Owner::Outside, Piece { offset, bytes, size: n as u64, last: true })?;
        }
        ControlFlow::Continue(got)
    }
}
