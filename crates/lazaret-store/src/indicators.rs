//! What ties images to each other: the links of the later graph.

use lazaret_model::{ImageReport, Indicator};
use sqlx::sqlite::SqliteConnection;

use crate::{Store, StoreError};

/// One place where an indicator was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Repository of the image.
    pub repository: String,
    /// Its tag, if it was named by one.
    pub tag: Option<String>,
    /// Digest of its manifest, as text.
    pub manifest: String,
    /// The rule whose finding holds it.
    pub rule: String,
    /// Where in the image, as text.
    pub location: String,
}

impl Store {
    /// Everywhere that `indicator` was seen, by image.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn sightings(&self, indicator: &Indicator) -> Result<Vec<Sighting>, StoreError> {
        let rows: Vec<(String, String, String, String, String)> = sqlx::query_as(
            "SELECT i.repository, i.tag, i.manifest, s.rule, s.location FROM indicators n \
             JOIN sightings s ON s.indicator = n.id JOIN images i ON i.id = s.image \
             WHERE n.kind = ? AND n.value = ? ORDER BY i.repository, i.tag, i.manifest, s.rule, s.location",
        )
        .bind(indicator.kind.name())
        .bind(&indicator.value)
        .fetch_all(&mut *self.connection().await)
        .await
        .map_err(|e| self.failed(e))?;
        Ok(rows
            .into_iter()
            .map(|(repository, tag, manifest, rule, location)| Sighting {
                repository,
                tag: Some(tag).filter(|tag| !tag.is_empty()),
                manifest,
                rule,
                location,
            })
            .collect())
    }
}

/// Notes the indicators of an image's findings, in place of those noted before.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    image: i64,
    of: &ImageReport,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM sightings WHERE image = ?").bind(image).execute(&mut *connection).await?;
    for finding in &of.findings {
        let location = finding.location().to_string();
        for indicator in &finding.indicators {
            sqlx::query("INSERT OR IGNORE INTO indicators (kind, value) VALUES (?, ?)")
                .bind(indicator.kind.name())
                .bind(&indicator.value)
                .execute(&mut *connection)
                .await?;
            sqlx::query(
                "INSERT OR IGNORE INTO sightings (indicator, image, rule, location) \
                 SELECT id, ?, ?, ? FROM indicators WHERE kind = ? AND value = ?",
            )
            .bind(image)
            .bind(&finding.rule.id)
            .bind(&location)
            .bind(indicator.kind.name())
            .bind(&indicator.value)
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}
