//! `cargo xtask corpus DIR`: the whole program over every file and layout below a folder, hostile
//! ones included, and what must hold whatever is read.
//!
//! Each is scanned as it is; each file also as a layer of an image and as a file in a layer, since
//! that is where other people's archives stand in truth.

mod image;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The longest that one scan may take.
const LIMIT: Duration = Duration::from_secs(20);

/// How often a running scan is looked at.
const POLL: Duration = Duration::from_millis(2);

/// Scans all and prints the counts and every violation; an error where there was one.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [folder] = arguments else {
        bail!("usage: cargo xtask corpus DIR");
    };
    let folder = Path::new(folder).canonicalize().with_context(|| format!("cannot read {folder}"))?;
    let program = std::env::current_exe()?.with_file_name("lazaret");
    if !program.exists() {
        bail!("{} is not there: cargo build --release first", program.display());
    }
    let mut paths = Vec::new();
    collect(&folder, &mut paths)?;
    let before = state_of(&folder)?;
    let bench = Bench::new(program)?;
    let mut tally = Tally::default();
    for path in &paths {
        tally.add("as it is", path, &bench.scan(path)?);
        if path.is_file() {
            tally.add("as a layer", path, &bench.scan(&image::with_layer(path, &bench.layout)?)?);
            tally.add("in a layer", path, &bench.scan(&image::with_file(path, &bench.layout)?)?);
        }
    }
    if state_of(&folder)? != before {
        tally.violations.push(format!("{}: something in it was changed", folder.display()));
    }
    tally.print(paths.len());
    if !tally.violations.is_empty() {
        bail!("{} violations", tally.violations.len());
    }
    Ok(())
}

/// Every file, and every folder that could be taken for an image.
fn collect(folder: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    let mut inside: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        inside.push(entry?.path());
    }
    inside.sort();
    if ["index.json", "manifest.json", "oci-layout"].iter().any(|name| folder.join(name).exists()) {
        out.push(folder.to_owned());
    }
    for path in inside {
        let kind = path.symlink_metadata()?.file_type();
        if kind.is_dir() {
            collect(&path, out)?;
        } else if kind.is_file() {
            out.push(path);
        }
    }
    Ok(())
}

/// Every file below a folder with its size and the time of its last change.
fn state_of(folder: &Path) -> Result<BTreeMap<PathBuf, (u64, SystemTime)>> {
    let mut state = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let metadata = path.symlink_metadata()?;
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            state.insert(path, (metadata.len(), metadata.modified()?));
        }
    }
    Ok(state)
}

/// Where scans run: a home of their own, and folders that must stay empty.
struct Bench {
    program: PathBuf,
    root: tempfile::TempDir,
    /// Where a layout is built for the next scan.
    layout: PathBuf,
}

/// How one scan ended.
struct Outcome {
    /// The exit code; None where it was killed, by a signal or for its time.
    code: Option<i32>,
    took: Duration,
    out: String,
    err: String,
    /// What it left where it should write nothing.
    left: Vec<PathBuf>,
}

impl Bench {
    fn new(program: PathBuf) -> Result<Self> {
        let root = tempfile::Builder::new().prefix("lazaret-corpus-").tempdir()?;
        for name in ["home", "empty", "tmp"] {
            fs::create_dir(root.path().join(name))?;
        }
        let layout = root.path().join("layout");
        Ok(Self { program, root, layout })
    }

    fn scan(&self, path: &Path) -> Result<Outcome> {
        let root = self.root.path();
        let (out, err) = (root.join("out"), root.join("err"));
        let begun = Instant::now();
        let mut child = Command::new(&self.program)
            .args(["scan", "--no-store", "-q", "-f", "json"])
            .arg(path)
            .current_dir(root.join("empty"))
            .env("HOME", root.join("home"))
            .env("TMPDIR", root.join("tmp"))
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null())
            .stdout(File::create(&out)?)
            .stderr(File::create(&err)?)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if begun.elapsed() > LIMIT {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(POLL);
        };
        let took = begun.elapsed();
        let text =
            |path: &Path| -> Result<String> { Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned()) };
        let mut left = Vec::new();
        for name in ["empty", "tmp"] {
            for entry in fs::read_dir(root.join(name))? {
                let path = entry?.path();
                if path.is_dir() {
                    fs::remove_dir_all(&path)?
                } else {
                    fs::remove_file(&path)?
                }
                left.push(path);
            }
        }
        Ok(Outcome { code: status.and_then(|s| s.code()), took, out: text(&out)?, err: text(&err)?, left })
    }
}

impl Outcome {
    /// What must hold whatever was read, and does not.
    fn violations(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        match self.code {
            Some(0..=3) => {}
            Some(code) => wrong.push(format!("exit code {code}")),
            None if self.took > LIMIT => wrong.push(format!("not done after {LIMIT:?}")),
            None => wrong.push("killed by a signal".to_owned()),
        }
        if [&self.out, &self.err].iter().any(|text| text.contains("panicked at")) {
            wrong.push(format!("it panicked: {}", self.err.trim_end()));
        }
        let lines = self.err.lines().count();
        match self.code {
            Some(2) if lines != 1 => wrong.push(format!("{lines} lines for one error: {:?}", self.err)),
            Some(0 | 1 | 3) if lines != 0 => wrong.push(format!("not quiet: {:?}", self.err)),
            _ => {}
        }
        if self.err.chars().any(|c| c.is_control() && c != '\n') {
            wrong.push(format!("control characters on the terminal: {:?}", self.err));
        }
        if !self.left.is_empty() {
            wrong.push(format!("it wrote {:?}", self.left));
        }
        if let Some(code @ (0 | 1 | 3)) = self.code {
            match serde_json::from_str::<Value>(&self.out) {
                Ok(document) => wrong.extend(silent(code, &document)),
                Err(error) => wrong.push(format!("what it printed is no JSON: {error}")),
            }
        }
        wrong
    }
}

/// What a report leaves unsaid.
fn silent(code: i32, document: &Value) -> Option<String> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let reports = list(document, "reports");
    let images: Vec<Value> = reports.iter().flat_map(|report| list(report, "images")).collect();
    if images.is_empty() && reports.iter().all(|report| list(report, "unscanned").is_empty()) {
        return Some(format!("exit code {code} for nothing"));
    }
    for image in &images {
        let unread = image["coverage"]["layers"] != image["coverage"]["layersRead"];
        if unread && list(image, "gaps").is_empty() {
            return Some("a layer was not read and no gap says so".to_owned());
        }
        if code == 0 && unread {
            return Some("exit code 0 with an unread layer".to_owned());
        }
    }
    let clean = reports.iter().all(|report| report["verdict"]["outcome"] == "clean");
    (code == 3 && clean && !reports.iter().any(|report| report["verdict"]["hasGaps"] == true))
        .then(|| "exit code 3 and no gap".to_owned())
}

/// What came of all scans.
#[derive(Default)]
struct Tally {
    /// By the way of scanning and the exit code.
    counts: BTreeMap<(&'static str, String), usize>,
    violations: Vec<String>,
    slowest: Option<(Duration, String)>,
}

impl Tally {
    fn add(&mut self, way: &'static str, path: &Path, outcome: &Outcome) {
        let code = outcome.code.map_or("killed".to_owned(), |code| format!("exit code {code}"));
        *self.counts.entry((way, code)).or_default() += 1;
        let name = format!("{} {way}", path.display());
        for wrong in outcome.violations() {
            eprintln!("{name}: {wrong}");
            self.violations.push(format!("{name}: {wrong}"));
        }
        if self.slowest.as_ref().is_none_or(|(took, _)| outcome.took > *took) {
            self.slowest = Some((outcome.took, name));
        }
    }

    fn print(&self, paths: usize) {
        println!("{paths} files and layouts");
        for ((way, code), count) in &self.counts {
            println!("{way:12} {code:12} {count:6}");
        }
        if let Some((took, name)) = &self.slowest {
            println!("slowest: {:.2} s {name}", took.as_secs_f64());
        }
        println!("{} violations", self.violations.len());
        for violation in &self.violations {
            println!("  {violation}");
        }
    }
}
