//! What matters most, in a few lines.

use lazaret_model::{ImageReport, Phase};

use super::deed::{self, Noted, Topic};
use super::host::Mounts;
use super::minute::Minute;
use super::sentence::{Piece, Sentence, say};
use super::{Mark, Step};

/// Steps of one topic that are named.
const OF_ONE_KIND: usize = 3;
/// Ports and folders that are named.
const NAMED: usize = 12;

/// The lines before the story: what harms first, then what it becomes, then what it fetches and
/// what runs beside it, then what it says of ports and data.
pub fn steps(image: &ImageReport, minute: &Minute) -> Vec<Step> {
    let mut told: Vec<String> = minute.main.iter().map(|step| step.sentence.text()).collect();
    let mut out = named(minute, &mut told, |topic| topic < Topic::Fetches);
    out.extend(becomes(image, minute));
    out.extend(named(minute, &mut told, |topic| topic >= Topic::Fetches));
    for beside in &minute.beside {
        let sure = !beside.may || beside.mark == Mark::Alarm;
        if sure && !told.contains(&beside.sentence.text()) {
            told.push(beside.sentence.text());
            let mut step = shallow(beside);
            step.sentence = say("Beside that, it ").then(beside.sentence.clone());
            out.push(step);
        }
    }
    out.extend(states(image));
    let quiet = !minute.noted.iter().any(|(_, noted)| noted.topic != Topic::Unknown);
    if quiet && !image.behaviours.is_empty() && image.verdict.outcome.rank() < 2 {
        let sentence =
            "On paper it downloads nothing, connects to nothing by itself and touches nothing of the host";
        out.push(Step::new(Mark::Plain, say(sentence)));
    }
    out
}

/// What the container finally is, and as whom.
fn becomes(image: &ImageReport, minute: &Minute) -> Option<Step> {
    let main = minute.main.as_ref()?;
    let mut step = shallow(main);
    step.may = false;
    step.mark = if main.mark == Mark::Alarm { Mark::Alarm } else { Mark::Main };
    step.details.retain(is_needed);
    step.charges = main.charges.iter().filter(|charge| charge.class == "malware").take(1).cloned().collect();
    step.sentence = say("In the end it ").then(main.sentence.clone());
    if !main.sentence.text().contains(" as the user ") {
        let user = minute.user.clone().unwrap_or_else(|| image.image.config.user.clone());
        step.sentence = match user.as_str() {
            "" | "root" | "0" => step.sentence.say(", as root"),
            user => step.sentence.say(", as the user ").code(user),
        };
    }
    Some(step)
}

/// Steps on topics, those that start with the container first.
fn named(minute: &Minute, told: &mut Vec<String>, wanted: impl Fn(Topic) -> bool) -> Vec<Step> {
    let mut noted: Vec<&(Phase, Noted)> =
        minute.noted.iter().filter(|(_, noted)| wanted(noted.topic) && !is_vague(noted)).collect();
    noted.sort_by_key(|(phase, noted)| (noted.topic, *phase != Phase::Start));
    let mut counts: Vec<(Topic, usize)> = Vec::new();
    let mut out = Vec::new();
    for (phase, noted) in noted {
        let text = noted.step.sentence.text();
        if told.contains(&text) {
            continue;
        }
        told.push(text);
        let at = counts.iter().position(|(topic, _)| *topic == noted.topic).unwrap_or_else(|| {
            counts.push((noted.topic, 0));
            counts.len() - 1
        });
        counts[at].1 += 1;
        if counts[at].1 <= OF_ONE_KIND {
            out.push(one(*phase, noted));
        }
    }
    for (topic, count) in counts {
        if count > OF_ONE_KIND {
            let more = count - OF_ONE_KIND;
            out.push(Step::new(Mark::Aside, say(format!("and {more} more {}", kind(topic)))));
        }
    }
    out
}

/// What may happen, and paper cannot tell what: the story has it, the summary needs it not.
fn is_vague(noted: &Noted) -> bool {
    noted.topic == Topic::Unknown && noted.step.may
}

/// One of them as a sentence of its own, with the condition in front.
fn one(phase: Phase, noted: &Noted) -> Step {
    let mut step = shallow(&noted.step);
    let when = match phase {
        Phase::Start => "",
        Phase::Health => "at each health check ",
        Phase::Scheduled => "by schedule ",
        Phase::Login => "when somebody opens a shell ",
        Phase::OnBuild => "when something is built from it ",
        Phase::Build => "while it was built ",
    };
    let head = match &noted.condition {
        Some(condition) => condition.clone().say(", "),
        None if noted.step.may => say("perhaps "),
        None => Sentence::default(),
    };
    let subject = if names_itself(&noted.step.sentence) { "" } else { "it " };
    step.sentence = upper(head.say(when).say(subject).then(noted.step.sentence.clone()));
    step.may = false;
    step.details.retain(is_needed);
    step
}

/// Whether a sentence names its subject itself.
fn names_itself(sentence: &Sentence) -> bool {
    sentence.text().contains(" mines cryptocurrency")
}

/// Whether a detail belongs into the summary too.
fn is_needed(detail: &Sentence) -> bool {
    let text = detail.text();
    !text.starts_with(deed::TEXT) && !text.starts_with(deed::STARTED) && !text.starts_with("and ")
}

/// What the configuration states.
fn states(image: &ImageReport) -> Vec<Step> {
    let config = &image.image.config;
    let mut out = Vec::new();
    if !config.exposed_ports.is_empty() {
        let ports = config.exposed_ports.iter().take(NAMED).cloned();
        out.push(Step::new(Mark::Plain, say("It says that it listens on ").list(ports)));
    }
    let mounts = Mounts::of(image);
    let (host, own): (Vec<String>, Vec<String>) =
        config.volumes.iter().take(NAMED).cloned().partition(|volume| mounts.host(volume).is_some());
    if !own.is_empty() {
        out.push(Step::new(Mark::Plain, say("It keeps data in ").list(own)));
    }
    if !host.is_empty() {
        out.push(Step::new(Mark::Plain, say("It asks for a part of the host to be mounted at ").list(host)));
    }
    out
}

fn kind(topic: Topic) -> &'static str {
    match topic {
        Topic::Mines => "miners",
        Topic::HandsShell => "shells handed out",
        Topic::Host => "steps towards the host",
        Topic::RunsFetched => "programs run from the network",
        Topic::Stays => "ways to come back",
        Topic::Machine => "changes to the machine",
        Topic::Fetches => "downloads",
        Topic::Connects => "connections",
        Topic::Unknown => "programs that paper cannot name",
    }
}

fn shallow(step: &Step) -> Step {
    Step { steps: Vec::new(), charges: Vec::new(), quote: None, ..step.clone() }
}

/// With a capital letter where it begins with our words.
fn upper(mut sentence: Sentence) -> Sentence {
    if let Some(Piece::Words(words)) = sentence.0.first_mut() {
        let mut letters = words.chars();
        if let Some(first) = letters.next() {
            *words = first.to_uppercase().chain(letters).collect();
        }
    }
    sentence
}
