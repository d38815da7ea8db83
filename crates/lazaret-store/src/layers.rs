//! Facts and matches per layer.

use lazaret_model::{ContentId, Digest, FACTS_VERSION, Fact, LayerFacts};

use crate::engine::{Turn, sql};
use crate::{Store, StoreError, codec, contents, store};

/// Results of that many sets of byte rules are kept for a layer: somebody who scans in turn with
/// two sets reads nothing twice, and old ones do not pile up.
const RULE_SETS: i64 = 4;

/// What the reading of one layer gave.
#[derive(Debug, Clone, Copy)]
pub struct LayerRecord<'a> {
    /// Digest of the uncompressed layer, as computed.
    pub diff_id: &'a Digest,
    /// Version of the analyzers that stated the facts.
    pub analyzers: &'a str,
    /// The facts; None where they are known already and only byte rules were run.
    pub facts: Option<&'a LayerFacts>,
    /// Version of the byte rules.
    pub byte_rules: &'a str,
    /// Where they matched.
    pub matches: &'a [Fact],
    /// Small contents for later stages.
    pub contents: &'a [(ContentId, Vec<u8>)],
}

impl Store {
    /// The facts of a layer, if it was read to its end by analyzers of this version.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn facts(&self, diff_id: &Digest, analyzers: &str) -> Result<Option<LayerFacts>, StoreError> {
        let row = sql("SELECT facts FROM layers WHERE diff_id = $1 AND version = $2")
            .bind(diff_id.to_string())
            .bind(version(analyzers))
            .first(&mut self.session().await?)
            .await?;
        let stored: Option<Vec<u8>> = row.map(|row| row.get(0)).transpose()?;
        let facts: Option<LayerFacts> = stored.and_then(|stored| codec::from_compact(&stored));
        Ok(facts.filter(|facts| facts.complete && facts.diff_id.as_ref() == Some(diff_id)))
    }

    /// Where byte rules of this version matched in a layer, if they were run over it to its end.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn byte_matches(
        &self,
        diff_id: &Digest,
        byte_rules: &str,
    ) -> Result<Option<Vec<Fact>>, StoreError> {
        let row = sql("SELECT matches FROM byte_matches WHERE diff_id = $1 AND rules = $2")
            .bind(diff_id.to_string())
            .bind(version(byte_rules))
            .first(&mut self.session().await?)
            .await?;
        let stored: Option<Vec<u8>> = row.map(|row| row.get(0)).transpose()?;
        Ok(stored.and_then(|stored| codec::from_compact(&stored)))
    }

    /// Stores what the reading of a layer gave, all of it or nothing. To be called only for a
    /// layer that was read to its end.
    ///
    /// # Errors
    ///
    /// If the facts are of a layer that was not read to its end or of another one, if a content
    /// is not what its name says, or if the store cannot be written; then nothing was stored.
    pub async fn put_layer(&self, record: LayerRecord<'_>) -> Result<(), StoreError> {
        let refused = |reason| StoreError::Layer { diff_id: record.diff_id.clone(), reason };
        if let Some(facts) = record.facts {
            if !facts.complete {
                return Err(refused("it was not read to its end"));
            }
            if facts.diff_id.as_ref() != Some(record.diff_id) {
                return Err(refused("the facts are about another layer"));
            }
        }
        // Whatever takes time is done before the write lock is taken.
        let facts = record.facts.map(|facts| codec::to_compact("the facts of a layer", facts)).transpose()?;
        let matches = codec::to_compact("the matches in a layer", &record.matches)?;
        let kept = contents::prepare(record.contents)?;
        let diff_id = record.diff_id.to_string();
        let now = store::now();

        let mut session = self.writer().await?;
        let mut work = session.begin(Turn::Layers).await?;
        if let Some(facts) = facts {
            // What other versions of the analyzers said is of no use to this one.
            sql("DELETE FROM layers WHERE diff_id = $1").bind(&diff_id).run(&mut work).await?;
            sql("INSERT INTO layers (diff_id, version, facts, stored_at) VALUES ($1, $2, $3, $4)")
                .bind(&diff_id)
                .bind(version(record.analyzers))
                .bind(facts)
                .bind(now)
                .run(&mut work)
                .await?;
        }
        // Not an update: the id grows, so the newest rows have the highest.
        sql("DELETE FROM byte_matches WHERE diff_id = $1 AND rules = $2")
            .bind(&diff_id)
            .bind(version(record.byte_rules))
            .run(&mut work)
            .await?;
        sql("INSERT INTO byte_matches (diff_id, rules, matches, stored_at) VALUES ($1, $2, $3, $4)")
            .bind(&diff_id)
            .bind(version(record.byte_rules))
            .bind(matches)
            .bind(now)
            .run(&mut work)
            .await?;
        sql("DELETE FROM byte_matches WHERE diff_id = $1 AND id NOT IN \
             (SELECT id FROM byte_matches WHERE diff_id = $1 ORDER BY id DESC LIMIT $2)")
        .bind(&diff_id)
        .bind(RULE_SETS)
        .run(&mut work)
        .await?;
        contents::insert(&mut work, kept, now).await?;
        contents::evict(&mut work, self.options.content_bytes).await?;
        work.commit().await
    }
}

/// The version of the stored form stands before that of whoever stated it.
fn version(of_stage: &str) -> String {
    format!("{FACTS_VERSION}:{of_stage}")
}
