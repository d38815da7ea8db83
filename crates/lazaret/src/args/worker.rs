use clap::{Args, Subcommand};

use super::{BudgetArgs, FeedArgs, RuleArgs, SourceArgs};

/// `lazaret worker`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct WorkerArgs {
    #[command(subcommand)]
    pub command: Option<WorkerCommand>,
    #[command(flatten)]
    pub serve: WorkerServeArgs,
}

/// What surrounds a worker.
#[derive(Debug, Subcommand)]
pub enum WorkerCommand {
    /// Put images into the queue.
    Add(WorkerAddArgs),
    /// List what waits, what is being judged, what was judged and what was given up.
    List(WorkerListArgs),
}

/// `lazaret worker` itself.
#[derive(Debug, Args)]
pub struct WorkerServeArgs {
    /// Images judged at the same time, each by a confined process of its own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub at_once: u16,
    /// End when nothing is due.
    #[arg(long)]
    pub once: bool,
    /// Seconds after which an image is given to another worker if this one was silent.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub lease: u64,
    /// How often an image is tried before it is given up.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts: u32,
    /// Tell only errors.
    #[arg(short, long)]
    pub quiet: bool,

    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
}

/// `lazaret worker add`.
#[derive(Debug, Args)]
pub struct WorkerAddArgs {
    /// Images in registries; `-` reads them from standard input, one a line.
    #[arg(required = true, value_name = "REF")]
    pub references: Vec<String>,
    /// The higher, the sooner.
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub priority: i32,
    /// Also those that were judged or given up before: a tag may have moved.
    #[arg(long)]
    pub again: bool,
    /// Where the queue is.
    #[arg(long, value_name = "URL", env = "LAZARET_STORE")]
    pub store: Option<String>,
    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub feeds: FeedArgs,
}

/// `lazaret worker list`.
#[derive(Debug, Args)]
pub struct WorkerListArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// At most so many images.
    #[arg(short = 'n', long, default_value_t = 100)]
    pub limit: u32,
    /// Where the queue is.
    #[arg(long, value_name = "URL", env = "LAZARET_STORE")]
    pub store: Option<String>,
}
