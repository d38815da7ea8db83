//! containerd's image verifier: `-name NAME -digest DIGEST -stdin-media-type TYPE`, the descriptor
//! on standard input; 0 lets the image in, anything else does not, and what stands on standard
//! output is the reason (containerd, docs/image-verification.md).

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use lazaret_gate::Knock;
use lazaret_model::{Digest, RegistryRef};

use super::door;
use crate::args::{ImageVerifierArgs, ImageVerifierConfig};
use crate::exit::Exit;
use crate::paths;

/// Names the configuration where it is another file.
const CONFIG_VARIABLE: &str = "LAZARET_VERIFIER_CONFIG";
/// containerd passes no arguments of the operator's.
const CONFIG: &str = "/etc/lazaret/verifier.toml";
/// How long a judgement goes on after the answer was "try again".
const TO_THE_END: Duration = Duration::from_secs(3_600);

#[derive(Debug, Parser)]
#[command(name = "lazaret-image-verifier", version)]
struct Called {
    #[command(flatten)]
    args: ImageVerifierArgs,
}

/// Where containerd calls the program by the name of a verifier: its options have one dash.
pub fn run_as_called(words: impl Iterator<Item = OsString>) -> Result<Exit> {
    let long = |word: OsString| match word.to_str() {
        Some("-name" | "-digest" | "-stdin-media-type") => {
            let mut dashes = OsString::from("-");
            dashes.push(&word);
            dashes
        }
        _ => word,
    };
    let words = std::iter::once(OsString::from("lazaret-image-verifier")).chain(words.map(long));
    run(&Called::parse_from(words).args)
}

/// `lazaret gate image-verifier`.
pub fn run(args: &ImageVerifierArgs) -> Result<Exit> {
    match verify(args) {
        Ok(()) => {
            crate::commands::print("lazaret: the image may come in\n")?;
            Ok(Exit::Allowed)
        }
        Err(error) => {
            // containerd shows what stands here, and no more than its first 16 KiB.
            let said = lazaret_model::one_line(&format!("{error:#}"), 1_000);
            crate::commands::print(&format!("{said}\n"))?;
            Ok(Exit::Refused(1))
        }
    }
}

fn verify(args: &ImageVerifierArgs) -> Result<()> {
    let config = config()?;
    let digest: Digest = args.digest.parse().context("containerd names no digest")?;
    let image: RegistryRef = args.name.parse().context("containerd names no image of a registry")?;
    let image = RegistryRef { digest: Some(digest.clone()), ..image };
    let _lock = if args.to_the_end { Some(only(&digest)?) } else { None };
    let hold = if args.to_the_end { TO_THE_END } else { Duration::from_secs(config.time_out) };
    let outcome = crate::commands::runtime()?.block_on(async {
        let gate = tokio::time::timeout(hold, door::open(&config.door));
        let gate = gate.await.context("lazaret could not begin in time: try again")??;
        let knock = Knock {
            door: "image-verifier",
            who: "containerd",
            at: &args.name,
            hold: Some(hold),
            dry: false,
            may_pass: true,
        };
        let platform = lazaret_gate::here();
        let outcome = gate.admit_image(&image, Some(&platform), None, knock).await;
        gate.finish().await;
        anyhow::Ok(outcome)
    })?;
    match outcome {
        Ok(_) => Ok(()),
        Err(refusal) => {
            if refusal.retry_after.is_some() && !args.to_the_end {
                go_on(args)?;
            }
            bail!("{}", refusal.message)
        }
    }
}

/// The options of a door, from a file: `policy = "…"`, `store = "…"`, `time-out = 8`.
fn config() -> Result<ImageVerifierConfig> {
    let file = std::env::var_os(CONFIG_VARIABLE).map_or_else(|| PathBuf::from(CONFIG), PathBuf::from);
    let place = || format!("lazaret's configuration {}", file.display());
    let text = fs::read_to_string(&file).with_context(place)?;
    let table: toml::Table = text.parse::<toml::Table>().with_context(place)?;
    let mut words = Vec::new();
    for (key, value) in &table {
        let values = match value {
            toml::Value::Array(values) => values.as_slice(),
            toml::Value::Boolean(true) => {
                words.push(format!("--{key}"));
                continue;
            }
            toml::Value::Boolean(false) => continue,
            value => std::slice::from_ref(value),
        };
        for value in values {
            match value {
                toml::Value::String(text) => words.push(format!("--{key}={text}")),
                toml::Value::Integer(number) => words.push(format!("--{key}={number}")),
                _ => bail!("{}: `{key}` is neither text, number nor truth", place()),
            }
        }
    }
    let said =
        |error: clap::Error| anyhow::anyhow!("{}", error.to_string().lines().next().unwrap_or_default());
    ImageVerifierConfig::try_parse_from(words).map_err(said).with_context(place)
}

/// Has the judgement made to its end by a program of its own, which containerd does not wait for.
fn go_on(args: &ImageVerifierArgs) -> Result<()> {
    let program = std::env::current_exe().context("the program's own file cannot be found")?;
    let started = Command::new(program)
        .args(["gate", "image-verifier", "--to-the-end", "--name", &args.name, "--digest", &args.digest])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    started.map(drop).context("lazaret cannot go on with the judgement")
}

/// One judgement of an image goes on, however many were told to try again.
fn only(digest: &Digest) -> Result<File> {
    let Some(folder) = paths::made_cache().or_else(|| Some(std::env::temp_dir())) else {
        bail!("there is no place for a lock");
    };
    let lock = File::create(folder.join(format!("verifying-{}", digest.hex())))?;
    lock.try_lock().context("another one judges it")?;
    Ok(lock)
}
