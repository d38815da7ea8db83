//! STIX 2.1 (OASIS, <https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html>).
//!
//! Ids are UUIDs of version 5, times come from the campaign: the same campaign gives the same
//! bundle. Objects that others also know get the ids that they would give them: observables by the
//! specification's own namespace and rule (section 2.9).
//!
//! STIX has no object for a wallet. It is an observable of the extension that the bundle itself
//! declares, and its indicator looks where any reader has eyes: in command lines.

use std::collections::{BTreeMap, BTreeSet};

use lazaret_model::{Campaign, Deed, DeedKind, IndicatorKind, Member, Shared, visible};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::members;
use super::shape::{self, Host, Shape};
use crate::{json_text, words};

/// Namespace of observables' ids, given by the specification.
const OBSERVABLES: Uuid = Uuid::from_u128(0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7);
/// Namespace of our other ids: version 5 of the project's address in the namespace of URLs.
const PROJECT: &str = "https://github.com/lazaret-project/lazaret";
/// Where the extension for wallets is described.
const EXTENSION: &str = "https://github.com/lazaret-project/lazaret/blob/main/docs/CAMPAIGN-FORMATS.md";
/// Characters of one text.
const MOST: usize = 4_000;
/// Where no time is known, so that the bundle is valid none the less.
const NO_TIME: &str = "1970-01-01T00:00:00.000Z";

/// One bundle.
pub fn render(campaign: &Campaign) -> String {
    let mut bundle = Bundle::new(campaign);
    bundle.fill(campaign);
    let id = bundle.id_of("bundle", &bundle.campaign_key.clone());
    let objects: Vec<Value> = bundle.objects.into_values().collect();
    json_text::pretty(&json!({ "type": "bundle", "id": id, "objects": objects }))
}

struct Bundle {
    /// By id, so that nothing stands in it twice and the order is fixed.
    objects: BTreeMap<String, Value>,
    namespace: Uuid,
    created: String,
    modified: String,
    /// Whether these are times of the campaign, and not only of the judgement.
    dated: bool,
    identity: String,
    campaign_key: String,
}

fn text(value: &str) -> String {
    lazaret_model::one_line(value, MOST)
}

impl Bundle {
    fn new(campaign: &Campaign) -> Self {
        let span = members::span(campaign);
        // Every object has a time; where nobody says when anything happened, that of the judgement.
        let last = members::latest(campaign);
        let first = span.map(|(first, _)| first).or(last);
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, PROJECT.as_bytes());
        let identity = format!("identity--{}", Uuid::new_v5(&namespace, b"identity lazaret"));
        Self {
            objects: BTreeMap::new(),
            namespace,
            created: first.map_or_else(|| NO_TIME.to_owned(), members::stamp),
            modified: last.map_or_else(|| NO_TIME.to_owned(), members::stamp),
            dated: span.is_some(),
            identity,
            campaign_key: format!("campaign {}", campaign.id),
        }
    }

    fn id_of(&self, kind: &str, key: &str) -> String {
        format!("{kind}--{}", Uuid::new_v5(&self.namespace, format!("{kind} {key}").as_bytes()))
    }

    /// Adds a domain or relationship object and returns its id.
    fn add(&mut self, kind: &str, key: &str, fields: Value) -> String {
        let id = self.id_of(kind, key);
        self.put(&id, kind, fields);
        id
    }

    fn put(&mut self, id: &str, kind: &str, fields: Value) {
        let mut object = Map::new();
        object.insert("type".to_owned(), kind.into());
        object.insert("spec_version".to_owned(), "2.1".into());
        object.insert("id".to_owned(), id.into());
        object.insert("created_by_ref".to_owned(), self.identity.as_str().into());
        object.insert("created".to_owned(), self.created.as_str().into());
        object.insert("modified".to_owned(), self.modified.as_str().into());
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
        self.objects.insert(id.to_owned(), Value::Object(object));
    }

    /// Adds an observable, whose id follows from what identifies it.
    fn observe(&mut self, kind: &str, identified_by: &Value, fields: Value) -> String {
        // Canonical JSON (RFC 8785): our maps are sorted, and no number is in them.
        let id = format!("{kind}--{}", Uuid::new_v5(&OBSERVABLES, identified_by.to_string().as_bytes()));
        let mut object = Map::new();
        object.insert("type".to_owned(), kind.into());
        object.insert("spec_version".to_owned(), "2.1".into());
        object.insert("id".to_owned(), id.as_str().into());
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
        self.objects.insert(id.clone(), Value::Object(object));
        id
    }

    fn relate(&mut self, from: &str, how: &str, to: &str) {
        let key = format!("{from} {how} {to}");
        let fields = json!({ "relationship_type": how, "source_ref": from, "target_ref": to });
        self.add("relationship", &key, fields);
    }

    fn fill(&mut self, campaign: &Campaign) {
        let identity = self.identity.clone();
        self.put(&identity, "identity", json!({
            "name": "Lazaret",
            "description": "Reads container images without running them and ties them into campaigns by what they share.",
            "identity_class": "system",
        }));
        let actor = self.actor(campaign);
        let told = self.campaign(campaign);
        self.relate(&told, "attributed-to", &actor);
        let patterns = self.techniques(campaign, &told);
        let malware: Vec<String> = campaign.members.iter().map(|m| self.malware(m)).collect();
        for (at, member) in campaign.members.iter().enumerate() {
            self.relate(&told, "uses", &malware[at]);
            if let Some(below) = member.built_on.and_then(|below| malware.get(below)).cloned()
                && below != malware[at]
            {
                self.relate(&malware[at], "derived-from", &below);
            }
        }
        for (technique, id) in &patterns {
            for at in campaign.techniques[*technique].members.iter().filter_map(|at| malware.get(*at)) {
                self.relate(at, "uses", id);
            }
        }
        for shared in campaign.shared.iter().chain(&campaign.lone) {
            self.shared(shared, &told, &malware);
        }
        self.note(campaign, &told);
        self.report(campaign);
    }

    fn actor(&mut self, campaign: &Campaign) -> String {
        let accounts: Vec<String> = campaign.accounts.iter().map(|a| text(&a.name)).collect();
        let mut fields = json!({
            "name": text(&format!("Actor behind {}", campaign.id)),
            "description": "Nothing is known of the actor but what the images and their accounts show.",
            "threat_actor_types": ["unknown"],
        });
        if !accounts.is_empty() {
            fields["aliases"] = accounts.clone().into();
        }
        let key = self.campaign_key.clone();
        let actor = self.add("threat-actor", &key, fields);
        let mut seen = Vec::new();
        for name in accounts {
            let fields = json!({ "user_id": name, "account_login": name, "display_name": name });
            // Contributing properties: account_type, user_id, account_login.
            let identified = json!({ "account_login": name, "user_id": name });
            seen.push(self.observe("user-account", &identified, fields));
        }
        for account in seen {
            self.relate(&actor, "related-to", &account);
        }
        actor
    }

    fn campaign(&mut self, campaign: &Campaign) -> String {
        let mut fields = json!({
            "name": text(&campaign.id),
            "description": text(&description(campaign)),
        });
        if self.dated {
            fields["first_seen"] = self.created.as_str().into();
            fields["last_seen"] = self.modified.as_str().into();
        }
        let mined = campaign.members.iter().flat_map(|m| &m.deeds);
        if mined.into_iter().any(|d| matches!(d.kind, DeedKind::MinerInPlace | DeedKind::MinerFetched)) {
            fields["objective"] = "mining cryptocurrency on other people's machines".into();
        }
        let key = self.campaign_key.clone();
        self.add("campaign", &key, fields)
    }

    /// Attack patterns, with the position of the technique that each stands for.
    fn techniques(&mut self, campaign: &Campaign, told: &str) -> Vec<(usize, String)> {
        let mut out = Vec::new();
        for (at, technique) in campaign.techniques.iter().enumerate() {
            // What is no technique's id names nothing that a reader could look up.
            let Some(url) = words::attack_url(&technique.id) else { continue };
            let name = super::techniques::name(&technique.id).unwrap_or(&technique.id);
            let reference = json!({ "source_name": "mitre-attack", "external_id": technique.id, "url": url });
            let id = self.add(
                "attack-pattern",
                &technique.id,
                json!({ "name": name, "external_references": [reference] }),
            );
            self.relate(told, "uses", &id);
            out.push((at, id));
        }
        out
    }

    fn malware(&mut self, member: &Member) -> String {
        let digests: BTreeSet<&lazaret_model::Digest> = member.accused().collect();
        let samples: Vec<String> = digests
            .into_iter()
            .map(|digest| {
                let algorithm = match digest.to_string().split_once(':') {
                    Some(("sha512", _)) => "SHA-512",
                    _ => "SHA-256",
                };
                let hex =
                    digest.to_string().split_once(':').map_or_else(String::new, |(_, hex)| hex.to_owned());
                let hashes = json!({ algorithm: hex });
                self.observe("file", &json!({ "hashes": hashes }), json!({ "hashes": hashes }))
            })
            .collect();
        let name = members::member_reference(member);
        let mut fields = json!({
            "name": text(&name),
            "description": text(&member_description(member)),
            "malware_types": malware_types(&member.deeds),
            "is_family": false,
        });
        // A list of none is not valid.
        if !samples.is_empty() {
            fields["sample_refs"] = samples.into();
        }
        self.add("malware", &format!("{name} {}", member.digest), fields)
    }

    fn shared(&mut self, shared: &Shared, told: &str, malware: &[String]) {
        let Some(pattern) = pattern(shared) else { return };
        let key = format!("{} {}", shared.indicator.kind.name(), shared.indicator.value);
        let alone = shape::speaks_alone(shared);
        let fields = json!({
            "name": text(&format!("{} of {}", shared.indicator.kind.name(), words::count(shared.members.len() as u64, "image"))),
            "description": text(&format!("{} {}: {}", shared.indicator.kind.name(), shared.indicator.value, shared.why)),
            "indicator_types": [if alone { "malicious-activity" } else { "attribution" }],
            "pattern": pattern,
            "pattern_type": "stix",
            "pattern_version": "2.1",
            "valid_from": self.created,
            "confidence": confidence(shared, alone),
        });
        let indicator = self.add("indicator", &key, fields);
        self.relate(&indicator, "indicates", told);
        let holders: Vec<&String> = shared.members.iter().filter_map(|at| malware.get(*at)).collect();
        for holder in &holders {
            self.relate(&indicator, "indicates", holder);
        }
        let observed = self.observables(shared);
        if observed.is_empty() {
            return;
        }
        let count = (holders.len().max(1) as u64).min(999_999_999);
        let data = self.add(
            "observed-data",
            &key,
            json!({
                "first_observed": self.created,
                "last_observed": self.modified,
                "number_observed": count,
                "object_refs": observed,
            }),
        );
        self.relate(&indicator, "based-on", &data);
        let mut fields = json!({
            "sighting_of_ref": indicator,
            "observed_data_refs": [data],
            "where_sighted_refs": [self.identity],
            "count": count,
        });
        if self.dated {
            fields["first_seen"] = self.created.as_str().into();
            fields["last_seen"] = self.modified.as_str().into();
        }
        self.add("sighting", &key, fields);
    }

    fn observables(&mut self, shared: &Shared) -> Vec<String> {
        match shape::of(shared) {
            Shape::Wallet { currency, address } => vec![self.wallet(currency, address)],
            Shape::Host { host, url, .. } => {
                let value = json!({ "value": host.text() });
                let kind = match host {
                    Host::Name(_) => "domain-name",
                    Host::V4(..) => "ipv4-addr",
                    Host::V6(..) => "ipv6-addr",
                };
                let mut out = vec![self.observe(kind, &value, value.clone())];
                if let Some(url) = url {
                    let value = json!({ "value": url });
                    out.push(self.observe("url", &value, value.clone()));
                }
                out
            }
            Shape::Sha256(hex) => {
                let hashes = json!({ "hashes": { "SHA-256": hex } });
                vec![self.observe("file", &hashes, hashes.clone())]
            }
            Shape::Tlsh(hash) => {
                let hashes = json!({ "hashes": { "TLSH": bare_tlsh(hash) } });
                vec![self.observe("file", &hashes, hashes.clone())]
            }
            Shape::Login(_) | Shape::Key { .. } | Shape::Setting { .. } | Shape::Text => Vec::new(),
        }
    }

    fn wallet(&mut self, currency: &str, address: &str) -> String {
        let extension = self.id_of("extension-definition", "wallet");
        self.put(&extension, "extension-definition", json!({
            "name": "Wallet",
            "description": "An observable of type x-lazaret-wallet: a cryptocurrency address (value) and its currency (currency).",
            "schema": EXTENSION,
            "version": "1.0.0",
            "extension_types": ["new-sco"],
        }));
        let fields = json!({
            "currency": currency,
            "value": address,
            "extensions": { extension: { "extension_type": "new-sco" } },
        });
        self.observe("x-lazaret-wallet", &json!({ "currency": currency, "value": address }), fields)
    }

    /// What cannot be looked for by a pattern, in words.
    fn note(&mut self, campaign: &Campaign, told: &str) {
        let mut lines: Vec<String> = campaign
            .shared
            .iter()
            .filter(|shared| pattern(shared).is_none())
            .map(|s| {
                format!("- {} {}: {}", s.indicator.kind.name(), visible(&s.indicator.value), visible(&s.why))
            })
            .map(|line| text(&line))
            .collect();
        lines.extend(campaign.conduct.iter().map(|c| format!("- {}: {}", c.kind, text(&c.text))));
        lines.extend(campaign.cleanup.iter().map(|c| format!("- clean up: {}", text(&c.what))));
        if lines.is_empty() {
            return;
        }
        let key = self.campaign_key.clone();
        self.add(
            "note",
            &key,
            json!({
                "abstract": "What else ties them, what they do and what to clean up",
                "content": lines.join("\n"),
                "object_refs": [told],
            }),
        );
    }

    fn report(&mut self, campaign: &Campaign) {
        let refs: Vec<&String> = self.objects.keys().collect();
        let fields = json!({
            "name": text(&format!("{}: {}", campaign.id, campaign.title)),
            "description": text(&description(campaign)),
            "report_types": ["campaign", "indicator", "malware"],
            "published": self.modified,
            "object_refs": refs,
        });
        let key = self.campaign_key.clone();
        self.add("report", &key, fields);
    }
}

fn description(campaign: &Campaign) -> String {
    let mut out = campaign.title.clone();
    if let Some(pulls) = members::pulls(campaign) {
        out.push_str(&format!("; {}", words::count(pulls, "pull")));
    }
    for (kind, count) in members::tally(campaign) {
        out.push_str(&format!("; {kind}: {}", words::count(count as u64, "image")));
    }
    out
}

fn member_description(member: &Member) -> String {
    let mut out = member.why.clone();
    for deed in member.deeds.iter().take(5) {
        out.push_str(&format!("; {}: {} (at {})", deed.kind, deed.evidence, deed.place));
    }
    out
}

/// Words of the open vocabulary `malware-type-ov`.
fn malware_types(deeds: &[Deed]) -> Vec<&'static str> {
    let types: BTreeSet<&'static str> = deeds
        .iter()
        .map(|deed| match deed.kind {
            DeedKind::MinerInPlace | DeedKind::MinerFetched => "resource-exploitation",
            DeedKind::DownloadAndRun | DeedKind::HostCron | DeedKind::HostService | DeedKind::Cron => {
                "downloader"
            }
            DeedKind::ReverseShell | DeedKind::SshKey | DeedKind::Escape => "backdoor",
            DeedKind::CredentialTheft => "spyware",
            DeedKind::Spreading => "worm",
            DeedKind::Abuse => "bot",
            DeedKind::Deception => "trojan",
            DeedKind::Hiding | DeedKind::Impairment | DeedKind::Other => "unknown",
        })
        .collect();
    let mut types: Vec<&'static str> = types.into_iter().collect();
    if types.len() > 1 {
        types.retain(|word| *word != "unknown");
    }
    if types.is_empty() {
        types.push("unknown");
    }
    types
}

/// 0 to 100: a bit tells as much as a coin that falls on the right side.
fn confidence(shared: &Shared, alone: bool) -> u8 {
    let bits = if shared.bits.is_finite() { shared.bits.clamp(0.0, 30.0) } else { 0.0 };
    let sure = (100.0 * (1.0 - (-bits / 6.0).exp())).round();
    // Bounded by the clamp above.
    let sure = sure as u8;
    if alone { sure.min(95) } else { sure.min(50) }
}

/// A pattern (section 9 of the specification) for what has the form of its kind.
fn pattern(shared: &Shared) -> Option<String> {
    let words = |value: &str| format!("process:command_line LIKE '%{}%'", literal(value));
    let comparison = match shape::of(shared) {
        Shape::Wallet { address, .. } => words(address),
        Shape::Login(login) => words(login),
        Shape::Key { base64, .. } => format!("artifact:payload_bin LIKE '%{}%'", literal(base64)),
        Shape::Host { host, url, .. } => {
            let host = match host {
                Host::Name(name) => format!("domain-name:value = '{}'", literal(name)),
                Host::V4(_, address) => format!("ipv4-addr:value = '{}'", literal(address)),
                Host::V6(_, address) => format!("ipv6-addr:value = '{}'", literal(address)),
            };
            match url {
                // An address says more than its host, which others may share.
                Some(url) if shared.indicator.kind == IndicatorKind::Url => {
                    format!("url:value = '{}'", literal(url))
                }
                Some(url) => format!("url:value = '{}' OR {host}", literal(url)),
                None => host,
            }
        }
        Shape::Sha256(hex) => format!("file:hashes.'SHA-256' = '{hex}'"),
        Shape::Tlsh(hash) => format!("file:hashes.TLSH = '{}'", literal(bare_tlsh(hash))),
        Shape::Setting { name, value } if shared.indicator.kind == IndicatorKind::Environment => {
            format!("process:environment_variables.'{}' = '{}'", literal(name), literal(value))
        }
        Shape::Setting { .. } | Shape::Text => return None,
    };
    Some(format!("[{comparison}]"))
}

/// TLSH as the official schema wants it: without the mark of its version.
fn bare_tlsh(hash: &str) -> &str {
    hash.strip_prefix("T1").unwrap_or(hash)
}

/// The inside of a string literal of a pattern.
fn literal(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "\\'")
}
