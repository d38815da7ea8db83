//! The other doors, asked by the daemons and clients that they are made for.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/served.rs"]
mod served;
mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::{Value, json};

use served::field::engines::{Engine, dockerd, dockerd_in};
use served::field::images::Workshop;
use served::field::registry::{Access, Registry, certificate};
use served::field::{Process, needed, run};
use support::{MARKER, PROGRAM, Place, RawImage, Said, Tar};

/// A registry that holds a good and a bad image, both of which run.
struct Field {
    place: Place,
    workshop: Workshop,
    registry: Registry,
}

impl Field {
    fn new() -> Self {
        Self::with(Place::new(), Access::Open)
    }

    fn with(place: Place, access: Access<'_>) -> Self {
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

    fn copy(&self, from: &str, to: &str) {
        let mut copy = self.workshop.skopeo();
        run(copy.args(["copy", "-q", "--dest-tls-verify=false"]).args([from, to]));
    }

    fn image(&self, name: &str) -> String {
        self.registry.name(&format!("team/{name}:1"))
    }

    fn digest(&self, name: &str) -> String {
        served::manifest_digest(&self.place.path(name))
    }

    /// An archive as `docker save` writes it, whose image has a name of its own.
    fn archive(&self, name: &str) -> PathBuf {
        let archive = self.place.path(&format!("{name}.tar"));
        let to = format!("docker-archive:{}:loaded/{name}:1", archive.display());
        self.copy(&format!("oci:{}", self.place.path(name).display()), &to);
        archive
    }

    /// The options that every door is given here.
    fn options(&self) -> Vec<String> {
        let rules = self.place.path("rules").display().to_string();
        let store = format!("sqlite:{}", self.place.path("store.sqlite").display());
        ["--only-rules", "--rules", &rules, "--store", &store].map(str::to_owned).to_vec()
    }

    /// Starts a door and waits until it says so.
    fn door(&self, words: &[&str], env: &[(&str, &str)], ready: &str) -> Process {
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

    fn policy(&self, text: &str) -> String {
        let path = self.place.path("policy.toml");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Replaces the policy and waits until the door has it.
    fn new_policy(&self, door: &Process, text: &str) {
        let told = || std::fs::read_to_string(&door.log).unwrap().matches("policy was read again").count();
        let before = told();
        self.policy(text);
        served::until("the new policy", || (told() > before).then_some(()));
    }
}

/// A daemon that asks the plugin. The plugin's socket has to lie where every daemon looks.
struct Guarded {
    engine: Engine,
    plugin: Option<Process>,
    socket: PathBuf,
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.plugin = None;
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Guarded {
    fn new(field: &Field, policy: &str) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let unique = dir.path().file_name().unwrap().to_string_lossy().trim_start_matches('.').to_lowercase();
        let name = format!("lazaret-test-{unique}");
        let socket = Path::new("/run/docker/plugins").join(format!("{name}.sock"));
        let daemon = format!("unix://{}", dir.path().join("docker.sock").display());
        let policy = field.policy(policy);
        let audit = field.place.path("audit.jsonl").display().to_string();
        let words = [
            "docker-authz",
            "--socket",
            socket.to_str().unwrap(),
            "--policy",
            &policy,
            "--audit-log",
            &audit,
        ];
        let plugin = field.door(&words, &[("DOCKER_HOST", &daemon)], "authorization plugin listens on");
        let engine = dockerd_in(dir, &[], &["--authorization-plugin", &name]);
        Self { engine, plugin: Some(plugin), socket }
    }

    fn docker(&self, words: &[&str]) -> Said {
        docker(&self.engine, words, &[])
    }

    /// Sends bytes as they are; the status of the answer and its text.
    fn raw(&self, request: &[u8]) -> (u16, String) {
        let mut stream = UnixStream::connect(&self.engine.socket).unwrap();
        stream.set_read_timeout(Some(served::PATIENCE)).unwrap();
        // A daemon that refuses early reads no more.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        (status, text)
    }

    fn post(&self, target: &str, headers: &str, body: &str) -> (u16, String) {
        let length = body.len();
        self.raw(
            format!(
                "POST {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
            )
            .as_bytes(),
        )
    }

    /// How many containers there are.
    fn containers(&self) -> usize {
        let said = self.docker(&["ps", "-aq"]);
        assert_eq!(said.code, 0, "{said:?}");
        said.out.lines().count()
    }
}

fn docker(engine: &Engine, words: &[&str], env: &[(&str, &str)]) -> Said {
    let mut docker = Command::new(needed("docker", "docker.io"));
    docker
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/usr/local/bin")
        .env("DOCKER_HOST", format!("unix://{}", engine.socket.display()))
        .env("HOME", engine.dir.path())
        .env("DOCKER_CONFIG", engine.dir.path())
        .env("DOCKER_BUILDKIT", "0")
        .envs(env.iter().copied())
        .stdin(Stdio::null());
    support::said(docker.args(words).output().unwrap())
}

const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn the_docker_daemon_asks_before_it_pulls_creates_and_starts() {
    let field = Field::new();
    let guarded = Guarded::new(
        &field,
        "[[rule]]\nname = \"no root on the host\"\naction = \"refuse\"\nlaunch = { privileged = true }\n\
         [[rule]]\nname = \"no host\"\naction = \"refuse\"\nlaunch = { mounts = [\"/\", \"/var/run/docker.sock\"] }\n",
    );
    let (good, bad) = (field.image("good"), field.image("bad"));

    let refused = guarded.docker(&["pull", &bad]);
    assert!(refused.code != 0 && refused.err.contains("lazaret refuses team/bad: malicious"), "{refused:?}");
    let pulled = guarded.docker(&["pull", "-q", &good]);
    assert_eq!(pulled.code, 0, "{pulled:?}");
    let every = guarded.docker(&["pull", "-q", "-a", good.trim_end_matches(":1")]);
    assert!(every.err.contains("all tags"), "{every:?}");

    let ran = guarded.docker(&["run", "--rm", "--network", "none", &good]);
    assert_eq!((ran.code, ran.out.trim()), (0, "it ran"), "{ran:?}");
    let rooted = guarded.docker(&["run", "--rm", "--network", "none", "--privileged", &good]);
    assert!(rooted.code != 0 && rooted.err.contains("no root on the host"), "{rooted:?}");
    let mounted = guarded.docker(&["run", "--rm", "--network", "none", "-v", "/:/host", &good]);
    assert!(mounted.code != 0 && mounted.err.contains("no host"), "{mounted:?}");
    // The host by way of a volume that has a name.
    let volume = ["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device=/", "root"];
    assert_eq!(guarded.docker(&volume).code, 0);
    let named = guarded.docker(&["create", "--network", "none", "-v", "root:/host", &good]);
    assert!(named.code != 0 && named.err.contains("no host"), "{named:?}");

    // What did not come from a registry is judged by its content.
    for name in ["bad", "good"] {
        let archive = field.archive(name);
        let loaded = guarded.docker(&["load", "-q", "-i", archive.to_str().unwrap()]);
        assert_eq!(loaded.code, 0, "{loaded:?}");
    }
    let loaded =
        guarded.docker(&["run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", "loaded/bad:1"]);
    assert!(loaded.code != 0 && loaded.err.contains("malicious"), "{loaded:?}");
    let ran = guarded.docker(&["run", "--rm", "--network", "none", "loaded/good:1"]);
    assert_eq!((ran.code, ran.out.trim()), (0, "it ran"), "{ran:?}");
    assert_eq!(guarded.containers(), 0);

    let folder = field.place.path("context");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("Dockerfile"), format!("FROM {bad}\n")).unwrap();
    let built = guarded.docker(&["build", "-q", folder.to_str().unwrap()]);
    assert!(built.code != 0 && built.err.contains("build = \"allow\""), "{built:?}");
    let swarm = guarded.docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
    assert!(swarm.code != 0 && swarm.err.contains("swarm = \"allow\""), "{swarm:?}");

    let lines = std::fs::read_to_string(field.place.path("audit.jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["door"] == "docker-authz"));
    for answer in ["served", "refused"] {
        assert!(lines.iter().any(|line| line["answer"] == answer), "{answer}: {lines:?}");
    }
}

#[test]
fn no_trick_in_a_request_to_the_docker_daemon_gets_by_the_plugin() {
    let field = Field::new();
    let guarded = Guarded::new(&field, "");
    let archive = field.archive("bad");
    assert_eq!(guarded.docker(&["load", "-q", "-i", archive.to_str().unwrap()]).code, 0);
    assert_eq!(guarded.docker(&["pull", "-q", &field.image("good")]).code, 0);
    let (good, bad) = (field.image("good"), "loaded/bad:1");
    let body = |image: &str| json!({ "Image": image }).to_string();

    // The body that the daemon does not show: larger than 1 MiB (CVE-2026-34040), said to be empty
    // (CVE-2024-41110), of no kind or another one.
    let large = json!({ "Image": bad, "Labels": { "filler": "x".repeat(1 << 20) } }).to_string();
    let chunked = format!(
        "POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nConnection: close\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    let empty = format!(
        "POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nConnection: close\r\n{JSON}Content-Length: 0\r\n\r\n{}",
        body(bad)
    );
    for (what, (status, text)) in [
        ("large", guarded.post("/v1.41/containers/create", JSON, &large)),
        ("large, in chunks", guarded.raw(chunked.as_bytes())),
        ("said to be empty", guarded.raw(empty.as_bytes())),
        ("no type", guarded.post("/v1.41/containers/create", "", &body(bad))),
        (
            "another type",
            guarded.post("/v1.41/containers/create", "Content-Type: text/plain\r\n", &body(bad)),
        ),
    ] {
        assert!(status == 403 && text.contains("did not show"), "{what}: {status} {text}");
    }

    // Other spellings of the address.
    for target in [
        "/v1.41/containers/create",
        "/containers/create",
        "/v1.24/%63ontainers/create",
        "/v1.41/containers/create?name=x",
        "http://docker/v1.41/containers/create",
    ] {
        let (status, text) = guarded.post(target, JSON, &body(bad));
        assert!(status == 403 && text.contains("malicious"), "{target}: {status} {text}");
    }
    for target in ["//v1.41//containers/create", "/v1.41/containers/create/", "/V1.41/containers/create"] {
        let (status, text) = guarded.post(target, JSON, &body(bad));
        assert!(!(200..300).contains(&status), "{target}: {status} {text}");
    }

    // A body that says two things.
    for body in [
        format!(r#"{{"Image":"{good}","Image":"{bad}"}}"#),
        format!(r#"{{"Image":"{good}","image":"{bad}"}}"#),
        format!(r#"{{"image":"{bad}","Image":"{good}"}}"#),
        format!("{{\"Image\":\"{good}\"}}{{\"Image\":\"{bad}\"}}"),
        format!(r#"{{"Image":"{good}","HostConfig":{{"Privileged":true}},"hostconfig":{{}}}}"#),
    ] {
        let (status, text) = guarded.post("/v1.41/containers/create", JSON, &body);
        assert!(status == 403 && text.contains("two ways"), "{body}: {status} {text}");
    }
    let (status, text) = guarded.post("/v1.41/containers/create", JSON, &format!(r#"{{"IMAGE":"{bad}"}}"#));
    assert!(status == 403 && text.contains("malicious"), "{status} {text}");

    // A pull that says two things.
    let repository = field.registry.name("team");
    for query in [
        format!("fromImage={repository}/good&fromImage={repository}/bad&tag=1"),
        format!("fromImage={repository}/good&tag=1&tag=2"),
        format!("fromImage={repository}/bad"),
    ] {
        let (status, text) = guarded.post(&format!("/v1.41/images/create?{query}"), "", "");
        assert_eq!(status, 403, "{query}: {text}");
    }
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let target = format!("/v1.41/images/create?fromImage={repository}/good&tag=1");
    let inside = format!("fromImage={repository}/bad");
    let (status, text) = guarded.post(&target, form, &inside);
    assert!(status == 403 && text.contains("form"), "{status} {text}");
    assert_eq!(guarded.containers(), 0);

    // Two headers of one name: the daemon reads the first and shows the last. What comes in so
    // cannot be run.
    let two = format!("{form}Content-Type: text/plain\r\n");
    let (_, text) = guarded.post(&target, &two, &inside);
    let image = format!("{repository}/bad:1");
    let (status, text) = match guarded.docker(&["image", "inspect", &image]).code {
        0 => guarded.post("/v1.41/containers/create", JSON, &body(&image)),
        _ => (403, format!("malicious: it did not come in at all: {text}")),
    };
    assert!(status == 403 && text.contains("malicious"), "{status} {text}");
    assert_eq!(guarded.containers(), 0);
}

#[test]
fn a_container_is_judged_again_when_it_starts_and_nothing_passes_a_dead_plugin() {
    let field = Field::new();
    let mut guarded = Guarded::new(&field, "");
    let good = field.image("good");
    assert_eq!(guarded.docker(&["pull", "-q", &good]).code, 0);
    let made = guarded.docker(&["create", "--network", "none", "--cap-add", "SYS_ADMIN", &good]);
    assert_eq!(made.code, 0, "{made:?}");
    let container = made.out.trim().to_owned();
    let plugin = guarded.plugin.as_ref().unwrap();
    let rule =
        "[[rule]]\nname = \"no admin\"\naction = \"refuse\"\nlaunch = { capability = [\"SYS_ADMIN\"] }\n";
    field.new_policy(plugin, rule);
    for verb in ["start", "restart"] {
        let started = guarded.docker(&[verb, &container]);
        assert!(started.code != 0 && started.err.contains("no admin"), "{started:?}");
    }
    field.new_policy(plugin, "mode = \"audit\"\n");
    let started = guarded.docker(&["start", "-a", &container]);
    assert_eq!((started.code, started.out.trim()), (0, "it ran"), "{started:?}");
    // It only watches now: what cannot be judged is the daemon's own affair.
    let gone = guarded.docker(&["pull", &field.registry.name("team/gone:1")]);
    assert!(gone.code != 0 && !gone.err.contains("plugin"), "{gone:?}");

    guarded.plugin = None;
    let dead = guarded.docker(&["ps"]);
    assert!(dead.code != 0 && dead.err.contains("plugin"), "{dead:?}");
}

/// Where somebody listens who never answers.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let kept: Vec<_> = listener.incoming().collect();
        drop(kept);
    });
    host
}

/// A webhook over TLS.
struct Webhook {
    process: Process,
    port: String,
    cert: PathBuf,
    key: PathBuf,
}

impl Webhook {
    fn new(field: &Field, policy: &str) -> Self {
        let folder = field.place.path("tls");
        std::fs::create_dir(&folder).unwrap();
        let (cert, key) = certificate(&folder, false);
        let policy = field.policy(policy);
        let audit = field.place.path("audit.jsonl").display().to_string();
        let words = [
            "admission",
            "--listen",
            "127.0.0.1:0",
            "--cert",
            cert.to_str().unwrap(),
            "--key",
            key.to_str().unwrap(),
            "--policy",
            &policy,
            "--audit-log",
            &audit,
        ];
        let process = field.door(&words, &[], "webhook listens on 127.0.0.1:");
        let log = std::fs::read_to_string(&process.log).unwrap();
        let port = log.split("listens on 127.0.0.1:").nth(1).unwrap();
        let port = port.split_whitespace().next().unwrap().to_owned();
        Self { process, port, cert, key }
    }

    /// Sends a review as an API server does, trusting the certificate that lies there now.
    fn ask(&self, path: &str, review: &Value) -> Value {
        let trusted = std::fs::read(&self.cert).unwrap();
        self.ask_trusting(&trusted, path, review).unwrap()
    }

    fn ask_trusting(&self, trusted: &[u8], path: &str, review: &Value) -> Option<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            let trusted = reqwest::Certificate::from_pem(trusted).unwrap();
            let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
            let request = client
                .post(format!("https://localhost:{}{path}", self.port))
                .header("content-type", "application/json")
                .body(review.to_string());
            let response = request.send().await.ok()?;
            let text = response.bytes().await.ok()?;
            Some(serde_json::from_slice(&text).unwrap_or_else(|_| json!(String::from_utf8_lossy(&text))))
        })
    }
}

fn review(operation: &str, object: Value, old: Value) -> Value {
    let kind = object["kind"].as_str().unwrap().to_owned();
    let group = match kind.as_str() {
        "Pod" => "",
        "CronJob" | "Job" => "batch",
        _ => "apps",
    };
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": group, "version": "v1", "kind": kind},
            "resource": {"group": group, "version": "v1", "resource": "things"},
            "namespace": "team", "name": "web", "operation": operation,
            "userInfo": {"username": "ana", "groups": ["dev"]},
            "object": object, "oldObject": old, "dryRun": false, "options": {}
        }
    })
}

fn pod(image: &str, privileged: bool) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [
        {"name": "app", "image": image, "securityContext": {"privileged": privileged}}]}})
}

fn said(answer: &Value) -> String {
    answer["response"]["status"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_api_server_is_told_the_digest_and_whether_a_pod_may_run() {
    let field = Field::new();
    let rule = "[[rule]]\nname = \"no root\"\naction = \"refuse\"\nlaunch = { privileged = true }\n";
    let webhook = Webhook::new(&field, rule);
    let (good, bad) = (field.image("good"), field.image("bad"));

    let answer = webhook.ask("/validate?timeout=30s", &review("CREATE", pod(&good, false), Value::Null));
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["response"]["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    let answer = webhook.ask("/validate?timeout=30s", &review("CREATE", pod(&bad, false), Value::Null));
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 403);
    assert!(said(&answer).contains("container app: lazaret refuses team/bad: malicious"), "{answer}");
    let answer = webhook.ask("/validate", &review("CREATE", pod(&good, true), Value::Null));
    assert!(said(&answer).contains("no root"), "{answer}");

    // Every kind that makes pods, and every container in it.
    let spec = json!({"containers": [{"name": "a", "image": good}], "initContainers": [{"name": "i", "image": bad}]});
    for (kind, object) in [
        ("Deployment", json!({"template": {"spec": spec}})),
        ("Job", json!({"template": {"spec": spec}})),
        ("CronJob", json!({"jobTemplate": {"spec": {"template": {"spec": spec}}}})),
    ] {
        let object = json!({"kind": kind, "metadata": {"name": "x"}, "spec": object});
        let answer = webhook.ask("/validate", &review("CREATE", object.clone(), Value::Null));
        assert!(said(&answer).contains("init container i: lazaret refuses"), "{kind}: {answer}");
        let answer = webhook.ask("/mutate", &review("CREATE", object.clone(), Value::Null));
        let patch = BASE64.decode(answer["response"]["patch"].as_str().unwrap().as_bytes()).unwrap();
        let patch: Value = serde_json::from_slice(&patch).unwrap();
        assert_eq!(answer["response"]["patchType"], "JSONPatch");
        assert_eq!(patch.as_array().unwrap().len(), 2, "{patch}");
        for change in patch.as_array().unwrap() {
            let path = change["path"].as_str().unwrap();
            let name = if object.pointer(path).unwrap() == &json!(good) { "good" } else { "bad" };
            let pinned = format!("{}@{}", field.registry.name(&format!("team/{name}")), field.digest(name));
            assert_eq!(
                (change["op"].as_str(), change["value"].as_str()),
                (Some("replace"), Some(pinned.as_str()))
            );
        }
    }
    let pinned = format!("{}@{}", field.registry.name("team/good"), field.digest("good"));
    let answer = webhook.ask("/mutate", &review("CREATE", pod(&pinned, false), Value::Null));
    assert_eq!(
        (&answer["response"]["allowed"], answer["response"].get("patch")),
        (&json!(true), None),
        "{answer}"
    );

    // An update is judged where it changes what is run, and only there.
    let gone = field.registry.name("team/gone:1");
    let mut labelled = pod(&gone, false);
    labelled["metadata"]["labels"] = json!({"new": "label"});
    let answer = webhook.ask("/validate", &review("UPDATE", labelled, pod(&gone, false)));
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    let answer = webhook.ask("/validate", &review("UPDATE", pod(&bad, false), pod(&good, false)));
    assert_eq!(answer["response"]["allowed"], false, "{answer}");
    let answer = webhook.ask("/validate", &review("DELETE", json!({"kind": "Pod"}), pod(&bad, false)));
    assert_eq!(answer["response"]["allowed"], true, "{answer}");

    // What cannot be judged, read or understood.
    let answer = webhook.ask("/validate", &review("CREATE", pod(&gone, false), Value::Null));
    assert_eq!(answer["response"]["allowed"], false, "{answer}");
    for image in ["NO NAME", "../x", "a@sha256:00"] {
        let answer = webhook.ask("/mutate", &review("CREATE", pod(image, false), Value::Null));
        assert_eq!(answer["response"]["allowed"], false, "{answer}");
    }
    let mut old = review("CREATE", pod(&good, false), Value::Null);
    old["apiVersion"] = json!("admission.k8s.io/v1beta1");
    let answer = webhook.ask("/validate", &old);
    assert_eq!(answer["response"]["allowed"], false);
    assert!(said(&answer).contains("admissionReviewVersions"), "{answer}");
    assert!(webhook.ask("/validate", &json!({"kind": "Pod"})).is_string());

    // A question that is only asked leaves nothing behind.
    let lines = || std::fs::read_to_string(field.place.path("audit.jsonl")).unwrap().lines().count();
    let before = lines();
    let mut dry = review("CREATE", pod(&bad, false), Value::Null);
    dry["request"]["dryRun"] = json!(true);
    assert_eq!(webhook.ask("/validate", &dry)["response"]["allowed"], false);
    assert_eq!(lines(), before);

    field.new_policy(&webhook.process, "mode = \"audit\"\n");
    let answer = webhook.ask("/validate", &review("CREATE", pod(&bad, false), Value::Null));
    assert_eq!(answer["response"]["allowed"], true);
    assert!(answer["response"]["warnings"][0].as_str().unwrap().contains("refuses team/bad"), "{answer}");
    // Where it only watches, nothing is stopped for not being judged either.
    for image in [gone.as_str(), "NO NAME"] {
        for path in ["/validate", "/mutate"] {
            let answer = webhook.ask(path, &review("CREATE", pod(image, false), Value::Null));
            assert_eq!(answer["response"]["allowed"], true, "{answer}");
            assert!(answer["response"]["warnings"][0].is_string(), "{answer}");
        }
    }
    let log = std::fs::read_to_string(field.place.path("audit.jsonl")).unwrap();
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((last["answer"].as_str(), last["image"].as_str()), (Some("audited"), Some("NO NAME")));
}

#[test]
fn a_webhook_answers_before_the_api_server_stops_waiting_and_shows_its_new_certificate() {
    let field = Field::new();
    let slow = silent();
    let webhook = Webhook::new(&field, "");
    let begun = Instant::now();
    let image = format!("{slow}/team/slow:1");
    let answer = webhook.ask("/validate?timeout=3s", &review("CREATE", pod(&image, false), Value::Null));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(said(&answer).contains("try again"), "{answer}");

    let before = std::fs::read(&webhook.cert).unwrap();
    let (cert, key) = certificate(webhook.cert.parent().unwrap(), false);
    assert_eq!((&cert, &key), (&webhook.cert, &webhook.key));
    let good = review("CREATE", pod(&field.image("good"), false), Value::Null);
    let after = std::fs::read(&webhook.cert).unwrap();
    served::until("the new certificate", || webhook.ask_trusting(&after, "/validate", &good));
    assert!(webhook.ask_trusting(&before, "/validate", &good).is_none());
}

#[test]
fn the_docker_command_line_runs_exactly_what_was_judged() {
    let field = Field::new();
    let engine = dockerd();
    let plugins = engine.dir.path().join("cli-plugins");
    std::fs::create_dir(&plugins).unwrap();
    std::os::unix::fs::symlink(PROGRAM, plugins.join("docker-lazaret")).unwrap();
    let policy =
        field.policy("[[rule]]\nname = \"no root\"\naction = \"refuse\"\nlaunch = { privileged = true }\n");
    let cache = field.place.path("cache").display().to_string();
    let options = field.options();
    let lazaret = |words: &[&str]| {
        let mut all = vec!["lazaret", "--policy", &policy];
        all.extend(options.iter().map(String::as_str));
        docker(&engine, &[&all, words].concat(), &[("XDG_CACHE_HOME", &cache)])
    };
    let (good, bad) = (field.image("good"), field.image("bad"));
    let listed =
        docker(&engine, &["info", "--format", "{{range .ClientInfo.Plugins}}{{.Name}} {{end}}"], &[]);
    assert!(listed.out.contains("lazaret"), "{listed:?}");

    let ran = lazaret(&["run", "--rm", "--network=none", "-e", "A=b", &good]);
    assert_eq!((ran.code, ran.out.trim()), (0, "it ran"), "{ran:?}");
    let failed =
        lazaret(&["run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", &good, "-c", "exit 42"]);
    assert_eq!(failed.code, 42, "{failed:?}");
    let kept = lazaret(&["run", "--network", "none", "--name", "kept", &good]);
    assert_eq!(kept.code, 0, "{kept:?}");
    let named = docker(&engine, &["inspect", "--format", "{{.Config.Image}}", "kept"], &[]);
    let pinned = format!("{}@{}", field.registry.name("team/good"), field.digest("good"));
    assert_eq!(named.out.trim(), pinned);

    let refused = lazaret(&["run", "--rm", "--network", "none", &bad]);
    assert!(refused.code == 1 && refused.err.contains("lazaret refuses team/bad: malicious"), "{refused:?}");
    let rooted = lazaret(&["run", "--rm", "--network", "none", "--privileged", &good]);
    assert!(rooted.code == 1 && rooted.err.contains("no root"), "{rooted:?}");
    let refused = lazaret(&["pull", &bad]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let pulled = lazaret(&["pull", &good]);
    assert!(pulled.code == 0 && pulled.out.contains(&field.digest("good")), "{pulled:?}");
    let unclear = lazaret(&["run", "--quantum", &good]);
    assert!(unclear.code == 2 && unclear.err.contains("--quantum"), "{unclear:?}");
    let gone = lazaret(&["run", &field.registry.name("team/gone:1")]);
    assert_eq!(gone.code, 2, "{gone:?}");
    // What the daemon alone holds.
    for (name, code) in [("bad", 1), ("good", 0)] {
        let archive = field.archive(name);
        assert_eq!(docker(&engine, &["load", "-q", "-i", archive.to_str().unwrap()], &[]).code, 0);
        let here = field.registry.name(&format!("team/only-here-{name}:1"));
        assert_eq!(docker(&engine, &["tag", &format!("loaded/{name}:1"), &here], &[]).code, 0);
        let ran = lazaret(&["run", "--rm", "--network", "none", &here]);
        assert_eq!(ran.code, code, "{ran:?}");
    }
    let images = docker(&engine, &["images", "--digests"], &[]);
    assert!(!images.out.contains(&field.digest("bad")), "the refused image was never pulled: {images:?}");
}

/// Calls the verifier as containerd does (docs/image-verification.md).
fn verify(field: &Field, name: &str, digest: &str, config: Option<&str>) -> (i32, String) {
    let verifier = field.place.path("lazaret-image-verifier");
    if !verifier.exists() {
        std::os::unix::fs::symlink(PROGRAM, &verifier).unwrap();
    }
    let file = field.place.path("verifier.toml");
    match config {
        Some(config) => std::fs::write(&file, config).unwrap(),
        None => drop(std::fs::remove_file(&file)),
    }
    let kind = "application/vnd.oci.descriptor.v1+json";
    let mut command = Command::new(verifier);
    let words = ["-name", name, "-digest", digest, "-stdin-media-type", kind];
    field.place.scrub(&mut command, &words, &[("LAZARET_VERIFIER_CONFIG", file.to_str().unwrap())]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let descriptor =
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 1});
    let _ = child.stdin.take().unwrap().write_all(descriptor.to_string().as_bytes());
    let done = child.wait_with_output().unwrap();
    (done.status.code().unwrap(), String::from_utf8_lossy(&done.stdout).into_owned())
}

#[test]
fn a_verifier_answers_containerd_as_its_specification_has_it() {
    let field = Field::new();
    let policy = field.policy("");
    let config = |seconds: u32| {
        format!(
            "time-out = {seconds}\npolicy = \"{policy}\"\nstore = \"sqlite:{}\"\nonly-rules = true\nrules = [\"{}\"]\n",
            field.place.path("store.sqlite").display(),
            field.place.path("rules").display(),
        )
    };
    let (good, bad) = (field.image("good"), field.image("bad"));
    let (code, text) = verify(&field, &good, &field.digest("good"), Some(&config(20)));
    assert_eq!(code, 0, "{text}");
    let (code, text) = verify(&field, &bad, &field.digest("bad"), Some(&config(20)));
    assert!(code == 1 && text.contains("lazaret refuses team/bad: malicious"), "{text}");
    // The digest counts, whatever the tag says.
    let (code, text) = verify(&field, &good, &field.digest("bad"), Some(&config(20)));
    assert_eq!(code, 1, "{text}");
    let (code, text) = verify(&field, &good, &format!("sha256:{}", "0".repeat(64)), Some(&config(20)));
    assert_eq!(code, 1, "{text}");
    for broken in
        [None, Some("time-out = 8\nnonsense = 1\n"), Some("time-out\n"), Some("policy = \"/nowhere\"\n")]
    {
        let (code, text) = verify(&field, &good, &field.digest("good"), broken);
        assert!(code == 1 && !text.trim().is_empty(), "{broken:?}: {text}");
    }

    let slow = silent();
    let begun = Instant::now();
    let name = format!("{slow}/team/slow:1");
    let (code, text) = verify(&field, &name, &field.digest("good"), Some(&config(1)));
    assert!(code == 1 && text.contains("try again") && begun.elapsed() < Duration::from_secs(5), "{text}");
}

/// The programs of a containerd that has image verifiers (2.0 and later): those in the directory that
/// `LAZARET_TEST_CONTAINERD` names, else the system's.
fn verifying_containerd() -> Result<PathBuf, String> {
    let folder = std::env::var_os("LAZARET_TEST_CONTAINERD").map_or_else(|| "/usr/bin".into(), PathBuf::from);
    let told = Command::new(folder.join("containerd")).arg("--version").output();
    let told = told.map_err(|error| format!("there is no containerd in {}: {error}", folder.display()))?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let version = told.split_whitespace().nth(2).unwrap_or_default().to_owned();
    let mut numbers = version.split(['.', '~', '-']).map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= (2, 0) => Ok(folder),
        _ => Err(format!("containerd {version} has no image verifiers; 2.0 and later have")),
    }
}

#[test]
fn containerd_pulls_what_the_verifier_lets_in_by_the_way_that_asks_it() {
    let folder = match verifying_containerd() {
        Ok(folder) => folder,
        Err(why) => {
            eprintln!("not tried with a daemon ({why}); the exchange is replayed from its specification");
            return;
        }
    };
    // The daemon speaks to registries over TLS alone, on loopback as well.
    let place = Place::new();
    let (cert, key) = certificate(&place.path("rules"), false);
    let field = Field::with(place, Access::Tls { certificate: &cert, key: &key });
    let state = field.place.path("containerd");
    let verifiers = state.join("verifiers");
    std::fs::create_dir_all(&verifiers).unwrap();
    std::os::unix::fs::symlink(PROGRAM, verifiers.join("lazaret-image-verifier")).unwrap();
    let socket = state.join("containerd.sock");
    let config = state.join("config.toml");
    let text = format!(
        "version = 2\nroot = \"{0}/root\"\nstate = \"{0}/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
         [grpc]\naddress = \"{1}\"\n[ttrpc]\naddress = \"{1}.ttrpc\"\n\
         [plugins.\"io.containerd.image-verifier.v1.bindir\"]\nbin_dir = \"{0}/verifiers\"\nmax_verifiers = 10\n\
         per_verifier_timeout = \"20s\"\n",
        state.display(),
        socket.display()
    );
    std::fs::write(&config, text).unwrap();
    let own = format!(
        "time-out = 18\nstore = \"sqlite:{}\"\nonly-rules = true\nrules = [\"{}\"]\ncache = \"{}\"\nca-bundle = \"{}\"\n",
        field.place.path("store.sqlite").display(),
        field.place.path("rules").display(),
        field.place.path("cache").display(),
        cert.display(),
    );
    std::fs::write(state.join("verifier.toml"), own).unwrap();
    let mut command = Command::new(folder.join("containerd"));
    command.env("LAZARET_VERIFIER_CONFIG", state.join("verifier.toml")).env("SSL_CERT_FILE", &cert);
    command.arg("--config").arg(&config);
    let mut daemon = Process::start(&mut command, &state.join("log"));
    daemon.wait(|log| log.contains("containerd successfully booted").then_some(()));
    let pull = |more: &[&str], image: &str| {
        let mut ctr = Command::new(folder.join("ctr"));
        ctr.arg("-a").arg(&socket).args(["images", "pull"]).args(more).arg(image);
        support::said(ctr.stdin(Stdio::null()).output().unwrap())
    };
    let (good, bad) = (field.image("good"), field.image("bad"));
    let pulled = pull(&[], &good);
    assert_eq!(pulled.code, 0, "{pulled:?}");
    let refused = pull(&[], &bad);
    let told = format!("{}{}", refused.out, refused.err);
    assert!(refused.code != 0 && told.contains("lazaret refuses team/bad: malicious"), "{refused:?}");
    // As the documentation says: the client that pulls by itself asks no verifier.
    assert_eq!(pull(&["--local", "--tlscacert", cert.to_str().unwrap()], &bad).code, 0);
}

/// The documents of a folder of manifests.
fn manifests(folder: &Path) -> Vec<Value> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    texts
        .flat_map(|text| {
            let read = |document: &str| serde_yaml_ng::from_str(document).unwrap();
            text.split("\n---\n").map(read).collect::<Vec<Value>>()
        })
        .collect()
}

#[test]
fn the_manifests_fit_together_and_lead_to_what_the_program_answers() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let objects = manifests(&deploy.join("kubernetes"));
    let one = |kind: &str| {
        let found: Vec<&Value> = objects.iter().filter(|object| object["kind"] == kind).collect();
        assert_eq!(found.len(), 1, "{kind}");
        found[0].clone()
    };
    let (namespace, deployment, service) = (one("Namespace"), one("Deployment"), one("Service"));
    let name = &namespace["metadata"]["name"];
    for kind in ["Deployment", "Service", "ConfigMap"] {
        assert_eq!(&one(kind)["metadata"]["namespace"], name, "{kind}");
    }

    // The service finds the pods, and the port that the program listens on.
    let pod = &deployment["spec"]["template"];
    assert_eq!(service["spec"]["selector"], pod["metadata"]["labels"]);
    assert_eq!(deployment["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"]);
    let container = &pod["spec"]["containers"][0];
    let port = &container["ports"][0];
    assert_eq!(service["spec"]["ports"][0]["targetPort"], port["name"]);
    let args: Vec<&str> =
        container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert!(args.contains(&format!("--listen=0.0.0.0:{}", port["containerPort"]).as_str()), "{args:?}");

    // Every file that it is told of is mounted, and every volume has what it is made of.
    let mounts = container["volumeMounts"].as_array().unwrap();
    for file in
        args.iter().filter_map(|word| word.split_once("=/etc/")).map(|(_, rest)| format!("/etc/{rest}"))
    {
        assert!(mounts.iter().any(|mount| file.starts_with(mount["mountPath"].as_str().unwrap())), "{file}");
    }
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    for mount in mounts {
        assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{mount}");
    }
    let map = volumes.iter().find(|volume| volume["configMap"].is_object()).unwrap();
    assert_eq!(map["configMap"]["name"], one("ConfigMap")["metadata"]["name"]);

    // The words are those of the program, and the policy is one.
    let field = Place::new();
    let policy = field.path("policy.toml");
    std::fs::write(&policy, one("ConfigMap")["data"]["policy.toml"].as_str().unwrap()).unwrap();
    let mut words: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
    for word in &mut words {
        if word.starts_with("--policy=") {
            *word = format!("--policy={}", policy.display());
        }
    }
    let (cert, key) = certificate(&field.path("").join("rules"), false);
    let local = [
        ("--listen=", "127.0.0.1:0".to_owned()),
        ("--cert=", cert.display().to_string()),
        ("--key=", key.display().to_string()),
    ];
    for word in &mut words {
        if let Some((option, value)) = local.iter().find(|(option, _)| word.starts_with(option)) {
            *word = format!("{option}{value}");
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = Command::new(PROGRAM);
    field.scrub(&mut command, &words, &[]);
    let mut started = Process::start(&mut command, &field.path("door.log"));
    started.wait(|log| log.contains("webhook listens on").then_some(()));

    for (kind, path, effects) in [
        ("MutatingWebhookConfiguration", "/mutate", "None"),
        ("ValidatingWebhookConfiguration", "/validate", "NoneOnDryRun"),
    ] {
        let hook = &one(kind)["webhooks"][0];
        let to = &hook["clientConfig"]["service"];
        assert_eq!((&to["name"], &to["namespace"]), (&service["metadata"]["name"], name));
        assert_eq!((&to["path"], &to["port"]), (&json!(path), &service["spec"]["ports"][0]["port"]));
        assert_eq!(hook["failurePolicy"], "Fail");
        assert_eq!((&hook["sideEffects"], &hook["matchPolicy"]), (&json!(effects), &json!("Equivalent")));
        assert_eq!(hook["admissionReviewVersions"], json!(["v1"]));
        assert!(hook["timeoutSeconds"].as_u64().unwrap() <= 30);
        assert!(hook["name"].as_str().unwrap().split('.').count() >= 3);
        let exempt = &hook["namespaceSelector"]["matchExpressions"];
        let label = exempt[0]["key"].as_str().unwrap();
        assert_eq!(namespace["metadata"]["labels"][label], "true", "the webhook is not asked about itself");
        let resources: Vec<&str> = hook["rules"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|rule| rule["resources"].as_array().unwrap())
            .map(|resource| resource.as_str().unwrap())
            .collect();
        for kind in ["pods", "pods/ephemeralcontainers", "deployments", "cronjobs", "jobs", "daemonsets"] {
            assert!(resources.contains(&kind), "{kind}");
        }
    }

    // The chart's values are YAML, and each value that a template asks for is among them.
    let chart = deploy.join("helm/lazaret");
    let values: Value =
        serde_yaml_ng::from_str(&std::fs::read_to_string(chart.join("values.yaml")).unwrap()).unwrap();
    for file in std::fs::read_dir(chart.join("templates")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for asked in text.split(".Values.").skip(1) {
            let path: String = asked.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
            let pointer = format!("/{}", path.trim_end_matches('.').replace('.', "/"));
            assert!(values.pointer(&pointer).is_some(), "{pointer}");
        }
    }

    // What is advised is what is practised.
    let checked = field.run(&[
        "check",
        "--no-store",
        deploy.join("kubernetes/30-deployment.yaml").to_str().unwrap(),
        "--no-images",
    ]);
    assert!(checked.code != 1, "{checked:?}");
}
