//! The limits of this room, by name and unit.

/// How often old claims of idempotency keys are looked for.
pub const CLAIM_SWEEP_INTERVAL_MS: u64 = 600_000;
