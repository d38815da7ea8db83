//! Campaigns: what hangs together in the graph, with all that is to be told of it.
//!
//! [`refresh`] reads the graph, clusters it, and remembers what the graph and the listings alone tell of
//! each cluster. [`load`] adds what the reports on its members tell; only those are read.

mod asked;
mod build;
mod claims;
mod cleanup;
mod deeds;
mod listings;
mod read;
pub mod revenue;
mod tell;
mod timeline;
mod words;

use lazaret_model::{Campaign, Digest};
use lazaret_store::{Store, StoreError};

pub use asked::{Answer, Held, Link, Together};
pub use build::bonds;
pub use deeds::{accusing, deeds};
pub use read::{Keep, Known, Memory};
pub use words::{Words, named, noun, why};

/// Computes all campaigns anew from what the store remembers and puts them in place of those before,
/// each under the name that it had. The largest first.
///
/// # Errors
///
/// If the store cannot be read or written.
pub async fn refresh(store: &Store) -> Result<Vec<Campaign>, StoreError> {
    let memory = Memory::read(store).await?;
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
    tell::tell(store, &mut campaign).await?;
    Ok(Some(campaign))
}

/// The campaigns, as they were last computed, that lead to what a digest names, each with the reason. It
/// accuses nobody.
///
/// # Errors
///
/// If the store cannot be read.
pub async fn leads_to(store: &Store, digest: &Digest) -> Result<Vec<(String, String)>, StoreError> {
    Ok(build::leads_to(&list(store).await?, digest))
}
