//! The PostgreSQL of these tests, and a way past the store to its tables.

use std::sync::OnceLock;

use sqlx::{Connection, PgConnection};

use super::server::Server;

/// A new database of the server that the tests of this program share.
pub async fn database() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start).database()
}

/// A connection past the store, to its tables.
pub async fn connect(url: &str) -> PgConnection {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql("SET search_path TO lazaret").execute(&mut connection).await.unwrap();
    connection
}
