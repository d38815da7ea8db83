//! What the shell does itself.

use std::rc::Rc;

use lazaret_model::{BehaviourKind, FileOp};

use super::command::Plan;
use super::run::{Done, Flow};
use super::state::Shell;
use super::syntax::Word;
use super::value::{Know, Value};
use super::variables::{Shape, Turn, Variable};
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
        self.tell_builtin(name, argv, line);
        Some(match name {
            ":" | "true" => Done::with(Status::True),
            "false" => Done::with(Status::False),
            "[" | "[[" | "test" => Done::with(test::evaluate(self, argv)),
            "cd" => self.change_directory(args),
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
            "read" => self.read(args, plan),
            "let" => {
                let mut status = Status::Unknown;
                for value in args {
                    let value = self.arithmetic(&value.text, line);
                    status = match value.known() {
                        Some(number) => Status::plain(number != "0"),
                        None => Status::Unknown,
                    };
                }
                Done::with(status)
            }
            "printf" if args.first().is_some_and(|v| v.text == "-v") && args.len() > 2 => {
                let name = args[1].text.clone();
                let words = [argv[0].clone()].into_iter().chain(args[2..].iter().cloned()).collect();
                let done = self.start(words, &plan.input, false, line);
                let assign = format!("{name}=");
                match parse::assignment(&assign, line).and_then(|a| a.index.map(|i| (a.name, i))) {
                    Some((name, index)) => self.assign_element(&name, &index, done.out, false, line),
                    None => self.set(&name, done.out),
                }
                Done::with(Status::True)
            }
            "alias" => {
                for (name, text) in args.iter().filter_map(|v| v.known()?.split_once('=')) {
                    self.aliases.insert(name.to_owned(), text.to_owned());
                }
                Done::with(Status::True)
            }
            "unalias" => {
                for name in args.iter().filter_map(Value::known) {
                    if name == "-a" {
                        self.aliases.clear();
                    }
                    self.aliases.remove(name);
                }
                Done::with(Status::True)
            }
            "getopts" => self.options(args),
            "pushd" => {
                self.directories.push(self.cwd.clone());
                self.change_directory(args)
            }
            "popd" => {
                if let Some(dir) = self.directories.pop() {
                    self.cwd = dir;
                }
                Done::fine()
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
            "wait" | "jobs" | "bg" | "fg" | "umask" | "shopt" | "enable" | "bind" | "times" | "disown"
            | "dirs" | "complete" | "compgen" | "compopt" | "suspend" | "logout" | "caller" | "help" => {
                Done::fine()
            }
            "mapfile" | "readarray" => self.map_file(args, plan),
            _ => return None,
        })
    }

    fn change_directory(&mut self, args: &[Value]) -> Done {
        let target = args.iter().find(|a| !matches!(a.text.as_str(), "-P" | "-L" | "-e" | "-@" | "--"));
        let old = self.cwd.clone();
        match target {
            None => {
                let home = self.get("HOME").and_then(|v| v.values.first()).and_then(Value::known);
                self.cwd = home.unwrap_or("/root").to_owned();
            }
            Some(value) if value.text == "-" => {
                if let Some(before) = self.get("OLDPWD").and_then(|v| v.values.first()).and_then(Value::known)
                {
                    self.cwd = before.to_owned();
                }
            }
            Some(value) => {
                let path = self.absolute(&value.text);
                let parts = lazaret_model::EntryPath::clean(path.as_bytes());
                self.cwd = if path.starts_with('$') { path } else { parts.to_string() };
            }
        }
        self.set("OLDPWD", Value::plain(old));
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

    /// `PROMPT_COMMAND=…` runs before each prompt, if a person gets one.
    pub(super) fn run_at_prompt(&mut self, name: &str, value: &Value, line: u32) {
        if name != "PROMPT_COMMAND" || value.fetched.is_some() {
            return;
        }
        if let Some(text) = value.known().map(str::to_owned) {
            self.isolated(|shell| shell.may(|shell| shell.run_text(&text, line, &Input::default(), false)));
        }
    }

    /// Reads a file before the script itself, as `BASH_ENV` asks for.
    pub fn run_hook(&mut self, path: &str) {
        self.source(&[Value::plain(path)], &Plan::default(), false, 1);
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
            self.redirect_itself(plan);
            return Done::with(Status::True);
        }
        let done = self.start(rest.to_vec(), &plan.input, piped, line);
        Done { flow: Flow::Exit, ..done }
    }

    /// `exec` with redirections alone: they hold for all that comes.
    fn redirect_itself(&mut self, plan: &Plan) {
        for (fd, feed) in &plan.read {
            self.descriptors.insert(*fd, feed.clone());
        }
        for (fd, path, _) in &plan.opened {
            self.files.insert(*fd, path.clone());
        }
        if plan.input.value.is_some() || !plan.input.fed_by.is_empty() {
            self.stdin = Some(plan.input.clone());
        }
        if !plan.targets.is_empty() {
            // They are emptied when they are opened, which the caller states.
            self.output.clone_from(&plan.targets);
        }
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

    /// `export`, `declare`, `local`, `readonly`, `typeset`.
    pub(super) fn declare(&mut self, kind: &str, words: &[Word]) -> Done {
        let mut exported = kind == "export";
        let mut shape = Shape::One;
        let mut turn = Turn::None;
        let mut global = false;
        for word in words {
            if let Some(assign) = parse::assignment(&word.raw, word.line) {
                if !global {
                    self.keep_local(kind, &assign.name);
                }
                self.shape(&assign.name, &shape, turn);
                self.assign(&assign);
                if exported {
                    self.export(&assign.name);
                }
                continue;
            }
            let value = self.text_of(&word.raw, word.line);
            let Some(text) = value.known().map(str::to_owned) else { continue };
            if let Some(flags) = text.strip_prefix('-').filter(|_| kind != "export" || text.len() > 1) {
                for flag in flags.chars() {
                    match flag {
                        'x' => exported = true,
                        'a' => shape = Shape::List,
                        'A' => shape = Shape::Map(Vec::new()),
                        'g' => global = true,
                        'u' => turn = Turn::Upper,
                        'l' => turn = Turn::Lower,
                        'i' => turn = Turn::Integer,
                        'n' if kind == "export" => exported = false,
                        'n' => turn = Turn::Reference,
                        'f' if kind == "export" => exported = false,
                        _ => {}
                    }
                }
                continue;
            }
            // `export "$name=$value"`
            let (name, value) = match text.split_once('=') {
                Some((name, text)) => {
                    let value = Value { text: text.to_owned(), ..value.clone() };
                    (name.to_owned(), Some(value))
                }
                None => (text.clone(), None),
            };
            if !global {
                self.keep_local(kind, &name);
            }
            if value.is_none() && kind == "local" {
                self.put(&name, Variable::one(Value::empty()));
            }
            self.shape(&name, &shape, turn);
            if let Some(value) = value {
                self.set(&name, value);
            }
            if exported {
                self.export(&name);
            }
        }
        Done::with(Status::True)
    }

    /// Gives a variable the shape that a declaration asks for.
    fn shape(&mut self, name: &str, shape: &Shape, turn: Turn) {
        if *shape == Shape::One && turn == Turn::None {
            return;
        }
        let old = self.get(name).cloned();
        let variable = match old {
            Some(old) => {
                let kept = *shape == Shape::One || old.is_array();
                let shape = if kept { old.shape.clone() } else { shape.clone() };
                Variable { turn, shape, ..(*old).clone() }
            }
            None if *shape == Shape::One => Variable { turn, ..Variable::one(Value::empty()) },
            None => Variable { turn, ..Variable::list(Vec::new()).shaped(shape.clone()) },
        };
        self.put(name, variable);
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
