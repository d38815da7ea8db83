//! `lazaret gate` before a real registry, asked by the field's own clients.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/served.rs"]
mod served;
mod support;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use served::field::Process;
use served::field::engines::{Engine, containerd, dockerd, dockerd_with};
use served::field::fake::{Fake, Reply, Then};
use served::field::images::Workshop;
use served::field::registry::{Access, Registry};
use support::{MARKER, PROGRAM, Place};

const CLEAN: &str = "FILE /etc/os-release\n    ID=debian\nLAYER COPY app /app # buildkit\nELF /app 0755\n    x\nENTRYPOINT [\"/app\"]\n";

const KIND: &str = "application/vnd.oci.image.manifest.v1+json";

fn bad() -> String {
    format!(
        "FILE /etc/os-release\n    ID=debian\nLAYER COPY run /run.sh # buildkit\nFILE /run.sh 0755\n    #!/bin/sh\n    # {MARKER}\n    sleep 1\nENTRYPOINT [\"/run.sh\"]\n"
    )
}

/// A gate before a registry that holds a good and a bad image.
struct Field {
    place: Place,
    workshop: Workshop,
    registry: Registry,
}

struct Running {
    process: Process,
    host: String,
}

/// Starts a gate with the marker rule alone.
fn start_gate(place: &Place, upstream: &str, more: &[&str]) -> Running {
    let rules = place.path("rules");
    let mut command = Command::new(PROGRAM);
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let mut arguments = vec!["gate", "--listen", "127.0.0.1:0", "--upstream", upstream];
    arguments.extend(["--only-rules", "--rules", rules.to_str().unwrap(), "--store", &store]);
    arguments.extend(more);
    place.scrub(&mut command, &arguments, &[]);
    let mut process = Process::start(&mut command, &place.path("gate.log"));
    let host = process.wait(|log| {
        let rest = log.split("listens on ").nth(1)?;
        Some(rest.split_once(',')?.0.to_owned())
    });
    Running { process, host }
}

impl Field {
    fn new(access: Access<'_>, credentials: Option<&str>) -> Self {
        let field =
            Self { place: Place::new(), workshop: Workshop::new(), registry: Registry::start(access) };
        for (name, text) in [("good", CLEAN.to_owned()), ("bad", bad())] {
            let layout = field.place.recipe(name, &text);
            let mut copy = field.workshop.skopeo();
            copy.args(["copy", "-q", "--dest-tls-verify=false"]);
            if let Some(credentials) = credentials {
                copy.args(["--dest-creds", credentials]);
            }
            copy.arg(format!("oci:{}", layout.display()))
                .arg(format!("docker://{}", field.registry.name(&format!("team/{name}:1"))));
            served::field::run(&mut copy);
        }
        field
    }

    fn gate(&self, more: &[&str]) -> Running {
        start_gate(&self.place, &self.registry.host, more)
    }

    /// Pulls through the gate with skopeo: what it said, or the manifest's digest.
    fn pull(&self, gate: &Running, image: &str, more: &[&str]) -> Result<String, String> {
        let layout = self.place.path("pulled");
        let _ = std::fs::remove_dir_all(&layout);
        let mut copy = self.workshop.skopeo();
        copy.args(["copy", "-q", "--src-tls-verify=false"]).args(more);
        copy.arg(format!("docker://{}/{image}", gate.host)).arg(format!("oci:{}", layout.display()));
        let done = copy.output().unwrap();
        match done.status.success() {
            true => Ok(served::manifest_digest(&layout)),
            false => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
        }
    }
}

fn get(address: &str) -> (u16, Value, Vec<(String, String)>) {
    let (status, bytes, headers) = ask("GET", address, &[]);
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null), headers)
}

fn ask(method: &str, address: &str, sent: &[(&str, &str)]) -> (u16, Vec<u8>, Vec<(String, String)>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.request(method.parse().unwrap(), address);
        for (name, value) in sent {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        (status, response.bytes().await.unwrap().to_vec(), headers)
    })
}

#[test]
fn a_good_image_passes_unchanged_and_a_bad_one_is_refused_with_the_reason() {
    let field = Field::new(Access::Open, None);
    let audit = field.place.path("audit.jsonl");
    let gate = field.gate(&["--audit-log", audit.to_str().unwrap(), "--upstream", &field.as_hub()]);
    let good = field.pull(&gate, "team/good:1", &[]).unwrap();
    assert_eq!(good, served::manifest_digest(&field.place.path("good")), "byte for byte");
    // Also by the registry's name in front.
    assert!(field.pull(&gate, "docker.io/team/good:1", &[]).is_ok());
    let refused = field.pull(&gate, "team/bad:1", &[]).unwrap_err();
    assert!(refused.contains("lazaret refuses team/bad: malicious"), "{refused}");

    let lines = std::fs::read_to_string(&audit).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |answer: &str| lines.iter().filter(|line| line["answer"] == answer).count();
    assert!(told("served") >= 2 && told("refused") >= 1, "{lines:?}");
    let refused = lines.iter().find(|line| line["answer"] == "refused").unwrap();
    assert_eq!(refused["verdict"], "malicious");
    assert_eq!(refused["decision"]["by"], "verdict malicious");
    let (status, text, _) = ask("GET", &format!("http://{}/metrics", gate.host), &[]);
    let text = String::from_utf8(text).unwrap();
    assert!(status == 200 && text.contains("lazaret_gate_manifests_total{answer=\"refused\"}"), "{text}");
}

#[test]
fn no_part_of_a_refused_image_comes_in_by_another_way() {
    let field = Field::new(Access::Open, None);
    let gate = field.gate(&[]);
    let layout = field.place.path("bad");
    let digest = served::manifest_digest(&layout);
    let manifest = std::fs::read(layout.join("blobs/sha256").join(&digest[7..])).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let layer = manifest["layers"][1]["digest"].as_str().unwrap().to_owned();
    let config = manifest["config"]["digest"].as_str().unwrap().to_owned();
    let base = format!("http://{}/v2/team/bad", gate.host);
    // Before anybody asked for the manifest, and after.
    for _ in 0..2 {
        for blob in [&layer, &config] {
            let (status, said, _) = get(&format!("{base}/blobs/{blob}"));
            assert_eq!((status, said["errors"][0]["code"].as_str()), (403, Some("DENIED")), "{said}");
        }
        let (status, said, _) = get(&format!("{base}/manifests/{digest}"));
        assert_eq!(status, 403, "{said}");
    }
    // Nor through another repository of the same registry, which does not even hold it.
    let (status, _, _) = get(&format!("http://{}/v2/team/good/blobs/{layer}", gate.host));
    assert_eq!(status, 404);
}

#[test]
fn a_private_image_is_shown_to_those_alone_whom_its_registry_shows_it() {
    let field = Field::new(Access::Htpasswd { user: "ana", password: "secret" }, Some("ana:secret"));
    let gate = field.gate(&[]);
    assert!(field.pull(&gate, "team/good:1", &["--src-creds", "ana:secret"]).is_ok());
    // It lies in the cache now.
    for credentials in
        [&["--src-no-creds"][..], &["--src-creds", "ana:wrong"], &["--src-creds", "bob:secret"]]
    {
        let refused = field.pull(&gate, "team/good:1", credentials).unwrap_err();
        assert!(refused.contains("unauthorized") || refused.contains("authentication"), "{refused}");
    }
    let digest = served::manifest_digest(&field.place.path("good"));
    let (status, _, headers) = get(&format!("http://{}/v2/team/good/manifests/{digest}", gate.host));
    assert_eq!(status, 401);
    assert!(headers.iter().any(|(name, value)| name == "www-authenticate" && value.starts_with("Bearer")));
}

#[test]
fn the_policy_decides_and_a_broken_one_changes_nothing() {
    let field = Field::new(Access::Open, None);
    let policy = field.place.path("policy.toml");
    std::fs::write(&policy, "mode = \"audit\"\n").unwrap();
    let gate = field.gate(&["--policy", policy.to_str().unwrap()]);
    assert!(field.pull(&gate, "team/bad:1", &[]).is_ok(), "only watched");
    let log = || std::fs::read_to_string(&gate.process.log).unwrap();
    let write = |text: &str, told: &str, times: usize| {
        std::fs::write(&policy, text).unwrap();
        served::until(told, || (log().matches(told).count() >= times).then_some(()));
    };
    write("mode = \"enforce\"\n# now\n", "the policy was read again", 1);
    assert!(field.pull(&gate, "team/bad:1", &[]).is_err());
    write("mode = \"nonsense\"\n", "still holds", 1);
    assert!(field.pull(&gate, "team/bad:1", &[]).is_err());
    let rule = "[[rule]]\nname = \"known\"\nrepository = \"team/b*\"\naction = \"allow\"\nreason = \"a test\"\nauthor = \"ana\"\n";
    write(rule, "the policy was read again", 2);
    assert!(field.pull(&gate, "team/bad:1", &[]).is_ok());
}

#[test]
fn dockerd_pulls_through_the_gate_and_shows_why_it_may_not() {
    let field = Field::new(Access::Open, None);
    let gate = field.gate(&[]);
    let engine: Engine = dockerd();
    let pull = |image: &str| {
        let mut docker = Command::new(served::field::needed("docker", "docker.io"));
        docker
            .env("DOCKER_HOST", format!("unix://{}", engine.socket.display()))
            .env("HOME", engine.dir.path());
        let done = docker.args(["pull", "-q", &format!("{}/{image}", gate.host)]).output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (ok, said) = pull("team/good:1");
    assert!(ok, "{said}");
    let (ok, said) = pull("team/bad:1");
    assert!(!ok && said.contains("lazaret refuses team/bad: malicious"), "{said}");
}

#[test]
fn many_who_want_one_new_image_have_it_fetched_once() {
    let field = Field::new(Access::Open, None);
    let gate = field.gate(&[]);
    let pulls: Vec<bool> = std::thread::scope(|scope| {
        let one = || get(&format!("http://{}/v2/team/good/manifests/1", gate.host)).0 == 200;
        let all: Vec<_> = (0..30).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|pull| pull.join().unwrap()).collect()
    });
    assert!(pulls.iter().all(|ok| *ok));
    let log = std::fs::read_to_string(field.registry.dir.path().join("log")).unwrap();
    let count = |what: &str| {
        let asked = format!("\"GET /v2/team/good/{what}");
        log.lines().filter(|line| line.starts_with("127.0.0.1") && line.contains(&asked)).count()
    };
    assert_eq!(count("blobs/"), 3, "one configuration and two layers, each once: {log}");
    // Once for the client, once for the judge.
    assert!(count("manifests/") <= 2, "{log}");
}

fn docker_pull(engine: &Engine, image: &str) -> (bool, String) {
    let mut docker = Command::new(served::field::needed("docker", "docker.io"));
    docker.env("DOCKER_HOST", format!("unix://{}", engine.socket.display())).env("HOME", engine.dir.path());
    let done = docker.args(["pull", "-q", image]).output().unwrap();
    (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
}

impl Field {
    /// Arguments with which the registry serves what docker.io is asked for.
    fn as_hub(&self) -> String {
        format!("docker.io=http://{}", self.registry.host)
    }

    /// What `lazaret gate init` prints for an engine.
    fn init(&self, engine: &str, more: &[&str]) -> String {
        let said = self.place.run(&[&["gate", "init", engine, "--upstream", "docker.io"], more].concat());
        assert_eq!(said.code, 0, "{said:?}");
        said.out
    }
}

#[test]
fn a_docker_daemon_whose_proxy_is_the_gate_pulls_by_the_registrys_own_name_and_by_no_other_way() {
    let field = Field::new(Access::Open, None);
    let ca = field.place.path("ca");
    let printed = field.init("docker", &["--ca", ca.to_str().unwrap()]);
    assert!(printed.contains("SSL_CERT_FILE"), "{printed}");
    let gate = field.gate(&[
        "--upstream",
        &field.as_hub(),
        "--transparent",
        "127.0.0.1:0",
        "--ca",
        ca.to_str().unwrap(),
    ]);
    let log = std::fs::read_to_string(&gate.process.log).unwrap();
    let proxy = served::until("the proxy", || {
        let log = std::fs::read_to_string(&gate.process.log).unwrap();
        Some(log.split("proxy for engines on ").nth(1)?.split_once('\n')?.0.to_owned())
    });
    let certificate = ca.join("lazaret-gate-ca.crt");
    let engine = dockerd_with(&[
        ("HTTPS_PROXY", &format!("http://{proxy}")),
        ("NO_PROXY", ""),
        ("SSL_CERT_FILE", certificate.to_str().unwrap()),
    ]);
    let (ok, said) = docker_pull(&engine, "team/good:1");
    assert!(ok, "{said} {log}");
    let (ok, said) = docker_pull(&engine, "team/bad:1");
    assert!(!ok && said.contains("lazaret refuses team/bad: malicious"), "{said}");
    // Another registry is none that the gate stands before.
    let (ok, said) = docker_pull(&engine, "registry.example/team/good:1");
    assert!(!ok && said.contains("Forbidden"), "{said}");
}

#[test]
fn podman_set_up_as_printed_has_no_way_round() {
    let field = Field::new(Access::Open, None);
    let gate = field.gate(&["--upstream", &field.as_hub()]);
    let conf = field.place.path("registries.conf");
    std::fs::write(&conf, field.init("podman", &["--gate", &gate.host])).unwrap();
    let pull = |image: &str| {
        let layout = field.place.path("by-name");
        let _ = std::fs::remove_dir_all(&layout);
        let mut copy = field.workshop.skopeo();
        copy.arg("--registries-conf").arg(&conf).args(["copy", "-q"]);
        copy.arg(format!("docker://docker.io/{image}")).arg(format!("oci:{}", layout.display()));
        let done = copy.output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (ok, said) = pull("team/good:1");
    assert!(ok, "{said}");
    let (ok, said) = pull("team/bad:1");
    assert!(
        !ok && said.contains("lazaret refuses team/bad: malicious") && said.contains("blocked"),
        "{said}"
    );
}

#[test]
fn containerd_set_up_as_printed_has_no_way_round() {
    let field = Field::new(Access::Open, None);
    let gate = field.gate(&["--upstream", &field.as_hub()]);
    let printed = field.init("containerd", &["--gate", &gate.host]);
    let hosts = field.place.path("certs.d/_default");
    std::fs::create_dir_all(&hosts).unwrap();
    let text: String = printed
        .lines()
        .skip_while(|line| !line.starts_with("server"))
        .take_while(|line| !line.starts_with('#'))
        .fold(String::new(), |text, line| text + line + "\n");
    std::fs::write(hosts.join("hosts.toml"), text).unwrap();
    let engine = containerd();
    let pull = |image: &str| {
        let mut ctr = Command::new(served::field::needed("ctr", "containerd"));
        ctr.arg("--address").arg(&engine.socket).args([
            "images",
            "pull",
            "--snapshotter",
            "native",
            "--hosts-dir",
        ]);
        let done = ctr.arg(field.place.path("certs.d")).arg(image).output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (ok, said) = pull("docker.io/team/good:1");
    assert!(ok, "{said}");
    let (ok, said) = pull("docker.io/team/bad:1");
    assert!(!ok && said.contains("403 Forbidden"), "{said}");
}

fn header<'h>(headers: &'h [(String, String)], name: &str) -> &'h str {
    headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
}

#[test]
fn the_pull_section_of_the_specification_holds() {
    let field = Field::new(Access::Open, None);
    let gate = field.gate(&[]);
    let base = format!("http://{}/v2/team/good", gate.host);
    let layout = field.place.path("good");
    let digest = served::manifest_digest(&layout);
    let bytes = std::fs::read(layout.join("blobs/sha256").join(&digest[7..])).unwrap();
    for reference in ["1", digest.as_str()] {
        let address = format!("{base}/manifests/{reference}");
        let (status, got, headers) = ask("GET", &address, &[]);
        assert_eq!((status, &got), (200, &bytes), "{reference}");
        assert_eq!(header(&headers, "docker-content-digest"), digest);
        assert_eq!(header(&headers, "content-type"), KIND);
        let (status, got, headers) = ask("HEAD", &address, &[]);
        assert_eq!((status, got.len()), (200, 0));
        assert_eq!(header(&headers, "content-length"), bytes.len().to_string());
    }
    let manifest: Value = serde_json::from_slice(&bytes).unwrap();
    let blob = manifest["layers"][0]["digest"].as_str().unwrap();
    let whole = std::fs::read(layout.join("blobs/sha256").join(&blob[7..])).unwrap();
    let address = format!("{base}/blobs/{blob}");
    let (status, got, headers) = ask("GET", &address, &[]);
    assert_eq!((status, &got), (200, &whole));
    assert_eq!(header(&headers, "docker-content-digest"), blob);
    let (status, got, headers) = ask("GET", &address, &[("range", "bytes=3-6")]);
    assert_eq!((status, got.as_slice()), (206, &whole[3..7]));
    assert_eq!(header(&headers, "content-range"), format!("bytes 3-6/{}", whole.len()));
    assert_eq!(ask("GET", &address, &[("range", "bytes=999999-")]).0, 416);
    let (status, got, headers) = ask("HEAD", &address, &[]);
    assert_eq!((status, got.len()), (200, 0));
    assert_eq!(header(&headers, "content-length"), whole.len().to_string());

    let missing = format!("sha256:{}", "0".repeat(64));
    for (path, status, code) in [
        ("manifests/none".to_owned(), 404, "MANIFEST_UNKNOWN"),
        (format!("manifests/{missing}"), 404, "MANIFEST_UNKNOWN"),
        (format!("blobs/{missing}"), 404, "BLOB_UNKNOWN"),
        ("manifests/sha256:12".to_owned(), 400, "DIGEST_INVALID"),
    ] {
        let (got, said, _) = get(&format!("{base}/{path}"));
        assert_eq!((got, said["errors"][0]["code"].as_str()), (status, Some(code)), "{path}: {said}");
    }
    let (status, said, _) = get(&format!("{base}/tags/list"));
    assert_eq!((status, &said["tags"]), (200, &serde_json::json!(["1"])), "{said}");
    for (method, path) in [("PUT", "manifests/1"), ("POST", "blobs/uploads/"), ("DELETE", "manifests/1")] {
        assert_eq!(ask(method, &format!("{base}/{path}"), &[]).0, 405, "{method} {path}");
    }
}

/// What a registry with a fault answers, and whether anything of the image came through the gate.
fn with_fault(fault: impl Fn(&str, Reply) -> Reply + Send + Sync + 'static) -> (u16, Value, Vec<u16>) {
    let place = Place::new();
    let layout = place.recipe("good", CLEAN);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let answers = layout.clone();
    let fake = runtime
        .block_on(Fake::start(move |request, _| fault(&request.path, served::answer(&answers, request))));
    let gate = start_gate(&place, &fake.host, &[]);
    let base = format!("http://{}/v2/team/good", gate.host);
    let (status, said, _) = get(&format!("{base}/manifests/1"));
    let digest = served::manifest_digest(&layout);
    let manifest = std::fs::read(layout.join("blobs/sha256").join(&digest[7..])).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    let blobs =
        layers.iter().map(|layer| get(&format!("{base}/blobs/{}", layer["digest"].as_str().unwrap())).0);
    let blobs = blobs.collect();
    // The gate still answers.
    assert_eq!(ask("GET", &format!("http://{}/healthz", gate.host), &[]).0, 200);
    (status, said, blobs)
}

#[test]
fn a_registry_that_lies_about_a_layer_lets_nothing_through() {
    let (status, said, blobs) =
        with_fault(|path, reply| match path.contains("/blobs/") && reply.body.starts_with(&[0x1f]) {
            true => Reply { body: reply.body.iter().rev().copied().collect(), ..reply },
            false => reply,
        });
    assert_eq!(status, 403, "{said}");
    assert!(blobs.iter().all(|status| *status == 403), "{blobs:?}");
}

#[test]
fn a_registry_that_lies_about_a_manifest_lets_nothing_through() {
    let (status, said, blobs) = with_fault(|path, mut reply| {
        if path.contains("/manifests/") {
            reply.body.push(b' ');
        }
        reply
    });
    assert_eq!(status, 502, "{said}");
    assert!(blobs.iter().all(|status| *status == 403), "{blobs:?}");
}

#[test]
fn a_registry_that_is_out_of_patience_says_so_to_the_client() {
    let (status, said, _) = with_fault(|path, reply| match path.contains("/manifests/") {
        true => Reply::new(429, "{}").header("Retry-After", "3600"),
        false => reply,
    });
    assert_eq!((status, said["errors"][0]["code"].as_str()), (429, Some("TOOMANYREQUESTS")), "{said}");
}

#[test]
fn a_registry_that_breaks_off_in_a_layer_lets_nothing_through() {
    let (status, said, blobs) = with_fault(|path, reply| {
        let gzip = reply.body.starts_with(&[0x1f]);
        if !path.contains("/blobs/") || !gzip {
            return reply;
        }
        // The same few bytes each time it is asked.
        let whole = 1_000;
        Reply::new(200, reply.body[..20].to_vec()).cut(whole, Then::Close)
    });
    assert_eq!(status, 403, "{said}");
    assert!(blobs.iter().all(|status| *status == 403), "{blobs:?}");
}

#[test]
fn what_was_judged_is_known_after_the_gate_was_killed() {
    let field = Field::new(Access::Open, None);
    let gate = field.gate(&[]);
    assert!(field.pull(&gate, "team/good:1", &[]).is_ok());
    drop(gate);
    let gate = field.gate(&[]);
    let before = std::fs::read_to_string(field.registry.dir.path().join("log")).unwrap().len();
    assert!(field.pull(&gate, "team/good:1", &[]).is_ok());
    let log = std::fs::read_to_string(field.registry.dir.path().join("log")).unwrap();
    let fetched = log[before..].lines().filter(|line| line.contains("\"GET /v2/team/good/blobs/")).count();
    assert!(
        fetched <= 1,
        "the configuration at most: layers lie on the shelf, facts in the store: {}",
        &log[before..]
    );
}

#[test]
fn an_audit_log_that_cannot_be_written_lets_nothing_in() {
    let field = Field::new(Access::Open, None);
    let gate = field.gate(&["--audit-log", "/dev/full"]);
    let (status, said, _) = get(&format!("http://{}/v2/team/good/manifests/1", gate.host));
    assert_eq!(status, 503, "{said}");
}

#[test]
fn a_fault_that_passes_refuses_an_image_only_while_it_lasts() {
    let place = Place::new();
    let layout = place.recipe("good", CLEAN);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let faulty = Arc::new(AtomicBool::new(true));
    let (answers, broken) = (layout.clone(), Arc::clone(&faulty));
    let fake = runtime.block_on(Fake::start(move |request, _| {
        match broken.load(Ordering::Relaxed) && request.path.contains("/blobs/") {
            true => Reply::new(500, "{}"),
            false => served::answer(&answers, request),
        }
    }));
    let gate = start_gate(&place, &fake.host, &[]);
    let address = format!("http://{}/v2/team/good/manifests/1", gate.host);
    assert_ne!(get(&address).0, 200);
    faulty.store(false, Ordering::Relaxed);
    served::until("the image to be judged again", || (get(&address).0 == 200).then_some(()));
}

#[test]
fn an_artifact_that_nobody_judges_does_not_bring_in_a_layer_of_a_refused_image() {
    let field = Field::new(Access::Open, None);
    let gate = field.gate(&[]);
    let layout = field.place.path("bad");
    let digest = served::manifest_digest(&layout);
    let manifest = std::fs::read(layout.join("blobs/sha256").join(&digest[7..])).unwrap();
    let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let layer = manifest["layers"][1]["digest"].as_str().unwrap().to_owned();
    manifest["config"]["mediaType"] = "application/vnd.example.thing".into();
    manifest["artifactType"] = "application/vnd.example.thing".into();
    // With layers of an image it would be judged as one.
    for layer in manifest["layers"].as_array_mut().unwrap() {
        layer["mediaType"] = "application/vnd.example.part".into();
    }
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let put = field.registry.put_manifest("team/bad", "thing", KIND, &bytes);
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(put);
    let base = format!("http://{}/v2/team/bad", gate.host);
    assert_eq!(get(&format!("{base}/manifests/1")).0, 403);
    assert_eq!(get(&format!("{base}/manifests/thing")).0, 200, "the list itself is no content");
    let (status, said, _) = get(&format!("{base}/blobs/{layer}"));
    assert_eq!((status, said["errors"][0]["code"].as_str()), (403, Some("DENIED")), "{said}");
}

#[test]
fn rules_that_change_are_read_again_and_broken_ones_change_nothing() {
    let field = Field::new(Access::Open, None);
    let rules = field.place.path("rules/marker.yar");
    let today = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, today.replace(MARKER, "LAZARET-TEST-OTHER")).unwrap();
    let gate = field.gate(&[]);
    assert!(field.pull(&gate, "team/bad:1", &[]).is_ok(), "nothing is known of it yet");
    let log = || std::fs::read_to_string(&gate.process.log).unwrap();
    let write = |text: &str, told: &str| {
        std::fs::write(&rules, text).unwrap();
        served::until(told, || log().contains(told).then_some(()));
    };
    write("rule broken {", "the rules before still hold");
    assert!(field.pull(&gate, "team/bad:1", &[]).is_ok());
    write(&today, "the rules were read again");
    let refused = field.pull(&gate, "team/bad:1", &[]).unwrap_err();
    assert!(refused.contains("lazaret refuses team/bad: malicious"), "{refused}");
    assert!(field.pull(&gate, "team/good:1", &[]).is_ok());
}
