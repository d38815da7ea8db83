//! Measures how long a long script takes on paper:
//! `cargo run --release -p lazaret-detect --example script_speed [-- LINES]`
//!
//! Each script has 10,000 lines, or as many as are asked for, and is the entry point of a minimal
//! image. Prints milliseconds (the best of five), behaviours and gaps.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use lazaret_detect::{LaunchLimits, View, follow};
use lazaret_model::{
    ContentId, Digest, EntryPath, FileEntry, FileKind, Image, ImageConfig, LayerFacts, PinnedRef,
};

/// Kinds of scripts: a name, and what its lines number `n` and on are.
type Kind = (&'static str, fn(usize) -> String);

const KINDS: &[Kind] = &[
    ("plain commands", |n| format!("mkdir -p /srv/d{n} && chown app:app /srv/d{n}\n")),
    ("echo to files", |n| format!("echo \"option{n} = value\" >> /etc/app.conf\n")),
    ("different programs", |n| format!("/opt/app/bin/tool{n} --flag=$HOME \"$1\" 'three words here'\n")),
    ("variables", |n| format!("V{n}=\"${{HOME:-/root}}/x$((n + {n}))\"\n")),
    ("loops", |n| format!("for x in a b c; do\n  Y=\"$x-{n}\"\n  echo \"$Y\" > /dev/null\ndone\n")),
    ("functions", |n| format!("f{n}() {{\n  local a=$1\n  echo \"$a\" >&2\n}}\nf{n} one two\n")),
    ("case", |n| format!("case \"$1\" in\n  a{n}) X={n} ;;\n  b|c) X=2 ;;\n  *) X=3 ;;\nesac\n")),
    ("conditions", |n| {
        format!("if [ -z \"$A{n}\" ] && [ -f /etc/c{n} ]; then\n  B{n}=1\nelse\n  B{n}=2\nfi\n")
    }),
    ("pipelines", |n| format!("echo {n} | rev | tr 0-9 a-j | cat | sed s/a/b/ | head -1 > /dev/null\n")),
    ("substitutions", |n| format!("S{n}=$(echo $(basename /a/b{n}.sh .sh) | cut -c1)\n")),
    ("here-documents", |n| format!("cat > /etc/f{n} <<EOF\nline one of {n}\n$HOME and more\nEOF\n")),
    ("comments", |n| format!("# {n} a comment that says what comes next, at some length\n: {n}\n")),
];

fn entry(path: &str, bytes: &[u8], contents: &mut BTreeMap<ContentId, Arc<[u8]>>) -> FileEntry {
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

fn main() {
    let lines = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10_000);
    for (name, line) in KINDS {
        let mut script = String::from("#!/bin/bash\n");
        let mut count = 1;
        for n in 0.. {
            if count >= lines {
                break;
            }
            let text = line(n);
            count += text.lines().count();
            script.push_str(&text);
        }
        let mut contents = BTreeMap::new();
        let mut layer = LayerFacts { complete: true, ..LayerFacts::default() };
        for program in ["bin/sh", "bin/bash", "bin/cat", "usr/bin/env", "usr/bin/sed"] {
            layer.entries.push(entry(program, b"\x7fELF\0", &mut contents));
        }
        layer.entries.push(entry("start", script.as_bytes(), &mut contents));
        let digest = Digest::sha256(&[0; 32]);
        let config = ImageConfig { entrypoint: vec!["/start".to_owned()], ..ImageConfig::default() };
        let image = Image {
            pinned: PinnedRef { repository: "example.test/x".into(), tag: None, digest: digest.clone() },
            manifest: digest.clone(),
            config_digest: digest,
            platform: None,
            config,
            layers: Vec::new(),
        };
        let layers = [&layer];
        let view = View::new(&layers);
        let mut best = f64::MAX;
        let mut last = None;
        for _ in 0..5 {
            let started = Instant::now();
            last = Some(follow(&image, &view, &contents, &LaunchLimits::default()));
            best = best.min(started.elapsed().as_secs_f64());
        }
        let Some(path) = last else { continue };
        println!(
            "{name:20} {:7.1} ms  {:5} KB  {:6} behaviours  {} gaps",
            best * 1e3,
            script.len() / 1000,
            path.behaviours.len(),
            path.gaps.len()
        );
    }
}
