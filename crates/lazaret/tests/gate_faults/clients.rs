//! Clients that hang up, dawdle, send too much or ask for what is no name.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::gated::{OCI_MANIFEST, Upstream, ask, clean, connect, marked, send, start};
use crate::served::until;
use crate::support::{Place, Tar, noise, sha256};

#[test]
fn a_client_that_hangs_up_does_not_end_the_judgement_and_the_next_one_gets_it() {
    let place = Place::new();
    let held = Arc::new(AtomicBool::new(true));
    let holds = Arc::clone(&held);
    let upstream = Upstream::start(move |_, reply| {
        let begun = Instant::now();
        while reply.body.starts_with(&[0x1f, 0x8b])
            && holds.load(Ordering::Relaxed)
            && begun.elapsed() < Duration::from_secs(20)
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        reply
    });
    let digest = upstream.image(&place, "it", &clean("it"));
    let gate = start(&place, upstream.host(), &[]);
    let mut client = connect(&gate.host);
    let request = format!("GET /v2/team/it/manifests/it HTTP/1.1\r\nHost: {}\r\n\r\n", gate.host);
    client.write_all(request.as_bytes()).unwrap();
    let layers = upstream.blobs(&digest)[1..].to_vec();
    let asked = |layer: &str| upstream.fake.count(&format!("/blobs/{layer}"));
    until("the layers to be under way", || (layers.iter().all(|layer| asked(layer) == 1)).then_some(()));
    drop(client);
    std::thread::sleep(Duration::from_millis(300));
    held.store(false, Ordering::Relaxed);
    let said = gate.get("/v2/team/it/manifests/it");
    assert_eq!(said.status, 200, "{said:?}");
    assert!(layers.iter().all(|layer| asked(layer) == 1), "judged once");
}

/// An image with one large layer. Gives the layer's digest.
fn with_large_layer(upstream: &Upstream, place: &Place, size: usize) -> String {
    let digest = upstream.image(place, "small", &clean("small"));
    let mut stock = upstream.stock.lock().unwrap();
    let mut manifest: Value = serde_json::from_slice(&stock.manifests[&digest].1).unwrap();
    let mut tar = Tar::default();
    tar.file("data", &noise(size, 3));
    let layer = stock.described("application/vnd.oci.image.layer.v1.tar", &tar.end());
    let named = layer["digest"].as_str().unwrap().to_owned();
    let config = manifest["config"]["digest"].as_str().unwrap().to_owned();
    let mut config: Value = serde_json::from_slice(&stock.blobs[&config]).unwrap();
    config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(layer["digest"].clone());
    manifest["config"] =
        stock.described("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    manifest["layers"].as_array_mut().unwrap().push(layer);
    stock.manifest("large", OCI_MANIFEST, manifest.to_string().as_bytes());
    named
}

#[test]
fn clients_that_read_a_byte_now_and_then_do_not_slow_the_others() {
    let place = Place::new();
    let upstream = Upstream::honest();
    let layer = with_large_layer(&upstream, &place, 24 << 20);
    let gate = start(&place, upstream.host(), &[]);
    assert_eq!(gate.get("/v2/team/it/manifests/large").status, 200);
    let path = format!("/v2/team/it/blobs/{layer}");
    assert_eq!(gate.get(&path).status, 200);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", gate.host);
    let mut slow: Vec<_> = (0..100)
        .map(|_| {
            let mut client = connect(&gate.host);
            client.write_all(request.as_bytes()).unwrap();
            client
        })
        .collect();
    let before = gate.most_memory();
    let begun = Instant::now();
    for _ in 0..3 {
        for client in &mut slow {
            client.read_exact(&mut [0]).unwrap();
        }
        let fast = gate.get(&path);
        assert_eq!((fast.status, sha256(&fast.body)), (200, layer.clone()));
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(gate.most_memory() < before + 100_000, "{} kB", gate.most_memory());
}

#[test]
fn headers_and_bodies_that_are_too_large_are_refused_or_never_read() {
    let place = Place::new();
    let upstream = Upstream::honest();
    upstream.image(&place, "it", &clean("it"));
    let gate = start(&place, upstream.host(), &[]);
    assert_eq!(gate.get("/v2/team/it/manifests/it").status, 200);
    let before = gate.most_memory();
    let long = "x".repeat(2 << 20);
    for text in [
        format!("GET /v2/team/it/manifests/it HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n"),
        format!("GET /v2/team/it/manifests/it HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: y\r\n".repeat(20_000)),
        format!("GET /v2/{long}/manifests/it HTTP/1.1\r\nHost: x\r\n\r\n"),
    ] {
        let said = send(&gate.host, text.as_bytes());
        assert!(matches!(said.status, 0 | 400 | 414 | 431), "{}", said.status);
    }
    // A body is never read: a large one is answered before it has arrived, or not at all.
    for method in ["PUT", "POST", "PATCH", "GET"] {
        let path = if method == "POST" { "blobs/uploads/" } else { "manifests/it" };
        let head = format!(
            "{method} /v2/team/it/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1073741824\r\n\r\n"
        );
        let mut client = connect(&gate.host);
        client.write_all(head.as_bytes()).unwrap();
        let filler = vec![b'x'; 1 << 20];
        let mut sent = 0;
        while sent < 1 << 30 && client.write_all(&filler).is_ok() {
            sent += filler.len();
        }
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        let line = String::from_utf8_lossy(&answer[..answer.len().min(20)]).into_owned();
        let right = if method == "GET" { "HTTP/1.1 200" } else { "HTTP/1.1 405" };
        assert!(answer.is_empty() || line.starts_with(right), "{method}: {line}");
    }
    assert!(gate.most_memory() < before + 64_000, "{} kB before, {} kB after", before, gate.most_memory());
    assert_eq!(gate.get("/v2/team/it/manifests/it").status, 200);
}

#[test]
fn no_trick_with_a_path_reaches_a_registry_or_a_file() {
    let place = Place::new();
    let upstream = Upstream::honest();
    upstream.image(&place, "it", &clean("it"));
    let digest = upstream.image(&place, "bad", &marked());
    let gate = start(&place, upstream.host(), &[]);
    let long = "a".repeat(5_000);
    let folders = "a/".repeat(900);
    for path in [
        "/v2/../v2/team/it/manifests/it",
        "/v2/team/../../etc/manifests/it",
        "/v2/team/it/manifests/../../../etc/passwd",
        "/v2/team/it/manifests/..",
        "/v2/team/%2e%2e/it/manifests/it",
        "/v2/%2e%2e/%2e%2e/etc/manifests/it",
        "/v2/team%2fit/manifests/it",
        "/v2/team%252fit/manifests/it",
        "/v2/team//it/manifests/it",
        "//v2/team/it/manifests/it",
        "/v2//team/it/manifests/it",
        "/v2/team/it/manifests//it",
        "/v2/team/it/manifests/it/",
        "/v2/team/it/manifests/",
        "/v2/team/./it/manifests/it",
        "/v2/team\\it/manifests/it",
        "/v2/team/it/manifests/it%00",
        "/v2/team/it%00/manifests/it",
        "/v2/team/it/manifests/it%0d%0aX-Header:%20y",
        "/v2/TEAM/it/manifests/it",
        "/v2/team/it:it/manifests/it",
        "/v2/team/it@sha256:00/manifests/it",
        "/v2/t\u{e4}am/it/manifests/it",
        "/v2/team/it/manifests/\u{ff0e}\u{ff0e}",
        "/v2/team/it/blobs/sha256:../../../../etc/passwd",
        "/v2/team/it/blobs/sha256:%2e%2e",
        "/v2/team/it/blobs/md5:d41d8cd98f00b204e9800998ecf8427e",
        "/v2/team/it/blobs/sha256-0000",
        "/v2/team/it/blobs/",
        "/v2/team/it/blobs/part-abc",
        "/v2/registry.example/team/it/manifests/it",
        "/v2/127.0.0.1:1/team/it/manifests/it",
        "/v2/localhost/team/it/manifests/it",
        "/v2/team/it/manifests/it?ns=registry.example",
        "/v2/team/it/manifests/it?ns=",
        "/v2/team/it/manifests/it?ns=a&ns=b",
        "/v2/_catalog",
        "/v1/_ping",
        "/etc/passwd",
        "/",
        "*",
        "",
        &format!("/v2/{long}/manifests/it"),
        &format!("/v2/team/it/manifests/{long}"),
        &format!("/v2/{folders}it/manifests/it"),
    ] {
        let said = ask("GET", &gate.host, path, &[]);
        assert!(matches!(said.status, 0 | 400 | 404 | 414), "{path}: {said:?}");
        assert!(!String::from_utf8_lossy(&said.body).contains("root:"), "{path}");
    }
    let raw = |bytes: &[u8]| {
        let mut text = b"GET /v2/team/it/manifests/".to_vec();
        text.extend_from_slice(bytes);
        text.extend_from_slice(b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        send(&gate.host, &text)
    };
    for bytes in [&b"it\0"[..], b"it\xff\xfe", b"it\r\nX: y", b"it\x1b[31m"] {
        assert!(!matches!(raw(bytes).status, 200..=399), "{bytes:?}");
    }
    assert_eq!(upstream.fake.seen().len(), 0, "{:?}", upstream.fake.seen());
    // Whatever host a client names, the gate asks the registry that it stands before.
    for (path, host) in [
        ("/v2/team/it/manifests/bad", "registry.example"),
        ("/v2/team/it/manifests/bad", "127.0.0.1:1"),
        ("http://registry.example/v2/team/it/manifests/bad", "registry.example"),
        ("http://ana:b@registry.example/v2/team/it/manifests/bad", "x"),
    ] {
        let said = ask("GET", &gate.host, path, &[("Host", host)]);
        assert!(matches!(said.status, 400 | 403), "{path} {host}: {said:?}");
    }
    for path in ["CONNECT", "TRACE", "OPTIONS", "DELETE"] {
        let said = ask(path, &gate.host, "/v2/team/it/manifests/it", &[]);
        assert!(matches!(said.status, 0 | 400 | 405), "{path}: {said:?}");
    }
    let said = gate.get(&format!("/v2/team/it/manifests/{digest}?x={long}"));
    assert!(matches!(said.status, 403 | 414), "{said:?}");
    assert_eq!(gate.get("/v2/team/it/manifests/it").status, 200);
}

#[test]
fn a_registry_that_ns_names_with_its_port_is_the_one_that_is_asked() {
    let place = Place::new();
    let (first, second) = (Upstream::honest(), Upstream::honest());
    second.image(&place, "it", &clean("it"));
    let gate = start(&place, first.host(), &["--upstream", second.host()]);
    let named = second.host().replace(':', "%3A");
    let said = gate.get(&format!("/v2/team/it/manifests/it?ns={named}"));
    assert_eq!(said.status, 200, "{said:?}");
    assert_eq!(gate.get("/v2/team/it/manifests/it").status, 404);
}

#[test]
fn connections_that_never_ask_anything_do_not_keep_others_out() {
    let place = Place::new();
    let upstream = Upstream::honest();
    upstream.image(&place, "it", &clean("it"));
    let gate = start(&place, upstream.host(), &[]);
    let idle: Vec<_> = (0..300)
        .map(|number| {
            let mut client = connect(&gate.host);
            if number % 2 == 0 {
                client.write_all(b"GET /v2/team/it/mani").unwrap();
            }
            client
        })
        .collect();
    assert_eq!(gate.get("/v2/team/it/manifests/it").status, 200);
    drop(idle);
}
