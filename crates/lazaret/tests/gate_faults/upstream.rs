//! Registries that are down, slow, lie, refuse or send elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::json;

use crate::gated::{OCI_INDEX, OCI_MANIFEST, Running, Upstream, ask, clean, marked, start};
use crate::served::field::fake::{Fake, Reply, Then};
use crate::served::until;
use crate::support::{MARKER, Place};

/// Asks for all of an image's parts: nothing of it may come.
fn nothing_comes(gate: &Running, blobs: &[String]) {
    for blob in blobs {
        let said = gate.get(&format!("/v2/team/it/blobs/{blob}"));
        assert!(said.status >= 400, "{blob}: {said:?}");
    }
    assert_eq!(gate.get("/healthz").status, 200, "the gate goes on");
}

#[test]
fn a_registry_that_is_down_lets_nothing_new_in_and_is_asked_again_when_it_is_back() {
    let place = Place::new();
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let upstream = Upstream::start(move |_, reply| match is_down.load(Ordering::Relaxed) {
        // A front end whose registry is gone; a closed port is the other case below.
        true => Reply::new(502, "<html>"),
        false => reply,
    });
    upstream.image(&place, "known", &clean("known"));
    upstream.image(&place, "new", &clean("new"));
    let gate = start(&place, upstream.host(), &[]);
    assert_eq!(gate.get("/v2/team/it/manifests/known").status, 200);
    down.store(true, Ordering::Relaxed);
    let said = gate.get("/v2/team/it/manifests/new");
    assert_eq!((said.status, said.error().0.as_str()), (503, "UNAVAILABLE"), "{said:?}");
    assert!(!said.header("retry-after").is_empty());
    down.store(false, Ordering::Relaxed);
    assert_eq!(gate.get("/v2/team/it/manifests/new").status, 200);

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let place = Place::new();
    let gate = start(&place, &closed, &[]);
    let said = gate.get("/v2/team/it/manifests/new");
    assert_eq!(said.status, 503, "{said:?}");
    assert!(said.error().1.contains("cannot reach"), "{said:?}");
}

#[test]
fn an_image_that_trickles_in_holds_up_no_other() {
    let place = Place::new();
    let upstream = Upstream::start(|request, reply| {
        let layer = reply.body.starts_with(&[0x1f, 0x8b]);
        match layer && request.path.contains("/slow/") {
            true => Reply::new(200, reply.body[..5].to_vec()).cut(reply.body.len() as u64, Then::Trickle),
            false => reply,
        }
    });
    upstream.image(&place, "slow", &clean("slow"));
    let other = upstream.image(&place, "other", &clean("other"));
    let gate = start(&place, upstream.host(), &[]);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| gate.get("/v2/team/slow/manifests/slow"));
        until("the slow image to be under way", || (upstream.fake.count("/slow/blobs/") > 1).then_some(()));
        let begun = Instant::now();
        let said = gate.get("/v2/team/it/manifests/other");
        assert_eq!(said.status, 200, "{said:?}");
        for blob in upstream.blobs(&other) {
            assert_eq!(gate.get(&format!("/v2/team/it/blobs/{blob}")).status, 200);
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert!(!slow.is_finished(), "it is still under way");
        // What trickles is not what the digest says.
        let said = slow.join().unwrap();
        assert_ne!(said.status, 200, "{said:?}");
    });
}

#[test]
fn a_registry_that_lies_about_any_part_of_an_image_lets_nothing_through() {
    for (what, status) in
        [("configuration", 502), ("layer", 403), ("manifest by tag", 502), ("manifest by digest", 502)]
    {
        let place = Place::new();
        let upstream = Upstream::start(move |request, mut reply| {
            let is_layer = reply.body.starts_with(&[0x1f, 0x8b]);
            let blob = request.path.contains("/blobs/");
            let by_digest = request.path.contains("/manifests/sha256");
            let lies = match what {
                "configuration" => blob && !is_layer,
                "layer" => blob && is_layer,
                "manifest by digest" => by_digest,
                _ => request.path.contains("/manifests/") && !by_digest,
            };
            if lies {
                // As long as before, and something else.
                let last = reply.body.len() - 1;
                reply.body[last] ^= 0x20;
            }
            reply
        });
        let digest = upstream.image(&place, "it", &clean(what));
        let gate = start(&place, upstream.host(), &[]);
        let reference = if what == "manifest by digest" { digest.as_str() } else { "it" };
        let said = gate.get(&format!("/v2/team/it/manifests/{reference}"));
        assert_eq!(said.status, status, "{what}: {said:?}");
        nothing_comes(&gate, &upstream.blobs("it"));
    }
}

#[test]
fn a_registry_that_lies_about_a_child_of_an_index_lets_that_child_not_through() {
    let place = Place::new();
    let lied = Arc::new(std::sync::Mutex::new(String::new()));
    let about = Arc::clone(&lied);
    let upstream = Upstream::start(move |request, mut reply| {
        let child = about.lock().unwrap();
        if !child.is_empty() && request.path.ends_with(child.as_str()) {
            reply.body.push(b' ');
            reply.headers.retain(|(name, _)| name != "Docker-Content-Digest");
        }
        reply
    });
    let child = upstream.image(&place, "child", &clean("child"));
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {"mediaType": OCI_MANIFEST, "digest": child, "size": 500, "platform": {"os": "linux", "architecture": "amd64"}}]});
    upstream.stock.lock().unwrap().manifest("all", OCI_INDEX, index.to_string().as_bytes());
    let gate = start(&place, upstream.host(), &[]);
    *lied.lock().unwrap() = child.clone();
    assert_eq!(gate.get("/v2/team/it/manifests/all").status, 200, "a list without content");
    let said = gate.get(&format!("/v2/team/it/manifests/{child}"));
    assert_eq!(said.status, 502, "{said:?}");
    nothing_comes(&gate, &upstream.blobs("child"));
}

#[test]
fn what_a_registry_answers_reaches_the_client_with_the_time_to_wait() {
    let place = Place::new();
    let status = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&status);
    let upstream = Upstream::start(move |_, reply| match told.load(Ordering::Relaxed) {
        0 => reply,
        401 => Reply::new(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}"#)
            .header("WWW-Authenticate", "Basic realm=\"lab\""),
        status => Reply::new(status as u16, r#"{"errors":[{"code":"X","message":"not today"}]}"#)
            .header("Retry-After", "77"),
    });
    upstream.image(&place, "it", &clean("it"));
    let gate = start(&place, upstream.host(), &[]);
    for (said, code, wait) in [
        (401, "UNAUTHORIZED", ""),
        (403, "DENIED", ""),
        (404, "MANIFEST_UNKNOWN", ""),
        (429, "TOOMANYREQUESTS", "77"),
        (503, "UNAVAILABLE", "77"),
    ] {
        status.store(said, Ordering::Relaxed);
        let answer = gate.get("/v2/team/it/manifests/it");
        assert_eq!((answer.status as usize, answer.error().0.as_str()), (said, code), "{answer:?}");
        assert_eq!(answer.header("retry-after"), wait, "{said}");
        assert_eq!(answer.header("www-authenticate").starts_with("Bearer"), said == 401, "{answer:?}");
    }
    status.store(0, Ordering::Relaxed);
    assert_eq!(gate.get("/v2/team/it/manifests/it").status, 200);
}

/// A registry that wants credentials, and has its blobs elsewhere.
fn redirecting(storage: String) -> Upstream {
    Upstream::start(move |request, reply| {
        if request.header("authorization").is_empty() {
            return Reply::new(401, "{}").header("WWW-Authenticate", "Basic realm=\"lab\"");
        }
        match request.path.contains("/blobs/") {
            true => Reply::new(307, "").header("Location", format!("http://{storage}{}", request.path)),
            false => reply,
        }
    })
}

#[test]
fn blobs_that_lie_elsewhere_are_fetched_by_the_gate_and_without_credentials() {
    let place = Place::new();
    let storage = Upstream::honest();
    storage.image(&place, "it", &clean("it"));
    let upstream = redirecting(storage.host().to_owned());
    let digest = upstream.image(&place, "it", &clean("it"));
    let gate = start(&place, upstream.host(), &[]);
    let login = format!("Basic {}", BASE64.encode(b"ana:secret"));
    let sent = [("Authorization", login.as_str())];
    let said = ask("GET", &gate.host, "/v2/team/it/manifests/it", &sent);
    assert_eq!(said.status, 200, "{said:?}");
    for blob in upstream.blobs(&digest) {
        let said = ask("GET", &gate.host, &format!("/v2/team/it/blobs/{blob}"), &sent);
        assert_eq!(said.status, 200, "no client is sent elsewhere: {said:?}");
        assert!(said.header("location").is_empty());
    }
    let seen = storage.fake.seen();
    assert!(
        !seen.is_empty() && seen.iter().all(|request| request.header("authorization").is_empty()),
        "{seen:?}"
    );
}

#[test]
fn redirects_that_never_end_or_lead_astray_let_nothing_through() {
    for to in ["/v2/team/it/blobs/again", "file:///etc/passwd", "ftp://registry.example/x", "http://", ""] {
        let place = Place::new();
        let rounds = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&rounds);
        let upstream = Upstream::start(move |request, reply| match request.path.contains("/blobs/") {
            true => {
                count.fetch_add(1, Ordering::Relaxed);
                Reply::new(302, "").header("Location", to)
            }
            false => reply,
        });
        upstream.image(&place, "it", &clean("it"));
        let gate = start(&place, upstream.host(), &[]);
        let said = gate.get("/v2/team/it/manifests/it");
        assert!(said.status >= 400, "{to}: {said:?}");
        nothing_comes(&gate, &upstream.blobs("it"));
        assert!(rounds.load(Ordering::Relaxed) < 60, "{to}");
    }
}

#[test]
fn a_tag_that_changes_between_two_requests_never_brings_in_what_was_not_judged() {
    let place = Place::new();
    let upstream = Upstream::honest();
    let good = upstream.image(&place, "moves", &clean("it"));
    let bad = upstream.image(&place, "bad", &marked());
    let gate = start(&place, upstream.host(), &[]);
    let head = gate.head("/v2/team/it/manifests/moves");
    assert_eq!((head.status, head.header("docker-content-digest")), (200, good.as_str()));
    let change = || {
        let mut stock = upstream.stock.lock().unwrap();
        let other = stock.manifests[&bad].clone();
        stock.manifests.insert("moves".to_owned(), other);
    };
    change();
    // For as long as the resolution counts, the tag is what it was, and the answer agrees with itself.
    let same = gate.get("/v2/team/it/manifests/moves");
    assert_eq!((same.status, same.header("docker-content-digest")), (200, good.as_str()));
    assert_eq!(crate::support::sha256(&same.body), good);
    // Somebody else asks the registry anew.
    let login = format!("Basic {}", BASE64.encode(b"ana:secret"));
    let said = ask("GET", &gate.host, "/v2/team/it/manifests/moves", &[("Authorization", login.as_str())]);
    assert_eq!(said.status, 403, "{said:?}");
    assert!(said.error().1.contains("malicious"), "{said:?}");
    let said = until("the resolution to run out", || {
        let said = gate.get("/v2/team/it/manifests/moves");
        (said.status != 200).then_some(said)
    });
    assert_eq!(said.status, 403, "{said:?}");
    nothing_comes(&gate, &upstream.blobs(&bad)[2..]);
}

#[test]
fn a_foreign_layer_is_never_fetched_from_where_the_image_says() {
    let place = Place::new();
    let elsewhere = Upstream::honest();
    let upstream = Upstream::honest();
    let good = upstream.image(&place, "it", &clean("it"));
    let made = {
        let mut stock = upstream.stock.lock().unwrap();
        let mut manifest: serde_json::Value = serde_json::from_slice(&stock.manifests[&good].1).unwrap();
        let layer = manifest["layers"][1]["digest"].as_str().unwrap().to_owned();
        let bytes = stock.blobs.remove(&layer).unwrap();
        elsewhere.stock.lock().unwrap().blob(&bytes);
        manifest["layers"][1]["urls"] = json!([format!("http://{}/v2/x/blobs/{layer}", elsewhere.host())]);
        manifest["layers"][1]["mediaType"] =
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip".into();
        stock.manifest("foreign", OCI_MANIFEST, manifest.to_string().as_bytes())
    };
    let gate = start(&place, upstream.host(), &[]);
    let said = gate.get("/v2/team/it/manifests/foreign");
    assert_eq!(said.status, 403, "{said:?}");
    nothing_comes(&gate, &upstream.blobs(&made)[2..]);
    assert!(elsewhere.fake.seen().is_empty(), "{:?}", elsewhere.fake.seen());
}

#[test]
fn a_private_image_is_not_shown_through_another_repository_that_one_may_see() {
    let place = Place::new();
    let upstream = Upstream::start(|request, reply| {
        let allowed = request.path == "/v2/" || !request.header("authorization").is_empty();
        match (request.path.contains("/secret/"), allowed) {
            (true, false) => Reply::new(401, "{}").header("WWW-Authenticate", "Basic realm=\"lab\""),
            (true, true) => reply,
            // The open repository holds one image alone.
            (false, _) if request.path.ends_with("/manifests/open") => reply,
            (false, _) if request.path == "/v2/" => reply,
            _ => Reply::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}"#),
        }
    });
    let secret = upstream.image(&place, "secret", &clean("secret"));
    // A list, so that the open repository is seen without any blob.
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []});
    upstream.stock.lock().unwrap().manifest("open", OCI_INDEX, index.to_string().as_bytes());
    let gate = start(&place, upstream.host(), &[]);
    let login = format!("Basic {}", BASE64.encode(b"ana:secret"));
    let sent = [("Authorization", login.as_str())];
    assert_eq!(ask("GET", &gate.host, "/v2/team/secret/manifests/secret", &sent).status, 200);
    assert_eq!(gate.get("/v2/team/open/manifests/open").status, 200);
    let said = gate.get(&format!("/v2/team/open/manifests/{secret}"));
    assert_eq!(said.status, 404, "{said:?}");
    for blob in upstream.blobs(&secret) {
        assert_eq!(gate.get(&format!("/v2/team/open/blobs/{blob}")).status, 404);
        assert_eq!(gate.get(&format!("/v2/team/secret/blobs/{blob}")).status, 401);
    }
}

#[test]
fn a_registry_that_sends_without_end_is_left() {
    let place = Place::new();
    let upstream = Upstream::start(|request, reply| match request.path.contains("/manifests/") {
        true => Reply::new(200, "{").header("Content-Type", OCI_MANIFEST).endless(),
        false => reply,
    });
    upstream.image(&place, "it", &clean("it"));
    let gate = start(&place, upstream.host(), &[]);
    let before = gate.most_memory();
    let said = gate.get("/v2/team/it/manifests/it");
    assert_eq!(said.status, 403, "{said:?}");
    assert!(said.error().1.contains("larger than"), "{said:?}");
    assert!(gate.most_memory() < before + 64_000, "{} kB", gate.most_memory());
    let text = String::from_utf8_lossy(&said.body).into_owned();
    assert!(!text.contains(MARKER));
}

#[test]
fn a_registry_that_never_answers_is_waited_for_as_long_as_the_policy_says() {
    let place = Place::new();
    let policy = place.path("policy.toml");
    std::fs::write(&policy, "hold = 2\n").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let fake = runtime.block_on(Fake::start(|request, _| match request.path.as_str() {
        "/v2/" => Reply::new(200, "{}"),
        _ => Reply::new(200, "{").cut(100, Then::Stall),
    }));
    let gate = start(&place, &fake.host, &["--policy", policy.to_str().unwrap()]);
    let begun = Instant::now();
    let said = gate.get("/v2/team/it/manifests/it");
    assert_eq!(said.status, 504, "{said:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(said.error().1.contains("did not answer within 2 seconds"), "{said:?}");
}
