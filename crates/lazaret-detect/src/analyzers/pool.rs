//! Mining pool endpoints that say what they are by their scheme.

use std::collections::BTreeMap;

use lazaret_model::{Fact, Indicator, IndicatorKind};
use memchr::memmem;

use super::state;
use super::wallet::is_wallet;
use crate::{Analyzer, Subject};

/// States `stratum+tcp://user@host:port` and its relatives, in text and in binaries.
pub(crate) struct Pools;

/// The most endpoints that are stated of one content.
const MOST: usize = 1000;

impl Analyzer for Pools {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, subject: &Subject<'_>) -> bool {
        subject.bytes.len() >= 16
    }

    fn analyze(&self, subject: &Subject<'_>, facts: &mut Vec<Fact>) -> Result<(), String> {
        let mut seen = BTreeMap::new();
        let mut cut = false;
        find(subject.bytes, |at, indicator| {
            if seen.len() >= MOST {
                cut = true;
            } else {
                seen.entry(indicator).or_insert(at);
            }
        });
        state(subject, seen.into_iter().map(|(indicator, at)| (at, indicator)).collect(), facts);
        if cut {
            return Err(format!("holds more than {MOST} pool addresses; the first were read"));
        }
        Ok(())
    }
}

/// The longest text between the slashes and the end of the port.
const LONGEST: usize = 512;

/// Calls `found(offset, indicator)` for every pool and every login at one in `bytes`.
pub(crate) fn find(bytes: &[u8], mut found: impl FnMut(usize, Indicator)) {
    for slashes in memmem::find_iter(bytes, b"://") {
        let Some((start, scheme)) = mining_scheme(&bytes[..slashes]) else { continue };
        let rest = &bytes[slashes + 3..];
        let rest = &rest[..rest.len().min(LONGEST)];
        let Some(endpoint) = authority(rest).filter(is_pool) else { continue };
        found(start, Indicator::new(IndicatorKind::Pool, format!("{scheme}://{}", endpoint.normal())));
        if let Some(login) = endpoint.login().filter(|login| !holds_wallet(login)) {
            found(start, Indicator::new(IndicatorKind::PoolLogin, login));
        }
    }
}

/// Whether an endpoint behind a mining scheme is one that a miner could use. The scheme says enough
/// for a local proxy (to Tor, to another container) to count, as long as it has a port; the words
/// that manuals put there do not.
fn is_pool(endpoint: &Endpoint<'_>) -> bool {
    let manual = ["host", "hostname", "pool", "server", "domain", "url", "address", "ip", "example"];
    is_host(&endpoint.host)
        || endpoint.host.contains(':')
        || endpoint.port.is_some() && !manual.contains(&endpoint.host.as_str())
}

/// Whether a login at a pool is an address, with or without the name of a worker.
pub(crate) fn holds_wallet(login: &str) -> bool {
    login.split(['.', '+', '/', ':']).any(is_wallet)
}

/// The scheme that ends where `before` ends, lower case, if it is one that only miners use.
fn mining_scheme(before: &[u8]) -> Option<(usize, String)> {
    let from = before.len().saturating_sub(24);
    let tail = &before[from..];
    let start = tail
        .iter()
        .rposition(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')))
        .map_or(0, |at| at + 1);
    let word = std::str::from_utf8(&tail[start..]).ok()?.to_ascii_lowercase();
    // In a string table without separators the scheme has a neighbour in front.
    for name in ["ethstratum", "stratum", "ethproxy", "daemon+http", "daemon+https", "nicehash+"] {
        if let Some(at) = word.rfind(name) {
            let scheme = &word[at..];
            return Some((from + start + at, scheme.to_owned()));
        }
    }
    None
}

/// `user:password@host:port`, as far as it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint<'a> {
    user: Option<&'a str>,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// Bytes of the text that belong to it.
    pub(crate) length: usize,
}

impl Endpoint<'_> {
    /// `host:port`, or the host alone.
    pub(crate) fn normal(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    fn login(&self) -> Option<String> {
        let user = self.user?.split(':').next().unwrap_or_default();
        (!user.is_empty() && user.len() <= 256).then(|| user.to_owned())
    }
}

/// Reads the authority of a URL (RFC 3986, 3.2) at the start of `text`. None where the host is
/// empty, a variable, or followed by a port that is a word. Whether the host names a machine is for
/// the caller to ask, see [`is_host`].
pub(crate) fn authority(text: &[u8]) -> Option<Endpoint<'_>> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~%!&*+=:@[]".contains(&b);
    let whole = &text[..text.iter().position(|&b| !allowed(b)).unwrap_or(text.len())];
    let (user, rest, offset) = match memchr::memrchr(b'@', whole) {
        Some(at) => (Some(std::str::from_utf8(&whole[..at]).ok()?), &whole[at + 1..], at + 1),
        None => (None, whole, 0),
    };
    let (host, after) = if rest.first() == Some(&b'[') {
        let close = memchr::memchr(b']', rest)?;
        let host = std::str::from_utf8(&rest[1..close]).ok()?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        (host.to_ascii_lowercase(), close + 1)
    } else {
        let end = rest
            .iter()
            .position(|b| !(b.is_ascii_alphanumeric() || b"-._".contains(b)))
            .unwrap_or(rest.len());
        let host = std::str::from_utf8(&rest[..end]).ok()?.trim_end_matches(['.', '-', '_']);
        if host.is_empty() || host.starts_with(['-', '.', '_']) || host.len() > 253 {
            return None;
        }
        (host.to_ascii_lowercase(), end)
    };
    let mut length = offset + after;
    let mut port = None;
    if rest.get(after) == Some(&b':') {
        let digits = rest[after + 1..].iter().take(5).take_while(|b| b.is_ascii_digit()).count();
        let number = std::str::from_utf8(&rest[after + 1..after + 1 + digits]).ok()?;
        match number.parse::<u16>() {
            Ok(number) if number > 0 => {
                port = Some(number);
                length += 1 + digits;
            }
            // `host:port` in a help text.
            _ if rest.get(after + 1).is_some_and(u8::is_ascii_alphabetic) => return None,
            _ => {}
        }
    }
    Some(Endpoint { user, host, port, length })
}

/// Whether a name can be that of a machine: labels of letters, digits and hyphens, at least two of
/// them (RFC 1123), or an IPv4 address. A single label (`host`, `localhost`) says nothing.
pub(crate) fn is_host(name: &str) -> bool {
    if name.len() > 253 || !name.contains('.') {
        return false;
    }
    if let Ok(address) = name.parse::<std::net::Ipv4Addr>() {
        return !address.is_loopback() && !address.is_unspecified() && !address.is_broadcast();
    }
    let mut last = "";
    for label in name.split('.') {
        let fine = !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-');
        if !fine {
            return false;
        }
        last = label;
    }
    last.len() >= 2 && last.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut out = Vec::new();
        find(text.as_bytes(), |_, indicator| out.push(indicator.to_string()));
        out
    }

    #[test]
    fn stratum_addresses_are_seen_in_every_spelling() {
        for (text, pool) in [
            ("-o stratum+tcp://Pool.Example.invalid:3333 -u x", "stratum+tcp://pool.example.invalid:3333"),
            ("\"url\":\"STRATUM+SSL://203.0.113.7:443\"", "stratum+ssl://203.0.113.7:443"),
            ("stratum2+tcp://pool.invalid", "stratum2+tcp://pool.invalid"),
            ("stratum://[2001:db8::1]:7777/", "stratum://[2001:db8::1]:7777"),
            ("ethstratum+tcp://pool.invalid:1", "ethstratum+tcp://pool.invalid:1"),
            ("stratum+tcp://127.0.0.1:3333", "stratum+tcp://127.0.0.1:3333"),
            ("stratum+tcp://proxy:3333", "stratum+tcp://proxy:3333"),
            ("daemon+http://node.invalid:18081", "daemon+http://node.invalid:18081"),
            ("\0nextstratum+tcp://pool.invalid:3333connection refused", "stratum+tcp://pool.invalid:3333"),
        ] {
            assert_eq!(found(text), [format!("pool {pool}")], "{text}");
        }
    }

    #[test]
    fn a_login_is_stated_unless_it_is_a_wallet() {
        assert_eq!(
            found("stratum+tcp://someone.rig1:x@pool.invalid:3333"),
            ["pool stratum+tcp://pool.invalid:3333", "pool-login someone.rig1"]
        );
        let wallet =
            bs58::encode([&[0x41u8][..], &(1..21).collect::<Vec<u8>>()].concat()).with_check().into_string();
        assert_eq!(
            found(&format!("stratum+tcp://{wallet}.rig1@pool.invalid:3333")),
            ["pool stratum+tcp://pool.invalid:3333"]
        );
    }

    #[test]
    fn templates_and_other_schemes_are_no_pools() {
        for text in [
            "stratum+tcp://%s:%d",
            "stratum+tcp://host:port",
            "stratum+tcp://$POOL:$PORT",
            "use stratum+tcp:// for plain connections",
            "https://pool.example.invalid:3333",
            "stratum+tcp://pool:3333",
            "stratum+tcp://proxy",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }
}
