//! From words to values: parameters, substitutions, splitting, patterns.

use super::braces;
use super::state::Shell;
use super::syntax::Word;
use super::value::{Know, Value};
use super::word::{self, Part};
use super::world::{Held, Trouble};

/// Substitutions inside substitutions that are computed.
pub(super) const MAX_SUBSTITUTIONS: u32 = 24;

/// A field being built.
#[derive(Default)]
struct Field {
    value: Option<Value>,
    /// Whether it holds an unquoted `*`, `?` or `[`.
    glob: bool,
}

impl Shell<'_> {
    pub(super) fn join(&mut self, to: &mut Value, part: &Value, line: u32) {
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
                        if quoted && is_star(&body) {
                            let whole = self.joined_by_separator(&values, line);
                            self.add(whole, true, &mut field, out, line);
                            continue;
                        }
                        let count = values.len();
                        // `"$@"` of nothing is no word, though `""` is one.
                        if count == 0 && alone && field.value.as_ref().is_some_and(|v| v.text.is_empty()) {
                            field.value = None;
                        }
                        for (n, value) in values.into_iter().enumerate() {
                            self.add(value, quoted, &mut field, out, line);
                            if n + 1 < count {
                                self.finish(&mut field, out);
                            }
                        }
                        continue;
                    }
                    let mut value = self.parameter(&body, line);
                    // `w${nothing}get` is a name with noise in it.
                    if value.know == Know::Unset && self.names_command && !alone {
                        value = Value::plain("");
                    }
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
        let separators = self.separators();
        let mut rest = value.text.as_str();
        let (know, fetched) = (value.know, value.fetched.clone());
        let is_blank = |c: char| c.is_ascii_whitespace() && separators.contains(c);
        while let Some(c) = rest.chars().next() {
            if is_blank(c) {
                self.finish(field, out);
                rest = rest.trim_start_matches(is_blank);
                // Blanks around another separator belong to it.
                if let Some(next) = rest.chars().next().filter(|c| separators.contains(*c)) {
                    rest = rest[next.len_utf8()..].trim_start_matches(is_blank);
                }
            } else if separators.contains(c) {
                // Between two of these is a field, though an empty one.
                field.value.get_or_insert_with(Value::empty);
                self.finish(field, out);
                rest = rest[c.len_utf8()..].trim_start_matches(is_blank);
            } else {
                let end = rest.find(|c| separators.contains(c)).unwrap_or(rest.len());
                let (piece, after) = rest.split_at(end);
                field.glob |= piece.contains(['*', '?', '[']);
                let part = Value { text: piece.to_owned(), know, fetched: fetched.clone() };
                self.join(field.value.get_or_insert_with(Value::empty), &part, line);
                rest = after;
            }
        }
        if value.text.is_empty()
            && let Some(field) = &mut field.value
        {
            field.know = field.know.min(know);
        }
    }

    /// What parts fields: `IFS`.
    pub(super) fn separators(&self) -> String {
        match self.get("IFS").and_then(|v| v.values.first()).map(Value::known) {
            Some(Some(text)) => text.to_owned(),
            _ => " \t\n".to_owned(),
        }
    }

    /// `"$*"`: the values with the first separator between them.
    pub(super) fn joined_by_separator(&mut self, values: &[Value], line: u32) -> Value {
        let separators = self.separators();
        let between = Value::sure(separators.chars().take(1).collect::<String>());
        let mut whole = Value::empty();
        for (n, value) in values.iter().enumerate() {
            if n > 0 {
                self.join(&mut whole, &between, line);
            }
            self.join(&mut whole, value, line);
        }
        whole
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

    /// Paths that match, directory by directory.
    fn glob(&mut self, raw: &str) -> Vec<String> {
        let (root, rest) = match raw.strip_prefix('/') {
            Some(rest) => ("/", rest),
            None => ("", raw),
        };
        let mut found = vec![root.to_owned()];
        let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
        for (n, part) in parts.iter().enumerate() {
            let last = n + 1 == parts.len();
            let mut next = Vec::new();
            for dir in found {
                if !part.contains(['*', '?', '[']) {
                    let path = format!("{dir}{part}{}", if last { "" } else { "/" });
                    let place = self.absolute(&path);
                    if !last || !matches!(self.world.stat(&place), Held::Absent) {
                        next.push(path);
                    }
                    continue;
                }
                let place = self.absolute(if dir.is_empty() { "." } else { &dir });
                let line = || self.site.at(1);
                if !self.world.spend(1, &line) {
                    return Vec::new();
                }
                let hidden = part.starts_with('.');
                let names = self.world.names_like(&place, part).into_iter();
                let names = names.filter(|n| hidden || !n.starts_with('.'));
                next.extend(names.map(|n| format!("{dir}{n}{}", if last { "" } else { "/" })));
                if next.len() >= 512 {
                    break;
                }
            }
            next.truncate(512);
            found = next;
        }
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
                    Some(values) if is_star(&body) => self.joined_by_separator(&values, line),
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

    pub(super) fn joined(&mut self, values: &[Value], line: u32) -> Value {
        let mut whole = Value::empty();
        for (n, value) in values.iter().enumerate() {
            if n > 0 {
                self.join(&mut whole, &Value::sure(" "), line);
            }
            self.join(&mut whole, value, line);
        }
        whole
    }
}

/// Whether a list is meant as one text in quotes: `$*`, `${a[*]}`.
fn is_star(body: &str) -> bool {
    body.starts_with('*') || body.contains("[*]")
}
