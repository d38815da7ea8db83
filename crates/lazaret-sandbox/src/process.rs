//! What a process is made of besides its system calls: threads, descriptors, privileges.

use std::fs;
use std::os::fd::RawFd;

use rustix::process::{
    DumpableBehavior, Signal, getppid, set_dumpable_behavior, set_parent_process_death_signal,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::ConfineError;

/// Landlock and seccomp bind a thread and those that it starts, not its siblings.
pub(crate) fn require_single_thread() -> Result<(), ConfineError> {
    let tasks = fs::read_dir("/proc/self/task")
        .map_err(|source| ConfineError::Process { what: "the list of threads in /proc/self/task", source })?
        .count();
    if tasks == 1 { Ok(()) } else { Err(ConfineError::Threads(tasks)) }
}

/// Closes every descriptor but the standard ones and `keep`.
pub(crate) fn close_all_but(keep: &[RawFd]) -> Result<(), ConfineError> {
    let mut kept: Vec<u32> =
        keep.iter().filter_map(|&fd| u32::try_from(fd).ok()).filter(|&fd| fd > 2).collect();
    kept.sort_unstable();
    kept.dedup();
    let mut first = 3;
    for fd in kept {
        if fd > first {
            close_range(first, fd - 1)?;
        }
        first = fd + 1;
    }
    close_range(first, u32::MAX)
}

fn close_range(first: u32, last: u32) -> Result<(), ConfineError> {
    // SAFETY: close_range(2) takes two numbers and flags and touches no memory. That nobody in
    // this process owns a descriptor in the range is the documented duty of whoever sets
    // `Confinement::keep_only`, in a process that has just been started.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if answer == 0 {
        return Ok(());
    }
    Err(ConfineError::Process { what: "the inherited descriptors", source: std::io::Error::last_os_error() })
}

/// Gives up every capability, so that a worker of root is no more than anybody else's.
pub(crate) fn drop_capabilities() -> Result<(), ConfineError> {
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(|e| ConfineError::Process { what: "the capabilities", source: e.into() })
}

/// No privileges from any program, no tracing and no memory image by others of the same user, and
/// no death by a write to a file that may not grow.
pub(crate) fn seal() -> Result<(), ConfineError> {
    rustix::thread::set_no_new_privs(true)
        .map_err(|e| ConfineError::Process { what: "the ban on new privileges", source: e.into() })?;
    // After the capabilities: a change of those sets it back (prctl(2), PR_SET_DUMPABLE).
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|e| ConfineError::Process { what: "the ban on memory images", source: e.into() })?;
    // SAFETY: SIG_IGN is a valid disposition, no handler of ours runs, and the process has one
    // thread.
    let before = unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    if before == libc::SIG_ERR {
        let source = std::io::Error::last_os_error();
        return Err(ConfineError::Process { what: "the answer to the file size signal", source });
    }
    Ok(())
}

/// Asks for SIGKILL when the starting thread ends, and makes sure that it has not ended already.
pub(crate) fn die_with(parent: u32) -> Result<(), ConfineError> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| ConfineError::Process { what: "the signal at the starter's death", source: e.into() })?;
    let now = getppid().map(|pid| pid.as_raw_nonzero().get());
    if now.is_some_and(|now| u32::try_from(now) == Ok(parent)) {
        Ok(())
    } else {
        Err(ConfineError::ParentGone(parent))
    }
}
