//! Campaigns: what one actor's images have in common, told to whoever must act.
//!
//! Every form is a pure function of the campaign: no clock, no network, everything in a fixed
//! order. Names, pages, evidence and indicators are the actor's own text, so each form neutralises
//! control and bidirectional characters and escapes what its readers would act on.

mod abuse;
mod csv;
mod defang;
mod drawing;
mod family;
mod graph;
mod graphml;
mod html;
mod json;
mod lifelines;
mod markdown;
mod members;
mod misp;
mod shape;
mod sigma;
mod stix;
mod techniques;
mod terms;
mod text;
mod yara;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use lazaret_model::{Campaign, visible};

pub use members::{pulls as campaign_pulls, span as campaign_span};
pub use terms::PackFile;

use crate::Options;

/// A form that a campaign can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CampaignFormat {
    /// The story for a person at a terminal.
    Text,
    /// One JSON document, `docs/schema/campaign-v1.schema.json`.
    Json,
    /// The story for an issue or a wiki.
    Markdown,
    /// A STIX 2.1 bundle.
    Stix,
    /// A MISP event.
    Misp,
    /// The graph of images, accounts and indicators.
    GraphMl,
    /// A table of indicators.
    Csv,
    /// Sigma rules: several documents in one stream, or a folder by [`campaign_pack`].
    Sigma,
    /// YARA rules: several in one text, or a folder by [`campaign_pack`].
    Yara,
    /// A mail to the abuse desk of a registry, addresses taken apart.
    Abuse,
    /// One self-contained page with the graph and the timeline drawn.
    Html,
}

/// A word that names no form of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no form of a campaign: choose one of {}", visible(.0), CampaignFormat::ALL.map(CampaignFormat::word).join(", "))]
pub struct UnknownCampaignFormatError(String);

impl CampaignFormat {
    /// Every form, in the order in which help lists them.
    pub const ALL: [Self; 11] = [
        Self::Text,
        Self::Json,
        Self::Markdown,
        Self::Stix,
        Self::Misp,
        Self::GraphMl,
        Self::Csv,
        Self::Sigma,
        Self::Yara,
        Self::Abuse,
        Self::Html,
    ];

    /// The word for flags and documentation.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Markdown => "markdown",
            Self::Stix => "stix",
            Self::Misp => "misp",
            Self::GraphMl => "graphml",
            Self::Csv => "csv",
            Self::Sigma => "sigma",
            Self::Yara => "yara",
            Self::Abuse => "abuse",
            Self::Html => "html",
        }
    }
}

impl fmt::Display for CampaignFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for CampaignFormat {
    type Err = UnknownCampaignFormatError;

    /// Takes [`CampaignFormat::word`] and common other names of the same thing.
    fn from_str(text: &str) -> Result<Self, UnknownCampaignFormatError> {
        let word = match text {
            "terminal" | "plain" => "text",
            "md" => "markdown",
            "stix2" | "stix2.1" => "stix",
            other => other,
        };
        Self::ALL
            .into_iter()
            .find(|format| format.word() == word)
            .ok_or_else(|| UnknownCampaignFormatError(text.to_owned()))
    }
}

/// Writes `campaign` in `format`. Of the options, colour and width concern the text form only.
///
/// # Errors
/// Only those of `out`.
pub fn render_campaign(
    campaign: &Campaign,
    format: CampaignFormat,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = match format {
        CampaignFormat::Text => text::render(campaign, options),
        CampaignFormat::Json => json::render(campaign, options),
        CampaignFormat::Markdown => markdown::render(campaign, options),
        CampaignFormat::Stix => stix::render(campaign),
        CampaignFormat::Misp => misp::render(campaign),
        CampaignFormat::GraphMl => graphml::render(campaign),
        CampaignFormat::Csv => csv::render(campaign),
        CampaignFormat::Sigma => sigma::stream(campaign),
        CampaignFormat::Yara => yara::stream(campaign),
        CampaignFormat::Abuse => abuse::render(campaign, options),
        CampaignFormat::Html => html::render(campaign, options),
    };
    out.write_all(text.as_bytes())
}

/// The rule files of `campaign` where `format` is a pack of rules, sorted by name; none for the
/// other forms, which are one file. Empty where nothing of the campaign speaks for its actor by
/// itself.
pub fn campaign_pack(campaign: &Campaign, format: CampaignFormat) -> Option<Vec<PackFile>> {
    match format {
        CampaignFormat::Sigma => Some(sigma::files(campaign)),
        CampaignFormat::Yara => Some(yara::files(campaign)),
        _ => None,
    }
}
