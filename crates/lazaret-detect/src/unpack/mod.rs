//! What is inside a program: what a packer hid, and files that were put into it.
//!
//! Nothing is run. What comes out is looked at like the member of an archive.

mod embedded;
mod nrv;
mod upx;

use lazaret_model::{EntryPath, FactKind, GapKind};

use crate::Subject;
use crate::analyzers::{elf_end, elf_packer, elf_room};

/// The name of what a packer hid, among the members of a file.
pub(crate) const UNPACKED: &str = "(unpacked)";

/// Raised when the same program would give other contents.
pub(crate) const VERSION: u32 = 1;

/// One content inside a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    /// Its name among the members.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// What came out of a program.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) inner: Vec<Inner>,
    /// What could not be opened: why, and one sentence.
    pub(crate) gaps: Vec<(GapKind, String)>,
    pub(crate) facts: Vec<FactKind>,
}

/// What is inside a program: what a packer hid, other programs in it, data after its end. Each content
/// has a name and at most `most` bytes.
pub fn open_program(bytes: &[u8], most: usize) -> Vec<(String, Vec<u8>)> {
    let path = EntryPath::default();
    let subject =
        Subject { path: &path, inside: &[], mode: 0o755, size: bytes.len() as u64, bytes, offset: 0 };
    let packer = elf_packer(&subject).flatten();
    let opened = open(&subject, packer.as_deref(), most);
    opened.inner.into_iter().map(|inner| (inner.name, inner.bytes)).collect()
}

/// Opens a program, of whose contents each is at most `most` bytes.
pub(crate) fn open(subject: &Subject<'_>, packer: Option<&str>, most: usize) -> Opened {
    let mut out = Opened::default();
    match packer {
        Some(name) if name.starts_with("upx") => unpack(subject, name, most, &mut out),
        Some("packed") => {
            // A packer that changed every mark of UPX may still be UPX.
            if upx::first_block(subject.bytes).is_some() {
                unpack(subject, "packed", most, &mut out);
            } else if elf_room(subject.bytes) >= subject.size {
                // Dense bytes alone may be data. What asks for memory of at least its own size besides
                // unpacks itself into it.
                let what = "the program is packed in a way that is not read; what it does is not known";
                out.gaps.push((GapKind::Unsupported, what.to_owned()));
            }
        }
        _ => {}
    }
    let end = elf_end(subject.bytes).unwrap_or(subject.bytes.len());
    embedded::find(subject.bytes, end, most, &mut out);
    out
}

fn unpack(subject: &Subject<'_>, packer: &str, most: usize, out: &mut Opened) {
    let unpacked = upx::unpack(subject.bytes, most);
    if !unpacked.bytes.is_empty() {
        let (packer, size) = (packer.to_owned(), unpacked.bytes.len() as u64);
        out.facts.push(FactKind::Unpacked { packer, method: unpacked.method.to_owned(), size });
        out.inner.push(Inner { name: UNPACKED.to_owned(), bytes: unpacked.bytes });
    }
    if let Some(what) = unpacked.fault {
        out.gaps.push((GapKind::Unsupported, format!("the program is packed with UPX, and {what}")));
    }
}

#[cfg(test)]
mod tests;
