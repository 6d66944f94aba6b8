//! The limits of this room, by name and unit.

/// Reservations and keys in a terminal state are forgotten after this long.
pub const FORGET_AFTER_MS: i64 = 48 * 3_600_000;
/// Units in one purchase, order line or cart line.
pub const QUANTITY_MAX: u32 = 10_000;
/// Units in one restock, adjustment or flash sale.
pub const UNITS_MAX: i64 = 1_000_000_000;
