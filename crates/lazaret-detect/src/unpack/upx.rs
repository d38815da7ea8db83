//! UPX for ELF: after the program headers stand `l_info` (checksum, magic, loader size, version,
//! format) and `p_info` (program id, file size, block size), then blocks, each with a `b_info` (size
//! unpacked, size packed, method, filter, its parameter); the first holds the program's own headers,
//! the next its loadable segments, and one without a size ends them (UPX, `src/p_unix.h`,
//! `src/p_lx_elf.cpp`).
//!
//! Those who hide overwrite the magic and the sizes, which only `upx -d` looks at. The blocks
//! themselves must be right, since the loader in the file reads them; so they are looked for by trial:
//! a block is the first if it unpacks to the headers of a program.
//!
//! Filters, which turn the targets of calls into absolute ones so that code packs better, are left as
//! they are: constants, tables and texts do not change under them.

use std::io::Read;

use super::nrv::{self, Variant};

/// Size of a `b_info`.
const INFO: usize = 12;
/// How far behind the program headers the first block is looked for.
const SEARCH: usize = 512;
/// The largest program headers that one can have: 65,535 of 56 bytes, and room.
const LARGEST_HEADERS: usize = 64 << 10;

/// What came out.
pub(super) struct Unpacked {
    /// The program as it was, as far as it could be unpacked.
    pub(super) bytes: Vec<u8>,
    /// The method of its first block.
    pub(super) method: &'static str,
    /// What went wrong, as the end of a sentence.
    pub(super) fault: Option<String>,
}

#[derive(Clone, Copy)]
struct Block {
    unpacked: usize,
    packed: usize,
    method: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Nrv(Variant, usize),
    Lzma,
    Deflate,
}

impl Method {
    fn of(number: u8) -> Option<Self> {
        Some(match number {
            2 => Self::Nrv(Variant::B, 4),
            3 => Self::Nrv(Variant::B, 1),
            4 => Self::Nrv(Variant::B, 2),
            5 => Self::Nrv(Variant::D, 4),
            6 => Self::Nrv(Variant::D, 1),
            7 => Self::Nrv(Variant::D, 2),
            8 => Self::Nrv(Variant::E, 4),
            9 => Self::Nrv(Variant::E, 1),
            10 => Self::Nrv(Variant::E, 2),
            14 => Self::Lzma,
            15 => Self::Deflate,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nrv(Variant::B, _) => "NRV2B",
            Self::Nrv(Variant::D, _) => "NRV2D",
            Self::Nrv(Variant::E, _) => "NRV2E",
            Self::Lzma => "LZMA",
            Self::Deflate => "deflate",
        }
    }

    fn unpack(self, bytes: &[u8], size: usize) -> Option<Vec<u8>> {
        match self {
            Self::Nrv(variant, width) => nrv::unpack(bytes, size, variant, width),
            Self::Lzma => lzma(bytes, size),
            Self::Deflate => {
                let mut out = Vec::new();
                let reader = flate2::read::DeflateDecoder::new(bytes);
                reader.take(size as u64 + 1).read_to_end(&mut out).ok()?;
                (out.len() == size).then_some(out)
            }
        }
    }
}

/// What is tried where the method is not the one that the block names. 32-bit words come first, since
/// all Linux loaders use them.
const METHODS: [u8; 5] = [14, 8, 2, 5, 15];

/// UPX's own header of two bytes, then the bare stream without an end mark.
fn lzma(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let (&[first, second], stream) = bytes.split_first_chunk::<2>()?;
    let (position, literal_position, context) =
        (u32::from(first & 7), u32::from(second >> 4), u32::from(second & 15));
    if u32::from(first >> 3) != literal_position + context
        || context > 8
        || literal_position > 4
        || position > 4
    {
        return None;
    }
    let dictionary = u32::try_from(size).ok()?.clamp(4096, 64 << 20);
    let reader = lzma_rust2::LzmaReader::new(
        stream,
        size as u64,
        context,
        literal_position,
        position,
        dictionary,
        None,
    );
    let mut out = Vec::new();
    reader.ok()?.take(size as u64).read_to_end(&mut out).ok()?;
    (out.len() == size).then_some(out)
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize)
}

fn block(bytes: &[u8], at: usize) -> Option<Block> {
    Some(Block { unpacked: word(bytes, at)?, packed: word(bytes, at + 4)?, method: *bytes.get(at + 8)? })
}

/// Where the program header table ends.
fn headers_end(bytes: &[u8]) -> Option<usize> {
    let half = |at: usize| Some(usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    // The size of a program header tells the class better than its mark does (see the analyzer).
    let (table, size, count) = if half(54) == Some(56) {
        let table = u64::from_le_bytes(*bytes.get(32..)?.first_chunk()?);
        (usize::try_from(table).ok()?, 56, half(56)?)
    } else {
        (word(bytes, 28)?, 32, half(44)?)
    };
    table.checked_add(size * count).filter(|&end| end < bytes.len())
}

/// Where the first block is, how it is packed, and what comes out of it.
pub(super) fn first_block(bytes: &[u8]) -> Option<(usize, Method, Vec<u8>)> {
    let start = headers_end(bytes)?;
    (start..start + SEARCH).step_by(4).find_map(|at| {
        let block = block(bytes, at)?;
        if !(52..=LARGEST_HEADERS).contains(&block.unpacked)
            || block.packed == 0
            || block.packed > block.unpacked
        {
            return None;
        }
        let data = bytes.get(at + INFO..at + INFO + block.packed)?;
        let named = Method::of(block.method);
        let tried = named.into_iter().chain(METHODS.iter().filter_map(|&number| Method::of(number)));
        tried.into_iter().find_map(|method| {
            let out = method.unpack(data, block.unpacked)?;
            out.starts_with(b"\x7fELF").then_some((at, method, out))
        })
    })
}

/// Unpacks a program to at most `most` bytes.
pub(super) fn unpack(bytes: &[u8], most: usize) -> Unpacked {
    let none = |fault: &str| Unpacked { bytes: Vec::new(), method: "", fault: Some(fault.to_owned()) };
    let Some((mut at, method, headers)) = first_block(bytes) else {
        return none("no block of it can be unpacked; what it does is not known");
    };
    let segments = segments(&headers);
    let mut out = Image::new(headers, segments, most);
    let mut fault = None;
    at += INFO + block(bytes, at).map_or(0, |block| block.packed);
    loop {
        let Some(block) = block(bytes, at) else {
            fault = Some("its blocks go on beyond the end of the file");
            break;
        };
        // What ends the blocks has no size; a chain that is all there may also end with the segments.
        if block.unpacked == 0 || out.is_full() {
            break;
        }
        if block.packed == 0 || block.packed > block.unpacked {
            fault = Some("its blocks are damaged");
            break;
        }
        if block.unpacked > most.saturating_sub(out.bytes.len()) {
            fault = Some("it unpacks to more than is held in memory");
            break;
        }
        let Some(data) = bytes.get(at + INFO..at + INFO + block.packed) else {
            fault = Some("its blocks go on beyond the end of the file");
            break;
        };
        let part = if block.packed == block.unpacked {
            Some(data.to_vec())
        } else {
            let named = Method::of(block.method).filter(|&named| named != method);
            method.unpack(data, block.unpacked).or_else(|| named?.unpack(data, block.unpacked))
        };
        let Some(part) = part else {
            fault = Some("its blocks are damaged");
            break;
        };
        out.add(&part);
        at += INFO + block.packed;
    }
    let fault = fault.map(|what| format!("{what}; only a part of what it does is known"));
    Unpacked { bytes: out.bytes, method: method.name(), fault }
}

/// Offset and size in the file of the loadable segments that headers name.
fn segments(headers: &[u8]) -> Vec<(usize, usize)> {
    let half = |at: usize| Some(usize::from(u16::from_le_bytes(*headers.get(at..)?.first_chunk()?)));
    let long = |at: usize| -> Option<usize> {
        usize::try_from(u64::from_le_bytes(*headers.get(at..)?.first_chunk()?)).ok()
    };
    let wide = half(54) == Some(56);
    let read = || -> Option<Vec<(usize, usize)>> {
        let (table, size, count) =
            if wide { (long(32)?, 56, half(56)?) } else { (word(headers, 28)?, 32, half(44)?) };
        let mut out = Vec::new();
        for index in 0..count {
            let at = table.checked_add(index * size)?;
            if word(headers, at)? == 1 {
                let (offset, length) = if wide {
                    (long(at + 8)?, long(at + 32)?)
                } else {
                    (word(headers, at + 4)?, word(headers, at + 16)?)
                };
                if length > 0 {
                    out.push((offset, length));
                }
            }
        }
        Some(out)
    };
    read().unwrap_or_default()
}

/// The program as it grows: each part goes where its segment stood in the file.
struct Image {
    bytes: Vec<u8>,
    segments: Vec<(usize, usize)>,
    /// The segment that is being filled, and how much of it is there.
    current: usize,
    filled: usize,
    most: usize,
}

impl Image {
    fn new(headers: Vec<u8>, segments: Vec<(usize, usize)>, most: usize) -> Self {
        // The first segment begins with the headers, which came in a block of their own.
        let filled = match segments.first() {
            Some(&(0, _)) => headers.len(),
            _ => 0,
        };
        Self { bytes: headers, segments, current: 0, filled, most }
    }

    /// Whether every segment is there. Without segments nothing says when it is.
    fn is_full(&self) -> bool {
        !self.segments.is_empty() && self.current >= self.segments.len()
    }

    fn add(&mut self, mut part: &[u8]) {
        while !part.is_empty() {
            let Some(&(offset, size)) = self.segments.get(self.current) else {
                // More than the headers say: at the end, so that it is looked at.
                self.bytes.extend_from_slice(part);
                return;
            };
            let take = part.len().min(size.saturating_sub(self.filled));
            let start = offset.saturating_add(self.filled);
            if start < self.bytes.len() || start > self.most {
                // Offsets that lie: what was unpacked counts more than where it was.
                self.bytes.extend_from_slice(&part[..take]);
            } else {
                self.bytes.resize(start, 0);
                self.bytes.extend_from_slice(&part[..take]);
            }
            part = &part[take..];
            self.filled += take;
            if self.filled >= size {
                self.current += 1;
                self.filled = 0;
            }
        }
    }
}
