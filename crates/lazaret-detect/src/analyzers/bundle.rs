//! Programs of a script language that were packed into one executable, and what is in them.

use lazaret_model::{Fact, FactKind};

use crate::{Analyzer, Subject};

/// Recognises the packers' own marks: PyInstaller, Nuitka, shc, pkg, nexe, Node's single
/// executables, Deno and Bun. Of PyInstaller's archive the names inside are listed.
pub(crate) struct Bundle;

/// The packer, a mark that it leaves, and how far from the end that stands at most (0: anywhere).
const MARKS: &[(&str, &[u8], usize)] = &[
    ("nuitka", b"NUITKA_ONEFILE_PARENT", 0),
    ("nuitka", b"NUITKA_PACKAGE_HOME", 0),
    ("pkg", b"pkg/prelude/bootstrap.js", 0),
    ("nexe", b"<nexe~~sentinel>", 64),
    ("node", b"NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:1", 0),
    ("deno", b"d3n0l4nd", 4096),
    ("bun", b"\n---- Bun! ----\n", 4096),
    ("shc", b"E: neither argv[0] nor $_ works.", 0),
];

/// PyInstaller's cookie (`PyInstaller/loader/pyimod`, `bootloader/src/pyi_archive.h`).
const COOKIE: &[u8] = b"MEI\x0c\x0b\x0a\x0b\x0e";
/// Names that are listed.
const MOST_NAMES: usize = 2000;
/// Bytes of one name.
const LONGEST_NAME: usize = 256;

impl Analyzer for Bundle {
    fn name(&self) -> &'static str {
        "bundle"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, subject: &Subject<'_>) -> bool {
        // The marks of a large file may stand in a window behind the first.
        subject.mode & 0o111 != 0
            && subject.size > 4096
            && (subject.offset > 0 || subject.bytes.starts_with(b"\x7fELF"))
    }

    fn analyze(&self, subject: &Subject<'_>, facts: &mut Vec<Fact>) -> Result<(), String> {
        let bytes = subject.bytes;
        let ends = subject.offset + bytes.len() as u64 == subject.size;
        let mut state = |packer: &str, entries: Vec<String>| {
            facts.push(subject.fact(FactKind::Bundle { packer: packer.to_owned(), entries }));
        };
        if ends && let Some(at) = memchr::memmem::rfind(&bytes[bytes.len().saturating_sub(1 << 16)..], COOKIE)
        {
            let at = at + bytes.len().saturating_sub(1 << 16);
            state("pyinstaller", pyinstaller(bytes, at).unwrap_or_default());
            return Ok(());
        }
        for (packer, mark, within) in MARKS {
            let part = match *within {
                0 => bytes,
                _ if !ends => continue,
                within => &bytes[bytes.len().saturating_sub(within)..],
            };
            if memchr::memmem::find(part, mark).is_some() {
                state(packer, Vec::new());
                break;
            }
        }
        Ok(())
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_be_bytes(*four)).ok()
}

/// Names in the table of contents, and those of the modules in its PYZ archive.
fn pyinstaller(bytes: &[u8], cookie: usize) -> Option<Vec<String>> {
    let length = number(bytes, cookie + 8)?;
    let table = number(bytes, cookie + 12)?;
    let table_length = number(bytes, cookie + 16)?;
    // The cookie closes the package: 24 bytes in the oldest versions, 88 since.
    let start = [88, 24].iter().find_map(|size| {
        let start = (cookie + size).checked_sub(length)?;
        let first = number(bytes, start.checked_add(table)?)?;
        (18..4096).contains(&first).then_some(start)
    })?;
    let table = bytes.get(start.checked_add(table)?..)?.get(..table_length)?;
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(size) = number(table, at).filter(|size| (18..4096).contains(size)) {
        let Some(entry) = table.get(at..at + size) else { break };
        at += size;
        let name = entry[18..].split(|b| *b == 0).next().unwrap_or_default();
        if entry[17] == b'z'
            && let Some(offset) = number(entry, 4)
            && let Some(pyz) = start.checked_add(offset).and_then(|from| bytes.get(from..))
        {
            modules(pyz, &mut names);
        }
        add(&mut names, name);
    }
    Some(names)
}

/// The names in a PYZ archive: its table is a marshalled list whose short texts are they.
fn modules(pyz: &[u8], names: &mut Vec<String>) -> Option<()> {
    pyz.starts_with(b"PYZ\0").then_some(())?;
    let mut at = number(pyz, 8)?;
    while names.len() < MOST_NAMES {
        let kind = *pyz.get(at)? & 0x7f;
        at += 1;
        // `z` and `Z`: ASCII of a length in one byte (`Python/marshal.c`).
        if matches!(kind, b'z' | b'Z') {
            let length = usize::from(*pyz.get(at)?);
            add(names, pyz.get(at + 1..at + 1 + length)?);
            at += 1 + length;
        } else if matches!(kind, b'i' | b'r' | b'[') {
            at += 4;
        }
    }
    Some(())
}

fn add(names: &mut Vec<String>, name: &[u8]) {
    let plain = !name.is_empty() && name.len() <= LONGEST_NAME && name.iter().all(|b| b.is_ascii_graphic());
    if plain && names.len() < MOST_NAMES {
        names.push(String::from_utf8_lossy(name).into_owned());
    }
}

#[cfg(test)]
mod tests {
    use lazaret_model::EntryPath;

    use super::*;

    fn facts(bytes: &[u8]) -> Vec<FactKind> {
        let path = EntryPath::from("app");
        let subject =
            Subject { path: &path, inside: &[], mode: 0o755, size: bytes.len() as u64, bytes, offset: 0 };
        let mut facts = Vec::new();
        if Bundle.wants(&subject) {
            Bundle.analyze(&subject, &mut facts).unwrap();
        }
        facts.into_iter().map(|f| f.kind).collect()
    }

    fn entry(offset: u32, kind: u8, name: &str) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend((18 + name.len() as u32 + 1).to_be_bytes());
        out.extend(offset.to_be_bytes());
        out.extend([0; 8]);
        out.extend([0, kind]);
        out.extend(name.as_bytes());
        out.push(0);
        out
    }

    fn package() -> Vec<u8> {
        let mut pyz = b"PYZ\0\x01\x02\x03\x04".to_vec();
        pyz.extend(12u32.to_be_bytes());
        pyz.extend(b"[\x01\0\0\0)\x03");
        pyz.extend(b"\xfa\x06worker");
        pyz.extend(b"i\0\0\0\0");
        let mut whole = b"\x7fELF".to_vec();
        whole.resize(8192, 1);
        let start = whole.len();
        whole.extend(&pyz);
        let table_at = whole.len() - start;
        let table = [entry(0, b'z', "PYZ-00.pyz"), entry(0, b's', "main")].concat();
        whole.extend(&table);
        let length = whole.len() - start + 88;
        whole.extend(COOKIE);
        whole.extend((length as u32).to_be_bytes());
        whole.extend((table_at as u32).to_be_bytes());
        whole.extend((table.len() as u32).to_be_bytes());
        whole.extend(311u32.to_be_bytes());
        whole.extend([0; 64]);
        whole
    }

    #[test]
    fn what_is_in_a_pyinstaller_program_is_listed() {
        let FactKind::Bundle { packer, entries } = facts(&package()).remove(0) else { panic!("no bundle") };
        assert_eq!(packer, "pyinstaller");
        assert_eq!(entries, ["worker", "PYZ-00.pyz", "main"]);
    }

    #[test]
    fn other_packers_are_recognised_by_their_marks() {
        for (packer, mark, _) in MARKS {
            let mut bytes = b"\x7fELF".to_vec();
            bytes.resize(8192, 1);
            bytes.extend_from_slice(mark);
            assert_eq!(
                facts(&bytes),
                [FactKind::Bundle { packer: (*packer).to_owned(), entries: Vec::new() }]
            );
        }
        let mut plain = b"\x7fELF".to_vec();
        plain.resize(8192, 1);
        assert!(facts(&plain).is_empty());
    }

    #[test]
    fn a_table_that_lies_is_read_as_far_as_it_goes() {
        let whole = package();
        for at in 8192..whole.len() {
            for byte in [0, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                facts(&bytes);
                facts(&bytes[..at]);
            }
        }
    }
}
