//! For administrators.

pub mod actors;
pub mod dead_letters;
pub mod load_users;
pub mod nodes;
pub mod reconciliation;
