use lazaret_model::{Class, Confidence, Evidence, Finding, Location, Rule, Severity};

use super::Check;
use crate::Case;
use crate::case::base_name;

/// A login key that came with the image, beside a login service that starts with it.
pub(super) struct BakedLoginKey;

/// What begins a public key in `authorized_keys` (sshd(8)), up to the part that all keys of the
/// kind have in common.
const KEYS: &[&str] = &["ssh-rsa AAAA", "ssh-ed25519 AAAA", "ssh-dss AAAA", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];

impl Check for BakedLoginKey {
    fn rule(&self) -> Rule {
        Rule {
            id: "persistence/baked-login-key".into(),
            title: "let the holder of a key that came with the image log in".into(),
            explanation: "An SSH server starts with the container, and the image holds the list of the keys that may \
                log in with a key in it. Who runs the image did not choose that key; whoever made it, or somebody \
                whose private key is public by now, holds the other half. Keys belong into a mount or a secret at run \
                time."
                .into(),
            class: Class::Malware,
            severity: Severity::High,
            confidence: Confidence::Medium,
            attack: vec!["T1098.004".into(), "T1021.004".into()],
            references: vec!["https://attack.mitre.org/techniques/T1098/004/".into()],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &["FILE /root/.ssh/authorized_keys 0600\n    ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHNvbWV0aGluZ3RoYXRpc25vdGFrZXk maker@example.test\n\
           ELF /usr/sbin/sshd 0755\n    sshd\nELF /usr/bin/app 0755\n    app\n\
           FILE /start.sh 0755\n    #!/bin/sh\n    /usr/sbin/sshd\n    exec /usr/bin/app\n\
           ENTRYPOINT [\"/start.sh\"]"]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            // A key that nothing lets in.
            "FILE /root/.ssh/authorized_keys 0600\n    ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHNvbWV0aGluZ3RoYXRpc25vdGFrZXk maker@example.test\n\
             ELF /usr/bin/app 0755\n    app\nENTRYPOINT [\"/usr/bin/app\"]",
            // A list without a key.
            "FILE /root/.ssh/authorized_keys 0600\n    # keys are mounted here\n\
             ELF /usr/sbin/sshd 0755\n    sshd\nENTRYPOINT [\"/usr/sbin/sshd\", \"-D\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, _earlier: &[Finding]) -> Vec<Finding> {
        let server = case
            .processes()
            .find(|(_, argv)| argv.first().is_some_and(|p| matches!(base_name(p), "sshd" | "dropbear")));
        let Some((server, _)) = server else { return Vec::new() };
        let Some((place, line, key)) = lists(case).find_map(|list| baked(case, &list)) else { return Vec::new() };
        let rule = self.rule();
        let at = place.at_line(u32::try_from(line + 1).unwrap_or(u32::MAX));
        let message = "an SSH server starts with it, and a key that came with the image may log in";
        let mut finding = Finding::of(&rule, message, Evidence::at(at, "a key that may log in").quoting(key))
            .and(case.behaviour_evidence(server))
            .reach(Case::phase_reach(server.phase))
            .refuted_by("the list of keys is replaced before the server starts");
        // Images for logging in say so, and their readers look for the key.
        if case.claims.says(&["ssh", "sshd", "openssh", "bastion", "sftp", "jumphost"]) {
            finding = finding.class(Class::Exposure).severity(Severity::Medium);
        }
        vec![finding.build()]
    }
}

/// Where the accounts of the image keep their keys.
fn lists(case: &Case<'_>) -> impl Iterator<Item = String> {
    let accounts = case.text("/etc/passwd").map(|(_, text)| text).unwrap_or_default();
    let mut homes: Vec<String> = accounts
        .lines()
        .take(200)
        .filter_map(|line| line.split(':').nth(5))
        .filter(|home| home.starts_with('/'))
        .map(|home| home.trim_end_matches('/').to_owned())
        .collect();
    homes.push("/root".to_owned());
    homes.sort();
    homes.dedup();
    homes.into_iter().map(|home| format!("{home}/.ssh/authorized_keys"))
}

/// The first key of a list: where it is, its line counted from 0, its text.
fn baked(case: &Case<'_>, list: &str) -> Option<(Location, usize, String)> {
    let (place, text) = case.text(list)?;
    let is_key = |line: &&str| !line.trim_start().starts_with('#') && KEYS.iter().any(|key| line.contains(key));
    let (number, line) = text.lines().enumerate().find(|(_, line)| is_key(line))?;
    Some((place, number, line.to_owned()))
}
