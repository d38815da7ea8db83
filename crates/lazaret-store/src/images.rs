//! The images that were seen, for `lazaret images`.

use lazaret_model::{Digest, ImageReport, Outcome, Report};

use crate::engine::{Row, Value, Work, indexed, sql};
use crate::{Store, StoreError, indicators};

/// Which images are asked for. The default asks for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFilter {
    /// Only those whose repository contains this text.
    pub repository: Option<String>,
    /// Only those with this verdict.
    pub outcome: Option<Outcome>,
    /// At most so many, the latest first.
    pub limit: Option<u32>,
}

/// An image for one platform, under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// Where it came from, without tag.
    pub repository: String,
    /// The tag that was resolved.
    pub tag: Option<String>,
    /// Digest that the reference was resolved to (the index, where there is one).
    pub root: Digest,
    /// Digest of the platform's manifest.
    pub manifest: Digest,
    /// The platform, as text.
    pub platform: Option<String>,
    /// The latest verdict.
    pub outcome: Outcome,
    /// Why.
    pub why: String,
    /// How many findings.
    pub findings: u64,
    /// How many layers.
    pub layers: u64,
    /// Bytes of the layers as the manifest states them.
    pub compressed: u64,
    /// Bytes of the layers that were read, uncompressed.
    pub uncompressed: u64,
    /// Version of the rules that judged.
    pub rules_version: String,
    /// When, seconds since 1970.
    pub scanned_at: i64,
}

impl Store {
    /// Images that were seen, the latest first.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn images(&self, filter: &ImageFilter) -> Result<Vec<ImageRow>, StoreError> {
        let mut query = sql(
            "SELECT repository, tag, root, manifest, platform, outcome, why, findings, layers, compressed, \
             uncompressed, rules_version, scanned_at FROM images WHERE TRUE",
        );
        if let Some(text) = filter.repository.as_deref().filter(|text| !text.is_empty()) {
            // The one test for a part of a text that both engines have, and that takes it literally.
            query.push(" AND replace(repository, ").value(text).push(", '') <> repository");
        }
        if let Some(outcome) = filter.outcome {
            query.push(" AND outcome = ").value(outcome.word());
        }
        query.push(" ORDER BY scanned_at DESC, id DESC");
        if let Some(limit) = filter.limit {
            query.push(" LIMIT ").value(i64::from(limit));
        }
        query.rows(&mut self.session().await?).await?.iter().map(image_row).collect()
    }

    /// Repositories of images that were seen whose name contains `text`, by name.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn repositories(&self, text: &str) -> Result<Vec<String>, StoreError> {
        let mut query = sql("SELECT DISTINCT repository FROM images WHERE TRUE");
        if !text.is_empty() {
            query.push(" AND replace(repository, ").value(text).push(", '') <> repository");
        }
        query.push(" ORDER BY repository");
        query.rows(&mut self.session().await?).await?.iter().map(|row| row.get(0)).collect()
    }
}

/// What one statement names at the most.
const ASKED: usize = 500;

impl Store {
    /// Which of these digests are, as index or as manifest, of an image that was found clean under any
    /// name, in no order.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn clean_digests(&self, digests: &[Digest]) -> Result<Vec<Digest>, StoreError> {
        let mut session = self.session().await?;
        let mut found = Vec::new();
        for some in digests.chunks(ASKED) {
            for column in ["root", "manifest"] {
                let mut query = sql("SELECT DISTINCT ");
                query.push(column).push(" FROM images WHERE outcome = ").value(Outcome::Clean.word());
                query.push(" AND ").push(column).push(" IN (");
                query.list::<Value>(some.iter().map(|digest| digest.to_string().into()));
                query.push(")");
                for row in query.rows(&mut session).await? {
                    found.push(row.digest(0)?);
                }
            }
        }
        Ok(found)
    }

    /// When the images of these numbers were judged last, seconds since 1970, by number.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn judged_at(&self, images: &[i64]) -> Result<Vec<(i64, i64)>, StoreError> {
        let mut session = self.session().await?;
        let mut found = Vec::new();
        for some in images.chunks(ASKED) {
            let mut query = sql("SELECT id, scanned_at FROM images WHERE id IN (");
            query.list(some.iter().copied());
            query.push(") ORDER BY id");
            for row in query.rows(&mut session).await? {
                found.push((row.get(0)?, row.get(1)?));
            }
        }
        Ok(found)
    }

    /// The numbers of images whose index or manifest has a digest that begins so, as text.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn images_of_digest(&self, begins: &str) -> Result<Vec<i64>, StoreError> {
        let length = i64::try_from(begins.len()).unwrap_or(i64::MAX);
        let rows = sql("SELECT id FROM images WHERE substr(root, 1, CAST($2 AS INTEGER)) = $1 \
             OR substr(manifest, 1, CAST($2 AS INTEGER)) = $1 ORDER BY id")
        .bind(begins)
        .bind(length)
        .rows(&mut self.session().await?)
        .await?;
        rows.iter().map(|row| row.get(0)).collect()
    }
}

fn image_row(row: &Row) -> Result<ImageRow, StoreError> {
    let word: String = row.get(5)?;
    Ok(ImageRow {
        repository: row.get(0)?,
        tag: row.some(1)?,
        root: row.digest(2)?,
        manifest: row.digest(3)?,
        platform: row.some(4)?,
        outcome: outcome(&word).ok_or_else(|| row.damaged("an image has a verdict that is none"))?,
        why: row.get(6)?,
        findings: row.count(7)?,
        layers: row.count(8)?,
        compressed: row.count(9)?,
        uncompressed: row.count(10)?,
        rules_version: row.get(11)?,
        scanned_at: row.get(12)?,
    })
}

pub(crate) fn outcome(word: &str) -> Option<Outcome> {
    [Outcome::Clean, Outcome::Inconclusive, Outcome::Suspicious, Outcome::Malicious]
        .into_iter()
        .find(|outcome| outcome.word() == word)
}

/// Notes one image of a report and its indicators, in place of what was noted of it before.
pub(crate) async fn put(
    work: &mut Work<'_>,
    report: &Report,
    of: &ImageReport,
    now: i64,
) -> Result<(), StoreError> {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let compressed = of.image.layers.iter().fold(0u64, |sum, layer| sum.saturating_add(layer.size));
    let uncompressed = of.layer_sizes.iter().fold(0u64, |sum, &size| sum.saturating_add(size));
    let noted = sql(
        "INSERT INTO images (repository, tag, root, manifest, platform, outcome, why, findings, layers, \
         compressed, uncompressed, rules_version, scanned_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         ON CONFLICT (repository, tag, manifest) DO UPDATE SET root = excluded.root, \
         platform = excluded.platform, outcome = excluded.outcome, why = excluded.why, \
         findings = excluded.findings, layers = excluded.layers, compressed = excluded.compressed, \
         uncompressed = excluded.uncompressed, rules_version = excluded.rules_version, \
         scanned_at = excluded.scanned_at RETURNING id",
    )
    .bind(indexed(&report.pinned.repository))
    .bind(report.pinned.tag.as_deref().unwrap_or_default())
    .bind(report.pinned.digest.to_string())
    .bind(of.image.manifest.to_string())
    .bind(of.image.platform.as_ref().map(ToString::to_string).unwrap_or_default())
    .bind(of.verdict.outcome.word())
    .bind(&of.verdict.why)
    .bind(number(of.findings.len() as u64))
    .bind(number(of.image.layers.len() as u64))
    .bind(number(compressed))
    .bind(number(uncompressed))
    .bind(&report.rules_version)
    .bind(now)
    .first(work)
    .await?;
    let image = noted.map_or(Ok(0), |row| row.get(0))?;
    put_layers(work, image, of).await?;
    indicators::put(work, image, of).await
}

/// Layers that one statement writes.
const LAYERS: usize = 200;

/// Notes which layers an image has, lowest first, in place of those noted before. A layer whose diff
/// id the configuration does not name is left out.
async fn put_layers(work: &mut Work<'_>, image: i64, of: &ImageReport) -> Result<(), StoreError> {
    sql("DELETE FROM image_layers WHERE image = $1").bind(image).run(work).await?;
    let layers: Vec<(i64, String)> = of
        .image
        .layers
        .iter()
        .enumerate()
        .filter_map(|(at, layer)| Some((i64::try_from(at).ok()?, layer.diff_id.as_ref()?.to_string())))
        .collect();
    for some in layers.chunks(LAYERS) {
        let mut insert = sql("INSERT INTO image_layers (image, position, diff_id) VALUES ");
        for (at, (position, diff_id)) in some.iter().enumerate() {
            insert.push(if at > 0 { ", (" } else { "(" });
            insert.value(image).push(", ").value(*position).push(", ").value(diff_id).push(")");
        }
        insert.run(work).await?;
    }
    Ok(())
}
