//! Images from where they really lie: a registry, archives, layouts, directories, two engines.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/served.rs"]
mod served;
mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use lazaret_lab::{Case, Set, authorized_key, cases, wallet};
use serde_json::Value;

use served::field::engines::{dockerd, podman};
use served::field::fake::Fake;
use served::field::images::Workshop;
use served::field::registry::{Access, Registry};
use served::field::run;
use support::{MARKER, Place, RawImage, Said, Tar, gzip, said};

const ACCOUNT: &str = "dockmaster117";
const PAYLOAD_HOST: &str = "203.0.113.66";

fn lineup() -> Vec<Case> {
    let mut cases = cases().unwrap();
    cases.retain(|case| case.set == Set::Lineup);
    cases
}

/// Copies with skopeo, byte for byte where the target can hold that.
fn copy(shop: &Workshop, more: &[&str], from: &str, to: &str) {
    run(shop.skopeo().args(["copy", "-q", "--dest-tls-verify=false"]).args(more).args([from, to]));
}

/// Two layers, the marker in a program of the lower one.
fn marked() -> RawImage {
    let mut image = RawImage::default();
    image.layer(Tar::default().file("opt/tool", format!("\x7fELF{MARKER}").as_bytes()).end());
    image.layer(Tar::default().file("srv/page.html", b"<p>hello</p>").end());
    image
}

fn convicted(said: &Said, what: &str) {
    assert_eq!(said.code, 1, "{what}: {said:?}");
    assert!(said.out.starts_with("suspicious"), "{what}: {said:?}");
}

/// An error of one line, and nothing that reads like a verdict.
fn refused(said: &Said, parts: &[&str]) {
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.out.is_empty(), "{said:?}");
    assert_eq!(said.err.trim_end().lines().count(), 1, "{said:?}");
    for part in parts {
        assert!(said.err.contains(part), "`{part}` is missing: {said:?}");
    }
}

/// What the findings that call an image malware say: messages, evidence, indicators.
fn accusations(report: &Value) -> String {
    let images = report["images"].as_array().unwrap();
    let findings = images.iter().flat_map(|i| i["findings"].as_array().unwrap());
    findings.filter(|f| f["class"] == "malware").map(|f| f.to_string() + "\n").collect()
}

#[test]
fn the_line_up_from_a_real_registry_is_malicious_with_its_wallet_and_its_doors() {
    let (shop, registry, place) = (Workshop::new(), Registry::start(Access::Open), Place::new());
    let mut references = Vec::new();
    for case in lineup() {
        let layout = shop.path().join(&case.name);
        case.write_oci_layout(&layout).unwrap();
        let name = format!("{}/{}:{}", case.account, case.repository, case.tag);
        let from = format!("oci:{}", layout.display());
        copy(&shop, &["--all", "--preserve-digests"], &from, &registry.url(&name));
        references.push(registry.name(&name));
    }
    assert_eq!(references.len(), 17);
    let mut arguments = vec!["scan", "--no-store"];
    arguments.extend(references.iter().map(String::as_str));
    let (said, all) = place.json(&arguments);
    assert_eq!(said.code, 1, "{}", said.err);

    let coin = wallet("xmr", ACCOUNT).unwrap();
    let key = authorized_key(ACCOUNT);
    // A key is the same without its comment.
    let key = key.split(' ').nth(1).unwrap();
    let address = PAYLOAD_HOST;
    let doors: [(&str, &[&str]); 8] = [
        ("cron", &["/mnt/etc/cron.d", address]),
        ("cronm", &["/mnt/var/spool/cron", address]),
        ("cronnn", &["/mnt/root/.ssh/authorized_keys", key]),
        ("mysql", &["/mnt/etc/crontab", address]),
        ("mysql0", &["/hostroot", address]),
        ("mysql6", &["/mnt/root/.ssh/authorized_keys", key]),
        ("t1", &[address, "8221"]),
        ("t2", &[address, "8221"]),
    ];
    let (mut miners, mut opened) = (0, 0);
    let mut wrong = Vec::new();
    for report in all["reports"].as_array().unwrap() {
        let name = report["repository"].as_str().unwrap().rsplit('/').next().unwrap();
        if report["verdict"]["outcome"] != "malicious" {
            wrong.push(format!("{name} is {}: {}", report["verdict"]["outcome"], report["verdict"]["why"]));
        }
        let said = accusations(report);
        match doors.iter().find(|(door, _)| *door == name) {
            Some((_, parts)) => {
                opened += 1;
                for part in parts.iter().filter(|part| !said.contains(**part)) {
                    wrong.push(format!("{name} does not name {part}"));
                }
                assert!(!said.contains(&coin), "{name} holds no wallet");
            }
            None => {
                miners += 1;
                if !said.contains(&format!("\"value\":\"xmr:{coin}\"")) {
                    wrong.push(format!("{name} does not name the wallet"));
                }
            }
        }
    }
    assert_eq!((miners, opened), (9, 8));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_form_that_tools_write_is_read_the_same() {
    let (shop, place) = (Workshop::new(), Place::new());
    let layout = marked().write(&place.path("layout"));
    let from = format!("oci:{}", layout.display());
    let at = |name: &str| place.path(name).display().to_string();

    convicted(&place.scan_marker_in(&from, &[]), "layout");
    convicted(&place.scan_marker_in(&format!("oci-dir:{}:latest", layout.display()), &[]), "layout by tag");
    for (scheme, name, target) in [
        ("docker-archive", "saved.tar", ":shelf.example/it:1"),
        ("oci-archive", "layout.tar", ":it"),
        ("dir", "flat", ""),
        ("oci", "again", ":it"),
    ] {
        copy(&shop, &[], &from, &format!("{scheme}:{}{target}", at(name)));
        convicted(&place.scan_marker_in(&format!("{scheme}:{}", at(name)), &[]), name);
    }
    // A bare path says for itself what it is.
    for name in ["saved.tar", "layout.tar", "again"] {
        convicted(&place.scan_marker_in(&at(name), &[]), name);
    }
    // `docker save | gzip`.
    fs::write(place.path("saved.tar.gz"), gzip(&fs::read(place.path("saved.tar")).unwrap())).unwrap();
    convicted(&place.scan_marker_in(&format!("docker-archive:{}", at("saved.tar.gz")), &[]), "gzip");
    convicted(
        &place.scan_marker_in(&format!("docker-archive:{}:shelf.example/it:1", at("saved.tar")), &[]),
        "tag",
    );
    refused(
        &place.scan_marker_in(&format!("docker-archive:{}:shelf.example/it:2", at("saved.tar")), &[]),
        &["saved.tar", "it:2"],
    );
}

#[test]
fn a_damaged_archive_is_an_error_or_inconclusive_and_names_the_file() {
    let (shop, place) = (Workshop::new(), Place::new());
    let mut image = RawImage::default();
    image.layer(Tar::default().file("filler", &support::noise(300_000, 1)).end());
    let layout = image.write(&place.path("layout"));
    let archive = place.path("saved.tar");
    let to = format!("docker-archive:{}:it:1", archive.display());
    copy(&shop, &[], &format!("oci:{}", layout.display()), &to);
    let whole = fs::read(&archive).unwrap();
    for keep in [whole.len() / 2, 700, 100, 0] {
        fs::write(&archive, &whole[..keep]).unwrap();
        let said = place.scan_marker_in(&format!("docker-archive:{}", archive.display()), &[]);
        assert!(matches!(said.code, 2 | 3), "{keep}: {said:?}");
        assert!(format!("{}{}", said.out, said.err).contains("saved.tar"), "{keep}: {said:?}");
    }
    fs::create_dir(place.path("nothing")).unwrap();
    refused(&place.scan_marker_in(&format!("oci:{}", place.path("nothing").display()), &[]), &["nothing"]);
}

/// Runs the program so that it may not read what its user may not, even where that is root.
fn without_privilege(place: &Place, arguments: &[&str]) -> Said {
    if !rustix::process::geteuid().is_root() {
        return place.run(arguments);
    }
    let mut command = Command::new("/usr/bin/setpriv");
    let mut all = vec![
        "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-dac_override,-dac_read_search",
        support::PROGRAM,
    ];
    all.extend(arguments);
    place.scrub(&mut command, &all, &[]);
    said(command.output().unwrap())
}

#[test]
fn a_root_file_system_is_read_and_what_cannot_be_read_is_never_clean() {
    let place = Place::new();
    let root = place.path("root");
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    let tool = root.join("usr/bin/tool");
    fs::write(&tool, "\x7fELF nothing").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let reference = format!("dir:{}", root.display());
    let clean = without_privilege(&place, &["scan", "--no-store", &reference]);
    assert_eq!(clean.code, 0, "{clean:?}");

    fs::write(root.join("usr/bin/other"), format!("\x7fELF{MARKER}")).unwrap();
    convicted(&place.scan_marker_in(&reference, &[]), "root file system");
    fs::remove_file(root.join("usr/bin/other")).unwrap();

    // Executable by all, readable by nobody.
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o111)).unwrap();
    let blind = without_privilege(&place, &["scan", "--no-store", &reference]);
    assert_eq!(blind.code, 3, "{blind:?}");
    assert!(blind.out.starts_with("inconclusive") && blind.out.contains("/usr/bin/tool"), "{blind:?}");
}

#[test]
fn images_in_docker_and_podman_are_read_through_their_sockets() {
    let (shop, place) = (Workshop::new(), Place::new());
    let layout = marked().write(&place.path("layout"));
    let archive = place.path("saved.tar");
    let to = format!("docker-archive:{}:shelf.example/it:1", archive.display());
    copy(&shop, &[], &format!("oci:{}", layout.display()), &to);
    let rules = place.path("rules");
    let scan = |reference: &str, variable: &str, socket: &Path| {
        let address = format!("unix://{}", socket.display());
        let arguments = ["scan", "--no-store", "--only-rules", "--rules", rules.to_str().unwrap()];
        let more = ["--fail-on", "suspicious", reference];
        place.run_with(&[&arguments[..], &more].concat(), &[(variable, &address)])
    };

    let docker = dockerd();
    docker.load_docker(&archive);
    for scheme in ["docker-daemon", "docker"] {
        convicted(&scan(&format!("{scheme}:shelf.example/it:1"), "DOCKER_HOST", &docker.socket), scheme);
    }
    refused(
        &scan("docker-daemon:shelf.example/none:1", "DOCKER_HOST", &docker.socket),
        &["none:1", "docker.sock"],
    );
    drop(docker);

    run(shop.tool("podman").arg("load").arg("-q").arg("-i").arg(&archive));
    let engine = podman(&shop);
    convicted(&scan("podman:shelf.example/it:1", "CONTAINER_HOST", &engine.socket), "podman");
    let gone = place.path("gone.sock");
    refused(&scan("podman:shelf.example/it:1", "CONTAINER_HOST", &gone), &["gone.sock"]);
}

/// Runs a scan with a password on standard input.
fn with_password(place: &Place, reference: &str, password: &str) -> Said {
    let rules = place.path("rules");
    let mut command = place.command(
        &[
            "scan",
            "--no-store",
            "--only-rules",
            "--rules",
            rules.to_str().unwrap(),
            "--fail-on",
            "suspicious",
            "--username",
            "ada",
            "--password-stdin",
            reference,
        ],
        &[],
    );
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    said(child.wait_with_output().unwrap())
}

#[test]
fn whoever_is_not_let_in_and_what_is_not_there_is_told_in_one_line() {
    let (shop, place) = (Workshop::new(), Place::new());
    let registry = Registry::start(Access::Htpasswd { user: "ada", password: "right" });
    let layout = marked().write(&place.path("layout"));
    let from = format!("oci:{}", layout.display());
    copy(&shop, &["--dest-creds", "ada:right"], &from, &registry.url("team/app:1"));
    let name = registry.name("team/app:1");

    convicted(&with_password(&place, &name, "right"), "the right password");
    let wrong = with_password(&place, &name, "not-this-one");
    refused(&wrong, &["refused the credentials", &registry.host]);
    assert!(!wrong.err.contains("not-this-one"), "{wrong:?}");
    refused(&place.scan_marker_in(&name, &[]), &["wants credentials", "docker login"]);
    refused(&with_password(&place, &registry.name("team/app:2"), "right"), &["no tag `2`"]);
    refused(&with_password(&place, &registry.name("team/other:1"), "right"), &["no repository `team/other`"]);

    // What `docker login` leaves behind is found where Docker keeps it.
    fs::create_dir(place.path(".docker")).unwrap();
    run(shop
        .tool("skopeo")
        .args(["login", "--tls-verify=false", "-u", "ada", "-p", "right", "--authfile"])
        .arg(place.path(".docker/config.json"))
        .arg(&registry.host));
    convicted(&place.scan_marker_in(&name, &[]), "config.json");

    // One reference that cannot be looked at: 2, and the other's report is there all the same.
    let rules = place.path("rules");
    let both = place.run(&[
        "scan",
        "--no-store",
        "--only-rules",
        "--rules",
        rules.to_str().unwrap(),
        &registry.name("team/app:9"),
        &name,
    ]);
    assert_eq!(both.code, 2, "{both:?}");
    assert!(both.out.contains("suspicious") && both.err.contains("team/app"), "{both:?}");
}

#[test]
fn a_registry_that_is_not_there_is_an_error_of_one_line() {
    let place = Place::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    refused(
        &place.scan_marker_in(&format!("127.0.0.1:{port}/a:1"), &[]),
        &["cannot reach", &port.to_string()],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_moves_after_it_was_resolved_mixes_nothing_up() {
    let place = Place::new();
    let first = marked().write(&place.path("first"));
    let mut other = RawImage::default();
    let moved = other.layer(Tar::default().file("app", b"x").end()).digest();
    let second = other.write(&place.path("second"));
    let pinned = served::manifest_digest(&first);
    let (a, b, before) = (first.clone(), second, std::sync::atomic::AtomicBool::new(false));
    let fake = Fake::start(move |request, _| {
        let by_tag = request.path.ends_with("/manifests/latest");
        // Whoever asks for the tag once more after it was answered gets another image.
        if by_tag && request.method == "GET" && !before.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return served::answer(&a, request);
        }
        let here = if by_tag { &b } else { &a };
        match served::answer(here, request) {
            reply if reply.status == 404 => served::answer(&b, request),
            reply => reply,
        }
    })
    .await;
    let reference = format!("{}/x:latest", fake.host);
    let rules = place.path("rules");
    let (said, report) =
        place.json(&["scan", "--no-store", "--only-rules", "--rules", rules.to_str().unwrap(), &reference]);
    assert_eq!(report["reports"][0]["digest"], pinned.as_str(), "{said:?}");
    assert_eq!(report["reports"][0]["verdict"]["outcome"], "suspicious", "{said:?}");
    assert_eq!(fake.count(&moved), 0, "a layer of the other image was fetched");
}
