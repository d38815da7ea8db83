use std::io;
use std::path::PathBuf;

use lazaret_model::{ContentId, Digest};

/// Why the store could not be opened, read or written. Each is one line: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An address of an engine that is not here.
    #[error("`{0}` names no store: expected a path or sqlite:PATH")]
    Address(String),
    /// The directory or the file cannot be made or opened.
    #[error("the store {} cannot be opened: {source}; choose another with --store", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite could not open it or may not write to it.
    #[error("the store {} cannot be written: {reason}; choose another with --store", path.display())]
    NotWritable {
        /// Which.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// The file is no store, or it is damaged.
    #[error("the store {} is damaged or no store of Lazaret ({reason}); move it away, it will be made again", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A later program made it.
    #[error("the store {} was made by a newer Lazaret (its form is {found}, this program knows {known}); update, or choose another with --store", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The disk is full.
    #[error("the disk of the store {} is full; nothing of this layer or report was stored", path.display())]
    Full {
        /// Which.
        path: PathBuf,
    },
    /// Another process holds it for longer than we wait.
    #[error("the store {} is held by another process; try again, or choose another with --store", path.display())]
    Busy {
        /// Which.
        path: PathBuf,
    },
    /// Anything else that SQLite reports.
    #[error("the store {} failed: {reason}", path.display())]
    Failed {
        /// Which.
        path: PathBuf,
        /// What SQLite says.
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
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const NOTADB: i32 = 26;

impl StoreError {
    /// Sorts what SQLite reports about the store at `path`.
    pub(crate) fn sqlite(path: &std::path::Path, error: &sqlx::Error) -> Self {
        let path = path.to_owned();
        let (code, reason) = match error {
            sqlx::Error::Database(error) => (
                error.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff),
                error.message().to_owned(),
            ),
            other => (None, other.to_string()),
        };
        match code {
            Some(BUSY | LOCKED) => Self::Busy { path },
            Some(READONLY | CANTOPEN) => Self::NotWritable { path, reason },
            Some(CORRUPT | NOTADB) => Self::Damaged { path, reason },
            Some(FULL) => Self::Full { path },
            _ => Self::Failed { path, reason },
        }
    }

    /// Whether waiting may help.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }
}
