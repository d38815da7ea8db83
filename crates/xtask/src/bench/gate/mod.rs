//! `cargo xtask bench gate [--runs N] [LAYOUT…]`: what pulling through the gate costs, beside the
//! same pull from the registry directly, on a real registry, with a real client.

mod load;
mod servers;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::measure::{figures, once};
use super::{built_program, images};
use servers::{Gate, Registry};

/// Each pull is measured so often; medians are shown.
const RUNS: usize = 5;
/// Clients that ask for manifests at the same time, and how often each.
const CLIENTS: usize = 200;
const REQUESTS: usize = 50;
/// Clients that ask for one new image at the same time.
const CROWD: usize = 1_000;

/// Runs it over the layouts named, or over images made here from Debian packages.
pub fn run(arguments: &[String]) -> Result<()> {
    let (runs, mut layouts) = super::arguments(arguments, RUNS)?;
    if layouts.is_empty() {
        layouts = images::make()?;
    }
    let program = built_program()?;
    let work = tempfile::Builder::new().prefix("lazaret-bench-").tempdir()?;
    let registry = Registry::start(work.path())?;
    let mut names = Vec::new();
    for layout in &layouts {
        let name = layout.file_name().and_then(|n| n.to_str()).context("a layout without a name")?;
        run_quietly(skopeo(&format!("oci:{}:latest", layout.display()), &registry.image(name)))?;
        names.push(name.to_owned());
    }
    // Rules are compiled once on a machine, and kept: not what is measured here.
    let bench = Bench { program, work: work.path().to_owned(), registry, runs };
    bench.warm_up(&names)?;
    println!(
        "{:<14} | {:>8} {:>8} {:>6} | {:>8} {:>8} {:>6} | {:>7}",
        "image", "direct s", "warm s", "ratio", "then s", "cold s", "ratio", "RSS MB"
    );
    for name in &names {
        bench.pulls(name)?;
    }
    println!(
        "\nmedians of {runs} runs, in turn; `direct`: the same pull from the registry; `then`: pull directly, then \
         scan; RSS: gate and workers together, highest of a cold pull"
    );
    bench.latency(&names[0])?;
    bench.crowd(&names[0])
}

struct Bench {
    program: PathBuf,
    work: PathBuf,
    registry: Registry,
    runs: usize,
}

impl Bench {
    fn warm_up(&self, names: &[String]) -> Result<()> {
        let gate = self.gate("first")?;
        run_quietly(skopeo(&gate.image(&names[0]), &self.directory()))
    }

    /// A gate that knows nothing.
    fn gate(&self, name: &str) -> Result<Gate> {
        Gate::start(&self.program, &self.work, name, &self.registry)
    }

    /// A place to which nothing was copied yet.
    fn directory(&self) -> String {
        let path = self.work.join("pulled");
        // Nothing there is as good.
        let _ = std::fs::remove_dir_all(&path);
        format!("dir:{}", path.display())
    }

    fn pulls(&self, name: &str) -> Result<()> {
        let (mut direct, mut warm, mut then, mut cold) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut highest = 0;
        for run in 0..self.runs {
            let mut one = once(&mut skopeo(&self.registry.image(name), &self.directory()))?;
            one.seconds += self.scan_pulled(name, run)?;
            then.push(one);
            let gate = self.gate(&format!("cold-{name}-{run}"))?;
            let watched = gate.watch_memory();
            cold.push(once(&mut skopeo(&gate.image(name), &self.directory()))?);
            highest = highest.max(watched.highest());
            // What was just judged is asked for again.
            direct.push(once(&mut skopeo(&self.registry.image(name), &self.directory()))?);
            warm.push(once(&mut skopeo(&gate.image(name), &self.directory()))?);
            gate.forget();
        }
        let (direct, warm, then, cold) = (figures(direct), figures(warm), figures(then), figures(cold));
        println!(
            "{name:<14} | {:>8.2} {:>8.2} {:>6.2} | {:>8.2} {:>8.2} {:>6.2} | {highest:>7}",
            direct.seconds,
            warm.seconds,
            warm.seconds / direct.seconds,
            then.seconds,
            cold.seconds,
            cold.seconds / then.seconds,
        );
        Ok(())
    }

    /// Seconds to scan what was pulled directly, with a store that knows nothing.
    fn scan_pulled(&self, name: &str, run: usize) -> Result<f64> {
        let layout = self.work.join("layout");
        let _ = std::fs::remove_dir_all(&layout);
        run_quietly(skopeo(&self.directory_there(), &format!("oci:{}:1", layout.display())))?;
        let store = self.work.join(format!("then-{name}-{run}.sqlite"));
        let mut scan = Command::new(&self.program);
        scan.args(["scan", "-q", "-f", "json", "-o"]).arg(self.work.join("report.json"));
        scan.arg("--store").arg(&store).arg(format!("oci:{}:1", layout.display()));
        scan.env("XDG_CACHE_HOME", self.work.join("cache"));
        Ok(once(&mut scan)?.seconds)
    }

    fn directory_there(&self) -> String {
        format!("dir:{}", self.work.join("pulled").display())
    }

    /// Manifests whose verdict is known, asked for by many at once.
    fn latency(&self, name: &str) -> Result<()> {
        let gate = self.gate("latency")?;
        run_quietly(skopeo(&gate.image(name), &self.directory()))?;
        let digest = load::digest_of_tag(&gate.host, &format!("bench/{name}"), "1")?;
        println!("\nmanifests with a known verdict, {CLIENTS} clients at once, {REQUESTS} requests each");
        for (what, reference) in [("by digest", digest.as_str()), ("by tag", "1")] {
            let path = format!("/v2/bench/{name}/manifests/{reference}");
            let begin = Instant::now();
            let mut times = load::ask(&gate.host, &path, CLIENTS, REQUESTS)?;
            let seconds = begin.elapsed().as_secs_f64();
            times.sort();
            let at = |share: f64| {
                // Far below the precision of either.
                let at = ((times.len() - 1) as f64 * share) as usize;
                times[at].as_secs_f64() * 1e3
            };
            println!(
                "{what:<10} median {:>6.2} ms   99th percentile {:>6.2} ms   highest {:>6.2} ms   {:>6.0} a second",
                at(0.5),
                at(0.99),
                at(1.0),
                times.len() as f64 / seconds
            );
        }
        // The same clients, no faster than they can be answered: what one request takes.
        let mut alone = load::ask(&gate.host, &format!("/v2/bench/{name}/manifests/{digest}"), 1, 2_000)?;
        alone.sort();
        println!("one client  median {:>6.2} ms", alone[alone.len() / 2].as_secs_f64() * 1e3);
        Ok(())
    }

    /// One new image, asked for by very many at once.
    fn crowd(&self, name: &str) -> Result<()> {
        let gate = self.gate("crowd")?;
        let before = self.registry.log_length()?;
        let begin = Instant::now();
        let times = load::ask(&gate.host, &format!("/v2/bench/{name}/manifests/1"), CROWD, 1)?;
        let took = begin.elapsed();
        let log = self.registry.log_since(before)?;
        let mut blobs: Vec<&str> = log
            .lines()
            .filter(|line| line.starts_with("127.0.0.1") && line.contains("\"GET /v2/"))
            .filter_map(|line| line.split("/blobs/").nth(1)?.split(' ').next())
            .collect();
        let fetched = blobs.len();
        blobs.sort_unstable();
        blobs.dedup();
        println!(
            "\n{} clients asked for one new image at once: all answered in {:.2} s; {fetched} blobs fetched, {} different",
            times.len(),
            took.as_secs_f64(),
            blobs.len()
        );
        if fetched != blobs.len() {
            bail!("a blob was fetched twice");
        }
        Ok(())
    }
}

fn skopeo(from: &str, to: &str) -> Command {
    let mut copy = Command::new("skopeo");
    copy.args(["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", from, to]);
    copy
}

fn run_quietly(mut command: Command) -> Result<()> {
    let done = command.output().with_context(|| format!("{command:?}"))?;
    if !done.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}

/// Waits until `ready` gives something.
fn wait<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(30) {
        if let Some(found) = ready() {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    bail!("waited in vain: {what}")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
