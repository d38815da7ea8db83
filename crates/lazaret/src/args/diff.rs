use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{BudgetArgs, LookArgs, RuleArgs, SourceArgs};

/// From which change on `lazaret diff` exits with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOnChange {
    /// When the second can do anything that the first could not.
    More,
    /// When what is new is what attackers add.
    Alarming,
    /// Never.
    Never,
}

/// `lazaret diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The version before, in any form that `lazaret scan` takes.
    #[arg(value_name = "A")]
    pub from: String,
    /// The version now.
    #[arg(value_name = "B")]
    pub to: String,

    /// Form: text, markdown or json.
    #[arg(short, long, default_value = "text")]
    pub format: String,
    /// Write to FILE instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The change from which on the exit code is 1.
    #[arg(long, value_enum, default_value = "more")]
    pub fail_on: FailOnChange,
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
