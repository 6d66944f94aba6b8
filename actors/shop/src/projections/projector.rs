//! The task that keeps the tables up with the journal.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use prometheus::{Histogram, IntGauge};
use sqlx::Connection as _;
use stampede_kernel::ShardId;
use stampede_platform::{
    engine::column,
    engine::{Database, limits::DATABASE_ANSWER_MS},
    journal::{Entry, Journal, Position, Run, Subscription, checkpoints, exchange_checkpoints, read_after},
};
use tracing::{error, warn};

use super::ProjectionOf;
use crate::{projections::limits::PROJECTED_EVENTS_MAX, sagas::limits::SAGA_RETRY_MS};

/// The name of the projector's checkpoints.
pub(super) const SUBSCRIPTION: &str = "projection";

/// What the projector reports of itself.
#[derive(Clone)]
pub struct ProjectorMetrics {
    /// Entries committed and not in the tables yet.
    pub lag: IntGauge,
    /// Seconds per transaction.
    pub seconds: Histogram,
}

/// The projector.
pub struct Projector {
    database: Database,
    subscription: Subscription,
    projections: Vec<ProjectionOf>,
    metrics: ProjectorMetrics,
}

/// Why entries did not get into the tables.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("an event cannot be read")]
    Event(#[from] serde_json::Error),
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
    #[error("another process projects the same entries")]
    Contended,
}

impl Projector {
    /// A projector that goes on where the last one ended.
    pub async fn open(
        database: &Database,
        journal: &Journal,
        projections: Vec<ProjectionOf>,
        metrics: ProjectorMetrics,
    ) -> Result<Self, sqlx::Error> {
        let subscription = Subscription::open(SUBSCRIPTION, database, journal).await?;
        Ok(Self { database: database.clone(), subscription, projections, metrics })
    }

    /// Projects until the process ends.
    pub async fn run(mut self) {
        loop {
            if let Err(cause) = self.step().await {
                match &cause {
                    ProjectError::Event(source) => error!(%cause, %source, "the tables fall behind"),
                    ProjectError::Database(source) => warn!(%cause, %source, "the tables fall behind"),
                    ProjectError::Contended => warn!(%cause, "the tables are read again from the checkpoint"),
                }
                tokio::time::sleep(Duration::from_millis(SAGA_RETRY_MS)).await;
                while self.subscription.rewind().await.is_err() {
                    tokio::time::sleep(Duration::from_millis(SAGA_RETRY_MS)).await;
                }
            }
        }
    }

    async fn step(&mut self) -> Result<(), ProjectError> {
        let mut entries = self.subscription.next().await?;
        if entries.is_empty() {
            // The journal has been stopped; the process is about to end.
            return std::future::pending().await;
        }
        while entries.len() < PROJECTED_EVENTS_MAX {
            let more = self.subscription.ready();
            if more.is_empty() {
                break;
            }
            entries.extend(more);
        }
        let began = Instant::now();
        self.database.within(DATABASE_ANSWER_MS, write(&self.database, &self.projections, &entries)).await?;
        self.metrics.seconds.observe(began.elapsed().as_secs_f64());
        self.metrics.lag.set(self.subscription.lag());
        Ok(())
    }
}

/// Takes entries in: rows and checkpoints in one transaction.
async fn write(
    database: &Database,
    projections: &[ProjectionOf],
    entries: &[Entry],
) -> Result<(), ProjectError> {
    let mut runs: BTreeMap<ShardId, Run> = BTreeMap::new();
    let mut gathered: Vec<_> = projections.iter().map(|projection| (projection.new)()).collect();
    for entry in entries {
        let Position { shard, seq } = entry.position;
        runs.entry(shard).or_insert(Run { from: seq - 1, to: seq }).to = seq;
        for projection in &mut gathered {
            projection.gather(entry)?;
        }
    }
    let mut connection = database.connection().await?;
    let mut transaction = connection.begin().await?;
    // What a crash loses of this is projected again, for its checkpoint is lost with it.
    sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *transaction).await?;
    if !exchange_checkpoints(&mut transaction, SUBSCRIPTION, &runs).await? {
        return Err(ProjectError::Contended);
    }
    for projection in &gathered {
        projection.write(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Takes in what the tables lack, of every shard: for a shop whose nodes are stopped. Answers how many
/// events that were.
pub async fn catch_up(database: &Database, projections: &[ProjectionOf]) -> Result<u64, ProjectError> {
    let seen = checkpoints(SUBSCRIPTION, database).await?;
    let rows = {
        let mut connection = database.connection().await?;
        sqlx::query("SELECT id FROM shard ORDER BY id").fetch_all(&mut *connection).await?
    };
    let mut taken = 0;
    for row in &rows {
        let shard = column::shard(row, 0)?;
        let mut after = seen.get(&shard).copied().unwrap_or(0);
        loop {
            let limit = i64::try_from(PROJECTED_EVENTS_MAX).unwrap_or(i64::MAX);
            let entries = read_after(database, shard, after, limit).await?;
            let Some(last) = entries.last() else { break };
            after = last.position.seq;
            write(database, projections, &entries).await?;
            taken += entries.len() as u64;
        }
    }
    Ok(taken)
}

/// Throws the tables away and makes them anew from the journal: for a shop whose nodes are stopped.
/// Answers how many events were taken in.
pub async fn rebuild(database: &Database, projections: &[ProjectionOf]) -> Result<u64, ProjectError> {
    let mut connection = database.connection().await?;
    let mut transaction = connection.begin().await?;
    sqlx::query("DELETE FROM checkpoint WHERE subscription = $1")
        .bind(SUBSCRIPTION)
        .execute(&mut *transaction)
        .await?;
    for clear in projections.iter().flat_map(|projection| projection.clear) {
        sqlx::query(clear).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    drop(connection);
    catch_up(database, projections).await
}
