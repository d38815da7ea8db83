//! `docker lazaret`: a plugin of the Docker command line (docker/cli, `cli-plugins`).

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Parser;
use lazaret_gate::{Admitted, Gate, Knock, Refusal};
use lazaret_model::{Digest, Launch, MountKind, Platform, RegistryRef};
use lazaret_registry::daemon::{DaemonOptions, Held, inspect};
use lazaret_scan::Folder;

use super::door;
use crate::args::{Cli, DockerCli, DockerCliCommand};
use crate::exit::Exit;

/// What the Docker command line asks every plugin for.
const METADATA: &str = "docker-cli-plugin-metadata";
/// With which program a plugin was called.
const ORIGINAL: &str = "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND";

/// An image that was judged, as Docker is to be told of it.
enum Pinned {
    /// Of a registry: `NAME@DIGEST`.
    Registry(String),
    /// Held by the daemon alone: its id.
    Held(String),
}

/// Runs what stands behind `docker lazaret`.
pub fn run(words: impl Iterator<Item = OsString>) -> Result<Exit> {
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    if words.first().is_some_and(|word| word == METADATA) {
        let about = serde_json::json!({
            "SchemaVersion": "0.1.0",
            "Vendor": "Lazaret",
            "Version": env!("CARGO_PKG_VERSION"),
            "ShortDescription": "Judge an image before Docker pulls or runs it",
        });
        crate::commands::print(&format!("{about}\n"))?;
        return Ok(Exit::Allowed);
    }
    // Docker's own options stand before the plugin's name, and are meant for the daemon's client.
    let at = words.iter().position(|word| word == "lazaret").context("this is called by `docker lazaret`")?;
    let (docker, own) = (&words[..at], &words[at..]);
    let cli = DockerCli::parse_from(own);
    match &cli.command {
        DockerCliCommand::Scan { words } => {
            let words = ["lazaret", "scan"].into_iter().chain(words.iter().map(String::as_str));
            crate::commands::run(Cli::parse_from(words))
        }
        DockerCliCommand::Pull { platform, image } => {
            let reference: RegistryRef = image.parse()?;
            let platform = platform.clone().unwrap_or_else(lazaret_gate::here);
            let judged = crate::commands::runtime()?.block_on(async {
                let gate = door::open(&cli.door).await?;
                let outcome = gate.admit_image(&reference, Some(&platform), None, knock(image)).await;
                gate.finish().await;
                anyhow::Ok(outcome)
            })?;
            match judged {
                Ok(admitted) => {
                    tell(&admitted);
                    let pinned = pinned(image, &admitted)?;
                    Err(exec(docker, &["pull", "--platform", &platform.to_string(), &pinned]))
                }
                Err(refusal) => Ok(refused(&refusal)),
            }
        }
        DockerCliCommand::Run { words } => start(&cli, docker, words),
    }
}

fn start(cli: &DockerCli, docker: &[String], words: &[String]) -> Result<Exit> {
    let line: Vec<String> =
        ["docker", "run"].map(str::to_owned).into_iter().chain(words.iter().cloned()).collect();
    let here = Folder::of(std::path::Path::new("."));
    let mut plan = lazaret_launch::command(&line, &here)?;
    if let Some(note) = plan.notes.iter().find(|note| note.what.contains("is not known and was left out")) {
        bail!("{}: which word is the image cannot be told", note.what);
    }
    let launch = plan.containers.swap_remove(0).launch;
    let image = launch.image.clone().context("no image stands among the words")?;
    // The image is followed by its command alone.
    let at = words.len().checked_sub(1 + launch.command.as_ref().map_or(0, Vec::len));
    let at = at.filter(|at| words[*at] == image).context("which word is the image cannot be told")?;
    if launch.mounts.iter().any(|mount| mount.kind == MountKind::Provided) {
        bail!("an image or a part of a cluster is mounted, which is not judged here");
    }
    let platform = platform_among(&words[..at])?.unwrap_or_else(lazaret_gate::here);
    let judged = crate::commands::runtime()?.block_on(async {
        let gate = door::open(&cli.door).await?;
        let outcome = judge(&gate, &image, &platform, &launch).await;
        gate.finish().await;
        outcome
    })?;
    let pinned = match judged {
        Ok(Pinned::Registry(pinned)) => {
            let platform = platform.to_string();
            let pulled = command(docker, &["pull", "-q", "--platform", &platform, &pinned])
                .stdout(Stdio::null())
                .status()
                .context("docker pull")?;
            if !pulled.success() {
                bail!("docker could not pull {pinned}");
            }
            pinned
        }
        Ok(Pinned::Held(id)) => {
            eprintln!("lazaret: {image} is in no registry that answers; what the daemon holds was judged");
            id
        }
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let mut run: Vec<&str> = vec!["run"];
    run.extend(words[..at].iter().map(String::as_str));
    run.push(&pinned);
    run.extend(words[at + 1..].iter().map(String::as_str));
    Err(exec(docker, &run))
}

/// The platform among Docker's options.
fn platform_among(words: &[String]) -> Result<Option<Platform>> {
    let mut found = None;
    for (at, word) in words.iter().enumerate() {
        let value = match word.strip_prefix("--platform") {
            Some("") => words.get(at + 1).map(String::as_str),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        if let Some(value) = value {
            found = Some(value.parse()?);
        }
    }
    Ok(found)
}

/// Judges the image of a registry, or, where no registry has it, what the daemon holds.
async fn judge(
    gate: &Gate,
    image: &str,
    platform: &Platform,
    launch: &Launch,
) -> Result<Result<Pinned, Refusal>> {
    let reference: RegistryRef = image.parse()?;
    let refusal = match gate.admit_image(&reference, Some(platform), Some(launch), knock(image)).await {
        Ok(admitted) => {
            tell(&admitted);
            return Ok(Ok(Pinned::Registry(pinned(image, &admitted)?)));
        }
        Err(refusal) => refusal,
    };
    // What was judged and refused is not asked for elsewhere.
    if refusal.status.as_u16() == 403 || refusal.retry_after.is_some() && reference.digest.is_some() {
        return Ok(Err(refusal));
    }
    let held = inspect(Held::Image, image, &DaemonOptions::default()).await;
    let Ok(Some(body)) = held else { return Ok(Err(refusal)) };
    let about: serde_json::Value = serde_json::from_slice(&body)?;
    let id: Digest = about["Id"].as_str().unwrap_or_default().parse()?;
    let judged = gate.admit_held(&id, &[lazaret_gate::held_name(&id)], Some(launch), knock(image)).await;
    Ok(judged.map(|admitted| {
        tell(&admitted);
        Pinned::Held(id.to_string())
    }))
}

fn knock(image: &str) -> Knock<'_> {
    Knock { door: "docker-cli", who: "local", at: image, hold: None, dry: false, may_pass: false }
}

fn tell(admitted: &Admitted) {
    if let Some(warning) = &admitted.warning {
        eprintln!("{} (the policy only watches)", lazaret_model::visible(warning));
    }
}

/// Says why not; the exit code is that of `lazaret scan`.
fn refused(refusal: &Refusal) -> Exit {
    eprintln!("{}", lazaret_model::visible(&refusal.message));
    let verdict = refusal.detail.as_ref().and_then(|detail| detail["verdict"].as_str());
    match (refusal.status.as_u16(), verdict) {
        (_, Some("inconclusive")) => Exit::Inconclusive,
        (403, _) => Exit::Refused(1),
        _ => Exit::Error,
    }
}

/// The name with which exactly what was judged is pulled and run.
fn pinned(image: &str, admitted: &Admitted) -> Result<String> {
    let digest = admitted.digest.as_ref().context("nothing was judged")?;
    Ok(format!("{}@{digest}", bare(image)))
}

/// The name without tag and digest, as it was written.
fn bare(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((bare, tag)) if !tag.contains('/') => bare,
        _ => name,
    }
}

fn command(docker: &[String], words: &[&str]) -> Command {
    let program = std::env::var_os(ORIGINAL).filter(|program| !program.is_empty());
    let mut command = Command::new(program.unwrap_or_else(|| OsString::from("docker")));
    command.args(docker).args(words);
    command
}

/// Becomes Docker: signals, the terminal and the exit code are its own. Comes back where it cannot.
fn exec(docker: &[String], words: &[&str]) -> anyhow::Error {
    anyhow::Error::new(command(docker, words).exec()).context("docker cannot be started")
}
