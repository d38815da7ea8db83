//! Walks over a script: lists, pipelines, conditions, loops, functions.

use std::rc::Rc;

use lazaret_model::Certainty;

use super::parse;
use super::pattern;
use super::state::{Shell, Snapshot};
use super::syntax::{CaseArm, Join, Node, Redirect, Word};
use super::value::{Know, Value};
use super::world::{Input, Status, Trouble};

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
                let vars = self.vars.clone();
                self.args.clear();
                self.args_known = false;
                self.may(|shell| shell.exec(&body, input, false));
                self.vars = vars;
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
            let mut script = parse::parse(text, line);
            for (at, what) in std::mem::take(&mut script.troubles) {
                let because = self.because(at);
                self.world.trouble(because, what);
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

    fn gather(&mut self, whole: &mut Done, out: Value, wrote: Vec<String>) {
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
            Node::Repeat(body) => {
                let done = self.run(body, input, piped);
                Done { flow: leaves_loop(done.flow), ..done }
            }
            Node::Case(subject, arms) => self.case(subject, arms, input, piped),
            Node::Function(name, body) => {
                self.functions.insert(name.clone(), body.clone());
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
        let (vars, cwd, args) = (self.vars.clone(), self.cwd.clone(), self.args.clone());
        let answer = what(self);
        self.vars = vars;
        self.cwd = cwd;
        self.args = args;
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
                    let before = self.snapshot();
                    let done = self.may(|shell| shell.exec(node, input, piped));
                    let after = self.snapshot();
                    self.join_arms(before, vec![after], false);
                    self.gather(&mut whole, done.out.at_most(Know::Guess), done.wrote);
                    // After `a || b` it is most often as if `a` had been fine.
                    whole.status = if *join == Join::Or && whole.status == Status::Fine {
                        Status::Fine
                    } else {
                        Status::Unknown
                    };
                }
                Runs::Elsewhere => {
                    let before = self.snapshot();
                    self.may(|shell| shell.exec(node, input, piped));
                    self.restore(before);
                }
                Runs::No => {}
            }
        }
        whole
    }

    fn condition(
        &mut self,
        arms: &[(Vec<Node>, Vec<Node>)],
        otherwise: &[Node],
        input: &Input,
        piped: bool,
    ) -> Done {
        let mut branches = Branches::new(self.certainty);
        for (test, body) in arms {
            if branches.over {
                break;
            }
            let asked = self.at(branches.rest, |shell| shell.run(test, input, false));
            // A program as a condition is a question, whatever it answers.
            let status = match asked.status {
                Status::Fine => Status::Unknown,
                status => status,
            };
            self.branch(&mut branches, status, body, input, piped);
        }
        if !branches.over {
            self.branch(&mut branches, Status::True, otherwise, input, piped);
        }
        self.end_branches(branches)
    }

    fn at<T>(&mut self, certainty: Certainty, what: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.certainty, certainty);
        let answer = what(self);
        self.certainty = before;
        answer
    }

    /// Runs one arm as its condition allows.
    fn branch(&mut self, all: &mut Branches, status: Status, body: &[Node], input: &Input, piped: bool) {
        let before = self.snapshot();
        match status {
            Status::False => return,
            Status::PlainFalse => {
                // Not in a plain launch; what it changes stays in that other launch.
                self.may(|shell| shell.run(body, input, piped));
                self.restore(before);
                return;
            }
            _ => {}
        }
        let undecided = matches!(status, Status::Unknown | Status::Fine);
        let certainty = if undecided { Certainty::May } else { all.rest };
        let done = self.at(certainty, |shell| shell.run(body, input, piped));
        let elsewhere = all.decided;
        if elsewhere {
            self.restore(before);
            return;
        }
        self.gather(&mut all.whole, done.out, done.wrote);
        if done.flow == Flow::Next || done.soft {
            all.ends.push(self.snapshot());
        }
        all.flows.push((done.flow, done.soft));
        self.restore(before);
        if undecided {
            all.rest = Certainty::May;
            all.undecided = true;
        } else {
            // Decided: the arms after this one run in another launch, or never.
            all.soft |= status == Status::PlainTrue;
            all.decided = true;
            all.rest = Certainty::May;
            all.over = status == Status::True;
        }
    }

    fn end_branches(&mut self, all: Branches) -> Done {
        let mut whole = all.whole;
        let complete = all.decided;
        whole.status = Status::Fine;
        if all.undecided {
            let before = self.snapshot();
            self.join_arms(before, all.ends, complete);
            let every = complete && all.flows.iter().all(|(flow, _)| *flow != Flow::Next);
            if let (true, Some(&(flow, _))) = (every, all.flows.last()) {
                whole.flow = flow;
                whole.soft = all.soft || all.flows.iter().any(|(_, soft)| *soft);
            }
            whole.out = whole.out.at_most(Know::Guess);
            return whole;
        }
        if let Some(end) = all.ends.into_iter().next_back() {
            self.restore(end);
        }
        if let Some(&(flow, soft)) = all.flows.last() {
            whole.flow = flow;
            whole.soft = soft || all.soft;
        }
        whole
    }

    fn repeat(&mut self, until: bool, test: &[Node], body: &[Node], input: &Input, piped: bool) -> Done {
        let rounds = self.world.rounds();
        let mut whole = Done::fine();
        let mut feed = input.clone();
        // What a loop's `read` takes line by line is not the body's to read.
        let reads = matches!(test, [.., Node::Simple(s)] if s.words.first().is_some_and(|w| w.raw == "read"));
        let inner = if reads { Input::default() } else { input.clone() };
        for round in 0..rounds {
            let asked = self.run_test(test, &mut feed);
            let status = if until { asked.not() } else { asked };
            match status {
                Status::False => break,
                Status::PlainFalse => {
                    if round == 0 {
                        self.isolated(|shell| shell.may(|shell| shell.run(body, &inner, piped)));
                    }
                    break;
                }
                Status::Unknown | Status::Fine => {
                    let before = self.snapshot();
                    let done = self.may(|shell| shell.run(body, &inner, piped));
                    let after = self.snapshot();
                    self.join_arms(before, vec![after], false);
                    self.gather(&mut whole, done.out.at_most(Know::Guess), done.wrote);
                    break;
                }
                Status::True | Status::PlainTrue => {
                    let endless = is_endless(test);
                    let done = self.run(body, &inner, piped);
                    self.gather(&mut whole, done.out, done.wrote);
                    match done.flow {
                        Flow::Break if !done.soft => return whole,
                        Flow::Return | Flow::Exit if !done.soft => {
                            whole.flow = done.flow;
                            return whole;
                        }
                        _ => {}
                    }
                    if endless {
                        // The same again for ever: one round says it all. What follows runs only
                        // if something in the body ends the loop.
                        if !body.iter().any(breaks) {
                            whole.flow = Flow::Exit;
                            whole.soft = true;
                        }
                        break;
                    }
                }
            }
        }
        whole
    }

    /// The condition of a loop; `read` takes a line from the input.
    fn run_test(&mut self, test: &[Node], feed: &mut Input) -> Status {
        if let [.., Node::Simple(simple)] = test
            && simple.words.first().is_some_and(|w| w.raw == "read")
        {
            let answer = self.read_line(simple, feed);
            if let Some(answer) = answer {
                return answer;
            }
        }
        self.run(test, feed, false).status
    }

    fn each(
        &mut self,
        name: &str,
        words: Option<&[Word]>,
        body: &[Node],
        input: &Input,
        piped: bool,
    ) -> Done {
        let values = match words {
            Some(words) => self.fields_of(words),
            None => self.args.clone(),
        };
        let mut whole = Done::fine();
        let rounds = self.world.rounds();
        if values.len() > rounds {
            let because = self.because(words.and_then(|w| w.first()).map_or(1, |w| w.line));
            self.world.trouble(because, Trouble::Rounds);
        }
        for value in values.into_iter().take(rounds) {
            let listless = !value.is_known() || value.text.contains(['*', '?']);
            let before = self.snapshot();
            self.set(name, value);
            let done = if listless {
                self.may(|shell| shell.run(body, input, piped))
            } else {
                self.run(body, input, piped)
            };
            if listless {
                let after = self.snapshot();
                self.join_arms(before, vec![after], false);
            }
            self.gather(&mut whole, done.out, done.wrote);
            if done.soft || listless {
                continue;
            }
            match done.flow {
                Flow::Break => break,
                Flow::Return | Flow::Exit => {
                    whole.flow = done.flow;
                    break;
                }
                Flow::Next | Flow::Continue => {}
            }
        }
        whole
    }

    fn case(&mut self, subject: &Word, arms: &[CaseArm], input: &Input, piped: bool) -> Done {
        let value = self.text_of(&subject.raw, subject.line);
        let mut branches = Branches::new(self.certainty);
        for arm in arms {
            if branches.over {
                break;
            }
            let mut hit = Status::False;
            for word in &arm.patterns {
                let pattern = self.pattern_of(&word.raw, word.line);
                let status = match (value.in_plain_launch(), pattern.in_plain_launch()) {
                    (_, Some("*")) => Status::True,
                    (Some(text), Some(pattern)) => {
                        let answer = alternatives(pattern).iter().any(|p| pattern::matches(p, text));
                        match value.know {
                            Know::Sure => Status::sure(answer),
                            Know::Guess => Status::Unknown,
                            _ => Status::plain(answer),
                        }
                    }
                    _ => Status::Unknown,
                };
                hit = best(hit, status);
            }
            let status = if branches.decided { Status::PlainFalse } else { hit };
            self.branch(&mut branches, status, &arm.body, input, piped);
            if arm.falls {
                branches.over = false;
            }
        }
        self.end_branches(branches)
    }

    fn redirected(&mut self, body: &Node, redirects: &[Redirect], input: &Input, piped: bool) -> Done {
        let line = line_of(body);
        let plan = self.redirections(redirects, input, line);
        let done = self.exec(body, &plan.input, piped);
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
        self.locals.push(Vec::new());
        let done = self.exec(body, input, piped);
        for (name, old) in self.locals.pop().unwrap_or_default().into_iter().rev() {
            let vars = Rc::make_mut(&mut self.vars);
            match old {
                Some(variable) => vars.insert(name, variable),
                None => vars.remove(&name),
            };
        }
        self.args = args;
        self.args_known = known;
        let flow = if done.flow == Flow::Exit { Flow::Exit } else { Flow::Next };
        Done { flow, ..done }
    }
}

/// The arms of a condition on the way through them.
struct Branches {
    whole: Done,
    /// Variables at the end of each arm that goes on behind the condition.
    ends: Vec<Snapshot>,
    flows: Vec<(Flow, bool)>,
    /// Certainty of what comes next.
    rest: Certainty,
    /// Some arm's condition could not be decided.
    undecided: bool,
    /// An arm was taken: later ones belong to other launches.
    decided: bool,
    /// No later arm can run.
    over: bool,
    soft: bool,
}

impl Branches {
    fn new(rest: Certainty) -> Self {
        Self {
            whole: Done::fine(),
            ends: Vec::new(),
            flows: Vec::new(),
            rest,
            undecided: false,
            decided: false,
            over: false,
            soft: false,
        }
    }
}

/// The likelier of two answers of patterns that are joined by "or".
fn best(a: Status, b: Status) -> Status {
    let rank = |s: Status| match s {
        Status::False => 0,
        Status::PlainFalse => 1,
        Status::Unknown | Status::Fine => 2,
        Status::PlainTrue => 3,
        Status::True => 4,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// `@(a|b)` and its relatives as their alternatives; other patterns as they are.
fn alternatives(pattern: &str) -> Vec<String> {
    let inner = pattern
        .strip_prefix(['@', '?', '+', '*'])
        .and_then(|p| p.strip_prefix('('))
        .and_then(|p| p.strip_suffix(')'));
    match inner {
        Some(inner) => inner.split('|').map(str::to_owned).collect(),
        None => vec![pattern.to_owned()],
    }
}

fn leaves_loop(flow: Flow) -> Flow {
    match flow {
        Flow::Break | Flow::Continue => Flow::Next,
        flow => flow,
    }
}

/// `while true`, `while :`, `while [ 1 ]`.
fn is_endless(test: &[Node]) -> bool {
    let [Node::Simple(simple)] = test else { return false };
    let words: Vec<&str> = simple.words.iter().map(|w| w.raw.as_str()).collect();
    matches!(words[..], ["true" | ":" | "/bin/true"] | ["false"] | ["[" | "[[", _, "]" | "]]"])
}

/// Whether something in a loop's body leaves it.
fn breaks(node: &Node) -> bool {
    let any = |nodes: &[Node]| nodes.iter().any(breaks);
    match node {
        Node::Simple(simple) => simple
            .words
            .first()
            .is_some_and(|w| matches!(w.raw.as_str(), "break" | "exit" | "return" | "exec")),
        Node::List(first, rest) => breaks(first) || rest.iter().any(|(_, n)| breaks(n)),
        Node::Group(body) | Node::Loose(body) => any(body),
        Node::If(arms, otherwise) => arms.iter().any(|(_, body)| any(body)) || any(otherwise),
        Node::Case(_, arms) => arms.iter().any(|arm| any(&arm.body)),
        Node::Not(inner) | Node::Redirected(inner, _) => breaks(inner),
        _ => false,
    }
}

/// The line where a command starts, as far as one is written down.
pub(super) fn line_of(node: &Node) -> u32 {
    match node {
        Node::Simple(simple) => simple.line,
        Node::Pipeline(nodes) | Node::Subshell(nodes) | Node::Group(nodes) | Node::Loose(nodes) => {
            nodes.first().map_or(1, line_of)
        }
        Node::List(node, _) | Node::Background(node) | Node::Not(node) | Node::Redirected(node, _) => {
            line_of(node)
        }
        Node::If(arms, _) => arms.first().and_then(|(test, _)| test.first()).map_or(1, line_of),
        Node::While(_, test, _) => test.first().map_or(1, line_of),
        Node::For(_, words, body) => {
            words.as_ref().and_then(|w| w.first()).map_or_else(|| body.first().map_or(1, line_of), |w| w.line)
        }
        Node::Repeat(body) => body.first().map_or(1, line_of),
        Node::Case(word, _) | Node::Arithmetic(word) => word.line,
        Node::Function(_, body) => line_of(body),
    }
}
