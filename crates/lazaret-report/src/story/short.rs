//! What matters most, in a few lines.

use lazaret_model::{ImageReport, Phase};

use super::deed::Topic;
use super::minute::Minute;
use super::sentence::say;
use super::{Mark, Step};

/// Steps of one topic that are named.
const OF_ONE_KIND: usize = 3;

/// The lines before the story.
pub fn steps(image: &ImageReport, minute: &Minute) -> Vec<Step> {
    let mut out = Vec::new();
    let config = &image.image.config;
    if let Some(main) = &minute.main {
        let mut step = shallow(main);
        let user = minute.user.clone().unwrap_or_else(|| config.user.clone());
        step.mark = if main.mark == Mark::Alarm { Mark::Alarm } else { Mark::Main };
        step.sentence = say("In the end it ").then(main.sentence.clone());
        if !main.sentence.text().contains(" as the user ") {
            step.sentence = match user.as_str() {
                "" | "root" | "0" => step.sentence.say(", as root"),
                user => step.sentence.say(", as the user ").code(user),
            };
        }
        out.push(step);
    }
    let mut told: Vec<String> = minute.main.iter().map(|step| step.sentence.text()).collect();
    let mut noted: Vec<_> = minute.noted.iter().collect();
    noted.sort_by_key(|(phase, noted)| (noted.topic, *phase != Phase::Start));
    let mut counts: Vec<(Topic, usize)> = Vec::new();
    for (phase, noted) in noted {
        let text = noted.step.sentence.text();
        if told.contains(&text) {
            continue;
        }
        told.push(text);
        let count = match counts.iter_mut().find(|(topic, _)| *topic == noted.topic) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                counts.push((noted.topic, 1));
                1
            }
        };
        if count > OF_ONE_KIND {
            continue;
        }
        let mut step = shallow(&noted.step);
        let when = match phase {
            Phase::Start => "It ",
            Phase::Health => "At each health check it ",
            Phase::Scheduled => "By schedule it ",
            Phase::Login => "When somebody opens a shell, it ",
            Phase::OnBuild => "When something is built from it, it ",
            Phase::Build => "While it was built, it ",
        };
        let own = noted.topic == Topic::Mines;
        step.sentence = if own { noted.step.sentence.clone() } else { say(when).then(noted.step.sentence.clone()) };
        step.details = noted.step.details.iter().filter(|detail| !detail.text().starts_with("text: ")).cloned().collect();
        out.push(step);
    }
    for (topic, count) in counts {
        if count > OF_ONE_KIND {
            let more = count - OF_ONE_KIND;
            out.push(Step::new(Mark::Aside, say(format!("and {more} more {}", kind(topic)))));
        }
    }
    for beside in &minute.beside {
        if !told.contains(&beside.sentence.text()) {
            told.push(beside.sentence.text());
            let mut step = shallow(beside);
            step.sentence = say("Beside it: it ").then(beside.sentence.clone());
            out.push(step);
        }
    }
    if !config.exposed_ports.is_empty() {
        out.push(Step::new(
            Mark::Plain,
            say("It says that it listens on ").list(config.exposed_ports.iter().take(12).cloned()),
        ));
    }
    if !config.volumes.is_empty() {
        out.push(Step::new(Mark::Plain, say("It keeps data in ").list(config.volumes.iter().take(12).cloned())));
    }
    let quiet = !minute.noted.iter().any(|(_, noted)| noted.topic != Topic::Unknown);
    if quiet && !image.behaviours.is_empty() && image.verdict.outcome.rank() < 2 {
        out.push(Step::new(
            Mark::Plain,
            say("On paper it downloads nothing, connects to nothing by itself and touches nothing of the host"),
        ));
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
