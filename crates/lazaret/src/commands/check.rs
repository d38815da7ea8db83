//! `lazaret check FILE…`: how images are run and built, and the images themselves.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};
use lazaret_launch::{NamedImage, Plan, TextKind};
use lazaret_model::{ImageRef, LaunchForm, Report, visible};
use lazaret_scan::{Folder, Scanner};

use super::scan::{Wanted, chain, ignore_list, ignored, outputs, settings, write};
use crate::args::{CheckArgs, CheckKind};
use crate::exit::Exit;
use crate::progress::Bars;

/// Bytes of one file.
const FILE: u64 = 8 << 20;

/// A file that was read.
struct Checked {
    name: String,
    plan: Plan,
}

/// `lazaret check FILE…`.
pub fn run(args: &CheckArgs) -> Result<Exit> {
    let outputs = outputs(&args.output)?;
    let ignore = ignore_list(&args.judge, args.output.quiet)?;
    let mut failed = false;
    let mut checked = Vec::new();
    for file in &args.files {
        match read(file, args.kind) {
            Ok(one) => checked.push(one),
            Err(error) => {
                failed = true;
                eprintln!("lazaret: {}", visible(&format!("{error:#}")));
            }
        }
    }
    let wanted = Wanted {
        references: &[],
        rules: &args.judge.rules,
        only_rules: args.judge.only_rules,
        source: &args.source,
        budget: &args.budget,
        quiet: args.output.quiet,
        no_progress: args.output.no_progress,
    };
    let settings = settings(&wanted, &[])?;
    let (reports, unreached) = super::runtime()?.block_on(async {
        let bars = Bars::new(args.output.quiet || args.output.no_progress);
        let scanner = Scanner::new(settings, bars.listener()).await?;
        super::feed::tell_left_out(scanner.feeds(), true, |said| {
            if !args.output.quiet {
                eprintln!("lazaret: {}", visible(said));
            }
        })?;
        let mut reports = Vec::new();
        let mut unreached = false;
        let mut seen = Vec::new();
        for one in &checked {
            let mut own = scanner.judge_plan(&one.plan, &one.name, origin(one.plan.form)).await?;
            if !args.offline {
                for named in &one.plan.references {
                    unreached |= !image(&scanner, &bars, one, named, &mut own, &mut seen).await;
                }
            }
            reports.extend(own);
        }
        bars.finish();
        scanner.close().await?;
        anyhow::Ok((reports, unreached))
    })?;
    let reports: Vec<Report> = reports.into_iter().map(|report| ignored(report, &ignore)).collect();
    if !reports.is_empty() {
        for output in &outputs {
            write(output, &reports, &args.output)?;
        }
    }
    if failed || unreached {
        return Ok(Exit::Error);
    }
    Ok(Exit::of_reports(&reports, args.judge.fail_on, args.judge.exit_code))
}

/// Scans an image that a file names. One that a container is started from is judged with how it is
/// run, in the place of what was said of the container alone. False where it could not be reached.
async fn image(
    scanner: &Scanner,
    bars: &Bars,
    checked: &Checked,
    named: &NamedImage,
    reports: &mut Vec<Report>,
    seen: &mut Vec<String>,
) -> bool {
    // A file must not lead to other places of this machine: only names of registries count.
    let reference = match named.name.parse::<ImageRef>() {
        Ok(reference @ ImageRef::Registry(_)) => reference,
        _ => {
            bars.suspend(|| {
                eprintln!(
                    "lazaret: {}: `{}` is no image of a registry",
                    visible(&named.place.to_string()),
                    visible(&named.name)
                )
            });
            return false;
        }
    };
    let container = named.container.and_then(|at| checked.plan.containers.get(at));
    if container.is_none() {
        // What several files build upon is looked at once.
        if seen.contains(&named.name) {
            return true;
        }
        seen.push(named.name.clone());
    }
    bars.begin(&reference);
    match scanner.scan_as(&reference, container.map(|one| &one.launch)).await {
        Ok(found) => {
            for mut report in found {
                let part = container
                    .map_or_else(|| format!("{} {}", named.role, named.name), |one| one.name.clone());
                let requested = format!("{}: {part}", checked.name);
                report.requested.clone_from(&requested);
                match reports.iter_mut().find(|own| container.is_some() && own.requested == requested) {
                    Some(own) => *own = report,
                    None => reports.push(report),
                }
            }
            true
        }
        Err(error) => {
            bars.suspend(|| eprintln!("lazaret: {}", visible(&chain(&error))));
            false
        }
    }
}

fn origin(form: LaunchForm) -> &'static str {
    match form {
        LaunchForm::Command => "the words of a command",
        LaunchForm::Compose => "a compose file",
        LaunchForm::Kubernetes => "a Kubernetes manifest",
        LaunchForm::Dockerfile => "a Dockerfile",
    }
}

fn read(file: &Path, kind: Option<CheckKind>) -> Result<Checked> {
    let name = file.display().to_string();
    let mut bytes = Vec::new();
    let whole = || format!("{name} cannot be read");
    if name == "-" {
        io::stdin().lock().take(FILE + 1).read_to_end(&mut bytes).with_context(whole)?;
    } else {
        let opened = File::open(file).with_context(whole)?;
        opened.take(FILE + 1).read_to_end(&mut bytes).with_context(whole)?;
    }
    let text = String::from_utf8_lossy(&bytes);
    let folder = Folder::of(file.parent().unwrap_or(Path::new(".")));
    let kind = kind.map(|kind| match kind {
        CheckKind::Dockerfile => TextKind::Dockerfile,
        CheckKind::Compose => TextKind::Compose,
        CheckKind::Kubernetes => TextKind::Kubernetes,
        CheckKind::Command => TextKind::Command,
    });
    let plan = lazaret_launch::read_with_builds(&name, &text, kind, &folder)?;
    Ok(Checked { name, plan })
}
