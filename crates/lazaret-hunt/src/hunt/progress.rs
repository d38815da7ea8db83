use std::sync::Arc;
use std::time::Duration;

use lazaret_model::{Outcome, one_line};
use lazaret_store::ItemState;
use serde::{Deserialize, Serialize};

/// How far a hunt is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// What is to be judged in all, as far as it was listed: images, and repositories whose page is
    /// what is judged.
    pub total: u64,
    /// Judged malicious.
    pub malicious: u64,
    /// Judged suspicious.
    pub suspicious: u64,
    /// Not read whole, and not convicted.
    pub inconclusive: u64,
    /// Judged clean.
    pub clean: u64,
    /// What is nothing that runs: signatures, attestations, other artifacts.
    pub no_image: u64,
    /// What could not be judged.
    pub failed: u64,
    /// What waits for a fleet.
    pub queued: u64,
    /// Of the judged, those that were judged in this run; the others did not change.
    pub judged_now: u64,
    /// Layers that were read in this run.
    pub layers_read: u64,
    /// Layers that were known.
    pub layers_remembered: u64,
}

impl Tally {
    /// How many are done, one way or the other.
    pub fn done(&self) -> u64 {
        self.malicious + self.suspicious + self.inconclusive + self.clean + self.no_image + self.failed
    }

    pub(crate) fn count(&mut self, state: ItemState, by: i64) {
        let place = match state {
            ItemState::Judged(Outcome::Malicious) => &mut self.malicious,
            ItemState::Judged(Outcome::Suspicious) => &mut self.suspicious,
            ItemState::Judged(Outcome::Inconclusive) => &mut self.inconclusive,
            ItemState::Judged(Outcome::Clean) => &mut self.clean,
            ItemState::NoImage => &mut self.no_image,
            ItemState::Failed => &mut self.failed,
            ItemState::Queued => &mut self.queued,
            ItemState::Pending | ItemState::Gone => return,
        };
        *place = place.saturating_add_signed(by);
    }
}

/// What was left out or not read to its end, in words for people; where that is much, the first of it and
/// how much more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Troubles {
    told: Vec<String>,
    more: u64,
}

impl Troubles {
    /// How many are told each by itself.
    const MOST: usize = 100;

    pub(crate) fn add(&mut self, why: &str) {
        if self.told.len() < Self::MOST {
            self.told.push(one_line(why, 600));
        } else {
            self.more += 1;
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// What is told.
    pub fn lines(&self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("{} more that was left out", self.more));
        self.told.iter().cloned().chain(more).collect()
    }
}

/// What a hunt tells while it goes on.
#[derive(Debug, Clone)]
pub enum HuntEvent {
    /// It lists: how many repositories and images so far.
    Listed {
        /// Repositories.
        repositories: u64,
        /// Images.
        images: u64,
    },
    /// How far it is.
    Tally(Tally),
    /// Something was judged in this run, and is not clean.
    Found {
        /// What.
        reference: String,
        /// The verdict, or None where it could not be judged.
        outcome: Option<Outcome>,
        /// Why.
        why: String,
    },
    /// It waits.
    Waits {
        /// For whom.
        host: String,
        /// How long.
        wait: Duration,
        /// Why.
        why: String,
    },
    /// Something is left out, and why.
    Trouble(String),
}

/// Who listens to it.
pub type HuntListener = Arc<dyn Fn(HuntEvent) + Send + Sync>;
