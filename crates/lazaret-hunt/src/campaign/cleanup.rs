//! What whoever ran a member must clean up: deleting the image does not undo what it did to the host.

use std::collections::BTreeMap;

use lazaret_model::{
    Behaviour, BehaviourKind, Cleanup, Deed, DeedKind, FileOp, IndicatorKind, Phase, Shared,
};

use super::deeds::{host_path, schedule_place, service_place};
use crate::graph::weight::{Bond, MERELY_NAMED, base, in_bits};

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
///
/// Places that only the campaign's images name are blocked too, whichever finding names them: `shared` is
/// what the members have in common.
pub(super) fn cleanup(all: &[Done<'_>], shared: &[Shared]) -> Vec<Cleanup> {
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
                IndicatorKind::Host | IndicatorKind::Pool | IndicatorKind::Url
                    if base(indicator.kind, &indicator.value).bits > 0 =>
                {
                    block(&indicator.value)
                }
                _ => continue,
            };
            step(7, what, format!("the {} of the image", super::words::noun(indicator.kind)), done.member);
        }
    }
    for shared in shared.iter().filter(|shared| is_theirs(shared)) {
        let value = &shared.indicator.value;
        // A host whose full address is told already says nothing more.
        if shared.indicator.kind == IndicatorKind::Host
            && steps.keys().any(|(order, what)| *order == 7 && names_host(what, value))
        {
            continue;
        }
        let because = format!("the {} of several images", super::words::noun(shared.indicator.kind));
        let (_, members) = steps.entry((7, block(value))).or_insert_with(|| (because, Vec::new()));
        members.extend(&shared.members);
        members.sort_unstable();
        members.dedup();
    }
    let mut told: Vec<Cleanup> =
        steps.into_iter().map(|((_, what), (because, members))| Cleanup { what, because, members }).collect();
    told.truncate(STEPS);
    told
}

/// Whether a place is the actor's: it is infrastructure that is not everybody's, nobody else names it, and it
/// says more than what anybody may merely name.
fn is_theirs(shared: &Shared) -> bool {
    let base = base(shared.indicator.kind, &shared.indicator.value);
    base.bond == Bond::Infrastructure
        && base.bits > 0
        && shared.bits > in_bits(MERELY_NAMED)
        && shared.elsewhere == 0
}

fn block(place: &str) -> String {
    format!("Block and look in the logs for connections to {}", quoted(place))
}

/// Whether a step names a full address at this host.
fn names_host(step: &str, host: &str) -> bool {
    host_of(step).is_some_and(|named| named == host)
}

/// The host of the first full address in a text.
pub(super) fn host_of(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#', ' ']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(inner) => inner.split(']').next(),
        None => host.split(':').next(),
    }
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
        FileOp::Write | FileOp::Append if service_place(host) => {
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

#[cfg(test)]
mod tests {
    use lazaret_model::Indicator;

    use super::*;

    #[test]
    fn places_that_only_the_campaign_names_are_blocked_and_those_of_others_are_not() {
        let shared = |kind, value: &str, elsewhere| Shared {
            indicator: Indicator::new(kind, value),
            bits: 13.0,
            why: String::new(),
            members: vec![0, 1],
            elsewhere,
            place: String::new(),
        };
        let all = [
            shared(IndicatorKind::Url, "http://dl.otter.test/x/a.bin", 0),
            shared(IndicatorKind::Host, "dl.otter.test", 0),
            shared(IndicatorKind::Host, "otter.test", 0),
            shared(IndicatorKind::Host, "irc.viper.test", 0),
            shared(IndicatorKind::Host, "cdn.example.test", 3),
            shared(IndicatorKind::Host, "github.com", 0),
            shared(IndicatorKind::Wallet, "xmr:4abc", 0),
        ];
        let told: Vec<String> = cleanup(&[], &all).into_iter().map(|step| step.what).collect();
        let wanted: Vec<String> =
            ["http://dl.otter.test/x/a.bin", "irc.viper.test", "otter.test"].map(block).into();
        assert_eq!(told, wanted);
    }
}
