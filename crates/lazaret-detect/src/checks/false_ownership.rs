use lazaret_model::{Class, Confidence, Evidence, Finding, Location, Reach, Rule, Severity};

use super::Check;
use crate::Case;

/// A package database that was edited, so that files look as if a package had brought them.
pub(super) struct FalseOwnership;

impl Check for FalseOwnership {
    fn rule(&self) -> Rule {
        Rule {
            id: "integrity/false-ownership".into(),
            title: "say in its package database that a package owns what it did not bring".into(),
            explanation: "A layer changes what the package database says of a package, its version stays, and \
                the package's files are not written anew: nothing but an edit by hand does that. Scanners and \
                administrators trust files that a package owns, and that is what the edit is for. Look at the \
                named files first."
                .into(),
            class: Class::Malware,
            severity: Severity::Medium,
            confidence: Confidence::High,
            attack: vec!["T1036".into(), "T1565.001".into()],
            references: vec!["https://attack.mitre.org/techniques/T1036/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &[
            "FILE /var/lib/dpkg/status\n    Package: bash\n    Status: install ok installed\n    Version: 5.2\n\
             FILE /var/lib/dpkg/info/bash.list\n    /usr/bin/bash\n    /usr/bin/rbash\n    /usr/bin/bashbug\n\
             ELF /usr/bin/bash 0755\n    bash\n\
             ELF /usr/bin/rbash 0755\n    bash\n\
             ELF /usr/bin/bashbug 0755\n    bash\n\
             LAYER RUN setup\n\
             FILE /var/lib/dpkg/info/bash.list\n    /usr/bin/bash\n    /usr/bin/rbash\n    /usr/bin/bashbug\n    /usr/bin/kworkerd\n\
             ELF /usr/bin/kworkerd 0755\n    other\n\
             ENTRYPOINT [\"/usr/bin/bash\"]",
            "FILE /lib/apk/db/installed\n    P:busybox\n    V:1.36\n    F:bin\n    R:busybox\n    R:sh\n    R:bbsuid\n\
             ELF /bin/busybox 0755\n    busybox\n\
             ELF /bin/sh 0755\n    busybox\n\
             ELF /bin/bbsuid 0755\n    busybox\n\
             LAYER RUN setup\n\
             FILE /lib/apk/db/installed\n    P:busybox\n    V:1.36\n    F:bin\n    R:busybox\n    R:sh\n    R:bbsuid\n    R:kworkerd\n\
             ELF /bin/kworkerd 0755\n    other\n\
             ENTRYPOINT [\"/bin/busybox\"]",
        ]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            // Installed anew: the files come with the list.
            "FILE /var/lib/dpkg/status\n    Package: bash\n    Status: install ok installed\n    Version: 5.2\n\
             FILE /var/lib/dpkg/info/bash.list\n    /usr/bin/bash\n\
             ELF /usr/bin/bash 0755\n    bash\n\
             LAYER RUN apt-get install --reinstall bash\n\
             FILE /var/lib/dpkg/info/bash.list\n    /usr/bin/bash\n    /usr/bin/rbash\n\
             ELF /usr/bin/bash 0755\n    bash\n\
             ELF /usr/bin/rbash 0755\n    bash\n\
             ENTRYPOINT [\"/usr/bin/bash\"]",
            // Another package took a file over.
            "FILE /var/lib/dpkg/status\n    Package: bash\n    Status: install ok installed\n    Version: 5.2\n\
             FILE /var/lib/dpkg/info/bash.list\n    /usr/bin/bash\n    /usr/bin/rbash\n\
             ELF /usr/bin/bash 0755\n    bash\n\
             LAYER RUN apt-get install other\n\
             FILE /var/lib/dpkg/info/bash.list\n    /usr/bin/bash\n\
             ENTRYPOINT [\"/usr/bin/bash\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        let rule = self.rule();
        let mut findings = Vec::new();
        for (package, rewrite) in case.ownership().rewritten() {
            let place = Location::file(rewrite.layer, rewrite.database.clone());
            let told = format!("the entry of {package} was changed without the package being installed");
            let reach = rewrite.files.iter().filter_map(|path| {
                let found = case.view.lookup(path)?;
                Some(case.reach(found.layer, path))
            });
            let reach = reach.max().unwrap_or(Reach::Dormant).max(Reach::Dormant);
            let shown = rewrite.files.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let mut finding = Finding::of(
                &rule,
                format!("its package database was edited to say that {package} brought {shown}"),
                Evidence::at(place, told).quoting(shown),
            )
            .reach(reach);
            for path in &rewrite.files {
                if let Some(found) = case.view.lookup(path).filter(|found| found.is_file()) {
                    let mut evidence =
                        Evidence::at(Location::file(found.layer, path.clone()), "said to be the package's");
                    evidence.sha256 = case.file_hash(found.data_layer, &found.data.path);
                    evidence.content = found.data.content;
                    finding = finding.and(evidence);
                }
            }
            findings.push(finding.build());
        }
        findings
    }
}
