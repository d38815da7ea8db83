use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{BudgetArgs, JudgeArgs, OutputArgs, SourceArgs};

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
