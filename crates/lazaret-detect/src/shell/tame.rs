//! Changes a text where the grammar is narrower than the shells are, so that one such place does not
//! end its reading of all that follows. The length stays, and so do lines and columns.

use std::borrow::Cow;

use tree_sitter::Tree;

/// What stands for a pattern that the grammar cannot read: a value that nobody knows.
const UNKNOWN_PATTERN: &str = "\"$RANDOM\"";

/// Text of which the grammar reads all that a shell does, each place where it was.
pub(super) fn constructs(text: &str) -> Cow<'_, str> {
    let mut out = patterns(text);
    for at in ends_that_fall(&out) {
        let resumes = out[..at].ends_with(';');
        let (range, end) = if resumes { (at + 1..at + 2, " ") } else { (at..at + 2, ";;") };
        out.to_mut().replace_range(range, end);
    }
    out
}

/// Where a `;&` (also of a `;;&`) ends the last arm of a `case`: it falls to nothing, and the grammar
/// does not know it there.
fn ends_that_fall(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(";&") {
        let after = text[at + 2..].trim_start();
        if after.strip_prefix("esac").is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric())) {
            found.push(at);
        }
    }
    found
}

/// A pattern that mixes quotes with groups (`[[ $a =~ "$b"=(.*) ]]`) ends the grammar's reading of
/// all that follows. It is replaced by a value that is not known, of the same length, so that each
/// place in the text stays where it was.
fn patterns(text: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(text);
    let mut from = 0;
    while let Some(at) = text[from..].find(" =~ ") {
        let begin = from + at + " =~ ".len();
        let line = text[begin..].lines().next().unwrap_or_default();
        let pattern = line.split(" ]]").next().filter(|pattern| pattern.len() < line.len());
        if let Some(pattern) = pattern
            && pattern.contains('(')
            && pattern.contains(['"', '\''])
            && pattern.len() >= UNKNOWN_PATTERN.len()
            && !pattern.contains(" && ")
            && !pattern.contains(" || ")
        {
            let end = begin + pattern.len();
            let unknown = format!("{UNKNOWN_PATTERN:<width$}", width = pattern.len());
            out.to_mut().replace_range(begin..end, &unknown);
        }
        from = begin;
    }
    out
}

/// A text in which comments between backticks are blanks.
pub(super) struct WithoutComments {
    pub text: String,
    /// Where they stood.
    places: Vec<(usize, usize)>,
}

/// Takes out what people write to put a comment into a long command: a pair of backticks that hold
/// a comment and nothing else. The grammar reads such a comment to the end of its line. None where
/// there is no such thing.
pub(super) fn comments(text: &str) -> Option<WithoutComments> {
    let mut out = String::new();
    let mut places = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let mut kept = 0;
        while let Some((from, to)) = comment_in(&line[kept..]) {
            let (from, to) = (kept + from, kept + to);
            out.push_str(&line[kept..from]);
            out.extend(std::iter::repeat_n(' ', to - from));
            places.push((start + from, start + to));
            kept = to;
        }
        out.push_str(&line[kept..]);
        start += line.len();
    }
    (!places.is_empty()).then_some(WithoutComments { text: out, places })
}

/// The first pair of backticks around a comment in a line, as a word of its own.
fn comment_in(line: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(at) = line[from..].find('`').map(|at| from + at) {
        let inside = &line[at + 1..];
        let end = inside.find('`')?;
        let open = ['\'', '"'].iter().any(|quote| line[..at].matches(*quote).count() % 2 == 1);
        let alone = !open && (line[..at].ends_with([' ', '\t']) || line[..at].is_empty());
        let followed = inside[end + 1..].starts_with([' ', '\t', '\n', '\r']);
        if alone && followed && inside[..end].trim_start().starts_with('#') && !inside[..end].contains('\\') {
            return Some((at, at + 1 + end + 1));
        }
        from = at + 1 + end + 1;
    }
    None
}

impl WithoutComments {
    /// Whether none of what was taken out stands in quotes or in a document, where it would be no
    /// comment, as the grammar reads the text now.
    pub fn is_sound(&self, tree: &Tree) -> bool {
        let root = tree.root_node();
        let quoted = |&(from, to): &(usize, usize)| {
            let mut node = root.descendant_for_byte_range(from, to.saturating_sub(1));
            while let Some(inner) = node {
                if inner.kind().contains("string") || inner.kind().contains("heredoc") {
                    return true;
                }
                node = inner.parent();
            }
            false
        };
        !self.places.iter().any(quoted)
    }
}
