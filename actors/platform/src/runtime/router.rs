//! Where an actor lives, and how messages reach it. The callers of a registry do not know whether an
//! actor is on this node.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use stampede_kernel::ShardId;
use tracing::Span;

use super::{RemoteAnswer, RemoteAsk};
use crate::journal::OwnedShards;

/// Where the actors of a shard are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On this node, at this epoch.
    Here { epoch: i64 },
    /// On another node, at this epoch.
    There { epoch: i64 },
    /// Not known to this node at the moment.
    Nowhere,
}

/// How a message to another node ended.
#[derive(Debug)]
pub enum Delivery {
    Answer(RemoteAnswer),
    /// It did not arrive: nothing was done.
    NotDelivered,
    /// It may have arrived, but no answer will come.
    Lost,
}

/// Knows where a shard's actors are, and sends messages to them. Every node of a shop can reach every
/// shard.
pub trait Router: Send + Sync {
    fn place(&self, shard: ShardId) -> Place;

    /// Completes when the shard may have moved from this place; with `false` if it will not.
    fn moved(&self, shard: ShardId, from: Place) -> BoxFuture<'static, bool>;

    /// Sends a request to the shard's owner. The future ends with the answer of the actor's own node, at
    /// the latest when the shard has moved.
    fn ask(&self, shard: ShardId, epoch: i64, ask: Arc<RemoteAsk>) -> BoxFuture<'static, Delivery>;

    /// Sends a command to whichever node owns the shard, now or later; the caller repeats it when no answer
    /// comes.
    fn tell(&self, shard: ShardId, ask: Arc<RemoteAsk>) -> BoxFuture<'static, Delivery>;

    /// How far the clock of a node that numbers entities may differ from this node's.
    fn clock_skew_ms(&self) -> i64 {
        0
    }

    /// The W3C `traceparent` of the current span, if it is traced.
    fn trace(&self) -> Option<String> {
        None
    }

    /// Makes a span continue the trace that a message carried.
    fn continue_trace(&self, _span: &Span, _trace: &str) {}
}

/// A single node: a shard is here or nowhere.
impl Router for Arc<OwnedShards> {
    fn place(&self, shard: ShardId) -> Place {
        match self.epoch(shard) {
            Some(epoch) => Place::Here { epoch },
            None => Place::Nowhere,
        }
    }

    fn moved(&self, _: ShardId, _: Place) -> BoxFuture<'static, bool> {
        Box::pin(std::future::ready(false))
    }

    fn ask(&self, _: ShardId, _: i64, _: Arc<RemoteAsk>) -> BoxFuture<'static, Delivery> {
        Box::pin(std::future::ready(Delivery::NotDelivered))
    }

    fn tell(&self, _: ShardId, _: Arc<RemoteAsk>) -> BoxFuture<'static, Delivery> {
        Box::pin(std::future::ready(Delivery::NotDelivered))
    }
}
