//! From text to a concrete tree: the grammars are tree-sitter's, with a deadline.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tree_sitter::{Language as Grammar, Node, ParseOptions, Parser, Tree};

use super::tree::{Block, Expr, Stmt};

/// Expressions and statements inside one another that are followed. All that walks the tree
/// recurses at most this deep, times a small factor.
pub(super) const MAX_NESTING: u32 = 160;
/// The parsers are linear on what people write; on what attackers write, this ends them.
const MAX_PARSE: Duration = Duration::from_millis(800);

/// A program as a tree.
pub(super) struct Parsed {
    pub body: Block,
    /// Whether parts lie deeper than is followed.
    pub deep: bool,
}

/// Parses a text; None where that takes too long.
pub(super) fn parse(text: &str, grammar: Grammar) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&grammar).ok()?;
    let started = Instant::now();
    let bytes = text.as_bytes();
    let mut stop = |_: &tree_sitter::ParseState| {
        if started.elapsed() > MAX_PARSE { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut stop);
    let mut read = |at: usize, _| bytes.get(at..).unwrap_or_default();
    parser.parse_with_options(&mut read, None, Some(options))
}

/// What every front end needs while it reads a tree.
pub(super) struct Source<'t> {
    pub text: &'t str,
    pub depth: u32,
    pub deep: bool,
}

impl<'t> Source<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, depth: 0, deep: false }
    }

    pub fn line(&self, node: Node<'_>) -> u32 {
        node.start_position().row as u32 + 1
    }

    pub fn raw(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.start_byte()..node.end_byte()).unwrap_or_default()
    }

    pub fn name(&self, node: Node<'_>) -> Rc<str> {
        Rc::from(self.raw(node))
    }

    /// Goes one deeper; false where that is too deep.
    pub fn enter(&mut self) -> bool {
        if self.depth >= MAX_NESTING {
            self.deep = true;
            return false;
        }
        self.depth += 1;
        true
    }

    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    pub fn opaque(&self, node: Node<'_>) -> Expr {
        Expr::opaque(self.raw(node))
    }

    pub fn done(self, body: Vec<Stmt>) -> Parsed {
        Parsed { body: body.into(), deep: self.deep }
    }
}

/// The named children, comments left out.
pub(super) fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|c| !c.is_extra()).collect()
}

pub(super) fn field<'t>(node: Node<'t>, name: &str) -> Option<Node<'t>> {
    node.child_by_field_name(name)
}

pub(super) fn fields<'t>(node: Node<'t>, name: &str) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.children_by_field_name(name, &mut cursor).collect()
}

/// A number as the languages write them; None for a fraction or one that is too large.
pub(super) fn integer(text: &str) -> Option<i64> {
    let text: String =
        text.chars().filter(|c| *c != '_').collect::<String>().trim_end_matches(['L', 'l', 'n']).to_owned();
    let lower = text.to_ascii_lowercase();
    let based = |prefix: &str, base: u32| {
        lower.strip_prefix(prefix).and_then(|digits| i64::from_str_radix(digits, base).ok())
    };
    if let Some(number) = based("0x", 16).or_else(|| based("0o", 8)).or_else(|| based("0b", 2)) {
        return Some(number);
    }
    if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        return i64::from_str_radix(&lower[1..], 8).ok();
    }
    text.parse().ok()
}

/// A number as an expression.
pub(super) fn number(text: &str) -> Expr {
    match integer(text) {
        Some(number) => Expr::Int(number),
        None => text.replace('_', "").parse().map_or_else(|_| Expr::opaque(text), Expr::Float),
    }
}

/// Resolves backslash sequences. `bytes` says whether `\xff` is a byte or a character.
pub(super) fn unescape(text: &str, bytes: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut buffer = [0; 4];
    let mut put = |out: &mut Vec<u8>, code: u32| {
        if bytes && code < 256 {
            out.push(code as u8);
        } else if let Some(c) = char::from_u32(code) {
            out.extend(c.encode_utf8(&mut buffer).as_bytes());
        }
    };
    while let Some(c) = chars.next() {
        if c != '\\' {
            let mut own = [0; 4];
            out.extend(c.encode_utf8(&mut own).as_bytes());
            continue;
        }
        let Some(kind) = chars.next() else {
            out.push(b'\\');
            break;
        };
        let digits = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
                      most: usize,
                      base: u32,
                      first: Option<u32>| {
            let mut value = first;
            let mut count = usize::from(first.is_some());
            while count < most {
                let Some(digit) = chars.peek().and_then(|c| c.to_digit(base)) else { break };
                chars.next();
                value = Some(value.unwrap_or(0).wrapping_mul(base).wrapping_add(digit));
                count += 1;
            }
            value
        };
        match kind {
            '\n' => {}
            'n' => out.push(b'\n'),
            't' => out.push(b'\t'),
            'r' => out.push(b'\r'),
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'v' => out.push(11),
            'e' => out.push(27),
            'x' => {
                if let Some(code) = digits(&mut chars, 2, 16, None) {
                    put(&mut out, code);
                }
            }
            'u' if !bytes || chars.peek() == Some(&'{') => {
                let code = if chars.peek() == Some(&'{') {
                    chars.next();
                    let mut hex = String::new();
                    while let Some(c) = chars.next().filter(|c| *c != '}') {
                        hex.push(c);
                    }
                    u32::from_str_radix(&hex, 16).ok()
                } else {
                    digits(&mut chars, 4, 16, None)
                };
                if let Some(code) = code {
                    let mut own = [0; 4];
                    out.extend(char::from_u32(code).unwrap_or('\u{fffd}').encode_utf8(&mut own).as_bytes());
                }
            }
            'U' if !bytes => {
                if let Some(code) = digits(&mut chars, 8, 16, None) {
                    put(&mut out, code);
                }
            }
            '0'..='7' => {
                let code = digits(&mut chars, 3, 8, kind.to_digit(8)).unwrap_or(0);
                put(&mut out, code);
            }
            other => {
                if !matches!(other, '\\' | '\'' | '"' | '`' | '$' | '@' | '/' | '#' | '{' | '}') {
                    out.push(b'\\');
                }
                let mut own = [0; 4];
                out.extend(other.encode_utf8(&mut own).as_bytes());
            }
        }
    }
    out
}

/// A literal text as an expression.
pub(super) fn literal(bytes: Vec<u8>) -> Expr {
    match String::from_utf8(bytes) {
        Ok(text) => Expr::Text(Rc::from(text)),
        Err(error) => Expr::Bytes(Rc::from(error.into_bytes())),
    }
}
