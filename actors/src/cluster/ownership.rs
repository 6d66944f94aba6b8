//! A node's lease and its hold on the shards.

use std::time::Duration;

use prometheus::{IntCounter, IntGauge};
use sqlx::Row;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use crate::{
    engine::Database,
    journal::{Journal, ShardId},
    kernel::limits::{HEARTBEAT_MS, LEASE_MS},
};

/// What the operator sees of ownership.
#[derive(Clone)]
pub struct OwnershipMetrics {
    /// Shards held by this node.
    pub held: IntGauge,
    /// The highest epoch at which a shard is held.
    pub epoch_max: IntGauge,
    /// Shards taken, at a start or after an outcome was unknown.
    pub takeovers: IntCounter,
}

/// The task that renews the lease and takes back shards that are this node's by the database.
pub struct Ownership {
    database: Database,
    journal: Journal,
    metrics: OwnershipMetrics,
}

/// This node's id: as configured, or the same for every start of a single node.
#[must_use]
pub fn node_id(configured: Option<&str>) -> String {
    configured.filter(|id| !id.is_empty()).unwrap_or("node-1").to_owned()
}

impl Ownership {
    #[must_use]
    pub fn new(database: Database, journal: Journal, metrics: OwnershipMetrics) -> Self {
        Self { database, journal, metrics }
    }

    /// Takes every shard: a node on its own owns them all. A former life of it is fenced off.
    pub async fn take_all(&self) -> Result<(), sqlx::Error> {
        self.heartbeat().await?;
        let shards: Vec<ShardId> = (0..self.journal.holdings().count()).collect();
        let taken = self.journal.take(shards).await?;
        self.metrics.takeovers.inc_by(taken as u64);
        self.report();
        info!(node = self.journal.node(), shards = taken, "this node holds the shop's shards");
        Ok(())
    }

    /// Serves until the process ends.
    pub async fn run(self) {
        let mut beat = tokio::time::interval(Duration::from_millis(HEARTBEAT_MS));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            if let Err(cause) = self.beat().await {
                warn!(%cause, "the lease could not be renewed");
            }
            self.report();
        }
    }

    async fn beat(&self) -> Result<(), sqlx::Error> {
        self.heartbeat().await?;
        // Shards that the writer let go of, because it could not be sure of them, and that no other
        // node has taken: they are this node's still, at a new epoch.
        let lost = self.lost().await?;
        if !lost.is_empty() {
            let taken = self.journal.retake(lost).await?;
            self.metrics.takeovers.inc_by(taken as u64);
        }
        Ok(())
    }

    async fn heartbeat(&self) -> Result<(), sqlx::Error> {
        let mut connection = self.database.connection().await?;
        sqlx::query(
            "INSERT INTO node (id, lease_until) VALUES ($1, now() + $2 * interval '1 millisecond')
             ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until",
        )
        .bind(self.journal.node())
        .bind(i64::try_from(LEASE_MS).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await
        .map(drop)
    }

    async fn lost(&self) -> Result<Vec<ShardId>, sqlx::Error> {
        let holdings = self.journal.holdings();
        if holdings.held().count() == usize::from(holdings.count()) {
            return Ok(Vec::new());
        }
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query("SELECT id FROM shard WHERE owner = $1 ORDER BY id")
            .bind(self.journal.node())
            .fetch_all(&mut *connection)
            .await?;
        let mut lost = Vec::new();
        for row in rows {
            let shard = ShardId::try_from(row.try_get::<i16, _>(0)?).unwrap_or(0);
            if holdings.epoch(shard).is_none() {
                lost.push(shard);
            }
        }
        Ok(lost)
    }

    fn report(&self) {
        let holdings = self.journal.holdings();
        let epochs = holdings.held().filter_map(|shard| holdings.epoch(shard));
        self.metrics.epoch_max.set(epochs.max().unwrap_or(0));
        self.metrics.held.set(i64::try_from(holdings.held().count()).unwrap_or(0));
    }
}
