//! Archives inside a layer: zip, tar and gzip, written the same way every time.

use std::io::Write;

use flate2::{Compression, Crc, GzBuilder};

use crate::RecipeFile;

/// 1 January 1980, midnight: the earliest time that a zip can state.
const DOS_EPOCH: [u8; 4] = [0, 0, 0x21, 0];

/// A zip archive of the regular files, stored without compression (APPNOTE.TXT, 4.3).
pub(crate) fn zip(files: &[RecipeFile]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for file in files {
        let name = file.entry.path.as_bytes();
        let mut crc = Crc::new();
        crc.update(&file.bytes);
        let size = (file.bytes.len() as u32).to_le_bytes();
        let offset = out.len() as u32;

        // Version needed, flags, method (stored), time and date, checksum, sizes, name length.
        let mut shared = vec![20, 0, 0, 0, 0, 0];
        shared.extend(DOS_EPOCH);
        shared.extend(crc.sum().to_le_bytes());
        shared.extend(size);
        shared.extend(size);
        shared.extend((name.len() as u16).to_le_bytes());
        shared.extend([0, 0]);

        out.extend(b"PK\x03\x04");
        out.extend(&shared);
        out.extend(name);
        out.extend(&file.bytes);

        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&shared);
        // No comment, first disk, no internal attributes; the Unix mode in the upper half.
        directory.extend([0, 0, 0, 0, 0, 0]);
        directory.extend(((0o100000 | file.entry.mode) << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(name);
    }
    let at = (out.len() as u32).to_le_bytes();
    let count = (files.len() as u16).to_le_bytes();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count);
    out.extend(count);
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(at);
    out.extend([0, 0]);
    out
}

/// `bytes` as one gzip member without name or time (RFC 1952).
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(6));
    writer.write_all(bytes).and_then(|()| writer.finish()).expect("writing to memory does not fail")
}
