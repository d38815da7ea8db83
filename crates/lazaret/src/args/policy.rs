use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{BudgetArgs, RuleArgs, SourceArgs};

/// What is done with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Tell what a policy decides about an image: which rule does, and why each before it does not.
    ///
    /// Exit codes: 0 it comes in, 1 it is refused, 2 wrong use or failure.
    Explain(Box<PolicyExplainArgs>),
    /// Read a policy and tell what is wrong with it, which rules have run out, and which are never
    /// reached.
    Check {
        /// The policy.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// `lazaret policy explain`.
#[derive(Debug, Args)]
pub struct PolicyExplainArgs {
    /// The image, in any form that `lazaret scan` takes. It is judged, or its verdict is taken from
    /// the store.
    #[arg(value_name = "REF")]
    pub reference: String,
    /// The policy; without one the default policy.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The name under which the image would be asked for; needed where REF is none of a registry.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// How the image is run: the words of `docker run …` in one argument.
    #[arg(long = "as", value_name = "WORDS")]
    pub run_as: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
}
