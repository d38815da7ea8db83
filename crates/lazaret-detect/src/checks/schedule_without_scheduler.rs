use lazaret_model::{
    Behaviour, BehaviourKind, Class, Confidence, FileOp, Finding, Phase, Rule, Severity,
};

use super::Check;
use crate::Case;
use crate::case::base_name;

/// When it starts, the image plants a schedule, and nothing in it would ever run one: the schedule
/// is meant for a machine whose folders it was given.
pub(super) struct ScheduleWithoutScheduler;

impl Check for ScheduleWithoutScheduler {
    fn rule(&self) -> Rule {
        Rule {
            id: "persistence/schedule-without-scheduler".into(),
            title: "plant a schedule for another system".into(),
            explanation: "When the container starts, it writes what a scheduler is to run again and again, but it \
                starts no scheduler. In the container this has no effect; where a folder of the host is mounted \
                there, or the same script runs on a host, it runs for ever. Look at what the schedule runs, and \
                mount nothing into this image."
                .into(),
            class: Class::Malware,
            severity: Severity::Medium,
            confidence: Confidence::Medium,
            attack: vec!["T1053.003".into()],
            references: vec!["https://attack.mitre.org/techniques/T1053/003/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &[
            "FILE /start.sh 0755\n    #!/bin/sh\n    echo '* * * * * /srv/job' | crontab -\n    exec /usr/sbin/server\n\
             ELF /usr/sbin/server 0755\n    server\nENTRYPOINT [\"/start.sh\"]",
            "FILE /start.sh 0755\n    #!/bin/sh\n    echo '* * * * * root /srv/job' >> /etc/cron.d/job\n\
             ENTRYPOINT [\"/start.sh\"]",
        ]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            // What such images are for.
            "FILE /start.sh 0755\n    #!/bin/sh\n    echo \"$SCHEDULE /srv/backup\" | crontab -\n    exec crond -f\n\
             ENTRYPOINT [\"/start.sh\"]",
            // The command that comes after may be anything.
            "FILE /start.sh 0755\n    #!/bin/sh\n    echo '0 4 * * * root /srv/backup' > /etc/cron.d/backup\n    \
             service cron start\n    exec \"$@\"\nENTRYPOINT [\"/start.sh\"]\nCMD [\"/usr/sbin/server\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        if case.processes().any(|(_, argv)| runs_schedules(argv)) {
            return Vec::new();
        }
        let planted = case.start.behaviours.iter().find(|behaviour| plants(behaviour));
        let Some(planted) = planted else { return Vec::new() };
        let message = "it writes a schedule and starts nothing that would run it";
        vec![
            Finding::of(&self.rule(), message, case.behaviour_evidence(planted))
                .reach(Case::phase_reach(planted.phase))
                .build(),
        ]
    }
}

/// Whether a process runs schedules, or may start what does.
fn runs_schedules(argv: &[String]) -> bool {
    let name = argv.first().map_or("", |program| base_name(program));
    let scheduler = |name: &str| {
        let name = name.trim_end_matches(".service");
        matches!(
            name,
            "cron"
                | "crond"
                | "dcron"
                | "fcron"
                | "anacron"
                | "cronie"
                | "supercronic"
                | "go-cron"
                | "go-crond"
                | "yacron"
                | "ofelia"
                | "jobber"
                | "chronos"
                | "devcron"
        )
    };
    let manager =
        matches!(name, "systemd" | "init" | "supervisord" | "s6-svscan" | "runsvdir" | "runit" | "openrc-init");
    scheduler(name) || manager || argv.iter().any(|word| scheduler(base_name(word)))
}

/// Whether a schedule is written at start, with something in it.
fn plants(behaviour: &Behaviour) -> bool {
    let BehaviourKind::File { op: FileOp::Write | FileOp::Append, path, content, .. } = &behaviour.kind else {
        return false;
    };
    let place = ["/etc/cron.", "/etc/crontab", "/var/spool/cron/", "/etc/anacrontab"]
        .iter()
        .any(|place| path.starts_with(place));
    let lists = ["allow", "deny"].iter().any(|name| path.ends_with(name));
    let empty = content.as_ref().is_some_and(|text| text.trim().is_empty());
    behaviour.phase == Phase::Start && place && !lists && !empty
}
