//! What each line of a shell script stands under, read lightly: enough to say "if …" beside a
//! step of a story. What the script does is the emulator's business, and nothing is decided here.

use std::collections::{BTreeMap, BTreeSet};

use lazaret_model::{Under, one_line};

/// Blocks inside blocks that are told apart.
const DEEPEST: usize = 32;
/// Characters of a condition or of a command that are kept.
const LONGEST: usize = 240;

/// What is known of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Outermost first.
    pub under: Vec<Under>,
    pub background: bool,
    pub replaces: bool,
}

impl Line {
    /// About how much memory it takes, which a few bytes of script can make much of.
    pub(super) fn bytes(&self) -> usize {
        let of = |under: &Under| match under {
            Under::If(text) | Under::Else(text) | Under::Loop(text) | Under::Function(text) => text.len(),
            Under::Case(subject, arm) => subject.len() + arm.len(),
        };
        self.under.iter().map(|under| size_of::<Under>() + of(under)).sum()
    }
}

/// What is known of those of the `wanted` lines, counted from 1, on which a command begins.
pub(super) fn outline(text: &str, wanted: &BTreeSet<u32>) -> BTreeMap<u32, Line> {
    let reader =
        Reader { tokens: tokens(text), text, wanted, at: 0, blocks: Vec::new(), lines: BTreeMap::new() };
    reader.read()
}

/// A command as written in these lines: the one of this number, counted from 1, and those that a backslash
/// joins to it.
pub(super) fn command_text(lines: &[&str], line: u32) -> Option<String> {
    let mut out = String::new();
    for line in lines.get(line.checked_sub(1)? as usize..)? {
        let (part, more) = match line.trim_end().strip_suffix('\\') {
            Some(part) => (part, true),
            None => (*line, false),
        };
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(part.trim());
        if !more || out.len() > 4 * LONGEST {
            break;
        }
    }
    (!out.is_empty()).then(|| one_line(&out, LONGEST))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    /// `;` and a new line.
    End,
    /// `;;` and its relatives.
    ArmEnd,
    Background,
    /// `|`, `&&`, `||`.
    Join,
    Open,
    Close,
}

#[derive(Debug, Clone, Copy)]
struct Token {
    kind: Kind,
    from: usize,
    to: usize,
    line: u32,
}

fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let (mut at, mut line) = (0, 1);
    let mut documents: Vec<(String, bool)> = Vec::new();
    while at < bytes.len() {
        let from = at;
        let mut push = |kind, to| out.push(Token { kind, from, to, line });
        match bytes[at] {
            b'\n' => {
                push(Kind::End, at + 1);
                at += 1;
                line += 1;
                for (end, tabs) in documents.drain(..) {
                    (at, line) = skip_document(bytes, at, line, end.as_bytes(), tabs);
                }
            }
            b' ' | b'\t' | b'\r' => at += 1,
            b'\\' if bytes.get(at + 1) == Some(&b'\n') => {
                at += 2;
                line += 1;
            }
            b'#' => at = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n),
            b';' if matches!(bytes.get(at + 1), Some(b';' | b'&')) => {
                push(Kind::ArmEnd, at + 2);
                at += 2;
                if bytes.get(at) == Some(&b'&') {
                    at += 1;
                }
            }
            b';' => {
                push(Kind::End, at + 1);
                at += 1;
            }
            b'&' if bytes.get(at + 1) == Some(&b'&') => {
                push(Kind::Join, at + 2);
                at += 2;
            }
            b'&' if bytes.get(at + 1) == Some(&b'>') => at += 2,
            b'&' => {
                push(Kind::Background, at + 1);
                at += 1;
            }
            b'|' => {
                at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'|' | b'&')));
                push(Kind::Join, at);
            }
            b'(' => {
                push(Kind::Open, at + 1);
                at += 1;
            }
            b')' => {
                push(Kind::Close, at + 1);
                at += 1;
            }
            b'<' if bytes[at..].starts_with(b"<<") && bytes.get(at + 2) != Some(&b'<') => {
                at += 2;
                let tabs = bytes.get(at) == Some(&b'-');
                at += usize::from(tabs);
                while matches!(bytes.get(at), Some(b' ' | b'\t')) {
                    at += 1;
                }
                let end = word_end(bytes, at);
                let name: String = text.get(at..end).unwrap_or_default().replace(['"', '\'', '\\'], "");
                if !name.is_empty() && documents.len() < DEEPEST {
                    documents.push((name, tabs));
                }
                at = end.max(at);
            }
            b'<' | b'>' => {
                at += 1;
                // `>&2`, `2>&1`: the sign belongs to the redirection.
                while matches!(bytes.get(at), Some(b'&' | b'<' | b'>' | b'|')) {
                    at += 1;
                }
            }
            _ => {
                let end = word_end(bytes, at).max(at + 1);
                push(Kind::Word, end);
                line += memchr::memchr_iter(b'\n', &bytes[at..end]).count() as u32;
                at = end;
            }
        }
    }
    out
}

/// The end of a word that starts at `at`: quotes, substitutions and escapes are inside it.
fn word_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            quote @ (b'\'' | b'`') => at = closing(bytes, at + 1, quote, quote == b'`'),
            b'"' => at = closing(bytes, at + 1, b'"', true),
            b'$' if matches!(bytes.get(at + 1), Some(b'(' | b'{')) => at = balanced(bytes, at + 1),
            b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
            _ => at += 1,
        }
    }
    at.min(bytes.len())
}

fn closing(bytes: &[u8], mut at: usize, quote: u8, escapes: bool) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            b'$' if quote == b'"' && bytes.get(at + 1) == Some(&b'(') => at = balanced(bytes, at + 1),
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// After the bracket that closes the one at `at`.
fn balanced(bytes: &[u8], mut at: usize) -> usize {
    let (open, close) = if bytes[at] == b'(' { (b'(', b')') } else { (b'{', b'}') };
    let mut depth = 0_usize;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            quote @ (b'\'' | b'"') => {
                // Without a look at substitutions in it: brackets in them are rare in pairs.
                at = memchr::memchr(quote, &bytes[at + 1..]).map_or(bytes.len(), |n| at + 1 + n);
            }
            byte if byte == open => depth += 1,
            byte if byte == close => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn skip_document(bytes: &[u8], mut at: usize, mut line: u32, end: &[u8], tabs: bool) -> (usize, u32) {
    while at < bytes.len() {
        let stop = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n);
        let mut text = &bytes[at..stop];
        while tabs && text.first() == Some(&b'\t') {
            text = &text[1..];
        }
        at = (stop + 1).min(bytes.len());
        line += 1;
        if text == end {
            break;
        }
    }
    (at, line)
}

struct Block {
    /// None for `{` and `(`, which say nothing of when.
    under: Option<Under>,
    /// The word that closes it.
    close: &'static str,
    /// Where it starts.
    line: u32,
}

struct Reader<'t> {
    text: &'t str,
    wanted: &'t BTreeSet<u32>,
    tokens: Vec<Token>,
    at: usize,
    blocks: Vec<Block>,
    lines: BTreeMap<u32, Line>,
}

impl Reader<'_> {
    fn read(mut self) -> BTreeMap<u32, Line> {
        let mut command = true;
        // Where what `&` would send to the background starts.
        let mut start = 1;
        // The function whose body comes next.
        let mut function: Option<String> = None;
        while let Some(token) = self.tokens.get(self.at).copied() {
            self.at += 1;
            match token.kind {
                Kind::End | Kind::Join => command = true,
                Kind::Background => {
                    for (_, known) in self.lines.range_mut(start..=token.line) {
                        known.background = true;
                    }
                    command = true;
                }
                Kind::Open if command => {
                    self.push(None, ")", token.line);
                }
                Kind::Open => {}
                Kind::Close => {
                    if let Some(line) = self.pop(&[")"]) {
                        start = line;
                    }
                    command = true;
                }
                Kind::ArmEnd => {
                    self.next_arm();
                    command = true;
                }
                Kind::Word if !command => {}
                Kind::Word => {
                    let word = self.word(token);
                    match word.as_str() {
                        "if" => {
                            let condition = self.until("then");
                            self.push(Some(Under::If(condition)), "fi", token.line);
                        }
                        "elif" => {
                            let line = self.pop(&["fi"]).unwrap_or(token.line);
                            let condition = self.until("then");
                            self.push(Some(Under::If(condition)), "fi", line);
                        }
                        "else" => {
                            let of = match self.blocks.last().and_then(|block| block.under.clone()) {
                                Some(Under::If(condition) | Under::Else(condition)) => condition,
                                _ => String::new(),
                            };
                            let line = self.pop(&["fi"]).unwrap_or(token.line);
                            self.push(Some(Under::Else(of)), "fi", line);
                        }
                        "for" | "while" | "until" | "select" => {
                            let rest = self.until("do");
                            self.push(Some(Under::Loop(format!("{word} {rest}"))), "done", token.line);
                        }
                        "case" => {
                            let subject = self.until("in");
                            self.push(Some(Under::Case(subject, String::new())), "esac", token.line);
                            self.next_arm();
                        }
                        "function" => {
                            if let Some(name) = self.tokens.get(self.at).copied() {
                                function = Some(self.word(name));
                                self.at += 1;
                                self.skip_brackets();
                            }
                            continue;
                        }
                        "{" => {
                            let under = function.take().map(Under::Function);
                            self.push(under, "}", token.line);
                        }
                        "}" | "fi" | "done" | "esac" => {
                            if let Some(line) = self.pop(&[word.as_str()]) {
                                start = line;
                            }
                            command = false;
                        }
                        "then" | "do" | "!" | "time" => {}
                        name if self.is_definition() => {
                            function = Some(name.to_owned());
                            self.skip_brackets();
                        }
                        _ => {
                            start = token.line;
                            self.note(token.line, &word);
                            // Assignments come before the command's own name.
                            command = is_assignment(&word);
                        }
                    }
                }
            }
        }
        self.lines
    }

    fn word(&self, token: Token) -> String {
        self.text.get(token.from..token.to).unwrap_or_default().to_owned()
    }

    fn note(&mut self, line: u32, word: &str) {
        if !self.wanted.contains(&line) {
            return;
        }
        let under = self.blocks.iter().filter_map(|block| block.under.clone()).collect();
        let next = self.tokens.get(self.at).filter(|next| next.kind == Kind::Word).copied();
        let replaces = match word {
            // `exec` with redirections alone changes the shell's own files and goes on.
            "exec" => next.is_some_and(|next| !self.word(next).bytes().all(|b| b.is_ascii_digit())),
            "eval" => next.is_some_and(|next| self.word(next).trim_start_matches(['"', '\'']) == "exec"),
            _ => false,
        };
        let known = self.lines.entry(line).or_default();
        known.under = under;
        known.replaces |= replaces;
    }

    fn push(&mut self, under: Option<Under>, close: &'static str, line: u32) {
        if self.blocks.len() < DEEPEST {
            self.blocks.push(Block { under, close, line });
        }
    }

    /// Closes the innermost block of this kind, and those inside it that were never closed.
    fn pop(&mut self, close: &[&str]) -> Option<u32> {
        let at = self.blocks.iter().rposition(|block| close.contains(&block.close))?;
        let line = self.blocks[at].line;
        self.blocks.truncate(at);
        Some(line)
    }

    /// The text up to a word that stands for itself.
    fn until(&mut self, end: &str) -> String {
        let from = self.tokens.get(self.at).map_or(self.text.len(), |token| token.from);
        let mut to = from;
        while let Some(token) = self.tokens.get(self.at).copied() {
            self.at += 1;
            if token.kind == Kind::Word && self.text.get(token.from..token.to) == Some(end) {
                break;
            }
            to = token.to;
        }
        let text = self.text.get(from..to).unwrap_or_default();
        let text = text.trim_end_matches([';', '\n', ' ', '\t', '\r']);
        one_line(&text.split_whitespace().collect::<Vec<_>>().join(" "), LONGEST)
    }

    /// The pattern of the arm that begins here; the block is closed where there is none.
    fn next_arm(&mut self) {
        let Some(case) = self.blocks.iter().rposition(|block| block.close == "esac") else { return };
        self.blocks.truncate(case + 1);
        while self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::End) {
            self.at += 1;
        }
        let Some(first) = self.tokens.get(self.at).copied() else { return };
        if first.kind == Kind::Word && self.word(first) == "esac" {
            return;
        }
        let mut pattern = String::new();
        while let Some(token) = self.tokens.get(self.at).copied() {
            self.at += 1;
            match token.kind {
                Kind::Close => break,
                Kind::Word | Kind::Join => {
                    if !pattern.is_empty() {
                        pattern.push(' ');
                    }
                    pattern.push_str(&self.word(token));
                }
                _ => {}
            }
        }
        let pattern = one_line(&pattern, LONGEST);
        if let Some(Block { under: Some(Under::Case(_, known)), .. }) = self.blocks.last_mut() {
            *known = pattern;
        }
    }

    /// Whether `()` comes next.
    fn is_definition(&self) -> bool {
        let kind = |n: usize| self.tokens.get(self.at + n).map(|token| token.kind);
        kind(0) == Some(Kind::Open) && kind(1) == Some(Kind::Close)
    }

    fn skip_brackets(&mut self) {
        if self.is_definition() {
            self.at += 2;
        }
        while self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::End) {
            self.at += 1;
        }
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn all(text: &str) -> BTreeMap<u32, Line> {
        outline(text, &(1..=text.lines().count() as u32).collect())
    }

    fn of(text: &str, line: u32) -> Line {
        all(text).get(&line).cloned().unwrap_or_else(|| panic!("nothing at {line}: {:#?}", all(text)))
    }

    #[test]
    fn a_line_knows_the_conditions_that_it_stands_under() {
        let text = "a\nif [ -f /x ]; then\n  b\nelif test y\nthen\n c\nelse\n  d\nfi\ne\n";
        assert_eq!(of(text, 1).under, []);
        assert_eq!(of(text, 3).under, [Under::If("[ -f /x ]".into())]);
        assert_eq!(of(text, 6).under, [Under::If("test y".into())]);
        assert_eq!(of(text, 8).under, [Under::Else("test y".into())]);
        assert_eq!(of(text, 10).under, []);
    }

    #[test]
    fn loops_cases_and_functions_are_told_apart() {
        let text = "f() {\n  while true; do\n    case \"$1\" in\n      a|b) x ;;\n      *)\n        y\n    esac\n  done\n}\nfunction g {\n z\n}\nw\n";
        let function = Under::Function("f".into());
        let forever = Under::Loop("while true".into());
        assert_eq!(
            of(text, 4).under,
            [function.clone(), forever.clone(), Under::Case("\"$1\"".into(), "a | b".into())]
        );
        assert_eq!(of(text, 6).under, [function, forever, Under::Case("\"$1\"".into(), "*".into())]);
        assert_eq!(of(text, 11).under, [Under::Function("g".into())]);
        assert_eq!(of(text, 13).under, []);
    }

    #[test]
    fn what_runs_beside_and_what_takes_over_is_known() {
        let text = "a -o x >/dev/null 2>&1 &\nb && c\n(cd /x && ./m &)\nwhile true; do\n s\ndone &\nexec 3>&1\nexec d \"$@\"\neval exec \"\\\"$J\\\"\"\n";
        assert!(of(text, 1).background && of(text, 3).background && of(text, 5).background);
        assert!(!of(text, 2).background && !of(text, 8).background);
        assert!(
            of(text, 8).replaces && of(text, 9).replaces && !of(text, 7).replaces && !of(text, 1).replaces
        );
    }

    #[test]
    fn quotes_comments_and_documents_hold_no_keywords() {
        let text = "echo 'if' \"then $(x 'fi')\" # if\ncat <<-'E' >f\n\tif a; then\n\tE\nb $(if c; then d; fi) & e\n";
        assert_eq!(of(text, 5).under, []);
        assert_eq!(all(text).keys().copied().collect::<Vec<_>>(), [1, 2, 5]);
        assert_eq!(command_text(&["a \\", "  b \\", "  c", "d"], 1).as_deref(), Some("a b c"));
        assert_eq!(command_text(&["a"], 2), None);
    }

    #[test]
    fn broken_scripts_end() {
        for text in [
            "if",
            "case",
            "case x in",
            "f()",
            "function",
            "$(",
            "${",
            "\"",
            "<<",
            "<<E",
            "((((",
            "))))",
            "esac ;; }",
        ] {
            all(text);
            all(&text.repeat(3000));
        }
        let deep = "if a; then\n".repeat(5000) + "b\n";
        assert_eq!(of(&deep, 5001).under.len(), DEEPEST);
    }
}
