//! Connections to what lies outside: Postgres, embedded or by URL.
//!
//! Owns the pool and the embedded server. Everything that speaks SQL takes a connection from
//! [`Database`]; nothing else opens one.

pub mod column;
mod database;
#[cfg(feature = "embedded")]
mod embedded;
mod migrate;

pub use database::{Connection, Database, OpenError, Source};
