//! From facts to a report: the overlay, the start path, the rules, the policy.

use std::cell::RefCell;
use std::collections::BTreeMap;

use lazaret_launch::Statement;
use lazaret_model::{
    Behaviour, BehaviourKind, Certainty, Class, Confidence, Coverage, EntryPath, Evidence, FactKind,
    FileKind, FileOp, Finding, Gap, Image, ImageReport, Launch, LayerFacts, Location, Phase, Reach, Rule,
    Severity, TextKind, one_line,
};

use crate::case::{Case, LayerInput, is_about_mining};
use crate::checks::CHECKS;
use crate::launch::{Given, LaunchLimits, follow_given};
use crate::ownership::State;
use crate::view::View;
use crate::{Contents, Hit, HitPlace, Pack, Trace, policy};

/// Behaviours beyond this many are not reported; the rules see all of them.
const BEHAVIOURS_SHOWN: usize = 2_000;
/// Places of one rule beyond this many are counted and not listed.
const PLACES_SHOWN: usize = 20;

/// What evidence says of a place from which something is started.
const STARTS_IT: &str = "starts it";
/// What evidence says of a place on the way to an act.
const LEADS_THERE: &str = "leads there";

/// What the judge says.
#[derive(Debug)]
pub enum Judgement {
    /// The report.
    Report(Box<ImageReport>),
    /// These files of these layers must be read again and kept: something that decides is in
    /// them. Judge again with their contents, or with `last_round`.
    Needs(Vec<(usize, EntryPath)>),
}

/// Judges one image.
///
/// `gaps` are those of manifest and layers, with layer numbers. With `last_round`, what is
/// missing becomes a gap instead of being asked for.
pub fn judge(
    pack: &Pack,
    image: &Image,
    layers: &[LayerInput<'_>],
    gaps: Vec<Gap>,
    contents: &dyn Contents,
    last_round: bool,
) -> Judgement {
    judge_started(pack, image, layers, gaps, contents, last_round, &Beside::default())
}

/// What is known of an image beside its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// How it is run.
    pub launch: Option<&'a Launch>,
    /// The instructions of the Dockerfile that makes it, where it is judged before it is built.
    pub instructions: &'a [Statement],
    /// Whether it is not built yet.
    pub unbuilt: bool,
    /// Where it is noted down what the image holds that lists may name, where such lists are asked.
    pub traces: Option<&'a RefCell<Vec<Trace>>>,
}

/// Judges one image, and how it is run or made.
pub fn judge_started(
    pack: &Pack,
    image: &Image,
    layers: &[LayerInput<'_>],
    gaps: Vec<Gap>,
    contents: &dyn Contents,
    last_round: bool,
    beside: &Beside<'_>,
) -> Judgement {
    let facts: Vec<&LayerFacts> = layers.iter().map(|layer| layer.facts).collect();
    let view = View::new(&facts);
    let given = Given { launch: beside.launch, unbuilt: beside.unbuilt };
    let start = follow_given(image, &view, contents, &LaunchLimits::default(), given);
    if !start.missing.is_empty() && !last_round {
        let mut wanted: Vec<_> = start.missing.iter().map(|m| (m.layer, m.path.clone())).collect();
        wanted.sort();
        wanted.dedup();
        return Judgement::Needs(wanted);
    }
    let mut gaps = gaps;
    gaps.extend(start.gaps.iter().cloned());
    gaps.extend(start.missing.iter().map(crate::Missing::gap));

    // What the launch changes counts for the rules; the report shows the image as it is.
    let with = beside.launch.map(|launch| Image { config: launch.apply(&image.config), ..image.clone() });
    let mut case = Case::new(with.as_ref().unwrap_or(image), &view, &start, layers, contents);
    case.launch = beside.launch;
    gaps.extend(case.ownership().gaps().iter().cloned());
    let mut findings = byte_findings(pack, &case);
    findings.extend(behaviour_findings(pack, &case));
    findings.extend(instruction_findings(pack, &case, beside.instructions));
    // Our own checks go with our own rules: whoever asks for other rules only, gets those only.
    let ours = pack.rules().iter().any(|rule| rule.built_in);
    for check in CHECKS.iter().filter(|_| ours) {
        let more = check.look(&case, &findings);
        findings.extend(more);
    }
    for finding in &mut findings {
        in_context(finding, &case);
    }
    let mut findings = fold(findings);
    policy::sort(&mut findings);

    // Gaps that only concern data nobody starts do not decide; those on the start path do.
    for gap in &mut gaps {
        if let Location::File { layer, path, .. } = &gap.location
            && case.reach(*layer, path) >= Reach::Reachable
        {
            gap.matters = true;
        }
    }
    gaps.sort();
    gaps.dedup();

    let verdict = policy::verdict(&findings, &gaps);
    let coverage = Coverage {
        layers: image.layers.len() as u64,
        layers_read: layers.iter().filter(|l| l.facts.complete).count() as u64,
        layers_remembered: 0,
        files: layers.iter().flat_map(|l| &l.facts.entries).filter(|e| e.kind == FileKind::File).count()
            as u64,
        bytes: layers.iter().map(|l| l.facts.bytes).sum(),
        gaps: gaps.iter().filter(|g| g.matters).count() as u64,
    };
    let shown = start.behaviours.len().min(BEHAVIOURS_SHOWN);
    let inventory = crate::inventory::take(&case, &start.behaviours[..shown]);
    let sightings = crate::sightings::take(&case, image, &findings, &inventory);
    if let Some(traces) = beside.traces {
        traces.replace(crate::traces::take(&case));
    }
    drop(case);
    let mut behaviours = start.behaviours;
    behaviours.truncate(shown);
    Judgement::Report(Box::new(ImageReport {
        image: image.clone(),
        verdict,
        findings,
        ignored: Vec::new(),
        gaps,
        behaviours,
        coverage,
        layer_sizes: layers.iter().map(|l| l.facts.bytes).collect(),
        inventory,
        sightings,
        base: None,
        launch: beside.launch.cloned(),
    }))
}

/// Byte rules, with what the overlay and the start path say of the file.
fn byte_findings(pack: &Pack, case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (layer, fact) in case.facts() {
        let FactKind::ByteMatch { rule, .. } = &fact.kind else { continue };
        let Some(known) = pack.rule(rule) else { continue };
        let rule = &known.rule;
        let reach = case.reach(layer, &fact.path);
        let place = fact.location(layer);
        let evidence = case.evidence(layer, fact, rule.title.clone());
        let message = format!("{} may {}", place, rule.title);
        let mut finding = Finding::of(rule, message, evidence).reach(reach);
        for because in started_because(case, layer, &fact.path) {
            finding = finding.and(because);
        }
        findings.push(finding.build());
    }
    findings
}

/// The chain that starts a file.
fn started_because(case: &Case<'_>, layer: usize, path: &EntryPath) -> Vec<Evidence> {
    case.start.files.get(&(layer, path.clone())).map_or_else(Vec::new, |file| {
        file.because.iter().take(4).map(|place| Evidence::at(place.clone(), STARTS_IT)).collect()
    })
}

/// Behaviour rules, over what happens, the configuration and the history.
fn behaviour_findings(pack: &Pack, case: &Case<'_>) -> Vec<Finding> {
    let platform = case.image.platform.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    let interpreter = |path: &str| interpreter(case, path);
    let config = &case.image.config;
    let hits =
        pack.behaviours().judge_run(config, &platform, &case.start.behaviours, &interpreter, case.launch);
    hits.iter().filter_map(|hit| behaviour_finding(case, hit)).collect()
}

/// The program that the kernel runs for the script at `path`.
fn interpreter(case: &Case<'_>, path: &str) -> Option<String> {
    let found = case.view.resolve(path.as_bytes(), &EntryPath::default())?;
    let facts = case.facts_of(found.data_layer, &found.data.path);
    let line = facts.iter().find_map(|fact| match &fact.kind {
        FactKind::Text { shebang, .. } if fact.inside.is_empty() => shebang.as_deref(),
        _ => None,
    })?;
    let mut words = line.split_whitespace();
    let first = words.next()?;
    // `env` is replaced by what it finds.
    let env =
        first.ends_with("/env").then(|| words.find(|word| !word.starts_with('-') && !word.contains('=')));
    Some(match env.flatten() {
        Some(name) => format!("/usr/bin/{name}"),
        None => first.to_owned(),
    })
}

/// Rules over the instructions that make the image.
fn instruction_findings(pack: &Pack, case: &Case<'_>, instructions: &[Statement]) -> Vec<Finding> {
    let platform = case.image.platform.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    let hits = pack.behaviours().judge_statements("dockerfile", instructions, &platform);
    hits.iter().filter_map(|hit| statement_finding(hit, instructions)).collect()
}

/// What a statement of a text about images says.
pub(crate) fn statement_finding(hit: &Hit<'_>, statements: &[Statement]) -> Option<Finding> {
    let HitPlace::Statement(number) = hit.place else { return None };
    let statement = statements.get(number)?;
    let place = statement.place.clone().unwrap_or_else(|| Location::launch(statement.kind.as_str()));
    let told = statement.field("Arguments").map(|text| format!("{} {text}", statement.kind));
    let evidence = Evidence::at(place, "the text says so").quoting(told.unwrap_or_else(|| in_fields(hit)));
    Some(Finding::of(hit.rule, capital(&hit.rule.title), evidence).reach(Reach::Starts).build())
}

/// The values that met a rule.
fn in_fields(hit: &Hit<'_>) -> String {
    let shown = hit.fields.iter().take(3);
    shown.map(|(name, value)| format!("{name}: {}", one_line(value, 120))).collect::<Vec<_>>().join("; ")
}

/// Whether a fact says nothing of who runs the image: what looks around or gathers while it is
/// built finds the builder's empty container.
fn is_moot(rule: &Rule, phase: Phase) -> bool {
    let looks_around = ["discovery/", "collection/"].iter().any(|tactic| rule.id.starts_with(tactic));
    phase == Phase::Build && rule.class == Class::DualUse && looks_around
}

fn behaviour_finding(case: &Case<'_>, hit: &Hit<'_>) -> Option<Finding> {
    Some(match hit.place {
        HitPlace::Behaviour(number) => {
            let behaviour = case.start.behaviours.get(number)?;
            if is_moot(hit.rule, behaviour.phase) {
                return None;
            }
            let message = format!("{} ({})", capital(&hit.rule.title), case.describe(behaviour));
            let mut finding = Finding::of(hit.rule, message, case.behaviour_evidence(behaviour))
                .reach(Case::phase_reach(behaviour.phase));
            if behaviour.certainty == Certainty::May && behaviour.phase != Phase::Start {
                // An arm that may never be taken, of a script that may never run (the functions
                // of a profile): what is only likely there is a lead.
                let less =
                    if hit.rule.confidence == Confidence::High { Confidence::High } else { Confidence::Low };
                finding = finding.confidence(less);
            }
            if behaviour.certainty == Certainty::May
                && behaviour.phase == Phase::Start
                && !waits_for_a_mount(behaviour, case)
            {
                // What only may happen never convicts by itself.
                finding = finding.confidence(hit.rule.confidence.min(Confidence::Medium));
            }
            for place in behaviour.because.iter().skip(1).take(4) {
                finding = finding.and(Evidence::at(place.clone(), LEADS_THERE));
            }
            let text = crate::case::quote(behaviour);
            for (_, indicator) in crate::case::indicators_of(&text).iter() {
                finding = finding.indicator(indicator.clone());
            }
            finding.build()
        }
        HitPlace::Config => {
            let key = hit.fields.first().map_or("Config", |(name, _)| name.as_str());
            let evidence = Evidence::at(Location::Config(key.to_owned()), "the configuration says so")
                .quoting(in_fields(hit));
            Finding::of(hit.rule, capital(&hit.rule.title), evidence).reach(Reach::Starts).build()
        }
        HitPlace::History(step) => {
            let told = case.image.config.history.get(step).map(|s| s.created_by.clone()).unwrap_or_default();
            let evidence = Evidence::at(Location::History(step), "a step of its history").quoting(told);
            Finding::of(hit.rule, capital(&hit.rule.title), evidence)
                .reach(Case::phase_reach(Phase::Build))
                .build()
        }
        HitPlace::Launch => {
            let place = hit.written.clone().unwrap_or_else(|| Location::launch("launch"));
            let evidence = Evidence::at(place, "how it is run says so").quoting(in_fields(hit));
            Finding::of(hit.rule, capital(&hit.rule.title), evidence).reach(Reach::Starts).build()
        }
        HitPlace::Statement(_) => return None,
    })
}

/// A rule's title as the start of a sentence about the image.
fn capital(title: &str) -> String {
    format!("it may {title}")
}

/// What the surroundings change: an honest miner is dual use, text that nobody runs accuses
/// nobody.
fn in_context(finding: &mut Finding, case: &Case<'_>) {
    let honest = (is_about_mining(&finding.rule) && case.claims.mines())
        || (finding.rule.attack.iter().any(|id| id == "T1496.002") && case.claims.sells_bandwidth());
    if honest && finding.class == Class::Malware {
        finding.class = Class::DualUse;
        finding.severity = finding.severity.min(Severity::Medium);
    }
    if finding.reach == Reach::Starts
        && finding.confidence == Confidence::Medium
        && is_started_script(finding, case)
    {
        // What a manual or a toolbox may hold for reading is an act where the image runs it.
        finding.confidence = Confidence::High;
    }
    if finding.confidence == Confidence::Medium && finding.indicators.is_empty() && is_owned(finding, case) {
        // What a distribution ships for everybody may look odd; it is no proof of anything.
        finding.confidence = Confidence::Low;
    }
    if finding.reach == Reach::Starts
        && finding.confidence == Confidence::High
        && finding.class == Class::Malware
        && only_may_happen(finding, case)
    {
        finding.confidence = Confidence::Medium;
    }
    if finding.reach == Reach::Dormant && finding.class == Class::Malware && is_inert_text(finding, case) {
        // A rule file, a manual, a test: the words are there, and nothing runs them.
        finding.confidence = Confidence::Low;
        finding.severity = finding.severity.min(Severity::Low);
    }
}

/// Whether a guess about bytes rests on files of the distribution's packages that are what the packages
/// brought, and that the image does not start by itself.
fn is_owned(finding: &Finding, case: &Case<'_>) -> bool {
    finding.reach < Reach::Starts
        && finding.evidence().iter().all(|evidence| {
            let Location::File { layer, path, .. } = &evidence.location else { return false };
            let matched = case.facts_of(*layer, path).iter().any(
                |fact| matches!(&fact.kind, FactKind::ByteMatch { rule, .. } if *rule == finding.rule.id),
            );
            matched
                && case
                    .owner(path)
                    .is_some_and(|owner| owner.manager.is_of_system() && owner.state == State::Unchanged)
        })
}

/// Whether all that a finding rests on is what may happen at start, and none of it will: its
/// behaviours, or the lines of a script in which a byte rule matched.
fn only_may_happen(finding: &Finding, case: &Case<'_>) -> bool {
    let mut may = false;
    // What leads to an act is not the act.
    for evidence in finding.evidence().iter().filter(|e| e.what != STARTS_IT && e.what != LEADS_THERE) {
        let there = case.start.behaviours.iter().filter(|behaviour| {
            let place = behaviour.because.first();
            behaviour.phase == Phase::Start && place.is_some_and(|place| same_line(place, &evidence.location))
        });
        for behaviour in there {
            if behaviour.certainty == Certainty::Will || waits_for_a_mount(behaviour, case) {
                return false;
            }
            may = true;
        }
    }
    may
}

/// Folders at which the host's file system is mounted.
const MOUNTS: &[&str] =
    &["mnt", "host", "hostfs", "hostroot", "host-root", "host_root", "rootfs", "node", "media"];

/// Whether all that an act waits for is that the place is there at which it is done: a file below a
/// folder that the image does not hold, and that only a mount of the host brings. Who mounts it gets it.
fn waits_for_a_mount(behaviour: &Behaviour, case: &Case<'_>) -> bool {
    let BehaviourKind::File { op: FileOp::Write | FileOp::Append, path, .. } = &behaviour.kind else {
        return false;
    };
    let first = path.split('/').nth(1).unwrap_or_default();
    let folder = EntryPath::clean(path.as_bytes()).parent();
    path.starts_with('/')
        && !path.contains('$')
        && MOUNTS.contains(&first)
        && case.view.resolve(folder.as_bytes(), &EntryPath::default()).is_none()
}

/// Whether two places are one, or lie in one line of one file.
fn same_line(a: &Location, b: &Location) -> bool {
    match (a, b) {
        (
            Location::File { layer: la, path: pa, line: Some(at), .. },
            Location::File { layer: lb, path: pb, line: Some(other), .. },
        ) => la == lb && pa == pb && at == other,
        _ => a == b,
    }
}

/// Whether a byte rule of critical severity matched in a script that the start path itself runs.
fn is_started_script(finding: &Finding, case: &Case<'_>) -> bool {
    let Location::File { layer, path, inside, .. } = finding.location() else { return false };
    let is_match =
        |kind: &FactKind| matches!(kind, FactKind::ByteMatch { rule, .. } if *rule == finding.rule.id);
    let is_script = |kind: &FactKind| matches!(kind, FactKind::Text { kind, .. } if !matches!(kind, TextKind::Plain | TextKind::Json | TextKind::Yaml));
    let facts = case.facts_of(*layer, path);
    inside.is_empty()
        && finding.class == Class::Malware
        && finding.severity == Severity::Critical
        && facts.iter().any(|f| is_match(&f.kind))
        && facts.iter().any(|f| f.inside.is_empty() && is_script(&f.kind))
}

/// Whether all that a finding rests on is text in files that neither the kernel nor anything that
/// we follow would run.
fn is_inert_text(finding: &Finding, case: &Case<'_>) -> bool {
    finding.evidence().iter().all(|evidence| {
        let Location::File { layer, path, inside, .. } = &evidence.location else { return false };
        // Facts are told by path: where a layer has two entries of one name, it cannot be said
        // which of them is the text.
        let entries = case.view.layers().get(*layer).map_or(&[][..], |facts| facts.entries.as_slice());
        if entries.iter().filter(|entry| entry.path == *path).take(2).count() > 1 {
            return false;
        }
        let kinds = case.facts_of(*layer, path).iter().filter(|f| f.inside == *inside);
        let mut text = false;
        for fact in kinds {
            match &fact.kind {
                FactKind::Elf { .. } => return false,
                FactKind::Text { kind, shebang } => {
                    text = true;
                    let script = shebang.is_some() && *kind != TextKind::Plain;
                    let runnable = case.view.lookup(path).is_some_and(|found| found.is_program());
                    if script && runnable && inside.is_empty() {
                        return false;
                    }
                }
                _ => {}
            }
        }
        text
    })
}

/// Joins findings of the same rule, class and reach: one finding, several places.
fn fold(findings: Vec<Finding>) -> Vec<Finding> {
    let mut groups: BTreeMap<_, Vec<Finding>> = BTreeMap::new();
    for finding in findings {
        let key =
            (finding.rule.id.clone(), finding.class, finding.severity, finding.confidence, finding.reach);
        groups.entry(key).or_default().push(finding);
    }
    let mut folded = Vec::new();
    for (_, mut group) in groups {
        group.sort_by(|a, b| a.location().cmp(b.location()).then_with(|| a.message.cmp(&b.message)));
        group.dedup();
        let places = group.len();
        let mut members = group.into_iter();
        let Some(first) = members.next() else { continue };
        let mut builder = Finding::of(&first.rule, first.message.clone(), first.evidence()[0].clone())
            .class(first.class)
            .severity(first.severity)
            .confidence(first.confidence)
            .reach(first.reach);
        if let Some(what) = &first.refuted_by {
            builder = builder.refuted_by(what.clone());
        }
        let mut seen = vec![first.evidence()[0].clone()];
        let mut indicators = first.indicators.clone();
        let rest = first.evidence()[1..].to_vec();
        let mut add = |builder, evidence: &Evidence| {
            if seen.len() >= PLACES_SHOWN || seen.contains(evidence) {
                return builder;
            }
            seen.push(evidence.clone());
            lazaret_model::FindingBuilder::and(builder, evidence.clone())
        };
        for evidence in &rest {
            builder = add(builder, evidence);
        }
        for member in members {
            indicators.extend(member.indicators.iter().cloned());
            for evidence in member.evidence() {
                builder = add(builder, evidence);
            }
        }
        for indicator in indicators {
            builder = builder.indicator(indicator);
        }
        let mut finding = builder.build();
        if places > PLACES_SHOWN {
            finding.message.push_str(&format!(", and in {} more places", places - 1));
        }
        folded.push(finding);
    }
    folded
}
