//! Limits of a cart.

/// Lines of one cart.
pub const CART_LINES_MAX: usize = 200;
