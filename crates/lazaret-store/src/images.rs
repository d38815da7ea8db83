//! The images that were seen, for `lazaret images`.

use lazaret_model::{Digest, ImageReport, Outcome, Report};
use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row};

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

const COLUMNS: &str = "repository, tag, root, manifest, platform, outcome, why, findings, layers, compressed, \
     uncompressed, rules_version, scanned_at";

impl Store {
    /// Images that were seen, the latest first.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn images(&self, filter: &ImageFilter) -> Result<Vec<ImageRow>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(COLUMNS).push(" FROM images WHERE 1");
        if let Some(text) = &filter.repository {
            query.push(" AND instr(repository, ").push_bind(text).push(") > 0");
        }
        if let Some(outcome) = filter.outcome {
            query.push(" AND outcome = ").push_bind(outcome.word());
        }
        query.push(" ORDER BY scanned_at DESC, id DESC");
        if let Some(limit) = filter.limit {
            query.push(" LIMIT ").push_bind(i64::from(limit));
        }
        let rows =
            query.build().fetch_all(&mut *self.connection().await).await.map_err(|e| self.failed(e))?;
        rows.iter().map(|row| self.image_row(row)).collect()
    }

    fn image_row(&self, row: &SqliteRow) -> Result<ImageRow, StoreError> {
        let damaged = |what: &str| StoreError::Damaged {
            path: self.path.clone(),
            reason: format!("a row of the images has a {what} that is none"),
        };
        let digest = |at: usize| row.get::<String, _>(at).parse::<Digest>().map_err(|_| damaged("digest"));
        let count = |at: usize| u64::try_from(row.get::<i64, _>(at)).unwrap_or(0);
        let text = |at: usize| Some(row.get::<String, _>(at)).filter(|text| !text.is_empty());
        let word: String = row.get(5);
        Ok(ImageRow {
            repository: row.get(0),
            tag: text(1),
            root: digest(2)?,
            manifest: digest(3)?,
            platform: text(4),
            outcome: outcome(&word).ok_or_else(|| damaged("verdict"))?,
            why: row.get(6),
            findings: count(7),
            layers: count(8),
            compressed: count(9),
            uncompressed: count(10),
            rules_version: row.get(11),
            scanned_at: row.get(12),
        })
    }
}

fn outcome(word: &str) -> Option<Outcome> {
    [Outcome::Clean, Outcome::Inconclusive, Outcome::Suspicious, Outcome::Malicious]
        .into_iter()
        .find(|outcome| outcome.word() == word)
}

/// Notes one image of a report and its indicators, in place of what was noted of it before.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    report: &Report,
    of: &ImageReport,
    now: i64,
) -> Result<(), sqlx::Error> {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let compressed = of.image.layers.iter().fold(0u64, |sum, layer| sum.saturating_add(layer.size));
    let uncompressed = of.layer_sizes.iter().fold(0u64, |sum, &size| sum.saturating_add(size));
    let image: i64 = sqlx::query_scalar(
        "INSERT INTO images (repository, tag, root, manifest, platform, outcome, why, findings, layers, \
         compressed, uncompressed, rules_version, scanned_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (repository, tag, manifest) DO UPDATE SET root = excluded.root, \
         platform = excluded.platform, outcome = excluded.outcome, why = excluded.why, \
         findings = excluded.findings, layers = excluded.layers, compressed = excluded.compressed, \
         uncompressed = excluded.uncompressed, rules_version = excluded.rules_version, \
         scanned_at = excluded.scanned_at RETURNING id",
    )
    .bind(&report.pinned.repository)
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
    .fetch_one(&mut *connection)
    .await?;
    indicators::put(connection, image, of).await
}
