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
