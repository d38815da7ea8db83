use lazaret_model::{Class, Confidence, Evidence, FactKind, Finding, Location, Reach, Rule, Severity};

use super::Check;
use crate::Case;

/// A started program that no package brought, in an image whose distribution keeps a database.
pub(super) struct UnownedProgram;

impl Check for UnownedProgram {
    fn rule(&self) -> Rule {
        Rule {
            id: "integrity/unowned-program".into(),
            title: "start a program that no package owns".into(),
            explanation: "The image has a package database, and what it starts stands in none of its packages: \
                its maker put it there. That is so in every image that brings a program of its own, and it is \
                where to look first, because nobody but the maker vouches for the file."
                .into(),
            class: Class::DualUse,
            severity: Severity::Info,
            confidence: Confidence::High,
            attack: vec!["T1204.003".into()],
            references: vec!["https://attack.mitre.org/techniques/T1204/003/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &["FILE /lib/apk/db/installed\n    P:busybox\n    V:1.36\n    F:bin\n    R:busybox\n\
           ELF /bin/busybox 0755\n    busybox\n\
           ELF /opt/app 0755\n    app\n\
           ENTRYPOINT [\"/opt/app\"]"]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            "FILE /lib/apk/db/installed\n    P:busybox\n    V:1.36\n    F:bin\n    R:busybox\n\
             ELF /bin/busybox 0755\n    busybox\n\
             ELF /opt/app 0755\n    app\n\
             ENTRYPOINT [\"/bin/busybox\"]",
            // Without a database nobody can own anything.
            "ELF /opt/app 0755\n    app\nENTRYPOINT [\"/opt/app\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        if !case.ownership().has_system() {
            return Vec::new();
        }
        let rule = self.rule();
        let mut findings = Vec::new();
        for ((layer, path), started) in &case.start.files {
            let program = case.facts_of(*layer, path).iter().any(|fact| {
                fact.inside.is_empty() && matches!(fact.kind, FactKind::Elf { executable: true, .. })
            });
            if started.reach < Reach::Starts || !program || case.owner(path).is_some() {
                continue;
            }
            let mut evidence =
                Evidence::at(Location::file(*layer, path.clone()), "no package of the image lists it");
            evidence.sha256 = case.file_hash(*layer, path);
            let mut finding = Finding::of(&rule, format!("it starts {path}, which no package brought"), evidence)
                .reach(started.reach);
            for place in started.because.iter().take(4) {
                finding = finding.and(Evidence::at(place.clone(), "starts it"));
            }
            findings.push(finding.build());
        }
        findings
    }
}
