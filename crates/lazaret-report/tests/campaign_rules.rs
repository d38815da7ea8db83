//! Packs of rules that are made from campaigns. That our own checker accepts them is tested with
//! the program (`crates/lazaret/tests/campaign.rs`).
#![allow(clippy::unwrap_used)]

mod common;

use common::campaigns::{self, KEY, WALLET};
use lazaret_model::Campaign;
use lazaret_report::{CampaignFormat, campaign_pack};

fn packs(campaign: &Campaign) -> Vec<(String, String)> {
    [CampaignFormat::Sigma, CampaignFormat::Yara]
        .into_iter()
        .flat_map(|format| campaign_pack(campaign, format).unwrap())
        .map(|file| (file.name, file.text))
        .collect()
}

#[test]
fn only_packs_of_rules_are_folders() {
    for format in CampaignFormat::ALL {
        let pack = campaign_pack(&campaigns::lineup(), format);
        let rules = matches!(format, CampaignFormat::Sigma | CampaignFormat::Yara);
        assert_eq!(pack.is_some(), rules, "{format}");
    }
}

#[test]
fn names_of_rule_files_are_plain_whatever_the_campaign_is_called() {
    for mut campaign in [campaigns::lineup(), campaigns::tricky()] {
        for id in
            [campaign.id.clone(), "../../etc/x".to_owned(), campaigns::HOSTILE.to_owned(), String::new()]
        {
            campaign.id = id;
            let files = packs(&campaign);
            assert!(!files.is_empty());
            for (name, _) in files {
                let (stem, ending) = name.rsplit_once('.').unwrap();
                assert!(["yml", "yar"].contains(&ending), "{name}");
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                assert!(stem.chars().all(plain) && stem.len() < 120 && !stem.starts_with('-'), "{name}");
            }
        }
    }
}

#[test]
fn what_has_no_strict_form_never_becomes_a_rule() {
    assert_eq!(packs(&campaigns::hostile()), []);
    assert_eq!(packs(&Campaign::default()), []);
}

#[test]
fn what_others_hold_and_what_everybody_uses_never_becomes_a_rule() {
    let text: String = packs(&campaigns::lineup()).into_iter().map(|(_, text)| text).collect();
    assert!(text.contains(WALLET) && text.contains(KEY.split(' ').nth(1).unwrap()));
    let outside_of_lines: String = packs(&campaigns::lineup())
        .into_iter()
        .filter(|(name, _)| !name.contains("script"))
        .map(|(_, text)| text)
        .collect();
    assert!(!outside_of_lines.contains("xmr.pool-eu.test"), "three others use this pool");
    let text: String = packs(&campaigns::tricky()).into_iter().map(|(_, text)| text).collect();
    for absent in ["githubusercontent", "169.254.169.254", "a*/b", "POOL="] {
        assert!(!text.contains(absent), "{absent}");
    }
    for present in ["https://github.com/someone/tool", "x_y-z.invalid", "a.worker-1@mail+x", "198.51.100.77"]
    {
        assert!(text.contains(present) || text.contains(&present.replace('.', "\\\\.")), "{present}");
    }
    assert!(!text.contains("\"https://github.com\""));
}

#[test]
fn no_example_can_be_ended_by_what_it_quotes() {
    for campaign in [campaigns::lineup(), campaigns::tricky(), campaigns::large(60)] {
        for file in campaign_pack(&campaign, CampaignFormat::Yara).unwrap() {
            assert_eq!(file.text.matches("/*").count(), 2, "{}", file.text);
            assert_eq!(file.text.matches("*/").count(), 2, "{}", file.text);
            assert_eq!(file.text.matches("\nrule ").count() + usize::from(file.text.starts_with("rule ")), 1);
        }
    }
}
