//! Records: rows without contention behind plain async functions, no actor. Each change leaves a row in
//! `outbox` where others must hear of it.

pub mod account;
pub mod catalog;
pub mod idempotency;
mod invalidated;

pub use invalidated::remembered;
