//! Carts: one actor per user holds what that user means to buy.
//!
//! Owns SKUs and quantities. Prices and names are the catalog's and are looked up when a cart is
//! shown; units are the stock's and are not held by a cart.

mod decide;
mod entity;
pub mod limits;
mod model;

pub use entity::Cart;
pub use model::{Command, Event, Line, Query, Refusal, State};
