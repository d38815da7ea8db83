//! What starts later by itself, known from another image with the same lower layers.
//!
//! A base brings schedules, services and login scripts, and to follow them takes longer than the rest
//! of an image. Which files were looked up on the way is noted ([`crate::reads`]); an image whose other
//! layers touch none of them does the same.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use lazaret_model::Location;

use super::paper::Paper;
use super::path::{LaunchLimits, StartPath};
use crate::reads::{self, Bases};
use crate::shell::Trouble;

/// What an answer depends on beside files: whether the start path runs a scheduler, and an init system,
/// and how far anything is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scene {
    pub scheduled: bool,
    pub booted: bool,
    pub limits: LaunchLimits,
}

struct Known {
    scene: Scene,
    path: StartPath,
    troubled: HashSet<(Location, Trouble)>,
    steps: u64,
}

thread_local! {
    static KNOWN: RefCell<Bases<Known>> = const { RefCell::new(Bases::new()) };
}

/// Does what `follow` does, or takes what came of it before. Nothing may stand in the container but
/// what its layers hold.
pub(super) fn follow(paper: &mut Paper<'_>, scene: Scene, follow: impl FnOnce(&mut Paper<'_>)) {
    let view = paper.view;
    if !super::is_deep() {
        return follow(paper);
    }
    let fits =
        |known: &Known| known.scene == scene && paper.has_room_for(known.steps, known.path.behaviours.len());
    if let Some(base) = KNOWN.with_borrow_mut(|known| known.find(view, paper.contents, fits)) {
        let known = &base.answer;
        paper.take_over(&known.path, &known.troubled, known.steps);
        #[cfg(test)]
        TAKEN.set(TAKEN.get() + 1);
        return;
    }
    // An image that leaves nothing of a budget must not decide what is known of its base.
    let unspent = paper.is_code_unspent();
    let before = paper.set_aside();
    let (_, reads) = reads::noted(|| follow(paper));
    let (path, troubled, steps) = paper.put_back(before);
    paper.take_over(&path, &troubled, steps);
    let cut = |what: &Trouble| matches!(what, Trouble::Slow | Trouble::Deep | Trouble::Long);
    if unspent && path.missing.is_empty() && !troubled.iter().any(|(_, what)| cut(what)) {
        let known = Known { scene, path, troubled, steps };
        KNOWN.with_borrow_mut(|all| all.keep(view, reads, known));
    }
}

/// What a walk has learned so far, while another one is followed by itself.
pub(super) struct Aside {
    pub path: StartPath,
    pub known: HashMap<u64, Vec<u32>>,
    pub troubled: HashSet<(Location, Trouble)>,
    pub steps: u64,
}

#[cfg(test)]
thread_local! {
    static TAKEN: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How often this thread took what was known.
#[cfg(test)]
pub(super) fn taken() -> usize {
    TAKEN.get()
}
