//! Measures how fast contents are examined, byte rules and hashes aside:
//! `cargo run --release -p lazaret-detect --example examine_speed -- DIR…`
//!
//! Reads up to 1 GB of the files below each directory into memory and prints MB/s of one thread, for
//! each analyzer and for the whole examination with its hashes; then what was seen that should be rare.
#![allow(clippy::print_stdout)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use lazaret_detect::{Examiner, Subject};
use lazaret_model::{EntryPath, FactKind};

struct File {
    path: EntryPath,
    mode: u32,
    bytes: Vec<u8>,
}

const MOST: usize = 1 << 30;

fn collect(dir: &Path, files: &mut Vec<File>, total: &mut usize) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() {
            collect(&path, files, total);
        } else if meta.is_file() && *total < MOST {
            let Ok(bytes) = fs::read(&path) else { continue };
            *total += bytes.len();
            let name = path.to_string_lossy().into_owned();
            files.push(File { path: name.as_str().into(), mode: meta.permissions().mode() & 0o7777, bytes });
        }
    }
}

fn main() {
    for dir in std::env::args().skip(1) {
        let (mut files, mut total) = (Vec::new(), 0);
        collect(Path::new(&dir), &mut files, &mut total);
        println!("{dir}: {} files, {} MB", files.len(), total / 1_000_000);
        let examiner = Examiner::new();
        for (name, seconds) in examiner.time_each(files.iter().map(subject)) {
            println!("  {name:14} {seconds:8.3} s  {:8.0} MB/s", total as f64 / 1e6 / seconds);
        }
        let started = Instant::now();
        let (mut facts, mut gaps, mut kept, mut kept_bytes) = (0, 0, 0, 0);
        let mut telling = Vec::new();
        for file in &files {
            let examined = examiner.examine(&subject(file), None);
            telling.extend(examined.facts.iter().filter(|fact| tells(&fact.kind)).cloned());
            examined.gaps.iter().for_each(|gap| println!("  gap {gap}"));
            facts += examined.facts.len();
            gaps += examined.gaps.len();
            kept += usize::from(examined.keep);
            kept_bytes += if examined.keep { file.bytes.len() } else { 0 };
        }
        let seconds = started.elapsed().as_secs_f64();
        println!("  {:14} {seconds:8.3} s  {:8.0} MB/s", "all, with hash", total as f64 / 1e6 / seconds);
        println!("  {facts} facts, {gaps} gaps, {kept} kept ({} KB)", kept_bytes / 1000);
        for fact in telling {
            println!("  {}: {:?}", fact.location(0), fact.kind);
        }
    }
}

/// What should be rare in a distribution's own files.
fn tells(kind: &FactKind) -> bool {
    match kind {
        FactKind::Text { .. } | FactKind::Sha256(_) => false,
        FactKind::Elf { packer, hooks, damaged_sections, .. } => {
            packer.is_some() || !hooks.is_empty() || *damaged_sections
        }
        _ => true,
    }
}

fn subject(file: &File) -> Subject<'_> {
    let size = file.bytes.len() as u64;
    Subject { path: &file.path, inside: &[], mode: file.mode, size, bytes: &file.bytes, offset: 0 }
}
