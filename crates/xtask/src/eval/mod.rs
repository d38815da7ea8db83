//! `cargo xtask eval DIR`: how right the detections are, over cases of which the truth is known.

mod campaigns;
mod images;
mod lab;
mod manifest;
mod print;
mod score;
mod stage;
mod techniques;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use lazaret_detect::Pack;

pub(crate) use lab::regression;
pub(crate) use manifest::Label;

use manifest::Case;
use score::{Figures, Scored};
use stage::{Judged, Stage};

const USAGE: &str = "usage: cargo xtask eval [--half tune|report] [--set NAME] [--rules DIR]
                        [--json FILE] [--brief] DIR…
       cargo xtask eval --lab [--write-baseline] [--json FILE]
       cargo xtask eval --campaigns [DIR…]";

/// What was asked for.
#[derive(Debug, Default)]
struct Options {
    folders: Vec<PathBuf>,
    /// Only cases whose column `half` says so.
    half: Option<String>,
    set: Option<String>,
    /// Rules beside the built-in ones.
    rules: Vec<PathBuf>,
    json: Option<PathBuf>,
    /// Figures only, no list of wrong cases.
    brief: bool,
    lab: bool,
    write_baseline: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value =
                || words.next().cloned().with_context(|| format!("{word} needs a value\n{USAGE}"));
            match word.as_str() {
                "--half" => options.half = Some(value()?),
                "--set" => options.set = Some(value()?),
                "--rules" => options.rules.push(value()?.into()),
                "--json" => options.json = Some(value()?.into()),
                "--brief" => options.brief = true,
                "--lab" => options.lab = true,
                "--write-baseline" => options.write_baseline = true,
                other if other.starts_with('-') => bail!("`{other}` is no option\n{USAGE}"),
                folder => options.folders.push(folder.into()),
            }
        }
        if let Some(half) = &options.half
            && !matches!(half.as_str(), "tune" | "report")
        {
            bail!("a half is tune or report, not `{half}`");
        }
        if options.lab == options.folders.is_empty() { Ok(options) } else { bail!("{USAGE}") }
    }

    fn wants(&self, case: &Case) -> bool {
        self.half.as_ref().is_none_or(|half| case.other("half") == half)
            && self.set.as_ref().is_none_or(|set| case.set == *set)
    }
}

/// Judges the cases below the named folders and prints the figures.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some((first, folders)) = arguments.split_first()
        && first == "--campaigns"
    {
        return campaigns::run(&folders.iter().map(PathBuf::from).collect::<Vec<_>>());
    }
    let options = Options::parse(arguments)?;
    if options.lab {
        return lab::run(&options);
    }
    let mut cases = Vec::new();
    for folder in &options.folders {
        cases.extend(manifest::read(folder)?);
    }
    cases.retain(|case| options.wants(case));
    let scored = judge_all(cases, &options.rules)?;
    report(&scored, &options)
}

fn report(scored: &[Scored], options: &Options) -> Result<()> {
    let figures = Figures::of(scored);
    print::all(scored, &figures, options.brief);
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&score::document(scored, &figures))?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Judges cases on all processors, in the order of the list.
fn judge_all(cases: Vec<Case>, rules: &[PathBuf]) -> Result<Vec<Scored>> {
    let pack = Pack::load(rules, None)?;
    let program = program()?;
    let stage = Stage::new(&pack, &program, rules)?;
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Scored)>> = Mutex::new(Vec::with_capacity(cases.len()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut images = None;
                while let Some((index, case)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    cases.get(index).map(|case| (index, case))
                } {
                    let (judged, took) = stage.judge(case, &mut images).unwrap_or_else(|error| {
                        (Judged::Not(format!("{error:#}")), std::time::Duration::ZERO)
                    });
                    let scored = Scored { case: case.clone(), judged, took };
                    results.lock().expect("no thread panics while it holds the list").push((index, scored));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("every thread is done");
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, scored)| scored).collect())
}

/// The program that was built beside this one.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    // A test's program stands one folder deeper.
    let folder = own.parent().map(Path::to_owned).unwrap_or_default();
    let folder = if folder.ends_with("deps") { folder.join("..") } else { folder };
    Ok(folder.join("lazaret"))
}
