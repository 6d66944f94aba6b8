//! Handing shards over: what every node does by itself, what an administrator asks for, and what a node does
//! before it goes.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{Ordering, fence},
    },
    time::{Duration, Instant},
};

use stampede_kernel::{ShardId, whole_millis};
use tokio::{sync::mpsc, time::MissedTickBehavior};
use tracing::{info, warn};

use super::Ownership;
use crate::{
    cluster::{
        allocation::Transfer,
        lease,
        limits::{COMPACT_MS_MAX, DRAIN_MS_MAX, DRAIN_POLL_MS, LEAVE_MS_MAX},
    },
    journal::OwnedShards,
};

/// Why a shard was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandoffError {
    #[error("the node does not hold the shard")]
    NotHeld,
    #[error("there is no such other node that lives and takes shards")]
    NobodyThere,
    #[error("actors did not come to rest in time; their shards stay")]
    Busy,
    #[error("another process runs under this node's name")]
    LeaseLost,
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
}

/// Shards that are being handed over, and are not any more when it is dropped, however that comes.
struct Leaving<'a> {
    owned_shards: &'a OwnedShards,
    shards: &'a [ShardId],
}

impl<'a> Leaving<'a> {
    fn begin(owned_shards: &'a OwnedShards, shards: &'a [ShardId]) -> Self {
        for shard in shards {
            owned_shards.set_leaving(*shard, true);
        }
        // Before anybody is looked for: whoever lets messages in does it the other way round.
        fence(Ordering::SeqCst);
        Self { owned_shards, shards }
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        for shard in self.shards {
            self.owned_shards.set_leaving(*shard, false);
        }
    }
}

impl Ownership {
    /// Gives away what this node has too much of.
    pub(super) async fn even_out(self: Arc<Self>) {
        let Ok(moving) = self.moving.try_lock() else { return };
        let transfers = match lease::look(&self.database).await {
            // By a lease that has just lapsed it would be about to go, and give all.
            Ok((view, _)) if view.nodes.contains(&self.me.node) || self.is_leaving() => {
                view.to_give(&self.me.node)
            }
            Ok(_) | Err(_) => return,
        };
        // Whatever was not handed over will be with a later heartbeat.
        let _ = self.give_each(transfers).await;
        drop(moving);
    }

    /// Hands one shard over to that node, or to any other.
    pub async fn hand_over(&self, shard: ShardId, to: Option<String>) -> Result<(), HandoffError> {
        let _moving = self.moving.lock().await;
        if self.journal.owned_shards().epoch(shard).is_none() {
            return Err(HandoffError::NotHeld);
        }
        let view = self.look().await?;
        let other = |node: &&String| **node != self.me.node && to.as_ref().is_none_or(|to| to == *node);
        let to = view.nodes.iter().find(other).ok_or(HandoffError::NobodyThere)?;
        self.give_each(vec![Transfer { shards: vec![shard], to: to.clone() }]).await
    }

    /// Hands all shards over, and takes none until this node resumes or starts again.
    pub async fn empty(&self) -> Result<(), HandoffError> {
        let _moving = self.moving.lock().await;
        // Before this node says that it wants none: without any that does, those that were emptied
        // take shards again.
        if self.look().await?.nodes.iter().all(|node| *node == self.me.node) {
            return Err(HandoffError::NobodyThere);
        }
        self.emptied.store(true, Ordering::Release);
        let given = match self.give_all().await {
            Ok(()) if self.journal.owned_shards().held().next().is_some() => Err(HandoffError::NobodyThere),
            given => given,
        };
        if given.is_err() {
            self.emptied.store(false, Ordering::Release);
            self.say_what_it_wants().await?;
        }
        given
    }

    /// Takes this node's share again.
    pub async fn resume(&self) -> Result<(), HandoffError> {
        self.emptied.store(false, Ordering::Release);
        self.say_what_it_wants().await?;
        self.announce().await;
        Ok(())
    }

    /// Renews the lease between two heartbeats, to say whether this node wants shards.
    async fn say_what_it_wants(&self) -> Result<(), HandoffError> {
        if self.renew().await? { Ok(()) } else { Err(HandoffError::LeaseLost) }
    }

    /// Says that this node wants no shards, and gives away all that it has.
    async fn give_all(&self) -> Result<(), HandoffError> {
        self.say_what_it_wants().await?;
        let transfers = self.look().await?.to_give(&self.me.node);
        self.give_each(transfers).await
    }

    /// Gives shards away, after snapshots of long histories; the error is the last.
    async fn give_each(&self, transfers: Vec<Transfer>) -> Result<(), HandoffError> {
        self.compact(transfers.iter().flat_map(|transfer| transfer.shards.iter().copied()).collect()).await;
        let mut given = Ok(());
        for Transfer { shards, to } in transfers {
            if let Err(cause) = self.give(shards, &to).await {
                warn!(%cause, to, "shards were not handed over");
                given = Err(cause);
            }
        }
        given
    }

    /// Gives everything away before this node goes, as far as there is somebody to take it. Requests are
    /// still answered meanwhile, by asking the new owners.
    pub async fn leave(&self) {
        if self.others.is_none() {
            return;
        }
        self.stopping.store(true, Ordering::Release);
        let leaving = async {
            let _moving = self.moving.lock().await;
            self.give_all().await
        };
        match tokio::time::timeout(Duration::from_millis(LEAVE_MS_MAX), leaving).await {
            Ok(Ok(())) => {
                info!(held = self.journal.owned_shards().held().count(), "this node has handed over")
            }
            Ok(Err(cause)) => {
                warn!(%cause, "shards were not handed over; they are taken when the lease lapses")
            }
            Err(_) => warn!("handing over takes too long; what is left is taken when the lease lapses"),
        }
    }

    /// Lets nobody in any more, waits until everything that was let in is answered, and gives the shards
    /// to another node.
    async fn give(&self, shards: Vec<ShardId>, to: &str) -> Result<(), HandoffError> {
        let owned_shards = self.journal.owned_shards();
        let shards: Vec<ShardId> =
            shards.into_iter().filter(|shard| owned_shards.epoch(*shard).is_some()).collect();
        if shards.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let leaving = Leaving::begin(owned_shards, &shards);
        if !self.came_to_rest(&shards).await {
            return Err(HandoffError::Busy);
        }
        let given = self.journal.give(shards.clone(), to).await;
        for directory in self.directories.iter() {
            for shard in &shards {
                directory.evict(*shard);
            }
        }
        drop(leaving);
        self.announce().await;
        let pause = began.elapsed();
        self.metrics.handoff_seconds.observe(pause.as_secs_f64());
        info!(shards = ?given?, to, pause_ms = whole_millis(pause),
            "shards were handed over");
        let _ = self.look().await?;
        Ok(())
    }

    /// Has snapshots taken before shards move, so that their new owners have little to read.
    async fn compact(&self, shards: BTreeSet<ShardId>) {
        if shards.is_empty() {
            return;
        }
        let (under_way, mut taken) = mpsc::channel(1);
        for directory in self.directories.iter() {
            directory.compact(&shards, &under_way);
        }
        drop(under_way);
        if tokio::time::timeout(Duration::from_millis(COMPACT_MS_MAX), taken.recv()).await.is_err() {
            warn!("snapshots take too long; the new owner reads the rest from the journal");
        }
    }

    async fn came_to_rest(&self, shards: &[ShardId]) -> bool {
        let shards: BTreeSet<ShardId> = shards.iter().copied().collect();
        let resting = async {
            let mut poll = tokio::time::interval(Duration::from_millis(DRAIN_POLL_MS));
            poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                poll.tick().await;
                if !self.directories.iter().any(|directory| directory.is_busy(&shards)) {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_millis(DRAIN_MS_MAX), resting).await.is_ok()
    }
}
