//! awk over known text: what a program puts out.

mod parse;

use std::collections::BTreeMap;

use parse::{Expr, Program, Statement, When};

use super::super::sed;
use super::output::{format, number_of};

/// Expressions and statements that one program may take.
const MOST_STEPS: u32 = 400_000;

/// A program, read.
pub(crate) struct Awk {
    program: Program,
    set: Vec<(String, String)>,
}

impl Awk {
    /// Reads a program; `set` are variables from the command line. None where it does more than
    /// making text of text.
    pub(crate) fn read(program: &str, set: Vec<(String, String)>) -> Option<Self> {
        Some(Self { program: parse::parse(program)?, set })
    }

    /// Whether it reads its input.
    pub(crate) fn reads(&self) -> bool {
        self.program.iter().any(|(when, _)| !matches!(when, When::Begin))
    }

    /// What it puts out for an input.
    pub(crate) fn run(&self, input: &str, most: usize) -> Option<String> {
        let mut machine = Machine { most, ..Machine::default() };
        for (name, value) in [("FS", " "), ("OFS", " "), ("ORS", "\n"), ("RS", "\n"), ("SUBSEP", "\u{1c}")] {
            machine.names.insert(name.to_owned(), value.to_owned());
        }
        for (name, value) in &self.set {
            machine.names.insert(name.clone(), crate::shell::ansi(value));
        }
        machine.run(&self.program, input)?;
        Some(machine.out)
    }
}

#[derive(Default)]
struct Machine {
    names: BTreeMap<String, String>,
    arrays: BTreeMap<String, BTreeMap<String, String>>,
    fields: Vec<String>,
    record: String,
    out: String,
    steps: u32,
    most: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Go,
    Next,
    Exit,
    Break,
    Continue,
}

fn text_of(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        format!("{}", number as i64)
    } else {
        format!("{number}")
    }
}

/// The number at the start of a text, as awk takes it.
fn number(text: &str) -> f64 {
    let text = text.trim_start();
    let mut end = 0;
    let mut dot = false;
    for (at, c) in text.char_indices() {
        let sign = at == 0 && matches!(c, '-' | '+');
        if !(c.is_ascii_digit() || sign || c == '.' && !dot) {
            break;
        }
        dot |= c == '.';
        end = at + 1;
    }
    text[..end].parse().unwrap_or(0.0)
}

fn looks_like_number(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.parse::<f64>().is_ok() && !text.contains(['n', 'N', 'i', 'I'])
}

impl Machine {
    fn step(&mut self) -> Option<()> {
        self.steps += 1;
        (self.steps <= MOST_STEPS && self.out.len() <= self.most).then_some(())
    }

    fn run(&mut self, program: &Program, input: &str) -> Option<()> {
        let mut flow = Flow::Go;
        for (when, body) in program {
            if matches!(when, When::Begin) && flow != Flow::Exit {
                flow = self.block(body)?;
            }
        }
        if flow != Flow::Exit && program.iter().any(|(when, _)| !matches!(when, When::Begin)) {
            self.records(program, input)?;
        }
        for (when, body) in program {
            if matches!(when, When::End) && flow != Flow::Exit {
                flow = self.block(body)?;
            }
        }
        Some(())
    }

    fn records(&mut self, program: &Program, input: &str) -> Option<()> {
        let separator = self.names.get("RS").cloned().unwrap_or_default();
        let input = input.strip_suffix('\n').unwrap_or(input);
        let records: Vec<&str> = match separator.chars().next() {
            _ if input.is_empty() => Vec::new(),
            None => input.split("\n\n").collect(),
            Some(c) if separator.chars().count() == 1 => input.split(c).collect(),
            Some(_) => return None,
        };
        for (n, record) in records.into_iter().enumerate() {
            self.set_record(record)?;
            self.names.insert("NR".to_owned(), (n + 1).to_string());
            self.names.insert("FNR".to_owned(), (n + 1).to_string());
            for (when, body) in program {
                self.step()?;
                let runs = match when {
                    When::Begin | When::End => false,
                    When::Always => true,
                    When::If(test) => self.truth(test)?,
                };
                if !runs {
                    continue;
                }
                match self.block(body)? {
                    Flow::Next => break,
                    Flow::Exit => return Some(()),
                    _ => {}
                }
            }
        }
        Some(())
    }

    fn set_record(&mut self, record: &str) -> Option<()> {
        record.clone_into(&mut self.record);
        let separator = self.names.get("FS").cloned().unwrap_or_default();
        self.fields = split(record, &separator)?;
        self.names.insert("NF".to_owned(), self.fields.len().to_string());
        Some(())
    }

    fn block(&mut self, body: &[Statement]) -> Option<Flow> {
        for statement in body {
            let flow = self.statement(statement)?;
            if flow != Flow::Go {
                return Some(flow);
            }
        }
        Some(Flow::Go)
    }

    fn statement(&mut self, statement: &Statement) -> Option<Flow> {
        self.step()?;
        match statement {
            Statement::Print(args) => {
                let mut parts = Vec::with_capacity(args.len());
                for arg in args {
                    parts.push(self.text(arg)?);
                }
                let between = self.names.get("OFS").cloned().unwrap_or_default();
                let line = if args.is_empty() { self.record.clone() } else { parts.join(&between) };
                self.out.push_str(&line);
                let end = self.names.get("ORS").cloned().unwrap_or_default();
                self.out.push_str(&end);
            }
            Statement::Printf(args) => {
                let text = self.formatted(args)?;
                self.out.push_str(&text);
            }
            Statement::Expr(expr) => {
                self.text(expr)?;
            }
            Statement::If(test, yes, no) => {
                let arm = if self.truth(test)? { yes } else { no };
                return self.block(arm);
            }
            Statement::While(test, body) => {
                while self.truth(test)? {
                    self.step()?;
                    match self.block(body)? {
                        Flow::Break => break,
                        Flow::Go | Flow::Continue => {}
                        flow => return Some(flow),
                    }
                }
            }
            Statement::For(start, test, step, body) => {
                if let Some(start) = start {
                    self.statement(start)?;
                }
                while match test {
                    Some(test) => self.truth(test)?,
                    None => true,
                } {
                    self.step()?;
                    match self.block(body)? {
                        Flow::Break => break,
                        Flow::Go | Flow::Continue => {}
                        flow => return Some(flow),
                    }
                    if let Some(step) = step {
                        self.statement(step)?;
                    }
                }
            }
            Statement::Each(key, list, body) => {
                let mut keys: Vec<String> =
                    self.arrays.get(list).map(|a| a.keys().cloned().collect()).unwrap_or_default();
                keys.sort_by(|a, b| number(a).total_cmp(&number(b)).then_with(|| a.cmp(b)));
                for one in keys {
                    self.step()?;
                    self.names.insert(key.clone(), one);
                    match self.block(body)? {
                        Flow::Break => break,
                        Flow::Go | Flow::Continue => {}
                        flow => return Some(flow),
                    }
                }
            }
            Statement::Delete(list, keys) => {
                if keys.is_empty() {
                    self.arrays.remove(list);
                } else {
                    let key = self.key(keys)?;
                    if let Some(array) = self.arrays.get_mut(list) {
                        array.remove(&key);
                    }
                }
            }
            Statement::Next => return Some(Flow::Next),
            Statement::Exit => return Some(Flow::Exit),
            Statement::Break => return Some(Flow::Break),
            Statement::Continue => return Some(Flow::Continue),
        }
        Some(Flow::Go)
    }

    fn key(&mut self, keys: &[Expr]) -> Option<String> {
        let mut parts = Vec::with_capacity(keys.len());
        for key in keys {
            parts.push(self.text(key)?);
        }
        Some(parts.join(self.names.get("SUBSEP").map_or("\u{1c}", String::as_str)))
    }

    fn number(&mut self, expr: &Expr) -> Option<f64> {
        Some(number(&self.text(expr)?))
    }

    fn truth(&mut self, expr: &Expr) -> Option<bool> {
        let text = self.text(expr)?;
        let is_text = matches!(expr, Expr::Text(_));
        Some(if !is_text && looks_like_number(&text) { number(&text) != 0.0 } else { !text.is_empty() })
    }

    fn regex(&mut self, expr: &Expr) -> Option<regex::Regex> {
        let source = match expr {
            Expr::Regex(source) => source.replace("\\/", "/"),
            other => self.text(other)?,
        };
        sed::build(&source, false)
    }

    fn text(&mut self, expr: &Expr) -> Option<String> {
        self.step()?;
        let yes = |answer: bool| Some(if answer { "1" } else { "0" }.to_owned());
        match expr {
            Expr::Number(n) => Some(text_of(*n)),
            Expr::Text(text) => Some(text.clone()),
            Expr::Regex(_) => {
                let regex = self.regex(expr)?;
                yes(regex.is_match(&self.record))
            }
            Expr::Name(name) => match name.as_str() {
                "ENVIRON" | "ARGV" | "FILENAME" => None,
                name => Some(self.names.get(name).cloned().unwrap_or_default()),
            },
            Expr::Field(inner) => {
                let n = self.number(inner)?;
                if n < 0.0 {
                    return None;
                }
                Some(match n as usize {
                    0 => self.record.clone(),
                    n => self.fields.get(n - 1).cloned().unwrap_or_default(),
                })
            }
            Expr::Element(list, keys) => {
                let key = self.key(keys)?;
                Some(self.arrays.get(list).and_then(|a| a.get(&key)).cloned().unwrap_or_default())
            }
            Expr::In(key, list) => {
                let key = self.text(key)?;
                yes(self.arrays.get(list).is_some_and(|a| a.contains_key(&key)))
            }
            Expr::Call(name, args) => self.call(name, args),
            Expr::Unary(op, inner) => match *op {
                "!" => {
                    let truth = self.truth(inner)?;
                    yes(!truth)
                }
                "-" => Some(text_of(-self.number(inner)?)),
                _ => Some(text_of(self.number(inner)?)),
            },
            Expr::Binary(op, left, right) => self.binary(op, left, right),
            Expr::Choice(test, yes, no) => {
                let arm = if self.truth(test)? { yes } else { no };
                self.text(arm)
            }
            Expr::Assign(op, place, value) => {
                let value = self.text(value)?;
                let value = if op.is_empty() {
                    value
                } else {
                    text_of(calculate(op, self.number(place)?, number(&value))?)
                };
                self.set(place, value.clone())?;
                Some(value)
            }
            Expr::Step(place, by, old) => {
                let before = self.number(place)?;
                self.set(place, text_of(before + by))?;
                Some(text_of(if *old { before } else { before + by }))
            }
        }
    }

    fn binary(&mut self, op: &str, left: &Expr, right: &Expr) -> Option<String> {
        let yes = |answer: bool| Some(if answer { "1" } else { "0" }.to_owned());
        match op {
            "||" => {
                let answer = self.truth(left)? || self.truth(right)?;
                yes(answer)
            }
            "&&" => {
                let answer = self.truth(left)? && self.truth(right)?;
                yes(answer)
            }
            "~" | "!~" => {
                let text = self.text(left)?;
                let regex = self.regex(right)?;
                yes(regex.is_match(&text) == (op == "~"))
            }
            "" => {
                let mut text = self.text(left)?;
                text.push_str(&self.text(right)?);
                (text.len() <= self.most).then_some(text)
            }
            "<" | "<=" | "==" | "!=" | ">" | ">=" => {
                let (a, b) = (self.text(left)?, self.text(right)?);
                let literal = matches!(left, Expr::Text(_)) || matches!(right, Expr::Text(_));
                let order = if !literal
                    && (looks_like_number(&a) || a.is_empty())
                    && (looks_like_number(&b) || b.is_empty())
                {
                    number(&a).total_cmp(&number(&b))
                } else {
                    a.cmp(&b)
                };
                yes(match op {
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    "==" => order.is_eq(),
                    "!=" => order.is_ne(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                })
            }
            op => {
                let (a, b) = (self.number(left)?, self.number(right)?);
                Some(text_of(calculate(op, a, b)?))
            }
        }
    }

    fn set(&mut self, place: &Expr, value: String) -> Option<()> {
        if value.len() > self.most {
            return None;
        }
        match place {
            Expr::Name(name) => {
                self.names.insert(name.clone(), value);
            }
            Expr::Element(list, keys) => {
                let key = self.key(keys)?;
                self.arrays.entry(list.clone()).or_default().insert(key, value);
            }
            Expr::Field(inner) => {
                let n = self.number(inner)? as usize;
                if n == 0 {
                    return self.set_record(&value);
                }
                if n > 4096 {
                    return None;
                }
                if self.fields.len() < n {
                    self.fields.resize(n, String::new());
                }
                self.fields[n - 1] = value;
                self.record = self.fields.join(self.names.get("OFS").map_or(" ", String::as_str));
                self.names.insert("NF".to_owned(), self.fields.len().to_string());
            }
            _ => return None,
        }
        Some(())
    }

    fn formatted(&mut self, args: &[Expr]) -> Option<String> {
        let (first, rest) = args.split_first()?;
        let pattern = self.text(first)?;
        let mut values = Vec::with_capacity(rest.len());
        for arg in rest {
            let value = self.text(arg)?;
            // A number as `%c` is the character of that number.
            let numeric = !matches!(arg, Expr::Text(_)) && looks_like_number(&value);
            values.push((value, numeric));
        }
        let mut values = values.into_iter();
        let mut out = String::new();
        let mut rest = pattern.as_str();
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            let (flags, conversion, after) = format::take(&rest[at + 1..])?;
            rest = after;
            if conversion == '%' {
                out.push('%');
                continue;
            }
            let (value, numeric) = values.next().unwrap_or_default();
            let value = match conversion {
                'c' if numeric => char::from_u32(number(&value) as u32)?.to_string(),
                'd' | 'i' | 'u' | 'x' | 'X' | 'o' => text_of(number(&value).trunc()),
                _ => value,
            };
            out.push_str(&format::apply(flags, conversion, &value)?);
            if out.len() > self.most {
                return None;
            }
        }
        out.push_str(rest);
        Some(out)
    }

    fn call(&mut self, name: &str, args: &[Expr]) -> Option<String> {
        let whole = Expr::Field(Box::new(Expr::Number(0.0)));
        match (name, args) {
            ("length", []) => Some(self.record.chars().count().to_string()),
            ("length", [Expr::Name(list)]) if self.arrays.contains_key(list) => {
                Some(self.arrays[list].len().to_string())
            }
            ("length", [text]) => Some(self.text(text)?.chars().count().to_string()),
            ("substr", [text, from, rest @ ..]) => {
                let text = self.text(text)?;
                let from = self.number(from)?.round();
                let length = match rest.first() {
                    Some(length) => self.number(length)?.round(),
                    None => f64::from(u32::MAX),
                };
                let end = from + length;
                let kept = text.chars().enumerate().filter(|(n, _)| {
                    let n = *n as f64 + 1.0;
                    n >= from && n < end
                });
                Some(kept.map(|(_, c)| c).collect())
            }
            ("index", [text, wanted]) => {
                let (text, wanted) = (self.text(text)?, self.text(wanted)?);
                Some(text.find(&wanted).map_or(0, |at| text[..at].chars().count() + 1).to_string())
            }
            ("split", [text, Expr::Name(list), rest @ ..]) => {
                let text = self.text(text)?;
                let separator = match rest.first() {
                    Some(Expr::Regex(source)) => source.clone(),
                    Some(separator) => self.text(separator)?,
                    None => self.names.get("FS").cloned().unwrap_or_default(),
                };
                let parts = split(&text, &separator)?;
                let count = parts.len();
                let array = parts.into_iter().enumerate().map(|(n, p)| ((n + 1).to_string(), p)).collect();
                self.arrays.insert(list.clone(), array);
                Some(count.to_string())
            }
            ("sub" | "gsub", [pattern, with, rest @ ..]) => {
                let regex = self.regex(pattern)?;
                let with = self.text(with)?;
                let place = rest.first().unwrap_or(&whole);
                let text = self.text(place)?;
                let with = replacement(&with);
                let count = if name == "sub" {
                    usize::from(regex.is_match(&text))
                } else {
                    regex.find_iter(&text).count()
                };
                let limit = if name == "sub" { 1 } else { 0 };
                let after = regex.replacen(&text, limit, with.as_str()).into_owned();
                self.set(place, after)?;
                Some(count.to_string())
            }
            ("match", [text, pattern]) => {
                let text = self.text(text)?;
                let regex = self.regex(pattern)?;
                let hit = regex.find(&text);
                let start = hit.map_or(0, |m| text[..m.start()].chars().count() + 1);
                let length = hit.map_or("-1".to_owned(), |m| m.as_str().chars().count().to_string());
                self.names.insert("RSTART".to_owned(), start.to_string());
                self.names.insert("RLENGTH".to_owned(), length);
                Some(start.to_string())
            }
            ("sprintf", args) => self.formatted(args),
            ("toupper", [text]) => Some(self.text(text)?.to_uppercase()),
            ("tolower", [text]) => Some(self.text(text)?.to_lowercase()),
            ("int", [value]) => Some(text_of(self.number(value)?.trunc())),
            ("strtonum", [value]) => {
                let text = self.text(value)?;
                Some(number_of(&text).map_or_else(|| text_of(number(&text)), |n| n.to_string()))
            }
            ("xor" | "and" | "or" | "lshift" | "rshift", [a, b]) => {
                let (a, b) = (self.number(a)? as i64, self.number(b)? as i64);
                let value = match name {
                    "xor" => a ^ b,
                    "and" => a & b,
                    "or" => a | b,
                    "lshift" => a.checked_shl(u32::try_from(b).ok()?)?,
                    _ => a.checked_shr(u32::try_from(b).ok()?)?,
                };
                Some(value.to_string())
            }
            _ => None,
        }
    }
}

/// `&` and `\\&` of a replacement as the regex crate writes them.
fn replacement(with: &str) -> String {
    let mut out = String::new();
    let mut chars = with.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '&' => out.push_str("${0}"),
            '$' => out.push_str("$$"),
            c => out.push(c),
        }
    }
    out
}

fn split(text: &str, separator: &str) -> Option<Vec<String>> {
    let own = |parts: &mut dyn Iterator<Item = &str>| Some(parts.map(str::to_owned).collect());
    match separator {
        _ if text.is_empty() => Some(Vec::new()),
        " " => own(&mut text.split_whitespace()),
        "" => Some(text.chars().map(String::from).collect()),
        one if one.chars().count() == 1 => own(&mut text.split(one)),
        pattern => {
            let regex = sed::build(pattern, false)?;
            own(&mut regex.split(text))
        }
    }
}

fn calculate(op: &str, a: f64, b: f64) -> Option<f64> {
    Some(match op {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" if b != 0.0 => a / b,
        "%" if b != 0.0 => a % b,
        "^" => a.powf(b),
        _ => return None,
    })
}
