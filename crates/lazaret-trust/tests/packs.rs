//! Packs: what is written is read, and everything else is refused with a reason.
#![allow(clippy::unwrap_used, missing_docs)]

use data_encoding::{BASE64, HEXLOWER};
use lazaret_trust::{
    Action, Entry, Envelope, Feed, FeedError, MAX_ENTRIES, MAX_PACK_BYTES, Others, PAYLOAD_TYPE, Pack, Pin,
    Pins, Remembered, SigningKey, Subject, admit, open, parse_instant, seal,
};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const CREATED: OffsetDateTime = datetime!(2026-11-22 10:00 UTC);
const EXPIRES: OffsetDateTime = datetime!(2027-02-22 10:00 UTC);

fn entry(action: Action, kind: &str, value: &str) -> Entry {
    Entry {
        action,
        subject: Subject::parse(kind, value).unwrap(),
        campaign: Some("LZ-3f9a1c20".to_owned()),
        reason: "seen in seventeen images".to_owned(),
        author: "threat research".to_owned(),
        expires: None,
    }
}

fn entries() -> Vec<Entry> {
    vec![
        entry(Action::Deny, "wallet", "xmr:4abc"),
        entry(Action::Deny, "image", &format!("sha256:{}", "ab".repeat(32))),
        entry(Action::Deny, "host", "c2.example.invalid"),
        Entry {
            expires: Some(datetime!(2026-12-01 00:00 UTC)),
            campaign: None,
            ..entry(Action::Allow, "file", &"cd".repeat(32))
        },
    ]
}

fn feed(version: u64, entries: Vec<Entry>) -> Feed {
    Feed::new("acme", version, CREATED, EXPIRES, "Acme, threat research", entries).unwrap()
}

fn pinned(name: &str, key: &SigningKey) -> Pins {
    let mut pins = Pins::default();
    pins.pin(Pin { feed: name.to_owned(), key: key.public(), note: None, allow: false }, Others::Keep)
        .unwrap();
    pins
}

/// What a key signs of a payload that is not ours.
fn signed(payload: &[u8], key: &SigningKey) -> Vec<u8> {
    Envelope::sign(PAYLOAD_TYPE, payload.to_vec(), key).unwrap().encode().into_bytes()
}

#[test]
fn a_pack_says_what_was_put_into_it() {
    let key = SigningKey::generate().unwrap();
    let feed = feed(7, entries());
    let text = seal(&feed, &key).unwrap();
    assert!(text.is_ascii() && text.ends_with("}\n") && text.lines().count() == 1);
    let pack = open(text.as_bytes(), &pinned("acme", &key)).unwrap();
    assert_eq!(pack.feed, feed);
    assert_eq!(pack.signer, key.public().id());
    pack.check_time(CREATED).unwrap();
}

#[test]
fn equal_entries_give_equal_bytes_in_whatever_order_they_come() {
    let mut turned = entries();
    turned.reverse();
    turned.push(turned[0].clone());
    let (one, other) = (feed(7, entries()), feed(7, turned));
    assert_eq!(one.encode(), other.encode());
    let key = SigningKey::generate().unwrap();
    assert_eq!(seal(&one, &key).unwrap(), seal(&other, &key).unwrap());
    assert_ne!(one.encode(), feed(8, entries()).encode());
    let text = String::from_utf8(one.encode()).unwrap();
    assert_eq!(
        text.split(",\"entries\"").next().unwrap(),
        "{\"name\":\"acme\",\"version\":7,\"created\":\"2026-11-22T10:00:00Z\",\"expires\":\"2027-02-22T10:00:00Z\",\
         \"issuer\":\"Acme, threat research\""
    );
}

#[test]
fn a_changed_byte_anywhere_is_noticed() {
    let key = SigningKey::generate().unwrap();
    let pins = pinned("acme", &key);
    let text = seal(&feed(7, entries()), &key).unwrap().into_bytes();
    let whole = open(&text, &pins).unwrap();
    let hint = HEXLOWER.encode(&[0]).len(); // Two digits of the hint, which nobody signed.
    assert_eq!(hint, 2);
    let hinted = String::from_utf8(text.clone()).unwrap().find("\"keyid\"").unwrap();
    let mut refused = 0;
    for at in 0..text.len() {
        for change in [1u8, 0x20, 0x80] {
            let mut changed = text.clone();
            changed[at] ^= change;
            match open(&changed, &pins) {
                Err(_) => refused += 1,
                // The hint at the key, its name, and blanks between the parts carry no meaning.
                Ok(pack) => {
                    assert_eq!(pack, whole);
                    assert!(
                        at >= hinted && at < hinted + 80 || text[at] == b'\n',
                        "byte {at} of {}",
                        text.len()
                    );
                }
            }
        }
    }
    assert!(refused > text.len() * 2, "{refused} of {}", text.len() * 3);
    for end in (0..text.len() - 1).step_by(37) {
        assert!(open(&text[..end], &pins).is_err(), "cut at {end}");
    }
}

#[test]
fn a_pack_needs_a_key_that_is_pinned_for_its_name() {
    let (ours, theirs) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let text = seal(&feed(7, entries()), &theirs).unwrap();
    assert_eq!(open(text.as_bytes(), &Pins::default()), Err(FeedError::NothingPinned));
    let said = open(text.as_bytes(), &pinned("acme", &ours)).unwrap_err();
    assert_eq!(said, FeedError::NotSignedByPinned(theirs.public().id().to_string()));
    let mut pins = pinned("acme", &ours);
    pins.pin(
        Pin { feed: "other".to_owned(), key: theirs.public(), note: None, allow: false },
        Others::Refuse,
    )
    .unwrap();
    let said = open(text.as_bytes(), &pins).unwrap_err();
    assert_eq!(
        said,
        FeedError::OtherName { name: "acme".to_owned(), key: theirs.public().id().short().to_owned() }
    );
    // Both sign: one who is pinned for the name is enough.
    let mut both = Envelope::parse(text.as_bytes()).unwrap();
    let ours_too = Envelope::sign(PAYLOAD_TYPE, both.payload.clone(), &ours).unwrap();
    both.signatures.extend(ours_too.signatures);
    assert_eq!(open(both.encode().as_bytes(), &pins).unwrap().signer, ours.public().id());
}

#[test]
fn of_two_who_signed_the_one_who_may_allow_is_named() {
    let keys = [SigningKey::generate().unwrap(), SigningKey::generate().unwrap()];
    let payload = feed(1, entries()).encode();
    let envelopes = keys.each_ref().map(|key| Envelope::sign(PAYLOAD_TYPE, payload.clone(), key).unwrap());
    let [mut both, other] = envelopes;
    both.signatures.extend(other.signatures);
    for allowing in &keys {
        let mut pins = Pins::default();
        for key in &keys {
            let allow = std::ptr::eq(key, allowing);
            let pin = Pin { feed: "acme".to_owned(), key: key.public(), note: None, allow };
            pins.pin(pin, Others::Keep).unwrap();
        }
        let pack = open(both.encode().as_bytes(), &pins).unwrap();
        assert_eq!(pack.signer, allowing.public().id());
    }
}

#[test]
fn nothing_is_read_of_what_no_pinned_key_signed() {
    let (ours, theirs) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let nonsense = signed(b"{\"name\":", &theirs);
    assert!(matches!(open(&nonsense, &pinned("acme", &ours)), Err(FeedError::NotSignedByPinned(_))));
    assert!(matches!(open(&nonsense, &pinned("acme", &theirs)), Err(FeedError::Form(_))));
    let other = Envelope::sign("application/vnd.in-toto+json", b"{}".to_vec(), &ours).unwrap().encode();
    assert!(matches!(open(other.as_bytes(), &pinned("acme", &ours)), Err(FeedError::OtherType(..))));
}

#[test]
fn an_unsigned_pack_is_refused() {
    let key = SigningKey::generate().unwrap();
    let mut envelope = Envelope::parse(seal(&feed(7, entries()), &key).unwrap().as_bytes()).unwrap();
    envelope.signatures.clear();
    assert_eq!(open(envelope.encode().as_bytes(), &pinned("acme", &key)), Err(FeedError::Unsigned));
    let bare = feed(7, entries()).encode();
    assert!(matches!(open(&bare, &pinned("acme", &key)), Err(FeedError::NoEnvelope(_))));
}

#[test]
fn a_pack_counts_from_its_making_to_its_end() {
    let key = SigningKey::generate().unwrap();
    let pack = open(seal(&feed(7, entries()), &key).unwrap().as_bytes(), &pinned("acme", &key)).unwrap();
    pack.check_time(EXPIRES - Duration::SECOND).unwrap();
    let said = pack.check_time(EXPIRES).unwrap_err();
    assert_eq!(said.to_string(), "it expired at 2027-02-22T10:00:00Z: ask its issuer for a newer one");
    pack.check_time(CREATED - Duration::hours(23)).unwrap();
    assert!(matches!(pack.check_time(CREATED - Duration::hours(25)), Err(FeedError::NotYet { .. })));
    let allowed = pack.feed.entries().iter().find(|entry| entry.action == Action::Allow).unwrap();
    assert!(allowed.counts(datetime!(2026-11-30 23:59 UTC)));
    assert!(!allowed.counts(datetime!(2026-12-01 00:00 UTC)));
}

#[test]
fn a_step_back_is_refused_and_one_version_has_one_content() {
    let key = SigningKey::generate().unwrap();
    let pins = pinned("acme", &key);
    let pack = |version, entries| -> Pack {
        open(seal(&feed(version, entries), &key).unwrap().as_bytes(), &pins).unwrap()
    };
    let seven = pack(7, entries());
    let known: Remembered = seven.remembered();
    assert_eq!(admit(&seven, None), Ok(true));
    assert_eq!(admit(&seven, Some(&known)), Ok(false));
    assert_eq!(admit(&pack(8, Vec::new()), Some(&known)), Ok(true));
    assert_eq!(
        admit(&pack(6, entries()), Some(&known)),
        Err(FeedError::Older { name: "acme".to_owned(), found: 6, known: 7 })
    );
    assert_eq!(
        admit(&pack(7, Vec::new()), Some(&known)),
        Err(FeedError::Changed { name: "acme".to_owned(), version: 7 })
    );
}

#[test]
fn what_two_readers_could_understand_in_two_ways_is_refused_even_if_it_is_signed() {
    let key = SigningKey::generate().unwrap();
    let pins = pinned("acme", &key);
    let right = String::from_utf8(feed(7, entries()).encode()).unwrap();
    assert!(open(&signed(right.as_bytes(), &key), &pins).is_ok());
    let wallet = "{\"action\":\"deny\",\"kind\":\"wallet\",\"value\":\"xmr:4abc\"";
    assert!(right.contains(wallet), "{right}");
    let changes: [(&str, &str); 12] = [
        ("\"version\":7", "\"version\":7,\"version\":8"),
        ("\"version\":7", "\"version\":7.0"),
        ("\"version\":7", "\"Version\":7"),
        ("\"version\":7", "\"version\":0"),
        ("\"version\":7", "\"version\":9223372036854775808"),
        ("\"version\":7", "\"version\": 7"),
        ("\"version\":7", "\"version\":7,\"trust\":\"all\""),
        ("2027-02-22T10:00:00Z", "2027-02-22T10:00:00+00:00"),
        ("2027-02-22T10:00:00Z", "2026-11-22T09:00:00Z"),
        ("\"kind\":\"wallet\"", "\"kind\":\"wallet\",\"kind\":\"host\""),
        ("c2.example.invalid", "C2.example.invalid"),
        ("\"name\":\"acme\"", "\"name\":\"\\u0061cme\""),
    ];
    for (from, to) in changes {
        assert!(right.contains(from), "{from}");
        let said = open(&signed(right.replace(from, to).as_bytes(), &key), &pins).unwrap_err();
        assert!(matches!(said, FeedError::Form(_) | FeedError::NotCanonical), "{to}: {said}");
    }
    // In another order, twice, and with something behind it.
    let list = right.split("\"entries\":[").nth(1).unwrap().trim_end_matches("]}");
    let turned: Vec<&str> = list.split("},{").collect();
    assert_eq!(turned.len(), 4);
    let objects: Vec<String> = turned
        .iter()
        .map(|one| format!("{{{}}}", one.trim_start_matches('{').trim_end_matches('}')))
        .collect();
    let head = right.split("\"entries\":[").next().unwrap();
    let with = |objects: &[&String]| {
        format!("{head}\"entries\":[{}]}}", objects.iter().map(|o| o.as_str()).collect::<Vec<_>>().join(","))
    };
    let all: Vec<&String> = objects.iter().collect();
    assert_eq!(with(&all), right);
    let backwards: Vec<&String> = objects.iter().rev().collect();
    let doubled: Vec<&String> = objects.iter().chain([&objects[0]]).collect();
    for text in [with(&backwards), with(&doubled), format!("{right} "), format!("{right}{right}")] {
        let said = open(&signed(text.as_bytes(), &key), &pins).unwrap_err();
        assert!(matches!(said, FeedError::Form(_) | FeedError::NotCanonical), "{said}");
    }
}

#[test]
fn a_feed_that_makes_no_sense_is_not_made() {
    let make = |name: &str, version, expires, issuer: &str, entries| {
        Feed::new(name, version, CREATED, expires, issuer, entries).map(drop).unwrap_err()
    };
    let long = "x".repeat(1_001);
    let two = vec![entry(Action::Deny, "host", "a.invalid"), entry(Action::Allow, "host", "A.invalid")];
    for (said, reason) in [
        (make("Acme", 1, EXPIRES, "a", vec![]), "no name of a feed"),
        (make("../x", 1, EXPIRES, "a", vec![]), "no name of a feed"),
        (make("", 1, EXPIRES, "a", vec![]), "no name of a feed"),
        (make("acme", 0, EXPIRES, "a", vec![]), "count from 1"),
        (make("acme", 1, CREATED, "a", vec![]), "before it was made"),
        (make("acme", 1, EXPIRES, " ", vec![]), "issuer is empty"),
        (make("acme", 1, EXPIRES, &long, vec![]), "more than 1000 bytes"),
        (make("acme", 1, EXPIRES, "a", two), "say different things"),
        (
            make("acme", 1, EXPIRES, "a", vec![Entry { reason: String::new(), ..entries()[0].clone() }]),
            "reason is empty",
        ),
    ] {
        assert!(said.contains(reason) && !said.contains('\n'), "{said}");
    }
    let many = vec![entries()[0].clone(); MAX_ENTRIES + 1];
    assert!(make("acme", 1, EXPIRES, "a", many).contains("at most 1000000"));
}

#[test]
fn a_pack_that_is_too_large_is_refused_before_it_is_looked_at() {
    let key = SigningKey::generate().unwrap();
    let blown = vec![b' '; usize::try_from(MAX_PACK_BYTES).unwrap() + 1];
    assert_eq!(
        open(&blown, &pinned("acme", &key)),
        Err(FeedError::TooLarge(MAX_PACK_BYTES + 1, MAX_PACK_BYTES))
    );
}

#[test]
fn a_hostile_text_in_an_error_is_one_line() {
    let key = SigningKey::generate().unwrap();
    let text = format!(
        "{{\"payload\":\"{}\",\"payloadType\":\"x\",\"signatures\":[{{\"keyid\":\"a\\n\\u001b[2J\\u202e\",\"sig\":\"AAAA\"}}]}}",
        BASE64.encode(b"{}")
    );
    let said = open(text.as_bytes(), &pinned("acme", &key)).unwrap_err().to_string();
    assert!(!said.contains(['\n', '\u{1b}', '\u{202e}']), "{said}");
    let payload = b"{\"name\":\"a\x1b\",\"version\":1,\"created\":\"\\u001b\",\"expires\":\"\",\"issuer\":\"\",\"entries\":[]}";
    let said = open(&signed(payload, &key), &pinned("acme", &key)).unwrap_err().to_string();
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[test]
fn a_moment_has_one_spelling() {
    assert_eq!(parse_instant("2026-11-22T10:00:00Z"), Some(CREATED));
    for text in [
        "2026-11-22",
        "2026-11-22T10:00:00+00:00",
        "2026-11-22T10:00:00.0Z",
        "2026-11-22t10:00:00z",
        "2026-13-01T00:00:00Z",
        "",
    ] {
        assert_eq!(parse_instant(text), None, "{text}");
    }
}
