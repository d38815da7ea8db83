use std::io;

use lazaret_model::{ContentId, Digest};

/// Why the store could not be opened, read or written. Each is one line: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An address of an engine that is not here.
    #[error("`{0}` names no store: expected a path, sqlite:PATH or postgres://USER@HOST/DATABASE")]
    Address(String),
    /// The directory or the file cannot be made or opened.
    #[error("the store {store} cannot be opened: {source}; choose another with --store")]
    Open {
        /// Which.
        store: String,
        /// Why.
        source: io::Error,
    },
    /// The server does not answer, or lets nobody in.
    #[error(
        "the store {store} cannot be reached: {reason}; check the address, the password and whether the server runs"
    )]
    Unreachable {
        /// Which, without the password.
        store: String,
        /// Why.
        reason: String,
    },
    /// The engine could not open it or may not write to it.
    #[error("the store {store} cannot be written: {reason}; choose another with --store")]
    NotWritable {
        /// Which.
        store: String,
        /// What the engine says.
        reason: String,
    },
    /// The file is no store, or it is damaged.
    #[error(
        "the store {store} is damaged or no store of Lazaret ({reason}); move it away, and it will be made again"
    )]
    Damaged {
        /// Which.
        store: String,
        /// What is wrong.
        reason: String,
    },
    /// A later program made it.
    #[error(
        "the store {store} was made by a newer Lazaret (its form is {found}, this program knows {known}); update, or choose another with --store"
    )]
    Newer {
        /// Which.
        store: String,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The disk is full.
    #[error("the disk of the store {store} is full; nothing of this layer or report was stored")]
    Full {
        /// Which.
        store: String,
    },
    /// Another process holds it for longer than we wait.
    #[error("the store {store} is held by another process; try again, or choose another with --store")]
    Busy {
        /// Which.
        store: String,
    },
    /// Anything else that the engine reports.
    #[error("the store {store} failed: {reason}")]
    Failed {
        /// Which.
        store: String,
        /// What the engine says.
        reason: String,
    },
    /// A layer that was not read to its end, or is another one than was said.
    #[error("layer {diff_id} is not stored: {reason}")]
    Layer {
        /// Which.
        diff_id: Digest,
        /// Why.
        reason: &'static str,
    },
    /// Content whose hash is not its name.
    #[error("content {0} is not stored: its bytes have another hash")]
    Content(ContentId),
    /// A value could not be put into its stored form.
    #[error("{what} cannot be put into the form in which it is stored: {reason}")]
    Form {
        /// What.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// Primary result codes of SQLite (sqlite.org/rescode.html).
mod sqlite {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const NOTADB: i32 = 26;
}

impl StoreError {
    /// Sorts what an engine reports about a store, which is named without its password.
    pub(crate) fn of(store: &str, error: &sqlx::Error) -> Self {
        let store = store.to_owned();
        match error {
            sqlx::Error::Database(error) => {
                let reason = error.message().to_owned();
                let code = error.code().unwrap_or_default();
                if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                    return Self::postgres(store, &code, reason);
                }
                Self::sqlite(store, code.parse::<i32>().ok().map(|code| code & 0xff), reason)
            }
            sqlx::Error::PoolTimedOut => {
                Self::Unreachable { store, reason: "no connection was to be had in time".to_owned() }
            }
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolClosed => {
                Self::Unreachable { store, reason: error.to_string() }
            }
            other => Self::Failed { store, reason: other.to_string() },
        }
    }

    fn sqlite(store: String, code: Option<i32>, reason: String) -> Self {
        use sqlite::{BUSY, CANTOPEN, CORRUPT, FULL, LOCKED, NOTADB, READONLY};
        match code {
            Some(BUSY | LOCKED) => Self::Busy { store },
            Some(READONLY | CANTOPEN) => Self::NotWritable { store, reason },
            Some(CORRUPT | NOTADB) => Self::Damaged { store, reason },
            Some(FULL) => Self::Full { store },
            _ => Self::Failed { store, reason },
        }
    }

    /// By the classes of PostgreSQL's error codes (its manual, appendix A).
    fn postgres(store: String, code: &str, reason: String) -> Self {
        match code {
            "53100" => Self::Full { store },
            // Read-only, or without the right.
            "25006" | "42501" => Self::NotWritable { store, reason },
            // A lock that was not to be had, a deadlock, a transaction that lost to another.
            "55P03" | "40P01" | "40001" => Self::Busy { store },
            // A table that Lazaret made and that is gone, or a damaged file.
            "42P01" | "42703" => Self::Damaged { store, reason },
            _ if code.starts_with("XX") => Self::Damaged { store, reason },
            // Connections: refused, wrong user or password, no such database, too many, shut down.
            _ if ["08", "28", "3D", "53", "57"].iter().any(|class| code.starts_with(class)) => {
                Self::Unreachable { store, reason }
            }
            _ => Self::Failed { store, reason },
        }
    }

    /// Whether waiting may help.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }
}
