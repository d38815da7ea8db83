//! New steps: what the second image does by itself and the first did not.

use std::collections::HashSet;

use lazaret_model::{Behaviour, BehaviourKind, ImageReport, Phase};

use super::volatile::stable;
use super::{Area, Change, ChangeOutcome};
use crate::story::{Mark, say, tell_new};

/// Steps named of one comparison.
const MOST: usize = 60;

/// What is new among the steps, and how many of the first are gone.
pub fn changes(from: &ImageReport, to: &ImageReport) -> Vec<Change> {
    let known: HashSet<Key> = from.behaviours.iter().map(key).collect();
    let new: Vec<Behaviour> = to
        .behaviours
        .iter()
        .filter(|b| b.phase != Phase::Build && !known.contains(&key(b)))
        .cloned()
        .collect();
    let mut out = Vec::new();
    let told = tell_new(to, &new);
    let more = told.len().saturating_sub(MOST);
    for (phase, alarming, mut step) in told.into_iter().take(MOST) {
        let aside = step.mark == Mark::Aside;
        let accused = step
            .charges
            .iter()
            .any(|charge| charge.class == "malware" && charge.severity >= lazaret_model::Severity::Medium);
        let outcome = match (alarming || accused, aside) {
            (true, _) => ChangeOutcome::Alarming,
            (false, true) => ChangeOutcome::Updates,
            (false, false) => ChangeOutcome::More,
        };
        if let Some(when) = when(phase) {
            step.sentence = say(when).then(std::mem::take(&mut step.sentence));
        }
        if outcome == ChangeOutcome::Alarming {
            step.mark = Mark::Alarm;
        }
        out.push(Change { area: Area::Steps, outcome, step });
    }
    if more > 0 {
        out.push(Change::new(Area::Steps, ChangeOutcome::More, say(format!("and {more} more new steps"))));
    }
    let now: HashSet<Key> = to.behaviours.iter().map(key).collect();
    let gone = from.behaviours.iter().filter(|b| b.phase != Phase::Build && !now.contains(&key(b))).count();
    if gone > 0 {
        let sentence =
            say(format!("{} that the first took are gone", crate::words::count(gone as u64, "step")));
        out.push(Change::new(Area::Steps, ChangeOutcome::Updates, sentence));
    }
    out
}

fn when(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Start | Phase::Build => None,
        Phase::Health => Some("at each health check: "),
        Phase::Scheduled => Some("by schedule: "),
        Phase::Login => Some("when somebody opens a shell: "),
        Phase::OnBuild => Some("when another image is built from it: "),
    }
}

type Key = (Phase, &'static str, Vec<String>);

/// What makes two behaviours the same one in two versions of an image: not the line, and not how
/// sure it is.
fn key(behaviour: &Behaviour) -> Key {
    let (kind, parts): (&'static str, Vec<String>) = match &behaviour.kind {
        BehaviourKind::Process { argv, fed_by, downloaded, .. } => {
            let mut parts: Vec<String> = argv.iter().map(|arg| stable(arg)).collect();
            parts.push(format!("<{}", fed_by.join(" ")));
            parts.extend(downloaded.as_deref().map(stable));
            ("process", parts)
        }
        BehaviourKind::File { op, path, content, .. } => {
            let content = content.as_deref().map(stable).unwrap_or_default();
            ("file", vec![format!("{op:?}"), stable(path), content])
        }
        BehaviourKind::Network { host, port, url, .. } => {
            let url = url.as_deref().map(stable).unwrap_or_default();
            ("network", vec![host.clone(), port.map(|port| port.to_string()).unwrap_or_default(), url])
        }
    };
    (behaviour.phase, kind, parts)
}
