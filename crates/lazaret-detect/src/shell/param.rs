//! Parameters and what is done to them between `${` and `}`.

use super::expand::MAX_SUBSTITUTIONS;
use super::state::Shell;
use super::value::{Know, Value};
use super::variables::{Shape, Turn, Variable};
use super::world::Trouble;
use super::{arithmetic, pattern};

impl Shell<'_> {
    /// `$@`, `$*`, `${a[@]}`, `${@:n}`, `${a[@]/x/y}`, `${!a[@]}`, `${!prefix*}`: a list of values.
    pub(super) fn list_parameter(&mut self, body: &str, line: u32) -> Option<Vec<Value>> {
        if let Some(rest) = body.strip_prefix(['@', '*']) {
            if !self.args_known {
                return Some(vec![Value::unknown(format!("${}", &body[..1]))]);
            }
            let args = self.args.clone();
            let zero = Value::sure(self.zero.clone());
            return self.operate_each(args, Some(zero), rest, line);
        }
        let (keys, own) = match body.strip_prefix('!') {
            Some(own) => (true, own),
            None => (false, body),
        };
        let end = name_end(own);
        if end == 0 || own.as_bytes()[0].is_ascii_digit() {
            return None;
        }
        let (name, rest) = own.split_at(end);
        if keys && matches!(rest, "*" | "@") {
            let mut names: Vec<&str> = self.vars.names().filter(|n| n.starts_with(name)).collect();
            names.sort_unstable();
            return Some(names.into_iter().map(Value::plain).collect());
        }
        let rest = rest.strip_prefix("[@]").or_else(|| rest.strip_prefix("[*]"))?;
        let variable = self.get(self.meant(name)).cloned();
        if keys {
            return Some(match variable.as_deref() {
                Some(Variable { shape: Shape::Map(keys), .. }) => keys.iter().map(Value::plain).collect(),
                Some(v) => (0..v.values.len()).map(|n| Value::plain(n.to_string())).collect(),
                None => Vec::new(),
            });
        }
        let values = variable.map(|v| v.values.clone()).unwrap_or_default();
        self.operate_each(values, None, rest, line)
    }

    /// An operator behind a list: slices take some of it, the others change each.
    fn operate_each(
        &mut self,
        values: Vec<Value>,
        zero: Option<Value>,
        operator: &str,
        line: u32,
    ) -> Option<Vec<Value>> {
        if operator.is_empty() {
            return Some(values);
        }
        let plain = operator.strip_prefix(':').unwrap_or(operator);
        if plain.starts_with(['-', '=', '?']) {
            if !values.is_empty() {
                return Some(values);
            }
            return Some(vec![self.text_of(&plain[1..], line).at_most(Know::Plain)]);
        }
        if let Some(word) = plain.strip_prefix('+') {
            if values.is_empty() {
                return Some(Vec::new());
            }
            // `${a[@]+"${a[@]}"}` is how a list that may be empty is written.
            return Some(if word.contains("[@]") || word.contains("$@") {
                values
            } else {
                vec![self.text_of(word, line).at_most(Know::Plain)]
            });
        }
        if let Some(slice) = operator.strip_prefix(':') {
            let all = zero.into_iter().chain(values).collect();
            return Some(self.slice(all, slice, line));
        }
        let mut out = Vec::with_capacity(values.len());
        for value in values {
            out.push(self.operate("", value, operator, operator, line));
        }
        Some(out)
    }

    fn slice(&mut self, values: Vec<Value>, slice: &str, line: u32) -> Vec<Value> {
        let (from, length) = slice.split_once(':').map_or((slice, None), |(f, l)| (f, Some(l)));
        let Some(from) = self.number(from, line) else { return values };
        let from = if from < 0 { from + values.len() as i64 } else { from };
        let from = usize::try_from(from).unwrap_or(0).min(values.len());
        let length = length.and_then(|l| self.number(l, line)).and_then(|l| usize::try_from(l).ok());
        values.into_iter().skip(from).take(length.unwrap_or(usize::MAX)).collect()
    }

    pub(super) fn number(&mut self, text: &str, line: u32) -> Option<i64> {
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
        let mut names = Scope { shell: self, know: plain.know, line };
        match arithmetic::evaluate(expression, &mut names) {
            Some(number) => {
                let know = if names.know < Know::Guess { Know::Plain } else { names.know };
                Value { text: number.to_string(), know, fetched: None }
            }
            None => shown(),
        }
    }

    /// One parameter with its operator, as written between `${` and `}`.
    pub(super) fn parameter(&mut self, body: &str, line: u32) -> Value {
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
            let end = name_end(name);
            if let Some(variable) = self.get(name.get(..end).unwrap_or_default())
                && variable.turn == Turn::Reference
            {
                return variable.values.first().cloned().unwrap_or_else(Value::empty);
            }
            let target = self.named(&name[..end]);
            return match target.known() {
                Some(target) if !target.is_empty() && !target.contains(['$', '`', '{', '}']) => {
                    let body = format!("{target}{}", &name[end..]);
                    self.parameter_inner(body.strip_prefix('!').unwrap_or(&body), line)
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
            let index = body[end..close].trim_start_matches('[').trim_end_matches(']');
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
        let Some(variable) = self.get(self.meant(name)).cloned() else { return Value::unset(name) };
        if let Shape::Map(keys) = &variable.shape {
            let key = self.text_of(index, line);
            let at = keys.iter().position(|k| *k == key.text);
            return at.and_then(|at| variable.values.get(at)).cloned().unwrap_or_else(Value::empty);
        }
        let Some(n) = self.number(index, line) else {
            return Value::unknown(format!("${{{name}[{index}]}}"));
        };
        let n = if n < 0 { n + variable.values.len() as i64 } else { n };
        let at = usize::try_from(n).unwrap_or(usize::MAX);
        variable.values.get(at).cloned().unwrap_or_else(Value::empty)
    }

    /// A variable or a special parameter.
    pub(super) fn named(&mut self, name: &str) -> Value {
        if let Some(variable) = self.get(self.meant(name)) {
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
            "BASH_VERSION" => Value::plain("5.2.15(1)-release"),
            "OPTIND" => Value::plain("1"),
            "-" => Value::plain("hB"),
            "OSTYPE" => Value::plain("linux-gnu"),
            "SHLVL" => Value::plain("1"),
            "BASH" => Value::plain("/bin/bash"),
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
            let (start, from) = match from.strip_prefix('#').filter(|_| !all) {
                Some(from) => (Some(true), from),
                None => match from.strip_prefix('%').filter(|_| !all) {
                    Some(from) => (Some(false), from),
                    None => (None, from),
                },
            };
            let (from, with) = (self.pattern_of(from, line), self.text_of(with, line));
            let (Some(from), Some(with)) = (from.known(), with.known()) else { return shown() };
            // At the start or at the end only.
            if let Some(start) = start {
                let left = if start {
                    pattern::trim_start(&text, from, true)
                } else {
                    pattern::trim_end(&text, from, true)
                };
                let same = left.len() == text.len() && !from.is_empty();
                return changed(match (same, start) {
                    (true, _) => text,
                    (_, true) => format!("{with}{left}"),
                    (_, false) => format!("{left}{with}"),
                });
            }
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
        if let Some(mark) = operator.chars().next().filter(|c| matches!(c, '^' | ',')) {
            let rest = &operator[1..];
            let all = rest.starts_with(mark);
            let pattern = self.pattern_of(if all { &rest[1..] } else { rest }, line);
            let Some(wanted) = pattern.known() else { return shown() };
            let mut out = String::with_capacity(text.len());
            let mut buffer = [0; 4];
            for (n, c) in text.chars().enumerate() {
                let hit = (all || n == 0)
                    && (wanted.is_empty() || pattern::matches(wanted, c.encode_utf8(&mut buffer)));
                match (hit, mark) {
                    (true, '^') => out.extend(c.to_uppercase()),
                    (true, _) => out.extend(c.to_lowercase()),
                    _ => out.push(c),
                }
            }
            return changed(out);
        }
        match operator {
            "@U" => changed(text.to_uppercase()),
            "@u" => self.operate(name, value, "^", body, line),
            "@L" => changed(text.to_lowercase()),
            "@E" => changed(super::word::ansi(&text)),
            "@P" => {
                let whole = self.text_of(&text, line);
                Value { know: whole.know.min(know), ..whole }
            }
            "@Q" => changed(format!("'{}'", text.replace('\'', "'\\''"))),
            _ if operator.starts_with('@') => value,
            _ => shown(),
        }
    }
}

/// The end of the name at the start of a text.
fn name_end(text: &str) -> usize {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len())
}

/// The shell's variables as arithmetic sees them.
struct Scope<'s, 'w> {
    shell: &'s mut Shell<'w>,
    /// The weakest of what was looked at.
    know: Know,
    line: u32,
}

impl arithmetic::Names for Scope<'_, '_> {
    fn look(&mut self, name: &str, index: Option<&str>) -> Option<String> {
        let value = match index {
            Some(index) => self.shell.element(name, index, self.line),
            None => self.shell.named(name),
        };
        if value.know == Know::Unset {
            self.know = self.know.min(Know::Plain);
            return Some(String::new());
        }
        self.know = self.know.min(value.know);
        value.in_plain_launch().map(str::to_owned)
    }

    fn store(&mut self, name: &str, index: Option<&str>, value: i64) {
        let value = Value { text: value.to_string(), know: self.know.max(Know::Guess), fetched: None };
        match index {
            Some(index) => self.shell.assign_element(name, index, value, false, self.line),
            None => self.shell.set(name, value),
        }
    }
}
