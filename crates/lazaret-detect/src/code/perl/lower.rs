//! From Perl's syntax to the common tree. Variables keep their sigil; an element of `@a` or `%a`
//! is one of the list or the dictionary of that name.

use std::rc::Rc;

use tree_sitter::Node;

use super::super::parse::{self, Parsed, Source, children, field, fields, literal, number, unescape};
use super::super::tree::{Block, Each, Expr, Function, Op, Stmt, StmtKind, Unary};

/// Reads a program; None where that takes too long.
pub(in super::super) fn parse(text: &str) -> Option<Parsed> {
    let tree = parse::parse(text, ts_parser_perl::LANGUAGE.into())?;
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
        let kind = match node.kind() {
            "expression_statement" | "block" | "block_statement" | "ERROR" | "phaser_statement" => {
                let inner = self.statements(node);
                out.extend(inner);
                return;
            }
            "subroutine_declaration_statement" => {
                let name = field(node, "name").map_or_else(|| Rc::from(""), |n| self.0.name(n));
                let body = self.block(field(node, "body"));
                StmtKind::Function(name.clone(), Rc::new(Function { name, params: Vec::new(), body }))
            }
            "conditional_statement" => self.condition(node),
            "loop_statement" => {
                let test = self.of(node, "condition");
                let until = self.0.raw(node).starts_with("until");
                let test = if until { Expr::Unary(Unary::Not, Box::new(test)) } else { test };
                let read = matches!(field(node, "condition").map(|n| n.kind()), Some("readline_expression"));
                let mut body = self.statements_of(node, "block");
                if read {
                    let value = Expr::name("$_").assign(self.of(node, "condition"));
                    body.insert(0, Stmt::expr(value, line));
                }
                StmtKind::While { test, body: body.into(), step: None, first: false }
            }
            "for_statement" => StmtKind::For {
                target: field(node, "variable").map_or_else(|| Expr::name("$_"), |n| self.expr(n)),
                over: self.of(node, "list"),
                body: self.block(field(node, "block")),
                each: Each::Values,
            },
            "cstyle_for_statement" => {
                for start in fields(node, "initialiser").into_iter().filter(Node::is_named) {
                    self.statement(start, out);
                }
                let test = fields(node, "condition").into_iter().find(Node::is_named);
                let step = fields(node, "iterator").into_iter().find(Node::is_named);
                StmtKind::While {
                    test: test.map_or(Expr::Bool(true), |n| self.expr(n)),
                    body: self.block(field(node, "block")),
                    step: step.map(|n| self.expr(n)),
                    first: false,
                }
            }
            "package_statement" | "comment" | "pod" | "data_section" | "eof_marker" => return,
            "use_statement" | "no_statement" => return,
            "postfix_conditional_expression" | "postfix_loop_expression" | "postfix_for_expression" => {
                let parts = children(node);
                let (Some(body), Some(test)) =
                    (parts.first(), field(node, "condition").or(parts.get(1).copied()))
                else {
                    return;
                };
                let raw = self.0.raw(node);
                let between = raw.get(body.end_byte() - node.start_byte()..).unwrap_or_default().trim_start();
                let mut inner = Vec::new();
                self.statement(*body, &mut inner);
                let test = self.expr(test);
                let not = |test| Expr::Unary(Unary::Not, Box::new(test));
                if between.starts_with("unless") {
                    StmtKind::If(not(test), inner.into(), Rc::from([]))
                } else if between.starts_with("for") {
                    StmtKind::For {
                        target: Expr::name("$_"),
                        over: test,
                        body: inner.into(),
                        each: Each::Values,
                    }
                } else if between.starts_with("while") {
                    StmtKind::While { test, body: inner.into(), step: None, first: false }
                } else if between.starts_with("until") {
                    StmtKind::While { test: not(test), body: inner.into(), step: None, first: false }
                } else {
                    StmtKind::If(test, inner.into(), Rc::from([]))
                }
            }
            "return_expression" => StmtKind::Return(children(node).first().map(|n| self.expr(*n))),
            "loopex_expression" if self.0.raw(node).starts_with("last") => StmtKind::Break,
            "loopex_expression" => StmtKind::Continue,
            _ => StmtKind::Expr(self.expr(node)),
        };
        out.push(Stmt { line, kind });
    }

    fn statements_of(&mut self, node: Node<'_>, name: &str) -> Vec<Stmt> {
        field(node, name).map_or_else(Vec::new, |n| self.statements(n))
    }

    fn condition(&mut self, node: Node<'_>) -> StmtKind {
        let mut test = self.of(node, "condition");
        if self.0.raw(node).starts_with("unless") {
            test = Expr::Unary(Unary::Not, Box::new(test));
        }
        let yes = self.block(field(node, "block"));
        let next = children(node).into_iter().find(|n| matches!(n.kind(), "elsif" | "else"));
        let no = match next {
            Some(next) if next.kind() == "elsif" && self.0.enter() => {
                let kind = self.condition(next);
                self.0.leave();
                Rc::from([Stmt { line: self.0.line(next), kind }])
            }
            Some(next) => self.block(field(next, "block")),
            None => Rc::from([]),
        };
        StmtKind::If(test, yes, no)
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

    /// A list's elements as arguments: `(a, b)` and `a, b` are the same.
    fn args(&mut self, node: Option<Node<'_>>) -> Vec<Expr> {
        match node {
            Some(node) if matches!(node.kind(), "list_expression" | "parenthesized_expression") => {
                children(node).into_iter().flat_map(|n| self.args(Some(n))).collect()
            }
            Some(node) => vec![match node.kind() {
                // A list among arguments is its elements.
                "array" => Expr::Spread(Box::new(self.expr(node))),
                _ => self.expr(node),
            }],
            None => Vec::new(),
        }
    }

    fn block_function(&mut self, node: Node<'_>) -> Expr {
        let line = self.0.line(node);
        let mut body = if node.kind() == "block" {
            self.statements(node)
        } else {
            vec![Stmt::expr(self.expr(node), line)]
        };
        // The last value is what a block gives.
        if let Some(Stmt { kind: kind @ StmtKind::Expr(_), .. }) = body.last_mut() {
            let StmtKind::Expr(expr) = std::mem::replace(kind, StmtKind::Break) else { return Expr::None };
            *kind = StmtKind::Return(Some(expr));
        }
        Expr::Function(Rc::new(Function { name: Rc::from("sub"), params: Vec::new(), body: body.into() }))
    }

    fn expr_inner(&mut self, node: Node<'_>) -> Expr {
        let line = self.0.line(node);
        match node.kind() {
            "scalar" | "array" | "hash" => {
                let raw = self.0.raw(node);
                // `@{$x}`, `$$x`, `@$x`: what it points to.
                match children(node).first() {
                    Some(inner) if inner.kind() != "varname" => self.expr(*inner),
                    _ => Expr::name(&raw.replace(['{', '}'], "")),
                }
            }
            "container_variable" => Expr::Name(self.0.name(node)),
            "number" => number(self.0.raw(node)),
            "bareword" | "autoquoted_bareword" | "filehandle" | "package" => Expr::text(self.0.raw(node)),
            "string_literal" => {
                let text = field(node, "content").map_or("", |n| self.0.raw(n));
                literal(text.replace("\\'", "'").replace("\\\\", "\\").into_bytes())
            }
            "interpolated_string_literal" | "heredoc_content" => {
                self.interpolated(field(node, "content").unwrap_or(node))
            }
            "command_string" => {
                let text = field(node, "content").map_or(Expr::text(""), |n| self.interpolated(n));
                Expr::Command(Box::new(text), line)
            }
            "quoted_word_list" => {
                let text = field(node, "content").map_or("", |n| self.0.raw(n));
                Expr::List(text.split_whitespace().map(Expr::text).collect())
            }
            "variable_declaration" => {
                let many = fields(node, "variables");
                let target = if many.is_empty() {
                    self.of(node, "variable")
                } else {
                    Expr::List(many.into_iter().map(|n| self.expr(n)).collect())
                };
                Expr::Declare(Box::new(target))
            }
            "assignment_expression" => {
                let right = field(node, "right");
                let mut value = right.map_or(Expr::None, |n| self.expr(n));
                let left = field(node, "left");
                let raw =
                    left.map_or("", |n| self.0.raw(n)).trim_start_matches("my ").trim_start_matches("our ");
                if raw.starts_with('%') {
                    value = Expr::name("%hash").call(vec![value], line);
                }
                let target = match left {
                    Some(left) if left.kind() == "parenthesized_expression" => {
                        Expr::List(self.args(Some(left)))
                    }
                    Some(left) => self.expr(left),
                    None => return value,
                };
                let op = field(node, "operator").map_or("=", |n| self.0.raw(n));
                match op.strip_suffix('=').filter(|o| !o.is_empty()) {
                    None => target.assign(value),
                    Some(op) => Expr::Assign(Box::new(target), operator(op), Box::new(value)),
                }
            }
            "parenthesized_expression" | "list_expression" => {
                let mut list = self.args(Some(node));
                if list.len() == 1
                    && node.kind() == "parenthesized_expression"
                    && !matches!(list.first(), Some(Expr::Spread(_)))
                {
                    return list.swap_remove(0);
                }
                Expr::List(list)
            }
            "anonymous_array_expression" => {
                Expr::List(children(node).into_iter().flat_map(|n| self.args(Some(n))).collect())
            }
            "anonymous_hash_expression" => {
                let list = children(node).into_iter().flat_map(|n| self.args(Some(n))).collect();
                Expr::name("%hash").call(vec![Expr::List(list)], line)
            }
            "function_call_expression"
            | "ambiguous_function_call_expression"
            | "func1op_call_expression"
            | "func0op_call_expression" => {
                let function = field(node, "function");
                let name = function.map_or("", |n| self.0.raw(n)).to_owned();
                let skip = function.map(|f| f.id());
                let handle = children(node).into_iter().find(|n| n.kind() == "indirect_object");
                let mut args = match field(node, "arguments") {
                    Some(list) => self.args(Some(list)),
                    None => children(node)
                        .into_iter()
                        .filter(|n| Some(n.id()) != skip && n.kind() != "indirect_object")
                        .flat_map(|n| self.args(Some(n)))
                        .collect(),
                };
                if let Some(handle) = handle {
                    let handle = self.all(handle).into_iter().next_back().unwrap_or(Expr::None);
                    return Expr::name(&format!("{name}·to")).call(vec![handle, Expr::List(args)], line);
                }
                if args.is_empty() && takes_topic(&name) {
                    args.push(Expr::name("$_"));
                }
                if matches!(name.as_str(), "shift" | "pop") && args.is_empty() {
                    args.push(Expr::name("@_"));
                }
                // These change the list itself.
                if matches!(name.as_str(), "push" | "unshift" | "shift" | "pop" | "splice" | "open" | "read")
                    && matches!(args.first(), Some(Expr::Spread(_)))
                    && let Expr::Spread(list) = args.remove(0)
                {
                    args.insert(0, *list);
                }
                if name == "open" {
                    return self.open(args, line);
                }
                Expr::name(&name).call(args, line)
            }
            "method_call_expression" => {
                let object = self.of(node, "invocant");
                let object = match object {
                    Expr::Text(class) => Expr::Name(class),
                    other => other,
                };
                let name = field(node, "method").map_or("", |n| self.0.raw(n));
                object.attr(name).call(self.args(field(node, "arguments")), line)
            }
            "coderef_call_expression" => {
                let mut parts = children(node).into_iter();
                let callee = parts.next().map_or(Expr::None, |n| self.expr(n));
                let args = parts.flat_map(|n| self.args(Some(n))).collect();
                callee.call(args, line)
            }
            "anonymous_subroutine_expression" => {
                field(node, "body").map_or(Expr::None, |b| self.block_function(b))
            }
            "eval_expression" | "do_expression" => match children(node).first() {
                Some(block) if block.kind() == "block" => {
                    let function = self.block_function(*block);
                    Expr::name("·try").call(vec![function], line)
                }
                Some(code) => {
                    let code = self.expr(*code);
                    Expr::name(if node.kind() == "eval_expression" { "eval" } else { "do" })
                        .call(vec![code], line)
                }
                None => Expr::name("eval").call(vec![Expr::name("$_")], line),
            },
            "require_expression" => Expr::name("do").call(vec![self.first(node)], line),
            "map_grep_expression" | "sort_expression" => {
                let callback = field(node, "callback").map_or(Expr::None, |n| self.block_function(n));
                let list = field(node, "list");
                let mut list = self.args(list);
                let list = if list.len() == 1
                    && let Some(Expr::Spread(_)) = list.first()
                    && let Expr::Spread(one) = list.swap_remove(0)
                {
                    *one
                } else {
                    Expr::List(list)
                };
                let name = if self.0.raw(node).starts_with("map") { "map" } else { "grep" };
                Expr::name(name).call(vec![callback, list], line)
            }
            "hash_element_expression"
            | "array_element_expression"
            | "slice_expression"
            | "array_slice_expression" => {
                let parts = children(node);
                let hash = node.kind().starts_with("hash");
                let object = match parts.first() {
                    Some(first) if first.kind() == "container_variable" => {
                        let name = self.0.raw(*first).trim_start_matches(['$', '@']);
                        Expr::name(&format!("{}{name}", if hash { '%' } else { '@' }))
                    }
                    Some(first) => self.expr(*first),
                    None => Expr::None,
                };
                let index = field(node, "key").or_else(|| field(node, "index")).or(parts.get(1).copied());
                Expr::Index(Box::new(object), Box::new(index.map_or(Expr::None, |n| self.expr(n))))
            }
            "binary_expression"
            | "lowprec_logical_expression"
            | "relational_expression"
            | "equality_expression" => {
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
                    if matches!(op, "=~" | "!~") {
                        expr = self.matched(expr, step);
                        continue;
                    }
                    let right = self.of(step, "right");
                    expr = match operator(op) {
                        Some(op) => Expr::binary(op, expr, right),
                        None => Expr::Seq(vec![expr, right, self.0.opaque(step)]),
                    };
                }
                expr
            }
            "unary_expression" | "lowprec_not_expression" => {
                let operand = Box::new(children(node).last().map_or(Expr::None, |n| self.expr(*n)));
                match self.0.raw(node).chars().next() {
                    Some('!' | 'n') => Expr::Unary(Unary::Not, operand),
                    Some('-') => Expr::Unary(Unary::Neg, operand),
                    Some('~') => Expr::Unary(Unary::Invert, operand),
                    _ => *operand,
                }
            }
            "postinc_expression" | "preinc_expression" => {
                let raw = self.0.raw(node);
                let op = if raw.contains("++") { Op::Add } else { Op::Sub };
                Expr::Assign(Box::new(self.of(node, "operand")), Some(op), Box::new(Expr::Int(1)))
            }
            "conditional_expression" => {
                let mut parts = self.all(node).into_iter();
                let (Some(test), Some(yes), Some(no)) = (parts.next(), parts.next(), parts.next()) else {
                    return Expr::None;
                };
                Expr::Cond(Box::new([test, yes, no]))
            }
            "readline_expression" => {
                let handle = children(node).first().map_or(Expr::text("STDIN"), |n| self.expr(*n));
                Expr::name("readline").call(vec![handle], line)
            }
            "refgen_expression" | "expression_statement" | "stub_expression" => self.first(node),
            "function" => Expr::name(self.0.raw(node)).call(Vec::new(), line),
            "undef_expression" => Expr::None,
            "block" => Expr::name("·try").call(vec![self.block_function(node)], line),
            "return_expression"
            | "postfix_conditional_expression"
            | "postfix_for_expression"
            | "postfix_loop_expression" => {
                let mut body = Vec::new();
                self.statement(node, &mut body);
                let function = Function { name: Rc::from("sub"), params: Vec::new(), body: body.into() };
                Expr::name("·try").call(vec![Expr::Function(Rc::new(function))], line)
            }
            "ERROR" => Expr::Seq(self.all(node)),
            _ => self.0.opaque(node),
        }
    }

    /// `open(F, …)`: the handle is set to what is opened.
    fn open(&mut self, mut args: Vec<Expr>, line: u32) -> Expr {
        if args.is_empty() {
            return Expr::None;
        }
        let handle = match args.remove(0) {
            Expr::Text(name) => Expr::Name(name),
            other => other,
        };
        let name = match &handle {
            Expr::Name(name) => Expr::Text(name.clone()),
            _ => Expr::text(""),
        };
        args.insert(0, name);
        handle.assign(Expr::name("open").call(args, line))
    }

    /// `$x =~ tr/a/b/`, `s/a/b/`, `m/a/`.
    fn matched(&mut self, subject: Expr, node: Node<'_>) -> Expr {
        let line = self.0.line(node);
        let Some(right) = field(node, "right") else { return subject };
        let part = |it: &Self, kinds: &[&str]| {
            children(right).into_iter().find(|n| kinds.contains(&n.kind())).map_or("", |n| it.0.raw(n))
        };
        match right.kind() {
            "transliteration_expression" => {
                let from = Expr::text(part(self, &["transliteration_content"]));
                let to = Expr::text(part(self, &["replacement"]));
                let again = field(node, "left").map_or(Expr::None, |n| self.expr(n));
                again.assign(subject.attr("tr").call(vec![from, to], line))
            }
            "substitution_regexp" => {
                let flags = part(self, &["substitution_regexp_modifiers"]);
                let pattern = Expr::name(&format!("/{}/{flags}", part(self, &["regexp_content"])));
                let replacement = part(self, &["replacement"]);
                let with = if flags.contains('e') {
                    // The replacement is code.
                    let code = Expr::name("eval").call(vec![Expr::text(replacement)], line);
                    let set = Expr::name("$1")
                        .assign(Expr::Index(Box::new(Expr::name("@_")), Box::new(Expr::Int(1))));
                    let body = [Stmt::expr(set, line), Stmt { line, kind: StmtKind::Return(Some(code)) }];
                    let function =
                        Function { name: Rc::from("sub"), params: Vec::new(), body: Rc::from(body) };
                    Expr::Function(Rc::new(function))
                } else {
                    Expr::text(replacement)
                };
                let again = field(node, "left").map_or(Expr::None, |n| self.expr(n));
                again.assign(subject.attr("sub").call(vec![pattern, with], line))
            }
            _ => Expr::Seq(vec![subject, self.0.opaque(node)]),
        }
    }

    /// A text with variables in it.
    fn interpolated(&mut self, node: Node<'_>) -> Expr {
        let mut parts = Vec::new();
        let mut at = node.start_byte();
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            if !matches!(
                child.kind(),
                "scalar"
                    | "array"
                    | "hash_element_expression"
                    | "array_element_expression"
                    | "method_call_expression"
            ) {
                continue;
            }
            let before = self.0.text.get(at..child.start_byte()).unwrap_or_default();
            parts.push(literal(unescape(before, true)));
            parts.push(self.expr(child));
            at = child.end_byte();
        }
        let rest = self.0.text.get(at..node.end_byte()).unwrap_or_default();
        parts.push(literal(unescape(rest, true)));
        if parts.len() == 1 { parts.swap_remove(0) } else { Expr::Join(parts) }
    }
}

fn takes_topic(name: &str) -> bool {
    matches!(
        name,
        "chr" | "ord" | "hex" | "lc" | "uc" | "eval" | "print" | "unlink" | "length" | "reverse" | "chomp"
    )
}

fn operator(text: &str) -> Option<Op> {
    Some(match text {
        "." => Op::Concat,
        "+" => Op::Add,
        "-" => Op::Sub,
        "*" | "x" => Op::Mul,
        "/" => Op::Div,
        "%" => Op::Rem,
        "**" => Op::Pow,
        "&" => Op::BitAnd,
        "|" => Op::BitOr,
        "^" => Op::BitXor,
        "<<" => Op::Shl,
        ">>" => Op::Shr,
        "==" | "eq" => Op::Eq,
        "!=" | "ne" => Op::Ne,
        "<" | "lt" => Op::Lt,
        "<=" | "le" => Op::Le,
        ">" | "gt" => Op::Gt,
        ">=" | "ge" => Op::Ge,
        "&&" | "and" => Op::And,
        "||" | "or" => Op::Or,
        "//" => Op::Else,
        _ => return None,
    })
}
