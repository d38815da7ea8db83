//! The first minute, and what happens later by itself: the tree of steps.

use lazaret_model::{Location, Phase, Under};

use super::deed::{self, Deed, Noted, Topic};
use super::sentence::{Sentence, say};
use super::site::{Site, Sites};
use super::{Chapter, Folded, Mark, Step, Teller, schedule};

/// Paths named in one folded line.
const NAMED: usize = 6;
/// Nested blocks and scripts that are told.
const DEEPEST: usize = 24;

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
        let (own, rest): (Vec<usize>, Vec<usize>) = sites
            .top
            .iter()
            .partition(|&&site| phase == Phase::Scheduled && is_housekeeping(image, &sites, site));
        let mut steps = walk.level(&rest);
        steps.extend(housekeeping(&sites, &own));
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

/// Jobs that come with a system: its own scripts, and the lines that run its folders of scripts.
const SYSTEM_JOBS: &[&str] = &[
    "apt-compat",
    "aptitude",
    "bsdmainutils",
    "dpkg",
    "e2scrub_all",
    "exim4-base",
    "logrotate",
    "man-db",
    "passwd",
    "popularity-contest",
    "sysstat",
];

/// Whether a scheduled job is the system's own, and does nothing that rules speak of.
fn is_housekeeping(image: &lazaret_model::ImageReport, sites: &Sites<'_>, number: usize) -> bool {
    let site = &sites.all[number];
    let Some(path) = site.place().path() else { return false };
    let accused = image.findings.iter().any(|finding| {
        finding.severity > lazaret_model::Severity::Info
            && finding.evidence().iter().any(|e| e.location.path() == Some(path))
    });
    let name = String::from_utf8_lossy(path.file_name()).into_owned();
    let of_folder = path.to_string().starts_with("/etc/cron.") && SYSTEM_JOBS.contains(&name.as_str());
    let runs_folder = site.behaviours.iter().all(|behaviour| match &behaviour.kind {
        lazaret_model::BehaviourKind::Process { argv, .. } => {
            argv.iter().any(|arg| arg.contains("run-parts") || arg.contains("anacron"))
                || argv.first().is_some_and(|first| {
                    first.starts_with("/etc/cron.") || first.starts_with("/etc/periodic/")
                })
        }
        _ => false,
    });
    let owned = image.inventory.files.iter().any(|file| file.path == *path && file.package.is_some());
    !accused && (of_folder || owned || runs_folder && !site.behaviours.is_empty())
}

fn housekeeping(sites: &Sites<'_>, numbers: &[usize]) -> Option<Step> {
    let mut places: Vec<String> = Vec::new();
    for number in numbers {
        if let Some(path) = sites.all[*number].place().path() {
            add(&mut places, path.to_string());
        }
    }
    if places.is_empty() {
        return None;
    }
    Some(Step::new(Mark::Aside, say("the system's own housekeeping: ").list(places)))
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

/// The site at which the container becomes what it is: the last `exec` that surely happens, or
/// the last command that is waited for, followed down into the scripts that it runs.
fn main_site(teller: &Teller<'_>, sites: &Sites<'_>) -> Option<usize> {
    let mut at = *sites.top.first()?;
    for _ in 0..DEEPEST {
        let below: Vec<usize> = sites.all[at]
            .below
            .iter()
            .copied()
            .filter(|&child| {
                let site = &sites.all[child];
                let background = teller.line(site.place()).is_some_and(|line| line.background);
                !background && (!site.below.is_empty() || acts(site))
            })
            .collect();
        let below = if below.is_empty() { stays_up(sites, at) } else { below };
        let replaces =
            |child: &usize| teller.line(sites.all[*child].place()).is_some_and(|line| line.replaces);
        let sure = |child: &usize| !sites.all[*child].may;
        let next = below
            .iter()
            .rev()
            .find(|child| replaces(child) && sure(child) && !is_again(&sites.all[**child]))
            .or_else(|| below.iter().rev().find(|child| replaces(child) && !is_again(&sites.all[**child])))
            .or_else(|| below.iter().rev().find(|child| sure(child)))
            .or_else(|| below.last());
        match next {
            Some(next) => at = *next,
            None => break,
        }
    }
    Some(at)
}

/// What is waited for below a site that does nothing else.
fn stays_up(sites: &Sites<'_>, at: usize) -> Vec<usize> {
    let waits = |child: &&usize| {
        sites.all[**child].behaviours.iter().any(|behaviour| match &behaviour.kind {
            lazaret_model::BehaviourKind::Process { argv, .. } => {
                argv.first().is_some_and(|first| super::roles::base(first) == "sleep")
            }
            _ => false,
        })
    };
    sites.all[at].below.iter().rev().find(waits).into_iter().copied().collect()
}

/// Whether a site starts something that is more than a helper.
fn acts(site: &Site<'_>) -> bool {
    site.behaviours.iter().any(|behaviour| match &behaviour.kind {
        lazaret_model::BehaviourKind::Process { argv, .. } => {
            let name = super::roles::base(argv.first().map_or("", String::as_str));
            let args = argv.get(1..).unwrap_or_default();
            !name.is_empty()
                && !super::roles::looks(name, args)
                && !super::roles::prepares(name)
                && name != "rm"
        }
        _ => false,
    })
}

/// Whether a site starts the script in which it stands once more.
fn is_again(site: &Site<'_>) -> bool {
    let Location::File { path, line: Some(_), .. } = site.place() else { return false };
    let own = path.to_string();
    site.behaviours.iter().any(|behaviour| match &behaviour.kind {
        lazaret_model::BehaviourKind::Process { argv, image, .. } => {
            image.as_deref() == Some(own.as_str())
                || argv
                    .first()
                    .is_some_and(|first| matches!(first.as_str(), "$BASH_SOURCE" | "$0") || *first == own)
        }
        _ => false,
    })
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

/// What steps stand under.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Block {
    /// A block of the script.
    Script(Under),
    /// The time of a crontab's line, in words.
    Time(String),
}

/// What is told of one site, with the blocks that it stands in.
struct Told {
    under: Vec<Block>,
    deeds: Vec<Deed>,
    places: Vec<String>,
    may: bool,
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
            let steps =
                || deeds.iter().rposition(|deed| matches!(deed, Deed::Step(step, _) if !pauses(step)));
            let at = steps().or_else(|| deeds.iter().rposition(|deed| matches!(deed, Deed::Step(..))));
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

/// A crontab's line as the block in which its command stands.
fn timed(place: &Location, text: &str) -> Vec<Block> {
    let path = place.path().map(ToString::to_string).unwrap_or_default();
    let jobs = match schedule::jobs(text, schedule::names_user(&path)) {
        jobs if jobs.is_empty() => schedule::jobs(text, false),
        jobs => jobs,
    };
    jobs.first().map_or_else(Vec::new, |job| vec![Block::Time(job.when.clone())])
}

/// The blocks that say something: conditions that paper cannot decide, loops, functions.
fn relevant(under: &[Under], may: bool) -> Vec<Block> {
    let says = |block: &Under| match block {
        Under::If(_) | Under::Else(_) => may,
        Under::Case(_, pattern) => may && !pattern.is_empty(),
        Under::Loop(_) => true,
        Under::Function(name) => !matches!(name.as_str(), "main" | "_main" | "start" | "run"),
    };
    under.iter().filter(|block| says(block)).cloned().map(Block::Script).collect()
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

/// A block's heading over its steps. What is only housekeeping needs no heading of its own.
fn headed(block: &Block, mut steps: Vec<Step>) -> Vec<Step> {
    if steps.is_empty() {
        return steps;
    }
    if let Block::Script(Under::Function(_)) = block
        && steps.iter().filter(|step| step.mark != Mark::Aside).count() < 2
    {
        return steps;
    }
    let only_asides = steps.iter().all(|step| step.mark == Mark::Aside);
    if only_asides && matches!(block, Block::Script(_)) {
        return steps;
    }
    for step in &mut steps {
        // The heading says it.
        if matches!(block, Block::Script(Under::If(_) | Under::Else(_) | Under::Case(..))) {
            step.may = false;
        }
    }
    let mut step = Step::new(Mark::When, heading(block));
    step.steps = steps;
    vec![step]
}

fn heading(block: &Block) -> Sentence {
    let under = match block {
        Block::Script(under) => under,
        Block::Time(when) => return say(when.clone()),
    };
    match under {
        Under::If(condition) => condition_words(condition),
        Under::Else(condition) => match common_test(condition, true) {
            Some(words) => say("otherwise, ").then(words),
            None => say("otherwise, not ").code(condition.clone()),
        },
        Under::Case(word, pattern) if pattern == "*" => say("for any other ").code(word.clone()),
        Under::Case(word, pattern) => say("if ").code(word.clone()).say(" is ").code(pattern.clone()),
        Under::Loop(text) => loop_words(text),
        Under::Function(name) => say("in its function ").code(name.clone()),
    }
}

fn loop_words(text: &str) -> Sentence {
    let endless = ["while true", "while :", "while [ 1 ]", "while 1", "until false", "while [ true ]"];
    if endless.contains(&text.trim_end_matches(';').trim()) {
        return say("again and again, without end");
    }
    if let Some((name, values)) = text.strip_prefix("for ").and_then(|rest| rest.split_once(" in ")) {
        return say("for each ").code(name).say(" of ").code(values);
    }
    say("again and again, ").code(text)
}

/// A condition, in words where it is one of the common tests.
fn condition_words(condition: &str) -> Sentence {
    common_test(condition, false).unwrap_or_else(|| say("if ").code(condition))
}

/// A common test in words; its opposite where `opposite`.
fn common_test(condition: &str, opposite: bool) -> Option<Sentence> {
    let inner = condition.trim().trim_start_matches('[').trim_end_matches(']').trim();
    let inner = inner.strip_prefix("test ").unwrap_or(inner);
    if ["&&", "||", " -a ", " -o ", ";", "|"].iter().any(|joint| inner.contains(joint)) {
        return None;
    }
    let (holds, rest) = match inner.strip_prefix("! ") {
        Some(rest) => (opposite, rest),
        None => (!opposite, inner),
    };
    if inner.contains("$(id -u)") && inner.contains('0') && !inner.contains("!=") {
        return Some(say(if holds { "if it runs as root" } else { "if it does not run as root" }));
    }
    let (test, what) = rest.split_once(' ')?;
    let what = what.trim();
    if what.is_empty() || what.contains(' ') && !what.starts_with('"') {
        return None;
    }
    let what = what.trim_matches('"').to_owned();
    let there = if holds { " is there" } else { " is not there" };
    let set = |is: bool| if is { " is set" } else { " is not set" };
    Some(match test {
        "-f" | "-e" | "-r" | "-L" | "-S" => say("if the file ").code(what).say(there),
        "-s" => {
            say("if the file ").code(what).say(if holds { " is not empty" } else { " is empty or not there" })
        }
        "-d" => say("if the folder ").code(what).say(there),
        "-x" => say("if the program ").code(what).say(there),
        "-z" => say("if ").code(what).say(set(!holds)),
        "-n" => say("if ").code(what).say(set(holds)),
        _ => return None,
    })
}

/// Folds helpers and housekeeping among steps of one block.
fn fold(told: Vec<Told>) -> Vec<Step> {
    let mut out: Vec<Step> = Vec::new();
    let mut looks: Vec<String> = Vec::new();
    let mut look_places: Vec<String> = Vec::new();
    let mut look_at = None;
    let mut paths: Vec<String> = Vec::new();
    let mut path_places: Vec<String> = Vec::new();
    let mut path_at = None;
    let mut sure = false;
    for one in told {
        for deed in one.deeds {
            match deed {
                Deed::Step(step, _) => out.push(*step),
                Deed::Look(name) => {
                    look_at.get_or_insert(out.len());
                    add(&mut looks, name);
                    one.places.iter().for_each(|place| add(&mut look_places, place.clone()));
                }
                Deed::Prepare(of) => {
                    path_at.get_or_insert(out.len());
                    sure |= !one.may;
                    of.into_iter()
                        .filter(|path| path.len() > 1 && !path.contains('{'))
                        .for_each(|path| add(&mut paths, path));
                    one.places.iter().for_each(|place| add(&mut path_places, place.clone()));
                }
                Deed::Again(user) => {
                    let mut sentence = say("starts itself once more");
                    if let Some(user) = user {
                        sentence = sentence.say(" as the user ").code(user);
                    }
                    let mut step = Step::new(Mark::Aside, sentence);
                    step.places.clone_from(&one.places);
                    out.push(step);
                }
            }
        }
    }
    let mut inserted = 0;
    if let Some(at) = path_at {
        let mut step = helpers(Folded::Prepares, paths, &path_places);
        step.may = !sure;
        out.insert(at, step);
        inserted = usize::from(look_at.is_some_and(|look| look >= at));
    }
    if let Some(at) = look_at {
        out.insert(at + inserted, helpers(Folded::Looks, looks, &look_places));
    }
    out
}

/// Helpers of one kind in one line.
fn helpers(kind: Folded, list: Vec<String>, places: &[String]) -> Step {
    let words = match kind {
        Folded::Looks => "looks around with ",
        Folded::Prepares if list.is_empty() => "prepares its files and folders",
        Folded::Prepares => "prepares its files and folders: ",
    };
    let mut sentence = say(words).list(list.iter().take(NAMED).cloned());
    if list.len() > NAMED {
        sentence = sentence.say(format!(" and {} more", list.len() - NAMED));
    }
    let mut step = Step::new(Mark::Aside, sentence);
    step.places = spans(places);
    step.folded = Some((kind, list));
    step
}

fn add(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// Lines of one file as one place: `/a.sh:3, 5-9`.
fn spans(places: &[String]) -> Vec<String> {
    let mut out: Vec<(String, Vec<u32>)> = Vec::new();
    for place in places {
        // A line, or lines that were joined before.
        let numbers = |lines: &str| lines.split('-').map(str::parse).collect::<Result<Vec<u32>, _>>().ok();
        let (file, of) = match place.rsplit_once(':').and_then(|(file, lines)| Some((file, numbers(lines)?)))
        {
            Some((file, lines)) => (file.to_owned(), lines),
            None => (place.clone(), Vec::new()),
        };
        match out.iter_mut().find(|(known, _)| *known == file) {
            Some((_, lines)) => lines.extend(of),
            None => out.push((file, of)),
        }
    }
    out.into_iter()
        .map(|(file, mut lines)| {
            lines.sort_unstable();
            match (lines.first(), lines.last()) {
                (Some(first), Some(last)) if first != last => format!("{file}:{first}-{last}"),
                (Some(first), _) => format!("{file}:{first}"),
                _ => file,
            }
        })
        .collect()
}

/// Helpers of one kind among the steps of one block, told once: where in between they look does
/// not matter.
fn hoist(steps: &mut Vec<Step>) {
    for kind in [Folded::Looks, Folded::Prepares] {
        let is = |step: &Step| step.folded.as_ref().is_some_and(|(other, _)| *other == kind);
        if steps.iter().filter(|step| is(step)).count() < 2 {
            continue;
        }
        let mut list = Vec::new();
        let mut places = Vec::new();
        let mut may = true;
        for step in steps.iter().filter(|step| is(step)) {
            step.folded.iter().flat_map(|(_, list)| list).for_each(|name| add(&mut list, name.clone()));
            places.extend(step.places.iter().cloned());
            may &= step.may;
        }
        let mut joined = helpers(kind, list, &places);
        joined.may = may;
        let mut joined = Some(joined);
        steps.retain_mut(|step| {
            if !is(step) {
                return true;
            }
            match joined.take() {
                Some(joined) => {
                    *step = joined;
                    true
                }
                None => false,
            }
        });
    }
    for step in steps {
        hoist(&mut step.steps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_tests_are_said_in_words_and_others_are_quoted() {
        for (test, said, opposite) in [
            ("[ -f /a ]", "if the file /a is there", "if the file /a is not there"),
            ("[ ! -d \"$X\" ]", "if the folder $X is not there", "if the folder $X is there"),
            ("[ -z \"$A\" ]", "if $A is not set", "if $A is set"),
            ("[[ -n $A ]]", "if $A is set", "if $A is not set"),
            ("[ \"$(id -u)\" = '0' ]", "if it runs as root", "if it does not run as root"),
        ] {
            assert_eq!(condition_words(test).text(), said, "{test}");
            assert_eq!(
                common_test(test, true).map(|words| words.text()).as_deref(),
                Some(opposite),
                "{test}"
            );
        }
        for test in ["[ a = b ]", "[ -f a ] && [ -f b ]", "command -v x", "", "[", "! "] {
            assert_eq!(common_test(test, false), None, "{test}");
        }
    }

    #[test]
    fn places_of_one_file_are_told_as_a_span() {
        let of = |places: &[&str]| spans(&places.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["/a:3", "/a:9", "/b:1", "/a:5-12", "CMD"]), ["/a:3-12", "/b:1", "CMD"]);
    }
}
