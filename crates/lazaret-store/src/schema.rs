//! The form of the store and its versions.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};

use crate::StoreError;

/// Marks the file as ours (`PRAGMA application_id`, "LZRT"); on PostgreSQL the number of the
/// advisory lock under which the form is changed.
pub(crate) const APPLICATION: i64 = 0x4c5a_5254;

/// What leads from one form to the next: text for both engines, and what each needs besides.
struct Step {
    both: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

/// Each step leads from the form of its position to the next; an empty store has form 0. Steps are
/// only ever added.
const STEPS: &[Step] = &[
    Step {
        both: include_str!("schema/1.sql"),
        sqlite: include_str!("schema/1-sqlite.sql"),
        postgres: include_str!("schema/1-postgres.sql"),
    },
    Step { both: include_str!("schema/2.sql"), sqlite: "", postgres: "" },
    Step { both: include_str!("schema/3.sql"), sqlite: "", postgres: "" },
    Step { both: include_str!("schema/4.sql"), sqlite: "", postgres: "" },
    Step { both: include_str!("schema/5.sql"), sqlite: "", postgres: "" },
    Step { both: include_str!("schema/6.sql"), sqlite: "", postgres: "" },
    Step { both: include_str!("schema/7.sql"), sqlite: "", postgres: "" },
];

/// The form that this program reads and writes.
pub(crate) const VERSION: i64 = STEPS.len() as i64;

/// How the words of SQLite are written for PostgreSQL, in this order. Text is ordered by its bytes
/// there too.
const TRANSLATED: &[(&str, &str)] = &[
    ("INTEGER PRIMARY KEY", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    (" INTEGER", " BIGINT"),
    (" BLOB", " BYTEA"),
    (" TEXT", " TEXT COLLATE \"C\""),
    (" WITHOUT ROWID", ""),
];

/// The steps from the form `found` on, each with the number of the form that it leads to.
fn missing(found: i64) -> impl Iterator<Item = (i64, &'static Step)> {
    (1..).zip(STEPS).skip(usize::try_from(found).unwrap_or(0))
}

/// Brings a file to [`VERSION`], in one transaction.
pub(crate) async fn bring_up_sqlite(
    connection: &mut SqliteConnection,
    store: &str,
) -> Result<(), StoreError> {
    let failed = |e: sqlx::Error| StoreError::of(store, &e);
    if sqlite_version(connection, store).await? == VERSION {
        return Ok(());
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    // Again, now that nobody else can be at it.
    let found = sqlite_version(&mut transaction, store).await?;
    for (form, step) in missing(found) {
        for text in [step.both, step.sqlite] {
            sqlx::raw_sql(text).execute(&mut *transaction).await.map_err(failed)?;
        }
        let mark = format!("PRAGMA user_version = {form}; PRAGMA application_id = {APPLICATION}");
        sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

async fn sqlite_version(connection: &mut SqliteConnection, store: &str) -> Result<i64, StoreError> {
    let failed = |e: sqlx::Error| StoreError::of(store, &e);
    let (application, version, tables): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id), \
         (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(connection)
    .await
    .map_err(failed)?;
    match (application, version) {
        (APPLICATION, known) if (1..=VERSION).contains(&known) => Ok(known),
        (APPLICATION, found) => Err(StoreError::Newer { store: store.to_owned(), found, known: VERSION }),
        (0, 0) if tables == 0 => Ok(0),
        _ => Err(StoreError::Damaged {
            store: store.to_owned(),
            reason: "it is a database of another program".to_owned(),
        }),
    }
}

/// Brings a database to [`VERSION`], in one transaction, while every other program that would do
/// the same waits. The tables stand in a schema of their own, so that a database may be shared.
pub(crate) async fn bring_up_postgres(connection: &mut PgConnection, store: &str) -> Result<(), StoreError> {
    let failed = |e: sqlx::Error| StoreError::of(store, &e);
    if postgres_version(connection, store).await? == VERSION {
        return Ok(());
    }
    let mut transaction = connection.begin().await.map_err(failed)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(APPLICATION)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    // Again, now that nobody else can be at it.
    let found = postgres_version(&mut transaction, store).await?;
    if found == 0 {
        // Only where it is missing: to say `IF NOT EXISTS` needs the right to make one all the same.
        let there = "SELECT count(*) FROM pg_namespace WHERE nspname = 'lazaret'";
        let row = sqlx::query(there).fetch_one(&mut *transaction).await.map_err(failed)?;
        if row.try_get::<i64, _>(0).map_err(failed)? == 0 {
            sqlx::raw_sql("CREATE SCHEMA lazaret").execute(&mut *transaction).await.map_err(failed)?;
        }
        let form = "CREATE TABLE lazaret.form (version BIGINT NOT NULL); INSERT INTO lazaret.form VALUES (0)";
        sqlx::raw_sql(form).execute(&mut *transaction).await.map_err(failed)?;
    }
    for (form, step) in missing(found) {
        for text in [translated(step.both), step.postgres.to_owned()] {
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *transaction).await.map_err(failed)?;
        }
        sqlx::query("UPDATE lazaret.form SET version = $1")
            .bind(form)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

async fn postgres_version(connection: &mut PgConnection, store: &str) -> Result<i64, StoreError> {
    let failed = |e: sqlx::Error| StoreError::of(store, &e);
    // What is not there yet is no error in the question. Asked of the catalogue and not of
    // `to_regclass`, which after a wait still answers from what this connection knew before it.
    let there: bool = sqlx::query_scalar(
        "SELECT count(*) > 0 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
         ON n.oid = c.relnamespace WHERE n.nspname = 'lazaret' AND c.relname = 'form'",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    if !there {
        return Ok(0);
    }
    let found: Option<i64> = sqlx::query_scalar("SELECT version FROM lazaret.form")
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    match found {
        Some(known) if (1..=VERSION).contains(&known) => Ok(known),
        Some(found) => Err(StoreError::Newer { store: store.to_owned(), found, known: VERSION }),
        None => Err(StoreError::Damaged {
            store: store.to_owned(),
            reason: "its form is written nowhere".to_owned(),
        }),
    }
}

fn translated(text: &str) -> String {
    // Comments may hold any word.
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    TRANSLATED.iter().fold(text, |text, (sqlite, postgres)| text.replace(sqlite, postgres))
}
