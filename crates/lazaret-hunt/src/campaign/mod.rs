//! Campaigns: what hangs together in the graph, with all that is to be told of it.

use lazaret_model::Campaign;
use lazaret_store::{Store, StoreError};

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
    store.campaign(id).await
}
