//! Bases that a person trusts, with the chains of their layers.

use lazaret_model::{Digest, TrustedBase};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{Store, StoreError};

impl Store {
    /// Records a base. One that is recorded already keeps the day of its first time.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn add_base(&self, base: &TrustedBase) -> Result<(), StoreError> {
        let chain: Vec<String> = base.diff_ids.iter().map(ToString::to_string).collect();
        sqlx::query(
            "INSERT OR IGNORE INTO bases (name, root, manifest, platform, diff_ids, recorded) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(&base.name)
        .bind(base.root.to_string())
        .bind(base.manifest.to_string())
        .bind(base.platform.as_ref().map_or_else(String::new, ToString::to_string))
        .bind(chain.join(" "))
        .bind(&base.recorded)
        .execute(&mut *self.connection().await)
        .await
        .map_err(|e| self.failed(e))?;
        Ok(())
    }

    /// All recorded bases, by name, digest and platform.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn bases(&self) -> Result<Vec<TrustedBase>, StoreError> {
        let rows = sqlx::query(
            "SELECT name, root, manifest, platform, diff_ids, recorded FROM bases \
             ORDER BY name, recorded, root, platform, manifest",
        )
        .fetch_all(&mut *self.connection().await)
        .await
        .map_err(|e| self.failed(e))?;
        rows.iter().map(|row| self.base(row)).collect()
    }

    /// Forgets every base of this name. Says how many there were.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn remove_base(&self, name: &str) -> Result<u64, StoreError> {
        sqlx::query("DELETE FROM bases WHERE name = ?")
            .bind(name)
            .execute(&mut *self.connection().await)
            .await
            .map(|done| done.rows_affected())
            .map_err(|e| self.failed(e))
    }

    fn base(&self, row: &SqliteRow) -> Result<TrustedBase, StoreError> {
        let damaged = || StoreError::Damaged {
            path: self.path.clone(),
            reason: "a row of the bases has a digest that is none".to_owned(),
        };
        let digest = |text: &str| text.parse::<Digest>().map_err(|_| damaged());
        let chain: String = row.get(4);
        let platform: String = row.get(3);
        Ok(TrustedBase {
            name: row.get(0),
            root: digest(&row.get::<String, _>(1))?,
            manifest: digest(&row.get::<String, _>(2))?,
            platform: platform.parse().ok(),
            diff_ids: chain.split(' ').map(digest).collect::<Result<_, _>>()?,
            recorded: row.get(5),
        })
    }
}
