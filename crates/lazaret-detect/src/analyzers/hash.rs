//! SHA-256 of what people will ask about.

use lazaret_model::{Digest, Fact, FactKind, TextKind};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;

use super::text::is_script;
use crate::{Analyzer, Subject};

/// States the SHA-256 of contents that an abuse desk or another image may be asked about:
/// executables by mode bit, ELF programs, scripts, crontabs and units, and whatever carries an
/// indicator or a byte match.
///
/// Data, and libraries in the directories where packages put theirs, are not hashed unless something
/// was seen in them. Hashing everything costs as much as the digest of the whole layer, and identity is already kept as the content id.
/// A content read in windows is never whole in memory and has no hash here.
///
/// Programs and libraries have the digests of package databases besides: which of them is worth its
/// cost is told by the C library, since the databases of Debian hold MD5, those of Alpine, whose C
/// library is musl, SHA-1.
pub(crate) struct Hash;

/// The C library that a program was linked with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Libc {
    Gnu,
    Musl,
    /// None is needed.
    Any,
}

impl Libc {
    fn of(musl: bool) -> Self {
        if musl { Self::Musl } else { Self::Gnu }
    }
}

impl Analyzer for Hash {
    fn name(&self) -> &'static str {
        "hash"
    }

    fn version(&self) -> u32 {
        4
    }

    fn wants(&self, subject: &Subject<'_>) -> bool {
        subject.is_whole() && !subject.bytes.is_empty()
    }

    fn analyze(&self, subject: &Subject<'_>, facts: &mut Vec<Fact>) -> Result<(), String> {
        let mut library = false;
        let mut worth = false;
        let mut elf = None;
        for fact in facts.iter() {
            match &fact.kind {
                FactKind::Elf { executable, packer, hooks, interpreter, needed, .. } => {
                    if fact.inside == subject.inside {
                        let musl = |name: &String| name.contains("musl");
                        elf = Some(match interpreter {
                            Some(interpreter) => Libc::of(musl(interpreter)),
                            None if needed.is_empty() => Libc::Any,
                            None => Libc::of(needed.iter().any(musl)),
                        });
                    }
                    worth |= *executable || packer.is_some() || !hooks.is_empty();
                    library |= !*executable;
                }
                FactKind::Text { kind, shebang } => {
                    worth |= shebang.is_some()
                        || is_script(*kind)
                            && subject.inside.is_empty()
                            && !super::text::is_bulk(subject.path)
                        || matches!(kind, TextKind::Crontab | TextKind::SystemdUnit);
                }
                FactKind::Indicator(_)
                | FactKind::ByteMatch { .. }
                | FactKind::MinerConfig { .. }
                | FactKind::Bundle { .. }
                | FactKind::ArchiveOddity { .. } => worth = true,
                FactKind::Sha256(_) => return Ok(()),
                _ => {}
            }
        }
        let brought = library && subject.inside.is_empty() && is_brought_library(subject);
        let worth = worth || subject.mode & 0o111 != 0 && !library || brought;
        // What is text is kept where it could act, and its digests are made where they are asked for.
        let watched = !library || is_watched(subject);
        let checked = subject.inside.is_empty() && subject.bytes.len() <= LARGEST_CHECKED && watched;
        if let Some(libc) = elf.filter(|_| checked) {
            let md5 = (libc != Libc::Musl).then(|| Md5::digest(subject.bytes).into());
            let sha1 = (libc != Libc::Gnu).then(|| Sha1::digest(subject.bytes).into());
            facts.push(subject.fact(FactKind::PackageDigests { md5, sha1 }));
        }
        if worth && is_unlikely_packaged(subject, facts) {
            facts.extend(fuzzy(subject.bytes).map(|tlsh| subject.fact(FactKind::FuzzyHash { tlsh })));
        }
        if worth {
            let digest: [u8; 32] = Sha256::digest(subject.bytes).into();
            facts.push(subject.fact(FactKind::Sha256(Digest::sha256(&digest))));
        }
        Ok(())
    }
}

/// The largest program whose digests of package databases are made: MD5 of everything would cost a tenth of
/// the whole scan. What is larger, and libraries, are judged by the layers.
const LARGEST_CHECKED: usize = 4 << 20;

/// Libraries that everything loads or that see passwords, and that were changed by intruders before.
fn is_watched(subject: &Subject<'_>) -> bool {
    const NAMES: [&[u8]; 9] = [
        b"libc.so",
        b"libc-",
        b"ld-",
        b"libpam",
        b"liblzma",
        b"libcrypto",
        b"libnss_",
        b"libselinux",
        b"pam_",
    ];
    NAMES.iter().any(|name| subject.path.file_name().starts_with(name))
}

/// Whether a library lies where neither a distribution nor a language's packages put theirs: then the
/// image's maker did, and others of the maker may hold it too.
fn is_brought_library(subject: &Subject<'_>) -> bool {
    subject.bytes.len() <= LARGEST_FUZZY && !is_of_system(subject) && !super::text::is_bulk(subject.path)
}

/// Directories into which distributions put their files.
fn is_of_system(subject: &Subject<'_>) -> bool {
    let raw = subject.path.as_bytes();
    let dirs: [&[u8]; 6] = [b"usr/", b"bin/", b"sbin/", b"lib/", b"lib64/", b"etc/"];
    dirs.iter().any(|dir| raw.starts_with(dir)) && !raw.starts_with(b"usr/local/")
}

/// The largest content of which a fuzzy hash is made though nothing was seen in it.
const LARGEST_FUZZY: usize = 8 << 20;

/// Whether a program or script is worth a fuzzy hash. It costs ten times what SHA-256 does, so what a
/// package most likely brought is left out. Who owns a file is known only once all layers were read;
/// here its place and its look must do: packages put programs into the directories of the system, and
/// those are linked with libraries, have their names stripped and are not packed. What a byte rule
/// matched or an indicator stands in always has one.
fn is_unlikely_packaged(subject: &Subject<'_>, facts: &[Fact]) -> bool {
    let mut program = false;
    let mut plain = true;
    for fact in facts.iter().filter(|fact| fact.inside == subject.inside) {
        match &fact.kind {
            FactKind::ByteMatch { .. } | FactKind::Indicator(_) | FactKind::MinerConfig { .. } => {
                return true;
            }
            FactKind::Elf { executable, needed, stripped, packer, damaged_sections, hooks, .. } => {
                program |= *executable || !hooks.is_empty();
                plain &= !needed.is_empty() && *stripped && packer.is_none() && !damaged_sections;
            }
            FactKind::Text { kind, shebang } => program |= shebang.is_some() && is_script(*kind),
            _ => {}
        }
    }
    program && subject.bytes.len() <= LARGEST_FUZZY && !(is_of_system(subject) && plain)
}

/// TLSH in its standard form; None for what is too short or too even.
fn fuzzy(bytes: &[u8]) -> Option<String> {
    let hash = tlsh2::TlshDefaultBuilder::build_from(bytes)?.hash();
    String::from_utf8(hash.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lazaret_model::{EntryPath, Indicator, IndicatorKind};

    use super::*;

    fn hashed(mode: u32, kind: Option<FactKind>) -> bool {
        hashed_at("usr/lib/a", mode, kind)
    }

    fn hashed_at(path: &str, mode: u32, kind: Option<FactKind>) -> bool {
        let path = EntryPath::from(path);
        let subject = Subject { path: &path, inside: &[], mode, size: 3, bytes: b"abc", offset: 0 };
        let mut facts: Vec<Fact> = kind.into_iter().map(|kind| subject.fact(kind)).collect();
        Hash.analyze(&subject, &mut facts).unwrap();
        facts.iter().any(|fact| {
            fact.kind
                == FactKind::Sha256(
                    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
                        .parse()
                        .unwrap(),
                )
        })
    }

    fn elf(executable: bool) -> FactKind {
        FactKind::Elf {
            bits: 64,
            machine: "x86_64".into(),
            executable,
            interpreter: None,
            needed: vec![],
            stripped: true,
            packer: None,
            damaged_sections: false,
            entropy: 600,
            hooks: vec![],
        }
    }

    #[test]
    fn programs_scripts_and_evidence_are_hashed_and_the_rest_is_not() {
        assert!(hashed(0o755, None));
        assert!(hashed(0o644, Some(elf(true))));
        assert!(hashed(
            0o644,
            Some(FactKind::Text { kind: TextKind::Shell, shebang: Some("/bin/sh".into()) })
        ));
        assert!(hashed(0o644, Some(FactKind::Indicator(Indicator::new(IndicatorKind::Wallet, "xmr:4")))));
        assert!(!hashed(0o644, None));
        assert!(!hashed(0o755, Some(elf(false))));
        assert!(!hashed(0o644, Some(FactKind::Text { kind: TextKind::Json, shebang: None })));
    }

    #[test]
    fn a_library_is_hashed_where_no_package_puts_one() {
        assert!(hashed_at("opt/x/libc.so.1", 0o755, Some(elf(false))));
        assert!(hashed_at("usr/local/lib/hide.so", 0o644, Some(elf(false))));
        for path in ["lib/x86_64-linux-gnu/a.so", "opt/venv/lib/python3.12/site-packages/x.so"] {
            assert!(!hashed_at(path, 0o755, Some(elf(false))), "{path}");
        }
    }

    #[test]
    fn a_window_is_not_hashed() {
        let path = EntryPath::from("a");
        let subject = Subject { path: &path, inside: &[], mode: 0o755, size: 9, bytes: b"abc", offset: 0 };
        assert!(!Hash.wants(&subject));
    }
}
