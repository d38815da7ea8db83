use lazaret_model::{Class, Confidence, EntryPath, FactKind, Finding, Reach, Rule, Severity};

use super::Check;
use crate::{Case, Replaced};

/// A program of the distribution that is no longer the one that its package brought.
pub(super) struct ChangedAfterInstallation;

/// From so many changed programs on, all were gone over by one tool (`strip`, `upx`, a build for
/// another processor), and each of them tells less.
const GONE_OVER: usize = 25;

/// Programs and libraries that tell people what runs, that know passwords, or that everything loads:
/// nobody but their packager has a reason to change them.
const TRUSTED: [&str; 31] = [
    "ps", "top", "ls", "find", "lsof", "netstat", "ss", "w", "who", "last", "login", "su", "sudo", "sshd", "ssh",
    "passwd", "bash", "dash", "sh", "cron", "crond", "crontab", "dpkg", "apt", "apk", "rpm", "kill", "pkill",
    "pgrep", "ip", "tcpdump",
];
const TRUSTED_LIBRARIES: [&str; 7] =
    ["libc.so", "libc-", "ld-linux", "ld-musl", "libpam", "pam_", "liblzma.so"];

impl Check for ChangedAfterInstallation {
    fn rule(&self) -> Rule {
        Rule {
            id: "integrity/changed-after-installation".into(),
            title: "bring a program that was changed after its package was installed".into(),
            explanation: "The distribution's package database holds a checksum for each file of a package, and \
                the layers say when each was written. This program is not the one that its package brought. \
                Those who need another version install another package; intruders replace `ps`, `sshd` or a \
                library in place, so that its name is still trusted. Compare it with the package's own file."
                .into(),
            class: Class::Malware,
            severity: Severity::Medium,
            confidence: Confidence::Medium,
            attack: vec!["T1554".into()],
            references: vec!["https://attack.mitre.org/techniques/T1554/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &[
            // The checksum is not that of the content.
            "FILE /var/lib/dpkg/status\n    Package: procps\n    Status: install ok installed\n    Version: 2:4.0\n\
             FILE /var/lib/dpkg/info/procps.list\n    /usr/bin/ps\n\
             FILE /var/lib/dpkg/info/procps.md5sums\n    00000000000000000000000000000000  usr/bin/ps\n\
             ELF /usr/bin/ps 0755\n    changed\n\
             ENTRYPOINT [\"/usr/bin/ps\"]",
            // No checksum, but a later layer brings another content.
            "FILE /lib/apk/db/installed\n    P:procps\n    V:4.0\n    F:bin\n    R:ps\n\
             ELF /bin/ps 0755\n    as packaged\n\
             LAYER RUN make\n\
             ELF /bin/ps 0755\n    changed\n\
             ENTRYPOINT [\"/bin/ps\"]",
        ]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            // Copied up by a change of its mode.
            "FILE /lib/apk/db/installed\n    P:procps\n    V:4.0\n    F:bin\n    R:ps\n\
             ELF /bin/ps 0755\n    as packaged\n\
             LAYER RUN chmod 0700 /bin/ps\n\
             ELF /bin/ps 0700\n    as packaged\n\
             ENTRYPOINT [\"/bin/ps\"]",
            // A configuration is there to be changed.
            "FILE /var/lib/dpkg/status\n    Package: app\n    Status: install ok installed\n    Version: 1\n    Conffiles:\n     /etc/init.d/app 00000000000000000000000000000000\n\
             FILE /var/lib/dpkg/info/app.list\n    /etc/init.d/app\n\
             FILE /etc/init.d/app 0755\n    #!/bin/sh\n    echo changed\n\
             ENTRYPOINT [\"/etc/init.d/app\"]",
            // Diverted: the package's file is elsewhere, and this one is the administrator's.
            "FILE /var/lib/dpkg/status\n    Package: upstart\n    Status: install ok installed\n    Version: 1\n\
             FILE /var/lib/dpkg/info/upstart.list\n    /sbin/initctl\n\
             FILE /var/lib/dpkg/info/upstart.md5sums\n    00000000000000000000000000000000  sbin/initctl\n\
             FILE /var/lib/dpkg/diversions\n    /sbin/initctl\n    /sbin/initctl.distrib\n    :\n\
             ELF /sbin/initctl 0755\n    in its place\n\
             ENTRYPOINT [\"/sbin/initctl\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        let rule = self.rule();
        let replaced: Vec<(Replaced<'_>, What)> =
            case.replaced().into_iter().filter_map(|file| what(case, &file).map(|what| (file, what))).collect();
        let programs = replaced.iter().filter(|(_, what)| *what != What::Script).count();
        let finding = |(file, what): (Replaced<'_>, What)| {
            let owner = &file.owner;
            let told = format!(
                "{} {} of {} {} is not the one that {} installed",
                what.word(),
                file.path,
                owner.package,
                owner.version,
                owner.manager.name()
            );
            let mut evidence = lazaret_model::Evidence::at(
                lazaret_model::Location::file(file.layer, file.path.clone()),
                if file.covered { "written after the package was" } else { "its checksum is another" },
            );
            evidence.sha256 = case.file_hash(file.layer, &file.path);
            let (class, severity, confidence) = match what {
                What::Script => (Class::DualUse, Severity::Info, Confidence::High),
                _ if programs > GONE_OVER => (Class::Malware, Severity::Low, Confidence::Low),
                What::Trusted => (Class::Malware, Severity::Medium, Confidence::High),
                What::Program => (Class::Malware, Severity::Medium, Confidence::Medium),
            };
            Finding::of(&rule, told, evidence)
                .class(class)
                .severity(severity)
                .confidence(confidence)
                .reach(case.reach(file.layer, &file.path).max(Reach::Dormant))
                .refuted_by("its maker built the package's program anew and says so")
                .build()
        };
        replaced.into_iter().map(finding).collect()
    }
}

/// What kind of file was changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Trusted,
    Program,
    Script,
}

impl What {
    fn word(self) -> &'static str {
        if self == Self::Script { "the script" } else { "the program" }
    }
}

/// None for what is neither program, library nor executable script.
fn what(case: &Case<'_>, file: &Replaced<'_>) -> Option<What> {
    let found = case.view.lookup(&file.path)?;
    let facts = case.facts_of(found.data_layer, &found.data.path);
    let elf = facts.iter().any(|f| f.inside.is_empty() && matches!(f.kind, FactKind::Elf { .. }));
    let script = found.is_program()
        && facts
            .iter()
            .any(|f| f.inside.is_empty() && matches!(&f.kind, FactKind::Text { shebang: Some(_), .. }));
    match (elf, script) {
        (true, _) if trusted(&file.path) => Some(What::Trusted),
        (true, _) => Some(What::Program),
        (false, true) => Some(What::Script),
        (false, false) => None,
    }
}

fn trusted(path: &EntryPath) -> bool {
    let name = String::from_utf8_lossy(path.file_name()).into_owned();
    TRUSTED.contains(&name.as_str()) || TRUSTED_LIBRARIES.iter().any(|start| name.starts_with(start))
}
