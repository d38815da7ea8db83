//! Several gates that share a store on a server, and a bucket.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/bucket.rs"]
mod bucket;
#[path = "support/gated.rs"]
mod gated;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/served.rs"]
mod served;
mod support;

use std::process::Command;
use std::sync::{Arc, Mutex};

use bucket::Bucket;
use gated::{Running, Upstream, ask, clean, marked};
use postgres::Server;
use served::field::Process;
use served::until;
use support::{PROGRAM, Place};

/// What gates share.
struct Shared {
    place: Place,
    bucket: Bucket,
    server: Server,
}

impl Shared {
    fn new() -> Self {
        let place = Place::new();
        let bucket = Bucket::start(&place.path("s3"));
        Self { bucket, server: Server::start(), place }
    }

    /// A gate with a directory of its own.
    fn gate(&self, name: &str, upstream: &str) -> Running {
        let (rules, cache) = (self.place.path("rules"), self.place.path(&format!("cache-{name}")));
        let store = format!("postgres:///postgres?host={}&user=lazaret", self.server.directory.display());
        let mut command = Command::new(PROGRAM);
        let arguments = ["gate", "--listen", "127.0.0.1:0", "--upstream", upstream, "--only-rules"];
        let more = ["--rules", rules.to_str().unwrap(), "--cache", cache.to_str().unwrap()];
        let shared = ["--store", &store, "--bucket", "s3://blobs/of/ours"];
        let arguments = [&arguments[..], &more, &shared].concat();
        self.place.scrub(&mut command, &arguments, &self.bucket.environment());
        let mut process = Process::start(&mut command, &self.place.path(&format!("{name}.log")));
        let host = process.wait(|log| {
            let rest = log.split("listens on ").nth(1)?;
            Some(rest.split_once(',')?.0.to_owned())
        });
        Running { process, host }
    }
}

#[test]
fn what_one_gate_judged_and_fetched_the_others_serve() {
    let shared = Shared::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let upstream = Upstream::start(move |request, reply| {
        if request.method == "GET" && request.path.contains("/blobs/") {
            heard.lock().unwrap().push(request.path.rsplit('/').next().unwrap().replace("%3A", ":"));
        }
        reply
    });
    let digest = upstream.image(&shared.place, "good", &clean("x"));
    upstream.image(&shared.place, "bad", &marked());
    let gates = [shared.gate("one", upstream.host()), shared.gate("two", upstream.host())];

    // Both at once: one judges, and the other takes its verdict.
    let path = format!("/v2/team/app/manifests/{digest}");
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let asking: Vec<_> = gates.iter().map(|gate| scope.spawn(|| gate.settled(&path).status)).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    assert_eq!(answers, [200, 200]);
    let blobs = upstream.blobs(&digest);
    let fetched = |blob: &String| asked.lock().unwrap().iter().filter(|asked| *asked == blob).count();
    for blob in &blobs[1..] {
        assert_eq!(fetched(blob), 1, "a layer is read by one of them");
    }
    for gate in &gates {
        assert_eq!(gate.settled("/v2/team/app/manifests/bad").error().0, "DENIED");
    }

    // A third that nobody asked for the manifest knows what it holds, and has the layers of the bucket.
    for blob in &blobs[1..] {
        until("the upload", || shared.bucket.file(blob).exists().then_some(()));
    }
    let third = shared.gate("three", upstream.host());
    for blob in &blobs[1..] {
        let answer = third.get(&format!("/v2/team/app/blobs/{blob}"));
        assert_eq!((answer.status, support::sha256(&answer.body)), (200, blob.clone()));
        assert_eq!(fetched(blob), 1, "it comes from the bucket");
    }

    // What lies in the bucket is believed by nobody.
    for blob in &blobs[1..] {
        let file = shared.bucket.file(blob);
        let mut bytes = std::fs::read(&file).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    }
    let fourth = shared.gate("four", upstream.host());
    for blob in &blobs[1..] {
        let answer = fourth.get(&format!("/v2/team/app/blobs/{blob}"));
        assert_eq!((answer.status, support::sha256(&answer.body)), (200, blob.clone()));
        assert_eq!(fetched(blob), 2, "it comes from the registry");
    }

    // A token of one is one of all.
    let token = gates[0].get("/token").json()["token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    assert_eq!(ask("GET", &gates[1].host, &path, &[("Authorization", &bearer)]).status, 200);
    let other = if token.as_bytes()[20] == b'A' { 'B' } else { 'A' };
    let forged = format!("Bearer {}{other}{}", &token[..20], &token[21..]);
    assert_eq!(ask("GET", &gates[1].host, &path, &[("Authorization", &forged)]).status, 401);
}
