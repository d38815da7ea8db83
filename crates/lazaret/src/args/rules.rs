use std::path::PathBuf;

use clap::Subcommand;

/// `lazaret rules`.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// List the rules.
    List {
        /// A directory with rules of your own.
        #[arg(long, value_name = "DIR")]
        rules: Vec<PathBuf>,
    },
    /// Explain a rule.
    #[command(visible_alias = "show")]
    Explain {
        /// Its id.
        id: String,
        /// A directory with rules of your own.
        #[arg(long, value_name = "DIR")]
        rules: Vec<PathBuf>,
    },
    /// Write the frame of a new rule.
    New {
        /// Its id: tactic/what-is-seen.
        id: String,
        /// A Sigma rule over behaviour instead of a YARA rule over bytes.
        #[arg(long)]
        sigma: bool,
        /// The directory with your rules.
        #[arg(long, value_name = "DIR", default_value = "rules")]
        into: PathBuf,
    },
    /// Check rules of your own: they compile, say what they are, and fire on their examples and
    /// on none of their near-misses.
    Check {
        /// The directory.
        directory: PathBuf,
    },
}
