//! One command: its assignments, its redirections, and who runs it.

use std::rc::Rc;

use lazaret_model::{BehaviourKind, FileOp};

use super::run::Done;
use super::state::Shell;
use super::syntax::{Assign, Assigned, Redirect, RedirectOp, Simple, Word};
use super::value::{Know, Value};
use super::variables::{Shape, Variable};
use super::world::{Hand, Input, Start, Status};

/// Elements of one array that are kept.
const MOST_ELEMENTS: usize = 4096;

/// Where a command's input comes from and where its outputs go.
#[derive(Default)]
pub(super) struct Plan {
    pub input: Input,
    /// Files that its standard output is written to.
    pub targets: Vec<(Value, bool)>,
    /// Files that only its error output is written to.
    pub errors: Vec<(Value, bool)>,
    /// Further descriptors that are opened for writing, and their files.
    pub opened: Vec<(u32, Value, bool)>,
    /// Further descriptors that are opened for reading, and what is read there.
    pub read: Vec<(u32, Input)>,
    /// The descriptor that the input comes from, where the shell holds it open.
    pub descriptor: Option<u32>,
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
        let alternatives = self.vars.forks_in(simple.words.iter().map(|w| w.raw.as_str()));
        let done = self.simple_once(simple, plain, input, piped);
        // A variable of which an undecided condition left several values: each may be meant.
        if let Some(name) = alternatives
            && let Some(others) = self.get(&name).map(|v| v.others.clone())
        {
            for other in others {
                let because = || self.site.at(line);
                if !self.world.spend(1, &because) {
                    break;
                }
                let before = self.before();
                self.put(&name, (*other).clone());
                self.may(|shell| shell.simple_once(simple, plain, input, piped));
                self.back(before);
            }
        }
        done
    }

    fn simple_once(&mut self, simple: &Simple, plain: &str, input: &Input, piped: bool) -> Done {
        let line = simple.line;
        let argv = if plain == "[[" {
            // No splitting and no file names in `[[ … ]]`.
            simple.words.iter().map(|w| self.test_word(w)).collect()
        } else {
            let (first, rest) = simple.words.split_at(1);
            self.names_command = true;
            let mut argv = self.fields_of(first);
            self.names_command = false;
            argv.append(&mut self.fields_of(rest));
            argv
        };
        // Variables in front of a command are for that command alone.
        let mut saved = Vec::new();
        for assign in &simple.assigns {
            saved.push((Rc::from(assign.name.as_str()), self.get(&assign.name).cloned()));
            self.assign(assign);
            self.export(&assign.name);
        }
        let plan = self.redirections(&simple.redirects, input, line);
        let done = match argv.first() {
            None => Done::with(Status::True),
            Some(_) => self.dispatch(argv, &plan, piped, line),
        };
        for (name, old) in saved.into_iter().rev() {
            self.vars.set_back(name, old);
        }
        let done = self.finish_redirections(plan, done, line);
        if self.output.is_empty() || piped || done.out.text.is_empty() {
            return done;
        }
        // After `exec >file` all that the shell puts out goes there.
        let because = self.because(line);
        let by = done.wrote.first().cloned().unwrap_or_else(|| self.name.clone());
        for (path, _) in self.output.clone() {
            let hand = Hand { by: &by, certainty: self.certainty, because: &because };
            self.write(path, &done.out, true, hand, line);
        }
        Done { out: Value::empty(), wrote: Vec::new(), ..done }
    }

    fn dispatch(&mut self, argv: Vec<Value>, plan: &Plan, piped: bool, line: u32) -> Done {
        let name = argv[0].known().unwrap_or_default().to_owned();
        // A word in front that nothing sets is nothing: `$SUDO apt-get`.
        if argv[0].know == Know::Unset && argv.len() > 1 {
            return self.dispatch(argv[1..].to_vec(), plan, piped, line);
        }
        if let Some(text) = self.aliases.remove(&name) {
            let words: String = argv[1..].iter().map(|v| format!(" {}", quoted(v))).collect();
            let done = self.run_text(&format!("{text}{words}"), line, &plan.input, piped);
            self.aliases.insert(name, text);
            return done;
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
                self.assign_array(&assign.name, words, assign.append);
                Status::True
            }
            Assigned::Word(word) => {
                self.begin_sum(&assign.name, &word.raw);
                let mut value = self.text_of(&word.raw, word.line);
                let status = if value.is_known() { Status::True } else { Status::Fine };
                if let Some(index) = &assign.index {
                    self.assign_element(&assign.name, index, value, assign.append, word.line);
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
                self.tell_setting(&assign.name, &value.text, word.line);
                self.run_at_prompt(&assign.name, &value, word.line);
                self.set(&assign.name, value);
                status
            }
        }
    }

    /// `s=$s$x`, where nothing set `s` before: it begins as nothing in a plain launch, and the sum
    /// is known.
    fn begin_sum(&mut self, name: &str, raw: &str) {
        let mentions = |at: usize, width: usize| {
            let rest = raw.get(at + width..).unwrap_or_default();
            let own = rest.strip_prefix(name);
            own.is_some_and(|r| !r.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        };
        let sums = raw.match_indices('$').any(|(at, _)| mentions(at, 1) || mentions(at, 2));
        if sums && self.get(name).is_none() && self.named(name).know == Know::Unset {
            self.set(name, Value::plain(""));
        }
    }

    fn assign_array(&mut self, name: &str, words: &[Word], append: bool) {
        let old = self.get(self.meant(name)).cloned();
        let map = old.as_deref().is_some_and(|v| matches!(v.shape, Shape::Map(_)));
        let empty = Variable::list(Vec::new()).shaped(if map { Shape::Map(Vec::new()) } else { Shape::List });
        let mut variable = match old.filter(|_| append) {
            Some(old) => (*old).clone(),
            None => empty,
        };
        if variable.shape == Shape::One {
            variable.shape = Shape::List;
        }
        let keyed = |w: &Word| w.raw.starts_with('[') && w.raw.contains("]=");
        if !words.iter().any(keyed) {
            let mut values = self.fields_of(words);
            variable.values.append(&mut values);
            variable.values.truncate(MOST_ELEMENTS);
            self.put(name, variable);
            return;
        }
        self.put(name, variable);
        for word in words {
            let Some((index, value)) = word.raw.strip_prefix('[').and_then(|w| w.split_once("]=")) else {
                continue;
            };
            let value = self.text_of(value, word.line);
            self.assign_element(name, index, value, false, word.line);
        }
    }

    /// Sets one element, by its number or by its key.
    pub(super) fn assign_element(&mut self, name: &str, index: &str, value: Value, append: bool, line: u32) {
        let name = self.meant(name).to_owned();
        let mut variable = match self.get(&name) {
            Some(old) => (**old).clone(),
            None => Variable::list(Vec::new()),
        };
        let at = if let Shape::Map(keys) = &mut variable.shape {
            let key = self.text_of(index, line).text;
            keys.iter().position(|k| *k == key).unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            })
        } else {
            variable.shape = Shape::List;
            let number = self.arithmetic(index, line).known().and_then(|n| n.parse::<i64>().ok());
            match number {
                Some(n) if n < 0 => usize::try_from(n + variable.values.len() as i64).unwrap_or(usize::MAX),
                Some(n) => usize::try_from(n).unwrap_or(usize::MAX),
                // The value is kept, its place is not.
                None => variable.values.len(),
            }
        };
        let because = || self.site.at(line);
        if at >= MOST_ELEMENTS || !self.world.spend(variable.values.len() as u64 >> 6, &because) {
            return;
        }
        if variable.values.len() <= at {
            variable.values.resize(at + 1, Value::empty());
        }
        if append {
            let most = self.world.longest();
            variable.values[at].push(&value, most);
        } else {
            variable.values[at] = value;
        }
        self.put(&name, variable);
    }

    /// What a list of redirections means, `/dev/tcp` stated.
    pub(super) fn redirections(&mut self, redirects: &[Redirect], input: &Input, line: u32) -> Plan {
        let mut plan = Plan { input: input.clone(), ..Plan::default() };
        if input.value.is_none()
            && input.fed_by.is_empty()
            && let Some(own) = &self.stdin
        {
            plan.input = own.clone();
            plan.descriptor = Some(0);
        }
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
                    // What is written there is the input of the commands inside.
                    let path = if target.raw.starts_with(">(") {
                        Value::sure(target.raw.clone())
                    } else {
                        self.text_of(&target.raw, target.line)
                    };
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
                plan.input = Input { value: Some(value), fed_by: self.source_of(&path) };
            }
            RedirectOp::Read | RedirectOp::ReadWrite => {
                let value = self.content_of(&path, line);
                let feed = Input { value, fed_by: Vec::new() };
                plan.read.push((fd.unwrap_or(0), feed));
            }
            RedirectOp::Write | RedirectOp::Append => {
                let append = op == RedirectOp::Append;
                match fd {
                    Some(2) => plan.errors.push((path, append)),
                    None | Some(1) => plan.targets.push((path, append)),
                    Some(fd) => plan.opened.push((fd, path, append)),
                }
            }
            RedirectOp::Both { append } => plan.targets.push((path, append)),
            RedirectOp::Duplicate => {
                let number = path.text.trim_end_matches('-').parse::<u32>().ok();
                let writes = fd.unwrap_or(1) == 1;
                if writes && let Some(file) = number.and_then(|n| self.files.get(&n)) {
                    plan.targets.push((file.clone(), true));
                } else if let Some(feed) = number.and_then(|n| self.descriptors.get(&n)) {
                    plan.input = feed.clone();
                    plan.descriptor = number;
                } else if let Some(socket) = number.and_then(|n| self.sockets.get(&n))
                    && fd.unwrap_or(1) == 0
                {
                    plan.input = Input { value: None, fed_by: vec![socket.clone()] };
                }
            }
        }
    }

    /// What feeds a command whose input is a file: the file itself. A terminal, nothing, and what
    /// another command puts out are no files.
    fn source_of(&self, path: &Value) -> Vec<String> {
        let text = path.text.as_str();
        if text.is_empty() || text.starts_with(['<', '&']) || text.starts_with("/dev/") {
            return Vec::new();
        }
        vec![self.absolute(text)]
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
            self.write(path, &done.out, append, hand, line);
        }
        for (fd, path, append) in plan.opened {
            // What the shell itself opens is empty until something is written there.
            let own = self.files.get(&fd) == Some(&path);
            let content = if own { Value::empty() } else { Value::unknown("") };
            let hand = Hand { by: &by, certainty, because: &because };
            self.write(path, &content, append, hand, line);
        }
        for (path, append) in plan.errors {
            let hand = Hand { by: &by, certainty, because: &because };
            self.write(path, &Value::unknown(""), append, hand, line);
        }
        if to_file {
            done.out = Value::empty();
            done.wrote.clear();
        }
        done
    }

    pub(super) fn write(&mut self, path: Value, content: &Value, append: bool, hand: Hand<'_>, line: u32) {
        if let Some(inner) = path.text.strip_prefix(">(").and_then(|t| t.strip_suffix(')')) {
            let feed = Input { value: Some(content.clone()), fed_by: vec![hand.by.to_owned()] };
            let inner = inner.to_owned();
            self.isolated(|shell| shell.run_text(&inner, line, &feed, false));
            return;
        }
        if matches!(
            path.text.as_str(),
            "/dev/null"
                | "/dev/stdout"
                | "/dev/stderr"
                | "/dev/tty"
                | "/dev/console"
                | "/dev/fd/1"
                | "/dev/fd/2"
        ) {
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
}

/// A value as a word that a shell reads as that value.
fn quoted(value: &Value) -> String {
    if value.is_known() { format!("'{}'", value.text.replace('\'', "'\\''")) } else { value.text.clone() }
}

/// The name of a program without its directory.
pub(crate) fn program_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
