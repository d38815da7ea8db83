//! `cargo xtask corpus NAME CHECKOUT OUT`: labelled cases for `eval` out of public suites.
//!
//! The suites are text to read. Nothing in them is run, and nothing of them is part of this
//! repository.

mod atomic;
mod gtfobins;
mod official;
mod sigma;
mod split;
mod write;

use std::path::Path;

use anyhow::{Result, bail};

use crate::eval::Label;

const USAGE: &str = "usage: cargo xtask corpus NAME CHECKOUT OUT
  atomic-red-team   redcanaryco/atomic-red-team: the tests for Linux and containers
  gtfobins          GTFOBins/GTFOBins.github.io: what each program can be used for
  sigma             SigmaHQ/sigma: a command line for each rule over Linux processes
  docker-library    official images: every Dockerfile and script, as harmless; CHECKOUT is one
                    repository or a folder of several
  examples          compose files, Kubernetes manifests, Dockerfiles and scripts, as harmless";

/// A case to be written.
#[derive(Debug, Clone)]
struct New {
    /// Path below the output folder, without surprises for a shell.
    path: String,
    body: Vec<u8>,
    label: Label,
    set: String,
    techniques: Vec<String>,
    kind: &'static str,
    /// The kind of act that must be accused; empty where the technique decides.
    category: &'static str,
    /// What the suite calls it.
    note: String,
}

/// Reads one suite and writes its cases.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [name, checkout, out] = arguments else { bail!("{USAGE}") };
    let checkout = Path::new(checkout);
    if !checkout.is_dir() {
        bail!("{} is no folder; name a checkout of the suite", checkout.display());
    }
    let cases = match name.as_str() {
        "atomic-red-team" => atomic::read(checkout)?,
        "gtfobins" => gtfobins::read(checkout)?,
        "sigma" => sigma::read(checkout)?,
        "docker-library" | "examples" => official::read(checkout, name)?,
        other => bail!("`{other}` is no suite\n{USAGE}"),
    };
    if cases.is_empty() {
        bail!("nothing of {name} is in {}", checkout.display());
    }
    let halves = split::halves(&cases);
    write::all(Path::new(out), &cases, &halves)
}

/// The kind of act that a script of a suite shows, where the technique alone does not tell.
fn category(text: &str) -> &'static str {
    let lower = text.to_lowercase();
    let shell = ["/bin/sh", "/bin/bash", "bash -i", "sh -i", "bash -c", "sh -c"];
    let hands_a_shell = shell.iter().any(|word| lower.contains(word));
    if lower.contains("/dev/tcp/") && hands_a_shell {
        return "reverse shell";
    }
    let fetches = ["curl ", "wget "].iter().any(|word| lower.contains(word));
    let runs = ["| sh", "|sh", "| bash", "|bash", "chmod +x", "chmod 755", "chmod 777", "chmod u+x"];
    if fetches && runs.iter().any(|word| lower.contains(word)) {
        return "dropper";
    }
    ""
}

/// What a script is that a suite files under the impairing of defences: who counts is the guard
/// that is ended, so a history that is emptied, or memory that is no longer swapped, is none.
fn impairs(text: &str) -> &'static str {
    let ends = text.lines().any(|line| {
        let line = line.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
        has(GUARDS) && has(ENDS)
    });
    if ends { "agent killer" } else { "-" }
}

/// Security agents, daemons that keep logs, firewalls, and protections of the kernel.
const GUARDS: &[&str] = &[
    "agent",
    "sensor",
    "endpoint",
    "antivirus",
    "edr",
    "clamav",
    "clamd",
    "auditd",
    "auditctl",
    "audit.rules",
    "audit.conf",
    "syslog",
    "journald",
    "falcon",
    "crowdstrike",
    "carbon",
    "cbdaemon",
    "mdatp",
    "defender",
    "sentinel",
    "sophos",
    "mcafee",
    "symantec",
    "esets",
    "wazuh",
    "ossec",
    "osquery",
    "falco",
    "sysdig",
    "sysmon",
    "aegis",
    "aliyun",
    "cloudmonitor",
    "firewall",
    "ufw",
    "iptables",
    "nftables",
    "fail2ban",
    "selinux",
    "setenforce",
    "apparmor",
    "randomize_va_space",
    "tripwire",
    "rkhunter",
];

/// What is done to them.
const ENDS: &[&str] = &[
    "stop",
    "disable",
    "mask",
    "kill",
    "remove",
    "purge",
    "erase",
    "uninstall",
    "unload",
    "teardown",
    "rm -",
    "rm /",
    "unlink",
    "setenforce 0",
    "permissive",
    "=0",
    "= 0",
    "-e 0",
    "-e0",
    " -d",
    "off",
    "flush",
    "=none",
    "=no",
    "\"no\"",
    "exclusion",
    "threat",
    "/d'",
];

/// A name that every file system and shell takes.
fn plain_name(text: &str) -> String {
    let mut name: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' })
        .collect();
    while name.contains("--") {
        name = name.replace("--", "-");
    }
    name.truncate(70);
    name.trim_matches(['-', '.']).to_owned()
}
