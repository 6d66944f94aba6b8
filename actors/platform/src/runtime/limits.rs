//! The limits of this room, by name and unit.

/// Messages of new business that one actor may hold, waiting or in commit.
pub const LANE_NORMAL_MAX: usize = 16_384;
/// Messages that end something (pay, cancel, release, confirm) that one actor may hold.
pub const LANE_ENDING_MAX: usize = 16_384;
/// Queries parked at one entity until it has an answer.
pub const PARKED_MAX: usize = 64;
/// Entities loaded by one query of the loader.
pub const LOAD_BATCH_MAX: usize = 512;
/// Events of a history that an actor's own thread folds; a longer one is folded elsewhere, and a
/// snapshot is taken of it before its actor is passivated or moves.
pub const FOLDED_EVENTS_MAX: usize = 256;
/// Bytes of a snapshot that an actor's own thread reads; a larger one is read elsewhere.
pub const FOLDED_BYTES_MAX: usize = 64 << 10;
/// Entities that one actor keeps in memory; beyond it those without pending work are dropped.
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
/// Events since the last snapshot after which a new one is taken.
pub const SNAPSHOT_EVENTS_MIN: u64 = 5_000;
/// How long the database may take to write a snapshot.
pub const SNAPSHOT_ANSWER_MS: u64 = 60_000;
/// Snapshots of one kind of actor that wait to be taken.
pub const SNAPSHOTS_WAITING_MAX: usize = 4_096;
/// How long a caller waits for an actor whose shard moves.
pub const ASK_PATIENCE_MS: u64 = 6_000;
