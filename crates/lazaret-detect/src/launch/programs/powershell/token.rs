//! PowerShell's words (`about_Parsing`, `about_Quoting_Rules`, `about_Special_Characters`).

/// A word or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name, a number or an argument as written, without the marks that hide it (`I`E`X`).
    Word(String),
    /// A text; whether variables in it are replaced.
    Text(String, bool),
    /// `$name`, `${name}`, `$env:NAME`, in small letters.
    Variable(String),
    /// `( ) { } [ ] , ; | & . = + :: @( $( < >` and other signs.
    Sign(&'static str),
    /// The end of a line.
    Line,
}

/// A token, and whether blanks stand before it.
#[derive(Debug, Clone)]
pub(super) struct Spaced {
    pub token: Token,
    pub apart: bool,
}

/// Tokens of one text that are read.
const MOST_TOKENS: usize = 60_000;

const SIGNS: [&str; 30] = [
    "::", "@(", "@{", "$(", "&&", "||", "+=", "-=", ">>", "..", "(", ")", "{", "}", "[", "]", ",", ";", "|",
    "&", ".", "=", "+", "*", "/", "%", "<", ">", "!", "?",
];

/// Reads a text; false where it is longer than is read.
pub(super) fn tokens(text: &str) -> (Vec<Spaced>, bool) {
    let chars: Vec<char> = text.chars().collect();
    let mut out: Vec<Spaced> = Vec::new();
    let mut at = 0;
    let mut apart = true;
    while at < chars.len() {
        if out.len() >= MOST_TOKENS {
            return (out, false);
        }
        let c = chars[at];
        if c == '`' && chars.get(at + 1).is_some_and(|n| matches!(n, '\n' | '\r')) {
            at += 2;
            continue;
        }
        if c == '\n' {
            out.push(Spaced { token: Token::Line, apart: true });
        }
        if c.is_whitespace() || c == '\0' || c == '\u{feff}' {
            apart = true;
            at += 1;
            continue;
        }
        let (token, next) = match c {
            '#' if apart => {
                at = (at..chars.len()).find(|&n| chars[n] == '\n').unwrap_or(chars.len());
                continue;
            }
            '<' if chars.get(at + 1) == Some(&'#') => {
                at = end_of(&chars, at + 2, &['#', '>']);
                continue;
            }
            '@' if chars.get(at + 1).is_some_and(|n| matches!(n, '"' | '\'')) => here_text(&chars, at),
            '\'' | '\u{2018}' | '\u{2019}' | '"' | '\u{201c}' | '\u{201d}' => quoted(&chars, at),
            '$' if chars.get(at + 1) != Some(&'(') => variable(&chars, at),
            _ => sign_or_word(&chars, at, out.last().map(|s| &s.token), apart),
        };
        out.push(Spaced { token, apart });
        apart = false;
        at = next.max(at + 1);
    }
    (out, true)
}

fn end_of(chars: &[char], from: usize, end: &[char]) -> usize {
    let rest = chars.get(from..).unwrap_or_default();
    rest.windows(end.len()).position(|w| w == end).map_or(chars.len(), |n| from + n + end.len())
}

fn here_text(chars: &[char], at: usize) -> (Token, usize) {
    let quote = chars[at + 1];
    let begin = (at..chars.len()).find(|&n| chars[n] == '\n').map_or(chars.len(), |n| n + 1);
    let end = end_of(chars, begin.saturating_sub(1), &['\n', quote, '@']);
    let stop = end.saturating_sub(3).max(begin).min(chars.len());
    (Token::Text(chars[begin.min(stop)..stop].iter().collect(), quote == '"'), end)
}

fn quoted(chars: &[char], at: usize) -> (Token, usize) {
    let double = matches!(chars[at], '"' | '\u{201c}' | '\u{201d}');
    let closes = |c: char| {
        if double {
            matches!(c, '"' | '\u{201c}' | '\u{201d}')
        } else {
            matches!(c, '\'' | '\u{2018}' | '\u{2019}')
        }
    };
    let mut text = String::new();
    let mut n = at + 1;
    while let Some(&c) = chars.get(n) {
        let next = chars.get(n + 1).copied();
        if closes(c) {
            if next.is_some_and(closes) {
                text.push(c);
                n += 2;
                continue;
            }
            return (Token::Text(text, double), n + 1);
        }
        if double && c == '`' {
            if let Some(next) = next {
                // A dollar that stands for itself keeps its mark until variables are replaced.
                match next {
                    '$' => text.push_str("`$"),
                    other => text.push(escaped(other)),
                }
            }
            n += 2;
            continue;
        }
        text.push(c);
        n += 1;
    }
    (Token::Text(text, double), chars.len())
}

fn escaped(c: char) -> char {
    match c {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        other => other,
    }
}

fn variable(chars: &[char], at: usize) -> (Token, usize) {
    if chars.get(at + 1) == Some(&'{') {
        let end = (at..chars.len()).find(|&n| chars[n] == '}').unwrap_or(chars.len());
        let name: String = chars.get(at + 2..end).unwrap_or_default().iter().collect();
        return (Token::Variable(name.to_lowercase()), end + 1);
    }
    let mut end = at + 1;
    while let Some(&c) = chars.get(end) {
        // `$env:PATH`, but not the first colon of `$type::Member`.
        let scope = c == ':' && chars.get(end + 1).is_some_and(|n| n.is_alphanumeric() || *n == '_');
        if !(c.is_alphanumeric() || c == '_' || scope || end == at + 1 && matches!(c, '?' | '^' | '$')) {
            break;
        }
        end += 1;
    }
    (Token::Variable(chars[at + 1..end].iter().collect::<String>().to_lowercase()), end)
}

fn sign_or_word(chars: &[char], at: usize, before: Option<&Token>, apart: bool) -> (Token, usize) {
    let starts = |sign: &str| sign.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
    // A path begins with a sign too: `./x`, `/bin/sh`, `*.txt`.
    let path = apart
        && (starts("./") || starts("../") || chars[at] == '/')
        && chars.get(at + 1).is_some_and(|n| !n.is_whitespace());
    let number = chars[at] == '.' && chars.get(at + 1).is_some_and(char::is_ascii_digit) && apart;
    if !path
        && !number
        && let Some(sign) = SIGNS.iter().find(|sign| starts(sign))
    {
        return (Token::Sign(sign), at + sign.chars().count());
    }
    // Behind a dot stands a member's name, which ends where a word would go on.
    let member = matches!(before, Some(Token::Sign("." | "::"))) && !apart;
    let mut text = String::new();
    let mut n = at;
    while let Some(&c) = chars.get(n) {
        if c == '`' {
            text.extend(chars.get(n + 1));
            n += 2;
            continue;
        }
        let ends = c.is_whitespace()
            || matches!(c, '(' | ')' | '{' | '}' | ';' | '|' | ',' | '\'' | '"' | '$' | '&' | '<' | '>')
            || matches!(c, '[' | ']')
            || matches!(c, '=' | '+') && (member || text.bytes().all(|b| b.is_ascii_digit()))
            || c == ':' && chars.get(n + 1) == Some(&':')
            || c == '.' && (member || chars.get(n + 1) == Some(&'.') && !path)
            || member && !(c.is_alphanumeric() || c == '_');
        if ends && n > at {
            break;
        }
        text.push(c);
        n += 1;
        if ends {
            break;
        }
    }
    (Token::Word(text), n)
}
