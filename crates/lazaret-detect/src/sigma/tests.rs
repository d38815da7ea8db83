#![allow(clippy::unwrap_used)]

use lazaret_model::{
    Behaviour, BehaviourKind, Certainty, Class, Confidence, FileOp, HistoryStep, ImageConfig, Phase, Severity,
};

use crate::{HitPlace, Pack, PackError};

fn pack(text: &str) -> Result<Pack, PackError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("r.yml"), text).unwrap();
    Pack::only(folder.path())
}

fn rule(category: &str, detection: &str) -> Pack {
    pack(&format!(
        "title: t\nlogsource:\n  category: {category}\n  product: linux\ndetection:\n  s:\n    {}\n  condition: s\n",
        detection.replace('\n', "\n    ")
    ))
    .unwrap()
}

fn behaviour(kind: BehaviourKind, phase: Phase) -> Behaviour {
    Behaviour { kind, phase, certainty: Certainty::Will, because: Vec::new() }
}

fn process(argv: &[&str], fed_by: &[&str], phase: Phase) -> Behaviour {
    let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let kind = BehaviourKind::Process {
        argv: own(argv),
        image: None,
        parent: Some("sh /run.sh".into()),
        fed_by: own(fed_by),
        stdin: None,
        downloaded: None,
    };
    behaviour(kind, phase)
}

fn places(pack: &Pack, config: &ImageConfig, behaviours: &[Behaviour]) -> Vec<HitPlace> {
    pack.behaviours().judge(config, "linux/amd64", behaviours).iter().map(|hit| hit.place).collect()
}

#[test]
fn a_rule_on_processes_sees_arguments_phase_and_what_feeds_it() {
    let pack = rule(
        "process_creation",
        "Image|endswith: '/bash'\nFedBy: curl\nPhase: start\nParentImage|endswith: '/sh'",
    );
    let seen = [
        process(&["bash"], &["curl"], Phase::Start),
        process(&["bash"], &["curl"], Phase::Build),
        process(&["/usr/bin/bash", "-s"], &["gzip", "curl"], Phase::Start),
        process(&["bash"], &[], Phase::Start),
    ];
    assert_eq!(
        places(&pack, &ImageConfig::default(), &seen),
        [HitPlace::Behaviour(0), HitPlace::Behaviour(2)]
    );
    let hits = pack.behaviours().judge(&ImageConfig::default(), "linux/amd64", &seen[..1]);
    assert!(hits[0].fields.contains(&("Image".to_owned(), "/bash".to_owned())), "{:?}", hits[0].fields);
}

#[test]
fn a_rule_on_written_files_does_not_see_removed_ones() {
    let pack =
        rule("file_event", "TargetFilename|startswith: '/etc/cron'\nOperation: append\nContent|contains: x");
    let file = |op| {
        let kind = BehaviourKind::File {
            op,
            path: "/etc/crontab".into(),
            content: Some("axb".into()),
            by: "echo".into(),
        };
        behaviour(kind, Phase::Start)
    };
    let seen = [file(FileOp::Append), file(FileOp::Delete), file(FileOp::Write)];
    assert_eq!(places(&pack, &ImageConfig::default(), &seen), [HitPlace::Behaviour(0)]);
}

#[test]
fn a_rule_on_connections_sees_addresses_as_addresses() {
    let pack = rule("network_connection", "DestinationIp|cidr: 198.51.100.0/24\nDestinationPort: 443");
    let to = |host: &str| {
        let kind = BehaviourKind::Network { host: host.into(), port: Some(443), url: None, by: "x".into() };
        behaviour(kind, Phase::Start)
    };
    assert_eq!(
        places(&pack, &ImageConfig::default(), &[to("198.51.100.7"), to("a.example.org")]),
        [HitPlace::Behaviour(0)]
    );
}

#[test]
fn configuration_and_history_are_events_of_their_own() {
    let config = ImageConfig {
        env: vec![("LD_PRELOAD".into(), "/x.so".into())],
        history: vec![
            HistoryStep::default(),
            HistoryStep { created_by: "RUN evil".into(), ..HistoryStep::default() },
        ],
        ..ImageConfig::default()
    };
    assert_eq!(
        places(&rule("image_config", "Env|startswith: 'LD_PRELOAD='"), &config, &[]),
        [HitPlace::Config]
    );
    assert_eq!(
        places(&rule("image_history", "CreatedBy|contains: evil"), &config, &[]),
        [HitPlace::History(1)]
    );
    let windows = pack(
        "title: t\nlogsource: {category: image_config, product: windows}\ndetection: {s: {User: ''}, condition: s}\n",
    );
    assert!(places(&windows.unwrap(), &config, &[]).is_empty());
}

#[test]
fn other_peoples_rules_get_our_words() {
    let text = "title: A thing\nid: 4f2a6f2c-0000-4000-8000-000000000000\nstatus: stable\nlevel: high\ntags: [attack.t1059.004, attack.execution]\n\
        description: what\nlogsource: {category: process_creation, product: linux}\ndetection: {s: {Image: x}, condition: s}\n";
    let pack = pack(text).unwrap();
    let rule = &pack.rule("r").unwrap().rule;
    assert_eq!(
        (rule.class, rule.severity, rule.confidence),
        (Class::Malware, Severity::High, Confidence::Medium)
    );
    assert_eq!((rule.attack.as_slice(), rule.explanation.as_str()), (&["T1059.004".to_owned()][..], "what"));
}

#[test]
fn what_is_wrong_with_a_rule_is_told_with_its_line() {
    let head = "title: t\nlogsource: {category: process_creation, product: linux}\n";
    for (text, line, part) in [
        (format!("{head}detection:\n  s: {{Image: x}}\n  condition: s and\n"), 5, "expected"),
        (format!("{head}detection:\n  s: {{Image|nosuch: x}}\n  condition: s\n"), 4, "nosuch"),
        (format!("{head}detection:\n  s: {{Image: [x}}\n"), 4, ""),
        (
            format!("{head}detection: {{s: {{Image: x}}, condition: s}}\nlazaret:\n  class: evil\n"),
            5,
            "malware",
        ),
        (
            format!("{head}detection: {{s: {{Image: x}}, condition: s}}\nlazaret: {{clas: malware}}\n"),
            4,
            "clas",
        ),
        ("a: b\n".to_owned(), 1, ""),
        (String::new(), 1, "mapping"),
    ] {
        match pack(&text).unwrap_err() {
            PackError::Rule { line: at, reason, .. } => {
                assert_eq!(at, line, "{reason} in\n{text}");
                assert!(reason.contains(part) && !reason.contains('\n'), "{reason}");
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_correlation_is_left_out_and_said_so() {
    let text = "title: t\nid: r1\nname: r1\nlogsource: {category: process_creation, product: linux}\ndetection: {s: {Image: x}, condition: s}\n---\n\
        title: many\ncorrelation:\n  type: event_count\n  rules: [r1]\n  group-by: [User]\n  timespan: 1m\n  condition: {gte: 3}\n";
    let pack = pack(text).unwrap();
    assert_eq!((pack.rules().len(), pack.left_out().len()), (1, 1));
}
