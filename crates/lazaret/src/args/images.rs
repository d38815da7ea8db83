use clap::Args;

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
