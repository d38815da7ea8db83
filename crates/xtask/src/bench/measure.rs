//! One command, measured from outside by GNU time.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// One run.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Wall time.
    pub seconds: f64,
    /// Peak resident memory of the largest process.
    pub megabytes: u64,
}

/// Runs `command` once. A code over 3 is a failure of the measurement.
pub fn once(command: &mut Command) -> Result<Figures> {
    let report = tempfile::NamedTempFile::new()?;
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%M", "-o"]).arg(report.path()).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            timed.env(name, value);
        }
    }
    let begin = Instant::now();
    let status = timed.stdout(Stdio::null()).status().context("/usr/bin/time (Debian package `time`)")?;
    let seconds = begin.elapsed().as_secs_f64();
    if status.code().is_none_or(|code| code > 3) {
        bail!("{command:?} ended with {status}");
    }
    let text = std::fs::read_to_string(report.path())?;
    let kilobytes: u64 = text.lines().last().and_then(|l| l.trim().parse().ok()).unwrap_or(0);
    Ok(Figures { seconds, megabytes: kilobytes / 1024 })
}

/// The median time and the highest memory of several runs.
pub fn figures(mut runs: Vec<Figures>) -> Figures {
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    Figures {
        seconds: runs.get(runs.len() / 2).map_or(0.0, |r| r.seconds),
        megabytes: runs.iter().map(|r| r.megabytes).max().unwrap_or(0),
    }
}
