//! Brace expansion: `{a,b}` and `{1..3}`, an old way to write a command without blanks.

/// Words made of one word at most; hostile words would make more.
const MOST: usize = 256;

/// The words that a raw word stands for, quotes kept.
pub(super) fn expand(raw: &str) -> Vec<String> {
    if !raw.contains('{') || !(raw.contains(',') || raw.contains("..")) {
        return vec![raw.to_owned()];
    }
    let mut done = Vec::new();
    let mut todo = vec![raw.to_owned()];
    while let Some(word) = todo.pop() {
        match first_brace(&word) {
            Some((open, close, items)) if done.len() + todo.len() + items.len() <= MOST => {
                for item in items.into_iter().rev() {
                    todo.push(format!("{}{item}{}", &word[..open], &word[close + 1..]));
                }
            }
            _ => done.push(word),
        }
    }
    done
}

/// The first brace expression outside quotes and `${…}`: where it opens, closes, and its items.
fn first_brace(word: &str) -> Option<(usize, usize, Vec<String>)> {
    let bytes = word.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\'' => at += 2 + memchr::memchr(b'\'', &bytes[at + 1..])?,
            b'"' => at = super::scan::quote_end(bytes, at + 1)?,
            b'`' => at = super::scan::backtick_end(bytes, at + 1)?,
            b'$' if bytes.get(at + 1) == Some(&b'{') => at = super::scan::brace_end(bytes, at + 2)?,
            b'$' if bytes.get(at + 1) == Some(&b'(') => at = super::scan::paren_end(bytes, at + 2)?,
            b'{' => match items(word, at) {
                Some((close, items)) => return Some((at, close, items)),
                None => at += 1,
            },
            _ => at += 1,
        }
    }
    None
}

fn items(word: &str, open: usize) -> Option<(usize, Vec<String>)> {
    let bytes = word.as_bytes();
    let mut depth = 0u32;
    let mut items = Vec::new();
    let mut from = open + 1;
    let mut at = open + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'\'' => at += 1 + memchr::memchr(b'\'', &bytes[at + 1..])?,
            b'"' => at = super::scan::quote_end(bytes, at + 1)? - 1,
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b'}' => {
                let last = &word[from..at];
                if !items.is_empty() {
                    items.push(last.to_owned());
                    return Some((at, items));
                }
                return range(last).map(|items| (at, items));
            }
            b',' if depth == 0 => {
                items.push(word[from..at].to_owned());
                from = at + 1;
            }
            b' ' | b'\t' | b'\n' => return None,
            _ => {}
        }
        at += 1;
    }
    None
}

fn range(text: &str) -> Option<Vec<String>> {
    let (from, to) = text.split_once("..")?;
    if let (Ok(from), Ok(to)) = (from.parse::<i64>(), to.parse::<i64>()) {
        let count = from.abs_diff(to);
        if count as usize >= MOST {
            return None;
        }
        let step = if from <= to { 1 } else { -1 };
        return Some((0..=count as i64).map(|n| (from + step * n).to_string()).collect());
    }
    let (from, to) = (from.as_bytes(), to.as_bytes());
    match (from, to) {
        ([a], [b]) if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && a <= b => {
            Some((*a..=*b).map(|c| (c as char).to_string()).collect())
        }
        _ => None,
    }
}
