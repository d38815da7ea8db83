use std::path::PathBuf;

use clap::Args;

use super::{BudgetArgs, LookArgs, RuleArgs, SourceArgs};

/// `lazaret explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The image, in any form that `lazaret scan` takes.
    #[arg(required_unless_present = "run_as", value_name = "REF")]
    pub references: Vec<String>,
    /// How the image is run: the words of `docker run …` in one argument, as for `lazaret scan`.
    #[arg(long = "as", value_name = "WORDS")]
    pub run_as: Option<String>,

    /// Form: text, markdown, json (events, one a line) or html.
    #[arg(short, long, default_value = "text")]
    pub format: String,
    /// Write to FILE instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Name every finding beside its line.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[command(flatten)]
    pub look: LookArgs,
    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
}
