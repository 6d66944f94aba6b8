//! The limits of this room, by name and unit.

/// How often a node renews its lease.
pub const HEARTBEAT_MS: u64 = 300;
/// How long a node that slept through its lease lets others renew theirs before it judges them.
pub const WAKING_MS: u64 = 2 * HEARTBEAT_MS;
/// How long a statement about leases may take to be answered; longer than a connection is above suspicion.
pub const LEASE_ANSWER_MS: u64 = 3_000;
/// How long a lease lasts without renewal.
pub const LEASE_MS: u64 = 1_500;
/// How long a sender waits until it looks again where a shard is.
pub const ROUTE_RETRY_MS: u64 = 50;
/// Messages to one shard of another node that travel together.
pub const ASKS_TOGETHER_MAX: usize = 256;
/// How long another node may take to say that it has received messages.
pub const ASK_RECEIPT_MS: u64 = 1_000;
/// How long an answer may follow the news that its shard has moved.
pub const LATE_ANSWER_MS: u64 = 100;
/// How long a node tries to tell the others that shards have changed hands.
pub const ANNOUNCE_MS_MAX: u64 = 100;
/// How long a handoff waits for snapshots, which only make it shorter.
pub const COMPACT_MS_MAX: u64 = 2_000;
/// How long a shard that is handed over may take to finish what is under way.
pub const DRAIN_MS_MAX: u64 = 3_000;
/// How often a shard that is handed over is looked at.
pub const DRAIN_POLL_MS: u64 = 1;
/// How long a node that goes may take to hand its shards over.
pub const LEAVE_MS_MAX: u64 = 10_000;
/// The least time between two looks at the table of shards.
pub const LOOK_INTERVAL_MS: u64 = 10;
/// Events published before the first of them is acknowledged.
pub const RELAYED_EVENTS_MAX: usize = 512;
/// How long JetStream may take to acknowledge an event.
pub const RELAY_ANSWER_MS: u64 = 5_000;
/// Pause before the relay tries again.
pub const RELAY_RETRY_MS: u64 = 500;
/// How often a relay with nothing to do looks whether its stream is there.
pub const RELAY_LOOK_MS: u64 = 2_000;
/// How long a lost stream stays away before it is made anew.
pub const STREAM_GRACE_MS: u64 = 3_000;
/// How long the stream keeps an event; the journal keeps it for ever.
pub const EVENTS_KEPT_SECONDS: u64 = 7 * 86_400;
/// Bytes of a message that every broker takes.
pub const PAYLOAD_BYTES_MIN: usize = 64 << 10;
/// Bytes of a message's headers.
pub const HEADERS_BYTES_MAX: usize = 1 << 10;
/// How long a message of the work queue may take to be answered before it is sent again.
pub const TELL_ANSWER_MS: u64 = 3_000;
/// How often the broker says that a quiet work queue is still there.
pub const QUEUE_HEARTBEAT_MS: u64 = 1_000;
/// How long the work queue keeps a message that nobody takes.
pub const TELLS_KEPT_SECONDS: u64 = 3_600;
/// Messages of the work queue that one shard works on at once.
pub const TELLS_UNDER_WAY_MAX: i64 = 256;
/// How far the clocks of two nodes may differ.
pub const CLOCK_SKEW_MS_MAX: i64 = 30_000;
/// Senders and subjects of which a node remembers the last message.
pub const SENDERS_KNOWN_MAX: usize = 8_192;
/// Changes that wait to be told to other nodes; what is beyond them, these find out by themselves.
pub const NEWS_WAITING_MAX: usize = 4_096;
/// How long another node may take to report to an administrator.
pub const NODE_REPORT_MS_MAX: u64 = 1_000;
/// How long a node may take to do what an administrator wants; less than a handler may.
pub const NODE_COMMAND_MS_MAX: u64 = 12_000;
