//! Where an actor lives. The callers of a registry do not know whether an actor is on this node.

use std::sync::Arc;

use crate::journal::{Holdings, ShardId};

/// Where the actors of a shard are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On this node, at this epoch.
    Here { epoch: i64 },
    /// Nowhere that this node knows of at the moment.
    Nowhere,
}

/// Says where a shard's actors are. Every node of a shop answers for every shard.
pub trait Router: Send + Sync {
    fn place(&self, shard: ShardId) -> Place;
}

/// A node on its own: a shard is here or nowhere.
impl Router for Arc<Holdings> {
    fn place(&self, shard: ShardId) -> Place {
        match self.epoch(shard) {
            Some(epoch) => Place::Here { epoch },
            None => Place::Nowhere,
        }
    }
}
