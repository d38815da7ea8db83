//! What was read of an image's file system to come to an answer, so that the answer can be given again
//! for another image that has the same lower layers.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::thread::LocalKey;

use lazaret_model::{Digest, EntryPath, FileEntry, FileKind, LayerFacts, Whiteout};

use crate::View;
use crate::shell::pattern_matches;
use crate::view::ancestors;

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
    /// More than can be told: no other image gives the same answer for sure.
    all: bool,
}

thread_local! {
    static NOTES: Cell<bool> = const { Cell::new(false) };
    static READS: RefCell<Reads> = RefCell::default();
}

/// Notes what is read of views on this thread while `work` is done.
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

    /// The answer for an image of which no layer but the base's own has what was read, of those that fit.
    pub(crate) fn find(&mut self, view: &View<'_>, fits: impl Fn(&T) -> bool) -> Option<Rc<Base<T>>> {
        let layers = contents(view.layers())?;
        let at = self.0.iter().position(|base| {
            fits(&base.answer)
                && layers.starts_with(&base.layers)
                && !(base.layers.len()..layers.len())
                    .any(|number| base.reads.are_touched_by(view.layers(), number))
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
    make: impl FnOnce() -> T,
    whole: impl FnOnce(&T) -> bool,
) -> Rc<T> {
    if !crate::launch::is_deep() {
        return Rc::new(make());
    }
    if let Some(base) = bases.with_borrow_mut(|bases| bases.find(view, |_| true)) {
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
        let layers = view.layers();
        let touched = (0..layers.len()).rev().find(|&number| self.are_touched_by(layers, number));
        let needed = touched.map_or(1, |number| number + 1);
        (!self.all && (needed < layers.len() || layers.len() == 1)).then_some(needed)
    }

    /// Whether what stands in `layers[number]` may change what was read of the layers below it.
    pub(crate) fn are_touched_by(&self, layers: &[&LayerFacts], number: usize) -> bool {
        let below = layers[..number].iter().flat_map(|layer| &layer.entries);
        // A file that the layer took away was not there to be noted.
        let ended: Vec<&EntryPath> = match self.ends.is_empty() {
            true => Vec::new(),
            false => below.map(|entry| &entry.path).filter(|path| self.is_ended(path.as_bytes())).collect(),
        };
        let takes_away = |entry: &FileEntry| match &entry.whiteout {
            Some(Whiteout::Path(path) | Whiteout::Opaque(path)) => ended.iter().any(|one| meet(one, path)),
            None if entry.kind == FileKind::Directory => false,
            None => ended.iter().any(|one| meet(one, &entry.path)),
        };
        let touches = |entry: &FileEntry| self.is_touched_by(entry, layers, number) || takes_away(entry);
        self.all || layers[number].entries.iter().any(touches)
    }

    fn is_ended(&self, path: &[u8]) -> bool {
        self.ends.iter().any(|end| path.ends_with(end.as_bytes()))
    }

    fn is_touched_by(&self, entry: &FileEntry, layers: &[&LayerFacts], number: usize) -> bool {
        match &entry.whiteout {
            Some(Whiteout::Path(path) | Whiteout::Opaque(path)) => self.has_at_or_around(path.as_bytes()),
            None if entry.kind == FileKind::Directory => {
                self.replaces_above(&entry.path)
                    || self.has_name(entry.path.as_bytes()) && !was_directory(&entry.path, layers, number)
            }
            None => self.replaces_above(&entry.path) || self.has_at_or_around(entry.path.as_bytes()),
        }
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

/// Whether two paths are one, or one of them is above the other.
fn meet(a: &EntryPath, b: &EntryPath) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    a == b || ancestors(a).any(|above| above == b) || ancestors(b).any(|above| above == a)
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

/// Whether the layers below `number` have a directory at this path: then another one there changes
/// nothing.
fn was_directory(path: &EntryPath, layers: &[&LayerFacts], number: usize) -> bool {
    for layer in layers[..number].iter().rev() {
        let mut hidden = false;
        let mut here = None;
        for entry in &layer.entries {
            match &entry.whiteout {
                Some(Whiteout::Path(gone) | Whiteout::Opaque(gone)) => {
                    hidden |= gone == path
                        || gone.as_bytes().is_empty()
                        || ancestors(path.as_bytes()).any(|above| above == gone.as_bytes());
                }
                None if entry.path == *path => here = Some(entry.kind == FileKind::Directory),
                None => {}
            }
        }
        match here {
            Some(directory) => return directory,
            None if hidden => return false,
            None => {}
        }
    }
    false
}
