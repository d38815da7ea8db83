//! Hashes of scripts and programs that the maker put there.

use std::collections::{BTreeMap, BTreeSet};

use lazaret_model::{Digest, EntryPath, Fact, FactKind, IndicatorKind, Location, Reach, TextKind};

use super::gathered::{Gathered, Weight};
use super::own::Own;
use crate::analyzers::is_script;
use crate::case::Case;

/// What is known of one content.
#[derive(Default)]
struct Content<'a> {
    sha256: Option<&'a Digest>,
    fuzzy: Option<&'a str>,
    /// Whether it is a program or library, and whether it can be started.
    elf: Option<bool>,
    script: bool,
    /// Whether it has an interpreter line.
    shebang: bool,
    /// The main module of a program in Go.
    module: Option<&'a str>,
    /// Whether something was seen in it.
    evidence: bool,
}

/// Files that are new in every container and that no one wrote.
fn is_anew(path: &EntryPath) -> bool {
    const ANEW: [&[u8]; 5] =
        [b"etc/hostname", b"etc/hosts", b"etc/resolv.conf", b"etc/machine-id", b"etc/mtab"];
    ANEW.contains(&path.as_bytes())
}

/// Whether a module of Go is not one that many images hold a program of.
fn is_somebodys(module: &str) -> bool {
    const PUBLISHERS: [&str; 24] = [
        "cloud.google.com/",
        "cmd/",
        "filippo.io/",
        "github.com/aquasecurity/",
        "github.com/aws/",
        "github.com/containerd/",
        "github.com/containers/",
        "github.com/coreos/",
        "github.com/docker/",
        "github.com/etcd-io/",
        "github.com/google/",
        "github.com/grafana/",
        "github.com/hashicorp/",
        "github.com/helm/",
        "github.com/kubernetes",
        "github.com/moby/",
        "github.com/opencontainers/",
        "github.com/prometheus/",
        "github.com/tianon/",
        "go.etcd.io/",
        "golang.org/",
        "google.golang.org/",
        "k8s.io/",
        "sigs.k8s.io/",
    ];
    (4..=150).contains(&module.len())
        && !["command-line-arguments", "main", "std", "example.com"].contains(&module)
        && !PUBLISHERS.iter().any(|publisher| module.starts_with(publisher))
}

/// Notes them; gives the layers that bring one.
pub(super) fn of(case: &Case<'_>, own: &Own<'_>, gathered: &mut Gathered<'_>) -> BTreeSet<usize> {
    let mut layers = BTreeSet::new();
    for (layer, path, facts) in own.files().filter(|(_, path, facts)| !is_anew(path) && may_start(facts)) {
        for (inside, content) in contents(facts) {
            if note(case, own, gathered, (layer, path, inside), &content) {
                layers.insert(layer);
            }
        }
    }
    layers
}

/// Whether any of a file's facts is of a program or script.
fn may_start(facts: &[&Fact]) -> bool {
    facts.iter().any(|fact| matches!(fact.kind, FactKind::Elf { .. } | FactKind::Text { .. }))
}

/// What is known of a file, and of what is inside it.
fn contents<'a>(facts: &[&'a Fact]) -> BTreeMap<&'a [String], Content<'a>> {
    let mut contents: BTreeMap<&[String], Content<'_>> = BTreeMap::new();
    for fact in facts {
        let key = fact.inside.as_slice();
        match &fact.kind {
            FactKind::Sha256(digest) => contents.entry(key).or_default().sha256 = Some(digest),
            FactKind::FuzzyHash { tlsh } => contents.entry(key).or_default().fuzzy = Some(tlsh),
            FactKind::Elf { executable, .. } => contents.entry(key).or_default().elf = Some(*executable),
            FactKind::Text { kind, shebang } => {
                let acts = is_script(*kind) || matches!(kind, TextKind::Crontab | TextKind::SystemdUnit);
                if acts || shebang.is_some() {
                    let content = contents.entry(key).or_default();
                    content.script = true;
                    content.shebang = shebang.is_some();
                }
            }
            FactKind::GoBuild { module, .. } => contents.entry(key).or_default().module = Some(&module.0),
            FactKind::Indicator(_) | FactKind::ByteMatch { .. } => {
                contents.entry(key).or_default().evidence = true;
            }
            _ => {}
        }
    }
    contents
}

/// Notes one content; whether it is one to be noted.
fn note(
    case: &Case<'_>,
    own: &Own<'_>,
    gathered: &mut Gathered<'_>,
    (layer, path, inside): (usize, &EntryPath, &[String]),
    content: &Content<'_>,
) -> bool {
    let Some(sha256) = content.sha256 else { return false };
    let (kind, word) = match (content.elf, content.script) {
        (Some(_), _) => (IndicatorKind::ElfHash, "elf"),
        (None, true) => (IndicatorKind::ScriptHash, "script"),
        (None, false) => return false,
    };
    // Of what archives hold, what could be started as it lies there.
    if !inside.is_empty() && !content.evidence && content.elf != Some(true) && !content.shebang {
        return false;
    }
    let reach = case.reach(layer, path);
    if reach == Reach::Removed && !content.evidence || !own.is_own(layer, path) {
        return false;
    }
    let weight = match reach {
        Reach::Starts => Weight::Acts,
        _ if content.evidence => Weight::Acts,
        Reach::Reachable => Weight::May,
        Reach::Dormant if inside.is_empty() => Weight::Lies,
        Reach::Dormant | Reach::Removed => Weight::Hidden,
    };
    let location =
        || Location::File { layer, path: path.clone(), inside: inside.to_vec(), line: None, offset: None };
    gathered.see(kind, &sha256.to_string(), weight, location());
    if let Some(module) = content.module.filter(|module| is_somebodys(module)) {
        let trace = format!("tool go-module {module}");
        gathered.see(IndicatorKind::BuilderTrace, &trace, weight, location());
    }
    if let Some(tlsh) = content.fuzzy {
        gathered.see(IndicatorKind::FuzzyHash, &format!("{word} {tlsh}"), weight, location());
    }
    true
}
