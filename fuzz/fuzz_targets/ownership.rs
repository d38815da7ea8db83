//! Any package database: dpkg, apk, rpm in its three formats, pip; in two layers.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use lazaret_detect::{Ownership, View};
use lazaret_model::{ContentId, EntryPath, FileEntry, FileKind, LayerFacts};
use libfuzzer_sys::fuzz_target;

const DATABASES: [&[&str]; 6] = [
    &["var/lib/dpkg/status", "var/lib/dpkg/info/a.list", "var/lib/dpkg/info/a.md5sums", "var/lib/dpkg/diversions"],
    &["var/lib/dpkg/status.d/a", "var/lib/dpkg/status.d/a.md5sums"],
    &["lib/apk/db/installed"],
    &["var/lib/rpm/rpmdb.sqlite"],
    &["var/lib/rpm/Packages.db", "var/lib/rpm/Packages"],
    &["usr/lib/python3/site-packages/a-1.dist-info/RECORD"],
];

fn file(path: &str, bytes: &[u8], contents: &mut BTreeMap<ContentId, Arc<[u8]>>) -> FileEntry {
    let id = ContentId(*blake3::hash(bytes).as_bytes());
    contents.insert(id, Arc::from(bytes));
    FileEntry {
        path: EntryPath::from(path),
        kind: FileKind::File,
        mode: 0o755,
        uid: 0,
        gid: 0,
        size: bytes.len() as u64,
        mtime: 0,
        content: Some(id),
        xattrs: Vec::new(),
        whiteout: None,
    }
}

/// The magic of a database, so that its reader is reached.
fn magic(choice: u8) -> &'static [u8] {
    match choice % 8 {
        3 => b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20",
        4 => b"RpmP",
        5 => b"\0\0\0\0\0\0\0\0\0\0\0\0\x61\x15\x06\0\x09\0\0\0\0\x02\0\0",
        6 => b"Package: a\nStatus: install ok installed\nVersion: 1\n\n",
        7 => b"P:a\nV:1\nF:usr/bin\nR:a\n",
        _ => b"",
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else { return };
    let mut contents = BTreeMap::new();
    let half = rest.len() / 2;
    let mut layers = Vec::new();
    for part in [&rest[..half], rest] {
        let bytes = [magic(*choice), part].concat();
        let mut layer = LayerFacts::default();
        for path in DATABASES[usize::from(choice / 8) % DATABASES.len()] {
            layer.entries.push(file(path, &bytes, &mut contents));
        }
        layer.entries.push(file("usr/bin/a", part, &mut contents));
        layers.push(layer);
    }
    let view = View::new(&layers.iter().collect::<Vec<_>>());
    let ownership = Ownership::of(&view, &contents);
    assert!(ownership.rewritten().all(|(_, rewrite)| rewrite.layer < layers.len()));
});
