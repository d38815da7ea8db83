//! Small contents by hash, within a budget.

use std::collections::BTreeMap;
use std::sync::Arc;

use lazaret_model::ContentId;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{QueryBuilder, Row};

use crate::{Store, StoreError, codec, store};

/// Variables in one statement; SQLite allows more, and a plan for each length is not worth it.
const AT_ONCE: usize = 500;

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
        let mut connection = self.connection().await;
        for some in wanted.chunks(AT_ONCE) {
            let mut query =
                QueryBuilder::<Sqlite>::new("SELECT id, used_at, data FROM contents WHERE id IN (");
            let mut ids = query.separated(", ");
            for id in some {
                ids.push_bind(id.0.to_vec());
            }
            query.push(")");
            for row in query.build().fetch_all(&mut *connection).await.map_err(|e| self.failed(e))? {
                let (name, used_at, data): (Vec<u8>, i64, Vec<u8>) = (row.get(0), row.get(1), row.get(2));
                let Ok(id) = <[u8; 32]>::try_from(name).map(ContentId) else { continue };
                let Some(bytes) = codec::unpack(&data).filter(|bytes| is_named(bytes, id)) else { continue };
                if used_at < before {
                    stale.push(id);
                }
                found.insert(id, Arc::from(bytes));
            }
        }
        for some in stale.chunks(AT_ONCE) {
            touch(&mut connection, some).await.map_err(|e| self.failed(e))?;
        }
        Ok(found)
    }

    /// Bytes on the disk that contents take.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn content_bytes(&self) -> Result<u64, StoreError> {
        let bytes = total(&mut *self.connection().await).await.map_err(|e| self.failed(e))?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }
}

fn is_named(bytes: &[u8], id: ContentId) -> bool {
    *blake3::hash(bytes).as_bytes() == id.0
}

/// Checks and compresses. The contents come from the worker that read hostile bytes: a name that
/// is not the hash would put one image's content under another's.
pub(crate) fn prepare(contents: &[(ContentId, Vec<u8>)]) -> Result<Vec<Packed>, StoreError> {
    contents
        .iter()
        .map(|(id, bytes)| {
            if !is_named(bytes, *id) {
                return Err(StoreError::Content(*id));
            }
            Ok(Packed { id: *id, data: codec::pack(bytes)? })
        })
        .collect()
}

pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    contents: Vec<Packed>,
    now: i64,
) -> Result<(), sqlx::Error> {
    for content in contents {
        // One that is damaged is replaced with what was read now. The triggers see no removal in
        // a replacement, so this one is an update where the row is there.
        let stored = i64::try_from(content.data.len()).unwrap_or(i64::MAX);
        let done = sqlx::query("UPDATE contents SET used_at = ?2 WHERE id = ?1 AND data = ?3")
            .bind(content.id.0.to_vec())
            .bind(now)
            .bind(&content.data)
            .execute(&mut *connection)
            .await?;
        if done.rows_affected() == 1 {
            continue;
        }
        sqlx::query("DELETE FROM contents WHERE id = ?")
            .bind(content.id.0.to_vec())
            .execute(&mut *connection)
            .await?;
        sqlx::query("INSERT INTO contents (id, stored, used_at, data) VALUES (?, ?, ?, ?)")
            .bind(content.id.0.to_vec())
            .bind(stored)
            .bind(now)
            .bind(content.data)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Removes the least recently used until a tenth of the budget is free, so that not every layer
/// has to make room.
pub(crate) async fn evict(connection: &mut SqliteConnection, budget: u64) -> Result<(), sqlx::Error> {
    let budget = i64::try_from(budget).unwrap_or(i64::MAX);
    if total(connection).await? <= budget {
        return Ok(());
    }
    let room = budget - budget / 10;
    loop {
        let over = total(connection).await? - room;
        if over <= 0 {
            return Ok(());
        }
        // As many of the oldest as make up what is over, at most a thousand at a time.
        let gone = sqlx::query(
            "DELETE FROM contents WHERE rowid IN (SELECT row FROM (SELECT rowid AS row, \
             sum(stored) OVER (ORDER BY used_at, rowid ROWS UNBOUNDED PRECEDING) - stored AS before \
             FROM (SELECT rowid, used_at, stored FROM contents ORDER BY used_at, rowid LIMIT 1000)) WHERE before < ?)",
        )
        .bind(over)
        .execute(&mut *connection)
        .await?;
        if gone.rows_affected() == 0 {
            return Ok(());
        }
    }
}

async fn total(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT value FROM totals WHERE name = 'contents'").fetch_one(connection).await
}

async fn touch(connection: &mut SqliteConnection, ids: &[ContentId]) -> Result<(), sqlx::Error> {
    let mut query = QueryBuilder::<Sqlite>::new("UPDATE contents SET used_at = ");
    query.push_bind(store::now());
    query.push(" WHERE id IN (");
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(id.0.to_vec());
    }
    query.push(")");
    query.build().execute(connection).await.map(drop)
}
