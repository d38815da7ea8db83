//! Manifests, layouts, archives and root file systems.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;

use lazaret_model::{Budget, FileKind, GapKind, ImageRef, PinnedRef, Platform};
use lazaret_oci::{
    Document, LocalSource, ManifestError, OCI_INDEX, ResolveError, Resolver, SourceError, parse_document,
    read_layer,
};
use serde_json::{Value, json};
use support::{Gathered, Made, Tar, gzip, image, layout, sha256, zstd};

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn pinned(root: &[u8]) -> PinnedRef {
    PinnedRef { repository: "example.invalid/x".to_owned(), tag: None, digest: sha256(root) }
}

fn with_platform(made: &Made, platform: &str) -> Value {
    let mut descriptor = made.descriptor();
    let (os, architecture) = platform.split_once('/').unwrap();
    descriptor["platform"] = json!({"os": os, "architecture": architecture});
    descriptor
}

fn index_of(manifests: Vec<Value>) -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})
}

/// Resolves with the blobs of some images at hand.
fn resolve(
    root: &[u8],
    platforms: &[Platform],
    made: &[&Made],
) -> Result<lazaret_oci::Resolved, ResolveError> {
    let blobs: Vec<&Vec<u8>> = made.iter().flat_map(|m| &m.blobs).collect();
    let mut resolver = Resolver::new(pinned(root), root, None, platforms, &Budget::default())?;
    while let Some(needed) = resolver.next_needed() {
        let found = blobs.iter().find(|b| sha256(b) == needed.digest);
        resolver.provide(&needed.digest, found.map(|b| b.to_vec()).ok_or_else(|| "not there".to_owned()));
    }
    resolver.finish("test".to_owned())
}

#[test]
fn a_document_is_what_it_holds() {
    let made = image("run", "amd64");
    assert!(matches!(parse_document(&made.manifest_bytes(), None), Ok(Document::Image(_))));
    let list = bytes(&index_of(vec![made.descriptor()]));
    assert!(matches!(parse_document(&list, None), Ok(Document::Index(i)) if i.manifests.len() == 1));
    let schema1 = br#"{"schemaVersion":1,"name":"x","fsLayers":[{"blobSum":"sha256:00"}],"history":[]}"#;
    assert_eq!(parse_document(schema1, None), Ok(Document::Schema1));
    let mut artifact = made.manifest.clone();
    artifact["config"]["mediaType"] = json!("application/vnd.oci.empty.v1+json");
    artifact["layers"][0]["mediaType"] = json!("text/spdx+json");
    artifact["artifactType"] = json!("text/spdx+json");
    assert!(matches!(parse_document(&bytes(&artifact), None), Ok(Document::Artifact(_))));
    // What has a layer that an engine would unpack is an image, whatever it calls itself.
    artifact["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip");
    assert!(matches!(parse_document(&bytes(&artifact), None), Ok(Document::Image(_))));
}

/// CVE-2021-41190.
#[test]
fn a_document_with_two_meanings_is_refused() {
    let made = image("run", "amd64");
    let mut both = made.manifest.clone();
    both["manifests"] = json!([made.descriptor()]);
    assert!(matches!(parse_document(&bytes(&both), None), Err(ManifestError::Ambiguous(_))));
    let mut lying = made.manifest.clone();
    lying["mediaType"] = json!(OCI_INDEX);
    assert!(matches!(parse_document(&bytes(&lying), None), Err(ManifestError::Ambiguous(_))));
    assert!(matches!(
        parse_document(&made.manifest_bytes(), Some(OCI_INDEX)),
        Err(ManifestError::Ambiguous(_))
    ));
    let mut mixed = made.manifest;
    mixed["fsLayers"] = json!([]);
    assert!(matches!(parse_document(&bytes(&mixed), None), Err(ManifestError::Ambiguous(_))));
}

#[test]
fn keys_that_engines_take_for_others_are_refused() {
    let made = r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":1},"layers":[]"#;
    assert!(matches!(parse_document(format!("{made}}}").as_bytes(), None), Ok(Document::Image(_))));
    for more in [
        r#","layers":[]"#,
        r#","Layers":[]"#,
        r#","layer\u017f":[]"#,
        r#","Manifests":[]"#,
        r#","x":{"Digest":""}"#,
    ] {
        let text = format!("{made}{more}}}");
        let said = parse_document(text.as_bytes(), None);
        assert!(matches!(said, Err(ManifestError::Ambiguous(_))), "{text}: {said:?}");
    }
}

#[test]
fn what_an_engine_would_run_is_an_image_whatever_it_is_called() {
    let manifest = |kind: &str, config: &str| {
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{{"mediaType":"{config}","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":1}},"layers":[]}}"#
        );
        parse_document(text.as_bytes(), None).unwrap()
    };
    for config in ["application/octet-stream", "application/json", "text/html", ""] {
        assert!(matches!(manifest(lazaret_oci::OCI_MANIFEST, config), Document::Image(_)), "{config}");
    }
    let other = "application/vnd.example.thing";
    assert!(matches!(manifest(lazaret_oci::OCI_MANIFEST, other), Document::Artifact(_)));
    assert!(matches!(manifest(lazaret_oci::DOCKER_MANIFEST, other), Document::Image(_)));
}

#[test]
fn damaged_documents_are_errors_that_name_the_place() {
    for (bad, words) in [
        ("", "no JSON"),
        ("[]", "no JSON"),
        ("{}", "no manifest that can be scanned"),
        (r#"{"schemaVersion":2,"layers":[]}"#, "no configuration"),
        (r#"{"manifests":{}}"#, "`manifests` is no list"),
        (r#"{"manifests":[{"digest":"sha256:xy","size":1}]}"#, "manifests[0]"),
        (r#"{"manifests":[{"size":1}]}"#, "no digest"),
        (r#"{"config":{"digest":"../../etc/passwd","size":-1},"layers":[]}"#, "config"),
    ] {
        let error = parse_document(bad.as_bytes(), None).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains('\n'), "{bad}: {error}");
    }
    let deep = "[".repeat(100_000);
    assert!(parse_document(deep.as_bytes(), None).is_err());
}

#[test]
fn layers_know_the_step_that_made_them_unless_the_history_lies() {
    let made = image("run", "amd64");
    let resolved = resolve(&made.manifest_bytes(), &[], &[&made]).unwrap();
    let image = &resolved.images[0].image;
    assert_eq!(image.instruction(0), Some("COPY run"));
    assert_eq!(image.config.cmd, ["run"]);
    assert_eq!(image.platform.as_ref().unwrap().to_string(), "linux/amd64");
    assert_eq!(resolved.images[0].gaps, []);

    let mut config: Value = serde_json::from_slice(&made.blobs[1]).unwrap();
    config["history"] = json!([{"created_by": "RUN a"}, {"created_by": "RUN b"}]);
    config["rootfs"]["diff_ids"] = json!([]);
    let lying = replaced_config(&made, &config);
    let resolved = resolve(&lying.manifest_bytes(), &[], &[&lying]).unwrap();
    assert_eq!(resolved.images[0].image.instruction(0), None);
    assert_eq!(resolved.images[0].image.layers[0].diff_id, None);
    assert!(resolved.images[0].gaps.iter().any(|g| g.matters && g.detail.contains("0 diff ids")));
    assert!(resolved.images[0].gaps.iter().any(|g| !g.matters && g.detail.contains("history")));
}

fn replaced_config(made: &Made, config: &Value) -> Made {
    let config = bytes(config);
    let mut manifest = made.manifest.clone();
    manifest["config"]["digest"] = json!(sha256(&config).to_string());
    manifest["config"]["size"] = json!(config.len());
    let document = bytes(&manifest);
    Made { blobs: vec![made.blobs[0].clone(), config, document], manifest }
}

#[test]
fn every_platform_of_an_index_is_an_image_and_attestations_are_not() {
    let (a, b) = (image("one", "amd64"), image("two", "arm64"));
    let mut attestation = with_platform(&image("doc", "x"), "unknown/unknown");
    attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let nested = bytes(&index_of(vec![with_platform(&b, "linux/arm64"), with_platform(&a, "linux/amd64")]));
    let nested_made = Made { blobs: vec![nested.clone()], manifest: json!(null) };
    let root = bytes(&index_of(vec![
        with_platform(&a, "linux/amd64"),
        json!({"mediaType": OCI_INDEX, "digest": sha256(&nested).to_string(), "size": nested.len()}),
        attestation,
    ]));
    let resolved = resolve(&root, &[], &[&a, &b, &nested_made]).unwrap();
    let platforms: Vec<_> =
        resolved.images.iter().map(|i| i.image.platform.clone().unwrap().to_string()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"], "the one that occurs twice is scanned once");
    assert_eq!(resolved.unscanned.len(), 1);
    assert_eq!(resolved.gaps, []);

    let only = resolve(&root, &["linux/arm64".parse().unwrap()], &[&a, &b, &nested_made]).unwrap();
    assert_eq!(only.images.len(), 1);
    assert!(only.unscanned.iter().any(|u| u.reason.contains("another platform")));
    let error = resolve(&root, &["linux/s390x".parse().unwrap()], &[&a, &b, &nested_made]).unwrap_err();
    assert!(
        error.to_string().contains("no image for linux/s390x; there is: linux/amd64, linux/arm64"),
        "{error}"
    );
}

#[test]
fn an_attestation_that_an_engine_would_run_is_scanned() {
    let made = image("hidden", "amd64");
    let mut descriptor = with_platform(&made, "linux/amd64");
    descriptor["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let resolved = resolve(&bytes(&index_of(vec![descriptor])), &[], &[&made]).unwrap();
    assert_eq!(resolved.images[0].image.config.cmd, ["hidden"]);
}

#[test]
fn a_manifest_listed_first_for_another_platform_is_still_scanned() {
    let made = image("run", "amd64");
    let root =
        bytes(&index_of(vec![with_platform(&made, "linux/arm64"), with_platform(&made, "linux/amd64")]));
    let resolved = resolve(&root, &["linux/amd64".parse().unwrap()], &[&made]).unwrap();
    assert_eq!(resolved.images.len(), 1);
}

#[test]
fn a_missing_or_changed_child_is_a_serious_gap_and_never_silence() {
    let (a, b) = (image("one", "amd64"), image("two", "arm64"));
    let root = bytes(&index_of(vec![with_platform(&a, "linux/amd64"), with_platform(&b, "linux/arm64")]));
    let resolved = resolve(&root, &[], &[&a]).unwrap();
    assert_eq!(resolved.images.len(), 1);
    assert!(resolved.gaps.iter().any(|g| g.matters && g.detail.contains("linux/arm64")));
    assert!(matches!(resolve(&root, &[], &[]), Err(ResolveError::Unreadable(_))));

    let mut resolver = Resolver::new(pinned(&root), &root, None, &[], &Budget::default()).unwrap();
    while let Some(needed) = resolver.next_needed() {
        resolver.provide(&needed.digest, Ok(b"changed on the way".to_vec()));
    }
    let error = resolver.finish(String::new()).unwrap_err().to_string();
    assert!(error.contains("digest mismatch"), "{error}");
    let unasked = Resolver::new(pinned(&root), &root, None, &[], &Budget::default()).unwrap();
    assert!(unasked.finish(String::new()).is_err());
}

#[test]
fn what_is_no_image_is_an_error_with_its_reason() {
    let made = image("run", "amd64");
    let root = made.manifest_bytes();
    let other = PinnedRef { digest: sha256(b"other"), ..pinned(&root) };
    let error = Resolver::new(other, &root, None, &[], &Budget::default()).unwrap_err();
    assert!(matches!(error, ResolveError::Digest { .. }));
    let schema1 = br#"{"schemaVersion":1,"fsLayers":[]}"#;
    assert!(matches!(resolve(schema1, &[], &[]), Err(ResolveError::Schema1)));
    assert!(matches!(resolve(&bytes(&index_of(vec![])), &[], &[]), Err(ResolveError::NoImage(_))));
    let small = Budget { document_bytes: 10, ..Budget::default() };
    let error = Resolver::new(pinned(&root), &root, None, &[], &small).unwrap_err();
    assert!(error.to_string().contains("--max-document-bytes"));
}

#[test]
fn an_unreadable_configuration_is_an_error_that_names_it() {
    let made = image("run", "amd64");
    let broken = replaced_config(&made, &json!({"config": {"Cmd": 5}}));
    let error = resolve(&broken.manifest_bytes(), &[], &[&broken]).unwrap_err().to_string();
    assert!(error.contains("Cmd") && error.contains("sha256:"), "{error}");
}

#[test]
fn an_image_without_layers_can_never_be_clean() {
    let mut made = image("run", "amd64");
    made.manifest["layers"] = json!([]);
    let made = replaced_config(
        &made,
        &json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": null}}),
    );
    let resolved = resolve(&made.manifest_bytes(), &[], &[&made]).unwrap();
    assert!(resolved.images[0].gaps.iter().any(|g| g.matters && g.detail.contains("no layers")));
}

// Places on disk.

fn open(reference: &str) -> Result<LocalSource, SourceError> {
    LocalSource::open(&reference.parse::<ImageRef>().unwrap(), &[], &Budget::default())
}

/// The content of `word` in the first image, read to its end with every digest right.
fn word(source: &LocalSource) -> String {
    let resolved = &source.resolved()[0];
    assert_eq!(resolved.gaps, []);
    let layer = &resolved.images[0].image.layers[0];
    let mut sink = Gathered::default();
    let read =
        read_layer(source.open_layer(layer).unwrap().reader(), layer, &Budget::default(), None, &mut sink);
    assert!(read.complete, "{:?}", read.gaps);
    String::from_utf8(sink.content("/word")).unwrap()
}

fn named(made: &Made, name: &str) -> Value {
    let mut descriptor = made.descriptor();
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    descriptor
}

/// Everything in a folder as a tar.
fn tar_of(folder: &Path) -> Vec<u8> {
    fn add(mut tar: Tar, folder: &Path, prefix: &str) -> Tar {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        for path in names {
            let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
            tar = match path.is_dir() {
                true => add(tar, &path, &format!("{name}/")),
                false => tar.file(&name, &fs::read(&path).unwrap()),
            };
        }
        tar
    }
    add(Tar::new(), folder, "").end()
}

#[test]
fn a_layout_is_read_from_a_directory_and_from_an_archive_in_any_compression() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (image("one", "amd64"), image("two", "amd64"));
    let path = folder.path().join("layout");
    layout(&path, &[&a, &b], &index_of(vec![named(&a, "first"), named(&b, "second")]));
    let shown = path.display();
    for reference in [format!("oci:{shown}:second"), format!("oci:{shown}:@1")] {
        let source = open(&reference).unwrap();
        assert_eq!((source.resolved().len(), word(&source).as_str()), (1, "two"), "{reference}");
    }
    assert_eq!(open(&format!("{shown}")).unwrap().resolved().len(), 2);
    assert_eq!(open(&format!("{shown}")).unwrap().resolved()[0].pinned.tag.as_deref(), Some("first"));
    let error = open(&format!("oci:{shown}:third")).unwrap_err().to_string();
    assert!(error.contains("no image `third`; it holds: first, second"), "{error}");

    let tar = tar_of(&path);
    for (number, archive) in [tar.clone(), gzip(&tar), zstd(&tar)].into_iter().enumerate() {
        let file = folder.path().join(format!("{number}.tar"));
        fs::write(&file, archive).unwrap();
        assert_eq!(word(&open(&format!("oci-archive:{}:second", file.display())).unwrap()), "two");
        assert_eq!(word(&open(&file.display().to_string()).unwrap()), "one");
    }
}

#[test]
fn a_layout_without_names_is_one_index() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (image("one", "amd64"), image("two", "arm64"));
    layout(
        folder.path(),
        &[&a, &b],
        &index_of(vec![with_platform(&a, "linux/amd64"), with_platform(&b, "linux/arm64")]),
    );
    let source = open(&folder.path().display().to_string()).unwrap();
    assert_eq!(source.resolved().len(), 1);
    assert_eq!(source.resolved()[0].images.len(), 2);
}

#[test]
fn a_link_out_of_a_layout_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let made = image("run", "amd64");
    let (path, outside) = (folder.path().join("layout"), folder.path().join("outside"));
    layout(&path, &[&made], &index_of(vec![made.descriptor()]));
    let blob = path.join("blobs/sha256").join(sha256(&made.blobs[0]).hex());
    fs::rename(&blob, &outside).unwrap();
    std::os::unix::fs::symlink("../../../outside", &blob).unwrap();
    let source = open(&path.display().to_string()).unwrap();
    let error = source.open_layer(&source.resolved()[0].images[0].image.layers[0]).unwrap_err().to_string();
    assert!(error.contains("leads out of the directory"), "{error}");
    // A link that stays inside is how some stores share blobs.
    fs::remove_file(&blob).unwrap();
    fs::rename(&outside, path.join("blobs/sha256/kept")).unwrap();
    std::os::unix::fs::symlink("kept", &blob).unwrap();
    assert_eq!(word(&open(&path.display().to_string()).unwrap()), "run");
}

#[test]
fn a_changed_blob_of_a_layout_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let made = image("run", "amd64");
    layout(folder.path(), &[&made], &index_of(vec![made.descriptor()]));
    let config = folder.path().join("blobs/sha256").join(sha256(&made.blobs[1]).hex());
    fs::write(&config, b"{}").unwrap();
    let error = open(&folder.path().display().to_string()).unwrap_err().to_string();
    assert!(error.contains("digest mismatch"), "{error}");
}

/// `docker save` before version 25: directories named after layers, one of them a link to another.
fn saved(words: &[&str], compress: bool) -> Vec<u8> {
    let mut tar = Tar::new();
    let mut list = Vec::new();
    for word in words {
        let layer = Tar::new().file("word", word.as_bytes()).end();
        let config = bytes(
            &json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [sha256(&layer).to_string(), sha256(&layer).to_string()]}}),
        );
        let name = format!("{}.json", sha256(&config).hex());
        let stored = if compress { gzip(&layer) } else { layer };
        tar = tar
            .file(&format!("{word}-0/layer.tar"), &stored)
            .entry(
                support::Header::new(&format!("{word}-1/layer.tar"), b'2', 0)
                    .link(&format!("../{word}-0/layer.tar")),
                b"",
            )
            .file(&name, &config);
        list.push(json!({"Config": name, "RepoTags": [format!("localhost/{word}:1")],
            "Layers": [format!("{word}-0/layer.tar"), format!("{word}-1/layer.tar")]}));
    }
    tar.file("manifest.json", &bytes(&json!(list))).end()
}

#[test]
fn a_docker_archive_is_read_with_linked_and_compressed_layers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.tar");
    for compress in [false, true] {
        fs::write(&path, saved(&["one", "two"], compress)).unwrap();
        let source = open(&format!("docker-archive:{}", path.display())).unwrap();
        assert_eq!(source.resolved().len(), 2);
        assert_eq!(source.resolved()[0].images[0].image.layers.len(), 2);
        assert_eq!(word(&source), "one");
        assert_eq!(
            word(&open(&format!("docker-archive:{}:localhost/two:1", path.display())).unwrap()),
            "two"
        );
        let file = fs::File::open(&path).unwrap();
        let spooled = LocalSource::from_archive_file(
            file,
            "docker daemon",
            Some("localhost/two:1"),
            &[],
            &Budget::default(),
        );
        assert_eq!(word(&spooled.unwrap()), "two");
    }
}

#[test]
fn an_archive_that_shows_two_engines_two_images_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let made = image("innocent", "amd64");
    let staging = folder.path().join("layout");
    layout(&staging, &[&made], &index_of(vec![made.descriptor()]));
    let oci = tar_of(&staging);
    let mut both = oci[..oci.len() - 1024].to_vec();
    both.extend_from_slice(&saved(&["other"], false));
    let path = folder.path().join("both.tar");
    fs::write(&path, both).unwrap();
    let error = open(&path.display().to_string()).unwrap_err();
    assert!(matches!(error, SourceError::Ambiguous { .. }), "{error}");

    let twice = Tar::new().file("manifest.json", b"[]").raw(&saved(&["one"], false)).bytes;
    fs::write(&path, twice).unwrap();
    assert!(matches!(open(&path.display().to_string()).unwrap_err(), SourceError::Ambiguous { .. }));
}

#[test]
fn what_is_no_image_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(path("empty")).unwrap();
    fs::write(path("text"), "just text, and long enough to be no header\n".repeat(50)).unwrap();
    fs::write(path("nothing"), "").unwrap();
    fs::write(path("other.tar"), Tar::new().file("a", b"b").end()).unwrap();
    let whole = saved(&["one"], false);
    fs::write(path("cut.tar"), &whole[..whole.len() - 2048]).unwrap();
    let compressed = gzip(&whole);
    fs::write(path("cut.tar.gz"), &compressed[..compressed.len() / 2]).unwrap();
    for name in ["empty", "text", "nothing", "other.tar", "cut.tar", "cut.tar.gz", "absent"] {
        for scheme in ["", "docker-archive:", "oci-archive:", "oci:"] {
            let error = open(&format!("{scheme}{}", path(name))).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains('\n'), "{scheme}{name}: {error}");
        }
    }
}

#[test]
fn a_root_file_system_is_an_image_of_one_layer_with_the_same_digest_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let long = "long/".repeat(60);
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::create_dir_all(root.join(&long)).unwrap();
    fs::write(root.join("word"), "found").unwrap();
    fs::write(root.join(&long).join("deep"), vec![1; 100_000]).unwrap();
    fs::write(folder.path().join("secret"), "outside").unwrap();
    std::os::unix::fs::symlink("../../secret", root.join("etc/out")).unwrap();
    std::os::unix::fs::symlink(folder.path(), root.join("away")).unwrap();
    for reference in [format!("dir:{}", root.display()), root.display().to_string()] {
        let source = open(&reference).unwrap();
        assert_eq!(word(&source), "found");
        let layer = source.resolved()[0].images[0].image.layers[0].clone();
        let mut sink = Gathered::default();
        let read = read_layer(
            source.open_layer(&layer).unwrap().reader(),
            &layer,
            &Budget::default(),
            None,
            &mut sink,
        );
        assert!(read.complete && read.gaps.is_empty(), "{:?}", read.gaps);
        assert_eq!(sink.content(&format!("/{long}deep")), vec![1; 100_000]);
        let link = sink.entries.iter().find(|e| e.path == "etc/out".into()).unwrap();
        assert_eq!(link.kind, FileKind::Symlink(b"../../secret".to_vec()));
        assert!(!sink.names().iter().any(|n| n.contains("secret")));
        assert_eq!(source.resolved()[0].pinned.digest, open(&reference).unwrap().resolved()[0].pinned.digest);
    }
    // A file that changes after it was pinned is found.
    let source = open(&format!("dir:{}", root.display())).unwrap();
    fs::OpenOptions::new().append(true).open(root.join("word")).unwrap().write_all(b"!").unwrap();
    let layer = &source.resolved()[0].images[0].image.layers[0];
    let read = read_layer(
        source.open_layer(layer).unwrap().reader(),
        layer,
        &Budget::default(),
        None,
        &mut Gathered::default(),
    );
    assert!(!read.complete && read.gaps.iter().any(|g| g.kind == GapKind::Mismatch));
}

#[test]
fn a_foreign_layer_is_never_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = image("run", "amd64");
    made.manifest["layers"][0]["urls"] = json!(["https://layers.invalid/x"]);
    made.blobs[2] = made.manifest_bytes();
    layout(folder.path(), &[&made], &index_of(vec![made.descriptor()]));
    fs::remove_file(folder.path().join("blobs/sha256").join(sha256(&made.blobs[0]).hex())).unwrap();
    let source = open(&folder.path().display().to_string()).unwrap();
    let error = source.open_layer(&source.resolved()[0].images[0].image.layers[0]).unwrap_err();
    assert!(
        matches!(&error, SourceError::ForeignLayer { url, .. } if url.contains("layers.invalid")),
        "{error}"
    );
}

#[test]
fn the_directory_form_of_skopeo_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let made = image("run", "amd64");
    fs::write(folder.path().join("version"), "Directory Transport Version: 1.1\n").unwrap();
    fs::write(folder.path().join("manifest.json"), made.manifest_bytes()).unwrap();
    for blob in &made.blobs {
        fs::write(folder.path().join(sha256(blob).hex()), blob).unwrap();
    }
    assert_eq!(word(&open(&format!("dir:{}", folder.path().display())).unwrap()), "run");
    assert_eq!(word(&open(&folder.path().display().to_string()).unwrap()), "run");
}
