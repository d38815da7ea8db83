//! A miner's configuration, read as JSON.

use lazaret_model::{Fact, FactKind, Indicator, IndicatorKind};
use memchr::memmem;
use serde_json::{Map, Value};

use super::pool::{authority, holds_wallet};
use super::text::{decoded, is_text};
use crate::{Analyzer, Subject};

/// States that a JSON document, with or without comments, is the configuration of a miner: some
/// object names a pool and a login, and keys that only miners have stand beside it.
pub(crate) struct MinerConfigs;

/// The largest text that is read.
const LARGEST: usize = 256 * 1024;

/// Keys that only miners have.
const STRONG: [&str; 44] = [
    "algo",
    "algorithm",
    "coin",
    "donate-level",
    "donate-over-proxy",
    "rig-id",
    "rig_id",
    "randomx",
    "nicehash",
    "use_nicehash",
    "pool_list",
    "pool_address",
    "wallet_address",
    "pool_password",
    "pool_weight",
    "cryptonight",
    "cn-lite",
    "cn-heavy",
    "argon2",
    "rx/0",
    "rx/wow",
    "hw-aes",
    "huge-pages",
    "huge_pages",
    "1gb-pages",
    "opencl",
    "cuda",
    "cuda_bfactor",
    "cpu_threads_conf",
    "gpu_threads_conf",
    "gpu_conf",
    "cpu_threads",
    "intensity",
    "worksize",
    "self-select",
    "daemon-poll-interval",
    "wrmsr",
    "rdmsr",
    "max-threads-hint",
    "argon2-impl",
    "cpu-priority",
    "print-time",
    "retry-pause",
    "submit-to-origin",
];
/// Keys that name the other end.
const POOL: [&str; 8] = ["url", "pool", "pool_address", "host", "address", "server", "pools", "pool_url"];
/// Keys that say who is paid.
const LOGIN: [&str; 7] =
    ["user", "wallet", "wallet_address", "login", "username", "account", "walletaddress"];
/// Keys that go with these.
const BESIDE: [&str; 9] =
    ["pass", "password", "worker", "keepalive", "tls", "tls-fingerprint", "pools", "cpu", "threads"];

impl Analyzer for MinerConfigs {
    fn name(&self) -> &'static str {
        "miner-config"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self, subject: &Subject<'_>) -> bool {
        subject.is_whole() && (40..=LARGEST).contains(&subject.bytes.len())
    }

    fn analyze(&self, subject: &Subject<'_>, facts: &mut Vec<Fact>) -> Result<(), String> {
        if !begins_as_json(subject.bytes) || !is_text(subject.bytes) {
            return Ok(());
        }
        let text = decoded(subject.bytes);
        if !names_a_pool(text.as_bytes()) {
            return Ok(());
        }
        let Some(document) = parse(&text) else { return Ok(()) };
        let mut seen = Seen::default();
        seen.walk(&document, 0);
        let Some((pool, login)) = seen.pool.take().filter(|_| seen.is_miner()) else { return Ok(()) };
        let at = first_key(text.as_bytes()).unwrap_or(0).min(subject.bytes.len());
        facts.push(subject.fact_at(at, true, FactKind::MinerConfig { keys: seen.keys }));
        let mut indicator = |kind, value: String| {
            facts.push(subject.fact_at(at, true, FactKind::Indicator(Indicator::new(kind, value))));
        };
        // An endpoint with a scheme of its own is stated by the pool analyzer.
        if !pool.contains("://")
            && let Some(endpoint) = authority(pool.as_bytes())
        {
            indicator(IndicatorKind::Pool, endpoint.normal());
        }
        if !login.is_empty() && login.len() <= 256 && !holds_wallet(&login) {
            indicator(IndicatorKind::PoolLogin, login);
        }
        Ok(())
    }
}

/// Whether the first character can begin JSON, the members of an object, or a comment before them.
/// Behind a byte order mark anything can.
fn begins_as_json(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[' | b'"' | b'/' | b'#' | 0xef | 0xfe | 0xff))
}

fn names_a_pool(text: &[u8]) -> bool {
    memmem::find(text, b"pool").is_some()
        || memmem::find(text, b"wallet").is_some()
        || memmem::find(text, b"\"algo").is_some()
        || memmem::find(text, b"stratum").is_some()
}

fn first_key(text: &[u8]) -> Option<usize> {
    ["\"pools\"", "\"pool_list\"", "\"pool_address\"", "\"pool\"", "\"url\""]
        .iter()
        .find_map(|key| memmem::find(text, key.as_bytes()))
}

/// The document, or the first one in the text: xmr-stak's files are the members of an object
/// without its braces.
fn parse(text: &str) -> Option<Value> {
    let clean = without_comments(text);
    let clean = clean.trim();
    let bare = clean.trim_end_matches(',');
    if clean.starts_with(['{', '[']) {
        return serde_json::from_str(clean).ok();
    }
    if bare.starts_with('"') {
        return serde_json::from_str(&format!("{{{bare}}}")).ok();
    }
    None
}

/// `text` without `//`, `/* */` and `#` comments outside of strings, and without commas before a
/// closing bracket.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.trim_start_matches('\u{feff}');
    while let Some(c) = rest.chars().next() {
        match c {
            '"' => {
                let mut escaped = false;
                let end = rest[1..]
                    .char_indices()
                    .find(|&(_, c)| {
                        let ends = c == '"' && !escaped;
                        escaped = c == '\\' && !escaped;
                        ends
                    })
                    .map_or(rest.len(), |(at, _)| at + 2);
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            '#' => rest = after(rest, "\n"),
            '/' if rest.starts_with("//") => rest = after(rest, "\n"),
            '/' if rest.starts_with("/*") => rest = after(rest, "*/"),
            '}' | ']' => {
                let kept = out.trim_end().len();
                if out[..kept].ends_with(',') {
                    out.truncate(kept - 1);
                }
                out.push(c);
                rest = &rest[1..];
            }
            _ => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

fn after<'a>(text: &'a str, mark: &str) -> &'a str {
    text.find(mark).map_or("", |at| &text[at + mark.len()..])
}

/// What was seen on the way through a document.
#[derive(Default)]
struct Seen {
    /// Telling keys, in the order of the document.
    keys: Vec<String>,
    strong: usize,
    /// The first pool and its login.
    pool: Option<(String, String)>,
    /// Whether a wallet logs in there: nobody but a miner is known by one.
    paid: bool,
}

impl Seen {
    fn walk(&mut self, value: &Value, depth: usize) {
        if depth > 8 {
            return;
        }
        match value {
            Value::Object(members) => {
                self.object(members);
                members.values().for_each(|member| self.walk(member, depth + 1));
            }
            Value::Array(items) => items.iter().take(256).for_each(|item| self.walk(item, depth + 1)),
            _ => {}
        }
    }

    fn object(&mut self, members: &Map<String, Value>) {
        // A schema says of each key what type it has; a configuration says what it is.
        if members.contains_key("$schema") && members.contains_key("properties") {
            return;
        }
        let mut pool = None;
        let mut login = None;
        for (key, value) in members {
            let key = key.to_ascii_lowercase();
            let name = key.as_str();
            if let Some(text) = value.as_str() {
                let names_host = text.contains("stratum") || has_port(text);
                if POOL.contains(&name) && names_host {
                    pool = pool.or(Some(text));
                } else if LOGIN.contains(&name) {
                    login = login.or(Some(text));
                }
            }
            let strong = STRONG.contains(&name);
            if (strong || POOL.contains(&name) || LOGIN.contains(&name) || BESIDE.contains(&name))
                && !self.keys.contains(&key)
            {
                self.strong += usize::from(strong);
                self.keys.push(key);
            }
        }
        let as_user = |key: &&str| members.get(*key).and_then(Value::as_str).is_some_and(holds_wallet);
        self.paid |= pool.is_some() && ["user", "login", "username"].iter().any(as_user);
        if let (None, Some(pool), Some(login)) = (&self.pool, pool, login) {
            self.pool = Some((pool.to_owned(), login.to_owned()));
        }
    }

    fn is_miner(&self) -> bool {
        self.paid || self.keys.len() >= 3 && self.strong >= 1
    }
}

/// `host:port` with or without a scheme that is a miner's or none; not `jdbc:…` or `https://…`.
fn has_port(text: &str) -> bool {
    let host = match text.split_once("://") {
        Some((scheme, rest)) => {
            if !matches!(
                scheme.to_ascii_lowercase().as_str(),
                "tcp" | "ssl" | "tls" | "daemon+http" | "daemon+https"
            ) {
                return false;
            }
            rest
        }
        None => text,
    };
    authority(host.as_bytes())
        .is_some_and(|endpoint| endpoint.port.is_some() && endpoint.length == host.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lazaret_model::EntryPath;

    use super::*;

    fn facts(text: &str) -> Vec<FactKind> {
        let path = EntryPath::from("etc/app.json");
        let size = text.len() as u64;
        let subject = Subject { path: &path, inside: &[], mode: 0, size, bytes: text.as_bytes(), offset: 0 };
        let mut facts = Vec::new();
        MinerConfigs.analyze(&subject, &mut facts).unwrap();
        facts.into_iter().map(|fact| fact.kind).collect()
    }

    fn is_miner(text: &str) -> bool {
        facts(text).iter().any(|kind| matches!(kind, FactKind::MinerConfig { .. }))
    }

    #[test]
    fn configurations_of_miners_are_seen() {
        let common = r#"{"cpu": {"huge-pages": true}, "donate-level": 1,
            "pools": [{"algo": "rx/0", "url": "pool.invalid:3333", "user": "someone.rig", "pass": "x"}]}"#;
        assert_eq!(
            facts(common),
            [
                FactKind::MinerConfig {
                    keys: ["cpu", "donate-level", "pools", "huge-pages", "algo", "url", "user", "pass"]
                        .map(str::to_owned)
                        .to_vec()
                },
                FactKind::Indicator(Indicator::new(IndicatorKind::Pool, "pool.invalid:3333")),
                FactKind::Indicator(Indicator::new(IndicatorKind::PoolLogin, "someone.rig")),
            ]
        );
        assert!(is_miner(
            "// where to\n\"pool_list\" : [ {\"pool_address\" : \"pool.invalid:3333\", /* who */ \
             \"wallet_address\" : \"w\", \"rig_id\" : \"\", }, ],\n\"currency\" : \"monero\",\n"
        ));
        assert!(is_miner(
            r#"{"algorithm":"randomx","pool":"stratum+tcp://203.0.113.4:443","wallet":"w","cpu_threads":4}"#
        ));
    }

    #[test]
    fn a_wallet_that_logs_in_needs_no_other_key() {
        let wallet =
            bs58::encode([&[0x41u8][..], &(1..21).collect::<Vec<u8>>()].concat()).with_check().into_string();
        let least = |key: &str, end: &str| {
            format!(
                r#"{{"autosave": true, "cpu": true, "pools": [{{"url": "{end}", "{key}": "{wallet}"}}]}}"#
            )
        };
        assert!(is_miner(&least("user", "pool.invalid:3333")));
        assert!(is_miner(&least("login", "stratum+ssl://203.0.113.4:443")));
        // A shop that takes payments has a wallet, and a node that it asks.
        assert!(!is_miner(&least("wallet", "node.invalid:18081")));
        assert!(!is_miner(&least("user", "https://shop.example.org")));
        assert!(!is_miner(r#"{"pools": [{"url": "db.invalid:5432", "user": "somebody", "pass": "x"}]}"#));
    }

    #[test]
    fn other_configurations_are_not_miners() {
        for text in [
            r#"{"pools":[{"url":"jdbc:postgresql://db.invalid:5432/x","user":"sa","pass":"secret"}]}"#,
            r#"{"pools":[{"host":"db.invalid:5432","user":"sa","password":"secret","threads":4}]}"#,
            r#"{"$schema":"x","properties":{"pools":{"type":"array"},"algo":{"type":"string"},"url":{},"user":{}}}"#,
            r#"{"algo":"sha256","url":"https://example.org:443","user":"me","pass":"x"}"#,
            r#"{"name":"stratum-tools","version":"1.0.0","keywords":["pool","wallet"],"author":"x"}"#,
            r#"{"blocked":["pool.invalid:3333","pool.test:4444"],"reason":"mining pools and wallets"}"#,
            "pools are where people swim",
            "{\"pools\": [",
        ] {
            assert!(!is_miner(text), "{text}");
        }
    }

    #[test]
    fn comments_and_trailing_commas_are_read_as_miners_read_them() {
        let text = "{ // one\n \"a\": \"x // no comment \\\" #\", # two\n \"b\": [1, 2, /* three */ ], }";
        assert_eq!(parse(text), Some(serde_json::json!({"a": "x // no comment \" #", "b": [1, 2]})));
    }
}
