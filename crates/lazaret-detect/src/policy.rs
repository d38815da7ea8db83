//! From findings and gaps to a verdict: a pure function, so that the same findings always give
//! the same answer, with or without those that an ignore file takes out.

use lazaret_model::{Class, Confidence, Finding, Gap, Outcome, Reach, Severity, Verdict, one_line};

/// What one finding does to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Reported, no more.
    None,
    /// Speaks against the image.
    Suspects,
    /// Convicts it.
    Convicts,
}

/// The weight of a finding.
///
/// Only malware counts: dual use, exposure and hygiene are told, and a policy of the user's may
/// act on them. Malware convicts when it is sure, harmful, and starts with the container. What is
/// sure but need not act (reachable, never started, removed by a later layer), and what is likely
/// and can act, suspects.
pub fn weight(finding: &Finding) -> Weight {
    if finding.class != Class::Malware {
        return Weight::None;
    }
    let acts = finding.reach >= Reach::Reachable;
    match (finding.confidence, finding.severity) {
        (Confidence::High, Severity::High | Severity::Critical) if finding.reach == Reach::Starts => {
            Weight::Convicts
        }
        (Confidence::High, Severity::Medium | Severity::High | Severity::Critical) => Weight::Suspects,
        (Confidence::Medium, Severity::Medium | Severity::High | Severity::Critical) if acts => {
            Weight::Suspects
        }
        _ => Weight::None,
    }
}

/// The verdict over findings and gaps.
///
/// The order of the answers: a conviction stands whatever was not read; without one, a gap that
/// could matter never reads as clean.
pub fn verdict(findings: &[Finding], gaps: &[Gap]) -> Verdict {
    let heaviest = |wanted: Weight| findings.iter().filter(move |f| weight(f) == wanted);
    let serious: Vec<&Gap> = gaps.iter().filter(|g| g.matters).collect();
    let has_gaps = !serious.is_empty();
    let gap_words = || {
        let first = serious.first().map_or_else(String::new, |g| one_line(&g.to_string(), 160));
        match serious.len() {
            1 => first,
            n => format!("{first} and {} more", n - 1),
        }
    };
    let also = |n: usize| match n {
        0 | 1 => String::new(),
        n => format!(" (and {} more like it)", n - 1),
    };

    let convicting = heaviest(Weight::Convicts).count();
    if let Some(worst) = heaviest(Weight::Convicts).next() {
        let would_change = match &worst.refuted_by {
            Some(what) => format!("Not malicious if {}.", one_line(what, 200)),
            None => "Not malicious if each finding marked malware is shown to be wrong.".to_owned(),
        };
        return Verdict {
            outcome: Outcome::Malicious,
            why: format!("{}{}.", one_line(&worst.message, 300), also(convicting)),
            would_change,
            has_gaps,
        };
    }
    let suspecting = heaviest(Weight::Suspects).count();
    if let Some(worst) = heaviest(Weight::Suspects).next() {
        return Verdict {
            outcome: Outcome::Suspicious,
            why: format!("{}{}.", one_line(&worst.message, 300), also(suspecting)),
            would_change: match (&worst.refuted_by, has_gaps) {
                (Some(what), _) => format!("Clean if {}.", one_line(what, 200)),
                (None, true) => format!("Something was not read either: {}.", gap_words()),
                (None, false) => {
                    "Malicious if it is shown to act; clean if its maker can explain it.".to_owned()
                }
            },
            has_gaps,
        };
    }
    if has_gaps {
        return Verdict {
            outcome: Outcome::Inconclusive,
            why: format!("Something that could matter was not read: {}.", gap_words()),
            would_change: "Clean or malicious once that can be read.".to_owned(),
            has_gaps,
        };
    }
    let dual: Vec<&Finding> = findings
        .iter()
        .filter(|f| {
            f.class == Class::DualUse
                && f.reach >= Reach::Reachable
                && f.severity >= Severity::Medium
                && f.confidence >= Confidence::Medium
        })
        .collect();
    let why = match dual.first() {
        Some(first) => {
            format!("Nothing in it is made to harm who runs it; dual use: {}.", one_line(&first.message, 240))
        }
        None => "Everything that could matter was read, and nothing speaks against it.".to_owned(),
    };
    Verdict {
        outcome: Outcome::Clean,
        why,
        would_change: "Another digest, newer rules, or other arguments to run it with.".to_owned(),
        has_gaps,
    }
}

/// Orders findings worst first: by weight, class, severity, confidence, reach, then by rule and
/// place, so that the same image always reads the same.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let key = |f: &Finding| (weight(f), f.class, f.severity, f.confidence, f.reach);
        key(b)
            .cmp(&key(a))
            .then_with(|| a.rule.id.cmp(&b.rule.id))
            .then_with(|| a.location().cmp(b.location()))
            .then_with(|| a.message.cmp(&b.message))
    });
}

#[cfg(test)]
mod tests {
    use lazaret_model::{Evidence, GapKind, Location, Rule};

    use super::*;

    fn finding(class: Class, severity: Severity, confidence: Confidence, reach: Reach) -> Finding {
        let rule = Rule {
            id: "t/x".into(),
            title: String::new(),
            explanation: String::new(),
            class,
            severity,
            confidence,
            attack: vec![],
            references: vec![],
        };
        Finding::of(&rule, "it does x", Evidence::at(Location::Image, "x")).reach(reach).build()
    }

    fn gap(matters: bool) -> Gap {
        Gap { kind: GapKind::Damaged, location: Location::Layer(0), detail: "ends early".into(), matters }
    }

    #[test]
    fn a_conviction_stands_beside_gaps() {
        let sure = finding(Class::Malware, Severity::High, Confidence::High, Reach::Starts);
        let said = verdict(&[sure], &[gap(true)]);
        assert_eq!(said.outcome, Outcome::Malicious);
        assert!(said.has_gaps);
    }

    #[test]
    fn could_not_look_is_never_clean() {
        assert_eq!(verdict(&[], &[gap(true)]).outcome, Outcome::Inconclusive);
        assert_eq!(verdict(&[], &[gap(false)]).outcome, Outcome::Clean);
    }

    #[test]
    fn dual_use_exposure_and_hygiene_do_not_accuse() {
        for class in [Class::DualUse, Class::Exposure, Class::Hygiene] {
            let told = finding(class, Severity::Critical, Confidence::High, Reach::Starts);
            assert_eq!(verdict(&[told], &[]).outcome, Outcome::Clean, "{class}");
        }
    }

    #[test]
    fn what_is_sure_but_does_not_start_suspects_and_convicts_nobody() {
        for reach in [Reach::Reachable, Reach::Dormant, Reach::Removed] {
            let hidden = finding(Class::Malware, Severity::Critical, Confidence::High, reach);
            assert_eq!(verdict(&[hidden], &[]).outcome, Outcome::Suspicious);
        }
        let weak = finding(Class::Malware, Severity::High, Confidence::Low, Reach::Starts);
        assert_eq!(verdict(&[weak], &[]).outcome, Outcome::Clean);
    }
}
