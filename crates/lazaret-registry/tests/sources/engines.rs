//! Images that real engines hold.

use std::fs::File;
use std::process::{Command, Stdio};

use lazaret_model::ImageRef;
use lazaret_registry::daemon::{self, DaemonOptions};
use lazaret_registry::{Environment, RegistryError};

use crate::support::engines::{self, options};
use crate::support::fake::{Fake, Reply};
use crate::support::images::Workshop;
use crate::support::{needed, run};

/// The names in an exported archive.
fn names(file: File) -> Vec<String> {
    let tar = Command::new(needed("tar", "tar")).arg("-t").stdin(Stdio::from(file)).output().unwrap();
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    String::from_utf8(tar.stdout).unwrap().lines().map(str::to_owned).collect()
}

async fn refused(reference: ImageRef, options: &DaemonOptions) -> String {
    let text = daemon::export(&reference, options).await.unwrap_err().to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[tokio::test]
async fn the_docker_daemon_exports_an_image_by_name_and_by_id() {
    let shop = Workshop::new();
    shop.build("localhost/it", "amd64");
    let archive = shop.archive("localhost/it", "shelf.example/it:1");
    let engine = engines::dockerd();
    engine.load_docker(&archive);
    let options = options("DOCKER_HOST", format!("unix://{}", engine.socket.display()));

    let export =
        daemon::export(&ImageRef::DockerDaemon("shelf.example/it:1".to_owned()), &options).await.unwrap();
    assert!(export.id.starts_with("sha256:"), "{}", export.id);
    assert_eq!(export.size, export.file.metadata().unwrap().len());
    assert!(
        export.origin.contains("Docker daemon") && export.origin.contains("docker.sock"),
        "{}",
        export.origin
    );
    let id = export.id.clone();
    assert!(names(export.file).contains(&"manifest.json".to_owned()));

    let by_id = daemon::export(&ImageRef::DockerDaemon(id[7..19].to_owned()), &options).await.unwrap();
    assert_eq!(by_id.id, id);

    let text = refused(ImageRef::DockerDaemon("nginx:none".to_owned()), &options).await;
    assert!(text.contains("holds no image `nginx:none`") && text.contains("docker://nginx:none"), "{text}");

    let small = DaemonOptions { export_limit: 1_000, ..options.clone() };
    let text = refused(ImageRef::DockerDaemon(id.clone()), &small).await;
    assert!(text.contains("larger than 1000 bytes"), "{text}");
    let nowhere = DaemonOptions { directory: Some("/nonexistent".into()), ..options };
    let text = refused(ImageRef::DockerDaemon(id), &nowhere).await;
    assert!(text.contains("/nonexistent") && text.contains("TMPDIR"), "{text}");
}

#[tokio::test]
async fn podman_exports_an_image_over_its_socket() {
    let shop = Workshop::new();
    shop.build("localhost/it:1", "amd64");
    let engine = engines::podman(&shop);
    let options = options("CONTAINER_HOST", format!("unix://{}", engine.socket.display()));
    let export = daemon::export(&ImageRef::Podman("localhost/it:1".to_owned()), &options).await.unwrap();
    assert_eq!(export.id.trim_start_matches("sha256:").len(), 64, "{}", export.id);
    assert!(export.origin.starts_with("podman at "), "{}", export.origin);
    assert!(names(export.file).contains(&"manifest.json".to_owned()));
    let text = refused(ImageRef::Podman("localhost/none:1".to_owned()), &options).await;
    assert!(text.contains("podman at") && text.contains("holds no image `localhost/none:1`"), "{text}");
}

#[tokio::test]
async fn containerd_exports_an_image_through_ctr() {
    let shop = Workshop::new();
    shop.build("localhost/it", "amd64");
    let archive = shop.archive("localhost/it", "docker.io/library/it:1");
    let engine = engines::containerd();
    let address = engine.socket.display().to_string();
    run(Command::new(needed("ctr", "containerd"))
        .args(["--address", &address, "images", "import"])
        .arg(&archive));
    let options = options("CONTAINERD_ADDRESS", address);
    // The short name that people type, and the full one that containerd keeps.
    for name in ["it:1", "docker.io/library/it:1"] {
        let export = daemon::export(&ImageRef::Containerd(name.to_owned()), &options).await.unwrap();
        assert!(
            export.repo_digests[0].starts_with("docker.io/library/it@sha256:"),
            "{:?}",
            export.repo_digests
        );
        let names = names(export.file);
        assert!(
            names.contains(&"index.json".to_owned()) && names.contains(&"oci-layout".to_owned()),
            "{names:?}"
        );
    }
    let text = refused(ImageRef::Containerd("it:2".to_owned()), &options).await;
    assert!(text.contains("holds no image `it:2`") && text.contains("k8s.io"), "{text}");
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_with_where_it_was_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none.sock").display().to_string();
    let unix = format!("unix://{missing}");
    for (reference, variable, address) in [
        (ImageRef::DockerDaemon("a".to_owned()), "DOCKER_HOST", &unix),
        (ImageRef::Podman("a".to_owned()), "CONTAINER_HOST", &unix),
        (ImageRef::Containerd("a".to_owned()), "CONTAINERD_ADDRESS", &missing),
    ] {
        let error = daemon::export(&reference, &options(variable, address.clone())).await.unwrap_err();
        assert!(matches!(error, RegistryError::NoDaemon { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("none.sock") && text.contains(variable), "{text}");
    }
}

#[tokio::test]
async fn containerd_without_its_command_line_is_told() {
    let options = DaemonOptions {
        environment: Environment::from_pairs([("PATH", "/nonexistent")]),
        ..DaemonOptions::default()
    };
    let text = refused(ImageRef::Containerd("a".to_owned()), &options).await;
    assert!(text.contains("`ctr` is not installed"), "{text}");
}

#[tokio::test]
async fn an_export_that_breaks_off_is_an_error_and_no_short_archive() {
    let fake = Fake::start(|request, _| {
        if request.path.ends_with("/json") {
            return Reply::new(200, format!(r#"{{"Id":"sha256:{}","RepoDigests":null}}"#, "ab".repeat(32)));
        }
        Reply::new(200, vec![0; 5_000]).cut(10_000, crate::support::fake::Then::Close)
    })
    .await;
    let options = options("DOCKER_HOST", format!("tcp://{}", fake.host));
    let text = refused(ImageRef::DockerDaemon("a:1".to_owned()), &options).await;
    assert!(text.contains("broke off"), "{text}");
    assert!(fake.seen()[1].path.contains(&"ab".repeat(32)), "exported by another name than the id");
}

#[tokio::test]
async fn an_error_of_the_engine_is_passed_on_made_safe() {
    let fake = Fake::start(|_, _| Reply::new(500, "{\"message\":\"layer \\u001b[2J lost\"}")).await;
    let options = options("DOCKER_HOST", format!("tcp://{}", fake.host));
    let text = refused(ImageRef::DockerDaemon("a:1".to_owned()), &options).await;
    assert!(text.contains("layer \\x1b[2J lost"), "{text}");
}
