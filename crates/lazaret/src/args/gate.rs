use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::common::bytes;
use super::{AdmissionArgs, BudgetArgs, DockerAuthzArgs, ImageVerifierArgs, RuleArgs, SourceArgs};

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
