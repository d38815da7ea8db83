//! The two engines behind one form of statement.
//!
//! Every statement is written once, in the SQL that SQLite and PostgreSQL share: `$1` for values,
//! `ON CONFLICT` with `excluded`, `RETURNING`, 64 bit numbers, text and bytes. Where they differ
//! there is a word with `@` for it:
//!
//! | word | SQLite | PostgreSQL |
//! |---|---|---|
//! | `@now` | the machine's clock | the server's clock, in milliseconds since 1970 |
//! | `@skip` | nothing: one writer at a time | rows that somebody else holds are passed over |

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::database::HasStatementCache;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Database, Decode, Encode, SqlSafeStr, SqlStr, Type};
use tokio::sync::{Mutex, MutexGuard};

use crate::StoreError;

/// What `@now` and `@skip` are.
const SQLITE: [(&str, &str); 2] = [("@now", "CAST(unixepoch('subsec') * 1000 AS INTEGER)"), ("@skip", "")];
const POSTGRES: [(&str, &str); 2] = [
    ("@now", "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"),
    ("@skip", "FOR UPDATE SKIP LOCKED"),
];

/// How long PostgreSQL may take over one statement. A server that a network has swallowed answers
/// never; whoever waits for it is told.
const STATEMENT: Duration = Duration::from_secs(30);

/// Where statements go.
#[derive(Debug)]
pub(crate) enum Engine {
    /// One connection, no pool: SQLite has one writer at a time, and a scan asks a few questions.
    Sqlite(Mutex<SqliteConnection>),
    /// A small pool. Whoever waits for its turn to write waits for `writing` first, so that those
    /// who wait never take all connections.
    Postgres {
        /// The connections.
        pool: PgPool,
        /// Held while this process writes a layer or a report.
        writing: Mutex<()>,
    },
}

/// What is written by one at a time, in all processes that share a PostgreSQL, as it is on SQLite
/// by itself: several statements look at what is there before they change it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turn {
    /// Layers with their contents.
    Layers = 1,
    /// Reports with their images and indicators.
    Reports = 2,
    /// All campaigns at once.
    Campaigns = 3,
}

/// A connection for as long as it is needed.
pub(crate) struct Session<'a> {
    store: &'a Arc<str>,
    held: Held<'a>,
    _writing: Option<MutexGuard<'a, ()>>,
}

enum Held<'a> {
    Sqlite(MutexGuard<'a, SqliteConnection>),
    Postgres(PoolConnection<Postgres>),
}

/// A transaction. One that is dropped changes nothing.
pub(crate) struct Work<'a> {
    store: &'a Arc<str>,
    begun: Begun<'a>,
}

enum Begun<'a> {
    Sqlite(sqlx::Transaction<'a, Sqlite>),
    Postgres(sqlx::Transaction<'a, Postgres>),
}

/// Something that statements can be sent to.
pub(crate) trait Connected {
    /// The way there, and the name of the store for errors.
    fn link(&mut self) -> (Link<'_>, &Arc<str>);
}

pub(crate) enum Link<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Engine {
    /// A connection to read with, or for one statement that writes.
    pub(crate) async fn session<'a>(&'a self, store: &'a Arc<str>) -> Result<Session<'a>, StoreError> {
        let held = match self {
            Self::Sqlite(connection) => Held::Sqlite(connection.lock().await),
            Self::Postgres { pool, .. } => {
                Held::Postgres(pool.acquire().await.map_err(|e| StoreError::of(store, &e))?)
            }
        };
        Ok(Session { store, held, _writing: None })
    }

    /// A connection for a transaction that has a [`Turn`].
    pub(crate) async fn writer<'a>(&'a self, store: &'a Arc<str>) -> Result<Session<'a>, StoreError> {
        let writing = match self {
            Self::Sqlite(_) => None,
            Self::Postgres { writing, .. } => Some(writing.lock().await),
        };
        Ok(Session { _writing: writing, ..self.session(store).await? })
    }
}

impl Session<'_> {
    /// Begins a transaction in which this process alone writes what the turn names.
    pub(crate) async fn begin(&mut self, turn: Turn) -> Result<Work<'_>, StoreError> {
        let mut work = self.transaction().await?;
        if matches!(work.begun, Begun::Postgres(_)) {
            sql("SELECT pg_advisory_xact_lock($1)")
                .bind((crate::schema::APPLICATION << 8) + turn as i64)
                .run(&mut work)
                .await?;
        }
        Ok(work)
    }

    /// Begins a transaction. On SQLite nobody else writes meanwhile.
    pub(crate) async fn transaction(&mut self) -> Result<Work<'_>, StoreError> {
        let store = self.store;
        let begun = match &mut self.held {
            Held::Sqlite(connection) => {
                renewed(connection, store).await?;
                connection.begin_with("BEGIN IMMEDIATE").await.map(Begun::Sqlite)
            }
            Held::Postgres(connection) => bounded(connection.begin()).await.map(Begun::Postgres),
        };
        Ok(Work { store, begun: begun.map_err(|e| StoreError::of(store, &e))? })
    }
}

/// SQLite ends a transaction by itself when the disk is full or fails (sqlite.org/lang_transaction.html,
/// 2.4). Whoever counts transactions then still counts that one, and can begin no other: such a
/// connection is left for a new one.
async fn renewed(connection: &mut SqliteConnection, store: &Arc<str>) -> Result<(), StoreError> {
    if !connection.is_in_transaction() {
        return Ok(());
    }
    // One that was given up is taken back in its turn, which may not have come yet.
    connection.ping().await.map_err(|e| StoreError::of(store, &e))?;
    if connection.is_in_transaction() {
        let patience = crate::StoreOptions::default().patience;
        *connection = crate::sqlite::connect(std::path::Path::new(&**store), patience).await?;
    }
    Ok(())
}

impl Work<'_> {
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let done = match self.begun {
            Begun::Sqlite(transaction) => transaction.commit().await,
            Begun::Postgres(transaction) => bounded(transaction.commit()).await,
        };
        done.map_err(|e| StoreError::of(self.store, &e))
    }
}

impl Connected for Session<'_> {
    fn link(&mut self) -> (Link<'_>, &Arc<str>) {
        let link = match &mut self.held {
            Held::Sqlite(connection) => Link::Sqlite(connection),
            Held::Postgres(connection) => Link::Postgres(connection),
        };
        (link, self.store)
    }
}

impl Connected for Work<'_> {
    fn link(&mut self) -> (Link<'_>, &Arc<str>) {
        let link = match &mut self.begun {
            Begun::Sqlite(transaction) => Link::Sqlite(transaction),
            Begun::Postgres(transaction) => Link::Postgres(transaction),
        };
        (link, self.store)
    }
}

/// A value in a statement.
#[derive(Debug)]
pub(crate) enum Value {
    Number(i64),
    Text(Option<String>),
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// A statement with its values.
#[derive(Debug)]
pub(crate) struct Statement {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

/// A statement of this text.
pub(crate) fn sql(text: &'static str) -> Statement {
    Statement { text: Cow::Borrowed(text), values: Vec::new() }
}

impl Statement {
    /// Gives the next of `$1`, `$2`, … its value.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Goes on with this text.
    pub(crate) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Goes on with a value.
    pub(crate) fn value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let place = format!("${}", self.values.len());
        self.text.to_mut().push_str(&place);
        self
    }

    /// Goes on with values between commas.
    pub(crate) fn list<T: Into<Value>>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self {
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.value(value);
        }
        self
    }

    /// Runs it; how many rows it changed.
    pub(crate) async fn run(self, on: &mut impl Connected) -> Result<u64, StoreError> {
        let (link, store) = on.link();
        let done = match link {
            Link::Sqlite(connection) => {
                self.sqlite().execute(connection).await.map(|done| done.rows_affected())
            }
            Link::Postgres(connection) => {
                bounded(self.postgres().execute(connection)).await.map(|done| done.rows_affected())
            }
        };
        done.map_err(|e| StoreError::of(store, &e))
    }

    /// Its rows.
    pub(crate) async fn rows(self, on: &mut impl Connected) -> Result<Vec<Row>, StoreError> {
        let (link, store) = on.link();
        let rows = match link {
            Link::Sqlite(connection) => self
                .sqlite()
                .fetch_all(connection)
                .await
                .map(|rows| rows.into_iter().map(|row| Row::new(store, Found::Sqlite(row))).collect()),
            Link::Postgres(connection) => bounded(self.postgres().fetch_all(connection))
                .await
                .map(|rows| rows.into_iter().map(|row| Row::new(store, Found::Postgres(row))).collect()),
        };
        rows.map_err(|e| StoreError::of(store, &e))
    }

    /// Its first row.
    pub(crate) async fn first(self, on: &mut impl Connected) -> Result<Option<Row>, StoreError> {
        let (link, store) = on.link();
        let row = match link {
            Link::Sqlite(connection) => {
                self.sqlite().fetch_optional(connection).await.map(|row| row.map(Found::Sqlite))
            }
            Link::Postgres(connection) => {
                bounded(self.postgres().fetch_optional(connection)).await.map(|row| row.map(Found::Postgres))
            }
        };
        Ok(row.map_err(|e| StoreError::of(store, &e))?.map(|found| Row::new(store, found)))
    }

    fn sqlite(mut self) -> Query<'static, Sqlite, <Sqlite as Database>::Arguments> {
        // `$1` and `?1` are both looked up as names among all others, which takes long where there are a
        // thousand; `?` is the next value.
        if let Cow::Owned(text) = &self.text
            && let Some(text) = in_order(text)
        {
            self.text = Cow::Owned(text);
        }
        query(self, &SQLITE)
    }

    fn postgres(mut self) -> Query<'static, Postgres, <Postgres as Database>::Arguments> {
        for value in &mut self.values {
            // PostgreSQL has no text with a zero in it; what is looked for is written alike.
            if let Value::Text(Some(text)) = value
                && text.contains('\0')
            {
                *text = text.replace('\0', "\u{2400}");
            }
        }
        query(self, &POSTGRES)
    }
}

/// The text with `?` for `$1`, `$2`, …; None where they do not stand in this order, each once.
fn in_order(text: &str) -> Option<String> {
    let mut parts = text.split('$');
    let mut out = parts.next()?.to_owned();
    for (at, part) in parts.enumerate() {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        if part[..part.len() - rest.len()].parse() != Ok(at + 1) {
            return None;
        }
        out.push('?');
        out.push_str(rest);
    }
    Some(out)
}

fn query<DB: Database + HasStatementCache>(
    statement: Statement,
    words: &[(&str, &str)],
) -> Query<'static, DB, <DB as Database>::Arguments>
where
    i64: Encode<'static, DB> + Type<DB>,
    Option<String>: Encode<'static, DB> + Type<DB>,
    Vec<u8>: Encode<'static, DB> + Type<DB>,
{
    // A text that was put together is not worth being remembered as a prepared statement.
    let same_each_time = matches!(statement.text, Cow::Borrowed(_));
    let text: SqlStr = match statement.text {
        Cow::Borrowed(text) if !text.contains('@') => text.into_sql_str(),
        text => {
            let text = words.iter().fold(text.into_owned(), |text, (word, meant)| text.replace(word, meant));
            AssertSqlSafe(text).into_sql_str()
        }
    };
    let query = sqlx::query::<DB>(text).persistent(same_each_time);
    statement.values.into_iter().fold(query, |query, value| match value {
        Value::Number(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes),
    })
}

async fn bounded<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(STATEMENT, answer).await.unwrap_or_else(|_| {
        let waited = format!("no answer within {} seconds", STATEMENT.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, waited)))
    })
}

/// A row of an answer.
#[derive(Debug)]
pub(crate) struct Row {
    store: Arc<str>,
    found: Found,
}

#[derive(Debug)]
enum Found {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    fn new(store: &Arc<str>, found: Found) -> Self {
        Self { store: Arc::clone(store), found }
    }

    /// The value of a column, counted from 0.
    pub(crate) fn get<T>(&self, column: usize) -> Result<T, StoreError>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        let value = match &self.found {
            Found::Sqlite(row) => sqlx::Row::try_get(row, column),
            Found::Postgres(row) => sqlx::Row::try_get(row, column),
        };
        value.map_err(|e| self.damaged(e.to_string()))
    }

    /// A number that cannot be negative.
    pub(crate) fn count(&self, column: usize) -> Result<u64, StoreError> {
        Ok(u64::try_from(self.get::<i64>(column)?).unwrap_or(0))
    }

    /// A text of which the empty one means that there is none.
    pub(crate) fn some(&self, column: usize) -> Result<Option<String>, StoreError> {
        Ok(Some(self.get::<String>(column)?).filter(|text| !text.is_empty()))
    }

    /// A digest.
    pub(crate) fn digest(&self, column: usize) -> Result<lazaret_model::Digest, StoreError> {
        let text: String = self.get(column)?;
        text.parse().map_err(|_| self.damaged("a row has a digest that is none"))
    }

    /// That the row cannot have been written so.
    pub(crate) fn damaged(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Damaged { store: self.store.to_string(), reason: reason.into() }
    }
}

/// Bytes of a text that goes into an index; PostgreSQL takes some 2,700 for a whole row of one.
const INDEXED: usize = 1000;

/// A text as it stands in an index: a longer one ends with the hash of all of it.
pub(crate) fn indexed(text: &str) -> Cow<'_, str> {
    if text.len() <= INDEXED {
        return Cow::Borrowed(text);
    }
    let mut end = INDEXED - 70;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}…{}", &text[..end], blake3::hash(text.as_bytes()).to_hex()))
}

impl From<Cow<'_, str>> for Value {
    fn from(text: Cow<'_, str>) -> Self {
        Self::Text(Some(text.into_owned()))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

/// A length of time as statements have it.
pub(crate) fn milliseconds(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_their_order_need_no_numbers() {
        assert_eq!(in_order("VALUES ($1, $2), ($3, $4)").as_deref(), Some("VALUES (?, ?), (?, ?)"));
        assert_eq!(in_order("SELECT 1").as_deref(), Some("SELECT 1"));
        for other in ["$2 = $1", "$1 = $1", "$1 = $3", "$x"] {
            assert_eq!(in_order(other), None, "{other}");
        }
        let many: Vec<String> = (1..=30).map(|number| format!("${number}")).collect();
        assert_eq!(in_order(&many.join(",")).map(|text| text.matches('?').count()), Some(30));
    }
}
