//! Programs that count and calculate: `seq`, `expr`, `bc`.

use super::{Plan, whole};
use crate::launch::sed;
use crate::shell::calculate;

/// Numbers that one `seq` puts out.
const MOST_NUMBERS: i64 = 10_000;

pub(super) fn seq(args: &[&str]) -> Option<String> {
    let mut separator = "\n";
    let mut wide = false;
    let mut numbers: Vec<i64> = Vec::new();
    let mut rest = args.iter().copied();
    while let Some(arg) = rest.next() {
        match arg {
            "-s" => separator = rest.next()?,
            "-w" => wide = true,
            "-f" => return None,
            arg if arg.starts_with("-s") => separator = &arg[2..],
            arg => numbers.push(arg.parse().ok()?),
        }
    }
    let (from, step, to) = match numbers[..] {
        [to] => (1, 1, to),
        [from, to] => (from, 1, to),
        [from, step, to] if step != 0 => (from, step, to),
        _ => return None,
    };
    let count = to.checked_sub(from)?.checked_div(step)?;
    if count < 0 {
        return Some(String::new());
    }
    if count >= MOST_NUMBERS {
        return None;
    }
    let width = if wide { from.to_string().len().max(to.to_string().len()) } else { 0 };
    let all: Vec<String> = (0..=count).map(|n| format!("{:0width$}", from + n * step)).collect();
    Some(all.join(separator) + "\n")
}

pub(super) fn expr(args: &[&str]) -> Option<String> {
    let answer = match args {
        ["length", text] => text.chars().count().to_string(),
        ["substr", text, from, length] => {
            let (from, length): (usize, usize) = (from.parse().ok()?, length.parse().ok()?);
            text.chars().skip(from.checked_sub(1)?).take(length).collect()
        }
        ["index", text, wanted] => {
            text.chars().position(|c| wanted.contains(c)).map_or(0, |at| at + 1).to_string()
        }
        [text, ":", pattern] | ["match", text, pattern] => {
            let regex = sed::build(&format!("^(?:{})", sed::basic(pattern)), false)?;
            match regex.captures(text) {
                Some(hit) if hit.len() > 1 => hit.get(1).map_or("", |g| g.as_str()).to_owned(),
                Some(hit) => hit.get(0).map_or(0, |g| g.as_str().chars().count()).to_string(),
                None if pattern.contains("\\(") => String::new(),
                None => "0".to_owned(),
            }
        }
        [one] => (*one).to_owned(),
        words => {
            let words: Vec<&str> = words.iter().map(|w| if *w == "=" { "==" } else { w }).collect();
            calculate(&words.join(" "))?.to_string()
        }
    };
    Some(answer + "\n")
}

impl<'s> Plan<'s> {
    /// `bc` over whole numbers, with its bases.
    pub(super) fn bc(files: Vec<&'s str>) -> Self {
        let change = whole(|text| {
            let mut out = String::new();
            let (mut from, mut to) = (10u32, 10u32);
            for line in text.split(['\n', ';']).map(str::trim).filter(|l| !l.is_empty()) {
                if line == "quit" {
                    break;
                }
                if let Some((name, value)) = line.split_once('=') {
                    let value = value.trim();
                    let base = u32::from_str_radix(value, from).ok().filter(|b| (2..=36).contains(b))?;
                    match name.trim() {
                        "ibase" => from = base,
                        "obase" => to = base,
                        "scale" => {}
                        _ => return None,
                    }
                    continue;
                }
                let line = if from == 10 { line.to_owned() } else { in_base(line, from) };
                let value = calculate(&line.replace('^', "**"))?;
                out.push_str(&digits(value, to));
                out.push('\n');
            }
            Some(out)
        });
        Self { files, change }
    }
}

/// Numbers of another base as the shell's arithmetic writes them.
fn in_base(line: &str, base: u32) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in line.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
            continue;
        }
        if !word.is_empty() {
            out.push_str(&format!("{base}#{word}"));
            word.clear();
        }
        out.push(c);
    }
    out
}

fn digits(value: i64, base: u32) -> String {
    let mut left = value.unsigned_abs();
    let mut out = Vec::new();
    loop {
        let digit = (left % u64::from(base)) as u32;
        out.extend(char::from_digit(digit, base).map(|c| c.to_ascii_uppercase()));
        left /= u64::from(base);
        if left == 0 {
            break;
        }
    }
    if value < 0 {
        out.push('-');
    }
    out.iter().rev().collect()
}
