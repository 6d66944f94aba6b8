//! Connections to what lies outside: Postgres, embedded or by URL, NATS and Redis.
//!
//! Owns the pool, the embedded server and the connection to Redis. Everything that speaks SQL takes a
//! connection from [`Database`]; nothing else opens one.

pub mod clock;
pub mod column;
mod database;
#[cfg(feature = "embedded")]
mod embedded;
pub mod limits;
mod migrate;
mod nats;
mod redis;

pub use database::{Connection, Database, DatabaseError, OpenError, Source};
pub use migrate::{Migration, versions};
pub use nats::{NatsError, NatsSettings, connect_nats};
pub use redis::{Redis, RedisConnection, RedisError, RedisOpenError};
