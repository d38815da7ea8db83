//! From Lua's syntax to the common tree.

use std::rc::Rc;

use tree_sitter::Node;

use super::super::parse::{self, Parsed, Source, children, field, fields, literal, number};
use super::super::tree::{Block, Each, Expr, Function, Op, Param, Rest, Stmt, StmtKind, Unary};

/// Reads a program; None where that takes too long.
pub(in super::super) fn parse(text: &str) -> Option<Parsed> {
    let tree = parse::parse(text, tree_sitter_lua::LANGUAGE.into())?;
    let mut reader = Reader(Source::new(text));
    let body = reader.statements(tree.root_node());
    Some(reader.0.done(body))
}

struct Reader<'t>(Source<'t>);

impl Reader<'_> {
    fn statements(&mut self, node: Node<'_>) -> Vec<Stmt> {
        let mut out = Vec::new();
        for child in children(node) {
            if self.0.enter() {
                self.statement(child, &mut out);
                self.0.leave();
            }
        }
        out
    }

    fn block(&mut self, node: Option<Node<'_>>) -> Block {
        node.map_or_else(|| Rc::from([]), |n| self.statements(n).into())
    }

    fn statement(&mut self, node: Node<'_>, out: &mut Vec<Stmt>) {
        let line = self.0.line(node);
        let kind = match node.kind() {
            "variable_declaration" => {
                for inner in children(node) {
                    self.assignment(inner, true, out);
                }
                return;
            }
            "assignment_statement" => {
                self.assignment(node, false, out);
                return;
            }
            "function_declaration" => {
                let function = self.function(node);
                match field(node, "name") {
                    Some(name) if name.kind() == "identifier" => {
                        StmtKind::Function(self.0.name(name), function)
                    }
                    Some(name) => StmtKind::Expr(self.expr(name).assign(Expr::Function(function))),
                    None => return,
                }
            }
            "if_statement" => {
                let test = self.of(node, "condition");
                let yes = self.block(field(node, "consequence"));
                let mut no: Block = Rc::from([]);
                for next in fields(node, "alternative").into_iter().rev() {
                    no = if next.kind() == "elseif_statement" {
                        let test = self.of(next, "condition");
                        let yes = self.block(field(next, "consequence"));
                        Rc::from([Stmt { line: self.0.line(next), kind: StmtKind::If(test, yes, no) }])
                    } else {
                        self.block(field(next, "body"))
                    };
                }
                StmtKind::If(test, yes, no)
            }
            "while_statement" => StmtKind::While {
                test: self.of(node, "condition"),
                body: self.block(field(node, "body")),
                step: None,
                first: false,
            },
            "repeat_statement" => StmtKind::While {
                test: Expr::Unary(Unary::Not, Box::new(self.of(node, "condition"))),
                body: self.block(field(node, "body")),
                step: None,
                first: true,
            },
            "for_statement" => {
                let Some(clause) = field(node, "clause") else { return };
                let body = self.block(field(node, "body"));
                if clause.kind() == "for_numeric_clause" {
                    let args =
                        vec![self.of(clause, "start"), self.of(clause, "end"), self.of(clause, "step")];
                    let over = Expr::name("·range").call(args, line);
                    StmtKind::For {
                        target: Expr::Declare(Box::new(self.of(clause, "name"))),
                        over,
                        body,
                        each: Each::Values,
                    }
                } else {
                    let parts = children(clause);
                    let names = parts.first().map_or_else(Vec::new, |n| self.all(*n));
                    let over = parts.get(1).map_or(Expr::None, |n| self.first(*n));
                    let each = if names.len() > 1 { Each::Pairs } else { Each::Values };
                    let target = Expr::Declare(Box::new(if names.len() > 1 {
                        Expr::List(names)
                    } else {
                        names.into_iter().next().unwrap_or(Expr::None)
                    }));
                    StmtKind::For { target, over, body, each }
                }
            }
            "do_statement" => StmtKind::Group(self.block(field(node, "body"))),
            "return_statement" => {
                let value = children(node).first().map(|n| self.first(*n));
                StmtKind::Return(value)
            }
            "break_statement" => StmtKind::Break,
            "chunk" | "block" | "ERROR" => {
                let inner = self.statements(node);
                out.extend(inner);
                return;
            }
            "empty_statement" | "label_statement" | "goto_statement" | "comment" | "hash_bang_line" => return,
            _ => StmtKind::Expr(self.expr(node)),
        };
        out.push(Stmt { line, kind });
    }

    fn assignment(&mut self, node: Node<'_>, local: bool, out: &mut Vec<Stmt>) {
        let line = self.0.line(node);
        let (names, values) = if node.kind() == "assignment_statement" {
            let parts = children(node);
            let names = parts.first().map_or_else(Vec::new, |n| self.all(*n));
            (names, parts.get(1).map_or_else(Vec::new, |n| self.all(*n)))
        } else {
            (self.all(node), Vec::new())
        };
        let mut values = values.into_iter();
        for name in names {
            let target = if local { Expr::Declare(Box::new(name)) } else { name };
            let value = values.next().unwrap_or(Expr::None);
            out.push(Stmt::expr(target.assign(value), line));
        }
    }

    fn function(&mut self, node: Node<'_>) -> Rc<Function> {
        let mut params = Vec::new();
        for child in field(node, "parameters").map_or_else(Vec::new, children) {
            let rest = if child.kind() == "vararg_expression" { Rest::List } else { Rest::One };
            params.push(Param { target: Expr::Name(self.0.name(child)), default: None, rest });
        }
        Rc::new(Function { name: Rc::from("function"), params, body: self.block(field(node, "body")) })
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
            "identifier" | "vararg_expression" => Expr::Name(self.0.name(node)),
            "number" => number(self.0.raw(node)),
            "true" => Expr::Bool(true),
            "false" => Expr::Bool(false),
            "nil" => Expr::None,
            "string" => {
                let text = field(node, "content").map_or("", |n| self.0.raw(n));
                let long = field(node, "start").is_some_and(|s| self.0.raw(s).starts_with('['));
                literal(if long { text.as_bytes().to_vec() } else { decimal(text) })
            }
            "dot_index_expression" => {
                let name = field(node, "field").map_or("", |n| self.0.raw(n));
                self.of(node, "table").attr(name)
            }
            "method_index_expression" => {
                let name = field(node, "method").map_or("", |n| self.0.raw(n));
                self.of(node, "table").attr(name)
            }
            "bracket_index_expression" => {
                Expr::Index(Box::new(self.of(node, "table")), Box::new(self.of(node, "field")))
            }
            "function_call" => {
                let callee = self.of(node, "name");
                let args = field(node, "arguments").map_or_else(Vec::new, |a| self.all(a));
                callee.call(args, line)
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
                let operand = self.of(node, "operand");
                match self.0.raw(node).chars().next() {
                    Some('-') => Expr::Unary(Unary::Neg, Box::new(operand)),
                    Some('~') => Expr::Unary(Unary::Invert, Box::new(operand)),
                    Some('#') => operand.attr("length"),
                    _ => Expr::Unary(Unary::Not, Box::new(operand)),
                }
            }
            "parenthesized_expression" | "expression_list" => self.first(node),
            "table_constructor" => {
                let fields: Vec<Node<'_>> = children(node);
                let plain = fields.iter().all(|f| field(*f, "name").is_none());
                if plain {
                    return Expr::List(fields.into_iter().map(|f| self.of(f, "value")).collect());
                }
                let mut entries = Vec::new();
                for (n, one) in fields.into_iter().enumerate() {
                    let key = match field(one, "name") {
                        Some(name) if name.kind() == "identifier" => Expr::text(self.0.raw(name)),
                        Some(name) => self.expr(name),
                        None => Expr::Int(n as i64 + 1),
                    };
                    entries.push((key, self.of(one, "value")));
                }
                Expr::Dict(entries)
            }
            "function_definition" => Expr::Function(self.function(node)),
            "ERROR" => Expr::Seq(self.all(node)),
            _ => self.0.opaque(node),
        }
    }
}

/// Lua's escapes: numbers are decimal.
fn decimal(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        let digits = bytes[at + 1..].iter().take(3).take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 {
            let code = text.get(at + 1..at + 1 + digits).and_then(|d| d.parse::<u32>().ok()).unwrap_or(0);
            out.push(code as u8);
            at += 1 + digits;
            continue;
        }
        let length = match bytes.get(at + 1) {
            Some(b'x') => 4,
            Some(_) => 2,
            None => 1,
        };
        let mut end = (at + length).min(bytes.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        out.extend(parse::unescape(text.get(at..end).unwrap_or_default(), true));
        at = end;
    }
    out
}

fn operator(text: &str) -> Option<Op> {
    Some(match text {
        ".." => Op::Concat,
        "+" => Op::Add,
        "-" => Op::Sub,
        "*" => Op::Mul,
        "/" => Op::Div,
        "//" => Op::FloorDiv,
        "%" => Op::Rem,
        "^" => Op::Pow,
        "&" => Op::BitAnd,
        "|" => Op::BitOr,
        "~" => Op::BitXor,
        "<<" => Op::Shl,
        ">>" => Op::Shr,
        "==" => Op::Eq,
        "~=" => Op::Ne,
        "<" => Op::Lt,
        "<=" => Op::Le,
        ">" => Op::Gt,
        ">=" => Op::Ge,
        "and" => Op::And,
        "or" => Op::Or,
        _ => return None,
    })
}
