//! `lazaret`: says, before a container image runs, what it will do, and whether it may come in.
//!
//! This crate only reads arguments, calls the pipeline and turns the answer into text and an
//! exit code. One file per command.

mod args;
mod commands;
mod exit;
mod paths;
mod progress;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // The worker is told apart before anything else is set up: it must be alone in its process
    // when it confines itself.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == lazaret_scan::WORKER_ARGUMENT) {
        return lazaret_scan::run_worker(arguments.next());
    }
    // Engines call the program by names of their own.
    let called = std::env::args_os().next().map(std::path::PathBuf::from);
    let called = called.as_deref().and_then(|path| path.file_name()).and_then(|name| name.to_str());
    let outcome = match called {
        Some("docker-lazaret") => commands::docker_cli(),
        Some("lazaret-image-verifier") => commands::image_verifier(),
        _ => commands::run(args::Cli::parse()),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            let mut message = String::new();
            for cause in error.chain() {
                let text = cause.to_string();
                // Causes often repeat what their parent already says.
                if !message.contains(&text) {
                    if !message.is_empty() {
                        message.push_str(": ");
                    }
                    message.push_str(&text);
                }
            }
            let exit = exit::Exit::of_error(&error);
            eprintln!("lazaret: {}", lazaret_model::visible(&message));
            exit.into()
        }
    }
}
