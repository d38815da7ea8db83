//! The first wall: Landlock (landlock(7)).

use std::fmt;
use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use crate::ConfineError;

/// Everything that the newest kernel known to us can forbid is asked for; an older one forbids
/// what it knows.
const NEWEST: ABI = ABI::V9;

/// What Landlock forbids on this kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landlocked {
    /// The version of the kernel's interface.
    pub abi: u32,
    /// What this kernel's Landlock cannot forbid. The system call filter forbids each of them.
    pub left_to_seccomp: Vec<&'static str>,
}

impl fmt::Display for Landlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Landlock ABI {}", self.abi)?;
        if !self.left_to_seccomp.is_empty() {
            write!(f, " ({} left to seccomp)", self.left_to_seccomp.join(", "))?;
        }
        Ok(())
    }
}

/// Rules that are ready and not yet in force.
pub(crate) struct Prepared {
    ruleset: RulesetCreated,
    abi: u32,
}

/// The version of Landlock that the kernel speaks (landlock_create_ruleset(2), flag
/// `LANDLOCK_CREATE_RULESET_VERSION`).
fn kernel_abi() -> Result<u32, ConfineError> {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the kernel wants a null pointer and size 0, and touches no memory.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0, VERSION)
    };
    match u32::try_from(answer) {
        Ok(abi) => Ok(abi),
        Err(_) => Err(ConfineError::NoLandlock(match io::Error::last_os_error().raw_os_error() {
            Some(libc::ENOSYS) => "it is not built in",
            Some(libc::EOPNOTSUPP) => "it is switched off",
            _ => "something around this process forbids it",
        })),
    }
}

/// Makes the rules, so that the paths are opened before anything is forbidden.
pub(crate) fn prepare(read_only: &[PathBuf]) -> Result<Prepared, ConfineError> {
    let abi = kernel_abi()?;
    let refused = |e: landlock::RulesetError| ConfineError::Landlock(e.to_string());
    let mut ruleset = Ruleset::default()
        // What every Landlock can do must be done; the rest as far as the kernel goes.
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map_err(refused)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .map_err(refused)?
        .handle_access(AccessNet::from_all(NEWEST))
        .map_err(refused)?
        .scope(Scope::from_all(NEWEST))
        .map_err(refused)?
        .create()
        .map_err(refused)?;
    for path in read_only {
        let unreadable = |reason: String| ConfineError::ReadOnlyPath { path: path.clone(), reason };
        let is_directory = path.metadata().map_err(|e| unreadable(e.to_string()))?.is_dir();
        let access =
            if is_directory { AccessFs::ReadFile | AccessFs::ReadDir } else { AccessFs::ReadFile.into() };
        let beneath = PathFd::new(path).map_err(|e| unreadable(e.to_string()))?;
        ruleset = ruleset.add_rule(PathBeneath::new(beneath, access)).map_err(refused)?;
    }
    Ok(Prepared { ruleset, abi })
}

impl Prepared {
    /// Puts the rules in force for this thread and all that it will ever start.
    pub(crate) fn enforce(self) -> Result<Landlocked, ConfineError> {
        let status = self.ruleset.restrict_self().map_err(|e| ConfineError::Landlock(e.to_string()))?;
        if status.ruleset == RulesetStatus::NotEnforced || !status.no_new_privs {
            return Err(ConfineError::Landlock(
                "the kernel took the rules and does not enforce them".to_owned(),
            ));
        }
        Ok(Landlocked { abi: self.abi, left_to_seccomp: left_out(self.abi) })
    }
}

/// What Landlock of version `abi` has no word for (landlock(7), "Previous limitations").
fn left_out(abi: u32) -> Vec<&'static str> {
    [
        (3, "truncating"),
        (4, "TCP"),
        (5, "device controls"),
        (6, "abstract sockets and signals"),
        (9, "socket paths"),
    ]
    .into_iter()
    .filter_map(|(since, what)| (abi < since).then_some(what))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_kernel_leaves_more_to_the_system_call_filter_and_says_so() {
        let old = Landlocked { abi: 2, left_to_seccomp: left_out(2) };
        assert_eq!(
            old.to_string(),
            "Landlock ABI 2 (truncating, TCP, device controls, abstract sockets and signals, socket paths left to seccomp)"
        );
        let new = Landlocked { abi: 9, left_to_seccomp: left_out(9) };
        assert_eq!(new.to_string(), "Landlock ABI 9");
    }

    #[test]
    fn a_path_that_is_not_there_is_an_error_that_names_it() {
        let Err(error) = prepare(&["/nonexistent/rules".into()]) else { panic!("it was accepted") };
        assert!(error.to_string().contains("/nonexistent/rules"), "{error}");
        assert_eq!(error.part(), "Landlock");
    }
}
