use lazaret_model::{Behaviour, BehaviourKind, Class, Confidence, FileOp, Finding, Phase, Rule, Severity};

use super::Check;
use crate::Case;
use crate::case::base_name;

/// When it starts, the image adds a key that may log in, and nothing in it lets anybody log in:
/// the key is meant for a machine whose folders it was given.
pub(super) struct LoginKeyWithoutLogin;

impl Check for LoginKeyWithoutLogin {
    fn rule(&self) -> Rule {
        Rule {
            id: "persistence/login-key-without-login".into(),
            title: "plant a login key for another system".into(),
            explanation: "When the container starts, it writes the list of keys that may log in over SSH, but it \
                starts no login service. In the container this has no effect; where a home folder of the host is \
                mounted there, or the same script runs on a host, it lets the key's holder in. Mount nothing into \
                this image."
                .into(),
            class: Class::Malware,
            severity: Severity::Medium,
            confidence: Confidence::Medium,
            attack: vec!["T1098.004".into()],
            references: vec!["https://attack.mitre.org/techniques/T1098/004/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &["FILE /start.sh 0755\n    #!/bin/sh\n    mkdir -p /root/.ssh\n    cat /srv/k >> /root/.ssh/authorized_keys\n    \
           exec /usr/sbin/server\nELF /usr/sbin/server 0755\n    server\nENTRYPOINT [\"/start.sh\"]"]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            // What images with a login are for.
            "FILE /start.sh 0755\n    #!/bin/sh\n    echo \"$PUBLIC_KEY\" >> /root/.ssh/authorized_keys\n    \
             exec /usr/sbin/sshd -D\nENTRYPOINT [\"/start.sh\"]",
            "FILE /start.sh 0755\n    #!/bin/sh\n    chmod 600 /root/.ssh/authorized_keys\nENTRYPOINT [\"/start.sh\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        if case.processes().any(|(_, argv)| lets_people_in(argv)) {
            return Vec::new();
        }
        let planted = case.start.behaviours.iter().find(|behaviour| plants(behaviour));
        let Some(planted) = planted else { return Vec::new() };
        let message = "it writes the keys that may log in and starts nothing that anybody could log in to";
        vec![
            Finding::of(&self.rule(), message, case.behaviour_evidence(planted))
                .reach(Case::phase_reach(planted.phase))
                .build(),
        ]
    }
}

/// Whether a process lets people log in, or may start what does.
fn lets_people_in(argv: &[String]) -> bool {
    let name = argv.first().map_or("", |program| base_name(program));
    let service = |word: &String| {
        let word = base_name(word).trim_end_matches(".service");
        matches!(word, "sshd" | "ssh" | "dropbear" | "tinysshd" | "sftpgo" | "gitea" | "gitlab-shell")
    };
    let manager =
        matches!(name, "systemd" | "init" | "supervisord" | "s6-svscan" | "runsvdir" | "runit" | "openrc-init");
    let starts = matches!(name, "service" | "systemctl" | "rc-service" | "invoke-rc.d");
    manager || argv.first().is_some_and(|p| base_name(p) != "ssh" && service(p)) || (starts && argv.iter().any(service))
}

/// Whether keys are written at start.
fn plants(behaviour: &Behaviour) -> bool {
    let BehaviourKind::File { op: FileOp::Write | FileOp::Append, path, content, .. } = &behaviour.kind else {
        return false;
    };
    let place = path.ends_with("/authorized_keys") || path.ends_with("/authorized_keys2");
    let empty = content.as_ref().is_some_and(|text| text.trim().is_empty());
    behaviour.phase == Phase::Start && place && !empty
}
