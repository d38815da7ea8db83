//! Manifests that are too large, too many, or say two things.

use serde_json::{Value, json};

use crate::gated::{
    Answer, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Stock, Upstream, clean, marked,
    start,
};
use crate::support::{MARKER, Place, Tar, gzip, sha256};

/// Puts a document under the tag `it` and asks a gate for it.
fn ask_for(make: impl FnOnce(&mut Stock) -> (String, Vec<u8>)) -> Answer {
    let place = Place::new();
    let upstream = Upstream::honest();
    upstream.image(&place, "good", &clean("good"));
    upstream.image(&place, "bad", &marked());
    {
        let mut stock = upstream.stock.lock().unwrap();
        let (kind, bytes) = make(&mut stock);
        stock.manifest("it", &kind, &bytes);
    }
    let gate = start(&place, upstream.host(), &[]);
    let said = gate.get("/v2/team/it/manifests/it");
    // Whatever it is, nothing of the image with the marker comes in.
    for blob in &upstream.blobs("bad")[2..] {
        assert_ne!(gate.get(&format!("/v2/team/it/blobs/{blob}")).status, 200, "{said:?}");
    }
    said
}

fn of(stock: &Stock, tag: &str) -> Value {
    serde_json::from_slice(&stock.manifests[tag].1).unwrap()
}

/// The good image's manifest, padded to a size.
fn padded(stock: &Stock, size: usize) -> Vec<u8> {
    let mut manifest = of(stock, "good");
    manifest["annotations"] = json!({"a": ""});
    let length = manifest.to_string().len();
    manifest["annotations"]["a"] = "x".repeat(size - length).into();
    let bytes = manifest.to_string().into_bytes();
    assert_eq!(bytes.len(), size);
    bytes
}

#[test]
fn a_manifest_of_four_megabytes_comes_in_and_one_over_is_refused_with_a_sentence() {
    let said = ask_for(|stock| (OCI_MANIFEST.to_owned(), padded(stock, 4 << 20)));
    assert_eq!((said.status, said.body.len()), (200, 4 << 20), "{:?}", said.error());
    let said = ask_for(|stock| (OCI_MANIFEST.to_owned(), padded(stock, (4 << 20) + 1)));
    let (code, message) = said.error();
    assert_eq!((said.status, code.as_str()), (403, "DENIED"), "{message}");
    assert!(message.contains("larger than the 4194304 bytes that a manifest may have"), "{message}");
}

fn listing(children: impl Iterator<Item = String>) -> Vec<u8> {
    let children: Vec<Value> = children
        .map(|digest| json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 500, "platform": {"os": "linux", "architecture": "amd64"}}))
        .collect();
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).to_string().into_bytes()
}

#[test]
fn an_index_of_thousands_is_a_list_and_no_reason_to_judge_them_all() {
    let many = |stock: &mut Stock| {
        let good = sha256(&stock.manifests["good"].1);
        let others = (0..5_000_u32).map(|n| sha256(&n.to_le_bytes()));
        (OCI_INDEX.to_owned(), listing(others.chain([good])))
    };
    let said = ask_for(many);
    assert_eq!(said.status, 200, "{:?}", said.error());
}

#[test]
fn where_every_platform_is_judged_an_index_of_thousands_or_of_many_levels_is_refused() {
    let place = Place::new();
    let policy = place.path("policy.toml");
    std::fs::write(&policy, "platforms = \"all\"\n").unwrap();
    let upstream = Upstream::honest();
    let good = upstream.image(&place, "good", &clean("good"));
    let bad = upstream.image(&place, "bad", &marked());
    {
        let mut stock = upstream.stock.lock().unwrap();
        stock.manifest("many", OCI_INDEX, &listing(std::iter::repeat_n(good.clone(), 2_001)));
        stock.manifest("pair", OCI_INDEX, &listing([good.clone(), good.clone()].into_iter()));
        stock.manifest("mixed", OCI_INDEX, &listing([good.clone(), bad].into_iter()));
        // No document can hold its own digest: a registry that has one all the same lies.
        let circle = sha256(b"itself");
        let itself = listing([circle.clone()].into_iter());
        stock.manifest("circle", OCI_INDEX, &itself);
        stock.manifests.insert(circle, (OCI_INDEX.to_owned(), itself));
        let mut inner = good;
        for level in 0..2_000 {
            inner = stock.manifest(&format!("level{level}"), OCI_INDEX, &listing([inner].into_iter()));
        }
    }
    let gate = start(&place, upstream.host(), &["--policy", policy.to_str().unwrap()]);
    assert_eq!(gate.get("/v2/team/it/manifests/pair").status, 200);
    assert_eq!(gate.get("/v2/team/it/manifests/level3").status, 200);
    let said = gate.get("/v2/team/it/manifests/mixed");
    assert!(said.status == 403 && said.error().1.contains("malicious"), "{said:?}");
    for tag in ["many", "level1999"] {
        let said = gate.get(&format!("/v2/team/it/manifests/{tag}"));
        assert_eq!(said.status, 403, "{tag}: {said:?}");
        assert!(said.error().1.contains("cannot all be judged"), "{tag}: {said:?}");
    }
    assert_eq!(gate.get("/v2/team/it/manifests/circle").status, 502);
    assert!(upstream.fake.seen().len() < 100, "{}", upstream.fake.seen().len());
}

#[test]
fn a_document_with_a_key_that_is_written_twice_is_refused() {
    let good_and_bad = |stock: &Stock| {
        let (good, bad) = (of(stock, "good"), of(stock, "bad"));
        (
            good["config"].to_string(),
            good["layers"].to_string(),
            bad["config"].to_string(),
            bad["layers"].to_string(),
        )
    };
    for keys in [("layers", "layers"), ("layers", "Layers"), ("layers", "layer\\u017f"), ("Layers", "layers")]
    {
        let said = ask_for(|stock| {
            let (config, good, _, bad) = good_and_bad(stock);
            let text = format!(
                r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{config},"{}":{good},"{}":{bad}}}"#,
                keys.0, keys.1
            );
            (OCI_MANIFEST.to_owned(), text.into_bytes())
        });
        assert_eq!(said.status, 403, "{keys:?}: {said:?}");
        assert!(said.error().1.contains("two ways"), "{keys:?}: {said:?}");
    }
    let said = ask_for(|stock| {
        let (good, layers, bad, _) = good_and_bad(stock);
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{good},"config":{bad},"layers":{layers}}}"#
        );
        (OCI_MANIFEST.to_owned(), text.into_bytes())
    });
    assert_eq!(said.status, 403, "{said:?}");
}

#[test]
fn a_configuration_that_says_twice_what_starts_is_refused() {
    for twice in [
        r#""Entrypoint":["/app"],"Entrypoint":["/run.sh"]"#,
        r#""Entrypoint":["/app"],"entrypoint":["/run.sh"]"#,
    ] {
        let said = ask_for(|stock| {
            let mut manifest = of(stock, "good");
            let layers: Vec<String> =
                manifest["layers"].as_array().unwrap().iter().map(|l| l["digest"].to_string()).collect();
            let old = manifest["config"]["digest"].as_str().unwrap().to_owned();
            let old: Value = serde_json::from_slice(&stock.blobs[&old]).unwrap();
            assert_eq!(layers.len(), 2);
            let config = format!(
                r#"{{"architecture":"amd64","os":"linux","config":{{{twice}}},"rootfs":{}}}"#,
                old["rootfs"]
            );
            manifest["config"] = stock.described(OCI_CONFIG, config.as_bytes());
            (OCI_MANIFEST.to_owned(), manifest.to_string().into_bytes())
        });
        assert_eq!(said.status, 403, "{twice}: {said:?}");
        assert!(said.error().1.contains("written twice"), "{twice}: {said:?}");
    }
}

#[test]
fn a_document_that_is_something_else_than_its_media_type_is_refused() {
    let image = |stock: &mut Stock, own: Option<&str>| {
        let mut manifest = of(stock, "good");
        match own {
            Some(own) => manifest["mediaType"] = own.into(),
            None => drop(manifest.as_object_mut().unwrap().shift_remove("mediaType")),
        }
        manifest.to_string().into_bytes()
    };
    for (header, own) in [
        (OCI_INDEX, None),
        (OCI_INDEX, Some(OCI_MANIFEST)),
        (OCI_MANIFEST, Some(OCI_INDEX)),
        (DOCKER_MANIFEST, Some(OCI_MANIFEST)),
        (OCI_MANIFEST, Some(DOCKER_MANIFEST)),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", None),
        ("application/vnd.example.thing+json", Some(OCI_MANIFEST)),
    ] {
        let said = ask_for(|stock| (header.to_owned(), image(stock, own)));
        assert!(matches!(said.status, 403 | 502), "{header} {own:?}: {said:?}");
        assert!(!said.error().1.is_empty());
    }
    let said = ask_for(|stock| (OCI_MANIFEST.to_owned(), image(stock, None)));
    assert_eq!((said.status, said.header("content-type")), (200, OCI_MANIFEST), "{said:?}");
    // A registry that states no type: the client is told the one that it was read as.
    let said = ask_for(|stock| ("text/plain".to_owned(), image(stock, None)));
    assert_eq!((said.status, said.header("content-type")), (200, OCI_MANIFEST), "{said:?}");
}

#[test]
fn a_document_that_is_image_and_list_at_once_is_refused() {
    for more in ["manifests", "fsLayers"] {
        let said = ask_for(|stock| {
            let mut manifest = of(stock, "good");
            manifest[more] = json!([]);
            (OCI_MANIFEST.to_owned(), manifest.to_string().into_bytes())
        });
        assert!(matches!(said.status, 403 | 502), "{more}: {said:?}");
    }
}

#[test]
fn what_an_engine_unpacks_is_judged_whatever_the_manifest_calls_it() {
    let layer = gzip(&Tar::default().file("run.sh", format!("#!/bin/sh\n# {MARKER}\n").as_bytes()).end());
    for (kind, config, of_layer) in [
        // dockerd takes these configurations for images, and looks at no layer's type.
        (OCI_MANIFEST, "application/octet-stream", "application/octet-stream"),
        (OCI_MANIFEST, "application/json", "application/vnd.example.thing"),
        (OCI_MANIFEST, "text/html", "application/vnd.example.thing"),
        // podman looks at neither in Docker's own format.
        (DOCKER_MANIFEST, "application/vnd.example.thing", "application/vnd.example.thing"),
        // In the clothes of a signature.
        (OCI_MANIFEST, OCI_CONFIG, "application/vnd.dev.cosign.simplesigning.v1+json"),
        (OCI_MANIFEST, OCI_CONFIG, "application/vnd.in-toto+json"),
    ] {
        let place = Place::new();
        let upstream = Upstream::honest();
        let blob = {
            let mut stock = upstream.stock.lock().unwrap();
            let text = r#"{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/run.sh"]},"rootfs":{"type":"layers","diff_ids":[]}}"#;
            let layer = stock.described(of_layer, &layer);
            let manifest = json!({"schemaVersion": 2, "mediaType": kind,
                "config": stock.described(config, text.as_bytes()), "layers": [layer]});
            stock.manifest("it", kind, manifest.to_string().as_bytes());
            layer["digest"].as_str().unwrap().to_owned()
        };
        let gate = start(&place, upstream.host(), &[]);
        let said = gate.get("/v2/team/it/manifests/it");
        assert_eq!(said.status, 403, "{config} {of_layer}: {said:?}");
        assert_eq!(gate.get(&format!("/v2/team/it/blobs/{blob}")).status, 403, "{config} {of_layer}");
    }
}

#[test]
fn a_signature_and_an_attestation_in_the_clothes_of_an_image_come_in_for_what_they_hold() {
    let place = Place::new();
    let upstream = Upstream::honest();
    for (tag, kind) in
        [("sig", "application/vnd.dev.cosign.simplesigning.v1+json"), ("att", "application/vnd.in-toto+json")]
    {
        let mut stock = upstream.stock.lock().unwrap();
        let layer = stock.described(kind, br#"{"critical":{"type":"a signature"}}"#);
        let config = r#"{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": stock.described(OCI_CONFIG, config.as_bytes()), "layers": [layer]});
        stock.manifest(tag, OCI_MANIFEST, manifest.to_string().as_bytes());
    }
    let gate = start(&place, upstream.host(), &[]);
    for tag in ["sig", "att"] {
        let said = gate.get(&format!("/v2/team/it/manifests/{tag}"));
        assert_eq!(said.status, 200, "{said:?}");
        for blob in upstream.blobs(tag) {
            assert_eq!(gate.get(&format!("/v2/team/it/blobs/{blob}")).status, 200, "{tag}");
        }
    }
}

#[test]
fn a_layer_asked_for_as_a_manifest_and_a_manifest_as_a_blob_stay_outside() {
    let place = Place::new();
    let upstream = Upstream::honest();
    let bad = upstream.image(&place, "bad", &marked());
    let blobs = upstream.blobs(&bad);
    {
        // A registry that plays along.
        let mut stock = upstream.stock.lock().unwrap();
        for blob in &blobs {
            let bytes = stock.blobs[blob].clone();
            stock.manifests.insert(blob.clone(), (OCI_MANIFEST.to_owned(), bytes));
        }
    }
    let gate = start(&place, upstream.host(), &[]);
    for blob in &blobs {
        let said = gate.get(&format!("/v2/team/it/manifests/{blob}"));
        assert_eq!(said.status, 403, "{said:?}");
    }
    assert_eq!(gate.get("/v2/team/it/manifests/bad").status, 403);
    assert_eq!(gate.get(&format!("/v2/team/it/blobs/{bad}")).status, 403);
}

#[test]
fn one_bad_platform_refuses_the_whole_index_once_it_is_known_and_before_where_all_are_judged() {
    let place = Place::new();
    let upstream = Upstream::honest();
    let good = upstream.image(&place, "good", &clean("good"));
    let bad = upstream.image(&place, "bad", &marked());
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {"mediaType": OCI_MANIFEST, "digest": good, "size": 1, "platform": {"os": "linux", "architecture": "amd64"}},
        {"mediaType": OCI_MANIFEST, "digest": bad, "size": 1, "platform": {"os": "linux", "architecture": "arm64"}}]});
    upstream.stock.lock().unwrap().manifest("all", OCI_INDEX, index.to_string().as_bytes());
    let gate = start(&place, upstream.host(), &[]);
    assert_eq!(gate.get("/v2/team/it/manifests/all").status, 200, "a list without content");
    assert_eq!(gate.get(&format!("/v2/team/it/manifests/{good}")).status, 200);
    assert_eq!(gate.get(&format!("/v2/team/it/manifests/{bad}")).status, 403);
    let said = gate.get("/v2/team/it/manifests/all");
    assert!(said.status == 403 && said.error().1.contains("malicious"), "{said:?}");

    let place = Place::new();
    let policy = place.path("policy.toml");
    std::fs::write(&policy, "platforms = \"all\"\n").unwrap();
    let gate = start(&place, upstream.host(), &["--policy", policy.to_str().unwrap()]);
    let said = gate.get("/v2/team/it/manifests/all");
    assert!(said.status == 403 && said.error().1.contains("malicious"), "{said:?}");
    assert_eq!(gate.get(&format!("/v2/team/it/manifests/{good}")).status, 200, "it is asked for by itself");
}

#[test]
fn layers_without_a_type_that_engines_know_are_read_all_the_same() {
    let said = ask_for(|stock| {
        let mut manifest = of(stock, "bad");
        for layer in manifest["layers"].as_array_mut().unwrap() {
            layer["mediaType"] = OCI_LAYER.to_uppercase().into();
        }
        (OCI_MANIFEST.to_owned(), manifest.to_string().into_bytes())
    });
    assert_eq!(said.status, 403, "{said:?}");
}
