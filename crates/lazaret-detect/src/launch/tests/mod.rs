//! Text in, behaviours out.
#![allow(clippy::unwrap_used)]

mod coding;
mod entrypoints;
mod escapes;
mod expansion;
mod given;
mod hostile;
mod languages;
mod later;
mod payloads;
mod powershell;
mod python;
mod recall;
mod repeated;
mod scripts;
mod stack;
mod unpacked;

use std::collections::BTreeMap;
use std::sync::Arc;

use lazaret_model::{
    Behaviour, BehaviourKind, Certainty, ContentId, Digest, EntryPath, FileEntry, FileKind, FileOp, Image,
    ImageConfig, LayerFacts, Phase, PinnedRef, Reach,
};

use super::{LaunchLimits, StartPath, follow};
use crate::View;

/// An image of one layer, written as text.
#[derive(Default)]
pub(super) struct Fixture {
    layer: LayerFacts,
    contents: BTreeMap<ContentId, Arc<[u8]>>,
    pub config: ImageConfig,
}

impl Fixture {
    /// An image with shells and the usual programs.
    pub fn new() -> Self {
        let mut new = Self::default();
        for name in [
            "bin/sh",
            "bin/bash",
            "bin/cat",
            "usr/bin/curl",
            "usr/bin/wget",
            "usr/bin/env",
            "usr/bin/python3",
            "usr/sbin/cron",
            "usr/bin/tini",
            "usr/bin/gosu",
            "usr/bin/redis-server",
            "usr/bin/miner",
        ] {
            new = new.file(name, "\u{7f}ELF\0", 0o755);
        }
        new
    }

    pub fn file(mut self, path: &str, text: &str, mode: u32) -> Self {
        let content = ContentId(*blake3::hash(text.as_bytes()).as_bytes());
        self.contents.insert(content, Arc::from(text.as_bytes()));
        self.layer.entries.push(FileEntry {
            path: path.into(),
            kind: FileKind::File,
            mode,
            uid: 0,
            gid: 0,
            size: text.len() as u64,
            mtime: 0,
            content: Some(content),
            xattrs: Vec::new(),
            whiteout: None,
        });
        self
    }

    pub fn link(mut self, path: &str, target: &str) -> Self {
        self = self.file(path, "", 0o777);
        let entry = self.layer.entries.last_mut().unwrap();
        entry.kind = FileKind::Symlink(target.as_bytes().to_vec());
        entry.content = None;
        self
    }

    pub fn start(mut self, entrypoint: &[&str], cmd: &[&str]) -> Self {
        self.config.entrypoint = entrypoint.iter().map(|s| (*s).to_owned()).collect();
        self.config.cmd = cmd.iter().map(|s| (*s).to_owned()).collect();
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.config.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Forgets a content, as a store with a budget does.
    pub fn without_contents(mut self) -> Self {
        self.contents.clear();
        self
    }

    pub fn image(&self) -> Image {
        let digest = Digest::sha256(&[0; 32]);
        Image {
            pinned: PinnedRef { repository: "example.test/x".into(), tag: None, digest: digest.clone() },
            manifest: digest.clone(),
            config_digest: digest,
            platform: None,
            config: self.config.clone(),
            layers: Vec::new(),
        }
    }

    pub fn follow(&self) -> StartPath {
        let view = View::new(&[&self.layer]);
        follow(&self.image(), &view, &self.contents, &LaunchLimits::default())
    }
}

/// One behaviour as a line.
pub(super) fn line(behaviour: &Behaviour) -> String {
    let mut out = String::new();
    if behaviour.phase != Phase::Start {
        out.push_str(behaviour.phase.name());
        out.push(' ');
    }
    if behaviour.certainty == Certainty::May {
        out.push_str("may ");
    }
    match &behaviour.kind {
        BehaviourKind::Process { argv, fed_by, stdin, downloaded, .. } => {
            out.push_str("run ");
            let words: Vec<String> = argv
                .iter()
                .map(|a| {
                    if a.is_empty() || a.contains([' ', '\n']) {
                        format!("[{}]", a.replace('\n', "\\n"))
                    } else {
                        a.clone()
                    }
                })
                .collect();
            out.push_str(&words.join(" "));
            if !fed_by.is_empty() {
                out.push_str(&format!(" <- {}", fed_by.join(" <- ")));
            }
            if let Some(stdin) = stdin {
                out.push_str(&format!(" < {}", stdin.trim_end().replace('\n', "\\n")));
            }
            if let Some(url) = downloaded {
                out.push_str(&format!(" from {url}"));
            }
        }
        BehaviourKind::File { op, path, content, .. } => {
            let op = match op {
                FileOp::Write => "write",
                FileOp::Append => "append",
                FileOp::Delete => "delete",
                FileOp::Chmod => "chmod",
            };
            out.push_str(&format!("{op} {path}"));
            if let Some(content) = content {
                out.push_str(format!(" = {}", content.trim_end().replace('\n', "\\n")).trim_end());
            }
        }
        BehaviourKind::Network { host, port, url, .. } => {
            out.push_str(&format!("net {host}"));
            if let Some(port) = port {
                out.push_str(&format!(":{port}"));
            }
            if let Some(url) = url.as_ref().filter(|u| !u.contains("/dev/")) {
                out.push_str(&format!(" {url}"));
            }
        }
    }
    out
}

pub(super) fn lines(path: &StartPath) -> Vec<String> {
    path.behaviours.iter().map(line).collect()
}

/// A script as the entry point, with arguments; its own start is left out.
pub(super) fn check_with(fixture: Fixture, script: &str, args: &[&str], expected: &str) {
    let fixture = fixture.file("entry.sh", script, 0o755).start(&["/entry.sh"], args);
    let path = fixture.follow();
    let got: Vec<String> = lines(&path).into_iter().skip(1).collect();
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    assert_eq!(got, expected, "\nscript:\n{script}\ngaps: {:?}", path.gaps);
}

pub(super) fn check(script: &str, expected: &str) {
    check_with(Fixture::new(), script, &[], expected);
}

pub(super) fn reach(path: &StartPath, file: &str) -> Option<Reach> {
    path.files.get(&(0, EntryPath::from(file))).map(|f| f.reach)
}
