use std::path::PathBuf;

use clap::Args;

use super::{BudgetArgs, FailOn, RuleArgs, SourceArgs};

/// `lazaret hunt`.
#[derive(Debug, Args)]
pub struct HuntArgs {
    /// What to judge: registry:HOST (every repository that it lists), HOST/NAME (every tag),
    /// account:docker.io/NAME, account:quay.io/NAME, account:ghcr.io/NAME, folder:DIR (every layout and
    /// archive below it), list:FILE or - (one of these on each line), or an image in any form that
    /// `lazaret scan` takes.
    #[arg(required_unless_present = "metadata", value_name = "TARGET")]
    pub targets: Vec<String>,
    /// A file that says what sites say of repositories: account, description, times, pulls. Without
    /// TARGET, the images that it describes are judged.
    #[arg(long, value_name = "FILE")]
    pub metadata: Vec<PathBuf>,
    /// Only the newest N tags of each repository.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub tags: Option<u32>,
    /// Forget how far an earlier hunt over the same targets came, and look at everything again.
    #[arg(long)]
    pub fresh: bool,
    /// The verdict from which on the exit code is 1.
    #[arg(long, value_enum, default_value = "malicious", env = "LAZARET_FAIL_ON")]
    pub fail_on: FailOn,
    /// The exit code for that, instead of 1.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..), value_name = "N")]
    pub exit_code: u8,

    #[command(flatten)]
    pub output: HuntOutputArgs,
    #[command(flatten)]
    pub pace: PaceArgs,
    #[command(flatten)]
    pub sites: SiteArgs,
    #[command(flatten)]
    pub fleet: FleetArgs,
    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
}

/// What is printed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct HuntOutputArgs {
    /// Form: table or json.
    #[arg(short, long, default_value = "table")]
    pub format: String,
    /// Write to FILE instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Say nothing on standard error but errors.
    #[arg(short, long)]
    pub quiet: bool,
    /// Draw no progress bars.
    #[arg(long)]
    pub no_progress: bool,
}

/// How much is asked of registries and of this machine.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pace")]
pub struct PaceArgs {
    /// Images judged at the same time, each by a confined process of its own.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub at_once: u16,
    /// Requests in a second to one host at the most; 0 sets no limit.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub rate: u32,
    /// Seconds for which a registry may be silent, or ask to be left alone, before the hunt pauses.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub patience: u64,
    /// Names asked for in one page of a registry's list.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub page: u32,
}

/// Where accounts are listed. Tokens come from LAZARET_HUB_TOKEN, LAZARET_QUAY_TOKEN and
/// LAZARET_GITHUB_TOKEN.
#[derive(Debug, Args)]
#[command(next_help_heading = "Accounts")]
pub struct SiteArgs {
    /// Docker Hub's API.
    #[arg(long, value_name = "URL", default_value = "https://hub.docker.com", env = "LAZARET_HUB_URL")]
    pub hub_url: String,
    /// Quay's API.
    #[arg(long, value_name = "URL", default_value = "https://quay.io", env = "LAZARET_QUAY_URL")]
    pub quay_url: String,
    /// GitHub's API.
    #[arg(long, value_name = "URL", default_value = "https://api.github.com", env = "LAZARET_GITHUB_URL")]
    pub github_url: String,
    /// Fetch what REGISTRY serves from a mirror of yours.
    #[arg(long = "mirror", value_name = "REGISTRY=URL")]
    pub mirrors: Vec<String>,
}

/// Who judges.
#[derive(Debug, Args)]
#[command(next_help_heading = "Fleet")]
pub struct FleetArgs {
    /// Put the images into the queue of the store, for `lazaret worker` on any number of machines,
    /// instead of judging them here.
    #[arg(long)]
    pub queue: bool,
    /// Follow the fleet until it is done.
    #[arg(long, requires = "queue")]
    pub wait: bool,
}
