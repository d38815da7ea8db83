//! The first half of a hunt: what there is to be judged.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use lazaret_model::{ListedTag, Listing, Outcome};
use lazaret_registry::RegistryError;
use lazaret_store::{HuntItem, HuntState, ItemState};
use serde::{Deserialize, Serialize};

use super::accounts::{Account, AccountError, Whole, bounded};
use super::lure::lure;
use super::metadata;
use super::patience::{self, Health, Next, Patience};
use super::progress::{HuntEvent, Troubles};
use super::run::{Going, HuntError};
use super::target::{self, Target};

/// Most images of one run.
const IMAGES: usize = 2_000_000;
/// Repositories whose tags are listed before how far the list came is noted.
const NOTED: usize = 50;

/// How far the targets were listed, and what is not in the list. It is kept with the hunt.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Cursor {
    /// Targets that were listed to their end, or as far as they can be.
    done: BTreeSet<String>,
    /// Of each other target that was begun, the last of its repositories whose tags were noted.
    at: BTreeMap<String, String>,
    /// Of these, the repositories before that one that are to be asked for again.
    again: BTreeMap<String, BTreeSet<String>>,
    /// A repository that each registry listed the tags of.
    good: BTreeMap<String, String>,
    /// What was left out: whoever goes on with the hunt is told as well.
    pub(super) troubles: Troubles,
    /// Names that are none of a repository or tag, left out.
    pub(super) skipped: u64,
}

impl Cursor {
    /// These repositories of a target are asked for again when the others were.
    fn put_off(&mut self, target: &str, failing: &mut Vec<String>) {
        if !failing.is_empty() {
            self.again.entry(target.to_owned()).or_default().extend(failing.drain(..));
        }
    }
}

/// What came of listing something.
enum Listed {
    /// There is no more of it; these images are to be added.
    All(Vec<String>),
    /// It did not answer, and is asked for again after the others.
    Later,
    /// Who lists it does not answer.
    Silent,
}

/// What of a page of a site is the subject of an item, instead of an image.
pub(super) const PAGE: &str = "page";

impl Going<'_> {
    /// Lists all targets that were not listed before, as far as those who serve them answer.
    pub(super) async fn list(&mut self, state: HuntState) -> Result<(), HuntError> {
        // What is at hand is looked at each time.
        let (mut remote, mut images) = (Vec::new(), Vec::new());
        self.at_hand(self.hunter.settings.targets.clone(), &mut remote, &mut images)?;
        self.described(&mut images).await?;
        remote.sort();
        remote.dedup();

        self.cursor = match state {
            HuntState::Done => Cursor::default(),
            _ => serde_json::from_str(&self.hunt.cursor).unwrap_or_default(),
        };
        let from_the_start = self.cursor == Cursor::default();
        self.note_state(HuntState::Listing).await?;
        self.add(&images).await?;

        let mut health: BTreeMap<String, Health> = BTreeMap::new();
        let mut line: VecDeque<(Target, u32)> = remote.into_iter().map(|target| (target, 0)).collect();
        while let Some((target, tries)) = line.pop_front() {
            let name = target.to_string();
            let host = target.listed_by().unwrap_or_default();
            if self.silent.contains_key(&host) || self.cursor.done.contains(&name) {
                continue;
            }
            // Where one does not answer for too long, the others are listed none the less.
            let listed = match &target {
                Target::Repository { registry, repository } => {
                    let others = line
                        .iter()
                        .any(|(other, tries)| *tries == 0 && other.listed_by().as_ref() == Some(&host));
                    let patience = self.hunter.settings.patience;
                    let health = health.entry(host).or_insert_with(|| Health::new(patience));
                    self.one(registry, repository, true, tries, others, health).await?
                }
                Target::Registry(host) => self.registry(host).await?,
                Target::Account { registry, name } => self.account(registry, name).await?,
                Target::Image(_) | Target::Folder(_) | Target::List(_) => Listed::All(Vec::new()),
            };
            match listed {
                Listed::All(references) => {
                    self.add(&references).await?;
                    self.cursor.at.remove(&name);
                    self.cursor.again.remove(&name);
                    self.cursor.done.insert(name);
                }
                Listed::Later => line.push_back((target, tries + 1)),
                Listed::Silent => {}
            }
            self.note_state(HuntState::Listing).await?;
        }
        if from_the_start && self.silent.is_empty() && self.whole() {
            self.take_out_what_is_gone().await?;
        }
        if self.silent.is_empty() {
            self.note_state(HuntState::Judging).await?;
        }
        Ok(())
    }

    /// Sorts targets into those that need a network to be listed and single images.
    fn at_hand(
        &mut self,
        targets: Vec<Target>,
        remote: &mut Vec<Target>,
        images: &mut Vec<String>,
    ) -> Result<(), HuntError> {
        for target in targets {
            match target {
                Target::Image(reference) => images.push(local_name(&reference)),
                Target::Folder(path) => {
                    let read = |source| HuntError::Read { what: path.display().to_string(), source };
                    let (found, troubles) = target::below(&path).map_err(read)?;
                    images.extend(found);
                    for trouble in troubles {
                        self.leave_out(&trouble);
                    }
                }
                Target::List(path) => {
                    let read = |source| HuntError::Read { what: path.display().to_string(), source };
                    let (found, troubles) = target::listed(&path).map_err(read)?;
                    for trouble in troubles {
                        self.leave_out(&format!("{}, {trouble}", path.display()));
                    }
                    for target in found {
                        // One line that leads nowhere takes no other with it.
                        if let Err(error) = self.at_hand(vec![target], remote, images) {
                            self.leave_out(&error.to_string());
                        }
                    }
                }
                other => remote.push(other),
            }
        }
        Ok(())
    }

    /// What files say of repositories. Without other targets, the images that they describe are hunted.
    async fn described(&mut self, images: &mut Vec<String>) -> Result<(), HuntError> {
        let alone = self.hunter.settings.targets.is_empty();
        for file in self.hunter.settings.metadata.clone() {
            let said = metadata::read(&file)?;
            for trouble in said.troubles {
                self.leave_out(&trouble);
            }
            for listing in &said.listings {
                self.page(listing, true).await?;
            }
            if alone {
                images.extend(said.images);
            }
        }
        Ok(())
    }

    /// All repositories of a registry, going on after the last one that was noted. One that does not
    /// answer is put off behind all others.
    async fn registry(&mut self, host: &str) -> Result<Listed, HuntError> {
        let name = Target::Registry(host.to_owned()).to_string();
        let most = self.hunter.settings.patience;
        let (mut patience, mut health) = (Patience::new(most), Health::new(most));
        let after = self.cursor.at.get(&name).cloned();
        let client = self.hunter.scanner.client();
        let mut names = client.catalogue(host, self.hunter.settings.page, after.as_deref()).await?;
        let mut counted = 0;
        // Those that failed since one did not: if it is the registry, the list goes on before them.
        let mut failing: Vec<String> = Vec::new();
        loop {
            let next = names.next().await;
            self.cursor.skipped += names.skipped() - counted;
            counted = names.skipped();
            match next {
                Ok(Some(repositories)) => {
                    patience.restored();
                    // How large a page is, the registry decides.
                    for some in repositories.chunks(NOTED) {
                        let (mut references, mut answers) = (Vec::new(), true);
                        for repository in some {
                            match self.one(host, repository, false, 0, true, &mut health).await? {
                                Listed::All(tags) => {
                                    references.extend(tags);
                                    self.cursor.put_off(&name, &mut failing);
                                    self.cursor.at.insert(name.clone(), repository.clone());
                                }
                                Listed::Later => failing.push(repository.clone()),
                                Listed::Silent => {
                                    answers = false;
                                    break;
                                }
                            }
                        }
                        self.add(&references).await?;
                        if !answers {
                            return Ok(Listed::Silent);
                        }
                        if self.is_full() {
                            self.leave_out_the_rest();
                            return Ok(Listed::All(Vec::new()));
                        }
                    }
                }
                Ok(None) => break,
                Err(error) if error.may_pass() => {
                    let Some(wait) = patience.next(&error) else {
                        // One page of its list may be what is broken.
                        if patience::throttles(&error) || !self.still_lists(host).await? {
                            self.silent.insert(host.to_owned(), error.to_string());
                            return Ok(Listed::Silent);
                        }
                        self.leave_out_of_list(&format!("the list of repositories of {host}: {error}"));
                        break;
                    };
                    self.wait_for(host, &error, wait).await;
                }
                Err(error) => {
                    self.leave_out_of_list(&error.to_string());
                    break;
                }
            }
        }
        if let Some(last) = failing.last() {
            self.cursor.at.insert(name.clone(), last.clone());
        }
        self.cursor.put_off(&name, &mut failing);
        let again = self.cursor.again.get(&name).cloned().unwrap_or_default();
        let mut line: VecDeque<(String, u32)> = again.into_iter().map(|repository| (repository, 1)).collect();
        while let Some((repository, tries)) = line.pop_front() {
            match self.one(host, &repository, false, tries, false, &mut health).await? {
                Listed::All(references) => {
                    if let Some(again) = self.cursor.again.get_mut(&name) {
                        again.remove(&repository);
                    }
                    self.add(&references).await?;
                }
                Listed::Later => line.push_back((repository, tries + 1)),
                Listed::Silent => return Ok(Listed::Silent),
            }
        }
        Ok(Listed::All(Vec::new()))
    }

    /// One repository of a registry: its images; or, where that does not answer, whether it is to be
    /// asked for again. `tries` says how often it was asked for before, `others` whether there are some
    /// that were not yet. What fails for good while its registry lists others is told and left out.
    async fn one(
        &mut self,
        host: &str,
        repository: &str,
        named: bool,
        tries: u32,
        others: bool,
        health: &mut Health,
    ) -> Result<Listed, HuntError> {
        let error = match self.tags(host, repository, named, false).await? {
            Ok(references) => {
                health.answered(true);
                self.cursor.good.insert(host.to_owned(), repository.to_owned());
                return Ok(Listed::All(references));
            }
            Err(error) => error,
        };
        if tries > 0 && !patience::throttles(&error) && self.still_lists(host).await? {
            health.answered(true);
            let most = self.hunter.settings.patience;
            if let Some(wait) = patience::again(&error, tries + 1, Instant::now(), most) {
                self.wait_for(host, &error, wait).await;
                return Ok(Listed::Later);
            }
            // What it lists before it fails counts.
            let listed = self.tags(host, repository, named, true).await?;
            return Ok(Listed::All(listed.unwrap_or_default()));
        }
        // Whether it is the registry shows when it is asked for what it listed before.
        let others = others || tries == 0 && self.cursor.good.contains_key(host);
        match health.failed(repository, &error, others) {
            Next::GoOn(wait) => {
                self.wait_for(host, &error, wait).await;
                Ok(Listed::Later)
            }
            Next::GiveUp => {
                self.silent.insert(host.to_owned(), error.to_string());
                Ok(Listed::Silent)
            }
        }
    }

    /// Whether a registry still answers for a repository whose tags it listed.
    async fn still_lists(&self, host: &str) -> Result<bool, HuntError> {
        let Some(good) = self.cursor.good.get(host) else { return Ok(false) };
        let mut names = self.hunter.scanner.client().tags_of(host, good, 1).await?;
        Ok(!matches!(names.next().await, Err(error) if error.may_pass()))
    }

    /// The tags of a repository as references, or why its registry does not answer. On the last attempt
    /// (`last`) what it lists before that counts, and why there is no more is told.
    async fn tags(
        &mut self,
        host: &str,
        repository: &str,
        named: bool,
        last: bool,
    ) -> Result<Result<Vec<String>, RegistryError>, HuntError> {
        let full = format!("{host}/{repository}");
        let (mut tags, mut whole): (Vec<String>, bool) = (Vec::new(), true);
        let client = self.hunter.scanner.client();
        let mut names = client.tags_of(host, repository, self.hunter.settings.page).await?;
        let (mut tries, mut since) = (0, Instant::now());
        loop {
            match names.next().await {
                Ok(Some(found)) => {
                    (tries, since) = (0, Instant::now());
                    tags.extend(found);
                }
                Ok(None) => break,
                // A long list is not begun anew for each page of it that fails.
                Err(error) if error.may_pass() && !last => {
                    tries += 1;
                    let wait = patience::again(&error, tries, since, self.hunter.settings.patience);
                    let Some(wait) = wait.filter(|_| !tags.is_empty()) else { return Ok(Err(error)) };
                    self.wait_for(host, &error, wait).await;
                }
                // A registry lists repositories whose last image was deleted.
                Err(RegistryError::NoSuchRepository { .. }) if !named => break,
                Err(error) => {
                    whole = false;
                    self.leave_out_of_list(&format!("{full}: {error}"));
                    break;
                }
            }
        }
        self.cursor.skipped += names.skipped();
        tags.sort();
        let listed =
            tags.iter().map(|name| ListedTag { name: name.clone(), ..ListedTag::default() }).collect();
        let account = repository.split_once('/').map(|(account, _)| format!("{host}/{account}"));
        let listing = Listing {
            repository: full.clone(),
            account,
            tags: listed,
            source: format!("the registry {host}"),
            ..Listing::default()
        };
        self.repositories += 1;
        self.page(&listing, whole).await?;
        Ok(Ok(self.newest(&listing)))
    }

    /// All that an account holds, as its site says, going on after the last repository that was noted.
    async fn account(&mut self, registry: &str, name: &str) -> Result<Listed, HuntError> {
        let target = Target::Account { registry: registry.to_owned(), name: name.to_owned() };
        let (site, target) = (target.listed_by().unwrap_or_default(), target.to_string());
        let most = self.hunter.settings.patience;
        let (mut patience, mut health) = (Patience::new(most), Health::new(most));
        let mut whole = Whole::Wanted;
        let mut account = loop {
            let client = self.hunter.scanner.client();
            match Account::open(client, &self.hunter.settings.sites, registry, name, whole).await {
                Ok(account) => break account,
                Err(AccountError::Site(error)) if error.may_pass() => match patience.next(&error) {
                    Some(wait) if whole == Whole::Wanted => self.wait_for(&site, &error, wait).await,
                    // One page of its list may be what is broken.
                    _ if whole == Whole::Wanted && !patience::throttles(&error) => {
                        whole = Whole::AsFarAsItGoes
                    }
                    _ => {
                        self.silent.insert(site, error.to_string());
                        return Ok(Listed::Silent);
                    }
                },
                Err(error) => {
                    self.leave_out_of_list(&error.to_string());
                    return Ok(Listed::All(Vec::new()));
                }
            }
        };
        self.cursor.skipped += account.skipped;
        for trouble in std::mem::take(&mut account.troubles) {
            self.leave_out_of_list(&trouble);
        }
        let after = self.cursor.at.get(&target).cloned().unwrap_or_default();
        let again = self.cursor.again.get(&target).cloned().unwrap_or_default();
        let repositories = account.repositories();
        // Those that were not asked for yet, then those that are to be asked for again.
        let (mut line, mut last) = (VecDeque::new(), VecDeque::new());
        let mut good = None;
        for (at, repository) in repositories.iter().enumerate() {
            match () {
                () if again.contains(repository) => last.push_back((at, 1)),
                () if *repository > after => line.push_back((at, 0)),
                () => good = Some(at),
            }
        }
        line.append(&mut last);
        // Those that failed since one did not: if it is the site, the list goes on before them.
        let mut failing: Vec<String> = Vec::new();
        while let Some((at, tries)) = line.pop_front() {
            let repository = &repositories[at];
            let held = match account.held(at, Whole::Wanted).await {
                Ok(held) => {
                    health.answered(true);
                    good = Some(at);
                    held
                }
                Err(AccountError::Site(error)) if error.may_pass() => {
                    let answers = match good {
                        Some(good) if tries > 0 && !patience::throttles(&error) => {
                            account.held(good, Whole::Wanted).await.is_ok()
                        }
                        _ => false,
                    };
                    let next = tries + 1;
                    let others = line.iter().any(|(_, tries)| *tries == 0) || tries == 0 && good.is_some();
                    let wait = match answers {
                        true => {
                            health.answered(true);
                            patience::again(&error, next, Instant::now(), most)
                        }
                        false => match health.failed(repository, &error, others) {
                            Next::GoOn(wait) => Some(wait),
                            Next::GiveUp => {
                                self.silent.insert(site, error.to_string());
                                return Ok(Listed::Silent);
                            }
                        },
                    };
                    if tries == 0 {
                        failing.push(repository.clone());
                    }
                    match wait {
                        Some(wait) => {
                            self.wait_for(&site, &error, wait).await;
                            line.push_back((at, next));
                            continue;
                        }
                        // What the site says of it before it fails counts.
                        None => account.held(at, Whole::AsFarAsItGoes).await.unwrap_or_else(|error| {
                            self.leave_out_of_list(&format!("{repository}: {error}"));
                            None
                        }),
                    }
                }
                Err(error) => {
                    self.leave_out_of_list(&format!("{repository}: {error}"));
                    None
                }
            };
            self.cursor.put_off(&target, &mut failing);
            match tries {
                0 => drop(self.cursor.at.insert(target.clone(), repository.clone())),
                _ => {
                    if let Some(again) = self.cursor.again.get_mut(&target) {
                        again.remove(repository);
                    }
                }
            }
            let Some(held) = held else { continue };
            self.cursor.skipped += held.skipped;
            for trouble in &held.troubles {
                self.leave_out_of_list(trouble);
            }
            self.repositories += 1;
            self.page(&held.listing, held.whole).await?;
            self.add(&self.newest(&held.listing)).await?;
            if self.is_full() {
                self.leave_out_the_rest();
                break;
            }
        }
        Ok(Listed::All(Vec::new()))
    }

    /// Remembers what is said of a repository, and judges it where it holds no image: that only shows
    /// where all of its tags were listed (`whole`).
    async fn page(&mut self, said: &Listing, whole: bool) -> Result<(), HuntError> {
        let store = self.store;
        let mut listing = said.clone();
        listing.description = bounded(listing.description);
        let known = store.listing(&listing.repository).await?;
        let mut noted = None;
        if !whole && let Some(known) = &known {
            let listed: BTreeSet<&str> = said.tags.iter().map(|tag| tag.name.as_str()).collect();
            let before = known.listing.tags.iter().filter(|tag| !listed.contains(tag.name.as_str()));
            listing.tags.extend(before.cloned());
            noted = known.lure.clone().filter(|_| listing.tags.is_empty());
        }
        // Names alone do not replace what somebody said of the repository.
        if listing.description.is_empty()
            && listing.pulls.is_none()
            && let Some(known) = known
        {
            listing = Listing { tags: listing.tags, ..known.listing };
        }
        let verdict = if whole { lure(&listing) } else { None };
        noted = verdict.clone().map(|verdict| (verdict.outcome, verdict.why)).or(noted);
        store.put_listing(&listing, noted.as_ref()).await?;
        for tag in &listing.tags {
            if let Some(digest) = &tag.digest {
                store.note_tag(&listing.repository, &tag.name, digest).await?;
            }
        }
        if let Some(verdict) = verdict {
            self.listed.insert(listing.repository.clone());
            store
                .add_hunt_items(self.hunt.id, std::slice::from_ref(&listing.repository), &self.hunt.cursor)
                .await?;
            let item = HuntItem {
                reference: listing.repository.clone(),
                digest: String::new(),
                judges: String::new(),
                subject: PAGE.to_owned(),
                state: ItemState::Judged(verdict.outcome),
                note: verdict.why.clone(),
                changed: 0,
            };
            store.set_hunt_item(self.hunt.id, &item).await?;
            self.tell(HuntEvent::Found {
                reference: listing.repository,
                outcome: Some(verdict.outcome),
                why: verdict.why,
            });
        }
        Ok(())
    }

    /// The references of a listing's tags, the newest of them where so many are wanted.
    fn newest(&self, listing: &Listing) -> Vec<String> {
        let mut tags: Vec<&ListedTag> = listing.tags.iter().collect();
        if let Some(most) = self.hunter.settings.tags
            && tags.len() > most
        {
            // Where no site says when, the names do: `latest`, then the highest number.
            tags.sort_by(|a, b| {
                let when = |tag: &&ListedTag| tag.updated.clone().map(Reverse);
                when(a)
                    .is_none()
                    .cmp(&when(b).is_none())
                    .then_with(|| when(a).cmp(&when(b)))
                    .then_with(|| (b.name == "latest").cmp(&(a.name == "latest")))
                    .then_with(|| natural(&b.name, &a.name))
            });
            tags.truncate(most);
        }
        tags.iter().map(|tag| format!("{}:{}", listing.repository, tag.name)).collect()
    }

    /// Whether this run takes no more images.
    fn is_full(&self) -> bool {
        self.listed.len() >= IMAGES
    }

    fn leave_out_the_rest(&mut self) {
        self.leave_out_of_list(&format!(
            "more than {IMAGES} images: the rest is left out; hunt parts of it by themselves"
        ));
    }

    async fn add(&mut self, references: &[String]) -> Result<(), HuntError> {
        let room = IMAGES.saturating_sub(self.listed.len());
        let taken = &references[..references.len().min(room)];
        if taken.len() < references.len() {
            self.leave_out_the_rest();
        }
        let text = written(&self.cursor);
        // Few enough for one transaction.
        for some in taken.chunks(1000) {
            self.store.add_hunt_items(self.hunt.id, some, &text).await?;
        }
        if taken.is_empty() {
            self.store.add_hunt_items(self.hunt.id, &[], &text).await?;
        }
        self.hunt.cursor = text;
        self.listed.extend(taken.iter().cloned());
        self.tell(HuntEvent::Listed { repositories: self.repositories, images: self.listed.len() as u64 });
        Ok(())
    }

    async fn note_state(&mut self, state: HuntState) -> Result<(), HuntError> {
        self.hunt.cursor = written(&self.cursor);
        Ok(self.store.set_hunt(self.hunt.id, state, &self.hunt.cursor, "").await?)
    }

    /// After all was listed anew: what is not among it is there no more.
    async fn take_out_what_is_gone(&mut self) -> Result<(), HuntError> {
        for mut item in self.store.hunt_items(self.hunt.id).await? {
            if !self.listed.contains(&item.reference) && item.state != ItemState::Gone {
                item.state = ItemState::Gone;
                self.store.set_hunt_item(self.hunt.id, &item).await?;
            }
        }
        Ok(())
    }
}

/// The name under which a single image is remembered: on disk, that of its place.
fn local_name(reference: &str) -> String {
    let path = reference.strip_prefix("oci:").unwrap_or(reference);
    match path.starts_with(['/', '.']) || reference.starts_with("oci:") {
        true => target::on_disk(std::path::Path::new(path)).unwrap_or_else(|_| reference.to_owned()),
        false => reference.to_owned(),
    }
}

fn written(cursor: &Cursor) -> String {
    serde_json::to_string(cursor).unwrap_or_default()
}

/// Names with numbers in them, by these numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(u128, String)> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let letters = after.bytes().take_while(|b| !b.is_ascii_digit()).count();
            let (word, after) = after.split_at(letters);
            parts.push((number.parse().unwrap_or(u128::from(digits > 0) * u128::MAX), word.to_owned()));
            rest = after;
        }
        parts
    };
    parts(a).cmp(&parts(b)).then_with(|| a.cmp(b))
}

/// The worst of several verdicts.
pub(super) fn worst(outcomes: impl IntoIterator<Item = Outcome>) -> Option<Outcome> {
    outcomes.into_iter().max_by_key(|outcome| outcome.rank())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_by_the_numbers_in_them() {
        let mut tags = ["1.9", "1.10", "1.2-alpine", "edge", "2"];
        tags.sort_by(|a, b| natural(b, a));
        assert_eq!(tags, ["2", "1.10", "1.9", "1.2-alpine", "edge"]);
    }
}
