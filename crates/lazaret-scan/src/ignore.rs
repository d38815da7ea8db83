//! Findings that a person decided to live with.

use std::path::{Path, PathBuf};

use lazaret_model::{Digest, Finding, IgnoredFinding, ImageReport};
use serde::Deserialize;
use time::{Date, OffsetDateTime, macros::format_description};

use crate::Glob;

/// The file that is read where `--ignorefile` names none.
pub const DEFAULT_IGNORE_FILE: &str = ".lazaretignore.yaml";

/// Why an ignore file cannot be used. A broken one is an error, never an empty list.
#[derive(Debug, thiserror::Error)]
pub enum IgnoreError {
    /// It cannot be read.
    #[error("ignore file {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is not of the form that docs/IGNORE.md describes.
    #[error("ignore file {path}: {reason}")]
    Form {
        /// The file.
        path: PathBuf,
        /// Where and what.
        reason: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    ignore: Vec<EntryForm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryForm {
    id: String,
    digest: Option<String>,
    path: Option<String>,
    sha256: Option<String>,
    reason: String,
    author: String,
    expires: String,
}

/// One validated entry.
#[derive(Debug, Clone)]
struct Entry {
    id: String,
    digest: Option<Digest>,
    path: Option<Glob>,
    sha256: Option<Digest>,
    reason: String,
    author: String,
    expires: Date,
}

/// A validated ignore file.
#[derive(Debug, Clone, Default)]
pub struct IgnoreList {
    entries: Vec<Entry>,
    /// Entries that no longer count, as sentences for people.
    pub expired: Vec<String>,
}

impl IgnoreList {
    /// Reads and validates a file.
    pub fn read(path: &Path) -> Result<Self, IgnoreError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| IgnoreError::Read { path: path.to_owned(), error })?;
        Self::parse(&text, OffsetDateTime::now_utc().date())
            .map_err(|reason| IgnoreError::Form { path: path.to_owned(), reason })
    }

    /// Validates the text of an ignore file as of `today`. The error is one sentence.
    pub fn parse(text: &str, today: Date) -> Result<Self, String> {
        let form: FileForm = serde_yaml_ng::from_str(text).map_err(|e| e.to_string())?;
        let mut list = Self::default();
        for (number, entry) in form.ignore.into_iter().enumerate() {
            let entry = validate(entry).map_err(|e| format!("entry {}: {e}", number + 1))?;
            if entry.expires < today {
                list.expired.push(format!(
                    "ignore entry for {} expired on {} and no longer counts (reason was: {})",
                    entry.id, entry.expires, entry.reason
                ));
            } else {
                list.entries.push(entry);
            }
        }
        Ok(list)
    }

    /// Whether nothing is ignored.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes the ignored findings out of a report and judges what is left. They stay in the
    /// report, with reason and author.
    pub fn apply(&self, report: &mut ImageReport) {
        if self.entries.is_empty() {
            return;
        }
        let findings = std::mem::take(&mut report.findings);
        for finding in findings {
            match self.entries.iter().find(|entry| entry.covers(&finding, report)) {
                Some(entry) => report.ignored.push(IgnoredFinding {
                    finding,
                    reason: entry.reason.clone(),
                    author: entry.author.clone(),
                    expires: entry.expires.to_string(),
                }),
                None => report.findings.push(finding),
            }
        }
        report.verdict = lazaret_detect::verdict(&report.findings, &report.gaps);
    }
}

impl Entry {
    fn covers(&self, finding: &Finding, report: &ImageReport) -> bool {
        let image = &report.image;
        let digest_fits = self
            .digest
            .as_ref()
            .is_none_or(|d| [&image.pinned.digest, &image.manifest, &image.config_digest].contains(&d));
        // Every place that the finding rests on must be in scope: an entry for one file does not
        // silence what another file adds to the same finding.
        let in_files = || finding.evidence().iter().filter(|e| e.location.path().is_some());
        let path_fits = self.path.as_ref().is_none_or(|glob| {
            in_files().count() > 0
                && in_files().all(|e| e.location.path().is_some_and(|p| glob.is_match(&p.to_string())))
        });
        let hash_fits = self
            .sha256
            .as_ref()
            .is_none_or(|hash| in_files().count() > 0 && in_files().all(|e| e.sha256.as_ref() == Some(hash)));
        self.id == finding.rule.id && digest_fits && path_fits && hash_fits
    }
}

fn validate(form: EntryForm) -> Result<Entry, String> {
    let named = |value: &str, name: &str| {
        if value.trim().is_empty() { Err(format!("`{name}` is empty")) } else { Ok(value.trim().to_owned()) }
    };
    let digest = |text: &Option<String>, name: &str| {
        text.as_ref()
            .map(|d| {
                let full = if d.contains(':') { d.clone() } else { format!("sha256:{d}") };
                full.parse::<Digest>().map_err(|e| format!("`{name}`: {e}"))
            })
            .transpose()
    };
    Ok(Entry {
        id: named(&form.id, "id")?,
        digest: digest(&form.digest, "digest")?,
        path: form.path.as_deref().map(Glob::new).transpose().map_err(|e| format!("`path`: {e}"))?,
        sha256: digest(&form.sha256, "sha256")?,
        reason: named(&form.reason, "reason")?,
        author: named(&form.author, "author")?,
        expires: Date::parse(&form.expires, format_description!("[year]-[month]-[day]"))
            .map_err(|_| format!("`expires`: `{}` is not a date like 2027-01-31", form.expires))?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::date;

    use super::*;

    const TODAY: Date = date!(2026 - 11 - 21);

    #[test]
    fn reason_author_and_expiry_are_demanded() {
        let whole = "ignore:\n- {id: a/b, reason: r, author: me, expires: 2027-01-01}\n";
        assert_eq!(IgnoreList::parse(whole, TODAY).unwrap().entries.len(), 1);
        for missing in [
            "ignore:\n- {id: a/b, author: me, expires: 2027-01-01}\n",
            "ignore:\n- {id: a/b, reason: ' ', author: me, expires: 2027-01-01}\n",
            "ignore:\n- {id: a/b, reason: r, expires: 2027-01-01}\n",
            "ignore:\n- {id: a/b, reason: r, author: me}\n",
            "ignore:\n- {id: a/b, reason: r, author: me, expires: soon}\n",
            "ignore:\n- {id: a/b, reason: r, author: me, expires: 2027-01-01, typo: x}\n",
            "",
        ] {
            assert!(IgnoreList::parse(missing, TODAY).is_err(), "{missing}");
        }
    }

    #[test]
    fn an_expired_entry_no_longer_counts_and_says_so() {
        let old = "ignore:\n- {id: a/b, reason: r, author: me, expires: 2026-11-20}\n";
        let list = IgnoreList::parse(old, TODAY).unwrap();
        assert!(list.is_empty());
        assert_eq!(list.expired.len(), 1);
    }
}
