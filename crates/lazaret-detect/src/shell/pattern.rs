//! Shell patterns: `*`, `?`, `[…]`.

use std::cell::RefCell;

/// Whether a pattern matches a whole text. Backtracks over the last `*` only, so the cost is at
/// most pattern times text.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    matches_chars(&pattern, &text)
}

fn matches_chars(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        match one(pattern, p, text[t]) {
            Some(next) => {
                p = next;
                t += 1;
            }
            None => match star {
                Some((after, from)) => {
                    p = after;
                    t = from + 1;
                    star = Some((after, t));
                }
                None => return false,
            },
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|&c| c == '*')
}

/// Matches one character at `p`; the position behind what matched it.
fn one(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match *pattern.get(p)? {
        '?' => Some(p + 1),
        '\\' => (pattern.get(p + 1) == Some(&c)).then_some(p + 2),
        '[' => {
            let negated = matches!(pattern.get(p + 1), Some('!' | '^'));
            let mut at = p + 1 + usize::from(negated);
            let first = at;
            let mut hit = false;
            loop {
                let low = *pattern.get(at)?;
                if low == ']' && at > first {
                    break;
                }
                if low == '[' && pattern.get(at + 1) == Some(&':') {
                    let end = (at + 2..pattern.len()).find(|&e| pattern[e] == ':')?;
                    let class: String = pattern[at + 2..end].iter().collect();
                    hit |= in_class(&class, c);
                    at = end + 2;
                    continue;
                }
                if pattern.get(at + 1) == Some(&'-') && pattern.get(at + 2).is_some_and(|h| *h != ']') {
                    hit |= (low..=pattern[at + 2]).contains(&c);
                    at += 3;
                } else {
                    hit |= low == c;
                    at += 1;
                }
            }
            (hit != negated).then_some(at + 1)
        }
        literal => (literal == c).then_some(p + 1),
    }
}

fn in_class(class: &str, c: char) -> bool {
    match class {
        "alpha" => c.is_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "alnum" => c.is_alphanumeric(),
        "upper" => c.is_uppercase(),
        "lower" => c.is_lowercase(),
        "space" => c.is_whitespace(),
        "blank" => c == ' ' || c == '\t',
        "punct" => c.is_ascii_punctuation(),
        "xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

/// Removes the shortest or the longest match from the start.
pub(crate) fn trim_start(text: &str, pattern: &str, longest: bool) -> String {
    let mut ends = cuts(text);
    if longest {
        ends.reverse();
    }
    let end = ends.into_iter().find(|&end| matches(pattern, &text[..end]));
    text[end.unwrap_or(0)..].to_owned()
}

/// Removes the shortest or the longest match from the end.
pub(crate) fn trim_end(text: &str, pattern: &str, longest: bool) -> String {
    let mut starts = cuts(text);
    if !longest {
        starts.reverse();
    }
    let start = starts.into_iter().find(|&start| matches(pattern, &text[start..]));
    text[..start.unwrap_or(text.len())].to_owned()
}

/// `${x/pattern/with}`; None where the pattern is not understood.
pub(crate) fn replace(text: &str, pattern: &str, with: &str, all: bool) -> Option<String> {
    if !pattern.contains(['*', '?', '[', '\\']) {
        return Some(match (pattern, all) {
            ("", _) => text.to_owned(),
            (_, true) => text.replace(pattern, with),
            (_, false) => text.replacen(pattern, with, 1),
        });
    }
    let regex = as_regex(pattern)?;
    Some(if all {
        regex.replace_all(text, regex::NoExpand(with)).into_owned()
    } else {
        regex.replace(text, regex::NoExpand(with)).into_owned()
    })
}

thread_local! {
    /// The last pattern that was made a regular expression: loops use the same one again.
    static LAST: RefCell<Option<(String, regex::Regex)>> = const { RefCell::new(None) };
}

/// A pattern as a regular expression, which searches in linear time. It never matches nothing.
fn as_regex(pattern: &str) -> Option<regex::Regex> {
    let known = LAST.with_borrow(|last| match last {
        Some((source, regex)) if source == pattern => Some(regex.clone()),
        _ => None,
    });
    if known.is_some() {
        return known;
    }
    let mut source = String::with_capacity(pattern.len() + 8);
    let chars: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        match c {
            '*' if chars.len() == 1 => source.push_str(".+"),
            '*' => source.push_str(".*"),
            '?' => source.push('.'),
            '\\' => {
                let literal = chars.get(at).copied().unwrap_or('\\');
                source.push_str(&regex::escape(&literal.to_string()));
                at += 1;
            }
            '[' => {
                let negated = matches!(chars.get(at), Some('!' | '^'));
                let from = at + usize::from(negated);
                // A `]` that comes first stands for itself, and so do those of `[:class:]`.
                let mut end = from + 1;
                while chars.get(end).is_some_and(|c| *c != ']') {
                    if chars[end] == '[' && chars.get(end + 1) == Some(&':') {
                        end += 2;
                        while chars.get(end).is_some_and(|c| *c != ']') {
                            end += 1;
                        }
                    }
                    end += 1;
                }
                if end >= chars.len() {
                    source.push_str("\\[");
                    continue;
                }
                source.push_str(if negated { "[^" } else { "[" });
                let mut inner = from;
                while inner < end {
                    match chars[inner] {
                        '[' if chars.get(inner + 1) == Some(&':') => {
                            while inner < end && chars[inner] != ']' {
                                source.push(chars[inner]);
                                inner += 1;
                            }
                            source.push(']');
                        }
                        c @ ('\\' | '[' | ']' | '^' | '&' | '~') => {
                            source.push('\\');
                            source.push(c);
                        }
                        c => source.push(c),
                    }
                    inner += 1;
                }
                source.push(']');
                at = end + 1;
            }
            c => source.push_str(&regex::escape(&c.to_string())),
        }
    }
    let built =
        regex::RegexBuilder::new(&source).dot_matches_new_line(true).size_limit(1 << 18).build().ok()?;
    LAST.set(Some((pattern.to_owned(), built.clone())));
    Some(built)
}

fn cuts(text: &str) -> Vec<usize> {
    // Beyond this the search would be quadratic in hostile text; only the ends are tried then.
    if text.len() > 1 << 14 {
        return vec![0, text.len()];
    }
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
}
