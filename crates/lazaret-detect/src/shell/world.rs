//! What a shell needs of the world around it: programs, files, and a place to state behaviours.

use std::rc::Rc;

use lazaret_model::{BehaviourKind, Certainty, Location};

use super::value::{Fetched, Value};

/// The place of a text: what runs it, and how lines in it are told.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// The text's own place first, the configuration key last.
    pub because: Rc<Vec<Location>>,
    /// Whether lines of the text are lines of the first place.
    pub numbered: bool,
}

impl Site {
    pub fn fixed(because: Vec<Location>) -> Self {
        Self { because: Rc::new(because), numbered: false }
    }

    pub fn file(because: Vec<Location>) -> Self {
        Self { because: Rc::new(because), numbered: true }
    }

    /// The chain for something at a line of the text.
    pub fn at(&self, line: u32) -> Vec<Location> {
        let mut chain = self.because.to_vec();
        if self.numbered
            && let Some(first) = chain.first_mut()
        {
            *first = first.clone().at_line(line);
        }
        chain
    }
}

/// Why a part of a text was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Trouble {
    Slow,
    Deep,
    Unclosed,
    Long,
    Rounds,
    /// Bytes in no encoding that a shell reads.
    Encoding,
}

/// What a command finds on its standard input.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input {
    /// What stands there, where something does.
    pub value: Option<Value>,
    /// Programs that write it, nearest first.
    pub fed_by: Vec<String>,
}

/// How a command ended, for what hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    True,
    False,
    /// In a plain launch.
    PlainTrue,
    PlainFalse,
    /// A program that is expected to succeed.
    Fine,
    /// A test whose answer is not on paper.
    Unknown,
}

impl Status {
    pub fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::PlainTrue => Self::PlainFalse,
            Self::PlainFalse => Self::PlainTrue,
            Self::Fine | Self::Unknown => Self::Unknown,
        }
    }

    pub fn sure(answer: bool) -> Self {
        if answer { Self::True } else { Self::False }
    }

    pub fn plain(answer: bool) -> Self {
        if answer { Self::PlainTrue } else { Self::PlainFalse }
    }
}

/// A program to be started.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub argv: Vec<Value>,
    /// Exported variables.
    pub env: Rc<Vec<(String, Value)>>,
    pub cwd: String,
    pub user: String,
    pub input: Input,
    pub certainty: Certainty,
    pub because: Vec<Location>,
    pub parent: Option<String>,
    /// Whether its output goes to another command: then even `echo` is worth a process.
    pub piped: bool,
}

/// What came of a program.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    pub out: Value,
    pub status: Status,
}

/// What a path holds.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    Text(Value),
    Directory,
    /// It is there, its content is not known.
    Opaque(Option<Rc<Fetched>>),
    Absent,
}

/// Who writes a file, and how sure that is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hand<'a> {
    pub by: &'a str,
    pub certainty: Certainty,
    pub because: &'a [Location],
}

/// The world around a shell. There is one real one ([`crate::launch`]); the shell knows no more
/// of it than this.
pub(crate) trait World {
    /// Takes steps from the budget; false when there are none left. A command is one step, and
    /// so are a few thousand bytes of text moved.
    fn spend(&mut self, steps: u64, because: &dyn Fn() -> Vec<Location>) -> bool;
    /// Goes one level deeper; false where that is too deep. Each success is paid back by
    /// [`World::leave`].
    fn enter(&mut self, because: &dyn Fn() -> Vec<Location>) -> bool;
    fn leave(&mut self);
    /// What programs of other languages may still cost.
    fn code_budget(&self) -> Rc<crate::code::Budget>;
    /// Something was not followed.
    fn trouble(&mut self, because: Vec<Location>, what: Trouble);
    /// States a behaviour.
    fn state(&mut self, kind: BehaviourKind, certainty: Certainty, because: Vec<Location>);
    /// How many behaviours were stated.
    fn stated(&self) -> usize;
    /// How often a file came to hold something else.
    fn changes(&self) -> usize;
    /// Starts a program.
    fn start(&mut self, start: Start) -> Ran;
    /// Reads a file as text and marks it as read.
    fn read(&mut self, path: &str, because: &[Location], certainty: Certainty) -> Held;
    /// The chain of places for a text in a file: the file first, then what runs it.
    fn chain(&self, path: &str, because: &[Location]) -> Vec<Location>;
    /// Looks at a file without reading it.
    fn stat(&mut self, path: &str) -> Held;
    /// Whether the program would be found.
    fn finds(&mut self, name: &str, search: &str, cwd: &str) -> Option<String>;
    /// Whether a file could be started.
    fn is_program(&mut self, path: &str) -> bool;
    /// Names in a directory.
    fn names(&mut self, dir: &str) -> Vec<String>;
    /// Those that match a pattern.
    fn names_like(&mut self, dir: &str, pattern: &str) -> Vec<String>;
    /// Writes a file and states it.
    fn write(&mut self, path: &Value, content: &Value, append: bool, hand: Hand<'_>);
    /// Keeps what comes out of a pipe under a name that is no path (`<(…)`).
    fn hold(&mut self, name: &str, value: Value);
    /// The longest text that is kept, in bytes.
    fn longest(&self) -> usize;
    /// How often a loop goes round at most.
    fn rounds(&self) -> usize;
}
