//! What is left to be judged, by the host that is asked for it: what fails is put off behind what was not
//! tried yet, and nobody waits for another one's host.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use lazaret_model::ImageRef;
use lazaret_registry::RegistryError;
use lazaret_store::HuntItem;

use super::patience::{Health, Next};

/// Images that wait for their turn.
pub(super) struct Line {
    hosts: BTreeMap<String, Host>,
    patience: Duration,
}

struct Host {
    fresh: VecDeque<HuntItem>,
    put_off: VecDeque<Turn>,
    health: Health,
    /// It is left alone until then.
    rests: Instant,
    at_work: usize,
    /// An image that it had in this run.
    good: Option<ImageRef>,
    /// It is not asked any more.
    left: bool,
}

/// One image whose turn it is.
pub(super) struct Turn {
    pub(super) item: HuntItem,
    /// The host that is asked for it; empty where it lies here.
    pub(super) host: String,
    /// How often it was tried before in this run.
    pub(super) tries: u32,
    /// Since when.
    pub(super) since: Instant,
    /// Not tried before.
    not_before: Instant,
    /// What else the host had in this run.
    pub(super) good: Option<ImageRef>,
}

/// What a turn came to, as far as it says something of the host.
pub(super) enum Ended {
    /// Something is known of the image, which the host `had`; `whole` where it was fetched now.
    Done { host: String, had: Option<ImageRef>, whole: bool },
    /// The host answers for others, not for this one: it is tried once more, after this wait.
    Again { turn: Turn, wait: Duration },
    /// It may be the host.
    PutOff { turn: Turn, error: RegistryError },
}

/// What is to be told or noted after a turn.
pub(super) enum After {
    Nothing,
    /// The host is left alone for a while.
    Waits(String, Duration, RegistryError),
    /// It is given up.
    Silent(String, RegistryError),
}

impl Line {
    pub(super) fn new(patience: Duration) -> Self {
        Self { hosts: BTreeMap::new(), patience }
    }

    pub(super) fn add(&mut self, item: HuntItem) {
        let host = match item.reference.parse::<ImageRef>() {
            Ok(ImageRef::Registry(image)) => image.registry,
            _ => String::new(),
        };
        let patience = self.patience;
        let host = self.hosts.entry(host).or_insert_with(|| Host {
            fresh: VecDeque::new(),
            put_off: VecDeque::new(),
            health: Health::new(patience),
            rests: Instant::now(),
            at_work: 0,
            good: None,
            left: false,
        });
        host.fresh.push_back(item);
    }

    /// A host is not asked any more in this run.
    pub(super) fn leave(&mut self, host: &str) {
        if let Some(host) = self.hosts.get_mut(host) {
            host.left = true;
            host.fresh.clear();
            host.put_off.clear();
        }
    }

    /// The next image whose turn it is. Of hosts that ail, one at a time, and after all others.
    pub(super) fn next(&mut self) -> Option<Turn> {
        let now = Instant::now();
        for ailing in [false, true] {
            for (name, host) in &mut self.hosts {
                if host.health.ails() != ailing || host.rests > now || host.is_busy() {
                    continue;
                }
                if let Some(turn) = host.next(name, now) {
                    host.at_work += 1;
                    return Some(turn);
                }
            }
        }
        None
    }

    /// When there may be a turn again, where there is none now.
    pub(super) fn later(&self) -> Option<Instant> {
        let hosts = self.hosts.values().filter(|host| !host.is_busy());
        let next = hosts.filter_map(|host| match host.fresh.is_empty() {
            false => Some(host.rests),
            true => host.put_off.iter().map(|turn| turn.not_before.max(host.rests)).min(),
        });
        next.min()
    }

    pub(super) fn ended(&mut self, ended: Ended) -> After {
        let host = match &ended {
            Ended::Done { host, .. } => host.clone(),
            Ended::Again { turn, .. } | Ended::PutOff { turn, .. } => turn.host.clone(),
        };
        let Some(known) = self.hosts.get_mut(&host) else { return After::Nothing };
        known.at_work = known.at_work.saturating_sub(1);
        if known.left {
            return After::Nothing;
        }
        match ended {
            Ended::Done { had, whole, .. } => {
                known.health.answered(whole);
                known.good = had.or(known.good.take());
            }
            Ended::Again { mut turn, wait } => {
                known.health.answered(false);
                turn.tries += 1;
                turn.not_before = Instant::now() + wait;
                known.put_off.push_back(turn);
            }
            Ended::PutOff { mut turn, error } => {
                // Whether it is the host shows when it is asked for what it had before.
                let others = !known.fresh.is_empty() || turn.tries == 0 && known.good.is_some();
                let next = known.health.failed(&turn.item.reference, &error, others);
                turn.tries += 1;
                known.put_off.push_back(turn);
                match next {
                    Next::GoOn(Duration::ZERO) => {}
                    Next::GoOn(wait) => {
                        known.rests = Instant::now() + wait;
                        return After::Waits(host, wait, error);
                    }
                    Next::GiveUp => {
                        self.leave(&host);
                        return After::Silent(host, error);
                    }
                }
            }
        }
        After::Nothing
    }
}

impl Host {
    /// Whether the answer that it is asked for is to be waited for.
    fn is_busy(&self) -> bool {
        self.left || self.health.ails() && self.at_work > 0
    }

    fn next(&mut self, name: &str, now: Instant) -> Option<Turn> {
        // Where some fail, another repository tells more than one more image of the same.
        let failing: BTreeSet<&str> = self.health.failing().map(repository).collect();
        let elsewhere = match failing.is_empty() {
            true => None,
            false => self.fresh.iter().position(|item| !failing.contains(repository(&item.reference))),
        };
        let fresh = self.fresh.remove(elsewhere.unwrap_or_default()).map(|item| Turn {
            item,
            host: name.to_owned(),
            tries: 0,
            since: now,
            not_before: now,
            good: None,
        });
        let mut turn = match fresh {
            Some(turn) => turn,
            None => {
                let at = self.put_off.iter().position(|turn| turn.not_before <= now)?;
                self.put_off.remove(at)?
            }
        };
        turn.good = self.good.clone();
        Some(turn)
    }
}

/// The name without what tells the images of a repository apart.
fn repository(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}
