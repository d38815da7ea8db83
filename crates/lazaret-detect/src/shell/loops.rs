//! Loops, with a bound.

use super::run::{Done, Flow};
use super::state::Shell;
use super::syntax::{Node, Word, line_of};
use super::value::{Know, Value};
use super::world::{Input, Status, Trouble};

/// A loop with a condition.
struct Conditional<'n> {
    until: bool,
    test: &'n [Node],
    body: &'n [Node],
    /// What the body reads.
    inner: Input,
    piped: bool,
}

impl Shell<'_> {
    pub(super) fn repeat(
        &mut self,
        until: bool,
        test: &[Node],
        body: &[Node],
        input: &Input,
        piped: bool,
    ) -> Done {
        let mut whole = Done::fine();
        let mut feed = input.clone();
        // What a loop's `read` takes line by line is not the body's to read.
        let reads = matches!(test, [.., Node::Simple(s)] if s.words.first().is_some_and(|w| w.raw == "read"));
        let inner = if reads { Input::default() } else { input.clone() };
        let line = test.first().map_or(1, line_of);
        let looped = Conditional { until, test, body, inner, piped };
        self.rounds(line, !reads, |shell, first| shell.repeat_once(&looped, &mut feed, first, &mut whole));
        whole
    }

    /// Rounds of a loop, until one says that no other follows. `settles`: where a round changes
    /// nothing, the next one does the same.
    fn rounds(&mut self, line: u32, settles: bool, mut once: impl FnMut(&mut Self, bool) -> bool) {
        let mut lap = Lap::new(self);
        self.open_frame(false);
        while lap.goes_on(self, line) {
            let stand = (settles && lap.is_watched()).then(|| self.stand());
            let goes_on = once(self, lap.round == 1);
            self.join_left();
            if !goes_on || stand.is_some_and(|stand| self.stood_still(stand)) {
                break;
            }
        }
        self.close_frame();
    }

    /// One round; whether another may follow.
    fn repeat_once(
        &mut self,
        looped: &Conditional<'_>,
        feed: &mut Input,
        first: bool,
        whole: &mut Done,
    ) -> bool {
        let Conditional { until, test, body, inner, piped } = looped;
        let asked = self.run_test(test, feed);
        let status = if *until { asked.not() } else { asked };
        match status {
            Status::False => false,
            Status::PlainFalse => {
                if first {
                    self.isolated(|shell| shell.may(|shell| shell.run(body, inner, *piped)));
                }
                false
            }
            Status::Unknown | Status::Fine => {
                let before = self.before();
                let done = self.may(|shell| shell.run(body, inner, *piped));
                let after = self.take_back(before);
                self.join_arms(vec![after], false);
                self.gather(whole, done.out.at_most(Know::Guess), done.wrote);
                false
            }
            Status::True | Status::PlainTrue => {
                let done = self.run(body, inner, *piped);
                self.gather(whole, done.out, done.wrote);
                match done.flow {
                    Flow::Break if !done.soft => return false,
                    Flow::Return | Flow::Exit if !done.soft => {
                        whole.flow = done.flow;
                        return false;
                    }
                    _ => {}
                }
                let endless = is_endless(test);
                // The same again for ever: one round says it all. What follows runs only if
                // something in the body ends the loop.
                if endless && !body.iter().any(breaks) {
                    whole.flow = Flow::Exit;
                    whole.soft = true;
                }
                !endless
            }
        }
    }

    /// The condition of a loop; `read` takes a line from the input.
    fn run_test(&mut self, test: &[Node], feed: &mut Input) -> Status {
        if let [.., Node::Simple(simple)] = test
            && simple.words.first().is_some_and(|w| w.raw == "read")
        {
            let answer = self.read_in_loop(simple, feed);
            if let Some(answer) = answer {
                return answer;
            }
        }
        self.run(test, feed, false).status
    }

    /// `for ((start; test; step))`.
    pub(super) fn count(&mut self, parts: &[Word; 3], body: &[Node], input: &Input, piped: bool) -> Done {
        let [start, test, step] = parts;
        let line = start.line;
        let mut whole = Done::fine();
        if !start.raw.is_empty() {
            self.arithmetic(&start.raw, line);
        }
        self.rounds(line, true, |shell, first| {
            shell.count_once([test, step], body, (input, piped), first, &mut whole)
        });
        whole
    }

    /// One round; whether another may follow.
    fn count_once(
        &mut self,
        [test, step]: [&Word; 2],
        body: &[Node],
        (input, piped): (&Input, bool),
        first: bool,
        whole: &mut Done,
    ) -> bool {
        let line = test.line;
        // No test is one that always holds.
        let value = if test.raw.is_empty() { Value::sure("1") } else { self.arithmetic(&test.raw, line) };
        match value.known() {
            Some("0") => {
                if first && value.know < Know::Sure {
                    self.isolated(|shell| shell.may(|shell| shell.run(body, input, piped)));
                }
                return false;
            }
            Some(_) => {}
            None => {
                let before = self.before();
                let done = self.may(|shell| shell.run(body, input, piped));
                let after = self.take_back(before);
                self.join_arms(vec![after], false);
                self.gather(whole, done.out.at_most(Know::Guess), done.wrote);
                return false;
            }
        }
        let done = self.run(body, input, piped);
        self.gather(whole, done.out, done.wrote);
        match done.flow {
            Flow::Break if !done.soft => return false,
            Flow::Return | Flow::Exit if !done.soft => {
                whole.flow = done.flow;
                return false;
            }
            _ => {}
        }
        if test.raw.is_empty() && !body.iter().any(breaks) {
            whole.flow = Flow::Exit;
            whole.soft = true;
            return false;
        }
        if !step.raw.is_empty() {
            self.arithmetic(&step.raw, line);
        }
        true
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
        let line = words.and_then(|w| w.first()).map_or(1, |w| w.line);
        let mut lap = Lap::new(self);
        self.open_frame(false);
        for value in values {
            if !lap.goes_on(self, line) {
                break;
            }
            let listless = !value.is_known() || value.text.contains(['*', '?']);
            let before = listless.then(|| self.before());
            self.set(name, value);
            let done = if listless {
                self.may(|shell| shell.run(body, input, piped))
            } else {
                self.run(body, input, piped)
            };
            if let Some(before) = before {
                let after = self.take_back(before);
                self.join_arms(vec![after], false);
            }
            self.join_left();
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
        self.close_frame();
        whole
    }
}

/// Rounds of a loop that states little: decoders go byte by byte.
const MOST_ROUNDS: usize = 8192;
/// Behaviours that a loop beyond its usual rounds may state.
const MOST_STATED: usize = 2048;

/// How far a loop has come.
struct Lap {
    round: usize,
    stated: usize,
}

impl Lap {
    fn new(shell: &Shell<'_>) -> Self {
        Self { round: 0, stated: shell.world.stated() }
    }

    /// Whether it is looked whether this round changes anything: in the first ones, and then less
    /// and less often.
    fn is_watched(&self) -> bool {
        self.round > 1 && (self.round.is_power_of_two() || self.round < 4)
    }

    /// Whether another round is followed; where not, that is a trouble.
    fn goes_on(&mut self, shell: &mut Shell<'_>, line: u32) -> bool {
        self.round += 1;
        let cheap = shell.world.stated().saturating_sub(self.stated) < MOST_STATED;
        if self.round <= shell.world.rounds() || cheap && self.round <= MOST_ROUNDS {
            let because = || shell.site.at(line);
            // A round costs, also where nothing is in it: loops in loops would go on for ever.
            return shell.world.spend(1, &because);
        }
        let because = shell.because(line);
        shell.world.trouble(because, Trouble::Rounds);
        false
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
