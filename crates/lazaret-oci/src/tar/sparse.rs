//! Sparse maps: GNU's old headers, and the three PAX forms.

use super::pax::{Records, decimal};
use super::{BLOCK, Stream, header};

/// A piece of a sparse file that is stored; what lies between is a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Where it goes in the file.
    pub(crate) offset: u64,
    /// How long it is.
    pub(crate) length: u64,
}

/// Most extents of one file. GNU tar writes one for each 21 or so; a map of this length is
/// already a mebibyte of header.
const MOST: usize = 1 << 16;

/// Whether the extents are in order, apart, and inside the file.
pub(crate) fn is_sound(extents: &[Extent], size: u64) -> bool {
    let mut at = 0;
    extents.iter().all(|e| {
        let end = e.offset.checked_add(e.length);
        let ok = e.offset >= at && end.is_some_and(|end| end <= size);
        at = end.unwrap_or(u64::MAX);
        ok
    })
}

/// Reads the map of an old GNU sparse header (type `S`), which goes on in extra blocks.
/// Gives the real size and the extents. Every extra block is passed, even after an error.
pub(crate) fn old_gnu(block: &[u8; BLOCK], stream: &mut dyn Stream) -> Option<(u64, Vec<Extent>)> {
    let size = header::number(&block[483..495]).and_then(|v| u64::try_from(v).ok());
    let mut extents = Vec::new();
    let mut sound = take_pairs(&block[386..482], &mut extents);
    let mut more = block[482] != 0;
    while more {
        let mut extra = [0u8; BLOCK];
        if stream.fill(&mut extra) < BLOCK {
            return None;
        }
        more = extra[504] != 0;
        if sound && extents.len() <= MOST {
            sound = take_pairs(&extra[..504], &mut extents);
        } else {
            sound = false;
        }
    }
    if sound { Some((size?, extents)) } else { None }
}

/// Twelve bytes of offset, twelve of length, until an empty one.
fn take_pairs(bytes: &[u8], extents: &mut Vec<Extent>) -> bool {
    for pair in bytes.chunks_exact(24) {
        if pair[0] == 0 {
            break;
        }
        let value = |field| header::number(field).and_then(|v| u64::try_from(v).ok());
        match (value(&pair[..12]), value(&pair[12..])) {
            (Some(offset), Some(length)) => extents.push(Extent { offset, length }),
            _ => return false,
        }
    }
    true
}

/// Which sparse form PAX records announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaxForm {
    /// 0.0 and 0.1: the map is in the records.
    Records,
    /// 1.0: the map stands before the data.
    Data,
}

/// Go's choice of the form (`readGNUSparsePAXHeaders`).
pub(crate) fn pax_form(records: &Records) -> Option<PaxForm> {
    match (records.get(b"GNU.sparse.major"), records.get(b"GNU.sparse.minor")) {
        (Some(b"0"), Some(b"0" | b"1")) => Some(PaxForm::Records),
        (Some(b"1"), Some(b"0")) => Some(PaxForm::Data),
        (None, None) if !records.sparse.is_empty() || records.get(b"GNU.sparse.map").is_some() => {
            Some(PaxForm::Records)
        }
        _ => None,
    }
}

/// The map of forms 0.0 and 0.1.
pub(crate) fn from_records(records: &Records) -> Option<Vec<Extent>> {
    let numbers: Vec<u64> = if records.sparse.is_empty() {
        match records.get(b"GNU.sparse.map") {
            Some(map) => map.split(|&b| b == b',').map(decimal).collect::<Option<_>>()?,
            None => Vec::new(),
        }
    } else {
        records.sparse.clone()
    };
    if let Some(count) = records.get(b"GNU.sparse.numblocks")
        && decimal(count) != Some(numbers.len() as u64 / 2)
    {
        return None;
    }
    pairs(&numbers)
}

fn pairs(numbers: &[u64]) -> Option<Vec<Extent>> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|&[offset, length]| Extent { offset, length }).collect())
}

/// The map of form 1.0: decimal lines in whole blocks at the start of the stored data, of which
/// `left` bytes are. Takes what it reads off `left`.
pub(crate) fn from_data(stream: &mut dyn Stream, left: &mut u64) -> Option<Vec<Extent>> {
    let mut text = Vec::new();
    let mut numbers: Vec<u64> = Vec::new();
    let mut wanted = None;
    loop {
        while let Some(end) = memchr::memchr(b'\n', &text) {
            let value = decimal(&text[..end])?;
            text.drain(..=end);
            match wanted {
                None if value > MOST as u64 => return None,
                None => wanted = Some(value as usize * 2),
                Some(_) => numbers.push(value),
            }
            if wanted == Some(numbers.len()) {
                return pairs(&numbers);
            }
        }
        let mut block = [0u8; BLOCK];
        if *left < BLOCK as u64 || stream.fill(&mut block) < BLOCK {
            return None;
        }
        *left -= BLOCK as u64;
        text.extend_from_slice(&block);
    }
}
