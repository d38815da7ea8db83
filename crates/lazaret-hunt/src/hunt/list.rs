//! The first half of a hunt: what there is to be judged.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;

use lazaret_model::{ListedTag, Listing, Outcome};
use lazaret_registry::RegistryError;
use lazaret_store::{HuntItem, HuntState, ItemState};
use serde::{Deserialize, Serialize};

use super::accounts::{self, AccountError, Held};
use super::lure::lure;
use super::progress::HuntEvent;
use super::run::{Going, HuntError, Patience};
use super::target::{self, Target};
use super::{metadata, run};

/// How far the targets were listed. It is kept with the hunt.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Targets that were listed to their end, or as far as they can be.
    done: BTreeSet<String>,
    /// The target that is being listed, and the last of its repositories whose tags were noted.
    at: Option<(String, String)>,
}

/// What of a page of a site is the subject of an item, instead of an image.
pub(super) const PAGE: &str = "page";

impl Going<'_> {
    /// Lists all targets that were not listed before. False where a registry did not answer for too
    /// long, so that the hunt cannot go on.
    pub(super) async fn list(&mut self, state: HuntState) -> Result<bool, HuntError> {
        // What is at hand is looked at each time.
        let (mut remote, mut images) = (Vec::new(), Vec::new());
        self.at_hand(self.hunter.settings.targets.clone(), &mut remote, &mut images)?;
        self.described(&mut images).await?;
        remote.sort();
        remote.dedup();

        let anew = state == HuntState::Done;
        let mut cursor: Cursor = match anew {
            true => Cursor::default(),
            false => serde_json::from_str(&self.hunt.cursor).unwrap_or_default(),
        };
        let from_the_start = cursor == Cursor::default();
        self.note_state(HuntState::Listing, &cursor, "").await?;
        self.add(&images, &cursor).await?;

        for target in remote {
            let name = target.to_string();
            if cursor.done.contains(&name) {
                continue;
            }
            if !self.remote(&target, &mut cursor).await? {
                return Ok(false);
            }
            cursor.done.insert(name);
            cursor.at = None;
            self.note_state(HuntState::Listing, &cursor, "").await?;
        }
        if from_the_start && self.incomplete == 0 {
            self.take_out_what_is_gone().await?;
        }
        self.note_state(HuntState::Judging, &cursor, "").await?;
        Ok(true)
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
                        self.leave_out(trouble);
                    }
                }
                Target::List(path) => {
                    let read = |source| HuntError::Read { what: path.display().to_string(), source };
                    let (found, troubles) = target::listed(&path).map_err(read)?;
                    for trouble in troubles {
                        self.leave_out(format!("{}, {trouble}", path.display()));
                    }
                    self.at_hand(found, remote, images)?;
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
                self.leave_out(trouble);
            }
            for listing in &said.listings {
                self.page(listing).await?;
            }
            if alone {
                images.extend(said.images);
            }
        }
        Ok(())
    }

    async fn remote(&mut self, target: &Target, cursor: &mut Cursor) -> Result<bool, HuntError> {
        match target {
            Target::Registry(host) => self.registry(host, cursor).await,
            Target::Repository { registry, repository } => {
                let listed = self.tags(registry, repository, true).await?;
                match listed {
                    Some(references) => self.add(&references, cursor).await.map(|()| true),
                    None => Ok(false),
                }
            }
            Target::Account { registry, name } => self.account(registry, name, cursor).await,
            Target::Image(_) | Target::Folder(_) | Target::List(_) => Ok(true),
        }
    }

    /// All repositories of a registry, going on after the last one that was noted.
    async fn registry(&mut self, host: &str, cursor: &mut Cursor) -> Result<bool, HuntError> {
        let name = Target::Registry(host.to_owned()).to_string();
        let mut patience = Patience::new(self.hunter.settings.patience);
        let mut after =
            cursor.at.clone().filter(|(target, _)| *target == name).map(|(_, repository)| repository);
        'again: loop {
            let client = self.hunter.scanner.client();
            let page = self.hunter.settings.page;
            let mut names = client.catalogue(host, page, after.as_deref()).await?;
            loop {
                match names.next().await {
                    Ok(Some(repositories)) => {
                        patience.restored();
                        let mut references = Vec::new();
                        for repository in &repositories {
                            match self.tags(host, repository, false).await? {
                                Some(tags) => references.extend(tags),
                                None => return Ok(false),
                            }
                        }
                        after = repositories.last().cloned();
                        cursor.at = after.clone().map(|repository| (name.clone(), repository));
                        self.add(&references, cursor).await?;
                    }
                    Ok(None) => {
                        self.skipped += names.skipped();
                        return Ok(true);
                    }
                    Err(error) if run::passes(&error) => {
                        if !self.wait_for(host, &error, &mut patience).await {
                            return Ok(false);
                        }
                        continue 'again;
                    }
                    Err(error) => {
                        self.skipped += names.skipped();
                        self.leave_out(error.to_string());
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// The tags of a repository as references; None where its registry did not answer for too long.
    async fn tags(
        &mut self,
        host: &str,
        repository: &str,
        named: bool,
    ) -> Result<Option<Vec<String>>, HuntError> {
        let mut patience = Patience::new(self.hunter.settings.patience);
        let full = format!("{host}/{repository}");
        let mut tags: Vec<String> = Vec::new();
        'again: loop {
            tags.clear();
            let client = self.hunter.scanner.client();
            let mut names = client.tags_of(host, repository, self.hunter.settings.page).await?;
            loop {
                match names.next().await {
                    Ok(Some(found)) => tags.extend(found),
                    Ok(None) => {
                        self.skipped += names.skipped();
                        break 'again;
                    }
                    Err(error) if run::passes(&error) => {
                        if !self.wait_for(host, &error, &mut patience).await {
                            return Ok(None);
                        }
                        continue 'again;
                    }
                    // A registry lists repositories whose last image was deleted.
                    Err(RegistryError::NoSuchRepository { .. }) if !named => break 'again,
                    Err(error) => {
                        self.leave_out(format!("{full}: {error}"));
                        break 'again;
                    }
                }
            }
        }
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
        self.page(&listing).await?;
        Ok(Some(self.newest(&listing)))
    }

    /// All that an account holds, as its site says.
    async fn account(&mut self, registry: &str, name: &str, cursor: &Cursor) -> Result<bool, HuntError> {
        let mut patience = Patience::new(self.hunter.settings.patience);
        let held: Held = loop {
            let client = self.hunter.scanner.client();
            match accounts::list(client, &self.hunter.settings.sites, registry, name).await {
                Ok(held) => break held,
                Err(AccountError::Site(error)) if run::passes(&error) => {
                    if !self.wait_for(registry, &error, &mut patience).await {
                        return Ok(false);
                    }
                }
                Err(error) => {
                    self.leave_out(error.to_string());
                    return Ok(true);
                }
            }
        };
        self.skipped += held.skipped;
        for trouble in held.troubles {
            self.leave_out(trouble);
        }
        let mut references = Vec::new();
        for listing in &held.listings {
            self.repositories += 1;
            self.page(listing).await?;
            references.extend(self.newest(listing));
        }
        self.add(&references, cursor).await?;
        Ok(true)
    }

    /// Remembers what is said of a repository, and judges it where it holds no image.
    async fn page(&mut self, said: &Listing) -> Result<(), HuntError> {
        let store = self.store;
        let mut listing = said.clone();
        // Names alone do not replace what somebody said of the repository.
        if listing.description.is_empty()
            && listing.pulls.is_none()
            && let Some(known) = store.listing(&listing.repository).await?
        {
            listing = Listing { tags: listing.tags, ..known.listing };
        }
        let verdict = lure(&listing);
        let noted = verdict.clone().map(|verdict| (verdict.outcome, verdict.why));
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

    async fn add(&mut self, references: &[String], cursor: &Cursor) -> Result<(), HuntError> {
        let text = written(cursor);
        // Few enough for one transaction.
        for some in references.chunks(1000) {
            self.store.add_hunt_items(self.hunt.id, some, &text).await?;
        }
        if references.is_empty() {
            self.store.add_hunt_items(self.hunt.id, &[], &text).await?;
        }
        self.hunt.cursor = text;
        self.listed.extend(references.iter().cloned());
        self.tell(HuntEvent::Listed { repositories: self.repositories, images: self.listed.len() as u64 });
        Ok(())
    }

    async fn note_state(&mut self, state: HuntState, cursor: &Cursor, note: &str) -> Result<(), HuntError> {
        self.hunt.cursor = written(cursor);
        Ok(self.store.set_hunt(self.hunt.id, state, &self.hunt.cursor, note).await?)
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
