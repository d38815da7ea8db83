//! From text to tree: the grammar is tree-sitter's, words stay text and are read by
//! [`super::word`] when their values are needed.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tree_sitter::{Node as Tree, ParseOptions, Parser};

use super::syntax::{Assign, Assigned, CaseArm, Join, Node, Redirect, RedirectOp, Script, Simple, Word};
use super::world::Trouble;
use super::{loose, scan, tame};
use crate::memo::{self, Memo};

/// Commands inside commands that are followed. Deeper ones are a trouble, never an overflow: all
/// that walks the tree recurses at most this deep.
const MAX_NESTING: u32 = 40;
/// The parser is linear on what people write; on what attackers write, this ends it.
const MAX_PARSE: Duration = Duration::from_millis(1500);

/// Bytes of scripts whose trees are kept; a tree takes some ten times as many.
const READ_BYTES: usize = 2 << 20;

thread_local! {
    static PARSER: RefCell<Option<Parser>> = const { RefCell::new(None) };
    /// Scripts that were read, by text and number of the first line.
    static READ: RefCell<Option<Memo<Rc<Script>>>> = const { RefCell::new(None) };
}

/// Reads a script. What the grammar does not take is read command by command; what cannot be
/// read even so is in [`Script::troubles`]. `first` is the number of the text's first line.
pub(crate) fn parse(text: &str, first: u32) -> Rc<Script> {
    let key = memo::key(text.as_bytes(), u64::from(first));
    if let Some(known) = READ.with_borrow(|read| read.as_ref()?.get(&key)) {
        return known;
    }
    let started = Instant::now();
    let script = Rc::new(parse_anew(text, first));
    // Where time ran out, there may be more of it next time.
    if started.elapsed() < MAX_PARSE {
        READ.with_borrow_mut(|read| {
            read.get_or_insert_with(|| Memo::new(READ_BYTES)).put(key, text.len(), &script);
        });
    }
    script
}

fn parse_anew(text: &str, first: u32) -> Script {
    if let Some(script) = loose::exact(text, first) {
        return script;
    }
    let mut tamed = tame::constructs(text);
    let started = Instant::now();
    let mut tree = read(&tamed, started);
    if tree.as_ref().is_some_and(|tree| tree.root_node().has_error())
        && let Some(without) = tame::comments(&tamed)
        && let Some(again) = read(&without.text, started).filter(|again| without.is_sound(again))
    {
        tree = Some(again);
        tamed = without.text.into();
    }
    let text = tamed.as_ref();
    let mut reader = Reader { text, first, descriptor: None, troubles: Vec::new() };
    let body = match &tree {
        Some(tree) => reader.statements(tree.root_node(), 0),
        None => {
            reader.troubles.push((first, Trouble::Slow));
            reader.loose(text, first)
        }
    };
    Script { body, troubles: reader.troubles }
}

fn read(text: &str, started: Instant) -> Option<tree_sitter::Tree> {
    PARSER.with_borrow_mut(|slot| {
        let parser = slot.get_or_insert_with(|| {
            let mut parser = Parser::new();
            parser
                .set_language(&tree_sitter_bash::LANGUAGE.into())
                .expect("the grammar and the library are built for one another");
            parser
        });
        let bytes = text.as_bytes();
        let mut stop = |_: &tree_sitter::ParseState| {
            if started.elapsed() > MAX_PARSE { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = ParseOptions::new().progress_callback(&mut stop);
        let mut read = |at: usize, _| bytes.get(at..).unwrap_or_default();
        let tree = parser.parse_with_options(&mut read, None, Some(options));
        if tree.is_none() {
            parser.reset();
        }
        tree
    })
}

struct Reader<'t> {
    text: &'t str,
    first: u32,
    /// A number that the grammar took for a target and that belongs to the next redirection.
    descriptor: Option<u32>,
    troubles: Vec<(u32, Trouble)>,
}

fn children(node: Tree<'_>) -> Vec<Tree<'_>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).filter(|c| c.kind() != "comment").collect()
}

impl<'t> Reader<'t> {
    fn line(&self, node: Tree<'_>) -> u32 {
        node.start_position().row as u32 + self.first
    }

    fn raw(&self, node: Tree<'_>) -> &'t str {
        self.text.get(node.start_byte()..node.end_byte()).unwrap_or_default()
    }

    fn word(&self, node: Tree<'_>) -> Word {
        Word { raw: self.raw(node).to_owned(), line: self.line(node) }
    }

    fn loose(&mut self, text: &str, first: u32) -> Vec<Node> {
        let read = loose::commands(text, first);
        self.troubles.extend(read.troubles);
        if read.body.is_empty() { Vec::new() } else { vec![Node::Loose(read.body)] }
    }

    /// The statements among the children of a node, `&` applied.
    fn statements(&mut self, node: Tree<'_>, depth: u32) -> Vec<Node> {
        self.statement_list(&children(node), depth)
    }

    fn statement_list(&mut self, nodes: &[Tree<'_>], depth: u32) -> Vec<Node> {
        if depth > MAX_NESTING {
            if let Some(first) = nodes.first() {
                self.troubles.push((self.line(*first), Trouble::Deep));
            }
            return Vec::new();
        }
        let mut out: Vec<Node> = Vec::new();
        for &child in nodes {
            if child.kind() == "&" {
                if let Some(last) = out.pop() {
                    out.push(Node::Background(Box::new(last)));
                }
            } else if child.is_named() || child.is_error() {
                self.statement(child, depth, &mut out);
            }
        }
        out
    }

    fn one(&mut self, node: Tree<'_>, depth: u32) -> Node {
        let mut out = Vec::new();
        self.statement(node, depth, &mut out);
        if out.len() == 1 { out.swap_remove(0) } else { Node::Group(out) }
    }

    fn statement(&mut self, node: Tree<'_>, depth: u32, out: &mut Vec<Node>) {
        if depth > MAX_NESTING {
            self.troubles.push((self.line(node), Trouble::Deep));
            return;
        }
        match node.kind() {
            "command"
            | "declaration_command"
            | "unset_command"
            | "variable_assignment"
            | "variable_assignments" => {
                // An error inside a word is the grammar's, not the script's, more often than not.
                if node.has_error() || splits_a_word(node) {
                    let read = self.loose(self.raw(node), self.line(node));
                    match read.into_iter().next() {
                        Some(Node::Loose(mut body)) if body.len() == 1 => out.append(&mut body),
                        Some(body) => out.push(body),
                        None => {}
                    }
                } else {
                    let simple = self.simple(node, depth, out);
                    out.push(Node::Simple(simple));
                }
            }
            "test_command" => {
                let words = loose::words(self.raw(node), self.line(node));
                out.push(Node::Simple(Simple { words, line: self.line(node), ..Simple::default() }));
            }
            "list" | "pipeline" => {
                let joined = self.joined(node, depth);
                out.push(joined);
            }
            "negated_command" => {
                let inner = children(node).into_iter().find(|c| c.is_named());
                if let Some(inner) = inner {
                    let body = self.one(inner, depth + 1);
                    out.push(Node::Not(Box::new(body)));
                }
            }
            "redirected_statement" if node.has_error() && !self.raw(node).contains('\n') => {
                let mut read = self.loose(self.raw(node), self.line(node));
                match read.pop() {
                    Some(Node::Loose(mut body)) => out.append(&mut body),
                    Some(body) => out.push(body),
                    None => {}
                }
            }
            "redirected_statement" => {
                let body = self.redirected(node, depth);
                out.push(body);
            }
            "subshell" => {
                let body = self.statements(node, depth + 1);
                out.push(Node::Subshell(body));
            }
            "compound_statement" => {
                let raw = self.raw(node);
                if let Some(inner) = raw.strip_prefix("((") {
                    let raw = inner.strip_suffix("))").unwrap_or(inner).to_owned();
                    out.push(Node::Arithmetic(Word { raw, line: self.line(node) }));
                } else {
                    let body = self.statements(node, depth + 1);
                    out.push(Node::Group(body));
                }
            }
            "if_statement" => {
                let body = self.condition(node, depth);
                out.push(body);
            }
            "while_statement" => {
                let parts = children(node);
                let until = parts.first().is_some_and(|p| p.kind() == "until");
                let (tests, bodies): (Vec<_>, Vec<_>) =
                    parts.into_iter().partition(|p| p.kind() != "do_group");
                let test = self.statement_list(&tests, depth + 1);
                let body = bodies.iter().flat_map(|b| self.statements(*b, depth + 1)).collect();
                out.push(Node::While(until, test, body));
            }
            "for_statement" => {
                let parts = children(node);
                let name = node.child_by_field_name("variable").map_or("", |v| self.raw(v)).to_owned();
                let listed = parts.iter().any(|p| p.kind() == "in");
                let mut cursor = node.walk();
                let words = node.children_by_field_name("value", &mut cursor).map(|v| self.word(v)).collect();
                let body = self.body_of(node, depth);
                out.push(Node::For(name, listed.then_some(words), body));
            }
            "c_style_for_statement" => {
                let raw = self.raw(node);
                let head = raw.find("((").map_or("", |at| &raw[at + 2..]);
                let head = scan::paren_end(head.as_bytes(), 0).map_or("", |end| &head[..end - 1]);
                let mut parts = head.splitn(3, ';').map(str::trim);
                let line = self.line(node);
                let parts = [(); 3].map(|()| Word { raw: parts.next().unwrap_or_default().to_owned(), line });
                let body = self.body_of(node, depth);
                out.push(Node::Count(Box::new(parts), body));
            }
            "case_statement" => {
                let body = self.case(node, depth);
                out.push(body);
            }
            "function_definition" => {
                let name = node.child_by_field_name("name").map_or("", |v| self.raw(v)).to_owned();
                if let Some(body) = node.child_by_field_name("body") {
                    let body = self.one(body, depth + 1);
                    out.push(Node::Function(name, Rc::new(body)));
                }
            }
            "heredoc_body" | "heredoc_end" => {}
            // Anything else is what the grammar could not place: read it command by command.
            _ => {
                let mut read = self.loose(self.raw(node), self.line(node));
                match read.pop() {
                    // A single command is no less certain for being misread.
                    Some(Node::Loose(mut body)) if body.len() == 1 => out.append(&mut body),
                    Some(body) => out.push(body),
                    None => {}
                }
            }
        }
    }

    fn body_of(&mut self, node: Tree<'_>, depth: u32) -> Vec<Node> {
        node.child_by_field_name("body").map(|b| self.statements(b, depth + 1)).unwrap_or_default()
    }

    fn simple(&mut self, node: Tree<'_>, depth: u32, before: &mut Vec<Node>) -> Simple {
        let mut simple = Simple { line: self.line(node), ..Simple::default() };
        if node.kind() == "variable_assignment" {
            simple.assigns.push(self.assign(node));
            return simple;
        }
        let declares = matches!(node.kind(), "declaration_command" | "unset_command");
        for part in children(node) {
            match part.kind() {
                "variable_assignment" if !declares && simple.words.is_empty() => {
                    simple.assigns.push(self.assign(part));
                }
                "file_redirect" | "herestring_redirect" | "heredoc_redirect" => {
                    let extra = self.redirect(part, &mut simple.redirects);
                    simple.words.extend(extra);
                }
                "subshell" => self.statement(part, depth + 1, before),
                _ => simple.words.push(self.word(part)),
            }
        }
        simple
    }

    fn assign(&self, node: Tree<'_>) -> Assign {
        let raw = self.raw(node);
        assignment(raw, self.line(node)).unwrap_or_else(|| Assign {
            name: raw.to_owned(),
            index: None,
            append: false,
            value: Assigned::Word(Word { raw: String::new(), line: self.line(node) }),
        })
    }

    /// Adds what a redirection node says; words that the grammar took for further targets
    /// (`> file word`) are the command's and are returned.
    fn redirect(&mut self, node: Tree<'_>, out: &mut Vec<Redirect>) -> Vec<Word> {
        let mut fd = self.descriptor.take();
        let mut op = None;
        let mut words = Vec::new();
        for part in children(node) {
            let next = self.text.as_bytes().get(part.end_byte());
            if part.kind() == "number" && !words.is_empty() && matches!(next, Some(b'<' | b'>')) {
                self.descriptor = self.raw(part).parse().ok();
                continue;
            }
            match part.kind() {
                "file_descriptor" => fd = self.raw(part).parse().ok(),
                "<<<" | "<<" | "<<-" => {}
                "<" => op = Some(RedirectOp::Read),
                ">" | ">|" => op = Some(RedirectOp::Write),
                ">>" => op = Some(RedirectOp::Append),
                "<>" => op = Some(RedirectOp::ReadWrite),
                "&>" => op = Some(RedirectOp::Both { append: false }),
                "&>>" => op = Some(RedirectOp::Both { append: true }),
                ">&" | "<&" | ">&-" | "<&-" => op = Some(RedirectOp::Duplicate),
                _ => words.push(self.word(part)),
            }
        }
        let mut words = words.into_iter();
        if node.kind() == "herestring_redirect" {
            out.extend(words.next().map(Redirect::HereString));
        } else if let (Some(op), Some(target)) = (op, words.next()) {
            out.push(file_redirect(fd, op, target));
        }
        words.collect()
    }

    /// A statement with redirections. The grammar hangs them over a whole pipeline or list; the
    /// shell gives them to its last command.
    fn redirected(&mut self, node: Tree<'_>, depth: u32) -> Node {
        let mut redirects = Vec::new();
        let mut args = Vec::new();
        let mut body = None;
        let mut after: Vec<(Chain, Node)> = Vec::new();
        for part in children(node) {
            match part.kind() {
                "file_redirect" | "herestring_redirect" => args.extend(self.redirect(part, &mut redirects)),
                "heredoc_redirect" => {
                    self.heredoc(part, depth, &mut redirects, &mut args, &mut after);
                }
                _ if body.is_none() && part.is_named() => body = Some(self.one(part, depth + 1)),
                _ => {}
            }
        }
        let mut node =
            body.unwrap_or_else(|| Node::Simple(Simple { line: self.line(node), ..Simple::default() }));
        attach(&mut node, redirects, args);
        if after.is_empty() {
            return node;
        }
        let mut chain = match node {
            Node::List(first, rest) => {
                let mut chain = vec![(Chain::Start, *first)];
                chain.extend(rest.into_iter().map(|(join, n)| (Chain::from(join), n)));
                chain
            }
            other => vec![(Chain::Start, other)],
        };
        chain.extend(after);
        rebuild(chain)
    }

    fn heredoc(
        &mut self,
        node: Tree<'_>,
        depth: u32,
        redirects: &mut Vec<Redirect>,
        args: &mut Vec<Word>,
        after: &mut Vec<(Chain, Node)>,
    ) {
        let mut strip = false;
        let mut delimiter = "";
        let mut join = Chain::And;
        let mut text = None;
        let mut later = Vec::new();
        for part in children(node) {
            match part.kind() {
                "<<" | "file_descriptor" | "heredoc_end" => {}
                "<<-" => strip = true,
                "heredoc_start" => delimiter = self.raw(part),
                "heredoc_body" => text = Some(part),
                "&&" => join = Chain::And,
                "||" => join = Chain::Or,
                "file_redirect" | "herestring_redirect" => {
                    let extra = self.redirect(part, &mut later);
                    args.extend(extra);
                }
                "pipeline" => {
                    for inner in children(part).into_iter().filter(|c| c.is_named()) {
                        let next = self.one(inner, depth + 1);
                        after.push((Chain::Pipe, next));
                    }
                }
                _ if node.child_by_field_name("right").map(|r| r.id()) == Some(part.id()) => {
                    let next = self.one(part, depth + 1);
                    after.push((join, next));
                }
                _ if part.is_named() && !part.is_error() => args.push(self.word(part)),
                _ => {}
            }
        }
        let first = text.map_or_else(|| self.line(node) + 1, |t| self.line(t));
        let mut body = text.map_or("", |t| self.raw(t)).to_owned();
        if strip {
            body = body.split_inclusive('\n').map(|l| l.trim_start_matches('\t')).collect();
        }
        let expand = !delimiter.contains(['\'', '"', '\\']);
        redirects.push(Redirect::HereDoc { text: body, expand, line: first });
        redirects.extend(later);
    }

    fn condition(&mut self, node: Tree<'_>, depth: u32) -> Node {
        let mut arms = Vec::new();
        let mut otherwise = Vec::new();
        let parts = children(node);
        let own: Vec<_> =
            parts.iter().copied().filter(|p| !matches!(p.kind(), "elif_clause" | "else_clause")).collect();
        arms.push(self.arm(&own, depth));
        for part in parts {
            match part.kind() {
                "elif_clause" => {
                    let own = children(part);
                    arms.push(self.arm(&own, depth));
                }
                "else_clause" => otherwise = self.statements(part, depth + 1),
                _ => {}
            }
        }
        Node::If(arms, otherwise)
    }

    fn arm(&mut self, parts: &[Tree<'_>], depth: u32) -> (Vec<Node>, Vec<Node>) {
        let then = parts.iter().position(|p| p.kind() == "then").unwrap_or(parts.len());
        (self.statement_list(&parts[..then], depth + 1), self.statement_list(&parts[then..], depth + 1))
    }

    fn case(&mut self, node: Tree<'_>, depth: u32) -> Node {
        let subject = node.child_by_field_name("value").map(|v| self.word(v));
        let subject = subject.unwrap_or(Word { raw: String::new(), line: self.line(node) });
        let mut arms = Vec::new();
        for part in children(node) {
            if part.kind() != "case_item" {
                if part.is_error() {
                    let body = self.loose(self.raw(part), self.line(part));
                    let any = Word { raw: "*".into(), line: self.line(part) };
                    arms.push(CaseArm { patterns: vec![any], body, falls: false, resumes: true });
                }
                continue;
            }
            let mut cursor = part.walk();
            let values: Vec<_> = part.children_by_field_name("value", &mut cursor).collect();
            let inner: Vec<_> =
                children(part).into_iter().filter(|c| !values.iter().any(|v| v.id() == c.id())).collect();
            let falls = inner.iter().any(|c| c.kind() == ";&");
            let resumes = inner.iter().any(|c| c.kind() == ";;&");
            let patterns = values.into_iter().map(|v| self.word(v)).collect();
            let body = self.statement_list(&inner, depth + 1);
            arms.push(CaseArm { patterns, body, falls, resumes });
        }
        Node::Case(subject, arms)
    }

    /// A tree of `list` and `pipeline` nodes as one chain, rebuilt with the shell's precedence
    /// (a pipe binds tighter than `&&` and `||`, which are equal). The walk is a loop because a
    /// long list is a deep tree.
    fn joined(&mut self, node: Tree<'_>, depth: u32) -> Node {
        let mut chain: Vec<(Chain, Node)> = Vec::new();
        let mut join = Chain::Start;
        let mut todo = vec![node];
        while let Some(node) = todo.pop() {
            match node.kind() {
                "list" | "pipeline" => {
                    let mut parts = children(node);
                    parts.reverse();
                    todo.extend(parts);
                }
                "&&" => join = Chain::And,
                "||" => join = Chain::Or,
                "|" | "|&" => join = Chain::Pipe,
                _ if node.is_named() || node.is_error() => {
                    let next = self.one(node, depth + 1);
                    // A redirected list inside a list: its own chain goes on from here.
                    match next {
                        Node::List(first, rest) if node.kind() == "redirected_statement" => {
                            chain.push((join, *first));
                            chain.extend(rest.into_iter().map(|(j, n)| (Chain::from(j), n)));
                        }
                        Node::Pipeline(stages) if node.kind() == "redirected_statement" => {
                            let mut first = join;
                            for stage in stages {
                                chain.push((first, stage));
                                first = Chain::Pipe;
                            }
                        }
                        next => chain.push((join, next)),
                    }
                }
                _ => {}
            }
        }
        rebuild(chain)
    }
}

/// How a command hangs on the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chain {
    Start,
    And,
    Or,
    Pipe,
}

impl From<Join> for Chain {
    fn from(join: Join) -> Self {
        match join {
            Join::And => Self::And,
            Join::Or => Self::Or,
        }
    }
}

/// Groups pipes first, then `&&` and `||` from left to right.
pub(super) fn rebuild(chain: Vec<(Chain, Node)>) -> Node {
    let mut stages: Vec<(Join, Vec<Node>)> = Vec::new();
    for (join, node) in chain {
        match (join, stages.last_mut()) {
            (Chain::Pipe, Some((_, last))) => match node {
                Node::Pipeline(mut inner) => last.append(&mut inner),
                node => last.push(node),
            },
            (Chain::Or, _) => stages.push((Join::Or, vec![node])),
            _ => stages.push((Join::And, vec![node])),
        }
    }
    let mut nodes = stages.into_iter().map(|(join, mut stage)| {
        (join, if stage.len() == 1 { stage.swap_remove(0) } else { Node::Pipeline(stage) })
    });
    let Some((_, first)) = nodes.next() else { return Node::Group(Vec::new()) };
    let rest: Vec<_> = nodes.collect();
    if rest.is_empty() { first } else { Node::List(Box::new(first), rest) }
}

/// Gives redirections (and words that stood behind them) to the last command.
pub(super) fn attach(node: &mut Node, redirects: Vec<Redirect>, args: Vec<Word>) {
    match node {
        Node::Simple(simple) => {
            simple.redirects.extend(redirects);
            simple.words.extend(args);
        }
        Node::Pipeline(stages) if !stages.is_empty() => {
            let last = stages.len() - 1;
            attach(&mut stages[last], redirects, args);
        }
        Node::List(_, rest) if !rest.is_empty() => {
            let last = rest.len() - 1;
            attach(&mut rest[last].1, redirects, args);
        }
        Node::Not(inner) | Node::Background(inner) => attach(inner, redirects, args),
        Node::Redirected(_, own) => own.extend(redirects),
        other => {
            let body = std::mem::replace(other, Node::Group(Vec::new()));
            *other = Node::Redirected(Box::new(body), redirects);
        }
    }
}

/// `>& file` writes both outputs to the file; with a number or `-` it is about descriptors.
pub(super) fn file_redirect(fd: Option<u32>, op: RedirectOp, target: Word) -> Redirect {
    let number = target.raw.bytes().all(|b| b.is_ascii_digit() || b == b'-') || target.raw.starts_with('$');
    let op = if op == RedirectOp::Duplicate && !number { RedirectOp::Both { append: false } } else { op };
    Redirect::File { fd, op, target }
}

/// Whether the grammar ends a word where the shell does not: after an assignment something follows
/// with no blank between (`A=$B:$C/d` is read as `A=$B:$` and a command `C/d`).
fn splits_a_word(node: Tree<'_>) -> bool {
    children(node).windows(2).any(|pair| {
        pair[0].kind() == "variable_assignment"
            && pair[0].end_byte() == pair[1].start_byte()
            && !pair[1].kind().ends_with("_redirect")
    })
}

/// Reads `NAME=value` and its relatives; None where the text is no assignment.
pub(super) fn assignment(raw: &str, line: u32) -> Option<Assign> {
    let bytes = raw.as_bytes();
    let mut at = bytes.iter().position(|&b| !(b.is_ascii_alphanumeric() || b == b'_'))?;
    if at == 0 || bytes[0].is_ascii_digit() {
        return None;
    }
    let name = raw[..at].to_owned();
    let mut index = None;
    if bytes[at] == b'[' {
        let close = raw[at..].find(']')? + at;
        index = Some(raw[at + 1..close].to_owned());
        at = close + 1;
    }
    let append = raw[at..].starts_with("+=");
    let value = raw[at..].strip_prefix("+=").or_else(|| raw[at..].strip_prefix('='))?;
    let value = match value.strip_prefix('(').and_then(|v| v.strip_suffix(')')) {
        Some(inner) => Assigned::Array(loose::words(inner, line)),
        None => Assigned::Word(Word { raw: value.to_owned(), line }),
    };
    Some(Assign { name, index, append, value })
}
