//! The story of an image: what it says it is, what it is built on, what each step added, and what
//! happens in its first minute, in plain words with the evidence under each line.
//!
//! [`tell`] is pure: a report in, a story out. Renderers know nothing of behaviours; they know
//! chapters, steps, marks and sentences. Text in a story is raw; each renderer neutralises it.

mod block;
mod deed;
mod folded;
mod given;
mod host;
mod identity;
mod main_site;
mod minute;
mod own;
mod past;
mod place;
mod roles;
mod schedule;
mod sentence;
mod short;
mod site;
mod unread;

use std::collections::HashMap;

use lazaret_model::{Finding, ImageReport, Location, Outcome, Report, ScriptLine, Severity};

pub(crate) use minute::tell_new;
pub(crate) use sentence::say;
pub use sentence::{Piece, Sentence};

use host::Mounts;

/// The story of one image for one platform.
#[derive(Debug, Clone)]
pub struct Story {
    /// What the image is called, neutralised.
    pub name: String,
    /// Its platform, neutralised.
    pub platform: String,
    /// The answer.
    pub outcome: Outcome,
    /// Why, raw.
    pub why: String,
    /// What matters most, before the whole.
    pub short: Vec<Step>,
    /// The chapters, in the order in which they are told.
    pub chapters: Vec<Chapter>,
}

/// A part of the story.
#[derive(Debug, Clone)]
pub struct Chapter {
    /// Its heading.
    pub title: &'static str,
    /// A sentence below the heading.
    pub lead: Option<Sentence>,
    /// What is told.
    pub steps: Vec<Step>,
}

/// What a step is to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// Nothing special.
    Plain,
    /// What the container finally is.
    Main,
    /// Runs beside it.
    Beside,
    /// The reader must not miss it.
    Alarm,
    /// A condition, a loop or a function; the steps are below it.
    When,
    /// Helpers and housekeeping, folded into one line.
    Aside,
    /// Something that paper cannot tell.
    Unknown,
}

/// One line of the story, with what belongs below it.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it is to the reader.
    pub mark: Mark,
    /// Whether it may happen only.
    pub may: bool,
    /// What happens.
    pub sentence: Sentence,
    /// More about it, one line each.
    pub details: Vec<Sentence>,
    /// Where it is written down, the line itself first: text for people, raw.
    pub places: Vec<String>,
    /// The line as written, raw.
    pub quote: Option<String>,
    /// What rules say about it, worst first.
    pub charges: Vec<Charge>,
    /// What follows from it.
    pub steps: Vec<Step>,
    /// What is folded into it, where it is a line of helpers.
    folded: Option<(Folded, Vec<String>)>,
}

/// A kind of helpers that are told in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folded {
    /// They look.
    Looks,
    /// They keep house.
    Prepares,
}

/// What a rule says about a step.
#[derive(Debug, Clone)]
pub struct Charge {
    /// How bad.
    pub severity: Severity,
    /// Class in words.
    pub class: &'static str,
    /// The rule.
    pub rule: String,
    /// Its sentence about this image, raw.
    pub message: String,
}

impl Step {
    /// A step with nothing but its sentence.
    pub fn new(mark: Mark, sentence: Sentence) -> Self {
        Self {
            mark,
            may: false,
            sentence,
            details: Vec::new(),
            places: Vec::new(),
            quote: None,
            charges: Vec::new(),
            steps: Vec::new(),
            folded: None,
        }
    }

    fn at(mut self, location: &Location) -> Self {
        self.places.push(place::words(location));
        self
    }

    fn detail(mut self, sentence: Sentence) -> Self {
        self.details.push(sentence);
        self
    }
}

/// Tells the story of one image of a report.
pub fn tell(report: &Report, image: &ImageReport) -> Story {
    let run;
    let image = match &image.launch {
        Some(launch) => {
            // What starts is what the engine makes of both.
            let mut with = image.clone();
            with.image.config = launch.apply(&with.image.config);
            run = with;
            &run
        }
        None => image,
    };
    let mut teller = Teller::new(image);
    let minute = minute::chapters(&mut teller);
    let short = short::steps(image, &minute);
    let mut chapters = vec![identity::says(report, image), identity::stands_on(image), past::chapter(image)];
    chapters.extend(image.launch.as_ref().map(given::chapter));
    chapters.extend(minute.chapters);
    chapters.extend(unread::findings(&teller));
    chapters.extend(unread::gaps(image));
    chapters.retain(|chapter| !chapter.steps.is_empty() || chapter.lead.is_some());
    Story {
        name: crate::words::name(report),
        platform: crate::words::platform(image),
        outcome: image.verdict.outcome,
        why: image.verdict.why.clone(),
        short,
        chapters,
    }
}

/// What is looked up again and again while a story is told.
struct Teller<'a> {
    image: &'a ImageReport,
    lines: HashMap<&'a Location, &'a ScriptLine>,
    /// Findings by the place of their first piece of evidence.
    charges: HashMap<Location, Vec<&'a Finding>>,
    mounts: Mounts,
    /// Rules that were named beside a step.
    named: Vec<*const Finding>,
}

impl<'a> Teller<'a> {
    fn new(image: &'a ImageReport) -> Self {
        let mut charges: HashMap<Location, Vec<&Finding>> = HashMap::new();
        for finding in image.findings.iter().filter(|f| f.severity > Severity::Info) {
            charges.entry(line_of(finding.location())).or_default().push(finding);
        }
        Self {
            image,
            lines: image.inventory.lines.iter().map(|line| (&line.location, line)).collect(),
            charges,
            mounts: Mounts::of(image),
            named: Vec::new(),
        }
    }

    fn line(&self, location: &Location) -> Option<&'a ScriptLine> {
        self.lines.get(location).copied()
    }

    /// What rules say about a place; each finding is told once.
    fn charges_at(&mut self, location: &Location) -> Vec<Charge> {
        let found = self.charges.get(&line_of(location)).cloned().unwrap_or_default();
        self.charge(&found)
    }

    /// What rules say about a file and, with `lines`, about any line of it.
    fn charges_of(&mut self, path: &str, lines: bool) -> Vec<Charge> {
        let here = |location: &Location| match location {
            Location::File { path: at, line, .. } => (lines || line.is_none()) && at.to_string() == path,
            _ => false,
        };
        let findings = self.image.findings.iter().filter(|f| f.severity > Severity::Info);
        let found: Vec<&Finding> = findings.filter(|f| here(f.location())).collect();
        self.charge(&found)
    }

    /// What rules say about a file and any line of it.
    fn charges_in(&mut self, path: &str) -> Vec<Charge> {
        self.charges_of(path, true)
    }

    fn charge(&mut self, found: &[&'a Finding]) -> Vec<Charge> {
        let mut out = Vec::new();
        for finding in found {
            let key: *const Finding = *finding;
            if self.named.contains(&key) {
                continue;
            }
            self.named.push(key);
            out.push(Charge {
                severity: finding.severity,
                class: crate::words::class_word(finding.class),
                rule: finding.rule.id.clone(),
                message: finding.message.clone(),
            });
        }
        out.sort_by_key(|charge| std::cmp::Reverse(charge.severity));
        out
    }
}

/// A place without its offset: rules over bytes name both, behaviours only the line.
fn line_of(location: &Location) -> Location {
    let mut location = location.clone();
    if let Location::File { offset, line: Some(_), .. } = &mut location {
        *offset = None;
    }
    location
}
