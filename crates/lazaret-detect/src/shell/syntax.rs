//! A shell script as a tree: what the emulator walks over.

use std::rc::Rc;

use super::world::Trouble;

/// A word as written, quotes and expansions still in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub raw: String,
    /// Line in the text, counted from 1.
    pub line: u32,
}

/// `NAME=value`, `NAME+=value`, `NAME[i]=value`, `NAME=(a b)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assign {
    pub name: String,
    pub index: Option<String>,
    pub append: bool,
    pub value: Assigned,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Assigned {
    Word(Word),
    Array(Vec<Word>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// `<`, `>`, `>>`, `>|`, `<>`, `&>`, `&>>`, `>&`, `<&`.
    File {
        fd: Option<u32>,
        op: RedirectOp,
        target: Word,
    },
    /// The text; `expand` is false where the delimiter was quoted.
    HereDoc {
        text: String,
        expand: bool,
        line: u32,
    },
    HereString(Word),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RedirectOp {
    Read,
    Write,
    Append,
    ReadWrite,
    /// `>&`, `<&`, `&>`, with a file or a descriptor.
    Both {
        append: bool,
    },
    Duplicate,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Simple {
    pub assigns: Vec<Assign>,
    pub words: Vec<Word>,
    pub redirects: Vec<Redirect>,
    pub line: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    And,
    Or,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Simple(Simple),
    /// Two or more commands, each feeding the next.
    Pipeline(Vec<Node>),
    /// A first command, and the ones joined to it in order.
    List(Box<Node>, Vec<(Join, Node)>),
    Background(Box<Node>),
    Not(Box<Node>),
    Subshell(Vec<Node>),
    Group(Vec<Node>),
    /// Conditions with what follows each, and what follows when none holds.
    If(Vec<(Vec<Node>, Vec<Node>)>, Vec<Node>),
    /// `while`; `until` where the flag is set.
    While(bool, Vec<Node>, Vec<Node>),
    /// `for` and `select`; without words, over the positional parameters.
    For(String, Option<Vec<Word>>, Vec<Node>),
    /// `for ((start; test; step))`.
    Count(Box<[Word; 3]>, Vec<Node>),
    Case(Word, Vec<CaseArm>),
    Function(String, Rc<Node>),
    /// `((…))`.
    Arithmetic(Word),
    Redirected(Box<Node>, Vec<Redirect>),
    /// Commands whose place in the grammar was not understood: each of them may run.
    Loose(Vec<Node>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaseArm {
    pub patterns: Vec<Word>,
    pub body: Vec<Node>,
    /// `;&`: what follows runs too.
    pub falls: bool,
    /// `;;&`: what follows is compared too.
    pub resumes: bool,
}

/// A script, and what of it was not understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Script {
    pub body: Vec<Node>,
    /// Lines, with what is wrong there.
    pub troubles: Vec<(u32, Trouble)>,
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
        Node::Count(parts, _) => parts[0].line,
        Node::Case(word, _) | Node::Arithmetic(word) => word.line,
        Node::Function(_, body) => line_of(body),
    }
}
