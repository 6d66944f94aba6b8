//! The shop's actors and everything below them. Each room knows only the rooms above it here.

pub mod kernel;

pub mod engine;

pub mod journal;

pub mod runtime;

pub mod claim;

pub mod account;
pub mod catalog;

pub mod stock;

pub mod cart;
pub mod order;

pub mod saga;

pub mod projection;

pub mod cluster;

#[cfg(test)]
extern crate self as stampede_actors;

#[cfg(test)]
#[path = "tests/golden.rs"]
mod golden;
