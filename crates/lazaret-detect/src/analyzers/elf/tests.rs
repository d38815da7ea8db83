#![allow(clippy::unwrap_used)]

use lazaret_model::EntryPath;

use super::*;

type Change<'a> = &'a dyn Fn(&mut Vec<u8>);

/// One segment of a made file.
struct Segment {
    kind: u32,
    flags: u32,
    data: Vec<u8>,
    address: u64,
}

/// A file with these segments one after another, no sections, entry at the first byte of the first.
fn build(kind: u16, segments: &[Segment]) -> Vec<u8> {
    let headers = 64 + 56 * segments.len();
    let mut out = vec![0u8; headers];
    out[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    out[16..18].copy_from_slice(&kind.to_le_bytes());
    out[18..20].copy_from_slice(&62u16.to_le_bytes());
    out[20] = 1;
    out[24..32].copy_from_slice(&segments.first().map_or(0, |segment| segment.address).to_le_bytes());
    out[32..40].copy_from_slice(&64u64.to_le_bytes());
    out[52..54].copy_from_slice(&64u16.to_le_bytes());
    out[54..56].copy_from_slice(&56u16.to_le_bytes());
    out[56..58].copy_from_slice(&(segments.len() as u16).to_le_bytes());
    for (index, segment) in segments.iter().enumerate() {
        let offset = out.len() as u64;
        let length = segment.data.len() as u64;
        let mut raw = Vec::new();
        raw.extend(segment.kind.to_le_bytes());
        raw.extend(segment.flags.to_le_bytes());
        for value in [offset, segment.address, segment.address, length, length, 1] {
            raw.extend(value.to_le_bytes());
        }
        out[64 + 56 * index..][..56].copy_from_slice(&raw);
        out.extend(&segment.data);
    }
    out
}

fn code(data: Vec<u8>) -> Segment {
    Segment { kind: 1, flags: 5, data, address: 0x10_000 }
}

/// What machine code looks like to an entropy meter.
fn plain_code() -> Vec<u8> {
    (0..20_000u32).map(|i| (i % 41) as u8).collect()
}

/// What packed code looks like.
fn dense_code() -> Vec<u8> {
    let mut state = 1u64;
    (0..20_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

/// A shared object whose dynamic symbols are these functions.
fn library(names: &[&str]) -> Vec<u8> {
    let base = 0x20_000u64;
    let mut strings = vec![0u8];
    let mut symbols = vec![0u8; 24];
    for name in names {
        symbols.extend((strings.len() as u32).to_le_bytes());
        symbols.extend([0x12, 0, 1, 0]);
        symbols.extend(0x10_000u64.to_le_bytes());
        symbols.extend(8u64.to_le_bytes());
        strings.extend(name.as_bytes());
        strings.push(0);
    }
    let needed = strings.len() as u64;
    strings.extend(b"libdl.so.2\0");
    let tables = [&symbols[..], &strings].concat();
    let dynamic: Vec<u8> = [(1, needed), (6, base), (5, base + symbols.len() as u64), (0, 0)]
        .iter()
        .flat_map(|&(tag, value): &(u64, u64)| [tag.to_le_bytes(), value.to_le_bytes()].concat())
        .collect();
    build(
        3,
        &[
            code(plain_code()),
            Segment { kind: 1, flags: 4, data: tables, address: base },
            Segment { kind: 2, flags: 4, data: dynamic, address: 0x90_000 },
        ],
    )
}

fn facts(bytes: &[u8]) -> Vec<FactKind> {
    let path = EntryPath::from("a");
    let subject =
        Subject { path: &path, inside: &[], mode: 0o755, size: bytes.len() as u64, bytes, offset: 0 };
    let mut facts = Vec::new();
    if Elf.wants(&subject) {
        Elf.analyze(&subject, &mut facts).unwrap();
    }
    facts.into_iter().map(|fact| fact.kind).collect()
}

/// The fields that a test looks at: executable, packer, damaged sections, hooks.
fn seen(bytes: &[u8]) -> (bool, Option<String>, bool, Vec<String>) {
    match facts(bytes).pop().unwrap() {
        FactKind::Elf { executable, packer, damaged_sections, hooks, .. } => {
            (executable, packer, damaged_sections, hooks)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_real_program_is_read() {
    let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let [
        FactKind::Elf {
            bits, executable, interpreter, needed, packer, damaged_sections, entropy, hooks, ..
        },
    ] = &facts(&bytes)[..]
    else {
        panic!("no fact");
    };
    assert!(*executable && !damaged_sections);
    assert_eq!((packer, hooks), (&None, &vec![]));
    assert_eq!(*bits, 64);
    assert!(interpreter.as_deref().is_some_and(|path| path.contains("ld-")));
    assert!(needed.iter().any(|name| name.starts_with("libc.")), "{needed:?}");
    assert!((400..PACKED_IS_ABOVE).contains(entropy), "{entropy}");
}

const PACKED_IS_ABOVE: u16 = 720;

#[test]
fn garbage_that_the_kernel_ignores_hides_nothing() {
    let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let FactKind::Elf { interpreter: real, needed: libraries, .. } = facts(&whole).pop().unwrap() else {
        panic!()
    };
    let section_table = |bytes: &mut Vec<u8>| bytes[40..48].copy_from_slice(&u64::MAX.to_le_bytes());
    let class = |bytes: &mut Vec<u8>| bytes[4..8].fill(0xff);
    let narrow = |bytes: &mut Vec<u8>| bytes[4..6].copy_from_slice(&[1, 2]);
    let entry_size = |bytes: &mut Vec<u8>| bytes[58..60].copy_from_slice(&3u16.to_le_bytes());
    let changes: [(Change<'_>, bool); 4] =
        [(&section_table, true), (&class, false), (&narrow, false), (&entry_size, true)];
    for (index, (change, breaks_sections)) in changes.into_iter().enumerate() {
        let mut bytes = whole.clone();
        change(&mut bytes);
        let FactKind::Elf { executable, interpreter, needed, damaged_sections, .. } =
            facts(&bytes).pop().unwrap()
        else {
            panic!()
        };
        assert!(executable, "{index}");
        assert_eq!((interpreter, needed), (real.clone(), libraries.clone()), "{index}");
        assert_eq!(damaged_sections, breaks_sections, "{index}");
    }
}

#[test]
fn the_machine_decides_when_the_class_lies_and_the_other_layout_seems_to_fit() {
    let mut bytes = build(2, &[code(plain_code())]);
    bytes[4] = 1;
    // Where a 32-bit header has the size of a program header.
    bytes[42..44].copy_from_slice(&32u16.to_le_bytes());
    assert!(matches!(facts(&bytes)[..], [FactKind::Elf { bits: 64, executable: true, .. }]));
}

#[test]
fn a_window_of_a_large_file_is_not_called_damaged() {
    let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let path = EntryPath::from("a");
    let window = &bytes[..bytes.len() / 2];
    let subject =
        Subject { path: &path, inside: &[], mode: 0, size: bytes.len() as u64, bytes: window, offset: 0 };
    let mut facts = Vec::new();
    Elf.analyze(&subject, &mut facts).unwrap();
    assert!(matches!(facts[0].kind, FactKind::Elf { executable: true, damaged_sections: false, .. }));
}

#[test]
fn upx_is_known_by_its_magic_and_without_it() {
    let mut info = vec![0u8; 36];
    info[4..8].copy_from_slice(b"UPX!");
    info[10..12].copy_from_slice(&[14, 22]);
    info[16..20].copy_from_slice(&90_000u32.to_le_bytes());
    info[20..24].copy_from_slice(&90_000u32.to_le_bytes());
    info[24..28].copy_from_slice(&680u32.to_le_bytes());
    info[28..32].copy_from_slice(&300u32.to_le_bytes());
    info[32] = 14;
    let packed = [info, dense_code()].concat();
    let file = build(2, &[code(packed.clone())]);
    assert_eq!(seen(&file), (true, Some("upx".into()), false, vec![]));
    let mut renamed = file.clone();
    let at = memchr::memmem::find(&renamed, b"UPX!").unwrap();
    renamed[at..at + 4].copy_from_slice(b"YTS!");
    assert_eq!(seen(&renamed).1.as_deref(), Some("upx (damaged header)"));
    // The sizes wiped too.
    renamed[at + 12..at + 20].fill(0);
    assert_eq!(seen(&renamed).1.as_deref(), Some("upx (damaged header)"));
    // The pack header at the end is forgotten by who renames the first.
    let mut tail = build(2, &[code(plain_code())]);
    tail.extend(b"UPX!\x0e\x16\x0e\x0a0123456789abcdef0123456789ab");
    assert_eq!(seen(&tail).1.as_deref(), Some("upx (damaged header)"));
}

#[test]
fn dense_code_without_sections_is_packed_and_plain_code_is_not() {
    assert_eq!(seen(&build(2, &[code(dense_code())])).1.as_deref(), Some("packed"));
    assert_eq!(seen(&build(2, &[code(plain_code())])).1, None);
    // A program that merely knows the magic.
    let knows = [plain_code(), b"UPX!".to_vec(), plain_code()].concat();
    assert_eq!(seen(&build(2, &[code(knows)])).1, None);
}

#[test]
fn a_library_that_replaces_functions_of_the_c_library_is_told_from_one_that_does_not() {
    assert_eq!(
        seen(&library(&["readdir", "own", "readdir64"])),
        (false, None, false, vec!["readdir".into(), "readdir64".into()])
    );
    assert_eq!(seen(&library(&["readdir_own", "inflate"])).3, Vec::<String>::new());
    let c = ["__libc_start_main", "printf", "strtok", "qsort", "getenv", "memcpy", "readdir"];
    assert_eq!(seen(&library(&c)).3, Vec::<String>::new());
    let [FactKind::Elf { needed, .. }] = &facts(&library(&["x"]))[..] else { panic!() };
    assert_eq!(needed, &["libdl.so.2"]);
}

#[test]
fn the_list_of_hooks_can_be_searched() {
    assert!(HOOKS.is_sorted());
}

#[test]
fn what_is_no_elf_file_gives_no_fact() {
    assert_eq!(facts(b"\x7fELF"), []);
    assert_eq!(facts(b"#!/bin/sh"), []);
    assert_eq!(facts(b""), []);
}

/// `file` with a section table: an empty section, then one for each (name, offset, size); section
/// number `names` holds the names.
fn with_sections(mut file: Vec<u8>, sections: &[(u32, u64, u64)], names: u16) -> Vec<u8> {
    let table = file.len() as u64;
    file[40..48].copy_from_slice(&table.to_le_bytes());
    file[58..60].copy_from_slice(&64u16.to_le_bytes());
    file[60..62].copy_from_slice(&(sections.len() as u16 + 1).to_le_bytes());
    file[62..64].copy_from_slice(&names.to_le_bytes());
    file.extend([0u8; 64]);
    for &(name, offset, size) in sections {
        let mut section = [0u8; 64];
        section[..4].copy_from_slice(&name.to_le_bytes());
        section[4] = 1;
        section[24..32].copy_from_slice(&offset.to_le_bytes());
        section[32..40].copy_from_slice(&size.to_le_bytes());
        file.extend(section);
    }
    file
}

#[test]
fn a_loader_in_go_is_known_by_the_names_it_keeps_and_not_by_text() {
    let functions = b"main.runFromMemory\0main.aesDec\0";
    let mut file = build(2, &[code(plain_code())]);
    let at = file.len() as u64;
    file.extend(functions);
    let names_at = file.len() as u64;
    file.extend(b".gopclntab\0.rodata\0");
    let size = functions.len() as u64;
    let table = |name: u32| with_sections(file.clone(), &[(name, at, size), (18, names_at, 19)], 2);
    assert_eq!(seen(&table(0)).1.as_deref(), Some("ezuri"));
    assert_eq!(seen(&table(11)).1, None);
}

#[test]
fn a_name_table_without_an_end_costs_no_time() {
    let mut file = build(2, &[code(plain_code())]);
    let names_at = file.len() as u64;
    file.extend(vec![b'x'; 8 << 20]);
    let file = with_sections(file, &[(0, names_at, 8 << 20); 60_000], 1);
    let started = std::time::Instant::now();
    assert!(seen(&file).0);
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn entropy_is_that_of_the_bytes() {
    assert_eq!(packer::entropy(&[]), 0);
    assert_eq!(packer::entropy(&[7; 1000]), 0);
    assert_eq!(packer::entropy(&(0..=255).collect::<Vec<u8>>()), 800);
    assert_eq!(packer::entropy(&[1, 2].repeat(500_000)), 100);
}

/// Random changes in headers and tables of a small file: every field gets extreme values.
#[test]
fn damaged_files_never_panic() {
    let bases = [library(&["readdir", "a", "b"]), build(2, &[code(plain_code()[..600].to_vec())])];
    let mut state = 3u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for round in 0..20_000 {
        let mut bytes = bases[round % 2].clone();
        for _ in 0..1 + next() % 6 {
            let tables = bytes.len().min(260);
            let at = if next() % 2 == 0 { next() % tables } else { bytes.len() - 1 - next() % tables };
            let value = [0, 1, 0x7f, 0x80, 0xff, next() as u8][next() % 6];
            let run = (1 + next() % 8).min(bytes.len() - at);
            bytes[at..at + run].fill(value);
        }
        if next() % 4 == 0 {
            bytes.truncate(next() % bytes.len());
        }
        facts(&bytes);
    }
}
