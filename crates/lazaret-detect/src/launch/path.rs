use std::collections::BTreeMap;

use lazaret_model::{Behaviour, BudgetKind, ContentId, EntryPath, Gap, GapKind, Location, Phase, Reach};

/// What following one image may cost at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaunchLimits {
    /// Steps, all scripts of the image together: one for a command, one for four bytes parsed.
    pub steps: u64,
    /// Commands inside commands, scripts started by scripts included.
    pub depth: u32,
    /// Bytes of one value (a variable, a here-document, a decoded payload).
    pub value_bytes: usize,
    /// Bytes of one script.
    pub script_bytes: usize,
    /// Rounds of one loop.
    pub rounds: usize,
    /// Behaviours stated.
    pub behaviours: usize,
}

impl Default for LaunchLimits {
    fn default() -> Self {
        Self {
            steps: 1_000_000,
            depth: 96,
            value_bytes: 1 << 20,
            script_bytes: 2 << 20,
            rounds: 128,
            behaviours: 40_000,
        }
    }
}

/// How a file comes to act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReach {
    /// [`Reach::Starts`] or [`Reach::Reachable`].
    pub reach: Reach,
    /// When.
    pub phase: Phase,
    /// What runs, reads or names it: the script line first, the configuration key last.
    pub because: Vec<Location>,
}

/// A file whose content is needed to follow the path and was not kept. The caller reads it and
/// follows again; where it cannot, [`Missing::gap`] says so in the report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// The layer that holds the content, lowest is 0.
    pub layer: usize,
    /// Path in that layer.
    pub path: EntryPath,
    /// The content, where it was read whole.
    pub content: Option<ContentId>,
    /// Whether it is on the start path (otherwise it is reachable only).
    pub starts: bool,
}

impl Missing {
    /// The gap that stands in the report while the content is not there.
    pub fn gap(&self) -> Gap {
        Gap {
            kind: GapKind::Budget(BudgetKind::KeptBytes),
            location: Location::file(self.layer, self.path.clone()),
            detail: "the content of this file, which something runs, was not kept: what it does is not known"
                .into(),
            matters: self.starts,
        }
    }
}

/// What an image does when it is started plainly, and what in it can start later.
#[derive(Debug, Clone, Default)]
pub struct StartPath {
    /// In the order in which they happen: start, health, scheduled, login, on-build, build.
    pub behaviours: Vec<Behaviour>,
    /// Files that act, by layer and path of the entry that the container sees.
    pub files: BTreeMap<(usize, EntryPath), FileReach>,
    /// What was not followed, and why.
    pub gaps: Vec<Gap>,
    /// Contents that were needed and are not there.
    pub missing: Vec<Missing>,
}
