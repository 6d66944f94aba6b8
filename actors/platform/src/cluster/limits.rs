//! Limits of the cluster.

/// How often a node renews its lease.
pub const HEARTBEAT_MS: u64 = 300;
/// How long a lease lasts without renewal.
pub const LEASE_MS: u64 = 1_500;
/// How long a node that was suspended past its lease waits for the others to renew theirs before it declares
/// any of them dead.
pub const WAKING_MS: u64 = 2 * HEARTBEAT_MS;
/// How long the database may take to answer a statement about leases. Longer than a connection that is given
/// back is checked (`RETURN_MS_MAX`).
pub const LEASE_ANSWER_MS: u64 = 3_000;
/// The least time between two readings of the table of shards.
pub const LOOK_INTERVAL_MS: u64 = 10;
/// The pause before a sender looks again where a shard is, and before a lost subscription is made again.
pub const ROUTE_RETRY_MS: u64 = 50;
/// Messages to, or answers from, actors of another node that travel together.
pub const ASKS_TOGETHER_MAX: usize = 256;
/// How long another node may take to confirm that it has received messages.
pub const ASK_RECEIPT_MS: u64 = 1_000;
/// How long answers may still come from a node whose shard has moved to another.
pub const LATE_ANSWER_MS: u64 = 100;
/// How long a node tries to tell the others that shards have changed hands.
pub const ANNOUNCE_MS_MAX: u64 = 100;
/// How long a node that hands shards over waits for snapshots of their actors, which only speed it up.
pub const COMPACT_MS_MAX: u64 = 2_000;
/// How long the actors of a shard that is handed over may take to answer what they were asked.
pub const DRAIN_MS_MAX: u64 = 3_000;
/// How often a node that hands a shard over checks whether its actors have answered.
pub const DRAIN_POLL_MS: u64 = 1;
/// How long a node that ends may take to hand its shards over.
pub const LEAVE_MS_MAX: u64 = 10_000;
/// Events that the relay publishes before the first of them is acknowledged.
pub const RELAYED_EVENTS_MAX: usize = 512;
/// How long JetStream may take to acknowledge a message.
pub const RELAY_ANSWER_MS: u64 = 5_000;
/// The pause before the relay, or the work queue of a shard, tries again after a failure.
pub const RELAY_RETRY_MS: u64 = 500;
/// How often a relay with nothing to publish checks that its stream exists.
pub const RELAY_LOOK_MS: u64 = 2_000;
/// How long a stream must be missing before the relay makes it again.
pub const STREAM_GRACE_MS: u64 = 3_000;
/// How long the stream keeps an event; the journal keeps it forever.
pub const EVENTS_KEPT_SECONDS: u64 = 7 * 86_400;
/// Bytes of a message that every broker accepts.
pub const PAYLOAD_BYTES_MIN: usize = 64 << 10;
/// Bytes of a message's headers.
pub const HEADERS_BYTES_MAX: usize = 1 << 10;
/// How long a message of the work queue may take to be answered before it is sent again.
pub const TELL_ANSWER_MS: u64 = 3_000;
/// How often the broker confirms that a work queue without messages still exists.
pub const QUEUE_HEARTBEAT_MS: u64 = 1_000;
/// How long the work queue keeps a message that no node takes.
pub const TELLS_KEPT_SECONDS: u64 = 3_600;
/// Messages of the work queue that one shard handles at once.
pub const TELLS_UNDER_WAY_MAX: i64 = 256;
/// How far the clocks of two nodes may differ before messages between them are refused.
pub const CLOCK_SKEW_MS_MAX: i64 = 30_000;
/// Pairs of a sender and a subject for which a node remembers the last message's number.
pub const SENDERS_KNOWN_MAX: usize = 8_192;
/// Invalidations of one kind that wait to be sent to other nodes. Those beyond it are dropped; the other
/// nodes then notice the change by themselves.
pub const NEWS_WAITING_MAX: usize = 4_096;
/// How long another node may take to report to an administrator.
pub const NODE_REPORT_MS_MAX: u64 = 1_000;
/// How long a node may take to do what an administrator asks for; less than a handler may take.
pub const NODE_COMMAND_MS_MAX: u64 = 12_000;
