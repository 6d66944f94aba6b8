//! Limits of accounts.

/// Characters that a username must have.
pub const USERNAME_CHARS_MIN: usize = 3;
/// Characters of a username.
pub const USERNAME_CHARS_MAX: usize = 32;
/// Bytes of an email address.
pub const EMAIL_BYTES_MAX: usize = 254;
/// Bytes of an email address before its `@`.
pub const EMAIL_LOCAL_BYTES_MAX: usize = 64;
/// Characters that a phone number must have, without its `+`.
pub const PHONE_CHARS_MIN: usize = 5;
/// Characters of a phone number, without its `+`.
pub const PHONE_CHARS_MAX: usize = 20;
/// Characters that a password must have.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Bytes of a password; a longer one would only take longer to hash.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Callers that wait until a password can be hashed; the next is answered that the shop is overloaded.
pub const HASH_WAITERS_MAX: usize = 256;
/// How often a node reads which sessions were ended on other nodes.
pub const REVOCATION_POLL_MS: u64 = 1_000;
/// How far before the last reading of ended sessions the next one begins, for rows that were committed late.
pub const REVOCATION_OVERLAP_MS: i64 = 10_000;
/// How often ended sessions are forgotten whose tokens have expired.
pub const REVOCATION_SWEEP_INTERVAL_MS: u64 = 600_000;
/// Accounts for load tests that one statement makes.
pub const LOAD_USERS_BATCH: u32 = 1_000;
/// Accounts for load tests.
pub const LOAD_USERS_MAX: u32 = 1_000_000;
