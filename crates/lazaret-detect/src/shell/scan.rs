//! Where words, quotes and substitutions end. Loops with a stack of their own, so that no depth
//! of nesting can exhaust the thread's.

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Paren,
    Brace,
    Quote,
    Backtick,
}

/// The end of the word that starts at `at`, and whether all that it opens is closed there.
pub(super) fn word_end(text: &[u8], at: usize) -> (usize, bool) {
    scan(text, at, Vec::new())
}

/// The position after the `)` that closes what was opened just before `at`.
pub(super) fn paren_end(text: &[u8], at: usize) -> Option<usize> {
    closed(text, at, Open::Paren)
}

/// The position after the `}` that closes what was opened just before `at`.
pub(super) fn brace_end(text: &[u8], at: usize) -> Option<usize> {
    closed(text, at, Open::Brace)
}

/// The position after the `"` that closes what was opened just before `at`.
pub(super) fn quote_end(text: &[u8], at: usize) -> Option<usize> {
    closed(text, at, Open::Quote)
}

/// The position after the backtick that closes what was opened just before `at`.
pub(super) fn backtick_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'`' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// The position after the closing quote of `$'…'`.
pub(super) fn ansi_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'\'' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

fn closed(text: &[u8], at: usize, open: Open) -> Option<usize> {
    let (end, ok) = scan_until(text, at, vec![open], true);
    ok.then_some(end)
}

fn scan(text: &[u8], at: usize, stack: Vec<Open>) -> (usize, bool) {
    scan_until(text, at, stack, false)
}

/// With `stop_when_closed`, ends where the stack first becomes empty.
fn scan_until(text: &[u8], from: usize, mut stack: Vec<Open>, stop_when_closed: bool) -> (usize, bool) {
    let mut at = from;
    let mut backticks = 0usize;
    while at < text.len() {
        let top = stack.last().copied();
        let next = text.get(at + 1).copied();
        let quoted = top == Some(Open::Quote);
        match text[at] {
            b'\\' => at += 2,
            b'\'' if !quoted => match memchr::memchr(b'\'', &text[at + 1..]) {
                Some(length) => at += length + 2,
                None => return (text.len(), false),
            },
            b'$' if next == Some(b'\'') && !quoted => match ansi_end(text, at + 2) {
                Some(end) => at = end,
                None => return (text.len(), false),
            },
            b'$' if next == Some(b'(') => {
                stack.push(Open::Paren);
                at += 2;
            }
            b'$' if next == Some(b'{') => {
                stack.push(Open::Brace);
                at += 2;
            }
            b'"' => {
                if quoted {
                    stack.pop();
                } else {
                    stack.push(Open::Quote);
                }
                at += 1;
            }
            b'`' => {
                if backticks > 0 {
                    let open = stack.iter().rposition(|o| *o == Open::Backtick).unwrap_or(0);
                    stack.truncate(open);
                    backticks -= 1;
                } else {
                    stack.push(Open::Backtick);
                    backticks += 1;
                }
                at += 1;
            }
            b'<' | b'>' if next == Some(b'(') && (top.is_none() || top == Some(Open::Paren)) => {
                stack.push(Open::Paren);
                at += 2;
            }
            b'(' if top == Some(Open::Paren) => {
                stack.push(Open::Paren);
                at += 1;
            }
            // `x=(…)` and `@(a|b)` are words.
            b'(' if top.is_none() && at > from && b"=?*+@!".contains(&text[at - 1]) => {
                stack.push(Open::Paren);
                at += 1;
            }
            b')' if top == Some(Open::Paren) => {
                stack.pop();
                at += 1;
            }
            b'}' if top == Some(Open::Brace) => {
                stack.pop();
                at += 1;
            }
            b'#' if top == Some(Open::Paren)
                && at > from
                && b" \t\n;".contains(&text[at - 1])
                && text[at - 1] != b'$' =>
            {
                at += memchr::memchr(b'\n', &text[at..]).unwrap_or(text.len() - at);
            }
            b' ' | b'\t' | b'\n' | b'\r' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')'
                if top.is_none() =>
            {
                return (at, true);
            }
            _ => at += 1,
        }
        if stop_when_closed && stack.is_empty() {
            return (at.min(text.len()), true);
        }
    }
    (text.len(), stack.is_empty())
}
