//! Directives and the blocks below them.

use crate::RecipeError;

/// How far a block is indented.
const INDENT: &str = "    ";

/// A directive line with its block.
pub(crate) struct Directive<'a> {
    /// Line number, from one.
    pub line: usize,
    /// The first word.
    pub name: &'a str,
    /// What follows it, trimmed.
    pub rest: &'a str,
    /// The block's lines without their indent, each with its number.
    pub block: Vec<(usize, &'a str)>,
}

impl Directive<'_> {
    /// An error at this directive.
    pub fn error(&self, what: impl Into<String>) -> RecipeError {
        RecipeError::new(self.line, what)
    }

    /// The block as text; every line ends with a line end.
    pub fn block_text(&self) -> String {
        self.block.iter().flat_map(|(_, text)| [*text, "\n"]).collect()
    }

    /// Refuses a block where the directive takes none.
    pub fn no_block(&self) -> Result<(), RecipeError> {
        match self.block.first() {
            None => Ok(()),
            Some((line, _)) => Err(RecipeError::new(*line, format!("{} takes no indented lines", self.name))),
        }
    }
}

/// Splits numbered lines into directives.
pub(crate) fn directives<'a>(
    lines: impl Iterator<Item = (usize, &'a str)>,
) -> Result<Vec<Directive<'a>>, RecipeError> {
    let mut found: Vec<Directive<'a>> = Vec::new();
    for (line, text) in lines {
        if text.starts_with('#') {
            continue;
        }
        if text.trim().is_empty() {
            if let Some(last) = found.last_mut() {
                last.block.push((line, text.strip_prefix(INDENT).unwrap_or_default()));
            }
        } else if let Some(inner) = text.strip_prefix(INDENT) {
            match found.last_mut() {
                Some(last) => last.block.push((line, inner)),
                None => return Err(RecipeError::new(line, "an indented line before the first directive")),
            }
        } else if text.starts_with([' ', '\t']) {
            return Err(RecipeError::new(line, "indent a block by four spaces"));
        } else {
            let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            found.push(Directive { line, name, rest: rest.trim(), block: Vec::new() });
        }
    }
    for directive in &mut found {
        while directive.block.last().is_some_and(|(_, text)| text.trim().is_empty()) {
            directive.block.pop();
        }
    }
    Ok(found)
}
