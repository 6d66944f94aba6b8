//! The task that keeps the tables up with the journal.

use std::time::{Duration, Instant};

use prometheus::{Histogram, IntGauge};
use sqlx::Connection as _;
use tracing::{error, warn};

use super::{changes::Changes, orders, sales, stock};
use crate::{
    engine::Database,
    journal::{Entry, Journal, Subscription, move_checkpoints},
    kernel::limits::{PROJECTED_EVENTS_MAX, SAGA_RETRY_MS},
};

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
    metrics: ProjectorMetrics,
}

#[derive(Debug, thiserror::Error)]
enum ProjectError {
    #[error("an event cannot be read")]
    Event(#[from] serde_json::Error),
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
    #[error("these entries are in the tables already")]
    Overtaken,
}

impl Projector {
    /// A projector that goes on where the last one ended.
    pub async fn open(
        database: &Database,
        journal: &Journal,
        metrics: ProjectorMetrics,
    ) -> Result<Self, sqlx::Error> {
        let subscription = Subscription::open(SUBSCRIPTION, database, journal).await?;
        Ok(Self { database: database.clone(), subscription, metrics })
    }

    /// Projects until the process ends.
    pub async fn run(mut self) {
        loop {
            if let Err(cause) = self.step().await {
                match &cause {
                    ProjectError::Event(source) => error!(%cause, %source, "the tables fall behind"),
                    ProjectError::Database(source) => warn!(%cause, %source, "the tables fall behind"),
                    ProjectError::Overtaken => warn!(%cause, "the projection goes back to its checkpoints"),
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
        self.write(&entries).await?;
        self.metrics.seconds.observe(began.elapsed().as_secs_f64());
        self.metrics.lag.set(self.subscription.lag());
        Ok(())
    }

    async fn write(&self, entries: &[Entry]) -> Result<(), ProjectError> {
        let changes = Changes::of(entries)?;
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        // What a crash loses of this is projected again, for its checkpoint is lost with it.
        sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *transaction).await?;
        if !move_checkpoints(&mut transaction, SUBSCRIPTION, &changes.runs).await? {
            return Err(ProjectError::Overtaken);
        }
        stock::write(&mut transaction, &changes).await?;
        sales::write(&mut transaction, &changes.sales).await?;
        orders::write(&mut transaction, &changes.orders).await?;
        transaction.commit().await?;
        Ok(())
    }
}
