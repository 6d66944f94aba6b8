//! The limits of this room, by name and unit.

/// Shards of a new shop; fixed at initialization.
pub const SHARDS: u16 = 64;
/// Events in one statement of the journal's writer.
pub const BATCH_EVENTS_MAX: usize = 512;
/// How long the writer waits for an answer to it; longer, so that the server's word comes first.
pub const APPEND_ANSWER_MS: u64 = 12_000;
/// Pause between tries to settle an unknown outcome.
pub const SETTLE_RETRY_MS: u64 = 200;
/// Committed batches that a subscription may be behind before it reads the table instead.
pub const FEED_BATCHES_MAX: usize = 512;
/// Events read from the table at once by a subscription that catches up.
pub const CATCH_UP_EVENTS_MAX: i64 = 1_000;
/// How long the loader waits for the next row of histories; less than a handler may take.
pub const LOAD_ANSWER_MS: u64 = 10_000;
/// How often the events of records are looked for.
pub const OUTBOX_POLL_MS: u64 = 250;
/// Events of records moved into the journal at once.
pub const OUTBOX_ROWS_MAX: i64 = 500;
