//! Every limit of a queue, loop, batch, retry or cache, by name and unit.

/// Shards of a new shop; fixed at initialization.
pub const SHARDS: u16 = 64;

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

/// Events in one statement of the journal's writer.
pub const BATCH_EVENTS_MAX: usize = 512;
/// How long one of the writer's statements may run.
pub const APPEND_TIMEOUT_MS: u64 = 10_000;
/// How long the writer waits for an answer to it; longer, so that the server's word comes first.
pub const APPEND_ANSWER_MS: u64 = 12_000;
/// Pause between tries to settle an unknown outcome.
pub const SETTLE_RETRY_MS: u64 = 200;
/// Committed batches that a subscription may be behind before it reads the table instead.
pub const FEED_BATCHES_MAX: usize = 512;
/// Events read from the table at once by a subscription that catches up.
pub const CATCH_UP_EVENTS_MAX: i64 = 1_000;

/// Events that one transaction of the projector takes in.
pub const PROJECTED_EVENTS_MAX: usize = 2_000;

/// Messages of new business that one actor may hold, waiting or in commit.
pub const LANE_NORMAL_MAX: usize = 16_384;
/// Messages that end something (pay, cancel, release, confirm) that one actor may hold.
pub const LANE_ENDING_MAX: usize = 16_384;
/// Queries parked at one entity until it has an answer.
pub const PARKED_MAX: usize = 64;
/// How long the loader waits for the next row of histories; less than a handler may take.
pub const LOAD_ANSWER_MS: u64 = 10_000;
/// Entities loaded by one query of the loader.
pub const LOAD_BATCH_MAX: usize = 512;

/// Events of a history that an actor's own thread folds; a longer one is folded elsewhere, and a
/// snapshot is taken of it before its actor sleeps or moves.
pub const FOLDED_EVENTS_MAX: usize = 256;
/// Bytes of a snapshot that an actor's own thread reads; a larger one is read elsewhere.
pub const FOLDED_BYTES_MAX: usize = 64 << 10;
/// Entities that one actor keeps in memory; beyond it those that nothing is under way for are let go.
pub const ENTITIES_LIVE_MAX: usize = 64;
/// Groups of actors for which the registry remembers when the last of them ended.
pub const ENDED_BUCKETS: usize = 1_024;

/// An actor idle for this long is passivated.
pub const IDLE_MS_MAX: u64 = 120_000;
/// Live actors on a node; beyond it the idle time shrinks to `IDLE_MS_CROWDED`.
pub const ACTORS_LIVE_MAX: usize = 200_000;
/// The idle time when there are too many live actors.
pub const IDLE_MS_CROWDED: u64 = 2_000;
/// How often idle actors are looked for.
pub const PASSIVATION_INTERVAL_MS: u64 = 1_000;
/// Restarts of one actor within `RESTART_WINDOW_MS` before it is quarantined.
pub const RESTARTS_MAX: u32 = 8;
/// The window in which restarts are counted.
pub const RESTART_WINDOW_MS: u64 = 60_000;
/// First pause before an actor is back; it doubles with every restart in the window.
pub const RESTART_BACKOFF_MS: u64 = 5;
/// Longest pause before an actor is back.
pub const RESTART_BACKOFF_MS_MAX: u64 = 1_000;

/// Events since the last snapshot that make a new one worth its while.
pub const SNAPSHOT_EVENTS_MIN: u64 = 5_000;
/// How long the database may take to keep one.
pub const SNAPSHOT_ANSWER_MS: u64 = 60_000;
/// Snapshots of one kind of actor that wait to be taken.
pub const SNAPSHOTS_WAITING_MAX: usize = 4_096;

/// The longest that a buyer may be given to pay: a week.
pub const PAY_WITHIN_SECONDS_MAX: u32 = 604_800;
/// Reservations and keys in a terminal state are forgotten after this long.
pub const FORGET_AFTER_MS: i64 = 48 * 3_600_000;
/// A reservation asked for longer ago than this is refused.
pub const RESERVE_AGE_MS_MAX: i64 = 24 * 3_600_000;
/// How often old claims of idempotency keys are looked for.
pub const CLAIM_SWEEP_INTERVAL_MS: u64 = 600_000;

/// Commands of a saga that are under way at once.
pub const SAGA_WINDOW_MAX: usize = 4_096;
/// Tries of a saga's command before it is parked for the administrator.
pub const SAGA_TRIES_MAX: u32 = 8;
/// First pause before a saga's command is tried again; it doubles.
pub const SAGA_RETRY_MS: u64 = 50;
/// How often the pause doubles.
pub const SAGA_PAUSES_MAX: u32 = 5;
/// How often a saga's checkpoint is written while it moves.
pub const CHECKPOINT_INTERVAL_MS: u64 = 250;

/// How often the events of records are looked for.
pub const OUTBOX_POLL_MS: u64 = 250;
/// Events of records moved into the journal at once.
pub const OUTBOX_ROWS_MAX: i64 = 500;

/// How often due deadlines are looked for.
pub const DEADLINE_POLL_MS: u64 = 1_000;
/// Deadlines fired by one poll.
pub const DEADLINES_MAX: i64 = 2_000;

/// How often a node renews its lease.
pub const HEARTBEAT_MS: u64 = 300;
/// How long a node that slept through its lease lets others renew theirs before it judges them.
pub const WAKING_MS: u64 = 2 * HEARTBEAT_MS;
/// How long a statement about leases may take to be answered; longer than a connection is above suspicion.
pub const LEASE_ANSWER_MS: u64 = 3_000;
/// How long a lease lasts without renewal.
pub const LEASE_MS: u64 = 1_500;
/// How long a caller goes after an actor whose shard moves.
pub const ASK_PATIENCE_MS: u64 = 6_000;
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
pub const CONDENSE_MS_MAX: u64 = 2_000;
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

/// Units in one purchase, order line or cart line.
pub const QUANTITY_MAX: u32 = 10_000;
/// Units in one restock, adjustment or flash sale.
pub const UNITS_MAX: i64 = 1_000_000_000;
/// Flash sales of one SKU that are not closed.
pub const OPEN_SALES_MAX: usize = 32;
/// Lines of one cart.
pub const CART_LINES_MAX: usize = 200;
/// Characters of a note or reason.
pub const NOTE_CHARS_MAX: usize = 500;
/// How long the answer to a purchase waits for its order before it is 202.
pub const ORDER_WAIT_MS: u64 = 250;

/// Bytes of a password; longer ones would only cost time.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Characters of a password.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Callers that wait for a core to hash a password on; the next is told that the shop is busy.
pub const HASH_WAITERS_MAX: usize = 256;
/// How often sessions that were ended on other nodes are looked for.
pub const REVOCATION_POLL_MS: u64 = 1_000;
/// How far back of its last look such a look reaches, for rows that were committed late.
pub const REVOCATION_OVERLAP_MS: i64 = 10_000;
/// How often sessions are forgotten whose tokens have expired.
pub const REVOCATION_SWEEP_INTERVAL_MS: u64 = 600_000;
/// The longest life of an access token.
pub const ACCESS_TOKEN_SECONDS_MAX: u32 = 86_400;
/// Accounts made by one statement for a load test.
pub const LOAD_USERS_BATCH: u32 = 1_000;
/// Accounts made for a load test.
pub const LOAD_USERS_MAX: u32 = 1_000_000;

/// Characters of a product's name.
pub const PRODUCT_NAME_CHARS_MAX: usize = 200;
/// Characters of a product's description.
pub const DESCRIPTION_CHARS_MAX: usize = 20_000;
/// Characters of a brand, a tag, a category's name, a SKU's code or a specification's name.
pub const LABEL_CHARS_MAX: usize = 100;
/// Characters of a specification's value.
pub const SPEC_CHARS_MAX: usize = 500;
/// Tags of one product.
pub const TAGS_MAX: usize = 20;
/// Images of one product.
pub const IMAGES_MAX: usize = 20;
/// Characters of an image's address.
pub const IMAGE_CHARS_MAX: usize = 2_048;
/// Specifications of one product or SKU.
pub const SPECS_MAX: usize = 50;
/// SKUs of one product.
pub const SKUS_MAX: usize = 100;
/// Categories of the shop.
pub const CATEGORIES_MAX: i64 = 5_000;
/// Products on one page of a list.
pub const PAGE_SIZE_MAX: u32 = 100;
/// The furthest page of a list.
pub const PAGE_MAX: u32 = 100_000;
/// Characters of a keyword to look for.
pub const KEYWORD_CHARS_MAX: usize = 100;
/// Products kept in memory for reading, and as many SKUs.
pub const PRODUCTS_CACHED_MAX: u64 = 20_000;
/// How long a product in memory may differ from its row after a write elsewhere of which this node was
/// not told.
pub const CATALOG_CACHE_TTL_MS: u64 = 1_000;
