//! The words that every other room uses: identifiers, money, time, codes, idempotency keys, and what an
//! entity is.
//!
//! Owns nothing and touches nothing: no IO, no actix, no clock, no randomness. Time and ids arrive
//! as arguments, so that the same code runs in production and under a simulator.

mod code;
mod entity;
mod field_error;
#[cfg(feature = "golden")]
pub mod golden;
mod id;
mod idempotency;
mod lane;
pub mod limits;
mod money;
mod shard;
mod time;

pub use code::Code;
pub use entity::{Entity, EntryGuard, Message, Request};
pub use field_error::{FieldError, FieldErrors};
pub use id::{CategoryId, FlashSaleId, OrderNo, OrderNoError, ProductId, ReservationId, SkuId, UserId};
pub use idempotency::{Digest, IdempotencyKey};
pub use lane::Lane;
pub use money::{Currency, Money, MoneyError};
pub use shard::{SHARD_HASH, ShardId, ShardIdError, shard_of};
pub use time::{Millis, Timestamp, whole_millis};
