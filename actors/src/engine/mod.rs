//! Connections to what lies outside: Postgres, embedded or by URL.
//!
//! Owns the pool and the embedded server. Everything that speaks SQL takes a connection from
//! [`Database`]; nothing else opens one. [`transfer`] moves a whole shop between engines.

pub mod clock;
pub mod column;
mod database;
#[cfg(feature = "embedded")]
mod embedded;
mod migrate;
pub mod transfer;

pub use database::{Connection, Database, DatabaseError, OpenError, Source};
pub use migrate::Migration;
