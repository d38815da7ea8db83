//! `tr`.

use crate::shell::ansi;

type Translate = Box<dyn Fn(&str) -> String>;

pub(super) fn translate(
    operands: &[&str],
    delete: bool,
    complement: bool,
    squeeze: bool,
) -> Option<Translate> {
    let from = set(operands.first()?)?;
    let outside = move |from: &[char], c: char| from.contains(&c) != complement;
    if delete {
        return Some(Box::new(move |t| t.chars().filter(|&c| !outside(&from, c)).collect()));
    }
    let Some(to) = operands.get(1) else {
        return squeeze.then(|| {
            let change: Translate = Box::new(move |t| {
                let mut out = String::new();
                for c in t.chars() {
                    if !(outside(&from, c) && out.ends_with(c)) {
                        out.push(c);
                    }
                }
                out
            });
            change
        });
    };
    let to = set(to)?;
    let last = *to.last()?;
    Some(Box::new(move |t| {
        let mut out = String::with_capacity(t.len());
        for c in t.chars() {
            let next = if complement {
                if from.contains(&c) { c } else { last }
            } else {
                match from.iter().position(|f| *f == c) {
                    Some(at) => to.get(at).copied().unwrap_or(last),
                    None => c,
                }
            };
            if !(squeeze && next != c && out.ends_with(next)) {
                out.push(next);
            }
        }
        out
    }))
}

fn set(text: &str) -> Option<Vec<char>> {
    let text = ansi(text);
    let text = text
        .strip_prefix('[')
        .and_then(|t| t.strip_suffix(']'))
        .filter(|t| !t.starts_with(':'))
        .unwrap_or(&text);
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if chars[at] == '[' && chars.get(at + 1) == Some(&':') {
            let rest: String = chars[at..].iter().collect();
            let (name, _) = rest[2..].split_once(":]")?;
            let range = |from: char, to: char, out: &mut Vec<char>| out.extend(from..=to);
            match name {
                "upper" => range('A', 'Z', &mut out),
                "lower" => range('a', 'z', &mut out),
                "digit" => range('0', '9', &mut out),
                "alpha" | "alnum" => {
                    range('A', 'Z', &mut out);
                    range('a', 'z', &mut out);
                    if name == "alnum" {
                        range('0', '9', &mut out);
                    }
                }
                "space" => out.extend([' ', '\t', '\n', '\r']),
                _ => return None,
            }
            at += name.len() + 4;
        } else if chars.get(at + 1) == Some(&'-') && chars.get(at + 2).is_some_and(|e| *e >= chars[at]) {
            let (from, to) = (chars[at], chars[at + 2]);
            if u32::from(to) - u32::from(from) > 512 {
                return None;
            }
            out.extend(from..=to);
            at += 3;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    Some(out)
}
