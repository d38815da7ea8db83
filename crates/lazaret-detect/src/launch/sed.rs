//! The common forms of sed, over known text.

use regex::{Regex, RegexBuilder};

/// One command with its address.
pub(super) struct Step {
    from: Option<Address>,
    to: Option<Address>,
    action: Action,
}

enum Address {
    Line(usize),
    Last,
    Match(Regex),
}

enum Action {
    Substitute { from: Regex, to: String, all: bool },
    Delete,
    Print,
}

/// A regular expression that is safe to build whatever it says.
pub(super) fn build(source: &str, ignore_case: bool) -> Option<Regex> {
    (source.len() <= 1024)
        .then(|| RegexBuilder::new(source).size_limit(1 << 18).case_insensitive(ignore_case).build().ok())?
}

/// A basic regular expression (POSIX, 9.3) in the syntax of extended ones.
pub(super) fn basic(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(special @ ('(' | ')' | '{' | '}' | '|' | '+' | '?')) => out.push(special),
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                }
                None => out.push_str("\\\\"),
            },
            '(' | ')' | '{' | '}' | '|' | '+' | '?' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

fn cut(text: &str, mark: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == mark {
            return Some((out, &text[at + c.len_utf8()..]));
        }
        out.push(c);
        if c == '\\' {
            let (_, next) = chars.next()?;
            if next == mark {
                out.pop();
            }
            out.push(next);
        }
    }
    None
}

impl Step {
    /// Reads `s/a/b/g`, `/a/d`, `1,3p`, `$d`. None for anything else.
    pub(super) fn parse(script: &str, extended: bool) -> Option<Self> {
        let syntax = |raw: &str| if extended { raw.to_owned() } else { basic(raw) };
        let address = |text: &mut &str| -> Option<Option<Address>> {
            let rest = *text;
            if let Some(after) = rest.strip_prefix('/') {
                let (raw, after) = cut(after, '/')?;
                *text = after;
                return Some(Some(Address::Match(build(&syntax(&raw), false)?)));
            }
            if let Some(after) = rest.strip_prefix('$') {
                *text = after;
                return Some(Some(Address::Last));
            }
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return Some(None);
            }
            *text = &rest[digits..];
            Some(Some(Address::Line(rest[..digits].parse().ok()?)))
        };
        let mut rest = script.trim();
        let from = address(&mut rest)?;
        let mut to = None;
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
            to = address(&mut rest)?;
        }
        let rest = rest.trim().trim_end_matches(';');
        let action = match rest {
            "d" => Action::Delete,
            "p" => Action::Print,
            _ => {
                let mark = rest.strip_prefix('s')?.chars().next()?;
                let (raw, after) = cut(&rest[1 + mark.len_utf8()..], mark)?;
                let (with, flags) = cut(after, mark)?;
                if flags.chars().any(|c| !"gIi".contains(c)) {
                    return None;
                }
                let from = build(&syntax(&raw), flags.contains(['i', 'I']))?;
                Action::Substitute { from, to: replacement(&with), all: flags.contains('g') }
            }
        };
        Some(Self { from, to, action })
    }
}

/// `\1` and `&` as the regex crate writes them.
fn replacement(with: &str) -> String {
    let mut out = String::new();
    let mut chars = with.chars();
    while let Some(c) = chars.next() {
        match c {
            '&' => out.push_str("${0}"),
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some(d) if d.is_ascii_digit() => out.push_str(&format!("${{{d}}}")),
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// Runs the steps over a text.
pub(super) fn run(steps: &[Step], text: &str, quiet: bool) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(text.len());
    let mut inside = vec![false; steps.len()];
    for (number, line) in lines.iter().enumerate() {
        let mut line = (*line).to_owned();
        let mut kept = true;
        let mut printed = 0;
        for (step, inside) in steps.iter().zip(&mut inside) {
            let hit = |address: &Address, line: &str| match address {
                Address::Line(n) => *n == number + 1,
                Address::Last => number + 1 == lines.len(),
                Address::Match(regex) => regex.is_match(line),
            };
            let applies = match (&step.from, &step.to) {
                (None, _) => true,
                (Some(from), None) => hit(from, &line),
                (Some(from), Some(to)) => {
                    let was = *inside;
                    if was {
                        *inside = !hit(to, &line);
                        true
                    } else if hit(from, &line) {
                        *inside = !matches!(to, Address::Line(n) if *n <= number + 1);
                        true
                    } else {
                        false
                    }
                }
            };
            if !applies {
                continue;
            }
            match &step.action {
                Action::Delete => {
                    kept = false;
                    break;
                }
                Action::Print => printed += 1,
                Action::Substitute { from, to, all } => {
                    let limit = if *all { 0 } else { 1 };
                    line = from.replacen(&line, limit, to.as_str()).into_owned();
                }
            }
        }
        let copies = printed + usize::from(kept && !quiet);
        for _ in 0..copies {
            out.push_str(&line);
            out.push('\n');
        }
    }
    Some(out)
}
