//! Lower layers that other images have too, laid once.

use std::cell::RefCell;
use std::sync::Arc;

use lazaret_model::{Digest, LayerFacts};

use super::overlay::Overlay;
use super::{Found, View};

/// Entries of all bases that are kept: about 100 bytes each.
const ENTRIES: usize = 300_000;

/// The layers of a base, laid over one another.
#[derive(Debug)]
pub(crate) struct LaidBase {
    /// The digests of their contents, lowest first.
    layers: Vec<Digest>,
    /// How many entries each has.
    entries: Vec<usize>,
    pub(super) overlay: Overlay,
}

impl LaidBase {
    /// How many layers it is made of.
    pub(crate) fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Everything that is seen in the base, sorted by path, for an image that stands on it.
    pub(crate) fn files<'a>(&self, view: &View<'a>) -> impl Iterator<Item = Found<'a>> {
        self.overlay.sorted.iter().map(|slot| view.found(*slot))
    }
}

/// What a worker knows of the images that it saw last.
struct Seen {
    bases: Vec<Arc<LaidBase>>,
    /// The layers of the image before.
    last: Vec<Digest>,
}

thread_local! {
    static SEEN: RefCell<Seen> = const { RefCell::new(Seen { bases: Vec::new(), last: Vec::new() }) };
}

/// The base of an image, where it is known or where the image before had it too: then it is worth
/// being kept, since a third one may follow.
pub(super) fn find(layers: &[&LayerFacts]) -> Option<Arc<LaidBase>> {
    if !crate::launch::is_deep() {
        return None;
    }
    let digests = crate::reads::contents(layers)?;
    SEEN.with_borrow_mut(|seen| {
        let entries: Vec<usize> = layers.iter().map(|layer| layer.entries.len()).collect();
        // Positions mean nothing in a layer that was read otherwise.
        let fit =
            |base: &Arc<LaidBase>| digests.starts_with(&base.layers) && entries.starts_with(&base.entries);
        let at = (0..seen.bases.len())
            .filter(|&at| fit(&seen.bases[at]))
            .max_by_key(|&at| seen.bases[at].layers.len());
        // The one that was asked for last stands first.
        let mut base = at.map(|at| {
            let base = seen.bases.remove(at);
            seen.bases.insert(0, Arc::clone(&base));
            base
        });
        let both = digests.iter().zip(&seen.last).take_while(|(one, other)| one == other).count();
        // The same image again shares all it has, which says nothing of others.
        let shared = if digests == seen.last { 0 } else { both };
        if shared > base.as_ref().map_or(0, |base| base.layers.len()) {
            let mut overlay = base.map_or_else(Overlay::default, |base| base.overlay.clone());
            overlay.lay_all(&layers[..shared]);
            let (layers, entries) = (digests[..shared].to_vec(), entries[..shared].to_vec());
            let new = Arc::new(LaidBase { layers, entries, overlay });
            seen.keep(&new);
            base = Some(new);
        }
        seen.last = digests;
        base
    })
}

impl Seen {
    fn keep(&mut self, base: &Arc<LaidBase>) {
        self.bases.insert(0, Arc::clone(base));
        let mut entries = 0;
        self.bases.retain(|base| {
            entries += base.overlay.sorted.len();
            entries <= ENTRIES
        });
    }
}
