//! A header as rpm stores it: the number of index entries, the length of the data, the index, the data;
//! all big-endian (rpm's "Package format", "Header").

use data_encoding::HEXLOWER_PERMISSIVE;
use lazaret_model::EntryPath;

use crate::ownership::history::Parsed;
use crate::ownership::{Listed, Sum};

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const DIGESTS: u32 = 1035;
const FLAGS: u32 = 1037;
const VERIFY: u32 = 1045;
const DIR_INDEXES: u32 = 1116;
const BASE_NAMES: u32 = 1117;
const DIR_NAMES: u32 = 1118;
const OLD_NAMES: u32 = 1027;
const ALGORITHM: u32 = 5011;

/// `RPMFILE_CONFIG`.
const CONFIG: u32 = 1;
/// `RPMFILE_GHOST`: listed, and made by something else.
const GHOST: u32 = 1 << 6;
/// `RPMVERIFY_FILEDIGEST`: packages leave it out where a file will change.
const VERIFY_DIGEST: u32 = 1;

/// Most index entries: a package has about a hundred.
const MOST_ENTRIES: usize = 4096;
/// Most files of one package.
const MOST_FILES: usize = 500_000;

struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

/// The package that a header describes; None where it has no name or its lengths lie.
pub(super) fn parse(blob: &[u8]) -> Option<Parsed> {
    let (entries, length) = (be32(blob, 0)? as usize, be32(blob, 4)? as usize);
    if entries > MOST_ENTRIES {
        return None;
    }
    let index = blob.get(8..8 + entries * 16)?;
    let data = blob.get(8 + entries * 16..)?;
    let header = Header { index, data: data.get(..length)? };
    let text = |tag| header.strings(tag).next().map(|raw| String::from_utf8_lossy(raw).into_owned());
    let name = text(NAME).filter(|name| !name.is_empty())?;
    let version = format!("{}-{}", text(VERSION).unwrap_or_default(), text(RELEASE).unwrap_or_default());
    let version = match header.numbers(EPOCH).next() {
        Some(epoch) if epoch > 0 => format!("{epoch}:{version}"),
        _ => version,
    };
    Some(Parsed { name, version, files: files(&header) })
}

fn files(header: &Header<'_>) -> Vec<Listed> {
    let dirs: Vec<&[u8]> = header.strings(DIR_NAMES).take(MOST_FILES).collect();
    let split = header.strings(BASE_NAMES).zip(header.numbers(DIR_INDEXES));
    let mut paths: Vec<EntryPath> = split
        .take(MOST_FILES)
        .filter_map(|(name, dir)| Some(EntryPath::clean(&[*dirs.get(dir as usize)?, name].concat())))
        .collect();
    if paths.is_empty() {
        paths = header.strings(OLD_NAMES).take(MOST_FILES).map(EntryPath::clean).collect();
    }
    let algorithm = header.numbers(ALGORITHM).next().unwrap_or(1);
    let mut digests = header.strings(DIGESTS);
    let mut flags = header.numbers(FLAGS);
    let mut verify = header.numbers(VERIFY);
    paths
        .into_iter()
        .map(|path| {
            let (digest, flags) = (digests.next().unwrap_or_default(), flags.next().unwrap_or(0));
            let checked = verify.next().is_none_or(|verify| verify & VERIFY_DIGEST != 0);
            let sum = checked.then(|| sum(digest, algorithm)).flatten();
            let config = flags & (CONFIG | GHOST) != 0 || path.as_bytes().starts_with(b"etc/");
            Listed { path, sum, config }
        })
        .collect()
}

/// A digest in hex; the algorithms have OpenPGP's numbers (RFC 4880, 9.4).
fn sum(hex: &[u8], algorithm: u32) -> Option<Sum> {
    let bytes = HEXLOWER_PERMISSIVE.decode(hex).ok()?;
    match algorithm {
        1 => bytes.try_into().ok().map(Sum::Md5),
        2 => bytes.try_into().ok().map(Sum::Sha1),
        8 => bytes.try_into().ok().map(Sum::Sha256),
        _ => None,
    }
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl<'a> Header<'a> {
    /// Type, data and count of a tag; a later entry of the same tag says nothing.
    fn entry(&self, tag: u32) -> Option<(u32, &'a [u8], usize)> {
        let entry = self.index.chunks_exact(16).find(|entry| be32(entry, 0) == Some(tag))?;
        let (kind, offset, count) = (be32(entry, 4)?, be32(entry, 8)?, be32(entry, 12)?);
        Some((kind, self.data.get(offset as usize..)?, count as usize))
    }

    /// A string (6), a list of them (8) or a translated one (9), each ended by a zero byte.
    fn strings(&self, tag: u32) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (data, count) = match self.entry(tag) {
            Some((6 | 9, data, _)) => (data, 1),
            Some((8, data, count)) => (data, count),
            _ => (&[][..], 0),
        };
        let mut rest = data;
        (0..count).map_while(move |_| {
            let end = memchr::memchr(0, rest)?;
            let text = &rest[..end];
            rest = &rest[end + 1..];
            Some(text)
        })
    }

    /// Numbers of 32 bits (4).
    fn numbers(&self, tag: u32) -> impl Iterator<Item = u32> + use<'a> {
        let (data, count) = match self.entry(tag) {
            Some((4, data, count)) => (data, count),
            _ => (&[][..], 0),
        };
        data.chunks_exact(4).take(count).map(|raw| u32::from_be_bytes([raw[0], raw[1], raw[2], raw[3]]))
    }
}
