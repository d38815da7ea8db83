//! Proves from this machine that an engine pulls through the gate and has no way round: with the
//! engine's own pull, of two inert images that the gate holds.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lazaret_gate::trial_names;
use lazaret_model::one_line;

use crate::args::{DoctorEngine, GateDoctorArgs};
use crate::exit::Exit;

/// Longest time for one pull.
const PATIENCE: Duration = Duration::from_secs(180);

/// What came of one pull.
#[derive(Debug)]
struct Pull {
    came_in: bool,
    said: String,
}

/// `lazaret gate doctor`.
pub fn run(args: &GateDoctorArgs) -> Result<Exit> {
    let [clean, refused] = trial_names(&args.registry);
    let checks =
        [passes(args, &clean, pull(args, &clean)?), is_refused(args, &refused, pull(args, &refused)?)];
    let mut text = String::new();
    for (right, line) in &checks {
        text.push_str(if *right { "ok    " } else { "OPEN  " });
        text.push_str(line);
        text.push('\n');
    }
    crate::commands::print(&text)?;
    Ok(if checks.iter().all(|(right, _)| *right) { Exit::Allowed } else { Exit::Refused(1) })
}

fn name(engine: DoctorEngine) -> &'static str {
    match engine {
        DoctorEngine::Docker => "docker",
        DoctorEngine::Podman => "podman",
        DoctorEngine::Containerd => "containerd",
    }
}

fn passes(args: &GateDoctorArgs, image: &str, pull: Pull) -> (bool, String) {
    let engine = name(args.engine);
    match pull.came_in {
        true => (true, format!("{engine} pulls {image} through the gate")),
        false => (
            false,
            format!(
                "{engine} does not get {image}, which only the gate has: it does not ask the gate, or the gate \
                 does not stand before {}; see `lazaret gate init {engine} --write`\n      {}",
                args.registry, pull.said
            ),
        ),
    }
}

fn is_refused(args: &GateDoctorArgs, image: &str, pull: Pull) -> (bool, String) {
    let engine = name(args.engine);
    // containerd before 1.7 keeps the gate's sentence to itself.
    let by_the_gate = pull.said.contains("lazaret refuses")
        || (args.engine == DoctorEngine::Containerd && pull.said.contains("403 Forbidden"));
    match (pull.came_in, by_the_gate) {
        (true, _) => (
            false,
            format!(
                "{engine} pulls {image}, which is marked as malicious: the policy only watches, or lets it in"
            ),
        ),
        (false, true) => (true, format!("{engine} is refused {image}, and goes no other way")),
        (false, false) => (
            false,
            format!(
                "{engine} does not get {image}, but it was not the gate that refused: the engine asks elsewhere, \
                 or not at all; see `lazaret gate init {engine} --write`\n      {}",
                pull.said
            ),
        ),
    }
}

/// The engine's own pull. What it brought is removed again.
fn pull(args: &GateDoctorArgs, image: &str) -> Result<Pull> {
    let hosts = args.hosts_dir.display().to_string();
    let (program, pull, remove): (&str, Vec<&str>, Vec<&str>) = match args.engine {
        DoctorEngine::Docker => ("docker", vec!["pull", "-q", image], vec!["rmi", image]),
        DoctorEngine::Podman => ("podman", vec!["pull", "-q", image], vec!["rmi", image]),
        DoctorEngine::Containerd => {
            ("ctr", vec!["images", "pull", "--hosts-dir", &hosts, image], vec!["images", "rm", image])
        }
    };
    // An image that is there already could hide that none is pulled.
    let silently = |words: &[&str]| {
        let _ = Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    };
    silently(&remove);
    let mut child = Command::new(program)
        .args(&pull)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{program}` cannot be started"))?;
    let begun = Instant::now();
    let came_in = loop {
        match child.try_wait()? {
            Some(status) => break status.success(),
            None if begun.elapsed() > PATIENCE => {
                child.kill()?;
                child.wait()?;
                break false;
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let mut said = String::new();
    if let Some(errors) = child.stderr.take() {
        // An engine says little; what goes beyond this is not needed.
        let mut bytes = Vec::new();
        errors.take(64 << 10).read_to_end(&mut bytes)?;
        said = String::from_utf8_lossy(&bytes).into_owned();
    }
    if came_in {
        silently(&remove);
    }
    Ok(Pull { came_in, said: one_line(said.trim(), 600) })
}
