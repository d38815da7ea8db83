//! One value for all that share a store, such as the key of tokens that any replica can open.

use crate::engine::sql;
use crate::{Store, StoreError};

impl Store {
    /// The value of this name. The first who asks makes it, and it never changes; of two who ask at
    /// once, both get the same. Whoever can read the store can read it.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or written.
    pub async fn secret(
        &self,
        name: &str,
        make: impl FnOnce() -> Vec<u8> + Send,
    ) -> Result<Vec<u8>, StoreError> {
        let mut session = self.session().await?;
        let known = || sql("SELECT value FROM secrets WHERE name = $1").bind(name);
        if let Some(row) = known().first(&mut session).await? {
            return row.get(0);
        }
        sql("INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(name)
            .bind(make())
            .run(&mut session)
            .await?;
        match known().first(&mut session).await? {
            Some(row) => row.get(0),
            None => Err(StoreError::Failed {
                store: self.address().to_owned(),
                reason: "a value that was just written is gone".to_owned(),
            }),
        }
    }
}
