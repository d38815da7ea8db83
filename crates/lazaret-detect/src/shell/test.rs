//! `test`, `[` and `[[`.

use super::pattern;
use super::state::Shell;
use super::syntax::Word;
use super::value::{Know, Value};
use super::world::{Held, Status};

impl Shell<'_> {
    /// A word of `[[ … ]]`: operators as they are, values whole.
    pub(super) fn test_word(&mut self, word: &Word) -> Value {
        self.text_of(&word.raw, word.line)
    }
}

/// Answers a test as far as paper allows.
pub(super) fn evaluate(shell: &mut Shell<'_>, argv: &[Value]) -> Status {
    let mut args = &argv[1..];
    if matches!(argv[0].text.as_str(), "[" | "[[")
        && let Some((last, rest)) = args.split_last()
        && matches!(last.text.as_str(), "]" | "]]")
    {
        args = rest;
    }
    either(shell, args, 0)
}

fn is(value: &Value, words: &[&str]) -> bool {
    value.know == Know::Sure && words.contains(&value.text.as_str())
}

fn split(args: &[Value], words: &[&str]) -> Option<usize> {
    // Words in parentheses are one expression.
    let mut open = 0i32;
    args.iter().position(|a| {
        if is(a, &["("]) {
            open += 1;
        } else if is(a, &[")"]) {
            open -= 1;
        }
        open == 0 && is(a, words)
    })
}

fn either(shell: &mut Shell<'_>, args: &[Value], depth: u32) -> Status {
    if depth > 16 {
        return Status::Unknown;
    }
    for (words, and) in [(["||", "-o"], false), (["&&", "-a"], true)] {
        // `-o` and `-a` with one operand are tests of their own.
        if let Some(at) = split(args, &words).filter(|&at| at > 0 && at + 1 < args.len()) {
            let left = either(shell, &args[..at], depth + 1);
            let right = either(shell, &args[at + 1..], depth + 1);
            return if and { both(left, right) } else { both(left.not(), right.not()).not() };
        }
    }
    single(shell, args, depth)
}

fn both(a: Status, b: Status) -> Status {
    match (a, b) {
        (Status::False, _) | (_, Status::False) => Status::False,
        (Status::PlainFalse, _) | (_, Status::PlainFalse) => Status::PlainFalse,
        (Status::Unknown | Status::Fine, _) | (_, Status::Unknown | Status::Fine) => Status::Unknown,
        (Status::True, Status::True) => Status::True,
        _ => Status::PlainTrue,
    }
}

fn single(shell: &mut Shell<'_>, args: &[Value], depth: u32) -> Status {
    match args {
        [] => Status::False,
        [not, rest @ ..] if is(not, &["!"]) && !rest.is_empty() => either(shell, rest, depth + 1).not(),
        [open, inner @ .., close] if is(open, &["("]) && is(close, &[")"]) => either(shell, inner, depth + 1),
        [value] => shell.is_empty(value).not(),
        [operator, value] => unary(shell, &operator.text, value),
        [left, operator, right] => binary(&operator.text, left, right),
        _ => Status::Unknown,
    }
}

fn unary(shell: &mut Shell<'_>, operator: &str, value: &Value) -> Status {
    match operator {
        "-z" => shell.is_empty(value),
        "-n" => shell.is_empty(value).not(),
        "-v" => match shell.get(&value.text) {
            Some(_) => Status::PlainTrue,
            None => Status::PlainFalse,
        },
        "-t" => Status::PlainFalse,
        "-e" | "-f" | "-d" | "-r" | "-s" | "-x" | "-w" | "-L" | "-h" | "-S" | "-p" | "-b" | "-c" | "-O"
        | "-G" | "-k" | "-u" | "-g" => {
            let Some(path) = value.known() else { return Status::Unknown };
            let path = shell.absolute(path);
            match (operator, shell.world.stat(&path)) {
                // A mount may bring it, and a step that is not followed may make it.
                (_, Held::Absent) => Status::Unknown,
                ("-d", Held::Directory) => Status::PlainTrue,
                ("-d", _) | ("-f", Held::Directory) => Status::PlainFalse,
                ("-x", Held::Text(_) | Held::Opaque(_)) => Status::plain(shell.world.is_program(&path)),
                ("-w", _) if !shell.is_root() => Status::Unknown,
                ("-s", Held::Text(text)) => Status::plain(!text.text.is_empty()),
                ("-e" | "-f" | "-r" | "-x" | "-w", _) => Status::PlainTrue,
                _ => Status::Unknown,
            }
        }
        _ => Status::Unknown,
    }
}

fn binary(operator: &str, left: &Value, right: &Value) -> Status {
    let know = left.know.min(right.know);
    let (Some(a), Some(b)) = (left.in_plain_launch(), right.in_plain_launch()) else {
        return Status::Unknown;
    };
    let number = |text: &str| text.trim().parse::<i64>().ok();
    let answer = match operator {
        "=" | "==" => Some(pattern::matches(b, a)),
        "!=" => Some(!pattern::matches(b, a)),
        "<" => Some(a < b),
        ">" => Some(a > b),
        "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => match (number(a), number(b)) {
            (Some(a), Some(b)) => Some(match operator {
                "-eq" => a == b,
                "-ne" => a != b,
                "-lt" => a < b,
                "-le" => a <= b,
                "-gt" => a > b,
                _ => a >= b,
            }),
            _ => None,
        },
        "=~" => simple_regex(b).map(|regex| regex.is_match(a)),
        _ => None,
    };
    match (answer, know) {
        (None, _) | (_, Know::Guess | Know::Unknown) => Status::Unknown,
        (Some(answer), Know::Sure) => Status::sure(answer),
        (Some(answer), _) => Status::plain(answer),
    }
}

/// A regular expression of `=~`, with the bounds that make it safe to build.
fn simple_regex(text: &str) -> Option<regex::Regex> {
    if text.len() > 512 {
        return None;
    }
    regex::RegexBuilder::new(text).size_limit(1 << 16).build().ok()
}
