use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use futures_util::{FutureExt, StreamExt, stream};
use lazaret_model::{Budget, GapKind, ImageRef, Outcome, Report};
use lazaret_registry::RegistryError;
use lazaret_scan::{ScanError, Scanner, WorkerError};
use lazaret_store::{Hunt, HuntItem, HuntState, ItemState, Store, StoreError};

use super::accounts::{AccountError, Sites};
use super::list::{PAGE, worst};
use super::metadata::MetadataError;
use super::progress::{HuntEvent, HuntListener, Tally};
use super::target::Target;

/// Longest wait between two looks whether a registry answers again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is to be hunted, and how.
#[derive(Debug, Clone)]
pub struct HuntSettings {
    /// The targets. Without any, the images that `metadata` describes.
    pub targets: Vec<Target>,
    /// Files that say what sites say of repositories.
    pub metadata: Vec<PathBuf>,
    /// Only so many tags of each repository, the newest.
    pub tags: Option<usize>,
    /// Names asked for in one page of a registry's list.
    pub page: u32,
    /// Images that are judged at the same time.
    pub at_once: usize,
    /// How long a registry may be silent, or ask to be left alone, before the hunt goes on without it.
    pub patience: Duration,
    /// Forget what an earlier hunt over the same targets came to.
    pub fresh: bool,
    /// Where accounts are listed.
    pub sites: Sites,
    /// Leave the judging to a fleet.
    pub fleet: Option<Fleet>,
}

/// How a fleet of workers is asked.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The rules under which it is to judge: [`Scanner::judges_with`].
    pub judges: String,
    /// Whether to wait until it is done.
    pub wait: bool,
}

/// Why a hunt cannot go on. What it came to until then is remembered.
#[derive(Debug, thiserror::Error)]
pub enum HuntError {
    /// The store, the rules or the worker cannot be used.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A registry cannot be asked at all.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A file with metadata cannot be used.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// An account cannot be listed.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A list or folder cannot be read.
    #[error("{what} cannot be read: {source}")]
    Read {
        /// Which.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// A hunt remembers what it came to, and there is no store.
    #[error("a hunt remembers how far it came, and there is no store: leave out --no-store")]
    NoStore,
}

/// How a hunt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// All that was listed was judged, or could not be.
    Done,
    /// A registry was silent for too long: the rest waits. Why, in words.
    Paused(String),
    /// It was told to stop.
    Stopped,
    /// A fleet was asked, and is not waited for.
    Queued,
}

/// What became of one image, or of a repository whose page is the lure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub reference: String,
    /// What the name stands for; empty where that is not known.
    pub digest: String,
    /// Where it stands.
    pub state: ItemState,
    /// Why.
    pub why: String,
    /// Whether it is a page without an image.
    pub page: bool,
}

/// What a hunt came to.
#[derive(Debug, Clone)]
pub struct Summary {
    /// What was hunted, in words.
    pub target: String,
    /// How it ended.
    pub end: End,
    /// The numbers.
    pub tally: Tally,
    /// Everything in it, by name.
    pub rows: Vec<Row>,
    /// Names that are none of a repository or tag, left out.
    pub skipped: u64,
    /// What was left out or not read to its end, and why.
    pub troubles: Vec<String>,
    /// How long this run took.
    pub took: Duration,
}

/// Hunts.
pub struct Hunter {
    pub(super) scanner: Scanner,
    pub(super) settings: HuntSettings,
    pub(super) told: HuntListener,
}

/// A hunt that is being listed.
pub(super) struct Going<'a> {
    pub(super) hunter: &'a Hunter,
    pub(super) store: &'a Store,
    pub(super) hunt: Hunt,
    pub(super) listed: BTreeSet<String>,
    pub(super) repositories: u64,
    pub(super) skipped: u64,
    /// How often something was left out in the listing.
    pub(super) incomplete: u64,
    pub(super) troubles: Vec<String>,
    pub(super) paused: Option<String>,
}

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

    /// How long to wait before the next look; None where it was long enough.
    fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let doubled = Duration::from_secs(1 << self.waits.min(6)).min(LONGEST_WAIT);
        self.waits += 1;
        let wait = asked.unwrap_or(doubled);
        (since.elapsed() + wait <= self.most).then_some(wait)
    }
}

/// Whether an error may pass by itself.
pub(super) fn passes(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Unreachable { .. } | RegistryError::Busy { .. })
}

fn asked(error: &RegistryError) -> Option<Duration> {
    match error {
        RegistryError::Busy { retry_after, .. } => *retry_after,
        _ => None,
    }
}

impl Hunter {
    /// A hunter that judges with this scanner, which must have a store.
    ///
    /// # Errors
    /// A scanner without a store.
    pub fn new(scanner: Scanner, settings: HuntSettings, told: HuntListener) -> Result<Self, HuntError> {
        if scanner.store().is_none() {
            return Err(HuntError::NoStore);
        }
        scanner.keep_workers();
        Ok(Self { scanner, settings, told })
    }

    /// Hunts until all is judged, a registry has been silent for too long, or `stop` ends.
    ///
    /// # Errors
    /// What keeps the whole hunt from going on. Run again, it goes on where it was.
    pub async fn hunt(&self, stop: impl Future<Output = ()>) -> Result<Summary, HuntError> {
        let begun = Instant::now();
        let store = self.scanner.store().ok_or(HuntError::NoStore)?;
        let name = self.name();
        if self.settings.fresh {
            store.forget_hunt(&name).await?;
        }
        let hunt = store.begin_hunt(&name).await?;
        let was = hunt.state;
        if was == HuntState::Done {
            store.restart_hunt(hunt.id).await?;
        }
        let hunt = store.begin_hunt(&name).await?;
        let mut going = Going {
            hunter: self,
            store,
            hunt,
            listed: BTreeSet::new(),
            repositories: 0,
            skipped: 0,
            incomplete: 0,
            troubles: Vec::new(),
            paused: None,
        };
        let mut stop = pin!(stop);
        let listed = tokio::select! {
            listed = going.list(was) => Some(listed?),
            () = &mut stop => None,
        };
        let (hunt, paused) = (going.hunt.clone(), going.paused.take());
        let standing = match &self.settings.fleet {
            Some(fleet) => fleet.judges.clone(),
            None => self.scanner.standing().await?,
        };
        let judging = Judging {
            hunter: self,
            store,
            hunt: &hunt,
            standing,
            tally: Mutex::default(),
            hosts: Mutex::default(),
        };
        let end = match listed {
            None => End::Stopped,
            // What was listed can be judged where it lies elsewhere, and the rest the next time.
            Some(whole) => tokio::select! {
                judged = judging.all() => match (judged?, whole) {
                    (Some(why), _) => End::Paused(why),
                    (None, false) => End::Paused(paused.unwrap_or_default()),
                    (None, true) => match &self.settings.fleet {
                        Some(fleet) if !fleet.wait => End::Queued,
                        _ => End::Done,
                    },
                },
                () = &mut stop => End::Stopped,
            },
        };
        let (state, note) = match &end {
            End::Done => (HuntState::Done, ""),
            End::Paused(why) => (HuntState::Paused, why.as_str()),
            End::Stopped => (HuntState::Paused, "it was told to stop"),
            End::Queued => (HuntState::Judging, ""),
        };
        store.set_hunt(hunt.id, state, &hunt.cursor, note).await?;
        let rows = store.hunt_items(hunt.id).await?.into_iter().filter(|item| item.state != ItemState::Gone);
        let rows = rows.map(|item| Row {
            page: item.subject == PAGE,
            reference: item.reference,
            digest: item.digest,
            state: item.state,
            why: item.note,
        });
        let tally = *judging.tally();
        Ok(Summary {
            target: name,
            end,
            tally,
            rows: rows.collect(),
            skipped: going.skipped,
            troubles: going.troubles,
            took: begun.elapsed(),
        })
    }

    /// Closes the store; the workers end.
    ///
    /// # Errors
    /// What the store could not write.
    pub async fn close(self) -> Result<(), HuntError> {
        Ok(self.scanner.close().await?)
    }

    /// The name under which a hunt is remembered: its targets, whatever their order.
    fn name(&self) -> String {
        let mut names: Vec<String> = self.settings.targets.iter().map(ToString::to_string).collect();
        if names.is_empty() {
            let whole = |path: &PathBuf| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            names = self
                .settings
                .metadata
                .iter()
                .map(|path| format!("metadata:{}", whole(path).display()))
                .collect();
        }
        names.sort();
        names.dedup();
        if let Some(most) = self.settings.tags {
            names.push(format!("({most} tags)"));
        }
        names.join(" ")
    }
}

impl Going<'_> {
    pub(super) fn tell(&self, event: HuntEvent) {
        (self.hunter.told)(event);
    }

    /// Something is not in the list that should be.
    pub(super) fn leave_out(&mut self, why: String) {
        self.incomplete += 1;
        self.tell(HuntEvent::Trouble(why.clone()));
        self.troubles.push(why);
    }

    /// Waits for a registry that does not answer; false where that was long enough.
    pub(super) async fn wait_for(
        &mut self,
        host: &str,
        error: &RegistryError,
        patience: &mut Patience,
    ) -> bool {
        let Some(wait) = patience.next(asked(error)) else {
            self.paused = Some(error.to_string());
            return false;
        };
        self.tell(HuntEvent::Waits { host: host.to_owned(), wait, why: error.to_string() });
        tokio::time::sleep(wait).await;
        true
    }
}

/// The second half of a hunt.
pub(super) struct Judging<'a> {
    pub(super) hunter: &'a Hunter,
    pub(super) store: &'a Store,
    pub(super) hunt: &'a Hunt,
    /// What everything is judged by.
    pub(super) standing: String,
    tally: Mutex<Tally>,
    /// Registries that were given up in this run, and why.
    hosts: Mutex<HashMap<String, String>>,
}

/// Why an attempt gave no verdict.
pub(super) enum Attempt {
    /// It may pass.
    Passes(RegistryError),
    /// It does not.
    Failed(String),
    /// Nothing can be judged.
    Fatal(HuntError),
}

impl From<RegistryError> for Attempt {
    fn from(error: RegistryError) -> Self {
        match passes(&error) {
            true => Self::Passes(error),
            false => Self::Failed(error.to_string()),
        }
    }
}

impl From<StoreError> for Attempt {
    fn from(error: StoreError) -> Self {
        Self::Fatal(error.into())
    }
}

impl From<ScanError> for Attempt {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Registry(error) => error.into(),
            ScanError::Store(_)
            | ScanError::Rules(_)
            | ScanError::Worker(WorkerError::Start(_) | WorkerError::Refused(_)) => Self::Fatal(error.into()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl Judging<'_> {
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, event: HuntEvent) {
        (self.hunter.told)(event);
    }

    /// Judges what is to be judged. Why the rest waits, where it does.
    async fn all(&self) -> Result<Option<String>, HuntError> {
        let mut left = Vec::new();
        for item in self.store.hunt_items(self.hunt.id).await? {
            if item.state == ItemState::Gone {
                continue;
            }
            let mut tally = self.tally();
            tally.total += 1;
            let judged = matches!(item.state, ItemState::Judged(_));
            let in_this_round = item.changed >= self.hunt.started && item.judges == self.standing;
            if item.subject == PAGE || judged && in_this_round {
                tally.count(item.state, 1);
            } else {
                left.push(item);
            }
        }
        self.tell(HuntEvent::Tally(*self.tally()));
        let at_once = self.hunter.settings.at_once.max(1);
        let mut judged = pin!(stream::iter(left).map(|item| self.item(item)).buffer_unordered(at_once));
        while let Some(outcome) = judged.next().await {
            outcome?;
        }
        if self.hunter.settings.fleet.as_ref().is_some_and(|fleet| fleet.wait) {
            self.follow().await?;
        }
        let mut given_up: Vec<String> = self.hosts().values().cloned().collect();
        given_up.sort();
        Ok(given_up.into_iter().next())
    }

    /// One image, with as many attempts as its registry is worth waiting for.
    async fn item(&self, item: HuntItem) -> Result<(), HuntError> {
        let reference = match item.reference.parse::<ImageRef>() {
            Ok(reference) => reference,
            Err(error) => return self.note(failed(item, error.to_string())).await,
        };
        let host = match &reference {
            ImageRef::Registry(image) => image.registry.clone(),
            _ => String::new(),
        };
        let mut patience = Patience::new(self.hunter.settings.patience);
        loop {
            if self.hosts().contains_key(&host) {
                return Ok(());
            }
            match self.attempt(&item, &reference).await {
                Ok(done) => return self.note(done).await,
                Err(Attempt::Failed(why)) => return self.note(failed(item, why)).await,
                Err(Attempt::Fatal(error)) => return Err(error),
                Err(Attempt::Passes(error)) => match patience.next(asked(&error)) {
                    Some(wait) => {
                        self.tell(HuntEvent::Waits { host: host.clone(), wait, why: error.to_string() });
                        tokio::time::sleep(wait).await;
                    }
                    None => {
                        self.hosts().insert(host.clone(), error.to_string());
                    }
                },
            }
        }
    }

    async fn note(&self, item: HuntItem) -> Result<(), HuntError> {
        self.store.set_hunt_item(self.hunt.id, &item).await?;
        let tally = {
            let mut tally = self.tally();
            tally.count(item.state, 1);
            *tally
        };
        self.tell(HuntEvent::Tally(tally));
        Ok(())
    }

    async fn attempt(&self, item: &HuntItem, reference: &ImageRef) -> Result<HuntItem, Attempt> {
        let digest = self.identity(reference).await?;
        let judged = matches!(item.state, ItemState::Judged(_) | ItemState::Queued);
        if judged && !digest.is_empty() && item.digest == digest && item.judges == self.standing {
            return Ok(item.clone());
        }
        if self.hunter.settings.fleet.is_some() {
            return self.ask_fleet(item, reference, digest).await;
        }
        let scanning = AssertUnwindSafe(self.hunter.scanner.scan(reference)).catch_unwind();
        let reports = match scanning.await {
            Ok(reports) => reports?,
            Err(_) => {
                return Err(Attempt::Failed("judging it broke off; that is a bug of Lazaret".to_owned()));
            }
        };
        let outcome =
            worst(reports.iter().map(|report| report.verdict.outcome)).unwrap_or(Outcome::Inconclusive);
        let unread = reports.iter().any(is_partial);
        if unread && outcome != Outcome::Malicious && matches!(reference, ImageRef::Registry(_)) {
            // Where the registry itself is gone, the image is to be judged when it is back.
            self.identity(reference).await?;
        }
        for report in &reports {
            if let Some(tag) = &report.pinned.tag {
                self.store.note_tag(&report.pinned.repository, tag, &report.pinned.digest).await?;
            }
        }
        self.count(&reports);
        let why = reports.iter().find(|report| report.verdict.outcome == outcome);
        let why = why.map(|report| report.verdict.why.clone()).unwrap_or_default();
        if outcome != Outcome::Clean {
            let reference = item.reference.clone();
            self.tell(HuntEvent::Found { reference, outcome: Some(outcome), why: why.clone() });
        }
        let pinned = match reference {
            ImageRef::Registry(_) => reports.first().map(|report| report.pinned.digest.to_string()),
            _ => None,
        };
        Ok(HuntItem {
            digest: pinned.unwrap_or(digest),
            // What could not be read today may be read the next time.
            judges: if unread { format!("{} partial", self.standing) } else { self.standing.clone() },
            subject: String::new(),
            state: ItemState::Judged(outcome),
            note: why,
            ..item.clone()
        })
    }

    fn count(&self, reports: &[Report]) {
        let mut tally = self.tally();
        tally.judged_now += 1;
        for image in reports.iter().flat_map(|report| &report.images) {
            tally.layers_remembered += image.coverage.layers_remembered;
            tally.layers_read += image.coverage.layers.saturating_sub(image.coverage.layers_remembered);
        }
    }

    /// What the image is now, asked in the cheapest way; empty where only reading it tells.
    async fn identity(&self, reference: &ImageRef) -> Result<String, Attempt> {
        let path = match reference {
            ImageRef::Registry(image) => {
                let client = self.hunter.scanner.client();
                return Ok(match client.stands_for(image).await? {
                    Some(digest) => digest.to_string(),
                    None => client.manifest(image, &Budget::default()).await?.digest.to_string(),
                });
            }
            ImageRef::OciLayout { path, reference: None } | ImageRef::Path(path) => path,
            _ => return Ok(String::new()),
        };
        // A layout is what its index names.
        if let Ok(index) = std::fs::read(path.join("index.json")) {
            return Ok(format!("index {}", blake3::hash(&index).to_hex()));
        }
        let Ok(metadata) = std::fs::metadata(path) else { return Ok(String::new()) };
        let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(match changed.filter(|_| metadata.is_file()) {
            Some(changed) => format!("file {} {}", metadata.len(), changed.as_nanos()),
            None => String::new(),
        })
    }
}

fn failed(item: HuntItem, why: String) -> HuntItem {
    HuntItem { state: ItemState::Failed, note: why, ..item }
}

/// Whether something was not there to be read.
fn is_partial(report: &Report) -> bool {
    let gaps = report.images.iter().flat_map(|image| &image.gaps);
    gaps.into_iter().any(|gap| gap.kind == GapKind::Missing)
}
