//! The registry and the gate that are measured, on loopback, ended when they are dropped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{read, wait};

struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    fn start(mut command: Command, log: PathBuf) -> Result<Self> {
        let file = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        Ok(Self { child, log })
    }

    /// The address that follows `words` in the log.
    fn address(&self, words: &str) -> Result<String> {
        wait(words, || {
            let log = read(&self.log);
            let rest = log.split(words).nth(1)?;
            let address: String =
                rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
            (address.len() < rest.len()).then_some(address)
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian's docker-registry.
pub struct Registry {
    server: Server,
    pub host: String,
}

impl Registry {
    pub fn start(work: &Path) -> Result<Self> {
        let config = work.join("registry.yml");
        let data = work.join("registry");
        std::fs::write(
            &config,
            format!(
                "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n",
                data.display()
            ),
        )?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).env("OTEL_TRACES_EXPORTER", "none");
        let server = Server::start(command, work.join("registry.log"))?;
        let host = server.address("listening on ")?;
        Ok(Self { server, host })
    }

    pub fn image(&self, name: &str) -> String {
        format!("docker://{}/bench/{name}:1", self.host)
    }

    pub fn log_length(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.server.log)?.len())
    }

    pub fn log_since(&self, length: u64) -> Result<String> {
        let log = read(&self.server.log);
        let at = usize::try_from(length)?.min(log.len());
        Ok(log[at..].to_owned())
    }
}

/// The gate, with memories of its own.
pub struct Gate {
    server: Server,
    pub host: String,
    cache: PathBuf,
}

impl Gate {
    pub fn start(program: &Path, work: &Path, name: &str, registry: &Registry) -> Result<Self> {
        let cache = work.join(format!("gate-{name}"));
        let mut command = Command::new(program);
        command.args(["gate", "--listen", "127.0.0.1:0", "--upstream", &registry.host, "--cache"]);
        command.arg(cache.join("blobs")).arg("--store").arg(cache.join("store.sqlite"));
        command.env("XDG_CACHE_HOME", work.join("cache"));
        let server = Server::start(command, work.join(format!("gate-{name}.log")))?;
        let host = server.address("listens on ")?;
        Ok(Self { server, host, cache })
    }

    pub fn image(&self, name: &str) -> String {
        format!("docker://{}/bench/{name}:1", self.host)
    }

    /// Ends it and takes away what it kept.
    pub fn forget(self) {
        let cache = self.cache.clone();
        drop(self);
        let _ = std::fs::remove_dir_all(cache);
    }

    /// Watches the memory of the gate and its workers together.
    pub fn watch_memory(&self) -> Watched {
        let (done, highest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let pid = self.server.child.id();
        let (ended, most) = (Arc::clone(&done), Arc::clone(&highest));
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                most.fetch_max(kilobytes(pid), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Watched { done, highest, thread: Some(thread) }
    }
}

/// Memory that is watched until this is asked for the highest.
pub struct Watched {
    done: Arc<AtomicBool>,
    highest: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Watched {
    /// MiB.
    pub fn highest(mut self) -> u64 {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.highest.load(Ordering::Relaxed) / 1024
    }
}

/// Proportional share of the memory of a process and its children: what they share counts once.
fn kilobytes(pid: u32) -> u64 {
    let own = read(Path::new(&format!("/proc/{pid}/smaps_rollup")));
    let own = own.lines().find_map(|line| line.strip_prefix("Pss:"));
    let own: u64 = own.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0);
    // Threads start children too.
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.flat_map(|task| {
        let text = read(&task.path().join("children"));
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
    });
    own + children.map(kilobytes).sum::<u64>()
}
