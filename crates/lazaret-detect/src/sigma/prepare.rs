//! What the files of a pack come to, before any rule is compiled.
//!
//! To read the files and to find out by which words their rules are met takes longer than a small
//! image does. What comes of it is kept between runs, as the compiled byte rules are.

use lazaret_model::LeftOutRule;
use rsigma_eval::Engine;
use rsigma_parser::{FilterRule, SigmaCollection, SigmaRule};
use serde::{Deserialize, Serialize};

use super::fit;
use super::prefilter::Prefilter;
use crate::PackError;
use crate::pack::{Language, PackRule, SigmaMeta, Source};

/// Where a rule is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Number of its file.
    file: usize,
    /// Number of the rule among those of the file.
    rule: usize,
}

/// What is known of the rules of a pack.
#[derive(Serialize, Deserialize)]
pub(super) struct Prepared {
    pub described: Vec<PackRule>,
    /// For each rule, where it stands.
    pub places: Vec<Place>,
    pub prefilter: Prefilter,
    /// Numbers of the files that hold filters.
    pub filters: Vec<usize>,
    pub left_out: Vec<LeftOutRule>,
    /// Whether any rule asks for records of the audit daemon, or for the words of commands.
    pub reads_audit: bool,
    pub reads_commands: bool,
}

impl Prepared {
    pub fn read(sources: &[&Source], strict: bool) -> Result<Self, PackError> {
        let mut parts = Parts::default();
        for (file, source) in sources.iter().enumerate() {
            let broken = match parts.add(file, source) {
                Ok(()) => continue,
                Err(error) if strict || source.built_in => return Err(error),
                Err(error) => error,
            };
            parts.left_out.push(broken.left_out(source));
        }
        parts.leave_out_refused(sources, strict)?;
        // Filters only narrow a rule, so what the rule itself needs stays needed.
        let mut unruled = Engine::new();
        for filter in &parts.filters {
            unruled.apply_filter(filter).map_err(|e| PackError::Engine(one_line(&e.to_string())))?;
        }
        let rules: Vec<SigmaRule> = parts.rules.iter().map(|(rule, _)| rule.clone()).collect();
        let commands = |rule: &SigmaRule| rule.logsource.category.as_deref() == Some(fit::COMMANDS);
        Ok(Self {
            prefilter: Prefilter::new(&rules),
            reads_audit: rules.iter().any(|rule| rule.logsource.service.is_some()),
            reads_commands: rules.iter().any(commands),
            described: parts.described,
            places: parts.rules.into_iter().map(|(_, place)| place).collect(),
            filters: parts.filter_files,
            left_out: parts.left_out,
        })
    }

    /// What was kept, if it is about as many files as there are.
    pub fn from_bytes(bytes: &[u8], sources: &[&Source]) -> Option<Self> {
        let known: Self = postcard::from_bytes(bytes).ok()?;
        let files = known.places.iter().map(|place| place.file).chain(known.filters.iter().copied());
        let fits = known.described.len() == known.places.len()
            && known.prefilter.is_whole(known.places.len())
            && files.max().is_none_or(|last| last < sources.len());
        fits.then_some(known)
    }

    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        postcard::to_stdvec(self).ok()
    }
}

/// The rule at a place, as the engine takes it.
pub(super) fn rule_at(files: &[Source], place: Place) -> Option<SigmaRule> {
    let parsed = rsigma_parser::parse_sigma_yaml(&files.get(place.file)?.text).ok()?;
    parsed.rules.into_iter().nth(place.rule).map(as_asked)
}

/// The filters in a file.
pub(super) fn filters_in(files: &[Source], file: usize) -> Vec<FilterRule> {
    let parsed = files.get(file).and_then(|source| rsigma_parser::parse_sigma_yaml(&source.text).ok());
    parsed.map(|parsed| parsed.filters).unwrap_or_default()
}

/// What a rule says to other programs is taken away, and rules for any log are asked of commands.
fn as_asked(mut rule: SigmaRule) -> SigmaRule {
    if fit::reads_commands(&rule) {
        rule.logsource.category = Some(fit::COMMANDS.to_owned());
    }
    rule.custom_attributes.clear();
    rule
}

#[derive(Default)]
struct Parts {
    rules: Vec<(SigmaRule, Place)>,
    described: Vec<PackRule>,
    filters: Vec<FilterRule>,
    filter_files: Vec<usize>,
    left_out: Vec<LeftOutRule>,
}

impl Parts {
    /// Takes in all of a file, or nothing.
    fn add(&mut self, file: usize, source: &Source) -> Result<(), PackError> {
        let parsed: SigmaCollection =
            rsigma_parser::parse_sigma_yaml(&source.text).map_err(|e| refused(source, &e.to_string()))?;
        if let Some(error) = parsed.errors.first() {
            return Err(refused(source, error));
        }
        if parsed.rules.is_empty() && parsed.correlations.is_empty() && parsed.filters.is_empty() {
            return Err(source.error(1, "the file holds no Sigma rule"));
        }
        let alone = parsed.rules.len() == 1;
        let mut taken = Vec::new();
        let mut left_out = Vec::new();
        for (index, rule) in parsed.rules.into_iter().enumerate() {
            let id = if alone { source.id.clone() } else { format!("{}/{}", source.id, index + 1) };
            let meta = SigmaMeta::read(source, &rule)?;
            let described = PackRule {
                rule: meta.rule(source, id, &rule)?,
                language: Language::Sigma,
                origin: source.origin.clone(),
                pack: source.pack.clone(),
                built_in: source.built_in,
                false_positives: rule.falsepositives.clone(),
                examples: meta.examples(source),
            };
            if let Some(reason) = fit::why_not(&rule) {
                left_out.push(LeftOutRule {
                    file: source.origin.clone(),
                    rule: rule.title.clone(),
                    reason,
                    broken: false,
                });
                continue;
            }
            taken.push((as_asked(rule), Place { file, rule: index }, described));
        }
        for correlation in &parsed.correlations {
            left_out.push(LeftOutRule {
                file: source.origin.clone(),
                rule: correlation.title.clone(),
                reason: "counts events over time, and an image that has not run has no time".to_owned(),
                broken: false,
            });
        }
        for (rule, place, described) in taken {
            self.rules.push((rule, place));
            self.described.push(described);
        }
        self.left_out.extend(left_out);
        if !parsed.filters.is_empty() {
            self.filters.extend(parsed.filters);
            self.filter_files.push(file);
        }
        Ok(())
    }

    /// Tries which rules of a user's the engine takes. Ours were tried before they were built in.
    fn leave_out_refused(&mut self, sources: &[&Source], strict: bool) -> Result<(), PackError> {
        let mut refused = Vec::new();
        for (index, (rule, place)) in self.rules.iter().enumerate() {
            let source = sources[place.file];
            if source.built_in {
                continue;
            }
            if let Err(error) = Engine::new().add_rule(rule) {
                let error = source.error(source.line_starting("detection:"), one_line(&error.to_string()));
                if strict {
                    return Err(error);
                }
                self.left_out.push(error.left_out(source));
                refused.push(index);
            }
        }
        for index in refused.into_iter().rev() {
            self.rules.remove(index);
            self.described.remove(index);
        }
        Ok(())
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The parser's message, at the line that it names; where it names none, at the part of the rule
/// that the message is about.
fn refused(source: &Source, message: &str) -> PackError {
    let named = message.split(" line ").nth(1).and_then(|rest| {
        rest.split(|c: char| !c.is_ascii_digit()).next().filter(|digits| !digits.is_empty())?.parse().ok()
    });
    // `Unknown modifier 'x'`: the line that holds the word in quotes.
    let quoted = message.split('\'').nth(1).filter(|word| !word.is_empty());
    let holding = quoted.and_then(|word| source.text.lines().position(|line| line.contains(word)));
    let line = named.or(holding.map(|at| at as u32 + 1)).unwrap_or_else(|| {
        let part = ["logsource", "condition", "detection", "title", "level", "status"];
        let part = part.iter().find(|part| message.to_lowercase().contains(**part));
        part.map_or(1, |part| source.line_starting(&format!("{part}:")))
    });
    // A condition's error comes with a drawing; its last line says what was expected.
    let reason = match message.split_once("-->") {
        Some((what, drawing)) => {
            let expected = drawing.rsplit("= ").next().unwrap_or_default();
            format!("{} {expected}", what.trim())
        }
        None => message.to_owned(),
    };
    source.error(line, one_line(&reason))
}
