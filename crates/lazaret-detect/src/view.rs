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
        let mut at: Vec<u8> = Vec::new();
        let mut rest: Vec<Vec<u8>> = components(path);
        if !path.starts_with(b"/") {
            rest.extend(components(cwd.as_bytes()));
        }
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
        let mut prefix = real.as_bytes().to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let mut names = BTreeSet::new();
        let mut at = self.sorted.partition_point(|path| *path < prefix.as_slice());
        while let Some(rest) = self.sorted.get(at).and_then(|path| path.strip_prefix(prefix.as_slice())) {
            at += 1;
            let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
            if end == 0 {
                // The root itself.
                continue;
            }
            names.insert(rest[..end].to_vec());
            if end < rest.len() {
                // On to what follows everything below this name: `0` is next to `/`.
                let mut after = [prefix.as_slice(), &rest[..end]].concat();
                after.push(b'0');
                at += self.sorted[at..].partition_point(|path| *path < after.as_slice());
            }
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// One layer as text: `f PATH`, `d PATH`, `l PATH TARGET` (symbolic), `h PATH TARGET` (hard),
    /// `w PATH` (whiteout), `o PATH` (opaque).
    fn layer(text: &str) -> LayerFacts {
        let entry = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let path = EntryPath::from(words[1]);
            let target = words.get(2).copied().unwrap_or_default();
            let (kind, whiteout) = match words[0] {
                "f" => (FileKind::File, None),
                "d" => (FileKind::Directory, None),
                "l" => (FileKind::Symlink(target.as_bytes().to_vec()), None),
                "h" => (FileKind::Hardlink(target.into()), None),
                "w" => (FileKind::File, Some(Whiteout::Path(path.clone()))),
                _ => (FileKind::File, Some(Whiteout::Opaque(path.clone()))),
            };
            FileEntry {
                path,
                kind,
                mode: 0o755,
                uid: 0,
                gid: 0,
                size: 1,
                mtime: 0,
                content: None,
                xattrs: Vec::new(),
                whiteout,
            }
        };
        LayerFacts {
            entries: text.lines().map(str::trim).filter(|l| !l.is_empty()).map(entry).collect(),
            ..LayerFacts::default()
        }
    }

    fn check(layers: &[&str], seen: &[&str], removed: &[&str]) {
        let layers: Vec<LayerFacts> = layers.iter().map(|l| layer(l)).collect();
        let view = View::new(&layers.iter().collect::<Vec<_>>());
        let shown: Vec<String> = view.files().map(|f| format!("{}:{}", f.entry.path, f.layer)).collect();
        assert_eq!(shown, seen);
        let gone: Vec<String> = view
            .removed()
            .map(|r| format!("{}:{} {:?} {}", r.entry.path, r.layer, r.how, r.by_layer))
            .collect();
        assert_eq!(gone, removed);
    }

    #[test]
    fn the_highest_layer_wins_and_what_it_hides_is_told() {
        check(&["f a\nf b", "f a"], &["/a:1", "/b:0"], &["/a:0 Replaced 1"]);
        check(&["d d\nf d/x\nf e", "w d"], &["/e:0"], &["/d/x:0 Whiteout 1"]);
        check(&["d d\nf d/x", "o d\nf d/y\nd d"], &["/d:1", "/d/y:1"], &["/d/x:0 Opaque 1"]);
        check(&["f d/x", "f d"], &["/d:1"], &["/d/x:0 Replaced 1"]);
        check(&["f d", "f d/x"], &["/d/x:1"], &["/d:0 Replaced 1"]);
        check(&["f a", "w a", "f a"], &["/a:2"], &["/a:0 Whiteout 1"]);
    }

    #[test]
    fn whiteouts_act_on_lower_layers_only_in_any_order() {
        check(&["f d/x", "f d/x\nw d"], &["/d/x:1"], &["/d/x:0 Whiteout 1"]);
        check(&["f x", "f x\nw x"], &["/x:1"], &["/x:0 Whiteout 1"]);
        check(&["f ab\nf a/b", "w a"], &["/ab:0"], &["/a/b:0 Whiteout 1"]);
        check(&["f a\nf b/c", "o /\nf n"], &["/n:1"], &["/a:0 Opaque 1", "/b/c:0 Opaque 1"]);
    }

    #[test]
    fn links_are_followed_inside_the_root_and_loops_end() {
        let only = layer(
            "f usr/bin/x\nl bin usr/bin\nl e ../../../usr/bin/x\nl p /bin/x\nl c c\nl c1 c2\nl c2 c1\nh hard usr/bin/x",
        );
        let view = View::new(&[&only]);
        let root = EntryPath::default();
        let real = |path: &str| view.resolve(path.as_bytes(), &root).map(|f| f.data.path.to_string());
        for path in ["/bin/x", "e", "p", "/bin/../bin/x", "../../bin/./x", "hard"] {
            assert_eq!(real(path).as_deref(), Some("/usr/bin/x"), "{path}");
        }
        for path in ["c", "c1", "c1/x", "nothing"] {
            assert_eq!(real(path), None, "{path}");
        }
        assert_eq!(view.find_in_path("x", "/sbin:/bin", &root).unwrap().entry.path, "usr/bin/x".into());
        assert!(view.find_in_path("y", "/sbin:/bin", &root).is_none());
        assert_eq!(view.resolve(b"x", &"bin".into()).unwrap().index, 0);
        assert_eq!(view.list(&"bin".into()), [b"x".to_vec()]);
        assert!(matches!(view.lookup(&"p".into()).unwrap().entry.kind, FileKind::Symlink(_)));
    }

    #[test]
    fn a_hard_link_keeps_the_content_that_a_later_layer_removes() {
        let (low, high) = (layer("f a\nh b a"), layer("w a"));
        let view = View::new(&[&low, &high]);
        let found = view.lookup(&"b".into()).unwrap();
        assert_eq!((found.data_layer, found.data.path.clone()), (0, "a".into()));
        assert!(view.is_visible(0, 0), "its content is seen by the other name");
        assert!(!view.is_visible(1, 0));
    }

    #[test]
    fn a_listing_names_each_child_once_whatever_is_below_it() {
        // `-` and `.` sort before `/`, `0` after it: neighbours of a directory stand on both sides.
        let only = layer("d a\nf a/b/c\nf a/b/d/e\nf a/b-1\nf a/b0\nf a/c.d/x\nf a-b\nf a0/y\nf z");
        let view = View::new(&[&only]);
        let list = |dir: &str| -> Vec<String> {
            view.list(&dir.into()).into_iter().map(|name| String::from_utf8(name).unwrap()).collect()
        };
        assert_eq!(list(""), ["a", "a-b", "a0", "z"]);
        assert_eq!(list("a"), ["b", "b-1", "b0", "c.d"]);
        assert_eq!(list("a/b"), ["c", "d"]);
        assert_eq!(list("nothing"), Vec::<String>::new());
    }
}
