//! Archives inside layers.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use lazaret_model::{Budget, BudgetKind, GapKind};
use lazaret_oci::{ArchiveFormat, NestedBudget, NestedRead, sniff, walk, walk_stream};
use support::{Tar, bzip2, gzip, zstd};

type Seen = BTreeMap<String, Vec<u8>>;

fn gone_through(bytes: &[u8], budget: &Budget) -> (NestedRead, Seen) {
    let nested = NestedBudget::new(budget, None);
    let mut seen = Seen::new();
    let read = walk(bytes, sniff(bytes).unwrap(), &nested, &mut |member| {
        seen.entry(member.inside.join("!")).or_default().extend_from_slice(member.bytes);
    });
    (read, seen)
}

fn members(bytes: &[u8]) -> (NestedRead, Seen) {
    gone_through(bytes, &Budget::default())
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// A zip, member by member; a member can be left out of the directory.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Zip {
    fn member(mut self, name: &str, content: &[u8], method: u16, flags: u16, listed: bool) -> Self {
        let packed = if method == 8 { deflate(content) } else { content.to_vec() };
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let at = self.bytes.len() as u32;
        let mut common = Vec::new();
        for value in [20u16, flags, method, 0, 0] {
            common.extend_from_slice(&value.to_le_bytes());
        }
        for value in [crc.sum(), packed.len() as u32, content.len() as u32] {
            common.extend_from_slice(&value.to_le_bytes());
        }
        common.extend_from_slice(&(name.len() as u16).to_le_bytes());
        common.extend_from_slice(&0u16.to_le_bytes());
        self.bytes.extend_from_slice(b"PK\x03\x04");
        self.bytes.extend_from_slice(&common);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(&packed);
        if listed {
            self.count += 1;
            self.directory.extend_from_slice(b"PK\x01\x02\x14\x03");
            self.directory.extend_from_slice(&common);
            self.directory.extend_from_slice(&[0; 6]);
            self.directory.extend_from_slice(&(0o100_755u32 << 16).to_le_bytes());
            self.directory.extend_from_slice(&at.to_le_bytes());
            self.directory.extend_from_slice(name.as_bytes());
        }
        self
    }

    fn end(mut self) -> Vec<u8> {
        let (at, size) = (self.bytes.len() as u32, self.directory.len() as u32);
        self.bytes.append(&mut self.directory);
        self.bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend_from_slice(&self.count.to_le_bytes());
        self.bytes.extend_from_slice(&self.count.to_le_bytes());
        self.bytes.extend_from_slice(&size.to_le_bytes());
        self.bytes.extend_from_slice(&at.to_le_bytes());
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes
    }
}

fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    Zip::default().member(name, content, 8, 0, true).end()
}

#[test]
fn formats_are_told_by_content() {
    let tar = Tar::new().file("a", b"x").end();
    for (bytes, format) in [
        (tar.clone(), ArchiveFormat::Tar),
        (gzip(&tar), ArchiveFormat::Gzip),
        (zstd(&tar), ArchiveFormat::Zstd),
        (bzip2(&tar), ArchiveFormat::Bzip2),
        (zip("a", b"x"), ArchiveFormat::Zip),
        ([b"#!/bin/sh\nexec java -jar $0\n".to_vec(), zip("a", b"x")].concat(), ArchiveFormat::Zip),
        (b"!<arch>\n".to_vec(), ArchiveFormat::Ar),
        (b"070701".to_vec(), ArchiveFormat::Cpio),
        (b"7z\xbc\xaf\x27\x1c".to_vec(), ArchiveFormat::SevenZip),
    ] {
        assert_eq!(sniff(&bytes), Some(format));
    }
    assert_eq!(sniff(b"plain text"), None);
    assert_eq!(sniff(&[0; 2000]), None);
}

#[test]
fn archives_in_archives_are_followed_to_their_members() {
    let tar =
        Tar::new().file("lib/inner.jar", &zip("com/Payload.class", b"payload")).file("note", b"text").end();
    for outer in [gzip(&tar), zstd(&tar), bzip2(&tar)] {
        let (read, seen) = members(&outer);
        assert_eq!(seen["content!lib/inner.jar!com/Payload.class"], b"payload");
        assert_eq!(seen["content!note"], b"text");
        assert!(!seen.contains_key("content"), "a tar out of a stream is shown as its members only");
        assert!(read.gaps.is_empty());
        let formats: Vec<_> = read.archives.iter().map(|a| a.format.name()).collect();
        assert_eq!(formats.len(), 3, "{formats:?}");
    }
}

#[test]
fn the_same_is_seen_when_an_archive_goes_by() {
    let big: Vec<u8> = (0..900_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let tar = Tar::new()
        .file("big", &big)
        .file("inner.tar.gz", &gzip(&Tar::new().file("deep", b"found").end()))
        .end();
    let budget = Budget { whole_file: 1 << 20, ..Budget::default() };
    for outer in [tar.clone(), gzip(&tar), zstd(&tar)] {
        let nested = NestedBudget::new(&budget, None);
        let mut seen = Seen::new();
        let format = sniff(&outer).unwrap();
        let read = walk_stream(&outer[..], outer.len() as u64, format, &nested, &mut |member| {
            let all = seen.entry(member.inside.last().unwrap().clone()).or_default();
            all.truncate(member.offset as usize);
            all.extend_from_slice(member.bytes);
        });
        assert!(read.gaps.is_empty(), "{:?}", read.gaps);
        assert_eq!(seen["deep"], b"found");
        assert!(seen["big"] == big, "windows cover the whole of it");
    }
}

#[test]
fn a_debian_package_is_gone_through() {
    let data = gzip(&Tar::new().file("usr/bin/x", b"program").end());
    let mut deb = b"!<arch>\n".to_vec();
    for (name, content) in [("debian-binary", b"2.0\n".to_vec()), ("data.tar.gz/", data)] {
        deb.extend_from_slice(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).as_bytes(),
        );
        deb.extend_from_slice(&content);
        if content.len() % 2 == 1 {
            deb.push(b'\n');
        }
    }
    let (read, seen) = members(&deb);
    assert_eq!(seen["data.tar.gz!content!usr/bin/x"], b"program");
    assert_eq!(seen["debian-binary"], b"2.0\n");
    assert!(read.gaps.is_empty(), "{:?}", read.gaps);
}

#[test]
fn a_cpio_archive_is_gone_through() {
    let mut cpio = Vec::new();
    for (name, content) in [("init", b"#!/bin/sh\n".as_slice()), ("TRAILER!!!", b"")] {
        let fields = [1, 0o100_755, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
        cpio.extend_from_slice(b"070701");
        for field in fields {
            cpio.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        cpio.extend_from_slice(name.as_bytes());
        cpio.push(0);
        cpio.resize(cpio.len().next_multiple_of(4), 0);
        cpio.extend_from_slice(content);
        cpio.resize(cpio.len().next_multiple_of(4), 0);
    }
    let (read, seen) = members(&cpio);
    assert_eq!(seen["init"], b"#!/bin/sh\n");
    assert!(read.gaps.is_empty());
}

#[test]
fn a_zip_member_that_the_directory_hides_is_still_shown() {
    let hidden = Zip::default()
        .member("listed", b"one", 8, 0, true)
        .member("hidden", b"the payload", 8, 0, false)
        .member("last", b"two", 0, 0, true)
        .end();
    let (read, seen) = members(&hidden);
    assert_eq!(seen["hidden"], b"the payload");
    assert_eq!(seen["last"], b"two");
    assert!(
        read.oddities.iter().any(|(inside, what)| inside == &["hidden"] && what.contains("does not name it"))
    );
    // A zip stored whole in another is no hidden member.
    let (read, seen) = members(&Zip::default().member("inner.zip", &zip("x", b"y"), 0, 0, true).end());
    assert_eq!(seen["inner.zip!x"], b"y");
    assert!(read.oddities.is_empty());
}

#[test]
fn a_zip_without_its_directory_is_still_read() {
    let whole = Zip::default().member("a", b"one", 8, 0, true).member("b", b"two", 0, 0, true).end();
    let (read, seen) = members(&whole[..whole.len() - 80]);
    assert_eq!((seen["a"].as_slice(), seen["b"].as_slice()), (b"one".as_slice(), b"two".as_slice()));
    assert!(read.gaps.iter().any(|g| g.kind == GapKind::Damaged && !g.matters));
}

#[test]
fn a_zip_behind_something_else_is_read_with_its_offsets_moved() {
    let whole = [b"\x7fELF some program".to_vec(), zip("inside", b"data")].concat();
    let (read, seen) = members(&whole);
    assert_eq!(seen["inside"], b"data");
    assert!(read.gaps.is_empty());
}

#[test]
fn encrypted_and_unknown_members_are_minor_gaps_that_name_them() {
    let locked = Zip::default()
        .member("secret", b"????", 0, 1, true)
        .member("odd", b"????", 9, 0, true)
        .member("open", b"fine", 8, 0, true)
        .end();
    let (read, seen) = members(&locked);
    assert_eq!(seen["open"], b"fine");
    let kinds: Vec<_> = read.gaps.iter().map(|g| (g.inside.join("!"), g.kind.clone(), g.matters)).collect();
    assert_eq!(
        kinds,
        [("secret".to_owned(), GapKind::Encrypted, false), ("odd".to_owned(), GapKind::Unsupported, false),]
    );
}

#[test]
fn a_damaged_archive_shows_what_came_before_the_damage() {
    let tar = Tar::new().file("first", b"one").file("noise", &support::noise(200_000)).end();
    let packed = gzip(&tar);
    let (read, seen) = members(&packed[..packed.len() / 2]);
    assert_eq!(seen["content!first"], b"one");
    assert!(!read.gaps.is_empty() && read.gaps.iter().all(|g| !g.matters));
}

#[test]
fn bombs_stop_at_the_budget() {
    let zeros = vec![0; 100 << 20];
    let bomb = zip("zeros", &zeros);
    let (read, _) = gone_through(&bomb, &Budget { ratio: 100, ..Budget::default() });
    assert!(read.gaps.iter().any(|g| g.kind == GapKind::Budget(BudgetKind::Ratio) && !g.matters));
    let (read, _) = gone_through(&gzip(&zeros), &Budget { nested_bytes: 1 << 20, ..Budget::default() });
    assert!(read.gaps.iter().any(|g| g.kind == GapKind::Budget(BudgetKind::NestedBytes) && g.matters));
    let tar = (0..100).fold(Tar::new(), |tar, n| tar.file(&format!("{n}"), b"")).end();
    let (read, seen) = gone_through(&tar, &Budget { entries: 10, ..Budget::default() });
    assert!(seen.len() <= 10);
    assert!(read.gaps.iter().any(|g| g.kind == GapKind::Budget(BudgetKind::Entries) && g.matters));
    let deep = (0..20).fold(b"core".to_vec(), |inner, _| gzip(&inner));
    let (read, _) = members(&deep);
    assert!(read.gaps.iter().any(|g| g.kind == GapKind::Budget(BudgetKind::Depth)));
}

#[test]
fn no_cut_of_an_archive_makes_it_panic_or_hang() {
    let tar = Tar::new().file("x.jar", &zip("a", b"bcd")).pax(&[("path", "long")]).file("f", b"1").end();
    for whole in [zip("name", b"content"), tar.clone(), gzip(&tar), zstd(&tar), bzip2(&tar)] {
        for cut in 0..whole.len() {
            let bytes = &whole[..cut];
            if let Some(format) = sniff(bytes) {
                walk(bytes, format, &NestedBudget::new(&Budget::default(), None), &mut |_| {});
            }
        }
        for at in 0..whole.len().min(700) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            if let Some(format) = sniff(&bytes) {
                walk(&bytes, format, &NestedBudget::new(&Budget::default(), None), &mut |_| {});
            }
        }
    }
}
