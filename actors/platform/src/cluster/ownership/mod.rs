//! This node's lease and its share of the shards.

mod handoff;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::Client;
use futures_util::StreamExt;
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};
use stampede_kernel::ShardId;
use tokio::{sync::Mutex, time::MissedTickBehavior};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::{
    Directories, RoutingTable,
    allocation::ClusterView,
    envelope::Seal,
    lease::{self, NodeLife},
};
use crate::{
    cluster::limits::{ANNOUNCE_MS_MAX, HEARTBEAT_MS, LOOK_INTERVAL_MS, ROUTE_RETRY_MS, WAKING_MS},
    engine::Database,
    journal::{Journal, TakeScope},
};

pub use handoff::HandoffError;

/// The subject under which nodes say that shards have changed hands.
const SHARDS: &str = "stampede.shards";

/// What the operator sees of ownership.
#[derive(Clone)]
pub struct OwnershipMetrics {
    /// Shards held by this node.
    pub held: IntGauge,
    /// The highest epoch at which a shard is held.
    pub epoch_max: IntGauge,
    /// Shards that nobody alive owns.
    pub unowned: IntGauge,
    /// Nodes whose lease has not lapsed.
    pub nodes: IntGauge,
    /// Shards taken, at a start, from a dead node or after an outcome was unknown.
    pub takeovers: IntCounter,
    /// Seconds that renewals of the lease took.
    pub renewal_seconds: Histogram,
    /// Seconds from the last message let in until the shards were another's.
    pub handoff_seconds: Histogram,
}

/// How this node tells the others.
struct Announcer {
    client: Client,
    seal: Arc<Seal>,
    /// Held from numbering a message until it is sent: one that overtook another would be refused.
    sending: Mutex<()>,
}

/// The keeper of this node's lease and shards.
pub struct Ownership {
    database: Database,
    journal: Journal,
    routing: Arc<RoutingTable>,
    directories: Directories,
    me: NodeLife,
    /// None when this node is on its own: then all shards are its own.
    others: Option<Announcer>,
    metrics: OwnershipMetrics,
    /// The process is about to end.
    stopping: AtomicBool,
    /// An administrator wants no shards here.
    emptied: AtomicBool,
    /// Held while shards are handed over.
    moving: Mutex<()>,
    /// Held while the lease is renewed: a renewal that overtook another would take back what it said.
    renewing: Mutex<()>,
    /// When this node was last found to have slept through its lease.
    overslept: std::sync::Mutex<Option<Instant>>,
}

impl Ownership {
    #[must_use]
    pub fn new(
        database: Database,
        journal: Journal,
        routing: Arc<RoutingTable>,
        directories: Directories,
        others: Option<(Client, Arc<Seal>)>,
        metrics: OwnershipMetrics,
    ) -> Arc<Self> {
        let me = NodeLife { node: routing.me().to_owned(), incarnation: Uuid::new_v4() };
        let others = others.map(|(client, seal)| Announcer { client, seal, sending: Mutex::new(()) });
        let (stopping, emptied) = (AtomicBool::new(false), AtomicBool::new(false));
        let (moving, renewing) = (Mutex::new(()), Mutex::new(()));
        Arc::new(Self {
            database,
            journal,
            routing,
            directories,
            me,
            others,
            metrics,
            stopping,
            emptied,
            moving,
            renewing,
            overslept: std::sync::Mutex::default(),
        })
    }

    /// Begins this node's life. On its own it takes every shard; among others those that are its own by
    /// the table, and its share of the rest with the next heartbeats. A former life of it is fenced off.
    pub async fn begin(&self) -> Result<(), sqlx::Error> {
        let sent = Instant::now();
        lease::begin(&self.database, &self.me).await?;
        self.routing.leased(sent);
        let whose = if self.others.is_some() { TakeScope::Own } else { TakeScope::Any };
        self.take(ShardId::all(self.journal.owned_shards().count()).collect(), whose).await?;
        self.beat().await?;
        info!(
            node = self.me.node,
            shards = self.journal.owned_shards().held().count(),
            "this node has its shards"
        );
        Ok(())
    }

    /// Serves until the process ends.
    pub async fn run(self: Arc<Self>, refused: IntCounterVec) {
        if self.others.is_some() {
            tokio::spawn(self.clone().hear(refused));
        }
        let mut beat = tokio::time::interval(Duration::from_millis(HEARTBEAT_MS));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = self.routing.wanted() => {}
            }
            match self.beat().await {
                Ok(true) => {}
                Ok(false) => {
                    error!(
                        node = self.me.node,
                        "another process runs under this node's name; this one lets go of all shards"
                    );
                    self.step_down(&self.journal.owned_shards().held().collect::<Vec<_>>());
                    return;
                }
                Err(cause) => warn!(%cause, "the lease could not be renewed"),
            }
            if self.others.is_some() && !self.stopping.load(Ordering::Acquire) {
                tokio::spawn(self.clone().even_out());
            }
            // Whoever waits for a shard asks again and again.
            tokio::time::sleep(Duration::from_millis(LOOK_INTERVAL_MS)).await;
        }
    }

    /// Whether this node is to have a share of the shards.
    fn takes_part(&self) -> bool {
        self.others.is_some() && !self.is_leaving()
    }

    fn is_leaving(&self) -> bool {
        self.stopping.load(Ordering::Acquire) || self.emptied.load(Ordering::Acquire)
    }

    /// Renews the lease, and says whether this node wants shards; `false` if another life has the lease.
    async fn renew(&self) -> Result<bool, sqlx::Error> {
        let _renewing = self.renewing.lock().await;
        let sent = Instant::now();
        if !lease::renew(&self.database, &self.me, self.is_leaving()).await? {
            return Ok(false);
        }
        let lapsed = !self.routing.is_leased();
        self.metrics.renewal_seconds.observe(sent.elapsed().as_secs_f64());
        if lapsed {
            // Meanwhile its shards may have become another's: it does not speak for them before it knows.
            self.look().await?;
        }
        self.routing.leased(sent);
        if lapsed || !self.routing.is_leased() {
            *self.overslept() = Some(Instant::now());
        }
        Ok(true)
    }

    fn overslept(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.overslept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether this node can judge who else lives. What it slept through, such as a pause of the whole
    /// machine or of the database, the others may have slept through as well: they get time to renew.
    fn is_awake(&self) -> bool {
        let overslept = *self.overslept();
        overslept.is_none_or(|when| when.elapsed() >= Duration::from_millis(WAKING_MS))
    }

    /// Renews the lease and takes up what the table says; `false` if another life has the lease.
    async fn beat(&self) -> Result<bool, sqlx::Error> {
        if !self.renew().await? {
            return Ok(false);
        }
        let view = self.look().await?;
        let awake = self.is_awake();
        if awake && view.nodes.is_empty() && self.emptied.swap(false, Ordering::AcqRel) {
            warn!("no other node is left: this one, which was emptied, takes shards again");
        }
        // Shards that the writer let go of because it could not be sure of them, and those that another
        // node gave to this one: by the table they are its own.
        let owned_shards = self.journal.owned_shards();
        let own = |shard: &ShardId| view.owners[shard.index()].as_ref() == Some(&self.me.node);
        let lost: Vec<ShardId> = ShardId::all(owned_shards.count())
            .filter(|shard| own(shard) && owned_shards.epoch(*shard).is_none())
            .collect();
        let mut changed = self.take(lost, TakeScope::Own).await?;
        if awake && self.takes_part() {
            changed |= self.take(view.to_take(&self.me.node), TakeScope::Free).await?;
        }
        if changed {
            self.look().await?;
            self.announce().await;
        }
        Ok(true)
    }

    /// Reads the table, and lets go of what it says is another's.
    async fn look(&self) -> Result<ClusterView, sqlx::Error> {
        let (view, epochs) = lease::look(&self.database).await?;
        let mut lost = self.routing.update(&view, &epochs);
        // Those that are being handed over end with the handing over, which may have come between.
        let owned_shards = self.journal.owned_shards();
        let stale =
            |shard: ShardId| owned_shards.epoch(shard).is_some_and(|held| held < epochs[shard.index()]);
        lost.retain(|shard| !owned_shards.is_leaving(*shard) && stale(*shard));
        if !lost.is_empty() {
            warn!(shards = ?lost, "these shards belong to another node now");
            self.step_down(&lost);
        }
        let epochs = owned_shards.held().filter_map(|shard| owned_shards.epoch(shard));
        let unowned = self.routing.table().iter().filter(|route| !route.alive).count();
        self.metrics.epoch_max.set(epochs.max().unwrap_or(0));
        self.metrics.held.set(gauged(owned_shards.held().count()));
        self.metrics.unowned.set(gauged(unowned));
        self.metrics.nodes.set(gauged(view.nodes.len()));
        Ok(view)
    }

    /// Whether any were taken.
    async fn take(&self, shards: Vec<ShardId>, whose: TakeScope) -> Result<bool, sqlx::Error> {
        if shards.is_empty() {
            return Ok(false);
        }
        let taken = self.journal.take(shards, whose).await?;
        self.metrics.takeovers.inc_by(taken.len() as u64);
        if !taken.is_empty() && whose == TakeScope::Free {
            info!(shards = ?taken, "this node takes shards");
        }
        Ok(!taken.is_empty())
    }

    fn step_down(&self, shards: &[ShardId]) {
        self.journal.step_down(shards);
        for directory in self.directories.iter() {
            for shard in shards {
                directory.evict(*shard);
            }
        }
    }

    /// Lets nobody in any more, here or from other nodes: what is not answered yet is the next owner's.
    pub fn shut(&self) {
        let owned_shards = self.journal.owned_shards();
        for shard in owned_shards.held() {
            owned_shards.set_leaving(shard, true);
        }
    }

    /// Ends the lease, once nothing is written any more.
    pub async fn end(&self) {
        if let Err(cause) = lease::end(&self.database, &self.me).await {
            warn!(%cause, "the lease was not ended; it lapses");
        }
        self.announce().await;
    }

    /// Tells the others to look. Should it not reach them, they look with their next heartbeat.
    async fn announce(&self) {
        let Some(others) = &self.others else { return };
        let telling = async {
            let _sending = others.sending.lock().await;
            let (headers, payload) = others.seal.close(SHARDS, ());
            others.client.publish_with_headers(SHARDS, headers, payload).await
        };
        // While the broker is away the client takes no more than fits its buffer; a heartbeat must not
        // wait for that.
        match tokio::time::timeout(Duration::from_millis(ANNOUNCE_MS_MAX), telling).await {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => warn!(%cause, "other nodes were not told of a change"),
            Err(_) => warn!("other nodes were not told of a change: the broker is away"),
        }
    }

    /// Looks whenever another node says that shards have changed hands.
    async fn hear(self: Arc<Self>, refused: IntCounterVec) {
        let Some(others) = &self.others else { return };
        loop {
            match others.client.subscribe(SHARDS).await {
                Ok(mut messages) => {
                    while let Some(message) = messages.next().await {
                        match others.seal.open::<()>(&message) {
                            Ok(_) => self.routing.look(),
                            Err(cause) => super::refuse(&refused, cause, SHARDS),
                        }
                    }
                }
                Err(cause) => warn!(%cause, "other nodes cannot be heard"),
            }
            tokio::time::sleep(Duration::from_millis(ROUTE_RETRY_MS)).await;
        }
    }
}

fn gauged(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
