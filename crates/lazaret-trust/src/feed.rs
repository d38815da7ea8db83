//! A feed: what a team denies and allows, in the one form in which it is signed.

use std::collections::BTreeMap;

use lazaret_model::one_line;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{Action, Entry, FeedError, Subject, instant, parse_instant};

/// Entries of one feed.
pub const MAX_ENTRIES: usize = 1_000_000;
/// Characters of a name.
const MAX_NAME: usize = 64;
/// Bytes of what an issuer says of itself, of a reason, of an author.
pub const MAX_TEXT: usize = 1_000;
/// Bytes of a campaign's name.
const MAX_CAMPAIGN: usize = 100;
/// Versions are stored as signed numbers.
const MAX_VERSION: u64 = i64::MAX as u64;

/// A feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    name: String,
    version: u64,
    created: OffsetDateTime,
    expires: OffsetDateTime,
    issuer: String,
    entries: Vec<Entry>,
}

/// As it is written: keys in this order, no blanks, entries sorted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    version: u64,
    created: String,
    expires: String,
    issuer: String,
    entries: Vec<WrittenEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEntry {
    action: String,
    kind: String,
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    campaign: Option<String>,
    reason: String,
    author: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

/// Whether a text can be the name of a feed: `acme`, `acme-campaigns.v2`.
///
/// # Errors
/// A sentence about what names look like.
pub fn check_name(name: &str) -> Result<(), String> {
    let sound = name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    match sound {
        true => Ok(()),
        false => Err(format!(
            "`{}` is no name of a feed: up to 64 lower-case letters, digits, `.`, `_` and `-`, a letter or digit \
             first",
            one_line(name, 80)
        )),
    }
}

impl Feed {
    /// A feed of these entries, in the order that a feed has. The same entry twice is there once.
    ///
    /// # Errors
    /// A sentence: what is too long or too many, what makes no sense, which subject is both denied
    /// and allowed or has two entries that differ.
    pub fn new(
        name: &str,
        version: u64,
        created: OffsetDateTime,
        expires: OffsetDateTime,
        issuer: &str,
        entries: Vec<Entry>,
    ) -> Result<Self, String> {
        check_name(name)?;
        if version == 0 || version > MAX_VERSION {
            return Err(format!("the version is {version}, and versions count from 1 on"));
        }
        // A moment has whole seconds in a pack.
        let whole = |at: OffsetDateTime| at.replace_nanosecond(0).unwrap_or(at);
        let (created, expires) = (whole(created), whole(expires));
        if !(0..=9_999).contains(&created.year()) || !(0..=9_999).contains(&expires.year()) {
            return Err("a year has four digits".to_owned());
        }
        if expires <= created {
            return Err(format!("it expires at {}, before it was made", instant(expires)));
        }
        text("the issuer", issuer, 1, MAX_TEXT)?;
        if entries.len() > MAX_ENTRIES {
            return Err(format!("it has {} entries, and a feed has at most {MAX_ENTRIES}", entries.len()));
        }
        let mut sorted: BTreeMap<(&'static str, String), Entry> = BTreeMap::new();
        for mut entry in entries {
            entry.expires = entry.expires.map(whole);
            let about =
                |e: String| format!("the entry for {}: {e}", one_line(&entry.subject.to_string(), 120));
            text("the reason", &entry.reason, 1, MAX_TEXT).map_err(about)?;
            text("the author", &entry.author, 1, MAX_TEXT).map_err(about)?;
            if let Some(campaign) = &entry.campaign {
                text("the campaign", campaign, 1, MAX_CAMPAIGN).map_err(about)?;
            }
            // By the words of the format: its order is nobody else's affair.
            let key = (entry.subject.kind(), entry.subject.value());
            match sorted.get(&key) {
                None => drop(sorted.insert(key, entry)),
                Some(known) if *known == entry => {}
                Some(_) => {
                    return Err(format!(
                        "{} has two entries that say different things",
                        one_line(&entry.subject.to_string(), 120)
                    ));
                }
            }
        }
        let entries = sorted.into_values().collect();
        Ok(Self { name: name.to_owned(), version, created, expires, issuer: issuer.to_owned(), entries })
    }

    /// What operators pin keys for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Grows with each pack.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When it was made.
    pub fn created(&self) -> OffsetDateTime {
        self.created
    }

    /// When it no longer counts.
    pub fn expires(&self) -> OffsetDateTime {
        self.expires
    }

    /// Who made it, in its own words.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// By kind and value, as bytes; no subject twice.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The one form that it has: equal feeds give equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        let written = Written {
            name: self.name.clone(),
            version: self.version,
            created: instant(self.created),
            expires: instant(self.expires),
            issuer: self.issuer.clone(),
            entries: self.entries.iter().map(written).collect(),
        };
        // Texts and numbers are always JSON.
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// Reads a payload whose signature was verified.
    ///
    /// # Errors
    /// It is no feed, or not in the one form.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, FeedError> {
        let wrong = |reason: &str| FeedError::Form(one_line(reason, 200));
        let read: Written = serde_json::from_slice(payload).map_err(|e| wrong(&e.to_string()))?;
        let moment = |text: &str| {
            parse_instant(text)
                .ok_or_else(|| wrong(&format!("`{text}` is no time like 2027-01-31T00:00:00Z")))
        };
        let mut entries = Vec::with_capacity(read.entries.len());
        for entry in read.entries {
            let action = Action::parse(&entry.action)
                .ok_or_else(|| wrong(&format!("`{}` is neither deny nor allow", entry.action)))?;
            let subject = Subject::parse(&entry.kind, &entry.value).map_err(|e| wrong(&e.to_string()))?;
            entries.push(Entry {
                action,
                subject,
                campaign: entry.campaign,
                reason: entry.reason,
                author: entry.author,
                expires: entry.expires.as_deref().map(moment).transpose()?,
            });
        }
        let (created, expires) = (moment(&read.created)?, moment(&read.expires)?);
        let feed = Self::new(&read.name, read.version, created, expires, &read.issuer, entries)
            .map_err(|reason| wrong(&reason))?;
        // Order, blanks, escapes, keys written twice, values that are not in normal form: all of it
        // shows here.
        if feed.encode() != payload {
            return Err(FeedError::NotCanonical);
        }
        Ok(feed)
    }
}

fn written(entry: &Entry) -> WrittenEntry {
    WrittenEntry {
        action: entry.action.word().to_owned(),
        kind: entry.subject.kind().to_owned(),
        value: entry.subject.value(),
        campaign: entry.campaign.clone(),
        reason: entry.reason.clone(),
        author: entry.author.clone(),
        expires: entry.expires.map(instant),
    }
}

/// That a text has a length that people read.
fn text(what: &str, text: &str, least: usize, most: usize) -> Result<(), String> {
    match text.trim().len() {
        length if length < least => Err(format!("{what} is empty")),
        _ if text.len() > most => Err(format!("{what} has more than {most} bytes")),
        _ => Ok(()),
    }
}
