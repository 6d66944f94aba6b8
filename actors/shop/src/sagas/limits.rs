//! Limits of the sagas.

/// Events whose commands are under way at once.
pub const SAGA_WINDOW_MAX: usize = 4_096;
/// Tries of a saga's command before it becomes a dead letter.
pub const SAGA_TRIES_MAX: u32 = 8;
/// The first pause before a saga's command is tried again; it doubles with every failure.
pub const SAGA_RETRY_MS: u64 = 50;
/// Times that the pause before a saga's next try doubles.
pub const SAGA_PAUSES_MAX: u32 = 5;
/// How often a saga's checkpoint is written while it moves.
pub const CHECKPOINT_INTERVAL_MS: u64 = 250;
/// How often due deadlines are looked for.
pub const DEADLINE_POLL_MS: u64 = 1_000;
/// Deadlines that one poll fires.
pub const DEADLINES_MAX: i64 = 2_000;
