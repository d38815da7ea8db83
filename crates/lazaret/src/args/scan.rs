use clap::Args;

use super::{BudgetArgs, JudgeArgs, OutputArgs, SourceArgs};

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
