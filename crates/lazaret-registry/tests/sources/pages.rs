//! Lists in pages, from an honest registry and from those that lead a client astray.

use std::time::{Duration, Instant};

use lazaret_registry::{Client, ClientOptions, Names, Pace, RegistryError};

use crate::support::fake::{Fake, Reply, Request};
use crate::support::images::Workshop;
use crate::support::registry::{Access, Registry};
use crate::support::{client, options, run};

/// All names, and the error at the end if there is one.
async fn all(mut names: Names) -> (Vec<String>, Option<RegistryError>, u64) {
    let mut found = Vec::new();
    loop {
        match names.next().await {
            Ok(Some(page)) => found.extend(page),
            Ok(None) => return (found, None, names.skipped()),
            Err(error) => return (found, Some(error), names.skipped()),
        }
    }
}

fn page(names: &[&str], link: Option<&str>) -> Reply {
    let reply = Reply::new(200, serde_json::json!({ "repositories": names }).to_string());
    match link {
        Some(link) => reply.header("Link", format!("<{link}>; rel=\"next\"")),
        None => reply,
    }
}

async fn catalogue(
    answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
) -> (Vec<String>, Option<String>, u64, Fake) {
    let fake = Fake::start(answer).await;
    let names = client().catalogue(&fake.host, 2, None).await.unwrap();
    let (found, error, skipped) = all(names).await;
    (found, error.map(|error| error.to_string()), skipped, fake)
}

#[tokio::test]
async fn a_real_registry_lists_its_repositories_and_tags_page_by_page() {
    let (shop, registry) = (Workshop::new(), Registry::start(Access::Open));
    shop.build("localhost/a:1", "amd64");
    for name in ["a/one:1", "a/one:2", "a/one:3", "b/two:1", "c:1", "d/e/f:1", "g:1"] {
        run(shop
            .tool("buildah")
            .args(["push", "-q", "--tls-verify=false", "localhost/a:1"])
            .arg(registry.url(name)));
    }
    for size in [1, 2, 100] {
        let (found, error, skipped) =
            all(client().catalogue(&registry.host, size, None).await.unwrap()).await;
        assert!(error.is_none() && skipped == 0, "{error:?}");
        assert_eq!(found, ["a/one", "b/two", "c", "d/e/f", "g"], "pages of {size}");
        let tags = client().tags_of(&registry.host, "a/one", size).await.unwrap();
        let mut tags = all(tags).await.0;
        // In which order a registry lists tags is its own affair.
        tags.sort();
        assert_eq!(tags, ["1", "2", "3"], "pages of {size}");
    }
    let (found, ..) = all(client().catalogue(&registry.host, 2, Some("b/two")).await.unwrap()).await;
    assert_eq!(found, ["c", "d/e/f", "g"]);
    let absent = all(client().tags_of(&registry.host, "absent", 2).await.unwrap()).await;
    assert!(matches!(absent.1, Some(RegistryError::NoSuchRepository { .. })), "{absent:?}");
    let digest = client().stands_for(&format!("{}/c:1", registry.host).parse().unwrap()).await.unwrap();
    assert!(digest.is_some());
    let absent = client().stands_for(&format!("{}/c:2", registry.host).parse().unwrap()).await.unwrap();
    assert_eq!(absent, None);
}

#[tokio::test]
async fn pages_that_lead_round_in_a_circle_end() {
    let (found, error, _, fake) = catalogue(|request, _| {
        let turn = if request.path.contains("last=a") { "b" } else { "a" };
        page(&[turn], Some(&format!("/v2/_catalog?last={turn}&n=2")))
    })
    .await;
    assert_eq!(found, ["a", "b"]);
    assert!(error.unwrap().contains("circle"));
    assert!(fake.seen().len() <= 4, "{}", fake.seen().len());
}

#[tokio::test]
async fn pages_that_go_on_without_bringing_anything_end() {
    let (found, error, _, fake) =
        catalogue(|_, before| page(&["a"], Some(&format!("/v2/_catalog?x={before}{}", rand(before))))).await;
    assert_eq!(found, ["a"]);
    assert!(error.unwrap().contains("brought nothing new"));
    assert!(fake.seen().len() < 30, "{}", fake.seen().len());
}

/// Another text each time, so that no query is met twice.
fn rand(n: usize) -> u128 {
    use std::time::{SystemTime, UNIX_EPOCH};
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() + n as u128
}

#[tokio::test]
async fn the_next_page_is_asked_of_the_same_host_and_list_only() {
    let elsewhere = Fake::start(|_, _| page(&["stolen"], None)).await;
    let there = format!("http://{}/v2/_catalog?n=2", elsewhere.host);
    let (found, error, ..) = catalogue(move |_, _| page(&["a"], Some(&there))).await;
    assert_eq!(found, ["a"]);
    assert!(error.unwrap().contains("at another host"));
    assert_eq!(elsewhere.seen().len(), 0);

    let (_, error, _, fake) = catalogue(|_, _| page(&["a"], Some("/admin/delete?everything=1"))).await;
    assert!(error.unwrap().contains("`/admin/delete`"));
    assert_eq!(fake.count("/admin"), 0);
}

#[tokio::test]
async fn names_that_are_none_are_left_out_and_counted() {
    let (found, error, skipped, _) = catalogue(|_, _| {
        page(
            &["good", "../../v2/x", "UPPER", "a\u{1b}[31m", "with:tag", "", "a b", "x@sha256:0", "good"],
            None,
        )
    })
    .await;
    assert_eq!((found, error), (vec!["good".to_owned()], None));
    assert_eq!(skipped, 7);
}

#[tokio::test]
async fn a_page_without_end_or_without_sense_is_told() {
    let (_, error, ..) = catalogue(|_, _| Reply::new(200, r#"{"repositories":["a","#).endless()).await;
    assert!(error.unwrap().contains("larger than"));
    let (_, error, ..) = catalogue(|_, _| Reply::new(200, "<html>")).await;
    assert!(error.unwrap().contains("no list in JSON"));
    let (found, error, ..) = catalogue(|_, _| Reply::new(200, r#"{"repositories":null}"#)).await;
    assert!(found.is_empty() && error.is_none());
}

/// A client that gives up soon, so that whoever lists has to ask again.
fn hasty(longest_in_all: Duration) -> Client {
    let retry = lazaret_registry::RetryPolicy { tries: 2, longest_in_all, ..options().retry };
    Client::new(ClientOptions { retry, ..options() }).unwrap()
}

#[tokio::test]
async fn a_list_that_breaks_off_goes_on_where_it_was_and_its_bounds_hold() {
    // Every second page fails until it was asked for three times.
    let fake = Fake::start(|request, before| {
        let at: usize = request
            .path
            .split("last=")
            .nth(1)
            .map_or(0, |rest| rest[1..].split('&').next().unwrap().parse().unwrap());
        match at % 2 == 1 && before < 3 {
            true => Reply::new(503, ""),
            false if at < 6 => {
                page(&[&format!("r{}", at + 1)], Some(&format!("/v2/_catalog?last=r{}&n=1", at + 1)))
            }
            false => page(&[], None),
        }
    })
    .await;
    let mut names = hasty(Duration::MAX).catalogue(&fake.host, 1, None).await.unwrap();
    let (mut found, mut failed) = (Vec::new(), 0);
    while failed < 20 {
        match names.next().await {
            Ok(Some(page)) => found.extend(page),
            Ok(None) => break,
            Err(error) if error.may_pass() => failed += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(found, ["r1", "r2", "r3", "r4", "r5", "r6"]);
    assert_eq!(failed, 3);
    assert_eq!(fake.count("last=r2"), 1, "what was listed is not listed again");

    // One that dies after each page and then says the same again does not go on for ever.
    let fake = Fake::start(|request, before| match before % 3 {
        0 | 1 => Reply::new(503, ""),
        _ if request.path.contains("last=a") => page(&["a"], Some("/v2/_catalog?last=a&n=1")),
        _ => page(&["a"], Some("/v2/_catalog?last=a&n=1")),
    })
    .await;
    let mut names = hasty(Duration::MAX).catalogue(&fake.host, 1, None).await.unwrap();
    let mut told = String::new();
    for _ in 0..20 {
        match names.next().await {
            Err(error) if !error.may_pass() => {
                told = error.to_string();
                break;
            }
            _ => {}
        }
    }
    assert!(told.contains("circle"), "{told}");
}

#[tokio::test]
async fn a_registry_that_throttles_for_ever_is_given_up_in_time_however_it_asks_for_it() {
    for (asked, least, most) in [("1", 1, 4), ("0", 0, 4), ("18446744073709551615", 0, 1), ("31536000", 0, 1)]
    {
        let fake = Fake::start(move |_, _| Reply::new(429, "").header("Retry-After", asked)).await;
        let retry = lazaret_registry::RetryPolicy {
            tries: 9,
            longest_in_all: Duration::from_secs(2),
            ..options().retry
        };
        let client = Client::new(ClientOptions { retry, ..options() }).unwrap();
        let begun = Instant::now();
        let error = client.catalogue(&fake.host, 2, None).await.unwrap().next().await.unwrap_err();
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(least) && took < Duration::from_secs(most), "{asked}: {took:?}");
        let RegistryError::Busy { retry_after, lasted, .. } = error else { panic!("{error}") };
        // A hundred years stand for all that is longer.
        let asked = asked.parse::<u64>().ok().map(|seconds| Duration::from_secs(seconds.min(3_153_600_000)));
        assert_eq!(retry_after, asked);
        assert!(lasted <= took && fake.seen().len() <= 9, "{}", fake.seen().len());
    }
}

#[tokio::test]
async fn a_page_or_a_refusal_that_trickles_is_broken_off() {
    for status in [200, 400] {
        let fake = Fake::start(move |_, _| {
            Reply::new(status, "{").cut(9_000_000, crate::support::fake::Then::Trickle)
        })
        .await;
        let retry = lazaret_registry::RetryPolicy { longest_in_all: Duration::ZERO, ..options().retry };
        let stall_timeout = Duration::from_millis(600);
        let client = Client::new(ClientOptions { retry, stall_timeout, ..options() }).unwrap();
        let begun = Instant::now();
        let error = client.catalogue(&fake.host, 2, None).await.unwrap().next().await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!(error.may_pass(), status == 200, "{error}");
    }
}

#[tokio::test]
async fn a_registry_that_lists_nothing_or_not_to_everybody_says_so() {
    let (_, error, ..) = catalogue(|_, _| Reply::new(404, "")).await;
    assert!(error.unwrap().contains("does not list its repositories (it answered 404)"));
    let (_, error, ..) = catalogue(|_, _| {
        Reply::new(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}"#)
            .header("WWW-Authenticate", "Basic realm=\"lab\"")
    })
    .await;
    let error = error.unwrap();
    assert!(error.contains("only to whom it allows") && error.contains("who are you"), "{error}");
}

#[tokio::test]
async fn the_right_to_list_is_asked_for_as_such() {
    let fake = Fake::start(|request, _| {
        if request.path.starts_with("/token") {
            return Reply::new(200, r#"{"token":"abc"}"#);
        }
        match request.header("authorization") {
            "Bearer abc" => page(&["a"], None),
            _ => Reply::new(401, "").header(
                "WWW-Authenticate",
                format!(
                    "Bearer realm=\"http://{}/token\",service=\"lab\",scope=\"registry:catalog:*\"",
                    request.header("host")
                ),
            ),
        }
    })
    .await;
    let (found, error, _) = all(client().catalogue(&fake.host, 2, None).await.unwrap()).await;
    assert!(error.is_none() && found == ["a"], "{error:?}");
    assert_eq!(
        fake.count("registry%3Acatalog%3A%2A") + fake.count("registry%3Acatalog%3A*"),
        1,
        "{:?}",
        fake.seen()
    );
}

#[tokio::test]
async fn a_host_that_asks_for_quiet_is_left_alone_by_all_who_ask_it() {
    let fake = Fake::start(|_, before| match before {
        0 => Reply::new(429, "").header("Retry-After", "1"),
        _ => page(&["a"], None),
    })
    .await;
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let hears = told.clone();
    let pace = Pace::new(0, move |host, wait| hears.lock().unwrap().push((host.to_owned(), wait)));
    let client = Client::new(ClientOptions { pace: Some(pace), ..options() }).unwrap();
    let begun = Instant::now();
    let (found, error, _) = all(client.catalogue(&fake.host, 2, None).await.unwrap()).await;
    assert!(error.is_none() && found == ["a"], "{error:?}");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(*told.lock().unwrap(), [(fake.host.clone(), Duration::from_secs(1))]);
}

#[tokio::test]
async fn a_site_gets_its_token_and_no_other_host_does() {
    let elsewhere = Fake::start(|_, _| Reply::new(200, "{}")).await;
    let there = format!("http://{}/x", elsewhere.host);
    let target = there.clone();
    let fake = Fake::start(move |request, _| match request.path.as_str() {
        "/away" => Reply::new(302, "").header("Location", target.clone()),
        _ => Reply::new(200, "{}"),
    })
    .await;
    let mut site = client().site(&format!("http://{}", fake.host), Some("secret")).unwrap();
    assert_eq!(site.begin(&["v2", "a b"], &[("q", "1&2")]).await.unwrap().status, 200);
    assert_eq!(fake.seen()[0].path, "/v2/a%20b?q=1%262");
    assert_eq!(fake.seen()[0].header("authorization"), "Bearer secret");
    let error = site.begin(&["away"], &[]).await.unwrap_err().to_string();
    assert!(error.contains("another host"), "{error}");
    let error = site.next(&there, false, |_| true).await.unwrap_err().to_string();
    assert!(error.contains("another host"), "{error}");
    assert_eq!(elsewhere.seen().len(), 0);
    // Another list of the same site is not this one, but under another name of it.
    site.begin(&["v2", "own"], &[]).await.unwrap();
    let asked = fake.seen().len();
    for away in ["/v2/other?page=2", "/api/admin/delete?everything=1", "../../evil?page=2"] {
        let error = site.next(away, false, |path| path == "/old/own").await.unwrap_err().to_string();
        assert!(error.contains("the next page is at `/"), "{error}");
    }
    assert_eq!(fake.seen().len(), asked);
    site.next("/old/own?page=2", false, |path| path == "/old/own").await.unwrap();
    site.next("/v2/own/?page=3", false, |_| false).await.unwrap();
    let asked: Vec<_> = fake.seen().split_off(asked).into_iter().map(|request| request.path).collect();
    assert_eq!(asked, ["/v2/own?page=2", "/v2/own/?page=3"]);
    for bad in ["http://site.example", "ftp://site.example", "https://user:pw@site.example", "site"] {
        assert!(client().site(bad, None).is_err(), "{bad}");
    }
}
