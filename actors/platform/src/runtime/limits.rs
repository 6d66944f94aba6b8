//! Limits of the actors' runtime.

/// Messages that ask for something new and that one actor may hold, waiting or in commit.
pub const LANE_NORMAL_MAX: usize = 16_384;
/// Messages that end something (pay, cancel, release, confirm) and that one actor may hold, waiting or in
/// commit.
pub const LANE_ENDING_MAX: usize = 16_384;
/// Queries that wait at one entity until it has an answer.
pub const PARKED_MAX: usize = 64;
/// Entities that one query of the loader reads.
pub const LOAD_BATCH_MAX: usize = 512;
/// Events of a history that an actor's own thread folds. A longer history is folded elsewhere, and a
/// snapshot of it is taken before its actor is passivated or moves.
pub const FOLDED_EVENTS_MAX: usize = 256;
/// Bytes of a snapshot that an actor's own thread reads. A larger one is read elsewhere.
pub const FOLDED_BYTES_MAX: usize = 64 << 10;
/// Entities that one actor keeps in memory; when there are more, those without pending work are dropped.
pub const ENTITIES_LIVE_MAX: usize = 64;
/// Groups of actors, by a hash of their ids, for each of which the registry remembers when the last
/// incarnation ended.
pub const ENDED_BUCKETS: usize = 1_024;
/// After how long an idle actor is passivated.
pub const IDLE_MS_MAX: u64 = 120_000;
/// Live actors on a node; when there are more, an actor is idle after `IDLE_MS_CROWDED`.
pub const ACTORS_LIVE_MAX: usize = 200_000;
/// After how long an idle actor is passivated while more than `ACTORS_LIVE_MAX` live.
pub const IDLE_MS_CROWDED: u64 = 2_000;
/// How often the supervisor looks for idle actors.
pub const PASSIVATION_INTERVAL_MS: u64 = 1_000;
/// Restarts of one actor within `RESTART_WINDOW_MS` before it is quarantined.
pub const RESTARTS_MAX: u32 = 8;
/// The time within which an actor's restarts are counted.
pub const RESTART_WINDOW_MS: u64 = 60_000;
/// The first pause before an actor that has panicked restarts; it doubles with every restart within
/// `RESTART_WINDOW_MS`.
pub const RESTART_BACKOFF_MS: u64 = 5;
/// The longest pause before an actor that has panicked restarts.
pub const RESTART_BACKOFF_MS_MAX: u64 = 1_000;
/// Events since the last snapshot of an entity after which the next is taken.
pub const SNAPSHOT_EVENTS_MIN: u64 = 5_000;
/// How long the database may take to write a snapshot.
pub const SNAPSHOT_ANSWER_MS: u64 = 60_000;
/// Snapshots of one kind of actor that wait to be taken.
pub const SNAPSHOTS_WAITING_MAX: usize = 4_096;
/// How long a caller waits for an actor whose shard moves.
pub const ASK_PATIENCE_MS: u64 = 6_000;
