//! What tags stood for, and when.

use lazaret_model::Digest;

use crate::engine::{indexed, sql};
use crate::{Store, StoreError};

/// What a tag stood for during some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRow {
    /// The tag.
    pub tag: String,
    /// What it stood for.
    pub digest: Digest,
    /// When that was seen first, milliseconds since 1970.
    pub first_seen: i64,
    /// When it was seen last.
    pub last_seen: i64,
}

impl Store {
    /// Notes that a tag stands for this digest now.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    pub async fn note_tag(&self, repository: &str, tag: &str, digest: &Digest) -> Result<(), StoreError> {
        sql("INSERT INTO tags (repository, tag, digest, first_seen, last_seen) \
             VALUES ($1, $2, $3, @now, @now) ON CONFLICT (repository, tag, digest) DO UPDATE SET \
             last_seen = excluded.last_seen")
        .bind(indexed(repository))
        .bind(indexed(tag))
        .bind(digest.to_string())
        .run(&mut self.session().await?)
        .await
        .map(drop)
    }

    /// What the tags of a repository stood for, by tag and time.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn tag_history(&self, repository: &str) -> Result<Vec<TagRow>, StoreError> {
        let rows = sql("SELECT tag, digest, first_seen, last_seen FROM tags WHERE repository = $1 \
             ORDER BY tag, first_seen, digest")
        .bind(indexed(repository))
        .rows(&mut self.session().await?)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(TagRow {
                    tag: row.get(0)?,
                    digest: row.digest(1)?,
                    first_seen: row.get(2)?,
                    last_seen: row.get(3)?,
                })
            })
            .collect()
    }
}
