//! Limits of the journal.

/// Shards of a new shop; their number never changes.
pub const SHARDS: u16 = 64;
/// Appends that the writer puts into one statement.
pub const BATCH_EVENTS_MAX: usize = 512;
/// How long the writer waits for the answer to one of its statements: longer than the server lets it run, so
/// that the server's own error arrives first.
pub const APPEND_ANSWER_MS: u64 = 12_000;
/// The pause between two tries to settle an unknown outcome.
pub const SETTLE_RETRY_MS: u64 = 200;
/// Committed batches that a subscription may be behind before it reads the table instead.
pub const FEED_BATCHES_MAX: usize = 512;
/// Events that a subscription that catches up reads from the table at once.
pub const CATCH_UP_EVENTS_MAX: i64 = 1_000;
/// How long a subscription hears nothing before it compares itself with the journal's heads.
pub const SUBSCRIPTION_QUIET_MS: u64 = 250;
/// How long the loader waits for the next row of a history; less than a handler may take.
pub const LOAD_ANSWER_MS: u64 = 10_000;
/// How often the outbox is read for events of records.
pub const OUTBOX_POLL_MS: u64 = 250;
/// Events of records that are moved from the outbox into the journal at once.
pub const OUTBOX_ROWS_MAX: i64 = 500;
