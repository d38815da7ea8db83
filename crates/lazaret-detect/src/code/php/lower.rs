//! From PHP's syntax to the common tree. Variables keep their `$`.

use std::borrow::Cow;
use std::rc::Rc;

use tree_sitter::Node;

use super::super::parse::{self, Parsed, Source, children, field, fields, literal, number, unescape};
use super::super::tree::{
    Arg, Block, Call, Class, Each, Expr, Function, Op, Param, Rest, Stmt, StmtKind, Unary,
};

/// Reads a program; None where that takes too long.
pub(in super::super) fn parse(text: &str) -> Option<Parsed> {
    // Code that is evaluated stands without a tag.
    let tagged = text.contains("<?php") || text.contains("<?=") || text.contains("<? ");
    let text: Cow<'_, str> = if tagged { text.into() } else { format!("<?php {text}").into() };
    let tree = parse::parse(&text, tree_sitter_php::LANGUAGE_PHP.into())?;
    let mut reader = Reader(Source::new(&text));
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
        let mut out = Vec::new();
        if let Some(node) = node {
            self.statement(node, &mut out);
        }
        out.into()
    }

    fn statement(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        if self.0.enter() {
            self.statement_inner(node, out);
            self.0.leave();
        }
    }

    fn statement_inner(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        let line = self.0.line(node);
        let kind = match node.kind() {
            "compound_statement" | "colon_block" | "program" | "ERROR" | "declaration_list" => {
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
            "echo_statement" => {
                let args = self.all(node);
                StmtKind::Expr(Expr::name("echo").call(args, line))
            }
            "function_definition" | "method_declaration" => {
                let function = self.function(node);
                StmtKind::Function(function.name.clone(), function)
            }
            "class_declaration" | "trait_declaration" => {
                let name = field(node, "name").map_or_else(|| Rc::from("class"), |n| self.0.name(n));
                let base = children(node).into_iter().find(|n| n.kind() == "base_clause");
                let bases = base.map_or_else(Vec::new, |b| self.all(b));
                let body = self.block(field(node, "body"));
                StmtKind::Class(name.clone(), Rc::new(Class { name, bases, body }))
            }
            "property_declaration" | "const_declaration" => {
                for element in children(node) {
                    let parts = children(element);
                    let Some(name) = parts.first().filter(|_| element.kind().ends_with("element")) else {
                        continue;
                    };
                    let name = self.0.raw(*name).trim_start_matches('$');
                    let value = field(element, "default_value").or(parts.get(1).copied());
                    let value = value.map_or(Expr::None, |v| self.expr(v));
                    let target = Expr::Declare(Box::new(Expr::name(name)));
                    out.push(Stmt::expr(target.assign(value), line));
                }
                return;
            }
            "if_statement" => {
                let test = self.of(node, "condition");
                let yes = self.block(field(node, "body"));
                let mut no: Block = Rc::from([]);
                for alternative in fields(node, "alternative").into_iter().rev() {
                    no = if alternative.kind() == "else_if_clause" {
                        let test = self.of(alternative, "condition");
                        let yes = self.block(field(alternative, "body"));
                        Rc::from([Stmt { line: self.0.line(alternative), kind: StmtKind::If(test, yes, no) }])
                    } else {
                        self.block(field(alternative, "body"))
                    };
                }
                StmtKind::If(test, yes, no)
            }
            "while_statement" | "do_statement" => StmtKind::While {
                test: self.of(node, "condition"),
                body: self.block(field(node, "body")),
                step: None,
                first: node.kind() == "do_statement",
            },
            "for_statement" => {
                for start in fields(node, "initialize") {
                    let expr = self.expr(start);
                    out.push(Stmt::expr(expr, line));
                }
                StmtKind::While {
                    test: field(node, "condition").map_or(Expr::Bool(true), |n| self.expr(n)),
                    body: self.block(field(node, "body")),
                    step: field(node, "update").map(|n| self.expr(n)),
                    first: false,
                }
            }
            "foreach_statement" => {
                let parts = children(node);
                let over = parts.first().map_or(Expr::None, |n| self.expr(*n));
                let (target, each) = match parts.get(1) {
                    Some(pair) if pair.kind() == "pair" => (Expr::List(self.all(*pair)), Each::Pairs),
                    Some(one) => (self.expr(*one), Each::Values),
                    None => return,
                };
                StmtKind::For { target, over, body: self.block(field(node, "body")), each }
            }
            "try_statement" => {
                let mut handlers = Vec::new();
                let mut last: Block = Rc::from([]);
                for child in children(node) {
                    match child.kind() {
                        "catch_clause" => {
                            let name = field(child, "name").map(|n| self.0.name(n));
                            handlers.push((name, self.block(field(child, "body"))));
                        }
                        "finally_clause" => last = self.block(field(child, "body")),
                        _ => {}
                    }
                }
                StmtKind::Try { body: self.block(field(node, "body")), handlers, last }
            }
            "switch_statement" => {
                let value = self.of(node, "condition");
                let mut cases = Vec::new();
                for case in field(node, "body").map_or_else(Vec::new, children) {
                    let test = field(case, "value");
                    let mut body = Vec::new();
                    for part in children(case).into_iter().filter(|p| Some(p.id()) != test.map(|t| t.id())) {
                        self.statement(part, &mut body);
                    }
                    let test = test.map(|t| self.expr(t));
                    cases.push((test, Block::from(body)));
                }
                StmtKind::Switch(value, cases)
            }
            "return_statement" => StmtKind::Return(children(node).first().map(|n| self.expr(*n))),
            "exit_statement" => {
                let args = self.all(node);
                StmtKind::Expr(Expr::name("exit").call(args, line))
            }
            "break_statement" => StmtKind::Break,
            "continue_statement" => StmtKind::Continue,
            "global_declaration" => {
                StmtKind::Global(children(node).into_iter().map(|n| self.0.name(n)).collect())
            }
            "namespace_definition" => {
                if let Some(body) = field(node, "body") {
                    self.statement(body, out);
                }
                return;
            }
            "text"
            | "text_interpolation"
            | "php_tag"
            | "comment"
            | "namespace_use_declaration"
            | "unset_statement"
            | "empty_statement"
            | "use_declaration"
            | "interface_declaration"
            | "function_static_declaration" => return,
            _ => StmtKind::Expr(self.expr(node)),
        };
        out.push(Stmt { line, kind });
    }

    fn function(&mut self, node: Node<'_>) -> Rc<Function> {
        let line = self.0.line(node);
        let name = field(node, "name").map_or_else(|| Rc::from("function"), |n| self.0.name(n));
        let mut params = Vec::new();
        for child in field(node, "parameters").map_or_else(Vec::new, children) {
            let Some(target) = field(child, "name") else { continue };
            let rest = if child.kind() == "variadic_parameter" { Rest::List } else { Rest::One };
            let default = field(child, "default_value").map(|d| self.expr(d));
            params.push(Param { target: Expr::Name(self.0.name(target)), default, rest });
        }
        let body = match field(node, "body") {
            Some(body) if body.kind() != "compound_statement" => {
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

    fn args(&mut self, node: Node<'_>) -> Vec<Arg> {
        let list =
            field(node, "arguments").or_else(|| children(node).into_iter().find(|n| n.kind() == "arguments"));
        let mut args = Vec::new();
        for child in list.map_or_else(Vec::new, children) {
            let name = field(child, "name").map(|n| self.0.name(n));
            let value = children(child).last().map_or(Expr::None, |n| self.expr(*n));
            args.push(Arg { name, value });
        }
        args
    }

    fn expr_inner(&mut self, node: Node<'_>) -> Expr {
        let line = self.0.line(node);
        match node.kind() {
            "variable_name" => Expr::Name(self.0.name(node)),
            "name" | "qualified_name" | "relative_scope" => {
                let raw = self.0.raw(node);
                Expr::name(raw.rsplit('\\').next().unwrap_or(raw))
            }
            "integer" | "float" => number(self.0.raw(node)),
            "boolean" => Expr::Bool(self.0.raw(node).eq_ignore_ascii_case("true")),
            "null" => Expr::None,
            "string" | "nowdoc" => {
                let raw = self.0.raw(node);
                let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
                literal(inner.replace("\\'", "'").replace("\\\\", "\\").into_bytes())
            }
            "encapsed_string" | "heredoc" | "heredoc_body" | "shell_command_expression" => {
                let mut parts = Vec::new();
                let mut cursor = node.walk();
                for part in node.named_children(&mut cursor) {
                    match part.kind() {
                        "string_content" | "escape_sequence" => {
                            parts.push(literal(unescape(self.0.raw(part), true)));
                        }
                        "heredoc_start" | "heredoc_end" => {}
                        _ => parts.push(self.expr(part)),
                    }
                }
                let whole = Expr::Join(parts);
                if node.kind() == "shell_command_expression" {
                    Expr::Command(Box::new(whole), line)
                } else {
                    whole
                }
            }
            "dynamic_variable_name" => Expr::name("$$").call(vec![self.first(node)], line),
            "member_access_expression"
            | "nullsafe_member_access_expression"
            | "class_constant_access_expression"
            | "scoped_property_access_expression" => {
                let parts = children(node);
                let object = parts.first().map_or(Expr::None, |n| self.expr(*n));
                let name = parts.last().map_or("", |n| self.0.raw(*n)).trim_start_matches('$');
                object.attr(name)
            }
            "subscript_expression" => {
                let mut parts = self.all(node).into_iter();
                let object = parts.next().unwrap_or(Expr::None);
                Expr::Index(Box::new(object), Box::new(parts.next().unwrap_or(Expr::None)))
            }
            "function_call_expression" => {
                let callee = self.of(node, "function");
                Expr::Call(Box::new(Call { callee, args: self.args(node), line }))
            }
            "member_call_expression" | "nullsafe_member_call_expression" | "scoped_call_expression" => {
                let object = field(node, "object").or_else(|| field(node, "scope"));
                let object = object.map_or(Expr::None, |n| self.expr(n));
                let name = field(node, "name").map_or("", |n| self.0.raw(n));
                Expr::Call(Box::new(Call { callee: object.attr(name), args: self.args(node), line }))
            }
            "object_creation_expression" => {
                let callee = self.first(node);
                Expr::Call(Box::new(Call { callee, args: self.args(node), line }))
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
            "unary_op_expression" => {
                let argument = Box::new(children(node).last().map_or(Expr::None, |n| self.expr(*n)));
                match self.0.raw(node).chars().next() {
                    Some('!') => Expr::Unary(Unary::Not, argument),
                    Some('-') => Expr::Unary(Unary::Neg, argument),
                    Some('~') => Expr::Unary(Unary::Invert, argument),
                    _ => *argument,
                }
            }
            "update_expression" => {
                let raw = self.0.raw(node);
                let (op, undo) = if raw.contains("++") { (Op::Add, Op::Sub) } else { (Op::Sub, Op::Add) };
                let target = Box::new(self.of(node, "argument"));
                let changed = Expr::Assign(target, Some(op), Box::new(Expr::Int(1)));
                if raw.starts_with(['+', '-']) { changed } else { Expr::binary(undo, changed, Expr::Int(1)) }
            }
            "conditional_expression" => {
                let test = self.of(node, "condition");
                match field(node, "body") {
                    Some(body) => Expr::Cond(Box::new([test, self.expr(body), self.of(node, "alternative")])),
                    None => Expr::binary(Op::Or, test, self.of(node, "alternative")),
                }
            }
            "array_creation_expression" | "list_literal" => self.array(node),
            "by_ref"
            | "reference_modifier"
            | "error_suppression_expression"
            | "parenthesized_expression"
            | "clone_expression"
            | "argument"
            | "sequence_expression"
            | "array_element_initializer"
            | "yield_expression" => {
                let parts = self.all(node);
                if parts.len() == 1 {
                    parts.into_iter().next().unwrap_or(Expr::None)
                } else {
                    Expr::Seq(parts)
                }
            }
            "cast_expression" => self.of(node, "value"),
            "anonymous_function" | "arrow_function" => Expr::Function(self.function(node)),
            "assignment_expression" | "reference_assignment_expression" => {
                self.of(node, "left").assign(self.of(node, "right"))
            }
            "augmented_assignment_expression" => {
                let op = field(node, "operator").map_or("", |n| self.0.raw(n));
                let op = operator(op.strip_suffix('=').unwrap_or(op));
                Expr::Assign(Box::new(self.of(node, "left")), op, Box::new(self.of(node, "right")))
            }
            "include_expression"
            | "include_once_expression"
            | "require_expression"
            | "require_once_expression" => Expr::name("include").call(vec![self.first(node)], line),
            "print_intrinsic" => Expr::name("echo").call(vec![self.first(node)], line),
            "exit_statement" => Expr::name("exit").call(Vec::new(), line),
            _ => self.0.opaque(node),
        }
    }

    fn array(&mut self, node: Node<'_>) -> Expr {
        let mut entries = Vec::new();
        let mut plain = true;
        for element in children(node) {
            let parts = children(element);
            match (parts.first(), parts.get(1)) {
                (Some(key), Some(value)) if element.kind() == "array_element_initializer" => {
                    plain = false;
                    entries.push((Some(self.expr(*key)), self.expr(*value)));
                }
                _ => entries.push((None, self.expr(element))),
            }
        }
        if plain {
            return Expr::List(entries.into_iter().map(|(_, v)| v).collect());
        }
        let numbered = entries.into_iter().enumerate();
        Expr::Dict(numbered.map(|(n, (k, v))| (k.unwrap_or(Expr::Int(n as i64)), v)).collect())
    }
}

fn operator(text: &str) -> Option<Op> {
    Some(match text.to_ascii_lowercase().as_str() {
        "+" => Op::Add,
        "." => Op::Concat,
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
        "!=" | "!==" | "<>" => Op::Ne,
        "<" => Op::Lt,
        "<=" => Op::Le,
        ">" => Op::Gt,
        ">=" => Op::Ge,
        "&&" | "and" => Op::And,
        "||" | "or" => Op::Or,
        "??" => Op::Else,
        _ => return None,
    })
}
