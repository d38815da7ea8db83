//! `manifest.tsv`: what is true of each case.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What is true of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Label {
    /// One behaviour that attackers show; not every such behaviour accuses.
    Behaviour,
    /// Made to harm.
    Malicious,
    /// A dangerous configuration.
    MisconfigBad,
    /// The same, done right.
    MisconfigGood,
    /// A tool that some want and others abuse, and that says what it is.
    DualUse,
    /// Harmless.
    Benign,
}

impl Label {
    pub const ALL: [Self; 6] = [
        Self::Behaviour,
        Self::Malicious,
        Self::MisconfigBad,
        Self::MisconfigGood,
        Self::DualUse,
        Self::Benign,
    ];

    /// The word in the manifest.
    pub fn word(self) -> &'static str {
        match self {
            Self::Behaviour => "malicious-behaviour",
            Self::Malicious => "malicious",
            Self::MisconfigBad => "misconfig-bad",
            Self::MisconfigGood => "misconfig-good",
            Self::DualUse => "dual-use",
            Self::Benign => "benign",
        }
    }

    /// Whether something should be found in it.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Behaviour | Self::Malicious | Self::MisconfigBad)
    }

    /// Whether nobody should be accused of it.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Benign | Self::MisconfigGood)
    }
}

/// How a case is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The entry point of a minimal image.
    Script,
    /// Started at an innocent path.
    Binary,
    /// What it builds and starts.
    Dockerfile,
    /// What its services start.
    Compose,
    /// What its workloads start.
    Kubernetes,
    /// An OCI layout or an archive, through the whole program.
    Image,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Script, Self::Binary, Self::Dockerfile, Self::Compose, Self::Kubernetes, Self::Image];

    pub fn word(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Binary => "binary",
            Self::Dockerfile => "dockerfile",
            Self::Compose => "compose",
            Self::Kubernetes => "kubernetes",
            Self::Image => "image",
        }
    }

    /// What a file or folder is, by its name and its first bytes.
    fn of(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self::Image);
        }
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        if bytes.starts_with(b"\x7fELF") {
            return Ok(Self::Binary);
        }
        if bytes.get(257..262) == Some(b"ustar") || bytes.starts_with(&[0x1f, 0x8b]) {
            return Ok(Self::Image);
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let text = String::from_utf8_lossy(&bytes);
        let says = |key: &str| text.lines().any(|line| line.starts_with(key));
        if name.starts_with("dockerfile") || name.ends_with("dockerfile") {
            return Ok(Self::Dockerfile);
        }
        if text.starts_with("#!") && !text.starts_with("#!kube") {
            return Ok(Self::Script);
        }
        let yaml = name.ends_with(".yml") || name.ends_with(".yaml") || name.ends_with(".json");
        if (says("apiVersion:") && says("kind:"))
            || (name.ends_with(".json") && text.contains("\"apiVersion\""))
        {
            return Ok(Self::Kubernetes);
        }
        if yaml && says("services:") {
            return Ok(Self::Compose);
        }
        let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        let begins = |word: &str| {
            first.is_some_and(|line| {
                line.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
            })
        };
        let starts_a_build = begins("from ") || (begins("arg ") && says("FROM "));
        Ok(if starts_a_build && !name.ends_with(".py") { Self::Dockerfile } else { Self::Script })
    }
}

/// One line of the manifest.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Below the manifest's folder, as written.
    pub path: String,
    pub file: PathBuf,
    pub label: Label,
    pub set: String,
    /// ATT&CK ids.
    pub techniques: Vec<String>,
    pub kind: Kind,
    /// Columns that are only carried through, by name.
    pub others: Vec<(String, String)>,
}

impl Case {
    /// The value of a column that is carried through; empty where there is none.
    pub fn other(&self, name: &str) -> &str {
        self.others.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }
}

/// Reads `DIR/manifest.tsv`.
pub(crate) fn read(folder: &Path) -> Result<Vec<Case>> {
    let path = folder.join("manifest.tsv");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let Some((_, header)) = lines.next() else { bail!("{} has no header line", path.display()) };
    let columns: Vec<&str> = header.split('\t').map(str::trim).collect();
    for needed in ["path", "label"] {
        if !columns.contains(&needed) {
            bail!("{} has no column `{needed}`; its first line must name the columns", path.display());
        }
    }
    lines
        .map(|(number, line)| {
            case(folder, &columns, line).with_context(|| format!("{}, line {}", path.display(), number + 1))
        })
        .collect()
}

fn case(folder: &Path, columns: &[&str], line: &str) -> Result<Case> {
    let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
    let cell = |name: &str| {
        columns.iter().position(|c| *c == name).and_then(|at| cells.get(at)).copied().unwrap_or_default()
    };
    let path = cell("path");
    if path.is_empty() {
        bail!("the path is empty");
    }
    let label = Label::ALL.into_iter().find(|l| l.word() == cell("label"));
    let label = label.with_context(|| format!("`{}` is no label", cell("label")))?;
    let file = folder.join(path);
    let kind = match cell("kind") {
        "" => Kind::of(&file)?,
        word => Kind::ALL
            .into_iter()
            .find(|k| k.word() == word)
            .with_context(|| format!("`{word}` is no kind"))?,
    };
    let known = ["path", "label", "set", "technique", "kind"];
    let others = columns.iter().zip(&cells).filter(|(name, _)| !known.contains(*name));
    Ok(Case {
        path: path.to_owned(),
        file,
        label,
        set: cell("set").to_owned(),
        techniques: cell("technique")
            .split([',', ' ', ';', '/'])
            .filter(|t| !t.is_empty())
            .map(|id| id.to_uppercase())
            .collect(),
        kind,
        others: others.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_kind_that_is_not_stated_is_taken_from_the_content() {
        let files = [
            ("a", "\u{7f}ELF...", Kind::Binary),
            ("b", "#!/bin/sh\necho FROM here\n", Kind::Script),
            ("c", "# syntax=docker/dockerfile:1\nARG V=1\nFROM debian:$V\n", Kind::Dockerfile),
            ("d.yml", "apiVersion: v1\nkind: Pod\n", Kind::Kubernetes),
            ("e.yaml", "services:\n  web:\n    image: x\n", Kind::Compose),
            ("f", "curl -s https://example.invalid/a | sh\n", Kind::Script),
            ("g.py", "from os import system\n", Kind::Script),
        ];
        let list: Vec<(&str, &str)> = files.iter().map(|(name, text, _)| (*name, *text)).collect();
        let folder = folder(&list);
        for (name, _, kind) in files {
            assert_eq!(Kind::of(&folder.path().join(name)).unwrap(), kind, "{name}");
        }
    }

    #[test]
    fn columns_may_stand_in_any_order_and_further_ones_are_kept() {
        let folder = folder(&[
            ("manifest.tsv", "half\tlabel\tpath\ttechnique\nreport\tbenign\tx\tT1496, t1059.004\n"),
            ("x", "true\n"),
        ]);
        let cases = read(folder.path()).unwrap();
        assert_eq!(cases.len(), 1);
        assert_eq!(cases[0].other("half"), "report");
        assert_eq!(cases[0].techniques, ["T1496", "T1059.004"]);
    }

    #[test]
    fn an_unknown_label_names_its_line() {
        let folder = folder(&[("manifest.tsv", "path\tlabel\nx\tgood\n")]);
        let error = format!("{:#}", read(folder.path()).unwrap_err());
        assert!(error.contains("line 2") && error.contains("`good`"), "{error}");
    }
}
