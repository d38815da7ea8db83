//! SSH public keys.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use aho_corasick::packed::Searcher;
use data_encoding::{BASE64, BASE64_NOPAD};
use lazaret_model::{Fact, Indicator, IndicatorKind};

use super::state;
use crate::{Analyzer, Subject};

/// States SSH public keys written as `type base64`, as in authorized_keys, in known_hosts after the
/// host, and in scripts that append one. The blob must be well-formed and name the same type.
pub(crate) struct SshKeys;

/// The most keys that are stated of one content.
const MOST: usize = 1000;
/// The longest base64 of a key: RSA of 16,384 bits.
const LONGEST: usize = 4096;

impl Analyzer for SshKeys {
    fn name(&self) -> &'static str {
        "ssh-key"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, subject: &Subject<'_>) -> bool {
        subject.bytes.len() >= 60
    }

    fn analyze(&self, subject: &Subject<'_>, facts: &mut Vec<Fact>) -> Result<(), String> {
        let mut cut = false;
        let mut seen = BTreeMap::new();
        for (at, key) in find(subject.bytes) {
            if seen.len() == MOST && !seen.contains_key(&key) {
                cut = true;
                break;
            }
            seen.entry(key).or_insert(at);
        }
        let indicator = |key| Indicator::new(IndicatorKind::SshKey, key);
        state(subject, seen.into_iter().map(|(key, at)| (at, indicator(key))).collect(), facts);
        if cut {
            return Err(format!("holds more than {MOST} SSH keys; the first were read"));
        }
        Ok(())
    }
}

/// How the base64 of each type begins after `AAAA`, the high bytes of the length of its name. These
/// five differ early, which keeps the search for all of them at once fast.
const BEGINNINGS: [&str; 5] = ["B3NzaC1", "C3NzaC1", "E2VjZHNhLXNo", "GnNrLXNzaC1", "InNrLWVjZHNh"];

/// Where the processor has vector instructions for it, five times as fast as the automaton.
static VECTOR: LazyLock<Option<Searcher>> = LazyLock::new(|| Searcher::new(BEGINNINGS));
static PLAIN: LazyLock<AhoCorasick> =
    LazyLock::new(|| AhoCorasick::new(BEGINNINGS).expect("five short literals make an automaton"));

/// The offsets of all [`BEGINNINGS`] in `bytes`.
fn beginnings(bytes: &[u8]) -> Box<dyn Iterator<Item = usize> + '_> {
    match VECTOR.as_ref() {
        Some(searcher) => Box::new(searcher.find_iter(bytes).map(|hit| hit.start())),
        None => Box::new(PLAIN.find_iter(bytes).map(|hit| hit.start())),
    }
}

/// The keys in `bytes` with their offsets, as `type base64` with padding.
pub(crate) fn find(bytes: &[u8]) -> impl Iterator<Item = (usize, String)> {
    beginnings(bytes).filter_map(|hit| {
        let start = hit.checked_sub(4)?;
        if &bytes[start..hit] != b"AAAA" {
            return None;
        }
        // A blank before the blob: so each run of base64 is decoded once, however often its text
        // repeats what was searched for.
        if !bytes[..start].last()?.is_ascii_whitespace() {
            return None;
        }
        let tail = &bytes[start..bytes.len().min(start + LONGEST)];
        let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
        let length = tail.iter().position(|b| !is_digit(b)).unwrap_or(tail.len());
        let blob = BASE64_NOPAD.decode(&tail[..length]).ok()?;
        let name = well_formed(&blob)?;
        let before = bytes[..start].trim_ascii_end();
        before
            .ends_with(name.as_bytes())
            .then(|| (before.len() - name.len(), format!("{name} {}", BASE64.encode(&blob))))
    })
}

/// The type of a key whose blob has exactly the fields of that type (RFC 4253, 6.6; RFC 5656, 3.1;
/// RFC 8709, 4; OpenSSH, `PROTOCOL.u2f`).
fn well_formed(blob: &[u8]) -> Option<&'static str> {
    let mut rest = blob;
    let mut field = || -> Option<&[u8]> {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let (value, tail) = tail.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = tail;
        Some(value)
    };
    let name = match field()? {
        b"ssh-rsa" => {
            let (exponent, modulus) = (field()?, field()?);
            ((1..=8).contains(&exponent.len()) && modulus.len() >= 64).then_some("ssh-rsa")
        }
        b"ssh-dss" => {
            (field()?.len() >= 64 && field()?.len() >= 20 && !field()?.is_empty() && !field()?.is_empty())
                .then_some("ssh-dss")
        }
        b"ssh-ed25519" => (field()?.len() == 32).then_some("ssh-ed25519"),
        b"ecdsa-sha2-nistp256" => {
            (field()? == b"nistp256" && field()?.len() == 65).then_some("ecdsa-sha2-nistp256")
        }
        b"ecdsa-sha2-nistp384" => {
            (field()? == b"nistp384" && field()?.len() == 97).then_some("ecdsa-sha2-nistp384")
        }
        b"ecdsa-sha2-nistp521" => {
            (field()? == b"nistp521" && field()?.len() == 133).then_some("ecdsa-sha2-nistp521")
        }
        b"sk-ssh-ed25519@openssh.com" => {
            (field()?.len() == 32 && !field()?.is_empty()).then_some("sk-ssh-ed25519@openssh.com")
        }
        b"sk-ecdsa-sha2-nistp256@openssh.com" => {
            (field()? == b"nistp256" && field()?.len() == 65 && !field()?.is_empty())
                .then_some("sk-ecdsa-sha2-nistp256@openssh.com")
        }
        _ => None,
    }?;
    rest.is_empty().then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn blob(fields: &[&[u8]]) -> Vec<u8> {
        fields.iter().flat_map(|field| [&(field.len() as u32).to_be_bytes()[..], field].concat()).collect()
    }

    fn keys() -> Vec<(&'static str, Vec<u8>)> {
        let noise: Vec<u8> = (0..260u32).map(|i| (i * 37 + 11) as u8).collect();
        vec![
            ("ssh-ed25519", blob(&[b"ssh-ed25519", &noise[..32]])),
            ("ssh-rsa", blob(&[b"ssh-rsa", &[1, 0, 1], &noise[..257]])),
            ("ecdsa-sha2-nistp256", blob(&[b"ecdsa-sha2-nistp256", b"nistp256", &noise[..65]])),
            ("sk-ssh-ed25519@openssh.com", blob(&[b"sk-ssh-ed25519@openssh.com", &noise[..32], b"ssh:"])),
        ]
    }

    #[test]
    fn keys_are_found_in_files_and_in_scripts() {
        for (name, blob) in keys() {
            let line = format!("{name} {}", BASE64.encode(&blob));
            for text in [
                format!("{line} someone@example.invalid\n"),
                format!("command=\"x\",no-pty {line}\n"),
                format!("echo '{line}' >> /root/.ssh/authorized_keys"),
                format!("host.invalid,203.0.113.9 {line}"),
            ] {
                let found: Vec<_> = find(text.as_bytes()).collect();
                assert_eq!(found, [(text.find(name).unwrap(), line.clone())], "{text}");
            }
        }
    }

    #[test]
    fn a_blob_that_is_damaged_or_of_another_type_is_no_key() {
        for (name, blob) in keys() {
            let short = BASE64.encode(&blob[..blob.len() - 3]);
            assert_eq!(find(format!("{name} {short}").as_bytes()).count(), 0);
            let more = BASE64.encode(&[&blob[..], b"xyz"].concat());
            assert_eq!(find(format!("{name} {more}").as_bytes()).count(), 0);
            let bare = BASE64.encode(&blob);
            assert_eq!(find(format!("ssh-other {bare}").as_bytes()).count(), 0);
            assert_eq!(find(bare.as_bytes()).count(), 0);
        }
    }
}
