//! What of a campaign protects others: entries of a feed.

use std::collections::BTreeMap;

use lazaret_hunt::graph::weight::{Bond, MERELY_NAMED, base, in_bits};
use lazaret_model::{Campaign, Member, one_line};
use lazaret_trust::{Action, Entry, MAX_TEXT, Subject};

/// What a campaign gives to a feed.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Its entries, by subject.
    pub entries: Vec<Entry>,
    /// How many of its indicators say too little to deny anybody for.
    pub too_little: usize,
    /// How many are longer than what is remembered of them: in an entry they would deny nobody.
    pub too_long: usize,
    /// How many digests of its images are in honest hands too: who denies these denies honest images.
    pub spared: usize,
}

/// The entries of a campaign.
///
/// Denied are the images themselves, what is an owner's alone (wallets, keys, logins), and places that
/// are not public. Scripts, programs and layers tie images, and may be those of a public base that was
/// not seen otherwise: who denies one of them refuses everything that is built on it, and a person has
/// to want that. Habits of a builder and fuzzy hashes convict nobody.
pub(super) fn entries(campaign: &Campaign, author: &str) -> Given {
    let mut entries: BTreeMap<Subject, Entry> = BTreeMap::new();
    let mut add = |subject: Subject, reason: String| {
        entries.entry(subject.clone()).or_insert_with(|| Entry {
            action: Action::Deny,
            subject,
            campaign: Some(campaign.id.clone()),
            reason: bounded(reason),
            author: author.to_owned(),
            expires: None,
        });
    };
    let mut spared = 0;
    for member in &campaign.members {
        let reason = format!("{}: {}", named(member), one_line(&member.why, 400));
        spared += member.spared.len();
        for digest in member.accused() {
            add(Subject::Image(digest.clone()), reason.clone());
        }
    }
    let (mut too_little, mut too_long) = (0, 0);
    for shared in campaign.shared.iter().chain(&campaign.lone) {
        let of = base(shared.indicator.kind, &shared.indicator.value);
        let counts = match of.bond {
            Bond::Owner => shared.bits > 0.0,
            // What members merely fetch from may be any vendor's.
            Bond::Infrastructure => {
                of.bits > 0 && shared.bits > in_bits(MERELY_NAMED) && shared.elsewhere == 0
            }
            Bond::Tool | Bond::Habit => false,
        };
        match Subject::seen(&shared.indicator) {
            Some(_) if counts && is_shortened(&shared.indicator.value) => too_long += 1,
            Some(subject) if counts => {
                let of = match shared.members.len() {
                    1 => "of one image of the campaign".to_owned(),
                    images => format!("shared by {images} images of the campaign"),
                };
                add(subject, format!("{of}: {}", one_line(&shared.why, 400)));
            }
            _ => too_little += 1,
        }
    }
    Given { entries: entries.into_values().collect(), too_little, too_long, spared }
}

/// A reason as long as an entry takes it. A name and a sentence that come from an image are bounded in
/// characters, of which one may have four bytes.
fn bounded(reason: String) -> String {
    const CUT: &str = "…";
    if reason.len() <= MAX_TEXT {
        return reason;
    }
    let mut end = MAX_TEXT - CUT.len();
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT}", &reason[..end])
}

/// Whether a value ends with the hash of all of it, in place of the rest.
fn is_shortened(value: &str) -> bool {
    let hash = value.rsplit_once('…').map(|(_, hash)| hash);
    hash.is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()))
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
    fn a_reason_from_an_image_is_cut_to_what_an_entry_takes() {
        let long = bounded("矿".repeat(400));
        assert!(long.len() <= MAX_TEXT && long.ends_with("矿…"), "{}", long.len());
        assert_eq!(bounded("x".repeat(MAX_TEXT)), "x".repeat(MAX_TEXT));
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
            spared: Vec::new(),
            built: Vec::new(),
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
            lines: Vec::new(),
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
                shared(IndicatorKind::Url, "https://get.vendor.invalid/install.sh", 3.5, 0),
                shared(IndicatorKind::Pool, "stratum+tcp://eu.anypool.invalid:3333", 4.0, 0),
                shared(IndicatorKind::Host, "github.com", 0.0, 0),
                shared(IndicatorKind::ScriptHash, &hash, 12.0, 0),
                shared(IndicatorKind::ElfHash, &common, 2.0, 0),
                shared(IndicatorKind::FuzzyHash, "script T1abc", 9.0, 0),
                shared(IndicatorKind::BuilderTrace, "user dm117", 12.0, 0),
                shared(IndicatorKind::SshKey, &format!("ssh-rsa AAAAB3Nz…{}", "ab".repeat(32)), 24.0, 0),
            ],
            ..Campaign::default()
        };
        let Given { entries, too_little, too_long, .. } = entries(&campaign, "J. Doe");
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
        assert_eq!((too_little, too_long), (8, 1));
        assert!(entries.iter().all(|entry| entry.campaign.as_deref() == Some("LZ-3f9a1c20")));
        assert!(entries[0].reason.starts_with("docker.io/somebody/mysql:latest: it starts a miner"));
    }
}
