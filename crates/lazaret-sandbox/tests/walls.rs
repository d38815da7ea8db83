//! One test for each thing that a confined worker must not be able to do, and for each that it
//! must. The attempts are made by a process of their own (`probe/`), since confinement is for
//! good. That an attempt is one at all is shown too, where it is harmless: without the walls it
//! succeeds.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::io::IoSlice;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, ExitStatus, Stdio};

fn probe(attempt: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confined-probe"));
    command
        .env_clear()
        .env("PROBE_STARTER", std::process::id().to_string())
        .arg(attempt)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn run(mut command: Command) -> (String, ExitStatus) {
    let output = command.output().unwrap();
    (String::from_utf8(output.stdout).unwrap().trim_end().to_owned(), output.status)
}

fn attempt(name: &str, args: &[&str]) -> String {
    let (said, status) = run(probe(name, args));
    assert!(status.success(), "{name}: {status}, {said}");
    said
}

/// `EPERM` from the filter or `EACCES` from Landlock.
fn refused(name: &str, args: &[&str]) {
    let said = attempt(name, args);
    assert!(
        said.starts_with("refused: ") && (said.contains("(os error 1)") || said.contains("(os error 13)")),
        "{name}: {said}"
    );
}

fn file_in(directory: &tempfile::TempDir, name: &str) -> String {
    let path = directory.path().join(name);
    fs::write(&path, "content").unwrap();
    path.to_str().unwrap().to_owned()
}

macro_rules! banned {
    ($($name:ident: $attempt:literal;)+) => {
        $(#[test] fn $name() { refused($attempt, &[]); })+
    };
}

banned! {
    it_cannot_read_a_file: "read-passwd";
    it_cannot_list_a_directory: "list-directory";
    it_cannot_open_its_own_program: "read-own-program";
    it_cannot_bind_a_tcp_port: "bind-tcp";
    it_cannot_make_a_socket_pair: "make-socket-pair";
    it_cannot_make_a_raw_socket: "raw-socket";
    it_cannot_talk_to_the_kernel_by_netlink: "netlink";
    it_cannot_become_another_program: "exec";
    it_cannot_start_another_program: "fork-and-exec";
    it_cannot_execute_a_descriptor: "exec-descriptor";
    it_cannot_fork: "fork";
    it_cannot_make_a_namespace_by_clone: "new-namespace-by-clone";
    it_cannot_make_a_namespace_by_unshare: "new-namespace-by-unshare";
    it_cannot_enter_a_namespace: "enter-namespace";
    it_cannot_signal_its_starter: "kill-starter";
    it_cannot_signal_a_thread_of_its_starter: "kill-starter-thread";
    it_cannot_trace_its_starter: "trace-starter";
    it_cannot_read_the_memory_of_its_starter: "read-starter-memory";
    it_cannot_get_a_handle_on_its_starter: "take-starter-descriptor";
    it_cannot_change_the_limits_of_its_starter: "limit-starter";
    it_cannot_mount: "mount";
    it_cannot_change_its_root: "chroot";
    it_cannot_use_bpf: "bpf";
    it_cannot_use_io_uring: "io-uring";
    it_cannot_use_keyrings: "keyring";
    it_cannot_use_userfaultfd: "userfaultfd";
    it_cannot_use_perf: "perf";
    it_cannot_load_a_kernel_module: "load-module";
    it_cannot_become_another_user: "become-another-user";
    it_cannot_type_into_a_terminal: "type-into-terminal";
}

#[test]
fn what_is_banned_and_harmless_works_without_the_walls() {
    let directory = tempfile::tempdir().unwrap();
    let (path, new) = (file_in(&directory, "f"), directory.path().join("new"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let new = new.to_str().unwrap();
    for (name, args) in [
        ("read-passwd", vec![]),
        ("list-directory", vec![]),
        ("read-own-program", vec![]),
        ("open-for-writing", vec![path.as_str()]),
        ("create-file", vec![new]),
        ("rename", vec![new, path.as_str()]),
        ("chmod", vec![path.as_str()]),
        ("truncate", vec![path.as_str()]),
        ("unlink", vec![path.as_str()]),
        ("write-open-file", vec![]),
        ("memory-file", vec![]),
        ("connect-tcp", vec![address.as_str()]),
        ("bind-tcp", vec![]),
        ("make-socket-pair", vec![]),
        ("netlink", vec![]),
        ("fork-and-exec", vec![]),
        ("allocate", vec![]),
    ] {
        let mut command = probe(name, &args);
        command.env("PROBE_WITHOUT_WALLS", "1");
        let (said, _) = run(command);
        assert!(said.starts_with("done: "), "{name}: {said}");
    }
}

#[test]
fn it_cannot_open_a_file_for_writing() {
    let directory = tempfile::tempdir().unwrap();
    let path = file_in(&directory, "f");
    refused("open-for-writing", &[&path]);
}

#[test]
fn it_cannot_create_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new");
    refused("create-file", &[path.to_str().unwrap()]);
    assert!(!path.exists());
}

#[test]
fn it_cannot_truncate_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = file_in(&directory, "f");
    refused("truncate", &[&path]);
    assert_eq!(fs::read_to_string(path).unwrap(), "content");
}

#[test]
fn it_cannot_remove_rename_link_or_change_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = file_in(&directory, "f");
    let other = directory.path().join("g");
    let other = other.to_str().unwrap();
    refused("unlink", &[&path]);
    refused("rename", &[&path, other]);
    refused("hard-link", &[&path, other]);
    refused("symlink", &[other]);
    refused("make-directory", &[other]);
    refused("chmod", &[&path]);
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["f"]);
}

#[test]
fn it_cannot_write_to_a_file_that_is_open_already() {
    let said = attempt("write-open-file", &[]);
    assert_eq!(said, "refused: File too large (os error 27)");
}

#[test]
fn it_cannot_make_a_file_in_memory() {
    // "Not there" rather than "not allowed": the byte rules' engine then takes another way.
    assert_eq!(attempt("memory-file", &[]), "refused: Function not implemented (os error 38)");
}

#[test]
fn it_cannot_put_another_filter_in_place() {
    assert_eq!(attempt("loosen-filter", &[]), "refused: Function not implemented (os error 38)");
}

#[test]
fn it_cannot_connect_to_a_listener() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    refused("connect-tcp", &[&listener.local_addr().unwrap().to_string()]);
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn it_cannot_send_a_datagram() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    refused("send-udp", &[&socket.local_addr().unwrap().to_string()]);
    assert_eq!(socket.recv(&mut [0; 8]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn it_cannot_connect_to_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("engine.sock");
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    refused("connect-unix", &[path.to_str().unwrap()]);
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn it_cannot_have_more_memory_than_it_was_given() {
    assert!(attempt("allocate", &[]).starts_with("refused: memory allocation failed"));
}

#[test]
fn it_cannot_use_more_processor_time_than_it_was_given() {
    use std::os::unix::process::ExitStatusExt;
    let (said, status) = run(probe("spin", &[]));
    assert_eq!((said.as_str(), status.signal()), ("", Some(libc::SIGKILL)));
}

#[test]
fn it_cannot_use_a_descriptor_that_was_left_open_by_mistake() {
    let directory = tempfile::tempdir().unwrap();
    let path = file_in(&directory, "secret");
    // A shell leaves descriptor 9 open in everything that it starts.
    let program = env!("CARGO_BIN_EXE_confined-probe");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"exec 9<"$2"; exec "$1" use-inherited 9"#, "sh", program, &path]);
    shell.stderr(Stdio::null());
    assert_eq!(run(shell).0, "refused: Bad file descriptor (os error 9)");
}

#[test]
fn reading_beneath_a_named_directory_is_all_that_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("inside");
    fs::create_dir(&inside).unwrap();
    let rule = inside.join("rule");
    fs::write(&rule, "a rule").unwrap();
    let outside = file_in(&directory, "outside");
    std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
    let (inside, rule) = (inside.to_str().unwrap(), rule.to_str().unwrap());
    assert_eq!(attempt("read-allowed", &[inside, rule]), "done: a rule");
    assert_eq!(attempt("read-allowed", &[rule, rule]), "done: a rule");
    refused("write-beneath-allowed", &[inside, rule]);
    refused("read-outside-allowed", &[inside, &outside]);
    refused("read-outside-allowed", &[inside, &format!("{inside}/link")]);
    refused("read-outside-allowed", &[inside, &format!("{inside}/../outside")]);
}

#[test]
fn a_second_thread_comes_too_early() {
    let said = attempt("second-thread-first", &[]);
    assert!(said.contains("2 threads run already") && said.contains("--unconfined"), "{said}");
}

#[test]
fn a_starter_that_has_ended_is_noticed() {
    let said = attempt("starter-is-another", &[]);
    assert!(said.starts_with("not confined: ") && said.contains("has ended"), "{said}");
    assert!(attempt("starter-is-named", &[]).starts_with("done: Landlock"));
}

#[test]
fn it_says_what_is_in_force() {
    let said = attempt("nothing", &[]);
    assert!(
        said.starts_with("done: Landlock ABI ") && said.ends_with("limits core 0, fsize 0, nofile 256"),
        "{said}"
    );
}

#[test]
fn threads_still_start() {
    assert_eq!(attempt("start-threads", &[]), "done: sum 140");
}

#[test]
fn pipes_still_work() {
    assert_eq!(attempt("use-pipe", &[]), "done: through the pipe");
}

#[test]
fn compiled_rules_can_still_be_mapped_and_run() {
    assert_eq!(attempt("run-mapped-code", &[]), "done: returned 42");
}

#[test]
fn a_panic_is_still_caught() {
    assert_eq!(attempt("panic-and-recover", &[]), "done: caught true");
}

#[test]
fn an_abort_still_ends_it_by_its_signal() {
    use std::os::unix::process::ExitStatusExt;
    let (_, status) = run(probe("abort", &[]));
    assert_eq!(status.signal(), Some(libc::SIGABRT));
    assert!(!status.core_dumped());
}

#[test]
fn a_descriptor_still_comes_over_the_socket_and_can_be_read() {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let directory = tempfile::tempdir().unwrap();
    let layer = fs::File::open(file_in(&directory, "layer")).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = probe("receive-descriptor", &[]);
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    drop(command);
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [layer.as_fd()];
    assert!(
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)),
        "descriptor {}",
        layer.as_raw_fd()
    );
    sendmsg(&ours, &[IoSlice::new(b"layer")], &mut ancillary, SendFlags::empty()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "done: 5 bytes, 7 in the file: content\n");
}
