//! One command: its assignments, its redirections, and who runs it.

use std::rc::Rc;

use lazaret_model::{BehaviourKind, FileOp};

use super::run::Done;
use super::state::{Shell, Variable};
use super::syntax::{Assign, Assigned, Redirect, RedirectOp, Simple};
use super::value::{Know, Value};
use super::world::{Hand, Input, Start, Status};

/// Where a command's input comes from and where its outputs go.
pub(super) struct Plan {
    pub input: Input,
    /// Files that its standard output is written to.
    pub targets: Vec<(Value, bool)>,
    /// Files that only its error output is written to.
    pub errors: Vec<(Value, bool)>,
}

impl Shell<'_> {
    pub(super) fn simple(&mut self, simple: &Simple, input: &Input, piped: bool) -> Done {
        let line = simple.line;
        if simple.words.is_empty() {
            let mut status = Status::True;
            for assign in &simple.assigns {
                status = self.assign(assign);
            }
            let plan = self.redirections(&simple.redirects, input, line);
            return self.finish_redirections(plan, Done::with(status), line);
        }
        let plain = simple.words.first().map(|w| w.raw.as_str()).unwrap_or_default();
        let declares = matches!(plain, "export" | "declare" | "typeset" | "local" | "readonly");
        if declares {
            let done = self.declare(plain, &simple.words[1..]);
            let plan = self.redirections(&simple.redirects, input, line);
            return self.finish_redirections(plan, done, line);
        }
        let argv = if plain == "[[" {
            // No splitting and no file names in `[[ … ]]`.
            simple.words.iter().map(|w| self.test_word(w)).collect()
        } else {
            self.fields_of(&simple.words)
        };
        // Variables in front of a command are for that command alone.
        let before = self.vars.clone();
        for assign in &simple.assigns {
            self.assign(assign);
            self.export(&assign.name);
        }
        let changed = !simple.assigns.is_empty();
        let plan = self.redirections(&simple.redirects, input, line);
        let done = match argv.first() {
            None => Done::with(Status::True),
            Some(_) => self.dispatch(argv, &plan, piped, line),
        };
        if changed {
            self.vars = before;
        }
        self.finish_redirections(plan, done, line)
    }

    fn dispatch(&mut self, argv: Vec<Value>, plan: &Plan, piped: bool, line: u32) -> Done {
        let name = argv[0].known().unwrap_or_default().to_owned();
        // A word in front that nothing sets is nothing: `$SUDO apt-get`.
        if argv[0].know == Know::Unset && argv.len() > 1 {
            return self.dispatch(argv[1..].to_vec(), plan, piped, line);
        }
        if let Some(body) = self.functions.get(&name).cloned() {
            return self.call(&name, &body, argv[1..].to_vec(), &plan.input, piped);
        }
        if let Some(done) = self.builtin(&name, &argv, plan, piped, line) {
            return done;
        }
        self.start(argv, &plan.input, piped, line)
    }

    /// Starts a program.
    pub(super) fn start(&mut self, argv: Vec<Value>, input: &Input, piped: bool, line: u32) -> Done {
        let guessed = argv.iter().any(|v| v.know == Know::Guess);
        let certainty = if guessed { lazaret_model::Certainty::May } else { self.certainty };
        let by = program_name(argv.first().map_or("", |v| v.text.as_str())).to_owned();
        let start = Start {
            argv,
            env: self.environment(),
            cwd: self.cwd.clone(),
            user: self.user.clone(),
            input: input.clone(),
            certainty,
            because: self.because(line),
            parent: Some(self.name.clone()),
            piped,
        };
        let ran = self.world.start(start);
        Done { out: ran.out, wrote: vec![by], ..Done::with(ran.status) }
    }

    /// Sets a variable; the answer is that of the substitution in it, if there is one.
    pub(super) fn assign(&mut self, assign: &Assign) -> Status {
        match &assign.value {
            Assigned::Array(words) => {
                let mut values = self.fields_of(words);
                if assign.append
                    && let Some(old) = self.get(&assign.name)
                {
                    let mut all = old.values.clone();
                    all.append(&mut values);
                    values = all;
                }
                self.put(&assign.name, Variable { values, array: true, exported: false });
                Status::True
            }
            Assigned::Word(word) => {
                let mut value = self.text_of(&word.raw, word.line);
                let status = if value.is_known() { Status::True } else { Status::Fine };
                if let Some(index) = &assign.index {
                    self.assign_element(assign, index, value, word.line);
                    return status;
                }
                if assign.append
                    && let Some(old) = self.get(&assign.name).and_then(|v| v.values.first()).cloned()
                {
                    let mut whole = old;
                    let most = self.world.longest();
                    let steps = (whole.text.len() as u64) >> 12;
                    let because = || self.site.at(word.line);
                    if self.world.spend(steps, &because) {
                        whole.push(&value, most);
                    }
                    value = whole;
                }
                self.set(&assign.name, value);
                status
            }
        }
    }

    fn assign_element(&mut self, assign: &Assign, index: &str, value: Value, line: u32) {
        let at = self.arithmetic(index, line).known().and_then(|n| n.parse::<usize>().ok());
        let mut values = self.get(&assign.name).map(|v| v.values.clone()).unwrap_or_default();
        match at {
            Some(at) if at < 4096 => {
                if values.len() <= at {
                    values.resize(at + 1, Value::empty());
                }
                values[at] = value;
            }
            // A name as index: the values are kept, their places are not.
            _ => values.push(value),
        }
        self.put(&assign.name, Variable { values, array: true, exported: false });
    }

    /// What a list of redirections means, `/dev/tcp` stated.
    pub(super) fn redirections(&mut self, redirects: &[Redirect], input: &Input, line: u32) -> Plan {
        let mut plan = Plan { input: input.clone(), targets: Vec::new(), errors: Vec::new() };
        for redirect in redirects {
            match redirect {
                Redirect::HereDoc { text, expand, line } => {
                    let value =
                        if *expand { self.here_document(text, *line) } else { Value::sure(text.clone()) };
                    plan.input = Input { value: Some(value), fed_by: Vec::new() };
                }
                Redirect::HereString(word) => {
                    let mut value = self.text_of(&word.raw, word.line);
                    value.text.push('\n');
                    plan.input = Input { value: Some(value), fed_by: Vec::new() };
                }
                Redirect::File { fd, op, target } => {
                    let path = self.text_of(&target.raw, target.line);
                    self.redirect_file(*fd, *op, path, &mut plan, line);
                }
            }
        }
        plan
    }

    fn redirect_file(&mut self, fd: Option<u32>, op: RedirectOp, path: Value, plan: &mut Plan, line: u32) {
        if let Some(rest) =
            path.text.strip_prefix("/dev/tcp/").or_else(|| path.text.strip_prefix("/dev/udp/"))
        {
            let (host, port) = rest.split_once('/').unwrap_or((rest, ""));
            let kind = BehaviourKind::Network {
                host: host.to_owned(),
                port: port.parse().ok(),
                url: Some(path.text.clone()),
                by: self.name.clone(),
            };
            let because = self.because(line);
            self.world.state(kind, self.certainty, because);
            if matches!(op, RedirectOp::Read | RedirectOp::ReadWrite) {
                let fetched = super::value::Fetched { url: path.text.clone(), by: vec![path.text.clone()] };
                let value =
                    Value { fetched: Some(Rc::new(fetched)), ..Value::unknown(format!("$(<{})", path.text)) };
                let feed = Input { value: Some(value), fed_by: vec![path.text.clone()] };
                if let Some(fd) = fd.filter(|fd| *fd > 2) {
                    self.descriptors.insert(fd, feed);
                    self.sockets.insert(fd, path.text.clone());
                } else {
                    plan.input = feed;
                }
            } else {
                // What is both written to and read from (`0>&1`) is one connection.
                self.sockets.insert(1, path.text.clone());
            }
            return;
        }
        match op {
            RedirectOp::Read | RedirectOp::ReadWrite
                if fd.unwrap_or(0) == 0 || op == RedirectOp::ReadWrite =>
            {
                let value = self
                    .content_of(&path, line)
                    .unwrap_or_else(|| Value::unknown(format!("$(<{})", path.text)));
                plan.input = Input { value: Some(value), fed_by: Vec::new() };
            }
            RedirectOp::Read | RedirectOp::ReadWrite => {}
            RedirectOp::Write | RedirectOp::Append => {
                let append = op == RedirectOp::Append;
                match fd {
                    Some(2) => plan.errors.push((path, append)),
                    None | Some(1) => plan.targets.push((path, append)),
                    Some(_) => plan.errors.push((path, append)),
                }
            }
            RedirectOp::Both { append } => plan.targets.push((path, append)),
            RedirectOp::Duplicate => {
                let number = path.text.trim_end_matches('-').parse::<u32>().ok();
                if let Some(feed) = number.and_then(|n| self.descriptors.get(&n)) {
                    plan.input = feed.clone();
                } else if let Some(socket) = number.and_then(|n| self.sockets.get(&n))
                    && fd.unwrap_or(1) == 0
                {
                    plan.input = Input { value: None, fed_by: vec![socket.clone()] };
                }
            }
        }
    }

    /// Writes what a command put out to where it goes.
    pub(super) fn finish_redirections(&mut self, plan: Plan, mut done: Done, line: u32) -> Done {
        self.sockets.remove(&1);
        let by = done.wrote.first().cloned().unwrap_or_else(|| self.name.clone());
        let because = self.because(line);
        let certainty = self.certainty;
        let to_file = !plan.targets.is_empty();
        for (path, append) in plan.targets {
            let hand = Hand { by: &by, certainty, because: &because };
            self.write(path, &done.out, append, hand);
        }
        for (path, append) in plan.errors {
            let hand = Hand { by: &by, certainty, because: &because };
            self.write(path, &Value::unknown(""), append, hand);
        }
        if to_file {
            done.out = Value::empty();
            done.wrote.clear();
        }
        done
    }

    fn write(&mut self, path: Value, content: &Value, append: bool, hand: Hand<'_>) {
        if matches!(
            path.text.as_str(),
            "/dev/null"
                | "/dev/stdout"
                | "/dev/stderr"
                | "/dev/tty"
                | "/dev/console"
                | "/dev/fd/1"
                | "/dev/fd/2"
        ) || path.text.starts_with(">(")
        {
            return;
        }
        let path = Value { text: self.absolute(&path.text), ..path };
        self.world.write(&path, content, append, hand);
    }

    /// States that a file is removed or changed by the shell itself.
    pub(super) fn touch(&mut self, op: FileOp, path: &Value, line: u32) {
        let kind =
            BehaviourKind::File { op, path: self.absolute(&path.text), content: None, by: self.name.clone() };
        let because = self.because(line);
        self.world.state(kind, self.certainty, because);
    }

    /// `read NAME…` as the condition of a loop: takes one line. None where the input is not known.
    pub(super) fn read_line(&mut self, simple: &Simple, feed: &mut Input) -> Option<Status> {
        let value = feed.value.as_ref()?;
        let text = value.known()?;
        let know = value.know;
        if text.is_empty() {
            return Some(if know == Know::Sure { Status::False } else { Status::PlainFalse });
        }
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let (first, rest) = (first.to_owned(), rest.to_owned());
        let fetched = value.fetched.clone();
        feed.value = Some(Value { text: rest, know, fetched: fetched.clone() });
        let mut words = Vec::new();
        let mut skip = false;
        for word in &simple.words[1..] {
            match word.raw.as_str() {
                "-d" | "-n" | "-p" | "-t" | "-u" | "-i" | "-N" => skip = true,
                raw if raw.starts_with('-') => {}
                _ if skip => skip = false,
                raw => words.push(raw.to_owned()),
            }
        }
        if words.is_empty() {
            words.push("REPLY".to_owned());
        }
        let mut rest = first.trim();
        let last = words.len() - 1;
        for (n, name) in words.iter().enumerate() {
            let (head, tail) = if n == last {
                (rest, "")
            } else {
                rest.split_once(char::is_whitespace).unwrap_or((rest, ""))
            };
            self.set(name, Value { text: head.to_owned(), know, fetched: fetched.clone() });
            rest = tail.trim_start();
        }
        Some(if know == Know::Sure { Status::True } else { Status::PlainTrue })
    }
}

/// The name of a program without its directory.
pub(crate) fn program_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
