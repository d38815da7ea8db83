//! Reads commands one after the other without a grammar: words, operators and here-documents
//! only. For text that no grammar takes whole, so that a stray `fi` hides nothing.

use super::parse::{Chain, assignment, attach, file_redirect, rebuild};
use super::scan;
use super::syntax::{Node, Redirect, RedirectOp, Script, Simple, Word};
use super::world::Trouble;

/// Words that give a command its place and start none.
const KEYWORDS: &[&str] = &[
    "if", "then", "else", "elif", "fi", "do", "done", "while", "until", "esac", "{", "}", "!", "in", "time",
];

/// Splits text into words at blanks and operators; operators that stand alone become words.
pub(super) fn words(text: &str, first: u32) -> Vec<Word> {
    let mut lexer = Lexer { text, at: 0, line: first };
    let mut out = Vec::new();
    while let Some(token) = lexer.next() {
        match token {
            Token::Word(word) => out.push(word),
            Token::Operator(raw) => out.push(Word { raw: raw.to_owned(), line: lexer.line }),
            Token::Newline | Token::Open(_) => {}
        }
    }
    out
}

/// Reads text as a sequence of commands. Keywords are dropped, so conditions and loops are lost
/// and all that is in them counts as possible.
pub(super) fn commands(text: &str, first: u32) -> Script {
    let mut lexer = Lexer { text, at: 0, line: first };
    let mut reader = Loose::default();
    while let Some(token) = lexer.next() {
        match token {
            Token::Word(word) => reader.word(word, &mut lexer),
            Token::Operator(op) => reader.operator(op, &mut lexer),
            Token::Newline => {
                reader.end_statement();
                reader.here_documents(&mut lexer);
            }
            Token::Open(line) => {
                reader.troubles.push((line, Trouble::Unclosed));
            }
        }
    }
    reader.end_statement();
    Script { body: reader.body, troubles: reader.troubles }
}

/// Words that are not read here as a shell reads them.
const STRUCTURE: &[&str] = &["for", "case", "function", "select", "coproc", "[[", "time"];

/// Reads text that holds nothing but simple commands, pipelines and lists: there the words say it
/// all, and the grammar would say the same at ten times the cost. None where there is more to it.
pub(super) fn exact(text: &str, first: u32) -> Option<Script> {
    let mut lexer = Lexer { text, at: 0, line: first };
    let mut reader = Loose::default();
    while let Some(token) = lexer.next() {
        match token {
            Token::Word(word) => {
                let starts = reader.current.words.is_empty();
                let raw = word.raw.as_str();
                if starts && (KEYWORDS.contains(&raw) || STRUCTURE.contains(&raw)) || raw.starts_with("((") {
                    return None;
                }
                reader.word(word, &mut lexer);
            }
            Token::Operator("(" | ")" | "<<" | "<<-" | ";;" | ";&" | ";;&") => return None,
            Token::Operator("&") if !reader.chain.is_empty() => return None,
            Token::Operator(op) => {
                reader.operator(op, &mut lexer);
                if !reader.pending.is_empty() {
                    return None;
                }
            }
            Token::Newline => reader.end_statement(),
            Token::Open(_) => return None,
        }
        if !reader.pending.is_empty() {
            return None;
        }
    }
    // An operator at the end waits for what never comes.
    if reader.join.is_some() && reader.current == Simple::default() {
        return None;
    }
    reader.end_statement();
    Some(Script { body: reader.body, troubles: reader.troubles })
}

enum Token<'t> {
    Word(Word),
    Operator(&'t str),
    Newline,
    /// Something opens on this line and is never closed.
    Open(u32),
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: u32,
}

impl<'t> Lexer<'t> {
    fn next(&mut self) -> Option<Token<'t>> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at)? {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if bytes.get(self.at + 1) == Some(&b'\n') => {
                    self.at += 2;
                    self.line += 1;
                }
                b'#' => self.at += memchr::memchr(b'\n', &bytes[self.at..]).unwrap_or(bytes.len() - self.at),
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    return Some(Token::Newline);
                }
                _ => break,
            }
        }
        let rest = &self.text[self.at..];
        if !rest.starts_with("<(") && !rest.starts_with(">(") {
            const OPERATORS: &[&str] = &[
                ";;&", "<<<", "<<-", "&>>", "&&", "||", "|&", ";;", ";&", "<<", ">>", "<>", ">|", "&>", ">&",
                "<&", ";", "&", "|", "<", ">", "(", ")",
            ];
            if let Some(op) = OPERATORS.iter().find(|op| rest.starts_with(**op)) {
                self.at += op.len();
                return Some(Token::Operator(op));
            }
        }
        let start = self.at;
        let line = self.line;
        let (end, ok) = scan::word_end(bytes, start);
        if !ok {
            // Go on at the next line: what follows may be sound.
            let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |n| start + n);
            self.at = end.max(start + 1);
            while !self.text.is_char_boundary(self.at) {
                self.at += 1;
            }
            return Some(Token::Open(line));
        }
        // A byte that is neither a word's nor an operator's cannot be; never stand still.
        self.at = end.max(start + 1);
        let raw = self.text.get(start..self.at).unwrap_or_default().to_owned();
        self.line += memchr::memchr_iter(b'\n', raw.as_bytes()).count() as u32;
        Some(Token::Word(Word { raw, line }))
    }

    /// Lines up to the delimiter, which is consumed.
    fn lines_until(&mut self, delimiter: &str, strip: bool) -> String {
        let mut body = String::new();
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let end = rest.find('\n').map_or(rest.len(), |n| n + 1);
            let line = &rest[..end];
            self.at += end;
            self.line += 1;
            let shown = if strip { line.trim_start_matches('\t') } else { line };
            if shown.trim_end_matches(['\n', '\r']) == delimiter {
                break;
            }
            body.push_str(shown);
        }
        body
    }
}

#[derive(Default)]
struct Loose {
    body: Vec<Node>,
    troubles: Vec<(u32, Trouble)>,
    chain: Vec<(Chain, Node)>,
    current: Simple,
    join: Option<Chain>,
    /// Delimiters of here-documents whose bodies start on the next line.
    pending: Vec<(Word, bool)>,
}

impl Loose {
    fn word(&mut self, word: Word, lexer: &mut Lexer<'_>) {
        let fresh = self.current.words.is_empty();
        if fresh && KEYWORDS.contains(&word.raw.as_str()) {
            return;
        }
        if fresh && matches!(word.raw.as_str(), "for" | "case" | "function" | "select") {
            // Up to the end of the line or the `;`: names and lists, no commands.
            let end = lexer.text[lexer.at..].find(['\n', ';', '{']).unwrap_or(lexer.text.len() - lexer.at);
            lexer.at += end;
            return;
        }
        if self.current.words.is_empty() && self.current.assigns.is_empty() {
            self.current.line = word.line;
        }
        if fresh && let Some(assign) = assignment(&word.raw, word.line) {
            self.current.assigns.push(assign);
            return;
        }
        // `2>file`: the number belongs to the operator.
        let digits = word.raw.bytes().all(|b| b.is_ascii_digit());
        if digits && matches!(lexer.text.as_bytes().get(lexer.at), Some(b'<' | b'>')) {
            if let Some(Token::Operator(op)) = lexer.next() {
                self.redirect(word.raw.parse().ok(), op, lexer);
            }
            return;
        }
        self.current.words.push(word);
    }

    fn operator(&mut self, op: &str, lexer: &mut Lexer<'_>) {
        match op {
            "&&" => self.end_command(Some(Chain::And)),
            "||" => self.end_command(Some(Chain::Or)),
            "|" | "|&" => self.end_command(Some(Chain::Pipe)),
            "&" => {
                self.end_command(None);
                if let Some((join, node)) = self.chain.pop() {
                    self.chain.push((join, Node::Background(Box::new(node))));
                }
                self.end_statement();
            }
            ";" | ";;" | ";&" | ";;&" => self.end_statement(),
            "(" => {
                // `name()` opens a function: no command.
                if self.current.words.len() == 1 {
                    self.current = Simple::default();
                }
                self.end_statement();
            }
            ")" => {
                // A lone word before `)` is a pattern of a `case`.
                if self.current.words.len() == 1 && self.chain.is_empty() {
                    self.current = Simple::default();
                }
                self.end_statement();
            }
            _ => self.redirect(None, op, lexer),
        }
    }

    fn redirect(&mut self, fd: Option<u32>, op: &str, lexer: &mut Lexer<'_>) {
        let Some(Token::Word(target)) = lexer.next() else { return };
        let kind = match op {
            "<<<" => {
                self.current.redirects.push(Redirect::HereString(target));
                return;
            }
            "<<" | "<<-" => {
                self.pending.push((target, op == "<<-"));
                return;
            }
            "<" => RedirectOp::Read,
            ">" | ">|" => RedirectOp::Write,
            ">>" => RedirectOp::Append,
            "<>" => RedirectOp::ReadWrite,
            "&>" => RedirectOp::Both { append: false },
            "&>>" => RedirectOp::Both { append: true },
            _ => RedirectOp::Duplicate,
        };
        self.current.redirects.push(file_redirect(fd, kind, target));
    }

    fn end_command(&mut self, next: Option<Chain>) {
        let simple = std::mem::take(&mut self.current);
        let join = self.join.take().unwrap_or(Chain::Start);
        if !simple.words.is_empty() || !simple.assigns.is_empty() || !simple.redirects.is_empty() {
            self.chain.push((join, Node::Simple(simple)));
        }
        self.join = next;
    }

    fn end_statement(&mut self) {
        // A line that ends in an operator goes on in the next one.
        if self.current.words.is_empty() && self.current.assigns.is_empty() && self.join.is_some() {
            return;
        }
        self.end_command(None);
        if !self.chain.is_empty() {
            self.body.push(rebuild(std::mem::take(&mut self.chain)));
        }
    }

    fn here_documents(&mut self, lexer: &mut Lexer<'_>) {
        for (word, strip) in std::mem::take(&mut self.pending) {
            let delimiter: String = word.raw.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
            let line = lexer.line;
            let text = lexer.lines_until(&delimiter, strip);
            let expand = delimiter == word.raw;
            if let Some(last) = self.body.last_mut() {
                give_first(last, Redirect::HereDoc { text, expand, line });
            }
        }
    }
}

/// A here-document belongs to the command it was written behind, which in a pipeline is most
/// often the first.
fn give_first(node: &mut Node, redirect: Redirect) {
    match node {
        Node::Pipeline(stages) if !stages.is_empty() => give_first(&mut stages[0], redirect),
        Node::List(first, _) => give_first(first, redirect),
        other => attach(other, vec![redirect], Vec::new()),
    }
}
