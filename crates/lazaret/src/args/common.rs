use std::path::PathBuf;

use clap::{Args, ValueEnum};
use lazaret_model::Platform;

use super::FeedArgs;

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

/// A number of bytes with an optional K, M, G or T (powers of 1024; `KiB` and `KB` are accepted).
pub(super) fn bytes(text: &str) -> Result<u64, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_the_usual_units() {
        assert_eq!(bytes("512M"), Ok(512 << 20));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("7"), Ok(7));
        assert!(bytes("x").is_err());
        assert!(bytes("99999999999T").is_err());
    }
}
