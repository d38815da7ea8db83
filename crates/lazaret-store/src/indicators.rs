//! What ties images to each other: the links of the later graph.

use lazaret_model::{ImageReport, Indicator};

use crate::engine::{Work, indexed, sql};
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
    /// Where in the image, as text; of a very long one the beginning.
    pub location: String,
}

impl Store {
    /// Everywhere that `indicator` was seen, by image.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn sightings(&self, indicator: &Indicator) -> Result<Vec<Sighting>, StoreError> {
        let rows = sql("SELECT i.repository, i.tag, i.manifest, s.rule, s.location FROM indicators n \
             JOIN sightings s ON s.indicator = n.id JOIN images i ON i.id = s.image \
             WHERE n.kind = $1 AND n.value = $2 \
             ORDER BY i.repository, i.tag, i.manifest, s.rule, s.location")
        .bind(indicator.kind.name())
        .bind(indexed(&indicator.value))
        .rows(&mut self.session().await?)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Sighting {
                    repository: row.get(0)?,
                    tag: row.some(1)?,
                    manifest: row.get(2)?,
                    rule: row.get(3)?,
                    location: row.get(4)?,
                })
            })
            .collect()
    }
}

/// Notes the indicators of an image's findings, in place of those noted before.
pub(crate) async fn put(work: &mut Work<'_>, image: i64, of: &ImageReport) -> Result<(), StoreError> {
    sql("DELETE FROM sightings WHERE image = $1").bind(image).run(work).await?;
    for finding in &of.findings {
        let location = finding.location().to_string();
        for indicator in &finding.indicators {
            let value = indexed(&indicator.value);
            sql("INSERT INTO indicators (kind, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(indicator.kind.name())
                .bind(&*value)
                .run(work)
                .await?;
            sql("INSERT INTO sightings (indicator, image, rule, location) \
                 SELECT id, $1, $2, $3 FROM indicators WHERE kind = $4 AND value = $5 ON CONFLICT DO NOTHING")
            .bind(image)
            .bind(indexed(&finding.rule.id))
            .bind(indexed(&location))
            .bind(indicator.kind.name())
            .bind(&*value)
            .run(work)
            .await?;
        }
    }
    Ok(())
}
