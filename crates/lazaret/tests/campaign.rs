//! `lazaret campaign`, and what is made of campaigns, on the command line.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

#[path = "../../lazaret-report/tests/common/campaigns.rs"]
mod campaigns;

use std::fs;

use lazaret_report::{CampaignFormat, campaign_pack};
use support::Place;

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
