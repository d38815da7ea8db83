//! What is broken for good hides nothing that lies behind it.

use super::*;

/// Twelve repositories of one image each, the last of which is bad.
fn twelve(place: &Place) -> Library {
    let mut library = Library::default();
    for n in 0..12 {
        let layout = image(&place.path(&format!("image{n}")), n, n == 11).0;
        library.add(&format!("team/app{n:02}"), "1", &layout);
    }
    library
}

/// Hunts a registry that answers 500 to some requests, whenever they come.
async fn where_broken(place: &Place, broken: fn(&str) -> bool, more: &[&str]) -> (Said, Value) {
    let library = twelve(place);
    let fake = Fake::start(move |request, _| match broken(&request.path) {
        true => Reply::new(500, "broken"),
        false => library.answer(request),
    })
    .await;
    let target = format!("registry:{}", fake.host);
    tokio::task::block_in_place(|| hunt(place, &[&[target.as_str(), "--patience", "2"], more].concat()))
}

fn states(summary: &Value, state: &str) -> Vec<String> {
    let items = summary["items"].as_array().unwrap().iter().filter(|item| item["state"] == state);
    items.map(|item| item["reference"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_images_at_the_front_hide_none_behind_them() {
    let place = Place::new();
    let broken = |path: &str| {
        ["app00/", "app01/", "app02/"].iter().any(|app| path.contains(&format!("{app}manifests")))
    };
    let (said, summary) = where_broken(&place, broken, &[]).await;
    assert_eq!((said.code, &summary["end"]), (2, &json!("done")), "{said:?}");
    assert_eq!(numbers(&summary, ["total", "malicious", "clean", "failed", "notLookedAt"]), [12, 1, 8, 3, 0]);
    assert_eq!(states(&summary, "failed"), ["app00:1", "app01:1", "app02:1"]);
    assert!(summary["items"][0]["why"].as_str().unwrap().contains("500"), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_lists_no_tags_hides_none_behind_it() {
    let place = Place::new();
    let broken = |path: &str| path.contains("app01/tags");
    for more in [&["--page", "3"][..], &["--fresh", "--page", "100"]] {
        let (said, summary) = where_broken(&place, broken, more).await;
        assert_eq!((said.code, &summary["end"]), (2, &json!("done")), "{said:?}");
        assert_eq!(numbers(&summary, ["total", "malicious", "clean", "notLookedAt"]), [11, 1, 10, 0]);
        let troubles = summary["troubles"].as_array().unwrap();
        assert!(troubles.len() == 1 && troubles[0].as_str().unwrap().contains("team/app01: "), "{summary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_repositories_that_breaks_off_for_good_hides_none_that_it_listed() {
    let place = Place::new();
    let broken = |path: &str| path.contains("_catalog") && path.contains("last=team%2Fapp05");
    let (said, summary) = where_broken(&place, broken, &["--page", "2"]).await;
    assert_eq!((said.code, &summary["end"]), (2, &json!("done")), "{said:?}");
    assert_eq!(numbers(&summary, ["total", "clean", "notLookedAt"]), [6, 6, 0], "{summary}");
    assert!(summary["troubles"][0].as_str().unwrap().contains("the list of repositories"), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_has_no_image_to_give_any_more_pauses_the_hunt() {
    let place = Place::new();
    let (said, summary) = where_broken(&place, |path| path.contains("/manifests/"), &[]).await;
    assert_eq!((said.code, &summary["end"]), (2, &json!("paused")), "{said:?}");
    assert_eq!(numbers(&summary, ["total", "failed", "notLookedAt"]), [12, 0, 12], "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_never_answers_is_left_when_the_patience_is_over() {
    let place = Place::new();
    let fake = Fake::start(|_, _| Reply::new(200, "{").cut(100, Then::Stall)).await;
    let target = format!("registry:{}", fake.host);
    let begun = std::time::Instant::now();
    let (said, summary) = tokio::task::block_in_place(|| hunt(&place, &[&target, "--patience", "2"]));
    assert_eq!((said.code, &summary["end"]), (2, &json!("paused")), "{said:?}");
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}
