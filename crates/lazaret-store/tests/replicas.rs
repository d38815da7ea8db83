//! Many who share one PostgreSQL, and what happens when it goes away.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::server::Server;
use common::{Ground, content, digest, facts, on_both_engines, postgres, record, report, written};
use lazaret_model::{Evidence, Finding, Indicator, IndicatorKind, Location, Outcome};
use lazaret_store::{ImageFilter, LayerRecord, Store, StoreError, StoreOptions};
use sqlx::Connection;

on_both_engines! {
    the_same_layer_and_report_stored_by_many_at_once_are_there_once,
    texts_of_any_length_and_with_zeros_in_them_are_stored_and_found,
    a_store_whose_form_is_newer_is_left_alone,
}

async fn the_same_layer_and_report_stored_by_many_at_once_are_there_once(ground: &Ground) {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..6u32 {
        let store = ground.open().await;
        tasks.spawn(async move {
            for round in 0..8u32 {
                let (diff_id, facts) = facts(round, 200);
                // The same contents in another order each time, some of them in every layer.
                let mut kept: Vec<_> = (0..30u32).map(|k| content(&[(k * 7 % 30) as u8], 50)).collect();
                kept.push(content(&round.to_le_bytes(), 50));
                kept.rotate_left(usize::try_from(n * 5).unwrap());
                store.put_layer(LayerRecord { contents: &kept, ..record(&diff_id, &facts) }).await.unwrap();
                let ids: Vec<_> = kept.iter().map(|(id, _)| *id).collect();
                assert_eq!(store.contents(&ids).await.unwrap().len(), 31);
                store.put_report(&report("r", "1", round, Outcome::Malicious), "j").await.unwrap();
                store.put_report(&report("r", "1", 7 - round, Outcome::Malicious), "j").await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    for (table, rows) in [("layers", 8), ("byte_matches", 8), ("reports", 8), ("images", 8), ("contents", 38)]
    {
        assert_eq!(ground.number(&format!("SELECT count(*) FROM {table}")).await, rows, "{table}");
    }
    let counted = ground.number("SELECT CAST(sum(length(data)) AS BIGINT) FROM contents").await;
    assert_eq!(ground.open().await.content_bytes().await.unwrap(), u64::try_from(counted).unwrap());
}

async fn texts_of_any_length_and_with_zeros_in_them_are_stored_and_found(ground: &Ground) {
    let store = ground.open().await;
    // Hashes do not compress, so no engine can make an index entry of it smaller.
    let noise: String = (0..200u32).map(|n| blake3::hash(&n.to_le_bytes()).to_hex().to_string()).collect();
    let mut one = report(&format!("oci:/{noise}"), "1", 1, Outcome::Malicious);
    let url = Indicator::new(IndicatorKind::Url, format!("https://example.test/\0/{noise}"));
    let rule = one.images[0].findings[0].rule.clone();
    let place = Evidence::at(Location::Config(format!("Env \0 {noise}")), "a place");
    one.images[0].findings =
        vec![Finding::of(&rule, "it names a place", place).indicator(url.clone()).build()];
    one.verdict.why = "a \0 in it".to_owned();
    one.images[0].verdict.why.clone_from(&one.verdict.why);
    store.put_report(&one, "j").await.unwrap();
    store.put_report(&one, "j").await.unwrap();
    assert_eq!(store.report(&one.pinned.digest, "j").await.unwrap(), Some(one.clone()));
    let seen = store.sightings(&url).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].location.len() < 1200 && seen[0].location.starts_with("config Env "), "{seen:?}");
    let other = Indicator::new(IndicatorKind::Url, format!("https://example.test/\0/{noise}x"));
    assert!(store.sightings(&other).await.unwrap().is_empty());
    assert_eq!(store.images(&ImageFilter::default()).await.unwrap().len(), 1);
}

async fn a_store_whose_form_is_newer_is_left_alone(ground: &Ground) {
    ground.open().await.close().await.unwrap();
    match ground.url.starts_with("postgres") {
        true => ground.execute("UPDATE form SET version = 999").await,
        false => ground.execute("PRAGMA user_version = 999").await,
    }
    let error = Store::open(&ground.url).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 999, .. }), "{error}");
    assert!(error.to_string().contains("newer Lazaret"), "{error}");
}

fn writer(url: &str, first: u64, most: u64) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_store-writer"));
    command.arg(url).arg(first.to_string()).arg(most.to_string());
    command.stdout(Stdio::piped()).spawn().unwrap()
}

#[tokio::test]
async fn several_processes_make_the_tables_and_write_at_once_from_the_first_moment_on() {
    let ground = Ground::postgres().await;
    let children: Vec<Child> = (0..4).map(|n| writer(&ground.url, n * 1000, 15)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.lines().filter(|line| line.starts_with("stored ")).count(), 15, "{said}");
    }
    let store = ground.open().await;
    for number in (0..4).flat_map(|n| n * 1000..n * 1000 + 15) {
        let facts = store.facts(&written(number), "1").await.unwrap().unwrap();
        assert_eq!(store.contents(&facts.kept).await.unwrap().len(), facts.kept.len());
    }
    assert_eq!(ground.number("SELECT count(*) FROM form").await, 1);
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_whole_layers_on_the_server() {
    let ground = Ground::postgres().await;
    ground.open().await;
    for round in 0..4u64 {
        let mut child = writer(&ground.url, round * 1000, u64::MAX);
        std::thread::sleep(Duration::from_millis(150 + 37 * round));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let store = ground.open().await;
    let mut connection = postgres::connect(&ground.url).await;
    let layers: Vec<String> =
        sqlx::query_scalar("SELECT diff_id FROM layers").fetch_all(&mut connection).await.unwrap();
    assert!(layers.len() > 4, "{}", layers.len());
    for diff_id in layers {
        let diff_id = diff_id.parse().unwrap();
        let facts = store.facts(&diff_id, "1").await.unwrap().unwrap();
        assert_eq!(store.contents(&facts.kept).await.unwrap().len(), facts.kept.len());
        assert!(store.byte_matches(&diff_id, "1").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_server_that_goes_and_comes_back_is_an_error_meanwhile_and_no_more() {
    let mut server = Server::start();
    let url = server.database();
    let options = StoreOptions { patience: Duration::from_secs(2), ..StoreOptions::default() };
    let store = Store::open_with(&url, options.clone()).await.unwrap();
    let before = report("r", "1", 1, Outcome::Malicious);
    store.put_report(&before, "j").await.unwrap();
    assert!(store.lease("x", "one", Duration::from_secs(600)).await.unwrap());

    server.tell("stop");
    let begun = Instant::now();
    for error in [
        store.report(&before.pinned.digest, "j").await.map(drop).unwrap_err(),
        store.put_report(&before, "j").await.unwrap_err(),
        store.lease("y", "one", Duration::from_secs(1)).await.map(drop).unwrap_err(),
        store.claim("w", Duration::from_secs(1), 3).await.map(drop).unwrap_err(),
        Store::open_with(&url, options).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());

    server.tell("start");
    // The same store, not a new one: what it was told before the loss is there, and it goes on.
    assert_eq!(store.report(&before.pinned.digest, "j").await.unwrap(), Some(before));
    assert!(!store.lease("x", "two", Duration::from_secs(1)).await.unwrap());
    let (diff_id, facts) = facts(1, 50);
    store.put_layer(record(&diff_id, &facts)).await.unwrap();
    assert!(store.enqueue("a", None, "r", 0).await.unwrap());
}

#[tokio::test]
async fn a_lease_of_a_process_that_was_killed_is_taken_over() {
    let ground = Ground::postgres().await;
    let store = ground.open().await;
    let mut killed = postgres::connect(&ground.url).await;
    // As one whose clock is an hour ahead, and who died: only the server's clock counts.
    let died = "INSERT INTO leases VALUES ('sha256:a', 'dead', \
                CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) + 400)";
    sqlx::raw_sql(died).execute(&mut killed).await.unwrap();
    drop(killed);
    assert!(!store.lease("sha256:a", "alive", Duration::from_secs(60)).await.unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    while !store.lease("sha256:a", "alive", Duration::from_secs(60)).await.unwrap() {
        assert!(Instant::now() < until, "it was never to be had");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_writer_that_holds_the_server_for_too_long_is_named_as_the_reason() {
    let ground = Ground::postgres().await;
    let options = StoreOptions { patience: Duration::from_millis(400), ..StoreOptions::default() };
    let store = ground.open_with(options).await;
    let mut other = postgres::connect(&ground.url).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE layers, reports, leases").execute(&mut other).await.unwrap();
    let (diff_id, facts) = facts(1, 5);
    for error in [
        store.put_layer(record(&diff_id, &facts)).await.unwrap_err(),
        store.put_report(&report("r", "1", 1, Outcome::Clean), "j").await.unwrap_err(),
        store.lease("x", "me", Duration::from_secs(1)).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    store.put_layer(record(&diff_id, &facts)).await.unwrap();
    assert!(store.lease("x", "me", Duration::from_secs(1)).await.unwrap());
}

#[tokio::test]
async fn what_is_wrong_with_an_address_is_told_without_its_password() {
    let ground = Ground::postgres().await;
    let (_, rest) = ground.url.split_once("///").unwrap();
    let (database, socket) = rest.split_once("?host=").unwrap();
    let socket = socket.split('&').next().unwrap();
    let address = |name: &str, user: &str| {
        format!("postgres:///{name}?host={socket}&user={user}&password=hunter2&application_name=x")
    };
    // Nothing listens on port 1 of the loopback.
    let nobody = "postgres://lazaret:hunter2@127.0.0.1:1/images".to_owned();
    for (url, said) in [
        (address("absent", "lazaret"), "does not exist"),
        (address(database, "nobody"), "does not exist"),
        (nobody, "Connection refused"),
        (format!("postgres:///x?host={socket}/absent&user=l&password=hunter2"), "No such file"),
    ] {
        let options = StoreOptions { patience: Duration::from_secs(5), ..StoreOptions::default() };
        let error = Store::open_with(&url, options).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(said) && text.contains("the store postgres://"), "{text}");
        assert!(!text.contains("hunter2") && error.to_string().lines().count() == 1, "{text}");
    }
    let store = Store::open(&address(database, "lazaret")).await.unwrap();
    assert!(!store.address().contains("hunter2") && !format!("{store:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_user_without_the_right_to_make_tables_is_told_so() {
    let ground = Ground::postgres().await;
    let mut connection = postgres::connect(&ground.url).await;
    // Users belong to the whole server, on which other tests have theirs.
    sqlx::raw_sql("CREATE USER reader").execute(&mut connection).await.unwrap();
    let url = ground.url.replace("user=lazaret", "user=reader");
    let error = Store::open(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::NotWritable { .. }), "{error}");
    assert!(error.to_string().contains("permission denied"), "{error}");
    // With a schema of its own that somebody made for it, it needs no other right.
    sqlx::raw_sql("CREATE SCHEMA lazaret AUTHORIZATION reader").execute(&mut connection).await.unwrap();
    let store = Store::open(&url).await.unwrap();
    assert!(store.enqueue("a", None, "r", 0).await.unwrap());
}

#[tokio::test]
async fn a_report_is_the_same_to_the_bit_in_both_engines() {
    let (file, server) = (Ground::sqlite(), Ground::postgres().await);
    let one = report("docker.io/library/tomcat", "9", 1, Outcome::Malicious);
    for ground in [&file, &server] {
        ground.open().await.put_report(&one, "j").await.unwrap();
    }
    use sqlx::ConnectOptions;
    let mut connection =
        sqlx::sqlite::SqliteConnectOptions::new().filename(&file.url).connect().await.unwrap();
    let kept: Vec<u8> =
        sqlx::query_scalar("SELECT body FROM reports").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let mut connection = postgres::connect(&server.url).await;
    let served: Vec<u8> =
        sqlx::query_scalar("SELECT body FROM reports").fetch_one(&mut connection).await.unwrap();
    assert_eq!(kept, served);
}

#[tokio::test]
async fn a_file_of_an_older_program_is_brought_up_and_keeps_what_it_knows() {
    let ground = Ground::sqlite();
    std::fs::write(&ground.url, "").unwrap();
    for form in [
        concat!(include_str!("../src/schema/1.sql"), include_str!("../src/schema/1-sqlite.sql")),
        include_str!("../src/schema/2.sql"),
        "PRAGMA user_version = 2; PRAGMA application_id = 1280987732",
        "INSERT INTO bases (name, root, manifest, platform, diff_ids, recorded) SELECT 'b:1', d, d, '', d, \
         '2026-01-02' FROM (SELECT 'sha256:0000000000000000000000000000000000000000000000000000000000000000' AS d)",
    ] {
        ground.execute(form).await;
    }
    let store = ground.open().await;
    assert_eq!(store.bases().await.unwrap().len(), 1);
    assert!(store.lease("x", "me", Duration::from_secs(1)).await.unwrap());
    assert_eq!(store.report(&digest(1), "j").await.unwrap(), None);
}

#[tokio::test]
async fn a_known_verdict_comes_quickly_from_the_server_too() {
    let ground = Ground::postgres().await;
    let store = ground.open().await;
    for number in 0..200 {
        store.put_report(&report("r", "1", number, Outcome::Clean), "j").await.unwrap();
    }
    let mut times: Vec<Duration> = Vec::new();
    for number in 0..101 {
        let start = Instant::now();
        assert!(store.report(&digest(number), "j").await.unwrap().is_some());
        times.push(start.elapsed());
    }
    times.sort();
    eprintln!("a verdict from PostgreSQL: {:?}", times[50]);
    assert!(times[50] < Duration::from_millis(100), "{:?}", times[50]);
}

/// A certificate for 127.0.0.1 that signs itself, and its key.
fn certificate(directory: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (directory.join("server.crt"), directory.join("server.key"));
    let mut make = Command::new("openssl");
    make.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    assert!(make.stderr(Stdio::null()).status().unwrap().success(), "openssl makes no certificate");
    (certificate, key)
}

#[tokio::test]
async fn over_the_network_the_server_is_known_by_its_certificate_and_the_user_by_a_password() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::start_with(|directory| {
        let (certificate, key) = certificate(directory);
        format!(
            "-c listen_addresses=127.0.0.1 -p {} -c ssl=on -c ssl_cert_file={} -c ssl_key_file={}",
            free.port(),
            certificate.display(),
            key.display()
        )
    });
    let local =
        format!("postgres:///postgres?host={}&port={}&user=lazaret", server.directory.display(), free.port());
    let mut connection = sqlx::PgConnection::connect(&local).await.unwrap();
    sqlx::raw_sql("ALTER USER lazaret PASSWORD 'hunter2'").execute(&mut connection).await.unwrap();
    let address = |password: &str, more: &str| {
        format!("postgres://lazaret:{password}@127.0.0.1:{}/postgres?sslmode=verify-full{more}", free.port())
    };
    let root = format!("&sslrootcert={}", server.directory.join("server.crt").display());

    let store = Store::open(&address("hunter2", &root)).await.unwrap();
    assert!(store.enqueue("a", None, "r", 0).await.unwrap());
    let over_tls: bool = sqlx::query_scalar(
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert!(over_tls);
    // Nobody whom the certificate does not speak for, and nobody with another password.
    let other = tempfile::tempdir().unwrap();
    let stranger = format!("&sslrootcert={}", certificate(other.path()).0.display());
    for (url, said) in [
        (address("hunter2", &stranger), "certificate"),
        (address("hunter2", ""), "certificate"),
        (address("hunter3", &root), "password authentication failed"),
    ] {
        let error = Store::open(&url).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(said) && !text.contains("hunter"), "{text}");
    }
}
