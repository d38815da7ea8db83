//! Layers laid over one another, as positions of entries: what was laid for one image can be taken
//! further for another one that has the same lower layers.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use lazaret_model::{FileEntry, FileKind, LayerFacts, Whiteout};

use super::{MAX_LINKS, Removal, ancestors};
use crate::hash::Map;

/// An entry: the number of its layer, lowest is 0, and its position in [`LayerFacts::entries`].
pub(super) type At = (usize, usize);

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// The entry of this path.
    pub at: At,
    /// The entry that holds the content.
    pub data: At,
}

/// A file of which the container sees nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    pub at: At,
    pub by: At,
    pub how: Removal,
}

/// A path that is above others: the beginning of an entry's path.
#[derive(Debug, Clone, Copy)]
struct Above {
    at: At,
    length: usize,
}

/// Positions only: a path is read from the layers, which must be the same ones each time.
#[derive(Debug, Clone, Default)]
pub(super) struct Overlay {
    hasher: RandomState,
    slots: HashTable<Slot>,
    /// Every path that was ever above another one, stated as a directory or not.
    dirs: HashTable<Above>,
    /// By path, once all is laid.
    pub sorted: Vec<Slot>,
    /// By position, once all is laid.
    pub lost: Vec<Lost>,
    /// Layers that were laid.
    pub laid: usize,
}

/// The path of an entry.
pub(super) fn path_at<'a>(layers: &[&'a LayerFacts], at: At) -> &'a [u8] {
    layers[at.0].entries[at.1].path.as_bytes()
}

impl Overlay {
    /// Lays those of the layers that are not laid yet. What was laid before must be what stands there.
    pub fn lay_all(&mut self, layers: &[&LayerFacts]) {
        let (known, before) = (self.laid, self.sorted.len());
        let more = layers[known..].iter().map(|layer| layer.entries.len()).sum();
        let hasher = self.hasher.clone();
        self.slots.reserve(more, |slot| hasher.hash_one(path_at(layers, slot.at)));
        for number in known..layers.len() {
            self.lay(layers, number);
        }
        self.laid = layers.len();
        self.sort(layers, known, before);
        self.lost.sort_by_key(|lost| lost.at);
    }

    /// Brings what stands into order. What the layers below `known` hold is in order already.
    fn sort(&mut self, layers: &[&LayerFacts], known: usize, before: usize) {
        let mut own: Vec<Slot> = self.slots.iter().filter(|slot| slot.at.0 >= known).copied().collect();
        own.sort_unstable_by_key(|slot| path_at(layers, slot.at));
        if self.slots.len() - own.len() < before {
            // Some are gone, or have another entry now.
            let slots = &self.slots;
            let hasher = &self.hasher;
            self.sorted.retain(|slot| {
                let path = path_at(layers, slot.at);
                slots
                    .find(hasher.hash_one(path), |one| path_at(layers, one.at) == path)
                    .is_some_and(|one| one.at == slot.at)
            });
        }
        let mut both = Vec::with_capacity(self.sorted.len() + own.len());
        let mut rest = self.sorted.as_slice();
        for slot in own {
            let path = path_at(layers, slot.at);
            let (first, others) = rest.split_at(rest.partition_point(|one| path_at(layers, one.at) < path));
            both.extend_from_slice(first);
            both.push(slot);
            rest = others;
        }
        both.extend_from_slice(rest);
        self.sorted = both;
    }

    pub fn slot(&self, layers: &[&LayerFacts], path: &[u8]) -> Option<Slot> {
        self.slots.find(self.hasher.hash_one(path), |slot| path_at(layers, slot.at) == path).copied()
    }

    /// Puts an entry at its path; what stood there.
    fn put(&mut self, layers: &[&LayerFacts], slot: Slot) -> Option<Slot> {
        let path = path_at(layers, slot.at);
        let hasher = &self.hasher;
        let hash = hasher.hash_one(path);
        if let Some(old) = self.slots.find_mut(hash, |one| path_at(layers, one.at) == path) {
            return Some(std::mem::replace(old, slot));
        }
        self.slots.insert_unique(hash, slot, |one| hasher.hash_one(path_at(layers, one.at)));
        None
    }

    fn take(&mut self, layers: &[&LayerFacts], path: &[u8]) -> Option<Slot> {
        let hash = self.hasher.hash_one(path);
        let entry = self.slots.find_entry(hash, |slot| path_at(layers, slot.at) == path).ok()?;
        Some(entry.remove().0)
    }

    fn is_above(&self, layers: &[&LayerFacts], path: &[u8]) -> bool {
        self.dirs.find(self.hasher.hash_one(path), |dir| dir.path(layers) == path).is_some()
    }

    /// Notes a path that is above another one; whether it was not known.
    fn note_above(&mut self, layers: &[&LayerFacts], above: Above) -> bool {
        let path = above.path(layers);
        if self.is_above(layers, path) {
            return false;
        }
        let hasher = &self.hasher;
        self.dirs.insert_unique(hasher.hash_one(path), above, |dir| hasher.hash_one(dir.path(layers)));
        true
    }

    fn lay<'a>(&mut self, layers: &[&'a LayerFacts], number: usize) {
        let layer = layers[number];
        self.take_away(layers, number);
        // The last entry of a path wins; the ones before it were shipped and are not seen.
        let mut last: Map<&'a [u8], usize> =
            Map::with_capacity_and_hasher(layer.entries.len(), RandomState::default());
        for (index, entry) in layer.entries.iter().enumerate() {
            if entry.whiteout.is_some() {
                continue;
            }
            if let Some(before) = last.insert(entry.path.as_bytes(), index) {
                let old = &layer.entries[before];
                if old.kind == FileKind::File && old.content != entry.content {
                    let (at, by) = ((number, before), (number, index));
                    self.lost.push(Lost { at, by, how: Removal::Replaced });
                }
            }
        }
        for (index, entry) in layer.entries.iter().enumerate() {
            let path = entry.path.as_bytes();
            if last.get(path) != Some(&index) {
                continue;
            }
            let at = (number, index);
            for above in ancestors(path) {
                if !self.note_above(layers, Above { at, length: above.len() }) {
                    break;
                }
            }
            let data = self.data_of(layers, at, &last);
            if let Some(old) = self.put(layers, Slot { at, data }) {
                self.lose(layers, old, at, Removal::Replaced);
            }
        }
    }

    /// Applies what a layer removes from those below it, before its own entries are added: the
    /// order of entries in the archive does not matter (image-spec, `layer.md`).
    fn take_away<'a>(&mut self, layers: &[&'a LayerFacts], number: usize) {
        if self.slots.is_empty() {
            return;
        }
        let mut whole: Map<&'a [u8], (usize, Removal)> = Map::default();
        let mut below: Map<&'a [u8], (usize, Removal)> = Map::default();
        for (index, entry) in layers[number].entries.iter().enumerate() {
            match &entry.whiteout {
                Some(Whiteout::Path(path)) => {
                    whole.insert(path.as_bytes(), (index, Removal::Whiteout));
                }
                Some(Whiteout::Opaque(path)) => {
                    below.insert(path.as_bytes(), (index, Removal::Opaque));
                }
                None => {
                    let path = entry.path.as_bytes();
                    if entry.kind != FileKind::Directory && self.is_above(layers, path) {
                        below.insert(path, (index, Removal::Replaced));
                    }
                    // A file of a lower layer where this one has a directory.
                    for above in ancestors(path) {
                        let Some(slot) = self.slot(layers, above) else { continue };
                        let kind = &layers[slot.at.0].entries[slot.at.1].kind;
                        if matches!(kind, FileKind::File | FileKind::Hardlink(_)) {
                            whole.insert(above, (index, Removal::Replaced));
                        }
                    }
                }
            }
        }
        if whole.is_empty() && below.is_empty() {
            return;
        }
        let mut gone: Vec<(&'a [u8], usize, Removal)> = Vec::new();
        for slot in &self.slots {
            let path = path_at(layers, slot.at);
            let own = whole.get(path);
            let above = || ancestors(path).find_map(|a| whole.get(a).or_else(|| below.get(a)));
            let root = || below.get(&b""[..]).or_else(|| whole.get(&b""[..]));
            if let Some(&(by, how)) = own.or_else(above).or_else(root) {
                gone.push((path, by, how));
            }
        }
        for (path, by, how) in gone {
            if let Some(slot) = self.take(layers, path) {
                self.lose(layers, slot, (number, by), how);
            }
        }
    }

    fn lose(&mut self, layers: &[&LayerFacts], slot: Slot, by: At, how: Removal) {
        let (entry, other) = (entry_at(layers, slot.at), entry_at(layers, by));
        let same = how == Removal::Replaced
            && other.path == entry.path
            && entry.content.is_some()
            && other.content == entry.content;
        if entry.kind == FileKind::File && !same {
            self.lost.push(Lost { at: slot.at, by, how });
        }
    }

    /// Where the content of an entry is. Links are resolved while the layer is laid, because the
    /// content stays when a later layer removes the name that the link points at.
    fn data_of(&self, layers: &[&LayerFacts], entry: At, last: &Map<&[u8], usize>) -> At {
        let (layer, mut at) = entry;
        for _ in 0..MAX_LINKS {
            let FileKind::Hardlink(target) = &layers[layer].entries[at].kind else {
                return (layer, at);
            };
            match last.get(target.as_bytes()) {
                Some(&next) if next != at => at = next,
                _ => return self.slot(layers, target.as_bytes()).map_or(entry, |slot| slot.data),
            }
        }
        entry
    }
}

/// An entry.
pub(super) fn entry_at<'a>(layers: &[&'a LayerFacts], at: At) -> &'a FileEntry {
    &layers[at.0].entries[at.1]
}

impl Above {
    fn path<'a>(self, layers: &[&'a LayerFacts]) -> &'a [u8] {
        &path_at(layers, self.at)[..self.length]
    }
}
