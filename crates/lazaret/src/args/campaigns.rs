use clap::{Args, Subcommand};

use super::FeedArgs;

/// `lazaret campaigns`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CampaignsArgs {
    #[command(subcommand)]
    pub command: Option<CampaignsCommand>,
    /// Leave out campaigns of fewer images.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub min_members: usize,
    #[command(flatten)]
    pub common: CampaignsCommon,
    #[command(flatten)]
    pub feeds: FeedArgs,
}

/// What all of them take.
#[derive(Debug, Args)]
pub struct CampaignsCommon {
    /// Where facts and verdicts are kept.
    #[arg(long, value_name = "URL", env = "LAZARET_STORE")]
    pub store: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What surrounds the list.
#[derive(Debug, Subcommand)]
pub enum CampaignsCommand {
    /// Say why two images are tied, or what they share that is not enough.
    Why {
        /// An image that was judged: its repository, with or without registry and tag, as it is listed or
        /// as it lies on the disk; or as much of its digest as no other shares.
        #[arg(value_name = "IMAGE")]
        a: String,
        /// Another one.
        #[arg(value_name = "IMAGE")]
        b: String,
        #[command(flatten)]
        common: CampaignsCommon,
        #[command(flatten)]
        feeds: FeedArgs,
    },
    /// Say that something ties nobody: `KIND VALUE` for an indicator, `account NAME` for a mirror or an
    /// organisation of many, `pair REPOSITORY REPOSITORY` for two that have nothing to do with each other.
    Refute(RefuteArgs),
    /// List what people refuted.
    Refuted {
        #[command(flatten)]
        common: CampaignsCommon,
    },
}

/// `lazaret campaigns refute`.
#[derive(Debug, Args)]
pub struct RefuteArgs {
    /// wallet, pool, pool-login, host, url, ssh-key, script-hash, elf-hash, fuzzy-hash, layer,
    /// environment, label or builder-trace, and its value as `lazaret campaigns why --json` shows it; or
    /// `account` and a name as `lazaret campaigns` shows it; or `pair` and two repositories.
    #[arg(num_args = 2..=3, required = true, value_name = "WORD")]
    pub what: Vec<String>,
    /// Why: for whoever reads it later.
    #[arg(long, value_name = "TEXT", required_unless_present = "take_back")]
    pub reason: Option<String>,
    /// Who decides.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "unknown")]
    pub author: String,
    /// Forget the refutation instead.
    #[arg(long)]
    pub take_back: bool,
    #[command(flatten)]
    pub common: CampaignsCommon,
    #[command(flatten)]
    pub feeds: FeedArgs,
}
