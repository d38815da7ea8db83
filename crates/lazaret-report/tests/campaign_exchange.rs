//! Campaigns in the forms that other programs take: STIX, MISP, GraphML, CSV; and in those whose
//! readers make links: Markdown, the mail to an abuse desk.
//!
//! The official schemas of STIX 2.1 are not part of this repository; where
//! `LAZARET_STIX_SCHEMAS` names the folder with them, every object is checked against its schema
//! too (`tests/schemas/README.md`).
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use common::campaigns::{self, KEY, WALLET};
use lazaret_model::Campaign;
use lazaret_report::{CampaignFormat, Options, render_campaign};
use serde_json::Value;

fn rendered(format: CampaignFormat, campaign: &Campaign) -> String {
    let mut out = Vec::new();
    render_campaign(campaign, format, &Options::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn stix(campaign: &Campaign) -> Vec<Value> {
    let mut bundle: Value = serde_json::from_str(&rendered(CampaignFormat::Stix, campaign)).unwrap();
    assert_eq!(bundle["type"], "bundle");
    match bundle["objects"].take() {
        Value::Array(objects) => objects,
        other => panic!("{other}"),
    }
}

fn of_type<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|o| o["type"] == kind).collect()
}

const OBSERVABLES: [&str; 7] =
    ["domain-name", "file", "ipv4-addr", "ipv6-addr", "url", "user-account", "x-lazaret-wallet"];

#[test]
fn stix_objects_have_what_the_specification_asks_for_and_their_references_lead_somewhere() {
    for campaign in campaigns::all() {
        let objects = stix(&campaign);
        let ids: BTreeSet<&str> = objects.iter().map(|o| o["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), objects.len(), "every id once");
        for object in &objects {
            let kind = object["type"].as_str().unwrap();
            let id = object["id"].as_str().unwrap();
            let uuid = id.strip_prefix(kind).and_then(|rest| rest.strip_prefix("--")).unwrap();
            assert_eq!(uuid::Uuid::parse_str(uuid).unwrap().get_version_num(), 5);
            assert_eq!(object["spec_version"], "2.1");
            if OBSERVABLES.contains(&kind) {
                assert!(object.get("created").is_none(), "{id}");
                continue;
            }
            let time = |key: &str| {
                let text = object[key].as_str().unwrap();
                assert!(text.len() == 24 && text.ends_with('Z') && &text[10..11] == "T", "{text}");
                text.to_owned()
            };
            assert!(time("created") <= time("modified"));
            for (key, value) in object.as_object().unwrap() {
                let references: Vec<&str> = match value {
                    Value::String(one) if key.ends_with("_ref") => vec![one],
                    Value::Array(many) if key.ends_with("_refs") => {
                        assert!(!many.is_empty(), "{id} {key}");
                        many.iter().map(|v| v.as_str().unwrap()).collect()
                    }
                    _ => continue,
                };
                for reference in references {
                    assert!(ids.contains(reference), "{id} {key} {reference}");
                }
            }
        }
        for kind in ["identity", "threat-actor", "campaign", "report"] {
            assert_eq!(of_type(&objects, kind).len(), 1, "{kind}");
        }
        assert_eq!(of_type(&objects, "malware").len(), campaign.members.len());
    }
}

/// One comparison or several joined by OR, each of a path, an operator and a string literal.
fn is_pattern(pattern: &str) -> bool {
    let Some(inside) = pattern.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return false;
    };
    let mut rest = inside;
    loop {
        let Some((path, after)) = rest.split_once(" = '").or_else(|| rest.split_once(" LIKE '")) else {
            return false;
        };
        let (object, property) = path.split_once(':').unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.'".contains(c);
        if object.is_empty() || property.is_empty() || !object.chars().chain(property.chars()).all(plain) {
            return false;
        }
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next() {
                Some((_, '\\')) => assert!(matches!(chars.next(), Some((_, '\\' | '\'')))),
                Some((at, '\'')) => break at,
                Some(_) => {}
                None => return false,
            }
        };
        match &after[end + 1..] {
            "" => return true,
            more => match more.strip_prefix(" OR ") {
                Some(next) => rest = next,
                None => return false,
            },
        }
    }
}

#[test]
fn stix_patterns_hold_what_has_the_form_of_its_kind_and_nothing_that_could_end_a_literal() {
    assert!(!is_pattern("[url:value = 'a' OR '1'='1']"));
    for campaign in campaigns::all() {
        for indicator in of_type(&stix(&campaign), "indicator") {
            let pattern = indicator["pattern"].as_str().unwrap();
            assert!(is_pattern(pattern), "{pattern}");
        }
    }
    assert!(of_type(&stix(&campaigns::hostile()), "indicator").is_empty(), "hostile values have no form");
    let objects = stix(&campaigns::lineup());
    let patterns: Vec<&str> =
        of_type(&objects, "indicator").iter().map(|i| i["pattern"].as_str().unwrap()).collect();
    for wanted in [
        format!("[process:command_line LIKE '%{WALLET}%']"),
        "[url:value = 'http://203.0.113.66:8220/logo3.jpg']".to_owned(),
        "[ipv4-addr:value = '203.0.113.66']".to_owned(),
        "[domain-name:value = 'xmr.pool-eu.test']".to_owned(),
        format!("[file:hashes.'SHA-256' = '{}']", "5d".repeat(32)),
        format!("[file:hashes.TLSH = '{}']", "0A1B2C3D4E".repeat(7)),
    ] {
        assert!(patterns.contains(&wanted.as_str()), "{wanted}: {patterns:#?}");
    }
    // A pool that others use too is no sign of malice.
    let pool = of_type(&objects, "indicator");
    let pool = pool.iter().find(|i| i["pattern"].as_str().unwrap().contains("xmr.pool-eu")).unwrap();
    assert_eq!(pool["indicator_types"][0], "attribution");
    let wallet = of_type(&objects, "x-lazaret-wallet");
    assert_eq!((wallet.len(), &wallet[0]["currency"]), (1, &Value::from("xmr")));
    let extension = of_type(&objects, "extension-definition")[0]["id"].as_str().unwrap();
    assert_eq!(wallet[0]["extensions"][extension]["extension_type"], "new-sco");
}

#[test]
fn an_observable_has_the_id_that_everybody_gives_it() {
    // The specification's own example (section 6.1 gives the namespace; 2.9 the rule).
    let namespace = uuid::Uuid::parse_str("00abedb4-aa42-466c-9c01-fed23315a9b7").unwrap();
    let wanted = uuid::Uuid::new_v5(&namespace, br#"{"value":"203.0.113.66"}"#);
    let objects = stix(&campaigns::lineup());
    assert_eq!(of_type(&objects, "ipv4-addr")[0]["id"], format!("ipv4-addr--{wanted}"));
}

struct Official(PathBuf);

impl jsonschema::Retrieve for Official {
    fn retrieve(
        &self,
        uri: &jsonschema::Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let path = uri.path().as_str();
        let (_, below) = path.rsplit_once("/schemas/").ok_or("an address outside of the schemas")?;
        Ok(serde_json::from_str(&std::fs::read_to_string(self.0.join(below))?)?)
    }
}

#[test]
fn stix_is_valid_under_the_official_schemas_where_they_are_at_hand() {
    let Some(folder) = std::env::var_os("LAZARET_STIX_SCHEMAS").map(PathBuf::from) else { return };
    let mut validators: BTreeMap<String, jsonschema::Validator> = BTreeMap::new();
    for campaign in campaigns::all().into_iter().chain([campaigns::tricky()]) {
        for object in stix(&campaign) {
            let kind = object["type"].as_str().unwrap().to_owned();
            let validator = validators.entry(kind.clone()).or_insert_with(|| {
                let named = ["sdos", "sros", "observables", "common"]
                    .map(|below| folder.join(below).join(format!("{kind}.json")));
                let base = folder.join("common/cyber-observable-core.json");
                let path = named.into_iter().find(|path| path.exists()).unwrap_or(base);
                let schema = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
                jsonschema::options().with_retriever(Official(folder.clone())).build(&schema).unwrap()
            });
            let wrong: Vec<String> =
                validator.iter_errors(&object).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(wrong.is_empty(), "{kind} {wrong:#?}");
        }
    }
    assert!(validators.len() >= 12, "{:?}", validators.keys());
}

#[test]
fn misp_takes_every_attribute_and_acts_only_on_what_speaks_alone() {
    let types = [
        "sha256",
        "sha512",
        "xmr",
        "btc",
        "dash",
        "url",
        "hostname",
        "hostname|port",
        "ip-dst",
        "ip-dst|port",
        "ssh-fingerprint",
        "tlsh",
        "text",
    ];
    let categories = [
        "Payload delivery",
        "Financial fraud",
        "Network activity",
        "Attribution",
        "Persistence mechanism",
        "Other",
    ];
    for campaign in campaigns::all() {
        let value: Value = serde_json::from_str(&rendered(CampaignFormat::Misp, &campaign)).unwrap();
        let event = &value["Event"];
        let mut uuids = BTreeSet::from([event["uuid"].as_str().unwrap().to_owned()]);
        let mut said = BTreeSet::new();
        let attributes = event["Attribute"].as_array().unwrap();
        for attribute in attributes {
            let text = |key: &str| attribute[key].as_str().unwrap().to_owned();
            assert!(types.contains(&text("type").as_str()), "{attribute}");
            assert!(categories.contains(&text("category").as_str()), "{attribute}");
            assert!(!text("value").is_empty() && text("value").chars().count() <= 4_000);
            assert!(uuids.insert(text("uuid")), "a uuid twice");
            assert!(said.insert((text("category"), text("type"), text("value"))), "{attribute}");
            assert!(attribute["to_ids"].is_boolean() && text("timestamp").parse::<i64>().is_ok());
        }
    }
    let value: Value = serde_json::from_str(&rendered(CampaignFormat::Misp, &campaigns::lineup())).unwrap();
    let attributes = value["Event"]["Attribute"].as_array().unwrap();
    let find =
        |value: &str| attributes.iter().find(|a| a["value"] == value).unwrap_or_else(|| panic!("{value}"));
    assert_eq!((&find(WALLET)["type"], &find(WALLET)["to_ids"]), (&"xmr".into(), &true.into()));
    assert_eq!(find("203.0.113.66")["type"], "ip-dst");
    assert_eq!(find("xmr.pool-eu.test|4444")["to_ids"], false, "three others use the pool");
    assert_eq!(find(KEY)["to_ids"], false);
    let tags = value["Event"]["Tag"].as_array().unwrap();
    let wanted = "misp-galaxy:mitre-attack-pattern=\"Compute Hijacking - T1496.001\"";
    assert!(tags.iter().any(|tag| tag["name"] == wanted), "{tags:#?}");
}

/// A reader of XML that knows enough: every `<` starts a tag of ours, tags close in order, every `&`
/// starts an entity.
#[test]
fn graphml_is_well_formed_and_its_edges_lead_from_node_to_node() {
    for campaign in campaigns::all() {
        let text = rendered(CampaignFormat::GraphMl, &campaign);
        let mut open: Vec<&str> = Vec::new();
        let mut nodes = BTreeSet::new();
        let mut ends = BTreeSet::new();
        for part in text.split('<').skip(1) {
            let (tag, rest) = part.split_once('>').expect("every tag ends");
            assert!(!rest.contains('>'), "a bare `>` in {rest}");
            let name = tag.trim_start_matches(['/', '?']).split([' ', '/', '?']).next().unwrap();
            assert!(
                ["xml", "graphml", "key", "graph", "desc", "node", "edge", "data"].contains(&name),
                "{tag}"
            );
            match tag {
                _ if tag.starts_with('?') || tag.ends_with('/') => {}
                _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name)),
                _ => open.push(name),
            }
            let value = |key: &str| {
                let (_, after) = tag.split_once(&format!(" {key}=\""))?;
                after.split('"').next()
            };
            if name == "node" {
                nodes.extend(value("id"));
            }
            ends.extend(value("source"));
            ends.extend(value("target"));
        }
        assert!(open.is_empty());
        assert!(ends.is_subset(&nodes), "{:?}", ends.difference(&nodes).collect::<Vec<_>>());
        let holdings: usize = campaign.shared.iter().map(|s| s.members.len()).sum();
        assert!(nodes.len() >= campaign.members.len() + campaign.shared.len());
        assert!(text.matches(">holds</data>").count() <= holdings);
        for entity in text.split('&').skip(1) {
            let name = entity.split(';').next().unwrap();
            assert!(["amp", "lt", "gt", "quot", "apos"].contains(&name), "{name}");
        }
    }
    let text = rendered(CampaignFormat::GraphMl, &campaigns::lineup());
    assert!(text.contains("<data key=\"e-weight\">25.000</data>"), "the wallet's weight stands on its edges");
}

#[test]
fn no_cell_of_the_table_is_a_formula() {
    for campaign in campaigns::all() {
        let text = rendered(CampaignFormat::Csv, &campaign);
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap().len(), 10);
        let mut rows = 0;
        for record in reader.records() {
            let record = record.unwrap();
            rows += 1;
            for cell in &record {
                // A semicolon begins a cell where commas are in numbers.
                for part in cell.split(';') {
                    let first = part.trim_start_matches([' ', '"', '\u{a0}']).chars().next();
                    assert!(!first.is_some_and(|c| "=+-@\t\r\n|%".contains(c)), "{cell}");
                }
                assert!(cell.chars().count() <= 4_001);
            }
        }
        let manifests: usize = campaign.members.iter().map(|m| m.manifests.len()).sum();
        assert_eq!(rows, campaign.shared.len() + campaign.members.len() + manifests);
    }
    assert!(rendered(CampaignFormat::Csv, &campaigns::hostile()).contains("'=1+1"));
}

#[test]
fn markdown_of_a_campaign_makes_no_link_mention_cell_or_element_of_the_actors() {
    for campaign in campaigns::all() {
        let text = rendered(CampaignFormat::Markdown, &campaign);
        assert!(text.len() <= 65_536, "{}", text.len());
        let mut rest = text.clone();
        for tag in ["<code>", "</code>", "<sub>", "</sub>", "<!-- -->"] {
            rest = rest.replace(tag, "");
        }
        assert!(!rest.contains('<'), "{}", rest.split('<').nth(1).unwrap_or_default());
        for bad in ["@", "http://", "www.", "https://evil", "`", "GH-1", "gl-2", "%milestone"] {
            assert!(!text.contains(bad), "{bad}");
        }
        for start in ["&#64;", "&#35;", "&#58;"] {
            assert!(text.split(start).skip(1).all(|rest| rest.starts_with("<!-- -->")), "{start}");
        }
        for link in text.split("](").skip(1) {
            assert!(link.starts_with("https://attack.mitre.org/techniques/T"), "{link}");
        }
        common::assert_tables_are_even(&text);
    }
}

#[test]
fn the_mail_to_an_abuse_desk_holds_no_address_that_leads_anywhere() {
    for campaign in campaigns::all() {
        let text = rendered(CampaignFormat::Abuse, &campaign);
        let lower = text.to_ascii_lowercase();
        for bad in
            ["://x", "http:", "https:", "www.", "mailto:a", "@e", "\u{3002}invalid", "\u{1f4a9}.invalid"]
        {
            assert!(!lower.contains(bad), "{bad}");
        }
        assert_eq!(text.matches("://").count(), text.matches("[://]").count());
        for word in text.split(|c: char| c.is_whitespace() || "\"'`()<>,;|=!{}".contains(c)) {
            if ["/", "./", "../"].iter().any(|start| word.starts_with(start)) && !word.contains("//") {
                continue;
            }
            let labels: Vec<&str> = word.split('.').collect();
            let address = labels.windows(2).any(|pair| {
                pair[0].ends_with(|c: char| c.is_alphanumeric())
                    && pair[1].starts_with(|c: char| c.is_alphabetic())
            });
            assert!(!address, "{word}");
            assert!(word.parse::<std::net::IpAddr>().is_err(), "{word}");
        }
    }
    let text = rendered(CampaignFormat::Abuse, &campaigns::lineup());
    assert!(text.contains(WALLET), "a wallet stays whole");
    assert!(text.contains("hxxp[://]203[.]0[.]113[.]66:8220/logo3[.]jpg"), "{text}");
    for member in campaigns::lineup().members {
        assert!(text.contains(&member.digest.to_string()));
        assert!(text.contains(&member.manifests[0].to_string()));
    }
    assert!(text.lines().all(|line| line.chars().count() <= 76
        || !line.trim().contains(' ')
        || line.contains("sha256:")
        || line.contains(WALLET)));
}
