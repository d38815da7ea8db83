//! YAML as a tree whose every node knows its line, within a budget.
//!
//! Aliases are copied and merge keys (`<<`) resolved, as compose and Kubernetes do. A text that
//! expands without bound ends in [`YamlError`]; nothing recurses deeper than [`DEPTH`].

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Nodes of one file, aliases copied.
const NODES: usize = 200_000;
/// Collections inside collections.
const DEPTH: usize = 64;
/// Bytes of text copied by aliases.
const COPIED: usize = 8 << 20;

/// A node and the line it begins at, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub line: u32,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A scalar, and whether it was written without quotes.
    Scalar(String, bool),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Where a text stops being YAML that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(crate) struct YamlError {
    pub line: u32,
    pub what: String,
}

impl Node {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            // The last of equal keys wins, as in the readers that the engines use.
            Kind::Map(pairs) => pairs.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
        .filter(|node| !node.is_null())
    }

    /// The value at a path of keys.
    pub fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// A scalar as true or false; YAML 1.1's other spellings count where they are not quoted.
    pub fn truth(&self) -> Option<bool> {
        let Kind::Scalar(text, _) = &self.kind else { return None };
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        }
    }

    /// The items of a list; of anything else none.
    pub fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The pairs of a map; of anything else none.
    pub fn pairs(&self) -> &[(String, Self)] {
        match &self.kind {
            Kind::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// A scalar, or the scalars of a list.
    pub fn texts(&self) -> Vec<String> {
        match &self.kind {
            Kind::Scalar(text, _) => vec![text.clone()],
            Kind::List(items) => items.iter().filter_map(|item| item.text().map(str::to_owned)).collect(),
            Kind::Map(_) => Vec::new(),
        }
    }

    /// Whether nothing is written there.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(text, true) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The whole as text without line breaks, for rules that look at it as words.
    pub fn flat(&self) -> String {
        let mut out = String::new();
        self.write_flat(&mut out);
        out
    }

    fn write_flat(&self, out: &mut String) {
        if out.len() > 1 << 16 {
            return;
        }
        match &self.kind {
            Kind::Scalar(text, _) => out.push_str(text),
            Kind::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { " " });
                    item.write_flat(out);
                }
            }
            Kind::Map(pairs) => {
                for (at, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { " " });
                    out.push_str(key);
                    out.push('=');
                    value.write_flat(out);
                }
            }
        }
    }

    /// Nodes and bytes of text.
    fn weight(&self) -> (usize, usize) {
        match &self.kind {
            Kind::Scalar(text, _) => (1, text.len()),
            Kind::List(items) => items.iter().fold((1, 0), |(n, b), item| {
                let (nodes, bytes) = item.weight();
                (n + nodes, b + bytes)
            }),
            Kind::Map(pairs) => pairs.iter().fold((1, 0), |(n, b), (key, value)| {
                let (nodes, bytes) = value.weight();
                (n + nodes + 1, b + bytes + key.len())
            }),
        }
    }
}

/// The key that waits for its value, and the pairs before it.
type OpenMap = (Option<String>, Vec<(String, Node)>);

/// A collection that is being read.
struct Open {
    line: u32,
    anchor: usize,
    items: Vec<Node>,
    /// None for a list; the key that waits for its value for a map.
    map: Option<OpenMap>,
}

/// The documents of a text. What stands before an error is given with it.
pub(crate) fn documents(text: &str) -> (Vec<Node>, Option<YamlError>) {
    let mut reader = Reader::default();
    let mut parser = Parser::new_from_str(text.trim_start_matches('\u{feff}'));
    while let Some(next) = parser.next_event() {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => {
                let line = u32::try_from(error.marker().line()).unwrap_or(u32::MAX);
                return (reader.documents, Some(YamlError { line, what: error.info().to_owned() }));
            }
        };
        let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX);
        if matches!(event, Event::StreamEnd) {
            break;
        }
        if let Err(what) = reader.take(event, line) {
            return (reader.documents, Some(YamlError { line, what: what.to_owned() }));
        }
    }
    (reader.documents, None)
}

#[derive(Default)]
struct Reader {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    copied: usize,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, line: u32) -> Result<(), &'static str> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err("the file has more parts than are read");
        }
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let kind = Kind::Scalar(text.into_owned(), style == ScalarStyle::Plain);
                self.put(Node { line, kind }, anchor);
            }
            Event::SequenceStart(anchor, _) => self.begin(line, anchor, None)?,
            Event::MappingStart(anchor, _) => self.begin(line, anchor, Some((None, Vec::new())))?,
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(done) = self.open.pop() else { return Err("a collection ends that never began") };
                let kind = match done.map {
                    None => Kind::List(done.items),
                    Some((_, pairs)) => Kind::Map(pairs),
                };
                self.put(Node { line: done.line, kind }, done.anchor);
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err("an alias stands inside what it names");
                };
                let (nodes, bytes) = node.weight();
                self.nodes += nodes;
                self.copied += bytes;
                if self.nodes > NODES || self.copied > COPIED {
                    return Err("aliases make more of the file than is read");
                }
                self.put(node, 0);
            }
            Event::DocumentStart(_) => self.anchors.clear(),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, line: u32, anchor: usize, map: Option<OpenMap>) -> Result<(), &'static str> {
        if self.open.len() >= DEPTH {
            return Err("the file is nested deeper than is read");
        }
        self.open.push(Open { line, anchor, items: Vec::new(), map });
        Ok(())
    }

    fn put(&mut self, node: Node, anchor: usize) {
        if anchor > 0 {
            let (nodes, bytes) = node.weight();
            self.nodes += nodes;
            self.copied += bytes;
            if self.nodes <= NODES && self.copied <= COPIED {
                self.anchors.insert(anchor, node.clone());
            }
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return;
        };
        match &mut open.map {
            None => open.items.push(node),
            Some((waiting, pairs)) => match waiting.take() {
                None => *waiting = Some(node.text().map_or_else(|| node.flat(), str::to_owned)),
                Some(key) if key == "<<" => merge(pairs, node),
                Some(key) => pairs.push((key, node)),
            },
        }
    }
}

/// `<<: *base`: keys of the base that the map does not have itself. Keys written later still win,
/// because the last of equal keys counts.
fn merge(pairs: &mut Vec<(String, Node)>, from: Node) {
    match from.kind {
        Kind::Map(base) => {
            let own: Vec<(String, Node)> = std::mem::take(pairs);
            *pairs = base;
            pairs.extend(own);
        }
        Kind::List(bases) => {
            // The first of several bases wins, so it is laid last.
            for base in bases.into_iter().rev().filter(|b| matches!(b.kind, Kind::Map(_))) {
                let own = std::mem::take(pairs);
                merge(pairs, base);
                pairs.extend(own);
            }
        }
        Kind::Scalar(..) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn anchors_merge_keys_and_lines_are_read() {
        let text = "x: &base\n  a: 1\n  b: two\ny:\n  <<: *base\n  b: 3\nz: [*base]\n";
        let (documents, error) = documents(text);
        assert_eq!(error, None);
        let doc = &documents[0];
        assert_eq!(doc.at(&["y", "a"]).unwrap().text(), Some("1"));
        assert_eq!(doc.at(&["y", "b"]).unwrap().text(), Some("3"));
        assert_eq!(doc.at(&["y", "b"]).unwrap().line, 6);
        assert_eq!(doc.get("z").unwrap().items()[0].get("b").unwrap().text(), Some("two"));
    }

    #[test]
    fn aliases_that_multiply_and_nesting_without_end_are_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            let list = vec![format!("*a{}", n - 1); 10].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{list}]\n"));
        }
        assert!(documents(&text).1.is_some());
        assert!(documents(&"[".repeat(100_000)).1.is_some());
        assert!(documents(&format!("{}x", "- ".repeat(10_000))).1.is_some());
    }

    #[test]
    fn documents_before_an_error_are_kept() {
        let (read, error) = documents("kind: Pod\n---\nkind: [\n");
        assert_eq!(read[0].get("kind").unwrap().text(), Some("Pod"));
        assert!(error.is_some());
    }
}
