//! From JavaScript's syntax to the common tree.

use std::rc::Rc;

use tree_sitter::Node;

use super::super::parse::{self, Parsed, Source, children, field, literal, number, unescape};
use super::super::tree::{
    Arg, Block, Call, Class, Each, Expr, Function, Op, Param, Rest, Stmt, StmtKind, Unary,
};

/// Reads a program; None where that takes too long.
pub(in super::super) fn parse(text: &str) -> Option<Parsed> {
    let tree = parse::parse(text, tree_sitter_javascript::LANGUAGE.into())?;
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

    /// A statement, or those of a block.
    fn block(&mut self, node: Option<Node<'_>>) -> Block {
        let mut out = Vec::new();
        if let Some(node) = node {
            self.statement(node, &mut out);
        }
        out.into()
    }

    fn statement(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        if !self.0.enter() {
            return;
        }
        self.statement_inner(node, out);
        self.0.leave();
    }

    fn statement_inner(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        let line = self.0.line(node);
        let kind = match node.kind() {
            "statement_block" | "program" | "class_static_block" => {
                let inner = self.statements(node);
                out.extend(inner);
                return;
            }
            "expression_statement" => {
                for child in children(node) {
                    let expr = self.expr(child);
                    out.push(Stmt::expr(expr, line));
                }
                return;
            }
            "lexical_declaration" | "variable_declaration" => {
                for declarator in children(node) {
                    let Some(name) = field(declarator, "name") else { continue };
                    let target = Expr::Declare(Box::new(self.expr(name)));
                    let value = self.of(declarator, "value");
                    out.push(Stmt::expr(target.assign(value), line));
                }
                return;
            }
            "function_declaration" | "generator_function_declaration" => {
                let function = self.function(node);
                StmtKind::Function(function.name.clone(), function)
            }
            "class_declaration" => self.class(node),
            "if_statement" => StmtKind::If(
                self.of(node, "condition"),
                self.block(field(node, "consequence")),
                self.block(field(node, "alternative").and_then(|a| children(a).first().copied())),
            ),
            "while_statement" | "do_statement" => StmtKind::While {
                test: self.of(node, "condition"),
                body: self.block(field(node, "body")),
                step: None,
                first: node.kind() == "do_statement",
            },
            "for_statement" => {
                if let Some(start) = field(node, "initializer") {
                    self.statement(start, out);
                }
                let test = field(node, "condition").filter(|n| n.is_named() && n.kind() != "empty_statement");
                StmtKind::While {
                    test: test.map_or(Expr::Bool(true), |n| self.expr(n)),
                    body: self.block(field(node, "body")),
                    step: field(node, "increment").map(|n| self.expr(n)),
                    first: false,
                }
            }
            "for_in_statement" => {
                let mut target = self.of(node, "left");
                if field(node, "kind").is_some() {
                    target = Expr::Declare(Box::new(target));
                }
                let of = field(node, "operator").is_some_and(|o| self.0.raw(o) == "of");
                StmtKind::For {
                    target,
                    over: self.of(node, "right"),
                    body: self.block(field(node, "body")),
                    each: if of { Each::Values } else { Each::Keys },
                }
            }
            "try_statement" => {
                let handler = field(node, "handler");
                let handlers = handler
                    .map(|h| {
                        let name = field(h, "parameter").map(|p| self.0.name(p));
                        (name, self.block(field(h, "body")))
                    })
                    .into_iter()
                    .collect();
                let last = field(node, "finalizer").and_then(|f| field(f, "body"));
                StmtKind::Try { body: self.block(field(node, "body")), handlers, last: self.block(last) }
            }
            "switch_statement" => {
                let value = self.of(node, "value");
                let mut cases = Vec::new();
                for case in field(node, "body").map_or_else(Vec::new, children) {
                    let test = field(case, "value").map(|v| self.expr(v));
                    let mut body = Vec::new();
                    for part in parse::fields(case, "body") {
                        self.statement(part, &mut body);
                    }
                    cases.push((test, Block::from(body)));
                }
                StmtKind::Switch(value, cases)
            }
            "return_statement" => StmtKind::Return(children(node).first().map(|n| self.expr(*n))),
            "throw_statement" => {
                let value = self.first(node);
                out.push(Stmt::expr(value, line));
                out.push(Stmt::expr(Expr::name("process").attr("exit").call(Vec::new(), line), line));
                return;
            }
            "break_statement" => StmtKind::Break,
            "continue_statement" => StmtKind::Continue,
            "labeled_statement" => {
                if let Some(body) = field(node, "body") {
                    self.statement(body, out);
                }
                return;
            }
            "import_statement" => {
                self.import(node, out);
                return;
            }
            "export_statement" => {
                self.export(node, out);
                return;
            }
            "empty_statement" | "comment" | "hash_bang_line" | "debugger_statement" => return,
            "ERROR" => {
                let inner = self.statements(node);
                out.extend(inner);
                return;
            }
            _ => StmtKind::Expr(self.expr(node)),
        };
        out.push(Stmt { line, kind });
    }

    fn import(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        let line = self.0.line(node);
        let Some(source) = field(node, "source") else { return };
        let name = match self.expr(source) {
            Expr::Text(text) => text,
            _ => return,
        };
        let module = || Expr::Import(name.clone(), line);
        let mut bind = |target: &str, value: Expr| {
            let target = Expr::Declare(Box::new(Expr::name(target)));
            out.push(Stmt::expr(target.assign(value), line));
        };
        let clause = children(node).into_iter().find(|n| n.kind() == "import_clause");
        for part in clause.map_or_else(Vec::new, children) {
            match part.kind() {
                "identifier" => bind(self.0.raw(part), module()),
                "namespace_import" => {
                    let alias = children(part).first().map_or("", |n| self.0.raw(*n));
                    bind(alias, module());
                }
                "named_imports" => {
                    for one in children(part) {
                        let name = field(one, "name").map_or("", |n| self.0.raw(n));
                        let alias = field(one, "alias").map_or(name, |n| self.0.raw(n));
                        let value = if name == "default" { module() } else { module().attr(name) };
                        bind(alias, value);
                    }
                }
                _ => {}
            }
        }
        if clause.is_none() {
            out.push(Stmt::expr(module(), line));
        }
    }

    fn export(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        let line = self.0.line(node);
        if let Some(value) = field(node, "value") {
            let value = self.expr(value);
            out.push(Stmt::expr(Expr::name("module").attr("exports").assign(value), line));
        }
        let Some(declaration) = field(node, "declaration") else { return };
        self.statement(declaration, out);
        let mut names = Vec::new();
        if let Some(name) = field(declaration, "name") {
            names.push(self.0.raw(name));
        }
        for declarator in children(declaration) {
            if let Some(name) = field(declarator, "name").filter(|n| n.kind() == "identifier") {
                names.push(self.0.raw(name));
            }
        }
        for name in names {
            let value = Expr::name("exports").attr(name).assign(Expr::name(name));
            out.push(Stmt::expr(value, line));
        }
    }

    fn class(&mut self, node: Node<'_>) -> StmtKind {
        let name = field(node, "name").map_or_else(|| Rc::from("class"), |n| self.0.name(n));
        let heritage = children(node).into_iter().find(|n| n.kind() == "class_heritage");
        let bases = heritage.map_or_else(Vec::new, |h| vec![self.first(h)]);
        let mut body = Vec::new();
        for member in field(node, "body").map_or_else(Vec::new, children) {
            let line = self.0.line(member);
            match member.kind() {
                "method_definition" => {
                    let function = self.function(member);
                    body.push(Stmt { line, kind: StmtKind::Function(function.name.clone(), function) });
                }
                "field_definition" => {
                    let Some(name) = field(member, "property") else { continue };
                    let target = Expr::Declare(Box::new(Expr::Name(self.0.name(name))));
                    let value = self.of(member, "value");
                    body.push(Stmt::expr(target.assign(value), line));
                }
                _ => self.statement(member, &mut body),
            }
        }
        StmtKind::Class(name.clone(), Rc::new(Class { name, bases, body: body.into() }))
    }

    fn function(&mut self, node: Node<'_>) -> Rc<Function> {
        let line = self.0.line(node);
        let name = field(node, "name").map_or_else(|| Rc::from("function"), |n| self.0.name(n));
        let mut params = Vec::new();
        if let Some(one) = field(node, "parameter") {
            params.push(Param { target: self.expr(one), default: None, rest: Rest::One });
        }
        for child in field(node, "parameters").map_or_else(Vec::new, children) {
            params.push(match child.kind() {
                "assignment_pattern" => Param {
                    target: self.of(child, "left"),
                    default: Some(self.of(child, "right")),
                    rest: Rest::One,
                },
                "rest_pattern" => Param { target: self.first(child), default: None, rest: Rest::List },
                _ => Param { target: self.expr(child), default: None, rest: Rest::One },
            });
        }
        let body = match field(node, "body") {
            Some(body) if body.kind() != "statement_block" => {
                let value = self.expr(body);
                Rc::from([Stmt { line, kind: StmtKind::Return(Some(value)) }])
            }
            body => self.block(body),
        };
        Rc::new(Function { name, params, body })
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
            "identifier"
            | "shorthand_property_identifier"
            | "shorthand_property_identifier_pattern"
            | "this"
            | "super" => Expr::Name(self.0.name(node)),
            "property_identifier" | "private_property_identifier" => Expr::text(self.0.raw(node)),
            "number" => number(self.0.raw(node)),
            "true" => Expr::Bool(true),
            "false" => Expr::Bool(false),
            "null" | "undefined" => Expr::None,
            "string" => {
                let raw = self.0.raw(node);
                let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
                literal(unescape(inner, false))
            }
            "template_string" => {
                let mut parts = Vec::new();
                let mut cursor = node.walk();
                for part in node.named_children(&mut cursor) {
                    parts.push(match part.kind() {
                        "template_substitution" => self.first(part),
                        _ => literal(unescape(self.0.raw(part), false)),
                    });
                }
                Expr::Join(parts)
            }
            "regex" => Expr::Name(self.0.name(node)),
            "member_expression" => {
                let name = field(node, "property").map_or("", |n| self.0.raw(n));
                self.of(node, "object").attr(name)
            }
            "subscript_expression" => {
                Expr::Index(Box::new(self.of(node, "object")), Box::new(self.of(node, "index")))
            }
            "call_expression" | "new_expression" => {
                let callee = match field(node, "function").or_else(|| field(node, "constructor")) {
                    Some(callee) if callee.kind() == "import" => Expr::name("require"),
                    Some(callee) => self.expr(callee),
                    None => Expr::None,
                };
                let list = field(node, "arguments");
                let args = match list {
                    Some(list) if list.kind() == "template_string" => vec![self.expr(list)],
                    Some(list) => self.all(list),
                    None => Vec::new(),
                };
                let args = args.into_iter().map(|value| Arg { name: None, value }).collect();
                Expr::Call(Box::new(Call { callee, args, line }))
            }
            "binary_expression" => {
                let mut chain = Vec::new();
                let mut at = node;
                while let Some(left) = field(at, "left")
                    && left.kind() == node.kind()
                {
                    chain.push(at);
                    at = left;
                }
                let mut expr = self.of(at, "left");
                chain.push(at);
                for step in chain.into_iter().rev() {
                    let op = field(step, "operator").map_or("", |n| self.0.raw(n));
                    let right = self.of(step, "right");
                    expr = match operator(op) {
                        Some(op) => Expr::binary(op, expr, right),
                        None => Expr::Seq(vec![expr, right, self.0.opaque(step)]),
                    };
                }
                expr
            }
            "unary_expression" => {
                let argument = self.of(node, "argument");
                match field(node, "operator").map_or("", |n| self.0.raw(n)) {
                    "!" => Expr::Unary(Unary::Not, Box::new(argument)),
                    "-" => Expr::Unary(Unary::Neg, Box::new(argument)),
                    "~" => Expr::Unary(Unary::Invert, Box::new(argument)),
                    "+" => Expr::name("Number").call(vec![argument], line),
                    "void" => Expr::Seq(vec![argument, Expr::None]),
                    "typeof" => Expr::name("typeof").call(vec![argument], line),
                    _ => Expr::Seq(vec![argument, Expr::Bool(true)]),
                }
            }
            "update_expression" => {
                let target = self.of(node, "argument");
                let raw = self.0.raw(node);
                let (op, undo) = if raw.contains("++") { (Op::Add, Op::Sub) } else { (Op::Sub, Op::Add) };
                let changed = Expr::Assign(Box::new(target), Some(op), Box::new(Expr::Int(1)));
                if raw.starts_with(['+', '-']) { changed } else { Expr::binary(undo, changed, Expr::Int(1)) }
            }
            "ternary_expression" => Expr::Cond(Box::new([
                self.of(node, "condition"),
                self.of(node, "consequence"),
                self.of(node, "alternative"),
            ])),
            "array" | "array_pattern" => Expr::List(self.all(node)),
            "spread_element" | "rest_pattern" => Expr::Spread(Box::new(self.first(node))),
            "object" | "object_pattern" => self.object(node),
            "function_expression" | "arrow_function" | "generator_function" | "function" => {
                Expr::Function(self.function(node))
            }
            "class" => {
                let kind = self.class(node);
                let StmtKind::Class(name, _) = &kind else { return Expr::None };
                let name = name.clone();
                let body = [
                    Stmt { line, kind },
                    Stmt { line, kind: StmtKind::Return(Some(Expr::Name(name.clone()))) },
                ];
                let function = Function { name, params: Vec::new(), body: Rc::from(body) };
                Expr::Function(Rc::new(function)).call(Vec::new(), line)
            }
            "assignment_expression" => self.of(node, "left").assign(self.of(node, "right")),
            "assignment_pattern" | "object_assignment_pattern" => {
                self.of(node, "left").assign(self.of(node, "right"))
            }
            "augmented_assignment_expression" => {
                let op = field(node, "operator").map_or("", |n| self.0.raw(n));
                let op = operator(op.strip_suffix('=').unwrap_or(op));
                Expr::Assign(Box::new(self.of(node, "left")), op, Box::new(self.of(node, "right")))
            }
            "sequence_expression" => Expr::Seq(self.all(node)),
            "parenthesized_expression"
            | "await_expression"
            | "yield_expression"
            | "template_substitution"
            | "computed_property_name"
            | "expression_statement" => self.first(node),
            "lexical_declaration" | "variable_declaration" => {
                let name = children(node).first().and_then(|d| field(*d, "name"));
                name.map_or(Expr::None, |n| Expr::Declare(Box::new(self.expr(n))))
            }
            "ERROR" => Expr::Seq(self.all(node)),
            _ => self.0.opaque(node),
        }
    }

    fn object(&mut self, node: Node<'_>) -> Expr {
        let mut entries = Vec::new();
        for child in children(node) {
            match child.kind() {
                "pair" | "pair_pattern" => entries.push((self.of(child, "key"), self.of(child, "value"))),
                "shorthand_property_identifier" | "shorthand_property_identifier_pattern" => {
                    entries.push((Expr::text(self.0.raw(child)), self.expr(child)));
                }
                "object_assignment_pattern" => {
                    let name = field(child, "left").map_or("", |n| self.0.raw(n));
                    entries.push((Expr::text(name), self.expr(child)));
                }
                "method_definition" => {
                    let function = self.function(child);
                    entries.push((Expr::Text(function.name.clone()), Expr::Function(function)));
                }
                "spread_element" => {
                    let inner = self.first(child);
                    entries.push((Expr::SpreadNamed(Box::new(inner)), Expr::None));
                }
                _ => {}
            }
        }
        Expr::Dict(entries)
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
        ">>" | ">>>" => Op::Shr,
        "==" | "===" => Op::Eq,
        "!=" | "!==" => Op::Ne,
        "<" => Op::Lt,
        "<=" => Op::Le,
        ">" => Op::Gt,
        ">=" => Op::Ge,
        "&&" => Op::And,
        "||" => Op::Or,
        "??" => Op::Else,
        "in" => Op::In,
        _ => return None,
    })
}
