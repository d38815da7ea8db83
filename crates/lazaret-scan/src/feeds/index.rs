//! Entries by what they are about.

use std::collections::HashMap;

use lazaret_trust::{Action, Entry, Subject};
use time::OffsetDateTime;

use super::Used;

/// An entry: the pack and the position in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    pack: u32,
    entry: u32,
}

/// What is found where.
#[derive(Debug, Default)]
pub(super) struct Index {
    subjects: HashMap<Subject, Vec<Place>>,
    /// Entries about a file's content, whatever they call it.
    hashes: HashMap<String, Vec<Place>>,
}

/// What the feeds say of one thing.
pub(super) enum Said<'f> {
    /// Nothing that counts.
    Nothing,
    /// It is allowed, whoever denies it.
    Allowed(&'f Used, &'f Entry),
    /// It is denied, by these.
    Denied(Vec<(&'f Used, &'f Entry)>),
}

impl Index {
    pub(super) fn of(used: &[Used]) -> Self {
        let mut index = Self::default();
        for (pack, used) in (0..).zip(used) {
            for (entry, one) in (0..).zip(used.pack.feed.entries()) {
                let place = Place { pack, entry };
                index.subjects.entry(one.subject.clone()).or_default().push(place);
                if let Some(hash) = one.subject.file_hash() {
                    index.hashes.entry(hash).or_default().push(place);
                }
            }
        }
        index
    }

    /// What is said of a subject at `now`.
    pub(super) fn ask<'f>(&self, used: &'f [Used], subject: &Subject, now: OffsetDateTime) -> Said<'f> {
        let places = match subject.file_hash() {
            Some(hash) => self.hashes.get(&hash),
            None => self.subjects.get(subject),
        };
        let entries = places.into_iter().flatten().filter_map(|place| {
            let used = used.get(place.pack as usize)?;
            let entry = used.pack.feed.entries().get(place.entry as usize)?;
            (entry.counts(now) && used.pack.check_time(now).is_ok()).then_some((used, entry))
        });
        let mut denied = Vec::new();
        for (used, entry) in entries {
            match entry.action {
                Action::Allow if used.may_allow => return Said::Allowed(used, entry),
                Action::Allow => {}
                Action::Deny => denied.push((used, entry)),
            }
        }
        if denied.is_empty() { Said::Nothing } else { Said::Denied(denied) }
    }
}
