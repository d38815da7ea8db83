//! What an image holds that a list of things to look for may name: every indicator that was seen, and
//! the SHA-256 of every file that has one, each with whether it can act.
//!
//! Unlike sightings it leaves nothing out that a package owns or that is well known: whoever is looked
//! for may have written the package database too.

use std::collections::BTreeMap;

use lazaret_model::{Digest, FactKind, Indicator, Location, Reach};
use serde::{Deserialize, Serialize};

use crate::case::Case;

/// Places of one thing beyond this many are not told.
const PLACES: usize = 4;

/// Something that can be looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Traced {
    /// A file, or a member of an archive, by its SHA-256.
    File(Digest),
    /// An indicator.
    Indicator(Indicator),
}

/// Something that can be looked for, at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// What.
    pub what: Traced,
    /// Where.
    pub location: Location,
    /// Whether it can act.
    pub reach: Reach,
}

/// All of them, sorted, of each thing the places from which most acts.
pub(crate) fn take(case: &Case<'_>) -> Vec<Trace> {
    let mut seen: BTreeMap<Traced, Vec<(Reach, Location)>> = BTreeMap::new();
    for (layer, fact) in case.facts() {
        if let FactKind::Sha256(digest) = &fact.kind {
            let place = (case.reach(layer, &fact.path), fact.location(layer));
            seen.entry(Traced::File(digest.clone())).or_default().push(place);
        }
    }
    for one in case.indicators(|_| true) {
        seen.entry(Traced::Indicator(one.indicator)).or_default().push((one.reach, one.location));
    }
    let mut traces = Vec::new();
    for (what, mut places) in seen {
        places.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let told = places.into_iter().take(PLACES);
        traces.extend(told.map(|(reach, location)| Trace { what: what.clone(), location, reach }));
    }
    traces
}
