//! Configuration, privileges and indicators.

use std::collections::{BTreeMap, BTreeSet};

use lazaret_model::{BehaviourKind, ImageReport, IndicatorKind, Phase, Severity};

use super::volatile::stable;
use super::{Area, Change, ChangeOutcome};
use crate::story::say;

/// Things of one kind that are named.
const MOST: usize = 20;

/// Addresses, wallets and keys that the first has not.
pub fn indicators(from: &ImageReport, to: &ImageReport) -> Vec<Change> {
    let known = of(from);
    let mut out = Vec::new();
    for ((kind, value), _) in of(to).iter().filter(|(key, _)| !known.contains_key(*key)).take(MOST) {
        let outcome = match *kind {
            "wallet" | "pool" | "pool-login" | "ssh-key" => ChangeOutcome::Alarming,
            _ => ChangeOutcome::More,
        };
        let words = match *kind {
            "built with" => "its build now fetches from ".to_owned(),
            kind => format!("{}: ", kind.replace('-', " ")),
        };
        let outcome = if *kind == "built with" { ChangeOutcome::Updates } else { outcome };
        out.push(Change::new(Area::Indicators, outcome, say(words).code(value.clone())));
    }
    out
}

fn of(image: &ImageReport) -> BTreeMap<(&'static str, String), ()> {
    let mut out = BTreeMap::new();
    for finding in image.findings.iter().filter(|finding| finding.severity > Severity::Info) {
        for indicator in &finding.indicators {
            if matches!(
                indicator.kind,
                IndicatorKind::ScriptHash | IndicatorKind::ElfHash | IndicatorKind::FuzzyHash
            ) {
                continue;
            }
            let value = match indicator.kind {
                IndicatorKind::Url => stable(&indicator.value),
                _ => indicator.value.clone(),
            };
            out.insert((indicator.kind.name(), value), ());
        }
    }
    for behaviour in &image.behaviours {
        if let BehaviourKind::Network { host, .. } = &behaviour.kind
            && !host.contains('$')
        {
            let kind = if behaviour.phase == Phase::Build { "built with" } else { "host" };
            out.insert((kind, host.clone()), ());
        }
    }
    out
}

/// Who it runs as, what it opens, what it starts, what it sets.
pub fn changes(from: &ImageReport, to: &ImageReport) -> Vec<Change> {
    let (a, b) = (&from.image.config, &to.image.config);
    let mut out = Vec::new();
    let root = |user: &str| matches!(user.split(':').next().unwrap_or_default(), "" | "root" | "0");
    if a.user != b.user {
        let shown = |user: &str| if user.is_empty() { "root".to_owned() } else { user.to_owned() };
        let sentence = say("runs as ").code(shown(&b.user)).say(", before as ").code(shown(&a.user));
        let outcome =
            if root(&b.user) && !root(&a.user) { ChangeOutcome::More } else { ChangeOutcome::Updates };
        if shown(&a.user) != shown(&b.user) {
            out.push(Change::new(Area::Privileges, outcome, sentence));
        }
    }
    let mut lists = |before: &[String], now: &[String], words: &str, area| {
        let before: BTreeSet<&String> = before.iter().collect();
        let new: Vec<String> = now.iter().filter(|one| !before.contains(one)).cloned().collect();
        if !new.is_empty() {
            out.push(Change::new(area, ChangeOutcome::More, say(words).list(new.into_iter().take(MOST))));
        }
    };
    lists(&a.exposed_ports, &b.exposed_ports, "says that it listens on ", Area::Privileges);
    lists(&a.volumes, &b.volumes, "asks for a volume at ", Area::Privileges);
    lists(&a.on_build, &b.on_build, "runs when another image is built from it: ", Area::Configuration);
    for (key, before, now) in [
        ("entry point", a.entrypoint.join(" "), b.entrypoint.join(" ")),
        ("command", a.cmd.join(" "), b.cmd.join(" ")),
        ("health check", health(a), health(b)),
        ("working folder", a.working_dir.clone(), b.working_dir.clone()),
    ] {
        if stable(&before) == stable(&now) {
            continue;
        }
        let sentence = say(format!("its {key} is ")).code(now.clone());
        let sentence = if before.is_empty() { sentence } else { sentence.say(", before ").code(before) };
        let outcome = if now.is_empty() || key == "working folder" {
            ChangeOutcome::Updates
        } else {
            ChangeOutcome::More
        };
        out.push(Change::new(Area::Configuration, outcome, sentence));
    }
    out.extend(environment(from, to));
    out
}

fn health(config: &lazaret_model::ImageConfig) -> String {
    config.healthcheck.as_ref().map_or_else(String::new, |check| check.test.join(" "))
}

/// Variables by which a program is made to load or run something.
const LOADING: &[&str] = &[
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "BASH_ENV",
    "ENV",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "PERL5OPT",
    "RUBYOPT",
    "NODE_OPTIONS",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "PROMPT_COMMAND",
    "GIT_SSH_COMMAND",
];

fn environment(from: &ImageReport, to: &ImageReport) -> Vec<Change> {
    let (a, b) = (&from.image.config, &to.image.config);
    let mut out = Vec::new();
    for (name, value) in &b.env {
        let before = a.env_value(name);
        if before.map(stable) == Some(stable(value)) || b.env_value(name) != Some(value) {
            continue;
        }
        let sentence = match before {
            Some(before) => say("the variable ")
                .code(name.clone())
                .say(" is ")
                .code(value.clone())
                .say(", before ")
                .code(before),
            None => say("sets the variable ").code(format!("{name}={value}")),
        };
        let loads = LOADING.contains(&name.as_str());
        let outcome = if loads { ChangeOutcome::More } else { ChangeOutcome::Updates };
        out.push(Change::new(Area::Configuration, outcome, sentence));
    }
    out.truncate(MOST);
    out
}
