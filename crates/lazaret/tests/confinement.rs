//! The worker of the running program, seen from outside while it reads. What each wall forbids is
//! proved in the sandbox's own tests; here it is proved that the program builds them.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/served.rs"]
mod served;
mod support;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use served::field::fake::Fake;
use served::until;
use support::{Place, RawImage, Said, Tar, noise};

/// A scan that stands still in the middle of a layer, and its worker.
struct Standing {
    place: Place,
    fake: Fake,
    child: Child,
    worker: u32,
}

impl Drop for Standing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Standing {
    async fn start(more: &[&str]) -> Self {
        let place = Place::new();
        let mut image = RawImage::default();
        let slow = image.layer(Tar::default().file("filler", &noise(2 << 20, 3)).end()).digest();
        let layout = image.write(&place.path("layout"));
        let fake = Fake::start(served::stalling(layout, slow.clone())).await;
        let reference = format!("{}/x:latest", fake.host);
        let arguments = [&["scan", "--no-store", &reference], more].concat();
        let mut child = place
            .command(&arguments, &[("SECRET_OF_THE_USER", "do-not-hand-on")])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until("the layer is asked for", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the program ended: {status}");
            }
            (fake.count(&slow) > 0).then_some(())
        });
        let worker = until("the worker is there", || worker_of(child.id()));
        Self { place, fake, child, worker }
    }

    /// Kills every worker until the program ends.
    fn end_killing(self) -> Said {
        let program = self.child.id();
        until("the program has no worker left", || {
            let Some(worker) = worker_of(program) else {
                return fs::read_to_string(format!("/proc/{program}/stat"))
                    .is_ok_and(|s| s.contains(") Z "))
                    .then_some(());
            };
            kill(worker);
            None
        });
        self.end()
    }

    /// Waits for the end of the program.
    fn end(mut self) -> Said {
        let (mut out, mut err) = (self.child.stdout.take().unwrap(), self.child.stderr.take().unwrap());
        let status = until("the program ends", || self.child.try_wait().unwrap());
        let (mut said, mut told) = (String::new(), String::new());
        std::io::Read::read_to_string(&mut out, &mut said).unwrap();
        std::io::Read::read_to_string(&mut err, &mut told).unwrap();
        Said { code: status.code().unwrap_or(-1), out: said, err: told }
    }
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    // It may have ended by itself.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

/// The child of a process that was started as a worker.
fn worker_of(parent: u32) -> Option<u32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    let children = tasks.flatten().flat_map(|task| {
        let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    });
    children.filter_map(|pid| pid.parse().ok()).find(|pid: &u32| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.windows(8).any(|w| w == b"__worker"))
    })
}

fn status(pid: u32) -> HashMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    text.lines().filter_map(|l| l.split_once(':')).map(|(k, v)| (k.to_owned(), v.trim().to_owned())).collect()
}

/// Where each descriptor of a process leads.
fn descriptors(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    entries.flatten().map(|e| fs::read_link(e.path()).unwrap().display().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_reads_behind_walls() {
    let standing = Standing::start(&[]).await;
    // Every thread of it, not only the first.
    for task in fs::read_dir(format!("/proc/{}/task", standing.worker)).unwrap().flatten() {
        let thread: u32 = task.file_name().to_str().unwrap().parse().unwrap();
        let status = status(thread);
        assert_eq!((status["NoNewPrivs"].as_str(), status["Seccomp"].as_str()), ("1", "2"), "{status:?}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(status[set].trim_start_matches('0'), "", "{set} of {thread}");
        }
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", standing.worker)).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|l| l.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!((limit("Max file size").as_str(), limit("Max core file size").as_str()), ("0", "0"));
    assert_ne!(limit("Max data size"), "unlimited");
    let environment = fs::read(format!("/proc/{}/environ", standing.worker)).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    for name in ["SECRET_OF_THE_USER", "HOME=", "PATH="] {
        assert!(!environment.contains(name), "{environment}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_holds_no_network_socket_and_no_file() {
    let standing = Standing::start(&[]).await;
    let unix = fs::read_to_string("/proc/net/unix").unwrap();
    let held = descriptors(standing.worker);
    assert!(held.iter().any(|d| d.starts_with("pipe:")), "it reads nothing: {held:?}");
    for descriptor in held {
        let harmless = match descriptor.strip_prefix("socket:[").and_then(|d| d.strip_suffix(']')) {
            Some(inode) => unix.lines().any(|l| l.split_whitespace().nth(6) == Some(inode)),
            None => {
                descriptor.starts_with("pipe:")
                    || descriptor == "/dev/null"
                    || descriptor.starts_with("anon_inode:")
            }
        };
        assert!(harmless, "the worker holds {descriptor}");
    }
    // The program itself does hold a connection, so the look was a real one.
    let tcp = fs::read_to_string("/proc/net/tcp").unwrap();
    let connected = descriptors(standing.child.id()).iter().any(|d| {
        d.strip_prefix("socket:[")
            .and_then(|d| d.strip_suffix(']'))
            .is_some_and(|inode| tcp.lines().any(|l| l.split_whitespace().nth(9) == Some(inode)))
    });
    assert!(connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_flag_reads_without_walls_and_says_so() {
    let standing = Standing::start(&["--unconfined"]).await;
    assert_eq!(status(standing.worker)["Seccomp"], "0");
    let said = standing.end_killing();
    assert!(said.err.contains("--unconfined"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_is_never_clean() {
    let standing = Standing::start(&[]).await;
    let said = standing.end_killing();
    assert!(matches!(said.code, 2 | 3), "{said:?}");
    assert!(!said.out.starts_with("clean"), "{said:?}");
    assert!(format!("{}{}", said.out, said.err).contains("worker died"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_that_no_worker_survives_costs_that_layer_and_nothing_else() {
    let mut good = RawImage::default();
    good.layer(Tar::default().file("app", b"x").end());
    let place = Place::new();
    let good = format!("oci:{}", good.write(&place.path("good")).display());
    // The stalled layer is asked for once by the first worker and once by the second, which is
    // there to find out whether the layer was to blame.
    let standing = Standing::start(&[&good]).await;
    let (first, program) = (standing.worker, standing.child.id());
    kill(first);
    let second = until("another worker", || worker_of(program).filter(|pid| *pid != first));
    let asked = || standing.fake.seen().iter().filter(|r| r.path.contains("/blobs/")).count();
    until("the layer is asked for again", || (asked() >= 3).then_some(()));
    kill(second);
    let said = standing.end();
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.out.contains("inconclusive") && said.out.contains("worker died"), "{said:?}");
    // The next image has a worker of its own.
    assert!(said.out.contains(&good) && said.out.contains("clean  oci:"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_does_not_outlive_the_program() {
    let mut standing = Standing::start(&[]).await;
    let worker = standing.worker;
    standing.child.kill().unwrap();
    standing.child.wait().unwrap();
    until("the worker ends", || {
        let gone = !Path::new(&format!("/proc/{worker}")).exists();
        // Nobody may be there to fetch its status; dead it is all the same.
        (gone || status(worker)["State"].starts_with('Z')).then_some(())
    });
    assert!(standing.place.path("layout").exists() && !standing.fake.seen().is_empty());
}
