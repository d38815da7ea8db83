//! What the field's tools push, read back.

use std::collections::BTreeSet;

use lazaret_model::Platform;
use lazaret_oci::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

use crate::support::fake::{Fake, OneImage, Reply};
use crate::support::images::Workshop;
use crate::support::registry::{Access, Registry};
use crate::support::{client, read_all, run};
use crate::{reference, refusal, resolve};

/// Resolves a tag and reads every layer back; gives the layers' media types.
async fn read_back(registry: &Registry, name: &str) -> BTreeSet<String> {
    let client = client();
    let reference = reference(&registry.name(name));
    let resolved = resolve(&client, &registry.name(name)).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(resolved.gaps.is_empty(), "{name}: {:?}", resolved.gaps);
    let mut types = BTreeSet::new();
    for resolved in &resolved.images {
        assert_eq!(resolved.image.layers.len(), 2, "{name}");
        for layer in &resolved.image.layers {
            let stream = client.open_blob(&reference, layer).await.unwrap();
            let (digest, length) = read_all(stream).await.unwrap();
            assert_eq!((digest, length), (layer.digest.to_string(), layer.size), "{name}");
            types.insert(layer.media_type.clone());
        }
    }
    types
}

#[tokio::test]
async fn every_layer_format_that_the_tools_push_is_read_back_digest_checked() {
    let shop = Workshop::new();
    shop.build("localhost/app", "amd64");
    let layout = shop.layout("localhost/app");
    let source = format!("oci:{}:it", layout.display());
    let (oci, docker) =
        ("application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar");
    for (arguments, expected) in [
        (vec!["--format", "oci"], format!("{oci}+gzip")),
        (vec!["--format", "v2s2"], format!("{docker}.gzip")),
        (vec!["--format", "oci", "--dest-compress-format", "zstd"], format!("{oci}+zstd")),
        (vec!["--format", "oci", "--dest-compress-format", "zstd:chunked"], format!("{oci}+zstd")),
    ] {
        // A registry each: skopeo reuses a layer that the same registry has in another format.
        let registry = Registry::start(Access::Open);
        run(shop
            .skopeo()
            .args(["copy", "--dest-tls-verify=false"])
            .args(&arguments)
            .args([&source, &registry.url("f/app:1")]));
        assert_eq!(read_back(&registry, "f/app:1").await, BTreeSet::from([expected]), "{arguments:?}");
    }
}

#[tokio::test]
async fn an_image_with_layers_that_are_not_compressed_is_read_back() {
    let (registry, shop) = (Registry::start(Access::Open), Workshop::new());
    shop.build("localhost/plain", "amd64");
    let layout = shop.layout("localhost/plain");
    let dir = shop.path().join("dir");
    run(shop
        .skopeo()
        .args(["copy", "--dest-decompress"])
        .arg(format!("oci:{}:it", layout.display()))
        .arg(format!("dir:{}", dir.display())));
    let manifest = std::fs::read(dir.join("manifest.json")).unwrap();
    for entry in std::fs::read_dir(&dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().len() == 64 {
            registry.put_blob("f/plain", &std::fs::read(entry.path()).unwrap()).await;
        }
    }
    registry.put_manifest("f/plain", "1", OCI_MANIFEST, &manifest).await;
    let types = read_back(&registry, "f/plain:1").await;
    assert_eq!(types, BTreeSet::from(["application/vnd.oci.image.layer.v1.tar".to_owned()]));
}

#[tokio::test]
async fn every_platform_of_an_index_is_resolved_unless_one_is_asked_for() {
    let (registry, shop) = (Registry::start(Access::Open), Workshop::new());
    for architecture in ["amd64", "arm64"] {
        shop.build(&format!("localhost/multi-{architecture}"), architecture);
    }
    run(shop.tool("buildah").args(["manifest", "create", "multi"]));
    for architecture in ["amd64", "arm64"] {
        run(shop
            .tool("buildah")
            .args(["manifest", "add", "multi"])
            .arg(format!("localhost/multi-{architecture}")));
    }
    run(shop.tool("buildah").args([
        "manifest",
        "push",
        "--all",
        "--tls-verify=false",
        "--format",
        "oci",
        "multi",
        &registry.url("f/multi:1"),
    ]));

    read_back(&registry, "f/multi:1").await;
    let (client, name) = (client(), registry.name("f/multi:1"));
    let all = resolve(&client, &name).await.unwrap();
    let platforms: Vec<String> =
        all.images.iter().filter_map(|i| Some(i.image.platform.as_ref()?.to_string())).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    assert_eq!(all.pinned.tag.as_deref(), Some("1"));
    assert_eq!(all.pinned.repository, registry.name("f/multi"));

    let arm: Platform = "linux/arm64".parse().unwrap();
    let budget = lazaret_model::Budget::default();
    let one = client.resolve(&reference(&name), &[arm], &budget).await.unwrap();
    assert_eq!(one.images.len(), 1);
    assert_eq!(one.pinned.digest, all.pinned.digest);

    let s390x: Platform = "linux/s390x".parse().unwrap();
    let error = client.resolve(&reference(&name), &[s390x], &budget).await.unwrap_err().to_string();
    assert!(error.contains("linux/s390x") && error.contains("linux/arm64"), "{error}");

    // The digest of one platform's manifest is a reference of its own; the tag beside it is not asked for.
    let by_digest = format!("{}@{}", registry.name("f/multi:no-such-tag"), one.images[0].image.manifest);
    let pinned = resolve(&client, &by_digest).await.unwrap().pinned;
    assert_eq!(pinned.digest, one.images[0].image.manifest);
    assert_eq!(pinned.tag, None);
}

#[tokio::test]
async fn an_image_of_schema_1_is_refused_with_what_to_do() {
    let fake = Fake::start(|_, _| {
        Reply::new(
            200,
            r#"{"schemaVersion":1,"name":"old","tag":"1","architecture":"amd64","fsLayers":[],"history":[],"signatures":[]}"#,
        )
        .header("Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws")
    })
    .await;
    let text = refusal(&client(), &format!("{}/old:1", fake.host)).await;
    assert!(text.contains("schema 1") && text.contains("push it again"), "{text}");
}

#[tokio::test]
async fn an_index_that_names_a_manifest_that_is_gone_has_a_gap_and_its_other_image() {
    let (registry, image) = (Registry::start(Access::Open), OneImage::new());
    registry.put_blob("f/gone", &image.config).await;
    registry.put_blob("f/gone", &image.layer).await;
    let digest = registry.put_manifest("f/gone", "1", OCI_MANIFEST, &image.manifest).await;
    // A registry checks that the children of an index exist: this one loses one afterwards.
    let other = String::from_utf8(image.manifest.clone()).unwrap().replace(r#","layers""#, r#", "layers""#);
    let lost = registry.put_manifest("f/gone", "lost", OCI_MANIFEST, other.as_bytes()).await;
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[
            {{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":{},"platform":{{"os":"linux","architecture":"amd64"}}}},
            {{"mediaType":"{OCI_MANIFEST}","digest":"{lost}","size":{},"platform":{{"os":"linux","architecture":"arm64"}}}}]}}"#,
        image.manifest.len(),
        other.len()
    );
    registry.put_manifest("f/gone", "all", OCI_INDEX, index.as_bytes()).await;
    let revision = registry
        .dir
        .path()
        .join("data/docker/registry/v2/repositories/f/gone/_manifests/revisions/sha256")
        .join(lost.trim_start_matches("sha256:"));
    std::fs::remove_dir_all(revision).unwrap();

    let resolved = resolve(&client(), &registry.name("f/gone:all")).await.unwrap();
    assert_eq!(resolved.images.len(), 1);
    assert_eq!(resolved.gaps.len(), 1, "{:?}", resolved.gaps);
    assert!(resolved.gaps[0].matters && resolved.gaps[0].detail.contains(&lost), "{:?}", resolved.gaps);
}

#[tokio::test]
async fn a_docker_manifest_is_read_with_its_own_media_types() {
    let (registry, shop) = (Registry::start(Access::Open), Workshop::new());
    shop.build("localhost/v2s2", "amd64");
    run(shop.tool("buildah").args([
        "push",
        "--format",
        "v2s2",
        "--tls-verify=false",
        "localhost/v2s2",
        &registry.url("f/v2s2:1"),
    ]));
    let budget = lazaret_model::Budget::default();
    let manifest = client().manifest(&reference(&registry.name("f/v2s2:1")), &budget).await.unwrap();
    assert_eq!(manifest.media_type, DOCKER_MANIFEST);
    read_back(&registry, "f/v2s2:1").await;
}
