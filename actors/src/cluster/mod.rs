//! Which node owns which shards.
//!
//! A lease is for liveness only; safety is the epoch that every append checks. A node on its own owns
//! all shards. Even spread over several nodes, handoff, and routing between them belong here too.

mod lease;
mod ownership;

pub use lease::running_node;
pub use ownership::{Ownership, OwnershipMetrics, node_id};
