//! Measures the byte rules on real files: how long loading takes, how many MB per second one
//! thread scans, and what matches.
//!
//! `cargo run --release -p lazaret-detect --example byte_speed -- /usr /etc`, with `--only DIR`
//! in front for the rules of a folder instead of the built-in ones.

#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lazaret_detect::{ByteScanner, Pack, Subject};
use lazaret_model::{EntryPath, FactKind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = std::env::temp_dir().join(format!("lazaret-byte-speed-{}", std::process::id()));
    std::fs::create_dir(&cache)?;
    std::fs::set_permissions(&cache, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    for round in ["compiled", "from the cache", "from the cache"] {
        let start = Instant::now();
        let pack = Pack::load(&[], Some(&cache))?;
        let loaded = start.elapsed();
        let _scanner = pack.scanner();
        println!(
            "{} rules {round}: loaded in {loaded:?}, with scanner {:?}",
            pack.rules().len(),
            start.elapsed()
        );
    }
    std::fs::remove_dir_all(&cache)?;

    let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let pack = if arguments.first().is_some_and(|a| a == "--only") && arguments.len() > 1 {
        let folder = PathBuf::from(arguments.remove(1));
        arguments.remove(0);
        Pack::only(&folder)?
    } else {
        Pack::load(&[], None)?
    };
    let mut total = Total { scanner: pack.scanner(), bytes: 0, files: 0, time: Duration::ZERO };
    for root in arguments {
        total.walk(&PathBuf::from(root));
    }
    let seconds = total.time.as_secs_f64();
    println!(
        "{} files, {:.1} MB, {seconds:.2} s of scanning: {:.0} MB/s",
        total.files,
        total.bytes as f64 / 1e6,
        total.bytes as f64 / 1e6 / seconds.max(1e-9)
    );
    Ok(())
}

struct Total<'r> {
    scanner: ByteScanner<'r>,
    bytes: u64,
    files: u64,
    time: Duration,
}

impl Total<'_> {
    fn walk(&mut self, path: &Path) {
        let Ok(found) = std::fs::symlink_metadata(path) else { return };
        if found.is_dir() {
            let Ok(entries) = std::fs::read_dir(path) else { return };
            let mut entries: Vec<_> = entries.flatten().map(|e| e.path()).collect();
            entries.sort();
            for entry in entries {
                self.walk(&entry);
            }
        } else if found.is_file() && found.len() <= 128 << 20 {
            let Ok(bytes) = std::fs::read(path) else { return };
            let name = EntryPath::clean(path.as_os_str().as_encoded_bytes());
            let subject = Subject {
                path: &name,
                inside: &[],
                mode: 0o644,
                size: bytes.len() as u64,
                bytes: &bytes,
                offset: 0,
            };
            let start = Instant::now();
            let facts = self.scanner.scan(&subject);
            self.time += start.elapsed();
            self.bytes += bytes.len() as u64;
            self.files += 1;
            for fact in facts.into_iter().flatten() {
                if let FactKind::ByteMatch { rule, excerpt } = fact.kind {
                    println!("{}: {rule}: {excerpt}", path.display());
                }
            }
        }
    }
}
