//! The common forms of sed, over known text.

use regex::{Regex, RegexBuilder};

/// One command with its address.
pub(super) struct Step {
    from: Option<Address>,
    to: Option<Address>,
    /// `!`: where the address does not hold.
    not: bool,
    action: Action,
}

enum Address {
    Line(usize),
    Last,
    Match(Regex),
}

enum Action {
    Substitute { from: Regex, to: String, all: bool, nth: usize, print: bool },
    Exchange(Vec<char>, Vec<char>),
    Delete,
    Print,
    Quit,
    Append(String),
    Insert(String),
    Change(String),
}

/// The longest line that is changed.
const MOST_LINE: usize = 1 << 20;

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
    /// Reads commands that `;`, a newline or braces part: `s/a/b/g`, `/a/d`, `1,3p`, `$!d`,
    /// `y/a/b/`, `q`. None where there is anything else.
    pub(super) fn parse_all(script: &str, extended: bool) -> Option<Vec<Self>> {
        let mut steps = Vec::new();
        let mut rest = script.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        while !rest.is_empty() {
            let (step, after) = Self::parse(rest, extended)?;
            steps.push(step);
            if steps.len() > 256 {
                return None;
            }
            rest = after.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        }
        Some(steps)
    }

    fn parse(script: &str, extended: bool) -> Option<(Self, &str)> {
        let syntax = |raw: &str| if extended { raw.to_owned() } else { basic(raw) };
        let address = |text: &mut &str| -> Option<Option<Address>> {
            let rest = *text;
            let custom = rest.strip_prefix('\\').and_then(|r| r.chars().next());
            let mark = custom.or_else(|| rest.starts_with('/').then_some('/'));
            if let Some(mark) = mark {
                let skip = mark.len_utf8() + usize::from(custom.is_some());
                let (raw, after) = cut(&rest[skip..], mark)?;
                let ignore = after.starts_with('I');
                *text = after.strip_prefix('I').unwrap_or(after);
                return Some(Some(Address::Match(build(&syntax(&raw), ignore)?)));
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
        let mut rest = script;
        let from = address(&mut rest)?;
        let mut to = None;
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
            to = Some(address(&mut rest)??);
        }
        rest = rest.trim_start();
        let not = rest.starts_with('!');
        rest = rest.trim_start_matches('!').trim_start();
        let command = rest.chars().next()?;
        rest = &rest[command.len_utf8()..];
        let action = match command {
            'd' => Action::Delete,
            'p' => Action::Print,
            'q' | 'Q' => Action::Quit,
            'a' | 'i' | 'c' => {
                let end = rest.find('\n').unwrap_or(rest.len());
                let text = rest[..end].trim_start().trim_start_matches('\\');
                let text = if text.is_empty() { rest[end..].trim_start_matches('\n') } else { text };
                let last = text.len() != end || end == rest.len();
                let text = text.trim_start().to_owned();
                rest = if last { &rest[rest.len()..] } else { &rest[end..] };
                match command {
                    'a' => Action::Append(text),
                    'i' => Action::Insert(text),
                    _ => Action::Change(text),
                }
            }
            'y' => {
                let mark = rest.chars().next()?;
                let (from, after) = cut(&rest[mark.len_utf8()..], mark)?;
                let (to, after) = cut(after, mark)?;
                rest = after;
                let (from, to): (Vec<char>, Vec<char>) =
                    (crate::shell::ansi(&from).chars().collect(), crate::shell::ansi(&to).chars().collect());
                if from.len() != to.len() {
                    return None;
                }
                Action::Exchange(from, to)
            }
            's' => {
                let mark = rest.chars().next()?;
                let (raw, after) = cut(&rest[mark.len_utf8()..], mark)?;
                let (with, after) = cut(after, mark)?;
                let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
                let flags = &after[..end];
                rest = &after[end..];
                if flags.chars().any(|c| !(c.is_ascii_digit() || "gIipm".contains(c))) {
                    return None;
                }
                let digits: String = flags.chars().filter(char::is_ascii_digit).collect();
                Action::Substitute {
                    from: build(&syntax(&raw), flags.contains(['i', 'I']))?,
                    to: replacement(&with),
                    all: flags.contains('g'),
                    nth: digits.parse().unwrap_or(1),
                    print: flags.contains('p'),
                }
            }
            _ => return None,
        };
        let next = rest.trim_start_matches([' ', '\t']);
        // Behind a command comes its end or nothing.
        if !(next.is_empty() || next.starts_with([';', '\n'])) {
            return None;
        }
        Some((Self { from, to, not, action }, next))
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
        let mut printed = Vec::new();
        let mut after: Vec<&str> = Vec::new();
        let mut quits = false;
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
            if applies == step.not {
                continue;
            }
            match &step.action {
                Action::Delete => {
                    kept = false;
                    break;
                }
                Action::Print => printed.push(line.clone()),
                Action::Quit => {
                    quits = true;
                    break;
                }
                Action::Append(text) => after.push(text.as_str()),
                Action::Insert(text) => {
                    out.push_str(text);
                    out.push('\n');
                }
                Action::Change(text) => {
                    out.push_str(text);
                    out.push('\n');
                    kept = false;
                    break;
                }
                Action::Exchange(from, to) => {
                    let other = |c| from.iter().position(|f| *f == c).map_or(c, |at| to[at]);
                    line = line.chars().map(other).collect();
                }
                Action::Substitute { from, to, all, nth, print } => {
                    let hit = from.find_iter(&line).nth(nth.saturating_sub(1)).map(|m| m.start());
                    let Some(start) = hit else { continue };
                    let (head, tail) = if *nth > 1 { line.split_at(start) } else { ("", line.as_str()) };
                    let changed = from.replacen(tail, usize::from(!*all), to.as_str());
                    line = format!("{head}{changed}");
                    if *print {
                        printed.push(line.clone());
                    }
                }
            }
            if line.len() > MOST_LINE {
                return None;
            }
        }
        for text in printed.into_iter().chain((kept && !quiet).then_some(line)) {
            out.push_str(&text);
            out.push('\n');
        }
        for text in after {
            out.push_str(text);
            out.push('\n');
        }
        if quits {
            break;
        }
    }
    Some(out)
}
