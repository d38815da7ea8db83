//! Campaigns and refutations are known again, and the graph is read as it was noted.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Ground, on_both_engines, report};
use lazaret_model::{Campaign, Indicator, IndicatorKind, Outcome};
use lazaret_store::Refuted;

on_both_engines! {
    campaigns_replace_those_before_and_name_only_images_that_are_there,
    a_refutation_is_remembered_with_its_reason_until_it_is_taken_back,
    the_graph_is_read_in_pages,
}

fn campaign(id: &str) -> Campaign {
    Campaign { id: id.to_owned(), title: format!("about {id}"), ..Campaign::default() }
}

async fn campaigns_replace_those_before_and_name_only_images_that_are_there(ground: &Ground) {
    let store = ground.open().await;
    store.put_report(&report("r1", "t", 1, Outcome::Malicious), "j").await.unwrap();
    let image = store.graph_images(0, 10).await.unwrap()[0].id;
    let first = [(campaign("LZ-1"), vec![image, image + 999]), (campaign("LZ-2"), vec![])];
    store.put_campaigns(&first).await.unwrap();
    assert_eq!(store.campaigns().await.unwrap(), [campaign("LZ-1"), campaign("LZ-2")]);
    assert_eq!(store.campaign_images().await.unwrap(), [("LZ-1".to_owned(), image)]);
    store.put_campaigns(&[(campaign("LZ-2"), vec![image])]).await.unwrap();
    assert_eq!(store.campaign("LZ-1").await.unwrap(), None);
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
    assert!(!links.is_empty() && links.iter().all(|link| link.named));
    assert!(links.iter().all(|link| indicators.iter().any(|indicator| indicator.id == link.indicator)));
    assert_eq!(store.graph_indicators(last, 1000, false).await.unwrap(), None);
    let ids: Vec<i64> = indicators.iter().map(|indicator| indicator.id).collect();
    for (id, indicator) in store.indicators_by_id(&ids).await.unwrap() {
        assert_eq!(store.indicator_id(&indicator).await.unwrap(), Some(id));
        let link = links.iter().find(|link| link.indicator == id).unwrap();
        assert!(store.place_of(id, link.image).await.unwrap().is_some());
    }
}
