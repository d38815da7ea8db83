//! What a taken-over worker would try, and what an honest one must still be able to do.

use std::fs;
use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::process::Command;

/// What an attempt needs from before the walls.
pub struct Ready {
    file: Option<fs::File>,
}

pub fn prepare(attempt: &str) -> Ready {
    let file = (attempt == "write-open-file").then(|| tempfile_here().unwrap());
    Ready { file }
}

/// An unlinked file that is open for writing.
fn tempfile_here() -> io::Result<fs::File> {
    let path = std::env::temp_dir().join(format!("confined-probe-{}", std::process::id()));
    let file = fs::File::options().create_new(true).read(true).write(true).open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

fn done<T>(result: io::Result<T>) -> io::Result<String> {
    result.map(|_| "it worked".to_owned())
}

/// A system call that has no function in the standard library; numbers only, so no memory is
/// touched but what a null pointer names.
fn raw(call: libc::c_long, args: [libc::c_long; 5]) -> io::Result<String> {
    // SAFETY: every pointer argument used below is null or a static C string.
    let answer = unsafe { libc::syscall(call, args[0], args[1], args[2], args[3], args[4]) };
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(format!("it returned {answer}")) }
}

pub fn make(name: &str, args: &[String], ready: Ready) -> io::Result<String> {
    let arg = |at: usize| args[at].as_str();
    match name {
        // The file system.
        "read-passwd" => fs::read_to_string("/etc/passwd"),
        "list-directory" => done(fs::read_dir("/")),
        "read-own-program" => done(fs::File::open("/proc/self/exe")),
        "open-for-writing" => done(fs::File::options().write(true).open(arg(0))),
        "create-file" => done(fs::File::create_new(arg(0))),
        "truncate" => {
            let path = std::ffi::CString::new(arg(0)).unwrap();
            // SAFETY: a C string that outlives the call.
            let answer = unsafe { libc::truncate(path.as_ptr(), 0) };
            if answer == 0 { Ok("it worked".to_owned()) } else { Err(io::Error::last_os_error()) }
        }
        "unlink" => done(fs::remove_file(arg(0))),
        "rename" => done(fs::rename(arg(0), arg(1))),
        "symlink" => done(symlink("/", arg(0))),
        "hard-link" => done(fs::hard_link(arg(0), arg(1))),
        "make-directory" => done(fs::DirBuilder::new().mode(0o700).create(arg(0))),
        "chmod" => done(fs::set_permissions(arg(0), fs::Permissions::from_mode(0o4777))),
        "write-open-file" => done(ready.file.unwrap().write_all(b"x")),
        "memory-file" => raw(libc::SYS_memfd_create, [c"x".as_ptr() as libc::c_long, 0, 0, 0, 0]),
        "read-allowed" => fs::read_to_string(arg(1)),
        "write-beneath-allowed" => done(fs::File::options().append(true).open(arg(1))),
        "read-outside-allowed" => fs::read_to_string(arg(1)),
        // The network.
        "connect-tcp" => done(TcpStream::connect(arg(0))),
        "bind-tcp" => done(TcpListener::bind("127.0.0.1:0")),
        "send-udp" => done(UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"x", arg(0)))),
        "connect-unix" => done(UnixStream::connect(arg(0))),
        "make-socket-pair" => done(UnixStream::pair()),
        "raw-socket" => raw(libc::SYS_socket, [libc::AF_PACKET.into(), libc::SOCK_RAW.into(), 0, 0, 0]),
        "netlink" => raw(libc::SYS_socket, [libc::AF_NETLINK.into(), libc::SOCK_RAW.into(), 0, 0, 0]),
        // Programs and processes.
        "exec" => {
            use std::os::unix::process::CommandExt;
            Err(Command::new("/bin/true").exec())
        }
        "fork-and-exec" => done(Command::new("/bin/true").status()),
        "exec-descriptor" => {
            let empty = [std::ptr::null::<libc::c_char>()];
            let none = empty.as_ptr() as libc::c_long;
            raw(libc::SYS_execveat, [0, c"".as_ptr() as libc::c_long, none, none, libc::AT_EMPTY_PATH.into()])
        }
        "fork" => raw(libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0, 0, 0]),
        "new-namespace-by-clone" => {
            raw(libc::SYS_clone, [(libc::CLONE_NEWUSER | libc::SIGCHLD).into(), 0, 0, 0, 0])
        }
        "new-namespace-by-unshare" => raw(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0, 0]),
        "enter-namespace" => raw(libc::SYS_setns, [0, 0, 0, 0, 0]),
        "kill-starter" => raw(libc::SYS_kill, [starter(), 0, 0, 0, 0]),
        "kill-starter-thread" => raw(libc::SYS_tgkill, [starter(), starter(), 0, 0, 0]),
        "trace-starter" => raw(libc::SYS_ptrace, [libc::PTRACE_ATTACH as libc::c_long, starter(), 0, 0, 0]),
        "read-starter-memory" => raw(libc::SYS_process_vm_readv, [starter(), 0, 0, 0, 0]),
        "take-starter-descriptor" => raw(libc::SYS_pidfd_open, [starter(), 0, 0, 0, 0]),
        "limit-starter" => {
            let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            let limit = &raw const limit as libc::c_long;
            raw(libc::SYS_prlimit64, [starter(), libc::RLIMIT_NOFILE as libc::c_long, limit, 0, 0])
        }
        // The kernel.
        "mount" => {
            let tmpfs = c"tmpfs".as_ptr() as libc::c_long;
            raw(libc::SYS_mount, [tmpfs, c"/mnt".as_ptr() as libc::c_long, tmpfs, 0, 0])
        }
        "chroot" => done(std::os::unix::fs::chroot("/")),
        "bpf" => raw(libc::SYS_bpf, [0, 0, 0, 0, 0]),
        "io-uring" => raw(libc::SYS_io_uring_setup, [8, 0, 0, 0, 0]),
        "keyring" => raw(libc::SYS_keyctl, [0, -3, 0, 0, 0]),
        "userfaultfd" => raw(libc::SYS_userfaultfd, [1, 0, 0, 0, 0]),
        "perf" => raw(libc::SYS_perf_event_open, [0, 0, -1, -1, 0]),
        "load-module" => raw(libc::SYS_finit_module, [0, c"".as_ptr() as libc::c_long, 0, 0, 0]),
        "become-another-user" => raw(libc::SYS_setresuid, [65534, 65534, 65534, 0, 0]),
        "type-into-terminal" => raw(libc::SYS_ioctl, [0, libc::TIOCSTI as libc::c_long, 0, 0, 0]),
        "loosen-filter" => raw(libc::SYS_seccomp, [libc::SECCOMP_SET_MODE_FILTER.into(), 0, 0, 0, 0]),
        // Limits.
        "allocate" => {
            let mut memory: Vec<u8> = Vec::new();
            memory.try_reserve_exact(512 << 20).map_err(|e| io::Error::other(e.to_string()))?;
            memory.resize(512 << 20, 1);
            Ok(format!("{} bytes", memory.len()))
        }
        "spin" => loop {
            std::hint::spin_loop();
        },
        "use-inherited" => {
            // SAFETY: nobody else owns the number; if it is closed, the read says so.
            let mut file = fs::File::from(unsafe { OwnedFd::from_raw_fd(arg(0).parse().unwrap()) });
            let mut text = String::new();
            file.read_to_string(&mut text).map(|_| text)
        }
        // What must still work.
        "start-threads" => {
            let threads: Vec<_> = (0..8u32).map(|n| std::thread::spawn(move || n * n)).collect();
            let sum: u32 = threads.into_iter().map(|t| t.join().unwrap()).sum();
            Ok(format!("sum {sum}"))
        }
        "receive-descriptor" => receive(std::io::stdin().as_fd()),
        "run-mapped-code" => Ok(format!("returned {}", run_mapped_code()?)),
        "use-pipe" => {
            let (mut reader, mut writer) = io::pipe()?;
            writer.write_all(b"through the pipe")?;
            drop(writer);
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        }
        "panic-and-recover" => {
            let caught = std::panic::catch_unwind(|| panic!("an analyzer failed"));
            Ok(format!("caught {}", caught.is_err()))
        }
        "abort" => std::process::abort(),
        other => panic!("no attempt is named {other}"),
    }
}

/// The process that started this one; asking the kernel for it is not on the list.
fn starter() -> libc::c_long {
    std::env::var("PROBE_STARTER").unwrap().parse().unwrap()
}

/// Reads one message with one descriptor, and then the whole of what the descriptor holds.
fn receive(socket: BorrowedFd<'_>) -> io::Result<String> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 16];
    let message =
        recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let mut file = fs::File::from(descriptor.ok_or_else(|| io::Error::other("no descriptor came"))?);
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(format!("{} bytes, {} in the file: {text}", message.bytes, file.metadata()?.len()))
}

/// Maps a page, writes a function into it that returns 42, makes it executable and calls it.
fn run_mapped_code() -> io::Result<i32> {
    #[cfg(target_arch = "x86_64")]
    let code: &[u8] = &[0xb8, 42, 0, 0, 0, 0xc3];
    #[cfg(target_arch = "aarch64")]
    let code: &[u8] = &[0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6];
    // SAFETY: a fresh private page of our own; the bytes are a whole function of this processor
    // that touches nothing but its result register.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        page.cast::<u8>().copy_from_nonoverlapping(code.as_ptr(), code.len());
        if libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_EXEC) != 0 {
            return Err(io::Error::last_os_error());
        }
        let function: extern "C" fn() -> i32 = std::mem::transmute(page);
        Ok(function())
    }
}
