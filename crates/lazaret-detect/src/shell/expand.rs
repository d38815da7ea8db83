//! From words to values: parameters, substitutions, splitting, patterns.

use super::pattern;
use super::state::Shell;
use super::syntax::Word;
use super::value::{Know, Value};
use super::word::{self, Part};
use super::world::{Held, Input, Status, Trouble};
use super::{arithmetic, braces};

/// Substitutions inside substitutions that are computed.
const MAX_SUBSTITUTIONS: u32 = 24;

/// A field being built.
#[derive(Default)]
struct Field {
    value: Option<Value>,
    /// Whether it holds an unquoted `*`, `?` or `[`.
    glob: bool,
}

impl Shell<'_> {
    fn join(&mut self, to: &mut Value, part: &Value, line: u32) {
        let because = || self.site.at(line);
        // Moving text costs; without that a short loop could double a value for ever.
        let affordable = self.world.spend(part.text.len() as u64 >> 12, &because);
        let most = self.world.longest();
        if !affordable || !to.push(part, most) {
            let chain = self.because(line);
            self.world.trouble(chain, Trouble::Long);
        }
    }

    /// All fields of a list of words.
    pub(super) fn fields_of(&mut self, words: &[Word]) -> Vec<Value> {
        let mut out = Vec::with_capacity(words.len());
        for word in words {
            for raw in braces::expand(&word.raw) {
                self.fields(&raw, word.line, &mut out);
            }
        }
        out
    }

    fn fields(&mut self, raw: &str, line: u32, out: &mut Vec<Value>) {
        if !raw.contains(['$', '`', '\'', '"', '\\', '*', '?', '[', '~', '<', '>']) {
            out.push(Value::sure(raw));
            return;
        }
        let mut field = Field::default();
        let parts = word::parts(raw, line);
        let alone =
            parts.iter().filter(|p| !matches!(p, Part::Text { text, .. } if text.is_empty())).count() == 1;
        for (position, part) in parts.into_iter().enumerate() {
            match part {
                Part::Text { mut text, quoted } => {
                    if !quoted {
                        if position == 0 {
                            text = self.tilde(&text);
                        }
                        field.glob |= text.contains(['*', '?', '[']);
                    }
                    let value = Value::sure(text);
                    self.join(field.value.get_or_insert_with(Value::empty), &value, line);
                }
                Part::Param { body, quoted } => {
                    if let Some(values) = self.list_parameter(&body, line) {
                        let count = values.len();
                        // `"$@"` of nothing is no word, though `""` is one.
                        if count == 0 && alone && field.value.as_ref().is_some_and(|v| v.text.is_empty()) {
                            field.value = None;
                        }
                        for (n, value) in values.into_iter().enumerate() {
                            self.join(field.value.get_or_insert_with(Value::empty), &value, line);
                            if n + 1 < count {
                                self.finish(&mut field, out);
                            }
                        }
                        continue;
                    }
                    let value = self.parameter(&body, line);
                    self.add(value, quoted, &mut field, out, line);
                }
                Part::Command { text, quoted, line } => {
                    let value = self.substitute(&text, line);
                    self.add(value, quoted, &mut field, out, line);
                }
                Part::Arithmetic { text, quoted } => {
                    let value = self.arithmetic(&text, line);
                    self.add(value, quoted, &mut field, out, line);
                }
                Part::Process { text, writes, line } => {
                    let value = self.process_substitution(&text, writes, line);
                    self.add(value, true, &mut field, out, line);
                }
            }
        }
        self.finish(&mut field, out);
    }

    fn add(&mut self, value: Value, quoted: bool, field: &mut Field, out: &mut Vec<Value>, line: u32) {
        if quoted || !value.is_known() {
            self.join(field.value.get_or_insert_with(Value::empty), &value, line);
            return;
        }
        let separators = match self.get("IFS").and_then(|v| v.values.first()).map(Value::known) {
            Some(Some(text)) => text.to_owned(),
            _ => " \t\n".to_owned(),
        };
        let pieces = value.text.split(|c| separators.contains(c));
        let mut first = true;
        for piece in pieces {
            if !first {
                self.finish(field, out);
            }
            first = false;
            if piece.is_empty() {
                continue;
            }
            field.glob |= piece.contains(['*', '?', '[']);
            let part = Value { text: piece.to_owned(), know: value.know, fetched: value.fetched.clone() };
            self.join(field.value.get_or_insert_with(Value::empty), &part, line);
        }
    }

    fn finish(&mut self, field: &mut Field, out: &mut Vec<Value>) {
        let Some(value) = field.value.take() else { return };
        let glob = std::mem::take(&mut field.glob);
        if glob && value.is_known() {
            let found = self.glob(&value.text);
            if !found.is_empty() {
                out.extend(found.into_iter().map(Value::plain));
                return;
            }
        }
        if out.len() < 10_000 {
            out.push(value);
        }
    }

    /// Files whose names match, where the pattern stands in the last component only.
    fn glob(&mut self, raw: &str) -> Vec<String> {
        let (dir, name) = match raw.rfind('/') {
            Some(at) => (&raw[..=at], &raw[at + 1..]),
            None => ("", raw),
        };
        if dir.contains(['*', '?', '[']) || name.is_empty() {
            return Vec::new();
        }
        let place = self.absolute(if dir.is_empty() { "." } else { dir });
        let hidden = name.starts_with('.');
        let mut found: Vec<String> = self
            .world
            .names(&place)
            .into_iter()
            .filter(|n| (hidden || !n.starts_with('.')) && pattern::matches(name, n))
            .map(|n| format!("{dir}{n}"))
            .collect();
        found.truncate(512);
        found
    }

    pub(super) fn absolute(&self, path: &str) -> String {
        if path.starts_with(['/', '$', '<', '>']) {
            path.to_owned()
        } else {
            let cwd = self.cwd.trim_end_matches('/');
            let path = path.strip_prefix("./").unwrap_or(path);
            if path == "." { format!("{cwd}/") } else { format!("{cwd}/{path}") }
        }
    }

    fn tilde(&self, text: &str) -> String {
        let Some(rest) = text.strip_prefix('~') else { return text.to_owned() };
        if !rest.is_empty() && !rest.starts_with('/') {
            return text.to_owned();
        }
        let home = self.get("HOME").and_then(|v| v.values.first()).and_then(Value::known);
        format!("{}{rest}", home.unwrap_or("/root"))
    }

    /// A word as one value: no splitting, no patterns.
    pub(super) fn text_of(&mut self, raw: &str, line: u32) -> Value {
        if !raw.contains(['$', '`', '\'', '"', '\\', '~', '<', '>']) {
            return Value::sure(raw);
        }
        let parts = word::parts(raw, line);
        let tilde = raw.starts_with('~');
        self.join_parts(parts, tilde, line)
    }

    /// A pattern: what is quoted stands for itself.
    pub(super) fn pattern_of(&mut self, raw: &str, line: u32) -> Value {
        let mut whole = Value::empty();
        for part in word::parts(raw, line) {
            let piece = match part {
                Part::Text { text, quoted: true } => {
                    let mut escaped = String::with_capacity(text.len());
                    for c in text.chars() {
                        if matches!(c, '*' | '?' | '[' | '\\') {
                            escaped.push('\\');
                        }
                        escaped.push(c);
                    }
                    Value::sure(escaped)
                }
                Part::Text { text, .. } => Value::sure(text),
                other => self.join_parts(vec![other], false, line),
            };
            self.join(&mut whole, &piece, line);
        }
        whole
    }

    /// The text of a here-document.
    pub(super) fn here_document(&mut self, text: &str, line: u32) -> Value {
        let parts = word::here_parts(text, line);
        self.join_parts(parts, false, line)
    }

    fn join_parts(&mut self, parts: Vec<Part>, tilde: bool, line: u32) -> Value {
        let mut whole = Value::empty();
        for part in parts {
            let value = match part {
                Part::Text { text, quoted } => {
                    Value::sure(if tilde && !quoted { self.tilde(&text) } else { text })
                }
                Part::Param { body, .. } => match self.list_parameter(&body, line) {
                    Some(values) => self.joined(&values, line),
                    None => self.parameter(&body, line),
                },
                Part::Command { text, line, .. } => self.substitute(&text, line),
                Part::Arithmetic { text, .. } => self.arithmetic(&text, line),
                Part::Process { text, writes, line } => self.process_substitution(&text, writes, line),
            };
            self.join(&mut whole, &value, line);
        }
        whole
    }

    fn joined(&mut self, values: &[Value], line: u32) -> Value {
        let mut whole = Value::empty();
        for (n, value) in values.iter().enumerate() {
            if n > 0 {
                self.join(&mut whole, &Value::sure(" "), line);
            }
            self.join(&mut whole, value, line);
        }
        whole
    }

    /// `$@`, `$*`, `${a[@]}`, `${@:n}`: a list of values.
    fn list_parameter(&mut self, body: &str, line: u32) -> Option<Vec<Value>> {
        let rest = body.strip_prefix(['@', '*']);
        if let Some(rest) = rest {
            if !self.args_known {
                return Some(vec![Value::unknown(format!("${}", &body[..1]))]);
            }
            if rest.is_empty() {
                return Some(self.args.clone());
            }
            let slice = rest.strip_prefix(':').filter(|r| !r.starts_with(['-', '+', '=', '?']));
            if let Some(slice) = slice {
                let mut all = vec![Value::sure(self.zero.clone())];
                all.extend(self.args.iter().cloned());
                return Some(self.slice(all, slice, line));
            }
            return None;
        }
        let open = body.find("[@]").or_else(|| body.find("[*]"))?;
        let name = &body[..open];
        let name_is =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !name_is(name) {
            return None;
        }
        let rest = &body[open + 3..];
        let values = match self.get(name) {
            Some(variable) => variable.values.clone(),
            None => Vec::new(),
        };
        if rest.is_empty() {
            return Some(values);
        }
        let slice = rest.strip_prefix(':').filter(|r| !r.starts_with(['-', '+', '=', '?']))?;
        Some(self.slice(values, slice, line))
    }

    fn slice(&mut self, values: Vec<Value>, slice: &str, line: u32) -> Vec<Value> {
        let (from, length) = slice.split_once(':').map_or((slice, None), |(f, l)| (f, Some(l)));
        let Some(from) = self.number(from, line) else { return values };
        let from = usize::try_from(from).unwrap_or(0).min(values.len());
        let length = length.and_then(|l| self.number(l, line)).and_then(|l| usize::try_from(l).ok());
        values.into_iter().skip(from).take(length.unwrap_or(usize::MAX)).collect()
    }

    fn number(&mut self, text: &str, line: u32) -> Option<i64> {
        let value = self.arithmetic(text.trim(), line);
        value.known().and_then(|v| v.parse().ok())
    }

    /// The value of an arithmetic expression.
    pub(super) fn arithmetic(&mut self, text: &str, line: u32) -> Value {
        let shown = || Value::unknown(format!("$(({text}))"));
        if self.substitutions >= MAX_SUBSTITUTIONS {
            let because = self.because(line);
            self.world.trouble(because, Trouble::Deep);
            return shown();
        }
        self.substitutions += 1;
        let plain = self.text_of(text, line);
        self.substitutions -= 1;
        let Some(expression) = plain.known() else { return shown() };
        let mut know = plain.know;
        let vars = self.vars.clone();
        let mut look = |name: &str| {
            let value = match vars.get(name) {
                Some(variable) => variable.values.first()?,
                None => {
                    know = know.min(Know::Plain);
                    return Some(0);
                }
            };
            know = know.min(value.know);
            let text = value.in_plain_launch()?.trim();
            if text.is_empty() { Some(0) } else { text.parse().ok() }
        };
        match arithmetic::evaluate(expression, &mut look) {
            Some(number) => {
                let know = if know < Know::Guess { Know::Plain } else { know };
                Value { text: number.to_string(), know, fetched: None }
            }
            None => shown(),
        }
    }

    /// One parameter with its operator, as written between `${` and `}`.
    fn parameter(&mut self, body: &str, line: u32) -> Value {
        let because = || self.site.at(line);
        if self.substitutions >= MAX_SUBSTITUTIONS || !self.world.spend(0, &because) {
            return Value::unknown(format!("${{{body}}}"));
        }
        self.substitutions += 1;
        let value = self.parameter_inner(body, line);
        self.substitutions -= 1;
        value
    }

    fn parameter_inner(&mut self, body: &str, line: u32) -> Value {
        if let Some(name) = body.strip_prefix('#')
            && !name.is_empty()
            && !name.starts_with(['#', '%', ':', '-'])
        {
            return self.length(name, line);
        }
        if let Some(name) = body.strip_prefix('!')
            && !name.is_empty()
        {
            let name_end =
                name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
            let target = self.named(&name[..name_end]);
            return match target.known() {
                Some(target) if target.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                    let body = format!("{target}{}", &name[name_end..]);
                    self.parameter_inner(&body, line)
                }
                _ => Value::unknown(format!("${{{body}}}")),
            };
        }
        let first = body.chars().next().unwrap_or(' ');
        let mut end = if first.is_ascii_alphabetic() || first == '_' {
            body.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(body.len())
        } else if first.is_ascii_digit() {
            body.find(|c: char| !c.is_ascii_digit()).unwrap_or(body.len())
        } else {
            first.len_utf8().min(body.len())
        };
        let name = &body[..end];
        let value = if body[end..].starts_with('[') {
            let close = body[end..].find(']').map_or(body.len(), |n| end + n + 1);
            let index = body[end..close].trim_matches(['[', ']']);
            end = close;
            self.element(name, index, line)
        } else if matches!(name, "@" | "*") {
            let args = self.args.clone();
            self.joined(&args, line)
        } else {
            self.named(name)
        };
        let operator = &body[end..];
        if operator.is_empty() {
            return value;
        }
        self.operate(name, value, operator, body, line)
    }

    fn length(&mut self, name: &str, line: u32) -> Value {
        if matches!(name, "@" | "*") {
            return Value::plain(self.args.len().to_string());
        }
        if let Some(values) = self.list_parameter(name, line) {
            return Value::plain(values.len().to_string());
        }
        let value = self.named(name);
        match value.in_plain_launch() {
            Some(text) => Value::plain(text.chars().count().to_string()),
            None => Value::unknown(format!("${{#{name}}}")),
        }
    }

    fn element(&mut self, name: &str, index: &str, line: u32) -> Value {
        let Some(variable) = self.get(name).cloned() else { return Value::unset(name) };
        let Some(n) = self.number(index, line) else {
            return Value::unknown(format!("${{{name}[{index}]}}"));
        };
        let n = if n < 0 { n + variable.values.len() as i64 } else { n };
        let at = usize::try_from(n).unwrap_or(usize::MAX);
        variable.values.get(at).cloned().unwrap_or_else(Value::empty)
    }

    /// A variable or a special parameter.
    pub(super) fn named(&mut self, name: &str) -> Value {
        if let Some(variable) = self.get(name) {
            return variable.values.first().cloned().unwrap_or_else(Value::empty);
        }
        if let Ok(n) = name.parse::<usize>() {
            return match n {
                0 => Value::sure(self.zero.clone()),
                _ => match self.args.get(n - 1) {
                    Some(value) => value.clone(),
                    None if self.args_known => Value::plain(""),
                    None => Value::unknown(format!("${name}")),
                },
            };
        }
        match name {
            "#" if self.args_known => Value::plain(self.args.len().to_string()),
            "PWD" => Value::plain(self.cwd.clone()),
            "HOME" => Value::plain(if self.is_root() { "/root" } else { "$HOME" }),
            "UID" | "EUID" if self.is_root() => Value::plain("0"),
            "UID" | "EUID" | "RANDOM" | "SECONDS" | "HOSTNAME" | "PPID" | "BASHPID" | "LINENO"
            | "EPOCHSECONDS" => Value::unknown(format!("${name}")),
            "BASH_VERSION" => Value::plain("5"),
            "BASH_SOURCE" => Value::sure(self.zero.clone()),
            "IFS" => Value::sure(" \t\n"),
            "PATH" => Value::plain(crate::launch::DEFAULT_PATH),
            _ if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => Value::unset(name),
            _ => Value::unknown(format!("${name}")),
        }
    }

    pub(super) fn is_root(&self) -> bool {
        let name = self.user.split(':').next().unwrap_or_default();
        matches!(name, "" | "root" | "0")
    }

    fn operate(&mut self, name: &str, value: Value, operator: &str, body: &str, line: u32) -> Value {
        let shown = || Value::unknown(format!("${{{body}}}"));
        let (colon, rest) = match operator.strip_prefix(':') {
            Some(rest) if rest.starts_with(['-', '=', '+', '?']) => (true, rest),
            _ => (false, operator),
        };
        let empty = match value.know {
            Know::Unknown => None,
            Know::Unset => Some(true),
            _ => Some(colon && value.text.is_empty()),
        };
        if let Some(word) = rest.strip_prefix(['-', '=']) {
            return match empty {
                Some(false) => value,
                // What launch gives it another value is not this one.
                Some(true) => {
                    let with = self.text_of(word, line).at_most(Know::Plain);
                    if rest.starts_with('=') {
                        self.set(name, with.clone());
                    }
                    with
                }
                None => value,
            };
        }
        if let Some(word) = rest.strip_prefix('+') {
            return match empty {
                Some(true) => Value::plain(""),
                Some(false) => self.text_of(word, line).at_most(Know::Plain),
                None => self.text_of(word, line).at_most(Know::Guess),
            };
        }
        if rest.starts_with('?') {
            return value;
        }
        let know = value.know;
        let Some(text) = value.known().map(str::to_owned) else {
            // An unset value stays empty whatever is cut from it.
            return if know == Know::Unset { value } else { shown() };
        };
        let changed = |text: String| Value { text, know, fetched: value.fetched.clone() };
        let cost = (text.len() as u64).pow(2) >> 14;
        let because = || self.site.at(line);
        if !self.world.spend(cost.min(4096), &because) {
            return shown();
        }
        if let Some(slice) = operator.strip_prefix(':') {
            let (from, length) = slice.split_once(':').map_or((slice, None), |(f, l)| (f, Some(l)));
            let (from, length) = (self.number(from, line), length.map(|l| self.number(l, line)));
            let count = text.chars().count() as i64;
            let Some(from) = from else { return shown() };
            let from = if from < 0 { (count + from).max(0) } else { from.min(count) };
            let to = match length {
                None => count,
                Some(None) => return shown(),
                Some(Some(l)) if l < 0 => count + l,
                Some(Some(l)) => from.saturating_add(l),
            };
            let length = usize::try_from(to - from).unwrap_or(0);
            return changed(text.chars().skip(from as usize).take(length).collect());
        }
        if let Some(rest) = operator.strip_prefix('/') {
            let all = rest.starts_with('/');
            let rest = rest.strip_prefix('/').filter(|_| all).unwrap_or(rest);
            let cut = super::word::unquoted_slash(rest);
            let (from, with) = match cut {
                Some(at) => (&rest[..at], &rest[at + 1..]),
                None => (rest, ""),
            };
            let (from, with) = (self.pattern_of(from, line), self.text_of(with, line));
            let (Some(from), Some(with)) = (from.known(), with.known()) else { return shown() };
            return match pattern::replace(&text, from, with, all) {
                Some(text) => changed(text),
                None => shown(),
            };
        }
        if let Some(mark) = operator.chars().next().filter(|c| matches!(c, '#' | '%')) {
            let rest = &operator[1..];
            let longest = rest.starts_with(mark);
            let raw = if longest { &rest[1..] } else { rest };
            let pattern = self.pattern_of(raw, line);
            let Some(pattern) = pattern.known() else { return shown() };
            return changed(if mark == '#' {
                pattern::trim_start(&text, pattern, longest)
            } else {
                pattern::trim_end(&text, pattern, longest)
            });
        }
        match operator {
            "^^" => changed(text.to_uppercase()),
            ",," => changed(text.to_lowercase()),
            "^" | "," => {
                let mut chars = text.chars();
                let first: String = match (chars.next(), operator) {
                    (Some(c), "^") => c.to_uppercase().collect(),
                    (Some(c), _) => c.to_lowercase().collect(),
                    (None, _) => String::new(),
                };
                changed(first + chars.as_str())
            }
            _ if operator.starts_with('@') => value,
            _ => shown(),
        }
    }

    /// The output of `$(…)`.
    fn substitute(&mut self, text: &str, line: u32) -> Value {
        let shown = || Value::unknown(format!("$({text})"));
        if let Some(file) = text.trim().strip_prefix('<')
            && !file.starts_with('<')
        {
            let path = self.text_of(file.trim(), line);
            return self.content_of(&path, line).unwrap_or_else(shown);
        }
        if self.substitutions >= MAX_SUBSTITUTIONS {
            let because = self.because(line);
            self.world.trouble(because, Trouble::Deep);
            return shown();
        }
        self.substitutions += 1;
        let vars = self.vars.clone();
        let cwd = self.cwd.clone();
        let args = self.args.clone();
        let done = self.run_text(text, line, &Input::default(), false);
        self.vars = vars;
        self.cwd = cwd;
        self.args = args;
        self.substitutions -= 1;
        let mut value = done.out;
        if !value.is_known() {
            return Value { fetched: value.fetched, ..shown() };
        }
        value.text.truncate(value.text.trim_end_matches('\n').len());
        value
    }

    /// What a file holds, as a value.
    pub(super) fn content_of(&mut self, path: &Value, line: u32) -> Option<Value> {
        let path = path.known()?;
        let path = self.absolute(path);
        let because = self.because(line);
        match self.world.read(&path, &because, self.certainty) {
            Held::Text(value) => Some(value),
            Held::Opaque(fetched) => Some(Value { fetched, ..Value::unknown(format!("$(<{path})")) }),
            _ => None,
        }
    }

    fn process_substitution(&mut self, text: &str, writes: bool, line: u32) -> Value {
        let vars = self.vars.clone();
        let done = self.run_text(text, line, &Input::default(), true);
        self.vars = vars;
        let shown = if writes { format!(">({text})") } else { format!("<({text})") };
        if writes {
            return Value::sure(shown);
        }
        // The word names a pipe; what comes out of it goes with the name, so that
        // `bash <(curl …)` is read as what it is.
        let fetched = done.out.fetched.clone();
        self.world.hold(&shown, done.out);
        Value { text: shown, know: Know::Sure, fetched }
    }

    /// Whether a value is empty.
    pub(super) fn is_empty(&self, value: &Value) -> Status {
        match value.know {
            Know::Unknown | Know::Guess => Status::Unknown,
            Know::Unset => Status::PlainTrue,
            Know::Plain => Status::plain(value.text.is_empty()),
            Know::Sure => Status::sure(value.text.is_empty()),
        }
    }
}
