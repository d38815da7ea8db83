//! Indicators with the place that tells most, bounded.

use std::collections::HashMap;

use lazaret_model::{Image, Indicator, IndicatorKind, Location, Role, Sighting};

/// Sightings of one image.
const MOST: usize = 1_000;
/// Of one kind, where there are more than [`MOST`] in all: so many are kept before any kind gets more, so
/// that whoever fills an image with keys does not hide his scripts behind them.
const SHARE: usize = MOST / IndicatorKind::ALL.len();
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
    role: Role,
    floor: usize,
    location: Location,
}

impl<'a> Gathered<'a> {
    pub(super) fn new(image: &'a Image) -> Self {
        Self { image, seen: HashMap::new(), counts: HashMap::new() }
    }

    /// Notes an indicator. Of several places the one in the lowest layer is kept.
    pub(super) fn see(&mut self, kind: IndicatorKind, value: &str, weight: Weight, location: Location) {
        self.see_as(Role::Lies, kind, value, weight, location);
    }

    /// [`Gathered::see`], with what it is to the image there. Of several places the one that says most counts.
    pub(super) fn see_as(
        &mut self,
        role: Role,
        kind: IndicatorKind,
        value: &str,
        weight: Weight,
        location: Location,
    ) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        let indicator = Indicator::new(kind, bounded(value));
        let floor = self.floor(&location);
        if let Some(seen) = self.seen.get_mut(&indicator) {
            seen.weight = seen.weight.min(weight);
            // A place where it is only spoken of is not where it stands.
            let spoken = |role: Role| role == Role::Mentioned;
            let firmer = spoken(seen.role) && !spoken(role);
            if spoken(role) && !spoken(seen.role) {
                return;
            }
            seen.role = seen.role.max(role);
            if firmer || (floor, &location) < (seen.floor, &seen.location) {
                (seen.floor, seen.location) = (floor, location);
            }
            return;
        }
        let count = self.counts.entry(kind).or_default();
        if *count < MOST_SEEN {
            *count += 1;
            self.seen.insert(indicator, Seen { weight, role, floor, location });
        }
    }

    /// The layer that a place comes with; places that come with none are last.
    fn floor(&self, location: &Location) -> usize {
        self.image.layer_of(location).unwrap_or(usize::MAX)
    }

    /// The most telling of them, sorted.
    pub(super) fn finish(self) -> Vec<Sighting> {
        let mut by_kind: HashMap<IndicatorKind, Vec<(Indicator, Seen)>> = HashMap::new();
        for (indicator, seen) in self.seen {
            by_kind.entry(indicator.kind).or_default().push((indicator, seen));
        }
        let held = |kind: &IndicatorKind| by_kind.get(kind).map_or(0, |seen| seen.len().min(MOST_OF_KIND));
        let shares: usize = IndicatorKind::ALL.iter().map(|kind| held(kind).min(SHARE)).sum();
        let mut left = MOST - shares;
        let mut out = Vec::new();
        for kind in IndicatorKind::ALL {
            let Some(mut seen) = by_kind.remove(&kind) else { continue };
            let more = seen.len().min(MOST_OF_KIND).saturating_sub(SHARE).min(left);
            left -= more;
            seen.sort_by(|a, b| {
                (a.1.weight, a.1.floor, &a.1.location, &a.0).cmp(&(
                    b.1.weight,
                    b.1.floor,
                    &b.1.location,
                    &b.0,
                ))
            });
            seen.truncate(SHARE + more);
            out.extend(seen.into_iter().map(|(indicator, seen)| Sighting {
                indicator,
                location: seen.location,
                role: seen.role,
            }));
        }
        out.sort();
        out
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use lazaret_model::{Digest, ImageConfig, PinnedRef};

    fn image() -> Image {
        let digest = Digest::sha256(&[1; 32]);
        Image {
            pinned: PinnedRef { repository: "r".to_owned(), tag: None, digest: digest.clone() },
            manifest: digest.clone(),
            config_digest: digest,
            platform: None,
            config: ImageConfig::default(),
            layers: Vec::new(),
        }
    }

    #[test]
    fn filling_an_image_with_keys_and_wallets_hides_no_other_kind() {
        let image = image();
        let mut gathered = Gathered::new(&image);
        let padding = [
            IndicatorKind::Wallet,
            IndicatorKind::SshKey,
            IndicatorKind::PoolLogin,
            IndicatorKind::Url,
            IndicatorKind::Pool,
            IndicatorKind::Host,
        ];
        for number in 0..300 {
            for kind in padding {
                gathered.see(kind, &format!("p{number}"), Weight::Acts, Location::Image);
            }
        }
        let own = [IndicatorKind::ScriptHash, IndicatorKind::BuilderTrace, IndicatorKind::Label];
        for kind in own {
            for number in 0..70 {
                gathered.see(kind, &format!("own{number}"), Weight::Lies, Location::Image);
            }
        }
        let seen = gathered.finish();
        assert_eq!(seen.len(), MOST);
        for kind in own {
            assert_eq!(seen.iter().filter(|one| one.indicator.kind == kind).count(), 70, "{}", kind.name());
        }
        assert_eq!(
            seen.iter().filter(|one| one.indicator.kind == IndicatorKind::Wallet).count(),
            MOST_OF_KIND
        );
    }
}
