//! One layer, read by one thread: it decompresses, hashes and walks, and hands the contents on.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lazaret_model::{
    Budget, BudgetKind, EntryPath, Fact, FileEntry, Gap, GapKind, Layer, LayerFacts, Location,
};
use lazaret_oci::{LayerSink, NestedBudget, Owner, Piece, read_layer};

use super::inspect::{Gathered, Gathering, Inspectors, Job, lock};
use super::protocol::ReadWhat;

/// What one layer gave.
pub(super) struct LayerResult {
    pub facts: LayerFacts,
    pub matches: Vec<Fact>,
    pub blob_ok: bool,
    pub blob_digest: lazaret_model::Digest,
    pub blob_bytes: u64,
    pub whole: bool,
    pub kept: Vec<(lazaret_model::ContentId, Arc<[u8]>)>,
}

/// Where a layer's blob is.
pub(super) struct BlobSource {
    pub file: File,
    pub offset: u64,
    pub length: Option<u64>,
    pub seekable: bool,
}

/// Reads a part of a shared file at positions, so that layers of one archive can be read at the
/// same time, and tells how far it came.
struct BlobReader<'a> {
    source: BlobSource,
    done: u64,
    told: u64,
    progress: &'a dyn Fn(u64),
}

/// So many bytes are read between two words about progress.
const TELL_EVERY: u64 = 1 << 20;

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.source.length.map_or(u64::MAX, |length| length - self.done);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let got = if self.source.seekable {
            self.source.file.read_at(&mut buffer[..most], self.source.offset + self.done)?
        } else {
            self.source.file.read(&mut buffer[..most])?
        };
        self.done += got as u64;
        if self.done - self.told >= TELL_EVERY || got == 0 {
            (self.progress)(self.done - self.told);
            self.told = self.done;
        }
        Ok(got)
    }
}

/// Collects entries and hands contents to the inspectors.
struct Sink<'a> {
    entries: Vec<FileEntry>,
    facts: Vec<Fact>,
    layer: Arc<Gathering>,
    inspectors: &'a Inspectors,
    wanted: &'a BTreeSet<EntryPath>,
    /// Room for bytes that was taken for the piece that comes next.
    room: u64,
    windows: Windows,
}

/// How many bytes at its start tell what a content is: magic, the program header's place, `#!`.
const HEAD: usize = 64;

/// Gives each window of a large content the head of the whole.
///
/// Rules ask for a magic number at the start before they look for anything else. Without it in
/// every window, padding a program past the first one would be a way around all of them.
#[derive(Default)]
struct Windows {
    owner: Option<Owner>,
    head: Vec<u8>,
    end: u64,
}

impl Windows {
    fn head(&mut self, owner: Owner, piece: &mut Piece) {
        let end = piece.offset + piece.bytes.len() as u64;
        if piece.offset == 0 {
            self.owner = Some(owner);
            self.head =
                if piece.last { Vec::new() } else { piece.bytes.iter().take(HEAD).copied().collect() };
        } else if self.owner == Some(owner)
            && piece.offset + HEAD as u64 <= self.end
            && let Some(start) = piece.bytes.get_mut(..self.head.len())
        {
            // These bytes were in the window before, which this one overlaps by much more.
            start.copy_from_slice(&self.head);
        }
        self.end = end;
    }
}

impl LayerSink for Sink<'_> {
    fn prepare(&mut self, bytes: u64) -> Vec<u8> {
        self.inspectors.give_room(std::mem::take(&mut self.room));
        self.inspectors.take_room(bytes);
        self.room = bytes;
        self.inspectors.memory(bytes)
    }

    fn entry(&mut self, entry: FileEntry) -> ControlFlow<()> {
        self.entries.push(entry);
        ControlFlow::Continue(())
    }

    fn content(&mut self, owner: Owner, mut piece: Piece) -> ControlFlow<()> {
        self.windows.head(owner, &mut piece);
        let (entry, path, mode) = match owner {
            Owner::Entry(number) => {
                let entry = &self.entries[number];
                (Some(number), entry.path.clone(), entry.mode)
            }
            Owner::Outside => (None, EntryPath::default(), 0),
        };
        let wanted = self.wanted.contains(&path);
        if !wanted && self.layer.what.only_wanted() {
            self.inspectors.give_room(std::mem::take(&mut self.room));
            self.inspectors.spare(piece.bytes);
            return ControlFlow::Continue(());
        }
        let room = piece.bytes.len() as u64;
        if self.room < room {
            self.inspectors.give_room(std::mem::take(&mut self.room));
            self.inspectors.take_room(room);
            self.room = room;
        }
        self.inspectors.submit(Job {
            room: std::mem::take(&mut self.room),
            layer: Arc::clone(&self.layer),
            entry,
            wanted,
            path,
            mode,
            size: piece.size,
            offset: piece.offset,
            bytes: piece.bytes,
        });
        ControlFlow::Continue(())
    }

    fn fact(&mut self, fact: Fact) {
        self.facts.push(fact);
    }
}

/// Reads one layer to its end and waits until everything in it was looked at.
#[expect(clippy::too_many_arguments, reason = "each is a different thing of the request")]
pub(super) fn read(
    blob: BlobSource,
    layer: &Layer,
    what: ReadWhat,
    wanted: &BTreeSet<EntryPath>,
    budget: &Budget,
    seconds: u64,
    inspectors: &Inspectors,
    progress: &dyn Fn(u64),
) -> LayerResult {
    let deadline = Instant::now().checked_add(Duration::from_secs(seconds));
    let gathering = Arc::new(Gathering {
        what,
        nested: NestedBudget::new(budget, deadline),
        kept_bytes: budget.kept_bytes,
        state: Mutex::new(Gathered::default()),
        done: Condvar::new(),
    });
    let mut sink = Sink {
        entries: Vec::new(),
        facts: Vec::new(),
        layer: Arc::clone(&gathering),
        inspectors,
        wanted,
        room: 0,
        windows: Windows::default(),
    };
    let reader = BlobReader { source: blob, done: 0, told: 0, progress };
    let read = read_layer(reader, layer, budget, deadline, &mut sink);
    inspectors.give_room(std::mem::take(&mut sink.room));

    let mut state = lock(&gathering.state);
    while state.waiting > 0 {
        state = gathering.done.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    let gathered = std::mem::take(&mut *state);
    drop(state);
    assemble(sink, read, gathered)
}

fn assemble(sink: Sink<'_>, read: lazaret_oci::LayerRead, gathered: Gathered) -> LayerResult {
    let Sink { mut entries, mut facts, .. } = sink;
    for (number, id) in gathered.contents {
        if let Some(entry) = entries.get_mut(number) {
            entry.content = Some(id);
        }
    }
    facts.extend(gathered.facts);
    let mut matches = gathered.matches;
    sort_facts(&mut facts);
    sort_facts(&mut matches);
    // Overlapping windows see what stands in the overlap twice.
    facts.dedup();
    matches.dedup_by(|a, b| a.path == b.path && a.inside == b.inside && same_rule(a, b));
    let mut gaps = read.gaps;
    gaps.extend(gathered.gaps);
    if gathered.kept_full {
        gaps.push(Gap::minor(
            GapKind::Budget(BudgetKind::KeptBytes),
            Location::Layer(0),
            "not all small files could be kept for later; those that decide are read again",
        ));
    }
    gaps.sort();
    gaps.dedup();
    let kept: Vec<_> = gathered.kept.into_iter().collect();
    let facts = LayerFacts {
        diff_id: read.diff_id,
        entries,
        facts,
        gaps,
        kept: kept.iter().map(|(id, _)| *id).collect(),
        bytes: read.bytes,
        complete: read.complete,
    };
    let stopped = |gap: &Gap| matches!(gap.kind, GapKind::Budget(BudgetKind::Time));
    let whole = !facts.gaps.iter().any(stopped);
    LayerResult {
        facts,
        matches,
        blob_ok: read.blob_ok,
        blob_digest: read.blob_digest,
        blob_bytes: read.blob_bytes,
        whole,
        kept,
    }
}

/// Threads finish in any order; what they found is told in one order.
fn sort_facts(facts: &mut [Fact]) {
    facts.sort_by(|a, b| {
        (&a.path, &a.inside, a.offset)
            .cmp(&(&b.path, &b.inside, b.offset))
            .then_with(|| format!("{:?}", a.kind).cmp(&format!("{:?}", b.kind)))
    });
}

fn same_rule(a: &Fact, b: &Fact) -> bool {
    use lazaret_model::FactKind::ByteMatch;
    matches!((&a.kind, &b.kind), (ByteMatch { rule: x, .. }, ByteMatch { rule: y, .. }) if x == y)
}
