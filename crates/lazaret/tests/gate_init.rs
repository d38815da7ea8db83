//! `lazaret gate init --write` and `--undo`, with the engines that read what was written.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/gates.rs"]
mod gates;
#[path = "support/served.rs"]
mod served;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gates::Field;
use support::{Place, Said};

/// Every file below a directory.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

fn init(place: &Place, engine: &str, more: &[&str]) -> Said {
    let (root, ca) = (place.path("root"), place.path("ca"));
    let words = ["gate", "init", engine, "--root", root.to_str().unwrap(), "--ca", ca.to_str().unwrap()];
    place.run(&[&words[..], more].concat())
}

fn put(place: &Place, path: &str, text: &str) {
    let path = place.path("root").join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn each_engine_is_set_up_asked_first_and_put_back_as_it_was() {
    let place = Place::new();
    put(&place, "etc/ssl/certs/ca-certificates.crt", "# the system's\n");
    put(&place, "etc/rancher/k3s/config.yaml", "token: x\n");
    put(
        &place,
        "etc/containerd/config.toml",
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n",
    );
    put(&place, "etc/docker/daemon.json", "{\"proxies\": {\"https-proxy\": \"http://old.test\"}}");
    let root = place.path("root");
    let before = files(&root);
    for (engine, file) in [
        ("docker", "etc/systemd/system/docker.service.d/zz-lazaret.conf"),
        ("podman", "etc/containers/registries.conf.d/50-lazaret.conf"),
        ("containerd", "etc/containerd/certs.d/_default/hosts.toml"),
        ("k3s", "etc/rancher/k3s/registries.yaml"),
    ] {
        // Nobody is there to be asked.
        let said = init(&place, engine, &["--upstream", "docker.io", "--write"]);
        assert!(said.code == 2 && said.err.contains("--yes"), "{said:?}");
        assert!(said.out.contains(&format!("+++ {}", root.join(file).display())), "{}", said.out);
        assert_eq!(files(&root), before, "{engine}: shown, and not written");
        let said = init(&place, engine, &["--upstream", "docker.io", "--write", "--yes"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(root.join(file).exists() && said.out.contains("undo: lazaret gate init"), "{said:?}");
        let written = files(&root);
        let said = init(&place, engine, &["--upstream", "docker.io", "--write", "--yes"]);
        assert!(said.code == 0 && said.out.contains("nothing is to be changed"), "{said:?}");
        assert_eq!(files(&root), written);
        // Somebody changes what was written.
        let ours = fs::read(root.join(file)).unwrap();
        fs::write(root.join(file), "theirs\n").unwrap();
        let said = init(&place, engine, &["--undo"]);
        assert!(said.code == 2 && said.err.contains("was changed since"), "{said:?}");
        fs::write(root.join(file), ours).unwrap();
        let said = init(&place, engine, &["--undo"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(files(&root), before, "{engine}");
        let said = init(&place, engine, &["--undo"]);
        assert!(said.code == 0 && said.out.contains("nothing is to be put back"), "{said:?}");
    }
    assert!(!root.join("etc/containers").exists() && !root.join("etc/systemd").exists());
}

#[test]
fn a_way_round_that_is_left_open_is_told() {
    let place = Place::new();
    put(
        &place,
        "etc/containers/registries.conf",
        "[[registry]]\nprefix = \"docker.io/team\"\nlocation = \"mirror.test\"\n",
    );
    let said = init(&place, "podman", &["--upstream", "docker.io", "--write", "--yes"]);
    assert!(said.code == 1 && said.out.contains("OPEN: ") && said.out.contains("docker.io/team"), "{said:?}");
    put(&place, "etc/containerd/config.toml", "version = 2\n");
    let said = init(&place, "containerd", &["--upstream", "docker.io", "--write", "--yes"]);
    assert!(said.code == 1 && said.out.contains("no config_path"), "{said:?}");
    // The system's list of authorities is not there: nothing is written.
    let said = init(&place, "docker", &["--upstream", "docker.io", "--write", "--yes"]);
    assert!(said.code == 2 && !place.path("root/etc/systemd").exists(), "{said:?}");
}

#[test]
fn podman_s_library_and_containerd_read_what_was_written() {
    let field = Field::new();
    let gate = field.gate_as_hub(&[]);
    let said =
        init(&field.place, "podman", &["--upstream", "docker.io", "--gate", &gate.host, "--write", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    let root = field.place.path("root");
    let conf = root.join("etc/containers/registries.conf.d/50-lazaret.conf");
    for (image, comes_in) in [("good", true), ("bad", false)] {
        let layout = field.place.path("by-name");
        let _ = fs::remove_dir_all(&layout);
        let mut copy = field.workshop.skopeo();
        copy.arg("--registries-conf").arg(&conf).args(["copy", "-q"]);
        copy.arg(format!("docker://docker.io/team/{image}:1")).arg(format!("oci:{}", layout.display()));
        let done = copy.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.success(), comes_in, "{said}");
        assert!(comes_in || said.contains("lazaret refuses team/bad: malicious"), "{said}");
    }
    let said = init(
        &field.place,
        "containerd",
        &["--upstream", "docker.io", "--gate", &gate.host, "--write", "--yes"],
    );
    assert_eq!(said.code, 0, "{said:?}");
    let engine = served::field::engines::containerd();
    for (image, comes_in) in [("good", true), ("bad", false)] {
        let mut ctr = std::process::Command::new(served::field::needed("ctr", "containerd"));
        ctr.arg("--address").arg(&engine.socket).args([
            "images",
            "pull",
            "--snapshotter",
            "native",
            "--hosts-dir",
        ]);
        let done = ctr
            .arg(root.join("etc/containerd/certs.d"))
            .arg(format!("docker.io/team/{image}:1"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.success(), comes_in, "{said}");
    }
}

/// The doctor's answer about an engine that this environment leads to.
fn doctor(place: &Place, words: &[&str], env: &[(&str, &str)]) -> Said {
    place.run_with(&[&["gate", "doctor"], words].concat(), env)
}

#[test]
fn the_doctor_proves_with_docker_s_own_pull_that_there_is_no_way_round() {
    let field = Field::new();
    let ca = field.place.path("ca");
    let said =
        field.place.run(&["gate", "init", "docker", "--upstream", "docker.io", "--ca", ca.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{said:?}");
    let policy = field.place.path("policy.toml");
    fs::write(&policy, "mode = \"enforce\"\n").unwrap();
    let gate = field.gate_as_hub(&[
        "--transparent",
        "127.0.0.1:0",
        "--ca",
        ca.to_str().unwrap(),
        "--policy",
        policy.to_str().unwrap(),
    ]);
    let proxy = gate.told("proxy for engines on ");
    let certificate = ca.join("lazaret-gate-ca.crt");
    let through = served::field::engines::dockerd_with(&[
        ("HTTPS_PROXY", &format!("http://{proxy}")),
        ("NO_PROXY", ""),
        ("SSL_CERT_FILE", certificate.to_str().unwrap()),
    ]);
    let at = |engine: &served::field::engines::Engine| format!("unix://{}", engine.socket.display());
    let said = doctor(&field.place, &["docker"], &[("DOCKER_HOST", &at(&through))]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.lines().count() == 2 && said.out.lines().all(|line| line.starts_with("ok")), "{said:?}");
    // By the gate's own address as well.
    let said = doctor(&field.place, &["docker", "--registry", &gate.host], &[("DOCKER_HOST", &at(&through))]);
    assert_eq!(said.code, 0, "{said:?}");
    // A daemon that does not ask the gate.
    let direct = served::field::engines::dockerd();
    let said = doctor(&field.place, &["docker"], &[("DOCKER_HOST", &at(&direct))]);
    assert!(
        said.code == 1 && said.out.lines().filter(|line| line.starts_with("OPEN")).count() == 2,
        "{said:?}"
    );
    // A policy that only watches.
    fs::write(&policy, "mode = \"audit\"\n# now\n").unwrap();
    served::until("the policy", || gate.log().contains("the policy was read again").then_some(()));
    let said = doctor(&field.place, &["docker"], &[("DOCKER_HOST", &at(&through))]);
    assert!(said.code == 1 && said.out.contains("the policy only watches"), "{said:?}");
}

#[test]
fn the_doctor_proves_it_with_containerd_too() {
    let field = Field::new();
    let gate = field.gate_as_hub(&[]);
    let said = init(
        &field.place,
        "containerd",
        &["--upstream", "docker.io", "--gate", &gate.host, "--write", "--yes"],
    );
    assert_eq!(said.code, 0, "{said:?}");
    let engine = served::field::engines::containerd();
    let hosts = field.place.path("root/etc/containerd/certs.d");
    let env = [("CONTAINERD_ADDRESS", engine.socket.to_str().unwrap()), ("CONTAINERD_SNAPSHOTTER", "native")];
    let said = doctor(&field.place, &["containerd", "--hosts-dir", hosts.to_str().unwrap()], &env);
    assert_eq!(said.code, 0, "{said:?}");
    let none = field.place.path("none");
    let said = doctor(&field.place, &["containerd", "--hosts-dir", none.to_str().unwrap()], &env);
    assert_eq!(said.code, 1, "{said:?}");
}
