//! Limits of the connections to PostgreSQL, NATS and Redis.

/// How long a node that starts waits for its database.
pub const DATABASE_WAIT_MS_MAX: u64 = 60_000;
/// The pause before a database that is not up yet is tried again.
pub const DATABASE_RETRY_MS: u64 = 250;
/// How often a node that waits for its database logs that it does.
pub const DATABASE_NOTICE_INTERVAL_MS: u64 = 5_000;
/// How long a caller waits for a connection to the database.
pub const DATABASE_ACQUIRE_MS: u64 = 5_000;
/// How long the database may take to answer a statement, unless the statement has a limit of its own.
pub const DATABASE_ANSWER_MS: u64 = 15_000;
/// Connections of a node for its journal and its lease: two for each, one in use and one that replaces it
/// when its state is not known.
pub const JOURNAL_CONNECTIONS: u32 = 4;
/// How long the database server keeps a transaction open for a client that sends or acknowledges nothing.
pub const SESSION_IDLE_MS: u64 = 10_000;
/// After how long a silence the database server probes whether its client is still there, and how long it
/// waits between two probes.
pub const KEEPALIVE_SECONDS: u32 = 5;
/// Probes without an answer after which the database server closes a client's connection.
pub const KEEPALIVES_MAX: u32 = 3;
/// How long the pool may take to check that a connection that is given back still answers.
pub const RETURN_MS_MAX: u64 = 3_000;
/// How long a node that ends waits for the connections of each pool to close.
pub const CLOSE_MS_MAX: u64 = 5_000;
/// After how long the database server cancels a statement of the journal's writer or about a lease.
pub const APPEND_TIMEOUT_MS: u64 = 10_000;
/// The first pause before a lost connection to NATS is tried again; it doubles with every failure.
pub const NATS_PAUSE_MS: u64 = 50;
/// The longest pause before a lost connection to NATS is tried again.
pub const NATS_PAUSE_MS_MAX: u64 = 1_000;
/// How long a request waits for an answer of Redis before it continues without one.
pub const REDIS_ANSWER_MS: u64 = 20;
/// Questions to Redis that may wait for an answer at once: as many as it answers in time. The next request
/// continues without asking.
pub const REDIS_QUESTIONS_MAX: usize = 1_024;
/// How long Redis may take to accept a connection, and again to authenticate the node.
pub const REDIS_CONNECT_MS: u64 = 2_000;
/// The first pause after a failure before Redis is asked again; it doubles with every failure.
pub const REDIS_PAUSE_MS: u64 = 500;
/// The longest pause before Redis is asked again.
pub const REDIS_PAUSE_MS_MAX: u64 = 10_000;
/// How long a connection to Redis must have lasted for the next pause to be the first one again.
pub const REDIS_STEADY_MS: u64 = 60_000;
