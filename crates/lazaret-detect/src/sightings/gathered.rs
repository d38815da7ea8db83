//! Indicators with the place that tells most, bounded.

use std::collections::HashMap;

use lazaret_model::{Image, Indicator, IndicatorKind, Location, Sighting};

/// Sightings of one image.
const MOST: usize = 1_000;
/// Of one kind: an image with hundreds of wallets holds a list, and what others share of it says no
/// more for being longer.
const MOST_OF_KIND: usize = 200;
/// Indicators of one kind that are looked at at all.
const MOST_SEEN: usize = 20_000;
/// Bytes of a value; a longer one ends with the hash of all of it.
const LONGEST: usize = 2_000;

/// How near something is to acting; the first are kept where there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// It acts when the image starts, stands in its configuration, or speaks against it.
    Acts,
    /// It may come to act.
    May,
    /// It lies there.
    Lies,
    /// It is inside of something, or was removed.
    Hidden,
}

/// What was gathered so far.
pub(super) struct Gathered<'a> {
    image: &'a Image,
    seen: HashMap<Indicator, Seen>,
    counts: HashMap<IndicatorKind, usize>,
}

struct Seen {
    weight: Weight,
    floor: usize,
    location: Location,
}

impl<'a> Gathered<'a> {
    pub(super) fn new(image: &'a Image) -> Self {
        Self { image, seen: HashMap::new(), counts: HashMap::new() }
    }

    /// Notes an indicator. Of several places the one in the lowest layer is kept.
    pub(super) fn see(&mut self, kind: IndicatorKind, value: &str, weight: Weight, location: Location) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        let indicator = Indicator::new(kind, bounded(value));
        let floor = self.floor(&location);
        if let Some(seen) = self.seen.get_mut(&indicator) {
            seen.weight = seen.weight.min(weight);
            if (floor, &location) < (seen.floor, &seen.location) {
                (seen.floor, seen.location) = (floor, location);
            }
            return;
        }
        let count = self.counts.entry(kind).or_default();
        if *count < MOST_SEEN {
            *count += 1;
            self.seen.insert(indicator, Seen { weight, floor, location });
        }
    }

    /// The layer in which a place is, or on which a step of the history stands.
    fn floor(&self, location: &Location) -> usize {
        match location {
            Location::History(step) => layers_before(self.image, *step).saturating_sub(1),
            place => place.layer().unwrap_or(usize::MAX),
        }
    }

    /// The most telling of them, sorted.
    pub(super) fn finish(self) -> Vec<Sighting> {
        let mut by_kind: HashMap<IndicatorKind, Vec<(Indicator, Seen)>> = HashMap::new();
        for (indicator, seen) in self.seen {
            by_kind.entry(indicator.kind).or_default().push((indicator, seen));
        }
        let mut out = Vec::new();
        for kind in IndicatorKind::ALL {
            let Some(mut seen) = by_kind.remove(&kind) else { continue };
            seen.sort_by(|a, b| {
                (a.1.weight, a.1.floor, &a.1.location, &a.0).cmp(&(
                    b.1.weight,
                    b.1.floor,
                    &b.1.location,
                    &b.0,
                ))
            });
            seen.truncate(MOST_OF_KIND);
            out.extend(
                seen.into_iter().map(|(indicator, seen)| Sighting { indicator, location: seen.location }),
            );
        }
        out.truncate(MOST);
        out.sort();
        out
    }
}

/// How many layers were made when step `step` of the history was done.
fn layers_before(image: &Image, step: usize) -> usize {
    image.layers.iter().filter(|layer| layer.history.is_some_and(|made| made <= step)).count()
}

/// A value of at most [`LONGEST`] bytes; different ones stay different.
fn bounded(value: &str) -> String {
    if value.len() <= LONGEST {
        return value.to_owned();
    }
    let mut end = LONGEST - 70;
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…{}", &value[..end], blake3::hash(value.as_bytes()).to_hex())
}
