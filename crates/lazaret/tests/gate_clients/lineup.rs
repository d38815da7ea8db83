//! The seventeen images of the case that began this, in a real registry behind a gate with its real
//! rules, asked for by three engines.

use std::path::Path;

use lazaret_lab::{Case, Set, cases};

use crate::gated::run;
use crate::served::field::engines::{containerd, dockerd};
use crate::served::manifest_digest;
use crate::{Field, audited, ctr_pull, docker, podman, told};

/// Images that honest people run.
const HONEST: [&str; 3] = ["03-pool-block-list", "16-database-runs-cron", "25-falco-rules"];

fn name(case: &Case) -> String {
    format!("{}/{}:{}", case.account, case.repository, case.tag)
}

#[test]
fn every_engine_is_refused_the_line_up_and_pulls_what_is_honest_unchanged() {
    let field = Field::start();
    let mut all = cases().unwrap();
    all.retain(|case| case.set == Set::Lineup || HONEST.contains(&case.name.as_str()));
    let (bad, honest): (Vec<Case>, Vec<Case>) = all.into_iter().partition(|case| case.set == Set::Lineup);
    assert_eq!((bad.len(), honest.len()), (17, HONEST.len()));
    for case in bad.iter().chain(&honest) {
        let layout = field.place.path(&format!("lab-{}", case.name));
        case.write_oci_layout(&layout).unwrap();
        field.push(&layout, &name(case), &["--all", "--preserve-digests"]);
    }
    let log = field.place.path("audit.jsonl");
    let store = format!("sqlite:{}", field.place.path("store.sqlite").display());
    let gate = run(
        &field.place,
        "",
        &[
            "gate",
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            &field.registry.host,
            "--upstream",
            &field.as_hub(),
            "--store",
            &store,
            "--audit-log",
            log.to_str().unwrap(),
        ],
    );
    let (conf, hosts) = (field.registries(&gate), field.hosts(&gate));
    let (engine, containerd) = (dockerd(), containerd());
    let by_docker = |image: &str| docker(&engine, &["pull", "-q", &format!("{}/{image}", gate.host)]);
    let by_podman = |image: &str| podman(&field, Some(&conf), &["pull", "-q", &format!("docker.io/{image}")]);
    let by_ctr = |image: &str| {
        ctr_pull(&containerd, &["--hosts-dir", hosts.to_str().unwrap()], &format!("docker.io/{image}"))
    };
    for case in &bad {
        let image = name(case);
        let repository = format!("{}/{}", case.account, case.repository);
        for (client, (ok, said)) in [("docker", by_docker(&image)), ("podman", by_podman(&image))] {
            assert!(!ok, "{client} pulls {image}: {said}");
            let reason = format!("lazaret refuses {repository}: malicious: ");
            let why = said.split_once(&reason).map(|(_, why)| why);
            assert!(why.is_some_and(|why| why.trim().len() > 20), "{client} {image}: {said}");
        }
        let (ok, said) = by_ctr(&image);
        assert!(!ok && said.contains("403 Forbidden"), "ctr {image}: {said}");
    }
    // What containerd does not show is in the log, for each of them.
    let lines = audited(&log);
    for case in &bad {
        let told = lines.iter().any(|line| {
            line["answer"] == "refused"
                && line["verdict"] == "malicious"
                && line["image"]
                    .as_str()
                    .unwrap()
                    .contains(&format!("docker.io/{}/{}", case.account, case.repository))
        });
        assert!(told, "{}", name(case));
    }
    for case in &honest {
        let image = name(case);
        for (client, (ok, said)) in
            [("docker", by_docker(&image)), ("podman", by_podman(&image)), ("ctr", by_ctr(&image))]
        {
            assert!(ok, "{client} {image}: {said}");
        }
        let layout = field.place.path(&format!("lab-{}", case.name));
        let digest = manifest_digest(&layout);
        let (_, said) = docker(
            &engine,
            &["image", "inspect", "--format", "{{.RepoDigests}}", &format!("{}/{image}", gate.host)],
        );
        assert!(said.contains(&digest), "{said}");
        // Every byte of it.
        let copied = field.place.path("copied");
        let _ = std::fs::remove_dir_all(&copied);
        let mut copy = field.shop.skopeo();
        copy.args(["copy", "-q", "--all", "--preserve-digests", "--src-tls-verify=false"]);
        copy.arg(format!("docker://{}/{image}", gate.host)).arg(format!("oci:{}", copied.display()));
        let (ok, said) = told(&mut copy);
        assert!(ok, "{said}");
        same_blobs(&layout, &copied);
    }
}

fn same_blobs(one: &Path, other: &Path) {
    let read = |layout: &Path| {
        let mut blobs: Vec<_> = std::fs::read_dir(layout.join("blobs/sha256"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap()))
            .collect();
        blobs.sort();
        blobs
    };
    assert!(read(one) == read(other), "{} and {} differ", one.display(), other.display());
}
