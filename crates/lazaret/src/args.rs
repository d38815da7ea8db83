mod campaign;
mod campaigns;
mod doors;
mod feed;
mod hunt;
mod worker;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use lazaret_model::Platform;

pub use campaign::CampaignArgs;
pub use campaigns::{CampaignsArgs, CampaignsCommand, CampaignsCommon, RefuteArgs};
pub use doors::{
    AdmissionArgs, DockerAuthzArgs, DockerCli, DockerCliCommand, DoorArgs, ImageVerifierArgs,
    ImageVerifierConfig,
};
pub use feed::{FeedArgs, FeedCommand, FeedExportArgs, FeedPinArgs, FeedPlaceArgs};
pub use hunt::HuntArgs;
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

/// From which verdict on the exit code is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Malicious only.
    Malicious,
    /// Suspicious and malicious.
    Suspicious,
    /// Never: only errors and gaps change the exit code.
    Never,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// When the output is a terminal and NO_COLOR is not set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// `lazaret scan`.
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// Images: a name in a registry (nginx, quay.io/x/y:1, name@sha256:…), docker-daemon:NAME,
    /// podman:NAME, containerd:NAME, docker-archive:FILE, oci:DIR (oci:DIR:NAME), oci-archive:FILE,
    /// dir:ROOTFS, a path, or lab:lineup for the inert demonstration images.
    #[arg(required_unless_present = "run_as", value_name = "REF")]
    pub references: Vec<String>,
    /// How the image is run: the words of `docker run …` in one argument. The verdict is then about
    /// the image and these words together; without REF the image that they name is scanned.
    #[arg(long = "as", value_name = "WORDS")]
    pub run_as: Option<String>,

    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub judge: JudgeArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
}

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

/// `lazaret gate`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct GateArgs {
    #[command(subcommand)]
    pub command: Option<GateCommand>,
    #[command(flatten)]
    pub serve: GateServeArgs,
}

/// What surrounds a gate.
#[derive(Debug, Subcommand)]
pub enum GateCommand {
    /// Make the gate's certificate authority where an engine needs one, and print the exact
    /// configuration with which the engine pulls through the gate and by no other way.
    ///
    /// Exit codes: 0 done, 1 written, and a way round the gate is left that the files do not close,
    /// 2 wrong use or failure.
    Init(GateInitArgs),
    /// Prove from this machine, with the engine's own pull, that a harmless image marked as malicious
    /// is refused and a clean one passes. The gate itself holds the two.
    ///
    /// Exit codes: 0 both, 1 something is open, 2 wrong use or failure.
    Doctor(GateDoctorArgs),
    /// Tell how a running gate is (it is started with --admin).
    Status(GateStatusArgs),
    /// List what came in through a running gate and what did not, the newest first.
    List(GateListArgs),
    /// Be Docker's authorization plugin: the daemon asks before it pulls, creates and starts.
    DockerAuthz(Box<DockerAuthzArgs>),
    /// Be a Kubernetes admission webhook: tags become digests, pods are judged as they are run.
    Admission(Box<AdmissionArgs>),
    /// Be containerd's image verifier; configured by /etc/lazaret/verifier.toml.
    ImageVerifier(ImageVerifierArgs),
}

/// An engine that pulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GateEngine {
    /// Docker's daemon: the gate is its HTTPS proxy (`lazaret gate --transparent`).
    Docker,
    /// podman, buildah, skopeo, CRI-O.
    Podman,
    /// containerd: ctr, nerdctl, Kubernetes.
    Containerd,
    /// K3s and RKE2.
    K3s,
}

/// An engine that can be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DoctorEngine {
    /// Docker's daemon, which `docker` reaches.
    Docker,
    /// podman.
    Podman,
    /// containerd, which `ctr` reaches.
    Containerd,
}

/// `lazaret gate doctor`.
#[derive(Debug, Args)]
pub struct GateDoctorArgs {
    /// The engine.
    pub engine: DoctorEngine,
    /// A registry that the gate stands before. Where images are pulled by the gate's own address,
    /// that address.
    #[arg(long, value_name = "REGISTRY", default_value = "docker.io")]
    pub registry: String,
    /// Where `ctr` looks for hosts.toml.
    #[arg(long, value_name = "DIR", default_value = "/etc/containerd/certs.d")]
    pub hosts_dir: PathBuf,
}

/// `lazaret gate init`.
#[derive(Debug, Args)]
pub struct GateInitArgs {
    /// The engine.
    pub engine: GateEngine,
    /// The registries that the gate stands before.
    #[arg(long = "upstream", required_unless_present = "undo", value_name = "REGISTRY")]
    pub upstreams: Vec<String>,
    /// Write the configuration: what would change is shown, and asked about, first. What stood there
    /// is kept for --undo.
    #[arg(long)]
    pub write: bool,
    /// Put back what stood there before --write.
    #[arg(long, conflicts_with = "write")]
    pub undo: bool,
    /// Ask nothing.
    #[arg(short, long)]
    pub yes: bool,
    /// Overwrite files that were changed since --write.
    #[arg(long)]
    pub force: bool,
    /// The directory that the engine sees as `/`.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Where the record for --undo is kept (default: `lazaret` in the state directory).
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Where the engine reaches the gate.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5050")]
    pub gate: std::net::SocketAddr,
    /// Where the engine reaches the gate as its proxy.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3128")]
    pub proxy: std::net::SocketAddr,
    /// Where the gate's certificate authority lies (default: `gate-ca` in the cache directory).
    #[arg(long, value_name = "DIR")]
    pub ca: Option<PathBuf>,
}

/// How a running gate is asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Gate")]
pub struct GateAdminArgs {
    /// Where its admin API is.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:5051", env = "LAZARET_GATE_ADMIN")]
    pub admin: String,
    /// The file with its token (default: `gate-admin-token` in the cache directory).
    #[arg(long, value_name = "FILE", env = "LAZARET_GATE_ADMIN_TOKEN")]
    pub admin_token: Option<PathBuf>,
    /// Trust the certificates of this PEM file besides the system's.
    #[arg(long, value_name = "FILE")]
    pub admin_ca: Option<PathBuf>,
}

/// `lazaret gate status`.
#[derive(Debug, Args)]
pub struct GateStatusArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub admin: GateAdminArgs,
}

/// `lazaret gate list`.
#[derive(Debug, Args)]
pub struct GateListArgs {
    /// Only what came in.
    #[arg(long)]
    pub came_in: bool,
    /// Only what was refused.
    #[arg(long)]
    pub refused: bool,
    /// Only what was not judged in time; the client was told to try again.
    #[arg(long)]
    pub pending: bool,
    /// Only what could not be fetched or judged.
    #[arg(long)]
    pub failed: bool,
    /// Only what came in once and would not now.
    #[arg(long, conflicts_with_all = ["came_in", "refused", "pending", "failed"])]
    pub changed: bool,
    /// Only images whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub image: Option<String>,
    /// Only since then: 24h, 7d, 2027-01-31.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub admin: GateAdminArgs,
}

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

/// `lazaret gate` itself.
#[derive(Debug, Args)]
pub struct GateServeArgs {
    /// A registry to stand before (docker.io, ghcr.io, 127.0.0.1:5000). Names that name none mean
    /// the first. `NAME=http://HOST:PORT` fetches what NAME serves from a mirror of yours.
    #[arg(long = "upstream", required = true, value_name = "REGISTRY")]
    pub upstreams: Vec<String>,
    /// Be the HTTPS proxy of an engine at this address as well, so that it pulls through the gate
    /// under the registries' own names; needs `lazaret gate init`.
    #[arg(long, value_name = "ADDRESS:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:3128")]
    pub transparent: Option<std::net::SocketAddr>,
    /// Where the gate's certificate authority lies (default: `gate-ca` in the cache directory).
    #[arg(long, value_name = "DIR")]
    pub ca: Option<PathBuf>,
    /// Where clients reach the gate.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5050")]
    pub listen: std::net::SocketAddr,
    /// Speak TLS with this certificate (PEM, those that signed it behind it). It is read again when
    /// it changes.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Listen without TLS on an address that others can reach. Credentials then pass in the clear.
    #[arg(long, conflicts_with = "cert")]
    pub insecure: bool,
    /// Connections at once, half of them for one address; further ones wait.
    #[arg(long, value_name = "N", default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    pub max_connections: u32,
    /// What verdicts mean (docs/GATE.md); without a file, what is malicious or was not read whole is
    /// refused.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Where blobs are kept (default: `gate` in the cache directory).
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Bytes of blobs that are kept (K, M, G may follow).
    #[arg(long, value_name = "BYTES", value_parser = bytes, default_value = "20G")]
    pub cache_size: u64,
    /// A bucket that several gates share, so that what one fetched the others need not: where it is
    /// and who asks comes from AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
    #[arg(long, value_name = "s3://BUCKET/PREFIX")]
    pub bucket: Option<String>,
    /// Where it is written down who asked for what and what was answered, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub audit_log: Option<PathBuf>,
    /// Where operators ask the gate how it is and what came in, with a token (`lazaret gate status`,
    /// `lazaret gate list`).
    #[arg(long, value_name = "ADDRESS:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:5051")]
    pub admin: Option<std::net::SocketAddr>,
    /// The file with that token; made where it is missing (default: `gate-admin-token` in the cache
    /// directory).
    #[arg(long, value_name = "FILE", requires = "admin")]
    pub admin_token: Option<PathBuf>,
    /// Where people reach this gate with a browser. A refusal then names its report there, and whoever
    /// has the digest may read it.
    #[arg(long, value_name = "URL", value_parser = web_address)]
    pub report_url: Option<String>,
    /// Form of the log on standard error.
    #[arg(long, value_enum, default_value = "text", value_name = "FORM", env = "LAZARET_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// The least that is logged.
    #[arg(long, value_enum, default_value = "info", value_name = "LEVEL", env = "LAZARET_LOG_LEVEL")]
    pub log_level: LogLevel,

    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
}

/// Form of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object on each line.
    Json,
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What went wrong here.
    Error,
    /// Refusals and faults as well.
    Warn,
    /// Every request as well.
    Info,
    /// Questions about health and failed handshakes as well.
    Debug,
}

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

/// How a command that prints looks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct LookArgs {
    /// Say nothing on standard error but errors.
    #[arg(short, long)]
    pub quiet: bool,
    /// Draw no progress bars.
    #[arg(long)]
    pub no_progress: bool,
    /// Use colours.
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: ColorWhen,
    /// Use no colours.
    #[arg(long, conflicts_with = "color")]
    pub no_color: bool,
}

/// Which rules judge.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rules")]
pub struct RuleArgs {
    /// A directory with rules of your own (YARA: .yar, Sigma: .yml), besides the built-in ones.
    #[arg(long, value_name = "DIR", env = "LAZARET_RULES")]
    pub rules: Vec<PathBuf>,
    /// Use only the rules of --rules.
    #[arg(long, requires = "rules")]
    pub only_rules: bool,
}

/// `lazaret check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Files: Dockerfiles, compose files, Kubernetes manifests, files with a `docker run` command;
    /// which one a file is, its content tells. `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Take every file for this.
    #[arg(long, value_enum, value_name = "KIND")]
    pub kind: Option<CheckKind>,
    /// Do not look at the images that the files name; the report says so.
    #[arg(long, visible_alias = "no-images")]
    pub offline: bool,

    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub judge: JudgeArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckKind {
    /// A Dockerfile.
    Dockerfile,
    /// A compose file.
    Compose,
    /// A Kubernetes manifest.
    Kubernetes,
    /// The words of `docker run`.
    Command,
}

/// What is printed, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Form: table, json, jsonl, sarif, markdown, junit, gitlab or html.
    #[arg(short, long, env = "LAZARET_FORMAT")]
    pub format: Option<String>,
    /// Write to FILE instead of standard output; FORMAT=FILE writes one form to one file and may
    /// be given several times.
    #[arg(short, long, value_name = "[FORMAT=]FILE")]
    pub output: Vec<String>,
    /// Show findings that the ignore file took out.
    #[arg(long, visible_alias = "show-suppressed")]
    pub show_ignored: bool,
    /// Say nothing on standard error but errors.
    #[arg(short, long)]
    pub quiet: bool,
    /// Say more: behaviours, all evidence (-v), weak findings (-vv).
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Draw no progress bars.
    #[arg(long)]
    pub no_progress: bool,
    /// Use colours.
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: ColorWhen,
    /// Use no colours.
    #[arg(long, conflicts_with = "color")]
    pub no_color: bool,
}

/// What decides.
#[derive(Debug, Args)]
#[command(next_help_heading = "Verdict")]
pub struct JudgeArgs {
    /// The verdict from which on the exit code is 1.
    #[arg(long, value_enum, default_value = "malicious", env = "LAZARET_FAIL_ON")]
    pub fail_on: FailOn,
    /// The exit code for that, instead of 1.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..), value_name = "N")]
    pub exit_code: u8,
    /// A directory with rules of your own (YARA: .yar, Sigma: .yml), besides the built-in ones.
    #[arg(long, value_name = "DIR", env = "LAZARET_RULES")]
    pub rules: Vec<PathBuf>,
    /// Use only the rules of --rules.
    #[arg(long, requires = "rules")]
    pub only_rules: bool,
    /// Findings that you decided to live with; `.lazaretignore.yaml` is read where it exists.
    #[arg(long, visible_alias = "ignore-file", value_name = "FILE", env = "LAZARET_IGNOREFILE")]
    pub ignorefile: Option<PathBuf>,
}

/// How images are reached.
#[derive(Debug, Args)]
#[command(next_help_heading = "Source")]
pub struct SourceArgs {
    /// Only these platforms (linux/arm64); all of an index are judged otherwise.
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',')]
    pub platform: Vec<Platform>,
    /// Speak plain HTTP to this registry (host or host:port). Loopback needs no flag.
    #[arg(long, value_name = "HOST")]
    pub plain_http: Vec<String>,
    /// Trust the certificates of this PEM file besides the system's.
    #[arg(long, value_name = "FILE", env = "LAZARET_CA_BUNDLE")]
    pub ca_bundle: Option<PathBuf>,
    /// User name for the registry; the password is read with --password-stdin.
    #[arg(long, requires = "password_stdin", env = "LAZARET_USERNAME")]
    pub username: Option<String>,
    /// Read the password from standard input.
    #[arg(long, requires = "username")]
    pub password_stdin: bool,
    /// Run no credential helper (docker-credential-*).
    #[arg(long)]
    pub no_credential_helpers: bool,
    /// Where facts and verdicts are kept (sqlite:PATH, postgres://USER@HOST/DATABASE).
    #[arg(long, value_name = "URL", env = "LAZARET_STORE")]
    pub store: Option<String>,
    /// Remember nothing and look nothing up.
    #[arg(long, conflicts_with = "store")]
    pub no_store: bool,
    #[command(flatten)]
    pub feeds: FeedArgs,
}

/// What reading may cost.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct BudgetArgs {
    /// Layers read at once, and threads that look at files (default: the number of cores).
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Seconds for one image.
    #[arg(long, value_name = "SECONDS", default_value_t = lazaret_model::Budget::default().seconds)]
    pub timeout: u64,
    /// Uncompressed bytes of one layer (K, M, G may follow).
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_layer_bytes: Option<u64>,
    /// Entries of one layer, members of archives in it included.
    #[arg(long, value_name = "N")]
    pub max_entries: Option<u64>,
    /// Uncompressed bytes for each compressed byte.
    #[arg(long, value_name = "N")]
    pub max_ratio: Option<u64>,
    /// Archives inside archives.
    #[arg(long, value_name = "N")]
    pub max_depth: Option<u32>,
    /// Bytes that archives inside one layer may unpack to.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_nested_bytes: Option<u64>,
    /// Largest file held in memory whole; a larger one is read in overlapping windows.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_whole_file: Option<u64>,
    /// Bytes of small content kept from one layer for later stages.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_kept_bytes: Option<u64>,
    /// Largest manifest, index or configuration.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_document_bytes: Option<u64>,
    /// Memory of the reading worker.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_memory: Option<u64>,
    /// Do not confine the worker that reads hostile content. Only where the kernel cannot.
    #[arg(long)]
    pub unconfined: bool,
}

/// `lazaret images`.
#[derive(Debug, Args)]
pub struct ImagesArgs {
    /// Only images whose name contains this.
    pub contains: Option<String>,
    /// Where facts and verdicts are kept.
    #[arg(long, value_name = "URL", env = "LAZARET_STORE")]
    pub store: Option<String>,
    /// Form: table or json.
    #[arg(short, long, default_value = "table")]
    pub format: String,
    /// At most so many, newest first.
    #[arg(short = 'n', long, default_value_t = 100)]
    pub limit: usize,
}

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

/// A number of bytes with an optional K, M, G or T (powers of 1024; `KiB` and `KB` are accepted).
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("`{text}` is not a number of bytes: write 512M or 2G")),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(1 << shift))
        .ok_or_else(|| format!("`{text}` is not a number of bytes: write 512M or 2G"))
}

/// An address for people's browsers.
fn web_address(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let sound = |rest: &str| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>?#".contains(&b))
    };
    match rest.filter(|rest| sound(rest)) {
        Some(_) => Ok(text.trim_end_matches('/').to_owned()),
        None => Err("write it as https://gate.example".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bytes_take_the_usual_units() {
        assert_eq!(bytes("512M"), Ok(512 << 20));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("7"), Ok(7));
        assert!(bytes("x").is_err());
        assert!(bytes("99999999999T").is_err());
    }
}
