//! An image archive: a tar whose members are found again by name, without unpacking it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use lazaret_model::{Budget, Digest, EntryPath, FileKind};

use super::{Blob, SourceError};
use crate::codec::{Compression, Decompressor, ReadInput};
use crate::tar::{BLOCK, Step, Stream, Walker, looks_like_header};

/// How many links from one member to the next are followed.
const LINKS: usize = 8;
/// Most members of an image archive.
const MEMBERS: usize = 500_000;

/// Where a member's content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    offset: u64,
    len: u64,
    /// Whether the whole of it is there and stored as it is.
    whole: bool,
    link: Option<EntryPath>,
    /// How often the name occurs.
    times: u32,
}

/// Whether a file begins as a tar archive, compressed or not, whatever its name: what [`super::LocalSource`] opens
/// as an image archive begins so. Only its beginning is read.
///
/// # Errors
/// It cannot be read.
pub fn begins_as_archive(path: &Path) -> Result<bool, SourceError> {
    let words = path.display().to_string();
    let fail = |e| SourceError::io(words.as_str(), e);
    let file = super::open_file(path)?;
    let mut head = [0; BLOCK];
    let mut filled = file.read_at(&mut head, 0).map_err(fail)?;
    if Compression::sniff(&head[..filled]) != Compression::None {
        let len = file.metadata().map_err(fail)?.len();
        let blob = Blob { file, offset: 0, len: Some(len) };
        let mut decompressor = Decompressor::new(ReadInput::new(blob.reader(), None));
        filled = 0;
        while filled < BLOCK {
            match decompressor.read(&mut head[filled..]) {
                0 => break,
                n => filled += n,
            }
        }
    }
    Ok(looks_like_header(&head[..filled]))
}

/// An indexed tar archive.
pub(super) struct Archive {
    file: File,
    words: String,
    members: HashMap<EntryPath, Member>,
    /// What is wrong with the archive itself.
    damage: Option<String>,
    /// Whether it says where it ends.
    ends: bool,
}

/// A file as stream; passing over is free.
struct FileStream<'a> {
    file: &'a File,
    len: u64,
    at: u64,
}

impl Stream for FileStream<'_> {
    fn fill(&mut self, out: &mut [u8]) -> usize {
        let mut done = 0;
        while done < out.len() {
            match self.file.read_at(&mut out[done..], self.at) {
                Ok(0) | Err(_) => break,
                Ok(n) => {
                    done += n;
                    self.at += n as u64;
                }
            }
        }
        done
    }

    fn skip(&mut self, n: u64) -> u64 {
        let n = n.min(self.len.saturating_sub(self.at));
        self.at += n;
        n
    }

    fn position(&self) -> u64 {
        self.at
    }
}

impl Archive {
    /// Indexes an archive; a compressed one is first written, uncompressed, to an unlinked
    /// temporary file.
    pub(super) fn open(file: File, words: &str, budget: &Budget) -> Result<Self, SourceError> {
        let mut first = [0; 6];
        let n = file.read_at(&mut first, 0).map_err(|e| SourceError::io(words, e))?;
        if n == 0 {
            return Err(SourceError::Damaged { path: words.to_owned(), why: "it is empty".to_owned() });
        }
        let mut damage = None;
        let file = match Compression::sniff(&first[..n]) {
            Compression::None => file,
            _ => {
                let (file, fault) = spool(file, words, budget)?;
                damage = fault;
                file
            }
        };
        let len = file.metadata().map_err(|e| SourceError::io(words, e))?.len();
        let mut archive =
            Self { file, words: words.to_owned(), members: HashMap::new(), damage, ends: false };
        archive.index(len)?;
        Ok(archive)
    }

    fn index(&mut self, len: u64) -> Result<(), SourceError> {
        let mut stream = FileStream { file: &self.file, len, at: 0 };
        let mut walker = Walker::new();
        let mut stray = 0usize;
        loop {
            match walker.next(&mut stream) {
                Step::Entry(entry) => {
                    let offset = stream.position();
                    let base = entry.file.path.parent();
                    let (link, file) = match entry.file.kind {
                        FileKind::File => (None, true),
                        FileKind::Hardlink(target) => (Some(target), true),
                        FileKind::Symlink(target) if target.starts_with(b"/") => {
                            (Some(EntryPath::clean(&target)), true)
                        }
                        FileKind::Symlink(target) => (Some(base.join(&target)), true),
                        _ => (None, false),
                    };
                    if !file {
                        continue;
                    }
                    let whole = entry.extents.is_none() && offset.saturating_add(entry.stored) <= len;
                    let times = self.members.get(&entry.file.path).map_or(0, |m| m.times) + 1;
                    let member = Member { offset, len: entry.stored, whole, link, times };
                    self.members.insert(entry.file.path, member);
                    if self.members.len() > MEMBERS {
                        let why = format!("it has more than {MEMBERS} members");
                        return Err(SourceError::Damaged { path: self.words.clone(), why });
                    }
                }
                Step::Stray(at, bytes) => {
                    stray += bytes.len();
                    self.damage.get_or_insert_with(|| format!("there is no sound tar header at byte {at}"));
                    if self.members.is_empty() && stray > 16 << 20 {
                        break;
                    }
                }
                Step::End { marked } => {
                    self.ends = marked;
                    break;
                }
            }
        }
        if self.members.is_empty() {
            let expected = "image archive";
            let why = self.damage.clone().unwrap_or_else(|| "it is no tar archive with files".to_owned());
            return Err(SourceError::NotThat { path: self.words.clone(), expected, why });
        }
        Ok(())
    }

    /// Why something that it does not hold may be what was cut off.
    pub(super) fn damage(&self) -> Option<String> {
        let unmarked =
            || (!self.ends).then(|| "it does not say where it ends, and may be cut off".to_owned());
        self.damage.clone().or_else(unmarked)
    }

    pub(super) fn words(&self) -> &str {
        &self.words
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(&EntryPath::from(name))
    }

    /// A member, links followed inside the archive.
    pub(super) fn member(&self, name: &EntryPath) -> Option<&Member> {
        let mut member = self.members.get(name)?;
        for _ in 0..LINKS {
            match &member.link {
                None => return Some(member),
                Some(target) => member = self.members.get(target)?,
            }
        }
        None
    }

    fn damaged(&self, why: String) -> SourceError {
        SourceError::Damaged { path: self.words.clone(), why }
    }

    /// A document by name. One that occurs twice is refused: engines differ in which they read.
    pub(super) fn document(&self, name: &str, budget: &Budget) -> Result<Option<Vec<u8>>, SourceError> {
        let path = EntryPath::from(name);
        let Some(member) = self.member(&path) else {
            return match self.members.contains_key(&path) {
                true => Err(self.damaged(format!("{name} is a link to nothing"))),
                false => Ok(None),
            };
        };
        if member.times > 1 || self.members.get(&path).is_some_and(|m| m.times > 1) {
            let why = format!("it holds {} more than once", lazaret_model::one_line(name, 100));
            return Err(SourceError::Ambiguous { path: self.words.clone(), why });
        }
        let bytes = self.blob(member)?.read_all(budget.document_bytes);
        bytes.map(Some).map_err(|e| SourceError::io(format!("{}: {name}", self.words), e))
    }

    pub(super) fn blob(&self, member: &Member) -> Result<Blob, SourceError> {
        if !member.whole {
            let why = self.damage.clone().unwrap_or_else(|| "it ends inside a file".to_owned());
            return Err(self.damaged(why));
        }
        let file = self.file.try_clone().map_err(|e| SourceError::io(self.words.as_str(), e))?;
        Ok(Blob { file, offset: member.offset, len: Some(member.len) })
    }

    pub(super) fn len_of(&self, member: &Member) -> u64 {
        member.len
    }

    pub(super) fn find_blob(&self, digest: &Digest) -> Result<Option<Blob>, SourceError> {
        let name = format!("blobs/{}/{}", digest.algorithm().name(), digest.hex());
        self.member(&EntryPath::from(name.as_str())).map(|member| self.blob(member)).transpose()
    }
}

/// Uncompresses into an unlinked temporary file. Damage is told beside it: what came out before
/// may hold an image all the same.
fn spool(file: File, words: &str, budget: &Budget) -> Result<(File, Option<String>), SourceError> {
    let len = file.metadata().map_err(|e| SourceError::io(words, e))?.len();
    let mut decompressor =
        Decompressor::new(ReadInput::new(Blob { file, offset: 0, len: Some(len) }.reader(), None));
    let full = |e| SourceError::io(format!("{words}: cannot uncompress it into the temporary directory"), e);
    let mut out = tempfile::tempfile().map_err(full)?;
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0u64;
    loop {
        let n = decompressor.read(&mut buffer);
        if n == 0 {
            break;
        }
        total += n as u64;
        let ratio = total > 64 << 20 && total / decompressor.consumed().max(1) > budget.ratio;
        if total > budget.layer_bytes || ratio {
            return Err(SourceError::TooLarge {
                path: words.to_owned(),
                limit: budget.layer_bytes.min(total),
            });
        }
        out.write_all(&buffer[..n]).map_err(full)?;
    }
    let fault = decompressor.fault().map(|fault| format!("{} (at byte {})", fault.what, fault.at));
    Ok((out, fault))
}

/// The first bytes of a member, to tell what it is.
pub(super) fn first_bytes(blob: Blob) -> Vec<u8> {
    let mut first = Vec::new();
    // An unreadable member is told by whoever reads it whole.
    let _ = blob.reader().take(6).read_to_end(&mut first);
    first
}
