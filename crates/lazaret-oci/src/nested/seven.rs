//! 7z archives.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lazaret_model::GapKind;
use sevenz_rust2::{ArchiveReader, Error, Password};

use super::content::Direct;
use super::{ArchiveFormat, Contents, Walk};

/// Largest dictionary that a block may ask for.
const MEMORY_MOST: u64 = 96 << 20;

pub(super) fn walk(walk: &mut Walk<'_>, bytes: &[u8]) {
    let depth = walk.inside.len();
    let mut members = 0;
    // The parser is not ours; should it panic on hostile input, the archive is damaged, no more.
    let result = catch_unwind(AssertUnwindSafe(|| run(walk, bytes, &mut members)));
    walk.inside.truncate(depth);
    match result {
        Ok(Ok(())) => {}
        Ok(Err(Error::PasswordRequired | Error::MaybeBadPassword(_))) => {
            walk.gap(GapKind::Encrypted, "the 7z archive is encrypted");
        }
        Ok(Err(Error::UnsupportedCompressionMethod(method))) if method.starts_with("AES") => {
            walk.gap(GapKind::Encrypted, "the 7z archive is encrypted");
        }
        Ok(Err(Error::UnsupportedCompressionMethod(method))) => {
            let method = lazaret_model::one_line(&method, 60);
            walk.gap(GapKind::Unsupported, format!("the 7z archive uses the method {method}"));
        }
        Ok(Err(Error::Io(error, _))) => {
            walk.gap(GapKind::Damaged, format!("the 7z archive is damaged: {error}"))
        }
        Ok(Err(error)) => {
            let error = lazaret_model::one_line(&error.to_string(), 200);
            walk.gap(GapKind::Damaged, format!("the 7z archive is damaged: {error}"));
        }
        Err(_) => walk.gap(GapKind::Damaged, "the 7z archive is damaged beyond what its reader can stand"),
    }
    walk.finished(ArchiveFormat::SevenZip, members);
}

fn run(walk: &mut Walk<'_>, bytes: &[u8], members: &mut u64) -> Result<(), Error> {
    let mut reader = ArchiveReader::new(Cursor::new(bytes), Password::empty())?;
    reader.set_thread_count(1);
    for coder in reader.archive().blocks.iter().flat_map(|block| &block.coders) {
        if dictionary(coder.encoder_method_id(), coder.properties()) > MEMORY_MOST {
            return Err(Error::Other("it asks for too much memory".into()));
        }
    }
    reader.for_each_entries(|entry, content| {
        if walk.stopped || !walk.enter() {
            return Ok(false);
        }
        if entry.is_directory() || !entry.has_stream() {
            return Ok(true);
        }
        *members += 1;
        walk.inside.push(entry.name().to_owned());
        // p7zip puts the Unix mode above bit 16 and says so in bit 15.
        let attributes = entry.windows_attributes();
        let mode = if attributes & 0x8000 != 0 { attributes >> 16 & 0o7777 } else { 0 };
        let mut stream = Direct::new(content);
        walk.content(&mut stream, mode, None);
        if let Some(fault) = stream.fault() {
            walk.gap(GapKind::Damaged, fault);
        }
        walk.inside.pop();
        Ok(!walk.stopped)
    })
}

/// The dictionary size in a coder's properties: LZMA 0x030101, LZMA2 0x21 (7-Zip, Methods.txt).
fn dictionary(method: &[u8], properties: &[u8]) -> u64 {
    match (method, properties) {
        ([3, 1, 1], [_, a, b, c, d, ..]) => u32::from_le_bytes([*a, *b, *c, *d]).into(),
        ([0x21], [bits, ..]) if *bits < 40 => u64::from(2 | (bits & 1)) << (bits / 2 + 11),
        ([0x21], _) => u64::MAX,
        _ => 0,
    }
}
