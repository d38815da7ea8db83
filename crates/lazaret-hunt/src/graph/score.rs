//! What two images share, and what that says together.

use std::collections::HashMap;

use lazaret_model::{IndicatorKind, Role};
use petgraph::unionfind::UnionFind;

use super::weight::{BUILT_ON, Bond, CAP, MERELY_NAMED, Millibits, SAME_ACCOUNT, THRESHOLD};
use super::{Graph, Link};

/// An indicator that two images hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Common {
    /// Which.
    pub indicator: u32,
    /// What it says here by itself; 0 where it came with a layer or stands in a list.
    pub bits: Millibits,
}

/// One thing that ties two images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Both hold it.
    Indicator(u32),
    /// One account published both.
    SameAccount,
    /// The second has further layers on all layers of the first.
    BuiltOn {
        /// The one below.
        lower: u32,
        /// The one on top.
        upper: u32,
    },
}

/// What two images have in common, weighed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tied {
    /// What all says together.
    pub bits: Millibits,
    /// What counts, that of the most bits first; they add up to `bits`.
    pub reasons: Vec<(Reason, Millibits)>,
}

/// An indicator of two images with where it stands in both.
struct Both<'g> {
    indicator: u32,
    bits: Millibits,
    a: &'g Link,
    b: &'g Link,
    /// Whether it stands in what both were built on: the same layers from the lowest on.
    below: bool,
}

impl Graph {
    /// What two images share, whatever it says.
    pub fn common(&self, a: u32, b: u32) -> Vec<Common> {
        self.both(a, b).map(|both| Common { indicator: both.indicator, bits: both.bits }).collect()
    }

    /// What two images have in common says so much, and why. Images that were not convicted, and
    /// repositories that a person told apart, are not tied by it; see [`Graph::may_tie`].
    pub fn tied(&self, a: u32, b: u32) -> Tied {
        let mut reasons = Vec::new();
        let all: Vec<Both<'_>> = self.both(a, b).filter(|both| both.bits > 0).collect();
        for bond in [Bond::Owner, Bond::Infrastructure] {
            let highest = all
                .iter()
                .filter(|both| self.bond(both.indicator) == bond && !self.copied(both))
                .max_by_key(|both| (both.bits, std::cmp::Reverse(both.indicator)));
            reasons.extend(highest.map(|both| (Reason::Indicator(both.indicator), both.bits)));
        }
        if self.same_account(a, b) {
            reasons.push((Reason::SameAccount, SAME_ACCOUNT));
        }
        if let Some((lower, upper)) = self.built_on(a, b) {
            reasons.push((Reason::BuiltOn { lower, upper }, BUILT_ON));
        }
        capped(self.habits(&all), &mut reasons);
        capped(self.tools(a, b, &all), &mut reasons);
        reasons.sort_by_key(|(reason, bits)| (std::cmp::Reverse(*bits), order(*reason)));
        Tied { bits: reasons.iter().map(|(_, bits)| bits).sum(), reasons }
    }

    /// Whether ties are looked for between two images at all: both are convicted, and nobody refuted it.
    pub fn may_tie(&self, a: u32, b: u32) -> bool {
        let (a, b) = (&self.images[a as usize], &self.images[b as usize]);
        a.convicted && b.convicted && !self.refuted(a.repository, b.repository)
    }

    pub(super) fn refuted(&self, a: u32, b: u32) -> bool {
        !self.refuted_pairs.is_empty() && self.refuted_pairs.contains(&(a.min(b), a.max(b)))
    }

    /// Which of two images of different publishers has further layers on top of all layers of the other.
    /// Two with the same layers are not told apart by it: both may stand on a base of a third.
    pub(super) fn built_on(&self, a: u32, b: u32) -> Option<(u32, u32)> {
        if self.images[a as usize].publisher == self.images[b as usize].publisher {
            return None;
        }
        let on = |lower: u32, upper: u32| {
            let below = &self.images[lower as usize];
            below.tops.iter().any(|top| {
                self.goes_on(upper, *top)
                    && !self.belongs_to_others(self.chains[*top as usize].layer, below.publisher)
            })
        };
        if on(a, b) { Some((a, b)) } else { on(b, a).then_some((b, a)) }
    }

    /// Whether an image has this chain of layers, and further layers on it.
    pub(super) fn goes_on(&self, image: u32, chain: u32) -> bool {
        let node = &self.images[image as usize];
        node.chains.contains(&chain) && !node.ends.contains(&chain)
    }

    fn both(&self, a: u32, b: u32) -> impl Iterator<Item = Both<'_>> {
        let (one, other) = (&self.images[a as usize], &self.images[b as usize]);
        let (mut i, mut j) = (0, 0);
        std::iter::from_fn(move || {
            loop {
                let (left, right) = (one.links.get(i)?, other.links.get(j)?);
                match left.indicator.cmp(&right.indicator) {
                    std::cmp::Ordering::Less => i += 1,
                    std::cmp::Ordering::Greater => j += 1,
                    std::cmp::Ordering::Equal => {
                        (i, j) = (i + 1, j + 1);
                        let mut bits = self.link_weight(a, left).min(self.link_weight(b, right));
                        let below = self.same_chain(a, left, b, right);
                        if below && self.bond(left.indicator) == Bond::Habit {
                            bits = 0;
                        }
                        return Some(Both { indicator: left.indicator, bits, a: left, b: right, below });
                    }
                }
            }
        })
    }

    /// Whether two links stand in what both images were built on.
    pub(super) fn same_chain(&self, a: u32, left: &Link, b: u32, right: &Link) -> bool {
        let chain = |image: u32, link: &Link| self.images[image as usize].chains.get(link.layer as usize);
        chain(a, left).is_some_and(|below| chain(b, right) == Some(below))
    }

    /// Whether something of an owner or a host counts as a tool between two images.
    ///
    /// So does a host or pool in what both were built on (whoever takes that base has it, as he has the tools in
    /// it), unless it ties by itself; a key or wallet there that no finding names; and a name from which both merely
    /// fetch.
    fn copied(&self, both: &Both<'_>) -> bool {
        let base = self.indicators[both.indicator as usize].base;
        match base.bond {
            Bond::Infrastructure => {
                both.below && both.bits < THRESHOLD || base.by_name.is_some() && both.bits <= MERELY_NAMED
            }
            Bond::Owner => self.is_of_base(both),
            Bond::Habit | Bond::Tool => false,
        }
    }

    fn is_of_base(&self, both: &Both<'_>) -> bool {
        both.below && self.may_be_of_base(both.indicator) && both.a.role.max(both.b.role) <= Role::Lies
    }

    /// Of each kind of habit the one of most bits.
    fn habits(&self, all: &[Both<'_>]) -> Vec<(u32, Millibits)> {
        let kinds = [IndicatorKind::BuilderTrace, IndicatorKind::Environment, IndicatorKind::Label];
        let highest = |kind| {
            all.iter()
                .filter(|both| self.indicators[both.indicator as usize].kind == kind)
                .max_by_key(|both| (both.bits, std::cmp::Reverse(both.indicator)))
        };
        kinds.into_iter().filter_map(highest).map(|both| (both.indicator, both.bits)).collect()
    }

    /// Tools, counting what lies in one file or one layer that both share once, and all that lies in what
    /// both were built on: a layer, the script in it and the fuzzy hash of that script are one thing.
    fn tools(&self, a: u32, b: u32, all: &[Both<'_>]) -> Vec<(u32, Millibits)> {
        let is_tool = |both: &&Both<'_>| self.bond(both.indicator) == Bond::Tool || self.copied(both);
        let tools: Vec<&Both<'_>> = all.iter().filter(is_tool).collect();
        if tools.len() < 2 {
            return tools.iter().map(|both| (both.indicator, both.bits)).collect();
        }
        let mut one = UnionFind::<u32>::new(tools.len());
        let mut first: HashMap<(u8, u64), u32> = HashMap::new();
        for (at, both) in tools.iter().enumerate() {
            let mut together = |by: (u8, u64)| {
                let other = *first.entry(by).or_insert(at as u32);
                one.union(at as u32, other);
            };
            if both.a.place != 0 {
                together((0, both.a.place));
            }
            if both.b.place != 0 {
                together((1, both.b.place));
            }
            if both.below {
                together((3, 0));
            }
            // All names from which both merely fetch are one habit of theirs.
            if self.copied(both) && self.indicators[both.indicator as usize].base.by_name.is_some() {
                together((4, 0));
            }
            let layer = |image: u32, link: &Link| {
                self.images[image as usize].layers.get(link.layer as usize).copied()
            };
            if let Some(shared) = layer(a, both.a).filter(|one| layer(b, both.b) == Some(*one)) {
                together((2, u64::from(shared)));
            }
        }
        let mut highest: HashMap<u32, (Millibits, std::cmp::Reverse<u32>)> = HashMap::new();
        for (at, both) in tools.iter().enumerate() {
            let this = (both.bits, std::cmp::Reverse(both.indicator));
            let kept = highest.entry(one.find(at as u32)).or_insert(this);
            *kept = (*kept).max(this);
        }
        highest.into_values().map(|(bits, indicator)| (indicator.0, bits)).collect()
    }
}

/// Adds what counts of a sum that has a cap, the highest first.
fn capped(mut some: Vec<(u32, Millibits)>, reasons: &mut Vec<(Reason, Millibits)>) {
    some.sort_by_key(|(indicator, bits)| (std::cmp::Reverse(*bits), *indicator));
    let mut left = CAP;
    for (indicator, bits) in some {
        let bits = bits.min(left);
        if bits > 0 {
            reasons.push((Reason::Indicator(indicator), bits));
        }
        left -= bits;
    }
}

fn order(reason: Reason) -> (u8, u32) {
    match reason {
        Reason::Indicator(indicator) => (0, indicator),
        Reason::SameAccount => (1, 0),
        Reason::BuiltOn { lower, .. } => (2, lower),
    }
}
