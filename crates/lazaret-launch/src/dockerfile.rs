//! Dockerfiles: the stages, the images that they name, and the image that the last stage makes.

mod copy;
mod lines;
mod stage;

use std::collections::BTreeMap;

use lazaret_model::{Launch, LaunchForm};
use parse_dockerfile::{Flag, Instruction, UnescapedString};

use crate::{Beside, Plan, PlannedContainer, PlannedImage, Statement};
use lines::Lines;
use stage::Stage;

/// Instructions of one file.
const INSTRUCTIONS: usize = 5_000;

/// What a build is given besides the file.
#[derive(Debug, Clone, Default)]
pub struct BuildArguments {
    /// The stage to stop at; the last one where None.
    pub target: Option<String>,
    /// `--build-arg`.
    pub args: Vec<(String, String)>,
}

/// Reads a Dockerfile. `file` is its name in places, `beside` the build context.
///
/// Instructions that cannot be read are notes, and the others are read all the same. The plan
/// holds one container: the image that the last stage (or the target) makes, started plainly.
pub fn dockerfile(text: &str, file: &str, arguments: &BuildArguments, beside: &dyn Beside) -> Plan {
    let mut plan = Plan::new(LaunchForm::Dockerfile);
    let lines = Lines::new(text, file);
    let parsed = lines::read(&lines, &mut plan);
    let Some(parsed) = parsed else { return plan };
    if let Some(syntax) = &parsed.parser_directives.syntax {
        let place = lines.place(syntax.value.span.start, "# syntax=");
        plan.name_image(syntax.value.value, "# syntax=", None, &place);
    }
    let mut build = Build {
        file: &lines,
        plan: &mut plan,
        given: arguments.args.iter().cloned().collect(),
        global: BTreeMap::new(),
        stages: Vec::new(),
        beside,
    };
    for instruction in parsed.instructions.iter().take(INSTRUCTIONS) {
        build.instruction(instruction);
    }
    if parsed.instructions.len() > INSTRUCTIONS {
        let place = lines.place(0, "FROM");
        build.plan.note(place, "the file holds more instructions than are read", true);
    }
    let wanted = arguments.target.as_deref();
    let at = match wanted {
        Some(name) => build.stages.iter().rposition(|stage| stage.is_called(name)),
        None => build.stages.len().checked_sub(1),
    };
    let Some(at) = at else {
        let what = format!("there is no stage `{}`", wanted.unwrap_or_default());
        plan.note(lines.place(0, "FROM"), what, true);
        return plan;
    };
    let statements: Vec<Statement> = build.statements(at);
    let mut stage = build.stages.swap_remove(at);
    stage.made.instructions = statements;
    let place = stage.place.clone();
    let mut launch = Launch {
        form: LaunchForm::Dockerfile,
        workload: "stage".to_owned(),
        name: stage.name.clone().unwrap_or_default(),
        ..Launch::default()
    };
    launch.written.push((String::new(), place.clone()));
    launch.written.extend(stage.written.iter().cloned());
    let name = stage.name.clone().unwrap_or_else(|| "the last stage".to_owned());
    let image = PlannedImage::Made(Box::new(stage.made));
    plan.containers.push(PlannedContainer { name, image, launch, place });
    plan
}

/// A build on paper.
struct Build<'f> {
    file: &'f Lines<'f>,
    plan: &'f mut Plan,
    given: BTreeMap<String, String>,
    /// `ARG`s before the first `FROM`.
    global: BTreeMap<String, String>,
    stages: Vec<Stage>,
    beside: &'f dyn Beside,
}

impl Build<'_> {
    fn instruction(&mut self, instruction: &Instruction<'_>) {
        match instruction {
            Instruction::From(from) => self.from(from),
            Instruction::Arg(arg) if self.stages.is_empty() => {
                for (name, default) in pairs(&arg.arguments.value) {
                    let value = self.given.get(&name).cloned().or_else(|| default.map(|d| self.globally(&d)));
                    if let Some(value) = value {
                        self.global.insert(name, value);
                    }
                }
            }
            Instruction::Copy(copy) => {
                let request =
                    copy::Request::of("COPY", copy.copy.span.start, &copy.options, &copy.src, &copy.dest);
                self.copy(request);
            }
            Instruction::Add(add) => {
                let request = copy::Request::of("ADD", add.add.span.start, &add.options, &add.src, &add.dest);
                self.copy(request);
            }
            Instruction::Run(run) => {
                for flag in run.options.iter().filter(|f| f.name.value == "mount") {
                    let value = flag.value.as_ref().map_or("", |v| v.value.as_ref());
                    let from = value.split(',').find_map(|part| part.strip_prefix("from="));
                    if let Some(from) = from.filter(|from| !self.stages.iter().any(|s| s.is_called(from))) {
                        let place = self.file.place(run.run.span.start, "RUN --mount");
                        let from = self.globally(from);
                        self.plan.name_image(&from, "RUN --mount", None, &place);
                    }
                }
                self.in_stage(instruction);
            }
            other => self.in_stage(other),
        }
    }

    fn in_stage(&mut self, instruction: &Instruction<'_>) {
        if let Some(stage) = self.stages.last_mut() {
            stage.instruction(instruction, self.file, &self.given, &self.global);
        }
    }

    fn globally(&self, text: &str) -> String {
        crate::variables::substitute(text, false, &|name| {
            self.global.get(name).or_else(|| self.given.get(name)).cloned().or_else(|| automatic(name))
        })
    }

    fn from(&mut self, from: &parse_dockerfile::FromInstruction<'_>) {
        let place = self.file.place(from.from.span.start, "FROM");
        let image = self.globally(&from.image.value);
        let name = from.as_.as_ref().map(|(_, name)| name.value.to_string());
        let earlier = self.stages.iter().rposition(|stage| stage.is_named(&image));
        let mut stage = match earlier {
            Some(at) => self.stages[at].child(at),
            None => {
                self.plan.name_image(&image, "FROM", None, &place);
                let base = (image != "scratch").then(|| image.clone());
                Stage::on(base)
            }
        };
        stage.name = name;
        stage.number = self.stages.len();
        stage.place = place.clone();
        let (tag, digest) = tag_and_digest(&image);
        let mut statement = Statement::new("FROM", place)
            .with("Arguments", from.image.value.as_ref())
            .with("Image", image.as_str())
            .with("FromStage", if earlier.is_some() { "true" } else { "false" })
            .with("Tag", tag)
            .with("Digest", digest);
        for flag in &from.options {
            statement = statement.with("Flag", flag_text(flag));
        }
        stage.statements.push(statement);
        self.stages.push(stage);
    }

    fn copy(&mut self, request: copy::Request) {
        let Some((stage, earlier)) = self.stages.split_last_mut() else { return };
        stage.copy(request, self.file, self.plan, earlier, self.beside, &self.given, &self.global);
    }

    /// The instructions of a stage and of the stages below it and copied into it, marked by
    /// whether they are part of what it is built on.
    fn statements(&self, at: usize) -> Vec<Statement> {
        let mut chain = vec![at];
        while let Some(below) = chain.last().and_then(|&n| self.stages[n].below) {
            chain.push(below);
        }
        let mut out = Vec::new();
        for (number, stage) in self.stages.iter().enumerate() {
            let in_final = chain.contains(&number);
            for statement in &stage.statements {
                let name = stage.name.clone().unwrap_or_else(|| number.to_string());
                out.push(
                    statement
                        .clone()
                        .with("Stage", name)
                        .with("Final", if in_final { "true" } else { "false" }),
                );
            }
        }
        out
    }
}

/// `NAME[=VALUE]…` of `ARG`, `ENV` and `LABEL`; `ENV NAME VALUE`, the old form, has one pair.
pub(super) fn pairs(text: &str) -> Vec<(String, Option<String>)> {
    let text = text.trim();
    let first = text.split(char::is_whitespace).next().unwrap_or_default();
    if !first.contains('=') && text.len() > first.len() {
        let rest = text[first.len()..].trim();
        // `ARG A B=c` has several names, `ENV A b c` one value.
        if !rest.split_whitespace().any(|word| word.contains('=')) || !is_name(rest) {
            return vec![(first.to_owned(), Some(unquoted(rest)))];
        }
    }
    words(text)
        .into_iter()
        .take(1_000)
        .map(|word| match word.split_once('=') {
            Some((name, value)) => (unquoted(name), Some(unquoted(value))),
            None => (unquoted(&word), None),
        })
        .collect()
}

fn is_name(text: &str) -> bool {
    text.split_whitespace().all(|word| {
        let name = word.split('=').next().unwrap_or_default();
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// Words with their quotes still in them.
fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut escaped = false;
    for c in text.chars() {
        match (escaped, quote, c) {
            (true, _, c) => {
                escaped = false;
                if c != '\n' {
                    word.push('\\');
                    word.push(c);
                }
            }
            (_, q, '\\') if q != Some('\'') => escaped = true,
            (_, Some(q), c) if c == q => {
                quote = None;
                word.push(c);
            }
            (_, None, '\'' | '"') => {
                quote = Some(c);
                word.push(c);
            }
            (_, None, c) if c.is_whitespace() => {
                if !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
            }
            (_, _, c) => word.push(c),
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

/// The text without quotes and escapes; a dollar that was escaped stays escaped.
fn unquoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (q, '\\') if q != Some('\'') => match chars.next() {
                Some('$') => out.push_str("\\$"),
                Some('\n') | None => {}
                Some(next) => out.push(next),
            },
            (_, c) => out.push(c),
        }
    }
    out
}

/// What BuildKit sets by itself in the global scope.
pub(super) fn automatic(name: &str) -> Option<String> {
    Some(
        match name {
            "TARGETPLATFORM" | "BUILDPLATFORM" => "linux/amd64",
            "TARGETOS" | "BUILDOS" => "linux",
            "TARGETARCH" | "BUILDARCH" => "amd64",
            "TARGETVARIANT" | "BUILDVARIANT" => "",
            _ => return None,
        }
        .to_owned(),
    )
}

/// The tag and the digest of a name, empty where it has none.
pub(crate) fn tag_and_digest(name: &str) -> (String, String) {
    let (name, digest) = name.split_once('@').unwrap_or((name, ""));
    let last = name.rsplit('/').next().unwrap_or(name);
    let tag = last.split_once(':').map_or("", |(_, tag)| tag);
    (tag.to_owned(), digest.to_owned())
}

pub(super) fn flag_text(flag: &Flag<'_>) -> String {
    match &flag.value {
        Some(UnescapedString { value, .. }) => format!("--{}={value}", flag.name.value),
        None => format!("--{}", flag.name.value),
    }
}

#[cfg(test)]
mod tests;
