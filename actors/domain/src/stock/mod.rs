//! The stock ledger: one actor per SKU decides serially over all units of it.
//!
//! Owns every number of units there is. Nothing else in the shop adds or takes one. The types are in
//! `model`, the rules in `decide` and `apply`, and what readers outside the mailbox see in [`PublishedView`].

mod apply;
mod decide;
mod entity;
pub mod limits;
mod model;
mod published_view;
mod request;
#[cfg(test)]
mod tests;
mod view;

pub use entity::Stock;
pub use model::{
    Adjust, AdjustTo, AmendSale, Amendment, CloseSale, Command, Confirm, Event, ExtendSale, Initialize, Line,
    OpenSale, PauseSale, Pool, Query, Receive, Refusal, Release, Reservation, ReservationStatus, Reserve,
    Reserved, ResumeSale, Sale, Source, State, Terms,
};
pub use published_view::PublishedView;
pub use request::{FindMadeUnder, FindOpenSale, GetOwnReservations, GetSale, GetStock, MadeUnder, OfferSale};
pub use view::{Answer, PoolView, ReservationView, SaleState, SaleView, StockView};
