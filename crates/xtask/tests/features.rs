//! The program, the tests and `xtask` are built from the same third-party crates with the same
//! features: otherwise the rule engine is compiled once for each.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::process::Command;

/// Each third-party crate with its features, in a build of these packages.
fn chosen(arguments: &[&str]) -> BTreeSet<String> {
    let out = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--prefix", "none", "--no-dedupe", "--format", "{p} [{f}]"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().filter(|line| !line.contains(" (")).map(str::to_owned).collect()
}

#[test]
fn every_build_chooses_the_same_features() {
    // What runs while something is built has features of its own, and hides nothing here.
    let all = chosen(&["--workspace", "--edges", "normal,dev,no-proc-macro"]);
    for package in ["--package=lazaret", "--package=xtask", "--workspace"] {
        let some = chosen(&[package, "--edges", "normal,no-proc-macro"]);
        let other: Vec<&String> = some.difference(&all).collect();
        assert!(
            other.is_empty(),
            "`{package}` alone has other features than the whole; name what is missing in \
             crates/workspace-features: {other:#?}"
        );
    }
}
