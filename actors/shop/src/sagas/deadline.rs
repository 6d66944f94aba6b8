//! Deadlines are state, not timers in memory: what is due is looked for every second, so that after
//! a restart they fire late, never not.

use std::time::Duration;

use sqlx::Row;
use stampede_domain::{order, stock};
use stampede_kernel::{FlashSaleId, OrderNo, SkuId};
use stampede_platform::engine::{Database, limits::DATABASE_ANSWER_MS};
use tokio::time::MissedTickBehavior;
use tracing::warn;
use uuid::Uuid;

use crate::actors::Actors;
use crate::sagas::limits::{DEADLINE_POLL_MS, DEADLINES_MAX};

/// The task that wakes what is due.
pub struct Deadlines {
    database: Database,
    actors: Actors,
}

impl Deadlines {
    #[must_use]
    pub fn new(database: Database, actors: Actors) -> Self {
        Self { database, actors }
    }

    /// Polls until the process ends.
    pub async fn run(self) {
        let mut poll = tokio::time::interval(Duration::from_millis(DEADLINE_POLL_MS));
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            poll.tick().await;
            if let Err(cause) = self.fire().await {
                warn!(%cause, "deadlines wait for the database");
            }
        }
    }

    async fn fire(&self) -> Result<(), sqlx::Error> {
        for (sale, sku) in self.database.within(DATABASE_ANSWER_MS, self.ended_sales()).await? {
            if !self.actors.stock.is_here(sku.0) {
                continue;
            }
            // Refused or unavailable: the next poll finds it again.
            let _ = self
                .actors
                .stock
                .command(sku.0, sku, stock::Command::CloseSale(stock::CloseSale { sale }))
                .await;
        }
        let mut after = (time::OffsetDateTime::UNIX_EPOCH, String::new());
        loop {
            let due = self.database.within(DATABASE_ANSWER_MS, self.unpaid_orders(&after)).await?;
            let Some((pay_before, order_no, _)) = due.last() else { return Ok(()) };
            after = (*pay_before, order_no.to_string());
            // Each node looks after the orders that live on it.
            let asked: Vec<_> = due
                .iter()
                .filter(|(_, _, user)| self.actors.order.is_here(*user))
                .map(|(_, order_no, user)| self.actors.order.begin(*user, *order_no, order::Command::Expire))
                .collect();
            futures_util::future::join_all(asked).await;
            if due.len() < usize::try_from(DEADLINES_MAX).unwrap_or(usize::MAX) {
                return Ok(());
            }
        }
    }

    async fn ended_sales(&self) -> Result<Vec<(FlashSaleId, SkuId)>, sqlx::Error> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query(
            "SELECT id, sku_id FROM flash_sale WHERE closed_at IS NULL AND ends_at <= now()
             ORDER BY ends_at LIMIT $1",
        )
        .bind(DEADLINES_MAX)
        .fetch_all(&mut *connection)
        .await?;
        rows.iter().map(|row| Ok((FlashSaleId(row.try_get(0)?), SkuId(row.try_get(1)?)))).collect()
    }

    async fn unpaid_orders(
        &self,
        after: &(time::OffsetDateTime, String),
    ) -> Result<Vec<(time::OffsetDateTime, OrderNo, Uuid)>, sqlx::Error> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query(
            "SELECT pay_before, order_no, user_id FROM orders
             WHERE status = 'pending_payment' AND pay_before <= now() AND (pay_before, order_no) > ($1, $2)
             ORDER BY pay_before, order_no LIMIT $3",
        )
        .bind(after.0)
        .bind(&after.1)
        .bind(DEADLINES_MAX)
        .fetch_all(&mut *connection)
        .await?;
        rows.iter()
            .map(|row| {
                let order_no: &str = row.try_get(1)?;
                let order_no = order_no.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
                Ok((row.try_get(0)?, order_no, row.try_get(2)?))
            })
            .collect()
    }
}
