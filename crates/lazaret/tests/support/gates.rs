//! A gate before a real registry that holds a good and a bad image.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::process::Command;

use serde_json::Value;

use super::served;
use super::served::field::Process;
use super::served::field::images::Workshop;
use super::served::field::registry::{Access, Registry};
use super::support::{MARKER, PROGRAM, Place};

/// A recipe in which nothing is wrong.
pub const CLEAN: &str = "FILE /etc/os-release\n    ID=debian\nLAYER COPY app /app # buildkit\nELF /app 0755\n    x\nENTRYPOINT [\"/app\"]\n";

/// One that the tests' rule calls malicious.
pub fn bad() -> String {
    format!(
        "FILE /etc/os-release\n    ID=debian\nLAYER COPY run /run.sh # buildkit\nFILE /run.sh 0755\n    #!/bin/sh\n    # {MARKER}\n    sleep 1\nENTRYPOINT [\"/run.sh\"]\n"
    )
}

pub struct Field {
    pub place: Place,
    pub workshop: Workshop,
    pub registry: Registry,
}

pub struct Running {
    pub process: Process,
    /// `127.0.0.1:PORT`.
    pub host: String,
}

impl Running {
    /// What stands in the log behind these words, to the end of the line or a comma.
    pub fn told(&self, words: &str) -> String {
        served::until(words, || {
            let log = self.log();
            let (line, _) = log.split(words).nth(1)?.split_once('\n')?;
            Some(line.split(',').next().unwrap_or_default().trim_matches('"').to_owned())
        })
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.process.log).unwrap()
    }
}

impl Field {
    pub fn new() -> Self {
        let field =
            Self { place: Place::new(), workshop: Workshop::new(), registry: Registry::start(Access::Open) };
        field.push("good", CLEAN);
        field.push("bad", &bad());
        field
    }

    pub fn push(&self, name: &str, recipe: &str) {
        let layout = self.place.recipe(name, recipe);
        let mut copy = self.workshop.skopeo();
        copy.args(["copy", "-q", "--dest-tls-verify=false"])
            .arg(format!("oci:{}", layout.display()))
            .arg(format!("docker://{}", self.registry.name(&format!("team/{name}:1"))));
        served::field::run(&mut copy);
    }

    /// The digest of what was pushed under a name.
    pub fn digest(&self, name: &str) -> String {
        served::manifest_digest(&self.place.path(name))
    }

    /// The store's address.
    pub fn store(&self) -> String {
        format!("sqlite:{}", self.place.path("store.sqlite").display())
    }

    /// A gate with the tests' rule alone.
    pub fn gate(&self, more: &[&str]) -> Running {
        self.gate_for(&self.registry.host, more)
    }

    /// The same before the registry that answers as docker.io.
    pub fn gate_as_hub(&self, more: &[&str]) -> Running {
        self.gate_for(&format!("docker.io=http://{}", self.registry.host), more)
    }

    fn gate_for(&self, upstream: &str, more: &[&str]) -> Running {
        let rules = self.place.path("rules");
        let mut command = Command::new(PROGRAM);
        let store = self.store();
        let mut arguments = vec!["gate", "--listen", "127.0.0.1:0", "--upstream", upstream];
        arguments.extend(["--only-rules", "--rules", rules.to_str().unwrap(), "--store", &store]);
        arguments.extend(more);
        self.place.scrub(&mut command, &arguments, &[]);
        let mut process = Process::start(&mut command, &self.place.path("gate.log"));
        let host = process.wait(|log| {
            let rest = log.split("listens on ").nth(1)?;
            Some(rest.split_once(',')?.0.to_owned())
        });
        Running { process, host }
    }

    /// Copies with skopeo from `docker://WHAT`: the manifest's digest, or what it said.
    pub fn copy(&self, what: &str, more: &[&str]) -> Result<String, String> {
        let layout = self.place.path("pulled");
        let _ = std::fs::remove_dir_all(&layout);
        let mut copy = self.workshop.skopeo();
        copy.args(["copy", "-q"]).args(more);
        copy.arg(format!("docker://{what}")).arg(format!("oci:{}", layout.display()));
        let done = copy.output().unwrap();
        match done.status.success() {
            true => Ok(served::manifest_digest(&layout)),
            false => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
        }
    }
}

/// Status, content and headers of an answer.
pub struct Got {
    pub status: u16,
    pub bytes: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }
}

pub fn get(address: &str, sent: &[(&str, &str)]) -> Got {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.get(address);
        for (name, value) in sent {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let status = response.status().as_u16();
        Got { status, bytes: response.bytes().await.unwrap().to_vec(), headers }
    })
}
