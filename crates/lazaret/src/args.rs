mod base;
mod campaign;
mod campaigns;
mod check;
mod common;
mod diff;
mod doors;
mod explain;
mod feed;
mod gate;
mod hunt;
mod images;
mod policy;
mod rules;
mod scan;
mod worker;

use clap::{Args, Parser, Subcommand};

pub use base::{BaseAddArgs, BaseCommand};
pub use campaign::CampaignArgs;
pub use campaigns::{CampaignsArgs, CampaignsCommand, CampaignsCommon, RefuteArgs};
pub use check::{CheckArgs, CheckKind};
pub use common::{BudgetArgs, ColorWhen, FailOn, JudgeArgs, LookArgs, OutputArgs, RuleArgs, SourceArgs};
pub use diff::{DiffArgs, FailOnChange};
pub use doors::{
    AdmissionArgs, DockerAuthzArgs, DockerCli, DockerCliCommand, DoorArgs, ImageVerifierArgs,
    ImageVerifierConfig,
};
pub use explain::ExplainArgs;
pub use feed::{FeedArgs, FeedCommand, FeedExportArgs, FeedPinArgs, FeedPlaceArgs};
pub use gate::{
    DoctorEngine, GateAdminArgs, GateArgs, GateCommand, GateDoctorArgs, GateEngine, GateInitArgs,
    GateListArgs, GateServeArgs, GateStatusArgs, LogFormat, LogLevel,
};
pub use hunt::HuntArgs;
pub use images::ImagesArgs;
pub use policy::{PolicyCommand, PolicyExplainArgs};
pub use rules::RulesCommand;
pub use scan::ScanArgs;
pub use worker::{WorkerAddArgs, WorkerArgs, WorkerCommand, WorkerListArgs, WorkerServeArgs};

/// The quarantine station for container images: says what an image will do before it runs, and
/// whether it may come in, with evidence.
///
/// Exit codes: 0 allowed, 1 the verdict is at or over --fail-on, 2 wrong use or failure,
/// 3 inconclusive.
#[derive(Debug, Parser)]
#[command(name = "lazaret", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Scan images and give a verdict on each, with evidence.
    #[command(visible_alias = "image")]
    Scan(Box<ScanArgs>),
    /// Judge how images are run and built: Dockerfiles, compose files, Kubernetes manifests, and
    /// every image that they name.
    Check(Box<CheckArgs>),
    /// Tell what an image is and what it will do, line by line, with the evidence.
    Explain(Box<ExplainArgs>),
    /// Compare two versions of an image: what the second can do that the first could not.
    ///
    /// Exit codes: 0 nothing new, 1 at or over --fail-on, 2 wrong use or failure, 3 something was
    /// not read, so that something new may be missing from the list.
    Diff(Box<DiffArgs>),
    /// Stand before registries: a registry that judges each image as it passes it on, and lets
    /// none in that the policy refuses.
    Gate(Box<GateArgs>),
    /// Judge many: a registry, an account, a list, a folder; what was judged before and did not change
    /// is not read again, and a hunt that broke off goes on where it was.
    ///
    /// Exit codes: 0 all of it judged, 1 a verdict is at or over --fail-on, 2 something could not be
    /// judged or the hunt pauses, 3 something was not read whole.
    Hunt(Box<HuntArgs>),
    /// Judge the images of a queue that many machines may share, until told to stop.
    Worker(Box<WorkerArgs>),
    /// Check a policy of the gate, or explain what it decides about an image.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// List the images that were judged.
    Images(ImagesArgs),
    /// Tie convicted images to each other by what they share, and list what hangs together.
    Campaigns(Box<CampaignsArgs>),
    /// Tell one campaign: who published what, what ties it, what it did and what to clean up.
    Campaign(Box<CampaignArgs>),
    /// Record, list or forget images that you trust as bases.
    #[command(subcommand)]
    Base(BaseCommand),
    /// Make, take and list signed packs of indicators: what one team denies protects another.
    #[command(subcommand)]
    Feed(FeedCommand),
    /// List, explain or check rules.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Prove on inert test images that what is bad is called bad here, and what is good is not.
    Selftest(SelftestArgs),
    /// Print the version of the program and of its rules.
    Version(VersionArgs),
    /// Print a completion script for a shell.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// `lazaret selftest`.
#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// Which inert images: lineup, catalogue, near-miss, actors, or all.
    #[arg(default_value = "lineup")]
    pub set: String,
    /// Do not confine the worker.
    #[arg(long)]
    pub unconfined: bool,
}

/// `lazaret version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Form: text or json.
    #[arg(short, long, default_value = "text")]
    pub output: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
