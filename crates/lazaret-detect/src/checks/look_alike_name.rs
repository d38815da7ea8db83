use lazaret_model::{Class, Confidence, Evidence, Finding, Reach, Rule, Severity};

use super::Check;
use crate::Case;
use crate::deception::{How, claims, passes_for_library};

/// A name that is made to be mistaken for an official image.
pub(super) struct LookAlikeName;

impl Check for LookAlikeName {
    fn rule(&self) -> Rule {
        Rule {
            id: "stealth/look-alike-name".into(),
            title: "be taken for an official image by its name".into(),
            explanation: "The name of this image differs from that of an official one by a letter, by letters that \
                look alike, or by a word that says nothing, or its account's name passes for that of the official \
                images. Many honest images have such names, so this never speaks against an image by itself. Make \
                sure that it is the one you mean."
                .into(),
            class: Class::DualUse,
            severity: Severity::Info,
            confidence: Confidence::Low,
            attack: vec!["T1036.005".into()],
            references: vec!["https://attack.mitre.org/techniques/T1036/005/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &[
            "NAME docker.io/acme/ngnix\nELF /usr/sbin/nginx 0755\n    nginx\nENTRYPOINT [\"/usr/sbin/nginx\"]",
            "NAME docker.io/1ibrary/nginx\nELF /usr/sbin/nginx 0755\n    nginx\nENTRYPOINT [\"/usr/sbin/nginx\"]",
            "NAME docker.io/acme/mysql-server2\nELF /usr/sbin/mysqld 0755\n    x\nENTRYPOINT [\"/usr/sbin/mysqld\"]",
        ]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            "NAME docker.io/bitnami/nginx\nELF /usr/sbin/nginx 0755\n    nginx\nENTRYPOINT [\"/usr/sbin/nginx\"]",
            "NAME docker.io/library/nginx\nELF /usr/sbin/nginx 0755\n    nginx\nENTRYPOINT [\"/usr/sbin/nginx\"]",
            "NAME docker.io/acme/nginx-exporter\nELF /bin/exporter 0755\n    x\nENTRYPOINT [\"/bin/exporter\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        let rule = self.rule();
        let mut findings = Vec::new();
        for claim in claims(case.image) {
            let official = claim.official.name;
            let account = claim.account.as_deref().is_some_and(passes_for_library);
            let what = match &claim.how {
                How::Same if account => "an account whose name passes for that of the official images".to_owned(),
                How::Same => continue,
                How::Confusable => format!("letters that look like those of `{official}`"),
                How::Typo => format!("one letter away from `{official}`"),
                How::Added(words) => format!("`{official}` with `{words}` added"),
            };
            let message = format!("it is called `{}`: {what}", claim.said);
            let evidence = Evidence::at(claim.location, what).quoting(claim.said);
            findings.push(Finding::of(&rule, message, evidence).reach(Reach::Reachable).build());
        }
        findings
    }
}
