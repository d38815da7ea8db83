//! What of a campaign protects others: entries of a feed.

use std::collections::BTreeMap;

use lazaret_hunt::graph::weight::{Bond, base};
use lazaret_model::{Campaign, Member, one_line};
use lazaret_trust::{Action, Entry, Subject};

/// The entries of a campaign, and how many of its indicators say too little to deny anybody for.
///
/// Denied are the images themselves, what is an owner's alone (wallets, keys, logins), and places that
/// are not public. Scripts, programs and layers tie images, and may be those of a public base that was
/// not seen otherwise: who denies one of them refuses everything that is built on it, and a person has
/// to want that. Habits of a builder and fuzzy hashes convict nobody.
pub(super) fn entries(campaign: &Campaign, author: &str) -> (Vec<Entry>, usize) {
    let mut entries: BTreeMap<Subject, Entry> = BTreeMap::new();
    let mut add = |subject: Subject, reason: String| {
        entries.entry(subject.clone()).or_insert_with(|| Entry {
            action: Action::Deny,
            subject,
            campaign: Some(campaign.id.clone()),
            reason,
            author: author.to_owned(),
            expires: None,
        });
    };
    for member in &campaign.members {
        let reason = format!("{}: {}", named(member), one_line(&member.why, 400));
        for digest in member.manifests.iter().chain([&member.digest]) {
            add(Subject::Image(digest.clone()), reason.clone());
        }
    }
    let mut left_out = 0;
    for shared in &campaign.shared {
        let of = base(shared.indicator.kind, &shared.indicator.value);
        let counts = match of.bond {
            Bond::Owner => shared.bits > 0.0,
            Bond::Infrastructure => of.bits > 0 && shared.bits > 0.0 && shared.elsewhere == 0,
            Bond::Tool | Bond::Habit => false,
        };
        match Subject::seen(&shared.indicator) {
            Some(subject) if counts => {
                let images = shared.members.len();
                add(
                    subject,
                    format!("shared by {images} images of the campaign: {}", one_line(&shared.why, 400)),
                );
            }
            _ => left_out += 1,
        }
    }
    (entries.into_values().collect(), left_out)
}

fn named(member: &Member) -> String {
    match &member.tag {
        Some(tag) => one_line(&format!("{}:{tag}", member.repository), 300),
        None => one_line(&member.repository, 300),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use lazaret_model::{Digest, Indicator, IndicatorKind, Outcome, Shared};

    use super::*;

    fn shared(kind: IndicatorKind, value: &str, bits: f64, elsewhere: u64) -> Shared {
        Shared {
            indicator: Indicator::new(kind, value),
            bits,
            why: "seen nowhere else".to_owned(),
            members: vec![0, 1],
            elsewhere,
            place: "/start.sh".to_owned(),
        }
    }

    #[test]
    fn a_campaign_denies_what_is_its_own_and_nothing_that_others_have() {
        let hash = format!("sha256:{}", "ab".repeat(32));
        let common = format!("sha256:{}", "cd".repeat(32));
        let (index, manifest) = (Digest::sha256(&[1; 32]), Digest::sha256(&[2; 32]));
        let member = Member {
            repository: "docker.io/somebody/mysql".to_owned(),
            tag: Some("latest".to_owned()),
            digest: index.clone(),
            manifests: vec![manifest.clone()],
            platforms: Vec::new(),
            account: None,
            description: String::new(),
            created: None,
            updated: None,
            pulls: None,
            stars: None,
            outcome: Outcome::Malicious,
            why: "it starts a miner".to_owned(),
            deeds: Vec::new(),
            rules: Vec::new(),
            built_on: None,
        };
        let campaign = Campaign {
            id: "LZ-3f9a1c20".to_owned(),
            members: vec![member],
            shared: vec![
                shared(IndicatorKind::Wallet, "xmr:4abc", 24.0, 1),
                shared(IndicatorKind::Host, "c2.example.invalid", 13.0, 0),
                shared(IndicatorKind::Host, "cdn.example.invalid", 4.0, 3),
                shared(IndicatorKind::Host, "github.com", 0.0, 0),
                shared(IndicatorKind::ScriptHash, &hash, 12.0, 0),
                shared(IndicatorKind::ElfHash, &common, 2.0, 0),
                shared(IndicatorKind::FuzzyHash, "script T1abc", 9.0, 0),
                shared(IndicatorKind::BuilderTrace, "user dm117", 12.0, 0),
            ],
            ..Campaign::default()
        };
        let (entries, left_out) = entries(&campaign, "J. Doe");
        let told: Vec<String> = entries.iter().map(|entry| entry.subject.to_string()).collect();
        let mut wanted = vec![
            format!("image {index}"),
            format!("image {manifest}"),
            "wallet xmr:4abc".to_owned(),
            "host c2.example.invalid".to_owned(),
        ];
        let mut sorted = told.clone();
        sorted.sort();
        wanted.sort();
        assert_eq!(sorted, wanted);
        assert_eq!(left_out, 6);
        assert!(entries.iter().all(|entry| entry.campaign.as_deref() == Some("LZ-3f9a1c20")));
        assert!(entries[0].reason.starts_with("docker.io/somebody/mysql:latest: it starts a miner"));
    }
}
