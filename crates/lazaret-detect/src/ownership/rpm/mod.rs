//! rpm: header blobs in one of three databases, `rpmdb.sqlite`, `Packages.db` (ndb) or `Packages`
//! (Berkeley DB, hash pages).

mod bdb;
mod header;
mod ndb;
pub(crate) mod sqlite;

use lazaret_model::EntryPath;

use super::history::{Parsed, read_history};
use super::trace::Trace;
use super::{Manager, Ownership, Source};

const PLACES: [&str; 6] = [
    "var/lib/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages.db",
    "usr/lib/sysimage/rpm/Packages.db",
    "var/lib/rpm/Packages",
    "usr/lib/sysimage/rpm/Packages",
];

/// Most packages of one database.
pub(super) const MOST_PACKAGES: usize = 50_000;

pub(super) fn read(source: &Source<'_>, trace: &mut Trace<'_>, out: &mut Ownership) {
    read_history(source, trace, out, Manager::Rpm, &PLACES, &parse);
    // What was written last may still stand beside the database; without it the database is that of
    // an earlier time.
    for place in &PLACES[..2] {
        let log = EntryPath::from(format!("{place}-wal").as_str());
        if let Some(found) = source.view.lookup(&log).filter(|found| found.data.size > 32) {
            out.gaps.push(super::gap(
                found.data_layer,
                &log,
                "what the package database has not taken over from its log is not read",
            ));
        }
    }
}

/// The packages of a database of any of the three kinds.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Parsed>, String> {
    let mut packages = Vec::new();
    let mut broken = 0usize;
    let mut blob = |blob: &[u8]| {
        if packages.len() < MOST_PACKAGES {
            match header::parse(blob) {
                Some(package) => packages.push(package),
                None => broken += 1,
            }
        }
    };
    let read = if bytes.starts_with(sqlite::MAGIC) {
        sqlite::table(bytes, b"Packages", &mut |row| {
            // `hnum`, then the header.
            if let Some(sqlite::Value::Blob(bytes)) = sqlite::column(row, 1) {
                blob(bytes);
            }
        })
    } else if bytes.starts_with(ndb::MAGIC) {
        ndb::blobs(bytes, &mut blob)
    } else {
        bdb::blobs(bytes, &mut blob)
    };
    read.map_err(|what| format!("the rpm database cannot be read: {what}"))?;
    if packages.is_empty() && broken > 0 {
        return Err("no header in the rpm database can be read".to_owned());
    }
    Ok(packages)
}

#[cfg(test)]
mod tests;
