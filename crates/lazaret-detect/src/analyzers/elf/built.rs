//! What compilers leave in a program about what it was built from.

use std::io::Read;

use lazaret_model::FactKind;
use memchr::memmem;
use object::Endianness;
use serde::Deserialize;

/// The mark of Go's build information (`debug/buildinfo`), which the linker puts on a multiple of 16.
const GO_MAGIC: &[u8] = b"\xff Go buildinf:";
/// What stands before and after the list of modules (`cmd/go/internal/modload`).
const GO_FRAME: usize = 16;
/// The longest list of modules that is read.
const LONGEST: usize = 1 << 20;
const MOST_MODULES: usize = 1_000;
const MOST_SETTINGS: usize = 100;
/// The largest list of crates, as `auditable-info` bounds it.
const LARGEST_AUDIT: u64 = 8 << 20;
const MOST_CRATES: usize = 2_000;

/// The build information of a Go program; `at` gives the bytes from a virtual address on.
pub(super) fn go<'a>(
    bytes: &'a [u8],
    at: &dyn Fn(u64) -> Option<&'a [u8]>,
    endian: Endianness,
) -> Option<FactKind> {
    let mut from = 0;
    loop {
        let start = from + memmem::find(bytes.get(from..)?, GO_MAGIC)?;
        from = start + GO_MAGIC.len();
        if start % 16 == 0
            && let Some(found) = go_at(&bytes[start..], at, endian)
        {
            return Some(found);
        }
    }
}

fn go_at<'a>(info: &'a [u8], at: &dyn Fn(u64) -> Option<&'a [u8]>, endian: Endianness) -> Option<FactKind> {
    let (&size, &flags) = (info.get(14)?, info.get(15)?);
    let (version, modules) = if flags & 2 != 0 {
        // Since Go 1.18 both stand here, each after its length.
        let (version, rest) = counted(info.get(32..)?)?;
        (version, counted(rest)?.0)
    } else {
        let big = flags & 1 != 0 || endian == Endianness::Big;
        let number = |raw: &[u8]| -> Option<u64> {
            let raw = raw.get(..usize::from(size)).filter(|_| size == 4 || size == 8)?;
            let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
            Some(if big { raw.iter().fold(0, fold) } else { raw.iter().rev().fold(0, fold) })
        };
        // The address of a string, which is an address and a length.
        let text = |field: usize| -> Option<&'a [u8]> {
            let header = at(number(info.get(field..)?)?)?;
            let length = usize::try_from(number(header.get(usize::from(size)..)?)?).ok()?;
            if length == 0 {
                return Some(&[]);
            }
            at(number(header)?)?.get(..length.min(LONGEST))
        };
        (text(16)?, text(16 + usize::from(size)).unwrap_or_default())
    };
    if !version.starts_with(b"go") && !version.starts_with(b"devel") {
        return None;
    }
    // Framed on both sides, so that it can be told from other strings.
    let framed = modules.len() > 2 * GO_FRAME && modules[modules.len() - GO_FRAME - 1] == b'\n';
    let list = if framed { &modules[GO_FRAME..modules.len() - GO_FRAME] } else { &[] };
    let (mut path, mut module) = (String::new(), (String::new(), String::new()));
    let (mut all, mut settings) = (Vec::new(), Vec::new());
    for line in String::from_utf8_lossy(list).lines() {
        let mut fields = line.split('\t');
        let kind = fields.next().unwrap_or_default();
        let (first, second) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let pair = || (first.to_owned(), second.to_owned());
        match kind {
            "path" => path = first.to_owned(),
            "mod" => module = pair(),
            // What replaces a module stands after it and is what was built.
            "=>" if all.is_empty() => {}
            "=>" => {
                if let Some(last) = all.last_mut() {
                    *last = pair();
                }
            }
            "dep" if all.len() < MOST_MODULES => all.push(pair()),
            "build" if settings.len() < MOST_SETTINGS => {
                let (name, value) = first.split_once('=').unwrap_or((first, ""));
                settings.push((name.to_owned(), value.trim_matches('"').chars().take(500).collect()));
            }
            _ => {}
        }
    }
    let go = String::from_utf8_lossy(&version[..version.len().min(100)]).into_owned();
    Some(FactKind::GoBuild { go, path, module, modules: all, settings })
}

/// A text after its length, and what follows.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut shift) = (0usize, 0u32);
    for (at, &byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            let rest = &bytes[at + 1..];
            return (length <= LONGEST).then(|| rest.split_at_checked(length)).flatten();
        }
    }
    None
}

#[derive(Deserialize)]
struct Audit {
    packages: Vec<AuditPackage>,
}

#[derive(Deserialize)]
struct AuditPackage {
    name: String,
    version: String,
    #[serde(default)]
    root: bool,
}

/// The list in the section `.dep-v0`: JSON, compressed with zlib.
pub(super) fn rust(section: &[u8]) -> Option<FactKind> {
    let mut text = Vec::new();
    flate2::read::ZlibDecoder::new(section).take(LARGEST_AUDIT).read_to_end(&mut text).ok()?;
    let mut packages = serde_json::from_slice::<Audit>(&text).ok()?.packages;
    packages.truncate(MOST_CRATES);
    packages.sort_by(|a, b| (b.root, &a.name, &a.version).cmp(&(a.root, &b.name, &b.version)));
    let crates = packages.into_iter().map(|package| (package.name, package.version)).collect();
    Some(FactKind::RustCrates { crates })
}

#[cfg(test)]
#[path = "built_tests.rs"]
mod tests;
