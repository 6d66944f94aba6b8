//! Which shards this node holds, at which epoch, and how far each is committed.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use stampede_kernel::{ShardId, Timestamp};
use tokio::sync::watch;

/// A shard that is not held has this epoch.
const NOT_HELD: i64 = 0;

/// Read by everybody; what is held is written by the journal's writer alone.
#[derive(Debug)]
pub struct OwnedShards {
    count: u16,
    shards: Vec<Shard>,
    /// Counts the changes of what is held.
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct Shard {
    epoch: AtomicI64,
    head: AtomicI64,
    /// Since when it is held at this epoch, in milliseconds since 1970.
    since: AtomicI64,
    /// It is being handed over: what is under way is finished, nothing new is begun.
    leaving: AtomicBool,
}

impl OwnedShards {
    /// None of `shards` shards held yet.
    #[must_use]
    pub fn new(shards: u16) -> Self {
        let shard = || Shard {
            epoch: AtomicI64::new(NOT_HELD),
            head: AtomicI64::new(0),
            since: AtomicI64::new(i64::MAX),
            leaving: AtomicBool::new(false),
        };
        Self { count: shards, shards: (0..shards).map(|_| shard()).collect(), changes: watch::Sender::new(0) }
    }

    /// Tells of every change of what is held from now on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether the shard is being handed over.
    #[must_use]
    pub fn is_leaving(&self, shard: ShardId) -> bool {
        self.shards.get(shard.index()).is_some_and(|shard| shard.leaving.load(Ordering::Acquire))
    }

    /// Begins to hand a shard over, or thinks better of it.
    pub fn set_leaving(&self, shard: ShardId, leaving: bool) {
        if let Some(shard) = self.shards.get(shard.index()) {
            shard.leaving.store(leaving, Ordering::Release);
            self.changed();
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// How many shards the shop has.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The epoch at which this node holds the shard.
    #[must_use]
    pub fn epoch(&self, shard: ShardId) -> Option<i64> {
        let epoch = self.shards.get(shard.index())?.epoch.load(Ordering::Acquire);
        (epoch != NOT_HELD).then_some(epoch)
    }

    /// The last committed position of the shard, zero when it is empty or not held.
    #[must_use]
    pub fn head(&self, shard: ShardId) -> i64 {
        self.shards.get(shard.index()).map_or(0, |shard| shard.head.load(Ordering::Acquire))
    }

    /// Since when the shard is held at its present epoch: whatever was written to it since, this
    /// process wrote.
    #[must_use]
    pub fn since(&self, shard: ShardId) -> Timestamp {
        let since = self.shards.get(shard.index()).map(|shard| shard.since.load(Ordering::Acquire));
        Timestamp::from_millis(since.unwrap_or(i64::MAX))
    }

    /// The shards held.
    pub fn held(&self) -> impl Iterator<Item = ShardId> + '_ {
        ShardId::all(self.count).filter(|shard| self.epoch(*shard).is_some())
    }

    pub(super) fn hold(&self, shard: ShardId, epoch: i64, head: i64, since: Timestamp) {
        if let Some(shard) = self.shards.get(shard.index()) {
            shard.head.store(head, Ordering::Release);
            shard.since.store(since.as_millis(), Ordering::Release);
            shard.epoch.store(epoch, Ordering::Release);
            self.changed();
        }
    }

    pub(super) fn drop_shard(&self, shard: ShardId) {
        if let Some(shard) = self.shards.get(shard.index()) {
            shard.epoch.store(NOT_HELD, Ordering::Release);
            self.changed();
        }
    }

    pub(super) fn advance(&self, shard: ShardId, head: i64) {
        if let Some(shard) = self.shards.get(shard.index()) {
            shard.head.store(head, Ordering::Release);
        }
    }
}
