//! A registry of any kind of actor, for those who serve other nodes and move shards.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use stampede_kernel::{Entity, ShardId};
use tracing::{Instrument, info_span};
use uuid::Uuid;

use super::{
    ActorState, Place, Registry, RemoteAnswer, RemoteAsk,
    host::{Compact, SendAway},
    registry::Presence,
    supervisor::InProgress,
};

/// A registry of whatever kind, for those who serve other nodes and move shards.
pub trait Directory: Send + Sync {
    /// The kind of its actors.
    fn kind(&self) -> &'static str;

    /// Answers a message that came from another node, if the actor lives here.
    fn serve(self: Arc<Self>, ask: RemoteAsk) -> BoxFuture<'static, RemoteAnswer>;

    /// Requests snapshots of the long histories of these shards; they are in progress until the last clone of
    /// `in_progress` is dropped.
    fn compact(&self, shards: &BTreeSet<ShardId>, in_progress: &InProgress);

    /// Fails the parked queries of these shards' actors; returns whether any of them still has work.
    fn is_busy(&self, shards: &BTreeSet<ShardId>) -> bool;

    /// The state of an actor on this node.
    fn state(&self, actor: Uuid) -> ActorState;

    /// Lets a quarantined actor start again; whether there was one.
    fn reset(&self, actor: Uuid) -> bool;

    /// Drops the actors of a shard that has moved.
    fn evict(&self, shard: ShardId);

    /// Live actors, and messages that wait for them.
    fn load(&self) -> (i64, i64);

    /// How many live actors each shard has here.
    fn live_by_shard(&self) -> BTreeMap<ShardId, usize>;

    /// How many actors are known, live or not.
    fn known(&self) -> usize;

    /// Makes an actor panic, to rehearse a failure, wherever it lives; none for a kind whose actors hold more
    /// than one entity.
    fn inject_panic(self: Arc<Self>, actor: Uuid) -> Option<BoxFuture<'static, ()>>;
}

impl<E: Entity> Directory for Registry<E> {
    fn kind(&self) -> &'static str {
        E::KIND
    }

    fn serve(self: Arc<Self>, ask: RemoteAsk) -> BoxFuture<'static, RemoteAnswer> {
        let span = info_span!("serve", kind = E::KIND);
        if let Some(trace) = &ask.trace {
            self.runtime.router.continue_trace(&span, trace);
        }
        let serving = async move {
            let Some((id, body)) = ask.read::<E>() else { return RemoteAnswer::Unreadable };
            let shard = self.shard(ask.actor);
            let Place::Here { epoch } = self.runtime.router.place(shard) else {
                return RemoteAnswer::Elsewhere;
            };
            let admitted = self.admit(ask.actor, (shard, epoch), id, body);
            admitted.answer().await.map_or(RemoteAnswer::Elsewhere, RemoteAnswer::of::<E>)
        };
        Box::pin(serving.instrument(span))
    }

    fn compact(&self, shards: &BTreeSet<ShardId>, in_progress: &InProgress) {
        if !E::SNAPSHOTS {
            return;
        }
        for presence in &self.actors {
            if let Presence::Live(handle) = presence.value()
                && shards.contains(&handle.incarnation.shard)
            {
                // If the mailbox is full or closed, the new owner reads the history as it is.
                let _ = handle.address.try_send(Compact(in_progress.clone()));
            }
        }
    }

    fn is_busy(&self, shards: &BTreeSet<ShardId>) -> bool {
        let mut busy = false;
        for presence in &self.actors {
            match presence.value() {
                Presence::Live(handle) if shards.contains(&handle.incarnation.shard) => {
                    let waiting = handle.lanes.admitted() > 0;
                    if waiting {
                        let _ = handle.address.try_send(SendAway);
                    }
                    busy |= waiting || handle.incarnation.has_pending();
                }
                Presence::Ending(ended) if shards.contains(&ended.shard) => busy |= ended.has_pending(),
                Presence::Live(_) | Presence::Ending(_) | Presence::Down | Presence::Quarantined => {}
            }
        }
        busy
    }

    fn state(&self, actor: Uuid) -> ActorState {
        Registry::state(self, actor)
    }

    fn reset(&self, actor: Uuid) -> bool {
        Registry::reset(self, actor)
    }

    fn evict(&self, shard: ShardId) {
        self.actors.retain(|actor, presence| {
            let leaves = self.shard(*actor) == shard;
            if leaves {
                self.life_ended(*actor);
                // Its next owner counts for itself.
                if matches!(presence, Presence::Quarantined) {
                    self.metrics.quarantined.dec();
                }
            }
            !leaves
        });
    }

    fn load(&self) -> (i64, i64) {
        (self.metrics.live.get(), self.metrics.depth.get())
    }

    fn live_by_shard(&self) -> BTreeMap<ShardId, usize> {
        let mut live = BTreeMap::new();
        for presence in &self.actors {
            if let Presence::Live(handle) = presence.value() {
                *live.entry(handle.incarnation.shard).or_insert(0) += 1;
            }
        }
        live
    }

    fn known(&self) -> usize {
        self.len()
    }

    fn inject_panic(self: Arc<Self>, actor: Uuid) -> Option<BoxFuture<'static, ()>> {
        let id = E::only_entity(actor)?;
        Some(Box::pin(async move { Registry::inject_panic(&self, actor, id).await }))
    }
}
