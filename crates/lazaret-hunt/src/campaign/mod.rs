//! Campaigns: what hangs together in the graph, with all that is to be told of it.
//!
//! [`refresh`] reads the graph, clusters it, and remembers what the graph and the listings alone tell of
//! each cluster. [`load`] adds what the reports on its members tell; only those are read.

mod asked;
mod build;
mod claims;
mod cleanup;
mod deeds;
mod find;
mod history;
mod listed;
mod listings;
mod read;
pub mod revenue;
mod signs;
mod tell;
mod timeline;
mod words;

use lazaret_model::Campaign;
use lazaret_scan::feeds::Allowed;
use lazaret_store::{Store, StoreError};

pub use asked::{Answer, Held, Link, Together};
pub use build::{LEADS, bonds};
pub use deeds::{accusing, deeds};
pub use find::{Found, find};
pub use read::{Keep, Known, Memory};
pub use signs::links_of;
pub use words::{Words, named, noun, why};

/// Whether anybody of this name published an image that was judged.
///
/// # Errors
///
/// If the store cannot be read.
pub async fn is_publisher(store: &Store, account: &str) -> Result<bool, StoreError> {
    if !store.listings_of(account).await?.is_empty() {
        return Ok(true);
    }
    let all = store.repositories(account).await?;
    Ok(all.iter().any(|repository| crate::graph::publisher(repository, None) == account))
}

/// Computes all campaigns anew from what the store remembers and puts them in place of those before,
/// each under the name that it had. The largest first. What feeds allow ties nobody.
///
/// # Errors
///
/// If the store cannot be read or written.
pub async fn refresh(store: &Store, allowed: &[Allowed]) -> Result<Vec<Campaign>, StoreError> {
    let memory = Memory::read(store, allowed).await?;
    build::refresh(store, &memory).await
}

/// All campaigns as they were last computed, by name: their members, what ties them and what leads to
/// others, without what only the reports on the members tell.
///
/// # Errors
///
/// If the store cannot be read.
pub async fn list(store: &Store) -> Result<Vec<Campaign>, StoreError> {
    store.campaigns().await
}

/// A campaign by its name, as it was last computed, with all that is to be told of it. None where there
/// is none of this name.
///
/// # Errors
///
/// If the store cannot be read.
pub async fn load(store: &Store, id: &str) -> Result<Option<Campaign>, StoreError> {
    let Some(mut campaign) = store.campaign(id).await? else { return Ok(None) };
    if campaign.analysed.is_none() {
        // Computed by a version that kept no times and no names of sites with a campaign.
        let rows = store.campaign_images().await?.into_iter().filter(|(of, _)| of == id);
        let rows: Vec<i64> = rows.map(|(_, row)| row).collect();
        let judged = store.judged_at(&rows).await?.into_iter().map(|(_, time)| time).max();
        let judged = vec![judged; campaign.members.len()];
        history::fill(store, &mut campaign, &judged, &history::Before::default()).await?;
        listed::rename(store, &mut campaign).await?;
    }
    tell::tell(store, &mut campaign).await?;
    Ok(Some(campaign))
}
