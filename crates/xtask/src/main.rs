//! Chores of the project: `cargo xtask VERB`.
// What a chore measured is its output.
#![allow(clippy::print_stdout)]

mod bench;
mod ci;
mod corpus;
mod eval;
mod lab;
mod suites;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask VERB
  ci                       run every check, the tests included
  lab OUT                  build the inert test images into the folder OUT
  corpus DIR               scan every archive and layout below DIR, and check what must hold
  corpus NAME CHECKOUT OUT make labelled cases in OUT of a public suite's checkout (for `eval`)
  eval DIR…                judge labelled cases and print recall, false positives and time
  eval --lab               the same over the lab, against the committed baseline
  eval --campaigns [DIR…]  whether the lab's actors come out as one campaign each, among the rest
                           of the lab and the images below DIR
  bench [--runs N] [DIR…]  measure scans against the floor and against peers
  bench gate [--runs N] [DIR…]
                           measure pulls through the gate against pulls from the registry
  bench hunt [--runs N] [--images N]
                           measure a hunt over images that share bases against their unique layers
  bench campaigns [IMAGES…]
                           tie made-up images to campaigns, and measure time and memory";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match verb.as_str() {
        "ci" => ci::run(),
        "lab" => lab::run(&rest),
        // A folder to scan, or a suite to import.
        "corpus" if rest.len() == 1 => corpus::run(&rest),
        "corpus" => suites::run(&rest),
        "eval" => eval::run(&rest),
        "bench" if rest.first().is_some_and(|what| what == "gate") => bench::gate::run(&rest[1..]),
        "bench" if rest.first().is_some_and(|what| what == "hunt") => bench::hunt::run(&rest[1..]),
        "bench" if rest.first().is_some_and(|what| what == "campaigns") => bench::campaigns::run(&rest[1..]),
        "bench" => bench::run(&rest),
        "floor" => bench::floor(&rest),
        _ => Err(anyhow::anyhow!("`{verb}` is no verb\n{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}
