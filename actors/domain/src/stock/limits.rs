//! Limits of a SKU's stock.

use stampede_kernel::limits::UNITS_MAX;

/// The longest time that a buyer may be given to pay.
pub const PAY_WITHIN_SECONDS_MAX: u32 = 604_800;
/// A reservation that was asked for longer ago than this is refused.
pub const RESERVE_AGE_MS_MAX: i64 = 24 * 3_600_000;
/// Flash sales of one SKU that are not closed.
pub const OPEN_SALES_MAX: usize = 32;
/// Units that a SKU may have received before it may receive more.
pub const RECEIVED_MAX: i64 = UNITS_MAX * 1_000;
