//! One layer, from the bytes of its blob to entries and contents, in one pass.

mod deliver;
mod stream;

use std::io::Read;
use std::ops::ControlFlow;
use std::time::Instant;

use lazaret_model::{
    Algorithm, Budget, BudgetKind, Digest, EntryPath, Fact, FactKind, FileEntry, Gap, GapKind, Layer,
    Location,
};

use crate::codec::Compression;
use crate::tar::{NoteKind, Step, Stream, Walker};
use deliver::Delivery;
use stream::LayerStream;

/// How far two windows of a large file overlap, so that what crosses the edge of one is whole in
/// the other.
pub const WINDOW_OVERLAP: usize = 64 << 10;
/// Most notes of one kind that one layer may leave behind: a hostile one has millions.
const NOTES_MOST: usize = 1_000;

/// Whose bytes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The entry with this number, counted from 0 in the order of [`LayerSink::entry`].
    Entry(usize),
    /// No entry: bytes after the end of the archive, between damaged headers, or after the end
    /// of the compressed stream. No runtime sees them as a file; they are evidence all the same.
    Outside,
}

/// A piece of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it stands in the content; for [`Owner::Outside`], in the uncompressed layer.
    pub offset: u64,
    /// The bytes. A whole content comes in one piece of offset 0 whose length is `size`; a
    /// larger one in windows that overlap by [`WINDOW_OVERLAP`]; a large sparse file in its
    /// stored parts.
    pub bytes: Vec<u8>,
    /// Size of the whole content. A piece that ends before it although it is `last` was cut off
    /// by damage or a budget; then there is a gap.
    pub size: u64,
    /// Whether it is the last piece of this content.
    pub last: bool,
}

/// Takes what a layer holds. Every call may end the reading by [`ControlFlow::Break`].
pub trait LayerSink {
    /// An entry. Its `content` is None; whoever takes the content fills it in.
    fn entry(&mut self, entry: FileEntry) -> ControlFlow<()>;

    /// A piece of content of at most so many bytes comes next: gives memory for it, whatever
    /// stands in it; what is too small is not used. A sink that holds pieces can wait here until
    /// there is room.
    fn prepare(&mut self, bytes: u64) -> Vec<u8> {
        let _ = bytes;
        Vec::new()
    }

    /// A piece of content. Every regular file (an empty one too), and every other entry that
    /// carries bytes, gets at least one, right after its entry.
    fn content(&mut self, owner: Owner, piece: Piece) -> ControlFlow<()>;

    /// Something about the archive itself: [`FactKind::ArchiveOddity`], [`FactKind::ArchiveOwners`].
    fn fact(&mut self, fact: Fact);
}

/// How reading a layer went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRead {
    /// Digest of the blob as read, with the algorithm of the manifest's.
    pub blob_digest: Digest,
    /// Whether the blob was read to its end and its digest is the manifest's.
    pub blob_ok: bool,
    /// Bytes of the blob that were read.
    pub blob_bytes: u64,
    /// How the blob is compressed, by its content.
    pub compression: Compression,
    /// Digest of the uncompressed layer; None where it was not read to its end.
    pub diff_id: Option<Digest>,
    /// Whether `diff_id` is what the configuration says; true where that says nothing.
    pub diff_ok: bool,
    /// Uncompressed bytes read.
    pub bytes: u64,
    /// Entries handed to the sink.
    pub entries: u64,
    /// What could not be read. Locations have layer number 0, as in
    /// [`lazaret_model::LayerFacts`].
    pub gaps: Vec<Gap>,
    /// Whether everything was read and every digest is right. Only such a layer may be
    /// remembered as read.
    pub complete: bool,
}

/// Reads a layer: blob digest, decompression (decided by content, never by media type), diff id,
/// tar, contents. Never fails: what cannot be read is a gap in the result, and what could be read
/// before and after it has been handed to `sink`.
///
/// A blob whose digest is wrong is only known at its end: the caller must throw away what the
/// sink gathered unless `blob_ok`.
pub fn read_layer<R: Read>(
    blob: R,
    layer: &Layer,
    budget: &Budget,
    deadline: Option<Instant>,
    sink: &mut dyn LayerSink,
) -> LayerRead {
    let diff_algorithm = layer.diff_id.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
    let mut stream = LayerStream::new(blob, layer.digest.algorithm(), diff_algorithm, budget, deadline);
    let compression = stream.compression();
    let mut reader =
        Reader { walker: Walker::new(), sink, budget, entries: 0, gaps: Vec::new(), oddities: 0, dropped: 0 };
    if let Some(claimed) = Compression::claimed_by(&layer.media_type)
        && claimed != compression
    {
        reader.odd(
            &EntryPath::default(),
            format!("the manifest calls this layer {}, it is {}", claimed.name(), compression.name()),
        );
    }
    let flow = reader.entries(&mut stream);
    let flow = if flow.is_continue() { reader.trailing(&mut stream) } else { flow };
    reader.owners();
    reader.finish(stream, layer, flow.is_break())
}

/// The state of one reading.
struct Reader<'a> {
    walker: Walker,
    sink: &'a mut dyn LayerSink,
    budget: &'a Budget,
    entries: u64,
    gaps: Vec<Gap>,
    oddities: usize,
    dropped: usize,
}

impl Reader<'_> {
    fn odd(&mut self, path: &EntryPath, what: String) {
        self.oddities += 1;
        if self.oddities <= NOTES_MOST {
            self.sink.fact(Fact::about(path, FactKind::ArchiveOddity { what }));
        }
    }

    fn gap(&mut self, gap: Gap) {
        if self.gaps.len() < NOTES_MOST {
            self.gaps.push(gap);
        } else {
            self.dropped += 1;
        }
    }

    /// Passes on what the walker has to say.
    fn notes(&mut self) {
        let notes: Vec<_> = self.walker.notes().collect();
        for note in notes {
            match note.kind {
                NoteKind::Oddity => self.odd(&note.path.unwrap_or_default(), note.what),
                NoteKind::Damage => {
                    let location = match note.path {
                        Some(path) => Location::file(0, path),
                        None => Location::Layer(0),
                    };
                    let detail = format!("{} (at byte {} of the uncompressed layer)", note.what, note.at);
                    self.gap(Gap::serious(GapKind::Damaged, location, detail));
                }
            }
        }
    }

    /// All entries, up to the end of the archive.
    fn entries<R: Read>(&mut self, stream: &mut LayerStream<R>) -> ControlFlow<()> {
        loop {
            let step = self.walker.next(stream);
            self.notes();
            match step {
                Step::Entry(entry) => {
                    if self.entries >= self.budget.entries {
                        stream.stop_for(BudgetKind::Entries);
                        return ControlFlow::Continue(());
                    }
                    let number = self.entries as usize;
                    self.entries += 1;
                    let path = entry.file.path.clone();
                    let (kind, size, executable) =
                        (entry.file.kind.clone(), entry.file.size, entry.file.is_executable());
                    self.sink.entry(entry.file)?;
                    let has_content = entry.stored > 0 || kind == lazaret_model::FileKind::File;
                    if !has_content {
                        continue;
                    }
                    let delivery = Delivery { number, size, stored: entry.stored, extents: entry.extents };
                    let got = delivery.run(&mut self.walker, stream, self.sink, self.budget)?;
                    if got < entry.stored {
                        let what = if executable { "an executable" } else { "a file" };
                        let detail = format!("{what} of {} stored bytes ends after {got}", entry.stored);
                        self.gap(Gap::serious(
                            GapKind::Damaged,
                            Location::file(0, path).at_offset(got),
                            detail,
                        ));
                    }
                }
                Step::Stray(at, bytes) => {
                    let size = bytes.len() as u64;
                    self.sink.content(Owner::Outside, Piece { offset: at, bytes, size, last: true })?;
                }
                Step::End { marked } => {
                    if !marked && self.entries > 0 && stream.fault().is_none() && stream.stop().is_none() {
                        self.odd(&EntryPath::default(), "the archive does not say where it ends".to_owned());
                    }
                    return ControlFlow::Continue(());
                }
            }
        }
    }

    /// States who owns the entries, by name.
    fn owners(&mut self) {
        let (users, groups) = self.walker.owners().names();
        if !users.is_empty() || !groups.is_empty() {
            let kind = FactKind::ArchiveOwners { users, groups };
            self.sink.fact(Fact::about(&EntryPath::default(), kind));
        }
    }

    /// Reads and hands out what stands after the end of the archive. It belongs to the diff id.
    fn trailing<R: Read>(&mut self, stream: &mut LayerStream<R>) -> ControlFlow<()> {
        let window = usize::try_from(self.budget.whole_file).unwrap_or(usize::MAX).max(4 * WINDOW_OVERLAP);
        let mut start = stream.position();
        let mut held: Vec<u8> = Vec::new();
        let (mut first, mut bytes) = (None, 0u64);
        loop {
            let at = stream.position();
            let piece = stream.some(window);
            let ended = piece.is_empty();
            if !ended && (!held.is_empty() || piece.iter().any(|&b| b != 0)) {
                // Padding with zeros to a full record is what every writer does.
                if held.is_empty() {
                    let zeros = piece.iter().take_while(|&&b| b == 0).count();
                    start = at + zeros as u64;
                    first.get_or_insert(start);
                    held.extend_from_slice(&piece[zeros..]);
                } else {
                    held.extend_from_slice(piece);
                }
            }
            if (ended && !held.is_empty()) || held.len() >= window {
                bytes = start + held.len() as u64 - first.unwrap_or(start);
                let keep = if ended { Vec::new() } else { held[held.len() - WINDOW_OVERLAP..].to_vec() };
                let next = start + (held.len() - keep.len()) as u64;
                let size = held.len() as u64;
                let full = std::mem::replace(&mut held, keep);
                self.sink.content(Owner::Outside, Piece { offset: start, bytes: full, size, last: true })?;
                start = next;
            }
            if ended {
                break;
            }
        }
        if let Some(first) = first {
            let detail = format!(
                "{bytes} bytes stand after the end of the archive, from byte {first} on; they were scanned, but no runtime sees them"
            );
            self.gap(Gap::minor(GapKind::TrailingData, Location::Layer(0), detail));
        }
        ControlFlow::Continue(())
    }

    /// Reads what is left of the blob, checks the digests, and sums up.
    fn finish<R: Read>(mut self, mut stream: LayerStream<R>, layer: &Layer, stopped: bool) -> LayerRead {
        let fault = stream.fault().cloned();
        let mut read_error = None;
        let mut blob_whole = true;
        if stopped || stream.stop() == Some(BudgetKind::Time) {
            blob_whole = false;
        } else {
            let mut garbage: Option<(u64, Vec<u8>)> = None;
            let mut total = 0u64;
            // Of what follows the compressed stream, this much is handed out.
            let most = usize::try_from(self.budget.whole_file).unwrap_or(usize::MAX);
            let keep = fault.is_none() && stream.stop().is_none();
            let result = stream.rest(&mut |at, bytes| {
                if !keep || (garbage.is_none() && bytes.iter().all(|&b| b == 0)) {
                    return;
                }
                total += bytes.len() as u64;
                let (_, held) = garbage.get_or_insert_with(|| (at, Vec::new()));
                let room = most.saturating_sub(held.len()).min(bytes.len());
                held.extend_from_slice(&bytes[..room]);
            });
            if let Err(e) = result {
                read_error = Some(e.to_string());
                blob_whole = false;
            }
            if let Some((at, bytes)) = garbage {
                let size = bytes.len() as u64;
                let detail = format!(
                    "{total} bytes follow the {} stream, from byte {at} of the blob on",
                    stream.compression().name()
                );
                let gap = if total == size { Gap::minor } else { Gap::serious };
                self.gap(gap(GapKind::TrailingData, Location::Layer(0), detail));
                let _ = self.sink.content(Owner::Outside, Piece { offset: at, bytes, size, last: true });
            }
        }
        let stop = stream.stop();
        let compression = stream.compression();
        let bytes = stream.produced();
        let (blob_digest, blob_bytes, diff_id) = stream.finish();

        if let Some(fault) = &fault {
            let detail = format!(
                "{} (at byte {} of the blob, after {bytes} uncompressed bytes)",
                fault.what, fault.at
            );
            self.gap(Gap::serious(GapKind::Damaged, Location::Layer(0), detail));
        }
        if let Some(error) = read_error {
            self.gap(Gap::serious(
                GapKind::Damaged,
                Location::Layer(0),
                format!("the blob cannot be read: {error}"),
            ));
        }
        if let Some(kind) = stop {
            let detail = format!(
                "reading stopped after {bytes} uncompressed bytes and {} entries because a limit was reached; raise it with {}",
                self.entries,
                kind.flag()
            );
            self.gap(Gap::serious(GapKind::Budget(kind), Location::Layer(0), detail));
            blob_whole &= kind != BudgetKind::Time;
        }
        let blob_ok = blob_whole && blob_digest == layer.digest;
        if blob_whole && !blob_ok {
            let detail =
                format!("digest mismatch: the blob is {blob_digest}, the manifest names {}", layer.digest);
            self.gap(Gap::serious(GapKind::Mismatch, Location::Layer(0), detail));
        } else if blob_whole && blob_bytes != layer.size {
            let detail = format!("the blob has {blob_bytes} bytes, the manifest says {}", layer.size);
            self.gap(Gap::serious(GapKind::Mismatch, Location::Layer(0), detail));
        }
        let whole = fault.is_none() && stop.is_none() && !stopped && blob_whole;
        let diff_id = whole.then_some(diff_id);
        let diff_ok = match (&diff_id, &layer.diff_id) {
            (Some(is), Some(said)) => is == said,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if let (Some(is), false) = (&diff_id, diff_ok) {
            let said = layer.diff_id.as_ref().map(Digest::to_string).unwrap_or_default();
            let detail =
                format!("diff id mismatch: the uncompressed layer is {is}, the configuration names {said}");
            self.gap(Gap::serious(GapKind::Mismatch, Location::Layer(0), detail));
        }
        if self.dropped > 0 {
            let detail = format!("{} more gaps of this layer are not listed", self.dropped);
            self.gaps.push(Gap::serious(GapKind::Damaged, Location::Layer(0), detail));
        }
        let complete = whole && blob_ok && diff_ok;
        LayerRead {
            blob_digest,
            blob_ok,
            blob_bytes,
            compression,
            diff_id,
            diff_ok,
            bytes,
            entries: self.entries,
            gaps: self.gaps,
            complete,
        }
    }
}
