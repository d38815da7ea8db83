//! What the reports on the members of a campaign tell of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use lazaret_model::{
    Campaign, Class, Conduct, Deed, DeedKind, Digest, Indicator, IndicatorKind, Member, Outcome, Report,
    Severity, Technique,
};
use lazaret_store::{Store, StoreError};

use super::cleanup::{Done, cleanup};
use super::{claims, deeds};

/// Indicators of one member that are looked at for what is to be cleaned up.
const INDICATORS: usize = 20;

/// Adds to a campaign what its members' reports tell. A member whose report is gone, or of a form that
/// is not known, keeps what the graph knows of it.
pub(super) async fn tell(store: &Store, campaign: &mut Campaign) -> Result<(), StoreError> {
    let mut techniques: BTreeMap<String, (Vec<String>, Vec<usize>)> = BTreeMap::new();
    let mut steps = Steps::default();
    for at in 0..campaign.members.len() {
        let root = campaign.members[at].digest.clone();
        let Some(report) = store.latest_of_all_platforms(&root).await? else {
            continue;
        };
        let member = &mut campaign.members[at];
        member.why.clone_from(&report.verdict.why);
        for image in &report.images {
            member.manifests.push(image.image.manifest.clone());
            if !matches!(image.verdict.outcome, Outcome::Malicious | Outcome::Suspicious) {
                member.spared.push(image.image.manifest.clone());
            }
            member.platforms.extend(image.image.platform.as_ref().map(ToString::to_string));
            member.rules.extend(deeds::accusing(image));
            member.lines.extend(deeds::lines(image));
            for deed in deeds::deeds(image) {
                if member.deeds.iter().all(|known| known.kind != deed.kind) {
                    member.deeds.push(deed);
                }
            }
            for finding in &image.findings {
                if finding.class < Class::DualUse || finding.severity < Severity::Low {
                    continue;
                }
                for id in &finding.rule.attack {
                    let (rules, members) = techniques.entry(id.clone()).or_default();
                    if !rules.contains(&finding.rule.id) {
                        rules.push(finding.rule.id.clone());
                    }
                    if members.last() != Some(&at) {
                        members.push(at);
                    }
                }
            }
        }
        member.deeds.sort_by_key(|deed| deed.kind);
        member.manifests.sort_by_key(ToString::to_string);
        member.platforms.sort();
        member.platforms.dedup();
        member.rules.sort();
        member.rules.dedup();
        member.lines.sort();
        member.lines.dedup();
        steps.add(at, &member.deeds, report);
    }
    campaign.techniques = techniques
        .into_iter()
        .map(|(id, (mut rules, members))| {
            rules.sort();
            Technique { id, rules, members }
        })
        .collect();
    campaign.claims = claims::claims(campaign);
    campaign.conduct = conduct(campaign);
    campaign.cleanup = steps.cleanup(campaign);
    spare(store, campaign).await
}

/// Finds out which digests of members honest images have too: whoever denies one of these denies them. An
/// actor has them by putting an honest image into his index, or by publishing it under a name that lies.
async fn spare(store: &Store, campaign: &mut Campaign) -> Result<(), StoreError> {
    let all: BTreeSet<String> =
        campaign.members.iter().flat_map(Member::accused).map(ToString::to_string).collect();
    let all: Vec<Digest> = all.iter().filter_map(|digest| digest.parse().ok()).collect();
    let clean: HashSet<Digest> = store.clean_digests(&all).await?.into_iter().collect();
    for member in &mut campaign.members {
        let own = std::iter::once(&member.digest).chain(&member.manifests);
        let found: Vec<Digest> = own.filter(|digest| clean.contains(digest)).cloned().collect();
        member.spared.extend(found);
        member.spared.sort_by_key(ToString::to_string);
        member.spared.dedup();
    }
    Ok(())
}

/// What is kept of one report.
type Kept = (usize, Vec<Deed>, Vec<lazaret_model::Behaviour>, Vec<Indicator>);

/// What is kept of reports for what is to be cleaned up: not all of them at once.
#[derive(Default)]
struct Steps {
    members: Vec<Kept>,
}

impl Steps {
    fn add(&mut self, member: usize, deeds: &[Deed], report: Report) {
        let mut behaviours = Vec::new();
        let mut indicators: Vec<Indicator> = Vec::new();
        for image in report.images {
            for contact in deeds::contacts(&image) {
                if indicators.len() < INDICATORS && !indicators.contains(&contact) {
                    indicators.push(contact);
                }
            }
            behaviours.extend(image.behaviours.into_iter().filter(|behaviour| {
                matches!(&behaviour.kind, lazaret_model::BehaviourKind::File { path, .. }
                    if deeds::host_path(path).is_some())
            }));
            let guilty = image.findings.iter().filter(|finding| finding.class == Class::Malware);
            for indicator in guilty.flat_map(|finding| &finding.indicators) {
                if indicators.len() < INDICATORS && !indicators.contains(indicator) {
                    indicators.push(indicator.clone());
                }
            }
        }
        self.members.push((member, deeds.to_vec(), behaviours, indicators));
    }

    fn cleanup(&self, campaign: &Campaign) -> Vec<lazaret_model::Cleanup> {
        let done = self.members.iter().map(|(member, deeds, behaviours, indicators)| Done {
            member: *member,
            deeds,
            behaviours,
            indicators: indicators
                .iter()
                .filter(|one| !is_silenced(one, &campaign.method.silenced))
                .collect(),
        });
        cleanup(&done.collect::<Vec<_>>(), &campaign.shared)
    }
}

/// Whether a person refuted an indicator, or a feed allows it; of an address, its host too.
fn is_silenced(indicator: &Indicator, silenced: &[Indicator]) -> bool {
    silenced.iter().any(|one| {
        one == indicator
            || one.kind == IndicatorKind::Host
                && super::cleanup::host_of(&indicator.value).is_some_and(|host| host == one.value)
    })
}

/// For each kind of deed a sentence with the evidence of the member that shows it best.
fn conduct(campaign: &Campaign) -> Vec<Conduct> {
    let mut all = Vec::new();
    for kind in DeedKind::ALL {
        let of = |deeds: &[Deed]| deeds.iter().find(|deed| deed.kind == kind).cloned();
        let who: Vec<(usize, Deed)> = campaign
            .members
            .iter()
            .enumerate()
            .filter_map(|(at, member)| of(&member.deeds).map(|deed| (at, deed)))
            .collect();
        // The longest evidence that still is a line says most.
        let Some((at, best)) = who.iter().max_by_key(|(at, deed)| (score(deed), std::cmp::Reverse(*at)))
        else {
            continue;
        };
        let name = campaign.members[*at].repository.rsplit('/').next().unwrap_or_default();
        let count = who.len();
        let images = if count == 1 { "One image".to_owned() } else { format!("{count} images") };
        let text =
            format!("{images} {} In {name}, {}: {}", verb(kind, count), best.place, best.evidence.trim());
        all.push(Conduct { kind, text, members: who.into_iter().map(|(at, _)| at).collect() });
    }
    all
}

fn score(deed: &Deed) -> usize {
    let length = deed.evidence.chars().count();
    if length > 200 { 200usize.saturating_sub(length / 10) } else { length }
}

/// What images do of a kind, as the rest of a sentence.
fn verb(kind: DeedKind, count: usize) -> &'static str {
    let one = count == 1;
    match (kind, one) {
        (DeedKind::MinerInPlace, true) => "holds a miner, ready to run.",
        (DeedKind::MinerInPlace, false) => "hold a miner, ready to run.",
        (DeedKind::MinerFetched, true) => "fetches a miner.",
        (DeedKind::MinerFetched, false) => "fetch a miner.",
        (DeedKind::DownloadAndRun, true) => "fetches and runs what nobody has seen.",
        (DeedKind::DownloadAndRun, false) => "fetch and run what nobody has seen.",
        (DeedKind::HostCron, true) => "writes to the host's schedule.",
        (DeedKind::HostCron, false) => "write to the host's schedule.",
        (DeedKind::HostService, true) => "puts a service on the host.",
        (DeedKind::HostService, false) => "put a service on the host.",
        (DeedKind::Cron, true) => "keeps a schedule of its own.",
        (DeedKind::Cron, false) => "keep a schedule of their own.",
        (DeedKind::ReverseShell, true) => "hands a shell to somebody far away.",
        (DeedKind::ReverseShell, false) => "hand a shell to somebody far away.",
        (DeedKind::SshKey, true) => "adds a key or an account that may log in.",
        (DeedKind::SshKey, false) => "add a key or an account that may log in.",
        (DeedKind::Escape, true) => "takes over the host.",
        (DeedKind::Escape, false) => "take over the host.",
        (DeedKind::CredentialTheft, true) => "takes credentials.",
        (DeedKind::CredentialTheft, false) => "take credentials.",
        (DeedKind::Hiding, true) => "hides what it does.",
        (DeedKind::Hiding, false) => "hide what they do.",
        (DeedKind::Impairment, true) => "stops guards or rivals.",
        (DeedKind::Impairment, false) => "stop guards or rivals.",
        (DeedKind::Spreading, true) => "looks for further victims.",
        (DeedKind::Spreading, false) => "look for further victims.",
        (DeedKind::Abuse, true) => "attacks others or sells the victim's line.",
        (DeedKind::Abuse, false) => "attack others or sell the victim's line.",
        (DeedKind::Deception, true) => "promises what it does not hold.",
        (DeedKind::Deception, false) => "promise what they do not hold.",
        (DeedKind::Other, true) => "is accused of something else.",
        (DeedKind::Other, false) => "are accused of something else.",
    }
}
