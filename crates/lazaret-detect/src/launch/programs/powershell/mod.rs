//! PowerShell (`pwsh`), read by its words: no grammar that is kept and fits ours exists. What it
//! starts, connects to, writes, and decodes to run is followed; conditions and loops are gone
//! through once, and what is not understood stays unknown.

mod command;
mod token;
mod value;

use std::collections::HashMap;
use std::rc::Rc;

use lazaret_model::Certainty;

use super::super::paper::Paper;
use super::super::process::absolute;
use crate::shell::{Held, Ran, Start, Status, Trouble, Value, World};
use token::{Spaced, Token, tokens};
use value::{Val, base64, formatted, utf16};

/// Texts inside texts, blocks inside blocks, brackets inside brackets.
const MOST_DEPTH: u32 = 48;
/// Characters of one text.
const LONGEST: usize = 1 << 20;

/// Whether a name is PowerShell's.
pub(crate) fn is_powershell(name: &str) -> bool {
    matches!(name, "pwsh" | "powershell" | "pwsh-preview" | "pwsh-lts" | "powershell.exe" | "pwsh.exe")
}

/// Follows what PowerShell is started on. None where it runs nothing that is on paper.
pub(crate) fn follow(paper: &mut Paper<'_>, start: &Start, name: &str) -> Option<Ran> {
    if !is_powershell(name) {
        return None;
    }
    let text = asked(paper, start)?;
    let mut reader = Reader {
        paper,
        start,
        vars: HashMap::new(),
        functions: HashMap::new(),
        certainty: start.certainty,
        depth: 0,
        out: String::new(),
    };
    reader.run_text(&text);
    let out = Value::plain(std::mem::take(&mut reader.out));
    Some(Ran { out, status: Status::Fine })
}

/// The text that the words after the name ask for (`about_Pwsh`).
fn asked(paper: &mut Paper<'_>, start: &Start) -> Option<String> {
    let mut words = start.argv[1..].iter().enumerate();
    let rest = |from: usize| {
        let all: Vec<&str> =
            start.argv.get(from..).unwrap_or_default().iter().map(|v| v.text.as_str()).collect();
        all.join(" ")
    };
    while let Some((at, word)) = words.next() {
        let text = word.text.to_lowercase();
        let Some(option) = text.strip_prefix('-') else {
            return file(paper, start, &word.text);
        };
        let is = |full: &str, least: usize| option.len() >= least && full.starts_with(option);
        if is("encodedcommand", 1) || matches!(option, "ec" | "en") {
            return base64(&words.next()?.1.text).map(|bytes| utf16(&bytes));
        }
        if is("command", 1) || option == "commandwithargs" || option == "cwa" {
            let whole = rest(at + 2);
            return if whole.trim() == "-" { input(start) } else { Some(whole) };
        }
        if is("file", 1) {
            let name = words.next()?.1.text.clone();
            return if name == "-" { input(start) } else { file(paper, start, &name) };
        }
        let takes_value = is("executionpolicy", 2)
            || matches!(option, "ep" | "wd" | "if" | "of" | "w")
            || is("windowstyle", 1)
            || is("workingdirectory", 2)
            || is("inputformat", 2)
            || is("outputformat", 1)
            || is("configurationname", 5)
            || is("configurationfile", 14)
            || is("settingsfile", 2)
            || is("custompipename", 2)
            || is("version", 1)
                && words.clone().next().is_some_and(|(_, v)| v.text.starts_with(char::is_numeric));
        if takes_value {
            words.next();
        }
    }
    input(start)
}

fn input(start: &Start) -> Option<String> {
    let value = start.input.value.as_ref().filter(|v| v.is_known() && v.fetched.is_none())?;
    Some(value.text.clone())
}

fn file(paper: &mut Paper<'_>, start: &Start, name: &str) -> Option<String> {
    match paper.read(&absolute(&start.cwd, name), &start.because, start.certainty) {
        Held::Text(text) if text.fetched.is_none() && text.is_known() => Some(text.text),
        _ => None,
    }
}

/// What goes through a script.
struct Reader<'p, 'a> {
    paper: &'p mut Paper<'a>,
    start: &'p Start,
    vars: HashMap<String, Val>,
    functions: HashMap<String, Rc<[Spaced]>>,
    certainty: Certainty,
    depth: u32,
    out: String,
}

/// A place in a list of tokens.
struct Cursor<'t> {
    tokens: &'t [Spaced],
    at: usize,
}

impl<'t> Cursor<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at).map(|s| &s.token)
    }

    fn apart(&self) -> bool {
        self.tokens.get(self.at).is_some_and(|s| s.apart)
    }

    fn next(&mut self) -> Option<&'t Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(s)) if *s == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let is = self.is(sign);
        self.at += usize::from(is);
        is
    }

    fn skip_lines(&mut self) {
        while matches!(self.peek(), Some(Token::Line)) {
            self.at += 1;
        }
    }

    /// Where a command ends.
    fn ended(&self) -> bool {
        match self.peek() {
            None | Some(Token::Line) => true,
            Some(Token::Sign(s)) => matches!(*s, ";" | "|" | ")" | "}" | "&&" | "||" | "]"),
            _ => false,
        }
    }

    /// What stands between the bracket that was just taken and the one that closes it.
    fn inside(&mut self) -> &'t [Spaced] {
        let begin = self.at;
        let mut depth = 1u32;
        while let Some(token) = self.next() {
            match token {
                Token::Sign("(" | "{" | "[" | "@(" | "@{" | "$(") => depth += 1,
                Token::Sign(")" | "}" | "]") => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return &self.tokens[begin..self.at - 1];
            }
        }
        &self.tokens[begin..]
    }
}

impl Reader<'_, '_> {
    fn spend(&mut self, steps: u64) -> bool {
        let because = || self.start.because.clone();
        self.paper.spend(steps, &because)
    }

    fn trouble(&mut self, what: Trouble) {
        let because = self.start.because.clone();
        self.paper.trouble(because, what);
    }

    /// Goes one deeper for as long as `inner` takes.
    fn deeper<T>(&mut self, otherwise: T, inner: impl FnOnce(&mut Self) -> T) -> T {
        if self.depth >= MOST_DEPTH {
            self.trouble(Trouble::Deep);
            return otherwise;
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn run_text(&mut self, text: &str) -> Val {
        if text.len() > LONGEST {
            self.trouble(Trouble::Long);
            return Val::Hidden("$(…)".to_owned());
        }
        if !self.spend(1 + (text.len() as u64 >> 6)) {
            return Val::Hidden("$(…)".to_owned());
        }
        let (list, whole) = tokens(text);
        if !whole {
            self.trouble(Trouble::Long);
        }
        self.run(&list)
    }

    /// Runs statements; the value of the last one.
    fn run(&mut self, list: &[Spaced]) -> Val {
        self.deeper(Val::Hidden("$(…)".to_owned()), |reader| {
            let mut cursor = Cursor { tokens: list, at: 0 };
            let mut last = Val::List(Vec::new());
            while cursor.peek().is_some() {
                let before = cursor.at;
                if !reader.spend(1) {
                    break;
                }
                if let Some(value) = reader.statement(&mut cursor) {
                    last = value;
                }
                // A sign that begins nothing is passed over.
                if cursor.at == before {
                    cursor.at += 1;
                }
            }
            last
        })
    }

    fn maybe(&mut self, list: &[Spaced]) -> Val {
        let before = std::mem::replace(&mut self.certainty, Certainty::May);
        let value = self.run(list);
        self.certainty = before;
        value
    }

    fn statement(&mut self, c: &mut Cursor<'_>) -> Option<Val> {
        while matches!(c.peek(), Some(Token::Line | Token::Sign(";" | "}" | ")"))) {
            c.at += 1;
        }
        if let Some(Token::Word(word)) = c.peek() {
            let word = word.to_lowercase();
            match word.as_str() {
                "if" | "elseif" | "else" | "switch" | "catch" => {
                    c.at += 1;
                    self.condition(c);
                    if c.take("{") {
                        let body = c.inside();
                        return Some(self.maybe(body));
                    }
                    return None;
                }
                "while" | "for" | "do" | "until" | "try" | "finally" | "begin" | "process" | "end" => {
                    c.at += 1;
                    self.condition(c);
                    if c.take("{") {
                        let body = c.inside();
                        return Some(self.run(body));
                    }
                    return None;
                }
                "foreach" if matches!(c.tokens.get(c.at + 1).map(|s| &s.token), Some(Token::Sign("("))) => {
                    c.at += 2;
                    let head = c.inside();
                    return self.each(head, c);
                }
                "function" | "filter" => {
                    c.at += 1;
                    let name = match c.next() {
                        Some(Token::Word(name)) => name.to_lowercase(),
                        _ => return None,
                    };
                    if c.take("(") {
                        c.inside();
                    }
                    c.skip_lines();
                    if c.take("{") {
                        let body: Rc<[Spaced]> = c.inside().into();
                        self.functions.insert(name, body);
                    }
                    return None;
                }
                "param" | "using" => {
                    c.at += 1;
                    if c.take("(") {
                        c.inside();
                    }
                    return None;
                }
                "return" | "throw" => c.at += 1,
                _ => {}
            }
        }
        self.assignment(c).or_else(|| Some(self.pipeline(c)))
    }

    /// The part in brackets between a word and its block.
    fn condition(&mut self, c: &mut Cursor<'_>) {
        c.skip_lines();
        // `catch [Type]`, `switch -Regex`
        while matches!(c.peek(), Some(Token::Word(w)) if w.starts_with('-')) {
            c.at += 1;
        }
        if c.take("[") {
            c.inside();
        }
        if c.take("(") {
            let inner = c.inside();
            self.run(inner);
        }
        c.skip_lines();
    }

    /// `foreach ($x in list) { … }`
    fn each(&mut self, head: &[Spaced], c: &mut Cursor<'_>) -> Option<Val> {
        let mut inner = Cursor { tokens: head, at: 0 };
        let name = match inner.next() {
            Some(Token::Variable(name)) => name.clone(),
            _ => return None,
        };
        if matches!(inner.peek(), Some(Token::Word(w)) if w.eq_ignore_ascii_case("in")) {
            inner.at += 1;
        }
        let list = self.pipeline(&mut inner).items();
        c.skip_lines();
        if !c.take("{") {
            return None;
        }
        let body = c.inside();
        let mut last = None;
        for item in list.into_iter().take(64) {
            self.vars.insert(name.clone(), item);
            last = Some(self.run(body));
        }
        last
    }

    /// `$x = …`, `$x += …`, `[type]$x = …`, `$x.Member = …`
    fn assignment(&mut self, c: &mut Cursor<'_>) -> Option<Val> {
        let begin = c.at;
        while c.take("[") {
            c.inside();
        }
        let Some(Token::Variable(name)) = c.peek() else {
            c.at = begin;
            return None;
        };
        c.at += 1;
        let mut whole = true;
        loop {
            if c.is(".") && !c.apart() {
                c.at += 2;
            } else if c.is("[") && !c.apart() {
                c.at += 1;
                c.inside();
            } else {
                break;
            }
            whole = false;
        }
        let adds = c.is("+=");
        if !adds && !c.is("=") {
            c.at = begin;
            return None;
        }
        c.at += 1;
        c.skip_lines();
        let value = self.statement(c)?;
        if whole {
            let value = match (adds, self.vars.get(name)) {
                (true, Some(old)) => added(old, &value),
                _ => value,
            };
            self.vars.insert(name.clone(), value.clone());
            return Some(value);
        }
        Some(value)
    }

    fn pipeline(&mut self, c: &mut Cursor<'_>) -> Val {
        self.deeper(Val::Hidden("$(…)".to_owned()), |reader| {
            let mut value = reader.element(c, None);
            while c.take("|") {
                c.skip_lines();
                value = reader.element(c, Some(value));
            }
            value
        })
    }

    fn element(&mut self, c: &mut Cursor<'_>, input: Option<Val>) -> Val {
        let value = match c.peek() {
            // Call and dot-source.
            Some(Token::Sign("&" | ".")) => {
                c.at += 1;
                let name = self.primary(c);
                self.call(name, c, input)
            }
            // `ForEach-Object` and `Where-Object`.
            Some(Token::Sign(sign @ ("%" | "?"))) => {
                c.at += 1;
                self.call(Val::Text((*sign).to_owned()), c, input)
            }
            Some(Token::Word(word)) if !word.starts_with('-') && !is_number(word) => {
                let name = Val::Text(word.clone());
                c.at += 1;
                self.call(name, c, input)
            }
            _ => self.expression(c),
        };
        // `> file`
        while c.is(">") || c.is(">>") {
            let append = c.is(">>");
            c.at += 1;
            // `2>&1`
            if c.take("&") {
                c.at += 1;
                continue;
            }
            let path = self.argument(c);
            self.write(&path, &value, append);
        }
        value
    }

    fn expression(&mut self, c: &mut Cursor<'_>) -> Val {
        self.deeper(Val::Hidden("$(…)".to_owned()), |reader| {
            let mut left = reader.unary(c);
            let mut list: Option<Vec<Val>> = None;
            loop {
                match c.peek() {
                    Some(Token::Sign(",")) => {
                        c.at += 1;
                        c.skip_lines();
                        list.get_or_insert_default().push(left);
                        left = reader.unary(c);
                    }
                    Some(Token::Sign(sign @ ("+" | ".." | "*" | "/" | "%"))) => {
                        c.at += 1;
                        c.skip_lines();
                        let right = reader.unary(c);
                        left = match *sign {
                            "+" => added(&left, &right),
                            ".." => range(&left, &right),
                            _ => Val::Hidden("$(…)".to_owned()),
                        };
                    }
                    Some(Token::Word(word)) if word.starts_with('-') => {
                        let operator = word.to_lowercase();
                        c.at += 1;
                        c.skip_lines();
                        if let Some(mut all) = list.take() {
                            all.push(left);
                            left = Val::List(all);
                        }
                        let mut right = vec![reader.unary(c)];
                        while c.take(",") {
                            right.push(reader.unary(c));
                        }
                        left = operated(&operator, &left, &right);
                    }
                    _ => break,
                }
            }
            match list {
                Some(mut all) => {
                    all.push(left);
                    Val::List(all)
                }
                None => left,
            }
        })
    }

    fn unary(&mut self, c: &mut Cursor<'_>) -> Val {
        // `,$bytes` is a list of one, which a constructor takes apart again.
        while c.take("!") || c.take(",") {}
        if let Some(Token::Word(word)) = c.peek() {
            let word = word.to_lowercase();
            if matches!(word.as_str(), "-join" | "-split" | "-not") {
                c.at += 1;
                let value = self.deeper(Val::Hidden("$(…)".to_owned()), |reader| reader.unary(c));
                return operated(&word, &value, &[Val::Text(String::new())]);
            }
        }
        self.primary(c)
    }

    fn primary(&mut self, c: &mut Cursor<'_>) -> Val {
        let hidden = || Val::Hidden("$(…)".to_owned());
        if self.depth >= MOST_DEPTH {
            self.trouble(Trouble::Deep);
            c.at += 1;
            return hidden();
        }
        let value = match c.peek() {
            None | Some(Token::Line) => return Val::List(Vec::new()),
            Some(Token::Text(text, replaces)) => {
                c.at += 1;
                if *replaces { self.replaced(text) } else { Val::Text(text.clone()) }
            }
            Some(Token::Variable(name)) => {
                c.at += 1;
                self.variable(name)
            }
            Some(Token::Word(word)) => {
                c.at += 1;
                let small = word.to_lowercase();
                if small == "new-object" {
                    self.call(Val::Text(word.clone()), c, None)
                } else if let Some(hex) = small.strip_prefix("0x") {
                    i64::from_str_radix(hex, 16).map_or_else(|_| Val::Text(word.clone()), Val::Number)
                } else {
                    // `byte[]`
                    let array = matches!(c.tokens.get(c.at..c.at + 2), Some([open, close])
                        if open.token == Token::Sign("[") && close.token == Token::Sign("]") && !open.apart);
                    if array {
                        c.at += 2;
                        return Val::Text(format!("{word}[]"));
                    }
                    word.parse().map_or_else(|_| Val::Text(word.clone()), Val::Number)
                }
            }
            Some(Token::Sign("(" | "$(")) => {
                c.at += 1;
                let inner = c.inside();
                self.run(inner)
            }
            Some(Token::Sign("@(")) => {
                c.at += 1;
                let inner = c.inside();
                Val::List(self.run(inner).items())
            }
            Some(Token::Sign("@{")) => {
                c.at += 1;
                c.inside();
                hidden()
            }
            Some(Token::Sign("{")) => {
                c.at += 1;
                Val::Block(c.inside().into())
            }
            Some(Token::Sign("[")) => {
                c.at += 1;
                let name = type_name(c.inside());
                if c.take("::") {
                    let member = member_name(c);
                    return {
                        let value = self.of_type(&name, &member, c);
                        self.postfix(value, c)
                    };
                }
                let value = self.deeper(hidden(), |reader| reader.primary(c));
                return cast(&name, value);
            }
            Some(Token::Sign(_)) => {
                if !c.ended() {
                    c.at += 1;
                }
                return hidden();
            }
        };
        self.postfix(value, c)
    }

    fn postfix(&mut self, mut value: Val, c: &mut Cursor<'_>) -> Val {
        loop {
            if !c.apart() && (c.is(".") || c.is("::")) {
                c.at += 1;
                let name = member_name(c);
                // What a connection sends goes to the variable that is named first.
                let target = match c.tokens.get(c.at..c.at + 2) {
                    Some([open, first]) if open.token == Token::Sign("(") => match &first.token {
                        Token::Variable(name) => Some(name.clone()),
                        _ => None,
                    },
                    _ => None,
                };
                let args = self.arguments_in_brackets(c);
                if let (Val::Remote(_), "read" | "readasync" | "readblock" | "receive", Some(target)) =
                    (&value, name.as_str(), target)
                {
                    self.vars.insert(target, value.clone());
                }
                value = self.member(value, &name, args);
            } else if !c.apart() && c.is("[") {
                c.at += 1;
                let inner = c.inside();
                let index = self.run(inner);
                value = element_of(&value, &index);
            } else {
                return value;
            }
        }
    }

    fn arguments_in_brackets(&mut self, c: &mut Cursor<'_>) -> Option<Vec<Val>> {
        if c.apart() || !c.take("(") {
            return None;
        }
        Some(self.listed(c.inside()))
    }

    /// Expressions with commas between them.
    fn listed(&mut self, inner: &[Spaced]) -> Vec<Val> {
        let mut cursor = Cursor { tokens: inner, at: 0 };
        let mut all = Vec::new();
        cursor.skip_lines();
        while cursor.peek().is_some() && all.len() < 4096 {
            let before = cursor.at;
            // Between commas stand expressions; a command stands in brackets of its own.
            all.push(self.deeper(Val::Hidden("$(…)".to_owned()), |reader| {
                let mut left = reader.unary(&mut cursor);
                while let Some(token) = cursor.peek() {
                    match token {
                        Token::Sign("+") => {
                            cursor.at += 1;
                            let right = reader.unary(&mut cursor);
                            left = added(&left, &right);
                        }
                        Token::Word(word) if word.starts_with('-') => {
                            cursor.at += 1;
                            let right = reader.unary(&mut cursor);
                            left = operated(&word.to_lowercase(), &left, &[right]);
                        }
                        _ => break,
                    }
                }
                left
            }));
            cursor.skip_lines();
            if !cursor.take(",") && cursor.at == before {
                cursor.at += 1;
            }
            cursor.skip_lines();
        }
        all
    }

    fn variable(&mut self, name: &str) -> Val {
        if let Some(value) = self.vars.get(name) {
            return value.clone();
        }
        if let Some(wanted) = name.strip_prefix("env:") {
            let found = self.start.env.iter().rev().find(|(n, _)| n.eq_ignore_ascii_case(wanted));
            if let Some(text) = found.and_then(|(_, v)| v.known()) {
                return Val::Text(text.to_owned());
            }
        }
        match name {
            "home" => Val::Text("/root".to_owned()),
            "pwd" | "psscriptroot" => Val::Text(self.start.cwd.clone()),
            "true" => Val::Number(1),
            "null" | "false" => Val::List(Vec::new()),
            _ => Val::Hidden(format!("${name}")),
        }
    }

    /// A text with its variables replaced.
    fn replaced(&mut self, text: &str) -> Val {
        if !text.contains('$') {
            return Val::Text(text.to_owned());
        }
        let mut out = String::new();
        let mut known = true;
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            if rest[..at].ends_with('`') {
                out.push_str(&rest[..at - 1]);
                out.push('$');
                rest = &rest[at + 1..];
                continue;
            }
            out.push_str(&rest[..at]);
            let tail = &rest[at..];
            if let Some(inner) = tail.strip_prefix("$(") {
                let mut depth = 1u32;
                let end = inner.char_indices().find(|(_, ch)| {
                    depth = match ch {
                        '(' => depth + 1,
                        ')' => depth - 1,
                        _ => depth,
                    };
                    depth == 0
                });
                let end = end.map_or(inner.len(), |(n, _)| n);
                let code = inner[..end].to_owned();
                let value = self.deeper(Val::Hidden("$(…)".to_owned()), |reader| reader.run_text(&code));
                match value.text() {
                    Some(text) => out.push_str(&text),
                    None => {
                        known = false;
                        out.push_str(&format!("$({code})"));
                    }
                }
                rest = inner.get(end + 1..).unwrap_or_default();
                continue;
            }
            let (list, _) = tokens(tail.get(..tail.len().min(256)).unwrap_or(tail.split_at(1).0));
            let Some(Token::Variable(name)) = list.first().map(|s| &s.token) else {
                out.push('$');
                rest = &tail[1..];
                continue;
            };
            if name.is_empty() {
                out.push('$');
                rest = &tail[1..];
                continue;
            }
            let braces = if tail.starts_with("${") { 2 } else { 0 };
            let length: usize =
                tail.chars().take(1 + braces + name.chars().count()).map(char::len_utf8).sum();
            match self.variable(name).text() {
                Some(text) => out.push_str(&text),
                None => {
                    known = false;
                    out.push_str(&tail[..length]);
                }
            }
            rest = &tail[length..];
            if out.len() > LONGEST {
                return Val::Hidden("$(…)".to_owned());
            }
        }
        out.push_str(rest);
        if known { Val::Text(out) } else { Val::Hidden(out) }
    }
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// `System.Net.Sockets.TCPClient` as `net.sockets.tcpclient`.
fn type_name(list: &[Spaced]) -> String {
    let mut name = String::new();
    for spaced in list {
        match &spaced.token {
            Token::Word(word) => name.push_str(&word.to_lowercase()),
            Token::Sign(sign) => name.push_str(sign),
            _ => {}
        }
    }
    name.strip_prefix("system.").unwrap_or(&name).to_owned()
}

fn member_name(c: &mut Cursor<'_>) -> String {
    match c.next() {
        Some(Token::Word(word)) => word.to_lowercase(),
        Some(Token::Text(text, _)) => text.to_lowercase(),
        _ => String::new(),
    }
}

fn added(left: &Val, right: &Val) -> Val {
    if let Some(url) = left.origin().or_else(|| right.origin()) {
        return Val::Remote(url);
    }
    match (left, right) {
        (Val::Number(a), Val::Number(b)) => Val::Number(a.wrapping_add(*b)),
        (Val::List(a), b) => {
            let all: Vec<Val> = a.iter().cloned().chain(b.items()).take(1 << 16).collect();
            Val::List(all)
        }
        _ => match (left.text(), right.text()) {
            (Some(a), Some(b)) if a.len() + b.len() <= LONGEST => Val::Text(a + &b),
            _ => Val::Hidden(format!("{}{}", shown(left), shown(right))),
        },
    }
}

/// A value as it is shown, not too long.
fn shown(value: &Val) -> String {
    let text = value.word().text;
    text.chars().take(4096).collect()
}

fn range(from: &Val, to: &Val) -> Val {
    let (Val::Number(from), Val::Number(to)) = (from, to) else { return Val::Hidden("$(…)".to_owned()) };
    let count = from.abs_diff(*to).min(4095) as i64;
    let step = if to >= from { 1 } else { -1 };
    Val::List((0..=count).map(|n| Val::Number(from.wrapping_add(n * step))).collect())
}

fn operated(operator: &str, left: &Val, right: &[Val]) -> Val {
    if let Some(url) = left.origin() {
        return Val::Remote(url);
    }
    let hidden = || Val::Hidden("$(…)".to_owned());
    let first = right.first().and_then(Val::text);
    match operator {
        "-join" => {
            let parts: Option<Vec<String>> = left.items().iter().map(Val::text).collect();
            parts.map_or_else(hidden, |p| Val::Text(p.join(&first.unwrap_or_default())))
        }
        "-f" => match left
            .text()
            .and_then(|f| formatted(&f, &right.iter().flat_map(Val::items).collect::<Vec<_>>()))
        {
            Some(text) => Val::Text(text),
            None => hidden(),
        },
        "-replace" | "-creplace" | "-ireplace" => match (left.text(), first) {
            (Some(text), Some(from)) => {
                let to = right.get(1).and_then(Val::text).unwrap_or_default();
                let plain = from.replace('\\', "");
                Val::Text(text.replace(&plain, &to))
            }
            _ => hidden(),
        },
        "-split" | "-csplit" | "-isplit" => match (left.text(), first) {
            (Some(text), Some(by)) if by.is_empty() => {
                Val::List(text.split_whitespace().map(|p| Val::Text(p.to_owned())).collect())
            }
            (Some(text), Some(by)) => {
                let by = by.replace('\\', "");
                Val::List(text.split(by.as_str()).map(|p| Val::Text(p.to_owned())).collect())
            }
            _ => hidden(),
        },
        "-bxor" => match (left, right.first()) {
            (Val::Number(a), Some(Val::Number(b))) => Val::Number(a ^ b),
            _ => hidden(),
        },
        "-as" => left.clone(),
        _ => hidden(),
    }
}

fn cast(kind: &str, value: Val) -> Val {
    let letter = |v: &Val| match v {
        Val::Number(n) => u32::try_from(*n).ok().and_then(char::from_u32).map(|ch| Val::Text(ch.to_string())),
        Val::Text(text) => {
            let code = text.strip_prefix("0x").map(|h| i64::from_str_radix(h, 16));
            let code = code.or_else(|| (text.len() > 1).then(|| text.parse::<i64>()));
            match code {
                Some(Ok(n)) => {
                    u32::try_from(n).ok().and_then(char::from_u32).map(|ch| Val::Text(ch.to_string()))
                }
                _ => Some(v.clone()),
            }
        }
        _ => None,
    };
    match (kind, &value) {
        ("char", _) => letter(&value).unwrap_or(value),
        ("char[]", Val::Text(text)) => Val::List(text.chars().map(|ch| Val::Text(ch.to_string())).collect()),
        ("char[]", _) => {
            Val::List(value.items().iter().map(|v| letter(v).unwrap_or_else(|| v.clone())).collect())
        }
        ("int" | "int32" | "byte", Val::Text(text)) => match text.trim().parse() {
            Ok(number) => Val::Number(number),
            Err(_) if text.chars().count() == 1 => {
                Val::Number(text.chars().next().map_or(0, |ch| i64::from(u32::from(ch))))
            }
            Err(_) => value,
        },
        ("string", Val::List(_)) => value.text().map_or(value, Val::Text),
        _ => value,
    }
}

fn element_of(value: &Val, index: &Val) -> Val {
    let all: Vec<Val> = match value {
        Val::Text(text) => text.chars().map(|ch| Val::Text(ch.to_string())).collect(),
        Val::List(list) => list.clone(),
        Val::Remote(_) => return value.clone(),
        _ => return Val::Hidden("$(…)".to_owned()),
    };
    let at = |v: &Val| match v {
        Val::Number(n) => {
            let n = if *n < 0 { n.checked_add(i64::try_from(all.len()).unwrap_or(0))? } else { *n };
            all.get(usize::try_from(n).ok()?).cloned()
        }
        _ => None,
    };
    match index {
        Val::List(list) => Val::List(list.iter().filter_map(at).collect()),
        one => at(one).unwrap_or_else(|| Val::Hidden("$(…)".to_owned())),
    }
}
