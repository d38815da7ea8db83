//! Bases are recorded, listed and forgotten.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Ground, digest, on_both_engines};
use lazaret_model::TrustedBase;

on_both_engines! {
    a_base_is_known_again_with_the_day_of_its_first_time,
    a_name_whose_tag_moved_has_two_and_both_are_forgotten_together,
}

fn base(name: &str, root: u32, recorded: &str) -> TrustedBase {
    TrustedBase {
        name: name.to_owned(),
        root: digest(root),
        manifest: digest(root + 1),
        platform: "linux/arm64/v8".parse().ok(),
        diff_ids: vec![digest(root + 2), digest(root + 3)],
        recorded: recorded.to_owned(),
    }
}

async fn a_base_is_known_again_with_the_day_of_its_first_time(ground: &Ground) {
    let store = ground.open().await;
    let first = base("docker.io/library/debian:12", 10, "2026-01-02");
    store.add_base(&first).await.unwrap();
    store.add_base(&TrustedBase { recorded: "2026-05-06".to_owned(), ..first.clone() }).await.unwrap();
    store.close().await.unwrap();
    let store = ground.open().await;
    assert_eq!(store.bases().await.unwrap(), [first]);
}

async fn a_name_whose_tag_moved_has_two_and_both_are_forgotten_together(ground: &Ground) {
    let store = ground.open().await;
    for (name, root) in [("a:1", 10), ("a:1", 20), ("b:1", 30)] {
        store.add_base(&base(name, root, "2026-01-02")).await.unwrap();
    }
    assert_eq!(store.bases().await.unwrap().len(), 3);
    assert_eq!(store.remove_base("a:1").await.unwrap(), 2);
    assert_eq!(store.remove_base("a:1").await.unwrap(), 0);
    assert_eq!(store.bases().await.unwrap(), [base("b:1", 30, "2026-01-02")]);
}
