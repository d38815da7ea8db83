//! Walks over a script: lists, pipelines, conditions, loops, functions.

use std::rc::Rc;

use lazaret_model::Certainty;

use super::parse;
use super::state::Shell;
use super::syntax::{Join, Node, Redirect, line_of};
use super::value::{Know, Value};
use super::world::{Input, Status};

/// Where the script goes on after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
    Return,
    Exit,
}

/// What came of a command.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub out: Value,
    /// Programs that wrote the output, nearest first.
    pub wrote: Vec<String>,
    pub status: Status,
    pub flow: Flow,
    /// Whether the flow is so in a plain launch only: what follows then may run in another.
    pub soft: bool,
}

impl Done {
    pub fn with(status: Status) -> Self {
        Self { out: Value::empty(), wrote: Vec::new(), status, flow: Flow::Next, soft: false }
    }

    pub fn fine() -> Self {
        Self::with(Status::Fine)
    }

    pub fn out(out: Value, by: &str) -> Self {
        Self { out, wrote: vec![by.to_owned()], ..Self::with(Status::True) }
    }

    pub fn flow(flow: Flow) -> Self {
        Self { flow, ..Self::with(Status::True) }
    }
}

impl Shell<'_> {
    /// Runs a whole script, and then, as possible, what it defines and never calls.
    pub fn run_script(&mut self, text: &str, input: &Input) -> Value {
        let done = self.run_text(text, 1, input, false);
        let mut idle: Vec<_> = self
            .functions
            .iter()
            .filter(|(name, _)| !self.called.contains(*name))
            .map(|(name, body)| (name.clone(), body.clone()))
            .collect();
        idle.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, body) in idle {
            // One of them may have called another in the meantime.
            if self.called.insert(name) {
                let before = self.before();
                self.args.clear();
                self.args_known = false;
                self.may(|shell| shell.exec(&body, input, false));
                self.back(before);
            }
        }
        done.out
    }

    /// Runs a text that stands at a line of this script.
    pub(super) fn run_text(&mut self, text: &str, line: u32, input: &Input, piped: bool) -> Done {
        let because = || self.site.at(line);
        if !self.world.enter(&because) {
            return Done { out: Value::unknown(""), ..Done::with(Status::Unknown) };
        }
        // Parsing is what costs most, and nested substitutions are parsed once for each level.
        let affordable = self.world.spend(1 + (text.len() as u64 >> 2), &because);
        let done = if affordable {
            let script = parse::parse(&readable(text), line);
            for (at, what) in &script.troubles {
                let because = self.because(*at);
                self.world.trouble(because, *what);
            }
            self.run(&script.body, input, piped)
        } else {
            Done { out: Value::unknown(""), ..Done::with(Status::Unknown) }
        };
        self.world.leave();
        done
    }

    /// Runs something that may not happen.
    pub(super) fn may<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.certainty, Certainty::May);
        let answer = what(self);
        self.certainty = before;
        answer
    }

    pub(super) fn run(&mut self, nodes: &[Node], input: &Input, piped: bool) -> Done {
        let certainty = self.certainty;
        let mut whole = Done::with(Status::True);
        let mut soft = None;
        for node in nodes {
            let done = self.exec(node, input, piped);
            self.gather(&mut whole, done.out, done.wrote);
            whole.status = done.status;
            match (done.flow, done.soft) {
                (Flow::Next, _) => {}
                (flow, true) => {
                    soft = Some(flow);
                    self.certainty = Certainty::May;
                }
                (flow, false) => {
                    whole.flow = flow;
                    whole.soft = soft.is_some();
                    self.certainty = certainty;
                    return whole;
                }
            }
        }
        self.certainty = certainty;
        if let Some(flow) = soft {
            whole.flow = flow;
            whole.soft = true;
        }
        whole
    }

    pub(super) fn gather(&mut self, whole: &mut Done, out: Value, wrote: Vec<String>) {
        if !out.text.is_empty() || !out.is_known() {
            let most = self.world.longest();
            whole.out.push(&out, most);
        } else if whole.out.fetched.is_none() {
            whole.out.fetched = out.fetched;
        }
        for name in wrote {
            if !whole.wrote.contains(&name) && whole.wrote.len() < 16 {
                whole.wrote.push(name);
            }
        }
    }

    pub(super) fn exec(&mut self, node: &Node, input: &Input, piped: bool) -> Done {
        let line = line_of(node);
        let because = || self.site.at(line);
        if !self.world.spend(1, &because) || !self.world.enter(&because) {
            return Done { out: Value::unknown(""), ..Done::with(Status::Unknown) };
        }
        let done = self.exec_inner(node, input, piped);
        self.world.leave();
        done
    }

    fn exec_inner(&mut self, node: &Node, input: &Input, piped: bool) -> Done {
        match node {
            Node::Simple(simple) => self.simple(simple, input, piped),
            Node::Pipeline(stages) => self.pipeline(stages, input, piped),
            Node::List(first, rest) => self.list(first, rest, input, piped),
            Node::Background(inner) => {
                let done = self.isolated(|shell| shell.exec(inner, input, false));
                Done { out: done.out, wrote: done.wrote, ..Done::with(Status::True) }
            }
            Node::Not(inner) => {
                let done = self.exec(inner, input, piped);
                Done { status: done.status.not(), ..done }
            }
            Node::Subshell(body) => {
                let done = self.isolated(|shell| shell.run(body, input, piped));
                Done { flow: Flow::Next, ..done }
            }
            Node::Group(body) => self.run(body, input, piped),
            Node::Loose(body) => {
                let mut whole = Done::with(Status::Unknown);
                for node in body {
                    let done = self.may(|shell| shell.exec(node, input, piped));
                    self.gather(&mut whole, done.out, done.wrote);
                }
                whole
            }
            Node::If(arms, otherwise) => self.condition(arms, otherwise, input, piped),
            Node::While(until, test, body) => self.repeat(*until, test, body, input, piped),
            Node::For(name, words, body) => self.each(name, words.as_deref(), body, input, piped),
            Node::Count(parts, body) => self.count(parts, body, input, piped),
            Node::Case(subject, arms) => self.case(subject, arms, input, piped),
            Node::Function(name, body) => {
                let old = self.functions.insert(name.clone(), body.clone());
                if !old.is_some_and(|old| Rc::ptr_eq(&old, body)) {
                    self.defined += 1;
                }
                Done::with(Status::True)
            }
            Node::Arithmetic(word) => {
                let value = self.arithmetic(&word.raw, word.line);
                let status = match (value.known(), value.know) {
                    (Some(text), Know::Sure) => Status::sure(text != "0"),
                    (Some(text), Know::Plain) => Status::plain(text != "0"),
                    _ => Status::Unknown,
                };
                Done::with(status)
            }
            Node::Redirected(body, redirects) => self.redirected(body, redirects, input, piped),
        }
    }

    /// Runs something whose changes to variables and directory nobody else sees.
    pub(super) fn isolated<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.before();
        // What leaves a loop in here leaves it out there for nobody.
        let frames = std::mem::take(&mut self.frames);
        let answer = what(self);
        self.frames = frames;
        self.back(before);
        answer
    }

    fn pipeline(&mut self, stages: &[Node], input: &Input, piped: bool) -> Done {
        let mut feed = input.clone();
        let mut last = Done::fine();
        for (n, stage) in stages.iter().enumerate() {
            let ends = n + 1 == stages.len();
            last = self.isolated(|shell| shell.exec(stage, &feed, piped || !ends));
            let mut fed_by = last.wrote.clone();
            for name in &feed.fed_by {
                if !fed_by.contains(name) {
                    fed_by.push(name.clone());
                }
            }
            if ends {
                last.wrote = fed_by;
                break;
            }
            let mut value = last.out.clone();
            // What came over the network still did after a filter that nobody can compute.
            if value.fetched.is_none() && !value.is_known() {
                value.fetched = feed.value.as_ref().and_then(|v| v.fetched.clone());
            }
            feed = Input { value: Some(value), fed_by };
        }
        if last.out.fetched.is_none() && !last.out.is_known() {
            last.out.fetched = feed.value.and_then(|v| v.fetched);
        }
        Done { flow: Flow::Next, ..last }
    }

    fn list(&mut self, first: &Node, rest: &[(Join, Node)], input: &Input, piped: bool) -> Done {
        let mut whole = self.exec(first, input, piped);
        let mut soft = whole.flow != Flow::Next && whole.soft;
        for (join, node) in rest {
            if whole.flow != Flow::Next && !soft {
                break;
            }
            enum Runs {
                Yes,
                May,
                Elsewhere,
                No,
            }
            let runs = match (join, whole.status) {
                (Join::And, Status::True | Status::PlainTrue | Status::Fine) => Runs::Yes,
                (Join::And, Status::False) | (Join::Or, Status::True) => Runs::No,
                (Join::And, Status::PlainFalse) | (Join::Or, Status::PlainTrue) => Runs::Elsewhere,
                (Join::Or, Status::False | Status::PlainFalse) => Runs::Yes,
                (Join::And, Status::Unknown) | (Join::Or, Status::Fine | Status::Unknown) => Runs::May,
            };
            let plain = matches!(whole.status, Status::PlainTrue | Status::PlainFalse);
            match runs {
                Runs::Yes => {
                    let done = self.exec(node, input, piped);
                    self.gather(&mut whole, done.out, done.wrote);
                    whole.status = done.status;
                    if done.flow != Flow::Next {
                        whole.flow = done.flow;
                        whole.soft = done.soft || plain;
                        soft = whole.soft;
                    }
                }
                Runs::May => {
                    let before = self.before();
                    let done = self.may(|shell| shell.exec(node, input, piped));
                    let after = self.take_back(before);
                    self.join_arms(vec![after], false);
                    self.gather(&mut whole, done.out.at_most(Know::Guess), done.wrote);
                    // After `a || b` it is most often as if `a` had been fine.
                    whole.status = if *join == Join::Or && whole.status == Status::Fine {
                        Status::Fine
                    } else {
                        Status::Unknown
                    };
                }
                Runs::Elsewhere => {
                    self.isolated(|shell| shell.may(|shell| shell.exec(node, input, piped)));
                }
                Runs::No => {}
            }
        }
        whole
    }

    fn redirected(&mut self, body: &Node, redirects: &[Redirect], input: &Input, piped: bool) -> Done {
        let line = line_of(body);
        let mut plan = self.redirections(redirects, input, line);
        // Further descriptors are open as long as the body runs.
        let opened: Vec<u32> = plan.read.iter().map(|(fd, _)| *fd).collect();
        self.descriptors.extend(plan.read.drain(..));
        for (fd, path, _) in &plan.opened {
            self.files.insert(*fd, path.clone());
        }
        let done = self.exec(body, &plan.input, piped);
        for fd in opened {
            self.descriptors.remove(&fd);
        }
        self.finish_redirections(plan, done, line)
    }

    /// Calls a function.
    pub(super) fn call(
        &mut self,
        name: &str,
        body: &Rc<Node>,
        args: Vec<Value>,
        input: &Input,
        piped: bool,
    ) -> Done {
        self.called.insert(name.to_owned());
        let args = std::mem::replace(&mut self.args, args);
        let known = std::mem::replace(&mut self.args_known, true);
        // A function that calls itself while nothing has changed would do so for ever.
        let mut calls = self.active.iter().filter(|(active, _)| Rc::ptr_eq(active, body)).peekable();
        let nested = calls.peek().is_some();
        let again = calls.any(|(_, stand)| stand.as_ref().is_some_and(|stand| self.is_as(stand)));
        let done = if again {
            Done { out: Value::unknown(""), ..Done::with(Status::Unknown) }
        } else {
            let stand = nested.then(|| self.stand());
            self.active.push((body.clone(), stand));
            self.open_frame(true);
            self.locals.push(Vec::new());
            let done = self.exec(body, input, piped);
            self.close_frame();
            for (name, old) in self.locals.pop().unwrap_or_default().into_iter().rev() {
                self.vars.set_back(name, old);
            }
            if let Some((_, Some(stand))) = self.active.pop() {
                self.stood_still(stand);
            }
            done
        };
        self.args = args;
        self.args_known = known;
        let flow = if done.flow == Flow::Exit { Flow::Exit } else { Flow::Next };
        Done { flow, ..done }
    }
}

/// A text as a shell reads it: without NUL bytes, which it drops, and with the line ends of other
/// systems as its own.
fn readable(text: &str) -> std::borrow::Cow<'_, str> {
    // A shell reads as it goes: packed data behind an `exit` is no part of the script.
    let packed = text.find(|c| c == '\0' || ('\u{10fe00}'..='\u{10feff}').contains(&c));
    let end = packed.and_then(|at| text[..at].rfind("\nexit"));
    let text = match end {
        Some(at) => {
            let line = text[at + 1..].find('\n').unwrap_or(text.len() - at - 1);
            &text[..at + 1 + line]
        }
        None => text,
    };
    if text.contains('\0') || text.contains("\r\n") {
        return text.replace('\0', "").replace("\r\n", "\n").into();
    }
    text.into()
}
