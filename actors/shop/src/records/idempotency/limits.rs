//! Limits of the claims of idempotency keys.

/// How often expired claims are looked for.
pub const CLAIM_SWEEP_INTERVAL_MS: u64 = 600_000;
