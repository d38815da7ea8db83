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
    /// Lines of scripts, as written.
    pub lines: Vec<String>,
    /// How many of these there are besides, left out to keep rules short.
    pub left_out: usize,
}

impl Terms {
    /// A host or an address that an example can hold.
    pub fn contact(&self) -> Option<&String> {
        self.urls.first().or(self.hosts.first())
    }
}

/// `text` as a regular expression that means it.
pub fn literal(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A regular expression for an address after which nothing of an address follows: what only begins so
/// may be somebody else's.
pub fn whole(url: &str) -> String {
    format!("{}($|[^A-Za-z0-9._~%-])", literal(url))
}

/// A regular expression for a host that is no part of another's name.
pub fn alone(host: &str) -> String {
    format!("(^|[^A-Za-z0-9._-]){}($|[^A-Za-z0-9._-])", literal(host))
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
    for shared in campaign.shared.iter().chain(&campaign.lone) {
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
    lines.extend(campaign.members.iter().flat_map(|member| &member.lines).filter_map(|text| line(text)));
    let left_out = sets.iter().map(|set| set.len().saturating_sub(MOST)).sum();
    let [payment, hosts, urls, keys, builders, lines] =
        sets.map(|set| set.into_iter().take(MOST).collect::<Vec<String>>());
    Terms { payment, hosts, urls, keys, builders, lines, left_out }
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

/// A line that stands in a file as it is quoted: what was cut ends in dots.
fn line(text: &str) -> Option<String> {
    let plain = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    let fits = (LEAST_LINE..=400).contains(&text.len()) && text.trim() == text;
    // What would open or close a comment could end the examples that stand in one.
    (plain && fits && !text.contains("/*")).then(|| text.to_owned())
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

/// The files of a pack from the names and texts of its rules, by name.
pub fn pack(slug: &str, ending: &str, rules: impl Iterator<Item = (&'static str, String)>) -> Vec<PackFile> {
    let mut files: Vec<PackFile> =
        rules.map(|(name, text)| PackFile { name: format!("{slug}-{name}.{ending}"), text }).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// What a rule says of itself after what it found: the same for every rule of a campaign. Plain
/// words and names in letters, digits and hyphens only.
pub fn explanation(campaign: &Campaign, found: &str) -> String {
    let span = members::span(campaign)
        .map(|(first, last)| format!(", active from {} to {}", members::date(first), members::date(last)));
    let left_out = match of(campaign).left_out {
        0 => String::new(),
        n => format!(" {n} more of its indicators are left out of this pack; the CSV form has all."),
    };
    format!(
        "{found} It belongs to campaign {}: {} convicted images of one actor{}.{left_out} Do not run the image; if it ran, clean the host as `lazaret campaign` tells.",
        slug(campaign).to_ascii_uppercase(),
        campaign.members.len(),
        span.unwrap_or_default(),
    )
}
