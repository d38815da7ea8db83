//! The first minute, and what happens later by itself: the tree of steps.

use lazaret_model::{Location, Phase, Under};

use super::block::{Block, headed, heading, relevant, timed};
use super::deed::{self, Deed, Noted, Topic};
use super::folded::{fold, hoist};
use super::main_site::main_site;
use super::own;
use super::sentence::{Sentence, say};
use super::site::{Site, Sites};
use super::{Chapter, Mark, Step, Teller};

/// Nested blocks and scripts that are told.
pub const DEEPEST: usize = 24;

/// The chapters on what happens, and what of it the summary needs.
pub struct Minute {
    /// One for each phase in which something happens, start first.
    pub chapters: Vec<Chapter>,
    /// What the container finally is.
    pub main: Option<Step>,
    /// As which user, where a step changes it.
    pub user: Option<String>,
    /// What runs beside it.
    pub beside: Vec<Step>,
    /// What the summary names.
    pub noted: Vec<(Phase, Noted)>,
}

/// Phases as they are told, with the title of their chapter.
const PHASES: [(Phase, &str); 5] = [
    (Phase::Start, "When it starts"),
    (Phase::Health, "At each health check"),
    (Phase::Scheduled, "Later, by itself"),
    (Phase::Login, "When somebody opens a shell in it"),
    (Phase::OnBuild, "When another image is built from it"),
];

/// Tells what happens.
pub fn chapters(teller: &mut Teller<'_>) -> Minute {
    let mut minute =
        Minute { chapters: Vec::new(), main: None, user: None, beside: Vec::new(), noted: Vec::new() };
    let mut scheduled: Vec<Vec<Location>> = Vec::new();
    for (phase, title) in PHASES {
        let image = teller.image;
        let sites = Sites::of(&image.behaviours, phase);
        let main = (phase == Phase::Start).then(|| main_site(teller, &sites)).flatten();
        let mut walk = Walk {
            teller,
            sites: &sites,
            phase,
            main,
            minute: &mut minute,
            scheduled: &mut scheduled,
            depth: 0,
        };
        let (own, rest): (Vec<usize>, Vec<usize>) = sites.top.iter().partition(|&&site| {
            matches!(phase, Phase::Scheduled | Phase::Login) && own::is_own(image, &sites, site)
        });
        let mut steps = walk.level(&rest);
        steps.extend(own::one_line(phase, &sites, &own));
        hoist(&mut steps);
        let lead = lead(image, phase, &sites);
        if !steps.is_empty() || phase == Phase::Start {
            minute.chapters.push(Chapter { title, lead, steps });
        }
    }
    minute
}

/// Tells those behaviours of an image that are new, line by line: the phase, whether it is among
/// what harms, and the step.
pub(crate) fn tell_new(
    image: &lazaret_model::ImageReport,
    new: &[lazaret_model::Behaviour],
) -> Vec<(Phase, bool, Step)> {
    let mut teller = Teller::new(image);
    let mut out = Vec::new();
    let mut written: Vec<Vec<Location>> = Vec::new();
    for (phase, _) in PHASES {
        let sites = Sites::of(new, phase);
        let mut helpers = Vec::new();
        for site in sites.all.iter().filter(|site| !site.behaviours.is_empty()) {
            let chain: Vec<Location> = site.chain.iter().map(|place| (*place).clone()).collect();
            if phase == Phase::Scheduled && written.contains(&chain) {
                continue;
            }
            let place = site.place();
            let line = teller.line(place);
            let background = line.is_some_and(|line| line.background);
            let deeds = deed::deeds(&mut teller, site);
            let charges = teller.charges_at(place);
            let last = deeds.iter().rposition(|deed| matches!(deed, Deed::Step(..)));
            let mut rest = Vec::new();
            for (at, deed) in deeds.into_iter().enumerate() {
                match deed {
                    Deed::Step(mut step, topic) => {
                        step.places.push(super::place::words(place));
                        step.quote = line.map(|line| line.text.clone());
                        if background {
                            step.sentence = std::mem::take(&mut step.sentence).say(", in the background");
                        }
                        if Some(at) == last {
                            step.charges.extend(charges.iter().cloned());
                        }
                        if matches!(topic, Some(Topic::Host | Topic::Stays)) {
                            written.push(chain.clone());
                        }
                        let alarming = topic.is_some_and(|topic| topic <= Topic::Stays);
                        out.push((phase, alarming, *step));
                    }
                    other => rest.push(other),
                }
            }
            helpers.push(Told {
                under: Vec::new(),
                deeds: rest,
                places: vec![super::place::words(place)],
                may: site.may,
            });
        }
        out.extend(fold(helpers).into_iter().map(|step| (phase, false, step)));
    }
    out
}

fn lead(image: &lazaret_model::ImageReport, phase: Phase, sites: &Sites<'_>) -> Option<Sentence> {
    let config = &image.image.config;
    let folder = if config.working_dir.is_empty() { "/" } else { &config.working_dir };
    match phase {
        Phase::Start if config.argv().is_empty() => {
            Some(say("It names nothing to start: whoever runs it must say what"))
        }
        Phase::Start => Some(
            say("As ")
                .say(if config.user.is_empty() {
                    "root".to_owned()
                } else {
                    format!("the user {}", config.user)
                })
                .say(", in the folder ")
                .code(folder),
        ),
        Phase::Scheduled if !sites.all.is_empty() && sites.all.iter().all(|site| site.may) => {
            Some(say("Nothing in it is seen to start a scheduler: this happens only if something does"))
        }
        _ => None,
    }
}

struct Walk<'w, 'a, 's> {
    teller: &'w mut Teller<'a>,
    sites: &'w Sites<'s>,
    phase: Phase,
    main: Option<usize>,
    minute: &'w mut Minute,
    /// Places at which a schedule was written and told.
    scheduled: &'w mut Vec<Vec<Location>>,
    depth: usize,
}

/// What is told of one site, with the blocks that it stands in.
pub struct Told {
    under: Vec<Block>,
    /// What is told.
    pub deeds: Vec<Deed>,
    /// Where it stands.
    pub places: Vec<String>,
    /// Whether it may happen only.
    pub may: bool,
}

impl Walk<'_, '_, '_> {
    fn level(&mut self, numbers: &[usize]) -> Vec<Step> {
        if self.depth >= DEEPEST {
            return Vec::new();
        }
        self.depth += 1;
        let told: Vec<Told> = numbers.iter().filter_map(|number| self.site(*number)).collect();
        self.depth -= 1;
        nest(told, 0)
    }

    fn site(&mut self, number: usize) -> Option<Told> {
        let site = &self.sites.all[number];
        let place = site.place();
        let chain: Vec<Location> = site.chain.iter().map(|place| (*place).clone()).collect();
        if self.phase == Phase::Scheduled && self.scheduled.contains(&chain) {
            return None;
        }
        let line = self.teller.line(place);
        let is_main = self.main == Some(number);
        let mut deeds = deed::deeds(self.teller, site);
        let charges = self.teller.charges_at(place);
        let background =
            line.is_some_and(|line| line.background) || line.is_none() && in_background(self.teller, site);
        let again = deeds.iter().any(|deed| matches!(deed, Deed::Again(_)));
        let below = self.level(&site.below);
        if deeds.is_empty() && !below.is_empty() {
            // A script that is read and not started.
            let of = site.below.first().and_then(|child| self.sites.all[*child].place().path());
            let sentence = match of {
                Some(path) => say("reads the script ").code(path.to_string()),
                None => say("goes on"),
            };
            deeds.push(Deed::Step(Box::new(Step::new(Mark::Plain, sentence)), None));
        }
        let places = super::place::words(place);
        let mut last: Option<&mut Step> = None;
        for deed in &mut deeds {
            if let Deed::Step(step, topic) = deed {
                step.places.push(places.clone());
                if background {
                    step.sentence = std::mem::take(&mut step.sentence).say(", in the background");
                    if step.mark == Mark::Plain {
                        step.mark = Mark::Beside;
                    }
                }
                if *topic == Some(Topic::Stays) || *topic == Some(Topic::Host) {
                    self.scheduled.push(chain.clone());
                }
                last = Some(step);
            }
        }
        let has_step = last.is_some();
        if let Some(step) = last {
            step.charges.extend(charges);
            step.charges.sort_by_key(|charge| std::cmp::Reverse(charge.severity));
            if step.mark == Mark::Plain && step.charges.iter().any(|charge| charge.class == "malware") {
                step.mark = Mark::Alarm;
            }
            if let Some(line) = line.filter(|line| self.phase != Phase::Scheduled && !line.text.is_empty()) {
                step.quote = Some(line.text.clone());
                // What the line itself shows needs no second quotation.
                step.details.retain(|detail| {
                    let text = detail.text();
                    !text.starts_with(deed::STARTED)
                        && !text
                            .strip_prefix(deed::TEXT)
                            .is_some_and(|text| line.text.contains(text.trim_end_matches('…')))
                });
            }
        }
        let mut under = match (self.phase, line) {
            (Phase::Scheduled, Some(line)) if site.chain.len() == 1 => timed(place, &line.text),
            (_, Some(line)) => relevant(&line.under, site.may),
            (_, None) => Vec::new(),
        };
        under.truncate(DEEPEST);
        let condition = under
            .iter()
            .rev()
            .find(|block| matches!(block, Block::Script(Under::If(_) | Under::Else(_) | Under::Case(..))));
        for deed in &deeds {
            let Deed::Step(step, topic) = deed else { continue };
            if let Some(topic) = topic {
                let condition = condition.map(heading);
                let noted = Noted { topic: *topic, step: (**step).clone(), condition };
                self.minute.noted.push((self.phase, noted));
            }
            if background && matches!(step.mark, Mark::Beside | Mark::Alarm) {
                self.minute.beside.push((**step).clone());
            }
        }
        if is_main && has_step && !background {
            let pauses = |step: &Step| {
                let text = step.sentence.text();
                text.starts_with("waits ") && !text.contains("stays up")
            };
            // "And some more like it" is no sentence by itself.
            let says = |step: &Step| step.mark != Mark::Aside;
            let steps = || {
                deeds
                    .iter()
                    .rposition(|deed| matches!(deed, Deed::Step(step, _) if !pauses(step) && says(step)))
            };
            let at = steps()
                .or_else(|| deeds.iter().rposition(|deed| matches!(deed, Deed::Step(step, _) if says(step))));
            // What harms is told as that, and not as what the container is.
            let step = at.and_then(|at| match &mut deeds[at] {
                Deed::Step(step, topic) if topic.is_none_or(|topic| topic >= Topic::Fetches) => Some(step),
                _ => None,
            });
            if let Some(step) = step {
                if step.mark == Mark::Plain {
                    step.mark = Mark::Main;
                }
                self.minute.main = Some((**step).clone());
            }
        }
        if let Some(user) = deeds.iter().find_map(|deed| match deed {
            Deed::Again(user) => user.clone(),
            _ => None,
        }) {
            self.minute.user = Some(user);
        }
        if !again
            && let Some(step) = deeds.iter_mut().rev().find_map(|deed| match deed {
                Deed::Step(step, _) => Some(step),
                _ => None,
            })
        {
            step.steps = below;
        } else if !below.is_empty() {
            for step in below {
                deeds.push(Deed::Step(Box::new(step), None));
            }
        }
        Some(Told { under, deeds, places: vec![places], may: site.may })
    }
}

/// Whether the words of the configuration send a command to the background.
fn in_background(teller: &Teller<'_>, site: &Site<'_>) -> bool {
    let config = &teller.image.image.config;
    let [Location::Config(_)] = site.chain.as_slice() else { return false };
    config.argv().iter().any(|word| {
        let word = word.trim_end();
        word.ends_with('&') && !word.ends_with("&&")
    })
}

/// Steps under their blocks, helpers folded.
fn nest(told: Vec<Told>, depth: usize) -> Vec<Step> {
    let mut out = Vec::new();
    let mut run: Vec<Told> = Vec::new();
    let mut flat: Vec<Told> = Vec::new();
    let flush_flat = |flat: &mut Vec<Told>, out: &mut Vec<Step>| {
        if !flat.is_empty() {
            out.extend(fold(std::mem::take(flat)));
        }
    };
    let flush_run = |run: &mut Vec<Told>, out: &mut Vec<Step>| {
        let Some(first) = run.first() else { return };
        let block = first.under[depth].clone();
        let steps = nest(std::mem::take(run), depth + 1);
        out.extend(headed(&block, steps));
    };
    for one in told {
        match one.under.get(depth) {
            None => {
                flush_run(&mut run, &mut out);
                flat.push(one);
            }
            Some(block) => {
                flush_flat(&mut flat, &mut out);
                if run.first().is_some_and(|first| first.under[depth] != *block) {
                    flush_run(&mut run, &mut out);
                }
                run.push(one);
            }
        }
    }
    flush_run(&mut run, &mut out);
    flush_flat(&mut flat, &mut out);
    out
}
