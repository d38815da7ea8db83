//! The PostgreSQL that the tests of the store run.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

#[path = "../../../lazaret-store/tests/common/server.rs"]
mod server;

pub use server::Server;
