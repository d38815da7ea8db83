//! What was read of an image's file system to come to an answer, so that the answer can be given again
//! for another image that has the same lower layers.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::LocalKey;

use lazaret_model::{ContentId, Digest, EntryPath, FileEntry, FileKind, LayerFacts, Whiteout};

use crate::hash::Map;
use crate::shell::pattern_matches;
use crate::view::ancestors;
use crate::{Contents, View};

/// Bases of which answers are kept.
const BASES: usize = 8;

/// Paths beyond which an answer is not worth being kept.
const MOST: usize = 100_000;

/// The same for patterns: each is tried on each path.
const MOST_PATTERNS: usize = 200;

/// What stood at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stood {
    Nothing,
    Directory,
    Link,
    Other,
}

/// Every path that was looked up, whether or not something was there, and every directory that was
/// listed.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    points: BTreeMap<Vec<u8>, Stood>,
    trees: BTreeSet<Vec<u8>>,
    /// Directories of which only the names that match a pattern were taken.
    patterns: BTreeSet<(Vec<u8>, String)>,
    /// Ends of names: every file that has one was taken.
    ends: BTreeSet<&'static str>,
    /// Contents that were read or would have been, and whether they were there: another image may have
    /// asked for one that this one went without.
    contents: Map<ContentId, bool>,
    /// More than can be told: no other image gives the same answer for sure.
    all: bool,
}

thread_local! {
    static NOTES: Cell<bool> = const { Cell::new(false) };
    static READS: RefCell<Reads> = RefCell::default();
}

/// Notes what is read of views and contents on this thread while `work` is done.
pub(crate) fn noted<T>(work: impl FnOnce() -> T) -> (T, Reads) {
    struct Stop;
    impl Drop for Stop {
        fn drop(&mut self) {
            NOTES.set(false);
        }
    }
    READS.take();
    NOTES.set(true);
    let stop = Stop;
    let done = work();
    drop(stop);
    (done, READS.take())
}

/// A path is looked up.
pub(crate) fn point(path: &[u8], entry: Option<&FileEntry>) {
    if !NOTES.get() {
        return;
    }
    READS.with_borrow_mut(|reads| {
        if !reads.points.contains_key(path) {
            let stood = match entry.map(|entry| &entry.kind) {
                None => Stood::Nothing,
                Some(FileKind::Directory) => Stood::Directory,
                Some(FileKind::Symlink(_)) => Stood::Link,
                Some(_) => Stood::Other,
            };
            reads.points.insert(path.to_vec(), stood);
            reads.all |= reads.points.len() > MOST;
        }
    });
}

/// All that is below a directory is looked at.
pub(crate) fn tree(dir: &[u8]) {
    if NOTES.get() {
        READS.with_borrow_mut(|reads| {
            if !reads.trees.contains(dir) {
                reads.trees.insert(dir.to_vec());
            }
        });
    }
}

/// Of a directory, the names that match a shell's pattern are looked at.
pub(crate) fn names_like(dir: &[u8], pattern: &str) {
    if NOTES.get() {
        READS.with_borrow_mut(|reads| {
            reads.patterns.insert((dir.to_vec(), pattern.to_owned()));
            reads.all |= reads.patterns.len() > MOST_PATTERNS;
        });
    }
}

/// Every file is looked at whose path ends so; those that there are, are noted besides.
pub(crate) fn ending(end: &'static str) {
    if NOTES.get() {
        READS.with_borrow_mut(|reads| reads.ends.insert(end));
    }
}

/// A content for whoever goes on without it where it was not kept. Whoever asks for what is missing
/// needs no note: the next image would get it as well.
pub(crate) fn content(contents: &dyn Contents, id: &ContentId) -> Option<Arc<[u8]>> {
    let bytes = contents.get(id);
    if NOTES.get() {
        READS.with_borrow_mut(|reads| {
            reads.contents.insert(*id, bytes.is_some());
            reads.all |= reads.contents.len() > MOST;
        });
    }
    bytes
}

/// All there is is looked at.
pub(crate) fn all() {
    if NOTES.get() {
        READS.with_borrow_mut(|reads| reads.all = true);
    }
}

/// An answer, and what it rests on.
pub(crate) struct Base<T> {
    /// The layers that hold all that was read, by the digests of their contents, lowest first.
    layers: Vec<Digest>,
    reads: Reads,
    /// The answer.
    pub answer: T,
}

/// Answers for the bases that were asked about last.
pub(crate) struct Bases<T>(Vec<Rc<Base<T>>>);

impl<T> Bases<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The answer for an image of which no layer but the base's own has what was read, and whose contents
    /// are there as they were then, of those that fit.
    pub(crate) fn find(
        &mut self,
        view: &View<'_>,
        contents: &dyn Contents,
        fits: impl Fn(&T) -> bool,
    ) -> Option<Rc<Base<T>>> {
        let layers = self::contents(view.layers())?;
        let at = self.0.iter().position(|base| {
            fits(&base.answer)
                && layers.starts_with(&base.layers)
                && base.reads.last_touching(view.layers(), base.layers.len()).is_none()
                && base.reads.have_same_contents(contents)
        })?;
        // The one that was asked for last stands first.
        let base = self.0.remove(at);
        self.0.insert(0, Rc::clone(&base));
        Some(base)
    }

    /// Keeps an answer that was found for an image, where another image may get it; then it gives it
    /// back.
    pub(crate) fn keep(&mut self, view: &View<'_>, reads: Reads, answer: T) -> Option<Rc<Base<T>>> {
        let mut layers = contents(view.layers())?;
        layers.truncate(reads.needed(view)?);
        let base = Rc::new(Base { layers, reads, answer });
        self.0.insert(0, Rc::clone(&base));
        self.0.truncate(BASES);
        Some(base)
    }
}

/// The answer of `make` for an image, or what it was for another one of the same base. It is kept where
/// it is `whole`: what could not be looked at may be there next time.
pub(crate) fn known<T>(
    bases: &'static LocalKey<RefCell<Bases<Rc<T>>>>,
    view: &View<'_>,
    contents: &dyn Contents,
    make: impl FnOnce() -> T,
    whole: impl FnOnce(&T) -> bool,
) -> Rc<T> {
    if !crate::launch::is_deep() {
        return Rc::new(make());
    }
    if let Some(base) = bases.with_borrow_mut(|bases| bases.find(view, contents, |_| true)) {
        return Rc::clone(&base.answer);
    }
    let (answer, reads) = noted(|| Rc::new(make()));
    if whole(&answer) {
        bases.with_borrow_mut(|bases| bases.keep(view, reads, Rc::clone(&answer)));
    }
    answer
}

/// The layers by their contents; None where one was not read whole, or nobody knows what it is.
pub(crate) fn contents(layers: &[&LayerFacts]) -> Option<Vec<Digest>> {
    layers.iter().map(|layer| layer.diff_id.clone().filter(|_| layer.complete)).collect()
}

impl Reads {
    /// How many layers, from the lowest, decide what was read; None where that cannot be told, or only
    /// the same image again would give the same answer.
    fn needed(&self, view: &View<'_>) -> Option<usize> {
        if self.all {
            return None;
        }
        let layers = view.layers();
        let needed = self.last_touching(layers, 0).map_or(1, |number| number + 1);
        (needed < layers.len() || layers.len() == 1).then_some(needed)
    }

    /// The highest layer, from the one of this number on, whose names may change what was read of the
    /// layers below it.
    fn last_touching(&self, layers: &[&LayerFacts], from: usize) -> Option<usize> {
        let mut below = Below::new(self, layers, from);
        (from..layers.len()).rev().find(|&number| self.all || below.is_touched_by(number))
    }

    /// Whether the image has the contents that were there when they were read, and none of those that
    /// were not.
    fn have_same_contents(&self, contents: &dyn Contents) -> bool {
        self.contents.iter().all(|(id, there)| contents.get(id).is_some() == *there)
    }

    fn is_ended(&self, path: &[u8]) -> bool {
        self.ends.iter().any(|end| path.ends_with(end.as_bytes()))
    }

    /// Whether a path is one of those, which are sorted and have an end that was asked for, or above or
    /// below one of them.
    fn meets(&self, ended: &[&[u8]], path: &[u8]) -> bool {
        let is_one = |path: &[u8]| ended.binary_search(&path).is_ok();
        let has_below = || {
            let below = [path, b"/"].concat();
            ended
                .get(ended.partition_point(|one| *one < below.as_slice()))
                .is_some_and(|one| one.starts_with(&below))
        };
        !ended.is_empty()
            && (is_one(path)
                || has_below()
                || ancestors(path).any(|above| self.is_ended(above) && is_one(above)))
    }

    /// Whether a name in a layer takes a file of a lower layer away that stands where it needs a
    /// directory.
    fn replaces_above(&self, path: &EntryPath) -> bool {
        ancestors(path.as_bytes())
            .any(|above| matches!(self.points.get(above), Some(Stood::Nothing | Stood::Other)))
    }

    /// Whether the name itself was looked up, or listed.
    fn has_name(&self, path: &[u8]) -> bool {
        self.points.contains_key(path)
            || self.trees.contains(path)
            || self.trees.contains(&b""[..])
            || ancestors(path).any(|above| self.trees.contains(above))
            || self.patterns.iter().any(|(dir, pattern)| takes(dir, pattern, path))
            || self.is_ended(path)
    }

    /// The same, and whether anything below it was.
    fn has_at_or_around(&self, path: &[u8]) -> bool {
        let below = [path, b"/"].concat();
        let from = (std::ops::Bound::Included(below.clone()), std::ops::Bound::Unbounded);
        let is_below = |read: &[u8]| path.is_empty() || read.starts_with(&below);
        self.has_name(path)
            || path.is_empty()
            || self.points.range::<Vec<u8>, _>(from.clone()).next().is_some_and(|(read, _)| is_below(read))
            || self.trees.range::<Vec<u8>, _>(from).next().is_some_and(|read| is_below(read))
            || self.patterns.iter().any(|(dir, _)| dir == path || is_below(dir))
    }
}

/// Whether a path brings a name that the pattern takes into a directory.
fn takes(dir: &[u8], pattern: &str, path: &[u8]) -> bool {
    let rest = match dir {
        b"" => Some(path),
        dir => path.strip_prefix(dir).and_then(|rest| rest.strip_prefix(b"/")),
    };
    let Some(rest) = rest else { return false };
    let name = rest.split(|&b| b == b'/').next().unwrap_or_default();
    std::str::from_utf8(name).is_ok_and(|name| pattern_matches(pattern, name))
}

/// What the layers below each one hold, as far as it decides whether that one changes what was read.
///
/// It is sorted out once: whoever makes an image chooses how many entries there are to be compared.
struct Below<'a> {
    reads: &'a Reads,
    layers: &'a [&'a LayerFacts],
    /// The lowest layer that is asked about.
    from: usize,
    /// Paths with an end that was asked for and the lowest layer of each, sorted.
    ended: Vec<(&'a [u8], usize)>,
    /// Made where a directory needs it, which is seldom.
    directories: Option<Directories<'a>>,
}

impl<'a> Below<'a> {
    fn new(reads: &'a Reads, layers: &'a [&'a LayerFacts], from: usize) -> Self {
        let mut ended = Vec::new();
        if let Some((_, lower)) =
            layers.split_last().filter(|_| !reads.ends.is_empty() && from < layers.len())
        {
            for (number, layer) in lower.iter().enumerate() {
                let paths = layer.entries.iter().map(|entry| entry.path.as_bytes());
                ended.extend(paths.filter(|path| reads.is_ended(path)).map(|path| (path, number)));
            }
            ended.sort_unstable();
            ended.dedup_by_key(|(path, _)| *path);
        }
        Self { reads, layers, from, ended, directories: None }
    }

    /// Whether what stands in a layer may change what was read of the layers below it.
    fn is_touched_by(&mut self, number: usize) -> bool {
        let below = self.ended.iter().filter(|(_, layer)| *layer < number);
        // A file that the layer took away was not there to be noted.
        let ended: Vec<&[u8]> = below.map(|(path, _)| *path).collect();
        let layer = self.layers[number];
        layer.entries.iter().any(|entry| self.is_touched_by_entry(entry, number, &ended))
    }

    fn is_touched_by_entry(&mut self, entry: &FileEntry, number: usize, ended: &[&[u8]]) -> bool {
        let reads = self.reads;
        match &entry.whiteout {
            Some(Whiteout::Path(path) | Whiteout::Opaque(path)) => {
                reads.has_at_or_around(path.as_bytes()) || reads.meets(ended, path.as_bytes())
            }
            None if entry.kind == FileKind::Directory => {
                reads.replaces_above(&entry.path)
                    || reads.has_name(entry.path.as_bytes()) && !self.was_directory(&entry.path, number)
            }
            None => {
                reads.replaces_above(&entry.path)
                    || reads.has_at_or_around(entry.path.as_bytes())
                    || reads.meets(ended, entry.path.as_bytes())
            }
        }
    }

    /// Whether the layers below `number` have a directory at this path: then another one there changes
    /// nothing.
    fn was_directory(&mut self, path: &EntryPath, number: usize) -> bool {
        let (layers, from) = (self.layers, self.from);
        self.directories.get_or_insert_with(|| Directories::of(layers, from)).has(path, number)
    }
}

/// What lower layers hold where upper ones have directories.
struct Directories<'a> {
    /// The layers that have something at a path, lowest first, and whether it is a directory.
    stood: Map<&'a [u8], Vec<(usize, bool)>>,
    /// The layers that take a path away, lowest first.
    gone: Map<&'a [u8], Vec<usize>>,
}

impl<'a> Directories<'a> {
    /// `from` is the lowest layer whose directories are asked for.
    fn of(layers: &'a [&'a LayerFacts], from: usize) -> Self {
        let upper = layers[from..].iter().flat_map(|layer| &layer.entries);
        let asked = upper.filter(|entry| entry.whiteout.is_none() && entry.kind == FileKind::Directory);
        let mut stood: Map<&[u8], Vec<(usize, bool)>> =
            asked.map(|entry| (entry.path.as_bytes(), Vec::new())).collect();
        let mut gone: Map<&[u8], Vec<usize>> = Map::default();
        for (number, layer) in layers.iter().enumerate() {
            for entry in &layer.entries {
                if let Some(Whiteout::Path(path) | Whiteout::Opaque(path)) = &entry.whiteout {
                    gone.entry(path.as_bytes()).or_default().push(number);
                } else if let Some(stood) = stood.get_mut(entry.path.as_bytes()) {
                    stood.push((number, entry.kind == FileKind::Directory));
                }
            }
        }
        Self { stood, gone }
    }

    /// Whether the layers below `number` have a directory at this path.
    fn has(&self, path: &EntryPath, number: usize) -> bool {
        let path = path.as_bytes();
        let Some(stood) = self.stood.get(path) else { return false };
        // The last entry of a path in a layer is the one that counts.
        let Some((layer, true)) = stood[..stood.partition_point(|(layer, _)| *layer < number)].last() else {
            return false;
        };
        // What a layer takes away is what those below it have.
        let takes = |at: &[u8]| {
            let gone = self.gone.get(at)?;
            gone[..gone.partition_point(|layer| *layer < number)].last()
        };
        let mut taken = ancestors(path).chain([path, b""]).filter_map(takes);
        !taken.any(|taken| taken > layer)
    }
}

#[cfg(test)]
mod tests;
