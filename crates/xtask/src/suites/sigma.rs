//! SigmaHQ: a command line for each rule over Linux processes, made of the words that the rule
//! looks for, and tried on the rule itself.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lazaret_detect::{HitPlace, Pack};
use lazaret_model::{Behaviour, BehaviourKind, Certainty, ImageConfig, Phase};
use serde_yaml_ng::Value;

use super::{New, plain_name};
use crate::eval::Label;

/// The most command lines that are made of one rule.
const VARIANTS: usize = 3;

pub(super) fn read(checkout: &Path) -> Result<Vec<New>> {
    let mut cases = Vec::new();
    let mut skipped = 0;
    for folder in ["rules", "rules-emerging-threats", "rules-threat-hunting"] {
        let mut files = Vec::new();
        collect(&checkout.join(folder), &mut files)?;
        files.sort();
        for file in files {
            let made = rule(&file)?;
            skipped += usize::from(made.is_empty());
            cases.extend(made);
        }
    }
    eprintln!("{skipped} rules ask for more than a command line and are left out");
    Ok(cases)
}

/// Rule files over Linux processes.
fn collect(folder: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, out)?;
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("proc_creation_lnx"))
        {
            out.push(path);
        }
    }
    Ok(())
}

/// The cases that can be made of one rule.
fn rule(file: &Path) -> Result<Vec<New>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let Ok(document) = serde_yaml_ng::from_str::<Value>(&text) else { return Ok(Vec::new()) };
    let tags = document["tags"].as_sequence().into_iter().flatten().filter_map(Value::as_str);
    let techniques: Vec<String> = tags
        .filter_map(|tag| tag.strip_prefix("attack.t"))
        .filter(|id| id.starts_with(|c: char| c.is_ascii_digit()))
        .map(|id| format!("T{id}"))
        .collect();
    let Ok(pack) = Pack::only(file) else { return Ok(Vec::new()) };
    if techniques.is_empty() {
        return Ok(Vec::new());
    }
    let name = file.file_stem().unwrap_or_default().to_string_lossy().replace("proc_creation_lnx_", "");
    let mut cases: Vec<New> = Vec::new();
    for choice in 0..VARIANTS {
        let Some(argv) = command(&document["detection"], choice) else { continue };
        let line = shell_line(&argv);
        let new = cases.iter().all(|case| case.body != body(&line));
        if new && meets(&pack, &argv) {
            cases.push(New {
                path: format!("{}/{choice}.sh", plain_name(&name)),
                body: body(&line),
                label: Label::Behaviour,
                set: "sigma".to_owned(),
                techniques: techniques.clone(),
                kind: "script",
                category: "-",
                note: document["title"].as_str().unwrap_or_default().to_owned(),
            });
        }
    }
    Ok(cases)
}

fn body(line: &str) -> Vec<u8> {
    format!("#!/bin/sh\n{line}\n").into_bytes()
}

/// Whether the rule itself is met by a process.
fn meets(pack: &Pack, argv: &[String]) -> bool {
    let program = argv.first().cloned().unwrap_or_default();
    let kind = BehaviourKind::Process {
        argv: argv.to_vec(),
        image: program.contains('/').then_some(program),
        parent: Some("/bin/sh /usr/local/bin/entrypoint.sh".to_owned()),
        fed_by: Vec::new(),
        stdin: None,
        downloaded: None,
    };
    let seen = Behaviour { kind, phase: Phase::Start, certainty: Certainty::Will, because: Vec::new() };
    let hits = pack.behaviours().judge(&ImageConfig::default(), "linux/amd64", &[seen]);
    hits.iter().any(|hit| hit.place == HitPlace::Behaviour(0))
}

/// What is known of a command line while its words are gathered.
#[derive(Default)]
struct Draft {
    program: Option<String>,
    words: Vec<String>,
}

/// A command line for a detection; `choice` says which of several values is taken.
fn command(detection: &Value, choice: usize) -> Option<Vec<String>> {
    let condition = match &detection["condition"] {
        Value::String(text) => text.clone(),
        Value::Sequence(list) => list.first()?.as_str()?.to_owned(),
        _ => return None,
    };
    let mut draft = Draft::default();
    for name in wanted(&condition, detection, choice) {
        selection(&detection[name.as_str()], &mut draft, choice)?;
    }
    let program = draft.program.clone().unwrap_or_else(|| "sh".to_owned());
    let mut argv = vec![program];
    if draft.program.is_none() && draft.words.first().is_some_and(|word| !word.starts_with('-')) {
        // The words name the program themselves.
        argv.clear();
    }
    for word in draft.words {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+ ".contains(c);
        if word.chars().all(plain) {
            argv.extend(word.split_whitespace().map(str::to_owned));
        } else {
            argv.push(word.trim().to_owned());
        }
    }
    (!argv.is_empty()).then_some(argv)
}

/// The selections that a condition wants to be met: filters are not, and of what `or` joins, one.
fn wanted(condition: &str, detection: &Value, choice: usize) -> Vec<String> {
    let names: Vec<String> = detection
        .as_mapping()
        .into_iter()
        .flatten()
        .filter_map(|(name, _)| name.as_str())
        .filter(|name| *name != "condition")
        .map(str::to_owned)
        .collect();
    let positive = condition.split(" and not ").next().unwrap_or(condition);
    let positive = positive.replace(['(', ')'], " ");
    let matching = |pattern: &str| -> Vec<String> {
        let stem = pattern.trim_end_matches('*');
        let them = pattern == "them";
        names.iter().filter(|name| them || name.starts_with(stem)).cloned().collect()
    };
    let mut out = Vec::new();
    for part in positive.split(" and ") {
        let either: Vec<&str> = part.split(" or ").map(str::trim).collect();
        let Some(one) = either.get(choice % either.len().max(1)) else { continue };
        let words: Vec<&str> = one.split_whitespace().collect();
        match words.as_slice() {
            ["all", "of", pattern] => out.extend(matching(pattern)),
            ["1" | "any", "of", pattern] => {
                let all = matching(pattern);
                out.extend(all.get(choice % all.len().max(1)).cloned());
            }
            [name] => out.push((*name).to_owned()),
            _ => {}
        }
    }
    out
}

/// Gathers what one selection asks for; None where it asks for what a command line cannot show.
fn selection(value: &Value, draft: &mut Draft, choice: usize) -> Option<()> {
    match value {
        Value::Sequence(list) => selection(list.get(choice % list.len().max(1))?, draft, choice),
        Value::Mapping(map) => {
            for (key, value) in map {
                field(key.as_str()?, value, draft, choice)?;
            }
            Some(())
        }
        Value::String(text) => {
            draft.words.push(text.replace('*', ""));
            Some(())
        }
        _ => None,
    }
}

fn field(key: &str, value: &Value, draft: &mut Draft, choice: usize) -> Option<()> {
    let mut parts = key.split('|');
    let name = parts.next()?;
    let modifiers: Vec<&str> = parts.collect();
    let values: Vec<String> = match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Sequence(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => return None,
    };
    if modifiers.contains(&"re") || modifiers.contains(&"cidr") || values.is_empty() {
        return None;
    }
    let all = modifiers.contains(&"all");
    let one = values[choice % values.len()].clone();
    match name {
        "Image" => {
            let path = one.replace('*', "");
            draft.program = Some(match path.as_str() {
                path if path.starts_with("/usr") || path.starts_with("/bin") || path.starts_with("/sbin") => {
                    path.to_owned()
                }
                path if modifiers.contains(&"startswith") => format!("{path}tool"),
                path if modifiers.contains(&"contains") && !path.starts_with('/') => path.to_owned(),
                path if modifiers.contains(&"contains") => format!("{}/tool", path.trim_end_matches('/')),
                path => path.trim_start_matches('/').to_owned(),
            });
        }
        "CommandLine" if all => draft.words.extend(values.iter().map(|word| word.replace('*', " "))),
        "CommandLine" => draft.words.push(one.replace('*', " ")),
        // The shell that runs the entry point is the parent.
        "ParentImage" if one.ends_with("sh") => {}
        "User" if one == "root" => {}
        _ => return None,
    }
    Some(())
}

/// The words as a line for a shell.
fn shell_line(argv: &[String]) -> String {
    let quoted = argv.iter().map(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RULE: &str = "title: Look at a file\nstatus: test\nlogsource:\n  product: linux\n  category: process_creation\n\
        tags:\n  - attack.t1083\ndetection:\n  selection_img:\n    Image|endswith: ['/cat', '/tac']\n  \
        selection_cli:\n    CommandLine|contains|all: [' -n', '/etc/passwd']\n  filter:\n    CommandLine|contains: x\n  \
        condition: all of selection_* and not filter\nlevel: low\n";

    #[test]
    fn a_rule_gives_command_lines_that_meet_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("proc_creation_lnx_cat.yml");
        fs::write(&file, RULE).unwrap();
        let cases = rule(&file).unwrap();
        let lines: Vec<String> =
            cases.iter().map(|case| String::from_utf8_lossy(&case.body).into_owned()).collect();
        assert_eq!(lines, ["#!/bin/sh\ncat -n /etc/passwd\n", "#!/bin/sh\ntac -n /etc/passwd\n"]);
        assert_eq!(cases[0].techniques, ["T1083"]);
    }

    #[test]
    fn a_rule_that_asks_for_more_than_a_command_line_gives_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("proc_creation_lnx_cat.yml");
        fs::write(
            &file,
            RULE.replace("CommandLine|contains|all: [' -n', '/etc/passwd']", "Hashes|contains: a"),
        )
        .unwrap();
        assert!(rule(&file).unwrap().is_empty());
    }
}
