//! Where every shard is, as far as this node knows: its own owned_shards, and the table of shards as it was
//! read last.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};
use std::time::{Duration, Instant};

use stampede_kernel::{ShardId, whole_millis};
use tokio::sync::{Notify, watch};

use super::allocation::ClusterView;
use crate::{
    cluster::limits::{LEASE_MS, ROUTE_RETRY_MS},
    journal::OwnedShards,
    runtime::Place,
};

/// One shard, as the table says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardRoute {
    pub owner: Option<String>,
    pub epoch: i64,
    /// Whether the owner's lease has not lapsed.
    pub alive: bool,
}

/// What this node knows of the shop's nodes.
pub struct RoutingTable {
    me: String,
    owned_shards: Arc<OwnedShards>,
    table: RwLock<Vec<ShardRoute>>,
    changes: watch::Sender<u64>,
    /// Asks for the table to be read now.
    look: Notify,
    started: Instant,
    /// Until when this node's lease is certain not to have lapsed, in milliseconds since `started`.
    leased_until_ms: AtomicU64,
}

impl RoutingTable {
    #[must_use]
    pub fn new(me: &str, owned_shards: Arc<OwnedShards>) -> Arc<Self> {
        Arc::new(Self {
            me: me.to_owned(),
            owned_shards,
            table: RwLock::default(),
            changes: watch::Sender::new(0),
            look: Notify::new(),
            started: Instant::now(),
            leased_until_ms: AtomicU64::new(0),
        })
    }

    /// This node's name.
    #[must_use]
    pub fn me(&self) -> &str {
        &self.me
    }

    /// Where a shard is. A node whose lease may have lapsed does not speak for its shards: another may
    /// have taken them.
    #[must_use]
    pub fn place(&self, shard: ShardId) -> Place {
        if let Some(epoch) = self.owned_shards.epoch(shard) {
            let speaks = self.is_leased() && !self.owned_shards.is_leaving(shard);
            return if speaks { Place::Here { epoch } } else { Place::Nowhere };
        }
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        match table.get(shard.index()) {
            Some(ShardRoute { owner: Some(owner), epoch, .. }) if *owner != self.me => {
                Place::There { epoch: *epoch }
            }
            Some(_) | None => Place::Nowhere,
        }
    }

    /// The whole table.
    #[must_use]
    pub fn table(&self) -> Vec<ShardRoute> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether every shard has an owner that is alive, and this node holds all that are its own: it may
    /// have let go of some that it could not be sure of.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let whole = |(shard, route): (ShardId, &ShardRoute)| {
            let own = route.owner.as_deref() == Some(&self.me);
            route.alive && (!own || self.owned_shards.epoch(shard).is_some())
        };
        !table.is_empty() && ShardId::from_zero().zip(table.iter()).all(whole)
    }

    /// Whether this node's lease is certain not to have lapsed.
    #[must_use]
    pub fn is_leased(&self) -> bool {
        self.now_ms() < self.leased_until_ms.load(Ordering::Acquire)
    }

    /// Waits until a shard may be elsewhere than at `from`.
    pub async fn moved(self: Arc<Self>, shard: ShardId, from: Place) {
        self.look.notify_one();
        // A change that this misses, such as a lease renewed, is found by looking again.
        let retry = tokio::time::sleep(Duration::from_millis(ROUTE_RETRY_MS));
        tokio::select! {
            () = self.clone().left(shard, from) => {}
            () = retry => {}
        }
    }

    /// Waits until a shard is elsewhere than at `from`.
    pub async fn left(self: Arc<Self>, shard: ShardId, from: Place) {
        let (mut held, mut known) = (self.owned_shards.changes(), self.changes.subscribe());
        while self.place(shard) == from {
            tokio::select! {
                Ok(()) = held.changed() => {}
                Ok(()) = known.changed() => {}
                else => return,
            }
        }
    }

    /// Waits until somebody wants the table to be read.
    pub(super) async fn wanted(&self) {
        self.look.notified().await;
    }

    /// Asks for the table to be read now.
    pub fn look(&self) {
        self.look.notify_one();
    }

    /// Takes up the table as it was read; answers the shards held here that it says are another's.
    pub(super) fn update(&self, view: &ClusterView, epochs: &[i64]) -> Vec<ShardId> {
        let fresh: Vec<ShardRoute> = view
            .owners
            .iter()
            .zip(epochs)
            .map(|(owner, epoch)| ShardRoute {
                alive: owner
                    .as_ref()
                    .is_some_and(|owner| view.nodes.contains(owner) || view.leaving.contains(owner)),
                owner: owner.clone(),
                epoch: *epoch,
            })
            .collect();
        let mut lost = Vec::new();
        for (shard, route) in ShardId::from_zero().zip(&fresh) {
            // A table read before this node took the shard has an older epoch.
            let held = self.owned_shards.epoch(shard);
            if held.is_some_and(|epoch| epoch < route.epoch && route.owner.as_deref() != Some(&self.me)) {
                lost.push(shard);
            }
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *table != fresh;
        *table = fresh;
        drop(table);
        if changed {
            self.changes.send_modify(|count| *count += 1);
        }
        lost
    }

    /// The lease was renewed by a statement that was sent at `sent`.
    pub(super) fn leased(&self, sent: Instant) {
        let sent_ms = whole_millis(sent.duration_since(self.started));
        self.leased_until_ms.store(sent_ms + LEASE_MS, Ordering::Release);
    }

    fn now_ms(&self) -> u64 {
        whole_millis(self.started.elapsed())
    }
}
