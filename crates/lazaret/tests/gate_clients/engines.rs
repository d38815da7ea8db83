//! dockerd, podman and containerd, row by row of what they do with a gate that refuses.

use std::process::Command;

use crate::served::field::engines::{containerd, dockerd};
use crate::served::field::needed;
use crate::support::{MARKER, RawImage, Tar, sha256, zstd};
use crate::{Field, ctr_pull, docker, podman, told};

#[test]
fn podman_pulls_what_is_good_byte_for_byte_and_is_told_why_not_the_rest() {
    let field = Field::start();
    let gate = field.gate(&[]);
    let conf = field.registries(&gate);
    let (ok, said) = podman(&field, Some(&conf), &["pull", "-q", "docker.io/team/good:1"]);
    assert!(ok, "{said}");
    let (_, digest) = podman(
        &field,
        Some(&conf),
        &["image", "inspect", "--format", "{{.Digest}}", "docker.io/team/good:1"],
    );
    assert_eq!(digest.trim(), field.digest("good"), "unchanged");
    let by_digest = format!("docker.io/team/good@{}", field.digest("good"));
    let (ok, said) = podman(&field, Some(&conf), &["pull", "-q", &by_digest]);
    assert!(ok, "{said}");
    let bad = format!("docker.io/team/bad@{}", field.digest("bad"));
    for image in ["docker.io/team/bad:1", &bad] {
        let (ok, said) = podman(&field, Some(&conf), &["pull", "-q", image]);
        assert!(
            !ok && said.contains("lazaret refuses team/bad: malicious") && said.contains("blocked"),
            "{said}"
        );
    }
    // Under the gate's own name.
    let named = |name: &str| format!("{}/team/{name}:1", gate.host);
    let (ok, said) = podman(&field, None, &["pull", "-q", "--tls-verify=false", &named("good")]);
    assert!(ok, "{said}");
    let (ok, said) = podman(&field, None, &["pull", "-q", "--tls-verify=false", &named("bad")]);
    assert!(!ok && said.contains("lazaret refuses team/bad: malicious"), "{said}");
}

#[test]
fn layers_compressed_with_zstd_are_judged_and_pulled() {
    let field = Field::start();
    for (name, content) in [("good", "good"), ("bad", MARKER)] {
        let mut image = RawImage::default();
        let tar = Tar::default().file("run.sh", format!("#!/bin/sh\n# {content}\n").as_bytes()).end();
        image.config["config"]["Entrypoint"] = serde_json::json!(["/run.sh"]);
        image.blob(zstd(&tar), sha256(&tar), "application/vnd.oci.image.layer.v1.tar+zstd");
        let layout = image.write(&field.place.path(&format!("zstd-{name}")));
        field.push(&layout, &format!("team/zstd-{name}:1"), &["--preserve-digests"]);
    }
    let gate = field.gate(&[]);
    let manifest = gate.get("/v2/team/zstd-good/manifests/1");
    assert!(String::from_utf8_lossy(&manifest.body).contains("tar+zstd"), "{manifest:?}");
    let conf = field.registries(&gate);
    let (ok, said) = podman(&field, Some(&conf), &["pull", "-q", "docker.io/team/zstd-good:1"]);
    assert!(ok, "{said}");
    let (ok, said) = podman(&field, Some(&conf), &["pull", "-q", "docker.io/team/zstd-bad:1"]);
    assert!(!ok && said.contains("malicious"), "{said}");
}

#[test]
fn containerd_asks_the_gate_for_every_registry_and_goes_to_no_other() {
    let field = Field::start();
    let gate = field.gate(&[]);
    let hosts = field.hosts(&gate);
    let hosts = ["--hosts-dir", hosts.to_str().unwrap()];
    let engine = containerd();
    let good = format!("docker.io/team/good@{}", field.digest("good"));
    // A registry with a port is named in `ns` with its colon written otherwise.
    let with_port = format!("{}/team/good:1", field.registry.host);
    for image in ["docker.io/team/good:1", &good, &with_port] {
        let (ok, said) = ctr_pull(&engine, &hosts, image);
        assert!(ok, "{image}: {said}");
    }
    let mut list = Command::new(needed("ctr", "containerd"));
    let (_, said) = told(list.arg("--address").arg(&engine.socket).args(["images", "list"]));
    assert!(said.contains(&field.digest("good")), "{said}");
    let bad = format!("docker.io/team/bad@{}", field.digest("bad"));
    let with_port = format!("{}/team/bad:1", field.registry.host);
    for image in ["docker.io/team/bad:1", &bad, &with_port] {
        let (ok, said) = ctr_pull(&engine, &hosts, image);
        assert!(!ok && said.contains("403 Forbidden"), "{image}: {said}");
    }
    let (ok, said) = ctr_pull(&engine, &hosts, "registry.example/team/good:1");
    assert!(
        !ok && said.contains(&gate.host) && !said.contains("no such host"),
        "no other host is asked: {said}"
    );
}

#[test]
fn dockerd_is_refused_by_digest_as_it_is_by_tag() {
    let field = Field::start();
    let gate = field.gate(&[]);
    let engine = dockerd();
    let good = format!("{}/team/good@{}", gate.host, field.digest("good"));
    let (ok, said) = docker(&engine, &["pull", "-q", &good]);
    assert!(ok, "{said}");
    let (_, said) = docker(&engine, &["image", "inspect", "--format", "{{.RepoDigests}}", &good]);
    assert!(said.contains(&field.digest("good")), "{said}");
    let bad = format!("{}/team/bad@{}", gate.host, field.digest("bad"));
    let (ok, said) = docker(&engine, &["pull", "-q", &bad]);
    assert!(!ok && said.contains("lazaret refuses team/bad: malicious"), "{said}");
    let (_, said) = docker(&engine, &["images", "-q", "--no-trunc"]);
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn one_malicious_platform_is_refused_by_itself_or_with_all_the_others_as_the_policy_says() {
    let field = Field::start();
    let policy = field.place.path("policy.toml");
    let engine = dockerd();
    let gate = field.gate(&[]);
    let both = format!("{}/team/both:1", gate.host);
    let (ok, said) = docker(&engine, &["pull", "-q", "--platform", "linux/amd64", &both]);
    assert!(ok, "{said}");
    let (ok, said) = docker(&engine, &["pull", "-q", "--platform", "linux/arm64", &both]);
    assert!(!ok && said.contains("lazaret refuses team/both: malicious"), "{said}");
    drop(gate);

    std::fs::write(&policy, "platforms = \"all\"\n").unwrap();
    let gate = field.gate(&["--policy", policy.to_str().unwrap()]);
    let both = format!("{}/team/both:1", gate.host);
    let (ok, said) = docker(&engine, &["pull", "-q", "--platform", "linux/amd64", &both]);
    assert!(!ok && said.contains("lazaret refuses team/both: malicious"), "{said}");
    let conf = field.registries(&gate);
    let (ok, said) = podman(&field, Some(&conf), &["pull", "-q", "docker.io/team/both:1"]);
    assert!(!ok && said.contains("lazaret refuses team/both: malicious"), "{said}");
}

#[test]
fn a_blob_is_refused_where_its_image_is_no_longer_allowed() {
    let field = Field::start();
    let policy = field.place.path("policy.toml");
    std::fs::write(&policy, "mode = \"audit\"\n").unwrap();
    let gate = field.gate(&["--policy", policy.to_str().unwrap()]);
    assert_eq!(gate.get("/v2/team/bad/manifests/1").status, 200, "only watched");
    let manifest: serde_json::Value = serde_json::from_slice(&field.manifest("bad")).unwrap();
    let digest = |part: &serde_json::Value| part["digest"].as_str().unwrap().to_owned();
    let parts = [digest(&manifest["config"]), digest(&manifest["layers"][1])];
    let ask = |blob: &String| gate.get(&format!("/v2/team/bad/blobs/{blob}"));
    assert!(parts.iter().all(|blob| ask(blob).status == 200));
    std::fs::write(&policy, "mode = \"enforce\"\n").unwrap();
    crate::served::until("the policy to be read", || gate.log().contains("read again").then_some(()));
    for blob in &parts {
        let said = ask(blob);
        assert_eq!(said.status, 403, "{said:?}");
        assert!(said.error().1.contains("lazaret refuses team/bad: malicious"), "{said:?}");
    }
}
