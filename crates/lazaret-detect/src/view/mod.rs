//! The overlay of all layers, as the container sees it.

mod base;
mod overlay;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use lazaret_model::{EntryPath, FileEntry, FileKind, LayerFacts};

use crate::reads;
pub(crate) use base::LaidBase;
use overlay::{Lost, Overlay, Slot, entry_at, path_at};

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

/// The overlay of an image's layers (image-spec, `layer.md`): for a path in several layers the
/// highest wins, in one layer the last; whiteouts and opaque directories act on lower layers only.
pub struct View<'a> {
    layers: Vec<&'a LayerFacts>,
    overlay: Overlay,
    base: Option<Arc<LaidBase>>,
    /// By layer and position, whether the container sees the entry; made when it is first asked for.
    seen: OnceLock<Vec<Vec<bool>>>,
}

impl<'a> View<'a> {
    /// Lays the layers over one another, lowest first.
    pub fn new(layers: &[&'a LayerFacts]) -> Self {
        let base = base::find(layers);
        let mut overlay = base.as_ref().map_or_else(Overlay::default, |base| base.overlay.clone());
        overlay.lay_all(layers);
        Self { layers: layers.to_vec(), overlay, base, seen: OnceLock::new() }
    }

    /// The lower layers that other images were seen to have too.
    pub(crate) fn base(&self) -> Option<&Arc<LaidBase>> {
        self.base.as_ref()
    }

    /// What of the base the container does not see any more, because a layer above it took it away or
    /// has something else at its path.
    pub(crate) fn lost_of_base(&self) -> Vec<Found<'a>> {
        let Some(base) = &self.base else { return Vec::new() };
        let mut standing = self.overlay.sorted.iter().filter(|slot| slot.at.0 < base.layers()).peekable();
        let mut stands = |slot: &Slot| standing.next_if(|one| one.at == slot.at).is_some();
        base.overlay.sorted.iter().filter(|slot| !stands(slot)).map(|slot| self.found(*slot)).collect()
    }

    fn found(&self, slot: Slot) -> Found<'a> {
        Found {
            layer: slot.at.0,
            index: slot.at.1,
            entry: entry_at(&self.layers, slot.at),
            data_layer: slot.data.0,
            data: entry_at(&self.layers, slot.data),
        }
    }

    /// The entry at exactly this path; no symbolic link is followed.
    pub fn lookup(&self, path: &EntryPath) -> Option<Found<'a>> {
        self.slot(path.as_bytes()).map(|slot| self.found(slot))
    }

    fn slot(&self, path: &[u8]) -> Option<Slot> {
        let slot = self.overlay.slot(&self.layers, path);
        reads::point(path, slot.map(|slot| entry_at(&self.layers, slot.at)));
        slot
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
            let Some(slot) = self.slot(&at) else { continue };
            let FileKind::Symlink(target) = &entry_at(&self.layers, slot.at).kind else {
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
        self.slot(&whole).is_some()
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
        reads::all();
        let seen = self.seen.get_or_init(|| {
            let mut seen: Vec<_> = self.layers.iter().map(|layer| vec![false; layer.entries.len()]).collect();
            for (layer, index) in self.overlay.sorted.iter().flat_map(|slot| [slot.at, slot.data]) {
                seen[layer][index] = true;
            }
            seen
        });
        seen.get(layer).and_then(|entries| entries.get(entry)).is_some_and(|seen| *seen)
    }

    /// Regular files that were shipped and are not seen, by layer and position.
    pub fn removed(&self) -> impl Iterator<Item = Removed<'a>> + '_ {
        reads::all();
        self.removed_of(|_| true)
    }

    /// The same for a caller who looks up each path of which it asks.
    pub(crate) fn removed_of(&self, asked: impl Fn(&EntryPath) -> bool) -> impl Iterator<Item = Removed<'a>> {
        let removed = move |lost: &Lost| {
            let entry = entry_at(&self.layers, lost.at);
            asked(&entry.path).then(|| Removed {
                layer: lost.at.0,
                index: lost.at.1,
                entry,
                by_layer: lost.by.0,
                by: entry_at(&self.layers, lost.by),
                how: lost.how,
            })
        };
        self.overlay.lost.iter().filter_map(removed)
    }

    /// Everything that is seen, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = Found<'a>> + '_ {
        reads::all();
        self.overlay.sorted.iter().map(|slot| self.found(*slot))
    }

    /// Everything that is seen whose path ends so, sorted by path.
    pub(crate) fn ending(&self, end: &'static str) -> impl Iterator<Item = Found<'a>> + '_ {
        reads::ending(end);
        let ends = move |slot: &&Slot| path_at(&self.layers, slot.at).ends_with(end.as_bytes());
        self.overlay.sorted.iter().filter(ends).map(|slot| {
            let found = self.found(*slot);
            reads::point(found.entry.path.as_bytes(), Some(found.entry));
            found
        })
    }

    /// Everything that is seen below a directory, sorted by path, the directory left out.
    pub fn below(&self, dir: &EntryPath) -> impl Iterator<Item = Found<'a>> + '_ {
        reads::tree(dir.as_bytes());
        let mut prefix = dir.as_bytes().to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let sorted = &self.overlay.sorted;
        let path = |slot: &Slot| path_at(&self.layers, slot.at);
        sorted[sorted.partition_point(|slot| path(slot) < prefix.as_slice())..]
            .iter()
            .take_while(move |slot| path(slot).starts_with(&prefix))
            .filter(move |slot| !path(slot).is_empty())
            .map(|slot| self.found(*slot))
    }

    /// Names in a directory, sorted; links in the path to it are followed.
    pub fn list(&self, dir: &EntryPath) -> Vec<Vec<u8>> {
        let Some(real) = self.real_path(dir.as_bytes(), &EntryPath::default()) else { return Vec::new() };
        reads::tree(real.as_bytes());
        self.names(&real)
    }

    /// The same for a caller that only takes what a shell's pattern matches.
    pub(crate) fn list_like(&self, dir: &EntryPath, pattern: &str) -> Vec<Vec<u8>> {
        let Some(real) = self.real_path(dir.as_bytes(), &EntryPath::default()) else { return Vec::new() };
        reads::names_like(real.as_bytes(), pattern);
        self.names(&real)
    }

    fn names(&self, real: &EntryPath) -> Vec<Vec<u8>> {
        let mut prefix = real.as_bytes().to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let mut names = BTreeSet::new();
        let sorted = &self.overlay.sorted;
        let path = |slot: &Slot| path_at(&self.layers, slot.at);
        let mut at = sorted.partition_point(|slot| path(slot) < prefix.as_slice());
        while let Some(rest) = sorted.get(at).and_then(|slot| path(slot).strip_prefix(prefix.as_slice())) {
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
                at += sorted[at..].partition_point(|slot| path(slot) < after.as_slice());
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
pub(crate) fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
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

    use lazaret_model::{ContentId, Digest, Whiteout};
    use proptest::prelude::*;
    use sha2::Digest as _;

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

    /// Random layers of few names, so that they meet.
    fn layers() -> impl Strategy<Value = Vec<Vec<String>>> {
        let name = proptest::sample::select(vec!["a", "a/b", "a/b/c", "a-b", "d", "d/e", "f", "/"]);
        let kind = proptest::sample::select(vec!["f", "f", "f", "d", "l", "h", "w", "o"]);
        let line =
            (kind, name.clone(), name).prop_map(|(kind, path, target)| format!("{kind} {path} {target}"));
        proptest::collection::vec(proptest::collection::vec(line, 0..8), 1..5)
    }

    /// All that a view tells.
    fn told(layers: &[LayerFacts]) -> Vec<String> {
        let view = View::new(&layers.iter().collect::<Vec<_>>());
        let found = |f: Found<'_>| format!("{} {}:{} {}", f.entry.path, f.layer, f.index, f.data_layer);
        let mut told: Vec<String> = view.files().map(found).collect();
        for path in ["a", "a/b", "a/b/c", "a-b", "d", "d/e", "f", ""] {
            told.push(format!("{path}: {:?}", view.lookup(&path.into()).map(found)));
            told.push(format!(
                "{path}: {:?} {:?}",
                view.list(&path.into()),
                view.below(&path.into()).count()
            ));
        }
        told.extend(view.removed().map(|r| {
            format!("{} {}:{} {:?} {} {}", r.entry.path, r.layer, r.index, r.how, r.by_layer, r.by.path)
        }));
        for (number, layer) in layers.iter().enumerate() {
            told.push(format!(
                "{:?}",
                (0..layer.entries.len()).map(|at| view.is_visible(number, at)).collect::<Vec<_>>()
            ));
        }
        told
    }

    proptest! {
        /// Whatever the worker laid for the images before, each is what it is by itself.
        #[test]
        fn what_was_laid_for_one_image_changes_no_other(pool in proptest::collection::vec(layers(), 2..4), picks in proptest::collection::vec((0..4_usize, 0..5_usize, 0..4_usize, 0..5_usize), 1..8)) {
            // Contents of layers by what they hold, and images that share beginnings.
            let read = |lines: &Vec<String>| {
                let text = lines.join("\n");
                let mut layer = layer(&text);
                for (at, entry) in layer.entries.iter_mut().enumerate() {
                    entry.content = (at % 3 > 0).then_some(ContentId([at as u8 % 3; 32]));
                }
                layer.complete = true;
                layer.diff_id = Some(Digest::sha256(&sha2::Sha256::digest(text.as_bytes()).into()));
                layer
            };
            let images: Vec<Vec<LayerFacts>> = picks
                .iter()
                .map(|&(first, below, second, above)| {
                    let (first, second) = (&pool[first % pool.len()], &pool[second % pool.len()]);
                    first.iter().take(below.max(1)).chain(second.iter().take(above)).map(read).collect()
                })
                .collect();
            let alone: Vec<_> = images.iter().map(|image| told(image)).collect();
            let one_by_one =
                crate::on_deep_stack(|| images.iter().map(|image| told(image)).collect::<Vec<_>>()).unwrap();
            prop_assert_eq!(alone, one_by_one);
        }
    }
}
