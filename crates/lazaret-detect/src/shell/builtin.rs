//! What the shell does itself.

use std::rc::Rc;

use lazaret_model::{BehaviourKind, FileOp};

use super::command::Plan;
use super::run::{Done, Flow};
use super::state::{Shell, Variable};
use super::syntax::Word;
use super::value::{Know, Value};
use super::world::{Held, Input, Status};
use super::{parse, test};

impl Shell<'_> {
    /// Runs a builtin; None where the name is none.
    pub(super) fn builtin(
        &mut self,
        name: &str,
        argv: &[Value],
        plan: &Plan,
        piped: bool,
        line: u32,
    ) -> Option<Done> {
        let args = &argv[1..];
        Some(match name {
            ":" | "true" => Done::with(Status::True),
            "false" => Done::with(Status::False),
            "[" | "[[" | "test" => Done::with(test::evaluate(self, argv)),
            "cd" | "pushd" => self.change_directory(args),
            "pwd" => Done::out(Value::plain(format!("{}\n", self.cwd)), name),
            "unset" => {
                for value in args {
                    match value.known() {
                        Some("-f" | "-v") => {}
                        Some("HISTFILE") => self.touch(FileOp::Delete, &Value::sure("$HISTFILE"), line),
                        Some(name) => {
                            let name = name.to_owned();
                            self.unset(&name);
                        }
                        None => {}
                    }
                }
                Done::with(Status::True)
            }
            "set" => self.set_options(args),
            "shift" => {
                let count = args.first().and_then(Value::known).and_then(|n| n.parse().ok()).unwrap_or(1);
                let count = self.args.len().min(count);
                self.args.drain(..count);
                Done::with(Status::True)
            }
            "eval" => self.eval(args, plan, piped, line),
            "." | "source" => self.source(args, plan, piped, line),
            "exec" => self.replace(argv, plan, piped, line),
            "command" | "builtin" => return self.command(args, plan, piped, line),
            "exit" => Done { status: exit_status(args), ..Done::flow(Flow::Exit) },
            "return" => Done { status: exit_status(args), ..Done::flow(Flow::Return) },
            "break" => Done::flow(Flow::Break),
            "continue" => Done::flow(Flow::Continue),
            "trap" => {
                if let Some(text) = args.first().and_then(Value::known)
                    && args.len() > 1
                    && text != "-"
                {
                    let text = text.to_owned();
                    self.isolated(|shell| {
                        shell.may(|shell| shell.run_text(&text, line, &Input::default(), false))
                    });
                }
                Done::with(Status::True)
            }
            "read" => self.read(args, &plan.input, argv),
            "let" => {
                for value in args {
                    if let Some((name, expression)) = value.text.split_once('=') {
                        let value = self.arithmetic(expression, line);
                        self.set(name.trim_end_matches(['+', '-', '*', '/']), value);
                    }
                }
                Done::with(Status::Unknown)
            }
            "type" | "hash" | "which" => {
                let search = self.search();
                let found = args.iter().rev().find(|a| !a.text.starts_with('-')).map(|a| {
                    let own = a.known().is_some_and(|n| self.functions.contains_key(n));
                    (own, self.world.finds(&a.text, &search, &self.cwd))
                });
                match found {
                    Some((true, _)) => Done::with(Status::True),
                    Some((_, Some(path))) => Done {
                        status: Status::PlainTrue,
                        ..Done::out(Value::plain(format!("{path}\n")), name)
                    },
                    // Something may install it before.
                    _ => Done::with(Status::Unknown),
                }
            }
            "getopts" => Done::with(Status::Unknown),
            "wait" | "jobs" | "bg" | "fg" | "umask" | "shopt" | "enable" | "bind" | "times" | "disown"
            | "popd" | "dirs" | "alias" | "unalias" | "complete" | "compgen" | "compopt" | "suspend"
            | "logout" | "caller" | "help" => Done::fine(),
            "mapfile" | "readarray" => {
                let name = args.iter().rev().find(|a| !a.text.starts_with('-')).map(|a| a.text.clone());
                let name = name.unwrap_or_else(|| "MAPFILE".to_owned());
                let values = match plan.input.value.as_ref() {
                    Some(value) if value.is_known() => {
                        value.text.lines().map(|l| Value { text: l.to_owned(), ..value.clone() }).collect()
                    }
                    _ => vec![Value::unknown(format!("${{{name}[@]}}"))],
                };
                self.put(&name, Variable { values, array: true, exported: false });
                Done::fine()
            }
            _ => return None,
        })
    }

    fn change_directory(&mut self, args: &[Value]) -> Done {
        let target = args.iter().find(|a| !matches!(a.text.as_str(), "-P" | "-L" | "--"));
        match target {
            None => "/root".clone_into(&mut self.cwd),
            Some(value) if value.text == "-" => {}
            Some(value) => {
                let path = self.absolute(&value.text);
                let parts = lazaret_model::EntryPath::clean(path.as_bytes());
                self.cwd = if path.starts_with('$') { path } else { parts.to_string() };
            }
        }
        Done::fine()
    }

    fn set_options(&mut self, args: &[Value]) -> Done {
        let mut at = 0;
        while let Some(value) = args.get(at) {
            match value.known() {
                Some("--") => {
                    self.args = args[at + 1..].to_vec();
                    self.args_known = true;
                    return Done::with(Status::True);
                }
                Some("-o" | "+o") => at += 2,
                Some(text) if text.starts_with(['-', '+']) && text.len() > 1 => {
                    // `-eo pipefail`
                    at += if text.starts_with('-') && text.ends_with('o') { 2 } else { 1 };
                }
                _ => break,
            }
        }
        if at < args.len() {
            self.args = args[at..].to_vec();
            self.args_known = true;
        }
        Done::with(Status::True)
    }

    fn eval(&mut self, args: &[Value], plan: &Plan, piped: bool, line: u32) -> Done {
        let mut text = Value::empty();
        let most = self.world.longest();
        for (n, value) in args.iter().enumerate() {
            if n > 0 {
                text.push(&Value::sure(" "), most);
            }
            text.push(value, most);
        }
        self.run_value(&text, "eval", plan, piped, line)
    }

    /// Runs a value as a script: as it stands where it is known, and where it is not, as a
    /// process that says so.
    fn run_value(&mut self, text: &Value, by: &str, plan: &Plan, piped: bool, line: u32) -> Done {
        if let Some(fetched) = &text.fetched {
            let kind = BehaviourKind::Process {
                argv: vec![by.to_owned(), text.text.clone()],
                image: None,
                parent: Some(self.name.clone()),
                fed_by: fetched.by.clone(),
                stdin: None,
                downloaded: Some(fetched.url.clone()),
            };
            let because = self.because(line);
            self.world.state(kind, self.certainty, because);
            return Done::with(Status::Unknown);
        }
        // What is unknown in it stays `$name` in the text, and is read so.
        if text.is_known() || !text.text.trim_start().starts_with('$') {
            let source = text.text.clone();
            let guess = text.know == Know::Guess;
            return if guess {
                self.may(|shell| shell.run_text(&source, line, &plan.input, piped))
            } else {
                self.run_text(&source, line, &plan.input, piped)
            };
        }
        Done { out: Value::unknown(text.text.clone()), ..Done::with(Status::Unknown) }
    }

    fn source(&mut self, args: &[Value], plan: &Plan, piped: bool, line: u32) -> Done {
        let Some(path) = args.first() else { return Done::with(Status::False) };
        let because = self.because(line);
        let file = match path.known() {
            Some(name) if !name.contains('/') => {
                let here = self.absolute(name);
                match self.world.stat(&here) {
                    Held::Absent => {
                        let search = self.search();
                        self.world.finds(name, &search, &self.cwd).unwrap_or(here)
                    }
                    _ => here,
                }
            }
            Some("/dev/stdin") => {
                let value = plan.input.value.clone().unwrap_or_else(|| Value::unknown("$(</dev/stdin)"));
                return self.run_value(&value, "source", plan, piped, line);
            }
            Some(name) => self.absolute(name),
            None => {
                if let Some(fetched) = path.fetched.clone() {
                    let value = Value { fetched: Some(fetched), ..path.clone() };
                    return self.run_value(&value, "source", plan, piped, line);
                }
                return Done::with(Status::Unknown);
            }
        };
        let held = self.world.read(&file, &because, self.certainty);
        match held {
            Held::Text(text) => {
                if text.fetched.is_some() || file.starts_with('<') {
                    return self.run_value(&text, "source", plan, piped, line);
                }
                let own = (args.len() > 1).then(|| args[1..].to_vec());
                let args = own.map(|args| std::mem::replace(&mut self.args, args));
                let site = super::world::Site::file(self.world.chain(&file, &because));
                let site = std::mem::replace(&mut self.site, site);
                let done = self.run_text(&text.text, 1, &plan.input, piped);
                self.site = site;
                if let Some(args) = args {
                    self.args = args;
                }
                let flow = if done.flow == Flow::Exit { Flow::Exit } else { Flow::Next };
                Done { flow, ..done }
            }
            Held::Opaque(Some(fetched)) => {
                let value = Value { fetched: Some(fetched), ..Value::unknown(format!("$(<{file})")) };
                self.run_value(&value, "source", plan, piped, line)
            }
            _ => Done::with(Status::Unknown),
        }
    }

    /// `exec`: the program takes the shell's place.
    fn replace(&mut self, argv: &[Value], plan: &Plan, piped: bool, line: u32) -> Done {
        let mut rest = &argv[1..];
        while let Some(value) = rest.first() {
            match value.known() {
                Some("-a") => rest = rest.get(2..).unwrap_or_default(),
                Some("-l" | "-c" | "--" | "-lc" | "-cl") => rest = &rest[1..],
                _ => break,
            }
        }
        if rest.is_empty() {
            // Redirections of the shell itself; its own output goes to the file from now on,
            // and is not followed there.
            return Done::with(Status::True);
        }
        let done = self.start(rest.to_vec(), &plan.input, piped, line);
        Done { flow: Flow::Exit, ..done }
    }

    fn command(&mut self, args: &[Value], plan: &Plan, piped: bool, line: u32) -> Option<Done> {
        match args.first().and_then(Value::known) {
            Some("-v" | "-V") => {
                let rest: Vec<Value> =
                    [Value::sure("type")].into_iter().chain(args[1..].iter().cloned()).collect();
                self.builtin("type", &rest, plan, piped, line)
            }
            Some("-p" | "--") => self.command(&args[1..], plan, piped, line),
            Some(name) => {
                let name = name.to_owned();
                let own = self.builtin(&name, args, plan, piped, line);
                Some(own.unwrap_or_else(|| self.start(args.to_vec(), &plan.input, piped, line)))
            }
            None if args.is_empty() => Some(Done::with(Status::True)),
            None => Some(self.start(args.to_vec(), &plan.input, piped, line)),
        }
    }

    fn read(&mut self, args: &[Value], input: &Input, argv: &[Value]) -> Done {
        let words = argv.iter().map(|v| Word { raw: v.text.clone(), line: 1 }).collect();
        let simple = super::syntax::Simple { words, ..Default::default() };
        let mut feed = input.clone();
        if let Some(status) = self.read_line(&simple, &mut feed) {
            return Done::with(status);
        }
        for value in args.iter().filter(|a| !a.text.starts_with('-')) {
            if let Some(name) = value.known() {
                let name = name.to_owned();
                let fetched = input.value.as_ref().and_then(|v| v.fetched.clone());
                self.set(&name, Value { fetched, ..Value::unknown(format!("${name}")) });
            }
        }
        Done::with(Status::Unknown)
    }

    /// `export`, `declare`, `local`, `readonly`, `typeset`.
    pub(super) fn declare(&mut self, kind: &str, words: &[Word]) -> Done {
        let mut exported = kind == "export";
        let mut array = false;
        for word in words {
            if let Some(assign) = parse::assignment(&word.raw, word.line) {
                self.keep_local(kind, &assign.name);
                self.assign(&assign);
                if exported {
                    self.export(&assign.name);
                }
                continue;
            }
            let value = self.text_of(&word.raw, word.line);
            let Some(text) = value.known().map(str::to_owned) else { continue };
            match text.as_str() {
                "-x" => exported = true,
                "-a" | "-A" | "-ga" | "-gA" => array = true,
                "-n" | "-f" if kind == "export" => exported = false,
                text if text.starts_with('-') => exported |= kind != "export" && text.contains('x'),
                text => {
                    // `export "$name=$value"`
                    let (name, value) = match text.split_once('=') {
                        Some((name, text)) => {
                            let value = Value { text: text.to_owned(), ..value.clone() };
                            (name.to_owned(), Some(value))
                        }
                        None => (text.to_owned(), None),
                    };
                    self.keep_local(kind, &name);
                    match value {
                        Some(value) => self.set(&name, value),
                        None if array || kind == "local" => {
                            let values = if array { Vec::new() } else { vec![Value::empty()] };
                            if self.get(&name).is_none() || kind == "local" {
                                self.put(&name, Variable { values, array, exported: false });
                            }
                        }
                        None => {}
                    }
                    if exported {
                        self.export(&name);
                    }
                }
            }
        }
        Done::with(Status::True)
    }

    fn keep_local(&mut self, kind: &str, name: &str) {
        if !matches!(kind, "local" | "declare" | "typeset") {
            return;
        }
        let old = self.vars.get(name).cloned();
        if let Some(frame) = self.locals.last_mut()
            && !frame.iter().any(|(n, _)| &**n == name)
        {
            frame.push((Rc::from(name), old));
        }
    }
}

fn exit_status(args: &[Value]) -> Status {
    match args.first().and_then(Value::known) {
        None | Some("0") => Status::True,
        Some(_) => Status::False,
    }
}
