//! `lazaret hunt`: over real registries, over those that lie, throttle or die, over folders and files.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "hunt/broken.rs"]
mod broken;
#[path = "hunt/library.rs"]
mod library;
#[path = "hunt/no_image.rs"]
mod no_image;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/served.rs"]
mod served;
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lazaret_model::Outcome;
use lazaret_store::Store;
use serde_json::{Value, json};

use library::{Library, image};
use postgres::Server;
use served::field::fake::{Fake, Reply, Then};
use served::field::images::Workshop;
use served::field::registry::{Access, Registry};
use served::until;
use support::{PROGRAM, Place, RawImage, Said, said};

fn store(place: &Place) -> String {
    format!("sqlite:{}", place.path("store.sqlite").display())
}

fn arguments(place: &Place, store: &str, more: &[&str]) -> Vec<String> {
    let rules = place.path("rules").display().to_string();
    let fixed = ["hunt", "--store", store, "--only-rules", "--rules", &rules, "--no-progress"];
    fixed.iter().chain(more).map(|text| (*text).to_owned()).collect()
}

fn hunt_in(place: &Place, store: &str, more: &[&str]) -> Said {
    let arguments = arguments(place, store, more);
    place.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Hunts with the marker rule alone; what it says, and its summary as JSON.
fn hunt(place: &Place, more: &[&str]) -> (Said, Value) {
    let said = hunt_in(place, &store(place), &[more, &["-f", "json"]].concat());
    let summary = serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {said:?}"));
    (said, summary)
}

fn number(summary: &Value, name: &str) -> u64 {
    summary[name].as_u64().unwrap_or_else(|| panic!("{name}: {summary}"))
}

fn numbers<const N: usize>(summary: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| number(summary, name))
}

fn push(shop: &Workshop, layout: &Path, registry: &Registry, name: &str) {
    let mut copy = shop.skopeo();
    copy.args(["copy", "-q", "--dest-tls-verify=false"]);
    copy.arg(format!("oci:{}", layout.display())).arg(registry.url(name));
    served::field::run(&mut copy);
}

/// Requests for this that the registry has noted since `from` lines.
fn requests(registry: &Registry, part: &str, from: usize) -> Vec<String> {
    let log = fs::read_to_string(registry.dir.path().join("log")).unwrap();
    let lines = log.lines().skip(from).filter(|line| line.contains("\"GET /v2/") && line.contains(part));
    lines.map(str::to_owned).collect()
}

fn lines(registry: &Registry) -> usize {
    fs::read_to_string(registry.dir.path().join("log")).unwrap().lines().count()
}

#[test]
fn a_registry_is_hunted_whole_and_hunted_again_only_where_it_changed() {
    let (place, shop, registry) = (Place::new(), Workshop::new(), Registry::start(Access::Open));
    let mut base = String::new();
    for n in 0..6 {
        let (layout, shared) = image(&place.path(&format!("image{n}")), n, n == 4);
        push(&shop, &layout, &registry, &format!("team{}/app{n}:1", n % 2));
        if n == 0 {
            push(&shop, &layout, &registry, "team0/app0:2");
        }
        base = shared;
    }
    let target = format!("registry:{}", registry.host);
    let (said, first) = hunt(&place, &[&target, "--page", "2", "--at-once", "3"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(
        numbers(&first, ["total", "malicious", "clean", "failed", "judgedNow"]),
        [7, 1, 6, 0, 7],
        "{first}"
    );
    assert!(
        first["items"].as_array().unwrap().iter().any(|item| {
            item["state"] == "malicious" && item["reference"] == registry.name("team0/app4:1")
        })
    );
    // Seven images, one base: read once, though three were judged at a time.
    assert_eq!(requests(&registry, &base, 0).len(), 1, "{:?}", requests(&registry, &base, 0));
    assert!(said.err.contains("malicious: "), "{said:?}");

    let before = lines(&registry);
    let (said, second) = hunt(&place, &[&target]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(numbers(&second, ["total", "judgedNow", "layersRead"]), [7, 0, 0], "{second}");
    assert!(requests(&registry, "/blobs/", before).is_empty());
    assert!(requests(&registry, "/manifests/", before).is_empty());

    let (layout, _) = image(&place.path("changed"), 77, false);
    push(&shop, &layout, &registry, "team0/app4:1");
    let (said, third) = hunt(&place, &[&target]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(numbers(&third, ["total", "malicious", "judgedNow", "layersRead"]), [7, 0, 1, 1], "{third}");

    let (_, one) = hunt(&place, &[&registry.name("team0/app0")]);
    assert_eq!(numbers(&one, ["total", "judgedNow", "layersRead"]), [2, 2, 0], "{one}");
    let (_, newest) = hunt(&place, &[&registry.name("team0/app0"), "--tags", "1"]);
    assert_eq!(number(&newest, "total"), 1, "{newest}");
    assert_eq!(newest["items"][0]["reference"], registry.name("team0/app0:2"), "{newest}");

    // What a tag stood for is remembered.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(&store(&place)).await.unwrap();
        let history = store.tag_history(&registry.name("team0/app4")).await.unwrap();
        assert_eq!(history.len(), 2, "{history:?}");
        let listing = store.listing(&registry.name("team0/app0")).await.unwrap().unwrap().listing;
        assert_eq!(listing.tags.len(), 2);
        assert_eq!(listing.account.as_deref(), Some(format!("{}/team0", registry.host).as_str()));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_that_is_killed_goes_on_where_it_was() {
    let place = Place::new();
    let mut library = Library::default();
    for n in 0..8 {
        library.add(&format!("team/app{n}"), "1", &image(&place.path(&format!("image{n}")), n, n == 0).0);
    }
    // The fifth stalls for as long as the test wants it to.
    let stalls = Arc::new(AtomicBool::new(true));
    let (held, shelf) = (stalls.clone(), library.clone());
    let fake = Fake::start(move |request, _| {
        let reply = shelf.answer(request);
        if held.load(Ordering::SeqCst)
            && request.path.contains("team/app4/manifests/")
            && request.method == "GET"
        {
            let whole = reply.body.len() as u64;
            return Reply::new(200, reply.body[..10].to_vec()).cut(whole, Then::Stall);
        }
        reply
    })
    .await;
    let target = format!("registry:{}", fake.host);
    let arguments = arguments(&place, &store(&place), &[&target, "--at-once", "1", "-f", "json"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    for signal in ["KILL", "TERM"] {
        let mut child =
            place.command(&arguments, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let asked = fake.count("team/app4/manifests/");
        until("the hunt hangs in the fifth image", || {
            (fake
                .seen()
                .iter()
                .filter(|r| r.path.contains("team/app4/manifests/") && r.method == "GET")
                .count()
                > usize::from(signal == "TERM")
                && fake.count("team/app4/manifests/") > asked)
                .then_some(())
        });
        if signal == "KILL" {
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            let ended = said(child.wait_with_output().unwrap());
            assert_eq!(ended.code, 2, "{ended:?}");
            let summary: Value = serde_json::from_str(&ended.out).unwrap();
            assert_eq!(summary["end"], "stopped", "{summary}");
            assert_eq!(
                numbers(&summary, ["total", "malicious", "clean", "judgedNow"]),
                [8, 1, 3, 0],
                "{summary}"
            );
        }
    }
    stalls.store(false, Ordering::SeqCst);
    let before = fake.seen().len();
    let (said, summary) = tokio::task::block_in_place(|| hunt(&place, &[&target, "--at-once", "1"]));
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(numbers(&summary, ["total", "malicious", "clean", "judgedNow"]), [8, 1, 7, 4], "{summary}");
    let asked = fake.seen().split_off(before);
    // Neither the list nor what was judged is asked for again.
    assert!(!asked.iter().any(|r| r.path.contains("_catalog") || r.path.contains("app1/")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_dies_half_way_pauses_the_hunt_and_nothing_is_lost() {
    let place = Place::new();
    let mut library = Library::default();
    for n in 0..5 {
        library.add(&format!("team/app{n}"), "1", &image(&place.path(&format!("image{n}")), n, false).0);
    }
    let lives = Arc::new(AtomicUsize::new(14));
    let (left, shelf) = (lives.clone(), library.clone());
    let fake = Fake::start(move |request, _| {
        let alive = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        if alive { shelf.answer(request) } else { Reply::new(503, "down") }
    })
    .await;
    let target = format!("registry:{}", fake.host);
    let run = |more: &[&str]| {
        let arguments =
            [&[target.as_str(), "--at-once", "1", "--page", "2", "--patience", "1"], more].concat();
        tokio::task::block_in_place(|| hunt(&place, &arguments))
    };
    let (said, summary) = run(&[]);
    assert_eq!((said.code, &summary["end"]), (2, &json!("paused")), "{said:?}");
    assert!(summary["why"].as_str().unwrap().contains("503"), "{summary}");
    let done = number(&summary, "clean");
    assert!(done < 5, "{summary}");
    assert_eq!(number(&summary, "inconclusive") + number(&summary, "failed"), 0, "{summary}");

    lives.store(usize::MAX, Ordering::SeqCst);
    let (said, summary) = run(&[]);
    assert_eq!((said.code, &summary["end"]), (0, &json!("done")), "{said:?} {summary}");
    assert_eq!(numbers(&summary, ["total", "clean", "judgedNow"]), [5, 5, 5 - done], "{summary}");

    // And one that dies while it lists: what it listed is judged, and the list goes on from there.
    lives.store(5, Ordering::SeqCst);
    let (said, summary) = run(&["--fresh"]);
    assert_eq!((said.code, &summary["end"]), (2, &json!("paused")), "{said:?} {summary}");
    lives.store(usize::MAX, Ordering::SeqCst);
    let before = fake.seen().len();
    let (said, summary) = run(&[]);
    assert_eq!((said.code, number(&summary, "total")), (0, 5), "{said:?} {summary}");
    let asked = fake.seen().split_off(before);
    assert!(
        asked.iter().any(|r| r.path.contains("_catalog") && r.path.contains("last=team%2Fapp1")),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_throttles_is_waited_for_and_one_that_lies_is_told() {
    let place = Place::new();
    let mut library = Library::default();
    library.add("team/app", "1", &image(&place.path("image"), 1, false).0);
    let shelf = library.clone();
    let fake = Fake::start(move |request, before| {
        if request.path.contains("/manifests/") && request.method == "GET" && before == 1 {
            return Reply::new(429, "").header("Retry-After", "1");
        }
        if request.path.contains("_catalog") {
            let body = json!({"repositories": ["team/app", "../etc", "evil\u{1b}]0;x\u{7}"]}).to_string();
            return Reply::new(200, body).header("Link", "</v2/_catalog?n=1>; rel=\"next\"");
        }
        shelf.answer(request)
    })
    .await;
    let target = format!("registry:{}", fake.host);
    let said = tokio::task::block_in_place(|| hunt_in(&place, &store(&place), &[&target, "--page", "1"]));
    // It was judged, and the list was not whole.
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.out.contains("1 of 1 judged: 0 malicious, 0 suspicious, 1 clean"), "{said:?}");
    assert!(said.out.contains("circle") && said.out.contains("2 names that are none"), "{said:?}");
    assert!(said.err.contains("waits 1 s for"), "{said:?}");
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{said:?}");
    assert!(!format!("{}{}", said.out, said.err).contains('\u{1b}'), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_out_of_a_list_is_told_until_it_is_listed_anew() {
    let place = Place::new();
    let mut library = Library::default();
    library.add("team/app", "1", &image(&place.path("image"), 1, false).0);
    let state = Arc::new(AtomicUsize::new(0));
    let (now, shelf) = (state.clone(), library.clone());
    let fake = Fake::start(move |request, _| match now.load(Ordering::SeqCst) {
        0 if request.path.contains("/manifests/") => Reply::new(503, "down"),
        0 | 1 if request.path.contains("_catalog") => {
            let names = json!({"repositories": ["team/app", "not a name"]}).to_string();
            Reply::new(200, names).header("Link", "</v2/_catalog?n=100>; rel=\"next\"")
        }
        _ => shelf.answer(request),
    })
    .await;
    let target = format!("registry:{}", fake.host);
    let run = || tokio::task::block_in_place(|| hunt(&place, &[&target, "--patience", "1"]));
    let (said, summary) = run();
    assert_eq!((said.code, &summary["end"]), (2, &json!("paused")), "{said:?}");
    assert_eq!(numbers(&summary, ["total", "clean", "notLookedAt"]), [1, 0, 1], "{summary}");

    state.store(1, Ordering::SeqCst);
    let lists = fake.count("_catalog");
    let (said, summary) = run();
    assert_eq!((fake.count("_catalog"), &summary["end"]), (lists, &json!("done")), "{summary}");
    assert_eq!(numbers(&summary, ["clean", "skippedNames", "notLookedAt"]), [1, 1, 0], "{summary}");
    assert!(summary["troubles"][0].as_str().unwrap().contains("circle"), "{summary}");
    assert_eq!(said.code, 2, "the list was not whole, whoever read it: {said:?}");

    state.store(2, Ordering::SeqCst);
    let (said, summary) = run();
    assert_eq!((said.code, &summary["troubles"]), (0, &json!([])), "{said:?} {summary}");
    assert_eq!(numbers(&summary, ["total", "skippedNames"]), [1, 0], "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_registry_is_silent_the_others_are_listed_and_judged() {
    let place = Place::new();
    let mut library = Library::default();
    library.add("team/app", "1", &image(&place.path("image"), 1, false).0);
    let silent = Fake::start(|_, _| Reply::new(429, "").header("Retry-After", "31536000")).await;
    let fake = Fake::start(move |request, _| library.answer(request)).await;
    let targets = [format!("registry:{}", silent.host), format!("{}/team/app", fake.host)];
    let (said, summary) =
        tokio::task::block_in_place(|| hunt(&place, &[&targets[0], &targets[1], "--patience", "2"]));
    assert_eq!((said.code, &summary["end"]), (2, &json!("paused")), "{said:?}");
    assert_eq!(numbers(&summary, ["total", "clean"]), [1, 1], "{summary}");
    let why = summary["why"].as_str().unwrap();
    assert!(why.contains(&silent.host) && why.contains("31536000 seconds"), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_any_length_is_noted_as_it_is_read() {
    let place = Place::new();
    let names: Vec<String> = (0..120).map(|n| format!("team/r{n:03}")).collect();
    let dead = Arc::new(AtomicBool::new(true));
    let (dies, fell) = (dead.clone(), AtomicBool::new(false));
    let fake = Fake::start(move |request, _| {
        if let Some(rest) = request.path.strip_prefix("/v2/_catalog?") {
            let after = rest.split("last=").nth(1).unwrap_or_default().replace("%2F", "/");
            let left: Vec<&String> = names.iter().filter(|name| **name > after).collect();
            return Reply::new(200, json!({"repositories": left}).to_string());
        }
        let down = request.path.contains("r100/") || fell.load(Ordering::SeqCst);
        match down && dies.load(Ordering::SeqCst) {
            true => {
                fell.store(true, Ordering::SeqCst);
                Reply::new(503, "")
            }
            false => Reply::new(200, r#"{"tags":[]}"#),
        }
    })
    .await;
    let target = format!("registry:{}", fake.host);
    let run = || {
        tokio::task::block_in_place(|| {
            hunt(&place, &[&target, "--patience", "1", "--rate", "0", "--page", "5"])
        })
    };
    let (said, summary) = run();
    assert_eq!((said.code, &summary["end"]), (2, &json!("paused")), "{said:?}");
    dead.store(false, Ordering::SeqCst);
    let (said, summary) = run();
    assert_eq!((said.code, &summary["end"]), (0, &json!("done")), "{said:?} {summary}");
    assert_eq!(fake.count("last=team%2Fr099"), 1, "it goes on inside the page");
    for n in 0..120 {
        let most = if n >= 99 { 12 } else { 1 };
        assert!((1..=most).contains(&fake.count(&format!("r{n:03}/tags"))), "r{n:03}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_whose_tags_are_not_shown_is_not_taken_for_empty() {
    let place = Place::new();
    let fake = Fake::start(|request, _| match request.path.contains("_catalog") {
        true => Reply::new(200, r#"{"repositories":["team/book"]}"#),
        false if request.path == "/v2/" => Reply::new(200, "{}"),
        false => Reply::new(403, r#"{"errors":[{"code":"DENIED","message":"go away"}]}"#),
    })
    .await;
    let own = json!([{"repository": format!("{}/team/book", fake.host), "name": null, "account": "team",
        "description": "cheat aimbot, no survey https://a.example/x", "run": null, "created": null, "updated": null,
        "pulls": 7, "stars": 3, "tags": [{"name": "1", "digest": null, "updated": null}], "source": "us"}]);
    fs::write(place.path("own.json"), own.to_string()).unwrap();
    let (file, target) = (place.path("own.json").display().to_string(), format!("registry:{}", fake.host));
    let (said, summary) = tokio::task::block_in_place(|| hunt(&place, &[&target, "--metadata", &file]));
    assert_eq!((said.code, number(&summary, "malicious")), (2, 0), "{said:?} {summary}");
    assert!(summary["troubles"][0].as_str().unwrap().contains("go away"), "{summary}");
    let store = Store::open(&store(&place)).await.unwrap();
    assert!(store.lures().await.unwrap().is_empty());
    let known = store.listing(&format!("{}/team/book", fake.host)).await.unwrap().unwrap().listing;
    assert_eq!((known.tags.len(), known.pulls), (1, Some(7)), "what was known of it stands");
}

#[test]
fn a_file_says_what_sites_say_and_a_page_without_an_image_is_judged_by_what_it_says() {
    let place = Place::new();
    fs::create_dir_all(place.path("lab")).unwrap();
    for (name, n, bad) in [("one", 1, false), ("two", 2, true)] {
        image(&place.path(&format!("lab/{name}")), n, bad);
    }
    let record = |path: Option<&str>, repository: &str, description: &str| {
        json!({"path": path, "account": "somebody117", "repository": repository, "tag": path.map(|_| "8"),
            "description": description, "created": "2017-05-01T00:00:00Z", "updated": "2017-08-01T00:00:00Z", "pulls": 1_000})
    };
    let records = json!([
        record(Some("one"), "mysql", "A database\u{1b}[2J."),
        record(Some("two"), "tomcat", "A server."),
        record(None, "full-version-crack", "crack \u{1b}[31m keygen, serial key: https://short.invalid/2tkXq3"),
        record(None, "future", "Reserved. Sources: https://git.example.org/acme/future"),
        record(Some("../outside"), "x", ""),
        {"nonsense": true},
    ]);
    fs::write(place.path("lab/hub.json"), records.to_string()).unwrap();
    let file = place.path("lab/hub.json").display().to_string();
    let (said, summary) = hunt(&place, &["--metadata", &file]);
    // Two records make no sense, and that is told.
    assert_eq!(said.code, 2, "{said:?}");
    assert_eq!(summary["troubles"].as_array().unwrap().len(), 2, "{summary}");
    assert_eq!(numbers(&summary, ["total", "malicious", "clean"]), [3, 2, 1], "{summary}");
    let table = hunt_in(&place, &store(&place), &["--metadata", &file]);
    assert!(
        table.out.contains("docker.io/somebody117/full-version-crack (a page without an image)"),
        "{table:?}"
    );
    assert!(table.out.contains("The repository holds no image"), "{table:?}");
    assert!(!format!("{}{}", table.out, table.err).contains('\u{1b}'), "{table:?}");
    assert!(table.out.lines().all(|line| line.chars().count() <= 80), "{table:?}");

    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(&store(&place)).await.unwrap();
        let listings = store.listings_of("docker.io/somebody117").await.unwrap();
        assert_eq!(listings.len(), 4, "{listings:?}");
        // Each image on disk has the listing of its repository.
        for image in store.images(&lazaret_store::ImageFilter::default()).await.unwrap() {
            let listing = store.listing(&image.repository).await.unwrap().unwrap().listing;
            assert_eq!(listing.account.as_deref(), Some("docker.io/somebody117"));
            assert!(
                listing.name.unwrap().starts_with("docker.io/somebody117/") && listing.pulls == Some(1_000)
            );
        }
        let lures = store.lures().await.unwrap();
        assert_eq!(lures.len(), 1, "{lures:?}");
        assert_eq!(lures[0].lure.as_ref().unwrap().0, Outcome::Malicious);
        assert_eq!(lures[0].listing.repository, "docker.io/somebody117/full-version-crack");
    });

    // Our own listings are read as well.
    let said = format!("cheat aimbot, no survey https://a.example/x {}", "é".repeat(50_000));
    let own = json!([{"repository": "registry.example/a/empty", "name": null, "account": "registry.example/a",
        "description": said, "run": null, "created": null, "updated": null,
        "pulls": null, "stars": 3, "tags": [], "source": "us"}]);
    fs::write(place.path("own.json"), own.to_string()).unwrap();
    let (said, summary) = hunt(&place, &["--metadata", place.path("own.json").to_str().unwrap()]);
    assert_eq!((said.code, number(&summary, "malicious")), (1, 1), "{said:?}");
    runtime.block_on(async {
        let store = Store::open(&store(&place)).await.unwrap();
        let kept = store.listing("registry.example/a/empty").await.unwrap().unwrap().listing.description;
        assert!((60_000..=65_536).contains(&kept.len()), "{}", kept.len());
    });
}

#[test]
fn folders_and_lists_are_hunted_and_what_is_gone_is_forgotten() {
    let place = Place::new();
    for n in 0..3 {
        image(&place.path(&format!("images/deep/er{n}")), n, n == 1);
    }
    let folder = place.path("images").display().to_string();
    let (said, summary) = hunt(&place, &[&folder]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(numbers(&summary, ["total", "malicious", "clean"]), [3, 1, 2], "{summary}");
    fs::remove_dir_all(place.path("images/deep/er1")).unwrap();
    let (said, summary) = hunt(&place, &[&format!("folder:{folder}")]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(numbers(&summary, ["total", "judgedNow"]), [2, 0], "{summary}");

    image(&place.path("odd/\u{202e}gpj\u{9b}31m"), 5, false);
    let odd = place.path("odd").display().to_string();
    for form in ["json", "table"] {
        let said = hunt_in(&place, &store(&place), &[&odd, "-f", form, "--fail-on", "never"]);
        assert_eq!(said.code, 0, "{said:?}");
        let acts = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!format!("{}{}", said.out, said.err).contains(acts), "{form}: {said:?}");
    }

    let list = format!("# ours\noci:{folder}/deep/er0\noci:{folder}/absent\n");
    fs::write(place.path("list"), list).unwrap();
    let (said, summary) = hunt(&place, &[&format!("list:{}", place.path("list").display())]);
    assert_eq!(said.code, 2, "{said:?}");
    assert_eq!(numbers(&summary, ["total", "clean", "failed"]), [2, 1, 1], "{summary}");

    for (arguments, part) in [
        (vec!["hunt"], "TARGET"),
        (vec!["hunt", "registry:plain"], "can be hunted"),
        (vec!["hunt", "--no-store", "nginx"], "no store"),
        (vec!["hunt", "folder:/nowhere/at/all"], "cannot be read"),
        (vec!["hunt", "--metadata", "/nowhere.json"], "cannot be read"),
        (vec!["hunt", "-f", "xml", "nginx"], "not a form"),
    ] {
        let said = place.run(&arguments);
        assert!(said.code == 2 && said.err.contains(part), "{arguments:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_hunts_through_the_queue_and_is_followed_to_its_end() {
    let (place, server) = (Place::new(), Server::start());
    let store = server.database();
    let mut library = Library::default();
    for n in 0..4 {
        library.add(&format!("team/app{n}"), "1", &image(&place.path(&format!("image{n}")), n, n == 3).0);
    }
    let shelf = library.clone();
    let fake = Fake::start(move |request, _| shelf.answer(request)).await;
    let target = format!("registry:{}", fake.host);
    let queued = tokio::task::block_in_place(|| hunt_in(&place, &store, &[&target, "--queue", "-f", "json"]));
    assert_eq!(queued.code, 0, "{queued:?}");
    let summary: Value = serde_json::from_str(&queued.out).unwrap();
    assert_eq!((number(&summary, "queued"), &summary["end"]), (4, &json!("queued")), "{summary}");
    assert_eq!(fake.seen().iter().filter(|r| r.path.contains("/blobs/")).count(), 0);

    let rules = place.path("rules").display().to_string();
    let mut command = Command::new(PROGRAM);
    place.scrub(
        &mut command,
        &["worker", "--store", &store, "--only-rules", "--rules", &rules, "--once"],
        &[],
    );
    let worker = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let waited = tokio::task::block_in_place(|| {
        hunt_in(&place, &store, &[&target, "--queue", "--wait", "-f", "json"])
    });
    let worker = said(worker.wait_with_output().unwrap());
    assert_eq!(worker.code, 0, "{worker:?}");
    assert_eq!(waited.code, 1, "{waited:?}");
    let summary: Value = serde_json::from_str(&waited.out).unwrap();
    assert_eq!(numbers(&summary, ["total", "malicious", "clean", "queued"]), [4, 1, 3, 0], "{summary}");
    assert!(summary["items"].as_array().unwrap().iter().any(|item| {
        item["state"] == "malicious" && item["reference"] == format!("{}/team/app3:1", fake.host)
    }));
}

#[test]
fn a_hunt_says_of_each_image_what_a_scan_of_it_alone_says() {
    let place = Place::new();
    let mut layouts = Vec::new();
    for case in lazaret_lab::cases().unwrap() {
        // Images on the same base follow each other, on one worker that goes on holding it.
        if case.set == lazaret_lab::Set::Lineup {
            let path = place.path("lineup").join(&case.name);
            case.write_oci_layout(&path).unwrap();
            layouts.push(format!("oci:{}", fs::canonicalize(path).unwrap().display()));
        }
    }
    let folder = place.path("lineup").display().to_string();
    let hunted = place.run(&["hunt", &folder, "--store", &store(&place), "--at-once", "1", "-q"]);
    assert_eq!(hunted.code, 1, "{hunted:?}");
    let scan = |store: &[&str]| {
        let references: Vec<&str> = layouts.iter().map(String::as_str).collect();
        let (said, report) = place.json(&[&["scan", "-q"], store, &references[..]].concat());
        assert_eq!(said.code, 1, "{}", said.err);
        let images: Vec<Value> = support::images(&report).into_iter().cloned().collect();
        images
            .into_iter()
            .map(|image| {
                ["manifest", "verdict", "findings", "gaps", "behaviours"].map(|part| image[part].clone())
            })
            .collect::<Vec<_>>()
    };
    let (remembered, alone) = (scan(&["--store", &store(&place)]), scan(&["--no-store"]));
    assert_eq!(remembered.len(), alone.len());
    assert!(alone.len() >= 17, "{}", alone.len());
    assert_eq!(remembered, alone);
    // That they were remembered by the hunt, and not judged by the scan after it.
    let again = hunt_plain(&place, &folder);
    assert_eq!(number(&again, "judgedNow"), 0, "{again}");
}

/// Hunts with the built-in rules.
fn hunt_plain(place: &Place, target: &str) -> Value {
    let said = place.run(&["hunt", target, "--store", &store(place), "-q", "-f", "json"]);
    serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {said:?}"))
}
