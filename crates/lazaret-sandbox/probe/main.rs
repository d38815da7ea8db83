//! Confines itself and then makes one attempt, named by the first argument. Says on standard
//! output what came of it: `done: …` or `refused: …`.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

mod attempts;

use std::io;

use lazaret_sandbox::{Confinement, confine};

fn main() {
    let mut args = std::env::args().skip(1);
    let attempt = args.next().expect("the name of an attempt");
    let args: Vec<String> = args.collect();
    let mut wall = Confinement::default();
    let mut before: Option<std::thread::JoinHandle<()>> = None;
    match attempt.as_str() {
        "allocate" => wall.memory_bytes = Some(256 << 20),
        "spin" => wall.cpu_seconds = Some(1),
        "use-inherited" => wall.keep_only = Some(Vec::new()),
        "read-allowed" | "write-beneath-allowed" | "read-outside-allowed" => {
            wall.read_only = vec![args[0].clone().into()];
        }
        "second-thread-first" => {
            before = Some(std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(1))));
        }
        "starter-is-another" => wall.parent = Some(1 << 30),
        "starter-is-named" => wall.parent = Some(std::os::unix::process::parent_id()),
        _ => {}
    }
    let ready = attempts::prepare(&attempt);
    let without = std::env::var_os("PROBE_WITHOUT_WALLS").is_some();
    let applied = match (!without).then(|| confine(&wall)).transpose() {
        Ok(applied) => applied.map_or_else(String::new, |applied| applied.to_string()),
        Err(error) => {
            println!("not confined: {}", error.advice("--unconfined"));
            return;
        }
    };
    drop(before);
    let outcome: io::Result<String> = match attempt.as_str() {
        "nothing" | "starter-is-named" => Ok(applied),
        name => attempts::make(name, &args, ready),
    };
    match outcome {
        Ok(what) => println!("done: {what}"),
        Err(error) => println!("refused: {error}"),
    }
}
