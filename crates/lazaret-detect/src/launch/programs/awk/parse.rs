//! The grammar of awk (POSIX), without functions of one's own, `getline` and redirections.

/// An expression.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    Number(f64),
    Text(String),
    /// `/…/` that stands alone: whether the record matches.
    Regex(String),
    Name(String),
    Field(Box<Expr>),
    Element(String, Vec<Expr>),
    In(Box<Expr>, String),
    Call(String, Vec<Expr>),
    /// Operator and operands.
    Unary(&'static str, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Operator without its `=`, what is set, and to what.
    Assign(&'static str, Box<Expr>, Box<Expr>),
    /// What is changed, by how much, and whether the old value is the answer.
    Step(Box<Expr>, f64, bool),
}

#[derive(Debug, Clone)]
pub(super) enum Statement {
    Print(Vec<Expr>),
    Printf(Vec<Expr>),
    Expr(Expr),
    If(Expr, Vec<Statement>, Vec<Statement>),
    While(Expr, Vec<Statement>),
    For(Option<Box<Statement>>, Option<Expr>, Option<Box<Statement>>, Vec<Statement>),
    Each(String, String, Vec<Statement>),
    Delete(String, Vec<Expr>),
    Next,
    Exit,
    Break,
    Continue,
}

#[derive(Debug, Clone)]
pub(super) enum When {
    Begin,
    End,
    Always,
    If(Expr),
}

pub(super) type Program = Vec<(When, Vec<Statement>)>;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Text(String),
    Regex(String),
    /// A name, and whether a `(` follows at once.
    Name(String, bool),
    Op(&'static str),
    Newline,
}

const OPERATORS: &[&str] = &[
    "**=", "&&", "||", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "==", "<=", ">=", "!=", "!~", "**",
    "{", "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", "<", ">", "|", "?", ":", "~",
    "$", "=",
];

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut out: Vec<Token> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("\\\n") {
            rest = after;
        } else if c == '\n' {
            out.push(Token::Newline);
            rest = &rest[1..];
        } else if c.is_whitespace() {
            rest = &rest[c.len_utf8()..];
        } else if c == '#' {
            rest = rest.find('\n').map_or("", |at| &rest[at..]);
        } else if c == '"' || c == '/' && starts_regex(out.last()) {
            let (body, after) = quoted(&rest[1..], c)?;
            out.push(if c == '"' {
                Token::Text(crate::shell::ansi(&body.replace("\\/", "/")))
            } else {
                Token::Regex(body)
            });
            rest = after;
        } else if c.is_ascii_digit() || c == '.' && rest[1..].starts_with(|d: char| d.is_ascii_digit()) {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
            out.push(Token::Number(rest[..end].parse().ok()?));
            rest = &rest[end..];
        } else if c.is_ascii_alphabetic() || c == '_' {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            out.push(Token::Name(rest[..end].to_owned(), rest[end..].starts_with('(')));
            rest = &rest[end..];
        } else {
            let op = OPERATORS.iter().find(|op| rest.starts_with(**op))?;
            out.push(Token::Op(op));
            rest = &rest[op.len()..];
        }
        if out.len() > 4096 {
            return None;
        }
    }
    Some(out)
}

/// Behind what a `/` opens a regular expression and divides nothing.
fn starts_regex(last: Option<&Token>) -> bool {
    match last {
        None | Some(Token::Newline) => true,
        Some(Token::Op(op)) => !matches!(*op, ")" | "]" | "$" | "++" | "--"),
        _ => false,
    }
}

/// What stands up to the closing mark, its escapes kept, and what follows.
fn quoted(text: &str, mark: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == mark {
            return Some((out, &text[at + c.len_utf8()..]));
        }
        out.push(c);
        if c == '\\' {
            out.push(chars.next()?.1);
        }
    }
    None
}

/// Levels of nesting that are read.
const MAX_DEPTH: u32 = 40;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: u32,
    /// Whether `>` is a comparison: not in the list of a `print`.
    compares: bool,
}

/// Reads a program; None where it holds what is not followed here.
pub(super) fn parse(text: &str) -> Option<Program> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, compares: true };
    let mut program = Vec::new();
    loop {
        parser.blanks();
        if parser.peek().is_none() {
            return Some(program);
        }
        let when = match parser.peek()? {
            Token::Name(name, _) if name == "BEGIN" => {
                parser.at += 1;
                When::Begin
            }
            Token::Name(name, _) if name == "END" => {
                parser.at += 1;
                When::End
            }
            Token::Name(name, _) if name == "function" || name == "func" => return None,
            Token::Op("{") => When::Always,
            _ => When::If(parser.expr()?),
        };
        let body = if parser.is_op("{") { parser.block()? } else { vec![Statement::Print(Vec::new())] };
        program.push((when, body));
    }
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn is_op(&self, op: &str) -> bool {
        matches!(self.peek(), Some(Token::Op(o)) if *o == op)
    }

    fn take(&mut self, op: &str) -> bool {
        let hit = self.is_op(op);
        self.at += usize::from(hit);
        hit
    }

    fn need(&mut self, op: &str) -> Option<()> {
        self.take(op).then_some(())
    }

    fn keyword(&mut self, word: &str) -> bool {
        let hit = matches!(self.peek(), Some(Token::Name(name, _)) if name == word);
        self.at += usize::from(hit);
        hit
    }

    fn newlines(&mut self) {
        while self.peek() == Some(&Token::Newline) {
            self.at += 1;
        }
    }

    fn blanks(&mut self) {
        while self.peek() == Some(&Token::Newline) || self.is_op(";") {
            self.at += 1;
        }
    }

    fn block(&mut self) -> Option<Vec<Statement>> {
        self.need("{")?;
        let mut out = Vec::new();
        loop {
            self.blanks();
            if self.take("}") {
                return Some(out);
            }
            out.push(self.statement()?);
        }
    }

    fn body(&mut self) -> Option<Vec<Statement>> {
        self.newlines();
        if self.is_op("{") {
            return self.block();
        }
        if self.take(";") {
            return Some(Vec::new());
        }
        Some(vec![self.statement()?])
    }

    fn statement(&mut self) -> Option<Statement> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let statement = self.statement_inner();
        self.depth -= 1;
        statement
    }

    fn statement_inner(&mut self) -> Option<Statement> {
        if self.keyword("if") {
            self.need("(")?;
            let test = self.expr()?;
            self.need(")")?;
            let yes = self.body()?;
            let back = self.at;
            self.blanks();
            if self.keyword("else") {
                return Some(Statement::If(test, yes, self.body()?));
            }
            self.at = back;
            return Some(Statement::If(test, yes, Vec::new()));
        }
        if self.keyword("while") {
            self.need("(")?;
            let test = self.expr()?;
            self.need(")")?;
            return Some(Statement::While(test, self.body()?));
        }
        if self.keyword("for") {
            return self.for_loop();
        }
        for (word, statement) in
            [("next", Statement::Next), ("break", Statement::Break), ("continue", Statement::Continue)]
        {
            if self.keyword(word) {
                return Some(statement);
            }
        }
        if self.keyword("exit") {
            if !matches!(self.peek(), None | Some(Token::Newline | Token::Op(";" | "}"))) {
                self.expr()?;
            }
            return Some(Statement::Exit);
        }
        self.plain()
    }

    fn for_loop(&mut self) -> Option<Statement> {
        self.need("(")?;
        if let [Token::Name(key, _), Token::Name(word, _), Token::Name(list, _), Token::Op(")"), ..] =
            self.tokens.get(self.at..)?
            && word == "in"
        {
            let (key, list) = (key.clone(), list.clone());
            self.at += 4;
            return Some(Statement::Each(key, list, self.body()?));
        }
        let start = if self.is_op(";") { None } else { Some(Box::new(self.plain()?)) };
        self.need(";")?;
        let test = if self.is_op(";") { None } else { Some(self.expr()?) };
        self.need(";")?;
        let step = if self.is_op(")") { None } else { Some(Box::new(self.plain()?)) };
        self.need(")")?;
        Some(Statement::For(start, test, step, self.body()?))
    }

    fn plain(&mut self) -> Option<Statement> {
        for (word, formatted) in [("printf", true), ("print", false)] {
            if self.keyword(word) {
                let args = self.printed()?;
                return Some(if formatted { Statement::Printf(args) } else { Statement::Print(args) });
            }
        }
        if self.keyword("delete") {
            let Some(Token::Name(name, _)) = self.peek().cloned() else { return None };
            self.at += 1;
            let keys = if self.take("[") { self.list("]")? } else { Vec::new() };
            return Some(Statement::Delete(name, keys));
        }
        Some(Statement::Expr(self.expr()?))
    }

    /// The arguments of `print`. What goes to a file or a program is not followed here.
    fn printed(&mut self) -> Option<Vec<Expr>> {
        let ends = |p: &Self| matches!(p.peek(), None | Some(Token::Newline | Token::Op(";" | "}")));
        if ends(self) {
            return Some(Vec::new());
        }
        let was = std::mem::replace(&mut self.compares, false);
        let mut args = Vec::new();
        // `print (a, b)`: one pair of parentheses around all.
        let open = self.at;
        let grouped = self.take("(").then(|| self.list(")")).flatten().filter(|_| ends(self));
        match grouped {
            Some(list) => args = list,
            None => {
                self.at = open;
                loop {
                    args.push(self.expr()?);
                    if !self.take(",") {
                        break;
                    }
                    self.newlines();
                }
            }
        }
        self.compares = was;
        ends(self).then_some(args)
    }

    fn list(&mut self, close: &str) -> Option<Vec<Expr>> {
        let was = std::mem::replace(&mut self.compares, true);
        let mut out = Vec::new();
        if !self.take(close) {
            loop {
                self.newlines();
                out.push(self.expr()?);
                if self.take(close) {
                    break;
                }
                self.need(",")?;
            }
        }
        self.compares = was;
        Some(out)
    }

    fn expr(&mut self) -> Option<Expr> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let left = self.choice()?;
        let place = matches!(left, Expr::Name(_) | Expr::Field(_) | Expr::Element(..));
        let mut out = left;
        for (op, plain) in [
            ("=", ""),
            ("+=", "+"),
            ("-=", "-"),
            ("*=", "*"),
            ("/=", "/"),
            ("%=", "%"),
            ("^=", "^"),
            ("**=", "^"),
        ] {
            if place && self.take(op) {
                let right = self.expr()?;
                out = Expr::Assign(plain, Box::new(out), Box::new(right));
                break;
            }
        }
        self.depth -= 1;
        Some(out)
    }

    fn choice(&mut self) -> Option<Expr> {
        let test = self.binary(0)?;
        if !self.take("?") {
            return Some(test);
        }
        let yes = self.expr()?;
        self.newlines();
        self.need(":")?;
        let no = self.expr()?;
        Some(Expr::Choice(Box::new(test), Box::new(yes), Box::new(no)))
    }

    /// The operator that comes next, and how strongly it binds.
    fn operator(&self) -> Option<(&'static str, u8)> {
        Some(match self.peek()? {
            Token::Op(op) => match *op {
                "||" => ("||", 1),
                "&&" => ("&&", 2),
                "~" => ("~", 4),
                "!~" => ("!~", 4),
                "<" => ("<", 5),
                "<=" => ("<=", 5),
                "==" => ("==", 5),
                "!=" => ("!=", 5),
                ">" if self.compares => (">", 5),
                ">=" => (">=", 5),
                "+" => ("+", 7),
                "-" => ("-", 7),
                "*" => ("*", 8),
                "/" => ("/", 8),
                "%" => ("%", 8),
                "$" | "!" | "(" => ("", 6),
                _ => return None,
            },
            Token::Name(name, _) if name == "in" => ("in", 3),
            Token::Number(_) | Token::Text(_) | Token::Name(..) => ("", 6),
            _ => return None,
        })
    }

    fn binary(&mut self, least: u8) -> Option<Expr> {
        let mut left = self.unary()?;
        while let Some((op, strength)) = self.operator().filter(|(_, s)| *s > least) {
            if !op.is_empty() {
                self.at += 1;
                self.newlines();
            }
            if op == "in" {
                let Some(Token::Name(list, _)) = self.peek().cloned() else { return None };
                self.at += 1;
                left = Expr::In(Box::new(left), list);
                continue;
            }
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return None;
            }
            let right = self.binary(strength)?;
            self.depth -= 1;
            left = Expr::Binary(op, Box::new(left), Box::new(right));
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<Expr> {
        for (op, name) in [("!", "!"), ("-", "-"), ("+", "+")] {
            if self.take(op) {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return None;
                }
                let inner = self.unary()?;
                self.depth -= 1;
                return Some(Expr::Unary(name, Box::new(inner)));
            }
        }
        let base = self.postfix()?;
        if self.take("^") || self.take("**") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return None;
            }
            let power = self.unary()?;
            self.depth -= 1;
            return Some(Expr::Binary("^", Box::new(base), Box::new(power)));
        }
        Some(base)
    }

    fn postfix(&mut self) -> Option<Expr> {
        for (op, by) in [("++", 1.0), ("--", -1.0)] {
            if self.take(op) {
                return Some(Expr::Step(Box::new(self.primary()?), by, false));
            }
        }
        let inner = self.primary()?;
        let place = matches!(inner, Expr::Name(_) | Expr::Field(_) | Expr::Element(..));
        for (op, by) in [("++", 1.0), ("--", -1.0)] {
            if place && self.take(op) {
                return Some(Expr::Step(Box::new(inner), by, true));
            }
        }
        Some(inner)
    }

    fn primary(&mut self) -> Option<Expr> {
        let token = self.peek()?.clone();
        self.at += 1;
        Some(match token {
            Token::Number(n) => Expr::Number(n),
            Token::Text(text) => Expr::Text(text),
            Token::Regex(source) => Expr::Regex(source),
            Token::Op("$") => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return None;
                }
                let inner = if self.take("++") {
                    Expr::Step(Box::new(self.primary()?), 1.0, false)
                } else if self.take("-") {
                    Expr::Unary("-", Box::new(self.primary()?))
                } else {
                    self.primary()?
                };
                self.depth -= 1;
                Expr::Field(Box::new(inner))
            }
            Token::Op("(") => {
                let mut inner = self.list(")")?;
                match inner.len() {
                    1 => inner.pop()?,
                    // `(i, j) in a`
                    _ => return None,
                }
            }
            Token::Name(name, _) if matches!(name.as_str(), "getline" | "system" | "close" | "fflush") => {
                return None;
            }
            Token::Name(name, call) => {
                if call && is_function(&name) {
                    self.at += 1;
                    Expr::Call(name, self.list(")")?)
                } else if call {
                    return None;
                } else if self.take("[") {
                    Expr::Element(name, self.list("]")?)
                } else if name == "length" {
                    Expr::Call(name, Vec::new())
                } else {
                    Expr::Name(name)
                }
            }
            _ => return None,
        })
    }
}

fn is_function(name: &str) -> bool {
    matches!(
        name,
        "length"
            | "substr"
            | "index"
            | "split"
            | "sub"
            | "gsub"
            | "match"
            | "sprintf"
            | "toupper"
            | "tolower"
            | "int"
            | "strtonum"
            | "xor"
            | "and"
            | "or"
            | "lshift"
            | "rshift"
    )
}
