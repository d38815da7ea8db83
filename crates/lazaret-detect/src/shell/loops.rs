//! Loops, with a bound.

use super::run::{Done, Flow};
use super::state::Shell;
use super::syntax::{Node, Word};
use super::value::Know;
use super::world::{Input, Status, Trouble};

impl Shell<'_> {
    pub(super) fn repeat(
        &mut self,
        until: bool,
        test: &[Node],
        body: &[Node],
        input: &Input,
        piped: bool,
    ) -> Done {
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

    pub(super) fn each(
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
}

pub(super) fn leaves_loop(flow: Flow) -> Flow {
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
