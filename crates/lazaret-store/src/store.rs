use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::Connection;

use crate::engine::{Engine, Session};
use crate::place::Place;
use crate::{StoreError, postgres, sqlite};

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Bytes on the disk that kept contents may take, together. Beyond it the least recently used
    /// go; a scan that wants one of them reads its layer again.
    pub content_bytes: u64,
    /// How long to wait for another process that writes, and for a connection to a server.
    pub patience: Duration,
    /// Connections to a server at the most.
    pub connections: u32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { content_bytes: 1 << 30, patience: Duration::from_secs(15), connections: 8 }
    }
}

/// An open store. All functions take `&self` and may be called at once; they take turns where the
/// engine wants it.
#[derive(Debug)]
pub struct Store {
    address: Arc<str>,
    pub(crate) options: StoreOptions,
    engine: Engine,
}

impl Store {
    /// Opens the store at `url`: `sqlite:PATH` or a path, which is made if it is not there, its
    /// directory too, readable by this user only; or `postgres://USER@HOST/DATABASE`, whose tables
    /// are made in the schema `lazaret`.
    ///
    /// # Errors
    ///
    /// One line for a person: what is wrong with which store, and what to do.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(url, StoreOptions::default()).await
    }

    /// [`Store::open`], with options.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub async fn open_with(url: &str, options: StoreOptions) -> Result<Self, StoreError> {
        let (address, engine) = match Place::parse(url)? {
            Place::File(path) => sqlite::open(&path, &options).await?,
            Place::Server { options: server, address } => postgres::open(*server, address, &options).await?,
        };
        Ok(Self { address, options, engine })
    }

    /// Closes the store and tidies up beside it. A store that is dropped loses nothing either.
    ///
    /// # Errors
    ///
    /// If the last write to the file fails.
    pub async fn close(self) -> Result<(), StoreError> {
        match self.engine {
            Engine::Sqlite(connection) => {
                connection.into_inner().close().await.map_err(|e| StoreError::of(&self.address, &e))
            }
            Engine::Postgres { pool, .. } => {
                pool.close().await;
                Ok(())
            }
        }
    }

    /// The file, or the server and its database; never a password.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A connection to read with, or for one statement that writes.
    pub(crate) async fn session(&self) -> Result<Session<'_>, StoreError> {
        self.engine.session(&self.address).await
    }

    /// A connection for a transaction that has a turn.
    pub(crate) async fn writer(&self) -> Result<Session<'_>, StoreError> {
        self.engine.writer(&self.address).await
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}
