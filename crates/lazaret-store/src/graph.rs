//! What the graph of campaigns is made of, in pages and as numbers: texts only where a weight needs
//! them.

use lazaret_model::{Digest, Indicator, IndicatorKind, Outcome};

use crate::engine::{indexed, sql};
use crate::images::outcome;
use crate::{Store, StoreError};

/// An image for one platform, under one name, as the graph reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphImage {
    /// Its number in the store.
    pub id: i64,
    /// Where it came from, without tag.
    pub repository: String,
    /// The tag that was resolved.
    pub tag: Option<String>,
    /// Digest that the reference was resolved to.
    pub root: Digest,
    /// The latest verdict.
    pub outcome: Outcome,
}

/// An indicator as the graph reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphIndicator {
    /// Its number in the store.
    pub id: i64,
    /// What it is; the value is empty where its weight does not depend on it.
    pub indicator: Indicator,
}

/// That an image holds an indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphLink {
    /// The number of the image.
    pub image: i64,
    /// The number of the indicator.
    pub indicator: i64,
    /// The layer in which it stands, or the first that was made after its instruction: whoever has that
    /// layer from somebody has the instruction too.
    pub layer: Option<u32>,
    /// A hash of the file's path; 0 outside of files.
    pub place: u64,
    /// Whether a finding names it.
    pub named: bool,
}

impl Store {
    /// Images from number `after` on, without it, by number.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn graph_images(&self, after: i64, limit: u32) -> Result<Vec<GraphImage>, StoreError> {
        let rows = sql("SELECT id, repository, tag, root, outcome FROM images WHERE id > $1 \
             ORDER BY id LIMIT $2")
        .bind(after)
        .bind(i64::from(limit))
        .rows(&mut self.session().await?)
        .await?;
        rows.iter()
            .map(|row| {
                let word: String = row.get(4)?;
                Ok(GraphImage {
                    id: row.get(0)?,
                    repository: row.get(1)?,
                    tag: row.some(2)?,
                    root: row.digest(3)?,
                    outcome: outcome(&word)
                        .ok_or_else(|| row.damaged("an image has a verdict that is none"))?,
                })
            })
            .collect()
    }

    /// Indicators from number `after` on, without it, by number; with all values, or only those that a
    /// weight depends on. Those of a kind that is not known are left out, so a page may be shorter: it
    /// says the last number that it looked at.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn graph_indicators(
        &self,
        after: i64,
        limit: u32,
        values: bool,
    ) -> Result<Option<(i64, Vec<GraphIndicator>)>, StoreError> {
        let rows = sql("SELECT id, kind, CASE WHEN $3 = 1 OR kind IN ('host', 'url', 'pool', 'fuzzy-hash') \
             THEN value ELSE '' END FROM indicators WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after)
        .bind(i64::from(limit))
        .bind(i64::from(values))
        .rows(&mut self.session().await?)
        .await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let last = last.get(0)?;
        let mut all = Vec::with_capacity(rows.len());
        for row in &rows {
            let kind: String = row.get(1)?;
            if let Ok(kind) = kind.parse::<IndicatorKind>() {
                let indicator = Indicator::new(kind, row.get::<String>(2)?);
                all.push(GraphIndicator { id: row.get(0)?, indicator });
            }
        }
        Ok(Some((last, all)))
    }

    /// What the images from number `first` to `last` hold.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn graph_links(&self, first: i64, last: i64) -> Result<Vec<GraphLink>, StoreError> {
        let rows = sql("SELECT image, indicator, layer, place, \
             CAST(CASE WHEN rule = '' THEN 0 ELSE 1 END AS BIGINT) FROM sightings WHERE image >= $1 AND image <= $2")
        .bind(first)
        .bind(last)
        .rows(&mut self.session().await?)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(GraphLink {
                    image: row.get(0)?,
                    indicator: row.get(1)?,
                    layer: u32::try_from(row.get::<i64>(2)?).ok(),
                    place: row.get::<i64>(3)?.cast_unsigned(),
                    named: flag(row.get::<i64>(4)?),
                })
            })
            .collect()
    }

    /// The diff ids of the images from number `first` to `last`, by image, lowest layer first.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn graph_layers(&self, first: i64, last: i64) -> Result<Vec<(i64, String)>, StoreError> {
        let rows = sql("SELECT image, diff_id FROM image_layers WHERE image >= $1 AND image <= $2 \
             ORDER BY image, position")
        .bind(first)
        .bind(last)
        .rows(&mut self.session().await?)
        .await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    /// The accounts of repositories that a site names one for, from repository `after` on, by name.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn graph_accounts(&self, after: &str, limit: u32) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sql("SELECT repository, account FROM listings WHERE account <> '' AND repository > $1 \
             ORDER BY repository LIMIT $2")
        .bind(after)
        .bind(i64::from(limit))
        .rows(&mut self.session().await?)
        .await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    /// Indicators by number, in no order.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn indicators_by_id(&self, ids: &[i64]) -> Result<Vec<(i64, Indicator)>, StoreError> {
        let mut all = Vec::with_capacity(ids.len());
        let mut session = self.session().await?;
        for some in ids.chunks(500) {
            let mut query = sql("SELECT id, kind, value FROM indicators WHERE id IN (");
            query.list(some.iter().copied()).push(")");
            for row in query.rows(&mut session).await? {
                let kind: String = row.get(1)?;
                if let Ok(kind) = kind.parse() {
                    all.push((row.get(0)?, Indicator::new(kind, row.get::<String>(2)?)));
                }
            }
        }
        Ok(all)
    }

    /// The number of an indicator that was seen.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn indicator_id(&self, indicator: &Indicator) -> Result<Option<i64>, StoreError> {
        let row = sql("SELECT id FROM indicators WHERE kind = $1 AND value = $2")
            .bind(indicator.kind.name())
            .bind(indexed(&indicator.value))
            .first(&mut self.session().await?)
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// Where an indicator stands in an image, as text; what a finding names comes first.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn place_of(&self, indicator: i64, image: i64) -> Result<Option<String>, StoreError> {
        let row = sql("SELECT location FROM sightings WHERE indicator = $1 AND image = $2 \
             ORDER BY rule DESC, location LIMIT 1")
        .bind(indicator)
        .bind(image)
        .first(&mut self.session().await?)
        .await?;
        row.map(|row| row.get(0)).transpose()
    }
}

fn flag(number: i64) -> bool {
    number != 0
}
