//! Orders: one actor per user decides over that user's orders, one entity per order number.
//!
//! Owns an order's life from `pending_payment` to its end. It decides the race between paying and
//! expiring. Sagas carry what an order does to stock. Refunds, coupons and checkouts of a cart
//! will be further commands of this room.

mod decide;
mod entity;
mod model;
#[cfg(test)]
mod tests;

pub use entity::Order;
pub use model::{
    Action, Command, Event, LogEntry, Open, OrderLine, OrderView, Query, Refusal, ReservedLine, State, Status,
};
