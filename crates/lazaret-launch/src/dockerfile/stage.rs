//! One stage: what its instructions make of its base.

use std::collections::BTreeMap;

use lazaret_model::{Healthcheck, HistoryStep, Location};
use parse_dockerfile::{Command, HealthcheckArguments, HereDoc, Instruction, JsonOrStringArray};

use super::lines::Lines;
use super::{automatic, flag_text, pairs};
use crate::variables::substitute;
use crate::{MadeFile, MadeImage, Statement};

pub(super) struct Stage {
    pub name: Option<String>,
    pub number: usize,
    pub place: Location,
    pub made: MadeImage,
    pub statements: Vec<Statement>,
    /// The stage that it is built on.
    pub below: Option<usize>,
    pub written: Vec<(String, Location)>,
    /// Build arguments that are in force.
    pub args: BTreeMap<String, String>,
    /// Whether `CMD` was written in this file: a later `ENTRYPOINT` clears only that of the base.
    cmd_written: bool,
}

impl Stage {
    pub fn on(base: Option<String>) -> Self {
        Self {
            name: None,
            number: 0,
            place: Location::launch("FROM"),
            made: MadeImage { base, ..MadeImage::default() },
            statements: Vec::new(),
            below: None,
            written: Vec::new(),
            args: BTreeMap::new(),
            cmd_written: false,
        }
    }

    /// A stage built on this one, which is at position `at`.
    pub fn child(&self, at: usize) -> Self {
        Self { made: self.made.clone(), below: Some(at), written: self.written.clone(), ..Self::on(None) }
    }

    /// Whether a stage has this name (`FROM x`, names without regard to case).
    pub fn is_named(&self, name: &str) -> bool {
        self.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name))
    }

    /// Whether this name or number means it (`COPY --from=0`).
    pub fn is_called(&self, name: &str) -> bool {
        self.is_named(name) || name.parse() == Ok(self.number)
    }

    /// A text with its variables filled in, as `ENV`, `COPY`, `USER` and others do it.
    pub fn filled(&self, text: &str) -> String {
        substitute(text, false, &|name| {
            let set = self.made.config.env_value(name).map(str::to_owned);
            set.or_else(|| self.args.get(name).cloned())
        })
    }

    pub fn file(&self, path: &str) -> Option<&MadeFile> {
        self.made.files.iter().find(|file| file.path == path)
    }

    pub fn step(&mut self, text: String, empty_layer: bool) -> usize {
        self.made.config.history.push(HistoryStep {
            created_by: text,
            empty_layer,
            ..HistoryStep::default()
        });
        self.made.config.history.len() - 1
    }

    pub fn instruction(
        &mut self,
        instruction: &Instruction<'_>,
        file: &Lines<'_>,
        given: &BTreeMap<String, String>,
        global: &BTreeMap<String, String>,
    ) {
        let note = |stage: &mut Self, field: &str, place: &Location| {
            stage.written.retain(|(name, _)| name != field);
            stage.written.push((field.to_owned(), place.clone()));
        };
        match instruction {
            Instruction::Arg(arg) => {
                let place = file.place(arg.arg.span.start, "ARG");
                let mut statement =
                    Statement::new("ARG", place).with("Arguments", arg.arguments.value.as_ref());
                for (name, default) in pairs(&arg.arguments.value) {
                    let default = default.map(|d| self.filled(&d));
                    statement = statement.with("Name", name.as_str());
                    if let Some(default) = &default {
                        statement = statement.with("Pair", format!("{name}={default}"));
                    }
                    let value = given.get(&name).cloned().or(default).or_else(|| global.get(&name).cloned());
                    if let Some(value) = value.or_else(|| automatic(&name)) {
                        self.args.insert(name, value);
                    }
                }
                self.statements.push(statement);
            }
            Instruction::Env(env) => {
                let place = file.place(env.env.span.start, "ENV");
                let mut statement =
                    Statement::new("ENV", place.clone()).with("Arguments", env.arguments.value.as_ref());
                // All values of one instruction see what stood before it.
                let set: Vec<(String, String)> = pairs(&env.arguments.value)
                    .into_iter()
                    .map(|(name, value)| (name, self.filled(&value.unwrap_or_default())))
                    .collect();
                for (name, value) in set {
                    statement = statement.with("Name", name.as_str()).with("Pair", format!("{name}={value}"));
                    self.made.config.env.retain(|(other, _)| *other != name);
                    self.made.config.env.push((name, value));
                }
                note(self, "env", &place);
                self.step(format!("ENV {}", env.arguments.value), true);
                self.statements.push(statement);
            }
            Instruction::Label(label) => {
                for (name, value) in pairs(&label.arguments.value) {
                    let value = self.filled(&value.unwrap_or_default());
                    self.made.config.labels.retain(|(other, _)| *other != name);
                    self.made.config.labels.push((name, value));
                }
                self.made.config.labels.sort();
                let place = file.place(label.label.span.start, "LABEL");
                self.statements
                    .push(Statement::new("LABEL", place).with("Arguments", label.arguments.value.as_ref()));
            }
            Instruction::User(user) => {
                let place = file.place(user.user.span.start, "USER");
                self.made.config.user = self.filled(&user.arguments.value);
                note(self, "user", &place);
                let value = self.made.config.user.clone();
                self.step(format!("USER {value}"), true);
                self.statements.push(
                    Statement::new("USER", place)
                        .with("Arguments", value.as_str())
                        .with("User", value.as_str()),
                );
            }
            Instruction::Workdir(dir) => {
                let place = file.place(dir.workdir.span.start, "WORKDIR");
                let value = self.filled(dir.arguments.value.trim());
                self.made.config.working_dir = self.absolute(&value);
                let step = format!("WORKDIR {}", self.made.config.working_dir);
                self.step(step, true);
                self.statements.push(Statement::new("WORKDIR", place).with("Arguments", value));
            }
            Instruction::Expose(expose) => {
                let place = file.place(expose.expose.span.start, "EXPOSE");
                let mut statement = Statement::new("EXPOSE", place);
                for port in &expose.arguments {
                    let value = self.filled(&port.value);
                    for one in value.split_whitespace() {
                        let (number, protocol) = one.split_once('/').unwrap_or((one, "tcp"));
                        statement = statement.with("Port", number);
                        self.made
                            .config
                            .exposed_ports
                            .push(format!("{number}/{}", protocol.to_ascii_lowercase()));
                    }
                }
                self.statements.push(statement);
            }
            Instruction::Volume(volume) => {
                let list: Vec<String> = match &volume.arguments {
                    JsonOrStringArray::Json(list) => {
                        list.value.iter().map(|v| self.filled(&v.value)).collect()
                    }
                    JsonOrStringArray::String(list) => list.iter().map(|v| self.filled(&v.value)).collect(),
                };
                let place = file.place(volume.volume.span.start, "VOLUME");
                self.statements.push(Statement::new("VOLUME", place).with("Arguments", list.join(" ")));
                self.made.config.volumes.extend(list);
            }
            Instruction::Cmd(cmd) => {
                let place = file.place(cmd.cmd.span.start, "CMD");
                self.made.config.cmd = self.command(&cmd.arguments);
                self.cmd_written = true;
                note(self, "command", &place);
                let text = self.made.config.cmd.join(" ");
                self.step(format!("CMD {text}"), true);
                self.statements.push(
                    Statement::new("CMD", place).with("Arguments", text).with("Form", form(&cmd.arguments)),
                );
            }
            Instruction::Entrypoint(entry) => {
                let place = file.place(entry.entrypoint.span.start, "ENTRYPOINT");
                self.made.config.entrypoint = self.command(&entry.arguments);
                if !self.cmd_written {
                    self.made.config.cmd.clear();
                }
                note(self, "entrypoint", &place);
                let text = self.made.config.entrypoint.join(" ");
                self.step(format!("ENTRYPOINT {text}"), true);
                self.statements.push(
                    Statement::new("ENTRYPOINT", place)
                        .with("Arguments", text)
                        .with("Form", form(&entry.arguments)),
                );
            }
            Instruction::Healthcheck(check) => {
                let place = file.place(check.healthcheck.span.start, "HEALTHCHECK");
                let test = match &check.arguments {
                    HealthcheckArguments::Cmd { arguments: Command::Exec(words), .. } => {
                        let words = words.value.iter().map(|w| w.value.to_string());
                        std::iter::once("CMD".to_owned()).chain(words).collect()
                    }
                    HealthcheckArguments::Cmd { arguments: Command::Shell(text), .. } => {
                        vec!["CMD-SHELL".to_owned(), without_comments(text.value)]
                    }
                    _ => vec!["NONE".to_owned()],
                };
                self.statements
                    .push(Statement::new("HEALTHCHECK", place.clone()).with("Arguments", test.join(" ")));
                self.made.config.healthcheck = Some(Healthcheck { test });
                note(self, "healthcheck", &place);
            }
            Instruction::Shell(shell) => {
                self.made.config.shell = shell.arguments.iter().map(|w| w.value.to_string()).collect();
                let place = file.place(shell.shell.span.start, "SHELL");
                let text = self.made.config.shell.join(" ");
                self.statements.push(Statement::new("SHELL", place).with("Arguments", text));
            }
            Instruction::Stopsignal(signal) => {
                self.made.config.stop_signal = self.filled(&signal.arguments.value);
            }
            Instruction::Maintainer(who) => {
                self.made.config.author = who.name.value.to_string();
                let place = file.place(who.maintainer.span.start, "MAINTAINER");
                self.statements
                    .push(Statement::new("MAINTAINER", place).with("Arguments", who.name.value.as_ref()));
            }
            Instruction::Onbuild(trigger) => {
                let place = file.place(trigger.onbuild.span.start, "ONBUILD");
                let text = on_build(&trigger.instruction);
                self.statements.push(Statement::new("ONBUILD", place).with("Arguments", text.as_str()));
                self.made.config.on_build.push(text);
            }
            Instruction::Run(run) => {
                let place = file.place(run.run.span.start, "RUN");
                let mut text = run_text(&run.arguments, &run.here_docs);
                if let Some(documents) = file.documents(run.run.span.start) {
                    text = format!("{text}\n{}", documents.trim_end());
                }
                let mut statement = Statement::new("RUN", place)
                    .with("Arguments", text.as_str())
                    .with("Command", text.as_str())
                    .with("Form", form(&run.arguments))
                    .with(
                        "User",
                        if self.made.config.user.is_empty() { "root" } else { &self.made.config.user },
                    );
                for flag in &run.options {
                    statement = statement.with("Flag", flag_text(flag));
                }
                self.statements.push(statement);
                let step = match &run.arguments {
                    Command::Exec(_) => format!("RUN {text}"),
                    _ => format!("RUN {}/bin/sh -c {text} # buildkit", self.used_args(&text)),
                };
                self.step(step, false);
            }
            _ => {}
        }
    }

    /// Build arguments that a text uses, as builders write them into the history.
    fn used_args(&self, text: &str) -> String {
        let used: Vec<String> = self
            .args
            .iter()
            .filter(|(name, _)| text.contains(&format!("${name}")) || text.contains(&format!("${{{name}")))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if used.is_empty() { String::new() } else { format!("|{} {} ", used.len(), used.join(" ")) }
    }

    /// The words that the engine starts.
    fn command(&self, command: &Command<'_>) -> Vec<String> {
        match command {
            Command::Exec(words) => words.value.iter().map(|w| w.value.to_string()).collect(),
            Command::Shell(text) => {
                let mut words = self.made.config.shell.clone();
                if words.is_empty() {
                    words = vec!["/bin/sh".to_owned(), "-c".to_owned()];
                }
                words.push(without_comments(text.value));
                words
            }
            _ => Vec::new(),
        }
    }

    /// A path as the working directory has it.
    pub fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        let dir = self.made.config.working_dir.trim_end_matches('/');
        format!("{dir}/{}", path.strip_prefix("./").unwrap_or(path))
    }
}

fn form(command: &Command<'_>) -> &'static str {
    match command {
        Command::Exec(_) => "exec",
        _ => "shell",
    }
}

/// The text of a `RUN`: exec form as JSON, a here-document as what the shell gets.
fn run_text(command: &Command<'_>, documents: &[HereDoc<'_>]) -> String {
    let text = match command {
        Command::Exec(words) => {
            let words: Vec<&str> = words.value.iter().map(|w| w.value.as_ref()).collect();
            return serde_json::to_string(&words).unwrap_or_default();
        }
        Command::Shell(text) => text.value,
        _ => return String::new(),
    };
    let Some(first) = documents.first() else { return without_comments(text) };
    let head = text.split("<<").next().unwrap_or_default().trim();
    let body = first.value.as_ref();
    if head.is_empty() {
        // The document is the script; its first line may name another interpreter.
        return match body.strip_prefix("#!") {
            Some(rest) => {
                let interpreter = rest.lines().next().unwrap_or_default().trim();
                format!("{interpreter} <<'LAZARET_EOF'\n{body}\nLAZARET_EOF")
            }
            None => body.to_owned(),
        };
    }
    without_comments(text)
}

/// Lines that are comments go, continued lines become one, as the builder does before the shell
/// sees the text.
pub(super) fn without_comments(text: &str) -> String {
    if !text.contains('\n') {
        return text.trim().to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let bare = line.trim_start();
        if bare.starts_with('#') || bare.is_empty() {
            continue;
        }
        match line.trim_end().strip_suffix('\\') {
            Some(part) => out.push_str(part),
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out.trim().to_owned()
}

/// A trigger as the configuration keeps it.
fn on_build(instruction: &Instruction<'_>) -> String {
    match instruction {
        Instruction::Run(run) => format!("RUN {}", run_text(&run.arguments, &run.here_docs)),
        Instruction::Copy(copy) => format!("COPY {}", copy.dest.value),
        Instruction::Add(add) => format!("ADD {}", add.dest.value),
        Instruction::Env(env) => format!("ENV {}", env.arguments.value),
        Instruction::User(user) => format!("USER {}", user.arguments.value),
        Instruction::Workdir(dir) => format!("WORKDIR {}", dir.arguments.value),
        Instruction::Arg(arg) => format!("ARG {}", arg.arguments.value),
        _ => "another instruction".to_owned(),
    }
}
