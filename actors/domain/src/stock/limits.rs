//! The limits of this room, by name and unit.

/// The longest that a buyer may be given to pay: a week.
pub const PAY_WITHIN_SECONDS_MAX: u32 = 604_800;
/// A reservation asked for longer ago than this is refused.
pub const RESERVE_AGE_MS_MAX: i64 = 24 * 3_600_000;
/// Flash sales of one SKU that are not closed.
pub const OPEN_SALES_MAX: usize = 32;
