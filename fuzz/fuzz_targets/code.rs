#![no_main]
//! Programs of every language that is read, as the start program of an image.

use std::collections::BTreeMap;
use std::sync::Arc;

use lazaret_detect::{LaunchLimits, View, follow};
use lazaret_model::{ContentId, Digest, FileEntry, FileKind, Image, ImageConfig, LayerFacts, PinnedRef};
use libfuzzer_sys::fuzz_target;

const INTERPRETERS: [&str; 7] = ["python3", "node", "php", "ruby", "lua", "perl", "pwsh"];

fuzz_target!(|data: &[u8]| {
    let Some((&which, program)) = data.split_first() else { return };
    let interpreter = INTERPRETERS[usize::from(which) % INTERPRETERS.len()];
    let content = ContentId(*blake3::hash(program).as_bytes());
    let layer = LayerFacts {
        entries: vec![FileEntry {
            path: "app/x".into(),
            kind: FileKind::File,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size: program.len() as u64,
            mtime: 0,
            content: Some(content),
            xattrs: Vec::new(),
            whiteout: None,
        }],
        ..LayerFacts::default()
    };
    let contents = BTreeMap::from([(content, Arc::<[u8]>::from(program))]);
    let digest = Digest::sha256(&[0; 32]);
    let image = Image {
        pinned: PinnedRef { repository: "example.test/x".into(), tag: None, digest: digest.clone() },
        manifest: digest.clone(),
        config_digest: digest,
        platform: None,
        config: ImageConfig {
            entrypoint: vec![interpreter.to_owned(), "/app/x".to_owned()],
            ..ImageConfig::default()
        },
        layers: Vec::new(),
    };
    let view = View::new(&[&layer]);
    let path = follow(&image, &view, &contents, &LaunchLimits::default());
    // A walk that failed says so in a gap; here that is a failure.
    assert!(!path.gaps.iter().any(|gap| gap.detail.contains("failed")), "{:?}", path.gaps);
});
