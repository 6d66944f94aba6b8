//! The limits of this room, by name and unit.

/// How long the answer to a purchase waits for its order before it is 202.
pub const ORDER_WAIT_MS: u64 = 250;
