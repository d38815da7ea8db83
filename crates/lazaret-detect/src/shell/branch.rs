//! Conditions: one arm, the other, or each of them as possible.

use lazaret_model::Certainty;

use super::pattern;
use super::run::{Done, Flow};
use super::state::{After, Shell};
use super::syntax::{CaseArm, Node, Word};
use super::value::Know;
use super::world::{Input, Status};

impl Shell<'_> {
    pub(super) fn condition(
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
        match status {
            Status::False => return,
            Status::PlainFalse => {
                // Not in a plain launch; what it changes stays in that other launch.
                self.isolated(|shell| shell.may(|shell| shell.run(body, input, piped)));
                return;
            }
            _ => {}
        }
        let undecided = matches!(status, Status::Unknown | Status::Fine);
        let before = self.before();
        let certainty = if undecided { Certainty::May } else { all.rest };
        let done = self.at(certainty, |shell| shell.run(body, input, piped));
        let elsewhere = all.decided;
        let after = self.take_back(before);
        if elsewhere {
            return;
        }
        self.gather(&mut all.whole, done.out, done.wrote);
        if done.flow == Flow::Next || done.soft || !undecided && !all.undecided {
            all.ends.push(after);
        } else {
            self.leave(done.flow, after);
        }
        all.flows.push((done.flow, done.soft));
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
            self.join_arms(all.ends, complete);
            let every = complete && all.flows.iter().all(|(flow, _)| *flow != Flow::Next);
            if let (true, Some(&(flow, _))) = (every, all.flows.last()) {
                whole.flow = flow;
                whole.soft = all.soft || all.flows.iter().any(|(_, soft)| *soft);
            }
            whole.out = whole.out.at_most(Know::Guess);
            return whole;
        }
        if let Some(end) = all.ends.into_iter().next_back() {
            self.apply(end);
        }
        if let Some(&(flow, soft)) = all.flows.last() {
            whole.flow = flow;
            whole.soft = soft || all.soft;
        }
        whole
    }

    pub(super) fn case(&mut self, subject: &Word, arms: &[CaseArm], input: &Input, piped: bool) -> Done {
        let value = self.text_of(&subject.raw, subject.line);
        let mut branches = Branches::new(self.certainty);
        for (n, arm) in arms.iter().enumerate() {
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
            if arm.falls && status != Status::False {
                let mut body = arm.body.clone();
                for next in &arms[n + 1..] {
                    body.extend(next.body.iter().cloned());
                    if !next.falls {
                        break;
                    }
                }
                self.branch(&mut branches, status, &body, input, piped);
            } else {
                self.branch(&mut branches, status, &arm.body, input, piped);
            }
            if arm.resumes {
                branches.over = false;
            }
        }
        self.end_branches(branches)
    }
}

/// The arms of a condition on the way through them.
struct Branches {
    whole: Done,
    /// Variables at the end of each arm that goes on behind the condition.
    ends: Vec<After>,
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
