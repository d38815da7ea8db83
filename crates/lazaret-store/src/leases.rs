//! Leases: who does a thing that one shall do at a time, however many processes share the store.
//!
//! Time is the clock of the database, so that replicas whose clocks differ agree.

use std::time::Duration;

use crate::engine::{indexed, milliseconds, sql};
use crate::{Store, StoreError};

/// How long a lease that ran out is kept; its holder may still ask about it.
const FORGOTTEN: i64 = 24 * 3600 * 1000;

impl Store {
    /// Whether `holder` has the lease of `what` now, for `lasts` from now: because nobody had it,
    /// because it had it already, or because that of the last holder ran out.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked; then nobody may rely on having it.
    pub async fn lease(&self, what: &str, holder: &str, lasts: Duration) -> Result<bool, StoreError> {
        let changed = sql("INSERT INTO leases (what, holder, ends) VALUES ($1, $2, @now + $3) \
             ON CONFLICT (what) DO UPDATE SET holder = excluded.holder, ends = excluded.ends \
             WHERE leases.holder = excluded.holder OR leases.ends <= @now")
        .bind(indexed(what))
        .bind(holder)
        .bind(milliseconds(lasts))
        .run(&mut self.session().await?)
        .await?;
        Ok(changed == 1)
    }

    /// Gives back the lease of `what`, where `holder` has it.
    ///
    /// # Errors
    ///
    /// If the store cannot be written; then the lease runs out by itself.
    pub async fn release(&self, what: &str, holder: &str) -> Result<(), StoreError> {
        sql("DELETE FROM leases WHERE what = $1 AND holder = $2")
            .bind(indexed(what))
            .bind(holder)
            .run(&mut self.session().await?)
            .await
            .map(drop)
    }

    /// Forgets leases that ran out a day ago: those of processes that died. Says how many.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn prune_leases(&self) -> Result<u64, StoreError> {
        sql("DELETE FROM leases WHERE ends <= @now - $1")
            .bind(FORGOTTEN)
            .run(&mut self.session().await?)
            .await
    }
}
