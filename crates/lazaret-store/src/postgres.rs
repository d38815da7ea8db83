//! Opening a database on a server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;

use crate::engine::Engine;
use crate::{StoreError, StoreOptions, schema};

/// How long a call waits for a connection once the store is open: a gate that cannot ask refuses,
/// and says so soon.
const CONNECTION: Duration = Duration::from_secs(5);
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
    in_our_schema(&mut connection).await.map_err(|e| StoreError::of(&address, &e))?;
    schema::bring_up_postgres(&mut connection, &address).await?;
    // What fails here was done with.
    let _ = connection.close().await;
    let pool = PgPoolOptions::new()
        .max_connections(options.connections.max(2))
        .acquire_timeout(options.patience.min(CONNECTION))
        .idle_timeout(IDLE)
        .after_connect(|connection, _| Box::pin(in_our_schema(connection)))
        .connect_lazy_with(server);
    Ok((Arc::from(address), Engine::Postgres { pool, writing: Mutex::new(()) }))
}

async fn in_our_schema(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("SET search_path TO lazaret").execute(connection).await.map(drop)
}
