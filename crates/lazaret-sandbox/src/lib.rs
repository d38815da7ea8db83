//! Confinement of the process that reads hostile bytes.
//!
//! The program starts itself again as a *worker*, gives it one Unix socket, and the worker calls
//! [`confine`] before it sees the first byte of an image. From then on, and until it ends, the
//! worker can compute, read descriptors that are handed to it over that socket, and answer.
//! Nothing else: no network, no file system, no program, no other process.
//!
//! Three walls stand one behind the other, and each alone would stop most of it:
//!
//! * **Landlock** takes the file system away (and, where the kernel can, TCP, abstract sockets
//!   and signals to others), except reading beneath paths that the caller names.
//! * **seccomp** admits a short list of system calls, each with its reason (`syscalls.rs`); every
//!   other one fails with "operation not permitted". It also covers what an older Landlock cannot.
//! * **Resource limits** bound memory, open files and processor time, and make writing any file
//!   impossible. Capabilities are dropped, and no program can give new ones.
//!
//! A wall that cannot be built is an error that names it. There is no weaker mode.

mod filesystem;
mod limits;
mod process;
mod syscalls;

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;

pub use filesystem::Landlocked;

/// What the worker may still do, and how much of it.
///
/// The default is the strictest: no file, no bound on memory or processor time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// Files and directories that may be read, with everything beneath them. Each must exist.
    /// While this is empty no file can be opened at all.
    pub read_only: Vec<PathBuf>,
    /// Bytes of private writable memory (`RLIMIT_DATA`): heap, thread stacks, copies on write.
    /// An allocation beyond it fails. Address space that is only reserved does not count, so that
    /// the engine of the byte rules can reserve its guard regions.
    pub memory_bytes: Option<u64>,
    /// Seconds of processor time, all threads together (`RLIMIT_CPU`), after which the worker is
    /// killed.
    pub cpu_seconds: Option<u64>,
    /// How many descriptors may be open at once (`RLIMIT_NOFILE`).
    pub open_files: u64,
    /// Process id of the starter. If it is given, the worker is killed when *the thread that
    /// started it* ends (`PR_SET_PDEATHSIG`, prctl(2)), and an error is returned if that has
    /// already happened. Leave it out where the starting thread may end before the worker, as a
    /// thread of an async runtime's pool does: the worker then ends when its socket is closed.
    pub parent: Option<u32>,
    /// Descriptors to keep besides 0, 1 and 2; every other one that was inherited (a lock, a
    /// socket that a shell forgot to close) is closed. None keeps all of them.
    ///
    /// With `Some`, no object of this process may own a descriptor that is not listed.
    pub keep_only: Option<Vec<RawFd>>,
}

impl Default for Confinement {
    fn default() -> Self {
        Self {
            read_only: Vec::new(),
            memory_bytes: None,
            cpu_seconds: None,
            open_files: 256,
            parent: None,
            keep_only: None,
        }
    }
}

/// What is in force after [`confine`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What Landlock does.
    pub landlock: Landlocked,
    /// How many system calls the filter admits, with or without conditions.
    pub system_calls: usize,
    /// The limits that were set, as name and value, `("data", 1073741824)`.
    pub limits: Vec<(&'static str, u64)>,
}

/// One line for a person: `Landlock ABI 7 (all it offers), 61 system calls, limits core 0, …`.
impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} system calls, limits", self.landlock, self.system_calls)?;
        for (at, (name, value)) in self.limits.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma} {name} {value}")?;
        }
        Ok(())
    }
}

/// Which wall could not be built, and why. After any of these the process must not read: some of
/// the walls may already stand, others do not.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// More than one thread: the walls would stand around this one only.
    #[error("{0} threads run already; confinement must come before the second one")]
    Threads(usize),
    /// The kernel would not say something that must be known.
    #[error("{what} could not be read or set: {source}")]
    Process {
        /// What was asked.
        what: &'static str,
        /// What it answered.
        source: io::Error,
    },
    /// The starter is gone.
    #[error("the process {0} that started the worker has ended")]
    ParentGone(u32),
    /// The kernel has no Landlock or it is switched off.
    #[error(
        "this kernel has no Landlock ({0}); it needs Linux 5.13 with `landlock` in its list of security modules"
    )]
    NoLandlock(&'static str),
    /// The kernel has Landlock and refused the rules.
    #[error("Landlock refused the rules: {0}")]
    Landlock(String),
    /// A path that should stay readable cannot be opened.
    #[error("{} should stay readable but cannot be opened: {reason}", path.display())]
    ReadOnlyPath {
        /// The path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The kernel has no seccomp filter or refused ours.
    #[error("the system call filter (seccomp) could not be put in place: {0}")]
    Seccomp(String),
    /// A resource limit was refused.
    #[error("the limit on {name} could not be set to {value}: {source}")]
    Limit {
        /// Which.
        name: &'static str,
        /// The value.
        value: u64,
        /// What the kernel answered.
        source: io::Error,
    },
}

impl ConfineError {
    /// The wall that is missing, in two words, for a status line.
    pub fn part(&self) -> &'static str {
        match self {
            Self::Threads(_) | Self::Process { .. } | Self::ParentGone(_) => "process state",
            Self::NoLandlock(_) | Self::Landlock(_) | Self::ReadOnlyPath { .. } => "Landlock",
            Self::Seccomp(_) => "seccomp",
            Self::Limit { .. } => "resource limits",
        }
    }

    /// The whole line for a person. `flag` is the flag of the program that reads without
    /// confinement, `--unconfined`.
    pub fn advice(&self, flag: &str) -> String {
        format!(
            "the reading worker cannot confine itself ({}): {self}; nothing was read. {flag} reads without confinement: use it only for images that you trust",
            self.part()
        )
    }
}

/// Confines this process, for good.
///
/// To be called by a freshly started worker, before its second thread and before it looks at
/// anything from an image. A clean environment is the starter's task.
///
/// # Errors
///
/// The first wall that could not be built. The process must then end without reading.
pub fn confine(confinement: &Confinement) -> Result<Applied, ConfineError> {
    process::require_single_thread()?;
    if let Some(keep) = &confinement.keep_only {
        process::close_all_but(keep)?;
    }
    // Paths are opened while it is still possible, and before capabilities are gone.
    let landlock = filesystem::prepare(&confinement.read_only)?;
    process::drop_capabilities()?;
    process::seal()?;
    if let Some(parent) = confinement.parent {
        process::die_with(parent)?;
    }
    let limits = limits::apply(confinement)?;
    let landlock = landlock.enforce()?;
    // Last, since it forbids everything that was done above.
    let system_calls = syscalls::restrict(!confinement.read_only.is_empty())?;
    Ok(Applied { landlock, system_calls, limits })
}
