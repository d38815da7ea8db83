//! Rules over behaviour and configuration: Sigma, run by rsigma.

mod event;

use lazaret_model::{Behaviour, ImageConfig, Rule};
use rsigma_eval::{Engine, JsonEvent, MatchDetailLevel};
use rsigma_parser::SigmaRule;

use crate::PackError;
use crate::pack::{Language, PackRule, SigmaMeta, Source};
pub use event::Event;

/// Under this name a rule carries its number through the engine.
const NUMBER: &str = "lazaret_number";

/// Rules over behaviour, compiled.
pub struct SigmaRules {
    engine: Engine,
    rules: Vec<Rule>,
    left_out: Vec<String>,
}

impl std::fmt::Debug for SigmaRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigmaRules").field("rules", &self.rules.len()).finish_non_exhaustive()
    }
}

/// Where in an image a rule was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HitPlace {
    /// A behaviour, by its number in the list that was judged.
    Behaviour(usize),
    /// The configuration; [`Hit::fields`] names the keys.
    Config,
    /// A step of the history, counted from 0.
    History(usize),
}

/// A rule that is met.
#[derive(Debug, Clone)]
pub struct Hit<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// Where.
    pub place: HitPlace,
    /// The fields of the event that met it, with their values, in the rule's order. Empty where
    /// a rule is met by what is absent.
    pub fields: Vec<(String, String)>,
}

impl SigmaRules {
    pub(crate) fn compile(sources: &[&Source]) -> Result<(Self, Vec<PackRule>), PackError> {
        let mut engine = Engine::new();
        engine.set_match_detail(MatchDetailLevel::Summary);
        let mut described = Vec::new();
        let mut left_out = Vec::new();
        let mut compiled: Vec<SigmaRule> = Vec::new();
        let mut origins: Vec<&Source> = Vec::new();
        let mut filters = Vec::new();
        for source in sources {
            let parsed =
                rsigma_parser::parse_sigma_yaml(&source.text).map_err(|e| refused(source, &e.to_string()))?;
            if let Some(error) = parsed.errors.first() {
                return Err(refused(source, error));
            }
            if !parsed.correlations.is_empty() {
                left_out.push(format!(
                    "{}: a correlation over time, which an image that has not run cannot show; it is left out",
                    source.origin
                ));
            }
            if parsed.rules.is_empty() && parsed.correlations.is_empty() && parsed.filters.is_empty() {
                return Err(source.error(1, "the file holds no Sigma rule"));
            }
            filters.extend(parsed.filters);
            let alone = parsed.rules.len() == 1;
            for (index, mut rule) in parsed.rules.into_iter().enumerate() {
                let id = if alone { source.id.clone() } else { format!("{}/{}", source.id, index + 1) };
                let meta = SigmaMeta::read(source, &rule)?;
                described.push(PackRule {
                    rule: meta.rule(source, id, &rule)?,
                    language: Language::Sigma,
                    origin: source.origin.clone(),
                    built_in: source.built_in,
                    false_positives: rule.falsepositives.clone(),
                    examples: meta.examples(source),
                });
                rule.custom_attributes.clear();
                rule.custom_attributes.insert(NUMBER.to_owned(), (compiled.len() as u64).into());
                compiled.push(rule);
                origins.push(source);
            }
        }
        if let Some((index, error)) = engine.add_rules(&compiled).into_iter().next() {
            let source = origins[index];
            return Err(source.error(source.line_starting("detection:"), one_line(&error.to_string())));
        }
        for filter in &filters {
            engine.apply_filter(filter).map_err(|e| PackError::Engine(one_line(&e.to_string())))?;
        }
        let rules = described.iter().map(|d| d.rule.clone()).collect();
        Ok((Self { engine, rules, left_out }, described))
    }

    pub(crate) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Judges one event. Only rules whose log source fits it are asked.
    pub fn judge_event(&self, event: &Event, place: HitPlace) -> Vec<Hit<'_>> {
        let seen = JsonEvent::borrow(event.fields());
        let mut hits: Vec<(usize, Hit<'_>)> = self
            .engine
            .evaluate_with_logsource(&seen, event.log_source())
            .iter()
            .filter_map(|result| {
                let number = result.header.custom_attributes.get(NUMBER)?.as_u64()? as usize;
                let fields =
                    result.as_detection()?.matched_fields.iter().filter(|f| !f.negated && !f.value.is_null());
                let fields = fields.map(|f| (f.field.clone(), in_words(&f.value))).collect();
                Some((number, Hit { rule: self.rules.get(number)?, place, fields }))
            })
            .collect();
        // The engine's order follows its index; ours is that of the files.
        hits.sort_by_key(|(number, _)| *number);
        hits.into_iter().map(|(_, hit)| hit).collect()
    }

    /// Judges all that is known of an image: each behaviour, the configuration, each step of its
    /// history, in this order. `platform` is as `linux/amd64`.
    pub fn judge(&self, config: &ImageConfig, platform: &str, behaviours: &[Behaviour]) -> Vec<Hit<'_>> {
        let mut hits = Vec::new();
        for (index, behaviour) in behaviours.iter().enumerate() {
            let event = Event::of_behaviour(behaviour, config, platform);
            hits.extend(self.judge_event(&event, HitPlace::Behaviour(index)));
        }
        hits.extend(self.judge_event(&Event::of_config(config, platform), HitPlace::Config));
        for (index, step) in config.history.iter().enumerate() {
            hits.extend(self.judge_event(&Event::of_history(step, platform), HitPlace::History(index)));
        }
        hits
    }
}

fn in_words(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
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

#[cfg(test)]
mod tests;
