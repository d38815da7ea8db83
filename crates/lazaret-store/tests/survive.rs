//! The store outlives its writers, shares its file, and says plainly what is wrong with it.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{assert_whole, facts, record, written};
use lazaret_store::{Store, StoreError, StoreOptions};

const WRITER: &str = env!("CARGO_BIN_EXE_store-writer");

fn writer(path: &Path, first: u64, most: Option<u64>) -> Child {
    let mut command = Command::new(WRITER);
    command.arg(path).arg(first.to_string()).args(most.map(|n| n.to_string()));
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// The numbers in lines `stored N`.
fn stored(lines: impl Iterator<Item = String>) -> Vec<u64> {
    lines.filter_map(|line| line.strip_prefix("stored ")?.trim().parse().ok()).collect()
}

async fn open_error(path: &Path) -> StoreError {
    Store::open(path.to_str().unwrap()).await.expect_err("it was opened")
}

#[tokio::test]
async fn a_writer_that_is_killed_leaves_whole_layers_and_everything_that_it_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let mut reported = Vec::new();
    for round in 0..12u64 {
        let mut child = writer(&path, round * 1000, None);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().unwrap(), "open");
        // At another moment each time: after some layers, and a little into the next.
        reported.extend(stored(lines.by_ref().take(usize::try_from(round % 4).unwrap() + 1)));
        std::thread::sleep(Duration::from_micros(700 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died counts as well.
        reported.extend(stored(lines));
    }
    assert!(reported.len() >= 12);
    assert_whole(&path).await;
    let store = Store::open(path.to_str().unwrap()).await.unwrap();
    for number in reported {
        assert!(store.facts(&written(number), "1").await.unwrap().is_some(), "layer {number}");
    }
}

#[tokio::test]
async fn several_processes_write_at_once_from_the_first_moment_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    // The file is not there yet: they also race to make it.
    let children: Vec<Child> = (0..4).map(|n| writer(&path, n * 1000, Some(25))).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(stored(said.lines().map(str::to_owned)).len(), 25, "{said}");
    }
    assert_whole(&path).await;
    assert_eq!(common::number(&path, "SELECT count(*) FROM layers").await, 100);
}

#[tokio::test]
async fn two_handles_in_one_process_take_turns() {
    let directory = tempfile::tempdir().unwrap();
    let url = directory.path().join("store.db").to_str().unwrap().to_owned();
    let (one, two) = (Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap());
    let work = async |store: &Store, from: u32| {
        for number in from..from + 20 {
            let (diff_id, facts) = facts(number, 50);
            store.put_layer(record(&diff_id, &facts)).await.unwrap();
        }
    };
    tokio::join!(work(&one, 0), work(&two, 100));
    for number in (0..20).chain(100..120) {
        let diff_id = facts(number, 0).0;
        assert!(one.facts(&diff_id, "1").await.unwrap().is_some());
        assert!(two.facts(&diff_id, "1").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_writer_that_holds_the_file_for_too_long_is_named_as_the_reason() {
    let (directory, store) = common::open().await;
    let options = StoreOptions { patience: Duration::from_millis(50), ..StoreOptions::default() };
    let waiting = Store::open_with(store.address(), options).await.unwrap();
    use sqlx::{ConnectOptions, Connection};
    let mut other = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(Path::new(store.address()))
        .connect()
        .await
        .unwrap();
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let (diff_id, facts) = facts(1, 5);
    let error = waiting.put_layer(record(&diff_id, &facts)).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    // Reading does not wait.
    assert_eq!(waiting.facts(&diff_id, "1").await.unwrap(), None);
    held.rollback().await.unwrap();
    waiting.put_layer(record(&diff_id, &facts)).await.unwrap();
    drop(directory);
}

#[tokio::test]
async fn only_the_owner_can_read_what_was_scanned() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache/lazaret/store.db");
    let store = Store::open(path.to_str().unwrap()).await.unwrap();
    let (diff_id, facts) = facts(1, 5);
    store.put_layer(record(&diff_id, &facts)).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let files: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_file_that_is_no_store_is_left_alone_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    fs::write(&path, "not a database, but somebody's notes\n".repeat(100)).unwrap();
    let before = fs::read(&path).unwrap();
    let error = open_error(&path).await;
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("notes.txt") && !error.to_string().contains('\n'), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    fs::write(&path, "").unwrap();
    common::execute(&path, "CREATE TABLE mine (x); PRAGMA user_version = 1").await;
    let error = open_error(&path).await;
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(common::number(&path, "SELECT count(*) FROM sqlite_schema").await, 1);
}

#[tokio::test]
async fn a_store_that_is_overwritten_in_the_middle_is_called_damaged() {
    let (directory, store) = common::open().await;
    for number in 0..20 {
        let (diff_id, facts) = facts(number, 200);
        store.put_layer(record(&diff_id, &facts)).await.unwrap();
    }
    let path = Path::new(store.address()).to_owned();
    store.close().await.unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let error = match Store::open(path.to_str().unwrap()).await {
        Err(error) => error,
        Ok(store) => store.facts(&facts(1, 0).0, "1").await.expect_err("it was read"),
    };
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    drop(directory);
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_left_alone() {
    let (directory, store) = common::open().await;
    let path = Path::new(store.address()).to_owned();
    store.close().await.unwrap();
    common::execute(&path, "PRAGMA user_version = 999").await;
    let error = open_error(&path).await;
    assert!(matches!(error, StoreError::Newer { found: 999, .. }), "{error}");
    assert!(error.to_string().contains("newer Lazaret"), "{error}");
    drop(directory);
}

#[tokio::test]
async fn a_directory_in_place_of_the_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = open_error(directory.path()).await;
    assert!(error.to_string().contains("no regular file"), "{error}");
    let beneath_a_file = directory.path().join("f");
    fs::write(&beneath_a_file, "").unwrap();
    let error = open_error(&beneath_a_file.join("store.db")).await;
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
}

/// Runs the writer as a user to whom permissions apply, which root is not.
fn writer_without_privileges(directory: &Path, path: &Path) -> String {
    // Its own copy: the build directory need not be readable by others.
    let program = directory.join("writer");
    fs::copy(WRITER, &program).unwrap();
    let mut command = Command::new(&program);
    command.arg(path).args(["0", "1"]);
    if is_root() {
        command.uid(65534).gid(65534);
    }
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[tokio::test]
async fn a_directory_without_the_right_to_write_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let closed = directory.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    let said = writer_without_privileges(directory.path(), &closed.join("store.db"));
    assert!(said.starts_with("error: the store ") && said.contains("Permission denied"), "{said}");
    assert_eq!(said.lines().count(), 1);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_store_that_may_only_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let open = directory.path().join("open");
    fs::create_dir(&open).unwrap();
    let path = open.join("store.db");
    Store::open(path.to_str().unwrap()).await.unwrap().close().await.unwrap();
    if is_root() {
        chown(&open, Some(65534), Some(65534)).unwrap();
        chown(&path, Some(65534), Some(65534)).unwrap();
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o555)).unwrap();
    let said = writer_without_privileges(directory.path(), &path);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(said.contains("error: the store ") && said.contains("cannot be written"), "{said}");
}

#[tokio::test]
async fn a_disk_that_refuses_to_write_leaves_the_store_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    // No file may grow beyond 1 MiB (2,048 blocks of 512 bytes).
    let script = r#"trap "" XFSZ; ulimit -f 2048; exec "$1" "$2" 0"#;
    let output = Command::new("/bin/sh").args(["-c", script, "sh", WRITER]).arg(&path).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.lines().last().unwrap().starts_with("error: "), "{said}");
    let stored = stored(said.lines().map(str::to_owned));
    assert!(stored.len() > 3, "{said}");
    assert_whole(&path).await;
    let store = Store::open(path.to_str().unwrap()).await.unwrap();
    for number in stored {
        assert!(store.facts(&written(number), "1").await.unwrap().is_some(), "layer {number}");
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_leaves_the_store_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (disk, copy) = (directory.path().join("disk"), directory.path().join("copy"));
    fs::create_dir(&disk).unwrap();
    fs::create_dir(&copy).unwrap();
    // A file system of 1 MiB in a mount namespace of its own, which ends with the script.
    let script = r#"mount -t tmpfs -o size=1m lazaret-test "$2" || exit 77
        "$1" "$2/store.db" 0; cp "$2"/store.db* "$3""#;
    let mut command = Command::new("unshare");
    command.arg("--mount").args((!is_root()).then_some("--map-root-user"));
    command.args(["/bin/sh", "-c", script, "sh", WRITER]).args([&disk, &copy]);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    if said.is_empty() {
        eprintln!("not tried: no file system can be mounted here");
        return;
    }
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("error: the disk of the store ") && last.contains("is full"), "{said}");
    let stored = stored(said.lines().map(str::to_owned));
    assert!(stored.len() > 3, "{said}");
    let path = copy.join("store.db");
    assert_whole(&path).await;
    let store = Store::open(path.to_str().unwrap()).await.unwrap();
    for number in stored {
        assert!(store.facts(&written(number), "1").await.unwrap().is_some(), "layer {number}");
    }
}
