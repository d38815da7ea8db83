//! SSH public keys.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use aho_corasick::packed::Searcher;
use data_encoding::{BASE64, BASE64_NOPAD};
use lazaret_model::{Fact, Indicator, IndicatorKind};

use super::host::is_file_name;
use super::pool::is_host;
use super::state;
use crate::{Analyzer, Subject};

/// States SSH public keys written as `type base64`, as in authorized_keys, and in scripts that append one. The
/// blob must be well-formed and name the same type. The key of a machine, as known_hosts has it behind the
/// machine's names, lets nobody in and is none.
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
        2
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
        let named = before.ends_with(name.as_bytes())
            && !is_of_host(&before[..before.len() - name.len()], &bytes[start + length..]);
        named.then(|| (before.len() - name.len(), format!("{name} {}", BASE64.encode(&blob))))
    })
}

/// How far a line is read around a key.
const AROUND: usize = 1000;

/// Whether a key is one of a machine, by what stands before its type (`sshd(8)`, "SSH_KNOWN_HOSTS FILE
/// FORMAT"): names of hosts, hashed or not, with or without a marker; or by the file that its line writes.
///
/// In authorized_keys only options may stand there, and none of them is the name of a host.
fn is_of_host(before: &[u8], after: &[u8]) -> bool {
    let before = &before[before.len().saturating_sub(AROUND)..];
    let begin = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let line = String::from_utf8_lossy(&before[begin..]);
    // A script that prints several lines writes them in one.
    let line = line.rsplit("\\n").next().unwrap_or_default();
    let rest = &after[..after.len().min(AROUND)];
    let rest = String::from_utf8_lossy(&rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())]);
    let names =
        |file: &str| line.to_ascii_lowercase().contains(file) || rest.to_ascii_lowercase().contains(file);
    if (names("known_hosts") || names("known-hosts") || names("knownhosts")) && !names("authorized_keys") {
        return true;
    }
    if !line.ends_with([' ', '\t']) {
        return false;
    }
    let mut words = line.split_ascii_whitespace().rev();
    let Some(hosts) = words.next().map(|word| word.trim_start_matches(['"', '\'', '(', '$'])) else {
        return false;
    };
    let marker = words.next().map(|word| word.trim_start_matches(['"', '\'', '(', '$']));
    if hosts.starts_with("|1|") || matches!(marker, Some("@cert-authority" | "@revoked")) {
        return true;
    }
    let is_plain = |host: &str| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:*?![]%".contains(&b))
    };
    hosts.split(',').all(is_plain) && hosts.split(',').any(is_name_of_host)
}

/// Whether a word is a host's name of several labels, an address, or `[host]:port`.
fn is_name_of_host(word: &str) -> bool {
    let word = word.trim_start_matches('!');
    if let Some((host, port)) = word.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        return !host.is_empty() && port.parse::<u16>().is_ok();
    }
    let name = word.replace(['*', '?'], "x");
    word.parse::<IpAddr>().is_ok() || is_host(&name) && !is_file_name(&name)
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
                format!("echo {line} >> /root/.ssh/authorized_keys"),
                format!("from=\"203.0.113.0/24,*.example.invalid\",no-pty {line}"),
                format!("restrict,command=\"/opt/a b.sh\" {line}"),
                format!("environment=\"A=b.c\" {line}"),
                format!("  - {line}"),
                format!("key: {line}"),
                format!("add_key.sh {line}"),
                format!("echo \"{line}\" | tee -a /root/.ssh/authorized_keys > /root/.ssh/known_hosts"),
            ] {
                let found: Vec<_> = find(text.as_bytes()).collect();
                assert_eq!(found, [(text.find(name).unwrap(), line.clone())], "{text}");
            }
        }
    }

    #[test]
    fn keys_of_machines_are_no_login_keys() {
        for (name, blob) in keys() {
            let line = format!("{name} {}", BASE64.encode(&blob));
            for text in [
                format!("host.invalid,203.0.113.9 {line}"),
                format!("code.example.invalid {line}\n"),
                format!("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {line}"),
                format!("[git.example.invalid]:2222 {line}"),
                format!("2001:db8::7 {line}"),
                format!("*.example.invalid,!bad.example.invalid {line}"),
                format!("@cert-authority * {line}"),
                format!("@revoked host {line}"),
                format!("echo \"code.example.invalid {line}\" >> /root/.ssh/known_hosts"),
                format!("echo 'gitserver {line}' >> ~/.ssh/known_hosts"),
                format!("printf 'a.invalid {line}\\nb.invalid {line}\\n' > /etc/ssh/keys"),
                format!("RUN echo \"SSH_KNOWN_HOSTS=host {line}\""),
            ] {
                assert_eq!(find(text.as_bytes()).count(), 0, "{text}");
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
