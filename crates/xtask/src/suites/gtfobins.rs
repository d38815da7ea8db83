//! GTFOBins: what Unix programs can be used for beside their purpose, each as a script.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_yaml_ng::Value;

use super::{New, plain_name};
use crate::eval::Label;

#[derive(Deserialize)]
struct Program {
    #[serde(default)]
    functions: BTreeMap<String, Vec<Example>>,
}

#[derive(Deserialize)]
struct Example {
    code: Option<String>,
    #[serde(default)]
    contexts: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct Function {
    #[serde(default)]
    mitre: Vec<String>,
}

pub(super) fn read(checkout: &Path) -> Result<Vec<New>> {
    let path = checkout.join("_data/functions.yml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let functions: BTreeMap<String, Function> =
        serde_yaml_ng::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
    let mut files: Vec<_> = fs::read_dir(checkout.join("_gtfobins"))?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut cases = Vec::new();
    for file in files {
        let text = fs::read_to_string(file.path())?;
        // The page's header stands between `---` and `...`.
        let header = text.trim_start_matches("---\n").split("\n...").next().unwrap_or_default();
        let program: Program = serde_yaml_ng::from_str(header)
            .with_context(|| format!("cannot read {}", file.path().display()))?;
        let name = file.file_name().to_string_lossy().into_owned();
        for (function, examples) in &program.functions {
            let Some(techniques) = functions.get(function).map(|f| f.mitre.clone()).filter(|m| !m.is_empty())
            else {
                continue;
            };
            for example in examples {
                for code in codes(example) {
                    cases.push(case(&name, function, &techniques, code));
                }
            }
        }
    }
    Ok(cases)
}

/// The example itself, and what differs where the program runs with more rights.
fn codes(example: &Example) -> Vec<&str> {
    let mut codes: Vec<&str> = example.code.iter().map(String::as_str).collect();
    let contexts = example.contexts.iter().flatten();
    for code in contexts.filter_map(|(_, context)| context.get("code")).filter_map(Value::as_str) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes
}

/// What gives a shell is one matter. What moves or touches files is another: to read or write a
/// named file is what nearly each program does, and hardly a sign of anything.
fn family(function: &str) -> &'static str {
    match function {
        "shell" | "command" | "reverse-shell" | "bind-shell" => "shells",
        "upload" | "download" => "transfers",
        "file-read" | "file-write" => "files",
        _ => "rights",
    }
}

fn case(program: &str, function: &str, techniques: &[String], code: &str) -> New {
    New {
        path: format!("{function}/{}.sh", plain_name(program)),
        body: format!("#!/bin/sh\n{}\n", code.trim_end()).into_bytes(),
        label: Label::Behaviour,
        set: format!("gtfobins {}", family(function)),
        techniques: techniques.to_vec(),
        kind: "script",
        category: match function {
            "reverse-shell" => "reverse shell",
            "bind-shell" => "bind shell",
            _ => "",
        },
        note: format!("{program}: {function}"),
    }
}
