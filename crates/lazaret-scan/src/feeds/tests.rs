#![allow(clippy::unwrap_used)]

use lazaret_detect::{Trace, Traced};
use lazaret_model::{
    Coverage, Digest, EntryPath, Image, ImageConfig, ImageReport, Indicator, IndicatorKind, Inventory,
    Location, Outcome, PinnedRef, Reach, Verdict,
};
use lazaret_trust::{Entry, Feed, Others, Pin, SigningKey, Subject, seal};
use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-22 10:00 UTC);

fn entry(action: Action, kind: &str, value: &str) -> Entry {
    Entry {
        action,
        subject: Subject::parse(kind, value).unwrap(),
        campaign: None,
        reason: "our mirror".to_owned(),
        author: "J. Doe".to_owned(),
        expires: None,
    }
}

fn pack(key: &SigningKey, name: &str, version: u64, entries: Vec<Entry>) -> Vec<u8> {
    let feed = Feed::new(name, version, NOW, NOW + time::Duration::days(30), "Acme", entries).unwrap();
    seal(&feed, key).unwrap().into_bytes()
}

/// What counts of packs that a person names, of a key that may allow and one that may not.
fn loaded(keys: [&SigningKey; 2], packs: &[Vec<u8>]) -> Feeds {
    let mut pins = Pins::default();
    for (key, allow) in keys.into_iter().zip([true, false]) {
        for feed in ["acme", "other"] {
            let pin = Pin { feed: feed.to_owned(), key: key.public(), note: None, allow };
            pins.pin(pin, Others::Keep).unwrap();
        }
    }
    let mut loading = Loading { pins, now: NOW, packs: BTreeMap::new(), left_out: Vec::new() };
    for (at, bytes) in packs.iter().enumerate() {
        let file = PathBuf::from(format!("{at}.json"));
        loading.take(&file.display().to_string(), Some(&file), bytes, &[]);
    }
    Feeds::of(loading, String::new())
}

fn keys() -> (SigningKey, SigningKey) {
    (SigningKey::generate().unwrap(), SigningKey::generate().unwrap())
}

fn report() -> ImageReport {
    let (manifest, config) = (Digest::sha256(&[1; 32]), Digest::sha256(&[2; 32]));
    let verdict = lazaret_detect::verdict(&[], &[]);
    assert_eq!(verdict.outcome, Outcome::Clean);
    ImageReport {
        image: Image {
            pinned: PinnedRef {
                repository: "docker.io/somebody/mysql".to_owned(),
                tag: None,
                digest: manifest.clone(),
            },
            manifest,
            config_digest: config,
            platform: None,
            config: ImageConfig::default(),
            layers: Vec::new(),
        },
        verdict,
        findings: Vec::new(),
        ignored: Vec::new(),
        gaps: Vec::new(),
        behaviours: Vec::new(),
        coverage: Coverage::default(),
        layer_sizes: Vec::new(),
        inventory: Inventory::default(),
        sightings: Vec::new(),
        base: None,
        launch: None,
    }
}

fn trace(kind: IndicatorKind, value: &str, location: Location, reach: Reach) -> Trace {
    Trace { what: Traced::Indicator(Indicator::new(kind, value)), location, reach }
}

fn file(path: &str) -> Location {
    Location::file(0, EntryPath::from(path))
}

#[test]
fn of_two_packs_that_are_named_the_newer_counts_in_any_order_and_the_other_is_told() {
    let (key, other) = keys();
    let host = |name: &str| vec![entry(Action::Deny, "host", name)];
    let (old, new) = (pack(&key, "acme", 1, host("a.invalid")), pack(&key, "acme", 2, host("b.invalid")));
    for (packs, left) in [([old.clone(), new.clone()], "0.json"), ([new.clone(), old], "1.json")] {
        let feeds = loaded([&key, &other], &packs);
        assert_eq!(feeds.used().iter().map(|used| used.pack.feed.version()).collect::<Vec<_>>(), [2]);
        let [told] = feeds.left_out() else { panic!("{:?}", feeds.left_out()) };
        assert_eq!((told.name.as_str(), told.file.as_deref()), (left, Some(Path::new(left))));
        assert!(told.reason.contains("it is version 1 of `acme`, and version 2 is used"), "{}", told.reason);
    }
    // The very same twice is one.
    assert!(loaded([&key, &other], &[new.clone(), new]).left_out().is_empty());
}

#[test]
fn of_two_packs_of_one_version_that_differ_one_does_not_count_and_is_told() {
    let (key, other) = keys();
    let packs =
        ["a.invalid", "b.invalid"].map(|host| pack(&key, "acme", 1, vec![entry(Action::Deny, "host", host)]));
    let feeds = loaded([&key, &other], &packs);
    let [told] = feeds.left_out() else { panic!("{:?}", feeds.left_out()) };
    assert!(told.reason.contains("seen before with other content"), "{}", told.reason);
    assert_eq!(feeds.used().len(), 1);
}

#[test]
fn what_suspects_is_not_pushed_out_of_the_list_by_much_that_does_not() {
    let (key, other) = keys();
    let variable = |number: usize| format!("MARK{number}=1");
    let mut entries: Vec<Entry> =
        (0..150).map(|number| entry(Action::Deny, "environment", &variable(number))).collect();
    entries.push(entry(Action::Deny, "wallet", "xmr:4abc"));
    let feeds = loaded([&key, &other], &[pack(&key, "acme", 1, entries)]);
    let config = Location::Config("Env".to_owned());
    let mut traces: Vec<Trace> = (0..150)
        .map(|number| trace(IndicatorKind::Environment, &variable(number), config.clone(), Reach::Starts))
        .collect();
    traces.push(trace(IndicatorKind::Wallet, "xmr:4abc", file("/opt/run.sh"), Reach::Reachable));
    let mut report = report();
    feeds.apply(&mut report, &traces, NOW);
    assert_eq!(report.verdict.outcome, Outcome::Suspicious, "{:?}", report.verdict);
    assert!(report.findings[0].message.contains("xmr:4abc"), "{}", report.findings[0].message);
    assert_eq!(report.findings.len(), 100);
}

#[test]
fn a_place_acts_as_far_as_the_one_who_says_most_of_it() {
    let (key, other) = keys();
    let feeds =
        loaded([&key, &other], &[pack(&key, "acme", 1, vec![entry(Action::Deny, "wallet", "xmr:4abc")])]);
    let place = file("/start.sh");
    let traces = [Reach::Dormant, Reach::Starts]
        .map(|reach| trace(IndicatorKind::Wallet, "xmr:4abc", place.clone(), reach));
    let mut report = report();
    feeds.apply(&mut report, &traces, NOW);
    assert_eq!(report.verdict.outcome, Outcome::Malicious, "{:?}", report.verdict);
}

#[test]
fn a_list_of_images_is_denied_by_its_digest() {
    let (key, other) = keys();
    let (denied, another) = (Digest::sha256(&[7; 32]), Digest::sha256(&[8; 32]));
    let feeds = loaded(
        [&key, &other],
        &[pack(&key, "acme", 1, vec![entry(Action::Deny, "image", &denied.to_string())])],
    );
    let (Verdict { outcome, why, .. }, finding) = feeds.against(&denied, NOW).unwrap();
    assert_eq!(outcome, Outcome::Malicious);
    assert!(why.contains("feed acme version 1 of Acme"), "{why}");
    assert_eq!(finding.rule.id, "feed/denied-digest");
    assert!(feeds.against(&another, NOW).is_none());
    assert!(feeds.against(&denied, NOW + time::Duration::days(31)).is_none());
}

#[test]
fn what_is_allowed_is_told_with_its_feed_and_only_where_its_key_may_allow() {
    let (may, may_not) = keys();
    let hash = format!("sha256:{}", "ab".repeat(32));
    let ours = pack(
        &may,
        "acme",
        3,
        vec![
            entry(Action::Allow, "host", "mirror.example.invalid"),
            entry(Action::Allow, "file", &hash),
            entry(Action::Deny, "host", "c2.example.invalid"),
        ],
    );
    let theirs = pack(&may_not, "other", 1, vec![entry(Action::Allow, "host", "theirs.example.invalid")]);
    let allowed = loaded([&may, &may_not], &[ours, theirs]).allowed(NOW);
    let told: Vec<String> = allowed.iter().map(|one| one.indicator.to_string()).collect();
    assert_eq!(
        told,
        ["host mirror.example.invalid".to_owned(), format!("script-hash {hash}"), format!("elf-hash {hash}")]
    );
    assert_eq!(allowed[0].by, "allowed by the feed acme version 3 of Acme: our mirror (J. Doe)");
}
