use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How fast one host may be asked, for whoever asks much of it: requests are spread over time, and
/// where a host asks to be left alone for a while, all who ask it wait. Clones share it.
#[derive(Clone)]
pub struct Pace {
    inner: Arc<Inner>,
}

struct Inner {
    /// Between two requests to one host.
    gap: Duration,
    /// When each host may be asked next.
    hosts: Mutex<HashMap<String, Instant>>,
    told: Told,
}

/// Who is told that a host, named, asks to be left alone for so long.
type Told = Box<dyn Fn(&str, Duration) + Send + Sync>;

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").field("gap", &self.inner.gap).finish_non_exhaustive()
    }
}

impl Pace {
    /// At most so many requests in a second to one host; 0 sets no limit. `told` hears when a host
    /// asks to be left alone.
    pub fn new(per_second: u32, told: impl Fn(&str, Duration) + Send + Sync + 'static) -> Self {
        let gap = match per_second {
            0 => Duration::ZERO,
            n => Duration::from_secs(1) / n,
        };
        Self { inner: Arc::new(Inner { gap, hosts: Mutex::default(), told: Box::new(told) }) }
    }

    /// Waits until this host may be asked.
    pub(crate) async fn turn(&self, host: &str) {
        let now = Instant::now();
        let at = {
            let mut hosts = self.inner.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let next = hosts.entry(host.to_owned()).or_insert(now);
            let at = (*next).max(now);
            *next = at + self.inner.gap;
            at
        };
        tokio::time::sleep_until(at).await;
    }

    /// Leaves this host alone for so long. That is told where somebody waits for it now.
    pub(crate) fn hold(&self, host: &str, wait: Duration, somebody_waits: bool) {
        let Some(until) = Instant::now().checked_add(wait).filter(|_| !wait.is_zero()) else { return };
        {
            let mut hosts = self.inner.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let next = hosts.entry(host.to_owned()).or_insert(until);
            *next = (*next).max(until);
        }
        if somebody_waits {
            (self.inner.told)(host, wait);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test]
    async fn requests_to_one_host_are_spread_and_others_are_not_held_up() {
        let pace = Pace::new(20, |_, _| {});
        let begun = Instant::now();
        for _ in 0..5 {
            pace.turn("a.example").await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(195), "{:?}", begun.elapsed());
        let begun = Instant::now();
        pace.turn("b.example").await;
        assert!(begun.elapsed() < Duration::from_millis(40), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn whoever_asks_a_host_that_wants_quiet_waits_and_it_is_told() {
        let told = Arc::new(AtomicU64::new(0));
        let hears = Arc::clone(&told);
        let pace = Pace::new(0, move |host, wait| {
            assert_eq!(host, "a.example");
            hears.store(u64::try_from(wait.as_millis()).unwrap(), Ordering::SeqCst);
        });
        let begun = Instant::now();
        pace.hold("a.example", Duration::from_millis(150), true);
        pace.turn("a.example").await;
        assert!(begun.elapsed() >= Duration::from_millis(145));
        assert_eq!(told.load(Ordering::SeqCst), 150);
        pace.hold("a.example", Duration::MAX, true);
        pace.hold("a.example", Duration::ZERO, true);
        assert_eq!(told.load(Ordering::SeqCst), 150, "no time that a clock could reach, and no wait");
    }
}
