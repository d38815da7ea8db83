//! The field's clients through a gate, each set up as `lazaret gate init` prints it: what is good comes in
//! byte for byte, what is not is refused with a reason, and there is no way round.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "gate_clients/engines.rs"]
mod engines;
#[path = "support/gated.rs"]
mod gated;
#[path = "gate_clients/lineup.rs"]
mod lineup;
#[path = "gate_clients/network.rs"]
mod network;
#[path = "support/served.rs"]
mod served;
mod support;
#[path = "gate_clients/tools.rs"]
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

use gated::{OCI_INDEX, Running, clean, marked, start};
use serde_json::{Value, json};
use served::field::engines::Engine;
use served::field::images::Workshop;
use served::field::needed;
use served::field::registry::{Access, Registry};
use served::manifest_digest;
use support::Place;

/// A real registry with a good image, a bad one, and one that is bad on a single platform.
pub struct Field {
    pub place: Place,
    pub shop: Workshop,
    pub registry: Registry,
}

impl Field {
    pub fn start() -> Self {
        let field =
            Self { place: Place::new(), shop: Workshop::new(), registry: Registry::start(Access::Open) };
        for (name, recipe) in [("good", clean("good")), ("bad", marked())] {
            let layout = field.place.recipe(name, &recipe);
            field.push(&layout, &format!("team/{name}:1"), &[]);
            field.push(&layout, "team/both:part", &[]);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for name in ["good", "bad"] {
            let bytes = field.manifest(name);
            runtime.block_on(field.registry.put_manifest("team/both", name, gated::OCI_MANIFEST, &bytes));
        }
        let child = |name: &str, architecture: &str| {
            json!({"mediaType": gated::OCI_MANIFEST, "digest": field.digest(name), "size": field.manifest(name).len(),
                "platform": {"os": "linux", "architecture": architecture}})
        };
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX,
            "manifests": [child("good", "amd64"), child("bad", "arm64")]});
        runtime.block_on(field.registry.put_manifest(
            "team/both",
            "1",
            OCI_INDEX,
            index.to_string().as_bytes(),
        ));
        field
    }

    pub fn push(&self, layout: &Path, name: &str, more: &[&str]) {
        let mut copy = self.shop.skopeo();
        copy.args(["copy", "-q", "--dest-tls-verify=false"]).args(more);
        copy.arg(format!("oci:{}", layout.display())).arg(self.registry.url(name));
        served::field::run(&mut copy);
    }

    pub fn digest(&self, name: &str) -> String {
        manifest_digest(&self.place.path(name))
    }

    pub fn manifest(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.place.path(name).join("blobs/sha256").join(&self.digest(name)[7..])).unwrap()
    }

    /// Arguments with which the registry serves what docker.io is asked for.
    pub fn as_hub(&self) -> String {
        format!("docker.io=http://{}", self.registry.host)
    }

    pub fn gate(&self, more: &[&str]) -> Running {
        start(&self.place, &self.registry.host, &[&["--upstream", &self.as_hub()], more].concat())
    }

    /// What `lazaret gate init` prints for an engine.
    pub fn init(&self, engine: &str, more: &[&str]) -> String {
        let said = self.place.run(&[&["gate", "init", engine, "--upstream", "docker.io"], more].concat());
        assert_eq!(said.code, 0, "{said:?}");
        said.out
    }

    /// A `registries.conf` as printed.
    pub fn registries(&self, gate: &Running) -> PathBuf {
        let conf = self.place.path("registries.conf");
        std::fs::write(&conf, self.init("podman", &["--gate", &gate.host])).unwrap();
        conf
    }

    /// A folder of `hosts.toml` as printed.
    pub fn hosts(&self, gate: &Running) -> PathBuf {
        let printed = self.init("containerd", &["--gate", &gate.host]);
        let folder = self.place.path("certs.d");
        std::fs::create_dir_all(folder.join("_default")).unwrap();
        let text: String = printed
            .lines()
            .skip_while(|line| !line.starts_with("server"))
            .take_while(|line| !line.starts_with('#'))
            .fold(String::new(), |text, line| text + line + "\n");
        std::fs::write(folder.join("_default/hosts.toml"), text).unwrap();
        folder
    }
}

/// How a command ended, and all that it said.
pub fn told(command: &mut Command) -> (bool, String) {
    let done =
        command.stdin(std::process::Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&text).into_owned())
}

pub fn docker(engine: &Engine, arguments: &[&str]) -> (bool, String) {
    let mut docker = Command::new(needed("docker", "docker.io"));
    docker.env("DOCKER_HOST", format!("unix://{}", engine.socket.display())).env("HOME", engine.dir.path());
    told(docker.args(arguments))
}

pub fn podman(field: &Field, conf: Option<&Path>, arguments: &[&str]) -> (bool, String) {
    let mut podman = field.shop.tool("podman");
    if let Some(conf) = conf {
        podman.env("CONTAINERS_REGISTRIES_CONF", conf);
    }
    if arguments[0] == "pull" {
        podman.arg("pull").arg("--signature-policy").arg(field.shop.path().join("policy.json"));
        return told(podman.args(&arguments[1..]));
    }
    told(podman.args(arguments))
}

pub fn ctr_pull(engine: &Engine, more: &[&str], image: &str) -> (bool, String) {
    let mut ctr = Command::new(needed("ctr", "containerd"));
    ctr.arg("--address").arg(&engine.socket).args(["images", "pull", "--snapshotter", "native"]);
    told(ctr.args(more).arg(image))
}

/// The lines of an audit log.
pub fn audited(log: &Path) -> Vec<Value> {
    std::fs::read_to_string(log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
