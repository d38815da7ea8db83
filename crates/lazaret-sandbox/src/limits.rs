//! The third wall: resource limits (getrlimit(2)). A lowered hard limit cannot be raised again.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{ConfineError, Confinement};

/// Lowers the limits, soft and hard, and returns what is in force.
pub(crate) fn apply(confinement: &Confinement) -> Result<Vec<(&'static str, u64)>, ConfineError> {
    let mut wanted = vec![
        // No memory image of a process that held somebody's image.
        ("core", Resource::Core, 0),
        // No file can grow. The signal that comes with it is ignored (see `process::seal`), so
        // that a standard error that happens to be a file costs a message and not the worker.
        ("fsize", Resource::Fsize, 0),
        ("nofile", Resource::Nofile, confinement.open_files),
    ];
    wanted.extend(confinement.memory_bytes.map(|bytes| ("data", Resource::Data, bytes)));
    wanted.extend(confinement.cpu_seconds.map(|seconds| ("cpu", Resource::Cpu, seconds)));
    wanted.into_iter().map(|(name, resource, value)| lower(name, resource, value)).collect()
}

/// Never raises: a limit that is already lower stays.
fn lower(name: &'static str, resource: Resource, value: u64) -> Result<(&'static str, u64), ConfineError> {
    let hard = getrlimit(resource).maximum;
    let value = hard.map_or(value, |hard| hard.min(value));
    setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
        .map_err(|e| ConfineError::Limit { name, value, source: e.into() })?;
    Ok((name, value))
}
