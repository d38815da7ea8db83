use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::Exit;

/// `lazaret completion SHELL`.
pub fn run(shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lazaret", &mut script);
    super::print(&String::from_utf8(script)?)?;
    Ok(Exit::Allowed)
}
