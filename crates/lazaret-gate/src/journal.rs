//! The list of what came in and what did not, in the store, for people who ask later.
//!
//! The audit log is written before an answer is given; this list follows it, some answers at once,
//! and may lag behind. What the same asker is answered again and again stands in it once a minute.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lazaret_scan::Scanner;
use lazaret_store::Decision;
use prometheus_client::metrics::counter::Counter;
use time::OffsetDateTime;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::judge::lock;

/// Answers that wait to be written; whoever comes with more waits with them.
const QUEUE: usize = 4_096;
/// Answers that are written at once.
const AT_ONCE: usize = 500;
/// How often a store that fails is tried before answers are left out.
const TRIES: u32 = 5;
/// How long before it is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the same answer to the same asker is not listed again.
const REPEATS: Duration = Duration::from_secs(60);
/// Answers that are remembered for that; beyond it the memory starts anew.
const REMEMBERED: usize = 20_000;
/// How long the list goes back.
const DAYS: i64 = 180;
/// How long is waited at the end for what was not written yet.
const LAST: Duration = Duration::from_secs(10);

/// The list, as those who add to it see it.
pub(crate) struct Journal {
    queue: Mutex<Option<Sender<Decision>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// When an answer was listed last, by all of it that a person would tell apart.
    recent: Mutex<HashMap<u64, Instant>>,
    /// Answers that are not in the list.
    lost: Counter,
}

impl Journal {
    /// Begins to write to the scanner's store, where it has one. Must be called where there is a
    /// runtime.
    pub(crate) fn start(scanner: &Arc<Scanner>, lost: Counter) -> Self {
        if scanner.store().is_none() {
            return Self {
                queue: Mutex::default(),
                writer: Mutex::default(),
                recent: Mutex::default(),
                lost,
            };
        }
        let (sender, queue) = channel(QUEUE);
        let writer = tokio::spawn(write(queue, Arc::clone(scanner), lost.clone()));
        Self {
            queue: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
            recent: Mutex::default(),
            lost,
        }
    }

    /// Adds an answer; waits where too many wait already.
    pub(crate) async fn note(&self, decision: Decision) {
        let queue = lock(&self.queue).clone();
        if let Some(queue) = queue.filter(|_| self.is_new(&decision)) {
            // One that comes after the end is in the audit log alone.
            let _ = queue.send(decision).await;
        }
    }

    /// Adds an answer without waiting, for doors at which a container waits to start. Where too many
    /// wait already, it stands in the audit log alone.
    pub(crate) fn offer(&self, decision: Decision) {
        let queue = lock(&self.queue).clone();
        if let Some(queue) = queue.filter(|_| self.is_new(&decision))
            && let Err(unsent) = queue.try_send(decision)
        {
            self.lost.inc();
            // What is not listed is no reason to leave the next one out as well.
            lock(&self.recent).remove(&told_apart(&unsent.into_inner()));
        }
    }

    /// Whether nobody was answered the same a moment ago: a client asks for a manifest several times in
    /// one pull, and many clients in many.
    fn is_new(&self, decision: &Decision) -> bool {
        let mut recent = lock(&self.recent);
        if recent.len() >= REMEMBERED {
            recent.clear();
        }
        let now = Instant::now();
        let last = recent.entry(told_apart(decision)).or_insert(now);
        let new = *last == now || now - *last >= REPEATS;
        if new {
            *last = now;
        }
        new
    }

    /// Writes what waits, and no more.
    pub(crate) async fn finish(&self) {
        drop(lock(&self.queue).take());
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer
            && tokio::time::timeout(LAST, writer).await.is_err()
        {
            tracing::error!("the store did not take the last answers in time: they are not in its list");
        }
    }
}

/// All of an answer that a person would tell apart.
fn told_apart(decision: &Decision) -> u64 {
    let Decision { door, client, user, image, digest, verdict, policy, answer, .. } = decision;
    // Each connection has another port.
    let client = client.rsplit_once(':').map_or(client.as_str(), |(address, _)| address);
    let mut hasher = DefaultHasher::new();
    (door, client, user, image, digest, verdict, policy, answer.word()).hash(&mut hasher);
    hasher.finish()
}

async fn write(mut queue: Receiver<Decision>, scanner: Arc<Scanner>, lost: Counter) {
    let Some(store) = scanner.store() else { return };
    let mut batch = Vec::with_capacity(AT_ONCE);
    let mut pruned = OffsetDateTime::UNIX_EPOCH;
    while queue.recv_many(&mut batch, AT_ONCE).await > 0 {
        let mut tries = 0;
        while let Err(error) = store.put_decisions(&batch).await {
            tries += 1;
            let error = lazaret_model::one_line(&error.to_string(), 300);
            if tries == TRIES {
                lost.inc_by(batch.len() as u64);
                tracing::error!("{} answers are not in the store's list: {error}", batch.len());
                break;
            }
            tracing::warn!("the store's list of answers lags behind: {error}");
            tokio::time::sleep(PAUSE).await;
        }
        batch.clear();
        let now = OffsetDateTime::now_utc();
        if now - pruned > time::Duration::DAY {
            pruned = now;
            let before = milliseconds(now - time::Duration::days(DAYS));
            let gone = async {
                store.prune_decisions(before).await?;
                // Noted anew whenever a manifest is asked for; and what dead replicas held.
                store.prune_holders(before / 1000).await?;
                store.prune_leases().await
            };
            if let Err(error) = gone.await {
                let error = lazaret_model::one_line(&error.to_string(), 300);
                tracing::warn!("old answers stay in the store's list: {error}");
            }
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn milliseconds(time: OffsetDateTime) -> i64 {
    // Years after 292 million are not reached.
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}
