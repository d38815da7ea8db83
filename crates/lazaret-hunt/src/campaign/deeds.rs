//! What an image does, in the words of the tables in which such cases are told: from the findings that
//! accuse it.

use std::collections::{BTreeMap, HashSet};

use lazaret_model::{
    Behaviour, BehaviourKind, Class, Deed, DeedKind, FileOp, Finding, ImageReport, Indicator, IndicatorKind,
    Location, Phase, Reach, Severity,
};

use crate::graph::weight::{Bond, base};

/// Rules whose name says what they see better than their folder does; the longest beginning counts.
const RULES: [(&str, DeedKind); 49] = [
    ("command-and-control/bind-shell", DeedKind::ReverseShell),
    ("command-and-control/commands-from", DeedKind::ReverseShell),
    ("command-and-control/remote-terminal", DeedKind::ReverseShell),
    ("command-and-control/reverse-", DeedKind::ReverseShell),
    ("command-and-control/shell-at-port", DeedKind::ReverseShell),
    ("command-and-control/docker-socket-handed-out", DeedKind::Escape),
    ("command-and-control/code-from-the-internet", DeedKind::DownloadAndRun),
    ("command-and-control/fetched-into-file", DeedKind::DownloadAndRun),
    ("command-and-control/image-with-a-payload", DeedKind::DownloadAndRun),
    ("command-and-control/tool-fetched", DeedKind::DownloadAndRun),
    ("command-and-control/", DeedKind::Abuse),
    ("credential-access/", DeedKind::CredentialTheft),
    ("defense-evasion/agent-", DeedKind::Impairment),
    ("defense-evasion/firewall-", DeedKind::Impairment),
    ("defense-evasion/guard-", DeedKind::Impairment),
    ("defense-evasion/hardening-", DeedKind::Impairment),
    ("defense-evasion/logging-impaired", DeedKind::Impairment),
    ("defense-evasion/security-agent-", DeedKind::Impairment),
    ("defense-evasion/", DeedKind::Hiding),
    ("discovery/docker-api-hunter", DeedKind::Spreading),
    ("discovery/network-scan", DeedKind::Spreading),
    ("execution/compiled-shell-script", DeedKind::Hiding),
    ("execution/decoded-code", DeedKind::Hiding),
    ("execution/encoded-", DeedKind::Hiding),
    ("execution/hidden-", DeedKind::Hiding),
    ("execution/javascript-reverse-shell", DeedKind::ReverseShell),
    ("execution/miner-release-at-start", DeedKind::MinerFetched),
    ("execution/reverse-shell", DeedKind::ReverseShell),
    ("execution/script-with-false-ending", DeedKind::DownloadAndRun),
    ("execution/download-", DeedKind::DownloadAndRun),
    ("execution/fetched-", DeedKind::DownloadAndRun),
    ("execution/package-from-bare-address", DeedKind::DownloadAndRun),
    ("exfiltration/", DeedKind::CredentialTheft),
    ("impact/miner-fetch-script", DeedKind::MinerFetched),
    ("impact/model-keys-collected", DeedKind::CredentialTheft),
    ("impact/rival-", DeedKind::Impairment),
    ("impact/launch-host-wipe", DeedKind::Escape),
    ("initial-access/npm-worm", DeedKind::Spreading),
    ("integrity/", DeedKind::Hiding),
    ("lateral-movement/", DeedKind::Spreading),
    ("persistence/host-schedule", DeedKind::HostCron),
    ("persistence/host-account", DeedKind::SshKey),
    ("persistence/launch-host-schedule", DeedKind::HostCron),
    ("persistence/launch-host-account", DeedKind::SshKey),
    ("privilege-escalation/", DeedKind::Escape),
    ("reconnaissance/", DeedKind::Spreading),
    ("stealth/claims-what-it-lacks", DeedKind::Deception),
    ("stealth/look-alike-name", DeedKind::Deception),
    ("stealth/", DeedKind::Hiding),
];

/// Techniques for the rest, by the beginning of their id; the first that fits counts.
const TECHNIQUES: [(&str, DeedKind); 27] = [
    ("T1496.001", DeedKind::MinerInPlace),
    ("T1611", DeedKind::Escape),
    ("T1610", DeedKind::Escape),
    ("T1098", DeedKind::SshKey),
    ("T1136", DeedKind::SshKey),
    ("T1078", DeedKind::SshKey),
    ("T1053", DeedKind::Cron),
    ("T1014", DeedKind::Hiding),
    ("T1564", DeedKind::Hiding),
    ("T1574", DeedKind::Hiding),
    ("T1027", DeedKind::Hiding),
    ("T1036", DeedKind::Hiding),
    ("T1070", DeedKind::Hiding),
    ("T1620", DeedKind::Hiding),
    ("T1562", DeedKind::Impairment),
    ("T1685", DeedKind::Impairment),
    ("T1489", DeedKind::Impairment),
    ("T1552", DeedKind::CredentialTheft),
    ("T1555", DeedKind::CredentialTheft),
    ("T1528", DeedKind::CredentialTheft),
    ("T1105", DeedKind::DownloadAndRun),
    ("T1046", DeedKind::Spreading),
    ("T1210", DeedKind::Spreading),
    ("T1498", DeedKind::Abuse),
    ("T1499", DeedKind::Abuse),
    ("T1485", DeedKind::Abuse),
    ("T1496", DeedKind::Abuse),
];

/// What an image does to whoever runs it, each kind once with the most telling evidence, in the order of
/// [`DeedKind::ALL`].
///
/// What can act counts; what only lies there counts where nothing that acts accuses it.
pub fn deeds(image: &ImageReport) -> Vec<Deed> {
    let acts = |finding: &&Finding| finding.reach >= Reach::Reachable;
    let accuses =
        |finding: &&Finding| finding.class == Class::Malware && finding.severity >= Severity::Medium;
    let doubts = |finding: &&Finding| finding.class == Class::DualUse && finding.severity >= Severity::Medium;
    let all = || image.findings.iter();
    let mut found = collect(image, all().filter(accuses).filter(acts));
    if found.is_empty() {
        found = collect(image, all().filter(accuses));
    }
    if found.is_empty() {
        found = collect(image, all().filter(doubts));
    }
    DeedKind::ALL.into_iter().filter_map(|kind| found.remove(&kind)).collect()
}

/// Ids of the rules that accuse an image, sorted.
pub fn accusing(image: &ImageReport) -> Vec<String> {
    let guilty = |finding: &&Finding| {
        matches!(finding.class, Class::Malware | Class::DualUse) && finding.severity >= Severity::Medium
    };
    let mut rules: Vec<String> = image.findings.iter().filter(guilty).map(|f| f.rule.id.clone()).collect();
    rules.sort();
    rules.dedup();
    rules
}

/// Lines of scripts, as written, that do what malware does.
pub(super) fn lines(image: &ImageReport) -> impl Iterator<Item = String> {
    let guilty = |finding: &&Finding| finding.class == Class::Malware && finding.severity >= Severity::Medium;
    let places: HashSet<&Location> =
        image.findings.iter().filter(guilty).flat_map(Finding::evidence).map(|one| &one.location).collect();
    let lines = image.inventory.lines.iter().filter(move |line| places.contains(&line.location));
    lines.map(|line| line.text.clone())
}

fn collect<'f>(image: &ImageReport, findings: impl Iterator<Item = &'f Finding>) -> BTreeMap<DeedKind, Deed> {
    let mut found: BTreeMap<DeedKind, (Severity, Deed)> = BTreeMap::new();
    let mut add = |severity: Severity, deed: Deed| {
        // Findings come worst first, and of equal ones the first is the most telling.
        let better = found.get(&deed.kind).is_none_or(|(kept, _)| severity > *kept);
        if better {
            found.insert(deed.kind, (severity, deed));
        }
    };
    for finding in findings {
        add(finding.severity, of(image, finding));
        if let Some(deed) = kept_up(image, finding) {
            add(Severity::Low, deed);
        }
    }
    // Where nothing but who may log in is known of a key, it is still who may log in.
    if let Some(deed) = own_key(image) {
        add(Severity::Low, deed);
    }
    for behaviour in &image.behaviours {
        if let Some(deed) = done_to_host(behaviour) {
            add(Severity::High, deed);
        }
    }
    let there = |kind| found.contains_key(&kind);
    if there(DeedKind::MinerFetched) && there(DeedKind::MinerInPlace) && !miner_in_image(image) {
        found.remove(&DeedKind::MinerInPlace);
    }
    // A line that writes to the host's schedule through a change of root writes to no other one.
    let place = |kind| found.get(&kind).map(|(_, deed): &(Severity, Deed)| deed.place.clone());
    let ordered = found.get(&DeedKind::Cron).is_some_and(|(_, deed)| deed.evidence.starts_with("crontab "));
    if ordered && place(DeedKind::Cron) == place(DeedKind::HostCron) {
        found.remove(&DeedKind::Cron);
    }
    // What a schedule fetches is told with the schedule.
    let scheduled = found.get(&DeedKind::DownloadAndRun).is_some_and(|(_, deed)| by_schedule(image, deed));
    if scheduled && (found.contains_key(&DeedKind::HostCron) || found.contains_key(&DeedKind::Cron)) {
        found.remove(&DeedKind::DownloadAndRun);
    }
    found.into_iter().map(|(kind, (_, deed))| (kind, deed)).collect()
}

fn of(image: &ImageReport, finding: &Finding) -> Deed {
    let first = &finding.evidence()[0];
    let excerpt = first.excerpt.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let mut deed = Deed {
        kind: kind(finding),
        evidence: excerpt.unwrap_or(&first.what).to_owned(),
        place: first.location.to_string(),
    };
    // A command alone does not say who is at the other end.
    let far = match deed.kind {
        DeedKind::ReverseShell => orders(&first.what).map(|from| ("at the orders of", from)),
        DeedKind::DownloadAndRun | DeedKind::MinerFetched => {
            fetched(image, &deed.evidence, &first.location).map(|from| ("fetched from", from))
        }
        _ => None,
    };
    if let Some((how, from)) = far.filter(|(_, from)| !deed.evidence.contains(from.as_str())) {
        deed.evidence.push_str(&format!(", {how} {from}"));
    }
    deed
}

/// Who tells a shell what to do, where the evidence says so: `host:port`.
fn orders(what: &str) -> Option<String> {
    let (_, from) = what.split_once(" on what ")?;
    let from = from.strip_suffix(" prints").unwrap_or(from);
    let from = from.strip_prefix("/dev/tcp/").or_else(|| from.strip_prefix("/dev/udp/"))?;
    let (host, port) = from.rsplit_once('/')?;
    Some(format!("{host}:{port}"))
}

/// The address that a command of this text, at this place, was fetched from.
fn fetched(image: &ImageReport, command: &str, place: &Location) -> Option<String> {
    image.behaviours.iter().find_map(|behaviour| {
        let BehaviourKind::Process { argv, downloaded: Some(from), .. } = &behaviour.kind else {
            return None;
        };
        let here = behaviour.because.first() == Some(place);
        (here && argv.join(" ") == command).then(|| from.clone())
    })
}

/// Places that an image contacts for what it is accused of, and that its findings name in words only.
pub(super) fn contacts(image: &ImageReport) -> Vec<Indicator> {
    let accuses = |finding: &&Finding| finding.class == Class::Malware && finding.reach >= Reach::Reachable;
    let mut all = Vec::new();
    for finding in image.findings.iter().filter(accuses) {
        let first = &finding.evidence()[0];
        if let Some(from) = orders(&first.what) {
            let host = from.rsplit_once(':').map_or(from.as_str(), |(host, _)| host);
            all.push(Indicator::new(IndicatorKind::Host, host));
        }
        let command = first.excerpt.as_deref().map(str::trim).unwrap_or_default();
        if let Some(from) = fetched(image, command, &first.location) {
            all.push(Indicator::new(IndicatorKind::Url, from));
        }
    }
    // What everybody fetches from is nobody's to be blocked.
    all.retain(|indicator| {
        let base = base(indicator.kind, &indicator.value);
        base.bond == Bond::Infrastructure && base.bits > 0
    });
    all
}

/// The schedule in the image that a deed is done by.
fn kept_up(image: &ImageReport, finding: &Finding) -> Option<Deed> {
    let by_schedule = finding.evidence()[0].what.starts_with("by schedule");
    let evidence = finding.evidence().iter().filter(|_| by_schedule).find(|evidence| {
        let path = evidence.location.path();
        path.is_some_and(|path| schedule_place(&format!("/{}", path.to_str().trim_start_matches('/'))))
    })?;
    let command = image.behaviours.iter().find_map(|behaviour| match &behaviour.kind {
        BehaviourKind::Process { argv, .. } if behaviour.because.first() == Some(&evidence.location) => {
            Some(argv.join(" "))
        }
        _ => None,
    });
    let excerpt = evidence.excerpt.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let evidence_text =
        command.or_else(|| excerpt.map(str::to_owned)).unwrap_or_else(|| evidence.what.clone());
    Some(Deed { kind: DeedKind::Cron, evidence: evidence_text, place: evidence.location.to_string() })
}

/// A key that the image itself lets in.
fn own_key(image: &ImageReport) -> Option<Deed> {
    let sighting = image.sightings.iter().find(|sighting| {
        let path = sighting.location.path();
        sighting.indicator.kind == IndicatorKind::SshKey
            && path.is_some_and(|path| path.to_str().contains(".ssh/authorized_keys"))
    })?;
    Some(Deed {
        kind: DeedKind::SshKey,
        evidence: sighting.indicator.value.clone(),
        place: sighting.location.to_string(),
    })
}

/// What kind of deed a finding accuses of.
fn kind(finding: &Finding) -> DeedKind {
    let id = finding.rule.id.as_str();
    if schedules(id) {
        return schedule_kind(finding);
    }
    if ["persistence/host-schedule", "persistence/launch-host-schedule"].contains(&id)
        && on_host(finding, service_place)
        && !on_host(finding, schedule_place)
    {
        return DeedKind::HostService;
    }
    if id == "persistence/scheduled-download" {
        return if in_own_crontab(finding) { DeedKind::Cron } else { DeedKind::DownloadAndRun };
    }
    let by_name =
        RULES.iter().filter(|(begin, _)| id.starts_with(begin)).max_by_key(|(begin, _)| begin.len());
    if let Some((_, kind)) = by_name {
        return *kind;
    }
    let by_technique = TECHNIQUES
        .iter()
        .find(|(begin, _)| finding.rule.attack.iter().any(|technique| technique.starts_with(begin)));
    match by_technique {
        Some((_, kind)) => *kind,
        None if id.starts_with("impact/") => DeedKind::Abuse,
        None => DeedKind::Other,
    }
}

fn schedules(id: &str) -> bool {
    let names = [
        "cron-fetch-script",
        "fetching-schedule",
        "fetching-crontab-input",
        "crontab-file",
        "crontab-changed",
    ];
    id.strip_prefix("persistence/").is_some_and(|name| names.contains(&name))
}

/// A schedule is the host's where it is written below a mount.
fn schedule_kind(finding: &Finding) -> DeedKind {
    if on_host(finding, schedule_place) { DeedKind::HostCron } else { DeedKind::Cron }
}

/// Whether a finding names a path below a mount that is such a place on the host.
fn on_host(finding: &Finding, place: fn(&str) -> bool) -> bool {
    let texts = finding.evidence().iter().flat_map(|evidence| {
        [Some(evidence.what.as_str()), evidence.excerpt.as_deref()].into_iter().flatten()
    });
    let mut words = texts.flat_map(str::split_whitespace);
    words.any(|word| word.starts_with('/') && host_path(word).is_some_and(place))
}

/// Whether what a schedule runs stands in a crontab that the image brings.
fn in_own_crontab(finding: &Finding) -> bool {
    finding.evidence().iter().any(|evidence| {
        evidence.location.path().is_some_and(|path| schedule_place(&format!("/{}", path.to_str())))
    })
}

/// Whether what is known of this deed is done by a schedule.
fn by_schedule(image: &ImageReport, deed: &Deed) -> bool {
    let same = |finding: &&Finding| {
        let first = &finding.evidence()[0];
        finding.class == Class::Malware
            && kind(finding) == deed.kind
            && finding.reach >= Reach::Reachable
            && !first.what.starts_with("by schedule")
    };
    !image.findings.iter().any(|finding| same(&finding))
}

/// Whether a miner lies in the image, and is not only started.
fn miner_in_image(image: &ImageReport) -> bool {
    image.findings.iter().any(|finding| {
        let id = finding.rule.id.as_str();
        id == "impact/miner-program" || (id.starts_with("impact/") && id.ends_with("-code"))
    })
}

/// A change of the host's files that a behaviour shows.
fn done_to_host(behaviour: &Behaviour) -> Option<Deed> {
    let BehaviourKind::File { op: FileOp::Write | FileOp::Append, path, content, .. } = &behaviour.kind
    else {
        return None;
    };
    if behaviour.phase == Phase::Build {
        return None;
    }
    let host = host_path(path)?;
    let kind = if schedule_place(host) {
        DeedKind::HostCron
    } else if service_place(host) {
        DeedKind::HostService
    } else if host.ends_with("/.ssh/authorized_keys") || host.ends_with("/.ssh/authorized_keys2") {
        DeedKind::SshKey
    } else {
        return None;
    };
    let evidence = match content.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        Some(content) => format!("{path} <- {content}"),
        None => path.clone(),
    };
    let place = behaviour.because.first().map_or_else(String::new, ToString::to_string);
    Some(Deed { kind, evidence, place })
}

/// Whether a schedule is kept here.
pub(super) fn schedule_place(path: &str) -> bool {
    ["/etc/cron", "/var/spool/cron", "/spool/cron", "/etc/anacrontab", "/etc/periodic"]
        .iter()
        .any(|place| path.starts_with(place))
}

/// Whether services of a system are kept here, which start when it starts.
pub(super) fn service_place(path: &str) -> bool {
    ["/systemd/", "/init.d/", "/etc/rc.local", "/etc/init/"].iter().any(|place| path.contains(place))
}

/// Folders at which images find the host's files, as those who mount them call them.
const MOUNTS: [&str; 11] = [
    "/mnt/",
    "/host/",
    "/hostfs/",
    "/host-root/",
    "/hostroot/",
    "/host_root/",
    "/hostos/",
    "/rootfs/",
    "/media/",
    "/opt/host/",
    "/proc/1/root/",
];

/// What a path below a mount is on the host: from the first folder on that a root file system has. None
/// for a path of the container itself.
pub(super) fn host_path(path: &str) -> Option<&str> {
    const ROOTS: [&str; 9] =
        ["/etc/", "/root/", "/home/", "/var/", "/usr/", "/lib/", "/opt/", "/boot/", "/spool/cron"];
    let keys = ["/root/.ssh/authorized_keys", "/root/.ssh/authorized_keys2"];
    let own = |path: &str| ROOTS[..8].iter().any(|root| path.starts_with(root));
    let Some(mount) = MOUNTS.iter().find(|mount| path.starts_with(**mount)) else {
        let key = keys.iter().find(|key| path.ends_with(**key) && path.len() > key.len() && !own(path))?;
        return Some(&path[path.len() - key.len()..]);
    };
    let below = &path[mount.len() - 1..];
    ROOTS.iter().filter_map(|root| below.find(root)).min().map(|at| &below[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_a_mount_is_the_hosts_and_one_of_the_container_is_not() {
        for (path, host) in [
            ("/mnt/etc/crontab", Some("/etc/crontab")),
            ("/hostroot/var/spool/cron/crontabs/root", Some("/var/spool/cron/crontabs/root")),
            ("/mnt/root/.ssh/authorized_keys", Some("/root/.ssh/authorized_keys")),
            ("/proc/1/root/etc/passwd", Some("/etc/passwd")),
            ("/app/etc/x", None),
            ("/h/root/.ssh/authorized_keys", Some("/root/.ssh/authorized_keys")),
            ("/mnt/spool/cron/root", Some("/spool/cron/root")),
            ("/etc/crontab", None),
            ("/var/spool/cron/root", None),
            ("/data/x", None),
        ] {
            assert_eq!(host_path(path), host, "{path}");
        }
    }

    #[test]
    fn who_gives_orders_is_read_from_the_evidence() {
        for (what, from) in [
            (
                "at start, runs /bin/bash on what /dev/tcp/198.51.100.23/4443 prints",
                Some("198.51.100.23:4443"),
            ),
            (
                "by schedule, runs /bin/sh on what /dev/tcp/c2.example.test/80 prints",
                Some("c2.example.test:80"),
            ),
            ("at start, runs /bin/sh on what curl prints", None),
            ("at start, runs /bin/sh", None),
        ] {
            assert_eq!(orders(what).as_deref(), from, "{what}");
        }
    }

    #[test]
    fn every_beginning_of_a_rule_is_named_once() {
        let mut begins: Vec<&str> = RULES.iter().map(|(begin, _)| *begin).collect();
        begins.sort_unstable();
        let count = begins.len();
        begins.dedup();
        assert_eq!(begins.len(), count);
    }
}
