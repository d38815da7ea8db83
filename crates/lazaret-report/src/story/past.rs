//! What each step of the history added.

use lazaret_model::{BehaviourKind, ImageReport, LayerContents, Location, Phase};

use super::sentence::{Sentence, say};
use super::{Chapter, Mark, Step};
use crate::words;

/// Characters of an instruction that are shown.
const INSTRUCTION: usize = 200;
/// Packages named of one step.
const PACKAGES: usize = 6;
/// Steps told before the rest are counted.
const STEPS: usize = 60;

/// The chapter.
pub fn chapter(image: &ImageReport) -> Chapter {
    let mut steps = Vec::new();
    let mut settings: Vec<String> = Vec::new();
    let of_step = |number: usize| image.image.layers.iter().find(|layer| layer.history == Some(number));
    for (number, step) in image.image.config.history.iter().enumerate() {
        let instruction = Instruction::read(&step.created_by);
        let layer = of_step(number);
        let bare = layer.is_none_or(|layer| {
            image
                .inventory
                .layers
                .get(layer.index)
                .is_some_and(|contents| contents.files + contents.removed == 0)
        });
        if instruction.is_setting() && bare {
            settings.push(instruction.short());
            continue;
        }
        flush(&mut settings, &mut steps);
        let mut told = Step::new(Mark::Plain, instruction.words());
        if let Some(layer) = layer {
            brought(image, layer.index, &mut told);
        }
        fetched(image, number, &mut told);
        told.places.push(format!("step {number}"));
        steps.push(told);
    }
    flush(&mut settings, &mut steps);
    for layer in image.image.layers.iter().filter(|layer| layer.history.is_none()) {
        let mut told = Step::new(Mark::Unknown, say("a layer that no step of the history claims"));
        brought(image, layer.index, &mut told);
        told.places.push(format!("layer {}", layer.index));
        steps.push(told);
    }
    if steps.len() > STEPS {
        let more = steps.len() - STEPS;
        steps.truncate(STEPS);
        steps.push(Step::new(Mark::Aside, say(format!("and {more} more steps"))));
    }
    let lead = (!steps.is_empty())
        .then(|| say("By the builder's word, oldest first; sizes and files are from the layers"));
    Chapter { title: "What each step added", lead, steps }
}

fn flush(settings: &mut Vec<String>, steps: &mut Vec<Step>) {
    if settings.is_empty() {
        return;
    }
    let shown = settings.len().min(8);
    let mut sentence = say("settings: ").list(settings.drain(..shown));
    if !settings.is_empty() {
        sentence = sentence.say(format!(" and {} more", settings.len()));
        settings.clear();
    }
    steps.push(Step::new(Mark::Aside, sentence));
}

/// What the layer of a step holds.
fn brought(image: &ImageReport, layer: usize, step: &mut Step) {
    let empty = LayerContents::default();
    let contents = image.inventory.layers.get(layer).unwrap_or(&empty);
    let size = image.layer_sizes.get(layer).copied().unwrap_or(0);
    let mut parts = Vec::new();
    if size > 0 {
        parts.push(words::bytes(size));
    }
    if contents.files > 0 {
        parts.push(words::count(contents.files, "file"));
    }
    if contents.programs > 0 {
        parts.push(format!("{} of them executable", words::grouped(contents.programs)));
    }
    if contents.removed > 0 {
        parts.push(format!("{} taken away", words::count(contents.removed, "file")));
    }
    if !parts.is_empty() {
        step.details.push(say(parts.join(", ")));
    }
    if !contents.packages.is_empty() {
        let count = words::count(contents.packages.len() as u64, "package");
        let mut sentence = say(format!("{count}: ")).list(contents.packages.iter().take(PACKAGES).cloned());
        if contents.packages.len() > PACKAGES {
            sentence = sentence.say(" and more");
        }
        step.details.push(sentence);
    }
    let mut at = 0;
    while let Some(first) = contents.notable.get(at) {
        let alike: Vec<_> =
            contents.notable[at..].iter().take_while(|file| file.kind == first.kind).collect();
        at += alike.len();
        let noun = if alike.len() == 1 || first.kind.noun().ends_with('s') {
            first.kind.noun().to_owned()
        } else if let Some(stem) = first.kind.noun().strip_suffix('y') {
            format!("{stem}ies")
        } else {
            format!("{}s", first.kind.noun())
        };
        step.details.push(say(format!("{noun}: ")).list(alike.iter().map(|file| file.path.to_string())));
    }
    if contents.notable_left_out > 0 {
        step.details
            .push(say(format!("and {} more of this kind", words::grouped(contents.notable_left_out))));
    }
}

/// What a step downloaded.
fn fetched(image: &ImageReport, number: usize, step: &mut Step) {
    let mut urls: Vec<&str> = Vec::new();
    for behaviour in &image.behaviours {
        if behaviour.phase != Phase::Build || !behaviour.because.contains(&Location::History(number)) {
            continue;
        }
        if let BehaviourKind::Network { url: Some(url), .. } = &behaviour.kind
            && !urls.contains(&url.as_str())
        {
            urls.push(url);
        }
    }
    if !urls.is_empty() {
        let mut sentence = say("it downloaded ").list(urls.iter().take(4).copied());
        if urls.len() > 4 {
            sentence = sentence.say(format!(" and {} more", urls.len() - 4));
        }
        step.details.push(sentence);
    }
}

/// An instruction, with what the builder wrote around it taken away.
struct Instruction<'a> {
    /// `RUN`, `COPY`, …; empty where it is not known.
    word: &'a str,
    rest: &'a str,
}

const SETTINGS: &[&str] = &[
    "ENV",
    "LABEL",
    "EXPOSE",
    "VOLUME",
    "USER",
    "WORKDIR",
    "ENTRYPOINT",
    "CMD",
    "STOPSIGNAL",
    "SHELL",
    "HEALTHCHECK",
    "ARG",
    "MAINTAINER",
    "ONBUILD",
];

/// What stands in the history of builders that record the shell alone (`umoci`, `buildah commit`).
const SHELLS: &[&str] = &["/bin/sh", "/bin/bash", "/bin/ash", "sh", "bash"];

impl<'a> Instruction<'a> {
    fn read(created_by: &'a str) -> Self {
        let text = created_by.trim();
        let text = text.strip_suffix("# buildkit").unwrap_or(text).trim();
        if let Some((_, nop)) = text.split_once("#(nop)") {
            return Self::split(nop.trim());
        }
        let run = Self::split(text);
        let of_shell = |text: &'a str| {
            let rest = text.strip_prefix('|').map_or(text, |args| {
                // Build arguments stand in front of the shell.
                args.find("/bin/").map_or(text, |at| &args[at..])
            });
            ["/bin/sh -c ", "/bin/bash -c ", "/bin/ash -c ", "/bin/bash -o pipefail -c "]
                .iter()
                .find_map(|shell| rest.strip_prefix(shell))
        };
        if run.word == "RUN" {
            return Self { word: "RUN", rest: of_shell(run.rest).unwrap_or(run.rest).trim() };
        }
        match of_shell(text) {
            Some(rest) => Self { word: "RUN", rest: rest.trim() },
            None => run,
        }
    }

    fn split(text: &'a str) -> Self {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let known = SETTINGS.contains(&word) || matches!(word, "RUN" | "COPY" | "ADD" | "FROM");
        if known { Self { word, rest: rest.trim() } } else { Self { word: "", rest: text } }
    }

    fn is_setting(&self) -> bool {
        SETTINGS.contains(&self.word)
    }

    fn short(&self) -> String {
        lazaret_model::one_line(&format!("{} {}", self.word, self.rest), 60)
    }

    fn words(&self) -> Sentence {
        let rest =
            lazaret_model::one_line(&self.rest.split_whitespace().collect::<Vec<_>>().join(" "), INSTRUCTION);
        match self.word {
            "RUN" => match installs(self.rest) {
                Some((tool, packages)) if !packages.is_empty() => {
                    let mut sentence =
                        say(format!("installed with {tool}: ")).list(packages.iter().take(8).copied());
                    if packages.len() > 8 {
                        sentence = sentence.say(format!(" and {} more", packages.len() - 8));
                    }
                    sentence
                }
                _ => say("ran ").code(rest),
            },
            "COPY" | "ADD" => {
                let (from, to) = copied(self.rest);
                say(if from.len() > 60 { "copied files to " } else { "copied " })
                    .then(if from.len() > 60 { Sentence::default() } else { say("").code(from).say(" to ") })
                    .code(to)
            }
            "" if SHELLS.contains(&self.rest) => {
                say("ran commands that the builder did not write down, in ").code(rest)
            }
            "" => say("did ").code(rest),
            word => say("set ").code(format!("{word} {rest}")),
        }
    }
}

/// Source and target of a copy, in the form of either builder.
fn copied(rest: &str) -> (String, String) {
    // Classic builders write `file:HASH in /target`.
    if let Some((from, to)) = rest.rsplit_once(" in ") {
        let from = from.split(':').next().unwrap_or(from);
        let from = if from == "multi" { "files" } else { from };
        return (format!("a {}", from.trim()), to.trim().to_owned());
    }
    let words: Vec<&str> = rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
    match words.as_slice() {
        [from @ .., to] if !from.is_empty() => (from.join(" "), (*to).to_owned()),
        _ => (String::new(), rest.to_owned()),
    }
}

/// The package manager that a step calls to install, and the packages that it names.
fn installs(text: &str) -> Option<(&'static str, Vec<&str>)> {
    const TOOLS: &[(&str, &str)] = &[
        ("apt-get", "install"),
        ("apt", "install"),
        ("apk", "add"),
        ("yum", "install"),
        ("dnf", "install"),
        ("microdnf", "install"),
        ("pip", "install"),
        ("pip3", "install"),
        ("npm", "install"),
        ("gem", "install"),
    ];
    let mut found: Option<(&'static str, Vec<&str>)> = None;
    for command in text.split([';', '&', '|', '\n']) {
        let words: Vec<&str> = command.split_whitespace().filter(|word| *word != "\\").collect();
        for (tool, verb) in TOOLS {
            let at = words.iter().take(4).position(|word| word == tool);
            let Some(at) = at else { continue };
            let Some(verb) = words[at..].iter().position(|word| word == verb).map(|n| n + at) else {
                continue;
            };
            let packages = words[verb + 1..].iter().copied().filter(|word| {
                !word.starts_with(['-', '$', '<', '>', '"', '\'', '/', '.']) && !word.contains('$')
            });
            found.get_or_insert_with(|| (tool, Vec::new())).1.extend(packages);
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(created_by: &str) -> String {
        Instruction::read(created_by).words().text()
    }

    #[test]
    fn instructions_of_every_builder_are_said_in_words() {
        for (step, said) in [
            (
                "RUN /bin/sh -c set -x; apt-get update && apt-get install -y --no-install-recommends nginx curl # buildkit",
                "installed with apt-get: nginx, curl",
            ),
            ("/bin/sh -c apk add --no-cache tini", "installed with apk: tini"),
            ("|1 V=2 /bin/sh -c make install", "ran make install"),
            ("/bin/sh -c #(nop) ADD file:0123abcd in / ", "copied a file to /"),
            ("COPY --chown=1:1 a.sh b.sh /usr/bin/ # buildkit", "copied a.sh b.sh to /usr/bin/"),
            ("bazel build ...", "did bazel build ..."),
            ("/bin/sh", "ran commands that the builder did not write down, in /bin/sh"),
        ] {
            assert_eq!(words(step), said, "{step}");
        }
        assert!(Instruction::read("/bin/sh -c #(nop)  CMD [\"nginx\"]").is_setting());
        assert!(Instruction::read("ENV A=b").is_setting());
    }
}
