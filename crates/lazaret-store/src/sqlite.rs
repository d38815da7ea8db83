//! Opening a file.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use tokio::sync::Mutex;

use crate::engine::Engine;
use crate::{StoreError, StoreOptions, place, schema};

pub(crate) async fn open(path: &Path, options: &StoreOptions) -> Result<(Arc<str>, Engine), StoreError> {
    place::prepare(path)?;
    let until = Instant::now() + options.patience;
    let connection = loop {
        match connect(path, options.patience).await {
            Ok(connection) => break connection,
            // The change to the write-ahead log, once in the life of the file, does not wait
            // for another process that does the same (sqlite.org/wal.html).
            Err(e) if e.is_busy() && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(e) => return Err(e),
        }
    };
    Ok((Arc::from(path.display().to_string()), Engine::Sqlite(Mutex::new(connection))))
}

/// A connection to a file that is there.
pub(crate) async fn connect(path: &Path, patience: Duration) -> Result<SqliteConnection, StoreError> {
    let store = path.display().to_string();
    let options = SqliteConnectOptions::new()
        .filename(path)
        // `place::prepare` made it, with the right permissions.
        .create_if_missing(false)
        .busy_timeout(patience)
        .foreign_keys(true)
        // Readers and one writer at once; what is committed survives the death of the process.
        // The loss of power may take the last moments with it and leaves the file whole: this is
        // memory of what can be read again.
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        // Rows come from a thread of the driver's; waking the other one for each few costs more than reading.
        .row_buffer_size(4096)
        .pragma("journal_size_limit", "67108864")
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(|e| StoreError::of(&store, &e))?;
    schema::bring_up_sqlite(&mut connection, &store).await?;
    Ok(connection)
}
