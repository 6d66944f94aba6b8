//! The limits of this room, by name and unit.

/// Lines of one cart.
pub const CART_LINES_MAX: usize = 200;
