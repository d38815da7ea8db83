//! The second wall: a list of the system calls that the worker may make, with the reason for each.
//!
//! What is not listed fails with `EPERM`. A few fail with `ENOSYS` instead, because the C library
//! or the byte rules' engine tries them and falls back to a listed one only for that answer.
//! Whatever a later kernel adds is not listed either.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use crate::ConfineError;

/// Admitted whatever the arguments are.
const ADMITTED: &[c_long] = &[
    // Reading descriptors that were handed over, and answering on the socket or a pipe.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_fadvise64,
    libc::SYS_fstat,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    // The socket to the starter: descriptors come by recvmsg. No socket can be made, bound or
    // connected, so these act on that one only.
    libc::SYS_recvmsg,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    // Memory. Executable mappings are needed: byte rules are compiled to machine code.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_brk,
    libc::SYS_membarrier,
    // Threads and locks.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Own signals: the engine turns a fault in compiled rules into an error.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Time, randomness for hash tables, own use of resources.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

/// Answered with "no such call", so that the caller takes the older way.
const ABSENT: &[c_long] = &[
    // Its flags stand in memory, where a filter cannot see them; the C library then uses clone.
    libc::SYS_clone3,
    // A file that could be written and then executed; the byte rules' engine then copies instead.
    libc::SYS_memfd_create,
];

/// Flags that a clone must have to be a thread of this process, and must not have: those that
/// make namespaces.
const THREAD: u64 = (libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND) as u64;
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;

/// Any of these makes an open more than reading. `O_TMPFILE` without the bit that it shares with
/// `O_DIRECTORY`.
const OPEN_FOR_MORE: u64 = (libc::O_ACCMODE
    | libc::O_CREAT
    | libc::O_TRUNC
    | libc::O_APPEND
    | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u64;

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;
type Built<T> = Result<T, seccompiler::BackendError>;

/// Puts the filter in place and returns how many system calls it admits.
pub(crate) fn restrict(may_open: bool) -> Result<usize, ConfineError> {
    let failed = |e: String| ConfineError::Seccomp(e);
    let rules = admitted(may_open, std::process::id()).map_err(|e| failed(e.to_string()))?;
    let count = rules.len();
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let main = program(rules, refuse, SeccompAction::Allow)?;
    // Of two filters that both refuse, the answer of the younger one is given (seccomp(2)). The
    // older one must still let the younger in; it can only narrow what is admitted, and it
    // closes that door behind itself.
    let mut last: Rules = ABSENT.iter().map(|&call| (call, Vec::new())).collect();
    last.insert(libc::SYS_seccomp, Vec::new());
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let last = program(last, SeccompAction::Allow, absent)?;
    for filter in [main, last] {
        seccompiler::apply_filter(&filter).map_err(|e| failed(e.to_string()))?;
    }
    Ok(count)
}

/// Calls by an interface of another processor mode (32-bit on a 64-bit kernel) kill the process:
/// `seccompiler` puts that check first.
fn program(rules: Rules, otherwise: SeccompAction, then: SeccompAction) -> Result<BpfProgram, ConfineError> {
    let failed = |e: seccompiler::BackendError| ConfineError::Seccomp(e.to_string());
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(failed)?;
    let filter = SeccompFilter::new(rules, otherwise, then, arch).map_err(failed)?;
    filter.try_into().map_err(failed)
}

fn admitted(may_open: bool, own_pid: u32) -> Built<Rules> {
    let mut rules: Rules = ADMITTED.iter().map(|&call| (call, Vec::new())).collect();
    // Threads, and neither processes nor namespaces.
    rules.insert(libc::SYS_clone, vec![rule([masked(0, Width::Qword, THREAD | NAMESPACES, THREAD)?])?]);
    // abort() and panics signal the process itself.
    rules.insert(libc::SYS_tgkill, vec![rule([equal(0, own_pid.into())?])?]);
    // A sendto without an address is a send.
    rules.insert(libc::SYS_sendto, vec![rule([null(4)?])?]);
    // Time-outs and buffers of the socket.
    let options = [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO, libc::SO_RCVBUF, libc::SO_SNDBUF];
    rules.insert(
        libc::SYS_setsockopt,
        each(options, |option| rule([equal(1, libc::SOL_SOCKET as u64)?, equal(2, option as u64)?]))?,
    );
    // Flags and copies of a descriptor; no owner for signals, no lease, no lock, no notification.
    let commands = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL, libc::F_DUPFD_CLOEXEC];
    rules.insert(libc::SYS_fcntl, each(commands, |command| rule([equal(1, command as u64)?]))?);
    // Is it a terminal, how much is there to read, block or not, close on exec. Nothing that
    // types into a terminal or controls a device.
    // The C libraries disagree on their type.
    #[allow(clippy::unnecessary_cast)]
    let controls = [libc::TCGETS as u64, libc::FIONREAD as u64, libc::FIONBIO as u64, libc::FIOCLEX as u64];
    rules.insert(libc::SYS_ioctl, each(controls, |control| rule([equal(1, control)?]))?);
    // Names of threads and of memory, and the flag that comes before the last filter.
    let options = [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA, libc::PR_SET_NO_NEW_PRIVS];
    rules.insert(libc::SYS_prctl, each(options, |option| rule([equal(0, option as u64)?]))?);
    // Reading own limits (the C library does, for the size of stacks), never setting.
    rules.insert(libc::SYS_prlimit64, vec![rule([equal(0, 0)?, null(2)?])?]);
    // Once, for the last filter.
    rules.insert(
        libc::SYS_seccomp,
        vec![rule([equal(0, libc::SECCOMP_SET_MODE_FILTER.into())?, equal(1, 0)?])?],
    );
    // Size and kind of an open descriptor.
    let of_descriptor = libc::AT_EMPTY_PATH as u64;
    rules.insert(libc::SYS_newfstatat, vec![rule([masked(3, Width::Dword, of_descriptor, of_descriptor)?])?]);
    rules.insert(libc::SYS_statx, vec![rule([masked(2, Width::Dword, of_descriptor, of_descriptor)?])?]);
    if may_open {
        // Only what Landlock lets through, and only for reading.
        rules.insert(libc::SYS_openat, vec![rule([masked(2, Width::Dword, OPEN_FOR_MORE, 0)?])?]);
        for call in [
            libc::SYS_newfstatat,
            libc::SYS_statx,
            libc::SYS_getdents64,
            libc::SYS_readlinkat,
            libc::SYS_faccessat,
            libc::SYS_getcwd,
        ] {
            rules.insert(call, Vec::new());
        }
    }
    Ok(rules)
}

fn rule<const N: usize>(all: [SeccompCondition; N]) -> Built<SeccompRule> {
    SeccompRule::new(all.into())
}

fn each<T, const N: usize>(
    values: [T; N],
    rule: impl Fn(T) -> Built<SeccompRule>,
) -> Built<Vec<SeccompRule>> {
    values.into_iter().map(rule).collect()
}

fn equal(argument: u8, value: u64) -> Built<SeccompCondition> {
    SeccompCondition::new(argument, Width::Dword, Op::Eq, value)
}

fn null(argument: u8) -> Built<SeccompCondition> {
    SeccompCondition::new(argument, Width::Qword, Op::Eq, 0)
}

fn masked(argument: u8, width: Width, mask: u64, value: u64) -> Built<SeccompCondition> {
    SeccompCondition::new(argument, width, Op::MaskedEq(mask), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls whose admission would be a hole, whatever else changes.
    const NEVER: &[c_long] = &[
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_accept,
        libc::SYS_accept4,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_pidfd_send_signal,
        libc::SYS_pidfd_getfd,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_openat2,
        libc::SYS_open_by_handle_at,
        libc::SYS_truncate,
        libc::SYS_ftruncate,
        libc::SYS_unlinkat,
        libc::SYS_renameat,
        libc::SYS_renameat2,
        libc::SYS_linkat,
        libc::SYS_symlinkat,
        libc::SYS_mkdirat,
        libc::SYS_mknodat,
        libc::SYS_fchmod,
        libc::SYS_fchmodat,
        libc::SYS_fchown,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
        libc::SYS_setuid,
        libc::SYS_setresuid,
        libc::SYS_capset,
        libc::SYS_personality,
        libc::SYS_quotactl,
        libc::SYS_swapon,
        libc::SYS_name_to_handle_at,
        libc::SYS_sendmmsg,
        libc::SYS_pwrite64,
    ];

    #[test]
    fn no_call_that_would_be_a_hole_is_on_the_list() {
        for may_open in [false, true] {
            let rules = admitted(may_open, 1).expect("the list is well formed");
            for call in NEVER.iter().chain(ABSENT) {
                assert!(!rules.contains_key(call), "system call {call} is admitted");
            }
        }
    }

    #[test]
    fn opening_is_on_the_list_only_when_there_is_something_to_open() {
        assert!(!admitted(false, 1).expect("well formed").contains_key(&libc::SYS_openat));
        assert!(admitted(true, 1).expect("well formed").contains_key(&libc::SYS_openat));
    }

    #[test]
    fn both_filters_compile_for_every_processor_that_we_release_for() {
        for arch in [TargetArch::x86_64, TargetArch::aarch64] {
            let refuse = SeccompAction::Errno(libc::EPERM as u32);
            let filter = SeccompFilter::new(
                admitted(true, 1).expect("well formed"),
                refuse,
                SeccompAction::Allow,
                arch,
            );
            let program: Result<BpfProgram, _> = filter.expect("well formed").try_into();
            assert!(program.is_ok(), "{arch:?}");
        }
    }
}
