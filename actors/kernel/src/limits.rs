//! Limits of the kernel.

/// How long an entity remembers a reservation or an idempotency key after it has ended.
pub const FORGET_AFTER_MS: i64 = 48 * 3_600_000;
/// Bytes of an idempotency key.
pub const KEY_BYTES_MAX: usize = 255;
/// Units in one purchase, order line or cart line.
pub const QUANTITY_MAX: u32 = 10_000;
/// Units in one restock, adjustment or flash sale.
pub const UNITS_MAX: i64 = 1_000_000_000;
