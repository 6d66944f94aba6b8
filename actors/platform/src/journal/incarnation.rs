//! One life of one actor, as the journal knows it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Notify;
use uuid::Uuid;

use stampede_kernel::ShardId;

use super::OwnedShards;

/// What ties an actor's appends together: they commit in order or, from the first that fails, not
/// at all.
#[derive(Debug)]
pub struct Incarnation {
    /// The actor's kind.
    pub kind: &'static str,
    /// The actor's id.
    pub actor: Uuid,
    /// The shard that the actor belongs to.
    pub shard: ShardId,
    /// The epoch at which its state was loaded.
    pub epoch: i64,
    failed: AtomicBool,
    pending: AtomicUsize,
    settled: Notify,
}

impl Incarnation {
    /// A new life, at the epoch at which the shard is held now.
    #[must_use]
    pub fn new(kind: &'static str, actor: Uuid, shard: ShardId, epoch: i64) -> Arc<Self> {
        Arc::new(Self {
            kind,
            actor,
            shard,
            epoch,
            failed: AtomicBool::new(false),
            pending: AtomicUsize::new(0),
            settled: Notify::new(),
        })
    }

    /// Whether its memory may still be trusted: no append of it failed, and its shard is held at
    /// the epoch at which it was loaded.
    #[must_use]
    pub fn is_current(&self, owned_shards: &OwnedShards) -> bool {
        !self.failed.load(Ordering::Acquire) && owned_shards.epoch(self.shard) == Some(self.epoch)
    }

    /// Whether events of it are gathered or in flight.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire) != 0
    }

    /// Waits until nothing of it is gathered or in flight.
    pub async fn settled(&self) {
        loop {
            let notified = self.settled.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if !self.has_pending() {
                return;
            }
            notified.await;
        }
    }

    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    pub(super) fn began(&self) {
        self.pending.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn ended(&self) {
        if self.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.settled.notify_waiters();
        }
    }
}
