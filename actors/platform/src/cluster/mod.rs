//! Several nodes as one shop: which node owns which shards, and how they speak to each other.
//!
//! Owns the tables `node` and, beside the journal's fence, `shard`. [`Ownership`] keeps this node's lease
//! and its fair share of the shards; [`RoutingTable`] knows where every shard is; [`Link`] asks actors of
//! other nodes over NATS and [`Server`] answers them. [`Nodes`] passes on what an administrator wants of
//! any node, and [`Broadcaster`] what all must forget. [`Relay`] publishes the journal to subscribers.
//!
//! Invariants:
//! - a lease is for liveness only; safety is the epoch that every append checks;
//! - heartbeats touch only `node`, never a row that a batch locks;
//! - a node that cannot be sure of its lease does not speak for its shards;
//! - a shard is handed over only when everything that its actors were asked is answered;
//! - a message between nodes is sealed, and one that is not is refused and counted.

mod allocation;
mod command;
mod discovery;
mod envelope;
mod invalidation;
mod lease;
pub mod limits;
mod link;
mod node;
mod ownership;
mod relay;
mod routing_table;
mod serve;
mod tell;

pub use command::{NodeCommand, NodeCommandError, NodeReply, Nodes};
pub use discovery::discoverable;
pub use envelope::{Envelope, Rejected, Seal};
pub use invalidation::{Broadcaster, Invalidated, changes};
pub use lease::{leases, running_node};
pub use link::{Answered, Asked, Link, LinkMetrics};
pub use node::{Node, Traces};
pub use ownership::{HandoffError, Ownership, OwnershipMetrics};
pub use relay::{EVENTS, Relay, RelayMetrics, republish};
pub use routing_table::{RoutingTable, ShardRoute};
pub use serve::{Directories, Server};
pub use tell::TELL;

/// Counts a message that is not heard. The log has it at a level that a flood cannot drown it with.
fn refuse(refused: &prometheus::IntCounterVec, cause: Rejected, subject: &str) {
    refused.with_label_values(&[cause.as_str()]).inc();
    tracing::debug!(cause = cause.as_str(), subject, "a message between nodes was refused");
}
