//! What makes a shop of the entities: records, sagas, projections and the use cases. Each room knows only
//! the rooms above it here.

pub mod records;

pub mod actors;

pub mod sagas;

pub mod projections;

pub mod services;

pub mod rooms;

pub mod transfer;

#[cfg(test)]
#[path = "tests/golden.rs"]
mod golden;
