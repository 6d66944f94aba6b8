//! The limits of this room, by name and unit.

/// How long a node that starts waits for its database.
pub const DATABASE_WAIT_MS_MAX: u64 = 60_000;
/// Pause before a database that is not up yet is tried again.
pub const DATABASE_RETRY_MS: u64 = 250;
/// How often a node that waits for its database says so.
pub const DATABASE_NOTICE_INTERVAL_MS: u64 = 5_000;
/// How long a statement beside the writer's may take to be answered.
pub const DATABASE_ANSWER_MS: u64 = 15_000;
/// How long the server keeps a transaction open for a client from which it hears nothing.
pub const SESSION_IDLE_MS: u64 = 10_000;
/// How often the server asks a quiet client whether it is there, and how often in vain.
pub const KEEPALIVE_SECONDS: u32 = 5;
pub const KEEPALIVES_MAX: u32 = 3;
/// How long the pool may ask whether a connection that comes back still answers.
pub const RETURN_MS_MAX: u64 = 3_000;
/// How long a node that ends waits for the connections of each pool.
pub const CLOSE_MS_MAX: u64 = 5_000;
/// How long one of the writer's statements may run.
pub const APPEND_TIMEOUT_MS: u64 = 10_000;
/// How long Redis may take to answer before a request goes on without it.
pub const REDIS_ANSWER_MS: u64 = 20;
/// Questions to Redis that are under way at once, as many as it answers in time; the next request goes
/// on without it.
pub const REDIS_QUESTIONS_MAX: usize = 1_024;
/// How long Redis may take to accept a connection, and as long again to let the shop in.
pub const REDIS_CONNECT_MS: u64 = 2_000;
/// First pause after a failure before Redis is asked again; it doubles with every failure.
pub const REDIS_PAUSE_MS: u64 = 500;
/// Longest pause before Redis is asked again.
pub const REDIS_PAUSE_MS_MAX: u64 = 10_000;
/// How long a connection to Redis must have lasted for the next pause to be the first one again.
pub const REDIS_STEADY_MS: u64 = 60_000;
