//! The house of ARCHITECTURE.md: dependencies go down, never sideways, and each capability's
//! heavy crates stay in its own room.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Floor of each crate. A crate may depend on crates of lower floors only.
const FLOORS: &[(&str, u8)] = &[
    ("lazaret-model", 0),
    ("workspace-features", 0),
    ("lazaret-oci", 1),
    ("lazaret-report", 1),
    ("lazaret-recipe", 1),
    ("lazaret-launch", 1),
    ("lazaret-registry", 2),
    ("lazaret-detect", 2),
    ("lazaret-store", 2),
    ("lazaret-sandbox", 2),
    ("lazaret-lab", 2),
    ("lazaret-trust", 2),
    ("lazaret-gate", 4),
    ("lazaret-hunt", 4),
    ("lazaret-scan", 3),
    ("lazaret", 5),
    ("xtask", 5),
];

/// Crates from outside that only these rooms may hold.
const ROOMS: &[(&str, &[&str])] = &[
    ("yara-x", &["lazaret-detect"]),
    ("rsigma-eval", &["lazaret-detect"]),
    ("tree-sitter", &["lazaret-detect"]),
    ("saphyr-parser", &["lazaret-launch"]),
    ("parse-dockerfile", &["lazaret-launch"]),
    ("reqwest", &["lazaret-registry", "lazaret"]),
    ("sqlx", &["lazaret-store"]),
    ("object_store", &["lazaret-gate"]),
    ("seccompiler", &["lazaret-sandbox"]),
    ("landlock", &["lazaret-sandbox"]),
    ("clap", &["lazaret"]),
    ("maud", &["lazaret-report"]),
    ("petgraph", &["lazaret-hunt"]),
];

fn packages() -> Vec<Value> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn normal_dependencies(package: &Value) -> Vec<String> {
    package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|d| d["kind"].is_null())
        .map(|d| d["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn dependencies_go_down_only() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let own = floors.get(name).unwrap_or_else(|| panic!("{name} has no floor: give it one in this test"));
        for dependency in normal_dependencies(&package) {
            if let Some(floor) = floors.get(dependency.as_str()) {
                assert!(floor < own, "{name} (floor {own}) depends on {dependency} (floor {floor})");
            }
        }
    }
}

#[test]
fn the_nouns_know_neither_input_nor_async() {
    let model = packages().into_iter().find(|p| p["name"] == "lazaret-model").unwrap();
    let mut names = normal_dependencies(&model);
    names.sort();
    assert_eq!(names, ["data-encoding", "serde", "thiserror"]);
}

#[test]
fn heavy_crates_stay_in_their_rooms() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        for dependency in normal_dependencies(&package) {
            if let Some((_, rooms)) = ROOMS.iter().find(|(heavy, _)| *heavy == dependency) {
                assert!(rooms.contains(&name), "{dependency} belongs into {rooms:?}, not into {name}");
            }
        }
    }
}

#[test]
fn the_lab_is_used_by_the_program_and_xtask_only() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        if normal_dependencies(&package).iter().any(|d| d == "lazaret-lab") {
            assert!(["lazaret", "xtask"].contains(&name), "{name} uses the lab");
        }
    }
}

#[test]
fn unsafe_code_is_forbidden_outside_the_sandbox() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        let inherits = manifest.contains("[lints]\nworkspace = true");
        assert!(inherits || name == "lazaret-sandbox", "{name} does not inherit the workspace's lints");
    }
}
