//! Who asked for what, and what was answered: one JSON object on each line, only ever added to.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use serde::Serialize;
use time::OffsetDateTime;

use crate::judge::lock;
use crate::policy::Decision;

/// The log.
pub struct Audit {
    file: Option<Mutex<File>>,
}

/// One line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry<'a> {
    /// When, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// Number of the request, as the client was told it (`x-request-id`).
    pub request: &'a str,
    /// The door at which it was asked.
    pub door: &'a str,
    /// Where the client is.
    pub client: String,
    /// Who asked.
    pub user: &'a str,
    /// For which image, as asked.
    pub image: String,
    /// What it stood for.
    pub digest: String,
    /// The verdict; none where there is no image to judge.
    pub verdict: Option<&'a str>,
    /// Why, in one sentence.
    pub why: &'a str,
    /// What the policy said.
    pub decision: Option<&'a Decision>,
    /// What the client got: `served`, `refused`, `audited` (would be refused, came in).
    pub answer: &'a str,
}

impl Audit {
    /// Opens the log for adding; none keeps no log.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path);
        Ok(Self { file: path.map(open).transpose()?.map(Mutex::new) })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// A disk that is full: what cannot be written down is not let in.
    pub fn write(&self, entry: &Entry<'_>) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut line = serde_json::to_vec(entry).map_err(io::Error::other)?;
        line.push(b'\n');
        // One write for one line, so that lines of several processes do not mix.
        lock(file).write_all(&line)
    }
}
