//! What feeds allow, for those who conclude from what images share.

use std::collections::BTreeMap;

use lazaret_model::{Indicator, IndicatorKind, one_line};
use lazaret_trust::{Action, Subject};
use time::OffsetDateTime;

use super::Feeds;

/// An indicator that a feed allows: nothing is concluded from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    /// What.
    pub indicator: Indicator,
    /// Which feed allows it, why, and who decided.
    pub by: String,
}

impl Feeds {
    /// The indicators that feeds allow, each once, on the word of the first by name. A file's content has
    /// one entry whatever it is called, so it is here as script and as program.
    pub fn allowed(&self, now: OffsetDateTime) -> Vec<Allowed> {
        let mut allowed: BTreeMap<Indicator, String> = BTreeMap::new();
        for used in self.used.iter().filter(|used| used.may_allow && used.pack.check_time(now).is_ok()) {
            let feed = &used.pack.feed;
            for entry in feed.entries() {
                if entry.action != Action::Allow || !entry.counts(now) {
                    continue;
                }
                let by = format!(
                    "allowed by the {}: {} ({})",
                    super::title(feed.name(), feed.version(), feed.issuer()),
                    one_line(&entry.reason, 300),
                    one_line(&entry.author, 100)
                );
                for indicator in indicators(&entry.subject) {
                    allowed.entry(indicator).or_insert_with(|| by.clone());
                }
            }
        }
        allowed.into_iter().map(|(indicator, by)| Allowed { indicator, by }).collect()
    }
}

fn indicators(subject: &Subject) -> Vec<Indicator> {
    match (subject.file_hash(), subject) {
        (Some(hash), _) => [IndicatorKind::ScriptHash, IndicatorKind::ElfHash]
            .map(|kind| Indicator::new(kind, hash.as_str()))
            .to_vec(),
        (None, Subject::Indicator(indicator)) => vec![indicator.clone()],
        // An image that is allowed is convicted of nothing, and so is tied to nobody.
        (None, Subject::Image(_) | Subject::File(_)) => Vec::new(),
    }
}
