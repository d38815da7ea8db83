//! What is told of a campaign, in every form.
#![allow(clippy::unwrap_used)]

mod common;

use common::campaigns::{self, HOSTILE, WALLET};
use lazaret_model::{Campaign, visible};
use lazaret_report::{CampaignFormat, Options, render_campaign};
use serde_json::Value;

fn rendered_with(format: CampaignFormat, campaign: &Campaign, options: &Options) -> String {
    let mut out = Vec::new();
    render_campaign(campaign, format, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn rendered(format: CampaignFormat, campaign: &Campaign) -> String {
    rendered_with(format, campaign, &Options::default())
}

fn parsed(format: CampaignFormat, campaign: &Campaign) -> Value {
    serde_json::from_str(&rendered(format, campaign)).unwrap()
}

#[test]
fn every_word_names_its_form_and_an_unknown_word_names_them_all() {
    for format in CampaignFormat::ALL {
        assert_eq!(format.word().parse(), Ok(format));
    }
    let error = "pdf\u{1b}".parse::<CampaignFormat>().unwrap_err().to_string();
    assert_eq!(visible(&error), error);
    for format in CampaignFormat::ALL {
        assert!(error.contains(format.word()), "{error}");
    }
}

#[test]
fn the_same_campaign_gives_the_same_bytes() {
    for format in CampaignFormat::ALL {
        for (a, b) in campaigns::all().iter().zip(campaigns::all().iter()) {
            assert_eq!(rendered(format, a), rendered(format, b), "{format}");
        }
    }
}

#[test]
fn no_form_holds_a_character_that_acts() {
    for campaign in campaigns::all() {
        for format in CampaignFormat::ALL {
            let text = rendered(format, &campaign);
            for line in text.split('\n') {
                let line = line.strip_suffix('\r').unwrap_or(line);
                assert_eq!(visible(line), line, "{format}");
            }
        }
    }
}

#[test]
fn the_text_tells_the_table_the_wallet_and_the_span() {
    let text = rendered(CampaignFormat::Text, &campaigns::lineup());
    for line in [
        "Campaign LZ-3f9a1c20",
        "active      2024-07-20 to 2025-03-09, 232 days",
        "pulls       5,424,213",
        "  mysql     2024-10-11  2024-11-19  1,402,390  host cron, deception",
        "  mysql6    2024-12-06  2025-03-09    301,999  host cron, SSH key",
        "  t1        2024-07-20  2024-07-21      1,044  reverse shell",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    let joined: String = text.split_whitespace().collect();
    assert!(joined.contains(WALLET));
    assert!(joined.contains("9of17images(data,kk"), "the wallet ties nine");
}

#[test]
fn no_line_of_the_text_is_wider_than_the_terminal() {
    for campaign in campaigns::all() {
        for width in [40, 80, 120] {
            for verbose in [0, 1] {
                let options = Options { width, verbose, ..Options::default() };
                let text = rendered_with(CampaignFormat::Text, &campaign, &options);
                for line in text.lines().skip(1) {
                    let wide = unicode_width::UnicodeWidthStr::width(line);
                    assert!(wide <= width, "{width}: {wide}: {line}");
                }
            }
        }
    }
}

#[test]
fn colours_are_the_only_escapes_of_the_text() {
    let options = Options { color: true, verbose: 1, ..Options::default() };
    for campaign in campaigns::all() {
        let text = rendered_with(CampaignFormat::Text, &campaign, &options);
        for after in text.split('\u{1b}').skip(1) {
            let own = after.strip_prefix('[').and_then(|rest| rest.split_once('m'));
            let own = own.is_some_and(|(digits, _)| digits.bytes().all(|b| b.is_ascii_digit() || b == b';'));
            assert!(own, "{:?}", after.chars().take(20).collect::<String>());
        }
    }
}

#[test]
fn json_is_valid_under_the_published_schema_and_keeps_every_character() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/campaign-v1.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for campaign in campaigns::all() {
        let value = parsed(CampaignFormat::Json, &campaign);
        let wrong: Vec<String> =
            schema.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    let mut value = parsed(CampaignFormat::Json, &campaigns::hostile());
    assert_eq!(value["campaign"]["members"][0]["tag"], HOSTILE);
    value["campaign"]["members"][0]["verdict"] = "fine".into();
    assert!(!schema.is_valid(&value), "the schema refuses a word that is no verdict");
}
