//! From Python's syntax to the common tree.

use std::rc::Rc;

use tree_sitter::Node;

use super::super::parse::{self, Parsed, Source, children, field, fields, literal, number, unescape};
use super::super::tree::{
    Arg, Block, Call, Class, Clause, Comprehension, Each, Expr, Function, Name, Op, Param, Rest, Stmt,
    StmtKind, Unary,
};

/// Reads a program; None where that takes too long.
pub(in super::super) fn parse(text: &str) -> Option<Parsed> {
    let tree = parse::parse(text, tree_sitter_python::LANGUAGE.into())?;
    let mut reader = Reader(Source::new(text));
    let body = reader.statements(tree.root_node());
    Some(reader.0.done(body))
}

struct Reader<'t>(Source<'t>);

impl Reader<'_> {
    fn block(&mut self, node: Option<Node<'_>>) -> Block {
        node.map_or_else(|| Rc::from([]), |n| self.statements(n).into())
    }

    fn statements(&mut self, node: Node<'_>) -> Vec<Stmt> {
        let mut out = Vec::new();
        if self.0.enter() {
            for child in children(node) {
                self.statement(child, &mut out);
            }
            self.0.leave();
        }
        out
    }

    fn statement(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        let line = self.0.line(node);
        let kind = match node.kind() {
            "expression_statement" => {
                for child in children(node) {
                    let expr = self.expr(child);
                    out.push(Stmt::expr(expr, line));
                }
                return;
            }
            "if_statement" => self.condition(node),
            "while_statement" => StmtKind::While {
                test: self.of(node, "condition"),
                body: self.block(field(node, "body")),
                step: None,
                first: false,
            },
            "for_statement" => StmtKind::For {
                target: self.of(node, "left"),
                over: self.of(node, "right"),
                body: self.block(field(node, "body")),
                each: Each::Values,
            },
            "function_definition" => {
                let function = self.function(node);
                StmtKind::Function(function.name.clone(), function)
            }
            "decorated_definition" => {
                let Some(definition) = field(node, "definition") else { return };
                self.statement(definition, out);
                let name = field(definition, "name").map(|n| self.0.name(n));
                for decorator in children(node).into_iter().filter(|n| n.kind() == "decorator") {
                    let Some(inner) = children(decorator).first().copied() else { continue };
                    let expr = self.expr(inner);
                    let target = name.clone().map_or(Expr::None, Expr::Name);
                    out.push(Stmt::expr(expr.call(vec![target], line), line));
                }
                return;
            }
            "class_definition" => {
                let name = field(node, "name").map_or_else(|| Rc::from(""), |n| self.0.name(n));
                let bases = field(node, "superclasses").map_or_else(Vec::new, |b| {
                    children(b)
                        .into_iter()
                        .filter(|c| c.kind() != "keyword_argument")
                        .map(|c| self.expr(c))
                        .collect()
                });
                let body = self.block(field(node, "body"));
                StmtKind::Class(name.clone(), Rc::new(Class { name, bases, body }))
            }
            "return_statement" => StmtKind::Return(children(node).first().map(|n| self.expr(*n))),
            "break_statement" => StmtKind::Break,
            "continue_statement" => StmtKind::Continue,
            "raise_statement" => {
                if let Some(value) = children(node).first() {
                    let value = self.expr(*value);
                    out.push(Stmt::expr(value, line));
                }
                out.push(Stmt::expr(Expr::name("sys").attr("exit").call(Vec::new(), line), line));
                return;
            }
            "try_statement" => {
                let mut handlers = Vec::new();
                let mut last = Vec::new();
                for child in children(node) {
                    match child.kind() {
                        "except_clause" | "except_group_clause" => {
                            let parts = children(child);
                            let name = parts
                                .first()
                                .filter(|p| p.kind() == "as_pattern")
                                .and_then(|p| children(*p).last().copied())
                                .map(|n| self.0.name(n));
                            let body = parts.into_iter().rfind(|p| p.kind() == "block");
                            handlers.push((name, self.block(body)));
                        }
                        "else_clause" => {
                            let body = field(child, "body");
                            last.extend(body.map_or_else(Vec::new, |b| self.statements(b)));
                        }
                        "finally_clause" => {
                            let body = children(child).into_iter().find(|p| p.kind() == "block");
                            last.extend(body.map_or_else(Vec::new, |b| self.statements(b)));
                        }
                        _ => {}
                    }
                }
                StmtKind::Try { body: self.block(field(node, "body")), handlers, last: last.into() }
            }
            "with_statement" => {
                let clause = children(node).into_iter().find(|n| n.kind() == "with_clause");
                for item in clause.map_or_else(Vec::new, children) {
                    let Some(value) = field(item, "value") else { continue };
                    let expr = if value.kind() == "as_pattern" {
                        let parts = children(value);
                        let (Some(what), Some(alias)) = (parts.first(), parts.get(1)) else { continue };
                        let entered = self.expr(*what).attr("__enter__").call(Vec::new(), line);
                        let alias = children(*alias).first().copied().unwrap_or(*alias);
                        self.expr(alias).assign(entered)
                    } else {
                        self.expr(value)
                    };
                    out.push(Stmt::expr(expr, line));
                }
                StmtKind::Group(self.block(field(node, "body")))
            }
            "import_statement" => {
                for part in fields(node, "name") {
                    if part.kind() == "aliased_import" {
                        let name = field(part, "name").map_or("", |n| self.0.raw(n));
                        let alias = field(part, "alias").map_or("", |n| self.0.raw(n));
                        let value = Expr::Import(Rc::from(name), line);
                        out.push(Stmt::expr(Expr::name(alias).assign(value), line));
                    } else {
                        let name = self.0.raw(part);
                        let first = name.split('.').next().unwrap_or(name);
                        let value = Expr::Import(Rc::from(first), line);
                        out.push(Stmt::expr(Expr::name(first).assign(value), line));
                        if first != name {
                            out.push(Stmt::expr(Expr::Import(Rc::from(name), line), line));
                        }
                    }
                }
                return;
            }
            "import_from_statement" => {
                let module: Name =
                    field(node, "module_name").map_or_else(|| Rc::from(""), |n| self.0.name(n));
                if children(node).iter().any(|n| n.kind() == "wildcard_import") {
                    out.push(Stmt { line, kind: StmtKind::ImportAll(Expr::Import(module, line)) });
                    return;
                }
                for part in fields(node, "name") {
                    let (name, alias) = if part.kind() == "aliased_import" {
                        let name = field(part, "name").map_or("", |n| self.0.raw(n));
                        (name, field(part, "alias").map_or("", |n| self.0.raw(n)))
                    } else {
                        (self.0.raw(part), self.0.raw(part))
                    };
                    let value = Expr::Import(module.clone(), line).attr(name);
                    out.push(Stmt::expr(Expr::name(alias).assign(value), line));
                }
                return;
            }
            "global_statement" | "nonlocal_statement" => {
                StmtKind::Global(children(node).into_iter().map(|n| self.0.name(n)).collect())
            }
            "exec_statement" => {
                let code = self.of(node, "code");
                StmtKind::Expr(Expr::name("exec").call(vec![code], line))
            }
            "print_statement" => {
                let args = fields(node, "argument").into_iter().map(|n| self.expr(n)).collect();
                StmtKind::Expr(Expr::name("print").call(args, line))
            }
            "match_statement" => {
                let subject = self.of(node, "subject");
                out.push(Stmt::expr(subject, line));
                let body = field(node, "body");
                for case in body.map_or_else(Vec::new, children) {
                    let body = self.block(field(case, "consequence"));
                    let kind = StmtKind::If(Expr::opaque("case"), body, Rc::from([]));
                    out.push(Stmt { line: self.0.line(case), kind });
                }
                return;
            }
            "assert_statement" | "delete_statement" => {
                for child in children(node) {
                    if node.kind() == "assert_statement" {
                        let expr = self.expr(child);
                        out.push(Stmt::expr(expr, line));
                    }
                }
                return;
            }
            "pass_statement" | "comment" | "future_import_statement" | "type_alias_statement" => return,
            "block" | "module" => {
                let inner = self.statements(node);
                out.extend(inner);
                return;
            }
            "ERROR" => {
                for child in children(node) {
                    self.statement(child, out);
                }
                return;
            }
            _ => StmtKind::Expr(self.expr(node)),
        };
        out.push(Stmt { line, kind });
    }

    /// `if`, its `elif`s folded from the last to the first.
    fn condition(&mut self, node: Node<'_>) -> StmtKind {
        let test = self.of(node, "condition");
        let yes = self.block(field(node, "consequence"));
        let mut no: Block = Rc::from([]);
        for alternative in fields(node, "alternative").into_iter().rev() {
            no = match alternative.kind() {
                "elif_clause" => {
                    let test = self.of(alternative, "condition");
                    let yes = self.block(field(alternative, "consequence"));
                    let line = self.0.line(alternative);
                    Rc::from([Stmt { line, kind: StmtKind::If(test, yes, no) }])
                }
                _ => self.block(field(alternative, "body")),
            };
        }
        StmtKind::If(test, yes, no)
    }

    fn function(&mut self, node: Node<'_>) -> Rc<Function> {
        let line = self.0.line(node);
        let name = field(node, "name").map_or_else(|| Rc::from("lambda"), |n| self.0.name(n));
        let params = field(node, "parameters").map_or_else(Vec::new, |p| self.params(p));
        let body = match field(node, "body") {
            Some(body) if node.kind() == "lambda" => {
                let value = self.expr(body);
                Rc::from([Stmt { line, kind: StmtKind::Return(Some(value)) }])
            }
            body => self.block(body),
        };
        Rc::new(Function { name, params, body })
    }

    fn params(&mut self, node: Node<'_>) -> Vec<Param> {
        let mut params = Vec::new();
        for child in children(node) {
            let (target, default, rest) = match child.kind() {
                "identifier" => (self.0.raw(child), None, Rest::One),
                "default_parameter" | "typed_default_parameter" => {
                    let default = Some(self.of(child, "value"));
                    (field(child, "name").map_or("", |n| self.0.raw(n)), default, Rest::One)
                }
                "typed_parameter" => {
                    let inner = children(child).first().copied().unwrap_or(child);
                    let (name, rest) = self.starred(inner);
                    (name, None, rest)
                }
                "list_splat_pattern" | "dictionary_splat_pattern" => {
                    let (name, rest) = self.starred(child);
                    (name, None, rest)
                }
                _ => continue,
            };
            params.push(Param { target: Expr::name(target), default, rest });
        }
        params
    }

    fn starred(&self, node: Node<'_>) -> (&str, Rest) {
        let rest = match node.kind() {
            "list_splat_pattern" => Rest::List,
            "dictionary_splat_pattern" => Rest::Named,
            _ => Rest::One,
        };
        (self.0.raw(node).trim_start_matches('*'), rest)
    }

    fn of(&mut self, node: Node<'_>, name: &str) -> Expr {
        field(node, name).map_or(Expr::None, |n| self.expr(n))
    }

    fn all(&mut self, node: Node<'_>) -> Vec<Expr> {
        children(node).into_iter().map(|n| self.expr(n)).collect()
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
            "identifier" => Expr::Name(self.0.name(node)),
            "integer" | "float" => number(self.0.raw(node)),
            "true" => Expr::Bool(true),
            "false" => Expr::Bool(false),
            "none" | "ellipsis" => Expr::None,
            "string" => self.string(node),
            "concatenated_string" => {
                let parts = self.all(node);
                let bytes = parts.iter().any(|p| matches!(p, Expr::Bytes(_)));
                let texts: Option<Vec<&[u8]>> = parts
                    .iter()
                    .map(|p| match p {
                        Expr::Text(t) => Some(t.as_bytes()),
                        Expr::Bytes(b) => Some(&**b),
                        _ => None,
                    })
                    .collect();
                match texts {
                    Some(texts) if bytes => Expr::Bytes(Rc::from(texts.concat())),
                    Some(texts) => literal(texts.concat()),
                    None => Expr::Join(parts),
                }
            }
            "attribute" => {
                let name = field(node, "attribute").map_or("", |n| self.0.raw(n));
                self.of(node, "object").attr(name)
            }
            "subscript" => {
                let object = self.of(node, "value");
                let Some(index) = field(node, "subscript") else { return object };
                if index.kind() == "slice" {
                    let mut parts = [None, None, None];
                    let mut at = 0;
                    let mut cursor = index.walk();
                    for child in index.children(&mut cursor) {
                        if child.kind() == ":" {
                            at += 1;
                        } else if child.is_named()
                            && let Some(part) = parts.get_mut(at)
                        {
                            *part = Some(self.expr(child));
                        }
                    }
                    return Expr::Slice(Box::new(object), Box::new(parts));
                }
                Expr::Index(Box::new(object), Box::new(self.expr(index)))
            }
            "call" => {
                let callee = self.of(node, "function");
                let mut args = Vec::new();
                if let Some(list) = field(node, "arguments") {
                    if list.kind() == "generator_expression" {
                        args.push(Arg { name: None, value: self.expr(list) });
                    } else {
                        for child in children(list) {
                            let name = (child.kind() == "keyword_argument")
                                .then(|| field(child, "name").map(|n| self.0.name(n)))
                                .flatten();
                            let value =
                                if name.is_some() { self.of(child, "value") } else { self.expr(child) };
                            args.push(Arg { name, value });
                        }
                    }
                }
                Expr::Call(Box::new(Call { callee, args, line }))
            }
            "binary_operator" | "boolean_operator" => {
                // A long sum leans to the left; going down it costs no depth.
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
            "comparison_operator" => self.comparison(node),
            "not_operator" => Expr::Unary(Unary::Not, Box::new(self.of(node, "argument"))),
            "unary_operator" => {
                let op = match field(node, "operator").map_or("", |n| self.0.raw(n)) {
                    "-" => Unary::Neg,
                    "~" => Unary::Invert,
                    _ => return self.of(node, "argument"),
                };
                Expr::Unary(op, Box::new(self.of(node, "argument")))
            }
            "conditional_expression" => {
                let mut parts = self.all(node).into_iter();
                let (Some(yes), Some(test), Some(no)) = (parts.next(), parts.next(), parts.next()) else {
                    return Expr::None;
                };
                Expr::Cond(Box::new([test, yes, no]))
            }
            "list" | "tuple" | "set" | "expression_list" | "pattern_list" | "tuple_pattern"
            | "list_pattern" => Expr::List(self.all(node)),
            "list_splat" | "list_splat_pattern" | "parenthesized_list_splat" => {
                Expr::Spread(Box::new(self.first(node)))
            }
            "dictionary_splat" => Expr::SpreadNamed(Box::new(self.first(node))),
            "dictionary" => {
                let mut entries = Vec::new();
                for child in children(node) {
                    match child.kind() {
                        "pair" => entries.push((self.of(child, "key"), self.of(child, "value"))),
                        "dictionary_splat" => {
                            let inner = self.first(child);
                            entries.push((Expr::SpreadNamed(Box::new(inner)), Expr::None));
                        }
                        _ => {}
                    }
                }
                Expr::Dict(entries)
            }
            "list_comprehension"
            | "generator_expression"
            | "set_comprehension"
            | "dictionary_comprehension" => {
                let mut clauses = Vec::new();
                for child in children(node) {
                    match child.kind() {
                        "for_in_clause" => {
                            clauses.push(Clause::For(self.of(child, "left"), self.of(child, "right")));
                        }
                        "if_clause" => clauses.push(Clause::If(self.first(child))),
                        _ => {}
                    }
                }
                let Some(body) = field(node, "body") else { return Expr::None };
                let (key, value) = if body.kind() == "pair" {
                    (Some(self.of(body, "key")), self.of(body, "value"))
                } else {
                    (None, self.expr(body))
                };
                Expr::Comprehension(Box::new(Comprehension { key, value, clauses }))
            }
            "lambda" => Expr::Function(self.function(node)),
            "assignment" => {
                let target = self.of(node, "left");
                match field(node, "right") {
                    Some(right) => target.assign(self.expr(right)),
                    None => Expr::None,
                }
            }
            "augmented_assignment" => {
                let op = field(node, "operator").map_or("", |n| self.0.raw(n));
                let op = operator(op.trim_end_matches('='));
                Expr::Assign(Box::new(self.of(node, "left")), op, Box::new(self.of(node, "right")))
            }
            "named_expression" => self.of(node, "name").assign(self.of(node, "value")),
            "await" | "parenthesized_expression" | "keyword_argument" | "expression_statement" | "type" => {
                self.first(node)
            }
            "as_pattern" => self.first(node),
            "yield" => self.first(node),
            "interpolation" => self.of(node, "expression"),
            "ERROR" => Expr::Seq(self.all(node)),
            _ => self.0.opaque(node),
        }
    }

    fn first(&mut self, node: Node<'_>) -> Expr {
        children(node).first().map_or(Expr::None, |n| self.expr(*n))
    }

    fn comparison(&mut self, node: Node<'_>) -> Expr {
        let operands = children(node);
        let operators = fields(node, "operators");
        let named: Vec<&str> = operators.iter().map(|n| self.0.raw(*n)).collect();
        let joined = named.join(" ");
        let mut whole: Option<Expr> = None;
        let operands: Vec<Node<'_>> =
            operands.into_iter().filter(|n| !operators.iter().any(|o| o.id() == n.id())).collect();
        for (n, pair) in operands.windows(2).enumerate() {
            let op = match named.get(n).copied().unwrap_or(&joined) {
                "==" | "is" => Op::Eq,
                "!=" | "is not" | "<>" => Op::Ne,
                "<" => Op::Lt,
                "<=" => Op::Le,
                ">" => Op::Gt,
                ">=" => Op::Ge,
                "in" => Op::In,
                "not in" => Op::NotIn,
                _ => return self.0.opaque(node),
            };
            let one = Expr::binary(op, self.expr(pair[0]), self.expr(pair[1]));
            whole = Some(match whole {
                Some(before) => Expr::binary(Op::And, before, one),
                None => one,
            });
        }
        whole.unwrap_or(Expr::None)
    }

    fn string(&mut self, node: Node<'_>) -> Expr {
        let parts = children(node);
        let prefix = parts.first().map_or("", |n| self.0.raw(*n)).to_ascii_lowercase();
        let raw = prefix.contains('r');
        let bytes = prefix.contains('b');
        let formatted = prefix.contains('f');
        let mut whole: Vec<Expr> = Vec::new();
        for part in parts {
            match part.kind() {
                "string_content" => {
                    let text = self.0.raw(part);
                    let text =
                        if formatted { text.replace("{{", "{").replace("}}", "}") } else { text.to_owned() };
                    let data = if raw { text.into_bytes() } else { unescape(&text, bytes) };
                    whole.push(if bytes { Expr::Bytes(Rc::from(data)) } else { literal(data) });
                }
                "interpolation" => whole.push(self.expr(part)),
                _ => {}
            }
        }
        match whole.len() {
            0 if bytes => Expr::Bytes(Rc::from([])),
            0 => Expr::text(""),
            1 if !formatted => whole.swap_remove(0),
            _ => Expr::Join(whole),
        }
    }
}

fn operator(text: &str) -> Option<Op> {
    Some(match text {
        "+" => Op::Add,
        "-" => Op::Sub,
        "*" => Op::Mul,
        "/" => Op::Div,
        "//" => Op::FloorDiv,
        "%" => Op::Rem,
        "**" => Op::Pow,
        "&" => Op::BitAnd,
        "|" => Op::BitOr,
        "^" => Op::BitXor,
        "<<" => Op::Shl,
        ">>" => Op::Shr,
        "and" => Op::And,
        "or" => Op::Or,
        _ => return None,
    })
}
