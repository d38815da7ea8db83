//! Packages of languages: pip's `RECORD` (PEP 376, 627), `node_modules`, gems, Java archives with Maven
//! coordinates, and the lists that Go and `cargo auditable` put into programs.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use lazaret_model::{EntryPath, Fact, FactKind, FileKind};

use super::{Listed, Manager, Owner, Ownership, Package, Source, State, Sum};
use crate::Contents;
use crate::reads;
use crate::view::View;

/// Most distributions of Python in one image.
const MOST_DISTRIBUTIONS: usize = 20_000;

/// Adds what pip and its relatives installed: each leaves a list with a SHA-256 for each file.
pub(super) fn read_pip(source: &Source<'_>, out: &mut Ownership) {
    let mut packages = Vec::new();
    for found in source.view.ending(".dist-info/RECORD") {
        let path = &found.entry.path;
        if found.data.kind != FileKind::File {
            continue;
        }
        let (Some(bytes), info) = (found.data.content.and_then(|id| source.content(&id)), path.parent())
        else {
            continue;
        };
        let folder = String::from_utf8_lossy(info.file_name()).into_owned();
        let (name, version) = folder.trim_end_matches(".dist-info").rsplit_once('-').unwrap_or((&folder, ""));
        let files = record(&String::from_utf8_lossy(&bytes), &info.parent());
        packages.push(Package {
            manager: Manager::Pip,
            name: name.to_owned(),
            version: version.to_owned(),
            files,
            layer: found.layer,
            rewrite: None,
        });
        if packages.len() >= MOST_DISTRIBUTIONS {
            break;
        }
    }
    packages.into_iter().for_each(|package| out.add_unless_owned(package));
}

/// `path,sha256=digest,size`: the path relative to the folder of the modules, in quotes where it has a
/// comma.
fn record(text: &str, base: &EntryPath) -> Vec<Listed> {
    let line = |line: &str| {
        let (path, rest) = match line.strip_prefix('"') {
            Some(quoted) => quoted.split_once("\",")?,
            None => line.split_once(',')?,
        };
        let digest = rest.split(',').next().and_then(|field| field.strip_prefix("sha256="));
        let sum = digest.and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok());
        let path = if path.starts_with('/') { EntryPath::from(path) } else { base.join(path.as_bytes()) };
        Some(Listed { path, sum: sum.map(Sum::Sha256), config: false })
    };
    text.lines().filter_map(line).collect()
}

/// The owner of a file by where it lies or by what it says of itself; such owners bring no checksums.
pub(super) fn owner<'a>(
    view: &View<'_>,
    contents: &dyn Contents,
    path: &EntryPath,
    facts: &[&Fact],
) -> Option<Owner<'a>> {
    let made = |manager, package: String, version: String| Owner {
        package: Cow::Owned(package),
        version: Cow::Owned(version),
        manager,
        state: State::Unverified,
        config: false,
    };
    if let Some((name, version)) = node_module(view, contents, path) {
        return Some(made(Manager::Npm, name, version));
    }
    if let Some((name, version)) = gem(view, path) {
        return Some(made(Manager::Gem, name, version));
    }
    let own = facts.iter().filter(|fact| fact.inside.is_empty());
    for fact in own {
        match &fact.kind {
            FactKind::GoBuild { path, module, .. } => {
                let name = if module.0.is_empty() { path } else { &module.0 };
                return Some(made(Manager::Go, name.clone(), module.1.clone()));
            }
            FactKind::RustCrates { crates } => {
                let (name, version) = crates.first()?;
                return Some(made(Manager::Cargo, name.clone(), version.clone()));
            }
            _ => {}
        }
    }
    // An archive that holds several artifacts is that of which it has the name.
    let file = path.to_str();
    let mut artifacts =
        facts.iter().filter(|fact| fact.inside.len() == 1).filter_map(|fact| match &fact.kind {
            FactKind::JavaArtifact { group, artifact, version } => Some((group, artifact, version)),
            _ => None,
        });
    let first = artifacts.next()?;
    let rest: Vec<_> = artifacts.collect();
    let named = |of: &&(&String, &String, &String)| {
        file.rsplit('/').next().is_some_and(|name| name.starts_with(of.1.as_str()))
    };
    let (group, artifact, version) =
        if rest.is_empty() { first } else { *std::iter::once(&first).chain(&rest).find(named)? };
    Some(made(Manager::Jar, format!("{group}:{artifact}"), version.clone()))
}

/// The nearest folder above the path in a `node_modules` that has a `package.json`.
fn node_module(view: &View<'_>, contents: &dyn Contents, path: &EntryPath) -> Option<(String, String)> {
    let text = path.to_str();
    let start = text.rfind("node_modules/").filter(|&at| at == 0 || text.as_bytes()[at - 1] == b'/')?;
    let below = &text[start + "node_modules/".len()..];
    let parts = if below.starts_with('@') { 2 } else { 1 };
    let name = below.split('/').take(parts).collect::<Vec<_>>().join("/");
    let manifest = format!("{}node_modules/{name}/package.json", &text[..start]);
    let found = view.lookup(&EntryPath::from(manifest.as_str()))?;
    let bytes = found.data.content.and_then(|id| reads::content(contents, &id));
    let version = bytes.and_then(|bytes| {
        let json: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        Some(json.get("version")?.as_str()?.to_owned())
    });
    Some((name, version.unwrap_or_default()))
}

/// `gems/NAME-VERSION/…` with a `specifications/NAME-VERSION.gemspec` beside it.
fn gem(view: &View<'_>, path: &EntryPath) -> Option<(String, String)> {
    let text = path.to_str();
    let (base, below) = text.split_once("/gems/").and_then(|(first, rest)| {
        // `gems/3.1.0/gems/NAME-VERSION`: the last one counts.
        rest.rsplit_once("/gems/")
            .map(|(middle, rest)| (format!("{first}/gems/{middle}"), rest.to_owned()))
            .or_else(|| Some((first.to_owned(), rest.to_owned())))
    })?;
    let full = below.split('/').next()?;
    view.lookup(&EntryPath::from(format!("{base}/specifications/{full}.gemspec").as_str()))?;
    let (name, version) = full.rsplit_once('-')?;
    Some((name.to_owned(), version.to_owned()))
}
