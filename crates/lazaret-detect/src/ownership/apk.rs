//! apk: `/lib/apk/db/installed` (`apk-v2` database: one letter, a colon, a value for each line; a
//! blank line between packages).

use std::collections::HashMap;

use data_encoding::{BASE64, HEXLOWER};
use lazaret_model::{EntryPath, FileKind};

use super::trace::{Trace, Version};
use super::{Listed, Manager, Ownership, Package, Source, Sum};

/// Most packages of one database.
const MOST_PACKAGES: usize = 50_000;
const PLACES: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];

pub(super) fn read(source: &Source<'_>, trace: &mut Trace<'_>, out: &mut Ownership) {
    let root = EntryPath::default();
    let Some(found) = PLACES.iter().find_map(|place| source.view.resolve(place.as_bytes(), &root)) else {
        return;
    };
    let path = found.data.path.clone();
    // Every layer that installs something brings the whole database.
    let mut states: Vec<(usize, HashMap<String, Parsed>)> = Vec::new();
    for (layer, facts) in source.view.layers().iter().enumerate().take(found.data_layer + 1) {
        let entry = facts.entries.iter().rev().find(|entry| {
            entry.kind == FileKind::File && PLACES.iter().any(|place| entry.path == (*place).into())
        });
        let Some(entry) = entry else { continue };
        match source.database(layer, &entry.path, entry.content) {
            Ok(bytes) => {
                let parsed = parse(&String::from_utf8_lossy(&bytes));
                states.push((layer, parsed.into_iter().map(|p| (p.name.clone(), p)).collect()));
            }
            Err(gap) => out.gaps.push(gap),
        }
    }
    let Some((_, last)) = states.last() else { return };
    let mut names: Vec<&String> = last.keys().collect();
    names.sort();
    for name in names {
        let mut history: Vec<Version> = Vec::new();
        for (layer, packages) in &states {
            let Some(package) = packages.get(name) else { continue };
            let same = |before: &Version| before.version == package.version && before.files == package.files;
            if !history.last().is_some_and(same) {
                let (version, files) = (package.version.clone(), package.files.clone());
                history.push(Version { layer: *layer, version, files });
            }
        }
        let Some(newest) = history.last() else { continue };
        let mut package = Package {
            manager: Manager::Apk,
            name: name.clone(),
            version: newest.version.clone(),
            files: newest.files.clone(),
            layer: newest.layer,
            rewrite: None,
        };
        trace.settle(&mut package, &path, &history);
        out.add(package);
    }
}

/// A package of the database.
struct Parsed {
    name: String,
    version: String,
    files: Vec<Listed>,
}

fn parse(text: &str) -> Vec<Parsed> {
    let mut packages = Vec::new();
    for block in text.split("\n\n").take(MOST_PACKAGES) {
        let mut package = Parsed { name: String::new(), version: String::new(), files: Vec::new() };
        let mut dir = EntryPath::default();
        for line in block.lines() {
            let Some((letter, value)) = line.split_once(':') else { continue };
            match letter {
                "P" => value.clone_into(&mut package.name),
                "V" => value.clone_into(&mut package.version),
                // A directory, then the files in it.
                "F" => dir = EntryPath::from(value),
                "R" => {
                    let path = dir.join(value.as_bytes());
                    let config = path.as_bytes().starts_with(b"etc/");
                    package.files.push(Listed { path, sum: None, config });
                }
                // The checksum of the file before it.
                "Z" => {
                    if let Some(last) = package.files.last_mut() {
                        last.sum = checksum(value);
                    }
                }
                _ => {}
            }
        }
        if !package.name.is_empty() {
            packages.push(package);
        }
    }
    packages
}

/// `Q1` and SHA-1 in base64, `Q2` and SHA-256 in base64, or MD5 in hex (the oldest). Links have
/// that of their target's name, which no content has; nothing asks for it.
fn checksum(value: &str) -> Option<Sum> {
    if let Some(text) = value.strip_prefix("Q1") {
        return BASE64.decode(text.as_bytes()).ok()?.try_into().ok().map(Sum::Sha1);
    }
    if let Some(text) = value.strip_prefix("Q2") {
        return BASE64.decode(text.as_bytes()).ok()?.try_into().ok().map(Sum::Sha256);
    }
    HEXLOWER.decode(value.as_bytes()).ok()?.try_into().ok().map(Sum::Md5)
}
