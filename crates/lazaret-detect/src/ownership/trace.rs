//! When a package was installed, by what the layers hold.

use std::collections::{BTreeMap, HashMap, HashSet};

use lazaret_model::{EntryPath, FileKind};

use super::{Listed, Package, Sum};
use crate::view::View;

/// Most differences that are named.
const SHOWN: usize = 8;
/// A package with fewer files in a layer than this fraction of its list was not installed there.
const INSTALLED: usize = 2;

/// A change of a package's entry in the database that no installation explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// The layer that changed the entry.
    pub layer: usize,
    /// The database file.
    pub database: EntryPath,
    /// Files that the new entry lists and the one before did not, and files whose checksum is
    /// another; the first few.
    pub files: Vec<EntryPath>,
}

/// The paths that each layer brings, made where they are asked for.
pub(super) struct Trace<'a> {
    view: &'a View<'a>,
    paths: BTreeMap<usize, HashSet<&'a EntryPath>>,
}

impl<'a> Trace<'a> {
    pub(super) fn new(view: &'a View<'a>) -> Self {
        Self { view, paths: BTreeMap::new() }
    }

    /// Whether the layer brings the better part of what the package lists: installing a package
    /// writes all its files, editing the database none of them.
    pub(super) fn installs(&mut self, layer: usize, files: &[Listed]) -> bool {
        let view = self.view;
        let paths = self.paths.entry(layer).or_insert_with(|| {
            let entries = view.layers().get(layer).map_or(&[][..], |facts| facts.entries.as_slice());
            entries.iter().map(|entry| &entry.path).collect()
        });
        let with_usr = |path: &EntryPath| EntryPath::clean(&[b"usr/", path.as_bytes()].concat());
        let (mut there, mut all) = (0usize, 0usize);
        for listed in files.iter().filter(|listed| !listed.config) {
            // What an image leaves out (documentation, translations) tells nothing.
            let found = view.lookup(&listed.path).or_else(|| view.lookup(&with_usr(&listed.path)));
            // Directories are shared, and not every builder brings those that were there.
            if found.is_some_and(|found| found.entry.kind != FileKind::Directory) {
                all += 1;
                there += usize::from(paths.contains(&listed.path) || paths.contains(&with_usr(&listed.path)));
            }
        }
        there * INSTALLED >= all
    }

    /// Settles the layer of a package from its entries in the database, lowest layer first, and says
    /// whether the last change of the entry was an installation.
    pub(super) fn settle(&mut self, package: &mut Package, database: &EntryPath, history: &[Version]) {
        let Some(last) = history.last() else { return };
        package.layer = last.layer;
        let Some(before) = history.len().checked_sub(2).and_then(|at| history.get(at)) else { return };
        if before.version != last.version || self.installs(last.layer, &last.files) {
            return;
        }
        package.layer = before.layer;
        let files = added(&before.files, &last.files);
        if !files.is_empty() {
            package.rewrite = Some(Rewrite { layer: last.layer, database: database.clone(), files });
        }
    }
}

/// One state of a package's entry in the database.
pub(super) struct Version {
    pub(super) layer: usize,
    pub(super) version: String,
    pub(super) files: Vec<Listed>,
}

/// What is listed anew or with another checksum. Files that are gone from a list tell nothing: another
/// package may have taken them over.
fn added(before: &[Listed], after: &[Listed]) -> Vec<EntryPath> {
    let known: HashMap<&EntryPath, Option<Sum>> =
        before.iter().map(|listed| (&listed.path, listed.sum)).collect();
    let new = after.iter().filter(|listed| match known.get(&listed.path) {
        None => true,
        // Where one of the two is not known, nothing can be said.
        Some(&sum) => sum.is_some() && listed.sum.is_some() && sum != listed.sum,
    });
    new.filter(|listed| !listed.config).map(|listed| listed.path.clone()).take(SHOWN).collect()
}
