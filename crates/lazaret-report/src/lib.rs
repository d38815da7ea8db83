//! Reports: what Lazaret says, in the form that the reader needs.
//!
//! [`render`] is pure and deterministic: the same reports give the same bytes. Text from an image
//! is raw in the model; every renderer neutralises it in the way its format needs (escapes for
//! control and bidirectional characters everywhere, HTML, XML and Markdown escaping on top), and
//! none writes a link that leads to an address found in an image.

mod campaign;
mod chain;
mod diff;
mod explain;
mod fingerprint;
mod fold;
mod gitlab;
mod html;
mod html_story;
mod json;
mod json_text;
mod junit;
mod markdown;
mod sarif;
mod sheet;
mod story;
mod svg;
mod terminal;
mod words;
mod wrap;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use lazaret_model::Report;

pub use campaign::{
    CampaignFormat, PackFile, UnknownCampaignFormatError, campaign_pack, campaign_pulls, campaign_span,
    render_campaign,
};
pub use diff::{
    Area, Change, ChangeOutcome, Comparison, DiffFormat, Difference, UnknownDiffFormatError, compare,
    write_difference,
};
pub use explain::{StoryFormat, UnknownStoryFormatError, explain};
pub use json_text::pretty as json_document;
pub use story::{Chapter, Charge, Mark, Piece, Sentence, Step, Story, tell};

/// A form that a report can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text for a person at a terminal, the verdict first.
    Terminal,
    /// One JSON document, `docs/schema/report-v1.schema.json`.
    Json,
    /// One JSON object on each line, the same objects in pieces.
    JsonLines,
    /// SARIF 2.1.0, inside the limits of GitHub's code scanning.
    Sarif,
    /// Markdown for a comment on a pull request.
    Markdown,
    /// JUnit XML, one test suite for each image.
    Junit,
    /// GitLab's container-scanning report, `gl-container-scanning-report.json`.
    GitLab,
    /// One self-contained page.
    Html,
}

/// A word that names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a format: choose one of terminal, json, jsonl, sarif, markdown, junit, gitlab, html")]
pub struct UnknownFormatError(String);

impl Format {
    /// Every format, in the order in which help lists them.
    pub const ALL: [Self; 8] = [
        Self::Terminal,
        Self::Json,
        Self::JsonLines,
        Self::Sarif,
        Self::Markdown,
        Self::Junit,
        Self::GitLab,
        Self::Html,
    ];

    /// The word for flags and documentation.
    pub fn word(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Json => "json",
            Self::JsonLines => "jsonl",
            Self::Sarif => "sarif",
            Self::Markdown => "markdown",
            Self::Junit => "junit",
            Self::GitLab => "gitlab",
            Self::Html => "html",
        }
    }

    /// Every word, in the order of [`Format::ALL`], for a flag's list of values.
    pub fn words() -> [&'static str; 8] {
        Self::ALL.map(Self::word)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Format {
    type Err = UnknownFormatError;

    /// Takes [`Format::word`] and the names under which other scanners know the same thing.
    fn from_str(text: &str) -> Result<Self, UnknownFormatError> {
        Ok(match text {
            "terminal" | "table" | "text" | "plain" => Self::Terminal,
            "json" => Self::Json,
            "jsonl" | "json-lines" | "jsonlines" | "ndjson" => Self::JsonLines,
            "sarif" => Self::Sarif,
            "markdown" | "md" => Self::Markdown,
            "junit" | "junit-xml" => Self::Junit,
            "gitlab" | "gitlab-container-scanning" => Self::GitLab,
            "html" => Self::Html,
            other => return Err(UnknownFormatError(other.to_owned())),
        })
    }
}

/// How to write a report. What it says does not depend on these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether the terminal form may use colour. The caller knows `NO_COLOR` and the terminal.
    pub color: bool,
    /// Columns of the terminal; less than 40 counts as 40.
    pub width: usize,
    /// Whether people are shown findings that an ignore file took out of the verdict. Machine
    /// formats that can mark them as suppressed (JSON, SARIF) always carry them.
    pub show_ignored: bool,
    /// 0: what is needed; 1: every finding, all evidence and the behaviours; 2: full digests too.
    pub verbose: u8,
    /// Whether to leave out what differs between two runs (timing).
    pub reproducible: bool,
    /// Version of the program, as reports name it.
    pub tool_version: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            color: false,
            width: 80,
            show_ignored: false,
            verbose: 0,
            reproducible: false,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Writes `reports` in `format`.
///
/// # Errors
/// Only those of `out`.
pub fn render(format: Format, reports: &[Report], options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let text = match format {
        Format::Terminal => terminal::render(reports, options),
        Format::Json => json::document(reports, options),
        Format::JsonLines => json::lines(reports, options),
        Format::Sarif => sarif::render(reports, options),
        Format::Markdown => markdown::render(reports, options),
        Format::Junit => junit::render(reports, options),
        Format::GitLab => gitlab::render(reports, options),
        Format::Html => html::render(reports, options),
    };
    out.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_word_names_its_format_and_no_other_word_names_one() {
        for format in Format::ALL {
            assert_eq!(format.word().parse(), Ok(format));
        }
        assert_eq!("md".parse(), Ok(Format::Markdown));
        let error = "pdf".parse::<Format>().unwrap_err().to_string();
        for word in Format::words() {
            assert!(error.contains(word), "{error}");
        }
    }
}
