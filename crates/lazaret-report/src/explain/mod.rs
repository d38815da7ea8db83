//! The story of an image in the forms that people and programs read it in.

mod events;
mod markdown;
mod text;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use lazaret_model::Report;

pub(crate) use markdown::step as markdown_step;
pub(crate) use text::{Page, Tone};

use crate::Options;

/// A form that a story can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoryFormat {
    /// Text for a person at a terminal.
    Text,
    /// Markdown.
    Markdown,
    /// What happens, as events in Sigma's field names, one JSON object a line:
    /// `docs/schema/event-v1.schema.json`.
    Json,
}

/// A word that names no form of a story.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a form of a story: choose one of text, markdown, json, html")]
pub struct UnknownStoryFormatError(String);

impl StoryFormat {
    /// The word for flags.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for StoryFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for StoryFormat {
    type Err = UnknownStoryFormatError;

    fn from_str(text: &str) -> Result<Self, UnknownStoryFormatError> {
        Ok(match text {
            "text" | "terminal" | "table" | "plain" => Self::Text,
            "markdown" | "md" => Self::Markdown,
            "json" | "jsonl" | "json-lines" | "ndjson" => Self::Json,
            other => return Err(UnknownStoryFormatError(other.to_owned())),
        })
    }
}

/// Writes the story of each image of `reports`.
///
/// # Errors
/// Only those of `out`.
pub fn explain(
    format: StoryFormat,
    reports: &[Report],
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = match format {
        StoryFormat::Text => text::render(reports, options),
        StoryFormat::Markdown => markdown::render(reports),
        StoryFormat::Json => events::render(reports),
    };
    out.write_all(text.as_bytes())
}
