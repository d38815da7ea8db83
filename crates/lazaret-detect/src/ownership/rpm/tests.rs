#![allow(clippy::unwrap_used)]

use sha2::{Digest as _, Sha256};

use super::*;
use crate::ownership::Sum;

/// A header with these entries: tag, type, count, data.
fn header(entries: &[(u32, u32, u32, Vec<u8>)]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, kind, count, bytes) in entries {
        if *kind == 4 {
            data.resize(usize::next_multiple_of(data.len(), 4), 0);
        }
        for word in [*tag, *kind, data.len() as u32, *count] {
            index.extend(word.to_be_bytes());
        }
        data.extend(bytes);
    }
    let mut out = (entries.len() as u32).to_be_bytes().to_vec();
    out.extend((data.len() as u32).to_be_bytes());
    [out, index, data].concat()
}

fn words(list: &[u32]) -> Vec<u8> {
    list.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn lines(list: &[&str]) -> Vec<u8> {
    list.iter().flat_map(|text| text.bytes().chain([0])).collect()
}

fn package(name: &str, padding: usize) -> Vec<u8> {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(b"content"));
    header(&[
        (1000, 6, 1, lines(&[name])),
        (1001, 6, 1, lines(&["1.2"])),
        (1002, 6, 1, lines(&["3.el9"])),
        (1003, 4, 1, words(&[2])),
        (1004, 9, 1, lines(&[&"x".repeat(padding)])),
        (1035, 8, 3, lines(&[&digest, &digest, ""])),
        (1037, 4, 3, words(&[0, 1, 0])),
        (1116, 4, 3, words(&[0, 1, 0])),
        (1117, 8, 3, lines(&["tool", "tool.conf", "link"])),
        (1118, 8, 2, lines(&["/usr/bin/", "/usr/share/"])),
        (5011, 4, 1, words(&[8])),
    ])
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = vec![(number & 0x7f) as u8];
    while number > 0x7f {
        number >>= 7;
        out.insert(0, (number & 0x7f) as u8 | 0x80);
    }
    out
}

fn record(types: &[u64], body: &[u8]) -> Vec<u8> {
    let types: Vec<u8> = types.iter().flat_map(|&kind| varint(kind)).collect();
    [varint(types.len() as u64 + 1), types, body.to_vec()].concat()
}

/// A leaf of a table, its cells from the end of the page on.
fn leaf(page: usize, start: usize, cells: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![0; page];
    out[start] = 13;
    out[start + 3..start + 5].copy_from_slice(&(cells.len() as u16).to_be_bytes());
    let mut at = page;
    for (number, cell) in cells.iter().enumerate() {
        at -= cell.len();
        out[at..at + cell.len()].copy_from_slice(cell);
        let pointer = start + 8 + 2 * number;
        out[pointer..pointer + 2].copy_from_slice(&(at as u16).to_be_bytes());
    }
    out
}

/// Large enough for the cells of one leaf.
const SQLITE_PAGE: usize = 16_384;

/// An SQLite file with the table `Packages` in page 2, one blob a row, those that are too long with
/// overflow pages.
fn sqlite(blobs: &[Vec<u8>]) -> Vec<u8> {
    const PAGE: usize = SQLITE_PAGE;
    let mut overflow = Vec::new();
    let mut cells = Vec::new();
    for (row, blob) in blobs.iter().enumerate() {
        let record = record(&[0, blob.len() as u64 * 2 + 12], blob);
        let mut cell = [varint(record.len() as u64), varint(row as u64 + 1)].concat();
        if record.len() <= PAGE - 35 {
            cell.extend(record);
        } else {
            let least = (PAGE - 12) * 32 / 255 - 23;
            let fitting = least + (record.len() - least) % (PAGE - 4);
            let here = if fitting <= PAGE - 35 { fitting } else { least };
            cell.extend(&record[..here]);
            let parts: Vec<&[u8]> = record[here..].chunks(PAGE - 4).collect();
            cell.extend((3 + (overflow.len() / PAGE) as u32).to_be_bytes());
            for (number, part) in parts.iter().enumerate() {
                let next = 3 + (overflow.len() / PAGE) as u32 + 1;
                let mut page = if number + 1 < parts.len() { next } else { 0 }.to_be_bytes().to_vec();
                page.extend(*part);
                page.resize(PAGE, 0);
                overflow.extend(page);
            }
        }
        cells.push(cell);
    }
    let sql = b"CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)";
    let body = [b"tablePackagesPackages".as_slice(), &[2], sql].concat();
    let schema = record(&[23, 29, 29, 1, sql.len() as u64 * 2 + 13], &body);
    let cell = [varint(schema.len() as u64), varint(1), schema].concat();
    let mut first = leaf(PAGE, 100, &[cell]);
    first[..16].copy_from_slice(sqlite::MAGIC);
    first[16..18].copy_from_slice(&(PAGE as u16).to_be_bytes());
    [first, leaf(PAGE, 0, &cells), overflow].concat()
}

fn ndb(blobs: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![0; 4096];
    out[..4].copy_from_slice(ndb::MAGIC);
    out[12..16].copy_from_slice(&1u32.to_le_bytes());
    for (number, blob) in blobs.iter().enumerate() {
        let block = (out.len() / 16) as u32;
        let slot = 32 + number * 16;
        out[slot..slot + 4].copy_from_slice(b"Slot");
        out[slot + 4..slot + 8].copy_from_slice(&(number as u32 + 1).to_le_bytes());
        out[slot + 8..slot + 12].copy_from_slice(&block.to_le_bytes());
        out.extend(b"BlbS");
        for word in [number as u32 + 1, 0, blob.len() as u32] {
            out.extend(word.to_le_bytes());
        }
        out.extend(blob);
        out.resize(out.len().next_multiple_of(16) + 16, 0);
    }
    out
}

fn bdb(blobs: &[Vec<u8>], big: bool) -> Vec<u8> {
    const PAGE: usize = 4096;
    let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut out = vec![0; 2 * PAGE];
    out[12..16].copy_from_slice(&word(0x0006_1561));
    out[20..24].copy_from_slice(&word(PAGE as u32));
    out[PAGE + 25] = 13;
    out[PAGE + 20..PAGE + 22].copy_from_slice(&half(blobs.len() as u16 * 2));
    let mut item = PAGE;
    for (number, blob) in blobs.iter().enumerate() {
        item -= 12;
        let at = PAGE + 26 + (number * 2 + 1) * 2;
        out[at..at + 2].copy_from_slice(&half(item as u16));
        let first = (out.len() / PAGE) as u32;
        out[PAGE + item] = 3;
        out[PAGE + item + 4..PAGE + item + 8].copy_from_slice(&word(first));
        out[PAGE + item + 8..PAGE + item + 12].copy_from_slice(&word(blob.len() as u32));
        let parts: Vec<&[u8]> = blob.chunks(PAGE - 26).collect();
        for (index, part) in parts.iter().enumerate() {
            let mut page = vec![0; 26];
            let next = if index + 1 < parts.len() { (out.len() / PAGE) as u32 + 1 } else { 0 };
            page[16..20].copy_from_slice(&word(next));
            page[22..24].copy_from_slice(&half(part.len() as u16));
            page[25] = 7;
            page.extend(*part);
            page.resize(PAGE, 0);
            out.extend(page);
        }
    }
    out
}

fn databases(blobs: &[Vec<u8>]) -> [Vec<u8>; 4] {
    [sqlite(blobs), ndb(blobs), bdb(blobs, false), bdb(blobs, true)]
}

#[test]
fn each_of_the_three_formats_gives_the_same_packages() {
    let blobs = [package("small", 10), package("large", 20_000), package("other", 5_000)];
    let sum = Some(Sum::Sha256(Sha256::digest(b"content").into()));
    for bytes in databases(&blobs) {
        let packages = parse(&bytes).unwrap();
        let told: Vec<_> = packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
        assert_eq!(told, [("small", "2:1.2-3.el9"), ("large", "2:1.2-3.el9"), ("other", "2:1.2-3.el9")]);
        for package in &packages {
            let files: Vec<_> =
                package.files.iter().map(|f| (f.path.to_string(), f.sum == sum, f.config)).collect();
            let expected = [
                ("/usr/bin/tool".to_owned(), true, false),
                ("/usr/share/tool.conf".to_owned(), true, true),
                ("/usr/bin/link".to_owned(), false, false),
            ];
            assert_eq!(files, expected);
        }
    }
}

#[test]
fn a_chain_that_bites_its_tail_ends() {
    let mut bytes = bdb(&[package("large", 20_000)], false);
    let second = 3 * 4096 + 16;
    bytes[second..second + 4].copy_from_slice(&2u32.to_le_bytes());
    assert!(parse(&bytes).is_err());
    let mut bytes = sqlite(&[package("large", 60_000)]);
    let first = 2 * SQLITE_PAGE;
    bytes[first..first + 4].copy_from_slice(&3u32.to_be_bytes());
    assert!(parse(&bytes).is_err());
    // A tree whose root is its own child.
    let mut bytes = sqlite(&[package("small", 0)]);
    bytes[SQLITE_PAGE] = 5;
    bytes[SQLITE_PAGE + 8..SQLITE_PAGE + 12].copy_from_slice(&2u32.to_be_bytes());
    assert!(parse(&bytes).is_err());
}

#[test]
fn lengths_that_lie_are_refused() {
    for (entries, length) in [(u32::MAX, 0), (1, u32::MAX), (4096, 4096)] {
        let mut blob = entries.to_be_bytes().to_vec();
        blob.extend(length.to_be_bytes());
        blob.resize(64, 1);
        assert!(header::parse(&blob).is_none());
    }
}

#[test]
fn damaged_databases_never_panic_and_never_grow() {
    let blobs = [package("small", 10), package("large", 9_000)];
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for bytes in databases(&blobs) {
        for _ in 0..4_000 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + next() % 6 {
                // Mostly the places where lengths and pointers are.
                let at = match next() % 4 {
                    0 => next() % 128,
                    1 => 4096 + next() % 256,
                    _ => next() % damaged.len(),
                };
                let at = at.min(damaged.len() - 1);
                damaged[at] = [0, 0xff, 1, next() as u8][next() % 4];
            }
            if next() % 3 == 0 {
                damaged.truncate(next() % damaged.len());
            }
            // Its result does not matter, that it comes does.
            let _ = parse(&damaged);
        }
    }
}
