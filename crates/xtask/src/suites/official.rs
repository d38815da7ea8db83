//! Official images: Dockerfiles, entry points and every other script that their repositories hold,
//! and the examples of projects that show how to write such files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::New;
use crate::eval::Label;

/// A text beyond this is data.
const LARGEST: u64 = 1 << 20;

pub(super) fn read(checkout: &Path, name: &str) -> Result<Vec<New>> {
    let mut cases = Vec::new();
    let mut known = BTreeSet::new();
    walk(checkout, checkout, &mut |path, bytes| {
        let file = path.rsplit('/').next().unwrap_or(path);
        let Some(kind) = kind(file, bytes) else { return };
        if known.insert(*blake3::hash(bytes).as_bytes()) {
            cases.push(New {
                path: path.to_owned(),
                body: bytes.to_vec(),
                label: Label::Benign,
                set: format!("{name} {kind}"),
                techniques: Vec::new(),
                kind,
                category: "",
                note: String::new(),
            });
        }
    })?;
    Ok(cases)
}

fn walk(root: &Path, folder: &Path, found: &mut impl FnMut(&str, &[u8])) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() && entry.file_name() != ".git" {
            walk(root, &path, found)?;
        } else if kind.is_file() && entry.metadata()?.len() <= LARGEST {
            let bytes = fs::read(&path)?;
            let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found(&below, &bytes);
        }
    }
    Ok(())
}

/// What a file is, where it is something to judge. Templates are not: what is made of them is.
fn kind(name: &str, bytes: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let lower = name.to_lowercase();
    let says = |key: &str| text.lines().any(|line| line.starts_with(key));
    if [".template", ".tmpl", ".md", ".tpl", ".j2", ".in"].iter().any(|ending| lower.ends_with(ending)) {
        return None;
    }
    if (lower.starts_with("dockerfile") || lower.ends_with("dockerfile")) && says("FROM ") {
        return Some("dockerfile");
    }
    if let Some(line) = text.strip_prefix("#!") {
        let line = line.lines().next().unwrap_or_default();
        let known = ["sh", "bash", "dash", "ash", "python", "perl", "node", "ruby", "php", "lua"];
        return known.iter().any(|name| line.contains(name)).then_some("script");
    }
    if lower.ends_with(".sh") {
        return Some("script");
    }
    if lower.ends_with(".yml") || lower.ends_with(".yaml") {
        if says("services:") {
            return Some("compose");
        }
        if says("apiVersion:") && says("kind:") && !text.contains("{{") {
            return Some("kubernetes");
        }
    }
    None
}
