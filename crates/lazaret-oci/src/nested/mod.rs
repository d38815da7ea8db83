//! Archives inside layers: members are shown one by one, archives in archives followed to a depth.
//!
//! Real images are full of jars, wheels and test archives, many of them damaged on purpose, so
//! nothing here fails: what cannot be read is a gap that names the member. The bytes of an archive
//! that holds plain data do not decide a verdict; a limit of the whole layer does.

mod ar;
mod content;
mod cpio;
mod seven;
mod zip;

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use lazaret_model::{Budget, BudgetKind, EntryPath, FileKind, Gap, GapKind, Location};

use crate::codec::{Compression, Decompressor, ReadInput, SliceInput};
use crate::layer::WINDOW_OVERLAP;
use crate::tar::{NoteKind, SliceStream, Step, Walker, looks_like_header};
use content::{Contents, Direct, Inflated, Limited, ReadOf};

/// Largest buffer that is kept for the next member.
const SPARE_MOST: usize = 4 << 20;
/// How much of what comes out of a compressed stream is read to tell what it is.
const HEAD: usize = 4 << 10;
/// Most notes that one archive may leave behind.
const NOTES_MOST: usize = 200;
/// The ratio is judged only after this many bytes.
const RATIO_FROM: u64 = 64 << 20;

/// An archive format, told by content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchiveFormat {
    /// zip, and what is built on it: jar, war, whl, apk, …
    Zip,
    /// tar in any form.
    Tar,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// xz.
    Xz,
    /// bzip2.
    Bzip2,
    /// 7z.
    SevenZip,
    /// ar, and Debian packages, which are one.
    Ar,
    /// cpio in its "new" forms.
    Cpio,
}

impl ArchiveFormat {
    /// The name used in facts and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
            Self::SevenZip => "7z",
            Self::Ar => "ar",
            Self::Cpio => "cpio",
        }
    }

    /// Whether it can be read from front to back without holding the whole.
    pub fn streams(self) -> bool {
        !matches!(self, Self::Zip | Self::SevenZip)
    }

    fn compression(self) -> bool {
        matches!(self, Self::Gzip | Self::Zstd | Self::Xz | Self::Bzip2)
    }
}

/// What archive `bytes` are, by magic (tar: by a header with a right checksum). A zip may have
/// anything before it; that is looked for at the end of what is small, or would be run.
pub fn sniff(bytes: &[u8]) -> Option<ArchiveFormat> {
    match Compression::sniff(bytes) {
        Compression::Gzip => return Some(ArchiveFormat::Gzip),
        Compression::Zstd => return Some(ArchiveFormat::Zstd),
        Compression::Xz => return Some(ArchiveFormat::Xz),
        Compression::Bzip2 => return Some(ArchiveFormat::Bzip2),
        Compression::None => {}
    }
    match bytes {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => return Some(ArchiveFormat::Zip),
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => return Some(ArchiveFormat::SevenZip),
        _ => {}
    }
    if bytes.starts_with(b"!<arch>\n") {
        return Some(ArchiveFormat::Ar);
    }
    if bytes.starts_with(b"070701") || bytes.starts_with(b"070702") {
        return Some(ArchiveFormat::Cpio);
    }
    if looks_like_header(bytes) {
        return Some(ArchiveFormat::Tar);
    }
    zip::ends_one(bytes).then_some(ArchiveFormat::Zip)
}

/// What all archives of one layer may cost together. Shared between threads.
#[derive(Debug)]
pub struct NestedBudget {
    bytes: AtomicU64,
    entries: AtomicU64,
    budget: Budget,
    deadline: Option<Instant>,
}

impl NestedBudget {
    /// Nothing used yet.
    pub fn new(budget: &Budget, deadline: Option<Instant>) -> Self {
        Self { bytes: AtomicU64::new(0), entries: AtomicU64::new(0), budget: *budget, deadline }
    }

    /// Bytes unpacked so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Members seen so far.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Counts bytes that somebody else took out of a content of this layer; the limit that was reached
    /// by it, if one was.
    pub fn take(&self, bytes: u64) -> Option<BudgetKind> {
        self.spend(bytes)
    }

    /// Most bytes that one content may be held with.
    pub fn whole_file(&self) -> u64 {
        self.budget.whole_file
    }

    fn spend(&self, bytes: u64) -> Option<BudgetKind> {
        let total = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        (total > self.budget.nested_bytes).then_some(BudgetKind::NestedBytes).or_else(|| self.late())
    }

    fn enter(&self) -> Option<BudgetKind> {
        let total = self.entries.fetch_add(1, Ordering::Relaxed);
        (total >= self.budget.entries).then_some(BudgetKind::Entries).or_else(|| self.late())
    }

    fn late(&self) -> Option<BudgetKind> {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline).then_some(BudgetKind::Time)
    }
}

/// A member, or one window of a large one.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Names on the way to it, outermost archive's member first, its own last.
    pub inside: &'a [String],
    /// Permission bits (0o7777); 0 where the format has none.
    pub mode: u32,
    /// The bytes: the whole content, or one window of it. Windows overlap by
    /// [`WINDOW_OVERLAP`].
    pub bytes: &'a [u8],
    /// Where `bytes` stand in the content.
    pub offset: u64,
    /// Size of the whole content as far as it is known: for a window of a stream, what was seen.
    pub size: u64,
    /// What archive it is itself. Its members are shown too, so its own bytes need no look for
    /// what only stands in uncompressed text.
    pub archive: Option<ArchiveFormat>,
}

/// Something to say about a place in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NestedGap {
    /// Names on the way to it.
    pub inside: Vec<String>,
    /// Why it was not read.
    pub kind: GapKind,
    /// One sentence for people.
    pub detail: String,
    /// Whether it matters by itself: a limit of the whole layer does, a damaged member does not.
    pub matters: bool,
}

impl NestedGap {
    /// As a gap of the file `path`, with layer number 0.
    pub fn into_gap(self, path: &EntryPath) -> Gap {
        let location =
            Location::File { layer: 0, path: path.clone(), inside: self.inside, line: None, offset: None };
        Gap { kind: self.kind, location, detail: self.detail, matters: self.matters }
    }
}

/// An archive that was gone through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// Names on the way to it; empty for the file itself.
    pub inside: Vec<String>,
    /// Its format.
    pub format: ArchiveFormat,
    /// How many members it had.
    pub members: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NestedRead {
    /// The archives, outermost last.
    pub archives: Vec<Walked>,
    /// What could not be read.
    pub gaps: Vec<NestedGap>,
    /// What two readers would see differently, with the place.
    pub oddities: Vec<(Vec<String>, String)>,
}

/// Shows every member of an archive in memory, and of the archives in it.
pub fn walk(
    bytes: &[u8],
    format: ArchiveFormat,
    budget: &NestedBudget,
    visit: &mut dyn FnMut(Member<'_>),
) -> NestedRead {
    let mut walk = Walk::new(budget, visit, bytes.len() as u64);
    walk.whole(bytes, format);
    walk.read
}

/// Shows every member of an archive that is too large to hold, as it goes by. `size` is that of
/// the archive. Formats that do not [stream](ArchiveFormat::streams) are a gap.
pub fn walk_stream<R: Read>(
    reader: R,
    size: u64,
    format: ArchiveFormat,
    budget: &NestedBudget,
    visit: &mut dyn FnMut(Member<'_>),
) -> NestedRead {
    let mut walk = Walk::new(budget, visit, size);
    let mut reader = std::io::BufReader::with_capacity(128 << 10, reader);
    let mut stream = Direct::new(&mut reader);
    walk.streamed(&mut stream, format);
    if let Some(fault) = stream.fault() {
        walk.gap(GapKind::Damaged, fault);
    }
    walk.read
}

/// The state of one walk through an archive and all in it.
struct Walk<'a> {
    budget: &'a NestedBudget,
    visit: &'a mut dyn FnMut(Member<'_>),
    inside: Vec<String>,
    /// Size of the outermost archive, to judge the ratio.
    outer: u64,
    unpacked: u64,
    stopped: bool,
    read: NestedRead,
    spare: Vec<Vec<u8>>,
}

impl<'a> Walk<'a> {
    fn new(budget: &'a NestedBudget, visit: &'a mut dyn FnMut(Member<'_>), outer: u64) -> Self {
        let (inside, read, spare) = (Vec::new(), NestedRead::default(), Vec::new());
        Self { budget, visit, inside, outer, unpacked: 0, stopped: false, read, spare }
    }

    /// Most bytes that are held at once. Less where archives nest, for every level holds some.
    fn window(&self) -> usize {
        let whole = usize::try_from(self.budget.budget.whole_file).unwrap_or(usize::MAX);
        let whole = if self.inside.len() > 2 { whole / 4 } else { whole };
        whole.max(4 * WINDOW_OVERLAP)
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    fn give_back(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= SPARE_MOST {
            self.spare.push(buffer);
        }
    }

    fn gap(&mut self, kind: GapKind, detail: impl Into<String>) {
        if self.read.gaps.len() < NOTES_MOST {
            let (inside, detail) = (self.inside.clone(), detail.into());
            self.read.gaps.push(NestedGap { inside, kind, detail, matters: false });
        }
    }

    fn odd(&mut self, what: impl Into<String>) {
        if self.read.oddities.len() < NOTES_MOST {
            self.read.oddities.push((self.inside.clone(), what.into()));
        }
    }

    fn stop(&mut self, kind: BudgetKind) {
        if !self.stopped {
            self.stopped = true;
            let inside = self.inside.clone();
            let detail = format!(
                "reading the archive stopped because a limit was reached; raise it with {}",
                kind.flag()
            );
            // The ratio is the archive's own doing; the other limits are shared by the layer.
            let matters = !matches!(kind, BudgetKind::Ratio | BudgetKind::Depth);
            self.read.gaps.push(NestedGap { inside, kind: GapKind::Budget(kind), detail, matters });
        }
    }

    /// Counts unpacked bytes; false where a limit is reached.
    fn spend(&mut self, bytes: u64) -> bool {
        self.unpacked += bytes;
        let ratio =
            self.unpacked > RATIO_FROM && self.unpacked / self.outer.max(1) > self.budget.budget.ratio;
        if let Some(kind) = self.budget.spend(bytes).or(ratio.then_some(BudgetKind::Ratio)) {
            self.stop(kind);
        }
        !self.stopped
    }

    /// Counts a member; false where a limit is reached.
    fn enter(&mut self) -> bool {
        if let Some(kind) = self.budget.enter() {
            self.stop(kind);
        }
        !self.stopped
    }

    fn finished(&mut self, format: ArchiveFormat, members: u64) {
        if self.read.archives.len() < NOTES_MOST || self.inside.is_empty() {
            self.read.archives.push(Walked { inside: self.inside.clone(), format, members });
        }
    }

    fn deep_enough(&mut self) -> bool {
        let deep = self.inside.len() as u64 >= u64::from(self.budget.budget.depth);
        if deep {
            let detail = format!(
                "archives in archives go deeper than {} (raise it with --max-depth)",
                self.budget.budget.depth
            );
            self.gap(GapKind::Budget(BudgetKind::Depth), detail);
        }
        deep
    }

    /// An archive in memory.
    fn whole(&mut self, bytes: &[u8], format: ArchiveFormat) {
        if self.stopped || self.deep_enough() {
            return;
        }
        match format {
            ArchiveFormat::Zip => zip::walk(self, bytes),
            ArchiveFormat::SevenZip => seven::walk(self, bytes),
            format if format.compression() => {
                let mut stream = Inflated::of(Decompressor::new(SliceInput(bytes)));
                self.unwrapped(&mut stream, format);
            }
            format => self.streamed(&mut SliceStream::new(bytes), format),
        }
    }

    /// An archive that goes by.
    fn streamed(&mut self, stream: &mut dyn Contents, format: ArchiveFormat) {
        if self.stopped {
            return;
        }
        match format {
            ArchiveFormat::Tar => self.tar(stream),
            ArchiveFormat::Ar => ar::walk(self, stream),
            ArchiveFormat::Cpio => cpio::walk(self, stream),
            ArchiveFormat::Zip | ArchiveFormat::SevenZip => {
                self.gap(
                    GapKind::Unsupported,
                    format!("a {} archive of this size is only read as bytes", format.name()),
                );
            }
            _ => {
                let mut reader = ReadOf(stream);
                let mut inner = Inflated::of(Decompressor::new(ReadInput::new(&mut reader, None)));
                self.unwrapped(&mut inner, format);
            }
        }
    }

    /// What comes out of a compressed stream: one content without a name.
    fn unwrapped(&mut self, stream: &mut dyn Contents, format: ArchiveFormat) {
        let name = "content".to_owned();
        let mut members = 0;
        if self.enter() {
            members = 1;
            self.inside.push(name);
            self.content(stream, 0, None);
            if let Some(fault) = stream.fault() {
                self.gap(GapKind::Damaged, fault);
            }
            self.inside.pop();
        }
        self.finished(format, members);
    }

    fn tar(&mut self, stream: &mut dyn Contents) {
        let mut walker = Walker::new();
        let mut members = 0;
        loop {
            let step = walker.next(stream);
            for note in walker.notes() {
                let name = note.path.map(|path| path.to_string()).unwrap_or_default();
                let what = if name.is_empty() { note.what } else { format!("{name}: {}", note.what) };
                match note.kind {
                    NoteKind::Oddity => self.odd(what),
                    NoteKind::Damage => self.gap(GapKind::Damaged, what),
                }
            }
            match step {
                Step::Entry(entry) => {
                    if !self.enter() {
                        break;
                    }
                    members += 1;
                    if entry.stored == 0 && entry.file.kind != FileKind::File {
                        continue;
                    }
                    self.inside.push(entry.file.path.to_str().into_owned());
                    let mut limited = Limited::new(stream, walker.left());
                    self.content(&mut limited, entry.file.mode, Some(entry.stored));
                    let (taken, short) = (limited.taken(), limited.short());
                    walker.taken(taken);
                    if short {
                        self.gap(
                            GapKind::Damaged,
                            format!("it ends after {taken} of {} bytes", entry.stored),
                        );
                    }
                    self.inside.pop();
                }
                Step::Stray(at, bytes) => {
                    self.inside.push(format!("bytes at {at}"));
                    self.show(0, &bytes, 0, bytes.len() as u64, None);
                    self.inside.pop();
                }
                Step::End { .. } => break,
            }
            if self.stopped {
                break;
            }
        }
        self.trailing(stream);
        self.finished(ArchiveFormat::Tar, members);
    }

    /// What follows the end of an archive that is read as it goes by.
    fn trailing(&mut self, stream: &mut dyn Contents) {
        if self.stopped {
            return;
        }
        let mut buffer = self.buffer();
        let most = self.window();
        loop {
            let at = stream.position();
            let bytes = stream.chunk(most, &mut buffer);
            if bytes.is_empty() {
                break;
            }
            let zeros = bytes.iter().take_while(|&&b| b == 0).count();
            if zeros < bytes.len() {
                let bytes = &bytes[zeros..];
                self.inside.push(format!("bytes at {}", at + zeros as u64));
                (self.visit)(Member {
                    inside: &self.inside,
                    mode: 0,
                    bytes,
                    offset: 0,
                    size: bytes.len() as u64,
                    archive: None,
                });
                self.inside.pop();
            }
        }
        self.give_back(buffer);
    }

    fn show(&mut self, mode: u32, bytes: &[u8], offset: u64, size: u64, archive: Option<ArchiveFormat>) {
        (self.visit)(Member { inside: &self.inside, mode, bytes, offset, size, archive });
    }

    /// A content in memory: shown, and followed if it is an archive. A tar straight out of a
    /// compressed stream is only followed: every byte of it is shown as its members.
    fn bytes(&mut self, bytes: &[u8], mode: u32, unwrapped: bool) {
        let archive = sniff(bytes);
        if !(unwrapped && archive == Some(ArchiveFormat::Tar)) {
            self.show(mode, bytes, 0, bytes.len() as u64, archive);
        }
        if let Some(format) = archive {
            self.whole(bytes, format);
        }
    }

    /// A content that goes by. `size` is None where only its end tells.
    fn content(&mut self, stream: &mut dyn Contents, mode: u32, size: Option<u64>) {
        let unwrapped = size.is_none();
        let most = self.window();
        let mut buffer = self.buffer();
        if unwrapped {
            let first = stream.chunk(HEAD, &mut buffer);
            if first.len() == HEAD && sniff(first) == Some(ArchiveFormat::Tar) {
                // Every byte of it is shown as its members: there is no need to hold it.
                let first = first.to_vec();
                self.give_back(buffer);
                if !self.spend(first.len() as u64) {
                    self.show(mode, &first, 0, first.len() as u64, None);
                } else if !self.deep_enough() {
                    self.joined(&first, stream, true, ArchiveFormat::Tar);
                }
                return;
            }
            let first = first.to_vec();
            buffer.clear();
            buffer.extend_from_slice(&first);
            content::extend(stream, most + 1, &mut buffer);
            if !self.spend(buffer.len() as u64) {
                // What came out is shown all the same.
                self.show(mode, &buffer, 0, buffer.len() as u64, None);
            } else if buffer.len() <= most {
                self.bytes(&buffer, mode, unwrapped);
            } else {
                return self.large(stream, buffer, mode, size);
            }
            return self.give_back(buffer);
        }
        // One byte more than fits shows that it does not end there.
        let want = size.and_then(|s| usize::try_from(s).ok()).map_or(most + 1, |s| s.min(most + 1));
        let first = stream.chunk(want, &mut buffer);
        if first.len() <= most {
            self.bytes(first, mode, unwrapped);
        } else {
            let first = first.to_vec();
            self.large(stream, first, mode, size);
        }
        self.give_back(buffer);
    }

    /// An archive of which `first` was read; the rest goes by.
    fn joined(&mut self, first: &[u8], stream: &mut dyn Contents, counts: bool, format: ArchiveFormat) {
        let mut joined = content::Joined::new(first, stream, self.budget, counts);
        self.streamed(&mut joined, format);
        if let Some(kind) = joined.stop() {
            self.stop(kind);
        }
        self.unpacked += joined.passed();
    }

    /// A content larger than a window, of which `first` was read.
    fn large(&mut self, stream: &mut dyn Contents, first: Vec<u8>, mode: u32, size: Option<u64>) {
        let archive = sniff(&first);
        if let Some(format) = archive.filter(|f| f.streams()) {
            if !self.deep_enough() {
                self.joined(&first, stream, size.is_none(), format);
            }
            return;
        }
        if let Some(format) = archive {
            self.gap(
                GapKind::Unsupported,
                format!("a {} archive of this size is only read as bytes", format.name()),
            );
        }
        let mut offset = 0u64;
        let mut held = first;
        let mut buffer = self.buffer();
        let most = self.window();
        loop {
            let seen = offset + held.len() as u64;
            self.show(mode, &held, offset, size.unwrap_or(seen), None);
            let keep = held.len().saturating_sub(WINDOW_OVERLAP);
            offset += keep as u64;
            held.drain(..keep);
            let next = stream.chunk(most - held.len(), &mut buffer);
            if next.is_empty() || (size.is_none() && !self.spend(next.len() as u64)) {
                break;
            }
            held.extend_from_slice(next);
        }
        self.give_back(buffer);
    }
}
