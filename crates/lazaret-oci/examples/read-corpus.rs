//! Reads every file and layout below a folder in every way there is, each under a time limit, and
//! says what came of it: `cargo run --release -p lazaret-oci --example read-corpus -- FOLDER [-v]`.
//! Ends with an error if anything panicked or took too long.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use lazaret_model::{Algorithm, Budget, Fact, FileEntry, ImageRef, Layer};
use lazaret_oci::{
    Blob, LayerSink, LocalSource, NestedBudget, Owner, Piece, digest_of, read_layer, sniff, walk,
};

/// Longest that one way of reading one file may take.
const LIMIT: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Counting {
    entries: u64,
    bytes: u64,
    outside: u64,
    oddities: Vec<String>,
}

impl LayerSink for Counting {
    fn entry(&mut self, _: FileEntry) -> ControlFlow<()> {
        self.entries += 1;
        ControlFlow::Continue(())
    }

    fn content(&mut self, owner: Owner, piece: Piece) -> ControlFlow<()> {
        match owner {
            Owner::Entry(_) => self.bytes += piece.bytes.len() as u64,
            Owner::Outside => self.outside += piece.bytes.len() as u64,
        }
        ControlFlow::Continue(())
    }

    fn fact(&mut self, fact: Fact) {
        self.oddities.push(format!("{}: {:?}", fact.path, fact.kind));
    }
}

fn read(layer: &Layer, blob: Blob, budget: &Budget) -> (String, String) {
    let mut sink = Counting::default();
    let deadline = Instant::now() + LIMIT;
    let read = read_layer(blob.reader(), layer, budget, Some(deadline), &mut sink);
    let class = match (read.complete, read.gaps.iter().any(|g| g.matters), sink.oddities.is_empty()) {
        (true, false, true) => "read",
        (true, false, false) => "read, odd",
        (true, true, _) => "read with gaps",
        (false, true, _) => "gaps",
        (false, false, _) => "SILENT",
    };
    let mut detail = format!(
        "{} entries, {} bytes in, {} outside, {} layer bytes",
        sink.entries, sink.bytes, sink.outside, read.bytes
    );
    for gap in read.gaps.iter().take(3) {
        detail.push_str(&format!("\n      gap {gap}"));
    }
    for odd in sink.oddities.iter().take(3) {
        detail.push_str(&format!("\n      odd {odd}"));
    }
    (class.to_owned(), detail)
}

fn as_image(path: &Path, budget: &Budget) -> (String, String) {
    match LocalSource::open(&ImageRef::Path(path.to_owned()), &[], budget) {
        Err(error) => ("refused".to_owned(), error.to_string()),
        Ok(source) => {
            let (mut class, mut detail) = ("read".to_owned(), String::new());
            for resolved in source.resolved() {
                for gap in &resolved.gaps {
                    detail.push_str(&format!("\n      gap {gap}"));
                    class = "gaps".to_owned();
                }
                for image in &resolved.images {
                    for gap in &image.gaps {
                        detail.push_str(&format!("\n      gap {gap}"));
                    }
                    for layer in &image.image.layers {
                        let (c, d) = match source.open_layer(layer) {
                            Ok(blob) => read(layer, blob, budget),
                            Err(error) => ("gaps".to_owned(), error.to_string()),
                        };
                        if c != "read" {
                            class = c;
                        }
                        detail.push_str(&format!("\n    layer {}: {d}", layer.index));
                    }
                }
            }
            (class, detail)
        }
    }
}

fn as_layer(path: &Path, budget: &Budget) -> (String, String) {
    let bytes = std::fs::read(path).unwrap_or_default();
    let layer = Layer {
        index: 0,
        digest: digest_of(Algorithm::Sha256, &bytes),
        diff_id: None,
        media_type: String::new(),
        size: bytes.len() as u64,
        history: None,
        foreign_urls: Vec::new(),
    };
    match File::open(path) {
        Ok(file) => read(&layer, Blob { file, offset: 0, len: Some(bytes.len() as u64) }, budget),
        Err(error) => ("refused".to_owned(), error.to_string()),
    }
}

fn as_archive(path: &Path, budget: &Budget) -> (String, String) {
    let bytes = std::fs::read(path).unwrap_or_default();
    let Some(format) = sniff(&bytes) else { return ("no archive".to_owned(), String::new()) };
    let nested = NestedBudget::new(budget, Some(Instant::now() + LIMIT));
    let (mut members, mut shown) = (0u64, 0u64);
    let read = walk(&bytes, format, &nested, &mut |member| {
        members += 1;
        shown += member.bytes.len() as u64;
    });
    let class = if read.gaps.is_empty() { "read" } else { "gaps" };
    let mut detail = format!("{}: {members} members, {shown} bytes", format.name());
    for gap in read.gaps.iter().take(3) {
        detail.push_str(&format!("\n      gap {:?} {}", gap.inside, gap.detail));
    }
    for (inside, odd) in read.oddities.iter().take(3) {
        detail.push_str(&format!("\n      odd {inside:?} {odd}"));
    }
    (class.to_owned(), detail)
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let Ok(list) = std::fs::read_dir(folder) else { return };
    let mut names: Vec<PathBuf> = list.flatten().map(|e| e.path()).collect();
    names.sort();
    if names.iter().any(|n| n.ends_with("index.json") || n.ends_with("manifest.json")) {
        out.push(folder.to_owned());
    }
    for path in names {
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => files(&path, out),
            Ok(metadata) if metadata.is_file() => out.push(path),
            _ => {}
        }
    }
}

type Way = fn(&Path, &Budget) -> (String, String);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| ".".to_owned()));
    let verbose = arguments.next().is_some();
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    let ways: [(&str, Way); 3] = [("image", as_image), ("layer", as_layer), ("archive", as_archive)];
    let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let (mut failures, mut slowest) = (0, (Duration::ZERO, PathBuf::new()));
    for path in &paths {
        for (name, way) in ways {
            if path.is_dir() && name != "image" {
                continue;
            }
            let (send, receive) = mpsc::channel();
            let (owned, started) = (path.clone(), Instant::now());
            std::thread::spawn(move || {
                let result = catch_unwind(AssertUnwindSafe(|| way(&owned, &Budget::default())));
                let _ = send.send(result.unwrap_or_else(|_| ("PANIC".to_owned(), String::new())));
            });
            let (class, detail) =
                receive.recv_timeout(2 * LIMIT).unwrap_or_else(|_| ("HANG".to_owned(), String::new()));
            let took = started.elapsed();
            if took > slowest.0 {
                slowest = (took, path.clone());
            }
            let bad = ["PANIC", "HANG", "SILENT"].contains(&class.as_str()) || took > LIMIT;
            failures += usize::from(bad);
            if verbose || bad {
                println!("{} as {name}: {class}: {detail}", path.display());
            }
            *counts.entry((name, class)).or_default() += 1;
        }
    }
    println!("{} files and layouts", paths.len());
    for ((name, class), count) in counts {
        println!("{name:8} {class:15} {count}");
    }
    println!("slowest: {:?} {}", slowest.0, slowest.1.display());
    if failures > 0 {
        println!("{failures} failures");
        std::process::exit(1);
    }
}
