//! Programs, scripts and archives that were put into a program: what a dropper carries.

use lazaret_model::FactKind;
use memchr::memmem;

use super::{Inner, Opened};
use crate::analyzers::{elf_end, entropy};

/// Most programs that are taken out of one.
const MOST: usize = 8;
/// Data after the end of a program that is shorter tells nothing.
const LEAST_OVERLAY: usize = 64;
/// A shorter program cannot do anything.
const LEAST_PROGRAM: usize = 120;

/// Takes out what stands in a program of which the kernel reads `end` bytes.
pub(super) fn find(bytes: &[u8], end: usize, most: usize, out: &mut Opened) {
    if bytes.len() >= end.saturating_add(LEAST_OVERLAY) {
        let data = &bytes[end..];
        // Padding of a sector or page is none.
        if data.iter().any(|&byte| byte != data[0]) {
            let kind = kind(data).to_owned();
            let (offset, size) = (end as u64, data.len() as u64);
            out.facts.push(FactKind::Overlay { offset, size, kind, entropy: entropy(data) });
            // A program there is found below; an archive that ends the file is read where archives
            // are.
            if !data.starts_with(b"\x7fELF") && !data.starts_with(b"PK\x03\x04") && data.len() <= most {
                out.inner.push(Inner { name: "(overlay)".to_owned(), bytes: data.to_vec() });
            }
        }
    }
    let mut from = 4;
    let mut taken = 0;
    while let Some(found) = memmem::find(bytes.get(from..).unwrap_or_default(), b"\x7fELF") {
        let at = from + found;
        from = at + 4;
        let Some(length) = program(&bytes[at..]) else { continue };
        let name = format!("(embedded at {at:#x})");
        out.facts.push(FactKind::EmbeddedProgram { offset: at as u64, size: length as u64 });
        if length <= most {
            out.inner.push(Inner { name, bytes: bytes[at..at + length].to_vec() });
        }
        // What stands in it is found in it.
        from = at + length;
        taken += 1;
        if taken >= MOST {
            break;
        }
    }
}

/// The length of the program at the start of `bytes`, where there is a whole one: header and program
/// headers that fit, a segment to be run, and bytes for all that they name. Tables of magic numbers and
/// templates of headers, as linkers and debuggers have, are none.
fn program(bytes: &[u8]) -> Option<usize> {
    let half = |at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let (class, order, version) = (*bytes.get(4)?, *bytes.get(5)?, *bytes.get(6)?);
    let (wide, size) = match class {
        1 => (false, 32),
        2 => (true, 56),
        _ => return None,
    };
    let kind = half(16)?;
    let fits = order == 1
        && version == 1
        && (kind == 2 || kind == 3)
        && half(if wide { 54 } else { 42 }) == Some(size)
        && (1..=64).contains(&half(if wide { 56 } else { 44 })?);
    if !fits {
        return None;
    }
    let end = elf_end(bytes)?;
    (end >= LEAST_PROGRAM && end <= bytes.len()).then_some(end)
}

/// What data after a program is.
fn kind(data: &[u8]) -> &'static str {
    let tail = &data[data.len().saturating_sub(256)..];
    match data {
        _ if memmem::find(tail, b"MEI\x0c\x0b\x0a\x0b\x0e").is_some() => "pyinstaller",
        [0x7f, b'E', b'L', b'F', ..] => "elf",
        [b'P', b'K', 3, 4, ..] => "zip",
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz",
        [b'h', b's', b'q', b's', ..] => "squashfs",
        [b'#', b'!', ..] => "script",
        _ if data[..data.len().min(4096)]
            .iter()
            .all(|&b| b == b'\n' || b == b'\t' || (32..127).contains(&b)) =>
        {
            "text"
        }
        _ => "data",
    }
}
