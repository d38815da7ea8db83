//! What is stored is known again, and what must not be known is not.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Ground, content, digest, facts, on_both_engines, record, report};
use lazaret_model::{Fact, FactKind, Indicator, IndicatorKind, Layer, Location, Outcome};
use lazaret_store::{ImageFilter, LayerRecord, StoreError, StoreOptions};

on_both_engines! {
    a_layer_is_known_again_after_the_store_was_closed,
    other_analyzers_and_other_byte_rules_know_nothing_of_it,
    facts_of_older_analyzers_and_the_oldest_rule_sets_make_room,
    a_layer_that_was_not_read_to_its_end_is_refused,
    contents_come_back_by_their_hash,
    content_under_a_wrong_name_is_refused_with_its_layer,
    content_that_was_changed_on_the_disk_is_not_known_and_can_be_stored_again,
    the_least_recently_used_contents_make_room_and_are_then_not_known,
    a_report_is_known_under_the_judgement_that_made_it_and_no_other,
    a_look_at_one_platform_takes_nothing_back_of_the_others,
    what_was_stored_in_another_form_is_not_known,
    a_damaged_value_is_not_known,
    images_are_listed_latest_first_and_by_what_is_asked,
    a_second_scan_of_an_image_replaces_its_row_and_a_moved_tag_adds_one,
    an_indicator_leads_to_every_image_that_holds_it,
    sightings_are_noted_with_layer_and_file_whether_a_finding_names_them_or_not,
    the_layers_of_an_image_are_noted_in_order,
    more_sightings_than_one_statement_writes_are_all_noted,
}

async fn a_layer_is_known_again_after_the_store_was_closed(ground: &Ground) {
    let store = ground.open().await;
    let (diff_id, facts) = facts(1, 50);
    let matches = [Fact::about(
        &"usr/bin/x".into(),
        FactKind::ByteMatch { rule: "a/b".to_owned(), excerpt: "x".to_owned() },
    )];
    store.put_layer(LayerRecord { matches: &matches, ..record(&diff_id, &facts) }).await.unwrap();
    store.close().await.unwrap();
    let store = ground.open().await;
    assert_eq!(store.facts(&diff_id, "1").await.unwrap(), Some(facts));
    assert_eq!(store.byte_matches(&diff_id, "1").await.unwrap(), Some(matches.to_vec()));
    assert_eq!(store.facts(&digest(2), "1").await.unwrap(), None);
}

async fn other_analyzers_and_other_byte_rules_know_nothing_of_it(ground: &Ground) {
    let store = ground.open().await;
    let (diff_id, facts) = facts(1, 5);
    store.put_layer(record(&diff_id, &facts)).await.unwrap();
    assert_eq!(store.facts(&diff_id, "2").await.unwrap(), None);
    assert_eq!(store.byte_matches(&diff_id, "2").await.unwrap(), None);
    // A new byte rule alone: matches are added, the facts stay.
    let again = LayerRecord { facts: None, byte_rules: "2", ..record(&diff_id, &facts) };
    store.put_layer(again).await.unwrap();
    assert_eq!(store.facts(&diff_id, "1").await.unwrap(), Some(facts));
    assert_eq!(store.byte_matches(&diff_id, "1").await.unwrap(), Some(Vec::new()));
    assert_eq!(store.byte_matches(&diff_id, "2").await.unwrap(), Some(Vec::new()));
}

async fn facts_of_older_analyzers_and_the_oldest_rule_sets_make_room(ground: &Ground) {
    let store = ground.open().await;
    let (diff_id, facts) = facts(1, 5);
    for version in ["1", "2", "3", "4", "5"] {
        let next = LayerRecord { analyzers: version, byte_rules: version, ..record(&diff_id, &facts) };
        store.put_layer(next).await.unwrap();
    }
    let mut known = Vec::new();
    for version in ["1", "2", "3", "4", "5"] {
        let facts = store.facts(&diff_id, version).await.unwrap().is_some();
        known.push((facts, store.byte_matches(&diff_id, version).await.unwrap().is_some()));
    }
    assert_eq!(known, [(false, false), (false, true), (false, true), (false, true), (true, true)]);
}

async fn a_layer_that_was_not_read_to_its_end_is_refused(ground: &Ground) {
    let store = ground.open().await;
    let (diff_id, mut half) = facts(1, 5);
    half.complete = false;
    let error = store.put_layer(record(&diff_id, &half)).await.unwrap_err();
    assert!(error.to_string().contains("not read to its end"), "{error}");
    half.complete = true;
    let error = store.put_layer(record(&digest(2), &half)).await.unwrap_err();
    assert!(error.to_string().contains("another layer"), "{error}");
    for id in [diff_id, digest(2)] {
        assert_eq!(store.facts(&id, "1").await.unwrap(), None);
        assert_eq!(store.byte_matches(&id, "1").await.unwrap(), None);
    }
}

async fn contents_come_back_by_their_hash(ground: &Ground) {
    let store = ground.open().await;
    let (diff_id, facts) = facts(1, 5);
    let contents: Vec<_> = (0..1200u32).map(|n| content(&n.to_le_bytes(), 100)).collect();
    store.put_layer(LayerRecord { contents: &contents, ..record(&diff_id, &facts) }).await.unwrap();
    let mut wanted: Vec<_> = contents.iter().map(|(id, _)| *id).collect();
    let (missing, _) = content(b"never kept", 1);
    wanted.push(missing);
    let found = store.contents(&wanted).await.unwrap();
    assert_eq!(found.len(), contents.len());
    assert!(contents.iter().all(|(id, bytes)| *found[id] == **bytes));
    assert!(!found.contains_key(&missing));
    assert!(store.contents(&[]).await.unwrap().is_empty());
}

async fn content_under_a_wrong_name_is_refused_with_its_layer(ground: &Ground) {
    let store = ground.open().await;
    let (diff_id, facts) = facts(1, 5);
    let (name, _) = content(b"a", 1);
    let wrong = [(name, b"something else".to_vec())];
    let error =
        store.put_layer(LayerRecord { contents: &wrong, ..record(&diff_id, &facts) }).await.unwrap_err();
    assert!(matches!(error, StoreError::Content(id) if id == name), "{error}");
    assert_eq!(store.facts(&diff_id, "1").await.unwrap(), None);
}

async fn content_that_was_changed_on_the_disk_is_not_known_and_can_be_stored_again(ground: &Ground) {
    let store = ground.open().await;
    let (diff_id, facts) = facts(1, 5);
    let kept = [content(b"script", 50), content(b"unit", 50)];
    let layer = LayerRecord { contents: &kept, ..record(&diff_id, &facts) };
    store.put_layer(layer).await.unwrap();
    let before = store.content_bytes().await.unwrap();
    // Another content's valid form under this name, which only the hash can tell.
    ground.execute("UPDATE contents SET data = (SELECT data FROM contents ORDER BY id LIMIT 1)").await;
    let ids: Vec<_> = kept.iter().map(|(id, _)| *id).collect();
    assert_eq!(store.contents(&ids).await.unwrap().len(), 1);
    store.put_layer(layer).await.unwrap();
    assert_eq!(store.contents(&ids).await.unwrap().len(), 2);
    assert_eq!(store.content_bytes().await.unwrap(), before);
}

async fn the_least_recently_used_contents_make_room_and_are_then_not_known(ground: &Ground) {
    let options = StoreOptions { content_bytes: 50_000, ..StoreOptions::default() };
    let store = ground.open_with(options).await;
    let mut ids = Vec::new();
    for number in 0..20u32 {
        let (diff_id, facts) = facts(number, 1);
        // Does not compress: 4,096 bytes that look random.
        let mut noise = vec![0; 4096];
        blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut noise);
        let id = lazaret_model::ContentId(*blake3::hash(&noise).as_bytes());
        ids.push(id);
        let kept = [(id, noise)];
        store.put_layer(LayerRecord { contents: &kept, ..record(&diff_id, &facts) }).await.unwrap();
        // As if an hour and a half had passed; the first one is wanted all the time.
        ground.execute("UPDATE contents SET used_at = used_at - 5400").await;
        assert_eq!(store.contents(&ids[..1]).await.unwrap().len(), 1, "after {number}");
        assert!(store.content_bytes().await.unwrap() <= 50_000);
    }
    let left = store.contents(&ids).await.unwrap();
    assert!((8..=12).contains(&left.len()), "{}", left.len());
    assert!(left.contains_key(&ids[19]) && !left.contains_key(&ids[1]));
    let counted = ground.number("SELECT CAST(coalesce(sum(length(data)), 0) AS BIGINT) FROM contents").await;
    assert_eq!(store.content_bytes().await.unwrap(), u64::try_from(counted).unwrap());
    // Every layer is still known; only its contents are gone.
    for number in 0..20 {
        assert!(store.facts(&facts(number, 1).0, "1").await.unwrap().is_some());
    }
}

async fn a_report_is_known_under_the_judgement_that_made_it_and_no_other(ground: &Ground) {
    let store = ground.open().await;
    let report = report("docker.io/library/tomcat", "9", 1, Outcome::Malicious);
    assert_eq!(store.report(&report.pinned.digest, "rules 1").await.unwrap(), None);
    store.put_report(&report, "rules 1").await.unwrap();
    assert_eq!(store.report(&report.pinned.digest, "rules 1").await.unwrap(), Some(report.clone()));
    assert_eq!(store.report(&report.pinned.digest, "rules 2").await.unwrap(), None);
    assert_eq!(store.report(&digest(77), "rules 1").await.unwrap(), None);
}

async fn a_look_at_one_platform_takes_nothing_back_of_the_others(ground: &Ground) {
    let store = ground.open().await;
    // One index: malicious for the one platform, clean for the other, which alone is asked for later.
    let mut whole = report("r", "1", 1, Outcome::Malicious);
    let mut narrow = report("r", "1", 1, Outcome::Clean);
    narrow.images[0].image.manifest = digest(999);
    whole.images.push(narrow.images[0].clone());
    store.put_report(&whole, "all").await.unwrap();
    store.put_report(&narrow, "amd64").await.unwrap();
    let root = &whole.pinned.digest;
    assert_eq!(store.latest_report(root).await.unwrap().unwrap().images.len(), 1);
    let told = store.latest_of_all_platforms(root).await.unwrap().unwrap();
    let manifests: Vec<_> = told.images.iter().map(|image| image.image.manifest.clone()).collect();
    assert_eq!(manifests, [digest(999), digest(301)]);
    assert_eq!(told.verdict.outcome, Outcome::Malicious);
    assert_eq!(store.latest_of_all_platforms(&digest(77)).await.unwrap(), None);
}

async fn what_was_stored_in_another_form_is_not_known(ground: &Ground) {
    let store = ground.open().await;
    let report = report("r", "1", 1, Outcome::Clean);
    let (diff_id, facts) = facts(1, 5);
    store.put_report(&report, "j").await.unwrap();
    store.put_layer(record(&diff_id, &facts)).await.unwrap();
    ground.execute("UPDATE reports SET form = '0.0'").await;
    ground.execute("UPDATE layers SET version = '0:1'").await;
    ground.execute("UPDATE byte_matches SET rules = '0:1'").await;
    assert_eq!(store.report(&report.pinned.digest, "j").await.unwrap(), None);
    assert_eq!(store.facts(&diff_id, "1").await.unwrap(), None);
    assert_eq!(store.byte_matches(&diff_id, "1").await.unwrap(), None);
    // And is stored over.
    store.put_report(&report, "j").await.unwrap();
    assert!(store.report(&report.pinned.digest, "j").await.unwrap().is_some());
}

async fn a_damaged_value_is_not_known(ground: &Ground) {
    let store = ground.open().await;
    let report = report("r", "1", 1, Outcome::Clean);
    let (diff_id, facts) = facts(1, 5);
    store.put_report(&report, "j").await.unwrap();
    store.put_layer(record(&diff_id, &facts)).await.unwrap();
    for (table, column) in [("reports", "body"), ("layers", "facts"), ("byte_matches", "matches")] {
        ground.flip_a_byte(table, column).await;
    }
    assert_eq!(store.report(&report.pinned.digest, "j").await.unwrap(), None);
    assert_eq!(store.facts(&diff_id, "1").await.unwrap(), None);
    assert_eq!(store.byte_matches(&diff_id, "1").await.unwrap(), None);
}

async fn images_are_listed_latest_first_and_by_what_is_asked(ground: &Ground) {
    let store = ground.open().await;
    for (repository, tag, number, outcome) in [
        ("docker.io/a/tomcat", "9", 1, Outcome::Malicious),
        ("docker.io/a/mysql", "8", 2, Outcome::Clean),
        ("quay.io/b/cron", "", 3, Outcome::Inconclusive),
    ] {
        store.put_report(&report(repository, tag, number, outcome), "j").await.unwrap();
    }
    let all = store.images(&ImageFilter::default()).await.unwrap();
    let names: Vec<_> = all.iter().map(|row| (row.repository.as_str(), row.tag.as_deref())).collect();
    assert_eq!(
        names,
        [("quay.io/b/cron", None), ("docker.io/a/mysql", Some("8")), ("docker.io/a/tomcat", Some("9"))]
    );
    let tomcat = &all[2];
    assert_eq!((tomcat.outcome, tomcat.findings, tomcat.layers), (Outcome::Malicious, 1, 2));
    assert_eq!((tomcat.compressed, tomcat.uncompressed), (300, 700));
    assert_eq!(tomcat.platform.as_deref(), Some("linux/amd64"));
    let bad = ImageFilter { outcome: Some(Outcome::Malicious), ..ImageFilter::default() };
    assert_eq!(store.images(&bad).await.unwrap().len(), 1);
    // A percent sign is a percent sign.
    for (text, count) in [("docker.io/a", 2), ("cron", 1), ("%", 0)] {
        let named = ImageFilter { repository: Some(text.to_owned()), ..ImageFilter::default() };
        assert_eq!(store.images(&named).await.unwrap().len(), count, "{text}");
    }
    let first = ImageFilter { limit: Some(1), ..ImageFilter::default() };
    assert_eq!(store.images(&first).await.unwrap().len(), 1);
}

async fn a_second_scan_of_an_image_replaces_its_row_and_a_moved_tag_adds_one(ground: &Ground) {
    let store = ground.open().await;
    store.put_report(&report("r", "1", 1, Outcome::Inconclusive), "j").await.unwrap();
    store.put_report(&report("r", "1", 1, Outcome::Malicious), "k").await.unwrap();
    let rows = store.images(&ImageFilter::default()).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.outcome).collect::<Vec<_>>(), [Outcome::Malicious]);
    store.put_report(&report("r", "1", 2, Outcome::Clean), "j").await.unwrap();
    assert_eq!(store.images(&ImageFilter::default()).await.unwrap().len(), 2);
}

async fn an_indicator_leads_to_every_image_that_holds_it(ground: &Ground) {
    let store = ground.open().await;
    store.put_report(&report("docker.io/a/one", "1", 1, Outcome::Malicious), "j").await.unwrap();
    store.put_report(&report("docker.io/b/two", "1", 2, Outcome::Malicious), "j").await.unwrap();
    let shared = Indicator::new(IndicatorKind::Host, "pool.example.test");
    let seen = store.sightings(&shared).await.unwrap();
    assert_eq!(
        seen.iter().map(|s| s.repository.as_str()).collect::<Vec<_>>(),
        ["docker.io/a/one", "docker.io/b/two"]
    );
    assert_eq!((seen[0].rule.as_str(), seen[0].location.as_str()), ("impact/test", "config Cmd"));
    // A later judgement without the finding takes the link away.
    let mut cleared = report("docker.io/a/one", "1", 1, Outcome::Clean);
    cleared.images[0].findings.clear();
    store.put_report(&cleared, "k").await.unwrap();
    assert_eq!(store.sightings(&shared).await.unwrap().len(), 1);
    assert!(store.sightings(&Indicator::new(IndicatorKind::Host, "other.test")).await.unwrap().is_empty());
}

fn sighting(kind: IndicatorKind, value: &str, location: Location) -> lazaret_model::Sighting {
    lazaret_model::Sighting {
        indicator: Indicator::new(kind, value),
        location,
        role: lazaret_model::Role::Lies,
    }
}

async fn sightings_are_noted_with_layer_and_file_whether_a_finding_names_them_or_not(ground: &Ground) {
    let store = ground.open().await;
    let mut report = report("docker.io/a/one", "1", 1, Outcome::Malicious);
    report.images[0].image.layers[1].history = Some(3);
    let file = |line| Location::file(1, "opt/run.sh".into()).at_line(line);
    report.images[0].sightings = vec![
        // A finding names this one, in the configuration; here it is told in a file.
        sighting(IndicatorKind::Host, "pool.example.test", file(2)),
        sighting(IndicatorKind::Wallet, "xmr:4x", file(3)),
        sighting(IndicatorKind::Environment, "RIG=one", Location::History(4)),
        sighting(IndicatorKind::Environment, "RIG=two", Location::History(2)),
        sighting(IndicatorKind::Label, "a=b", Location::Config("Labels.a".to_owned())),
    ];
    store.put_report(&report, "j").await.unwrap();
    let of = |kind, value: &str| {
        let indicator = Indicator::new(kind, value);
        let store = &store;
        async move { store.sightings(&indicator).await.unwrap() }
    };
    let host = of(IndicatorKind::Host, "pool.example.test").await;
    assert_eq!((host.len(), host[0].rule.as_str()), (1, "impact/test"), "once, with its rule");
    let wallet = of(IndicatorKind::Wallet, "xmr:4x").await;
    assert_eq!((wallet[0].rule.as_str(), wallet[0].location.as_str()), ("", "/opt/run.sh:3"));
    let number = |column: &str, kind: &str, value: &str| {
        let sql = format!(
            "SELECT s.{column} FROM sightings s JOIN indicators n ON n.id = s.indicator \
             WHERE n.kind = '{kind}' AND n.value = '{value}'"
        );
        async move { ground.number(&sql).await }
    };
    assert_eq!(number("layer", "wallet", "xmr:4x").await, 1);
    assert_eq!(number("layer", "host", "pool.example.test").await, 1);
    assert_eq!(number("layer", "environment", "RIG=one").await, -1, "set after the last layer");
    assert_eq!(number("layer", "environment", "RIG=two").await, 1, "who has the second layer has it too");
    assert_eq!(number("layer", "label", "a=b").await, -1);
    let place = number("place", "wallet", "xmr:4x").await;
    let hash = blake3::hash(b"opt/run.sh");
    assert_eq!(place, i64::from_be_bytes(*hash.as_bytes().first_chunk().unwrap()));
    assert_eq!(
        number("place", "host", "pool.example.test").await,
        place,
        "what lies in one file counts once"
    );
    assert_eq!(number("place", "label", "a=b").await, 0);
    // Judged again, it holds less.
    report.images[0].sightings.truncate(1);
    store.put_report(&report, "k").await.unwrap();
    assert!(of(IndicatorKind::Wallet, "xmr:4x").await.is_empty());
}

async fn the_layers_of_an_image_are_noted_in_order(ground: &Ground) {
    let store = ground.open().await;
    let mut report = report("docker.io/a/one", "1", 1, Outcome::Clean);
    let layer = report.images[0].image.layers[0].clone();
    report.images[0].image.layers = (0..450)
        .map(|index| Layer {
            index,
            diff_id: (index != 7).then(|| common::digest(5_000 + index as u32)),
            ..layer.clone()
        })
        .collect();
    store.put_report(&report, "j").await.unwrap();
    let table = "image_layers";
    assert_eq!(ground.number(&format!("SELECT count(*) FROM {table}")).await, 449);
    assert_eq!(ground.number(&format!("SELECT max(position) FROM {table}")).await, 449);
    let last = common::digest(5_000 + 449);
    assert_eq!(ground.number(&format!("SELECT position FROM {table} WHERE diff_id = '{last}'")).await, 449);
    report.images[0].image.layers.truncate(2);
    store.put_report(&report, "k").await.unwrap();
    assert_eq!(ground.number(&format!("SELECT count(*) FROM {table}")).await, 2);
}

async fn more_sightings_than_one_statement_writes_are_all_noted(ground: &Ground) {
    let store = ground.open().await;
    let mut report = report("docker.io/a/one", "1", 1, Outcome::Clean);
    report.images[0].findings.clear();
    let location = |n: usize| Location::file(n % 3, format!("opt/{n}").as_str().into());
    report.images[0].sightings = (0..1_000)
        .map(|n| sighting(IndicatorKind::ScriptHash, &format!("sha256:{n:064}"), location(n)))
        // A value that is too long for an index, and one that no text of PostgreSQL may hold.
        .chain([
            sighting(IndicatorKind::Label, &format!("long={}", "x".repeat(1_995)), Location::Image),
            sighting(IndicatorKind::Label, "zero=\0", Location::Image),
        ])
        .collect();
    for judge in ["j", "k"] {
        store.put_report(&report, judge).await.unwrap();
        assert_eq!(ground.number("SELECT count(*) FROM sightings").await, 1_002);
        for sighting in
            report.images[0].sightings.iter().step_by(77).chain(&report.images[0].sightings[1_000..])
        {
            assert_eq!(
                store.sightings(&sighting.indicator).await.unwrap().len(),
                1,
                "{:?}",
                sighting.indicator
            );
        }
    }
}
