//! Workers that share a queue, and a store on a server behind the other commands.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/served.rs"]
mod served;
mod support;

use std::io::Write;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use postgres::Server;
use served::field::fake::Fake;
use served::field::images::Workshop;
use served::field::registry::{Access, Registry};
use served::until;
use support::{MARKER, PROGRAM, Place, RawImage, Said, Tar, noise};

/// A worker that is ended with the test.
struct Worker {
    child: Child,
    log: std::path::PathBuf,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Worker {
    fn start(place: &Place, store: &str, log: &str, more: &[&str]) -> Self {
        let rules = place.path("rules");
        let arguments = ["worker", "--store", store, "--only-rules", "--rules", rules.to_str().unwrap()];
        let mut command = Command::new(PROGRAM);
        place.scrub(&mut command, &[&arguments[..], more].concat(), &[]);
        let log = place.path(log);
        let out = std::fs::File::create(&log).unwrap();
        let child = command.stdout(Stdio::null()).stderr(out).spawn().unwrap();
        Self { child, log }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for its end and gives its exit code.
    fn ended(&mut self) -> i32 {
        let status = until("the worker's end", || self.child.try_wait().unwrap());
        status.code().unwrap_or(-1)
    }
}

fn add(place: &Place, store: &str, references: &[&str], more: &[&str]) -> Said {
    let rules = place.path("rules");
    let arguments = ["worker", "add", "--store", store, "--only-rules", "--rules", rules.to_str().unwrap()];
    place.run(&[&arguments[..], more, references].concat())
}

fn queue(place: &Place, store: &str) -> Value {
    let said = place.run(&["worker", "list", "--json", "--store", store]);
    assert_eq!(said.code, 0, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

fn count(queue: &Value, state: &str) -> u64 {
    queue[state].as_u64().unwrap()
}

/// A registry with `good` images and a bad one; their references.
fn backlog(place: &Place, good: usize) -> (Workshop, Registry, Vec<String>) {
    let (workshop, registry) = (Workshop::new(), Registry::start(Access::Open));
    let mut references = Vec::new();
    for n in 0..=good {
        let mut image = RawImage::default();
        let text =
            if n == good { format!("#!/bin/sh\n# {MARKER}\n") } else { format!("#!/bin/sh\necho {n}\n") };
        image.config["config"]["Entrypoint"] = serde_json::json!(["/start.sh"]);
        image.layer(
            Tar::default()
                .file("start.sh", text.as_bytes())
                .file("own", &noise(20_000, u32::try_from(n).unwrap()))
                .end(),
        );
        let layout = image.write(&place.path(&format!("image{n}")));
        let name = registry.name(&format!("team/image{n}:1"));
        let mut copy = workshop.skopeo();
        copy.args(["copy", "-q", "--dest-tls-verify=false"]);
        copy.arg(format!("oci:{}", layout.display())).arg(format!("docker://{name}"));
        served::field::run(&mut copy);
        references.push(name);
    }
    (workshop, registry, references)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_a_backlog_and_one_takes_over_what_the_other_was_killed_over() {
    let (place, server) = (Place::new(), Server::start());
    let store = server.database();
    let (_workshop, _registry, references) = backlog(&place, 7);
    // An image whose layer stops half-way the first time that it is asked for.
    let mut slow = RawImage::default();
    let layer = slow.layer(Tar::default().file("filler", &noise(1 << 20, 99)).end()).digest();
    let layout = slow.write(&place.path("slow"));
    let (stalled, whole) = (served::stalling(layout.clone(), layer.clone()), layout.clone());
    let fake = Fake::start(move |request, before| match before {
        0 => stalled(request, before),
        _ => served::answer(&whole, request),
    })
    .await;
    let slow = format!("{}/x:1", fake.host);

    let said = add(&place, &store, &[&slow], &["--priority", "9"]);
    assert_eq!((said.code, said.out.as_str()), (0, "1 put into the queue\n"), "{said:?}");
    let all: Vec<&str> = references.iter().map(String::as_str).collect();
    assert_eq!(add(&place, &store, &all, &[]).out, "8 put into the queue\n");
    assert_eq!(add(&place, &store, &all[..3], &[]).out, "0 put into the queue, 3 asked for before\n");

    let mut workers =
        [0, 1].map(|n| Worker::start(&place, &store, &format!("worker{n}.log"), &["--lease", "3"]));
    // One of them hangs in the slow image; the other does the rest alone.
    let stuck = until("the slow image is being read", || {
        let queue = queue(&place, &store);
        let jobs = queue["jobs"].as_array().unwrap().clone();
        let job = jobs.into_iter().find(|job| job["reference"] == *slow && job["state"] == "running")?;
        (fake.count(&layer) > 0).then(|| job["worker"].as_str().unwrap().to_owned())
    });
    until("the other images are judged", || (count(&queue(&place, &store), "done") == 8).then_some(()));
    assert_eq!(count(&queue(&place, &store), "running"), 1);
    let pid = |worker: &Worker| format!(":{}:", worker.child.id());
    let at = workers.iter().position(|worker| stuck.contains(&pid(worker))).unwrap();
    workers[at].child.kill().unwrap();
    workers[at].child.wait().unwrap();

    until("the killed worker's image is judged", || {
        (count(&queue(&place, &store), "done") == 9).then_some(())
    });
    let queue = queue(&place, &store);
    assert_eq!([count(&queue, "pending"), count(&queue, "running"), count(&queue, "failed")], [0, 0, 0]);
    let jobs = queue["jobs"].as_array().unwrap();
    let of = |name: &str| jobs.iter().find(|job| job["reference"] == *name).unwrap();
    assert_eq!(of(&slow)["attempts"], 2, "{queue}");
    assert!(of(&slow)["worker"].as_str().unwrap().contains(&pid(&workers[1 - at])), "{queue}");
    assert!(of(&slow)["note"].as_str().unwrap().starts_with("clean"), "{queue}");
    assert!(of(&references[7])["note"].as_str().unwrap().starts_with("malicious"), "{queue}");
    assert!(references.iter().all(|name| of(name)["attempts"] == 1), "{queue}");

    // Whoever scans one of them now is answered from the store: its registry can be silent.
    let images = place.run(&["images", "--store", &store]);
    assert!(images.out.contains("malicious") && images.out.contains("team/image7"), "{images:?}");
    let table = place.run(&["worker", "list", "--store", &store]);
    assert!(table.out.starts_with("0 pending, 0 running, 9 done, 0 failed\n"), "{table:?}");
    assert!(table.out.lines().all(|line| line.chars().count() <= 80), "{table:?}");
}

#[test]
fn on_a_file_a_worker_does_what_is_due_and_ends_when_asked_to() {
    let place = Place::new();
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let (_workshop, registry, references) = backlog(&place, 2);
    let absent = registry.name("team/absent:1");
    let rules = place.path("rules");
    let arguments =
        ["worker", "add", "-", "--store", &store, "--only-rules", "--rules", rules.to_str().unwrap()];
    let mut child = place
        .command(&arguments, &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = format!("{}\n\n{absent}\n", references.join("\n"));
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = support::said(child.wait_with_output().unwrap());
    assert_eq!((said.code, said.out.as_str()), (0, "4 put into the queue\n"), "{said:?}");

    let mut worker =
        Worker::start(&place, &store, "worker.log", &["--once", "--at-once", "2", "--attempts", "1"]);
    assert_eq!(worker.ended(), 0, "{}", worker.log());
    let queue = queue(&place, &store);
    assert_eq!((count(&queue, "done"), count(&queue, "failed")), (3, 1), "{queue}");
    let failed =
        queue["jobs"].as_array().unwrap().iter().find(|job| job["state"] == "failed").unwrap().clone();
    assert_eq!(failed["reference"], *absent);
    assert!(!failed["note"].as_str().unwrap().is_empty(), "{queue}");
    assert!(worker.log().contains("it is given up"), "{}", worker.log());

    // What was given up can be asked for again, when that is said.
    assert_eq!(add(&place, &store, &[&absent], &[]).out, "0 put into the queue, 1 asked for before\n");
    assert_eq!(add(&place, &store, &[&absent], &["--again"]).out, "1 put into the queue\n");
    let local = add(&place, &store, &["oci:/somewhere"], &[]);
    assert!(local.code == 2 && local.err.contains("not in a registry"), "{local:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_gives_its_image_back() {
    let place = Place::new();
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let mut slow = RawImage::default();
    let layer = slow.layer(Tar::default().file("filler", &noise(1 << 20, 98)).end()).digest();
    let layout = slow.write(&place.path("slow"));
    let fake = Fake::start(served::stalling(layout, layer.clone())).await;
    add(&place, &store, &[&format!("{}/x:1", fake.host)], &[]);
    let mut worker = Worker::start(&place, &store, "worker.log", &[]);
    until("the layer is asked for", || (fake.count(&layer) > 0).then_some(()));
    let pid = rustix::process::Pid::from_child(&worker.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(worker.ended(), 0, "{}", worker.log());
    let queue = queue(&place, &store);
    assert_eq!((count(&queue, "pending"), count(&queue, "running")), (1, 0), "{queue}");
    assert_eq!(queue["jobs"][0]["attempts"], 0, "{queue}");
}

#[test]
fn a_worker_tells_which_feed_stops_counting_while_it_runs() {
    let place = Place::new();
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let feed = |arguments: &[&str]| {
        let said = place.run(&[&["feed"], arguments].concat());
        assert_eq!(said.code, 0, "{said:?}");
        said.out
    };
    let key = feed(&["keygen", "-o", "team.pem"]).lines().next().unwrap().to_owned();
    feed(&["pin", "acme", &key]);
    std::fs::write(place.path("entries.csv"), "kind,value,reason\nhost,c2.example.invalid,a camp\n").unwrap();
    let export = "export -o acme.json --key team.pem --name acme --version 1 --expires 30d --issuer Acme --from entries.csv";
    feed(&export.split(' ').collect::<Vec<_>>());
    feed(&["import", "acme.json", "--store", &store]);
    let worker = Worker::start(&place, &store, "worker.log", &[]);
    until("it waits for work", || worker.log().contains("waits for work").then_some(()));
    assert!(!worker.log().contains("is not used"), "{}", worker.log());
    feed(&["unpin", "acme"]);
    until("it tells", || worker.log().contains("the feed acme is not used: no key is pinned").then_some(()));
}

#[test]
fn a_worker_reads_the_rules_again_when_they_change() {
    let place = Place::new();
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let (_workshop, _registry, references) = backlog(&place, 0);
    let worker = Worker::start(&place, &store, "worker.log", &[]);
    add(&place, &store, &[&references[0]], &[]);
    until("it is judged", || (count(&queue(&place, &store), "done") == 1).then_some(()));
    let rule = place.path("rules/marker.yar");
    let text = std::fs::read_to_string(&rule).unwrap().replace(MARKER, "something that nobody has");
    std::fs::write(&rule, text).unwrap();
    until("the rules are read again", || worker.log().contains("read again").then_some(()));
    // Under other rules it is another question.
    assert_eq!(add(&place, &store, &[&references[0]], &[]).out, "1 put into the queue\n");
    until("it is judged again", || (count(&queue(&place, &store), "done") == 2).then_some(()));
    let queue = queue(&place, &store);
    let notes: Vec<_> =
        queue["jobs"].as_array().unwrap().iter().map(|job| job["note"].as_str().unwrap()).collect();
    assert!(notes[0].starts_with("clean") && notes[1].starts_with("malicious"), "{queue}");
}

#[test]
fn a_second_scan_with_a_store_on_a_server_is_answered_by_it() {
    let (place, server) = (Place::new(), Server::start());
    let store = server.database();
    let mut image = RawImage::default();
    image.config["config"]["Entrypoint"] = serde_json::json!(["/start.sh"]);
    image.layer(Tar::default().file("start.sh", format!("#!/bin/sh\n# {MARKER}\n").as_bytes()).end());
    let layout = image.write(&place.path("layout"));
    let (rules, reference) = (place.path("rules"), format!("oci:{}", layout.display()));
    let arguments =
        ["scan", "--store", &store, "--only-rules", "--rules", rules.to_str().unwrap(), &reference];
    let (first, report) = place.json(&arguments);
    assert_eq!(first.code, 1, "{first:?}");
    for layer in &image.layers {
        support::remove_blob(&layout, &layer.digest());
    }
    let (second, again) = place.json(&arguments);
    assert_eq!(second.code, 1, "{second:?}");
    let remembered =
        |report: &Value| report["reports"][0]["images"][0]["coverage"]["layersRemembered"].clone();
    assert_eq!((remembered(&report), remembered(&again)), (0.into(), 1.into()), "{second:?}");
    assert_eq!(again["reports"][0]["verdict"], report["reports"][0]["verdict"]);

    let listed = place.run(&["images", "--store", &store]);
    assert!(listed.out.contains("malicious"), "{listed:?}");
    let based = place.run(&["base", "list", "--store", &store]);
    assert_eq!(based.code, 0, "{based:?}");

    // The server goes: an error in one line, and no verdict.
    drop(server);
    let said = place.run(&arguments);
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    assert!(said.err.contains("the store postgres://") && said.err.lines().count() == 1, "{said:?}");
}
