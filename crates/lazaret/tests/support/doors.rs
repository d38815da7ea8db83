//! A registry with an image that is good and one that is bad, and doors before them.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::served;
use crate::served::field::images::Workshop;
use crate::served::field::registry::{Access, Registry};
use crate::served::field::{Process, needed, run};
use crate::support::{MARKER, PROGRAM, Place, RawImage, Tar};

/// A registry that holds a good and a bad image, both of which run.
pub struct Field {
    pub place: Place,
    pub workshop: Workshop,
    pub registry: Registry,
}

#[allow(clippy::new_without_default)]
impl Field {
    pub fn new() -> Self {
        Self::with(Place::new(), Access::Open)
    }

    pub fn with(place: Place, access: Access<'_>) -> Self {
        let field = Self { place, workshop: Workshop::new(), registry: Registry::start(access) };
        let busybox = std::fs::read(needed("busybox", "busybox-static")).unwrap();
        let script = format!("#!/bin/sh\n# {MARKER}\n/bin/busybox echo it ran\n");
        for (name, script, start) in
            [("good", "#!/bin/sh\n", "/bin/busybox"), ("bad", script.as_str(), "/run.sh")]
        {
            let mut tar = Tar::default();
            tar.raw(b"bin/busybox", b'0', busybox.len() as u64, b"", &busybox);
            tar.raw(b"bin/sh", b'2', 0, b"busybox", b"").file("run.sh", script.as_bytes());
            let mut image = RawImage::default();
            image.config["config"] = json!({ "Entrypoint": [start], "Cmd": ["echo", "it ran"] });
            image.layer(tar.end());
            let layout = image.write(&field.place.path(name));
            field.copy(&format!("oci:{}", layout.display()), &format!("docker://{}", field.image(name)));
        }
        field
    }

    pub fn copy(&self, from: &str, to: &str) {
        let mut copy = self.workshop.skopeo();
        run(copy.args(["copy", "-q", "--dest-tls-verify=false"]).args([from, to]));
    }

    pub fn image(&self, name: &str) -> String {
        self.registry.name(&format!("team/{name}:1"))
    }

    pub fn digest(&self, name: &str) -> String {
        served::manifest_digest(&self.place.path(name))
    }

    /// An archive as `docker save` writes it, whose image has a name of its own.
    pub fn archive(&self, name: &str) -> PathBuf {
        let archive = self.place.path(&format!("{name}.tar"));
        let to = format!("docker-archive:{}:loaded/{name}:1", archive.display());
        self.copy(&format!("oci:{}", self.place.path(name).display()), &to);
        archive
    }

    /// The options that every door is given here.
    pub fn options(&self) -> Vec<String> {
        let rules = self.place.path("rules").display().to_string();
        let store = format!("sqlite:{}", self.place.path("store.sqlite").display());
        ["--only-rules", "--rules", &rules, "--store", &store].map(str::to_owned).to_vec()
    }

    /// Starts a door and waits until it says so.
    pub fn door(&self, words: &[&str], env: &[(&str, &str)], ready: &str) -> Process {
        let options = self.options();
        let words: Vec<&str> = ["gate"]
            .into_iter()
            .chain(words.iter().copied())
            .chain(options.iter().map(String::as_str))
            .collect();
        let mut command = Command::new(PROGRAM);
        self.place.scrub(&mut command, &words, env);
        let mut process = Process::start(&mut command, &self.place.path("door.log"));
        process.wait(|log| log.contains(ready).then_some(()));
        process
    }

    pub fn policy(&self, text: &str) -> String {
        let path = self.place.path("policy.toml");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Replaces the policy and waits until the door has it.
    pub fn new_policy(&self, door: &Process, text: &str) {
        let told = || std::fs::read_to_string(&door.log).unwrap().matches("policy was read again").count();
        let before = told();
        self.policy(text);
        served::until("the new policy", || (told() > before).then_some(()));
    }
}

/// Where somebody listens who never answers.
pub fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let kept: Vec<_> = listener.incoming().collect();
        drop(kept);
    });
    host
}
