//! A gate, what stands behind it, and a client that sends exactly what it is told.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::served::field::Process;
use crate::served::field::fake::{Fake, Reply, Request, from};
use crate::served::{manifest_digest, until};
use crate::support::{MARKER, PROGRAM, Place, sha256};

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// An image in which nothing is wrong; the text makes it another one.
pub fn clean(text: &str) -> String {
    format!(
        "FILE /etc/os-release\n    ID=debian\nLAYER COPY app /app # buildkit\nELF /app 0755\n    {text}\nENTRYPOINT [\"/app\"]\n"
    )
}

/// An image that holds the marker.
pub fn marked() -> String {
    format!(
        "FILE /etc/os-release\n    ID=debian\nLAYER COPY run /run.sh # buildkit\nFILE /run.sh 0755\n    #!/bin/sh\n    # {MARKER}\n    sleep 1\nENTRYPOINT [\"/run.sh\"]\n"
    )
}

/// A gate under way.
pub struct Running {
    pub process: Process,
    pub host: String,
}

/// Starts a gate with the marker rule alone.
pub fn start(place: &Place, upstream: &str, more: &[&str]) -> Running {
    start_after(place, "", upstream, more)
}

/// The same in a mount namespace of its own, after what `prepare` does there. With an empty text no
/// namespace is made.
pub fn start_after(place: &Place, prepare: &str, upstream: &str, more: &[&str]) -> Running {
    let rules = place.path("rules");
    let store = format!("sqlite:{}", place.path("state/store.sqlite").display());
    std::fs::create_dir_all(place.path("state")).unwrap();
    let mut arguments = vec!["gate", "--listen", "127.0.0.1:0", "--upstream", upstream];
    arguments.extend(["--only-rules", "--rules", rules.to_str().unwrap(), "--store", &store]);
    arguments.extend(more);
    run(place, prepare, &arguments)
}

/// Starts the program as a gate with exactly these arguments.
pub fn run(place: &Place, prepare: &str, arguments: &[&str]) -> Running {
    let mut command;
    if prepare.is_empty() {
        command = Command::new(PROGRAM);
        place.scrub(&mut command, arguments, &[]);
    } else {
        command = Command::new("unshare");
        let script = format!("{prepare} && exec \"$@\"");
        let wrapped = ["-m", "--propagation", "private", "sh", "-c", &script, "sh", PROGRAM];
        place.scrub(&mut command, &[&wrapped, arguments].concat(), &[]);
    }
    let mut process = Process::start(&mut command, &place.path("gate.log"));
    let host = process.wait(|log| {
        let rest = log.split("listens on ").nth(1)?;
        Some(rest.split_once(',')?.0.to_owned())
    });
    Running { process, host }
}

impl Running {
    pub fn get(&self, path: &str) -> Answer {
        ask("GET", &self.host, path, &[])
    }

    pub fn head(&self, path: &str) -> Answer {
        ask("HEAD", &self.host, path, &[])
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.process.log).unwrap()
    }

    /// The most memory that the gate itself has held, in kilobytes.
    pub fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The processes that the gate has started.
    pub fn children(&self) -> Vec<u32> {
        let parent = self.process.id().to_string();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
            let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
            if after.split_whitespace().nth(1) == Some(&parent) {
                found.push(id);
            }
        }
        found
    }

    /// The first image that the gate judges takes longer: its worker starts. Waits for an answer that is
    /// no "try again".
    pub fn settled(&self, path: &str) -> Answer {
        until("an answer that stands", || {
            let answer = self.get(path);
            (answer.status < 500).then_some(answer)
        })
    }
}

/// What a server said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 0 where the connection ended without an answer.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The code and the message of the first error.
    pub fn error(&self) -> (String, String) {
        let said = self.json();
        let text = |key: &str| said["errors"][0][key].as_str().unwrap_or_default().to_owned();
        (text("code"), text("message"))
    }
}

/// Asks for something, byte for byte as it is written here.
pub fn ask(method: &str, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text += &format!("Host: {host}\r\n");
    }
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    send(host, (text + "\r\n").as_bytes())
}

/// Opens a connection.
pub fn connect(host: &str) -> TcpStream {
    let stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends these bytes and reads what comes until the end.
pub fn send(host: &str, bytes: &[u8]) -> Answer {
    let mut stream = connect(host);
    // A server may answer, and close, before it has read all.
    let _ = stream.write_all(bytes);
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read) = stream.read(&mut buffer) {
        if read == 0 {
            break;
        }
        all.extend_from_slice(&buffer[..read]);
    }
    parse(&all)
}

fn parse(all: &[u8]) -> Answer {
    let end = all.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end else { return Answer { status: 0, headers: Vec::new(), body: all.to_vec() } };
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Answer { status, headers, body: all[end + 4..].to_vec() }
}

/// What a registry of a test holds, under every repository.
#[derive(Default)]
pub struct Stock {
    /// Media type and bytes, by tag and by digest.
    pub manifests: HashMap<String, (String, Vec<u8>)>,
    pub blobs: HashMap<String, Vec<u8>>,
}

impl Stock {
    /// Adds what a layout holds, its one manifest under a tag. Returns the manifest's digest.
    pub fn layout(&mut self, tag: &str, layout: &Path) -> String {
        for entry in std::fs::read_dir(layout.join("blobs/sha256")).unwrap() {
            self.blob(&std::fs::read(entry.unwrap().path()).unwrap());
        }
        let digest = manifest_digest(layout);
        let bytes = self.blobs[&digest].clone();
        let kind = serde_json::from_slice::<Value>(&bytes).unwrap()["mediaType"].as_str().unwrap().to_owned();
        if kind == OCI_INDEX {
            let index: Value = serde_json::from_slice(&bytes).unwrap();
            for child in index["manifests"].as_array().unwrap() {
                let digest = child["digest"].as_str().unwrap().to_owned();
                let bytes = self.blobs[&digest].clone();
                self.manifests.insert(digest, (OCI_MANIFEST.to_owned(), bytes));
            }
        }
        self.manifest(tag, &kind, &bytes)
    }

    pub fn blob(&mut self, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        self.blobs.insert(digest.clone(), bytes.to_vec());
        digest
    }

    /// Adds a manifest under a tag and under its digest.
    pub fn manifest(&mut self, tag: &str, kind: &str, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        for name in [tag, &digest] {
            self.manifests.insert(name.to_owned(), (kind.to_owned(), bytes.to_vec()));
        }
        digest
    }

    /// A descriptor of a blob that is added.
    pub fn described(&mut self, kind: &str, bytes: &[u8]) -> Value {
        json!({"mediaType": kind, "digest": self.blob(bytes), "size": bytes.len()})
    }

    /// What an honest registry answers.
    pub fn answer(&self, request: &Request) -> Reply {
        let path = request.path.split('?').next().unwrap_or_default();
        if path == "/v2/" {
            return Reply::new(200, "{}").header("Docker-Distribution-Api-Version", "registry/2.0");
        }
        let last = path.rsplit('/').next().unwrap_or_default().replace("%3A", ":");
        if path.contains("/manifests/")
            && let Some((kind, bytes)) = self.manifests.get(&last)
        {
            return Reply::new(200, bytes.clone())
                .header("Content-Type", kind.clone())
                .header("Docker-Content-Digest", sha256(bytes));
        }
        if path.contains("/blobs/")
            && let Some(bytes) = self.blobs.get(&last)
        {
            return match from(request) {
                0 => Reply::new(200, bytes.clone()),
                from => Reply::new(206, bytes[from..].to_vec())
                    .header("Content-Range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
            };
        }
        let code = if path.contains("/blobs/") { "BLOB_UNKNOWN" } else { "MANIFEST_UNKNOWN" };
        Reply::new(404, format!(r#"{{"errors":[{{"code":"{code}","message":"unknown"}}]}}"#))
    }
}

/// A registry that does as it is told.
pub struct Upstream {
    pub fake: Fake,
    pub stock: Arc<Mutex<Stock>>,
    _runtime: tokio::runtime::Runtime,
}

impl Upstream {
    pub fn honest() -> Self {
        Self::start(|_, reply| reply)
    }

    /// `fault` makes of an honest answer what is really sent. It may wait.
    pub fn start(fault: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(6).enable_all().build().unwrap();
        let stock: Arc<Mutex<Stock>> = Arc::default();
        let held = Arc::clone(&stock);
        let fake = runtime.block_on(Fake::start(move |request, _| {
            let reply = held.lock().unwrap().answer(request);
            fault(request, reply)
        }));
        Self { fake, stock, _runtime: runtime }
    }

    pub fn host(&self) -> &str {
        &self.fake.host
    }

    /// Adds an image from a recipe. Returns its manifest's digest.
    pub fn image(&self, place: &Place, tag: &str, recipe: &str) -> String {
        let layout = place.recipe(&format!("layout-{tag}"), recipe);
        self.stock.lock().unwrap().layout(tag, &layout)
    }

    /// The blobs of an image: its configuration, then its layers.
    pub fn blobs(&self, manifest: &str) -> Vec<String> {
        let stock = self.stock.lock().unwrap();
        let manifest: Value = serde_json::from_slice(&stock.manifests[manifest].1).unwrap();
        let layers = manifest["layers"].as_array().unwrap().iter();
        [&manifest["config"]]
            .into_iter()
            .chain(layers)
            .map(|blob| blob["digest"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Ends a process at once.
pub fn kill(id: u32) {
    let id = rustix::process::Pid::from_raw(id.try_into().unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
}
