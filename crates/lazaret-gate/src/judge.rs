//! One judgement for each image, however many ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use lazaret_model::{
    Algorithm, Class, Digest, Finding, ImageRef, Launch, Outcome, RegistryRef, Report, Severity, Verdict,
};
use lazaret_oci::digest_of;
use lazaret_scan::{Asker, ScanError, Scanner};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::Instrument;

use crate::Refusal;
use crate::metrics;

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

impl Named {
    fn of(finding: &Finding) -> Self {
        Self { rule: finding.rule.id.clone(), class: finding.class, severity: finding.severity }
    }
}

impl Judged {
    /// What a feed alone says of something that holds nothing to be read.
    pub(crate) fn by_feed(digest: &Digest, verdict: &Verdict, finding: &Finding, judges: &str) -> Self {
        Self {
            digest: digest.clone(),
            outcome: verdict.outcome,
            why: verdict.why.clone(),
            findings: vec![Named::of(finding)],
            judged_at: OffsetDateTime::now_utc(),
            judges: judges.to_owned(),
        }
    }

    fn of(digest: &Digest, report: &Report, judges: &str) -> Self {
        let findings = report.images.iter().flat_map(|image| &image.findings);
        let mut findings: Vec<Named> = findings.map(Named::of).collect();
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

/// What is judged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Digest of the manifest, or the id under which an engine holds the image.
    pub digest: Digest,
    /// Digest over how it is run; None for the image by itself.
    pub launch: Option<Digest>,
}

impl From<&Digest> for Subject {
    fn from(digest: &Digest) -> Self {
        Self { digest: digest.clone(), launch: None }
    }
}

pub(crate) type Outcomes = Result<Arc<Judged>, Refusal>;
type Flight = Shared<BoxFuture<'static, Outcomes>>;

/// How long a verdict counts that says that something was not read: what failed may pass. What is
/// whole and undecided all the same is answered from the store.
const UNSURE_LASTS: Duration = Duration::from_secs(10);
/// Verdicts that are remembered; beyond it the memory starts anew, from the store.
const REMEMBERED: usize = 20_000;
/// Images that are judged at the same time; the others wait. One that arrives slowly holds up the
/// others only where there are as many of its kind.
pub const AT_ONCE: usize = 4;

/// How long a judgement belongs to the one who began it without a sign of life, where several
/// replicas share a store.
const TURN_LASTS: Duration = Duration::from_secs(15);
/// How often a replica looks whether another has done with an image.
const LOOK: Duration = Duration::from_millis(200);

/// Judges images, each once.
pub struct Judge {
    /// Replaced when rules change.
    scanner: Mutex<Arc<Scanner>>,
    /// By which name this one takes its turn among others with the same store.
    name: String,
    slots: Semaphore,
    /// How many were judged, by verdict.
    judged: Family<metrics::Verdict, Counter>,
    verdicts: Mutex<HashMap<Subject, Arc<Judged>>>,
    flights: Mutex<HashMap<Subject, Flight>>,
    underway: Mutex<HashMap<Subject, Underway>>,
}

/// A judgement that is under way or waits for its turn.
#[derive(Debug, Clone)]
pub struct Underway {
    /// For whose sake it was begun.
    pub image: String,
    /// Since when.
    pub since: OffsetDateTime,
}

impl Judge {
    /// A judge that uses this scanner.
    pub fn new(scanner: Arc<Scanner>, judged: Family<metrics::Verdict, Counter>) -> Self {
        Self {
            scanner: Mutex::new(scanner),
            name: format!("gate {}", random_name()),
            slots: Semaphore::new(AT_ONCE),
            judged,
            verdicts: Mutex::default(),
            flights: Mutex::default(),
            underway: Mutex::default(),
        }
    }

    /// Who scans now.
    pub fn scanner(&self) -> Arc<Scanner> {
        Arc::clone(&lock(&self.scanner))
    }

    /// Judges with other rules from now on. What is under way is brought to its end with the old ones,
    /// and then counts no longer.
    pub fn replace(&self, scanner: Arc<Scanner>) {
        *lock(&self.scanner) = scanner;
    }

    /// The verdict on a manifest, where it is known and no older than `longest`.
    pub fn known(&self, digest: &Digest, longest: Duration) -> Option<Arc<Judged>> {
        self.known_of(&digest.into(), longest)
    }

    /// The same of an image as it is run.
    pub(crate) fn known_of(&self, subject: &Subject, longest: Duration) -> Option<Arc<Judged>> {
        let known = lock(&self.verdicts).get(subject).cloned()?;
        let longest =
            if known.outcome == Outcome::Inconclusive { longest.min(UNSURE_LASTS) } else { longest };
        let age = OffsetDateTime::now_utc() - known.judged_at;
        (age <= longest && known.judges == self.scanner().judges()).then_some(known)
    }

    /// Judgements that are under way or wait for their turn.
    pub fn pending(&self) -> usize {
        lock(&self.flights).len()
    }

    /// The same, one by one, the longest first.
    pub fn underway(&self) -> Vec<(Digest, Underway)> {
        let mut all: Vec<_> =
            lock(&self.underway).iter().map(|(of, how)| (of.digest.clone(), how.clone())).collect();
        all.sort_by_key(|(_, of)| of.since);
        all
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
        let image = RegistryRef { tag: None, digest: Some(digest.clone()), ..image.clone() };
        self.verdict_of(asker, &ImageRef::Registry(image), digest, None, longest, hold).await
    }

    /// The same of any image that a reference names without doubt, also as it is run.
    pub(crate) async fn verdict_of(
        self: &Arc<Self>,
        asker: &Asker,
        image: &ImageRef,
        digest: &Digest,
        launch: Option<&Launch>,
        longest: Duration,
        hold: Duration,
    ) -> Option<Outcomes> {
        let subject = Subject { digest: digest.clone(), launch: launch.map(digest_of_launch) };
        if let Some(known) = self.known_of(&subject, longest) {
            return Some(Ok(known));
        }
        let flight = {
            let mut flights = lock(&self.flights);
            flights
                .entry(subject.clone())
                .or_insert_with(|| self.fly(asker.clone(), image.clone(), launch.cloned(), subject))
                .clone()
        };
        tokio::time::timeout(hold, flight).await.ok()
    }

    fn fly(
        self: &Arc<Self>,
        asker: Asker,
        image: ImageRef,
        launch: Option<Launch>,
        subject: Subject,
    ) -> Flight {
        let judge = Arc::clone(self);
        let (name, since) = (image.to_string(), OffsetDateTime::now_utc());
        lock(&self.underway).insert(subject.clone(), Underway { image: name.clone(), since });
        let judging = async move {
            let _slot = judge.slots.acquire().await;
            let (runtime, inner, about) = (Handle::current(), Arc::clone(&judge), subject.digest.clone());
            // A judgement waits for a worker most of its time, and has a thread of its own for that. It
            // may end in a panic; what stands here may not, or nobody could ask for this image again.
            let judging = spawn_blocking(move || {
                runtime.block_on(inner.judge(&asker, &image, launch.as_ref(), &about))
            });
            let outcome = judging.await.unwrap_or_else(|_| Err(broke_off()));
            judge.land(&subject, &outcome);
            let milliseconds = (OffsetDateTime::now_utc() - since).whole_milliseconds();
            let (image, digest) = (lazaret_model::one_line(&name, 300), subject.digest.to_string());
            match &outcome {
                Ok(judged) => {
                    let verdict = judged.outcome.word();
                    tracing::info!(image, digest, verdict, milliseconds, "judged");
                }
                Err(refusal) => {
                    let why = lazaret_model::one_line(&refusal.message, 300);
                    tracing::warn!(image, digest, milliseconds, why, "not judged");
                }
            }
            outcome
        };
        // The log tells for whose request it was begun.
        let task = tokio::spawn(judging.in_current_span());
        async move { task.await.unwrap_or_else(|_| Err(broke_off())) }.boxed().shared()
    }

    /// Notes what came of a judgement: whoever asks from now on finds it, or tries again.
    fn land(&self, subject: &Subject, outcome: &Outcomes) {
        if let Ok(judged) = outcome {
            self.judged.get_or_create(&metrics::Verdict { verdict: judged.outcome.word().to_owned() }).inc();
            let mut verdicts = lock(&self.verdicts);
            if verdicts.len() >= REMEMBERED {
                verdicts.clear();
            }
            verdicts.insert(subject.clone(), Arc::clone(judged));
        }
        lock(&self.underway).remove(subject);
        lock(&self.flights).remove(subject);
    }

    async fn judge(
        &self,
        asker: &Asker,
        image: &ImageRef,
        launch: Option<&Launch>,
        digest: &Digest,
    ) -> Outcomes {
        let scanner = self.scanner();
        let what = match launch {
            None => format!("judge {digest} {}", scanner.judges()),
            Some(launch) => format!("judge {digest} as {} {}", digest_of_launch(launch), scanner.judges()),
        };
        let _turn = match scanner.store() {
            Some(_) => Some(self.turn(&scanner, what).await?),
            None => None,
        };
        let reports = scanner.scan_for(asker, image, launch).await;
        let reports = reports.map_err(|error: ScanError| Refusal::unjudged(&error))?;
        // An engine calls images by names of its own, and exports one by that name.
        let engines = matches!(image, ImageRef::DockerDaemon(_)) && reports.len() == 1;
        match reports.first().filter(|report| engines || report.pinned.digest == *digest) {
            Some(report) => Ok(Arc::new(Judged::of(digest, report, scanner.judges()))),
            None => Err(Refusal::broken("the judgement is about another image than the one asked for")),
        }
    }

    /// The turn to judge an image, among all who share the store. Whoever has to wait finds the
    /// verdict there afterwards; where the other one died, this one judges.
    async fn turn(&self, scanner: &Arc<Scanner>, what: String) -> Result<StoreTurn, Refusal> {
        let failed = |error: lazaret_store::StoreError| Refusal::broken(error.to_string());
        loop {
            let Some(store) = scanner.store() else { return Err(broke_off()) };
            if store.lease(&what, &self.name, TURN_LASTS).await.map_err(failed)? {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        let (kept, name, lease) = (Arc::clone(scanner), self.name.clone(), what.clone());
        let renewing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TURN_LASTS / 3).await;
                if let Some(store) = kept.store() {
                    // A store that fails now may answer next time; until then nobody else has it.
                    let _ = store.lease(&lease, &name, TURN_LASTS).await;
                }
            }
        });
        Ok(StoreTurn { scanner: Arc::clone(scanner), name: self.name.clone(), what, renewing })
    }
}

/// A turn that was taken in the store; given back when it is dropped.
struct StoreTurn {
    scanner: Arc<Scanner>,
    name: String,
    what: String,
    renewing: JoinHandle<()>,
}

impl Drop for StoreTurn {
    fn drop(&mut self) {
        self.renewing.abort();
        let (scanner, name, what) = (Arc::clone(&self.scanner), self.name.clone(), self.what.clone());
        tokio::spawn(async move {
            if let Some(store) = scanner.store() {
                // One that is not given back runs out.
                let _ = store.release(&what, &name).await;
            }
        });
    }
}

fn random_name() -> String {
    let mut random = [0; 8];
    // Without randomness two replicas might take one turn together: both judge, and agree.
    let _ = getrandom::fill(&mut random);
    data_encoding::HEXLOWER.encode(&random)
}

/// One name for launches that say the same, wherever they were written.
fn digest_of_launch(launch: &Launch) -> Digest {
    let bare = Launch { written: Vec::new(), ..launch.clone() };
    // A launch holds texts and lists alone, which are always JSON.
    digest_of(Algorithm::Sha256, &serde_json::to_vec(&bare).unwrap_or_default())
}

fn broke_off() -> Refusal {
    Refusal::broken("the judgement broke off: nothing comes in unjudged; try again")
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is replaced whole; a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
