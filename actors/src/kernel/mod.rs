//! The words that every other room speaks: identifiers, money, time, codes, limits.
//!
//! Owns nothing and touches nothing: no IO, no actix, no clock, no randomness. Time and ids arrive
//! as arguments, so that the same code runs in production and under a simulator.

mod code;
mod field_error;
mod id;
mod idempotency;
pub mod limits;
mod money;
mod time;

pub use code::Code;
pub use field_error::{FieldError, FieldErrors};
pub use id::{CategoryId, FlashSaleId, OrderNo, OrderNoError, ProductId, ReservationId, SkuId, UserId};
pub use idempotency::{Digest, IdempotencyKey, KEY_BYTES_MAX};
pub use money::{Currency, Money, MoneyError};
pub use time::{Millis, Timestamp};
