//! A MISP event (<https://www.misp-standard.org/rfc/misp-standard-core.html>).
//!
//! Uuids are of version 5 and times come from the campaign, so that the same campaign imported
//! twice is one event.

use std::collections::BTreeSet;

use lazaret_model::{Campaign, IndicatorKind, Shared, one_line};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::members;
use super::shape::{self, Host, Shape};
use crate::{json_text, words};

/// As for STIX: ids below the project's address.
const PROJECT: &str = "https://github.com/lazaret-project/lazaret";
/// Characters of one value or comment; MISP's columns hold 65,535 bytes.
const MOST: usize = 4_000;

/// One event.
pub fn render(campaign: &Campaign) -> String {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, PROJECT.as_bytes());
    let event = format!("misp event {}", campaign.id);
    let mut list = Attributes {
        out: Vec::new(),
        said: BTreeSet::new(),
        namespace,
        key: event.clone(),
        seconds: members::latest(campaign).map_or(0, |last| last.unix_timestamp().max(0)),
    };
    for shared in campaign.shared.iter().chain(&campaign.lone) {
        list.shared(shared);
    }
    for member in &campaign.members {
        let name = one_line(&members::member_reference(member), MOST);
        let comment = one_line(&format!("{name}: {}", member.why), MOST);
        for digest in member.accused() {
            if let Some((algorithm, hex)) = digest.to_string().split_once(':') {
                list.add("Payload delivery", algorithm, hex, &comment, true);
            }
        }
        list.add("Payload delivery", "text", &name, "container image", false);
    }
    for account in &campaign.accounts {
        list.add("Attribution", "text", &one_line(&account.name, MOST), "account that published them", false);
    }
    for lure in &campaign.lures {
        list.add(
            "Payload delivery",
            "text",
            &one_line(&lure.repository, MOST),
            &one_line(&lure.why, MOST),
            false,
        );
    }
    for revenue in &campaign.revenue {
        let text =
            format!("{}: {} {}, from {}", revenue.wallet, revenue.amount, revenue.currency, revenue.source);
        list.add("Financial fraud", "text", &one_line(&text, MOST), "revenue, as others say", false);
    }
    for conduct in &campaign.conduct {
        list.add("Other", "text", &one_line(&conduct.text, MOST), conduct.kind.name(), false);
    }
    // An event has a date whatever is known: where nobody says one, that of the judgement.
    let day = members::latest(campaign).map_or_else(|| "1970-01-01".to_owned(), members::date);
    json_text::pretty(&json!({
        "Event": {
            "uuid": Uuid::new_v5(&namespace, event.as_bytes()).to_string(),
            "info": one_line(&format!("{}: {}", campaign.id, campaign.title), MOST),
            "date": day,
            "timestamp": list.seconds.to_string(),
            // 1 is high; 2: the analysis is complete; 0: this organisation only, until a person
            // decides to share it.
            "threat_level_id": "1",
            "analysis": "2",
            "distribution": "0",
            "published": false,
            "Tag": tags(campaign),
            "Attribute": list.out,
        }
    }))
}

fn tags(campaign: &Campaign) -> Vec<Value> {
    let mut tags = vec![json!({ "name": "type:OSINT" })];
    for technique in &campaign.techniques {
        // The galaxy's names are those of ATT&CK; one that is not known would be a tag that
        // nobody else has.
        if words::attack_url(&technique.id).is_none() {
            continue;
        }
        let name = match super::techniques::name(&technique.id) {
            Some(name) => format!("misp-galaxy:mitre-attack-pattern=\"{name} - {}\"", technique.id),
            None => format!("mitre-attack:{}", technique.id),
        };
        tags.push(json!({ "name": name }));
    }
    tags
}

struct Attributes {
    out: Vec<Value>,
    said: BTreeSet<[String; 3]>,
    namespace: Uuid,
    key: String,
    seconds: i64,
}

impl Attributes {
    fn add(&mut self, category: &str, kind: &str, value: &str, comment: &str, to_ids: bool) {
        if value.is_empty() {
            return;
        }
        // MISP takes each type with each value once.
        if !self.said.insert([category, kind, value].map(str::to_owned)) {
            return;
        }
        let uuid =
            Uuid::new_v5(&self.namespace, format!("{} {category} {kind} {value}", self.key).as_bytes());
        self.out.push(json!({
            "uuid": uuid.to_string(),
            "category": category,
            "type": kind,
            "value": value,
            "comment": comment,
            "to_ids": to_ids,
            "disable_correlation": false,
            "distribution": "5",
            "timestamp": self.seconds.to_string(),
        }));
    }

    fn shared(&mut self, shared: &Shared) {
        let alone = shape::speaks_alone(shared);
        let kind = shared.indicator.kind;
        let comment = one_line(
            &format!(
                "{} of {}; {}",
                kind.name(),
                words::count(shared.members.len() as u64, "image"),
                shared.why
            ),
            MOST,
        );
        match shape::of(shared) {
            Shape::Wallet { currency, address } => {
                let kind = match currency {
                    "btc" | "xmr" | "dash" => currency,
                    _ => "text",
                };
                self.add("Financial fraud", kind, address, &comment, alone);
            }
            Shape::Host { host, url, port } => {
                if let Some(url) = url {
                    self.add("Network activity", "url", url, &comment, alone);
                }
                if url.is_some() && kind == IndicatorKind::Url {
                    return;
                }
                let (kind, value) = match (host, port) {
                    (Host::Name(name), None) => ("hostname", name.to_owned()),
                    (Host::Name(name), Some(port)) => ("hostname|port", format!("{name}|{port}")),
                    (Host::V4(..) | Host::V6(..), None) => ("ip-dst", host.text().to_owned()),
                    (Host::V4(..) | Host::V6(..), Some(port)) => {
                        ("ip-dst|port", format!("{}|{port}", host.text()))
                    }
                };
                self.add("Network activity", kind, &value, &comment, alone && !shape::public(host));
            }
            Shape::Key { kind, base64 } => {
                let body = base64.trim_end_matches('=').as_bytes();
                if let Ok(bytes) = data_encoding::BASE64_NOPAD.decode(body) {
                    let print = data_encoding::BASE64_NOPAD.encode(&Sha256::digest(&bytes));
                    self.add(
                        "Network activity",
                        "ssh-fingerprint",
                        &format!("SHA256:{print}"),
                        &comment,
                        alone,
                    );
                }
                self.add("Persistence mechanism", "text", &format!("{kind} {base64}"), &comment, false);
            }
            Shape::Sha256(hex) => self.add("Payload delivery", "sha256", hex, &comment, alone),
            Shape::Tlsh(hash) => self.add("Payload delivery", "tlsh", hash, &comment, false),
            Shape::Login(login) => self.add("Financial fraud", "text", login, &comment, alone),
            Shape::Setting { .. } | Shape::Text => {
                self.add("Other", "text", &one_line(&shared.indicator.value, MOST), &comment, false);
            }
        }
    }
}
