//! Signed packs of indicators: the newest of each name.
//!
//! The store keeps packs as they came, with their signatures, and believes none: who loads one checks
//! it anew against the keys that are pinned there. What the store adds is memory, so that no pack is
//! followed by an older one.

use lazaret_model::Digest;

use crate::engine::{Row, sql};
use crate::{Store, StoreError};

/// What is known of a feed besides its pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// Its name.
    pub name: String,
    /// The highest version that was installed.
    pub version: u64,
    /// SHA-256 of what is signed in it.
    pub digest: Digest,
    /// The id of the key that signed it.
    pub signer: String,
    /// When it expires, milliseconds since 1970.
    pub expires: i64,
    /// When it was installed, milliseconds since 1970.
    pub installed: i64,
    /// Whether it was removed: only its version is remembered then.
    pub removed: bool,
}

/// What became of a pack that was to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    /// It is installed, and was not before.
    New,
    /// The very same was installed already.
    Same,
    /// Not installed: what is remembered stands against it. It is older, or of one version with other
    /// content.
    Refused(FeedRow),
}

const COLUMNS: &str = "SELECT name, version, digest, signer, expires, installed, removed FROM feeds";

impl Store {
    /// Installs a pack, if its version is higher than any that was installed under its name, or if it
    /// is the very one that was. Whether it is to be trusted was found out before. `installed` of the
    /// row is not used; it is the time of this call.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn install_feed(&self, feed: &FeedRow, pack: &[u8]) -> Result<Installed, StoreError> {
        let mut session = self.session().await?;
        let mut work = session.transaction().await?;
        let known = row(&mut work, &feed.name).await?;
        // The condition stands in the statement as well: on PostgreSQL two may be at it at once.
        let changed =
            sql("INSERT INTO feeds (name, version, digest, signer, expires, body, installed, removed) \
             VALUES ($1, $2, $3, $4, $5, $6, @now, 0) ON CONFLICT (name) DO UPDATE SET \
             version = excluded.version, digest = excluded.digest, signer = excluded.signer, \
             expires = excluded.expires, body = excluded.body, installed = excluded.installed, removed = 0 \
             WHERE excluded.version > feeds.version \
             OR (excluded.version = feeds.version AND excluded.digest = feeds.digest)")
            .bind(&feed.name)
            .bind(i64::try_from(feed.version).unwrap_or(i64::MAX))
            .bind(feed.digest.to_string())
            .bind(&feed.signer)
            .bind(feed.expires)
            .bind(pack.to_vec())
            .run(&mut work)
            .await?;
        if changed == 0 {
            let against = row(&mut work, &feed.name).await?;
            return match against {
                Some(against) => Ok(Installed::Refused(against)),
                None => Err(StoreError::Failed {
                    store: self.address().to_owned(),
                    reason: "a feed was neither there nor could it be put there".to_owned(),
                }),
            };
        }
        work.commit().await?;
        let same = known.is_some_and(|known| !known.removed && known.digest == feed.digest);
        Ok(if same { Installed::Same } else { Installed::New })
    }

    /// All feeds, by name, those that were removed too.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn feeds(&self) -> Result<Vec<FeedRow>, StoreError> {
        let mut list = sql(COLUMNS);
        list.push(" ORDER BY name");
        list.rows(&mut self.session().await?).await?.iter().map(feed).collect()
    }

    /// What is remembered of a feed.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn feed(&self, name: &str) -> Result<Option<FeedRow>, StoreError> {
        row(&mut self.session().await?, name).await
    }

    /// The pack of a feed, as it came; None where none is installed.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn feed_pack(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sql("SELECT body FROM feeds WHERE name = $1 AND removed = 0")
            .bind(name)
            .first(&mut self.session().await?)
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// Takes a feed out of use. Its version stays remembered, so that no older pack comes after it.
    /// False where there is none in use.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn remove_feed(&self, name: &str) -> Result<bool, StoreError> {
        let removed = sql("UPDATE feeds SET removed = 1, body = $2 WHERE name = $1 AND removed = 0")
            .bind(name)
            .bind(Vec::new())
            .run(&mut self.session().await?)
            .await?;
        Ok(removed > 0)
    }

    /// Takes a feed out of use and forgets its version too: any pack of it may follow. It is for an
    /// issuer whose key was stolen, and used for a version that no honest one exceeds.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn forget_feed(&self, name: &str) -> Result<bool, StoreError> {
        let gone =
            sql("DELETE FROM feeds WHERE name = $1").bind(name).run(&mut self.session().await?).await?;
        Ok(gone > 0)
    }
}

async fn row(on: &mut impl crate::engine::Connected, name: &str) -> Result<Option<FeedRow>, StoreError> {
    let mut one = sql(COLUMNS);
    one.push(" WHERE name = ").value(name);
    one.first(on).await?.as_ref().map(feed).transpose()
}

fn feed(row: &Row) -> Result<FeedRow, StoreError> {
    Ok(FeedRow {
        name: row.get(0)?,
        version: row.count(1)?,
        digest: row.digest(2)?,
        signer: row.get(3)?,
        expires: row.get(4)?,
        installed: row.get(5)?,
        removed: row.count(6)? != 0,
    })
}
