//! What one image can do that another could not: the signal of a publisher that was taken over.
//!
//! [`compare`] is pure. It asks of two versions of an image which behaviours, programs, addresses
//! and privileges are new. What every rebuild changes (versions in paths, files of packages that
//! were updated, times) is summed up or left out.

mod behaviours;
mod files;
mod json;
mod markdown;
mod settings;
mod text;
mod volatile;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use lazaret_model::{ImageReport, Outcome, Report, Severity};

use crate::story::{Charge, Mark, Sentence, Step};
use crate::{Options, words};

/// What the change as a whole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeOutcome {
    /// Nothing that acts differs.
    Same,
    /// Updates, or less than before: nothing that the first could not do.
    Updates,
    /// It can do something that the first could not.
    More,
    /// What it can do now is what attackers add.
    Alarming,
}

impl ChangeOutcome {
    /// The word for reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Updates => "updates",
            Self::More => "more",
            Self::Alarming => "alarming",
        }
    }
}

impl fmt::Display for ChangeOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Where a change is. The order is the order in which changes are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// What it does by itself.
    Steps,
    /// What rules say.
    Findings,
    /// Addresses, wallets, keys.
    Indicators,
    /// User, ports, volumes, setuid programs.
    Privileges,
    /// Schedules, services, keys, preloaded libraries.
    Persistence,
    /// Programs and scripts.
    Programs,
    /// What starts, environment, working folder.
    Configuration,
    /// What it is built on and with.
    Updates,
}

impl Area {
    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Steps => "What it does that it did not do",
            Self::Findings => "What rules say now",
            Self::Indicators => "New addresses, wallets and keys",
            Self::Privileges => "Privileges",
            Self::Persistence => "Schedules, services and logins",
            Self::Programs => "Programs and scripts",
            Self::Configuration => "Configuration",
            Self::Updates => "Updates",
        }
    }

    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Findings => "findings",
            Self::Indicators => "indicators",
            Self::Privileges => "privileges",
            Self::Persistence => "persistence",
            Self::Programs => "programs",
            Self::Configuration => "configuration",
            Self::Updates => "updates",
        }
    }
}

/// One thing that differs.
#[derive(Debug, Clone)]
pub struct Change {
    /// Where.
    pub area: Area,
    /// What it means for the whole.
    pub outcome: ChangeOutcome,
    /// What differs, with place, line and findings.
    pub step: Step,
}

impl Change {
    fn new(area: Area, outcome: ChangeOutcome, sentence: Sentence) -> Self {
        let mark = match outcome {
            ChangeOutcome::Alarming => Mark::Alarm,
            ChangeOutcome::More => Mark::Plain,
            ChangeOutcome::Updates | ChangeOutcome::Same => Mark::Aside,
        };
        Self { area, outcome, step: Step::new(mark, sentence) }
    }
}

/// Two images for one platform.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The platform, neutralised.
    pub platform: String,
    /// The verdicts of the two.
    pub verdicts: (Outcome, Outcome),
    /// What the change is.
    pub outcome: ChangeOutcome,
    /// One sentence: why, raw.
    pub why: String,
    /// What differs, in the order in which it is told.
    pub changes: Vec<Change>,
    /// Whether something that could matter was not read in one of the two: then what is new may
    /// be missing here.
    pub has_gaps: bool,
}

/// Two references.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Name and digest of the first, neutralised.
    pub from: (String, String),
    /// Name and digest of the second, neutralised.
    pub to: (String, String),
    /// One for each platform that both have.
    pub comparisons: Vec<Comparison>,
    /// Platforms that only the first has.
    pub gone: Vec<String>,
    /// Platforms that only the second has.
    pub added: Vec<String>,
}

impl Difference {
    /// The worst of the comparisons.
    pub fn outcome(&self) -> ChangeOutcome {
        let worst = self.comparisons.iter().map(|one| one.outcome).max();
        let platform = if self.added.is_empty() { ChangeOutcome::Same } else { ChangeOutcome::More };
        worst.unwrap_or(ChangeOutcome::Same).max(platform)
    }

    /// Whether the answer may lack something that was not read, or there was nothing to compare.
    pub fn has_gaps(&self) -> bool {
        self.comparisons.is_empty() || self.comparisons.iter().any(|one| one.has_gaps)
    }
}

/// Compares what two references hold.
pub fn compare(from: &Report, to: &Report) -> Difference {
    let names = |report: &Report| (words::name(report), report.pinned.digest.to_string());
    let mut comparisons = Vec::new();
    let mut added = Vec::new();
    let mut used = Vec::new();
    for second in &to.images {
        let first = match (from.images.as_slice(), to.images.as_slice()) {
            // Two single images are compared whatever they call their platform.
            ([only], [_]) => Some(only),
            (images, _) => images.iter().find(|image| image.image.platform == second.image.platform),
        };
        match first {
            Some(first) => {
                used.push(std::ptr::from_ref(first));
                comparisons.push(images(first, second));
            }
            None => added.push(words::platform(second)),
        }
    }
    let left = from.images.iter().filter(|image| !used.contains(&std::ptr::from_ref(*image)));
    Difference {
        from: names(from),
        to: names(to),
        comparisons,
        gone: left.map(words::platform).collect(),
        added,
    }
}

fn images(from: &ImageReport, to: &ImageReport) -> Comparison {
    let mut changes = Vec::new();
    if from.image.manifest != to.image.manifest {
        changes.extend(behaviours::changes(from, to));
        changes.extend(findings(from, to, &changes));
        changes.extend(settings::indicators(from, to));
        changes.extend(settings::changes(from, to));
        changes.extend(files::changes(from, to));
        changes.extend(files::packages(from, to));
    }
    changes.sort_by_key(|change| (change.area, std::cmp::Reverse(change.outcome)));
    let outcome = changes.iter().map(|change| change.outcome).max().unwrap_or(ChangeOutcome::Same);
    let why = why(outcome, &changes, from.image.manifest == to.image.manifest);
    Comparison {
        platform: words::platform(to),
        verdicts: (from.verdict.outcome, to.verdict.outcome),
        outcome,
        why,
        has_gaps: from.coverage.gaps + to.coverage.gaps > 0,
        changes,
    }
}

fn why(outcome: ChangeOutcome, changes: &[Change], identical: bool) -> String {
    let worst = changes.iter().find(|change| change.outcome == outcome);
    let told = |change: &Change| match change.step.places.first() {
        Some(place) => format!("{} ({place})", change.step.sentence.text()),
        None => change.step.sentence.text(),
    };
    match (outcome, worst) {
        (_, _) if identical => "They are the same image.".to_owned(),
        (ChangeOutcome::Same, _) => "Nothing that acts differs.".to_owned(),
        (ChangeOutcome::Updates, _) => "Nothing that the first could not do; only updates.".to_owned(),
        (ChangeOutcome::More, Some(change)) => format!("It can do more than before: {}.", told(change)),
        (_, Some(change)) => format!("New, and what attackers add: {}.", told(change)),
        (_, None) => String::new(),
    }
}

/// Findings of the second that the first has not, and that no change names already.
fn findings(from: &ImageReport, to: &ImageReport, told: &[Change]) -> Vec<Change> {
    let key = |finding: &lazaret_model::Finding| {
        let path = finding.location().path().map(|path| volatile::stable(&path.to_string()));
        (finding.rule.id.clone(), path)
    };
    let known: Vec<_> = from.findings.iter().map(key).collect();
    let named =
        |rule: &str| told.iter().any(|change| change.step.charges.iter().any(|charge| charge.rule == rule));
    to.findings
        .iter()
        .filter(|finding| finding.severity > Severity::Info && !known.contains(&key(finding)))
        .filter(|finding| !named(&finding.rule.id))
        .map(|finding| {
            let malware =
                finding.class == lazaret_model::Class::Malware && finding.severity >= Severity::Medium;
            let outcome = if malware { ChangeOutcome::Alarming } else { ChangeOutcome::More };
            let sentence = crate::story::say(finding.message.clone());
            let mut change = Change::new(Area::Findings, outcome, sentence);
            change.step.places.push(finding.location().to_string());
            change.step.charges.push(Charge {
                severity: finding.severity,
                class: words::class_word(finding.class),
                rule: finding.rule.id.clone(),
                message: finding.rule.title.clone(),
            });
            change
        })
        .collect()
}

/// A form that a comparison can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiffFormat {
    /// Text for a person at a terminal.
    Text,
    /// Markdown.
    Markdown,
    /// One JSON document, `docs/schema/diff-v1.schema.json`.
    Json,
}

/// A word that names no form of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a form of a comparison: choose one of text, markdown, json")]
pub struct UnknownDiffFormatError(String);

impl FromStr for DiffFormat {
    type Err = UnknownDiffFormatError;

    fn from_str(text: &str) -> Result<Self, UnknownDiffFormatError> {
        Ok(match text {
            "text" | "terminal" | "table" | "plain" => Self::Text,
            "markdown" | "md" => Self::Markdown,
            "json" => Self::Json,
            other => return Err(UnknownDiffFormatError(other.to_owned())),
        })
    }
}

/// Writes a comparison.
///
/// # Errors
/// Only those of `out`.
pub fn write_difference(
    format: DiffFormat,
    difference: &Difference,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = match format {
        DiffFormat::Text => text::render(difference, options),
        DiffFormat::Markdown => markdown::render(difference),
        DiffFormat::Json => json::render(difference),
    };
    out.write_all(text.as_bytes())
}
