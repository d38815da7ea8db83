//! Trusted bases on the command line: recorded, seen again in what is built on them, forgotten.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::Place;

const BASE: &str = "FILE /etc/os-release\n    ID=debian\nLAYER COPY a /a # buildkit\nFILE /a\n    a\n";

#[test]
fn what_is_built_on_a_recorded_base_says_so_until_the_base_is_forgotten() {
    let place = Place::new();
    let oci = |name: &str, text: &str| format!("oci:{}", place.recipe(name, text).display());
    let base = oci("base", BASE);
    let derived = oci(
        "derived",
        &format!("{BASE}LAYER COPY app /app # buildkit\nELF /app 0755\n    x\nENTRYPOINT [\"/app\"]\n"),
    );
    let other = oci(
        "other",
        "FILE /x\n    x\nLAYER COPY app /app # buildkit\nELF /app 0755\n    x\nENTRYPOINT [\"/app\"]\n",
    );

    let added = place.run(&["base", "add", &base, "--name", "docker.io/library/debian:12"]);
    assert_eq!(added.code, 0, "{added:?}");
    let listed = place.run(&["base", "list"]);
    assert!(listed.out.contains("docker.io/library/debian:12@"), "{listed:?}");

    let said = place.run(&["scan", &derived]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("built on") && said.out.contains("docker.io/library/debian:12"), "{said:?}");
    let said = place.run(&["scan", &other]);
    assert!(!said.out.contains("built on"), "{said:?}");

    assert_eq!(place.run(&["base", "remove", "docker.io/library/debian:12"]).code, 0);
    // What was said before is not what is said now.
    let said = place.run(&["scan", &derived]);
    assert!(!said.out.contains("built on"), "{said:?}");
    let again = place.run(&["base", "remove", "docker.io/library/debian:12"]);
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.err.contains("base list"), "{again:?}");
}

#[test]
fn a_base_that_was_judged_before_is_known_by_its_digest() {
    let place = Place::new();
    let oci = |name: &str, text: &str| format!("oci:{}", place.recipe(name, text).display());
    let base = oci("base", BASE);
    let said = place.run(&["scan", "-f", "json", &base]);
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let digest = report["reports"][0]["digest"].as_str().unwrap_or_else(|| panic!("{report}")).to_owned();
    let labels = format!(
        "LABEL org.opencontainers.image.base.name=debian:12\nLABEL org.opencontainers.image.base.digest={digest}\n"
    );
    let above = "LAYER COPY app /app # buildkit\nELF /app 0755\n    x\nENTRYPOINT [\"/app\"]\n";
    let honest = oci("honest", &format!("{BASE}{above}{labels}"));
    let liar = oci("liar", &format!("FILE /x\n    x\n{above}{labels}"));
    assert_eq!(place.run(&["scan", "--fail-on", "suspicious", &honest]).code, 0);
    let said = place.run(&["scan", "--fail-on", "suspicious", &liar]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("stealth/false-base"), "{said:?}");
}
