//! The answer to "why are these two tied?".

use std::collections::BTreeSet;

use lazaret_model::{Indicator, TieReason};
use lazaret_store::{Store, StoreError};

use super::Memory;
use super::words::{Words, named, why};
use crate::graph::weight::{THRESHOLD, in_bits};
use crate::graph::{Relation, Tied};

/// Things that two images share that are told at the most.
const HELD: usize = 100;

/// How two images hang together.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// One, as a person would name it.
    pub a: String,
    /// The other.
    pub b: String,
    /// In which way.
    pub together: Together,
    /// One tie for two that are tied, a way of several, or what they have in common although it is not
    /// enough.
    pub links: Vec<Link>,
    /// All that both hold, whether it counts or not.
    pub held: Vec<Held>,
    /// From how many bits on two images are tied.
    pub threshold: f64,
}

/// In which way two images hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// They are tied.
    Tied,
    /// They are in one campaign, tied over others.
    OverOthers,
    /// They are not tied: it is not enough.
    NotEnough,
    /// It would be enough, and a person refuted it.
    Refuted,
    /// One was not convicted: it is tied to nobody.
    Unconvicted,
}

/// What two images have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// One.
    pub a: String,
    /// The other.
    pub b: String,
    /// What all says together.
    pub bits: f64,
    /// What counts, that of most bits first.
    pub reasons: Vec<TieReason>,
}

/// Something that both images hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// What.
    pub indicator: Indicator,
    /// What it says of these two by itself, in bits; 0 where it came with a layer of others, or where it
    /// is in too many hands.
    pub bits: f64,
    /// Why.
    pub why: String,
}

impl Answer {
    /// How two images of the graph hang together.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn about(store: &Store, memory: &Memory, a: u32, b: u32) -> Result<Self, StoreError> {
        let graph = &memory.graph;
        let convicted = memory.image(a).is_convicted() && memory.image(b).is_convicted();
        let (together, steps): (Together, Vec<(u32, u32, Tied)>) = match graph.why(a, b) {
            Relation::Direct(tied) => (Together::Tied, vec![(a, b, tied)]),
            Relation::Path(path) => {
                let mut from = a;
                let steps = path.into_iter().map(|edge| {
                    let to = if edge.a == from { edge.b } else { edge.a };
                    (std::mem::replace(&mut from, to), to, edge.tied)
                });
                (Together::OverOthers, steps.collect())
            }
            Relation::Apart(tied) => {
                let together = match tied.bits {
                    _ if !convicted => Together::Unconvicted,
                    bits if bits >= THRESHOLD => Together::Refuted,
                    _ => Together::NotEnough,
                };
                (together, vec![(a, b, tied)])
            }
        };
        let mut common = graph.common(a, b);
        common.sort_by_key(|common| (std::cmp::Reverse(common.bits), common.indicator));
        common.truncate(HELD);
        let numbers: BTreeSet<u32> = steps
            .iter()
            .flat_map(|(_, _, tied)| named(tied))
            .chain(common.iter().map(|common| common.indicator))
            .collect();
        let words = Words::of(store, memory, numbers).await?;
        let link = |(a, b, tied): &(u32, u32, Tied)| Link {
            a: memory.image(*a).name(),
            b: memory.image(*b).name(),
            bits: in_bits(tied.bits),
            reasons: words.reasons(memory, tied, graph.publisher_of(*a)),
        };
        let held = common.iter().filter_map(|common| {
            let indicator = words.get(common.indicator)?;
            Some(Held {
                indicator: indicator.clone(),
                bits: in_bits(common.bits),
                why: why(memory, common.indicator, indicator),
            })
        });
        Ok(Self {
            a: memory.image(a).name(),
            b: memory.image(b).name(),
            together,
            links: steps.iter().map(link).collect(),
            held: held.collect(),
            threshold: in_bits(THRESHOLD),
        })
    }
}
