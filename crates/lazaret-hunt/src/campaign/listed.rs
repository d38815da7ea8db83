//! Images that were judged from disk are told by the name that their site gives them, which is the one
//! under which others meet them.

use lazaret_model::{Campaign, Listing};
use lazaret_store::{Store, StoreError};

use super::words::BUILT_ON;

/// Repository and tag by which others know what a store calls `repository`.
pub(super) fn name_of(repository: &str, listing: Option<&Listing>) -> (String, Option<String>) {
    let Some(name) = listing.and_then(|listing| listing.name.as_deref()) else {
        return (repository.to_owned(), None);
    };
    match name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
        Some((repository, tag)) => (repository.to_owned(), Some(tag.to_owned())),
        None => (name.to_owned(), None),
    }
}

/// Names members and leads of a campaign, and all texts about them, as sites list them.
pub(super) async fn rename(store: &Store, told: &mut Campaign) -> Result<(), StoreError> {
    let mut names = Names::default();
    for member in &mut told.members {
        names.replace(store, &mut member.repository, &mut member.tag).await?;
    }
    for lead in &mut told.leads {
        names.replace(store, &mut lead.repository, &mut lead.tag).await?;
    }
    let reasons = told.ties.iter_mut().flat_map(|tie| &mut tie.reasons).map(|reason| &mut reason.what);
    let reasons = reasons.filter(|what| what.starts_with(BUILT_ON));
    let leads = told.leads.iter_mut().map(|lead| &mut lead.reason);
    for text in reasons.chain(leads).chain(&mut told.method.refuted) {
        names.in_text(text);
    }
    Ok(())
}

/// What names of the disk are to others.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By the name on disk, the longest first: one may begin with another.
    known: Vec<(String, String)>,
}

impl Names {
    /// Puts the listed name in place of one of the disk.
    pub(super) async fn replace(
        &mut self,
        store: &Store,
        repository: &mut String,
        tag: &mut Option<String>,
    ) -> Result<(), StoreError> {
        let listing = store.listing(repository).await?.map(|row| row.listing);
        let (name, listed_tag) = name_of(repository, listing.as_ref());
        if name == *repository {
            return Ok(());
        }
        let on_disk = std::mem::replace(repository, name.clone());
        *tag = tag.take().or(listed_tag);
        let at = self.known.partition_point(|(known, _)| known.len() > on_disk.len());
        self.known.insert(at, (on_disk, name));
        Ok(())
    }

    /// The same in a text.
    pub(super) fn in_text(&self, text: &mut String) {
        for (on_disk, name) in &self.known {
            if text.contains(on_disk) {
                *text = text.replace(on_disk, name);
            }
        }
    }
}
