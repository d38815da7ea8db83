//! What an image does, in the words of the tables in which such cases are told: from the findings that
//! accuse it.

use std::collections::BTreeMap;

use lazaret_model::{
    Behaviour, BehaviourKind, Class, Deed, DeedKind, FileOp, Finding, ImageReport, Phase, Reach, Severity,
};

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
        add(finding.severity, of(finding));
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

fn of(finding: &Finding) -> Deed {
    let first = &finding.evidence()[0];
    let excerpt = first.excerpt.as_deref().map(str::trim).filter(|text| !text.is_empty());
    Deed {
        kind: kind(finding),
        evidence: excerpt.unwrap_or(&first.what).to_owned(),
        place: first.location.to_string(),
    }
}

/// What kind of deed a finding accuses of.
fn kind(finding: &Finding) -> DeedKind {
    let id = finding.rule.id.as_str();
    if schedules(id) {
        return schedule_kind(finding);
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
    let texts = finding.evidence().iter().flat_map(|evidence| {
        [Some(evidence.what.as_str()), evidence.excerpt.as_deref()].into_iter().flatten()
    });
    let hosts = texts
        .flat_map(str::split_whitespace)
        .any(|word| word.starts_with('/') && host_path(word).is_some_and(schedule_place));
    if hosts { DeedKind::HostCron } else { DeedKind::Cron }
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
    fn every_beginning_of_a_rule_is_named_once() {
        let mut begins: Vec<&str> = RULES.iter().map(|(begin, _)| *begin).collect();
        begins.sort_unstable();
        let count = begins.len();
        begins.dedup();
        assert_eq!(begins.len(), count);
    }
}
