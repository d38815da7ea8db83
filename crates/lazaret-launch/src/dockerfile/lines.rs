//! From a text to instructions, going on behind what cannot be read.

use std::collections::BTreeMap;

use lazaret_model::Location;
use parse_dockerfile::Dockerfile;

use crate::Plan;

/// Instructions that cannot be read, at most.
const BROKEN: usize = 64;

/// A text with the positions of its lines.
pub(super) struct Lines<'t> {
    pub text: std::cell::OnceCell<String>,
    original: &'t str,
    file: &'t str,
    /// Whether a `FROM` was put in front of a text that has none.
    shifted: std::cell::Cell<bool>,
    /// Here-documents behind a command (`RUN python3 <<EOF`), by the line of their `RUN`, with
    /// their closing words. The parser knows those alone that stand in the command's place.
    behind: std::cell::RefCell<BTreeMap<usize, String>>,
}

impl<'t> Lines<'t> {
    pub fn new(original: &'t str, file: &'t str) -> Self {
        Self {
            text: std::cell::OnceCell::new(),
            original,
            file,
            shifted: std::cell::Cell::new(false),
            behind: std::cell::RefCell::default(),
        }
    }

    /// The here-documents behind the command of the `RUN` at an offset.
    pub fn documents(&self, offset: usize) -> Option<String> {
        self.behind.borrow().get(&self.row(offset)).cloned()
    }

    fn row(&self, offset: usize) -> usize {
        let text = self.text.get().map_or(self.original, String::as_str);
        text.get(..offset).unwrap_or_default().bytes().filter(|&b| b == b'\n').count()
    }

    pub fn place(&self, offset: usize, key: &str) -> Location {
        let line = self.row(offset) + 1 - usize::from(self.shifted.get());
        let line = u32::try_from(line.max(1)).unwrap_or(u32::MAX);
        Location::Launch { file: Some(self.file.to_owned()), line: Some(line), key: key.to_owned() }
    }

    fn at_line(&self, line: usize) -> Location {
        let line =
            u32::try_from(line.saturating_sub(usize::from(self.shifted.get())).max(1)).unwrap_or(u32::MAX);
        Location::Launch { file: Some(self.file.to_owned()), line: Some(line), key: "instruction".to_owned() }
    }
}

/// The instructions of a text. What cannot be read is blanked, line by line, and told.
pub(super) fn read<'l>(lines: &'l Lines<'_>, plan: &mut Plan) -> Option<Dockerfile<'l>> {
    let mut text = lines.original.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let is_from = |line: &str| {
        line.trim_start()
            .get(..5)
            .is_some_and(|w| w.eq_ignore_ascii_case("FROM ") || w.eq_ignore_ascii_case("FROM\t"))
    };
    if !text.lines().any(is_from) {
        text.insert_str(0, "FROM scratch\n");
        lines.shifted.set(true);
        plan.note(lines.at_line(1), "no FROM stands in it: what it is built on is not known", false);
    }
    let behind = take_documents(&mut text);
    *lines.behind.borrow_mut() = behind;
    for _ in 0..BROKEN {
        let (line, what) = match parse_dockerfile::parse(&text) {
            Ok(_) => break,
            Err(error) => (error.line(), error.to_string()),
        };
        plan.note(lines.at_line(line), format!("this instruction was not understood: {what}"), false);
        if !blank(&mut text, line) {
            break;
        }
    }
    let text = lines.text.get_or_init(|| text);
    match parse_dockerfile::parse(text) {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            let what = format!("too much of it cannot be read as a Dockerfile: {error}");
            plan.note(lines.at_line(error.line()), what, true);
            None
        }
    }
}

/// Takes here-documents that stand behind a command out of the text, so that their lines are not
/// read as instructions.
fn take_documents(text: &mut String) -> BTreeMap<usize, String> {
    let mut rows: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut found = BTreeMap::new();
    let mut at = 0;
    while at < rows.len() {
        let begin = at;
        let mut whole = rows[at].clone();
        while whole.trim_end().ends_with('\\') && at + 1 < rows.len() {
            at += 1;
            whole.push('\n');
            whole.push_str(&rows[at]);
        }
        at += 1;
        let bare = whole.trim_start();
        let is_run = bare.get(..3).is_some_and(|w| w.eq_ignore_ascii_case("RUN"));
        let command = bare.get(3..).unwrap_or_default().trim_start();
        if !is_run || command.starts_with("<<") || !command.contains("<<") {
            continue;
        }
        let mut body = String::new();
        let mut row = at;
        for (word, tabs) in delimiters(command) {
            let closes = |line: &String| {
                let line = if tabs { line.trim_start_matches('\t') } else { line.as_str() };
                line == word
            };
            let Some(length) = rows[row..].iter().position(closes) else { break };
            for line in &rows[row..=row + length] {
                body.push_str(line);
                body.push('\n');
            }
            row += length + 1;
        }
        if row > at {
            rows[at..row].iter_mut().for_each(String::clear);
            found.insert(begin, body);
            at = row;
        }
    }
    *text = rows.join("\n");
    found
}

/// The closing words of a command's here-documents, and whether tabs in front of them count not.
fn delimiters(command: &str) -> Vec<(String, bool)> {
    let mut out = Vec::new();
    let mut rest = command;
    while let Some((_, after)) = rest.split_once("<<") {
        rest = after;
        // `<<<` hands over a text, `1 << 2` is arithmetic.
        if let Some(text) = after.strip_prefix('<') {
            rest = text;
            continue;
        }
        let (tabs, word) = after.strip_prefix('-').map_or((false, after), |word| (true, word));
        let end = word.find(|c: char| c.is_whitespace() || ";|&<>()".contains(c)).unwrap_or(word.len());
        let word = word[..end].trim_matches(['"', '\'']);
        if !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && out.len() < 16
        {
            out.push((word.to_owned(), tabs));
        }
    }
    out
}

/// Blanks the instruction that holds a line, counted from 1. False where nothing is left to blank.
fn blank(text: &mut String, line: usize) -> bool {
    let mut rows: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut at = line.saturating_sub(1).min(rows.len().saturating_sub(1));
    // An error at the end of the text is about the last instruction.
    while at > 0 && rows[at].trim().is_empty() {
        at -= 1;
    }
    // Back to where the instruction begins: the line before it does not continue.
    while at > 0 && rows[at - 1].trim_end().ends_with('\\') {
        at -= 1;
    }
    let mut changed = false;
    while let Some(row) = rows.get_mut(at) {
        let continues = row.trim_end().ends_with('\\');
        changed |= !row.is_empty();
        row.clear();
        at += 1;
        if !continues {
            break;
        }
    }
    *text = rows.join("\n");
    changed
}
