//! What whoever ran a member must clean up: deleting the image does not undo what it did to the host.

use std::collections::BTreeMap;

use lazaret_model::{Behaviour, BehaviourKind, Cleanup, Deed, DeedKind, FileOp, IndicatorKind, Phase};

use super::deeds::{host_path, schedule_place};

/// Steps that are told at the most.
const STEPS: usize = 60;
/// Characters of a line that is quoted.
const QUOTED: usize = 300;

/// What one member did.
pub(super) struct Done<'r> {
    /// Its position.
    pub member: usize,
    /// What it does.
    pub deeds: &'r [Deed],
    /// What it does, on paper.
    pub behaviours: &'r [Behaviour],
    /// What its findings name.
    pub indicators: Vec<&'r lazaret_model::Indicator>,
}

/// What to clean up, in the order in which it should be done: stop what brings the rest back first.
pub(super) fn cleanup(all: &[Done<'_>]) -> Vec<Cleanup> {
    let mut steps: BTreeMap<(u8, String), (String, Vec<usize>)> = BTreeMap::new();
    let mut step = |order: u8, what: String, because: String, member: usize| {
        let (_, members) = steps.entry((order, what)).or_insert_with(|| (because, Vec::new()));
        if members.last() != Some(&member) {
            members.push(member);
        }
    };
    for done in all {
        for behaviour in done.behaviours.iter().filter(|b| b.phase != Phase::Build) {
            written(behaviour, &mut |order, what, because| step(order, what, because, done.member));
        }
        for deed in done.deeds {
            let told = match deed.kind {
                DeedKind::MinerInPlace | DeedKind::MinerFetched => Some((
                    0,
                    "Stop and remove containers of these images, and look on the host for processes that \
                     keep all cores busy",
                )),
                DeedKind::ReverseShell => Some((
                    0,
                    "Stop and remove containers of these images, and take the host for entered: somebody had \
                     a shell in it",
                )),
                DeedKind::Escape => Some((
                    5,
                    "Set up the host anew where you can: it was open to the image, and what was done with \
                     that is not known from the image",
                )),
                DeedKind::CredentialTheft => Some((
                    4,
                    "Revoke and renew every credential that the container could read: environment, mounted \
                     files, service account, metadata service",
                )),
                DeedKind::Spreading => Some((
                    6,
                    "Look on other machines in reach, on open Docker and Kubernetes ports above all",
                )),
                DeedKind::Impairment => {
                    Some((6, "Check that guards, logs and firewall of the host run and were not changed"))
                }
                _ => None,
            };
            if let Some((order, what)) = told {
                step(order, what.to_owned(), quoted(&deed.evidence), done.member);
            }
        }
        for indicator in &done.indicators {
            let what = match indicator.kind {
                IndicatorKind::Host | IndicatorKind::Pool | IndicatorKind::Url => {
                    format!("Block and look in the logs for connections to {}", quoted(&indicator.value))
                }
                _ => continue,
            };
            step(7, what, format!("the {} of the image", super::words::noun(indicator.kind)), done.member);
        }
    }
    let mut told: Vec<Cleanup> =
        steps.into_iter().map(|((_, what), (because, members))| Cleanup { what, because, members }).collect();
    told.truncate(STEPS);
    told
}

/// What a behaviour changed on the host.
fn written(behaviour: &Behaviour, step: &mut impl FnMut(u8, String, String)) {
    let BehaviourKind::File { op, path, content, .. } = &behaviour.kind else { return };
    let Some(host) = host_path(path) else { return };
    let content = content.as_deref().map(str::trim).unwrap_or_default();
    let because = |verb: &str| format!("a member {verb} {}", quoted(path));
    match op {
        FileOp::Write | FileOp::Append if schedule_place(host) => {
            let what = match (op, content) {
                (_, "") => format!("Remove from {host} on the host what you did not put there"),
                (FileOp::Append, line) => {
                    format!("Remove this line from {host} on the host: {}", quoted(line))
                }
                (_, line) => format!("Remove {host} on the host, or this line in it: {}", quoted(line)),
            };
            step(1, what, because("writes"));
        }
        FileOp::Write | FileOp::Append if host.contains("/.ssh/authorized_keys") => {
            let what = match content {
                "" => format!("Remove from {host} on the host every key that is not yours"),
                key => format!("Remove this key from {host} on the host: {}", quoted(key)),
            };
            step(2, what, because("writes"));
        }
        FileOp::Write | FileOp::Append if host.contains("/systemd/") || host.contains("/init.d/") => {
            step(1, format!("Stop and remove the service {host} on the host"), because("writes"));
        }
        FileOp::Write | FileOp::Append => {
            step(3, format!("Remove or restore {} on the host", quoted(host)), because("writes"));
        }
        FileOp::Delete => {
            step(3, format!("Restore {} on the host", quoted(host)), because("deletes"));
        }
        FileOp::Chmod => {}
    }
}

fn quoted(text: &str) -> String {
    let line = text.trim();
    match line.char_indices().nth(QUOTED) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}
