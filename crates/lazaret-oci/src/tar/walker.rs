//! From header blocks to entries.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use lazaret_model::{EntryPath, FileEntry, FileKind, Whiteout};

use super::header::{Form, Header, HeaderFault};
use super::owners::Owners;
use super::pax::{Records, decimal};
use super::sparse::{self, Extent, PaxForm};
use super::{BLOCK, Stream};

/// Largest extended header or long name. Go's reader refuses more.
const META_MOST: u64 = 1 << 20;
/// How many stray bytes are handed out at once.
const STRAY_PIECE: usize = 1 << 20;
/// How many names are remembered to see duplicates.
const NAMES_MOST: usize = 1 << 20;

/// Something to say about the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) kind: NoteKind,
    /// Offset of the header it is about.
    pub(crate) at: u64,
    /// The entry, once its name is known.
    pub(crate) path: Option<EntryPath>,
    pub(crate) what: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoteKind {
    /// Two readers can see different files.
    Oddity,
    /// Something is broken; Go's reader stops here.
    Damage,
}

/// One entry, its content still to be read.
#[derive(Debug, Clone)]
pub(crate) struct TarEntry {
    /// The entry; its size is that of the content as a reader would see it (holes included).
    pub(crate) file: FileEntry,
    /// Bytes stored in the archive.
    pub(crate) stored: u64,
    /// Which parts of the file the stored bytes are, where it is sparse.
    pub(crate) extents: Option<Vec<Extent>>,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    /// An entry.
    Entry(Box<TarEntry>),
    /// Bytes that belong to no entry, with their offset.
    Stray(u64, Vec<u8>),
    /// The archive ends here. `marked` tells whether its end was written.
    End {
        /// Two zero blocks, as it should be.
        marked: bool,
    },
}

/// What headers before an entry said about it.
#[derive(Default)]
struct Meta {
    pax: Option<Records>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

/// Reads a tar archive entry by entry. The content of the entry last given is read with
/// [`Walker::content`]; what is left of it is passed over by the next [`Walker::next`].
pub(crate) struct Walker {
    /// Stored bytes of the current entry that were not read yet.
    left: u64,
    /// Zeros after it, up to the next block.
    pad: u64,
    /// A sound header found while looking for one.
    found: Option<Box<[u8; BLOCK]>>,
    /// Whether the walker is looking for the next sound header.
    lost: bool,
    ended: Option<bool>,
    hasher: RandomState,
    names: HashSet<u64>,
    owners: Owners,
    notes: Vec<Note>,
}

/// What a block is.
enum Block {
    Header([u8; BLOCK], Header),
    Bad([u8; BLOCK], HeaderFault),
    /// Fewer than 512 bytes are left.
    Short(Vec<u8>),
    End {
        marked: bool,
    },
}

impl Walker {
    pub(crate) fn new() -> Self {
        Self {
            left: 0,
            pad: 0,
            found: None,
            lost: false,
            ended: None,
            hasher: RandomState::new(),
            names: HashSet::new(),
            owners: Owners::default(),
            notes: Vec::new(),
        }
    }

    /// What there is to say since the last call.
    pub(crate) fn notes(&mut self) -> std::vec::Drain<'_, Note> {
        self.notes.drain(..)
    }

    /// Names of owners in the headers so far.
    pub(crate) fn owners(&self) -> &Owners {
        &self.owners
    }

    /// Stored bytes of the current entry that are still to be read.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Reads stored bytes of the current entry; fewer than fit mean its end or the stream's.
    pub(crate) fn content(&mut self, stream: &mut dyn Stream, out: &mut [u8]) -> usize {
        let most = usize::try_from(self.left).map_or(out.len(), |left| left.min(out.len()));
        let n = stream.fill(&mut out[..most]);
        self.left -= n as u64;
        n
    }

    /// The stored bytes of the current entry were taken from the stream by other means.
    pub(crate) fn taken(&mut self, n: u64) {
        self.left = self.left.saturating_sub(n);
    }

    fn note(&mut self, kind: NoteKind, at: u64, path: Option<&EntryPath>, what: impl Into<String>) {
        self.notes.push(Note { kind, at, path: path.cloned(), what: what.into() });
    }

    fn odd(&mut self, at: u64, path: Option<&EntryPath>, what: impl Into<String>) {
        self.note(NoteKind::Oddity, at, path, what);
    }

    fn damage(&mut self, at: u64, what: impl Into<String>) {
        self.note(NoteKind::Damage, at, None, what);
    }

    /// The next entry, stray bytes, or the end.
    pub(crate) fn next(&mut self, stream: &mut dyn Stream) -> Step {
        let mut meta = Meta::default();
        loop {
            if let Some(marked) = self.ended {
                return Step::End { marked };
            }
            if self.lost {
                if let Some(stray) = self.search(stream) {
                    return stray;
                }
                continue;
            }
            let left = std::mem::take(&mut self.left);
            let pad = std::mem::take(&mut self.pad);
            if stream.skip(left) < left || stream.skip(pad) < pad {
                // Missing content was noticed by whoever read it; a missing last padding is
                // accepted by every reader.
                self.ended = Some(false);
                continue;
            }
            let at = stream.position() - if self.found.is_some() { BLOCK as u64 } else { 0 };
            let (block, header) = match self.block(stream) {
                Block::Header(block, header) => (block, header),
                Block::End { marked } => {
                    self.ended = Some(marked);
                    if meta.pax.is_some() || meta.long_name.is_some() || meta.long_link.is_some() {
                        self.odd(at, None, "an extended header at the end belongs to no entry");
                    }
                    continue;
                }
                Block::Short(bytes) => {
                    self.damage(at, "the archive ends inside a header");
                    self.ended = Some(false);
                    return Step::Stray(at, bytes);
                }
                Block::Bad(block, fault) => {
                    self.damage(at, fault.words());
                    self.lost = true;
                    return Step::Stray(at, block.to_vec());
                }
            };
            if let Some(entry) = self.header(stream, at, &block, header, &mut meta) {
                return Step::Entry(Box::new(entry));
            }
        }
    }

    /// The next block, and whether it is a header.
    fn block(&mut self, stream: &mut dyn Stream) -> Block {
        let at = stream.position();
        let mut block = [0u8; BLOCK];
        match self.found.take() {
            Some(found) => block = *found,
            None => match stream.fill(&mut block) {
                0 => return Block::End { marked: false },
                n if n < BLOCK => return Block::Short(block[..n].to_vec()),
                _ => {}
            },
        }
        if block == [0; BLOCK] {
            let mut second = [0u8; BLOCK];
            match stream.fill(&mut second) {
                BLOCK if second == [0; BLOCK] => return Block::End { marked: true },
                BLOCK => {
                    // GNU tar stops here with a warning, Go with an error, others go on.
                    self.damage(at, "a lone zero block stands between entries");
                    block = second;
                }
                n => {
                    if second[..n].iter().any(|&b| b != 0) {
                        return Block::Short(second[..n].to_vec());
                    }
                    return Block::End { marked: false };
                }
            }
        }
        match Header::parse(&block) {
            Ok(header) => Block::Header(block, header),
            Err(fault) => Block::Bad(block, fault),
        }
    }

    /// Goes forward block by block until a sound header; the bytes passed come out as stray.
    fn search(&mut self, stream: &mut dyn Stream) -> Option<Step> {
        let at = stream.position();
        let mut stray = Vec::new();
        let mut zeros = 0;
        while stray.len() < STRAY_PIECE {
            let mut block = [0u8; BLOCK];
            let n = stream.fill(&mut block);
            if n < BLOCK {
                stray.extend_from_slice(&block[..n]);
                self.lost = false;
                self.ended = Some(false);
                break;
            }
            zeros = if block == [0; BLOCK] { zeros + 1 } else { 0 };
            if zeros == 2 {
                self.lost = false;
                self.ended = Some(true);
                break;
            }
            if zeros == 0 && Header::parse(&block).is_ok_and(|h| !h.name.is_empty() || is_meta(h.typeflag)) {
                self.found = Some(Box::new(block));
                self.lost = false;
                break;
            }
            stray.extend_from_slice(&block);
        }
        stray.iter().any(|&b| b != 0).then_some(Step::Stray(at, stray))
    }

    /// Takes a header. Extended headers go into `meta`; anything else is an entry.
    fn header(
        &mut self,
        stream: &mut dyn Stream,
        at: u64,
        block: &[u8; BLOCK],
        header: Header,
        meta: &mut Meta,
    ) -> Option<TarEntry> {
        if !is_meta(header.typeflag) {
            return self.entry(stream, at, block, header, std::mem::take(meta));
        }
        let Some(size) = u64::try_from(header.size).ok() else {
            self.damage(at, "an extended header has a negative size");
            return None;
        };
        self.left = size;
        self.pad = padding(size);
        if size > META_MOST {
            self.damage(at, format!("an extended header claims {size} bytes"));
            return None;
        }
        let mut payload = vec![0; size as usize];
        let got = self.content(stream, &mut payload);
        if got < payload.len() {
            self.damage(at, "the archive ends inside an extended header");
            payload.truncate(got);
        }
        match header.typeflag {
            b'x' => {
                let records = Records::parse(&payload);
                if let Some(fault) = records.fault {
                    self.damage(at, format!("an extended header is damaged: {fault}"));
                }
                if meta.pax.replace(records).is_some() {
                    self.odd(
                        at,
                        None,
                        "two extended headers before one entry: the first is ignored by some readers",
                    );
                }
            }
            b'g' => {
                let records = Records::parse(&payload);
                if let Some(fault) = records.fault {
                    self.damage(at, format!("a global header is damaged: {fault}"));
                }
                for key in ["path", "linkpath", "size"] {
                    if records.get(key.as_bytes()).is_some() {
                        self.odd(at, None, format!("a global header sets `{key}` for every entry after it, which container runtimes ignore"));
                    }
                }
                let pending = std::mem::take(meta);
                if pending.pax.is_some() || pending.long_name.is_some() || pending.long_link.is_some() {
                    self.odd(at, None, "a global header stands between an entry and its extended header, which container runtimes then ignore");
                }
            }
            flag => {
                let end = memchr::memchr(0, &payload).unwrap_or(payload.len());
                payload.truncate(end);
                let slot = if flag == b'L' { &mut meta.long_name } else { &mut meta.long_link };
                if slot.replace(payload).is_some() {
                    self.odd(at, None, "two long names before one entry");
                }
            }
        }
        None
    }

    fn entry(
        &mut self,
        stream: &mut dyn Stream,
        at: u64,
        block: &[u8; BLOCK],
        mut header: Header,
        meta: Meta,
    ) -> Option<TarEntry> {
        let pax = meta.pax.unwrap_or_default();
        self.owners.note(block, header.form, &pax);
        let own_size = header.size;
        let mut name = std::mem::take(&mut header.name);
        let mut link = std::mem::take(&mut header.link);
        if let Some(path) = pax.get(b"path") {
            name = path.to_vec();
        }
        if let Some(path) = pax.get(b"linkpath") {
            link = path.to_vec();
        }
        // Where both say a name, Go lets GNU's win and GNU tar lets PAX's.
        if let Some(long) = meta.long_name.filter(|n| !n.is_empty()) {
            if pax.get(b"path").is_some_and(|path| path != long) {
                self.odd(at, Some(&EntryPath::clean(&long)), "its PAX name and its GNU long name differ");
            }
            name = long;
        }
        if let Some(long) = meta.long_link.filter(|n| !n.is_empty()) {
            if pax.get(b"linkpath").is_some_and(|path| path != long) {
                self.odd(
                    at,
                    Some(&EntryPath::clean(&name)),
                    "its PAX link target and its GNU long link target differ",
                );
            }
            link = long;
        }
        let mut typeflag = header.typeflag;
        if typeflag == 0 {
            typeflag = if name.ends_with(b"/") { b'5' } else { b'0' };
        }
        for (key, field) in [("size", &mut header.size), ("uid", &mut header.uid), ("gid", &mut header.gid)] {
            let Some(value) = pax.get(key.as_bytes()) else { continue };
            match decimal(value).and_then(|v| i64::try_from(v).ok()) {
                Some(value) => *field = value,
                None => self.damage(at, format!("its extended header's {key} is not a number")),
            }
        }
        if let Some(value) = pax.get(b"mtime") {
            let whole = value.split(|&b| b == b'.').next().unwrap_or_default();
            let (sign, digits) = whole.strip_prefix(b"-").map_or((1, whole), |digits| (-1, digits));
            if let Some(seconds) = decimal(digits).and_then(|v| i64::try_from(v).ok()) {
                header.mtime = sign * seconds;
            }
        }
        let mut size = u64::try_from(header.size).unwrap_or_else(|_| {
            self.damage(at, "an entry has a negative size");
            0
        });

        // Only the header's own numbers decide what is stored; types without content store none.
        let bare = matches!(typeflag, b'1'..=b'6');
        let mut stored = if bare { 0 } else { size };
        self.left = stored;
        self.pad = padding(stored);
        let mut extents = None;
        let announced = sparse::pax_form(&pax);
        if typeflag == b'S' {
            // star uses the same letter for a form of its own, which Go refuses.
            let map = if header.form == Form::Gnu { sparse::old_gnu(block, stream) } else { None };
            match map {
                Some((real, map)) => {
                    size = real;
                    extents = Some(map);
                }
                None => self.damage(at, "a sparse file's map is damaged"),
            }
        } else if let (Some(form), false) = (announced, bare) {
            if let Some(real) = pax.get(b"GNU.sparse.name") {
                name = real.to_vec();
            }
            let real = pax.get(b"GNU.sparse.size").or_else(|| pax.get(b"GNU.sparse.realsize"));
            let real = real.map_or(Some(size), decimal);
            let map = match form {
                PaxForm::Records => sparse::from_records(&pax),
                PaxForm::Data => sparse::from_data(stream, &mut self.left),
            };
            stored = self.left;
            match (real, map) {
                (Some(real), Some(map)) => {
                    size = real;
                    extents = Some(map);
                }
                _ => {
                    self.damage(at, "a sparse file's map is damaged");
                    size = stored;
                }
            }
        }
        let path = EntryPath::clean(&name);
        if let Some(map) = &extents {
            let sum = map.iter().fold(0u64, |sum, e| sum.saturating_add(e.length));
            if !sparse::is_sound(map, size) {
                self.note(NoteKind::Damage, at, Some(&path), "a sparse file's map contradicts itself");
                extents = None;
                size = stored;
            } else if sum != stored {
                self.note(
                    NoteKind::Damage,
                    at,
                    Some(&path),
                    format!("a sparse file's map names {sum} bytes, {stored} are stored"),
                );
            }
        }

        let path_has = |part: &[u8]| name.split(|&b| b == b'/').any(|p| p == part);
        if path_has(b"..") {
            self.odd(at, Some(&path), "its name climbs with `..`");
        }
        if bare && own_size != 0 {
            self.odd(
                at,
                Some(&path),
                format!("it claims {own_size} bytes of content, though its type has none"),
            );
        }
        if pax.get(b"size").is_some() && own_size > 0 && own_size != header.size {
            self.odd(
                at,
                Some(&path),
                format!("its header says {own_size} bytes, its extended header {}", header.size),
            );
        }
        if header.typeflag == 0 && typeflag == b'5' && own_size != 0 {
            self.odd(at, Some(&path), "it is a directory by its name and claims content");
        }
        if typeflag == b'0' && name.ends_with(b"/") {
            self.odd(at, Some(&path), "it is a file whose name ends like a directory's");
        }
        let target = EntryPath::clean(&link);
        let kind = match typeflag {
            b'0' | b'S' => FileKind::File,
            b'7' => {
                self.odd(at, Some(&path), "it is of the rare type `contiguous file`");
                FileKind::File
            }
            b'1' => FileKind::Hardlink(target),
            b'2' => FileKind::Symlink(link),
            b'3' => FileKind::CharDevice(header.major as u32, header.minor as u32),
            b'4' => FileKind::BlockDevice(header.major as u32, header.minor as u32),
            b'5' => FileKind::Directory,
            b'6' => FileKind::Fifo,
            other => {
                self.odd(at, Some(&path), format!("it is of the unknown type 0x{other:02x}"));
                FileKind::Other(other)
            }
        };
        let whiteout = whiteout(&path);
        if whiteout.is_some() && size > 0 && !bare {
            self.odd(at, Some(&path), "it is a whiteout that carries content");
        }
        if self.names.len() < NAMES_MOST
            && !self.names.insert(self.hasher.hash_one(path.as_bytes()))
            && kind != FileKind::Directory
        {
            self.odd(at, Some(&path), "the archive holds this name more than once");
        }
        if bare {
            size = 0;
        }
        let owner = |id: i64| u64::try_from(id).unwrap_or(0);
        Some(TarEntry {
            file: FileEntry {
                path,
                kind,
                mode: (header.mode & 0o7777) as u32,
                uid: owner(header.uid),
                gid: owner(header.gid),
                size,
                mtime: header.mtime,
                content: None,
                xattrs: xattrs(&pax),
                whiteout,
            },
            stored,
            extents,
        })
    }
}

/// Types that say something about the entry after them.
fn is_meta(typeflag: u8) -> bool {
    matches!(typeflag, b'x' | b'g' | b'L' | b'K')
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// What an entry removes (image-spec, `layer.md`, "Whiteouts"). Names that begin with `.wh..wh.`
/// are notes of the aufs driver and remove nothing, but for the opaque marker.
fn whiteout(path: &EntryPath) -> Option<Whiteout> {
    match path.file_name().strip_prefix(b".wh.")? {
        b".wh..opq" => Some(Whiteout::Opaque(path.parent())),
        rest if rest.starts_with(b".wh.") => None,
        rest => Some(Whiteout::Path(path.parent().join(rest))),
    }
}

/// Extended attributes as containers/storage and containerd restore them; libarchive's own form,
/// base64 behind a percent-encoded name, only where the other does not name the same attribute.
fn xattrs(pax: &Records) -> Vec<(String, Vec<u8>)> {
    let mut out: Vec<(String, Vec<u8>)> = Vec::new();
    let mut put = |name: &[u8], value: Vec<u8>, replace: bool| {
        let name = String::from_utf8_lossy(name).into_owned();
        match out.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) if replace => *old = value,
            Some(_) => {}
            None => out.push((name, value)),
        }
    };
    for (key, value) in &pax.pairs {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            put(name, value.clone(), true);
        }
    }
    for (key, value) in &pax.pairs {
        if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
            put(&percent_decoded(name), base64(value), false);
        }
    }
    out
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [a, b, after @ ..]) if digit(*a).is_some() && digit(*b).is_some() => {
                out.push(digit(*a).unwrap_or(0) << 4 | digit(*b).unwrap_or(0));
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// Base64 without regard to padding or other characters.
fn base64(text: &[u8]) -> Vec<u8> {
    let (mut bits, mut count, mut out) = (0u32, 0, Vec::with_capacity(text.len() * 3 / 4));
    for &b in text {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    out
}
