//! Atomic Red Team: the tests for Linux and containers, each as the script that it would run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_yaml_ng::Value;

use super::{New, category, impairs, plain_name};
use crate::eval::Label;

#[derive(Deserialize)]
struct Technique {
    attack_technique: String,
    atomic_tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    name: String,
    supported_platforms: Vec<String>,
    #[serde(default)]
    input_arguments: Option<BTreeMap<String, Argument>>,
    executor: Executor,
}

#[derive(Deserialize)]
struct Argument {
    #[serde(default)]
    default: Value,
}

#[derive(Deserialize)]
struct Executor {
    name: String,
    command: Option<String>,
}

pub(super) fn read(checkout: &Path) -> Result<Vec<New>> {
    let mut folders: Vec<_> = fs::read_dir(checkout.join("atomics"))
        .with_context(|| format!("{} holds no folder `atomics`", checkout.display()))?
        .collect::<Result<_, _>>()?;
    folders.sort_by_key(fs::DirEntry::file_name);
    let mut cases = Vec::new();
    for folder in folders {
        let name = folder.file_name().to_string_lossy().into_owned();
        let path = folder.path().join(format!("{name}.yaml"));
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let technique: Technique =
            serde_yaml_ng::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
        for test in &technique.atomic_tests {
            cases.extend(case(&technique.attack_technique, test));
        }
    }
    Ok(cases)
}

fn case(technique: &str, test: &Test) -> Option<New> {
    let ours = |platform: &String| matches!(platform.as_str(), "linux" | "containers");
    let (ending, line) = match test.executor.name.as_str() {
        "sh" => ("sh", "#!/bin/sh"),
        "bash" => ("sh", "#!/bin/bash"),
        "python" => ("py", "#!/usr/bin/python3"),
        _ => return None,
    };
    let command = test.executor.command.as_ref().filter(|_| test.supported_platforms.iter().any(ours))?;
    let mut text = command.clone();
    for (name, argument) in test.input_arguments.iter().flatten() {
        text = text.replace(&format!("#{{{name}}}"), &word(&argument.default));
    }
    for name in ["$PathToAtomicsFolder", "PathToAtomicsFolder"] {
        text = text.replace(name, "/opt/atomics");
    }
    Some(New {
        path: format!("{}/{}.{ending}", technique.to_lowercase(), plain_name(&test.name)),
        category: match (category(&text), technique) {
            ("", "T1685" | "T1562.001") => impairs(&text),
            (found, _) => found,
        },
        body: format!("{line}\n{}\n", text.trim_end()).into_bytes(),
        label: Label::Behaviour,
        set: "atomic-red-team".to_owned(),
        techniques: vec![technique.to_owned()],
        kind: "script",
        note: test.name.clone(),
    })
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::impairs;

    #[test]
    fn only_who_ends_a_guard_is_filed_as_one() {
        for text in [
            "systemctl stop falcon-sensor.service",
            "sed -i 's/x/Storage=none/' /etc/systemd/journald.conf",
            "sysctl -w kernel.randomize_va_space=0",
            "apt-get remove example-agent",
        ] {
            assert_eq!(impairs(text), "agent killer", "{text}");
        }
        for text in ["swapoff -a", "history -c", "systemctl stop nginx", "auditctl -s"] {
            assert_eq!(impairs(text), "-", "{text}");
        }
    }
}
