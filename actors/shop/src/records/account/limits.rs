//! The limits of this room, by name and unit.

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
/// Accounts made by one statement for a load test.
pub const LOAD_USERS_BATCH: u32 = 1_000;
/// Accounts made for a load test.
pub const LOAD_USERS_MAX: u32 = 1_000_000;
