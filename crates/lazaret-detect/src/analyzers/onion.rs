//! Addresses of Tor onion services.

use std::collections::BTreeMap;

use data_encoding::BASE32;
use lazaret_model::{Fact, Indicator, IndicatorKind};
use memchr::memmem;
use sha3::{Digest, Sha3_256};

use super::state;
use crate::{Analyzer, Subject};

/// States version 3 onion names whose checksum is right, in text and in binaries.
pub(crate) struct Onions;

const SUFFIX: &[u8] = b".onion";
/// Base32 digits of a version 3 name.
const DIGITS: usize = 56;
/// The most names that are stated of one content.
const MOST: usize = 1000;

impl Analyzer for Onions {
    fn name(&self) -> &'static str {
        "onion"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, subject: &Subject<'_>) -> bool {
        subject.bytes.len() >= DIGITS + SUFFIX.len()
    }

    fn analyze(&self, subject: &Subject<'_>, facts: &mut Vec<Fact>) -> Result<(), String> {
        let mut cut = false;
        let mut seen = BTreeMap::new();
        for (at, name) in find(subject.bytes) {
            if seen.len() == MOST && !seen.contains_key(&name) {
                cut = true;
                break;
            }
            seen.entry(name).or_insert(at);
        }
        let indicator = |name| Indicator::new(IndicatorKind::Host, name);
        state(subject, seen.into_iter().map(|(name, at)| (at, indicator(name))).collect(), facts);
        if cut {
            return Err(format!("holds more than {MOST} onion names; the first were read"));
        }
        Ok(())
    }
}

/// The onion names in `bytes` with their offsets, lower case.
pub(crate) fn find(bytes: &[u8]) -> impl Iterator<Item = (usize, String)> {
    memmem::find_iter(bytes, SUFFIX).filter_map(|dot| {
        let start = dot.checked_sub(DIGITS)?;
        let digits = &bytes[start..dot];
        valid(digits).then(|| {
            let name = String::from_utf8_lossy(digits).to_ascii_lowercase();
            (start, format!("{name}.onion"))
        })
    })
}

/// Public key, two bytes of SHA3-256 and the version (Tor, `rend-spec-v3`, "Encoding onion
/// addresses").
fn valid(digits: &[u8]) -> bool {
    if !digits.iter().all(|b| b.is_ascii_alphabetic() || (b'2'..=b'7').contains(b)) {
        return false;
    }
    let Ok(raw) = BASE32.decode(&digits.to_ascii_uppercase()) else { return false };
    let Some((key, [a, b, version])) = raw.split_last_chunk::<3>() else { return false };
    let sum = Sha3_256::new()
        .chain_update(b".onion checksum")
        .chain_update(key)
        .chain_update([*version])
        .finalize();
    *version == 3 && sum[..2] == [*a, *b] && key.iter().any(|byte| *byte != key[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_only_with_its_checksum() {
        let key: Vec<u8> = (0..32).map(|i| i * 7 + 3).collect();
        let sum = Sha3_256::digest([&b".onion checksum"[..], &key, &[3]].concat());
        let name = BASE32.encode(&[&key[..], &sum[..2], &[3]].concat()).to_lowercase();
        let text = format!("\0http://{name}.onion/x and {name}");
        let found: Vec<_> = find(text.as_bytes()).collect();
        assert_eq!(found, [(8, format!("{name}.onion"))]);
        let wrong = name.replacen(&name[3..4], if &name[3..4] == "a" { "b" } else { "a" }, 1);
        assert_eq!(find(format!("{wrong}.onion").as_bytes()).count(), 0);
        assert_eq!(find(b".onion and example.onion").count(), 0);
    }
}
