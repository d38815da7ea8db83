//! What an image says it is, and what it stands on.

use lazaret_model::{ImageReport, Report};

use super::sentence::say;
use super::{Chapter, Mark, Step};

/// Labels that say what an image is, by the last part of their name.
const TELLING: &[(&str, &str)] = &[
    ("title", "Its title"),
    ("description", "Its description"),
    ("summary", "Its summary"),
    ("vendor", "Its vendor"),
    ("authors", "Its authors"),
    ("maintainer", "Its maintainer"),
    ("version", "Its version"),
    ("source", "Its source"),
    ("url", "Its page"),
    ("licenses", "Its licence"),
];

/// Name and labels.
pub fn says(report: &Report, image: &ImageReport) -> Chapter {
    let config = &image.image.config;
    let mut steps = Vec::new();
    let mut name = say("It is called ").code(crate::words::name(report));
    if !config.created.is_empty() {
        name = name.say(", made ").code(config.created.clone());
    }
    steps.push(Step::new(Mark::Plain, name));
    for (key, words) in TELLING {
        let label = config.labels.iter().find(|(name, _)| {
            let name = name.to_lowercase();
            name.rsplit('.').next() == Some(key) && !name.contains("schema-version")
        });
        if let Some((_, value)) = label.filter(|(_, value)| !value.trim().is_empty()) {
            steps.push(Step::new(Mark::Plain, say(format!("{words}: ")).code(value.clone())));
        }
    }
    if !config.author.is_empty() {
        steps.push(Step::new(Mark::Plain, say("Its author: ").code(config.author.clone())));
    }
    Chapter { title: "What it says it is", lead: None, steps }
}

/// The recorded base and the system below it.
pub fn stands_on(image: &ImageReport) -> Chapter {
    let inventory = &image.inventory;
    let mut steps = Vec::new();
    if let Some(base) = crate::words::built_on(image) {
        steps.push(Step::new(Mark::Plain, say("Its first layers are those of the trusted base ").code(base)));
    }
    match &inventory.system {
        Some(system) => {
            let mut step = Step::new(Mark::Plain, say("By its own word, on ").code(system.name.clone()));
            if let Some(location) = &system.location {
                step = step.at(location);
            }
            if !inventory.packages.is_empty() {
                let count = crate::words::count(inventory.packages.len() as u64, "package");
                step = step.detail(say(format!("with {count} of that system")));
            }
            steps.push(step);
        }
        None if image.image.layers.is_empty() => {}
        None => steps.push(Step::new(
            Mark::Plain,
            say("On no system that names itself: it is built from nothing, or that name was taken out"),
        )),
    }
    Chapter { title: "What it is built on", lead: None, steps }
}
