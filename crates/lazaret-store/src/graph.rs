//! What the graph of campaigns is made of, in pages and as numbers: texts only where a weight needs
//! them.

use lazaret_model::{DENIED_INDICATOR, Digest, Indicator, IndicatorKind, Outcome, Role};

use crate::engine::{Value, indexed, sql};
use crate::images::outcome;
use crate::{Store, StoreError};

/// Indicators that one statement asks for.
const ASKED: usize = 200;

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
    /// Digest of the manifest that was judged.
    pub manifest: Digest,
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
    /// The layer that it comes with: see `Image::layer_of`.
    pub layer: Option<u32>,
    /// A hash of the file's path; 0 outside of files.
    pub place: u64,
    /// What it is to the image. That a feed denies it says what others did: a list of such things stays a
    /// list.
    pub role: Role,
    /// The layer whose file a finding accuses with it.
    pub accused: Option<u32>,
}

/// A layer of an image as the graph reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphLayer {
    /// The number of the image.
    pub image: i64,
    /// Lowest is 0.
    pub position: u32,
    /// Digest of the uncompressed tar, as text.
    pub diff_id: String,
}

impl Store {
    /// Images from number `after` on, without it, by number.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn graph_images(&self, after: i64, limit: u32) -> Result<Vec<GraphImage>, StoreError> {
        let rows = sql("SELECT id, repository, tag, root, outcome, manifest FROM images WHERE id > $1 \
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
                    manifest: row.digest(5)?,
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
        let rows = sql("SELECT id, kind, CASE WHEN $3 = 1 \
             OR kind IN ('host', 'url', 'pool', 'pool-login', 'ssh-key', 'fuzzy-hash', 'builder-trace') \
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
             CAST(CASE WHEN rule = $3 THEN 0 WHEN role <> -1 THEN role WHEN rule = '' THEN 0 ELSE 1 END \
             AS BIGINT), accused FROM sightings \
             WHERE image >= $1 AND image <= $2")
        .bind(first)
        .bind(last)
        .bind(DENIED_INDICATOR)
        .rows(&mut self.session().await?)
        .await?;
        rows.iter()
            .map(|row| {
                let role = role(row.get(4)?);
                let layer = u32::try_from(row.get::<i64>(2)?).ok();
                let place = row.get::<i64>(3)?.cast_unsigned();
                let accused = match row.get::<i64>(5)? {
                    // Noted before it was told apart: what is named was taken for accused where it stands.
                    -2 => layer.filter(|_| place != 0),
                    number => u32::try_from(number).ok(),
                };
                Ok(GraphLink {
                    image: row.get(0)?,
                    indicator: row.get(1)?,
                    layer,
                    place,
                    role,
                    accused: accused.filter(|_| role.is_named()),
                })
            })
            .collect()
    }

    /// The layers of the images from number `first` to `last`, by image, lowest layer first. A layer
    /// without a diff id is not among them.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn graph_layers(&self, first: i64, last: i64) -> Result<Vec<GraphLayer>, StoreError> {
        let rows =
            sql("SELECT image, position, diff_id FROM image_layers WHERE image >= $1 AND image <= $2 \
             ORDER BY image, position")
            .bind(first)
            .bind(last)
            .rows(&mut self.session().await?)
            .await?;
        rows.iter()
            .map(|row| {
                let position = u32::try_from(row.get::<i64>(1)?).unwrap_or_default();
                Ok(GraphLayer { image: row.get(0)?, position, diff_id: row.get(2)? })
            })
            .collect()
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

    /// The numbers of those of these indicators that were seen, each with its position among them.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn indicator_ids(&self, indicators: &[Indicator]) -> Result<Vec<(usize, i64)>, StoreError> {
        let mut all = Vec::new();
        let mut session = self.session().await?;
        for (chunk, some) in indicators.chunks(ASKED).enumerate() {
            // As `indicators::put` joins them.
            let mut query = sql("SELECT v.column1, n.id FROM (VALUES ");
            for (at, indicator) in some.iter().enumerate() {
                query.push(if at > 0 { ", (" } else { "(" });
                query.list::<Value>([
                    i64::try_from(chunk * ASKED + at).unwrap_or(i64::MAX).into(),
                    indicator.kind.name().into(),
                    indexed(&indicator.value).into(),
                ]);
                query.push(")");
            }
            query.push(") AS v CROSS JOIN indicators n WHERE n.kind = v.column2 AND n.value = v.column3 ");
            query.push("ORDER BY v.column1");
            for row in query.rows(&mut session).await? {
                let position = usize::try_from(row.count(0)?).unwrap_or(usize::MAX);
                all.push((position, row.get(1)?));
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

/// See `schema/6.sql`.
fn role(number: i64) -> Role {
    match number {
        -2 => Role::Mentioned,
        1 => Role::Named,
        2 => Role::Acts,
        3 => Role::Suspected,
        4 => Role::Harms,
        _ => Role::Lies,
    }
}
