//! zip archives (PKWARE APPNOTE.TXT), read as the central directory has them and as the local
//! headers have them: what only one of the two names is still shown, and said.

use flate2::{Crc, Decompress, FlushDecompress, Status};
use lazaret_model::GapKind;
use memchr::memmem;

use super::content::{Contents, Inflated};
use super::{ArchiveFormat, Walk};
use crate::codec::{Decompressor, SliceInput};
use crate::tar::SliceStream;

/// Size of the end record without its comment.
const END: usize = 22;
/// How far from the end the end record may begin.
const END_REACH: usize = END + 0xffff;

/// One member, as one of the two places describes it.
#[derive(Debug, Clone)]
struct Member<'a> {
    name: &'a [u8],
    method: u16,
    flags: u16,
    crc: u32,
    packed: u64,
    size: u64,
    mode: u32,
    /// Where its local header begins.
    header: usize,
    /// Whether its sizes stand only behind its data.
    streamed: bool,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
}

/// Offset of the end record: the last one whose comment reaches exactly to the end, else the last
/// one at all (something may be appended).
fn end_record(bytes: &[u8]) -> Option<usize> {
    let from = bytes.len().saturating_sub(END_REACH);
    let tail = &bytes[from..];
    let mut loose = None;
    for at in memmem::rfind_iter(tail, b"PK\x05\x06") {
        let at = from + at;
        let Some(comment) = u16_at(bytes, at + 20) else { continue };
        if at + END + comment as usize == bytes.len() {
            return Some(at);
        }
        if at + END + comment as usize <= bytes.len() {
            loose.get_or_insert(at);
        }
    }
    loose
}

/// Whether a zip stands at the end of something else: at once behind any content, or with a
/// comment where the content would be run (self-extracting archives, executable jars).
pub(super) fn ends_one(bytes: &[u8]) -> bool {
    let plain = bytes.len() > END && bytes[bytes.len() - END..].starts_with(b"PK\x05\x06");
    let runs = bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"#!") || bytes.starts_with(b"MZ");
    // With a directory in it: the four bytes alone stand in every program that reads zips.
    (plain || runs)
        && end_record(bytes)
            .is_some_and(|at| directory(bytes, at).is_some_and(|(members, _)| !members.is_empty()))
}

/// The members that the central directory names, and where it begins.
fn directory(bytes: &[u8], end: usize) -> Option<(Vec<Member<'_>>, usize)> {
    let mut count = u64::from(u16_at(bytes, end + 10)?);
    let mut size = u64::from(u32_at(bytes, end + 12)?);
    let mut offset = u64::from(u32_at(bytes, end + 16)?);
    let mut stop = end;
    if end >= 20 && bytes[end - 20..].starts_with(b"PK\x06\x07") {
        // The zip64 record stands right before its locator, unless it has an extensible part.
        let stated = usize::try_from(u64_at(bytes, end - 12)?).ok();
        let at = [stated, end.checked_sub(76)]
            .into_iter()
            .flatten()
            .find(|&at| bytes.get(at..).is_some_and(|rest| rest.starts_with(b"PK\x06\x06")));
        if let Some(at) = at {
            count = u64_at(bytes, at + 32)?;
            size = u64_at(bytes, at + 40)?;
            offset = u64_at(bytes, at + 48)?;
            stop = at;
        }
    }
    // Something may stand before the archive without being counted in its offsets.
    let begin = stop.checked_sub(usize::try_from(size).ok()?)?;
    let shift = begin as u64 as i64 - i64::try_from(offset).ok()?;
    let mut members = Vec::new();
    let mut at = begin;
    while at < stop && (members.len() as u64) < count.max(u64::from(u16::MAX)) {
        if !bytes[at..].starts_with(b"PK\x01\x02") {
            break;
        }
        let (name, extra, comment) = (
            u16_at(bytes, at + 28)? as usize,
            u16_at(bytes, at + 30)? as usize,
            u16_at(bytes, at + 32)? as usize,
        );
        let mut member = Member {
            flags: u16_at(bytes, at + 8)?,
            method: u16_at(bytes, at + 10)?,
            crc: u32_at(bytes, at + 16)?,
            packed: u32_at(bytes, at + 20)?.into(),
            size: u32_at(bytes, at + 24)?.into(),
            name: bytes.get(at + 46..at + 46 + name)?,
            mode: if u16_at(bytes, at + 4)? >> 8 == 3 { u32_at(bytes, at + 38)? >> 16 & 0o7777 } else { 0 },
            header: 0,
            streamed: false,
        };
        let mut header = u64::from(u32_at(bytes, at + 42)?);
        let extra = bytes.get(at + 46 + name..at + 46 + name + extra)?;
        zip64(extra, &mut member.size, &mut member.packed, Some(&mut header));
        if let Some(header) = header.checked_add_signed(shift).and_then(|h| usize::try_from(h).ok()) {
            member.header = header;
            members.push(member);
        }
        at += 46 + name + extra.len() + comment;
    }
    Some((members, begin))
}

/// Numbers that did not fit, in the order of APPNOTE 4.5.3.
fn zip64(mut extra: &[u8], size: &mut u64, packed: &mut u64, header: Option<&mut u64>) {
    while let (Some(id), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let Some(field) = extra.get(4..4 + length as usize) else { return };
        if id == 1 {
            let mut at = 0;
            for value in [Some(size), Some(packed), header].into_iter().flatten() {
                if *value == u64::from(u32::MAX) {
                    if let Some(large) = u64_at(field, at) {
                        *value = large;
                    }
                    at += 8;
                }
            }
            return;
        }
        extra = &extra[4 + length as usize..];
    }
}

/// A local header and where its data begin.
fn local(bytes: &[u8], at: usize) -> Option<(Member<'_>, usize)> {
    if !bytes.get(at..)?.starts_with(b"PK\x03\x04") {
        return None;
    }
    let (name, extra) = (u16_at(bytes, at + 26)? as usize, u16_at(bytes, at + 28)? as usize);
    let mut member = Member {
        flags: u16_at(bytes, at + 6)?,
        method: u16_at(bytes, at + 8)?,
        crc: u32_at(bytes, at + 14)?,
        packed: u32_at(bytes, at + 18)?.into(),
        size: u32_at(bytes, at + 22)?.into(),
        name: bytes.get(at + 30..at + 30 + name)?,
        mode: 0,
        header: at,
        streamed: false,
    };
    member.streamed = member.flags & 8 != 0 && member.packed == 0;
    let extra = bytes.get(at + 30 + name..at + 30 + name + extra)?;
    zip64(extra, &mut member.size, &mut member.packed, None);
    Some((member, at + 30 + name + extra.len()))
}

pub(super) fn walk(walk: &mut Walk<'_>, bytes: &[u8]) {
    let mut inflate = Decompress::new(false);
    let mut count = 0;
    let end = end_record(bytes);
    let found = end.and_then(|end| directory(bytes, end));
    if found.is_none() {
        walk.gap(GapKind::Damaged, "the zip archive has no sound directory; its members are looked for");
    }
    let (members, begin) = found.unwrap_or((Vec::new(), bytes.len()));
    // Stretches that members named by the directory take up.
    let mut taken: Vec<(usize, usize)> = Vec::with_capacity(members.len());
    let mut names = std::collections::HashSet::new();
    for member in &members {
        if walk.stopped || !walk.enter() {
            break;
        }
        count += 1;
        walk.inside.push(String::from_utf8_lossy(member.name).into_owned());
        match local(bytes, member.header) {
            Some((header, data)) => {
                if header.name != member.name {
                    let other = lazaret_model::one_line(&String::from_utf8_lossy(header.name), 100);
                    walk.odd(format!("its own header calls it {other}"));
                }
                if !names.insert(member.name) {
                    walk.odd("the archive holds this name more than once");
                }
                if header.method != member.method {
                    walk.odd("directory and header name different ways of compression");
                }
                let used = show(walk, &mut inflate, member, bytes.get(data..).unwrap_or_default());
                taken.push((member.header, data.saturating_add(used)));
            }
            None => walk.gap(GapKind::Damaged, "the directory names it, there is no header for it"),
        }
        walk.inside.pop();
    }
    taken.sort_unstable();
    // Members that the directory does not name.
    let mut at = 0;
    let mut ranges = taken.into_iter().peekable();
    let finder = memmem::Finder::new(b"PK\x03\x04");
    while !walk.stopped {
        while let Some(&(from, to)) = ranges.peek() {
            if from > at {
                break;
            }
            at = at.max(to);
            ranges.next();
        }
        let stop = ranges.peek().map_or(begin, |&(from, _)| from).min(bytes.len());
        let Some(next) = bytes.get(at..stop).and_then(|gap| finder.find(gap)) else {
            if ranges.peek().is_none() {
                break;
            }
            at = stop;
            continue;
        };
        let here = at + next;
        at = here + 4;
        let Some((member, data)) = local(bytes, here).filter(|(m, _)| plausible(m)) else { continue };
        if !walk.enter() {
            break;
        }
        count += 1;
        walk.inside.push(String::from_utf8_lossy(member.name).into_owned());
        if end.is_some() {
            walk.odd("the archive's directory does not name it");
        }
        let used = show(walk, &mut inflate, &member, bytes.get(data..).unwrap_or_default());
        at = at.max(data.saturating_add(used));
        walk.inside.pop();
    }
    walk.finished(ArchiveFormat::Zip, count);
}

/// Whether what looks like a local header could be one.
fn plausible(member: &Member<'_>) -> bool {
    matches!(member.method, 0 | 8 | 9 | 12 | 14 | 93 | 95 | 98)
        && !member.name.is_empty()
        && !member.name.contains(&0)
}

/// Unpacks and shows one member. Gives how many packed bytes it takes up.
fn show(walk: &mut Walk<'_>, inflate: &mut Decompress, member: &Member<'_>, data: &[u8]) -> usize {
    let unknown = member.streamed;
    let stated = usize::try_from(member.packed).unwrap_or(usize::MAX);
    let packed = if unknown { data } else { &data[..stated.min(data.len())] };
    if !unknown && stated > data.len() {
        walk.gap(GapKind::Damaged, format!("it claims {stated} packed bytes, {} are left", data.len()));
    }
    if member.flags & 1 != 0 {
        walk.gap(GapKind::Encrypted, "the member is encrypted");
        return packed.len().min(stated);
    }
    if member.name.ends_with(b"/") && member.size == 0 && member.packed == 0 {
        return 0;
    }
    match member.method {
        0 if unknown => {
            walk.gap(GapKind::Damaged, "it is stored without saying how long it is");
            0
        }
        0 => {
            let mut stream = SliceStream::new(packed);
            walk.content(&mut stream, member.mode, Some(packed.len() as u64));
            packed.len()
        }
        8 => deflated(walk, inflate, member, packed),
        12 | 93 | 95 => {
            let mut stream = Inflated::of(Decompressor::new(SliceInput(packed)));
            walk.content(&mut stream, member.mode, None);
            if let Some(fault) = stream.fault() {
                walk.gap(GapKind::Damaged, fault);
            }
            packed.len()
        }
        other => {
            walk.gap(GapKind::Unsupported, format!("it is compressed in a way that is not known ({other})"));
            if unknown { 0 } else { packed.len() }
        }
    }
}

/// The common case, without a new decoder or buffer for each member.
fn deflated(walk: &mut Walk<'_>, inflate: &mut Decompress, member: &Member<'_>, packed: &[u8]) -> usize {
    let most = walk.window();
    let mut buffer = walk.buffer();
    inflate.reset(false);
    let mut have = 0;
    // The stated size is a hint, never more than deflate could make of the data.
    let hint = usize::try_from(member.size).unwrap_or(usize::MAX);
    let reach = packed.len().saturating_mul(1040).saturating_add(64);
    let mut room = hint.min(reach).min(most).saturating_add(1);
    let fault = loop {
        if buffer.len() < room {
            buffer.resize(room, 0);
        }
        let from = (inflate.total_in() as usize).min(packed.len());
        let result = inflate.decompress(&packed[from..], &mut buffer[have..room], FlushDecompress::Finish);
        let before = have;
        have = inflate.total_out() as usize;
        match result {
            Ok(Status::StreamEnd) => break None,
            Err(_) => break Some("the deflate data is damaged"),
            Ok(_) if have < room && (have == before || inflate.total_in() as usize >= packed.len()) => {
                break Some("the deflate data ends early");
            }
            Ok(_) if have > most => {
                // Too large to hold: again, in windows.
                walk.give_back(buffer);
                let mut stream = Inflated::of(Decompressor::deflate(SliceInput(packed)));
                walk.content(&mut stream, member.mode, None);
                if let Some(fault) = stream.fault() {
                    walk.gap(GapKind::Damaged, fault);
                }
                return stream.consumed().min(packed.len());
            }
            Ok(_) => room = (room * 2).clamp(4 << 10, most + 1),
        }
    };
    let used = (inflate.total_in() as usize).min(packed.len());
    if let Some(fault) = fault {
        walk.gap(GapKind::Damaged, fault);
    } else if member.flags & 8 == 0 || member.crc != 0 {
        let mut crc = Crc::new();
        crc.update(&buffer[..have]);
        if crc.sum() != member.crc {
            walk.gap(GapKind::Damaged, "its checksum is wrong");
        }
    }
    walk.spend(have as u64);
    walk.bytes(&buffer[..have], member.mode, false);
    walk.give_back(buffer);
    used
}
