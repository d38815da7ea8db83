use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Mutex, MutexGuard};

use crate::{StoreError, place, schema};

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Bytes on the disk that kept contents may take, together. Beyond it the least recently used
    /// go; a scan that wants one of them reads its layer again.
    pub content_bytes: u64,
    /// How long to wait for another process that writes.
    pub patience: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { content_bytes: 1 << 30, patience: Duration::from_secs(15) }
    }
}

/// An open store. All functions take `&self` and may be called at once; they take turns.
#[derive(Debug)]
pub struct Store {
    pub(crate) path: PathBuf,
    pub(crate) options: StoreOptions,
    // One connection, no pool: SQLite has one writer at a time, and a scan asks a few questions.
    connection: Mutex<SqliteConnection>,
}

impl Store {
    /// Opens the store at `url` (`sqlite:PATH` or a path), and makes it if it is not there, its
    /// directory too, readable by this user only.
    ///
    /// # Errors
    ///
    /// One line for a person: what is wrong with which file, and what to do.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(url, StoreOptions::default()).await
    }

    /// [`Store::open`], with options.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub async fn open_with(url: &str, options: StoreOptions) -> Result<Self, StoreError> {
        let path = place::parse(url)?;
        place::prepare(&path)?;
        let until = Instant::now() + options.patience;
        let connection = loop {
            match connect(&path, options.patience).await {
                Ok(connection) => break connection,
                // The change to the write-ahead log, once in the life of the file, does not wait
                // for another process that does the same (sqlite.org/wal.html).
                Err(e) if e.is_busy() && Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(e) => return Err(e),
            }
        };
        Ok(Self { path, options, connection: Mutex::new(connection) })
    }

    /// Closes the file and tidies up beside it. A store that is dropped loses nothing either.
    ///
    /// # Errors
    ///
    /// If the last write to the file fails.
    pub async fn close(self) -> Result<(), StoreError> {
        let path = self.path;
        self.connection.into_inner().close().await.map_err(|e| StoreError::sqlite(&path, &e))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn connection(&self) -> MutexGuard<'_, SqliteConnection> {
        self.connection.lock().await
    }

    pub(crate) fn failed(&self, error: sqlx::Error) -> StoreError {
        StoreError::sqlite(&self.path, &error)
    }
}

async fn connect(path: &Path, patience: Duration) -> Result<SqliteConnection, StoreError> {
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
        .pragma("journal_size_limit", "67108864")
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(|e| StoreError::sqlite(path, &e))?;
    schema::bring_up(&mut connection, path).await?;
    Ok(connection)
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}
