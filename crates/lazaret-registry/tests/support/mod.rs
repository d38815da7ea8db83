//! Real registries and engines, and a small HTTP server for what they never do. Everything
//! listens on loopback or a socket of its own and is ended by its process id.
// Other crates' tests use parts of this that those here do not.
#![allow(dead_code)]

pub mod engines;
pub mod fake;
pub mod images;
pub mod registry;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lazaret_registry::{BlobStream, Client, ClientOptions, Environment, RetryPolicy};
use sha2::{Digest, Sha256};

/// Longest wait for a daemon to be ready.
const READY: Duration = Duration::from_secs(60);

/// The full path of a program that a test cannot do without.
pub fn needed(program: &str, package: &str) -> PathBuf {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(program))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("this test needs `{program}`: apt-get install {package}"))
}

/// Runs a command to its end and gives what it printed.
pub fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        status.success(),
        "{command:?}: {status}\n{}{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
    String::from_utf8_lossy(&stdout).into_owned()
}

/// A daemon that is ended when the test ends, by SIGTERM so that it can end its own children.
pub struct Process {
    child: Child,
    pub log: PathBuf,
}

impl Process {
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let out = File::create(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self { child, log: log.to_owned() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until `ready` gives something.
    pub fn wait<T>(&mut self, mut ready: impl FnMut(&str) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(found) = ready(&log) {
                return found;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon ended ({status}):\n{log}");
            }
            assert!(begun.elapsed() < READY, "the daemon is not ready:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(15) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Options that look at nothing on this machine and repeat quickly.
pub fn options() -> ClientOptions {
    ClientOptions {
        environment: Environment::default(),
        retry: RetryPolicy {
            tries: 4,
            first_wait: Duration::from_millis(5),
            longest_wait: Duration::from_millis(20),
            longest_retry_after: Duration::from_secs(5),
            ..RetryPolicy::default()
        },
        connect_timeout: Duration::from_secs(10),
        stall_timeout: Duration::from_secs(10),
        ..ClientOptions::default()
    }
}

pub fn client() -> Client {
    Client::new(options()).unwrap()
}

/// Reads a blob to its end: its SHA-256 and its length.
pub async fn read_all(mut stream: BlobStream) -> Result<(String, u64), lazaret_registry::RegistryError> {
    let (mut hasher, mut length) = (Sha256::new(), 0);
    while let Some(chunk) = stream.next_chunk().await? {
        hasher.update(&chunk);
        length += chunk.len() as u64;
    }
    Ok((format!("sha256:{}", hex(&hasher.finalize())), length))
}

pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
