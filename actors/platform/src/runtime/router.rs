//! Where an actor lives, and the way to it. The callers of a registry do not know whether an actor is
//! on this node.

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
    /// Nowhere that this node knows of at the moment.
    Nowhere,
}

/// How a message to another node ended.
#[derive(Debug)]
pub enum Delivery {
    Answer(RemoteAnswer),
    /// It did not arrive: nothing was done.
    NotDelivered,
    /// It may have arrived, and no answer will come.
    Lost,
}

/// Says where a shard's actors are, and reaches them there. Every node of a shop answers for every
/// shard.
pub trait Router: Send + Sync {
    fn place(&self, shard: ShardId) -> Place;

    /// Completes when the shard may have another place than this; with `false` if that is not to be
    /// expected.
    fn moved(&self, shard: ShardId, from: Place) -> BoxFuture<'static, bool>;

    /// Asks where the shard is. The future ends with the answer of the actor's own node, at the latest
    /// when the shard has moved on.
    fn ask(&self, shard: ShardId, epoch: i64, ask: Arc<RemoteAsk>) -> BoxFuture<'static, Delivery>;

    /// Tells whoever owns the shard, now or soon; the sender says it again when no answer comes.
    fn tell(&self, shard: ShardId, ask: Arc<RemoteAsk>) -> BoxFuture<'static, Delivery>;

    /// How far the clocks may differ of those who number entities and of this node.
    fn clock_skew_ms(&self) -> i64 {
        0
    }

    /// The W3C `traceparent` of the current span, if it is traced.
    fn trace(&self) -> Option<String> {
        None
    }

    /// Has a span continue the trace that a message came with.
    fn continue_trace(&self, _span: &Span, _trace: &str) {}
}

/// A node on its own: a shard is here or nowhere.
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
