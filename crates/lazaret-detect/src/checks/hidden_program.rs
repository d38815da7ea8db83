use lazaret_model::{Class, Confidence, FileKind, Finding, Reach, Rule, Severity};

use super::Check;
use crate::Case;

/// A program that is shipped where people do not look, and started from there.
pub(super) struct HiddenProgram;

impl Check for HiddenProgram {
    fn rule(&self) -> Rule {
        Rule {
            id: "stealth/hidden-program".into(),
            title: "start a program that it keeps where people do not look".into(),
            explanation: "What starts with this image is a file whose own name begins with a dot, or lies in a \
                directory for temporary files. Those who make images put programs into directories for programs; \
                intruders put them here. Look at the file before you run the image."
                .into(),
            class: Class::Malware,
            severity: Severity::Medium,
            confidence: Confidence::Medium,
            attack: vec!["T1564.001".into()],
            references: vec!["https://attack.mitre.org/techniques/T1564/001/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &[
            "ELF /var/tmp/.dbus-helper 0755\n    helper\nENTRYPOINT [\"/var/tmp/.dbus-helper\"]",
            "ELF /usr/share/.../helper 0755\n    helper\nENTRYPOINT [\"/usr/share/.../helper\"]",
        ]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            "ELF /opt/app/.venv/bin/python 0755\n    python\nENTRYPOINT [\"/opt/app/.venv/bin/python\"]",
            "ELF /usr/bin/app 0755\n    app\nFILE /var/tmp/.keep 0644\n    x\nENTRYPOINT [\"/usr/bin/app\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        let rule = self.rule();
        let mut findings = Vec::new();
        for ((layer, path), started) in &case.start.files {
            let Some(found) = case.view.lookup(path) else { continue };
            if found.data.kind != FileKind::File || !found.is_program() || started.reach < Reach::Reachable {
                continue;
            }
            let text = path.to_string();
            let temporary =
                ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/"].iter().any(|dir| text.starts_with(dir));
            let dotted = path.file_name().starts_with(b".") || looks_empty(&text);
            if !(temporary || dotted) {
                continue;
            }
            let evidence = lazaret_model::Evidence {
                sha256: case.file_hash(*layer, path),
                content: found.data.content,
                ..lazaret_model::Evidence::at(
                    lazaret_model::Location::file(*layer, path.clone()),
                    if dotted {
                        "a started program with a hidden name"
                    } else {
                        "a started program in a directory for temporary files"
                    },
                )
            };
            let mut finding = Finding::of(&rule, format!("it starts {text}"), evidence).reach(started.reach);
            for place in &started.because {
                finding = finding.and(lazaret_model::Evidence::at(place.clone(), "starts it"));
            }
            findings.push(finding.build());
        }
        findings
    }
}

/// Whether a part of a path cannot be seen in a listing: nothing but blanks, or a folder of dots
/// that passes for the parent.
fn looks_empty(path: &str) -> bool {
    let unseen =
        |c: char| c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    parts.any(|part| {
        part.chars().all(unseen) || (part.len() > 2 && part.chars().all(|c| c == '.' || unseen(c)))
    })
}
