//! Rules over behaviour and configuration: Sigma, run by rsigma.

mod audit;
mod event;
mod fit;
mod launched;
mod prefilter;
mod scene;

use std::collections::HashSet;

use lazaret_launch::Statement;
use lazaret_model::{Behaviour, BehaviourKind, ImageConfig, Launch, LeftOutRule, Location, Rule};
use rsigma_eval::{Engine, JsonEvent, MatchDetailLevel};
use rsigma_parser::SigmaRule;

use crate::PackError;
use crate::pack::{Language, PackRule, SigmaMeta, Source};
pub use event::Event;
use prefilter::Prefilter;
use scene::Scene;

/// Under this name a rule carries its number through the engine.
const NUMBER: &str = "lazaret_number";

/// Rules over behaviour, compiled.
pub struct SigmaRules {
    /// One for each rule, in the order of the prefilter.
    engines: Vec<Engine>,
    prefilter: Prefilter,
    rules: Vec<Rule>,
    left_out: Vec<LeftOutRule>,
    /// Whether any rule asks for records of the audit daemon, or for the words of commands.
    reads_audit: bool,
    reads_commands: bool,
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
    /// How the image is run; [`Hit::written`] says where.
    Launch,
    /// A statement of the text that says how it is run or built, by its number in the list.
    Statement(usize),
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
    /// For [`HitPlace::Launch`], where what met it was written.
    pub written: Option<Location>,
}

impl SigmaRules {
    /// Compiles the sources. A broken file of a user's is left out and told; where `strict`, it is
    /// an error, as it always is in a rule of ours.
    pub(crate) fn compile(sources: &[&Source], strict: bool) -> Result<(Self, Vec<PackRule>), PackError> {
        let mut parts = Parts::default();
        for source in sources {
            let broken = match parts.add(source) {
                Ok(()) => continue,
                Err(error) if strict || source.built_in => return Err(error),
                Err(error) => error,
            };
            parts.left_out.push(broken.left_out(source));
        }
        let mut engine = Engine::new();
        engine.set_match_detail(MatchDetailLevel::Summary);
        let mut refused = HashSet::new();
        for (index, error) in engine.add_rules(&parts.compiled) {
            let source = parts.origins[index];
            let error = source.error(source.line_starting("detection:"), one_line(&error.to_string()));
            if strict || source.built_in {
                return Err(error);
            }
            refused.insert(parts.described[index].rule.id.clone());
            parts.left_out.push(error.left_out(source));
        }
        for filter in &parts.filters {
            engine.apply_filter(filter).map_err(|e| PackError::Engine(one_line(&e.to_string())))?;
        }
        // Rules that were refused are not in the engine; those that are carry their number.
        let number = |attributes: &std::collections::HashMap<String, serde_json::Value>| {
            attributes.get(NUMBER).and_then(serde_json::Value::as_u64)
        };
        let mut engines = Vec::with_capacity(engine.rule_count());
        let mut asked: Vec<SigmaRule> = Vec::with_capacity(engine.rule_count());
        for compiled in engine.rules() {
            let Some(at) = number(&compiled.custom_attributes) else { continue };
            let Some(rule) = parts.compiled.get(at as usize) else { continue };
            let mut alone = Engine::new();
            alone.set_match_detail(MatchDetailLevel::Summary);
            alone.add_compiled_rule(compiled.clone());
            engines.push(alone);
            asked.push(rule.clone());
        }
        // Filters only narrow a rule, so what the rule itself needs stays needed.
        let prefilter = Prefilter::new(&asked);
        let rules = parts.described.iter().map(|d| d.rule.clone()).collect();
        parts.described.retain(|d| !refused.contains(&d.rule.id));
        let service = |rule: &SigmaRule| rule.logsource.service.is_some();
        let reads_audit = parts.compiled.iter().any(service);
        let commands = |rule: &SigmaRule| rule.logsource.category.as_deref() == Some(fit::COMMANDS);
        let reads_commands = parts.compiled.iter().any(commands);
        let Parts { described, left_out, .. } = parts;
        Ok((Self { engines, prefilter, rules, left_out, reads_audit, reads_commands }, described))
    }

    pub(crate) fn left_out(&self) -> &[LeftOutRule] {
        &self.left_out
    }

    /// Judges one event. Only rules whose log source fits it are asked.
    pub fn judge_event(&self, event: &Event, place: HitPlace) -> Vec<Hit<'_>> {
        let seen = JsonEvent::borrow(event.fields());
        let source = event.log_source();
        let candidates = self.prefilter.candidates(source.category.as_deref(), event.fields());
        let mut hits: Vec<(usize, Hit<'_>)> = candidates
            .into_iter()
            .filter_map(|rule| self.engines.get(rule))
            .flat_map(|engine| engine.evaluate_with_logsource(&seen, source))
            .filter_map(|result| {
                let number = result.header.custom_attributes.get(NUMBER)?.as_u64()? as usize;
                let fields =
                    result.as_detection()?.matched_fields.iter().filter(|f| !f.negated && !f.value.is_null());
                let fields = fields.map(|f| (f.field.clone(), in_words(&f.value))).collect();
                Some((number, Hit { rule: self.rules.get(number)?, place, fields, written: None }))
            })
            .collect();
        // The engine's order follows its index; ours is that of the files.
        hits.sort_by_key(|(number, _)| *number);
        hits.into_iter().map(|(_, hit)| hit).collect()
    }

    /// Judges all that is known of an image: each behaviour, the configuration, each step of its
    /// history, in this order. `platform` is as `linux/amd64`.
    pub fn judge(&self, config: &ImageConfig, platform: &str, behaviours: &[Behaviour]) -> Vec<Hit<'_>> {
        self.judge_scripts(config, platform, behaviours, &|_| None)
    }

    /// As [`SigmaRules::judge`], where it is known which program the kernel runs for the script at
    /// a path.
    pub fn judge_scripts(
        &self,
        config: &ImageConfig,
        platform: &str,
        behaviours: &[Behaviour],
        interpreter: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<Hit<'_>> {
        self.judge_run(config, platform, behaviours, interpreter, None)
    }

    /// As [`SigmaRules::judge_scripts`], where it is known how the image is run: `config` is what
    /// the engine starts it with, and the launch is judged itself.
    pub fn judge_run(
        &self,
        config: &ImageConfig,
        platform: &str,
        behaviours: &[Behaviour],
        interpreter: &dyn Fn(&str) -> Option<String>,
        launch: Option<&Launch>,
    ) -> Vec<Hit<'_>> {
        let mut hits = Vec::new();
        let mut scene = Scene::new(interpreter);
        for (index, behaviour) in behaviours.iter().enumerate() {
            let place = HitPlace::Behaviour(index);
            let event = Event::in_scene(behaviour, config, platform, &scene);
            let event = match launch {
                Some(launch) => event.in_launch(behaviour, launch),
                None => event,
            };
            let first = hits.len();
            hits.extend(self.judge_event(&event, place));
            if self.reads_audit {
                for record in audit::records(behaviour, config) {
                    hits.extend(self.judge_event(&record, place));
                }
            }
            if let BehaviourKind::Process { argv, .. } = &behaviour.kind
                && self.reads_commands
            {
                hits.extend(self.judge_event(&Event::of_command(&argv.join(" ")), place));
            }
            once(&mut hits, first);
            scene.note(behaviour);
        }
        hits.extend(self.judge_event(&Event::of_config(config, platform), HitPlace::Config));
        for (index, step) in config.history.iter().enumerate() {
            let first = hits.len();
            let place = HitPlace::History(index);
            hits.extend(self.judge_event(&Event::of_history(step, platform), place));
            if self.reads_commands {
                hits.extend(self.judge_event(&Event::of_command(&step.created_by), place));
            }
            once(&mut hits, first);
        }
        if let Some(launch) = launch {
            hits.extend(launched::judge(self, launch, config, platform));
        }
        hits
    }

    /// Judges statements of a text that says how images are run or built. `category` is
    /// `dockerfile` or `kubernetes`.
    pub fn judge_statements(&self, category: &str, statements: &[Statement], platform: &str) -> Vec<Hit<'_>> {
        let mut hits = Vec::new();
        for (index, statement) in statements.iter().enumerate() {
            let event = launched::of_statement(category, statement, platform);
            hits.extend(self.judge_event(&event, HitPlace::Statement(index)));
        }
        hits
    }
}

/// Several records tell of one act: of the hits from `first` on, each rule stays once.
fn once(hits: &mut Vec<Hit<'_>>, first: usize) {
    let mut seen = HashSet::new();
    let mut at = 0;
    hits.retain(|hit| {
        at += 1;
        at <= first || seen.insert(hit.rule.id.as_str())
    });
}

/// What the files of a pack come to.
#[derive(Default)]
struct Parts<'s> {
    compiled: Vec<SigmaRule>,
    /// The file of each compiled rule.
    origins: Vec<&'s Source>,
    described: Vec<PackRule>,
    filters: Vec<rsigma_parser::FilterRule>,
    left_out: Vec<LeftOutRule>,
}

impl<'s> Parts<'s> {
    /// Takes in all of a file, or nothing.
    fn add(&mut self, source: &'s Source) -> Result<(), PackError> {
        let parsed =
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
        for (index, mut rule) in parsed.rules.into_iter().enumerate() {
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
            if fit::reads_commands(&rule) {
                rule.logsource.category = Some(fit::COMMANDS.to_owned());
            }
            rule.custom_attributes.clear();
            taken.push((rule, described));
        }
        for correlation in &parsed.correlations {
            left_out.push(LeftOutRule {
                file: source.origin.clone(),
                rule: correlation.title.clone(),
                reason: "counts events over time, and an image that has not run has no time".to_owned(),
                broken: false,
            });
        }
        for (mut rule, described) in taken {
            rule.custom_attributes.insert(NUMBER.to_owned(), (self.compiled.len() as u64).into());
            self.compiled.push(rule);
            self.described.push(described);
            self.origins.push(source);
        }
        self.left_out.extend(left_out);
        self.filters.extend(parsed.filters);
        Ok(())
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
