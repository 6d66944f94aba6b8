//! All wiring, in one place: from settings to a running node.

mod metrics;
mod node;
mod shop;

pub use node::{ADMIN_PASSWORD, Node, NodeError, generate_password};
pub use shop::{RunningShop, ShopError, open_database, signing_key, source};
