//! Campaigns and refutations are known again, and the graph is read as it was noted.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Ground, on_both_engines, report};
use lazaret_model::{Campaign, Indicator, IndicatorKind, Outcome};
use lazaret_store::{CampaignSign, Refuted};

on_both_engines! {
    campaigns_replace_those_before_and_name_only_images_that_are_there,
    a_refutation_is_remembered_with_its_reason_until_it_is_taken_back,
    the_graph_is_read_in_pages,
    many_indicators_are_found_at_once_each_at_its_position,
    what_a_feed_denies_is_held_and_not_named,
    what_an_indicator_is_to_its_image_is_remembered,
    clean_digests_are_known_as_index_and_as_manifest_and_images_by_the_beginning_of_either,
}

fn campaign(id: &str) -> Campaign {
    Campaign { id: id.to_owned(), title: format!("about {id}"), ..Campaign::default() }
}

fn sign(campaign: &str) -> CampaignSign {
    let (sign, note) = ("image sha256:aa".to_owned(), format!("said of {campaign}"));
    CampaignSign { sign, campaign: campaign.to_owned(), note }
}

async fn campaigns_replace_those_before_and_name_only_images_that_are_there(ground: &Ground) {
    let store = ground.open().await;
    store.put_report(&report("r1", "t", 1, Outcome::Malicious), "j").await.unwrap();
    let image = store.graph_images(0, 10).await.unwrap()[0].id;
    let first = [(campaign("LZ-1"), vec![image, image + 999]), (campaign("LZ-2"), vec![])];
    assert!(!store.has_campaigns().await.unwrap());
    store.put_campaigns(&first, &[sign("LZ-1"), sign("LZ-2")]).await.unwrap();
    assert!(store.has_campaigns().await.unwrap());
    let asked = ["image sha256:aa", "image sha256:bb"];
    assert_eq!(store.campaign_signs(&asked).await.unwrap(), [sign("LZ-1"), sign("LZ-2")]);
    assert_eq!(store.campaign_signs(&asked[1..]).await.unwrap(), []);
    assert_eq!(store.campaigns().await.unwrap(), [campaign("LZ-1"), campaign("LZ-2")]);
    assert_eq!(store.campaign_images().await.unwrap(), [("LZ-1".to_owned(), image)]);
    store.put_campaigns(&[(campaign("LZ-2"), vec![image])], &[sign("LZ-2")]).await.unwrap();
    assert_eq!(store.campaign("LZ-1").await.unwrap(), None);
    assert_eq!(store.campaign_signs(&asked).await.unwrap(), [sign("LZ-2")]);
    assert_eq!(store.campaign("LZ-2").await.unwrap(), Some(campaign("LZ-2")));
    assert_eq!(store.campaign_images().await.unwrap(), [("LZ-2".to_owned(), image)]);
}

async fn a_refutation_is_remembered_with_its_reason_until_it_is_taken_back(ground: &Ground) {
    let store = ground.open().await;
    let pair = Refuted::pair("b", "a");
    let host = Refuted::Indicator(Indicator::new(IndicatorKind::Host, "x.invalid"));
    store.refute(&pair, "first", "me").await.unwrap();
    store.refute(&Refuted::pair("a", "b"), "shared CI", "you").await.unwrap();
    store.refute(&host, "a public pool", "me").await.unwrap();
    let account = Refuted::Account("docker.io/mirror".to_owned());
    store.refute(&account, "a mirror", "me").await.unwrap();
    assert!(store.refutations().await.unwrap().iter().any(|one| one.what == account));
    assert!(store.take_back(&account).await.unwrap());
    let told: Vec<_> =
        store.refutations().await.unwrap().into_iter().map(|r| (r.what, r.reason, r.author)).collect();
    assert_eq!(
        told,
        [
            (host.clone(), "a public pool".to_owned(), "me".to_owned()),
            (pair, "shared CI".to_owned(), "you".to_owned()),
        ]
    );
    assert!(store.take_back(&host).await.unwrap());
    assert!(!store.take_back(&host).await.unwrap());
    assert_eq!(store.refutations().await.unwrap().len(), 1);
}

async fn the_graph_is_read_in_pages(ground: &Ground) {
    let store = ground.open().await;
    for number in 1..=5 {
        store.put_report(&report("r", "t", number, Outcome::Clean), "j").await.unwrap();
    }
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = store.graph_images(after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.id;
        seen.extend(page.iter().map(|image| image.id));
    }
    assert_eq!(seen.len(), 5);
    let links = store.graph_links(seen[0], seen[4]).await.unwrap();
    let (last, indicators) = store.graph_indicators(0, 1000, true).await.unwrap().unwrap();
    assert!(!links.is_empty() && links.iter().all(|link| link.role.is_named()));
    assert!(links.iter().all(|link| indicators.iter().any(|indicator| indicator.id == link.indicator)));
    assert_eq!(store.graph_indicators(last, 1000, false).await.unwrap(), None);
    assert_eq!(store.repositories("").await.unwrap(), ["r"]);
    assert_eq!(store.repositories("x").await.unwrap(), Vec::<String>::new());
    // A layer without a diff id leaves its place.
    let mut gap = report("gap", "t", 9, Outcome::Clean);
    gap.images[0].image.layers[0].diff_id = None;
    store.put_report(&gap, "j").await.unwrap();
    let image = store.graph_images(seen[4], 1).await.unwrap()[0].id;
    let layers = store.graph_layers(image, image).await.unwrap();
    assert_eq!(layers.iter().map(|layer| layer.position).collect::<Vec<_>>(), [1]);
    let ids: Vec<i64> = indicators.iter().map(|indicator| indicator.id).collect();
    for (id, indicator) in store.indicators_by_id(&ids).await.unwrap() {
        assert_eq!(store.indicator_id(&indicator).await.unwrap(), Some(id));
        let link = links.iter().find(|link| link.indicator == id).unwrap();
        assert!(store.place_of(id, link.image).await.unwrap().is_some());
    }
}

async fn many_indicators_are_found_at_once_each_at_its_position(ground: &Ground) {
    let store = ground.open().await;
    store.put_report(&report("r", "t", 1, Outcome::Malicious), "j").await.unwrap();
    let seen = Indicator::new(IndicatorKind::Host, "pool.example.test");
    let mut asked: Vec<Indicator> =
        (0..450).map(|number| Indicator::new(IndicatorKind::Host, format!("{number}.invalid"))).collect();
    // The same value of another kind is another thing.
    asked[3].kind = IndicatorKind::Url;
    asked[3].value.clone_from(&seen.value);
    asked.insert(7, seen.clone());
    asked.push(seen.clone());
    let id = store.indicator_id(&seen).await.unwrap().unwrap();
    assert_eq!(store.indicator_ids(&asked).await.unwrap(), [(7, id), (451, id)]);
    assert!(store.indicator_ids(&[]).await.unwrap().is_empty());
}

async fn what_a_feed_denies_is_held_and_not_named(ground: &Ground) {
    let store = ground.open().await;
    let mut judged = report("r", "t", 1, Outcome::Suspicious);
    for image in &mut judged.images {
        let rule = lazaret_model::Rule {
            id: lazaret_model::DENIED_INDICATOR.to_owned(),
            ..image.findings[0].rule.clone()
        };
        let place = lazaret_model::Location::Config("Cmd".to_owned());
        let evidence = lazaret_model::Evidence::at(place, "is denied");
        let denied = lazaret_model::Finding::of(&rule, "it holds what is denied", evidence)
            .indicator(Indicator::new(IndicatorKind::Wallet, "xmr:4abc"))
            // Another finding names this one as well.
            .indicator(Indicator::new(IndicatorKind::Host, "pool.example.test"));
        image.findings.push(denied.build());
    }
    store.put_report(&judged, "j").await.unwrap();
    let image = store.graph_images(0, 1).await.unwrap()[0].id;
    let links = store.graph_links(image, image).await.unwrap();
    let named = async |kind, value: &str| {
        let id = store.indicator_id(&Indicator::new(kind, value)).await.unwrap();
        let of = links.iter().filter(|link| Some(link.indicator) == id);
        of.map(|link| link.role.is_named()).collect::<std::collections::BTreeSet<bool>>()
    };
    assert_eq!(named(IndicatorKind::Wallet, "xmr:4abc").await, [false].into());
    assert!(named(IndicatorKind::Host, "pool.example.test").await.contains(&true));
}

async fn clean_digests_are_known_as_index_and_as_manifest_and_images_by_the_beginning_of_either(
    ground: &Ground,
) {
    let store = ground.open().await;
    store.put_report(&report("bad", "t", 1, Outcome::Malicious), "j").await.unwrap();
    // The manifest of the first stands alone elsewhere, and was found clean there.
    let mut honest = report("honest", "t", 2, Outcome::Clean);
    honest.images[0].image.manifest = common::digest(301);
    store.put_report(&honest, "j").await.unwrap();
    let asked: Vec<_> = [1, 2, 301, 999].map(common::digest).into();
    let mut clean = store.clean_digests(&asked).await.unwrap();
    clean.sort_by_key(ToString::to_string);
    let mut wanted = vec![common::digest(2), common::digest(301)];
    wanted.sort_by_key(ToString::to_string);
    assert_eq!(clean, wanted);
    let rows: Vec<i64> = store.graph_images(0, 10).await.unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(store.images_of_digest(&common::digest(301).to_string()).await.unwrap(), rows);
    assert_eq!(store.images_of_digest(&common::digest(2).to_string()).await.unwrap(), rows[1..]);
    assert_eq!(store.images_of_digest("sha256:").await.unwrap(), rows);
    assert_eq!(store.images_of_digest("sha256:x").await.unwrap(), Vec::<i64>::new());
    let judged = store.judged_at(&rows).await.unwrap();
    assert_eq!(judged.iter().map(|(id, _)| *id).collect::<Vec<_>>(), rows);
    assert!(judged.iter().all(|(_, at)| *at > 1_600_000_000 && *at < 100_000_000_000), "seconds: {judged:?}");
}

async fn what_an_indicator_is_to_its_image_is_remembered(ground: &Ground) {
    use lazaret_model::Role;
    let store = ground.open().await;
    let mut judged = report("r", "t", 1, Outcome::Clean);
    let roles = [Role::Mentioned, Role::Lies, Role::Named, Role::Acts, Role::Suspected, Role::Harms];
    judged.images[0].findings.clear();
    judged.images[0].sightings = roles
        .iter()
        .map(|role| lazaret_model::Sighting {
            indicator: Indicator::new(IndicatorKind::Wallet, format!("xmr:{role:?}")),
            location: lazaret_model::Location::Image,
            role: *role,
        })
        .collect();
    store.put_report(&judged, "j").await.unwrap();
    let image = store.graph_images(0, 1).await.unwrap()[0].id;
    let mut told: Vec<Role> =
        store.graph_links(image, image).await.unwrap().iter().map(|link| link.role).collect();
    told.sort();
    assert_eq!(told, roles);
}
