//! Values to store, and a look into the store past its functions.
#![allow(dead_code, unused_macros, unused_imports, clippy::unwrap_used, missing_docs)]

pub mod postgres;
pub mod server;

use std::time::Duration;

use std::path::Path;

use lazaret_model::*;
use lazaret_store::{LayerRecord, Store, StoreOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqliteConnection};

/// A place for a store: a file, or a database of a server that this test program runs.
pub struct Ground {
    pub url: String,
    directory: Option<tempfile::TempDir>,
}

impl Ground {
    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = directory.path().join("store.db").to_str().unwrap().to_owned();
        Self { url, directory: Some(directory) }
    }

    pub async fn postgres() -> Self {
        Self { url: postgres::database().await, directory: None }
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    pub async fn open_with(&self, options: StoreOptions) -> Store {
        Store::open_with(&self.url, options).await.unwrap()
    }

    /// Runs SQL that both engines read.
    pub async fn execute(&self, sql: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self.directory {
            Some(_) => sql.execute(&mut file(Path::new(&self.url)).await).await.map(drop).unwrap(),
            None => sql.execute(&mut postgres::connect(&self.url).await).await.map(drop).unwrap(),
        }
    }

    pub async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.directory {
            Some(_) => {
                sqlx::query_scalar(sql).fetch_one(&mut file(Path::new(&self.url)).await).await.unwrap()
            }
            None => sqlx::query_scalar(sql).fetch_one(&mut postgres::connect(&self.url).await).await.unwrap(),
        }
    }

    /// Changes one byte in the middle of the only value of a column.
    pub async fn flip_a_byte(&self, table: &str, column: &str) {
        let read = AssertSqlSafe(format!("SELECT {column} FROM {table}"));
        let write = AssertSqlSafe(format!("UPDATE {table} SET {column} = $1"));
        let flipped = |mut value: Vec<u8>| {
            let middle = value.len() / 2;
            value[middle] ^= 0xff;
            value
        };
        let changed = match self.directory {
            Some(_) => {
                let mut connection = file(Path::new(&self.url)).await;
                let value = flipped(sqlx::query_scalar(read).fetch_one(&mut connection).await.unwrap());
                sqlx::query(write).bind(value).execute(&mut connection).await.unwrap().rows_affected()
            }
            None => {
                let mut connection = postgres::connect(&self.url).await;
                let value = flipped(sqlx::query_scalar(read).fetch_one(&mut connection).await.unwrap());
                sqlx::query(write).bind(value).execute(&mut connection).await.unwrap().rows_affected()
            }
        };
        assert_eq!(changed, 1);
    }
}

async fn file(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

/// Makes of each function a test on SQLite and one on PostgreSQL.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&crate::common::Ground::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&crate::common::Ground::postgres().await).await;
            })*
        }
    };
}
pub(crate) use on_both_engines;

pub async fn open() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("store.db").display());
    let store = Store::open(&url).await.unwrap();
    (directory, store)
}

pub async fn execute(path: &Path, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut file(path).await).await.unwrap();
}

pub async fn number(path: &Path, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut file(path).await).await.unwrap()
}

/// Asserts that SQLite finds nothing wrong, and that every stored layer can be read.
pub async fn assert_whole(path: &Path) {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let said: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(said, "ok");
    let layers: Vec<String> =
        sqlx::query_scalar("SELECT diff_id FROM layers").fetch_all(&mut connection).await.unwrap();
    let store = Store::open(path.to_str().unwrap()).await.unwrap();
    for diff_id in layers {
        let diff_id: Digest = diff_id.parse().unwrap();
        let facts = store.facts(&diff_id, "1").await.unwrap().unwrap();
        assert_eq!(store.contents(&facts.kept).await.unwrap().len(), facts.kept.len(), "{diff_id}");
        assert!(store.byte_matches(&diff_id, "1").await.unwrap().is_some(), "{diff_id}");
    }
}

/// The diff id that the writer of `probe/` gives to its layer `number`.
pub fn written(number: u64) -> Digest {
    Digest::sha256(blake3::hash(&number.to_le_bytes()).as_bytes())
}

pub fn digest(number: u32) -> Digest {
    Digest::sha256(blake3::hash(&number.to_le_bytes()).as_bytes())
}

pub fn content(seed: &[u8], times: usize) -> (ContentId, Vec<u8>) {
    let bytes = seed.repeat(times);
    (ContentId(*blake3::hash(&bytes).as_bytes()), bytes)
}

pub fn facts(number: u32, entries: u32) -> (Digest, LayerFacts) {
    let diff_id = digest(number);
    let entry = |n: u32| FileEntry {
        path: EntryPath::from(format!("usr/share/package-{}/file-{n}", n / 20).as_str()),
        kind: FileKind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: u64::from(n) * 100,
        mtime: 1_700_000_000,
        content: Some(ContentId(*blake3::hash(&n.to_le_bytes()).as_bytes())),
        xattrs: Vec::new(),
        whiteout: None,
    };
    let facts = LayerFacts {
        diff_id: Some(diff_id.clone()),
        entries: (0..entries).map(entry).collect(),
        bytes: 1_000_000,
        complete: true,
        ..LayerFacts::default()
    };
    (diff_id, facts)
}

pub fn record<'a>(diff_id: &'a Digest, facts: &'a LayerFacts) -> LayerRecord<'a> {
    LayerRecord { diff_id, analyzers: "1", facts: Some(facts), byte_rules: "1", matches: &[], contents: &[] }
}

pub fn report(repository: &str, tag: &str, number: u32, outcome: Outcome) -> Report {
    let rule = Rule {
        id: "impact/test".to_owned(),
        title: "name a host".to_owned(),
        explanation: String::new(),
        class: Class::Malware,
        severity: Severity::High,
        confidence: Confidence::High,
        attack: Vec::new(),
        references: Vec::new(),
    };
    let location = Location::Config("Cmd".to_owned());
    let finding = Finding::of(&rule, "it names a host", Evidence::at(location, "the host"))
        .indicator(Indicator::new(IndicatorKind::Host, "pool.example.test"))
        .indicator(Indicator::new(IndicatorKind::Url, format!("https://{number}.example.test/x")))
        .build();
    let verdict =
        Verdict { outcome, why: "because".to_owned(), would_change: "nothing".to_owned(), has_gaps: false };
    let layer = |index: usize, size: u64| Layer {
        index,
        digest: digest(number + 100),
        diff_id: Some(digest(number + 200)),
        media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
        size,
        history: None,
        foreign_urls: Vec::new(),
    };
    let pinned = PinnedRef {
        repository: repository.to_owned(),
        tag: Some(tag.to_owned()).filter(|tag| !tag.is_empty()),
        digest: digest(number),
    };
    let image = Image {
        pinned: pinned.clone(),
        manifest: digest(number + 300),
        config_digest: digest(number + 400),
        platform: Some("linux/amd64".parse().unwrap()),
        config: ImageConfig::default(),
        layers: vec![layer(0, 100), layer(1, 200)],
    };
    Report {
        requested: repository.to_owned(),
        pinned,
        source: "test".to_owned(),
        images: vec![ImageReport {
            image,
            verdict: verdict.clone(),
            findings: vec![finding],
            ignored: Vec::new(),
            gaps: vec![Gap::minor(GapKind::Damaged, Location::file(0, "a/b".into()), "a gap")],
            behaviours: Vec::new(),
            coverage: Coverage::default(),
            layer_sizes: vec![300, 400],
            inventory: Default::default(),
            sightings: Vec::new(),
            base: None,
            launch: None,
        }],
        unscanned: Vec::new(),
        verdict,
        rules_version: "1".to_owned(),
        rule_packs: Vec::new(),
        feeds: Vec::new(),
        campaigns: Vec::new(),
        timing: Timing::default(),
    }
}
