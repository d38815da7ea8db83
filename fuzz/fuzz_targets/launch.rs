//! Any script as the entry point: what it does is followed on paper, within the limits.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use lazaret_detect::{LaunchLimits, View, follow};
use lazaret_model::{
    ContentId, Digest, EntryPath, FileEntry, FileKind, GapKind, Image, ImageConfig, LayerFacts, PinnedRef,
};
use libfuzzer_sys::fuzz_target;

/// Programs that the interpreter knows, and some that it does not.
const PROGRAMS: [&str; 12] = [
    "bin/sh",
    "bin/bash",
    "bin/cat",
    "usr/bin/env",
    "usr/bin/curl",
    "usr/bin/python3",
    "usr/bin/xargs",
    "usr/bin/sed",
    "usr/bin/base64",
    "usr/sbin/cron",
    "usr/bin/supervisord",
    "usr/bin/program",
];

/// Small limits, so that they are reached.
const LIMITS: LaunchLimits = LaunchLimits {
    steps: 50_000,
    depth: 48,
    value_bytes: 1 << 16,
    script_bytes: 1 << 18,
    rounds: 32,
    behaviours: 2_000,
};

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

fuzz_target!(|data: &[u8]| {
    let Some((choice, script)) = data.split_first() else { return };
    let mut contents = BTreeMap::new();
    let mut layer = LayerFacts { complete: true, ..LayerFacts::default() };
    for program in PROGRAMS {
        layer.entries.push(file(program, b"\x7fELF\0", &mut contents));
    }
    layer.entries.push(file("start", script, &mut contents));
    // The same bytes in the places where other readers find them.
    layer.entries.push(file("etc/crontab", script, &mut contents));
    layer.entries.push(file("etc/supervisord.conf", script, &mut contents));
    layer.entries.push(file("etc/systemd/system/a.service", script, &mut contents));
    let start = match choice % 6 {
        0 => vec!["/start"],
        1 => vec!["/bin/sh", "/start"],
        2 => vec!["/bin/bash", "/start", "one", "two words"],
        3 => vec!["/usr/bin/python3", "/start"],
        4 => vec!["/usr/bin/supervisord"],
        _ => vec!["/usr/sbin/cron"],
    };
    let digest = Digest::sha256(&[0; 32]);
    let mut config =
        ImageConfig { entrypoint: start.into_iter().map(str::to_owned).collect(), ..ImageConfig::default() };
    config.cmd = vec![String::from_utf8_lossy(script).chars().take(256).collect()];
    let image = Image {
        pinned: PinnedRef { repository: "example.invalid/x".to_owned(), tag: None, digest: digest.clone() },
        manifest: digest.clone(),
        config_digest: digest,
        platform: None,
        config,
        layers: Vec::new(),
    };
    let layers = [&layer];
    let path = follow(&image, &View::new(&layers), &contents, &LIMITS);
    assert!(path.behaviours.len() <= LIMITS.behaviours + 1);
    assert!(!path.gaps.iter().any(|gap| matches!(gap.kind, GapKind::AnalyzerFailed(_))), "it broke");
});
