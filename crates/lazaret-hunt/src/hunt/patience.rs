//! For how long somebody is waited for who does not answer, and when he counts as silent: one thing that
//! is broken says nothing of the others.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lazaret_registry::RegistryError;

/// Longest wait between two looks whether a registry answers again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Different things of one host that failed one after the other: from so many on, the next one waits.
pub(super) const FEW: usize = 3;
/// And from so many on the host may count as silent, as long as there are others that were not tried.
const SEVERAL: usize = 6;
/// How often a thing is tried in one run while its host answers for others.
pub(super) const TRIES: u32 = 3;

/// How long somebody has been silent, and for how long that is borne.
pub(super) struct Patience {
    most: Duration,
    since: Option<Instant>,
    waits: u32,
}

impl Patience {
    pub(super) fn new(most: Duration) -> Self {
        Self { most, since: None, waits: 0 }
    }

    /// It answered.
    pub(super) fn restored(&mut self) {
        self.since = None;
        self.waits = 0;
    }

    /// It does not answer, and has not for as long as the request that says so took.
    fn begin(&mut self, error: &RegistryError) -> Instant {
        let lasted = match error {
            RegistryError::Busy { lasted, .. } => *lasted,
            _ => Duration::ZERO,
        };
        let now = Instant::now();
        *self.since.get_or_insert(now.checked_sub(lasted).unwrap_or(now))
    }

    /// How long to wait before the next look; None where it was long enough.
    pub(super) fn next(&mut self, error: &RegistryError) -> Option<Duration> {
        let since = self.begin(error);
        let doubled = Duration::from_secs(1 << self.waits.min(6)).min(LONGEST_WAIT);
        self.waits += 1;
        // Whoever asks for no wait is asked less and less often none the less.
        let wait = asked(error).max(doubled);
        (since.elapsed().saturating_add(wait) <= self.most).then_some(wait)
    }
}

/// What is known in this run of whether a host answers.
pub(super) struct Health {
    patience: Patience,
    /// What failed since something last did not, and whether it was to be asked less.
    failing: BTreeMap<String, bool>,
}

/// What follows from a failure for the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Something else of it is tried, after this wait.
    GoOn(Duration),
    /// It is silent.
    GiveUp,
}

impl Health {
    pub(super) fn new(most: Duration) -> Self {
        Self { patience: Patience::new(most), failing: BTreeMap::new() }
    }

    /// It answered: with what was asked for (`whole`), or with as little as every host answers that asks
    /// to be asked for less.
    pub(super) fn answered(&mut self, whole: bool) {
        self.failing.retain(|_, throttled| *throttled && !whole);
        if self.failing.is_empty() {
            self.patience.restored();
        }
    }

    /// What failed since something last did not.
    pub(super) fn failing(&self) -> impl Iterator<Item = &str> {
        self.failing.keys().map(String::as_str)
    }

    /// Whether so much fails that its next answer is to be waited for.
    pub(super) fn ails(&self) -> bool {
        self.failing.len() >= FEW
    }

    /// Something of it failed; `others` says that there is something that was not tried yet.
    pub(super) fn failed(&mut self, thing: &str, error: &RegistryError, others: bool) -> Next {
        self.failing.insert(thing.to_owned(), throttles(error));
        self.patience.begin(error);
        if others && !self.ails() {
            return Next::GoOn(Duration::ZERO);
        }
        match self.patience.next(error) {
            Some(wait) => Next::GoOn(wait),
            None if others && self.failing.len() < SEVERAL => Next::GoOn(Duration::ZERO),
            None => Next::GiveUp,
        }
    }
}

/// How long it asks to be left alone.
fn asked(error: &RegistryError) -> Duration {
    match error {
        RegistryError::Busy { retry_after, .. } => retry_after.unwrap_or_default(),
        _ => Duration::ZERO,
    }
}

/// Whether it says that it is asked too much, which holds for all of it.
pub(super) fn throttles(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Busy { status: 429, .. })
}

/// How long to wait before what failed so often is tried again, while its host answers for others; None
/// where it was tried often enough, or for as long as is borne.
pub(super) fn again(error: &RegistryError, tries: u32, since: Instant, most: Duration) -> Option<Duration> {
    let wait = asked(error).max(Duration::from_secs(1 << tries.min(4)));
    (tries < TRIES && since.elapsed().saturating_add(wait) <= most).then_some(wait)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn busy(asked: Option<Duration>, lasted: Duration) -> RegistryError {
        answered(429, asked, lasted)
    }

    fn answered(status: u16, asked: Option<Duration>, lasted: Duration) -> RegistryError {
        let (host, detail, wait) = ("r.example".to_owned(), String::new(), String::new());
        RegistryError::Busy { host, status, detail, tries: 1, wait, retry_after: asked, lasted }
    }

    #[test]
    fn whoever_asks_for_a_year_or_more_is_not_waited_for() {
        for asked in [Duration::from_secs(31_536_000), Duration::from_secs(u64::MAX), Duration::MAX] {
            let mut patience = Patience::new(Duration::from_secs(300));
            assert!(patience.next(&busy(None, Duration::ZERO)).is_some());
            assert_eq!(patience.next(&busy(Some(asked), Duration::ZERO)), None);
        }
    }

    #[test]
    fn waits_grow_whatever_is_asked_and_what_a_request_waited_counts() {
        let mut patience = Patience::new(Duration::from_secs(300));
        let waits: Vec<u64> = (0..7)
            .map_while(|_| patience.next(&busy(Some(Duration::ZERO), Duration::ZERO)))
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        patience.restored();
        assert_eq!(patience.next(&busy(Some(Duration::from_secs(9)), Duration::ZERO)).unwrap().as_secs(), 9);
        let mut patience = Patience::new(Duration::from_secs(3));
        assert_eq!(patience.next(&busy(None, Duration::from_secs(3))), None);
    }

    #[test]
    fn a_host_is_silent_where_many_things_fail_one_after_the_other_and_not_where_one_does() {
        let long = Duration::from_secs(60);
        let error = answered(500, None, long);
        let mut health = Health::new(Duration::from_secs(5));
        // One thing, however often and however long it takes, while there are others.
        for _ in 0..20 {
            assert_eq!(health.failed("a", &error, true), Next::GoOn(Duration::ZERO));
        }
        for thing in ["b", "c", "d", "e"] {
            assert_eq!(health.failed(thing, &error, true), Next::GoOn(Duration::ZERO), "{thing}");
        }
        assert_eq!(health.failed("f", &error, true), Next::GiveUp);
        // Something of it answers in between.
        health.answered(false);
        assert_eq!(health.failed("g", &error, true), Next::GoOn(Duration::ZERO));
        // There is nothing else.
        assert_eq!(health.failed("g", &error, false), Next::GiveUp);
    }

    #[test]
    fn who_asks_to_be_asked_less_is_not_well_because_small_requests_pass() {
        let mut health = Health::new(Duration::from_secs(300));
        for thing in ["a", "b", "c"] {
            health.failed(thing, &busy(None, Duration::ZERO), true);
            health.answered(false);
        }
        assert!(health.ails());
        health.answered(true);
        assert!(!health.ails());
    }
}
