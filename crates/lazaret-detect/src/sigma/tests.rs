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
    assert!(
        hits[0].fields.contains(&("Image".to_owned(), "/usr/bin/bash".to_owned())),
        "{:?}",
        hits[0].fields
    );
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
    assert!(pack.left_out()[0].reason.contains("over time"), "{:?}", pack.left_out());
}

/// Loads several files as a user's pack, without the built-in rules.
fn users(files: &[(&str, &str)]) -> Result<Pack, PackError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    crate::load_rules(&[folder.path().to_owned()], true, None)
}

fn detecting(log_source: &str, detection: &str) -> String {
    format!("title: t\nlogsource: {{product: linux, {log_source}}}\ndetection: {detection}\n")
}

#[test]
fn a_rule_that_asks_for_what_only_a_running_system_has_is_named_with_its_reason() {
    for (log_source, detection, reason) in [
        ("service: sshd", "{k: [a], condition: k}", "log of sshd"),
        ("category: dns_query", "{s: {QueryName: a}, condition: s}", "dns_query"),
        ("category: process_creation", "{s: {LogonId: 0, User: root}, condition: s}", "`LogonId`"),
        ("category: process_creation", "{a: {LogonId: 0}, b: {Hashes: x}, condition: 1 of them}", "`Hashes`"),
        ("service: auditd", "{s: {type: SERVICE_STOP, unit: ufw}, condition: s}", "`type: SERVICE_STOP`"),
        ("service: auditd", "{s: {type: SYSCALL, SYSCALL: mknod}, condition: s}", "`SYSCALL: mknod`"),
        ("service: auditd", "{s: {key: watch}, condition: s}", "`key`"),
    ] {
        let pack = users(&[("r.yml", &detecting(log_source, detection))]).unwrap();
        assert!(pack.rules().is_empty(), "{detection}");
        let [pack] = pack.packs() else { panic!("one pack") };
        assert_eq!((pack.rules(), pack.applied), (1, 0));
        let left = &pack.left_out[0];
        assert!(left.reason.contains(reason) && !left.broken, "{detection}: {left}");
    }
}

#[test]
fn a_rule_with_one_way_to_be_met_is_applied() {
    for (log_source, detection) in [
        ("category: process_creation", "{a: {LogonId: 0}, b: {Image: x}, condition: a or b}"),
        ("category: process_creation", "{a: {Image: x}, f: {LogonId: 0}, condition: a and not f}"),
        ("category: process_creation", "{a: {Image: x, LogonId: null}, condition: a}"),
        ("service: auditd", "{a: {type: TTY}, b: {type: execve, a0: x}, condition: 1 of them}"),
        ("service: auditd", "{a: {type: [PATH, TTY]}, condition: a}"),
        ("definition: any log", "{k: [a b], condition: k}"),
    ] {
        let pack = users(&[("r.yml", &detecting(log_source, detection))]).unwrap();
        assert_eq!((pack.rules().len(), pack.left_out()), (1, &[][..]), "{detection}");
    }
}

#[test]
fn a_broken_file_is_told_and_the_others_of_its_pack_work() {
    let good = detecting("category: process_creation", "{s: {CommandLine: x}, condition: s}");
    let pack =
        users(&[("bad.yml", "title: [\n"), ("torn.yar", "rule x { condition: $y }"), ("good.yml", &good)]);
    let pack = pack.unwrap();
    assert_eq!(places(&pack, &ImageConfig::default(), &[process(&["x"], &[], Phase::Start)]).len(), 1);
    let [pack] = pack.packs() else { panic!("one pack") };
    assert_eq!((pack.rules(), pack.applied), (3, 1));
    for (left, file) in pack.left_out.iter().zip(["torn.yar:1", "bad.yml:"]) {
        assert!(left.broken && left.file.contains(file), "{left}");
    }
    // Where nothing works, the user has named the wrong folder, or one that is to be mended.
    assert!(users(&[("bad.yml", "title: [\n")]).unwrap_err().to_string().contains("bad.yml:"));
}

#[test]
fn a_program_that_was_not_found_and_the_parent_have_paths() {
    let rule = rule(
        "process_creation",
        "Image|endswith: '/bin/nc'\nParentImage|endswith: '/bin/dash'\nParentCommandLine|contains: --now",
    );
    let parent = process(&["/run.sh", "--now"], &[], Phase::Start);
    let mut child = process(&["nc"], &[], Phase::Start);
    let BehaviourKind::Process { parent: of_child, .. } = &mut child.kind else { panic!("a process") };
    *of_child = Some("run.sh".to_owned());
    let seen = [parent, child];
    let hits = rule.behaviours().judge_scripts(&ImageConfig::default(), "linux/amd64", &seen, &|path| {
        (path == "/run.sh").then(|| "/bin/dash".to_owned())
    });
    assert_eq!(hits.iter().map(|hit| hit.place).collect::<Vec<_>>(), [HitPlace::Behaviour(1)]);
    // The script itself can be asked for as well.
    let script = self::rule("process_creation", "ParentImage: /run.sh");
    assert_eq!(places(&script, &ImageConfig::default(), &seen), [HitPlace::Behaviour(1)]);
}

#[test]
fn what_happens_is_told_in_the_records_of_the_audit_daemon() {
    let file = |op, path: &str| {
        let kind = BehaviourKind::File { op, path: path.into(), content: None, by: "tee".into() };
        behaviour(kind, Phase::Start)
    };
    let seen = [
        process(&["touch", "-r", "/etc/passwd", "/x"], &[], Phase::Start),
        process(&["/tmp/useradd", "0"], &[], Phase::Start),
        file(FileOp::Write, "/etc/systemd/system/a.service"),
        process(&["cat", "/etc/os-release"], &[], Phase::Start),
    ];
    for (detection, wanted) in [
        ("{s: {type: EXECVE, a0: touch, a2: /etc/passwd}, condition: s}", 0),
        ("{e: {type: execve}, k: [touch], condition: e and k}", 0),
        ("{s: {type: SYSCALL, exe|startswith: /tmp/, comm: useradd, euid: 0}, condition: s}", 1),
        ("{s: {type: PATH, nametype: CREATE, name|startswith: /etc/systemd/}, condition: s}", 2),
        ("{s: {type: PATH, name: '/etc/*release'}, condition: s}", 3),
    ] {
        let pack = pack(&detecting("service: auditd", detection)).unwrap();
        assert_eq!(
            places(&pack, &ImageConfig::default(), &seen),
            [HitPlace::Behaviour(wanted)],
            "{detection}"
        );
    }
}

#[test]
fn a_rule_of_keywords_reads_commands_and_none_of_our_own_words() {
    let config = ImageConfig {
        history: vec![HistoryStep { created_by: "RUN history -c".into(), ..HistoryStep::default() }],
        ..ImageConfig::default()
    };
    let seen = [process(&["sh", "-c", "history -c; x"], &[], Phase::Start)];
    let said = |words: &str| {
        let pack = pack(&detecting("definition: d", &format!("{{k: ['{words}'], condition: k}}"))).unwrap();
        places(&pack, &config, &seen)
    };
    assert_eq!(said("history -c"), [HitPlace::Behaviour(0), HitPlace::History(0)]);
    assert_eq!(said("start"), []);
    assert_eq!(said("linux"), []);
}

#[test]
fn other_peoples_rules_never_convict_and_suspect_only_where_they_are_grave_and_stable() {
    for (level, status, class, confidence) in [
        ("critical", "stable", Class::Malware, Confidence::Medium),
        ("high", "test", Class::DualUse, Confidence::Low),
        ("critical", "experimental", Class::DualUse, Confidence::Low),
        ("medium", "stable", Class::DualUse, Confidence::Low),
        ("low", "stable", Class::DualUse, Confidence::Low),
    ] {
        let text = format!(
            "{}level: {level}\nstatus: {status}\n",
            detecting("category: process_creation", "{s: {Image: x}, condition: s}")
        );
        let pack = pack(&text).unwrap();
        let rule = &pack.rules()[0].rule;
        assert_eq!((rule.class, rule.confidence), (class, confidence), "{level} {status}");
        assert!(rule.title.contains("“t”"), "{}", rule.title);
    }
}
