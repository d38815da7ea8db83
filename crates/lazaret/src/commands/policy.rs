use std::fmt::Write;
use std::io::IsTerminal;
use std::path::Path;

use anyhow::{Context, Result, bail};
use lazaret_gate::{Action, Explanation, Judged, Mode, Named, Policy};
use lazaret_model::{ImageRef, ImageReport, RegistryRef, one_line};
use serde_json::json;
use time::OffsetDateTime;

use super::scan::{self, Wanted};
use crate::args::{PolicyCommand, PolicyExplainArgs};
use crate::exit::Exit;

/// `lazaret policy`.
pub fn run(command: PolicyCommand) -> Result<Exit> {
    match command {
        PolicyCommand::Explain(args) => explain(&args),
        PolicyCommand::Check { file } => check(&file),
    }
}

fn check(file: &Path) -> Result<Exit> {
    let policy = Policy::read(file)?;
    let rules = policy.rules.len();
    let plural = if rules == 1 { "" } else { "s" };
    let mut text = format!("{} is right: mode {}, {rules} rule{plural}\n", file.display(), mode(&policy));
    let today = OffsetDateTime::now_utc().date();
    for line in policy.expired(today).into_iter().chain(policy.unreached()) {
        let _ = writeln!(text, "  note: {}", one_line(&line, 300));
    }
    super::print(&text)?;
    Ok(Exit::Allowed)
}

fn mode(policy: &Policy) -> &'static str {
    match policy.mode {
        Mode::Enforce => "enforce",
        Mode::Audit => "audit",
    }
}

fn explain(args: &PolicyExplainArgs) -> Result<Exit> {
    // What is wrong with the arguments is said before anything is read.
    let policy = match &args.policy {
        Some(file) => Policy::read(file)?,
        None => Policy::default(),
    };
    let asked = asked(args)?;
    let launch = args.run_as.as_deref().map(scan::launch).transpose()?;
    let references = [args.reference.clone()];
    let wanted = Wanted {
        references: &references,
        rules: &args.rules.rules,
        only_rules: args.rules.only_rules,
        source: &args.source,
        budget: &args.budget,
        quiet: false,
        no_progress: args.json,
    };
    let (reports, failed) = scan::read_as(&wanted, launch.as_ref())?;
    let now = OffsetDateTime::now_utc();
    let judged: Vec<Judged> = reports.iter().flat_map(|report| &report.images).map(of).collect();
    let explained: Vec<(Judged, Explanation)> = judged
        .into_iter()
        .map(|judged| {
            let explained = policy.explain(&asked, &judged, launch.as_ref(), now);
            (judged, explained)
        })
        .collect();
    let width = scan::width(std::io::stdout().is_terminal());
    let text = match args.json {
        true => {
            let images: Vec<_> = explained
                .iter()
                .map(|(judged, explained)| json!({ "judged": judged, "explanation": explained }))
                .collect();
            let whole = json!({ "image": asked.to_string(), "mode": policy.mode, "images": images });
            lazaret_report::json_document(&whole)
        }
        false => explained.iter().map(|(judged, how)| told(&asked, judged, how, &policy, width)).collect(),
    };
    super::print(&text)?;
    if failed || explained.is_empty() {
        return Ok(Exit::Error);
    }
    let refused = explained.iter().any(|(_, how)| how.decision.action == Action::Refuse);
    Ok(if refused && policy.mode == Mode::Enforce { Exit::Refused(1) } else { Exit::Allowed })
}

/// The name under which the image is asked for.
fn asked(args: &PolicyExplainArgs) -> Result<RegistryRef> {
    if let Some(name) = &args.name {
        return name.parse().with_context(|| format!("`{}` is no name of an image", one_line(name, 120)));
    }
    match args.reference.parse::<ImageRef>() {
        Ok(ImageRef::Registry(reference)) => Ok(reference),
        _ => bail!(
            "{} is in no registry, and a policy is about names in registries: say which with --name",
            one_line(&args.reference, 120)
        ),
    }
}

fn of(image: &ImageReport) -> Judged {
    let mut findings: Vec<Named> = image
        .findings
        .iter()
        .map(|finding| Named {
            rule: finding.rule.id.clone(),
            class: finding.class,
            severity: finding.severity,
        })
        .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings.dedup();
    Judged {
        digest: image.image.pinned.digest.clone(),
        outcome: image.verdict.outcome,
        why: image.verdict.why.clone(),
        findings,
        judged_at: OffsetDateTime::now_utc(),
        judges: String::new(),
    }
}

/// A text behind a head, its further lines below the first.
fn paragraph(out: &mut String, head: &str, text: &str, width: usize) {
    let (mut line, mut empty) = (head.to_owned(), true);
    for word in text.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > width {
            out.push_str(&line);
            out.push('\n');
            (line, empty) = (" ".repeat(head.chars().count()), true);
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out.push_str(&line);
    out.push('\n');
}

fn told(asked: &RegistryRef, judged: &Judged, how: &Explanation, policy: &Policy, width: usize) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", one_line(&asked.to_string(), 200));
    let _ = writeln!(out, "  {}", judged.digest);
    let verdict = format!("{}: {}", judged.outcome.word(), one_line(&judged.why, 300));
    paragraph(&mut out, "  verdict   ", &verdict, width);
    for step in &how.steps {
        let _ = writeln!(out, "  rule      {}", one_line(&step.rule, 100));
        for misfit in &step.misfits {
            paragraph(&mut out, "              does not fit: ", &one_line(misfit, 200), width);
        }
    }
    let by = one_line(&how.decision.by, 100);
    let decided = how.steps.last().is_some_and(|step| step.misfits.is_empty());
    let _ = match decided {
        true => writeln!(out, "              fits, and decides"),
        false => writeln!(out, "  no rule fits: the {by} decides"),
    };
    if let Some(why) = &how.decision.why {
        paragraph(&mut out, "              ", &one_line(why, 300), width);
    }
    let answer = match (how.decision.action, policy.mode) {
        (Action::Allow, _) => "it comes in",
        (Action::Refuse, Mode::Enforce) => "it is refused",
        (Action::Refuse, Mode::Audit) => "it would be refused; it comes in, because the policy only watches",
    };
    let _ = writeln!(out, "  {answer}");
    out
}
