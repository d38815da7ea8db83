use lazaret_model::{Class, Confidence, Evidence, Finding, Location, Reach, Rule, Severity};

use super::Check;
use crate::Case;
use crate::case::base_name;

/// A password that the image's maker knows opens a shell as root over the network.
pub(super) struct BakedRootLogin;

impl Check for BakedRootLogin {
    fn rule(&self) -> Rule {
        Rule {
            id: "persistence/baked-root-login".into(),
            title: "let its maker log in as root".into(),
            explanation: "An SSH server starts with the container, and an account of uid 0 has a password that came \
                with the image: everybody who knows it, first of all the maker, can log in wherever the port can be \
                reached. A second account of uid 0 has no honest use."
                .into(),
            class: Class::Malware,
            severity: Severity::High,
            confidence: Confidence::Medium,
            attack: vec!["T1136.001".into(), "T1078.003".into(), "T1021.004".into()],
            references: vec!["https://attack.mitre.org/techniques/T1136/001/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &["FILE /etc/passwd\n    root:x:0:0:root:/root:/bin/sh\n    help:x:0:0::/root:/bin/sh\n\
           FILE /etc/shadow 0640\n    root:*:19856:0:99999:7:::\n    help:$6$abcdefgh$0123456789012345678901234567890123456789:19856:0:99999:7:::\n\
           ELF /usr/sbin/sshd 0755\n    sshd\nELF /usr/bin/app 0755\n    app\nELF /bin/sh 0755\n    sh\n\
           FILE /start.sh 0755\n    #!/bin/sh\n    /usr/sbin/sshd\n    exec /usr/bin/app\n\
           ENTRYPOINT [\"/start.sh\"]"]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &["FILE /etc/passwd\n    root:x:0:0:root:/root:/bin/sh\n\
           FILE /etc/shadow 0640\n    root:*:19856:0:99999:7:::\n\
           ELF /usr/sbin/sshd 0755\n    sshd\nENTRYPOINT [\"/usr/sbin/sshd\", \"-D\"]"]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        let server = case
            .processes()
            .find(|(_, argv)| argv.first().is_some_and(|p| matches!(base_name(p), "sshd" | "dropbear")));
        let Some((server, argv)) = server else { return Vec::new() };
        let Some((passwd, accounts)) = case.text("/etc/passwd") else { return Vec::new() };
        let Some((shadow, hashes)) = case.text("/etc/shadow") else { return Vec::new() };
        let mut rulers = accounts.lines().enumerate().filter_map(|(line, text)| {
            let fields: Vec<&str> = text.split(':').collect();
            (fields.len() >= 4 && fields[2] == "0" && has_password(&hashes, fields[0]))
                .then(|| (line, fields[0].to_owned(), text.to_owned()))
        });
        // The account that has no honest use tells most.
        let all: Vec<_> = rulers.by_ref().collect();
        let Some((line, name, text)) = all.iter().find(|(_, name, _)| name != "root").or_else(|| all.first()).cloned()
        else {
            return Vec::new();
        };
        let second = name != "root";
        // An image that is an SSH server, and says so by starting nothing else, has a weak default.
        let only_server = argv.iter().any(|a| a == "-D") && case.processes().count() <= 2;
        let honest = !second && (only_server || case.claims.says(&["ssh", "sshd", "openssh", "bastion", "sftp", "jumphost"]));
        let rule = self.rule();
        let at = |place: Location, line: usize| place.at_line(u32::try_from(line + 1).unwrap_or(u32::MAX));
        let mut finding = Finding::of(
            &rule,
            format!("an SSH server starts with it, and account {name} of uid 0 has a password that came with the image"),
            Evidence::at(at(passwd, line), "an account of uid 0").quoting(text),
        )
        .and(Evidence::at(shadow, "its password came with the image"))
        .and(case.behaviour_evidence(server))
        .reach(Case::phase_reach(server.phase))
        .refuted_by("the password is replaced before the server starts");
        if second {
            finding = finding.confidence(Confidence::High);
        } else if honest {
            finding = finding.class(Class::Exposure).severity(Severity::Medium);
        }
        vec![finding.reach(Reach::Starts).build()]
    }
}

/// Whether an account has a usable password hash (shadow(5), crypt(5)).
fn has_password(hashes: &str, name: &str) -> bool {
    hashes.lines().any(|line| {
        let mut fields = line.split(':');
        fields.next() == Some(name)
            && fields.next().is_some_and(|hash| hash.starts_with('$') && hash.len() > 12)
    })
}
