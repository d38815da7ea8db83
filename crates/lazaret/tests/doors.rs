//! The other doors, asked by the daemons and clients that they are made for.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/doors.rs"]
mod field;
#[path = "support/served.rs"]
mod served;
mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use field::{Field, silent};
use served::field::engines::{Engine, dockerd, dockerd_in};
use served::field::registry::{Access, certificate};
use served::field::{Process, needed};
use support::{PROGRAM, Place, Said};

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
