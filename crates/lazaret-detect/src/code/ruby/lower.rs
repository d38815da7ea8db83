//! From Ruby's syntax to the common tree.

use std::rc::Rc;

use tree_sitter::Node;

use super::super::parse::{self, Parsed, Source, children, field, literal, number, unescape};
use super::super::tree::{
    Arg, Block, Call, Class, Each, Expr, Function, Op, Param, Rest, Stmt, StmtKind, Unary,
};

/// Reads a program; None where that takes too long.
pub(in super::super) fn parse(text: &str) -> Option<Parsed> {
    let tree = parse::parse(text, tree_sitter_ruby::LANGUAGE.into())?;
    let mut reader = Reader(Source::new(text));
    let body = reader.statements(tree.root_node());
    Some(reader.0.done(body))
}

struct Reader<'t>(Source<'t>);

impl Reader<'_> {
    fn statements(&mut self, node: Node<'_>) -> Vec<Stmt> {
        let mut out = Vec::new();
        for child in children(node) {
            self.statement(child, &mut out);
        }
        out
    }

    fn block(&mut self, node: Option<Node<'_>>) -> Block {
        node.map_or_else(|| Rc::from([]), |n| self.statements(n).into())
    }

    fn statement(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        if self.0.enter() {
            self.statement_inner(node, out);
            self.0.leave();
        }
    }

    fn statement_inner(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        let line = self.0.line(node);
        let not = |test| Expr::Unary(Unary::Not, Box::new(test));
        let kind = match node.kind() {
            "method" | "singleton_method" => {
                let function = self.function(node);
                StmtKind::Function(function.name.clone(), function)
            }
            "class" | "module" => {
                let name = field(node, "name").map_or_else(|| Rc::from("class"), |n| self.0.name(n));
                let bases = field(node, "superclass").map_or_else(Vec::new, |b| vec![self.first(b)]);
                let body = self.block(field(node, "body"));
                StmtKind::Class(name.clone(), Rc::new(Class { name, bases, body }))
            }
            "if" | "unless" | "elsif" => {
                let test = self.of(node, "condition");
                let test = if node.kind() == "unless" { not(test) } else { test };
                let yes = self.block(field(node, "consequence"));
                let no = match field(node, "alternative") {
                    Some(next) if next.kind() == "elsif" => {
                        let mut inner = Vec::new();
                        self.statement(next, &mut inner);
                        inner.into()
                    }
                    next => self.block(next),
                };
                StmtKind::If(test, yes, no)
            }
            "if_modifier" | "unless_modifier" | "while_modifier" | "until_modifier" => {
                let test = self.of(node, "condition");
                let mut body = Vec::new();
                if let Some(inner) = field(node, "body") {
                    self.statement(inner, &mut body);
                }
                match node.kind() {
                    "if_modifier" => StmtKind::If(test, body.into(), Rc::from([])),
                    "unless_modifier" => StmtKind::If(not(test), body.into(), Rc::from([])),
                    kind => {
                        let test = if kind.starts_with("until") { not(test) } else { test };
                        StmtKind::While { test, body: body.into(), step: None, first: false }
                    }
                }
            }
            "while" | "until" => {
                let test = self.of(node, "condition");
                let test = if node.kind() == "until" { not(test) } else { test };
                StmtKind::While { test, body: self.block(field(node, "body")), step: None, first: false }
            }
            "for" => StmtKind::For {
                target: self.of(node, "pattern"),
                over: field(node, "value").map_or(Expr::None, |n| self.first(n)),
                body: self.block(field(node, "body")),
                each: Each::Values,
            },
            "case" => {
                let value = self.of(node, "value");
                let mut cases = Vec::new();
                for part in children(node) {
                    let tests = parse::fields(part, "pattern");
                    let body = match part.kind() {
                        "when" => self.statements(field(part, "body").unwrap_or(part)),
                        "else" => self.statements(part),
                        _ => continue,
                    };
                    let test = tests.first().map(|t| self.first(*t));
                    let mut body = body;
                    body.push(Stmt { line, kind: StmtKind::Break });
                    cases.push((test, Block::from(body)));
                }
                StmtKind::Switch(value, cases)
            }
            "begin"
            | "body_statement"
            | "block_body"
            | "then"
            | "do"
            | "else"
            | "parenthesized_statements" => {
                let parts = children(node);
                if !parts.iter().any(|p| matches!(p.kind(), "rescue" | "ensure")) {
                    let inner = self.statements(node);
                    out.extend(inner);
                    return;
                }
                let mut body = Vec::new();
                let mut handlers = Vec::new();
                let mut last: Block = Rc::from([]);
                for part in parts {
                    match part.kind() {
                        "rescue" => {
                            let name = field(part, "variable")
                                .and_then(|v| children(v).first().map(|n| self.0.name(*n)));
                            handlers.push((name, self.block(field(part, "body"))));
                        }
                        "ensure" => last = self.block(Some(part)),
                        _ => self.statement(part, &mut body),
                    }
                }
                StmtKind::Try { body: body.into(), handlers, last }
            }
            "return" => StmtKind::Return(children(node).first().map(|n| self.first(*n))),
            "break" => StmtKind::Break,
            "next" | "redo" => StmtKind::Continue,
            "comment" | "heredoc_body" | "uninterpreted" | "empty_statement" => return,
            "program" | "ERROR" => {
                let inner = self.statements(node);
                out.extend(inner);
                return;
            }
            _ => StmtKind::Expr(self.expr(node)),
        };
        out.push(Stmt { line, kind });
    }

    fn params(&mut self, node: Option<Node<'_>>) -> Vec<Param> {
        let mut params = Vec::new();
        for child in node.map_or_else(Vec::new, children) {
            let target = field(child, "name").map_or_else(|| self.0.raw(child), |n| self.0.raw(n));
            let rest = match child.kind() {
                "splat_parameter" => Rest::List,
                "hash_splat_parameter" => Rest::Named,
                _ => Rest::One,
            };
            let default = field(child, "value").map(|v| self.expr(v));
            params.push(Param { target: Expr::name(target), default, rest });
        }
        params
    }

    /// A method or a block; its last value is what it gives.
    fn function(&mut self, node: Node<'_>) -> Rc<Function> {
        let name = field(node, "name").map_or_else(|| Rc::from("block"), |n| self.0.name(n));
        let params = self.params(field(node, "parameters"));
        let mut body = Vec::new();
        match field(node, "body") {
            Some(body_node) => self.statement(body_node, &mut body),
            None => {
                for child in children(node).into_iter().filter(|c| !c.kind().ends_with("parameters")) {
                    self.statement(child, &mut body);
                }
            }
        }
        if let Some(Stmt { kind: kind @ StmtKind::Expr(_), .. }) = body.last_mut()
            && let StmtKind::Expr(expr) = std::mem::replace(kind, StmtKind::Break)
        {
            *kind = StmtKind::Return(Some(expr));
        }
        Rc::new(Function { name, params, body: body.into() })
    }

    fn of(&mut self, node: Node<'_>, name: &str) -> Expr {
        field(node, name).map_or(Expr::None, |n| self.expr(n))
    }

    fn all(&mut self, node: Node<'_>) -> Vec<Expr> {
        children(node).into_iter().map(|n| self.expr(n)).collect()
    }

    fn first(&mut self, node: Node<'_>) -> Expr {
        children(node).first().map_or(Expr::None, |n| self.expr(*n))
    }

    fn expr(&mut self, node: Node<'_>) -> Expr {
        if !self.0.enter() {
            return self.0.opaque(node);
        }
        let expr = self.expr_inner(node);
        self.0.leave();
        expr
    }

    fn expr_inner(&mut self, node: Node<'_>) -> Expr {
        let line = self.0.line(node);
        match node.kind() {
            "identifier" | "constant" | "instance_variable" | "global_variable" | "class_variable"
            | "self" => Expr::Name(self.0.name(node)),
            "integer" | "float" => number(self.0.raw(node)),
            "true" => Expr::Bool(true),
            "false" => Expr::Bool(false),
            "nil" => Expr::None,
            "simple_symbol" | "hash_key_symbol" | "bare_symbol" => {
                Expr::text(self.0.raw(node).trim_start_matches(':').trim_matches('"'))
            }
            "string" | "bare_string" | "subshell" | "chained_string" | "character" | "delimited_symbol"
            | "regex" | "heredoc_body" => {
                let raw = self.0.raw(node);
                let single = raw.starts_with(['\'', '?']) || raw.starts_with("%q");
                let mut parts = Vec::new();
                let mut cursor = node.walk();
                for part in node.named_children(&mut cursor) {
                    parts.push(match part.kind() {
                        "interpolation" => self.first(part),
                        "string_content" | "escape_sequence" | "heredoc_content" => {
                            let text = self.0.raw(part);
                            if single { Expr::text(text) } else { literal(unescape(text, true)) }
                        }
                        "heredoc_end" => continue,
                        _ => self.expr(part),
                    });
                }
                if node.kind() == "regex" {
                    return Expr::name(&format!("{raw}{}", if raw.ends_with('/') { "g" } else { "" }));
                }
                let whole = if parts.len() == 1 { parts.swap_remove(0) } else { Expr::Join(parts) };
                if node.kind() == "subshell" { Expr::Command(Box::new(whole), line) } else { whole }
            }
            "heredoc_beginning" => {
                // Its body stands behind the line that it begins in.
                let mut at = node.parent();
                let mut found = None;
                while let Some(up) = at {
                    found = children(up)
                        .into_iter()
                        .find(|n| n.kind() == "heredoc_body" && n.start_byte() > node.end_byte());
                    if found.is_some() {
                        break;
                    }
                    at = up.parent();
                }
                found.map_or(Expr::text(""), |body| self.expr(body))
            }
            "scope_resolution" => {
                let name = field(node, "name").map_or("", |n| self.0.raw(n));
                match field(node, "scope") {
                    Some(scope) => self.expr(scope).attr(name),
                    None => Expr::name(name),
                }
            }
            "call" | "method_call" => {
                let name = field(node, "method").map_or("()", |n| self.0.raw(n));
                let mut args = Vec::new();
                for child in field(node, "arguments").map_or_else(Vec::new, children) {
                    if child.kind() == "pair" {
                        let name = field(child, "key").map_or("", |k| self.0.raw(k));
                        let name: Rc<str> = Rc::from(name.trim_matches([':', '"', '\'']));
                        args.push(Arg { name: Some(name), value: self.of(child, "value") });
                    } else {
                        args.push(Arg { name: None, value: self.expr(child) });
                    }
                }
                if let Some(block) = field(node, "block") {
                    args.push(Arg { name: None, value: Expr::Function(self.function(block)) });
                }
                let callee = match field(node, "receiver") {
                    Some(receiver) => self.expr(receiver).attr(name),
                    None => Expr::name(name),
                };
                Expr::Call(Box::new(Call { callee, args, line }))
            }
            "element_reference" => {
                let mut parts = children(node).into_iter();
                let object = parts.next().map_or(Expr::None, |n| self.expr(n));
                match parts.next() {
                    Some(range) if range.kind() == "range" => {
                        let from = field(range, "begin").map(|n| self.expr(n));
                        let to = field(range, "end").map(|n| self.expr(n));
                        let inclusive = field(range, "operator").is_some_and(|o| self.0.raw(o) == "..");
                        let to = match to {
                            Some(Expr::Unary(Unary::Neg, one))
                                if inclusive && matches!(*one, Expr::Int(1)) =>
                            {
                                None
                            }
                            Some(to) if inclusive => Some(Expr::binary(Op::Add, to, Expr::Int(1))),
                            to => to,
                        };
                        Expr::Slice(Box::new(object), Box::new([from, to, None]))
                    }
                    Some(index) => Expr::Index(Box::new(object), Box::new(self.expr(index))),
                    None => object,
                }
            }
            "range" => {
                let (from, to) = (self.of(node, "begin"), self.of(node, "end"));
                let inclusive = field(node, "operator").is_some_and(|o| self.0.raw(o) == "..");
                Expr::name("·range").call(vec![from, to, Expr::Bool(inclusive)], line)
            }
            "array" | "right_assignment_list" | "left_assignment_list" | "argument_list" => {
                Expr::List(self.all(node))
            }
            "string_array" | "symbol_array" => Expr::List(self.all(node)),
            "splat_argument" | "rest_assignment" => Expr::Spread(Box::new(self.first(node))),
            "hash" => {
                let pairs = children(node).into_iter().filter(|c| c.kind() == "pair").collect::<Vec<_>>();
                Expr::Dict(pairs.into_iter().map(|p| (self.of(p, "key"), self.of(p, "value"))).collect())
            }
            "binary" => {
                let op = field(node, "operator").map_or("", |n| self.0.raw(n));
                let (left, right) = (self.of(node, "left"), self.of(node, "right"));
                match operator(op) {
                    Some(op) => Expr::binary(op, left, right),
                    None => Expr::Seq(vec![left, right, self.0.opaque(node)]),
                }
            }
            "unary" => {
                let operand = Box::new(self.of(node, "operand"));
                match self.0.raw(node).chars().next() {
                    Some('!' | 'n') => Expr::Unary(Unary::Not, operand),
                    Some('-') => Expr::Unary(Unary::Neg, operand),
                    Some('~') => Expr::Unary(Unary::Invert, operand),
                    _ => *operand,
                }
            }
            "conditional" => Expr::Cond(Box::new([
                self.of(node, "condition"),
                self.of(node, "consequence"),
                self.of(node, "alternative"),
            ])),
            "assignment" => self.of(node, "left").assign(self.of(node, "right")),
            "operator_assignment" => {
                let op = field(node, "operator").map_or("", |n| self.0.raw(n));
                let op = operator(op.strip_suffix('=').unwrap_or(op));
                Expr::Assign(Box::new(self.of(node, "left")), op, Box::new(self.of(node, "right")))
            }
            "lambda" => {
                let inner = self.function(field(node, "body").unwrap_or(node));
                let params = self.params(field(node, "parameters"));
                let (name, body) = (inner.name.clone(), inner.body.clone());
                Expr::Function(Rc::new(Function { name, params, body }))
            }
            "block_argument" => self.symbol_function(node),
            "parenthesized_statements"
            | "begin"
            | "then"
            | "if"
            | "unless"
            | "case"
            | "while"
            | "if_modifier"
            | "unless_modifier"
            | "rescue_modifier"
            | "body_statement" => {
                let mut body = Vec::new();
                self.statement(node, &mut body);
                if let [Stmt { kind: StmtKind::Expr(_), .. }] = body.as_slice()
                    && let Some(Stmt { kind: StmtKind::Expr(expr), .. }) = body.pop()
                {
                    return expr;
                }
                let function = Function { name: Rc::from("block"), params: Vec::new(), body: body.into() };
                Expr::Function(Rc::new(function)).call(Vec::new(), line)
            }
            "ERROR" => Expr::Seq(self.all(node)),
            _ => self.0.opaque(node),
        }
    }

    /// `&:name`.
    fn symbol_function(&mut self, node: Node<'_>) -> Expr {
        let line = self.0.line(node);
        let Some(inner) = children(node).first().copied() else { return Expr::None };
        if inner.kind() != "simple_symbol" {
            return self.expr(inner);
        }
        let name = self.0.raw(inner).trim_start_matches(':').to_owned();
        let call = Expr::name("·it").attr(&name).call(Vec::new(), line);
        let param = Param { target: Expr::name("·it"), default: None, rest: Rest::One };
        let body = [Stmt { line, kind: StmtKind::Return(Some(call)) }];
        Expr::Function(Rc::new(Function { name: Rc::from(name), params: vec![param], body: Rc::from(body) }))
    }
}

fn operator(text: &str) -> Option<Op> {
    Some(match text {
        "+" => Op::Add,
        "-" => Op::Sub,
        "*" => Op::Mul,
        "/" => Op::Div,
        "%" => Op::Rem,
        "**" => Op::Pow,
        "&" => Op::BitAnd,
        "|" => Op::BitOr,
        "^" => Op::BitXor,
        "<<" => Op::Shl,
        ">>" => Op::Shr,
        "==" | "===" => Op::Eq,
        "!=" => Op::Ne,
        "<" => Op::Lt,
        "<=" => Op::Le,
        ">" => Op::Gt,
        ">=" => Op::Ge,
        "&&" | "and" => Op::And,
        "||" | "or" => Op::Or,
        _ => return None,
    })
}
