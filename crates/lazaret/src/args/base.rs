use clap::{Args, Subcommand};

use super::SourceArgs;

/// `lazaret base`.
#[derive(Debug, Subcommand)]
pub enum BaseCommand {
    /// Record an image as a trusted base: scans then say what is built on it, and what only claims
    /// to be.
    Add(Box<BaseAddArgs>),
    /// List the recorded bases.
    List {
        /// Where facts and verdicts are kept.
        #[arg(long, value_name = "URL", env = "LAZARET_STORE")]
        store: Option<String>,
    },
    /// Forget a base.
    #[command(visible_alias = "rm")]
    Remove {
        /// Its name, as `lazaret base list` shows it.
        name: String,
        /// Where facts and verdicts are kept.
        #[arg(long, value_name = "URL", env = "LAZARET_STORE")]
        store: Option<String>,
    },
}

/// `lazaret base add`.
#[derive(Debug, Args)]
pub struct BaseAddArgs {
    /// The image, as for `lazaret scan`.
    #[arg(value_name = "REF")]
    pub reference: String,
    /// The name that images call it by, where it is not that of the reference.
    #[arg(long)]
    pub name: Option<String>,
    /// How it is reached.
    #[command(flatten)]
    pub source: SourceArgs,
}
