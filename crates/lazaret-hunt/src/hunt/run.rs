use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use lazaret_model::{Budget, GapKind, ImageRef, Outcome, Report};
use lazaret_registry::RegistryError;
use lazaret_scan::{ScanError, Scanner, WorkerError};
use lazaret_store::{Hunt, HuntItem, HuntState, ItemState, Store, StoreError};

use super::accounts::{AccountError, Sites};
use super::line::{After, Ended, Line, Turn};
use super::list::{Cursor, PAGE, worst};
use super::metadata::MetadataError;
use super::patience;
use super::progress::{HuntEvent, HuntListener, Tally, Troubles};
use super::target::Target;

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
    /// How far the list came, and what is not in it.
    pub(super) cursor: Cursor,
    /// What is not in the list of what is at hand, which is looked at each time.
    pub(super) troubles: Troubles,
    /// Registries that were given up while they were listed, and why.
    pub(super) silent: BTreeMap<String, String>,
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
            cursor: Cursor::default(),
            troubles: Troubles::default(),
            silent: BTreeMap::new(),
        };
        let mut stop = pin!(stop);
        let listed = tokio::select! {
            listed = going.list(was) => {
                listed?;
                true
            }
            () = &mut stop => false,
        };
        let hunt = going.hunt.clone();
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
            // What was listed can be judged where it lies elsewhere, and the rest the next time.
            hosts: Mutex::new(going.silent.clone()),
        };
        let end = match listed {
            false => End::Stopped,
            true => tokio::select! {
                judged = judging.all() => match (judged?.join("; "), &self.settings.fleet) {
                    (why, _) if !why.is_empty() => End::Paused(why),
                    (_, Some(fleet)) if !fleet.wait => End::Queued,
                    (_, _) => End::Done,
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
            skipped: going.cursor.skipped,
            troubles: [going.troubles.lines(), going.cursor.troubles.lines()].concat(),
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

    /// Something at hand is not in the list that should be.
    pub(super) fn leave_out(&mut self, why: &str) {
        self.troubles.add(why);
        self.tell(HuntEvent::Trouble(why.to_owned()));
    }

    /// Something that a registry or a site should list is not in the list.
    pub(super) fn leave_out_of_list(&mut self, why: &str) {
        self.cursor.troubles.add(why);
        self.tell(HuntEvent::Trouble(why.to_owned()));
    }

    /// Whether nothing was left out.
    pub(super) fn whole(&self) -> bool {
        self.troubles.is_empty() && self.cursor.troubles.is_empty()
    }

    /// Waits for somebody who does not answer.
    pub(super) async fn wait_for(&self, host: &str, error: &RegistryError, wait: Duration) {
        if !wait.is_zero() {
            self.tell(HuntEvent::Waits { host: host.to_owned(), wait, why: error.to_string() });
            tokio::time::sleep(wait).await;
        }
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
    hosts: Mutex<BTreeMap<String, String>>,
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
        match error.may_pass() {
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

    fn hosts(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, event: HuntEvent) {
        (self.hunter.told)(event);
    }

    /// Judges what is to be judged. Why the rest waits, where it does: what each registry said that was
    /// given up.
    async fn all(&self) -> Result<Vec<String>, HuntError> {
        let mut left = Vec::new();
        for item in self.store.hunt_items(self.hunt.id).await? {
            if item.state == ItemState::Gone {
                continue;
            }
            let mut tally = self.tally();
            tally.total += 1;
            let judged = matches!(item.state, ItemState::Judged(_) | ItemState::NoImage);
            let in_this_round = item.changed >= self.hunt.started && item.judges == self.standing;
            if item.subject == PAGE || judged && in_this_round {
                tally.count(item.state, 1);
            } else {
                left.push(item);
            }
        }
        self.tell(HuntEvent::Tally(*self.tally()));
        // What failed before is tried after all that was not looked at yet.
        left.sort_by_key(|item| item.state == ItemState::Failed || put_off(item));
        let mut line = Line::new(self.hunter.settings.patience);
        left.into_iter().for_each(|item| line.add(item));
        for host in self.hosts().keys() {
            line.leave(host);
        }
        let at_once = self.hunter.settings.at_once.max(1);
        let mut turns = FuturesUnordered::new();
        loop {
            while turns.len() < at_once
                && let Some(turn) = line.next()
            {
                turns.push(self.turn(turn));
            }
            let later = line.later().filter(|_| turns.len() < at_once);
            let ended = tokio::select! {
                Some(ended) = turns.next(), if !turns.is_empty() => ended?,
                () = tokio::time::sleep_until(later.unwrap_or_else(Instant::now).into()), if later.is_some() => continue,
                else => break,
            };
            match line.ended(ended) {
                After::Nothing => {}
                After::Waits(host, wait, error) => {
                    self.tell(HuntEvent::Waits { host, wait, why: error.to_string() });
                }
                After::Silent(host, error) => {
                    self.hosts().insert(host, error.to_string());
                }
            }
        }
        if self.hunter.settings.fleet.as_ref().is_some_and(|fleet| fleet.wait) {
            self.follow().await?;
        }
        Ok(self.hosts().values().cloned().collect())
    }

    /// One attempt at one image. What fails and may pass is tried again later; where its host answers for
    /// others meanwhile, only a few times.
    async fn turn(&self, turn: Turn) -> Result<Ended, HuntError> {
        let reference = match turn.item.reference.parse::<ImageRef>() {
            Ok(reference) => reference,
            Err(error) => {
                self.note(failed(turn.item, error.to_string())).await?;
                return Ok(Ended::Done { host: turn.host, had: None, whole: false });
            }
        };
        let error = match self.attempt(&turn.item, &reference).await {
            Ok(done) => {
                let whole = done != turn.item && done.judges == self.standing;
                self.note(done).await?;
                return Ok(Ended::Done { host: turn.host, had: Some(reference), whole });
            }
            Err(Attempt::Failed(why)) => {
                self.note(failed(turn.item, why)).await?;
                return Ok(Ended::Done { host: turn.host, had: None, whole: false });
            }
            Err(Attempt::Fatal(error)) => return Err(error),
            Err(Attempt::Passes(error)) => error,
        };
        if turn.item.state == ItemState::Pending && turn.tries == 0 {
            // Whoever goes on with the hunt begins with the others.
            let item = HuntItem { note: error.to_string(), ..turn.item.clone() };
            self.store.set_hunt_item(self.hunt.id, &item).await?;
        }
        let answers = match &turn.good {
            Some(good) if turn.tries > 0 && !patience::throttles(&error) => self.identity(good).await.is_ok(),
            _ => false,
        };
        if !answers {
            return Ok(Ended::PutOff { turn, error });
        }
        match patience::again(&error, turn.tries + 1, turn.since, self.hunter.settings.patience) {
            Some(wait) => Ok(Ended::Again { turn, wait }),
            None => {
                self.note(failed(turn.item, error.to_string())).await?;
                Ok(Ended::Done { host: turn.host, had: None, whole: false })
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
        let judged = matches!(item.state, ItemState::Judged(_) | ItemState::NoImage | ItemState::Queued);
        if judged && !digest.is_empty() && item.digest == digest && item.judges == self.standing {
            return Ok(item.clone());
        }
        if self.hunter.settings.fleet.is_some() {
            return self.ask_fleet(item, reference, digest).await;
        }
        let scanning = AssertUnwindSafe(self.hunter.scanner.scan(reference)).catch_unwind();
        let reports = match scanning.await {
            Ok(Err(error)) if error.is_no_image() => {
                return Ok(self.no_image(item, digest, error.to_string()));
            }
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

    /// An image's name, and nothing that runs under it.
    fn no_image(&self, item: &HuntItem, digest: String, why: String) -> HuntItem {
        let judges = self.standing.clone();
        HuntItem {
            digest,
            judges,
            subject: String::new(),
            state: ItemState::NoImage,
            note: why,
            ..item.clone()
        }
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

/// Whether it failed in an earlier run in a way that may pass.
fn put_off(item: &HuntItem) -> bool {
    item.state == ItemState::Pending && !item.note.is_empty()
}

fn failed(item: HuntItem, why: String) -> HuntItem {
    HuntItem { state: ItemState::Failed, note: why, ..item }
}

/// Whether something was not there to be read.
fn is_partial(report: &Report) -> bool {
    let gaps = report.images.iter().flat_map(|image| &image.gaps);
    gaps.into_iter().any(|gap| gap.kind == GapKind::Missing)
}
