//! What numbers of the graph are in words.

use std::collections::HashMap;

use lazaret_model::{Indicator, IndicatorKind, TieReason};
use lazaret_store::{Store, StoreError};

use super::Memory;
use crate::graph::weight::{self, Bond, Millibits, in_bits};
use crate::graph::{Reason, Tied};

/// What stands before the name of an image that another one is built on.
pub(super) const BUILT_ON: &str = "built on ";

/// The indicators that are told, by their number in the graph.
#[derive(Debug, Default)]
pub struct Words {
    known: HashMap<u32, Indicator>,
}

impl Words {
    /// Looks up these indicators.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn of(
        store: &Store,
        memory: &Memory,
        numbers: impl IntoIterator<Item = u32>,
    ) -> Result<Self, StoreError> {
        let by_id: HashMap<i64, u32> =
            numbers.into_iter().map(|number| (memory.indicator(number), number)).collect();
        let mut ids: Vec<i64> = by_id.keys().copied().collect();
        ids.sort_unstable();
        let found = store.indicators_by_id(&ids).await?;
        let known = found.into_iter().filter_map(|(id, indicator)| Some((*by_id.get(&id)?, indicator)));
        Ok(Self { known: known.collect() })
    }

    /// An indicator that was looked up.
    pub fn get(&self, number: u32) -> Option<&Indicator> {
        self.known.get(&number)
    }

    /// One thing that ties, in words.
    pub fn reason(&self, memory: &Memory, reason: Reason, publisher: &str) -> String {
        match reason {
            Reason::Indicator(number) => match self.get(number) {
                Some(indicator) => format!("{} {}", noun(indicator.kind), indicator.value),
                None => "something that was forgotten since".to_owned(),
            },
            Reason::SameAccount => format!("the account {publisher}"),
            Reason::BuiltOn { lower, .. } => format!("{BUILT_ON}{}", memory.image(lower).name()),
        }
    }

    /// All that ties two images, in words.
    pub fn reasons(&self, memory: &Memory, tied: &Tied, publisher: &str) -> Vec<TieReason> {
        let told = |(reason, bits): &(Reason, Millibits)| TieReason {
            what: self.reason(memory, *reason, publisher),
            bits: in_bits(*bits),
        };
        tied.reasons.iter().map(told).collect()
    }
}

/// Indicators that reasons name.
pub fn named(tied: &Tied) -> impl Iterator<Item = u32> {
    tied.reasons.iter().filter_map(|(reason, _)| match reason {
        Reason::Indicator(number) => Some(*number),
        Reason::SameAccount | Reason::BuiltOn { .. } => None,
    })
}

/// What a kind of indicator is called in a sentence.
pub fn noun(kind: IndicatorKind) -> &'static str {
    match kind {
        IndicatorKind::Wallet => "wallet",
        IndicatorKind::Pool => "mining pool",
        IndicatorKind::PoolLogin => "pool login",
        IndicatorKind::Host => "host",
        IndicatorKind::Url => "address",
        IndicatorKind::SshKey => "SSH key",
        IndicatorKind::ScriptHash => "script",
        IndicatorKind::ElfHash => "program",
        IndicatorKind::FuzzyHash => "variants of",
        IndicatorKind::Layer => "layer",
        IndicatorKind::Environment => "environment variable",
        IndicatorKind::Label => "label",
        IndicatorKind::BuilderTrace => "trace of the builder",
    }
}

/// Why what holds an indicator of members is a lead.
pub(super) fn holds(indicator: &Indicator, members: usize) -> String {
    let of = if members == 1 { "a member".to_owned() } else { format!("{members} members") };
    format!("holds the {} of {of}: {}", noun(indicator.kind), indicator.value)
}

/// Why what is built on a member is a lead.
pub(super) fn lies_on(member: &str) -> String {
    format!("lies on all layers of {member}")
}

/// Why what somebody published who published members is a lead, and how weak a one.
pub(super) fn is_of(publisher: &str) -> String {
    format!("is of {publisher}, who published members; nothing else leads to it")
}

/// Why an indicator weighs what it weighs.
pub fn why(memory: &Memory, number: u32, indicator: &Indicator) -> String {
    let graph = &memory.graph;
    let (bits, publishers, honest) = graph.weight_of(number);
    let base = weight::base(indicator.kind, &indicator.value);
    let what = match indicator.kind {
        IndicatorKind::FuzzyHash if indicator.value.starts_with("script") => "variants of a script",
        IndicatorKind::FuzzyHash => "variants of a program",
        IndicatorKind::ScriptHash => "the same script",
        IndicatorKind::ElfHash => "the same program",
        IndicatorKind::Layer => "the same layer",
        IndicatorKind::Environment => "an environment variable",
        IndicatorKind::Url => "an address",
        IndicatorKind::SshKey => "an SSH key",
        kind => &format!("a {}", noun(kind)),
    };
    if let Some(by) = memory.allowed_by(number) {
        return format!("{what}; {by}");
    }
    if graph.is_refuted(number) {
        return format!("{what}; refuted by a person");
    }
    if base.bits == 0 {
        return format!("{what} that many share or that is nobody's");
    }
    let others = graph.clean();
    let all = graph.publisher_count();
    match base.bond {
        Bond::Owner | Bond::Infrastructure if publishers <= 1 => {
            format!("{what}; none of {others} clean images of others holds it")
        }
        Bond::Owner | Bond::Infrastructure if bits == 0 => {
            format!("{what}; {} and more publishers of clean images hold it", publishers - 1)
        }
        Bond::Owner | Bond::Infrastructure => {
            format!("{what}; publishers of clean images that hold it: {} of {all}", publishers - 1)
        }
        Bond::Tool | Bond::Habit if publishers <= 1 => {
            format!("{what}; one publisher of {all} has it, counting as one those whom an owner ties")
        }
        Bond::Tool | Bond::Habit if bits == 0 => format!("{what}; {publishers} publishers and more have it"),
        Bond::Tool | Bond::Habit if honest == 0 => {
            format!("{what}; {publishers} independent publishers of {all} have it")
        }
        Bond::Tool | Bond::Habit => format!(
            "{what}; {publishers} independent publishers of {all} have it, {honest} of them in clean images only"
        ),
    }
}
