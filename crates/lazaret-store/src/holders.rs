//! Which manifests of a repository hold a blob: a gate serves a blob only where a manifest that it
//! let in leads to it, and another replica must know that too.

use std::collections::BTreeMap;

use lazaret_model::Digest;

use crate::engine::{indexed, sql};
use crate::{Store, StoreError, store};

/// Rows in one statement.
const AT_ONCE: usize = 200;
/// Seconds within which a second time is not written down.
const FRESH: i64 = 24 * 3600;

/// A manifest that holds a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Bytes of the blob, as the manifest states them.
    pub size: u64,
    /// Whether the manifest is of an image, which is judged; other artifacts are not.
    pub is_image: bool,
}

impl Store {
    /// Notes for blobs of a repository which manifests hold them: blob, manifest, size, and whether
    /// the manifest is of an image. What is noted already stays as it is.
    ///
    /// # Errors
    ///
    /// If the store cannot be written; then nothing is noted.
    pub async fn put_holders(
        &self,
        repository: &str,
        held: &[(Digest, Digest, u64, bool)],
    ) -> Result<(), StoreError> {
        // Each once, and always in the same order: two who write the same wait, and do not block
        // each other for good.
        let held: BTreeMap<_, _> = held
            .iter()
            .map(|(blob, manifest, size, image)| ((blob.to_string(), manifest.to_string()), (*size, *image)))
            .collect();
        let mut held = held.into_iter().peekable();
        let (repository, now) = (indexed(repository), store::now());
        let mut session = self.session().await?;
        let mut work = session.transaction().await?;
        while held.peek().is_some() {
            let mut query =
                sql("INSERT INTO holders (repository, blob, manifest, size, image, seen) VALUES ");
            for (at, ((blob, manifest), (size, image))) in held.by_ref().take(AT_ONCE).enumerate() {
                query.push(if at == 0 { "(" } else { ", (" });
                query.list([&*repository, &blob, &manifest]).push(", ");
                query.list([i64::try_from(size).unwrap_or(i64::MAX), i64::from(image), now]).push(")");
            }
            query.push(
                " ON CONFLICT (repository, blob, manifest) DO UPDATE SET seen = excluded.seen \
                 WHERE holders.seen < excluded.seen - ",
            );
            query.value(FRESH);
            query.run(&mut work).await?;
        }
        work.commit().await
    }

    /// The manifests of a repository that hold a blob, those noted last first.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn holders(&self, repository: &str, blob: &Digest) -> Result<Vec<Holder>, StoreError> {
        let rows = sql("SELECT manifest, size, image FROM holders WHERE repository = $1 AND blob = $2 \
             ORDER BY seen DESC, manifest")
        .bind(indexed(repository))
        .bind(blob.to_string())
        .rows(&mut self.session().await?)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Holder {
                    manifest: row.digest(0)?,
                    size: row.count(1)?,
                    is_image: row.get::<i64>(2)? != 0,
                })
            })
            .collect()
    }

    /// Forgets what was last noted before a time (seconds since 1970; kept to the day). Says how
    /// much.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn prune_holders(&self, before: i64) -> Result<u64, StoreError> {
        sql("DELETE FROM holders WHERE seen < $1").bind(before).run(&mut self.session().await?).await
    }
}
