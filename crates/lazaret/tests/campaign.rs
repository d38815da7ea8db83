//! `lazaret campaign`, and what is made of campaigns, on the command line.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

#[path = "../../lazaret-report/tests/common/campaigns.rs"]
mod campaigns;

use std::fs;

use lazaret_report::{CampaignFormat, campaign_pack};
use serde_json::{Value, json};
use support::{Place, Said};

#[test]
fn our_own_checker_accepts_every_pack_of_rules_made_from_a_campaign() {
    let place = Place::new();
    let told =
        [("lineup", campaigns::lineup()), ("large", campaigns::large(60)), ("tricky", campaigns::tricky())];
    for (name, campaign) in told {
        for format in [CampaignFormat::Sigma, CampaignFormat::Yara] {
            let files = campaign_pack(&campaign, format).unwrap();
            assert!(files.len() >= 2, "{name} {format}");
            let dir = place.path(&format!("{name}-{format}"));
            fs::create_dir(&dir).unwrap();
            for file in &files {
                fs::write(dir.join(&file.name), &file.text).unwrap();
            }
            let checked = place.run(&["rules", "check", dir.to_str().unwrap()]);
            assert_eq!(checked.code, 0, "{name} {format} {checked:?}");
            let wanted = format!("{} rules, {} examples, 0 problems", files.len(), 2 * files.len());
            assert!(checked.out.contains(&wanted), "{name} {format} {checked:?}");
        }
    }
}

/// A store that has seen the line-up of the lab with what its site says of it, and the wallet that
/// ties nine of it.
struct Seen {
    place: Place,
    store: String,
    wallet: String,
}

fn seen() -> Seen {
    let place = Place::new();
    let cases = lazaret_lab::cases().unwrap();
    let lineup: Vec<_> = cases.iter().filter(|case| case.set == lazaret_lab::Set::Lineup).collect();
    let mut records = Vec::new();
    for case in &lineup {
        let dir = place.path("lab").join(case.path());
        fs::create_dir_all(&dir).unwrap();
        case.write_oci_layout(&dir).unwrap();
        records.push(json!({"path": case.path(), "account": case.account, "repository": case.repository,
            "tag": case.tag, "description": case.description, "created": case.created, "updated": case.updated,
            "pulls": case.pulls}));
    }
    assert_eq!(records.len(), 17);
    fs::write(place.path("lab/hub.json"), Value::from(records).to_string()).unwrap();
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let hub = place.path("lab/hub.json").display().to_string();
    let hunted = place.run(&["hunt", "--store", &store, "--metadata", &hub, "--no-progress"]);
    assert_eq!(hunted.code, 1, "{hunted:?}");
    let listed = place.run(&["campaigns", "--store", &store]);
    assert_eq!(listed.code, 0, "{listed:?}");
    Seen { place, store, wallet: lazaret_lab::wallet("xmr", "dockmaster117").unwrap() }
}

impl Seen {
    fn campaign(&self, more: &[&str]) -> Said {
        let fixed = ["campaign", "--store", self.store.as_str()];
        self.place.run(&fixed.iter().chain(more).copied().collect::<Vec<_>>())
    }
}

#[test]
fn the_line_up_is_told_as_the_case_was_in_every_form() {
    let seen = seen();
    let totals = format!("wallet,amount,currency,usd,source\n{},544.74,XMR,90000,a report\n", seen.wallet);
    fs::write(seen.place.path("wallets.csv"), totals).unwrap();
    let wallets = seen.place.path("wallets.csv").display().to_string();

    // The beginning of a name is enough, with or without the letters that all begin with.
    let said = seen.campaign(&["lz", "-f", "json", "--wallets", &wallets]);
    assert_eq!(said.code, 0, "{said:?}");
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let campaign = &told["campaign"];
    let id = campaign["id"].as_str().unwrap();
    let members = campaign["members"].as_array().unwrap();
    assert_eq!(members.len(), 17, "{said:?}");
    for case in lazaret_lab::cases().unwrap().iter().filter(|case| case.set == lazaret_lab::Set::Lineup) {
        let name = format!("docker.io/{}/{}", case.account, case.repository);
        let member =
            members.iter().find(|m| m["repository"] == name.as_str()).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(member["created"], case.created.as_str(), "{name}");
        assert_eq!(member["updated"], case.updated.as_str(), "{name}");
        assert_eq!(member["pulls"], case.pulls, "{name}");
        assert_eq!(member["verdict"], "malicious");
        assert!(!member["deeds"].as_array().unwrap().is_empty(), "{name}");
    }
    let miners = members
        .iter()
        .filter(|m| m["deeds"].as_array().unwrap().iter().any(|deed| deed["kind"] == "miner-in-place"))
        .count();
    assert_eq!(miners, 9);
    let shared = campaign["shared"].as_array().unwrap();
    let wallet = shared.iter().find(|s| s["kind"] == "wallet").unwrap();
    assert_eq!(wallet["value"], format!("xmr:{}", seen.wallet));
    assert_eq!(wallet["members"].as_array().unwrap().len(), 9);
    assert_eq!(campaign["revenue"][0]["amount"], "544.74");
    assert!(campaign["timeline"].as_array().unwrap().len() >= 17);

    // The same memory, the same bytes; and each form is the form that it says.
    for format in CampaignFormat::ALL {
        let word = format.word();
        let said = seen.campaign(&[id, "-f", word]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(said.out, seen.campaign(&[&id[3..], "-f", word]).out, "{word}");
        let starts = match format {
            CampaignFormat::Text => "Campaign LZ-",
            CampaignFormat::Json | CampaignFormat::Stix | CampaignFormat::Misp => "{",
            CampaignFormat::Markdown => "### ",
            CampaignFormat::GraphMl => "<?xml",
            CampaignFormat::Csv => "kind,value,",
            CampaignFormat::Sigma => "title: ",
            CampaignFormat::Yara => "rule campaign_lz_",
            CampaignFormat::Abuse => "Subject: 17 malicious images",
            CampaignFormat::Html => "<!DOCTYPE html>",
        };
        assert!(said.out.starts_with(starts), "{word}: {}", &said.out[..200]);
    }
    for line in seen.campaign(&[id]).out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }

    // The packs, as a folder, are accepted, and catch the line-up again.
    for (format, image) in [("sigma", "lineup/mysql2"), ("yara", "lineup/tomcat")] {
        let dir = seen.place.path(format).display().to_string();
        let said = seen.campaign(&[id, "-f", format, "-o", &dir]);
        assert_eq!(said.code, 0, "{said:?}");
        let checked = seen.place.run(&["rules", "check", &dir]);
        assert_eq!(checked.code, 0, "{checked:?}");
        assert!(checked.out.contains(" 0 problems"), "{checked:?}");
        let image = format!("oci:{}", seen.place.path("lab").join(image).display());
        let caught =
            seen.place.run(&["scan", &image, "--no-store", "--only-rules", "--rules", &dir, "-f", "json"]);
        assert!(caught.out.contains(&id.to_lowercase()), "{format} {caught:?}");
    }
    // Both in one folder too, and what was quoted of scripts stands in the scripts that it was quoted of.
    let both = seen.place.path("both").display().to_string();
    for format in ["sigma", "yara"] {
        assert_eq!(seen.campaign(&[id, "-f", format, "-o", &both]).code, 0);
    }
    let checked = seen.place.run(&["rules", "check", &both]);
    assert!(checked.code == 0 && checked.out.contains(" 0 problems"), "{checked:?}");
    let lines_of = |image: &str| {
        let image = format!("oci:{}", seen.place.path("lab/lineup").join(image).display());
        let own = ["scan", &image, "--no-store", "--only-rules", "--rules", &both, "-f", "json"];
        seen.place.run(&own).out.contains("script-lines")
    };
    let images = fs::read_dir(seen.place.path("lab/lineup")).unwrap();
    let images = images.map(|image| image.unwrap().file_name().into_string().unwrap());
    assert!(images.into_iter().any(|image| lines_of(&image)), "no script of its own holds two lines");

    let one = seen.place.path("all.yar").display().to_string();
    assert_eq!(seen.campaign(&[id, "-f", "yara", "-o", &one]).code, 0);
    assert!(fs::read_to_string(&one).unwrap().starts_with("rule campaign_lz_"));
}

#[test]
fn a_campaign_becomes_a_feed_that_names_no_place_of_this_disk() {
    let seen = seen();
    let at = |name: &str| seen.place.path(name).display().to_string();
    let made = seen.place.run(&["feed", "keygen", "-o", &at("team.pem")]);
    assert_eq!(made.code, 0, "{made:?}");
    let (key, pack) = (at("team.pem"), at("pack.json"));
    let export =
        ["feed", "export", "-o", &pack, "--key", &key, "--name", "acme", "--version", "1", "--expires", "9d"];
    let more = ["--issuer", "Acme", "--campaign", "lz", "--store", &seen.store];
    let exported = seen.place.run(&[export.as_slice(), &more].concat());
    assert_eq!(exported.code, 0, "the beginning of the campaign's name is enough: {exported:?}");
    let envelope: Value = serde_json::from_str(&fs::read_to_string(&pack).unwrap()).unwrap();
    let payload = envelope["payload"].as_str().unwrap().as_bytes();
    let feed = String::from_utf8(data_encoding::BASE64.decode(payload).unwrap()).unwrap();
    assert!(feed.contains(&seen.wallet) && feed.contains("docker.io/dockmaster117/mysql"), "{feed}");
    assert!(!feed.contains(&at("lab")), "{feed}");
}

#[test]
fn what_cannot_be_told_is_said_in_one_line() {
    let place = Place::new();
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    for (arguments, wanted) in [
        (vec!["LZ-00000000"], "no campaign is called `LZ-00000000`: `lazaret campaigns` lists them"),
        (vec!["\u{1b}[2J"], "no campaign is called `\\x1b[2J`"),
        (vec![""], "no campaign is called ``"),
        (vec!["x", "-f", "pdf"], "`pdf` is no form of a campaign: choose one of text, json"),
        (vec!["x", "--wallets", "/nowhere.csv"], "/nowhere.csv"),
    ] {
        let fixed = ["campaign", "--store", store.as_str()];
        let said = place.run(&fixed.iter().chain(&arguments).copied().collect::<Vec<_>>());
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
        assert!(said.err.contains(wanted) && said.err.lines().count() == 1, "{said:?}");
    }
}
