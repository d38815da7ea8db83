//! Feeds of indicators in use: which packs count now, and what they say of an image.
//!
//! # Invariants
//!
//! * A pack is believed only after its signature was verified against the keys that are pinned here
//!   and now, each time it is loaded: neither the store nor a file is trusted.
//! * What does not count is told, with the reason. It never counts by accident.
//! * Allowing needs more trust than denying: entries that allow count only where the pin says so.

mod allowed;
mod apply;
mod index;
mod rules;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lazaret_model::{Digest, FeedUse, one_line};
use lazaret_store::Store;
use lazaret_trust::{Action, FeedError, MAX_PACK_BYTES, Pack, Pins, Remembered, admit, instant, open};
use time::OffsetDateTime;

pub use allowed::Allowed;
pub use rules::rules;

use crate::ScanError;
use index::Index;

/// Which feeds are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedSettings {
    /// The file with the pinned keys; None where there is no place for one.
    pub keys: Option<PathBuf>,
    /// Packs that the user named, besides those in the store.
    pub files: Vec<PathBuf>,
}

/// A pack that does not count, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The feed, or the file where it could not be read so far.
    pub name: String,
    /// Why, as a sentence about it that begins with `it` or `no`.
    pub reason: String,
    /// The file, where the user named one.
    pub file: Option<PathBuf>,
    /// Whether it counted until its time was over.
    pub expired: bool,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the feed {} is not used: {}", one_line(&self.name, 200), one_line(&self.reason, 600))
    }
}

/// The feeds that count.
#[derive(Debug, Default)]
pub struct Feeds {
    used: Vec<Used>,
    left_out: Vec<LeftOut>,
    index: Index,
    version: String,
    stamp: String,
    turns: Option<OffsetDateTime>,
}

/// A pack that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// What it says.
    pub pack: Pack,
    /// Whether its entries that allow count.
    pub may_allow: bool,
}

impl Feeds {
    /// Loads what counts at `now`: the packs in the store and the files that are named.
    ///
    /// # Errors
    /// Pinned keys or a store that cannot be read. What is wrong with a pack is in
    /// [`Feeds::left_out`].
    pub async fn load(
        settings: Option<&FeedSettings>,
        store: Option<&Store>,
        now: OffsetDateTime,
    ) -> Result<Self, ScanError> {
        let Some(settings) = settings else { return Ok(Self::default()) };
        let mut found = Found::gather(settings, store).await?;
        found.packs(store).await?;
        let settings = settings.clone();
        apart(move || Self::found(&settings, &found, now)).await?
    }

    /// What counts of what was found.
    fn found(settings: &FeedSettings, found: &Found, now: OffsetDateTime) -> Result<Self, ScanError> {
        let stamp = found.stamp();
        let pins = match &settings.keys {
            Some(keys) => Pins::read(keys)?,
            None => Pins::default(),
        };
        let mut loading = Loading { pins, now, packs: BTreeMap::new(), left_out: Vec::new() };
        for stored in &found.stored {
            let Some(body) = &stored.body else { continue };
            loading.take(&stored.name, None, body, &[]);
        }
        for (file, content) in &found.files {
            match content {
                Ok(bytes) => loading.take(&file.display().to_string(), Some(file), bytes, &found.stored),
                Err(reason) => loading.left_out.push(LeftOut {
                    name: file.display().to_string(),
                    reason: reason.clone(),
                    file: Some(file.clone()),
                    expired: false,
                }),
            }
        }
        Ok(Self::of(loading, stamp))
    }

    fn of(loading: Loading, stamp: String) -> Self {
        let Loading { packs, mut left_out, now, pins } = loading;
        let used: Vec<Used> = packs
            .into_values()
            .map(|(pack, _)| Used { may_allow: pins.may_allow(&pack.signer, pack.feed.name()), pack })
            .collect();
        left_out.sort_by(|a, b| (&a.name, &a.reason).cmp(&(&b.name, &b.reason)));
        let version = version(&used, &left_out, now);
        let ends = used.iter().flat_map(|used| {
            let entries = used.pack.feed.entries().iter().filter_map(|entry| entry.expires);
            entries.chain([used.pack.feed.expires()])
        });
        let turns = ends.filter(|end| *end > now).min();
        let index = Index::of(&used);
        Self { used, left_out, index, version, stamp, turns }
    }

    /// The packs that count, by name.
    pub fn used(&self) -> &[Used] {
        &self.used
    }

    /// Those that do not, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Whether there is nothing to ask.
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// Another text means that verdicts may differ; empty where no feed is there.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether what lies there now, or the time, makes other feeds count than these.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn changed(
        &self,
        settings: Option<&FeedSettings>,
        store: Option<&Store>,
        now: OffsetDateTime,
    ) -> Result<Option<String>, ScanError> {
        let Some(settings) = settings else { return Ok(None) };
        if let Some(turns) = self.turns.filter(|turns| *turns <= now) {
            return Ok(Some(format!("{} {}", self.stamp, instant(turns))));
        }
        let found = Found::gather(settings, store).await?;
        let stamp = apart(move || found.stamp()).await?;
        Ok((stamp != self.stamp).then_some(stamp))
    }

    /// What a report says of the feeds.
    pub fn in_report(&self) -> Vec<FeedUse> {
        let used = self.used.iter().map(|used| {
            let feed = &used.pack.feed;
            let allowing = feed.entries().iter().filter(|entry| entry.action == Action::Allow).count();
            let silent = if used.may_allow { 0 } else { allowing };
            FeedUse {
                name: feed.name().to_owned(),
                version: feed.version(),
                issuer: feed.issuer().to_owned(),
                signer: used.pack.signer.hex().to_owned(),
                expires: instant(feed.expires()),
                entries: (feed.entries().len() - silent) as u64,
                not_used: (silent > 0).then(|| {
                    format!("{silent} that allow, because its key is not pinned for that (`lazaret feed pin --allow`)")
                }),
            }
        });
        let left_out = self.left_out.iter().map(|left| FeedUse {
            name: left.name.clone(),
            not_used: Some(left.reason.clone()),
            ..FeedUse::default()
        });
        used.chain(left_out).collect()
    }
}

/// How a feed is called in evidence.
fn title(name: &str, version: u64, issuer: &str) -> String {
    format!("feed {name} version {version} of {}", one_line(issuer, 100))
}

/// Names all that a verdict may depend on: the packs, who may allow, which entries ran out.
fn version(used: &[Used], left_out: &[LeftOut], now: OffsetDateTime) -> String {
    if used.is_empty() && left_out.is_empty() {
        return String::new();
    }
    let mut hasher = blake3::Hasher::new();
    let mut add = |part: &str| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    };
    for used in used {
        let ran_out = used.pack.feed.entries().iter().filter_map(|entry| entry.expires);
        let last = ran_out.filter(|end| *end <= now).max().map(instant).unwrap_or_default();
        add(&format!("{} {} {} {last}", used.pack.digest, used.pack.signer, used.may_allow));
    }
    for left in left_out {
        add(&format!("{} {}", left.name, left.reason));
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// What lies in the store and in the files, unverified.
struct Found {
    keys: Vec<u8>,
    stored: Vec<Stored>,
    files: Vec<(PathBuf, Result<Vec<u8>, String>)>,
}

struct Stored {
    name: String,
    remembered: Remembered,
    signer: String,
    installed: i64,
    removed: bool,
    /// None where it was removed, or was not asked for.
    body: Option<Vec<u8>>,
}

impl Found {
    /// All but the packs of the store, which are large.
    async fn gather(settings: &FeedSettings, store: Option<&Store>) -> Result<Self, ScanError> {
        let rows = match store {
            Some(store) => store.feeds().await?,
            None => Vec::new(),
        };
        let stored = rows.into_iter().map(|row| Stored {
            remembered: Remembered { version: row.version, digest: row.digest },
            name: row.name,
            signer: row.signer,
            installed: row.installed,
            removed: row.removed,
            body: None,
        });
        let stored = stored.collect();
        let FeedSettings { keys, files } = settings.clone();
        let (keys, files) = apart(move || {
            // Where they cannot be read, loading says so.
            let keys = keys.and_then(|keys| read(&keys).ok()).unwrap_or_default();
            let files = files.into_iter().map(|file| {
                let content = read(&file);
                (file, content)
            });
            (keys, files.collect())
        })
        .await?;
        Ok(Self { keys, stored, files })
    }

    /// The packs of the store as well. One that another process takes away meanwhile is gone.
    async fn packs(&mut self, store: Option<&Store>) -> Result<(), ScanError> {
        let Some(store) = store else { return Ok(()) };
        for row in self.stored.iter_mut().filter(|row| !row.removed) {
            row.body = store.feed_pack(&row.name).await?;
        }
        Ok(())
    }

    /// Another text where anything lies there differently.
    fn stamp(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut add = |part: &[u8]| {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        };
        add(&self.keys);
        for row in &self.stored {
            add(row.name.as_bytes());
            add(row.remembered.digest.to_string().as_bytes());
            let Stored { signer, installed, removed, .. } = row;
            add(format!("{} {signer} {installed} {removed}", row.remembered.version).as_bytes());
        }
        for (file, content) in &self.files {
            add(file.as_os_str().as_encoded_bytes());
            match content {
                Ok(bytes) => add(bytes),
                Err(reason) => add(reason.as_bytes()),
            }
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

/// Work on a thread of its own: a large pack takes seconds to verify, and others wait meanwhile.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ScanError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ScanError::System { what: "reading the feeds", error: std::io::Error::other(error) })
}

/// The bytes of a pack, no more than one may have.
///
/// # Errors
/// A sentence that says why not.
pub fn read(file: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("it cannot be read: {error}");
    let mut bytes = Vec::new();
    let file = File::open(file).map_err(failed)?;
    file.take(MAX_PACK_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

struct Loading {
    pins: Pins,
    now: OffsetDateTime,
    /// By name, each with the file from which it is, where it is from one.
    packs: BTreeMap<String, (Pack, Option<PathBuf>)>,
    left_out: Vec<LeftOut>,
}

impl Loading {
    /// Takes a pack, if it counts, and if it is no step back behind what is `known`.
    fn take(&mut self, name: &str, file: Option<&Path>, bytes: &[u8], known: &[Stored]) {
        let mut left_out = |name: &str, reason: String, expired: bool| {
            let file = file.map(Path::to_owned);
            self.left_out.push(LeftOut { name: name.to_owned(), reason, file, expired });
        };
        let pack = match open(bytes, &self.pins) {
            Ok(pack) => pack,
            Err(error) => return left_out(name, error.to_string(), false),
        };
        let called = pack.feed.name().to_owned();
        if file.is_none()
            && let Err(reason) = self::called(&pack, name)
        {
            return left_out(name, reason, false);
        }
        let remembered = known.iter().find(|row| row.name == called).map(|row| &row.remembered);
        if let Err(error) = admit(&pack, remembered) {
            return left_out(name, error.to_string(), false);
        }
        if let Err(error) = pack.check_time(self.now) {
            let expired = matches!(error, FeedError::Expired { .. });
            return left_out(name, error.to_string(), expired);
        }
        let superseded =
            |old: u64, new: u64| format!("it is version {old} of `{called}`, and version {new} is used");
        let version = pack.feed.version();
        if let Some((other, from)) = self.packs.get(&called) {
            let known = other.feed.version();
            match known.cmp(&version) {
                Ordering::Greater => return left_out(name, superseded(version, known), false),
                Ordering::Equal if other.digest != pack.digest => {
                    let error = FeedError::Changed { name: called, version };
                    return left_out(name, error.to_string(), false);
                }
                // A newer one takes the place of the one in the store; of two that a person names, one
                // is named in vain.
                Ordering::Less if from.is_some() => {
                    let (name, reason) = (shown(from.as_deref()), superseded(known, version));
                    let file = from.clone();
                    self.left_out.push(LeftOut { name, reason, file, expired: false });
                }
                Ordering::Less | Ordering::Equal => {}
            }
        }
        self.packs.insert(called, (pack, file.map(Path::to_owned)));
    }
}

fn shown(file: Option<&Path>) -> String {
    file.map_or_else(String::new, |file| file.display().to_string())
}

/// Whether a pack in the store is the one of the name under which it lies there.
///
/// # Errors
/// A sentence that says what it is called.
pub fn called(pack: &Pack, name: &str) -> Result<(), String> {
    match pack.feed.name() {
        called if called == name => Ok(()),
        called => Err(format!("it calls itself `{called}`: remove it, and import it anew")),
    }
}

/// What is remembered of a pack in the store.
pub fn row(pack: &Pack) -> lazaret_store::FeedRow {
    let expires = pack.feed.expires().unix_timestamp_nanos() / 1_000_000;
    lazaret_store::FeedRow {
        name: pack.feed.name().to_owned(),
        version: pack.feed.version(),
        digest: Digest::clone(&pack.digest),
        signer: pack.signer.to_string(),
        expires: i64::try_from(expires).unwrap_or(i64::MAX),
        installed: 0,
        removed: false,
    }
}
