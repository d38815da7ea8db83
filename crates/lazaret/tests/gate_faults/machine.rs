//! A machine that fails: the store is gone, the disk full, the process killed, a worker dies.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::gated::{OCI_MANIFEST, Running, Upstream, clean, kill, marked, start, start_after};
use crate::served::field::fake::Then;
use crate::served::field::run;
use crate::served::until;
use crate::support::{PROGRAM, Place, noise, said};

/// Mounts a small file system of its own over a directory; only the gate sees it.
fn small_disk(directory: &Path, size: &str) -> String {
    std::fs::create_dir_all(directory).unwrap();
    format!("mount -t tmpfs -o size={size} tmpfs {}", directory.display())
}

fn in_its_namespace(gate: &Running, command: &[&str]) {
    run(Command::new("nsenter").args(["-m", "-t", &gate.process.id().to_string()]).args(command));
}

#[test]
fn a_store_whose_file_is_removed_lets_nothing_unjudged_in() {
    let place = Place::new();
    let upstream = Upstream::honest();
    for (tag, recipe) in [("known", clean("known")), ("new", clean("new")), ("bad", marked())] {
        upstream.image(&place, tag, &recipe);
    }
    let gate = start(&place, upstream.host(), &[]);
    assert_eq!(gate.get("/v2/team/it/manifests/known").status, 200);
    for entry in std::fs::read_dir(place.path("state")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert_eq!(gate.get("/v2/team/it/manifests/known").status, 200);
    let said = gate.get("/v2/team/it/manifests/bad");
    assert!(matches!(said.status, 403 | 503), "{said:?}");
    let said = gate.get("/v2/team/it/manifests/new");
    assert!(matches!(said.status, 200 | 503), "{said:?}");
    // Started again, with nothing to remember, it judges anew.
    drop(gate);
    let gate = start(&place, upstream.host(), &[]);
    assert_eq!(gate.get("/v2/team/it/manifests/bad").status, 403);
    assert_eq!(gate.get("/v2/team/it/manifests/new").status, 200);
}

#[test]
fn a_store_whose_disk_fills_up_in_mid_run_refuses_what_is_new_until_there_is_room() {
    let place = Place::new();
    let upstream = Upstream::honest();
    for (tag, recipe) in [("known", clean("known")), ("new", clean("new")), ("bad", marked())] {
        upstream.image(&place, tag, &recipe);
    }
    let state = place.path("state");
    let gate = start_after(&place, &small_disk(&state, "64m"), upstream.host(), &[]);
    assert_eq!(gate.get("/v2/team/it/manifests/known").status, 200);
    let state = state.display().to_string();
    in_its_namespace(&gate, &["sh", "-c", &format!("cat /dev/zero > {state}/filler 2>/dev/null || true")]);
    assert_eq!(gate.get("/v2/team/it/manifests/known").status, 200, "what is known is served");
    for tag in ["new", "bad"] {
        let said = gate.get(&format!("/v2/team/it/manifests/{tag}"));
        assert!(matches!(said.status, 403 | 503), "{tag}: {said:?}");
    }
    let new = upstream.blobs("new");
    assert_ne!(gate.get(&format!("/v2/team/it/blobs/{}", new[2])).status, 200);
    in_its_namespace(&gate, &["rm", &format!("{state}/filler")]);
    let mut last = None;
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_secs(60) {
        let said = gate.get("/v2/team/it/manifests/new");
        let status = said.status;
        last = Some((status, said.error()));
        if status == 200 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    assert!(last.as_ref().is_some_and(|(status, _)| *status == 200), "still {last:?}: {}", gate.log());
    assert_eq!(gate.get("/v2/team/it/manifests/bad").status, 403);
}

#[test]
fn a_store_that_cannot_be_written_keeps_the_gate_from_opening() {
    let place = Place::new();
    let state = place.path("state");
    std::fs::create_dir_all(&state).unwrap();
    let at = state.display();
    let script = format!("mount --bind {at} {at} && mount -o remount,bind,ro {at} && exec \"$@\"");
    let store = format!("sqlite:{at}/store.sqlite");
    let mut command = Command::new("unshare");
    place.scrub(
        &mut command,
        &[
            "-m",
            "--propagation",
            "private",
            "sh",
            "-c",
            &script,
            "sh",
            PROGRAM,
            "gate",
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            "registry.example",
            "--store",
            &store,
        ],
        &[],
    );
    let said = said(command.output().unwrap());
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("store.sqlite") && !said.err.contains("listens"), "{said:?}");
}

/// An image with a layer that no small disk takes.
fn large(upstream: &Upstream, place: &Place) -> String {
    let digest = upstream.image(place, "small", &clean("small"));
    let mut stock = upstream.stock.lock().unwrap();
    let mut manifest: Value = serde_json::from_slice(&stock.manifests[&digest].1).unwrap();
    let mut tar = crate::support::Tar::default();
    tar.file("data", &noise(6 << 20, 7));
    let tar = tar.end();
    let layer = stock.described("application/vnd.oci.image.layer.v1.tar", &tar);
    let config = manifest["config"]["digest"].as_str().unwrap().to_owned();
    let mut config: Value = serde_json::from_slice(&stock.blobs[&config]).unwrap();
    config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(layer["digest"].clone());
    manifest["config"] =
        stock.described("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    manifest["layers"].as_array_mut().unwrap().push(layer);
    stock.manifest("large", OCI_MANIFEST, manifest.to_string().as_bytes())
}

#[test]
fn a_full_disk_refuses_what_it_cannot_take_and_says_so() {
    let place = Place::new();
    let upstream = Upstream::honest();
    let large = large(&upstream, &place);
    let small = upstream.blobs("small");
    let cache = place.path("blobs");
    let gate = start_after(
        &place,
        &small_disk(&cache, "1m"),
        upstream.host(),
        &["--cache", cache.to_str().unwrap()],
    );
    assert_eq!(gate.get("/v2/team/it/manifests/large").status, 200, "its verdict needs no disk");
    let said = gate.get(&format!("/v2/team/it/blobs/{}", upstream.blobs(&large)[3]));
    assert_eq!((said.status, said.error().0.as_str()), (503, "UNAVAILABLE"), "{:?}", said.error());
    assert!(said.error().1.contains("disk"), "{:?}", said.error());
    // What fits comes in.
    assert_eq!(gate.get("/v2/team/it/manifests/small").status, 200);
    for blob in small {
        let said = gate.get(&format!("/v2/team/it/blobs/{blob}"));
        assert_eq!((said.status, crate::support::sha256(&said.body)), (200, blob), "{:?}", said.error());
    }
    // Full to the last byte, it is not ready.
    let filler = format!("cat /dev/zero > {}/filler 2>/dev/null || true", cache.display());
    in_its_namespace(&gate, &["sh", "-c", &filler]);
    let said = gate.get(&format!("/v2/team/it/blobs/{}", upstream.blobs(&large)[3]));
    assert_eq!(said.status, 503);
}

#[test]
fn a_gate_that_is_killed_in_mid_judgement_serves_nothing_unjudged_when_it_is_back() {
    // What the killed one was about is nobody's again after a while; both wait for that together.
    std::thread::scope(|scope| {
        for bad in [true, false] {
            scope.spawn(move || killed_in_mid_judgement(bad));
        }
    });
}

fn killed_in_mid_judgement(bad: bool) {
    let place = Place::new();
    let stalls = Arc::new(AtomicBool::new(true));
    let stalled = Arc::clone(&stalls);
    let upstream = Upstream::start(move |_, reply| {
        match reply.body.starts_with(&[0x1f, 0x8b]) && stalled.load(Ordering::Relaxed) {
            true => {
                let (half, whole) = (reply.body.len() / 2, reply.body.len() as u64);
                let mut reply = reply.cut(whole, Then::Stall);
                reply.body.truncate(half);
                reply
            }
            false => reply,
        }
    });
    let recipe = if bad { marked() } else { clean("good") };
    let digest = upstream.image(&place, "it", &recipe);
    let blobs = upstream.blobs(&digest);
    let shelf = place.path("blobs");
    let cache = ["--cache", shelf.to_str().unwrap()];
    let mut gate = start(&place, upstream.host(), &cache);
    let partial = || {
        let entries = std::fs::read_dir(&shelf).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("part-")).count()
    };
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| gate.get("/v2/team/it/manifests/it"));
        until("a layer to be half there", || (partial() > 0).then_some(()));
        kill(gate.process.id());
        assert_eq!(asked.join().unwrap().status, 0);
    });
    gate.process.kill();
    stalls.store(false, Ordering::Relaxed);
    let gate = start(&place, upstream.host(), &cache);
    assert_eq!(partial(), 0, "what was half written is gone");
    for blob in &blobs {
        // Nobody judged it; whoever asks may find it judged now.
        let status = gate.get(&format!("/v2/team/it/blobs/{blob}")).status;
        assert!(status == 403 || (!bad && status == 200), "{status}");
    }
    let said = gate.get("/v2/team/it/manifests/it");
    assert_eq!(said.status, if bad { 403 } else { 200 }, "judged anew: {:?}", said.error());
    for blob in &blobs[1..] {
        let said = gate.get(&format!("/v2/team/it/blobs/{blob}"));
        match bad {
            true => assert_eq!(said.status, 403),
            false => assert_eq!((said.status, &crate::support::sha256(&said.body)), (200, blob)),
        }
    }
}

#[test]
fn a_blob_that_is_changed_on_the_disk_is_not_what_comes_in() {
    let place = Place::new();
    let upstream = Upstream::honest();
    let digest = upstream.image(&place, "it", &clean("it"));
    let layer = upstream.blobs(&digest)[2].clone();
    let shelf = place.path("blobs");
    let cache = ["--cache", shelf.to_str().unwrap()];
    let gate = start(&place, upstream.host(), &cache);
    assert_eq!(gate.get("/v2/team/it/manifests/it").status, 200);
    assert_eq!(gate.get(&format!("/v2/team/it/blobs/{layer}")).status, 200);
    drop(gate);
    // Cut as by a machine that lost its power.
    let file = shelf.join(layer.replace(':', "-"));
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let gate = start(&place, upstream.host(), &cache);
    assert_eq!(gate.get("/v2/team/it/manifests/it").status, 200);
    let said = gate.get(&format!("/v2/team/it/blobs/{layer}"));
    assert_eq!((said.status, crate::support::sha256(&said.body)), (200, layer));
}

#[test]
fn a_worker_that_dies_in_mid_judgement_takes_only_that_judgement_with_it() {
    let place = Place::new();
    let stalls = Arc::new(AtomicBool::new(true));
    let stalled = Arc::clone(&stalls);
    let upstream = Upstream::start(move |request, reply| {
        let layer = reply.body.starts_with(&[0x1f, 0x8b]) && request.path.contains("/slow/");
        match layer && stalled.load(Ordering::Relaxed) {
            true => {
                let (half, whole) = (reply.body.len() / 2, reply.body.len() as u64);
                let mut reply = reply.cut(whole, Then::Stall);
                reply.body.truncate(half);
                reply
            }
            false => reply,
        }
    });
    upstream.image(&place, "it", &marked());
    upstream.image(&place, "other", &clean("other"));
    let gate = start(&place, upstream.host(), &[]);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| gate.get("/v2/team/slow/manifests/it"));
        until("the layers to be under way", || (upstream.fake.count("/slow/blobs/") > 1).then_some(()));
        let workers = until("the worker", || Some(gate.children()).filter(|workers| !workers.is_empty()));
        for worker in workers {
            kill(worker);
        }
        let said = gate.get("/v2/team/it/manifests/other");
        assert_eq!(said.status, 200, "the rest goes on: {said:?}");
        // It is read once more, and that worker dies too: such a fault never lets anything in.
        let again = until("another worker", || Some(gate.children()).filter(|workers| !workers.is_empty()));
        for worker in again {
            kill(worker);
        }
        stalls.store(false, Ordering::Relaxed);
        let said = asked.join().unwrap();
        assert!(said.status >= 400, "{said:?}");
    });
    let said = until("it to be judged again", || {
        let said = gate.get("/v2/team/slow/manifests/it");
        said.error().1.contains("malicious").then_some(said)
    });
    assert_eq!(said.status, 403);
    assert_eq!(gate.get("/v2/team/it/manifests/other").status, 200);
}

#[test]
fn an_audit_log_on_a_disk_that_fills_up_stops_what_cannot_be_written_down() {
    let place = Place::new();
    let upstream = Upstream::honest();
    upstream.image(&place, "it", &clean("it"));
    let logs = place.path("logs");
    let log = logs.join("audit.jsonl");
    let gate = start_after(
        &place,
        &small_disk(&logs, "64k"),
        upstream.host(),
        &["--audit-log", log.to_str().unwrap()],
    );
    assert_eq!(gate.get("/v2/team/it/manifests/it").status, 200);
    in_its_namespace(
        &gate,
        &["sh", "-c", &format!("cat /dev/zero > {}/filler 2>/dev/null || true", logs.display())],
    );
    let said = until("the log to be full", || {
        let said = gate.get("/v2/team/it/manifests/it");
        (said.status != 200).then_some(said)
    });
    assert_eq!(said.status, 503, "{said:?}");
    in_its_namespace(&gate, &["rm", &format!("{}/filler", logs.display())]);
    until("the log to be written again", || {
        (gate.get("/v2/team/it/manifests/it").status == 200).then_some(())
    });
    // Every line is whole: a reader is not led astray by the one that did not fit.
    let copy = place.path("copy");
    in_its_namespace(&gate, &["cp", log.to_str().unwrap(), copy.to_str().unwrap()]);
    let text = std::fs::read_to_string(copy).unwrap();
    let whole = text.lines().filter(|line| {
        serde_json::from_str::<Value>(line).is_ok_and(|line| line["answer"] == json!("served"))
    });
    assert!(whole.count() >= 2, "{text}");
}
