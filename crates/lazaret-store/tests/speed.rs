//! What a second scan and the storing of a large layer cost. The bounds are ten times what is
//! wanted, so that a busy machine fails nothing and a lost index or a needless pool does.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::time::{Duration, Instant};

use common::{facts, record, report};
use lazaret_model::{Evidence, Finding, Indicator, IndicatorKind, Location, Outcome};
use lazaret_store::{Answer, Decision, Store};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
async fn opening_and_knowing_a_verdict_is_quick() {
    let (_directory, store) = common::open().await;
    for number in 0..200 {
        store.put_report(&report("r", "1", number, Outcome::Clean), "j").await.unwrap();
    }
    let url = store.address().to_owned();
    store.close().await.unwrap();
    let mut times = Vec::new();
    for number in 0..21 {
        let start = Instant::now();
        let store = Store::open(&url).await.unwrap();
        assert!(store.report(&common::digest(number), "j").await.unwrap().is_some());
        times.push(start.elapsed());
        store.close().await.unwrap();
    }
    let median = median(times);
    eprintln!("open and answer: {median:?}");
    assert!(median < Duration::from_millis(100), "{median:?}");
}

#[tokio::test]
async fn storing_a_layer_of_twenty_thousand_entries_is_quick() {
    let (_directory, store) = common::open().await;
    let (mut put, mut get) = (Vec::new(), Vec::new());
    for number in 0..9 {
        let (diff_id, facts) = facts(number, 20_000);
        let start = Instant::now();
        store.put_layer(record(&diff_id, &facts)).await.unwrap();
        put.push(start.elapsed());
        let start = Instant::now();
        assert!(store.facts(&diff_id, "1").await.unwrap().is_some());
        get.push(start.elapsed());
    }
    let (put, get) = (median(put), median(get));
    eprintln!("store 20,000 entries: {put:?}; know them again: {get:?}");
    assert!(put < Duration::from_secs(1) && get < Duration::from_secs(1), "{put:?} {get:?}");
}

#[tokio::test]
async fn noting_and_following_many_indicators_is_quick() {
    let (_directory, store) = common::open().await;
    let mut put = Vec::new();
    for number in 0..200u32 {
        let mut report =
            report(&format!("docker.io/account-{number}/image"), "1", number, Outcome::Malicious);
        let rule = report.images[0].findings[0].rule.clone();
        let first = Evidence::at(Location::Config("Env[0]".to_owned()), "hosts");
        let mut finding = Finding::of(&rule, "it names hosts", first);
        // Fifty links for each image, a fifth of them shared with others: what a campaign looks like.
        for n in 0..50 {
            let owner = if n % 5 == 0 { n } else { number * 100 + n };
            finding =
                finding.indicator(Indicator::new(IndicatorKind::Host, format!("h{owner}.example.test")));
        }
        report.images[0].findings.push(finding.build());
        let start = Instant::now();
        store.put_report(&report, "j").await.unwrap();
        put.push(start.elapsed());
    }
    let start = Instant::now();
    let shared = Indicator::new(IndicatorKind::Host, "h10.example.test");
    assert_eq!(store.sightings(&shared).await.unwrap().len(), 200);
    let follow = start.elapsed();
    let put = median(put);
    eprintln!("note a report with 52 indicators: {put:?}; follow one to 200 images: {follow:?}");
    assert!(put < Duration::from_millis(300) && follow < Duration::from_millis(300), "{put:?} {follow:?}");
}

#[tokio::test]
async fn noting_a_thousand_sightings_of_an_image_is_quick() {
    let (_directory, store) = common::open().await;
    let mut put = Vec::new();
    for number in 0..60u32 {
        let mut report = report(&format!("docker.io/account-{number}/image"), "1", number, Outcome::Clean);
        // A third of them is shared with other images.
        report.images[0].sightings = (0..1_000)
            .map(|n| {
                let owner = if n % 3 == 0 { 0 } else { number };
                let hash = blake3::hash(format!("{owner} {n}").as_bytes()).to_hex();
                lazaret_model::Sighting {
                    indicator: Indicator::new(IndicatorKind::ScriptHash, format!("sha256:{hash}")),
                    location: Location::file(1, format!("opt/product/{n}").as_str().into()),
                    role: lazaret_model::Role::Lies,
                }
            })
            .collect();
        let start = Instant::now();
        store.put_report(&report, "j").await.unwrap();
        put.push(start.elapsed());
    }
    let put = median(put);
    eprintln!("note a report with 1,000 sightings: {put:?}");
    assert!(put < Duration::from_millis(500), "{put:?}");
}

async fn decisions(ground: &common::Ground) -> (Duration, Duration) {
    let store = ground.open().await;
    let decision = |time: i64| Decision {
        time,
        door: "registry".to_owned(),
        client: "192.0.2.7".to_owned(),
        user: "ana".to_owned(),
        image: "docker.io/library/nginx:1.27".to_owned(),
        digest: Some(common::digest(1)),
        verdict: Some("clean".to_owned()),
        why: "nothing in it acts against whoever runs it".to_owned(),
        policy: "verdicts".to_owned(),
        author: None,
        reason: None,
        answer: Answer::Served,
        request: time.to_string(),
    };
    let (mut one, mut many) = (Vec::new(), Vec::new());
    for time in 0..51 {
        let start = Instant::now();
        store.put_decision(&decision(time)).await.unwrap();
        one.push(start.elapsed());
        let hundred: Vec<_> = (0..100).map(|n| decision(time * 100 + n)).collect();
        let start = Instant::now();
        store.put_decisions(&hundred).await.unwrap();
        many.push(start.elapsed());
    }
    (median(one), median(many))
}

#[tokio::test]
async fn writing_decisions_down_is_quick_alone_and_by_the_hundred() {
    for ground in [common::Ground::sqlite(), common::Ground::postgres().await] {
        let (one, many) = decisions(&ground).await;
        let engine = if ground.url.starts_with("postgres") { "PostgreSQL" } else { "SQLite" };
        eprintln!("{engine}: a decision {one:?}, a hundred {many:?}");
        assert!(one < Duration::from_millis(50) && many < Duration::from_millis(200), "{one:?} {many:?}");
    }
}
