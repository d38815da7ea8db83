//! Small contents by hash, within a budget.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::{Connected, Turn, Work, sql};
use crate::{Store, StoreError, codec, store};
use lazaret_model::ContentId;

/// Names in one statement; both engines allow more.
const AT_ONCE: usize = 500;

/// Contents in one statement.
const STORED_AT_ONCE: usize = 100;

/// Seconds within which a second use is not written down: a scan that only reads shall not wait
/// for the disk.
const FRESH: i64 = 3600;

/// A content in its stored form.
pub(crate) struct Packed {
    id: ContentId,
    data: Vec<u8>,
}

impl Store {
    /// Those of `wanted` that are there. One that is not was never kept, or had to make room, or
    /// is damaged: whoever needs it reads its layer again.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn contents(&self, wanted: &[ContentId]) -> Result<BTreeMap<ContentId, Arc<[u8]>>, StoreError> {
        let mut found = BTreeMap::new();
        let mut stale = Vec::new();
        let before = store::now() - FRESH;
        let mut session = self.session().await?;
        for some in wanted.chunks(AT_ONCE) {
            for (id, used_at, data) in stored(&mut session, some.iter().copied()).await? {
                let Some(bytes) = codec::unpack(&data).filter(|bytes| is_named(bytes, id)) else { continue };
                if used_at < before {
                    stale.push(id);
                }
                found.insert(id, Arc::from(bytes));
            }
        }
        drop(session);
        if !stale.is_empty() {
            let mut session = self.writer().await?;
            let mut work = session.begin(Turn::Layers).await?;
            for some in stale.chunks(AT_ONCE) {
                touch(&mut work, some).await?;
            }
            work.commit().await?;
        }
        Ok(found)
    }

    /// Bytes on the disk that contents take.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn content_bytes(&self) -> Result<u64, StoreError> {
        let bytes = total(&mut self.session().await?).await?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }
}

fn is_named(bytes: &[u8], id: ContentId) -> bool {
    *blake3::hash(bytes).as_bytes() == id.0
}

/// Rows with these names: name, last use, stored form.
async fn stored(
    on: &mut impl Connected,
    ids: impl Iterator<Item = ContentId>,
) -> Result<Vec<(ContentId, i64, Vec<u8>)>, StoreError> {
    let mut query = sql("SELECT id, used_at, data FROM contents WHERE id IN (");
    query.list(ids.map(|id| id.0.to_vec())).push(")");
    let mut found = Vec::new();
    for row in query.rows(on).await? {
        if let Ok(id) = <[u8; 32]>::try_from(row.get::<Vec<u8>>(0)?) {
            found.push((ContentId(id), row.get(1)?, row.get(2)?));
        }
    }
    Ok(found)
}

/// Checks and compresses, each once. The contents come from the worker that read hostile bytes: a
/// name that is not the hash would put one image's content under another's.
pub(crate) fn prepare(contents: &[(ContentId, Vec<u8>)]) -> Result<Vec<Packed>, StoreError> {
    let mut packed = BTreeMap::new();
    for (id, bytes) in contents {
        if !is_named(bytes, *id) {
            return Err(StoreError::Content(*id));
        }
        packed.insert(id.0, Packed { id: *id, data: codec::pack(bytes)? });
    }
    Ok(packed.into_values().collect())
}

pub(crate) async fn insert(
    work: &mut Work<'_>,
    mut contents: Vec<Packed>,
    now: i64,
) -> Result<(), StoreError> {
    while !contents.is_empty() {
        let mut some = contents.split_off(contents.len().saturating_sub(STORED_AT_ONCE));
        let there: BTreeMap<_, _> = stored(work, some.iter().map(|content| content.id))
            .await?
            .into_iter()
            .map(|(id, used_at, data)| (id.0, (used_at, data)))
            .collect();
        let (mut stale, mut damaged) = (Vec::new(), Vec::new());
        some.retain(|content| match there.get(&content.id.0) {
            Some((used_at, data)) if *data == content.data => {
                if *used_at < now - FRESH {
                    stale.push(content.id);
                }
                false
            }
            // It is replaced with what was read now: the triggers count what goes and what comes.
            Some(_) => {
                damaged.push(content.id);
                true
            }
            None => true,
        });
        touch(work, &stale).await?;
        if !damaged.is_empty() {
            let mut query = sql("DELETE FROM contents WHERE id IN (");
            query.list(damaged.iter().map(|id| id.0.to_vec())).push(")");
            query.run(work).await?;
        }
        if some.is_empty() {
            continue;
        }
        let mut query = sql("INSERT INTO contents (id, stored, used_at, data) VALUES ");
        for (at, content) in some.into_iter().enumerate() {
            let stored = i64::try_from(content.data.len()).unwrap_or(i64::MAX);
            query.push(if at == 0 { "(" } else { ", (" }).value(content.id.0.to_vec()).push(", ");
            query.value(stored).push(", ").value(now).push(", ").value(content.data).push(")");
        }
        query.run(work).await?;
    }
    Ok(())
}

/// Removes the least recently used until a tenth of the budget is free, so that not every layer
/// has to make room.
pub(crate) async fn evict(work: &mut Work<'_>, budget: u64) -> Result<(), StoreError> {
    let budget = i64::try_from(budget).unwrap_or(i64::MAX);
    if total(work).await? <= budget {
        return Ok(());
    }
    let room = budget - budget / 10;
    loop {
        let over = total(work).await? - room;
        if over <= 0 {
            return Ok(());
        }
        // As many of the oldest as make up what is over, at most a thousand at a time.
        let gone = sql("DELETE FROM contents WHERE id IN (SELECT id FROM (SELECT id, \
             sum(stored) OVER (ORDER BY used_at, id ROWS UNBOUNDED PRECEDING) - stored AS before \
             FROM (SELECT id, used_at, stored FROM contents ORDER BY used_at, id LIMIT 1000) AS oldest) \
             AS summed WHERE before < $1)")
        .bind(over)
        .run(work)
        .await?;
        if gone == 0 {
            return Ok(());
        }
    }
}

async fn total(on: &mut impl Connected) -> Result<i64, StoreError> {
    let row = sql("SELECT value FROM totals WHERE name = 'contents'").first(on).await?;
    row.map_or(Ok(0), |row| row.get(0))
}

async fn touch(work: &mut Work<'_>, ids: &[ContentId]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut query = sql("UPDATE contents SET used_at = ");
    query.value(store::now()).push(" WHERE id IN (").list(ids.iter().map(|id| id.0.to_vec())).push(")");
    query.run(work).await.map(drop)
}
