//! What programs of every language are made of here: the front ends translate to this tree, and
//! one interpreter walks over it.

use std::rc::Rc;

/// A name, shared by all that use it.
pub(super) type Name = Rc<str>;

/// Statements in their order.
pub(super) type Block = Rc<[Stmt]>;

#[derive(Debug)]
pub(super) struct Stmt {
    /// Counted from 1.
    pub line: u32,
    pub kind: StmtKind,
}

#[derive(Debug)]
pub(super) enum StmtKind {
    Expr(Expr),
    If(Expr, Block, Block),
    /// `while`, and `for (;;)` with what it does after each round.
    While {
        test: Expr,
        body: Block,
        step: Option<Expr>,
        /// Whether the body runs once before the first test.
        first: bool,
    },
    For {
        target: Expr,
        over: Expr,
        body: Block,
        each: Each,
    },
    Function(Name, Rc<Function>),
    Class(Name, Rc<Class>),
    /// A value, and for each case its test (none for the default) and what it runs; without a
    /// `break` the next one runs as well.
    Switch(Expr, Vec<(Option<Expr>, Block)>),
    Return(Option<Expr>),
    Break,
    Continue,
    Try {
        body: Block,
        handlers: Vec<(Option<Name>, Block)>,
        last: Block,
    },
    /// Names that belong to the module, not to the function.
    Global(Vec<Name>),
    /// `from x import *`.
    ImportAll(Expr),
    Group(Block),
}

/// What a loop hands to its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Each {
    Values,
    Keys,
    Pairs,
}

#[derive(Debug)]
pub(super) struct Function {
    pub name: Name,
    pub params: Vec<Param>,
    pub body: Block,
}

#[derive(Debug)]
pub(super) struct Param {
    /// A name, or a pattern.
    pub target: Expr,
    pub default: Option<Expr>,
    pub rest: Rest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    One,
    /// All further arguments.
    List,
    /// All further named arguments.
    Named,
}

#[derive(Debug)]
pub(super) struct Class {
    pub name: Name,
    pub bases: Vec<Expr>,
    pub body: Block,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    /// Joins texts whatever they are (`.` of PHP and Perl, `..` of Lua).
    Concat,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
    BitAnd,
    BitOr,
    BitXor,
    Shl,
    Shr,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
    And,
    Or,
    /// The second where the first is nothing.
    Else,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Neg,
    Invert,
}

#[derive(Debug)]
pub(super) enum Expr {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    Bytes(Rc<[u8]>),
    Name(Name),
    Attr(Box<Expr>, Name),
    Index(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, Box<[Option<Expr>; 3]>),
    Call(Box<Call>),
    Binary(Op, Box<Expr>, Box<Expr>),
    Unary(Unary, Box<Expr>),
    Cond(Box<[Expr; 3]>),
    List(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Spread(Box<Expr>),
    SpreadNamed(Box<Expr>),
    /// A text with values in it.
    Join(Vec<Expr>),
    Function(Rc<Function>),
    Comprehension(Box<Comprehension>),
    /// To a name, an attribute, an element or a pattern (a list); with an operator `a += b`.
    Assign(Box<Expr>, Option<Op>, Box<Expr>),
    /// A name that belongs to this function (`let`, `my`, `local`).
    Declare(Box<Expr>),
    /// A shell command between backticks.
    Command(Box<Expr>, u32),
    /// One after the other; the last is the value.
    Seq(Vec<Expr>),
    /// A module by its name, dots in front of it for a relative one.
    Import(Name, u32),
    /// Something whose value is not known on paper, as it is written.
    Opaque(Name),
}

#[derive(Debug)]
pub(super) struct Call {
    pub callee: Expr,
    pub args: Vec<Arg>,
    pub line: u32,
}

#[derive(Debug)]
pub(super) struct Arg {
    pub name: Option<Name>,
    pub value: Expr,
}

#[derive(Debug)]
pub(super) struct Comprehension {
    pub key: Option<Expr>,
    pub value: Expr,
    pub clauses: Vec<Clause>,
}

#[derive(Debug)]
pub(super) enum Clause {
    For(Expr, Expr),
    If(Expr),
}

impl Expr {
    pub fn text(text: &str) -> Self {
        Self::Text(Rc::from(text))
    }

    pub fn name(name: &str) -> Self {
        Self::Name(Rc::from(name))
    }

    pub fn opaque(text: &str) -> Self {
        let end = text.char_indices().nth(60).map_or(text.len(), |(at, _)| at);
        Self::Opaque(Rc::from(&text[..end]))
    }

    pub fn attr(self, name: &str) -> Self {
        Self::Attr(Box::new(self), Rc::from(name))
    }

    pub fn call(self, args: Vec<Expr>, line: u32) -> Self {
        let args = args.into_iter().map(|value| Arg { name: None, value }).collect();
        Self::Call(Box::new(Call { callee: self, args, line }))
    }

    pub fn binary(op: Op, left: Expr, right: Expr) -> Self {
        Self::Binary(op, Box::new(left), Box::new(right))
    }

    pub fn assign(self, value: Expr) -> Self {
        Self::Assign(Box::new(self), None, Box::new(value))
    }
}

impl Stmt {
    pub fn expr(expr: Expr, line: u32) -> Self {
        Self { line, kind: StmtKind::Expr(expr) }
    }
}
