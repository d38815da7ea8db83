mod base;
mod campaign;
mod campaigns;
mod check;
mod completion;
mod diff;
mod explain;
mod feed;
mod gate;
mod hunt;
mod images;
mod policy;
mod rule_frame;
mod rules;
mod scan;
mod selftest;
mod version;
mod worker;

use anyhow::Result;

use crate::args::{Cli, Command};
use crate::exit::Exit;

/// What the Docker command line runs for `docker lazaret`.
pub fn docker_cli() -> Result<Exit> {
    gate::docker_cli::run(std::env::args_os().skip(1))
}

/// What containerd runs for each image that it is to pull.
pub fn image_verifier() -> Result<Exit> {
    gate::image_verifier::run_as_called(std::env::args_os().skip(1))
}

/// Runs a command.
pub fn run(cli: Cli) -> Result<Exit> {
    match cli.command {
        Command::Scan(args) => scan::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Gate(args) => gate::run(&args),
        Command::Hunt(args) => hunt::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Policy(command) => policy::run(command),
        Command::Images(args) => images::run(&args),
        Command::Campaigns(args) => campaigns::run(&args),
        Command::Campaign(args) => campaign::run(&args),
        Command::Base(command) => base::run(command),
        Command::Feed(command) => feed::run(command),
        Command::Rules(command) => rules::run(command),
        Command::Selftest(args) => selftest::run(&args),
        Command::Version(args) => version::run(&args),
        Command::Completion { shell } => completion::run(shell),
    }
}

/// The runtime of commands that wait for networks and databases. Reading itself happens in the
/// worker process, so two threads are plenty.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Prints a text on standard output. A reader that went away (`| head`) is no error.
fn print(text: &str) -> Result<()> {
    use std::io::Write;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
