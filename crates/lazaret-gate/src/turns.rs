//! One at a time for each thing: what one fetches, the others find.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::judge::lock;

/// The turns that are taken or waited for.
pub(crate) struct Turns<K> {
    taken: Mutex<HashMap<K, Arc<Turn<()>>>>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { taken: Mutex::default() }
    }
}

impl<K: Eq + Hash> Turns<K> {
    /// Waits for the turn of a thing. It ends when the guard is dropped.
    pub(crate) async fn wait(&self, key: K) -> OwnedMutexGuard<()> {
        let turn = {
            let mut taken = lock(&self.taken);
            // Those that nobody holds or waits for are done with.
            taken.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(taken.entry(key).or_default())
        };
        turn.lock_owned().await
    }
}
