//! One judgement for each image, however many ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use lazaret_model::{Class, Digest, ImageRef, Outcome, RegistryRef, Report, Severity};
use lazaret_scan::{Asker, ScanError, Scanner};
use serde::Serialize;
use time::OffsetDateTime;

use crate::Refusal;

/// What is kept of a judgement.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// Digest of the manifest.
    pub digest: Digest,
    /// The verdict.
    pub outcome: Outcome,
    /// Why, in one sentence.
    pub why: String,
    /// The findings, worst first.
    pub findings: Vec<Named>,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub judged_at: OffsetDateTime,
    /// Versions of what judged.
    pub judges: String,
}

/// A finding, by its rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// The rule.
    pub rule: String,
    /// What it says about intent.
    pub class: Class,
    /// How bad.
    pub severity: Severity,
}

impl Judged {
    fn of(digest: &Digest, report: &Report, judges: &str) -> Self {
        let findings = report.images.iter().flat_map(|image| &image.findings);
        let mut findings: Vec<Named> = findings
            .map(|finding| Named {
                rule: finding.rule.id.clone(),
                class: finding.class,
                severity: finding.severity,
            })
            .collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings.dedup();
        Self {
            digest: digest.clone(),
            outcome: report.verdict.outcome,
            why: report.verdict.why.clone(),
            findings,
            judged_at: OffsetDateTime::now_utc(),
            judges: judges.to_owned(),
        }
    }
}

type Outcomes = Result<Arc<Judged>, Refusal>;
type Flight = Shared<BoxFuture<'static, Outcomes>>;

/// Judges images, each once.
pub struct Judge {
    scanner: Arc<Scanner>,
    judges: String,
    verdicts: Mutex<HashMap<Digest, Arc<Judged>>>,
    flights: Mutex<HashMap<Digest, Flight>>,
}

impl Judge {
    /// A judge that uses this scanner.
    pub fn new(scanner: Arc<Scanner>) -> Self {
        Self { judges: scanner.judges(), scanner, verdicts: Mutex::default(), flights: Mutex::default() }
    }

    /// The verdict on a manifest, where it is known and no older than `longest`.
    pub fn known(&self, digest: &Digest, longest: Duration) -> Option<Arc<Judged>> {
        let known = lock(&self.verdicts).get(digest).cloned()?;
        let age = OffsetDateTime::now_utc() - known.judged_at;
        (age <= longest && known.judges == self.judges).then_some(known)
    }

    /// Judgements that are known, and those under way.
    pub fn counts(&self) -> (usize, usize) {
        (lock(&self.verdicts).len(), lock(&self.flights).len())
    }

    /// All that are known.
    pub fn list(&self) -> Vec<Arc<Judged>> {
        lock(&self.verdicts).values().cloned().collect()
    }

    /// The verdict on the manifest that a reference names by digest: the known one, the one that
    /// is being made, or a new one. It is made to its end, also when whoever asked hangs up. None
    /// where it is not there within `hold`.
    pub async fn verdict(
        self: &Arc<Self>,
        asker: &Asker,
        image: &RegistryRef,
        digest: &Digest,
        longest: Duration,
        hold: Duration,
    ) -> Option<Outcomes> {
        if let Some(known) = self.known(digest, longest) {
            return Some(Ok(known));
        }
        let flight = {
            let mut flights = lock(&self.flights);
            flights
                .entry(digest.clone())
                .or_insert_with(|| self.fly(asker.clone(), image.clone(), digest.clone()))
                .clone()
        };
        tokio::time::timeout(hold, flight).await.ok()
    }

    fn fly(self: &Arc<Self>, asker: Asker, image: RegistryRef, digest: Digest) -> Flight {
        let judge = Arc::clone(self);
        let runtime = tokio::runtime::Handle::current();
        // A judgement waits for a worker most of its time, and has a thread of its own for that.
        let task = tokio::task::spawn_blocking(move || {
            let outcome = runtime.block_on(judge.judge(&asker, image, &digest));
            if let Ok(judged) = &outcome {
                lock(&judge.verdicts).insert(digest.clone(), Arc::clone(judged));
            }
            // Whoever asks from now on finds the verdict, or tries again.
            lock(&judge.flights).remove(&digest);
            outcome
        });
        let landed = async move {
            match task.await {
                Ok(outcome) => outcome,
                Err(_) => Err(Refusal::broken("the judgement broke off: nothing comes in unjudged")),
            }
        };
        landed.boxed().shared()
    }

    async fn judge(&self, asker: &Asker, image: RegistryRef, digest: &Digest) -> Outcomes {
        let reference = RegistryRef { tag: None, digest: Some(digest.clone()), ..image };
        let reports = self.scanner.scan_for(asker, &ImageRef::Registry(reference), None).await;
        let reports = reports.map_err(|error: ScanError| Refusal::unjudged(&error))?;
        match reports.first().filter(|report| report.pinned.digest == *digest) {
            Some(report) => Ok(Arc::new(Judged::of(digest, report, &self.judges))),
            None => Err(Refusal::broken("the judgement is about another image than the one asked for")),
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is replaced whole; a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
