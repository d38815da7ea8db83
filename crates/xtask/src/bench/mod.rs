//! `cargo xtask bench [--runs N] [LAYOUT…]`: how long a scan takes, against the least it could
//! take and against what people use today, all in one run on the same images.

pub mod campaigns;
mod floor;
pub mod gate;
pub mod hunt;
mod images;
mod measure;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

pub use floor::run as floor;
use measure::{Figures, figures};

/// Each command runs so often; medians are shown.
const RUNS: usize = 5;

/// Runs the benchmark over the layouts named, or over images made here from Debian packages.
pub fn run(arguments: &[String]) -> Result<()> {
    let (runs, mut layouts) = self::arguments(arguments, RUNS)?;
    if layouts.is_empty() {
        layouts = images::make()?;
    }
    let xtask = std::env::current_exe()?;
    let program = built_program()?;
    let work = tempfile::Builder::new().prefix("lazaret-bench-").tempdir()?;
    let rules = work.path().join("rules.yar");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lazaret-detect/rules");
    let kept = images::rules_for_yara(&folder, &rules)?;
    println!("byte rules that Debian's yara compiles too: {kept}\n");
    println!(
        "{:<14} {:>6} {:>6} | {:>7} {:>7} {:>6} | {:>7} {:>6} | {:>8} {:>6} | {:>8} {:>6}",
        "image",
        "blobMB",
        "tarMB",
        "floor s",
        "scan s",
        "ratio",
        "again s",
        "RSS MB",
        "yara s",
        "x",
        "clam s",
        "x"
    );
    for layout in &layouts {
        row(layout, &program, &xtask, work.path(), &rules, runs)?;
    }
    println!(
        "\nmedians of {runs} runs; wall time; RSS of the largest process; `x` is that peer's time over the scan's"
    );
    Ok(())
}

/// How often, and which layouts.
fn arguments(given: &[String], runs: usize) -> Result<(usize, Vec<PathBuf>)> {
    let mut runs = runs;
    let mut layouts = Vec::new();
    let mut given = given.iter();
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--runs" => runs = given.next().context("--runs needs a number")?.parse()?,
            path => layouts.push(PathBuf::from(path)),
        }
    }
    Ok((runs.max(1), layouts))
}

/// The program, which lies beside this one.
fn built_program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("lazaret");
    if !program.exists() {
        bail!("{} is not there: cargo build --release first", program.display());
    }
    Ok(program)
}

fn row(layout: &Path, program: &Path, xtask: &Path, work: &Path, rules: &Path, runs: usize) -> Result<()> {
    let name = layout.file_name().and_then(|n| n.to_str()).unwrap_or("image");
    let reference = format!("oci:{}", layout.display());
    let cache = work.join("cache");
    let scan = |store: &[&str]| {
        let mut command = Command::new(program);
        command.args(["scan", "-q", "-o"]).arg(work.join("report.json")).args(["-f", "json"]).args(store);
        command.arg(&reference).env("XDG_CACHE_HOME", &cache);
        command
    };
    let mut floor = Command::new(xtask);
    floor.arg("floor").arg(layout);

    // The two are run in turn, so that a busy moment of the machine hits both.
    let mut floors = Vec::new();
    let mut scans = Vec::new();
    for _ in 0..runs {
        floors.push(measure::once(&mut floor)?);
        scans.push(measure::once(&mut scan(&["--no-store"]))?);
    }
    let (floors, scans) = (figures(floors), figures(scans));
    let store = format!("sqlite:{}", work.join(format!("{name}.sqlite")).display());
    measure::once(&mut scan(&["--store", &store]))?;
    let again = repeated(runs, || scan(&["--store", &store]))?;

    let (blob, tar) = floor::sizes(layout)?;
    let unpacked = work.join("unpacked");
    let yara = peer("yara", runs, || {
        unpack_and(&unpacked, layout, Command::new("yara").args(["-w", "-r", "-p", "2"]).arg(rules))
    })?;
    let clam = peer("clamscan", runs, || {
        unpack_and(
            &unpacked,
            layout,
            Command::new("clamscan")
                .args(["-r", "-i", "--no-summary", "--max-filesize=2000M", "--max-scansize=4000M", "-d"])
                .arg(rules),
        )
    })?;
    let times = |peer: &Option<Figures>| match peer {
        Some(peer) => (format!("{:.2}", peer.seconds), format!("{:.1}", peer.seconds / scans.seconds)),
        None => ("-".to_owned(), "-".to_owned()),
    };
    let ((yara_s, yara_x), (clam_s, clam_x)) = (times(&yara), times(&clam));
    println!(
        "{name:<14} {:>6} {:>6} | {:>7.2} {:>7.2} {:>6.2} | {:>7.3} {:>6} | {yara_s:>8} {yara_x:>6} | {clam_s:>8} {clam_x:>6}",
        blob >> 20,
        tar >> 20,
        floors.seconds,
        scans.seconds,
        scans.seconds / floors.seconds,
        again.seconds,
        scans.megabytes.max(again.megabytes),
    );
    Ok(())
}

fn repeated(runs: usize, mut command: impl FnMut() -> Command) -> Result<Figures> {
    let mut all = Vec::new();
    for _ in 0..runs {
        all.push(measure::once(&mut command())?);
    }
    Ok(figures(all))
}

/// `umoci unpack`, then a scanner over the files, as one shell command.
fn unpack_and(unpacked: &Path, layout: &Path, scanner: &mut Command) -> Command {
    let mut words = vec![scanner.get_program().to_string_lossy().into_owned()];
    words.extend(scanner.get_args().map(|a| a.to_string_lossy().into_owned()));
    let (unpacked, layout) = (unpacked.display(), layout.display());
    let mut shell = Command::new("sh");
    // Scanners exit with 1 when they find something, and yara waits for ever on a device.
    shell.arg("-c").arg(format!(
        "rm -rf {unpacked}; umoci unpack --image {layout}:latest {unpacked} >/dev/null 2>&1 || exit 9; rm -rf {unpacked}/rootfs/dev; {} {unpacked}/rootfs >/dev/null 2>&1; rm -rf {unpacked}; exit 0",
        words.join(" ")
    ));
    shell
}

/// A peer's figures, None where it is not installed.
fn peer(program: &str, runs: usize, command: impl FnMut() -> Command) -> Result<Option<Figures>> {
    let there = |name: &str| Command::new("which").arg(name).output().is_ok_and(|o| o.status.success());
    if !there(program) || !there("umoci") {
        return Ok(None);
    }
    // Peers are slow, and three runs show it.
    repeated(runs.min(3), command).map(Some)
}
