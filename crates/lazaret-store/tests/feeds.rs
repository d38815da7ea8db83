//! Feeds: the newest of each name is kept, and no older one follows.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Ground, digest, on_both_engines};
use lazaret_store::{FeedRow, Installed};

on_both_engines! {
    a_pack_is_kept_as_it_came,
    no_pack_is_followed_by_an_older_one_or_by_another_of_its_version,
    a_removed_feed_leaves_its_version_behind,
    a_forgotten_feed_leaves_nothing_behind,
    of_many_who_install_at_once_the_newest_stays,
}

fn feed(name: &str, version: u64) -> FeedRow {
    FeedRow {
        name: name.to_owned(),
        version,
        digest: digest(u32::try_from(version).unwrap()),
        signer: "ab".repeat(32),
        expires: 1_900_000_000_000,
        installed: 0,
        removed: false,
    }
}

fn pack(version: u64) -> Vec<u8> {
    format!("{{\"payload\":\"{version}\"}}\0\u{1f4e6}").into_bytes()
}

async fn a_pack_is_kept_as_it_came(ground: &Ground) {
    let store = ground.open().await;
    assert!(store.feeds().await.unwrap().is_empty());
    assert_eq!(store.install_feed(&feed("b", 2), &pack(2)).await.unwrap(), Installed::New);
    assert_eq!(store.install_feed(&feed("a", 9), &pack(9)).await.unwrap(), Installed::New);
    assert_eq!(store.install_feed(&feed("a", 9), &pack(9)).await.unwrap(), Installed::Same);
    store.close().await.unwrap();
    let store = ground.open().await;
    let names: Vec<(String, u64)> =
        store.feeds().await.unwrap().into_iter().map(|feed| (feed.name, feed.version)).collect();
    assert_eq!(names, [("a".to_owned(), 9), ("b".to_owned(), 2)]);
    let row = store.feed("b").await.unwrap().unwrap();
    assert!(row.installed > 1_700_000_000_000, "{}", row.installed);
    assert_eq!(FeedRow { installed: 0, ..row }, feed("b", 2));
    assert_eq!(store.feed_pack("b").await.unwrap(), Some(pack(2)));
    assert_eq!(store.feed_pack("c").await.unwrap(), None);
}

async fn no_pack_is_followed_by_an_older_one_or_by_another_of_its_version(ground: &Ground) {
    let store = ground.open().await;
    store.install_feed(&feed("a", 7), &pack(7)).await.unwrap();
    let other = FeedRow { digest: digest(70), ..feed("a", 7) };
    for refused in [feed("a", 6), other] {
        match store.install_feed(&refused, &pack(6)).await.unwrap() {
            Installed::Refused(against) => assert_eq!((against.version, against.digest), (7, digest(7))),
            taken => panic!("{taken:?}"),
        }
        assert_eq!(store.feed_pack("a").await.unwrap(), Some(pack(7)));
    }
    assert_eq!(store.install_feed(&feed("a", 8), &pack(8)).await.unwrap(), Installed::New);
    assert_eq!(store.feed_pack("a").await.unwrap(), Some(pack(8)));
}

async fn a_removed_feed_leaves_its_version_behind(ground: &Ground) {
    let store = ground.open().await;
    store.install_feed(&feed("a", 7), &pack(7)).await.unwrap();
    assert!(store.remove_feed("a").await.unwrap());
    assert!(!store.remove_feed("a").await.unwrap());
    assert_eq!(store.feed_pack("a").await.unwrap(), None);
    assert!(store.feed("a").await.unwrap().unwrap().removed);
    let older = store.install_feed(&feed("a", 6), &pack(6)).await.unwrap();
    assert!(matches!(older, Installed::Refused(_)), "{older:?}");
    assert_eq!(store.feed_pack("a").await.unwrap(), None);
    // The one that was removed may come back.
    assert_eq!(store.install_feed(&feed("a", 7), &pack(7)).await.unwrap(), Installed::New);
    assert_eq!(store.feed_pack("a").await.unwrap(), Some(pack(7)));
}

async fn a_forgotten_feed_leaves_nothing_behind(ground: &Ground) {
    let store = ground.open().await;
    let stolen = FeedRow { version: i64::MAX.unsigned_abs(), digest: digest(1), ..feed("a", 1) };
    store.install_feed(&stolen, &pack(1)).await.unwrap();
    assert_eq!(store.feed("a").await.unwrap().unwrap().version, stolen.version);
    assert!(store.forget_feed("a").await.unwrap());
    assert!(!store.forget_feed("a").await.unwrap());
    assert_eq!(store.install_feed(&feed("a", 2), &pack(2)).await.unwrap(), Installed::New);
}

async fn of_many_who_install_at_once_the_newest_stays(ground: &Ground) {
    let (one, other) = (ground.open().await, ground.open().await);
    let install = async |version: u64| {
        let store = if version.is_multiple_of(2) { &one } else { &other };
        store.install_feed(&feed("a", version), &pack(version)).await.unwrap();
    };
    let ((), (), (), (), ()) = tokio::join!(install(5), install(2), install(4), install(3), install(1));
    assert_eq!(one.feed("a").await.unwrap().unwrap().version, 5);
    assert_eq!(one.feed_pack("a").await.unwrap(), Some(pack(5)));
}
