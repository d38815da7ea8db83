//! From judged cases to figures.

use std::collections::BTreeMap;
use std::time::Duration;

use lazaret_model::Outcome;
use serde_json::{Value, json};

use super::manifest::{Case, Label};
use super::stage::{Judged, Told};
use super::techniques;

/// The share of bad images among all that are pulled, for the precision that a user would meet:
/// studies of public registries found between 0.06 % and 0.7 %.
const PREVALENCE: f64 = 0.001;

/// A case and what was said of it.
#[derive(Debug)]
pub(crate) struct Scored {
    pub case: Case,
    pub judged: Judged,
    pub took: Duration,
}

/// A share, as two counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub hits: usize,
    pub of: usize,
}

impl Share {
    fn add(&mut self, hit: bool) {
        self.hits += usize::from(hit);
        self.of += 1;
    }

    /// The share between 0 and 1; `None` of nothing.
    pub fn value(self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.value() {
            Some(value) => write!(f, "{:>4}/{:<4} {:>5.1} %", self.hits, self.of, value * 100.0),
            None => f.write_str("   –"),
        }
    }
}

impl Scored {
    pub fn outcome(&self) -> Option<Outcome> {
        match &self.judged {
            Judged::Told { outcome, .. } => Some(*outcome),
            Judged::Not(_) => None,
        }
    }

    pub fn findings(&self) -> &[Told] {
        match &self.judged {
            Judged::Told { findings, .. } => findings,
            Judged::Not(_) => &[],
        }
    }

    /// Whether some finding, of whatever severity, shows one of the case's techniques. Where the
    /// manifest names none, any finding counts.
    pub fn seen(&self) -> bool {
        let wanted: Vec<&String> = self.case.techniques.iter().filter(|id| id.starts_with('T')).collect();
        self.findings().iter().any(|finding| {
            wanted.is_empty()
                || finding
                    .attack
                    .iter()
                    .any(|found| wanted.iter().any(|wanted| techniques::shows(found, wanted)))
        })
    }

    pub fn accused(&self) -> bool {
        matches!(self.outcome(), Some(Outcome::Suspicious | Outcome::Malicious))
    }

    /// The kind of act that must be accused, where the case is one: as its manifest says, else by
    /// its technique.
    pub fn category(&self) -> Option<&str> {
        match self.case.other("category") {
            "" if self.case.label == Label::Behaviour => {
                self.case.techniques.iter().find_map(|id| techniques::category(id))
            }
            "" | "-" => None,
            word => Some(word),
        }
    }

    /// Why the case was judged wrongly, if it was.
    pub fn wrong(&self) -> Option<&'static str> {
        let outcome = self.outcome()?;
        match self.case.label {
            Label::Malicious if !self.accused() => Some("not accused"),
            Label::Behaviour if self.category().is_some() && !self.accused() => Some("not accused"),
            Label::Behaviour | Label::Malicious | Label::MisconfigBad if !self.seen() => Some("not seen"),
            Label::Benign | Label::MisconfigGood if self.accused() => Some("accused"),
            Label::DualUse if outcome == Outcome::Malicious => Some("accused"),
            Label::Benign | Label::MisconfigGood | Label::DualUse if outcome == Outcome::Inconclusive => {
                Some("not decided")
            }
            _ => None,
        }
    }
}

/// All figures of one run.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// (seen, accused) of what is bad, by set and label.
    pub by_set: BTreeMap<(String, &'static str), (Share, Share)>,
    /// (seen, accused) of what is bad, by technique.
    pub by_technique: BTreeMap<String, (Share, Share)>,
    /// Accused, by kind of act.
    pub by_category: BTreeMap<String, Share>,
    pub seen: Share,
    /// Of those whose technique the catalogue of threats names.
    pub seen_in_catalogue: Share,
    pub accused_categories: Share,
    /// Of what nobody should be accused of, by set: malicious, suspicious, inconclusive.
    pub good: BTreeMap<(String, &'static str), [Share; 3]>,
    pub good_total: [Share; 3],
    /// Findings that count, on what is accused and should not be, by rule.
    pub false_positives: BTreeMap<String, usize>,
    /// Findings on the same that accuse nobody, by rule.
    pub informational: BTreeMap<String, usize>,
    /// Cases that could not be judged, by reason.
    pub not_judged: BTreeMap<String, usize>,
    pub judged: usize,
    pub total_time: Duration,
    pub slowest: Option<(Duration, String)>,
}

impl Figures {
    pub fn of(scored: &[Scored]) -> Self {
        let mut figures = Self::default();
        for one in scored {
            figures.add(one);
        }
        figures
    }

    fn add(&mut self, one: &Scored) {
        let Some(outcome) = one.outcome() else {
            if let Judged::Not(reason) = &one.judged {
                *self.not_judged.entry(reason.clone()).or_default() += 1;
            }
            return;
        };
        self.judged += 1;
        self.total_time += one.took;
        if self.slowest.as_ref().is_none_or(|(took, _)| one.took > *took) {
            self.slowest = Some((one.took, one.case.path.clone()));
        }
        let label = one.case.label;
        if label.is_bad() {
            self.add_bad(one);
        } else if label.is_good() {
            let at = self.good.entry((one.case.set.clone(), label.word())).or_default();
            let outcomes = [Outcome::Malicious, Outcome::Suspicious, Outcome::Inconclusive];
            for (index, wanted) in outcomes.into_iter().enumerate() {
                at[index].add(outcome == wanted);
                self.good_total[index].add(outcome == wanted);
            }
            for finding in one.findings() {
                let accuses = finding.counts && one.accused();
                let list = if accuses { &mut self.false_positives } else { &mut self.informational };
                *list.entry(finding.rule.clone()).or_default() += 1;
            }
        }
    }

    fn add_bad(&mut self, one: &Scored) {
        let (seen, accused) = (one.seen(), one.accused());
        let at = self.by_set.entry((one.case.set.clone(), one.case.label.word())).or_default();
        at.0.add(seen);
        at.1.add(accused);
        self.seen.add(seen);
        if one.case.techniques.iter().any(|id| techniques::in_catalogue(id)) {
            self.seen_in_catalogue.add(seen);
        }
        for technique in &one.case.techniques {
            let at = self.by_technique.entry(technique.clone()).or_default();
            at.0.add(seen);
            at.1.add(accused);
        }
        if let Some(category) = one.category() {
            self.by_category.entry(category.to_owned()).or_default().add(accused);
            self.accused_categories.add(accused);
        }
    }

    /// Of hundred images that are accused, how many are bad, were one in a thousand bad: with the
    /// false positives that were measured, and with as many as the number of benign cases leaves
    /// open (the "rule of three": none in n tries means fewer than 3/n, at 95 % confidence).
    pub fn precision(&self) -> Option<(f64, f64)> {
        let recall = self.accused_categories.value()?;
        let wrong = self.good_total[0].hits + self.good_total[1].hits;
        let of = self.good_total[0].of;
        if of == 0 {
            return None;
        }
        let precision = |rate: f64| {
            let (good, bad) = (recall * PREVALENCE, rate * (1.0 - PREVALENCE));
            if good + bad > 0.0 { good / (good + bad) } else { 0.0 }
        };
        let rate = wrong as f64 / of as f64;
        let bound = if wrong == 0 { 3.0 / of as f64 } else { rate };
        Some((precision(rate), precision(bound)))
    }
}

/// Everything, for another program and for comparing two runs.
pub(crate) fn document(scored: &[Scored], figures: &Figures) -> Value {
    let cases: Vec<Value> = scored
        .iter()
        .map(|one| {
            let (gaps, behaviours) = match &one.judged {
                Judged::Told { gaps, behaviours, .. } => (gaps.clone(), behaviours.clone()),
                Judged::Not(reason) => (vec![reason.clone()], Vec::new()),
            };
            let findings: Vec<Value> = one
                .findings()
                .iter()
                .map(|f| json!({ "rule": f.rule, "attack": f.attack, "severity": f.severity, "counts": f.counts }))
                .collect();
            json!({
                "path": one.case.path,
                "label": one.case.label.word(),
                "set": one.case.set,
                "techniques": one.case.techniques,
                "kind": one.case.kind.word(),
                "category": one.category(),
                "outcome": one.outcome().map_or("not judged", Outcome::word),
                "seen": one.seen(),
                "accused": one.accused(),
                "wrong": one.wrong(),
                "milliseconds": one.took.as_secs_f64() * 1e3,
                "findings": findings,
                "gaps": gaps,
                "behaviours": behaviours,
                "columns": one.case.others.iter().cloned().collect::<BTreeMap<_, _>>(),
            })
        })
        .collect();
    let share = |share: Share| json!({ "hits": share.hits, "of": share.of });
    json!({
        "seen": share(figures.seen),
        "seenInCatalogue": share(figures.seen_in_catalogue),
        "accusedCategories": share(figures.accused_categories),
        "goodMalicious": share(figures.good_total[0]),
        "goodSuspicious": share(figures.good_total[1]),
        "goodInconclusive": share(figures.good_total[2]),
        "informationalOnGood": figures.informational.values().sum::<usize>(),
        "cases": cases,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::eval::manifest::Kind;

    fn scored(label: Label, technique: &str, outcome: Outcome, found: &[(&str, bool)]) -> Scored {
        let findings = found.iter().map(|(attack, counts)| Told {
            rule: "t/x".to_owned(),
            attack: vec![(*attack).to_owned()],
            severity: "info".to_owned(),
            counts: *counts,
        });
        Scored {
            case: Case {
                path: "x".to_owned(),
                file: PathBuf::new(),
                label,
                set: "s".to_owned(),
                techniques: vec![technique.to_owned()],
                kind: Kind::Script,
                others: Vec::new(),
            },
            judged: Judged::Told {
                outcome,
                findings: findings.collect(),
                gaps: Vec::new(),
                behaviours: Vec::new(),
            },
            took: Duration::from_millis(1),
        }
    }

    #[test]
    fn an_informational_finding_is_enough_to_be_seen_and_not_to_be_accused() {
        let one = scored(Label::Behaviour, "T1082", Outcome::Clean, &[("T1082", false)]);
        assert!(one.seen() && !one.accused());
        assert_eq!(one.wrong(), None);
        let cron = scored(Label::Behaviour, "T1053.003", Outcome::Clean, &[("T1053.003", false)]);
        assert_eq!(cron.wrong(), Some("not accused"));
    }

    #[test]
    fn precision_falls_with_false_positives_and_is_bounded_where_there_are_none() {
        let mut list = vec![scored(Label::Behaviour, "T1611", Outcome::Malicious, &[("T1611", true)])];
        list.extend((0..999).map(|_| scored(Label::Benign, "", Outcome::Clean, &[])));
        let (measured, bound) = Figures::of(&list).precision().expect("there are both kinds");
        assert!((measured - 1.0).abs() < 1e-9);
        assert!(bound > 0.2 && bound < 0.3, "{bound}");
        list.push(scored(Label::Benign, "", Outcome::Suspicious, &[("T1105", true)]));
        let figures = Figures::of(&list);
        let (measured, _) = figures.precision().expect("there are both kinds");
        assert!(measured > 0.45 && measured < 0.55, "{measured}");
        assert_eq!(figures.false_positives["t/x"], 1);
    }
}
