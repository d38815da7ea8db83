//! Arguments of the other doors.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::common::bytes;
use super::{BudgetArgs, RuleArgs, SourceArgs};

/// What every door has.
#[derive(Debug, Args)]
pub struct DoorArgs {
    /// What verdicts and launches mean (docs/GATE.md); without a file, what is malicious or was not
    /// read whole is refused.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Where blobs are kept (default: `doors` in the cache directory).
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Bytes of blobs that are kept (K, M, G may follow).
    #[arg(long, value_name = "BYTES", value_parser = bytes, default_value = "5G")]
    pub cache_size: u64,
    /// Where it is written down who asked for what and what was answered, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub audit_log: Option<PathBuf>,

    #[command(flatten)]
    pub rules: RuleArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
}

/// `lazaret gate docker-authz`.
#[derive(Debug, Args)]
pub struct DockerAuthzArgs {
    /// The socket, by whose name the daemon knows the plugin
    /// (`"authorization-plugins": ["lazaret"]`).
    #[arg(long, value_name = "FILE", default_value = "/run/docker/plugins/lazaret.sock")]
    pub socket: PathBuf,
    #[command(flatten)]
    pub door: DoorArgs,
}

/// `lazaret gate admission`.
#[derive(Debug, Args)]
pub struct AdmissionArgs {
    /// Where the API server reaches the webhook.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    pub listen: std::net::SocketAddr,
    /// The certificate (PEM, those that signed it behind it), read again when it changes.
    #[arg(long, value_name = "FILE")]
    pub cert: PathBuf,
    /// Its key (PEM), read again when it changes.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    #[command(flatten)]
    pub door: DoorArgs,
}

/// `lazaret gate image-verifier`, as containerd calls a verifier (containerd,
/// docs/image-verification.md).
#[derive(Debug, Args)]
pub struct ImageVerifierArgs {
    /// The name under which the image is pulled.
    #[arg(long)]
    pub name: String,
    /// The digest that the name stands for.
    #[arg(long)]
    pub digest: String,
    /// What stands on standard input.
    #[arg(long)]
    pub stdin_media_type: Option<String>,
    /// Go on with a judgement that took too long for containerd.
    #[arg(long, hide = true)]
    pub to_the_end: bool,
}

/// The configuration of the image verifier, whose keys are options of a door.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
pub struct ImageVerifierConfig {
    /// Seconds for an answer; containerd waits 10 by default (`per_verifier_timeout`).
    #[arg(long, default_value_t = 8)]
    pub time_out: u64,
    #[command(flatten)]
    pub door: DoorArgs,
}

/// `docker lazaret`.
#[derive(Debug, Parser)]
#[command(name = "docker lazaret", version, about = "Judge an image before Docker pulls or runs it")]
pub struct DockerCli {
    #[command(flatten)]
    pub door: DoorArgs,
    #[command(subcommand)]
    pub command: DockerCliCommand,
}

/// What `docker lazaret` does.
#[derive(Debug, Subcommand)]
pub enum DockerCliCommand {
    /// Judge an image and the way in which it is run; then pull and run exactly that image.
    Run {
        /// As for `docker run`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<String>,
    },
    /// Judge an image, then pull exactly that image.
    Pull {
        /// The platform (linux/arm64); that of this machine otherwise.
        #[arg(long)]
        platform: Option<lazaret_model::Platform>,
        /// The image.
        image: String,
    },
    /// Judge an image and print the report, as `lazaret scan` does.
    Scan {
        /// As for `lazaret scan`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<String>,
    },
}
