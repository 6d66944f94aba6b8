//! Connections to what lies outside: Postgres, embedded or by URL, NATS and Redis.
//!
//! Owns the pool, the embedded server and the connection to Redis. Everything that speaks SQL takes a
//! connection from [`Database`]; nothing else opens one. [`transfer`] moves a whole shop between
//! engines.

pub mod clock;
pub mod column;
mod database;
#[cfg(feature = "embedded")]
mod embedded;
mod migrate;
mod nats;
mod redis;
pub mod transfer;

pub use database::{Connection, Database, DatabaseError, OpenError, Source};
pub use migrate::Migration;
pub use nats::{NatsError, NatsSettings, connect_nats};
pub use redis::{Line, Redis, RedisError, RedisOpenError};
