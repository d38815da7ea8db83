//! Opening a database on a server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::sync::Mutex;

use crate::engine::Engine;
use crate::{StoreError, StoreOptions, schema};

/// Our tables stand in a schema of their own.
const SEARCH: &str = "SET search_path TO lazaret";
/// How long a call waits for a connection once the store is open: a gate that cannot ask refuses,
/// and says so soon.
const CONNECTION: Duration = Duration::from_secs(5);
/// What a connection says of itself, after the search path and how long it waits for locks: a
/// statement that nobody waits for any more ends, and so does a transaction whose process or machine
/// is gone, with the locks that the others wait for.
const SESSION: &str = "SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s'; \
     SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3";
/// A connection that was not used for so long is closed; the server has others to serve.
const IDLE: Duration = Duration::from_secs(300);

pub(crate) async fn open(
    server: PgConnectOptions,
    address: String,
    options: &StoreOptions,
) -> Result<(Arc<str>, Engine), StoreError> {
    let server = server.application_name("lazaret").disable_statement_logging();
    let until = Instant::now() + options.patience;
    // By itself and not through the pool, which would wait where it is better to say what is wrong.
    let mut connection = loop {
        let left = until.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, server.connect()).await {
            Ok(Ok(connection)) => break connection,
            // A server that is starting says so.
            Ok(Err(sqlx::Error::Database(e))) if e.code().is_some_and(|code| code == "57P03") => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(Err(e)) => return Err(StoreError::of(&address, &e)),
            Err(_) => return Err(StoreError::of(&address, &sqlx::Error::PoolTimedOut)),
        }
    };
    // Nothing else is set for it: another replica may take long over the tables.
    sqlx::raw_sql(SEARCH).execute(&mut connection).await.map_err(|e| StoreError::of(&address, &e))?;
    schema::bring_up_postgres(&mut connection, &address).await?;
    // What fails here was done with.
    let _ = connection.close().await;
    let session: Arc<str> =
        format!("{SEARCH}; SET lock_timeout = {}; {SESSION}", options.patience.as_millis().clamp(1, 60_000))
            .into();
    let pool = PgPoolOptions::new()
        .max_connections(options.connections.max(2))
        .acquire_timeout(options.patience.min(CONNECTION))
        .idle_timeout(IDLE)
        .after_connect(move |connection, _| {
            let session = AssertSqlSafe(session.to_string());
            Box::pin(async move { sqlx::raw_sql(session).execute(connection).await.map(drop) })
        })
        .connect_lazy_with(server);
    Ok((Arc::from(address), Engine::Postgres { pool, writing: Mutex::new(()) }))
}
