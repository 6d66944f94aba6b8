//! The router of a node among others.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use stampede_kernel::ShardId;
use tracing::Span;

use super::{Link, RoutingTable};
use crate::{
    cluster::limits::CLOCK_SKEW_MS_MAX,
    runtime::{Delivery, Place, RemoteAsk, Router},
};

/// How the trace of a message is written and taken up again.
#[derive(Clone, Copy)]
pub struct Traces {
    /// The `traceparent` of a span, if it is traced.
    pub parent_of: fn(&Span) -> Option<String>,
    pub continued: fn(&Span, &str),
}

/// A node among others: its shards are here, all others there.
pub struct Node {
    pub routing: Arc<RoutingTable>,
    pub link: Arc<Link>,
    pub traces: Traces,
}

impl Router for Node {
    fn place(&self, shard: ShardId) -> Place {
        self.routing.place(shard)
    }

    fn moved(&self, shard: ShardId, from: Place) -> BoxFuture<'static, bool> {
        let moved = self.routing.clone().moved(shard, from);
        Box::pin(async move {
            moved.await;
            true
        })
    }

    fn ask(&self, shard: ShardId, epoch: i64, ask: Arc<RemoteAsk>) -> BoxFuture<'static, Delivery> {
        self.link.ask(shard, epoch, ask)
    }

    fn tell(&self, shard: ShardId, ask: Arc<RemoteAsk>) -> BoxFuture<'static, Delivery> {
        self.link.tell(shard, ask)
    }

    fn clock_skew_ms(&self) -> i64 {
        CLOCK_SKEW_MS_MAX
    }

    fn trace(&self) -> Option<String> {
        (self.traces.parent_of)(&Span::current())
    }

    fn continue_trace(&self, span: &Span, trace: &str) {
        (self.traces.continued)(span, trace);
    }
}
