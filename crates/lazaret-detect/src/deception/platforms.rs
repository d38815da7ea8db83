//! One platform of an index that does what the others do not.
//!
//! Whoever looks at an image looks at that of his own processor. A payload in another one is seen
//! by nobody; that is what it is put there for.

use std::collections::BTreeSet;

use lazaret_model::{
    Behaviour, BehaviourKind, Certainty, Class, Confidence, Evidence, Finding, ImageReport, Location, Phase,
    Reach, Rule, Severity, one_line,
};

use crate::case::{base_name, describe, quote};
use crate::policy;

/// Words for processors, which differ between platforms by right; each becomes one sign.
const PROCESSORS: &[&str] = &[
    "linux/amd64",
    "linux/arm64",
    "x86_64",
    "x86-64",
    "amd64",
    "aarch64",
    "arm64",
    "armhf",
    "armv7l",
    "armv7",
    "armv6",
    "armel",
    "i386",
    "i686",
    "ppc64le",
    "ppc64el",
    "s390x",
    "riscv64",
    "mips64le",
    "mips64el",
    "loong64",
    "loongarch64",
    "musl",
    "gnueabihf",
    "arm",
];

fn rule() -> Rule {
    Rule {
        id: "stealth/one-platform-differs".into(),
        title: "do on one platform what it does on no other".into(),
        explanation: "The images of an index are one program for several processors. One of these reaches out to \
            an address, or starts a program, that none of the others knows. Compare its start step with that of the \
            others before you run it."
            .into(),
        class: Class::Malware,
        severity: Severity::Medium,
        confidence: Confidence::Low,
        attack: vec!["T1036".into()],
        references: vec!["https://attack.mitre.org/techniques/T1036/".into()],
    }
}

/// Compares the images of one index, and adds a finding, and the verdict that follows from it, to
/// each that does at its start what none of the others does.
pub fn compare_platforms(images: &mut [ImageReport]) {
    if images.len() < 2 {
        return;
    }
    let acts: Vec<Vec<Act>> = images.iter().map(acts).collect();
    for (at, own) in acts.iter().enumerate() {
        // An image that could not be followed says nothing about what the others lack.
        let others: Vec<&Vec<Act>> = acts
            .iter()
            .enumerate()
            .filter(|(other, acts)| *other != at && !acts.is_empty())
            .map(|(_, a)| a)
            .collect();
        if others.is_empty() {
            continue;
        }
        let known: BTreeSet<&str> =
            others.iter().flat_map(|acts| acts.iter().map(|act| act.key.as_str())).collect();
        let alone: Vec<&Act> = own.iter().filter(|act| !known.contains(act.key.as_str())).collect();
        // Something must be shared, or the index holds different things under one name.
        let shares = own.iter().any(|act| known.contains(act.key.as_str()));
        let Some(first) = alone.iter().max_by_key(|act| act.weight).filter(|_| shares || own.len() == 1)
        else {
            continue;
        };
        let platform =
            images[at].image.platform.as_ref().map_or_else(|| "one".to_owned(), ToString::to_string);
        let message = format!(
            "only the image for {platform} does this, of {}: {} ({})",
            images.len(),
            describe(&first.behaviour),
            one_line(&quote(&first.behaviour), 80)
        );
        let rule = rule();
        let mut finding = Finding::of(&rule, message, evidence(&first.behaviour)).reach(Reach::Starts);
        for more in alone.iter().filter(|act| act.behaviour != first.behaviour).take(4) {
            finding = finding.and(evidence(&more.behaviour));
        }
        finding = match first.weight {
            Weight::Address => finding.confidence(Confidence::Medium),
            // Programs differ between platforms for many a reason; this is for whoever looks.
            Weight::Program => finding.class(Class::DualUse).severity(Severity::Low),
        };
        let finding = finding.refuted_by("its maker explains why this platform needs it").build();
        let report = &mut images[at];
        report.findings.push(finding);
        policy::sort(&mut report.findings);
        report.verdict = policy::verdict(&report.findings, &report.gaps);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Program,
    Address,
}

struct Act {
    /// The same for acts that differ by the platform alone.
    key: String,
    weight: Weight,
    behaviour: Behaviour,
}

/// What an image surely does when it starts, as far as it can be compared.
fn acts(report: &ImageReport) -> Vec<Act> {
    let start = |b: &&Behaviour| b.phase == Phase::Start && b.certainty == Certainty::Will;
    let acts = report.behaviours.iter().filter(start).filter_map(|behaviour| {
        let (weight, text) = match &behaviour.kind {
            BehaviourKind::Process { argv, .. } => (Weight::Program, base_name(argv.first()?).to_owned()),
            BehaviourKind::Network { host, .. } if !host.contains('$') => (Weight::Address, host.clone()),
            _ => return None,
        };
        let mark = if weight == Weight::Address { "to " } else { "runs " };
        Some(Act { key: format!("{mark}{}", plain(&text)), weight, behaviour: behaviour.clone() })
    });
    acts.collect()
}

/// A text without the words for processors.
fn plain(text: &str) -> String {
    let mut text = text.to_ascii_lowercase();
    for word in PROCESSORS {
        text = text.replace(word, "@");
    }
    text
}

fn evidence(behaviour: &Behaviour) -> Evidence {
    let location = behaviour.because.first().cloned().unwrap_or(Location::Image);
    Evidence::at(location, describe(behaviour)).quoting(quote(behaviour))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use lazaret_model::Outcome;
    use lazaret_recipe::Recipe;

    use super::*;
    use crate::{Pack, try_recipe};

    /// Judges each recipe as one platform of an index, by the rules alone that are not ours.
    fn compared(recipes: &[&str]) -> Vec<ImageReport> {
        let folder = tempfile::tempdir().unwrap();
        let rule = "title: t\nlogsource: {category: process_creation}\ndetection: {s: {Image: nothing}, condition: s}\n";
        std::fs::write(folder.path().join("r.yml"), rule).unwrap();
        let pack = Pack::only(folder.path()).unwrap();
        let mut reports: Vec<ImageReport> =
            recipes.iter().map(|text| try_recipe(&pack, &Recipe::parse(text).unwrap())).collect();
        compare_platforms(&mut reports);
        reports
    }

    fn image(platform: &str, script: &str) -> String {
        let script = script.lines().fold(String::new(), |all, line| format!("{all}    {line}\n"));
        format!(
            "PLATFORM {platform}\nELF /bin/sh 0755\n    sh\nFILE /run.sh 0755\n    #!/bin/sh\n{script}ENTRYPOINT [\"/run.sh\"]\n"
        )
    }

    #[test]
    fn an_address_that_one_platform_alone_reaches_speaks_against_that_platform() {
        let honest = image("linux/amd64", "exec app serve");
        let other =
            image("linux/arm64", "curl -s http://files.example.invalid/a -o /dev/null\nexec app serve");
        let reports = compared(&[&honest, &other]);
        assert!(reports[0].findings.is_empty(), "{:?}", reports[0].findings);
        assert_eq!(reports[1].verdict.outcome, Outcome::Suspicious);
        assert!(reports[1].findings[0].message.contains("linux/arm64"), "{}", reports[1].findings[0].message);
    }

    #[test]
    fn names_of_processors_are_no_difference() {
        let one =
            image("linux/amd64", "curl -s https://dl.example.com/app-amd64 -o /app\nexec app-x86_64 serve");
        let two =
            image("linux/arm64", "curl -s https://dl.example.com/app-arm64 -o /app\nexec app-aarch64 serve");
        assert!(compared(&[&one, &two]).iter().all(|report| report.findings.is_empty()));
    }

    #[test]
    fn a_program_that_one_platform_alone_starts_is_told_and_accuses_nobody() {
        let one = image("linux/amd64", "exec app serve");
        let two = image("linux/arm64", "fix-cow-bug\nexec app serve");
        let reports = compared(&[&one, &two]);
        assert_eq!(reports[1].findings.len(), 1);
        assert_eq!(reports[1].verdict.outcome, Outcome::Clean);
    }

    #[test]
    fn different_products_under_one_name_are_not_compared() {
        let one = image("linux/amd64", "exec app serve");
        let two = "PLATFORM linux/arm64\nELF /bin/other 0755\n    x\nELF /bin/more 0755\n    x\nELF /bin/sh 0755\n    sh\n\
            FILE /o.sh 0755\n    #!/bin/sh\n    other\n    more\nENTRYPOINT [\"/o.sh\"]\n";
        let reports = compared(&[&one, two]);
        assert!(reports.iter().all(|report| report.verdict.outcome == Outcome::Clean));
    }
}
