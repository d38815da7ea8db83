//! What a launch adds to the start path.

use std::rc::Rc;

use lazaret_model::{Certainty, HookTime, ImageConfig, Launch, Location, MountKind, Phase};

use super::paper::{Paper, Written};
use super::process::{absolute, begin, start as start_process};
use crate::shell::Value;

/// What is known of an image beside its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// How it is run; None is a plain start.
    pub launch: Option<&'a Launch>,
    /// Whether the steps of its history are still to be taken: no layer shows what they write, so
    /// what they write on paper is there for the start path.
    pub unbuilt: bool,
}

/// Where a key of the configuration was written: in the launch, where that sets it.
pub(super) fn place(paper: &Paper<'_>, key: &str) -> Location {
    let config = || Location::Config(key.to_owned());
    let Some(launch) = paper.launch else { return config() };
    let (field, set) = match key {
        "Entrypoint" => ("entrypoint", launch.entrypoint.is_some()),
        "Cmd" => ("command", launch.command.is_some()),
        "Healthcheck" => ("healthcheck", launch.healthcheck.is_some()),
        _ => ("", false),
    };
    // The arguments of the image's own entry point may be the launch's.
    if !set && key == "Entrypoint" && launch.command.as_ref().is_some_and(|c| !c.is_empty()) {
        return launch.place("command");
    }
    if set { launch.place(field) } else { config() }
}

/// The host's path of a file that comes from the host.
pub(super) fn host_file(paper: &Paper<'_>, path: &str) -> Option<String> {
    let launch = paper.launch?;
    launch.mount_of(path).filter(|(mount, _)| mount.kind == MountKind::Bind)?;
    launch.host_path(path)
}

/// Puts the files whose content the launch brings where the container sees them.
pub(super) fn mount_files(paper: &mut Paper<'_>) {
    let Some(launch) = paper.launch else { return };
    for file in launch.files.iter().take(2_000) {
        let text = &file.content;
        if text.len() > paper.limits.script_bytes {
            continue;
        }
        let content = Some(Value::plain(text.clone()));
        paper.base.insert(
            absolute("/", &file.target),
            Written { content, fetched: None, removed: false, source: None },
        );
    }
}

/// What the engine runs in the container beside its process.
pub(super) fn hooks(paper: &mut Paper<'_>, config: &ImageConfig, env: &Rc<Vec<(String, Value)>>, cwd: &str) {
    let Some(launch) = paper.launch else { return };
    for (at, hook) in launch.hooks.iter().take(100).enumerate() {
        match hook.when {
            // It runs beside the process, and sees what that wrote.
            HookTime::PostStart => paper.phase = Phase::Start,
            HookTime::PreStop | HookTime::Probe => paper.phase = Phase::Health,
        }
        let argv = hook.argv.iter().map(|word| Value::plain(word.clone())).collect();
        let because = vec![launch.place(&format!("hooks[{at}]"))];
        start_process(paper, begin(argv, env.clone(), cwd, &config.user, Certainty::Will, because));
    }
}
