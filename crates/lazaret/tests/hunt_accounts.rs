//! Accounts of Docker Hub, Quay and GitHub: their interfaces as their documentation states them,
//! replayed on loopback, before a registry on loopback.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "hunt/library.rs"]
mod library;
#[path = "support/served.rs"]
mod served;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lazaret_model::Listing;
use lazaret_store::Store;
use serde_json::{Value, json};

use library::{Library, image};
use served::field::fake::{Fake, Reply, Request};
use served::manifest_digest;
use support::{Place, Said};

struct Hunted {
    said: Said,
    summary: Value,
    listings: Vec<Listing>,
    lures: Vec<String>,
}

/// Hunts an account whose site and registry are these.
async fn hunt(place: &Place, target: &str, more: &[&str], env: &[(&str, &str)]) -> Hunted {
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let rules = place.path("rules").display().to_string();
    let fixed =
        ["hunt", target, "--store", &store, "--only-rules", "--rules", &rules, "-f", "json", "--rate", "0"];
    let said = tokio::task::block_in_place(|| place.run_with(&[&fixed[..], more].concat(), env));
    let summary = serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {said:?}"));
    let store = Store::open(&store).await.unwrap();
    let listings = store.listings().await.unwrap().into_iter().map(|row| row.listing).collect();
    let lures = store.lures().await.unwrap().into_iter().map(|row| row.listing.repository).collect();
    Hunted { said, summary, listings, lures }
}

fn ok(body: &Value) -> Reply {
    Reply::new(200, body.to_string()).header("Content-Type", "application/json")
}

fn path(request: &Request) -> (&str, &str) {
    request.path.split_once('?').unwrap_or((&request.path, ""))
}

/// A registry that holds `NAME/mysql:8` (bad) and `NAME/mysql:latest` (good).
async fn registry(place: &Place, name: &str) -> (Fake, String, String) {
    let (good, _) = image(&place.path("good"), 1, false);
    let (bad, _) = image(&place.path("bad"), 2, true);
    let mut library = Library::default();
    library.add(&format!("{name}/mysql"), "latest", &good);
    library.add(&format!("{name}/mysql"), "8", &bad);
    let fake = Fake::start(move |request, _| library.answer(request)).await;
    (fake, manifest_digest(&good), manifest_digest(&bad))
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_hubs_account_is_listed_with_its_counts_and_its_lures() {
    let place = Place::new();
    let (registry, good, bad) = registry(&place, "somebody117").await;
    let site = Fake::start(move |request, _| {
        let (path, query) = path(request);
        let base = format!("http://{}", request.header("host"));
        let repository = |name: &str, description: &str, pulls: u64| {
            json!({"name": name, "namespace": "somebody117", "repository_type": "image", "status": 1,
                "status_description": "active", "description": description, "is_private": false, "star_count": 7,
                "pull_count": pulls, "last_updated": "2018-03-01T10:00:00.1Z", "date_registered": "2017-05-10T09:00:00Z",
                "affiliation": "", "media_types": [], "content_types": ["image"], "categories": [], "storage_size": 1})
        };
        let tag = |name: &str, digest: &str| {
            json!({"id": 1, "name": name, "full_size": 1, "v2": true, "tag_status": "active", "digest": digest,
                "tag_last_pushed": "2018-02-01T00:00:00Z", "tag_last_pulled": "2018-03-01T00:00:00Z",
                "last_updated": "2018-02-01T00:00:00Z", "last_updater_username": "somebody117", "repository": 9,
                "images": [{"architecture": "amd64", "os": "linux", "digest": digest, "size": 1, "status": "active"}]})
        };
        let all = "/v2/namespaces/somebody117/repositories";
        match path.strip_prefix(all) {
            Some("") if query.contains("page=2") => ok(&json!({"count": 3, "next": null, "previous": "x",
                "results": [repository("full-version-crack", "crack keygen https://short.invalid/2tkXq3", 0),
                    repository("../../evil", "", 0)]})),
            Some("") => ok(&json!({"count": 3, "next": format!("{base}{all}?page=2&page_size=100"), "previous": null,
                "results": [repository("mysql", "A \u{1b}[31mdatabase.", 1_500_000)]})),
            Some("/mysql") => {
                let mut one = repository("mysql", "A \u{1b}[31mdatabase.", 1_500_000);
                one["full_description"] = json!("# MySQL\nRun it with `docker run`.");
                ok(&one)
            }
            Some("/mysql/tags") => ok(&json!({"count": 2, "next": null, "previous": null,
                "results": [tag("latest", &good), tag("8", &bad), tag("no tag!", &bad)]})),
            Some("/full-version-crack/tags") => ok(&json!({"count": 0, "next": null, "previous": null, "results": []})),
            _ => Reply::new(404, r#"{"message":"object not found","errinfo":{}}"#),
        }
    })
    .await;
    let (hub, mirror) = (format!("http://{}", site.host), format!("docker.io=http://{}", registry.host));
    let more = ["--hub-url", &hub, "--mirror", &mirror];
    let hunted =
        hunt(&place, "account:docker.io/Somebody117", &more, &[("LAZARET_HUB_TOKEN", "hub-secret")]).await;
    let summary = &hunted.summary;
    assert_eq!(hunted.said.code, 1, "{:?}", hunted.said);
    assert_eq!(
        [&summary["total"], &summary["malicious"], &summary["clean"], &summary["skippedNames"]],
        [3, 2, 1, 2],
        "{summary}"
    );
    assert_eq!(hunted.lures, ["docker.io/somebody117/full-version-crack"]);
    let mysql = hunted.listings.iter().find(|l| l.repository == "docker.io/somebody117/mysql").unwrap();
    assert_eq!(mysql.account.as_deref(), Some("docker.io/somebody117"));
    assert_eq!((mysql.pulls, mysql.stars), (Some(1_500_000), Some(7)));
    assert_eq!(mysql.created.as_deref(), Some("2017-05-10T09:00:00Z"));
    assert!(mysql.description.contains("database") && mysql.description.contains("# MySQL"), "{mysql:?}");
    assert_eq!(mysql.tags.len(), 2);
    assert_eq!(mysql.tags[0].updated.as_deref(), Some("2018-02-01T00:00:00Z"));
    // The token of the site goes to the site alone.
    assert!(site.seen().iter().all(|r| r.header("authorization") == "Bearer hub-secret"));
    assert!(registry.seen().iter().all(|r| r.header("authorization").is_empty()));
    assert!(!hunted.said.err.contains('\u{1b}'), "{:?}", hunted.said);

    let absent = hunt(&place, "account:nobody", &more, &[]).await;
    assert!(
        absent.said.code == 2 && absent.said.err.contains("Docker Hub knows no account `nobody`"),
        "{:?}",
        absent.said
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn quays_account_is_listed_by_pages_of_both_kinds() {
    let place = Place::new();
    let (registry, good, bad) = registry(&place, "someorg").await;
    let site = Fake::start(move |request, _| {
        let (path, query) = path(request);
        let repository = |name: &str| {
            json!({"namespace": "someorg", "name": name, "description": "What it is.", "is_public": true,
                "kind": "image", "state": "NORMAL", "last_modified": 1_519_862_400, "is_starred": null, "quota_report": null})
        };
        let tag = |name: &str, digest: &str| {
            json!({"name": name, "reversion": false, "start_ts": 1_517_443_200, "manifest_digest": digest,
                "is_manifest_list": false, "size": 1, "last_modified": "Thu, 01 Feb 2018 00:00:00 -0000"})
        };
        match path {
            "/api/v1/repository" if !query.contains("namespace=someorg") => Reply::new(400, "{}"),
            "/api/v1/repository" if query.contains("next_page=gAAA%3D%3D") => ok(&json!({"repositories": [repository("empty")]})),
            "/api/v1/repository" => ok(&json!({"repositories": [repository("mysql")], "next_page": "gAAA=="})),
            "/api/v1/repository/someorg/mysql/tag/" if query.contains("page=2") => {
                ok(&json!({"tags": [tag("8", &bad)], "page": 2, "has_additional": false}))
            }
            "/api/v1/repository/someorg/mysql/tag/" => {
                ok(&json!({"tags": [tag("latest", &good)], "page": 1, "has_additional": true}))
            }
            "/api/v1/repository/someorg/empty/tag/" => ok(&json!({"tags": [], "page": 1, "has_additional": false})),
            _ => Reply::new(404, "{}"),
        }
    })
    .await;
    let (quay, mirror) = (format!("http://{}", site.host), format!("quay.io=http://{}", registry.host));
    let hunted =
        hunt(&place, "account:quay.io/someorg", &["--quay-url", &quay, "--mirror", &mirror], &[]).await;
    assert_eq!(hunted.said.code, 1, "{:?}", hunted.said);
    assert_eq!([&hunted.summary["total"], &hunted.summary["malicious"]], [2, 1], "{}", hunted.summary);
    let mysql = hunted.listings.iter().find(|l| l.repository == "quay.io/someorg/mysql").unwrap();
    assert_eq!(mysql.updated.as_deref(), Some("2018-03-01T00:00:00Z"));
    assert_eq!(mysql.tags.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["latest", "8"]);
    assert_eq!(mysql.tags[0].updated.as_deref(), Some("2018-02-01T00:00:00Z"));
    assert!(hunted.lures.is_empty());
    assert_eq!(hunted.listings.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn githubs_account_wants_a_token_and_is_listed_with_it() {
    let place = Place::new();
    let (registry, good, bad) = registry(&place, "some-one").await;
    let site = Fake::start(move |request, _| {
        let (path, query) = path(request);
        if request.header("authorization") != "Bearer gh-secret" {
            return Reply::new(401, r#"{"message":"Requires authentication"}"#);
        }
        let version = |digest: &str, tags: &[&str]| {
            json!({"id": 1, "name": digest, "url": "https://x.invalid", "package_html_url": "https://x.invalid",
                "created_at": "2018-01-01T00:00:00Z", "updated_at": "2018-02-01T00:00:00Z",
                "metadata": {"package_type": "container", "container": {"tags": tags}}})
        };
        match path {
            "/users/Some-One/packages" if query.contains("package_type=container") => ok(&json!([{
                "id": 2, "name": "mysql", "package_type": "container", "version_count": 2, "visibility": "public",
                "owner": {"login": "Some-One"}, "url": "https://x.invalid", "html_url": "https://x.invalid",
                "created_at": "2017-05-10T09:00:00Z", "updated_at": "2018-03-01T10:00:00Z",
                "repository": {"name": "mysql", "description": "Its sources."}}])),
            "/users/Some-One/packages/container/mysql/versions" if query.contains("page=2") => {
                ok(&json!([version(&bad, &["8"]), version(&good, &[])]))
            }
            "/users/Some-One/packages/container/mysql/versions" => {
                let next = format!("<http://{}{path}?per_page=100&page=2>; rel=\"next\"", request.header("host"));
                ok(&json!([version(&good, &["latest"])])).header("Link", next)
            }
            _ => Reply::new(404, r#"{"message":"Not Found"}"#),
        }
    })
    .await;
    let (github, mirror) = (format!("http://{}", site.host), format!("ghcr.io=http://{}", registry.host));
    let more = ["--github-url", &github, "--mirror", &mirror];
    let hunted = hunt(&place, "account:ghcr.io/Some-One", &more, &[]).await;
    assert_eq!(hunted.said.code, 2, "{:?}", hunted.said);
    assert!(hunted.said.err.contains("LAZARET_GITHUB_TOKEN"), "{:?}", hunted.said);
    let env = [("LAZARET_GITHUB_TOKEN", "gh-secret")];
    let hunted = hunt(&place, "account:ghcr.io/Some-One", &[&more[..], &["--fresh"]].concat(), &env).await;
    assert_eq!(hunted.said.code, 1, "{:?}", hunted.said);
    assert_eq!([&hunted.summary["total"], &hunted.summary["malicious"]], [2, 1], "{}", hunted.summary);
    let mysql = hunted.listings.iter().find(|l| l.repository == "ghcr.io/some-one/mysql").unwrap();
    assert_eq!(mysql.description, "Its sources.");
    assert_eq!(mysql.created.as_deref(), Some("2017-05-10T09:00:00Z"));
    assert!(!hunted.said.err.contains("gh-secret") && !hunted.said.out.contains("gh-secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_leads_elsewhere_or_round_in_a_circle_is_told() {
    let place = Place::new();
    let elsewhere = Fake::start(|_, _| ok(&json!({"results": []}))).await;
    let there = format!("http://{}/v2/x", elsewhere.host);
    for (next, part) in [(there.as_str(), "at another host"), ("?page_size=100", "circle")] {
        let next = next.to_owned();
        let site = Fake::start(move |request, _| match request.path.contains("/tags") {
            true => ok(&json!({"next": null, "results": []})),
            false => ok(&json!({"next": next, "results": [{"name": "empty"}]})),
        })
        .await;
        let hub = format!("http://{}", site.host);
        let hunted = hunt(&place, "account:somebody", &["--hub-url", &hub, "--fresh"], &[]).await;
        assert_eq!(hunted.said.code, 2, "{:?}", hunted.said);
        assert!(hunted.said.err.contains(part), "{:?}", hunted.said);
        assert_eq!(hunted.listings.len(), 1, "what it listed until then counts");
    }
    assert_eq!(elsewhere.seen().len(), 0);
    let other = hunt(&place, "account:registry.example/x", &[], &[]).await;
    assert!(other.said.code == 2 && other.said.err.contains("cannot be listed"), "{:?}", other.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_odd_repository_hides_neither_the_others_nor_itself() {
    let place = Place::new();
    let (registry, good, _) = registry(&place, "somebody117").await;
    let dead = Arc::new(AtomicBool::new(true));
    let (dies, fell) = (dead.clone(), AtomicBool::new(false));
    let site = Fake::start(move |request, _| {
        let (path, _) = path(request);
        // From the last of them on it answers nothing any more.
        if dies.load(Ordering::SeqCst) && (path.ends_with("/zombie/tags") || fell.load(Ordering::SeqCst)) {
            fell.store(true, Ordering::SeqCst);
            return Reply::new(503, "");
        }
        let crack = "crack keygen https://short.invalid/2tkXq3";
        match path.strip_prefix("/v2/namespaces/somebody117/repositories") {
            Some("") => ok(&json!({"next": null, "results": [
                {"name": "hidden", "description": crack}, {"name": "mysql"}, {"name": "odd", "description": crack},
                {"name": "zombie", "description": crack}]})),
            Some("/mysql/tags") => ok(&json!({"next": null, "results": [{"name": "latest", "digest": good}]})),
            Some("/hidden/tags") => Reply::new(403, "{}"),
            Some("/odd/tags") => ok(&json!({"next": null, "results": "\u{9b}31m"})),
            Some("/zombie/tags") => ok(&json!({"next": null, "results": []})),
            _ => Reply::new(404, "{}"),
        }
    })
    .await;
    let (hub, mirror) = (format!("http://{}", site.host), format!("docker.io=http://{}", registry.host));
    let more = ["--hub-url", &hub, "--mirror", &mirror, "--patience", "1"];
    let hunted = hunt(&place, "account:somebody117", &more, &[]).await;
    let summary = &hunted.summary;
    // The site fell silent at the last of them; what it had told until then was judged.
    assert_eq!((hunted.said.code, &summary["end"]), (2, &json!("paused")), "{:?}", hunted.said);
    assert_eq!([&summary["total"], &summary["clean"], &summary["malicious"]], [1, 1, 0], "{summary}");
    let troubles = summary["troubles"].to_string();
    assert!(troubles.contains("somebody117/hidden: ") && troubles.contains("answered 403"), "{summary}");
    assert!(troubles.contains("somebody117/odd: ") && troubles.contains("not known"), "{summary}");
    assert!(hunted.lures.is_empty(), "{:?}", hunted.lures);

    dead.store(false, Ordering::SeqCst);
    let before = site.count("/mysql/tags");
    let hunted = hunt(&place, "account:somebody117", &more, &[]).await;
    assert_eq!(site.count("/mysql/tags"), before, "it goes on after the last that was noted");
    let summary = &hunted.summary;
    assert_eq!((hunted.said.code, &summary["end"]), (2, &json!("done")), "{:?}", hunted.said);
    assert_eq!([&summary["total"], &summary["clean"], &summary["malicious"]], [2, 1, 1], "{summary}");
    assert_eq!(summary["troubles"].as_array().unwrap().len(), 2, "{summary}");
    assert_eq!(hunted.lures, ["docker.io/somebody117/zombie"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_odd_row_hides_no_other_and_an_odd_field_not_its_own() {
    let place = Place::new();
    let (registry, good, _) = registry(&place, "somebody117").await;
    let site = Fake::start(move |request, _| match path(request).0.rsplit("repositories").next().unwrap() {
        "" => ok(&json!({"next": null, "results": [
            {"name": null}, "a row", 7, {"description": "without a name"}, {"name": "a", "star_count": -1},
            {"name": "b", "pull_count": "5M", "last_updated": 5}, {"name": "c", "pull_count": 1.5e6},
            {"name": "mysql", "star_count": 3, "pull_count": 12}]})),
        "/mysql/tags" => ok(&json!({"next": null, "results": [
            {"name": 5}, {"name": "latest", "digest": good, "last_updated": []}]})),
        text if text.ends_with("/tags") => ok(&json!({"next": null, "results": []})),
        _ => Reply::new(404, "{}"),
    })
    .await;
    let (hub, mirror) = (format!("http://{}", site.host), format!("docker.io=http://{}", registry.host));
    let hunted = hunt(&place, "account:somebody117", &["--hub-url", &hub, "--mirror", &mirror], &[]).await;
    let summary = &hunted.summary;
    assert_eq!((hunted.said.code, &summary["end"]), (2, &json!("done")), "{:?}", hunted.said);
    assert_eq!([&summary["total"], &summary["clean"]], [1, 1], "{summary}");
    let troubles = summary["troubles"].to_string();
    for part in ["`-1` as its star_count", "as its pull_count", "`5` as its last_updated", "a row has a form"]
    {
        assert!(troubles.contains(part), "{part}: {troubles}");
    }
    assert_eq!(summary["troubles"].as_array().unwrap().len(), 9, "{troubles}");
    let pulls: Vec<_> = hunted.listings.iter().map(|listing| (listing.pulls, listing.stars)).collect();
    assert_eq!(pulls, [(None, None), (None, None), (Some(1_500_000), None), (Some(12), Some(3))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_goes_on_as_another_one_ends_there() {
    let place = Place::new();
    for next in [
        "/v2/namespaces/library/repositories?page=2",
        "/api/admin/delete?everything=1",
        "/v2/namespaces/somebody/repositories/../../../../evil?page=2",
    ] {
        let site = Fake::start(move |request, _| match path(request).0 {
            "/v2/namespaces/somebody/repositories" => {
                ok(&json!({"next": next, "results": [{"name": "own"}]}))
            }
            other if other.ends_with("/tags") => ok(&json!({"next": null, "results": []})),
            other if other.ends_with("/own") => Reply::new(404, "{}"),
            _ => ok(&json!({"next": null, "results": [{"name": "foreign"}]})),
        })
        .await;
        let hub = format!("http://{}", site.host);
        let hunted = hunt(&place, "account:somebody", &["--hub-url", &hub, "--fresh"], &[]).await;
        assert!(
            hunted.said.code == 2 && hunted.said.err.contains("the next page is at `/"),
            "{:?}",
            hunted.said
        );
        let listed: Vec<&str> = hunted.listings.iter().map(|listing| listing.repository.as_str()).collect();
        assert_eq!(listed, ["docker.io/somebody/own"]);
        assert!(
            site.seen().iter().all(|r| r.path.starts_with("/v2/namespaces/somebody/")),
            "{:?}",
            site.seen()
        );
    }
    // The name that this list had before is one of its own; and a page that is not there is no account.
    let site = Fake::start(move |request, _| match path(request) {
        ("/v2/namespaces/somebody/repositories", "page=3") => Reply::new(404, "{}"),
        ("/v2/namespaces/somebody/repositories", "page=2") => {
            ok(&json!({"next": "?page=3", "results": [{"name": "two"}]}))
        }
        ("/v2/namespaces/somebody/repositories", _) => {
            ok(&json!({"next": "/v2/repositories/somebody/?page=2", "results": [{"name": "one"}]}))
        }
        (other, _) if other.ends_with("/tags") => ok(&json!({"next": null, "results": []})),
        _ => Reply::new(404, "{}"),
    })
    .await;
    let hub = format!("http://{}", site.host);
    let hunted = hunt(&place, "account:somebody", &["--hub-url", &hub, "--fresh"], &[]).await;
    let listed: Vec<&str> = hunted.listings.iter().map(|listing| listing.repository.as_str()).collect();
    assert_eq!(listed, ["docker.io/somebody/one", "docker.io/somebody/own", "docker.io/somebody/two"]);
    let err = &hunted.said.err;
    assert!(
        hunted.said.code == 2 && err.contains("answered 404") && !err.contains("knows no account"),
        "{err}"
    );
}
