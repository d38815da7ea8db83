//! One analyzer over one content: what all these targets share.

use lazaret_detect::{Examiner, Subject};
use lazaret_model::EntryPath;

/// Places that analyzers tell apart.
const PATHS: [&str; 10] = [
    "usr/bin/program",
    "usr/local/bin/start.sh",
    "etc/crontab",
    "etc/systemd/system/a.service",
    "root/.ssh/authorized_keys",
    "app/config.json",
    "app/main.py",
    "usr/share/doc/a/readme.txt",
    "tmp/image.png",
    "x",
];

/// How far into the file a window begins.
const WINDOW: u64 = 1 << 24;

/// Examines `data`. The first byte chooses path and mode, and whether the rest is a whole content
/// or a window of one; `magic` is put before the rest.
///
/// Whatever is stated must stand in the content.
pub fn examine(examiner: &Examiner, magic: &[u8], data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let bytes = [magic, rest].concat();
    let path = EntryPath::from(PATHS[usize::from(choice & 15) % PATHS.len()]);
    let window = choice & 128 != 0;
    let offset = if window { WINDOW } else { 0 };
    let subject = Subject {
        path: &path,
        inside: &[],
        mode: if choice & 64 != 0 { 0o755 } else { 0o644 },
        size: offset + bytes.len() as u64,
        bytes: &bytes,
        offset,
    };
    let seen = examiner.examine(&subject, None);
    for fact in &seen.facts {
        assert!(fact.offset.is_none_or(|at| (offset..=subject.size).contains(&at)), "{fact:?}");
        assert!(fact.line.is_none_or(|line| line as usize <= 1 + bytes.len()), "{fact:?}");
    }
}
