//! Shell patterns: `*`, `?`, `[…]`.

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

/// `${x/pattern/with}`. Texts are short here; longer ones than this are left as they are, since
/// the search is quadratic.
pub(crate) fn replace(text: &str, pattern: &str, with: &str, all: bool) -> Option<String> {
    if !pattern.contains(['*', '?', '[', '\\']) {
        return Some(match (pattern, all) {
            ("", _) => text.to_owned(),
            (_, true) => text.replace(pattern, with),
            (_, false) => text.replacen(pattern, with, 1),
        });
    }
    if text.len() > 4096 {
        return None;
    }
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut done = false;
    while at < text.len() {
        let hit = if done && !all { None } else { longest(&pattern, &text[at..]) };
        match hit.filter(|length| *length > 0) {
            Some(length) => {
                out.push_str(with);
                at += length;
                done = true;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    Some(out)
}

/// The length of the longest match at the start of a text: all places in the pattern at once, so
/// that no pattern makes it more than pattern times text.
fn longest(pattern: &[char], text: &[char]) -> Option<usize> {
    let mut active = vec![0];
    let mut found = None;
    let mut seen = vec![false; pattern.len() + 1];
    let mut at = 0;
    loop {
        // A `*` may stand for nothing.
        let mut n = 0;
        while n < active.len() {
            let p: usize = active[n];
            if pattern.get(p) == Some(&'*') && !active.contains(&(p + 1)) {
                active.push(p + 1);
            }
            n += 1;
        }
        if active.iter().any(|p| *p >= pattern.len()) {
            found = Some(at);
        }
        let Some(&c) = text.get(at) else { return found };
        let mut next = Vec::with_capacity(active.len());
        seen.iter_mut().for_each(|s| *s = false);
        for p in active {
            let to = if pattern.get(p) == Some(&'*') { Some(p) } else { one(pattern, p, c) };
            if let Some(to) = to.filter(|to| *to <= pattern.len())
                && !std::mem::replace(&mut seen[to], true)
            {
                next.push(to);
            }
        }
        if next.is_empty() {
            return found;
        }
        active = next;
        at += 1;
    }
}

fn cuts(text: &str) -> Vec<usize> {
    // Beyond this the search would be quadratic in hostile text; only the ends are tried then.
    if text.len() > 1 << 14 {
        return vec![0, text.len()];
    }
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
}
