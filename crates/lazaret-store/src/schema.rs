//! The form of the file and its versions.

use std::path::Path;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection};

use crate::StoreError;

/// Marks the file as ours (`PRAGMA application_id`, "LZRT").
const APPLICATION: i64 = 0x4c5a_5254;

/// Each step leads from the form of its position to the next; an empty file has form 0. Steps are
/// only ever added.
const STEPS: &[&str] = &[include_str!("schema.sql"), include_str!("bases.sql")];

/// The form that this program reads and writes.
pub(crate) const VERSION: i64 = STEPS.len() as i64;

/// Brings the file to [`VERSION`], in one transaction.
pub(crate) async fn bring_up(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let failed = |e: sqlx::Error| StoreError::sqlite(path, &e);
    if version(connection, path).await? == VERSION {
        return Ok(());
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    // Again, now that nobody else can be at it.
    let found = version(&mut transaction, path).await?;
    for (at, step) in STEPS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(failed)?;
        let mark = format!("PRAGMA user_version = {}; PRAGMA application_id = {APPLICATION}", at + 1);
        sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

async fn version(connection: &mut SqliteConnection, path: &Path) -> Result<i64, StoreError> {
    let failed = |e: sqlx::Error| StoreError::sqlite(path, &e);
    let (application, version, tables): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id), \
         (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(connection)
    .await
    .map_err(failed)?;
    match (application, version) {
        (APPLICATION, known) if (1..=VERSION).contains(&known) => Ok(known),
        (APPLICATION, found) => Err(StoreError::Newer { path: path.to_owned(), found, known: VERSION }),
        (0, 0) if tables == 0 => Ok(0),
        _ => Err(StoreError::Damaged {
            path: path.to_owned(),
            reason: "it is a database of another program".to_owned(),
        }),
    }
}
