//! What registries' sites say of members: times, counts, descriptions, and lures beside them.

use std::collections::BTreeMap;

use lazaret_model::{Campaign, Lure};
use lazaret_store::{Store, StoreError};

use super::listed::name_of;

/// Puts into a campaign what is listed of its repositories and accounts.
pub(super) async fn fill(store: &Store, campaign: &mut Campaign) -> Result<(), StoreError> {
    let mut pulls: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut last: Option<(String, Option<lazaret_model::Listing>)> = None;
    for member in &mut campaign.members {
        // Members are in the order of their repositories.
        let first = last.as_ref().is_none_or(|(repository, _)| *repository != member.repository);
        if first {
            let listing = store.listing(&member.repository).await?.map(|row| row.listing);
            last = Some((member.repository.clone(), listing));
        }
        let Some((_, Some(listing))) = &last else { continue };
        member.description.clone_from(&listing.description);
        member.created.clone_from(&listing.created);
        let tag = listing.tags.iter().find(|tag| Some(&tag.name) == member.tag.as_ref());
        member.updated = tag.and_then(|tag| tag.updated.clone()).or_else(|| listing.updated.clone());
        (member.pulls, member.stars) = (listing.pulls, listing.stars);
        if let (true, Some(account), Some(count)) = (first, &member.account, listing.pulls) {
            // A repository may lie on the disk in several places, one for each tag: its pulls are the same.
            let (repository, _) = name_of(&member.repository, Some(listing));
            let known = pulls.entry((account.clone(), repository)).or_default();
            *known = count.max(*known);
        }
    }
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for ((account, _), count) in pulls {
        let sum = sums.entry(account).or_default();
        *sum = sum.saturating_add(count);
    }
    for account in &mut campaign.accounts {
        account.pulls = sums.get(&account.name).copied();
    }
    campaign.lures = lures(store, campaign).await?;
    Ok(())
}

/// Lures that the accounts of a campaign published.
async fn lures(store: &Store, campaign: &Campaign) -> Result<Vec<Lure>, StoreError> {
    let mut all = Vec::new();
    for account in &campaign.accounts {
        for row in store.listings_of(&account.name).await? {
            let Some((_, why)) = row.lure else { continue };
            all.push(Lure {
                repository: row.listing.repository,
                account: row.listing.account,
                description: row.listing.description,
                why,
                created: row.listing.created,
                pulls: row.listing.pulls,
            });
        }
    }
    all.sort_by(|a, b| a.repository.cmp(&b.repository));
    Ok(all)
}
