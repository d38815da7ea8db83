use std::path::PathBuf;

use clap::Args;

use super::ColorWhen;

/// `lazaret campaign`.
#[derive(Debug, Args)]
pub struct CampaignArgs {
    /// Its name, as `lazaret campaigns` lists it, or the beginning of it.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Form: text, json, markdown, stix (2.1), misp, graphml, csv (indicators), sigma and yara (packs
    /// of rules), abuse (a mail to the registry, addresses taken apart) or html.
    #[arg(short, long, default_value = "text")]
    pub format: String,
    /// Write to FILE instead of standard output; sigma and yara write one file for each rule into a
    /// folder, or all into one file where PATH ends in .yml or .yar.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// What wallets are said to have earned: JSON, or CSV with the columns wallet, amount, currency,
    /// usd, as_of, source. No pool is ever asked.
    #[arg(long, value_name = "FILE")]
    pub wallets: Option<PathBuf>,
    /// Where facts and verdicts are kept.
    #[arg(long, value_name = "URL", env = "LAZARET_STORE")]
    pub store: Option<String>,
    /// Show everything: every moment, every tie, every place.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Use colours.
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: ColorWhen,
    /// Use no colours.
    #[arg(long, conflicts_with = "color")]
    pub no_color: bool,
}
