//! The list of a base's files, made once for the images that stand on it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use lazaret_model::{LayerContents, NotedFile};

use super::packages::Packages;
use super::{Copied, brought, copies, kind, may_be_copied, noted};
use crate::Found;
use crate::case::Case;
use crate::view::LaidBase;

/// Bases whose lists are kept.
const BASES: usize = 4;

/// What the files of a base are.
pub(super) struct Stock {
    /// The layers of the base, and what the package databases of the image say: what the rest depends on.
    base: Arc<LaidBase>,
    packages: Rc<Packages>,
    files: Vec<NotedFile>,
    /// By layer and position of the entry, the place in `files`.
    places: Vec<Vec<Option<u32>>>,
    /// Contents of the packages' files.
    pub copied: Copied,
    /// What each layer brought.
    pub layers: Vec<LayerContents>,
}

thread_local! {
    static KNOWN: RefCell<Vec<Rc<Stock>>> = const { RefCell::new(Vec::new()) };
}

impl Stock {
    /// What is known of the image's base. None where the layers above it change what that rests on:
    /// the contents that packages brought.
    pub fn known(case: &Case<'_>, packages: &Rc<Packages>) -> Option<Rc<Self>> {
        let base = case.view.base()?;
        let own = case.view.files().filter(|found| found.layer >= base.layers());
        let mut changed = own.chain(case.view.lost_of_base()).filter(may_be_copied);
        if changed.any(|found| packages.owner(&found.entry.path).is_some()) {
            return None;
        }
        let same = |stock: &Rc<Self>| Arc::ptr_eq(&stock.base, base) && Rc::ptr_eq(&stock.packages, packages);
        if let Some(stock) = KNOWN.with_borrow(|known| known.iter().find(|stock| same(stock)).cloned()) {
            return Some(stock);
        }
        let stock = Rc::new(Self::take(case, base, packages));
        KNOWN.with_borrow_mut(|known| {
            known.insert(0, Rc::clone(&stock));
            known.truncate(BASES);
        });
        Some(stock)
    }

    fn take(case: &Case<'_>, base: &Arc<LaidBase>, packages: &Rc<Packages>) -> Self {
        let copied = copies(base.files(case.view), packages);
        let below = &case.view.layers()[..base.layers()];
        let mut places: Vec<_> = below.iter().map(|layer| vec![None; layer.entries.len()]).collect();
        let mut files = Vec::new();
        for found in base.files(case.view).filter(Found::is_file) {
            let Some(kind) = kind(case, &found) else { continue };
            places[found.layer][found.index] = u32::try_from(files.len()).ok();
            files.push(noted(&found, kind, packages, &copied));
        }
        let layers = (0..base.layers()).map(|number| brought(case, number, packages)).collect();
        Self { base: Arc::clone(base), packages: Rc::clone(packages), files, places, copied, layers }
    }

    /// A file of the base as it is listed; None where nothing calls for that but what is read of it.
    pub fn noted(&self, found: &Found<'_>) -> Option<&NotedFile> {
        let place = *self.places.get(found.layer)?.get(found.index)?;
        self.files.get(place? as usize)
    }
}
