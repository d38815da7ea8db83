//! The overlay of all layers, as the container sees it.

use std::collections::{BTreeSet, HashMap, HashSet};

use lazaret_model::{EntryPath, FileEntry, FileKind, LayerFacts, Whiteout};

/// Links followed on the way to one file (Linux gives up after 40, `path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// A file that the container sees.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The layer whose entry stands at this path, lowest is 0.
    pub layer: usize,
    /// Position of that entry in [`LayerFacts::entries`].
    pub index: usize,
    /// That entry.
    pub entry: &'a FileEntry,
    /// The layer that holds the content: another one only for a hard link into a lower layer.
    pub data_layer: usize,
    /// The entry that holds the content: another one only for a hard link.
    pub data: &'a FileEntry,
}

impl Found<'_> {
    /// Whether it is a regular file, also by another name.
    pub fn is_file(&self) -> bool {
        self.data.kind == FileKind::File
    }

    /// Whether the kernel would start it: a regular file with an execute bit.
    pub fn is_program(&self) -> bool {
        self.data.is_executable()
    }
}

/// How a file of a lower layer left the container's sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// A whiteout names it or a directory above it.
    Whiteout,
    /// An opaque directory hides all that lower layers put there.
    Opaque,
    /// Something else stands at its path, or at the path of a directory above it.
    Replaced,
}

/// A file that was shipped and that the container does not see.
#[derive(Debug, Clone, Copy)]
pub struct Removed<'a> {
    /// Layer of the file.
    pub layer: usize,
    /// Position of its entry in [`LayerFacts::entries`].
    pub index: usize,
    /// Its entry.
    pub entry: &'a FileEntry,
    /// The layer that removed it; the same one where an archive holds a path twice.
    pub by_layer: usize,
    /// The entry that removed it.
    pub by: &'a FileEntry,
    /// How.
    pub how: Removal,
}

#[derive(Clone, Copy)]
struct Slot {
    layer: usize,
    index: usize,
    data: (usize, usize),
}

/// The overlay of an image's layers (image-spec, `layer.md`): for a path in several layers the
/// highest wins, in one layer the last; whiteouts and opaque directories act on lower layers only.
pub struct View<'a> {
    layers: Vec<&'a LayerFacts>,
    slots: HashMap<&'a [u8], Slot>,
    /// Every path that was ever above another one, stated as a directory or not.
    dirs: HashSet<&'a [u8]>,
    sorted: Vec<&'a [u8]>,
    seen: HashSet<(usize, usize)>,
    removed: Vec<Removed<'a>>,
}

impl<'a> View<'a> {
    /// Lays the layers over one another, lowest first.
    pub fn new(layers: &[&'a LayerFacts]) -> Self {
        let entries = layers.iter().map(|l| l.entries.len()).sum();
        let mut view = Self {
            layers: layers.to_vec(),
            slots: HashMap::with_capacity(entries),
            dirs: HashSet::new(),
            sorted: Vec::new(),
            seen: HashSet::with_capacity(entries),
            removed: Vec::new(),
        };
        for (number, layer) in layers.iter().enumerate() {
            view.lay(number, layer);
        }
        view.seen.extend(view.slots.values().flat_map(|s| [(s.layer, s.index), s.data]));
        view.sorted = view.slots.keys().copied().collect();
        view.sorted.sort_unstable();
        view.removed.sort_by_key(|r| (r.layer, r.index));
        view
    }

    fn lay(&mut self, number: usize, layer: &'a LayerFacts) {
        self.take_away(number, layer);
        // The last entry of a path wins; the ones before it were shipped and are not seen.
        let mut last: HashMap<&'a [u8], usize> = HashMap::with_capacity(layer.entries.len());
        for (index, entry) in layer.entries.iter().enumerate() {
            if entry.whiteout.is_some() {
                continue;
            }
            if let Some(before) = last.insert(entry.path.as_bytes(), index) {
                let lost = &layer.entries[before];
                if lost.kind == FileKind::File && lost.content != entry.content {
                    self.removed.push(Removed {
                        layer: number,
                        index: before,
                        entry: lost,
                        by_layer: number,
                        by: entry,
                        how: Removal::Replaced,
                    });
                }
            }
        }
        for (index, entry) in layer.entries.iter().enumerate() {
            let path = entry.path.as_bytes();
            if last.get(path) != Some(&index) {
                continue;
            }
            for above in ancestors(path) {
                if !self.dirs.insert(above) {
                    break;
                }
            }
            let data = self.data_of(number, index, &last);
            if let Some(old) = self.slots.insert(path, Slot { layer: number, index, data }) {
                self.lose(old, number, entry, Removal::Replaced);
            }
        }
    }

    /// Applies what a layer removes from those below it, before its own entries are added: the
    /// order of entries in the archive does not matter (image-spec, `layer.md`).
    fn take_away(&mut self, number: usize, layer: &'a LayerFacts) {
        let mut whole: HashMap<&'a [u8], (usize, Removal)> = HashMap::new();
        let mut below: HashMap<&'a [u8], (usize, Removal)> = HashMap::new();
        for (index, entry) in layer.entries.iter().enumerate() {
            match &entry.whiteout {
                Some(Whiteout::Path(path)) => {
                    whole.insert(path.as_bytes(), (index, Removal::Whiteout));
                }
                Some(Whiteout::Opaque(path)) => {
                    below.insert(path.as_bytes(), (index, Removal::Opaque));
                }
                None => {
                    let path = entry.path.as_bytes();
                    if entry.kind != FileKind::Directory && self.dirs.contains(path) {
                        below.insert(path, (index, Removal::Replaced));
                    }
                    // A file of a lower layer where this one has a directory.
                    for above in ancestors(path) {
                        let Some(slot) = self.slots.get(above) else { continue };
                        let kind = &self.layers[slot.layer].entries[slot.index].kind;
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
        for &path in self.slots.keys() {
            let own = whole.get(path);
            let above = || ancestors(path).find_map(|a| whole.get(a).or_else(|| below.get(a)));
            let root = || below.get(&b""[..]).or_else(|| whole.get(&b""[..]));
            if let Some(&(by, how)) = own.or_else(above).or_else(root) {
                gone.push((path, by, how));
            }
        }
        for (path, by, how) in gone {
            if let Some(slot) = self.slots.remove(path) {
                self.lose(slot, number, &layer.entries[by], how);
            }
        }
    }

    fn lose(&mut self, slot: Slot, by_layer: usize, by: &'a FileEntry, how: Removal) {
        let entry = &self.layers[slot.layer].entries[slot.index];
        let same = how == Removal::Replaced
            && by.path == entry.path
            && entry.content.is_some()
            && by.content == entry.content;
        if entry.kind == FileKind::File && !same {
            self.removed.push(Removed { layer: slot.layer, index: slot.index, entry, by_layer, by, how });
        }
    }

    /// Where the content of an entry is. Links are resolved while the layer is laid, because the
    /// content stays when a later layer removes the name that the link points at.
    fn data_of(&self, layer: usize, index: usize, last: &HashMap<&'a [u8], usize>) -> (usize, usize) {
        let mut at = index;
        for _ in 0..MAX_LINKS {
            let FileKind::Hardlink(target) = &self.layers[layer].entries[at].kind else {
                return (layer, at);
            };
            match last.get(target.as_bytes()) {
                Some(&next) if next != at => at = next,
                _ => {
                    return self.slots.get(target.as_bytes()).map_or((layer, index), |slot| slot.data);
                }
            }
        }
        (layer, index)
    }

    fn found(&self, slot: Slot) -> Found<'a> {
        let (data_layer, data_index) = slot.data;
        Found {
            layer: slot.layer,
            index: slot.index,
            entry: &self.layers[slot.layer].entries[slot.index],
            data_layer,
            data: &self.layers[data_layer].entries[data_index],
        }
    }

    /// The entry at exactly this path; no symbolic link is followed.
    pub fn lookup(&self, path: &EntryPath) -> Option<Found<'a>> {
        self.slots.get(path.as_bytes()).map(|&slot| self.found(slot))
    }

    /// The file that a process with working directory `cwd` opens by this name: every symbolic
    /// link followed, `..` kept inside the root. None where it ends nowhere or in a loop.
    pub fn resolve(&self, path: &[u8], cwd: &EntryPath) -> Option<Found<'a>> {
        self.lookup(&self.real_path(path, cwd)?)
    }

    /// The path without symbolic links that a name stands for. It need not exist: parts that
    /// no layer has are taken as written.
    pub fn real_path(&self, path: &[u8], cwd: &EntryPath) -> Option<EntryPath> {
        let mut at: Vec<u8> = if path.starts_with(b"/") { Vec::new() } else { cwd.as_bytes().to_vec() };
        let mut rest: Vec<Vec<u8>> = components(path);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == b".." {
                at.truncate(at.iter().rposition(|&b| b == b'/').unwrap_or(0));
                continue;
            }
            let above = at.len();
            if !at.is_empty() {
                at.push(b'/');
            }
            at.extend_from_slice(&part);
            let Some(&slot) = self.slots.get(at.as_slice()) else { continue };
            let FileKind::Symlink(target) = &self.layers[slot.layer].entries[slot.index].kind else {
                continue;
            };
            // A layer may put files below a name that a lower layer has as a link; engines
            // differ in what they make of it, so the literal path counts where it exists.
            if !rest.is_empty() && self.has_literal(&at, &rest) {
                continue;
            }
            links += 1;
            if links > MAX_LINKS || target.len() + rest.len() > 1 << 16 {
                return None;
            }
            at.truncate(if target.starts_with(b"/") { 0 } else { above });
            rest.extend(components(target));
        }
        Some(EntryPath::clean(&at))
    }

    fn has_literal(&self, at: &[u8], rest: &[Vec<u8>]) -> bool {
        let mut whole = at.to_vec();
        for part in rest.iter().rev() {
            whole.push(b'/');
            whole.extend_from_slice(part);
        }
        self.slots.contains_key(whole.as_slice())
    }

    /// The program that a shell or `execvp` starts for this word: with a slash in it a path,
    /// otherwise the first program of that name in `search` (a `PATH` value).
    pub fn find_in_path(&self, name: &str, search: &str, cwd: &EntryPath) -> Option<Found<'a>> {
        if name.contains('/') {
            return self.resolve(name.as_bytes(), cwd).filter(Found::is_file);
        }
        search.split(':').find_map(|dir| {
            let path = format!("{dir}/{name}");
            let path = if dir.is_empty() { name } else { &path };
            self.resolve(path.as_bytes(), cwd).filter(Found::is_program)
        })
    }

    /// Whether the container sees this entry, by its own name or by a hard link.
    pub fn is_visible(&self, layer: usize, entry: usize) -> bool {
        self.seen.contains(&(layer, entry))
    }

    /// Regular files that were shipped and are not seen, by layer and position.
    pub fn removed(&self) -> impl Iterator<Item = &Removed<'a>> {
        self.removed.iter()
    }

    /// Everything that is seen, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = Found<'a>> + '_ {
        self.sorted.iter().map(|path| self.found(self.slots[path]))
    }

    /// Everything that is seen below a directory, sorted by path, the directory left out.
    pub fn below(&self, dir: &EntryPath) -> impl Iterator<Item = Found<'a>> + '_ {
        let mut prefix = dir.as_bytes().to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let from = self.sorted.partition_point(|path| *path < prefix.as_slice());
        self.sorted[from..]
            .iter()
            .take_while(move |path| path.starts_with(&prefix))
            .filter(|path| !path.is_empty())
            .map(|path| self.found(self.slots[path]))
    }

    /// Names in a directory, sorted; links in the path to it are followed.
    pub fn list(&self, dir: &EntryPath) -> Vec<Vec<u8>> {
        let Some(real) = self.real_path(dir.as_bytes(), &EntryPath::default()) else { return Vec::new() };
        let skip = if real.is_root() { 0 } else { real.as_bytes().len() + 1 };
        let names: BTreeSet<Vec<u8>> = self
            .below(&real)
            .filter_map(|found| {
                found.entry.path.as_bytes()[skip..].split(|&b| b == b'/').next().map(<[u8]>::to_vec)
            })
            .collect();
        names.into_iter().collect()
    }

    /// The layers, lowest first.
    pub fn layers(&self) -> &[&'a LayerFacts] {
        &self.layers
    }
}

/// The directories above a path, nearest first, without the root.
fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = path;
    std::iter::from_fn(move || {
        rest = &rest[..rest.iter().rposition(|&b| b == b'/')?];
        Some(rest)
    })
}

/// The components, last one first, ready to be popped.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&b| b == b'/').rev().filter(|p| !p.is_empty() && *p != b".").map(<[u8]>::to_vec).collect()
}
