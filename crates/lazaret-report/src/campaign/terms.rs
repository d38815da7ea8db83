//! What rules made from a campaign look for: indicators that speak for this actor by themselves,
//! in the strict form of their kind. The hosts of others, and what honest images hold too, are
//! left out.

use std::collections::BTreeSet;

use lazaret_model::{Campaign, IndicatorKind};

use super::members;
use super::shape::{self, Host, Shape};

/// Rules stay short enough to read.
const MOST: usize = 200;
/// Shortest line of a script and shortest trace of a builder that is looked for.
const LEAST_LINE: usize = 24;
const LEAST_TRACE: usize = 4;

/// Terms by kind, each list sorted and without doubles.
#[derive(Debug, Default)]
pub struct Terms {
    /// Where they are paid: addresses without currency, logins at pools.
    pub payment: Vec<String>,
    /// Names and addresses of hosts.
    pub hosts: Vec<String>,
    /// Full addresses.
    pub urls: Vec<String>,
    /// Keys without type and comment.
    pub keys: Vec<String>,
    /// Names of people and machines that built the images.
    pub builders: Vec<String>,
    /// Lines of scripts, as evidence quotes them.
    pub lines: Vec<String>,
}

/// A rule file of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackFile {
    /// Its name: small letters, digits, hyphens and an ending.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The terms of `campaign`.
pub fn of(campaign: &Campaign) -> Terms {
    let mut sets: [BTreeSet<String>; 6] = Default::default();
    let [payment, hosts, urls, keys, builders, lines] = &mut sets;
    for shared in &campaign.shared {
        if shared.indicator.kind == IndicatorKind::BuilderTrace && shared.elsewhere == 0 {
            builders.extend(trace(&shared.indicator.value));
        }
        if !shape::speaks_alone(shared) {
            continue;
        }
        match shape::of(shared) {
            Shape::Wallet { address, .. } => {
                payment.insert(address.to_owned());
            }
            Shape::Login(login) => {
                payment.insert(login.to_owned());
            }
            Shape::Key { base64, .. } => {
                keys.insert(base64.trim_end_matches('=').to_owned());
            }
            Shape::Host { host, url, .. } => {
                urls.extend(url.map(str::to_owned));
                if !shape::public(host) && (url.is_none() || shared.indicator.kind != IndicatorKind::Url) {
                    hosts.insert(written(host));
                }
            }
            Shape::Sha256(_) | Shape::Tlsh(_) | Shape::Setting { .. } | Shape::Text => {}
        }
    }
    for deed in campaign.members.iter().flat_map(|m| &m.deeds) {
        if in_a_text(&deed.place) {
            lines.extend(line(&deed.evidence));
        }
    }
    let [payment, hosts, urls, keys, builders, lines] =
        sets.map(|set| set.into_iter().take(MOST).collect::<Vec<String>>());
    Terms { payment, hosts, urls, keys, builders, lines }
}

fn written(host: Host<'_>) -> String {
    host.text().to_ascii_lowercase()
}

/// The name in `user dm117` and `host build7.example`; other traces are no words that stand in a
/// file by themselves.
fn trace(value: &str) -> Option<String> {
    let name = value.strip_prefix("user ").or_else(|| value.strip_prefix("host "))?;
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let telling = !["root", "user", "docker", "ubuntu", "debian", "runner", "jenkins", "admin", "localhost"]
        .contains(&name.to_ascii_lowercase().as_str());
    ((LEAST_TRACE..=100).contains(&name.len()) && plain && telling).then(|| name.to_owned())
}

/// Whether a place is a line of a file: `usr/bin/cron.sh:4`.
fn in_a_text(place: &str) -> bool {
    let line = place.rsplit_once(':').map_or("", |(_, line)| line);
    !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit())
}

fn line(evidence: &str) -> Option<String> {
    let plain = evidence.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    let fits = (LEAST_LINE..=400).contains(&evidence.len()) && evidence.trim() == evidence;
    // What would open or close a comment could end the examples that stand in one.
    (plain && fits && !evidence.contains("/*")).then(|| evidence.to_owned())
}

/// The campaign's id as part of a file's name.
pub fn slug(campaign: &Campaign) -> String {
    let mut out = String::new();
    for c in campaign.id.chars().map(|c| c.to_ascii_lowercase()).take(60) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    let out = out.trim_end_matches('-');
    if out.is_empty() { "campaign".to_owned() } else { out.to_owned() }
}

/// What a rule says of itself after what it found: the same for every rule of a campaign. Plain
/// words and names in letters, digits and hyphens only.
pub fn explanation(campaign: &Campaign, found: &str) -> String {
    let span = members::span(campaign)
        .map(|(first, last)| format!(", active from {} to {}", members::date(first), members::date(last)));
    format!(
        "{found} It belongs to campaign {}: {} convicted images of one actor{}. Do not run the image; if it ran, clean the host as `lazaret campaign` tells.",
        slug(campaign).to_ascii_uppercase(),
        campaign.members.len(),
        span.unwrap_or_default(),
    )
}
