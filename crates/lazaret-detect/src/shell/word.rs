//! A word taken apart: what is text, what is expanded, what is quoted.

use super::scan;

/// One part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Text that stands for itself.
    Text { text: String, quoted: bool },
    /// `$name` or `${…}`: what stands between the braces.
    Param { body: String, quoted: bool },
    /// `$(…)` or backticks.
    Command { text: String, quoted: bool, line: u32 },
    /// `$((…))`.
    Arithmetic { text: String, quoted: bool },
    /// `<(…)`, or `>(…)` where `writes`.
    Process { text: String, writes: bool, line: u32 },
}

/// Takes a word apart. What is opened and not closed is text.
pub(super) fn parts(raw: &str, line: u32) -> Vec<Part> {
    let mut reader = Reader { raw, line, out: Vec::new(), text: String::new(), text_quoted: false };
    reader.read(0, raw.len(), false);
    reader.flush();
    reader.out
}

/// The parts of a here-document's body, which is read as between double quotes, but where a
/// double quote stands for itself.
pub(super) fn here_parts(raw: &str, line: u32) -> Vec<Part> {
    let mut reader = Reader { raw, line, out: Vec::new(), text: String::new(), text_quoted: true };
    reader.read(0, raw.len(), true);
    reader.flush();
    reader.out
}

struct Reader<'t> {
    raw: &'t str,
    line: u32,
    out: Vec<Part>,
    text: String,
    text_quoted: bool,
}

impl Reader<'_> {
    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.out.push(Part::Text { text, quoted: self.text_quoted });
        }
    }

    fn push(&mut self, text: &str, quoted: bool) {
        if self.text_quoted != quoted {
            self.flush();
            self.text_quoted = quoted;
        }
        self.text.push_str(text);
    }

    fn part(&mut self, part: Part) {
        self.flush();
        self.out.push(part);
    }

    fn line_at(&self, at: usize) -> u32 {
        self.line + memchr::memchr_iter(b'\n', &self.raw.as_bytes()[..at]).count() as u32
    }

    /// Reads `from..to`. Double quotes are entered by recursion, and never nest directly: what
    /// is in `${…}` and `$(…)` is kept as text and read when it is needed.
    fn read(&mut self, from: usize, to: usize, quoted: bool) {
        let raw = self.raw;
        let bytes = &raw.as_bytes()[..to];
        let mut at = from;
        while at < to {
            let next = bytes.get(at + 1).copied();
            match bytes[at] {
                b'\\' => {
                    let width = raw[at + 1..to].chars().next().map_or(0, char::len_utf8);
                    let escaped = &raw[at + 1..at + 1 + width];
                    if escaped == "\n" {
                    } else if quoted && !matches!(escaped, "$" | "`" | "\"" | "\\") {
                        self.push(&raw[at..at + 1 + width], true);
                    } else {
                        self.push(escaped, true);
                    }
                    at += 1 + width;
                }
                b'\'' if !quoted => {
                    let end = memchr::memchr(b'\'', &bytes[at + 1..]).map(|n| at + 1 + n);
                    let close = end.unwrap_or(to);
                    self.quoted_text(&raw[at + 1..close]);
                    at = (close + 1).min(to);
                }
                b'"' if !quoted => {
                    let end = scan::quote_end(bytes, at + 1);
                    let close = end.map_or(to, |e| e - 1);
                    self.quoted_text("");
                    self.read(at + 1, close, true);
                    at = (close + 1).min(to);
                }
                b'$' if next == Some(b'\'') && !quoted => {
                    let end = scan::ansi_end(bytes, at + 2).unwrap_or(to + 1).min(to + 1);
                    let inner = raw.get(at + 2..end.saturating_sub(1)).unwrap_or_default();
                    let decoded = ansi(inner);
                    self.quoted_text(&decoded);
                    at = end.min(to);
                }
                b'$' if next == Some(b'"') && !quoted => at += 1,
                b'$' => at = self.dollar(at, to, quoted),
                b'`' => match scan::backtick_end(bytes, at + 1) {
                    Some(end) => {
                        let text = unescape_backticks(&raw[at + 1..end - 1]);
                        let line = self.line_at(at);
                        self.part(Part::Command { text, quoted, line });
                        at = end;
                    }
                    None => {
                        self.push("`", quoted);
                        at += 1;
                    }
                },
                b'<' | b'>' if next == Some(b'(') && !quoted => match scan::paren_end(bytes, at + 2) {
                    Some(end) => {
                        let text = raw[at + 2..end - 1].to_owned();
                        let line = self.line_at(at);
                        self.part(Part::Process { text, writes: bytes[at] == b'>', line });
                        at = end;
                    }
                    None => {
                        self.push(&raw[at..at + 1], quoted);
                        at += 1;
                    }
                },
                _ => {
                    let rest = &bytes[at..];
                    let length = rest.iter().skip(1).position(|b| b"\\'\"$`<>".contains(b));
                    let end = length.map_or(to, |n| at + 1 + n);
                    self.push(&raw[at..end], quoted);
                    at = end;
                }
            }
        }
    }

    /// Quoted text counts even when it is empty: `""` is a word.
    fn quoted_text(&mut self, text: &str) {
        self.flush();
        self.out.push(Part::Text { text: text.to_owned(), quoted: true });
    }

    fn dollar(&mut self, at: usize, to: usize, quoted: bool) -> usize {
        let raw = self.raw;
        let bytes = &raw.as_bytes()[..to];
        let rest = &bytes[at + 1..];
        match rest.first() {
            Some(b'(') if rest.get(1) == Some(&b'(') => {
                if let Some(end) = scan::paren_end(bytes, at + 2)
                    && raw[..end].ends_with("))")
                {
                    let text = raw[at + 3..end - 2].to_owned();
                    self.part(Part::Arithmetic { text, quoted });
                    return end;
                }
                self.substitution(at, to, quoted)
            }
            Some(b'(') => self.substitution(at, to, quoted),
            Some(b'{') => match scan::brace_end(bytes, at + 2) {
                Some(end) => {
                    self.part(Part::Param { body: raw[at + 2..end - 1].to_owned(), quoted });
                    end
                }
                None => {
                    self.push("$", quoted);
                    at + 1
                }
            },
            Some(b) if b.is_ascii_alphabetic() || *b == b'_' => {
                let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                self.part(Part::Param { body: raw[at + 1..at + 1 + length].to_owned(), quoted });
                at + 1 + length
            }
            Some(b) if b.is_ascii_digit() || b"@*#?$!-".contains(b) => {
                self.part(Part::Param { body: raw[at + 1..at + 2].to_owned(), quoted });
                at + 2
            }
            _ => {
                self.push("$", quoted);
                at + 1
            }
        }
    }

    fn substitution(&mut self, at: usize, to: usize, quoted: bool) -> usize {
        let raw = self.raw;
        match scan::paren_end(&raw.as_bytes()[..to], at + 2) {
            Some(end) => {
                let line = self.line_at(at);
                self.part(Part::Command { text: raw[at + 2..end - 1].to_owned(), quoted, line });
                end
            }
            None => {
                self.push("$", quoted);
                at + 1
            }
        }
    }
}

fn unescape_backticks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('`' | '\\' | '$')) => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out
}

/// The escapes of `$'…'`, `printf` formats and `echo -e`.
pub(crate) fn ansi(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' || at + 1 == bytes.len() {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let digits = |from: usize, most: usize, radix: u32| {
            let length = bytes[from.min(bytes.len())..]
                .iter()
                .take(most)
                .take_while(|b| (**b as char).is_digit(radix))
                .count();
            let value = u32::from_str_radix(&text[from.min(bytes.len())..][..length], radix);
            (length, value.unwrap_or(0))
        };
        at += 2;
        match bytes[at - 1] {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'e' | b'E' => out.push(27),
            b'f' => out.push(12),
            b'v' => out.push(11),
            b'x' => {
                let (length, value) = digits(at, 2, 16);
                if length == 0 {
                    out.extend(b"\\x");
                } else {
                    out.push(value as u8);
                }
                at += length;
            }
            b'u' | b'U' => {
                let (length, value) = digits(at, if bytes[at - 1] == b'u' { 4 } else { 8 }, 16);
                let mut buffer = [0; 4];
                if let Some(c) = char::from_u32(value) {
                    out.extend(c.encode_utf8(&mut buffer).as_bytes());
                }
                at += length;
            }
            b'0'..=b'7' => {
                let zero = usize::from(bytes[at - 1] == b'0');
                let (length, value) = digits(at - 1 + zero, 3, 8);
                out.push(value as u8);
                at += length + zero - 1;
            }
            other @ (b'\\' | b'\'' | b'"' | b'?') => out.push(other),
            other => out.extend([b'\\', other]),
        }
    }
    // Bytes that are no UTF-8 are kept: `printf '\x1f\x8b…' | gunzip`.
    super::value::Value::from_bytes(&out, super::value::Know::Sure).text
}

/// The first `/` outside quotes and braces, which parts `${x/pattern/with}`.
pub(super) fn unquoted_slash(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\'' => at += 2 + memchr::memchr(b'\'', &bytes[at + 1..])?,
            b'"' => at = scan::quote_end(bytes, at + 1)?,
            b'$' if bytes.get(at + 1) == Some(&b'{') => at = scan::brace_end(bytes, at + 2)?,
            b'/' => return Some(at),
            _ => at += 1,
        }
    }
    None
}
