//! Gates that share a store on a PostgreSQL.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/served.rs"]
mod served;
mod support;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use postgres::Server;
use served::field::fake::{Fake, Request};
use served::{manifest_digest, until};
use support::{MARKER, PROGRAM, Place, RawImage, Tar, noise};

/// A gate that is ended with the test.
struct Gate {
    child: Child,
    host: String,
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Gate {
    fn start(place: &Place, store: &str, upstream: &str, name: &str) -> Self {
        let (rules, cache) = (place.path("rules"), place.path(&format!("{name}.cache")));
        let mut command = Command::new(PROGRAM);
        let arguments = ["gate", "--listen", "127.0.0.1:0", "--upstream", upstream, "--store", store];
        let more = ["--only-rules", "--rules", rules.to_str().unwrap(), "--cache", cache.to_str().unwrap()];
        place.scrub(&mut command, &[&arguments[..], &more].concat(), &[]);
        let log = place.path(&format!("{name}.log"));
        let out = std::fs::File::create(&log).unwrap();
        let child = command.stdout(Stdio::null()).stderr(out).spawn().unwrap();
        let mut gate = Self { child, host: String::new() };
        gate.host = until("the gate listens", || {
            let said = std::fs::read_to_string(&log).unwrap();
            assert!(gate.child.try_wait().unwrap().is_none(), "{said}");
            Some(said.split("listens on ").nth(1)?.split_once(',')?.0.to_owned())
        });
        gate
    }

    /// Status and body of an answer.
    async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        get(&self.host, path).await
    }
}

async fn ask(host: &str, path: &str) -> reqwest::Result<reqwest::Response> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
    let request = client.get(format!("http://{host}/v2/{path}"));
    request.header("Accept", "application/vnd.oci.image.manifest.v1+json").send().await
}

async fn get(host: &str, path: &str) -> (u16, Vec<u8>) {
    let response = ask(host, path).await.unwrap();
    (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
}

/// An image with one layer that holds the text; its layout and the layer's digest.
fn image(place: &Place, name: &str, text: &str, seed: u32) -> (std::path::PathBuf, String) {
    let mut image = RawImage::default();
    image.config["config"]["Entrypoint"] = serde_json::json!(["/start.sh"]);
    let script = format!("#!/bin/sh\n{text}\n");
    let tar = Tar::default().file("start.sh", script.as_bytes()).file("own", &noise(1 << 20, seed)).end();
    let layer = image.layer(tar).digest();
    (image.write(&place.path(name)), layer)
}

/// Fetched from the registry, not only asked about.
fn fetched(fake: &Fake, digest: &str) -> usize {
    fake.seen().iter().filter(|request| request.method == "GET" && request.path.contains(digest)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_a_gate_was_killed_over_is_judged_by_another() {
    let (place, server) = (Place::new(), Server::start());
    let store = server.database();
    let (layout, layer) = image(&place, "image", "echo hello", 1);
    let (stalling, whole) = (served::stalling(layout.clone(), layer.clone()), layout.clone());
    let fake = Fake::start(move |request: &Request, before| match before {
        0 => stalling(request, before),
        _ => served::answer(&whole, request),
    })
    .await;
    let mut first = Gate::start(&place, &store, &fake.host, "first");
    let second = Gate::start(&place, &store, &fake.host, "second");
    let host = first.host.clone();
    let lost = tokio::spawn(async move { ask(&host, "team/x/manifests/1").await.is_ok() });
    until("the first gate reads the layer", || (fetched(&fake, &layer) > 0).then_some(()));
    let host = second.host.clone();
    let waiting = tokio::spawn(async move { get(&host, "team/x/manifests/1").await });
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(fetched(&fake, &layer), 1, "the second gate reads what the first is reading");

    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert!(!lost.await.unwrap(), "the killed gate answered");
    let (status, body) = waiting.await.unwrap();
    let said = String::from_utf8_lossy(&body).into_owned();
    assert_eq!(status, 200, "{said}");
    assert_eq!(served::field::sha256(&body), manifest_digest(&layout), "{said}");
    let (status, blob) = second.get(&format!("team/x/blobs/{layer}")).await;
    assert_eq!((status, served::field::sha256(&blob)), (200, layer));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_gate_judged_another_knows_and_refuses_without_reading_it() {
    let (place, server) = (Place::new(), Server::start());
    let store = server.database();
    let (bad, bad_layer) = image(&place, "bad", &format!("# {MARKER}"), 2);
    let (good, good_layer) = image(&place, "good", "echo hello", 3);
    let fake = Fake::start(move |request: &Request, _| {
        served::answer(if request.path.contains("/bad/") { &bad } else { &good }, request)
    })
    .await;
    let first = Gate::start(&place, &store, &fake.host, "first");
    let second = Gate::start(&place, &store, &fake.host, "second");
    for gate in [&first, &second] {
        let (status, body) = gate.get("team/bad/manifests/1").await;
        let said = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(status, 403, "{said}");
        assert!(said.contains("malicious"), "{said}");
        assert_eq!(fetched(&fake, &bad_layer), 1);
        assert_eq!(gate.get(&format!("team/bad/blobs/{bad_layer}")).await.0, 403);
    }
    assert_eq!(first.get("team/good/manifests/1").await.0, 200);
    // The second was never asked for the manifest, and serves its blobs all the same.
    let (status, blob) = second.get(&format!("team/good/blobs/{good_layer}")).await;
    assert_eq!((status, served::field::sha256(&blob)), (200, good_layer));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_server_a_gate_lets_nothing_new_in_and_goes_on_when_it_is_back() {
    let (place, mut server) = (Place::new(), Server::start());
    let store = server.database();
    let (layout, layer) = image(&place, "image", "echo hello", 4);
    let fake = Fake::start(move |request: &Request, _| served::answer(&layout, request)).await;
    let gate = Gate::start(&place, &store, &fake.host, "gate");
    server.tell("stop");
    let (status, body) = gate.get("team/x/manifests/1").await;
    let said = String::from_utf8_lossy(&body).into_owned();
    assert!(status >= 400 && said.contains("errors"), "{status} {said}");
    assert!(gate.get(&format!("team/x/blobs/{layer}")).await.0 >= 400);
    server.tell("start");
    // A failure is remembered for some seconds.
    let begun = std::time::Instant::now();
    while gate.get("team/x/manifests/1").await.0 != 200 {
        assert!(begun.elapsed() < served::PATIENCE, "the gate does not go on");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(gate.get(&format!("team/x/blobs/{layer}")).await.0, 200);
}
