//! The stock ledger: one actor per SKU decides serially over all units of it.
//!
//! Owns every number of units there is. Nothing else in the shop adds or takes one. The rules are in
//! [`decide`] and [`apply`], what they are about in [`model`], and what readers outside the mailbox may see in
//! [`Board`].

mod actor;
mod apply;
mod board;
mod decide;
mod model;
#[cfg(test)]
mod tests;
mod view;

pub use actor::{Stock, StockActors};
pub use board::Board;
pub use model::{
    Amendment, Command, Event, Line, OpenSale, Pool, Query, Refusal, Reservation, ReservationStatus, Reserve,
    Reserved, Sale, Source, State, Terms,
};
pub use view::{Answer, PoolView, ReservationView, SaleState, SaleView, StockView};
