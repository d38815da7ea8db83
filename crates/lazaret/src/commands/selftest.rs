use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use lazaret_lab::{Case, Label, Set, cases};
use lazaret_model::{Budget, ImageRef, Launch, Outcome};
use lazaret_scan::{ClientOptions, Scanner, Settings, WorkerConfig};

use crate::args::SelftestArgs;
use crate::exit::Exit;
use crate::paths;

/// `lazaret selftest`: the whole way, from an image on disk to a verdict, on images that only
/// look bad and on images that only look alike.
pub fn run(args: &SelftestArgs) -> Result<Exit> {
    let chosen = chosen(&args.set)?;
    let directory = tempfile::Builder::new().prefix("lazaret-lab-").tempdir()?;
    let settings = Settings {
        worker: WorkerConfig {
            rules: Vec::new(),
            only_user_rules: false,
            cache: paths::made_cache(),
            jobs: super::scan::jobs(),
            confine: !args.unconfined,
            memory: 2 << 30,
        },
        budget: Budget::default(),
        platforms: Vec::new(),
        registry: ClientOptions::default(),
        store: None,
        at_once: 1,
        feeds: None,
        program: std::env::current_exe()?,
    };
    let mut wrong = 0;
    let mut table = String::new();
    super::runtime()?.block_on(async {
        let scanner = Scanner::new(settings, Arc::new(|_| {})).await?;
        for case in &chosen {
            let reference = write_case(case, directory.path())?;
            let launch = launch(case)?;
            let reports = scanner.scan_as(&reference, launch.as_ref()).await?;
            let outcome = reports.iter().map(|r| r.verdict.outcome).max_by_key(|o| o.rank());
            let right = match case.label {
                Label::Malicious => matches!(outcome, Some(Outcome::Malicious | Outcome::Suspicious)),
                Label::DualUse | Label::Benign => outcome == Some(Outcome::Clean),
            };
            wrong += usize::from(!right);
            table.push_str(&format!(
                "{:<5} {:<13} {:<10} {}\n",
                if right { "ok" } else { "WRONG" },
                outcome.map_or("no image", Outcome::word),
                case.label.word(),
                case.path(),
            ));
        }
        scanner.close().await?;
        anyhow::Ok(())
    })?;
    table.push_str(&format!("{} images, {wrong} judged otherwise than they are\n", chosen.len()));
    super::print(&table)?;
    Ok(if wrong == 0 { Exit::Allowed } else { Exit::Refused(1) })
}

/// How a case is run, where the launch is what it is about.
fn launch(case: &Case) -> Result<Option<Launch>> {
    let Some(words) = case.guilty_run() else { return Ok(None) };
    let plan = lazaret_launch::command_line(words, &lazaret_launch::Nothing)?;
    Ok(plan.containers.into_iter().next().map(|container| container.launch))
}

/// The cases that hold an image. A lure without one is for commands that see more than images.
fn chosen(set: &str) -> Result<Vec<Case>> {
    let set = match set {
        "lineup" => Some(Set::Lineup),
        "catalogue" => Some(Set::Catalogue),
        "near-miss" => Some(Set::NearMiss),
        "actors" => Some(Set::Actors),
        "all" => None,
        other => bail!("the lab has no set `{other}`: lineup, catalogue, near-miss, actors or all"),
    };
    let mut cases = cases()?;
    cases.retain(|case| set.is_none_or(|set| case.set == set) && !case.images.is_empty());
    Ok(cases)
}

fn write_case(case: &Case, directory: &Path) -> Result<ImageRef> {
    let path = directory.join(case.path());
    case.write_oci_layout(&path)?;
    Ok(ImageRef::OciLayout { path, reference: None })
}

/// Writes out what `lab:SET` or `lab:SET/NAME` names.
pub fn write_cases(which: &str, directory: &Path) -> Result<Vec<ImageRef>> {
    let (set, name) = match which.split_once('/') {
        Some((set, name)) => (set, Some(name)),
        None => (which, None),
    };
    let mut cases = chosen(set)?;
    if let Some(name) = name {
        cases.retain(|case| case.name == name);
        if cases.is_empty() {
            bail!("the lab's set `{set}` has no image `{name}`");
        }
    }
    cases.iter().map(|case| write_case(case, directory)).collect()
}
