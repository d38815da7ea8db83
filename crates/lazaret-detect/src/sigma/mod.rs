//! Rules over behaviour and configuration: Sigma, run by rsigma.

mod audit;
mod event;
mod fit;
mod launched;
mod prefilter;
mod prepare;
mod scene;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lazaret_launch::Statement;
use lazaret_model::{Behaviour, BehaviourKind, ImageConfig, Launch, LeftOutRule, Location, Rule};
use rsigma_eval::{Engine, JsonEvent, MatchDetailLevel};

use crate::PackError;
use crate::memo::{self, Memo};
use crate::pack::{Entry, PackRule, Source};
pub use event::Event;
use prefilter::Prefilter;
use prepare::{Place, Prepared};
use scene::{Scene, Told};

/// Rules over behaviour.
pub struct SigmaRules {
    /// In the order of the files, which is that of the prefilter.
    rules: Vec<Asked>,
    prefilter: Prefilter,
    files: Vec<Source>,
    /// Numbers of the files that hold filters.
    filter_files: Vec<usize>,
    left_out: Vec<LeftOutRule>,
    /// Whether any rule asks for records of the audit daemon, or for the words of commands.
    reads_audit: bool,
    reads_commands: bool,
    /// What met which rules, by the event.
    judged: Mutex<Memo<Arc<[Met]>>>,
}

/// Bytes of answers that are kept.
const JUDGED_BYTES: usize = 16 << 20;

/// A rule that an event met, by its number, and the fields that met it.
#[derive(Debug, Clone)]
struct Met {
    rule: usize,
    fields: Vec<(String, String)>,
}

impl Met {
    /// About how much memory it takes: many rules may quote one long value.
    fn bytes(&self) -> usize {
        let of = |(name, value): &(String, String)| 2 * size_of::<String>() + name.len() + value.len();
        size_of::<Self>() + self.fields.iter().map(of).sum::<usize>()
    }
}

/// A rule that is asked where its words stand.
struct Asked {
    rule: Rule,
    place: Place,
    engine: OnceLock<Engine>,
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
    /// Reads the sources, or takes what was read of the same sources before. A broken file of a
    /// user's is left out and told; where `strict`, it is an error, as it always is in a rule of
    /// ours. No rule is compiled yet that is not asked.
    pub(crate) fn load(
        sources: &[&Source],
        cache: Option<Entry>,
        strict: bool,
    ) -> Result<(Self, Vec<PackRule>), PackError> {
        let prepared = match cache.as_ref().and_then(|entry| Prepared::from_bytes(&entry.read()?, sources)) {
            Some(known) => known,
            None => {
                let prepared = Prepared::read(sources, strict)?;
                if let Some((entry, bytes)) = cache.zip(prepared.to_bytes()) {
                    entry.write(&bytes);
                }
                prepared
            }
        };
        let rules = prepared.described.iter().zip(&prepared.places).map(|(described, place)| Asked {
            rule: described.rule.clone(),
            place: *place,
            engine: OnceLock::new(),
        });
        let ready = Self {
            rules: rules.collect(),
            prefilter: prepared.prefilter,
            files: sources.iter().map(|&source| source.clone()).collect(),
            filter_files: prepared.filters,
            left_out: prepared.left_out,
            reads_audit: prepared.reads_audit,
            reads_commands: prepared.reads_commands,
            judged: Mutex::new(Memo::new(JUDGED_BYTES)),
        };
        Ok((ready, prepared.described))
    }

    /// The engine of one rule, compiled when it is asked for the first time: an image meets the
    /// words of few rules, and compiling all of them takes longer than to look at a small image.
    fn engine<'r>(&self, asked: &'r Asked) -> &'r Engine {
        asked.engine.get_or_init(|| {
            let rule = prepare::rule_at(&self.files, asked.place)
                .expect("the same text was read as a rule when the rules were loaded");
            let mut engine = Engine::new();
            engine.set_match_detail(MatchDetailLevel::Summary);
            engine.add_rule(&rule).expect("a rule that does not compile is no rule of the pack");
            for filter in self.filter_files.iter().flat_map(|file| prepare::filters_in(&self.files, *file)) {
                engine.apply_filter(&filter).expect("filters were tried when the rules were loaded");
            }
            engine
        })
    }

    pub(crate) fn left_out(&self) -> &[LeftOutRule] {
        &self.left_out
    }

    /// Judges one event. Only rules whose log source fits it are asked.
    pub fn judge_event(&self, event: &Event, place: HitPlace) -> Vec<Hit<'_>> {
        self.hits(&self.met(event), place)
    }

    fn met(&self, event: &Event) -> Arc<[Met]> {
        self.known(memo::EVENT, &event.to_bytes(), || self.meets(event))
    }

    /// What was met by what has these bytes, or `make` says now.
    fn known(&self, what: u64, bytes: &[u8], make: impl FnOnce() -> Vec<Met>) -> Arc<[Met]> {
        let key = memo::key(bytes, what);
        let judged = || self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        let known = judged().get(&key);
        known.unwrap_or_else(|| {
            let met: Arc<[Met]> = make().into();
            judged().put(key, met.iter().map(Met::bytes).sum(), &met);
            met
        })
    }

    fn hits(&self, met: &[Met], place: HitPlace) -> Vec<Hit<'_>> {
        let hit = |met: &Met| {
            let rule = &self.rules.get(met.rule)?.rule;
            Some(Hit { rule, place, fields: met.fields.clone(), written: None })
        };
        met.iter().filter_map(hit).collect()
    }

    /// What a behaviour meets, each rule once: several records tell of one act.
    fn met_by(&self, behaviour: &Behaviour, told: &Told<'_>, launch: Option<&Launch>) -> Vec<Met> {
        let event = Event::of_told(told);
        let mut met = self.meets(&match launch {
            Some(launch) => event.in_launch(behaviour, launch),
            None => event,
        });
        if self.reads_audit {
            met.extend(audit::records(told).iter().flat_map(|record| self.meets(record)));
        }
        if let BehaviourKind::Process { argv, .. } = told.kind
            && self.reads_commands
        {
            met.extend(self.meets(&Event::of_command(&argv.join(" "))));
        }
        self.once(met)
    }

    /// Each rule once, as it was met first.
    fn once(&self, mut met: Vec<Met>) -> Vec<Met> {
        let mut seen = HashSet::new();
        met.retain(|met| self.rules.get(met.rule).is_some_and(|asked| seen.insert(asked.rule.id.as_str())));
        met
    }

    fn meets(&self, event: &Event) -> Vec<Met> {
        let seen = JsonEvent::borrow(event.fields());
        let source = event.log_source();
        let candidates = self.prefilter.candidates(source.category.as_deref(), event.fields());
        let candidates = candidates.into_iter().filter_map(|number| Some((number, self.rules.get(number)?)));
        candidates
            .flat_map(|(rule, asked)| {
                let results = self.engine(asked).evaluate_with_logsource(&seen, source);
                results.into_iter().filter_map(move |result| {
                    let fields = result.as_detection()?.matched_fields.iter();
                    let fields = fields.filter(|f| !f.negated && !f.value.is_null());
                    let fields = fields.map(|f| (f.field.clone(), in_words(&f.value))).collect();
                    Some(Met { rule, fields })
                })
            })
            .collect()
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
        let mut scene = Scene::new(interpreter).with_services(behaviours);
        for (index, behaviour) in behaviours.iter().enumerate() {
            let told = Told::new(behaviour, config, platform, &scene);
            let make = || self.met_by(behaviour, &told, launch);
            // What a launch adds is not in these bytes.
            let met = match postcard::to_allocvec(&told) {
                Ok(bytes) if launch.is_none() => self.known(memo::BEHAVIOUR, &bytes, make),
                _ => make().into(),
            };
            hits.extend(self.hits(&met, HitPlace::Behaviour(index)));
            scene.note(behaviour);
        }
        hits.extend(self.judge_event(&Event::of_config(config, platform), HitPlace::Config));
        for (index, step) in config.history.iter().enumerate() {
            let mut met = self.met(&Event::of_history(step, platform)).to_vec();
            if self.reads_commands {
                met.extend_from_slice(&self.met(&Event::of_command(&step.created_by)));
            }
            hits.extend(self.hits(&self.once(met), HitPlace::History(index)));
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

fn in_words(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
