//! Databases that are one file: every layer that installs something brings the whole of it.

use std::collections::HashMap;

use lazaret_model::{EntryPath, FileKind};

use super::trace::{Trace, Version};
use super::{Listed, Manager, Ownership, Package, Source};

/// Most states of a database that are compared, the newest.
const MOST_STATES: usize = 12;

/// A package of one state of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) files: Vec<Listed>,
}

/// What reads the text or the bytes of a database.
type Parse<'p> = dyn Fn(&[u8]) -> Result<Vec<Parsed>, String> + 'p;

/// Reads the first of `places` that the container sees, with what it was in lower layers.
#[expect(clippy::result_large_err, reason = "a gap is made once for each damaged database")]
pub(super) fn read_history(
    source: &Source<'_>,
    trace: &mut Trace<'_>,
    out: &mut Ownership,
    manager: Manager,
    places: &[&str],
    parse: &Parse<'_>,
) {
    let root = EntryPath::default();
    let found = places.iter().find_map(|place| source.view.resolve(place.as_bytes(), &root));
    let Some(found) = found.filter(|found| found.is_file() && found.data.size > 0) else { return };
    let path = found.data.path.clone();
    let is_database = |entry: &&lazaret_model::FileEntry| {
        entry.kind == FileKind::File
            && (entry.path == path || places.iter().any(|place| entry.path.as_bytes() == place.as_bytes()))
    };
    let mut states: Vec<(usize, HashMap<String, Parsed>)> = Vec::new();
    for (layer, facts) in source.view.layers().iter().enumerate().take(found.data_layer + 1).rev() {
        let Some(entry) = facts.entries.iter().rev().find(is_database) else { continue };
        let read = source
            .database(layer, &entry.path, entry.content)
            .and_then(|bytes| parse(&bytes).map_err(|what| super::gap(layer, &entry.path, what)));
        match read {
            Ok(packages) => {
                // Kernels and keys are installed several times under one name.
                let key = |p: &Parsed| {
                    if manager == Manager::Rpm { format!("{}-{}", p.name, p.version) } else { p.name.clone() }
                };
                states.push((layer, packages.into_iter().map(|p| (key(&p), p)).collect()));
            }
            // Of a lower state nobody needs to hear.
            Err(gap) if layer == found.data_layer => return out.gaps.push(gap),
            Err(_) => {}
        }
        if states.len() >= MOST_STATES {
            break;
        }
    }
    states.reverse();
    let Some((_, last)) = states.last() else { return };
    let mut keys: Vec<&String> = last.keys().collect();
    keys.sort();
    for key in keys {
        let mut history: Vec<Version> = Vec::new();
        for (layer, packages) in &states {
            let Some(package) = packages.get(key) else { continue };
            let same = |before: &Version| before.version == package.version && before.files == package.files;
            if !history.last().is_some_and(same) {
                let (version, files) = (package.version.clone(), package.files.clone());
                history.push(Version { layer: *layer, version, files });
            }
        }
        let (Some(newest), Some(parsed)) = (history.last(), last.get(key)) else { continue };
        let mut package = Package {
            manager,
            name: parsed.name.clone(),
            version: newest.version.clone(),
            files: newest.files.clone(),
            layer: newest.layer,
            rewrite: None,
        };
        trace.settle(&mut package, &path, &history);
        out.add(package);
    }
}
