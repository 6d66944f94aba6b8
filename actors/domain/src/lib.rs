//! The shop's entities: what each is, and what it decides. One room for each.
//!
//! Everything here is pure: no IO, no actix, no clock, no randomness. Time and ids arrive as arguments, so
//! that the same code runs in production and under a simulator, and its tests run in seconds. A room knows
//! the kernel and no other room.

pub mod cart;
pub mod order;
pub mod stock;

#[cfg(test)]
mod golden;
