//! Reconciliation: do memory, tables and the folded journal agree?
//!
//! The journal is the truth. The tables are compared with its fold once they have caught up; memory
//! is compared with both when a running server is asked.

use std::collections::BTreeMap;

use sqlx::Row;
use stampede_domain::{
    order::{Order, Status},
    stock::{Answer, Query, ReservationStatus, State, Stock, StockView},
};
use stampede_kernel::{Entity, ShardId, SkuId};
use stampede_platform::{
    engine::{Database, column},
    journal::{HistoryRequest, fold_source, read_histories},
    runtime::fold,
};
use tracing::info;

use super::{limits::RECONCILED_TOGETHER_MAX, projector::SUBSCRIPTION, stock_of};
use crate::actors::StockActors;

/// A difference, told for a person.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Difference {
    /// What it is about: `sku <id>` or `order <number>`.
    pub subject: String,
    pub detail: String,
}

/// The outcome of a reconciliation.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Report {
    pub skus: usize,
    pub orders: usize,
    /// Events that the tables have not taken in; differences are not told before it is zero.
    pub lag: i64,
    pub differences: Vec<Difference>,
}

/// Compares the tables with the folded journal, and memory too if `memory` is given.
pub async fn reconcile(database: &Database, memory: Option<&StockActors>) -> Result<Report, sqlx::Error> {
    let lag = progress(database).await?.values().map(|progress| progress.lag).sum();
    let mut report = Report { lag, ..Report::default() };
    if report.lag > 0 {
        return Ok(report);
    }
    let mut differ =
        |subject: String, detail: String| report.differences.push(Difference { subject, detail });

    // What stock says of each order, from the journal.
    let mut reserved: BTreeMap<String, ReservationStatus> = BTreeMap::new();
    let mut skus: Vec<String> = fold_source(database, Stock::KIND).await?.into_keys().collect();
    skus.sort();
    report.skus = skus.len();
    for batch in skus.chunks(RECONCILED_TOGETHER_MAX) {
        for (id, state) in folded::<Stock>(database, batch, &mut differ).await? {
            let Ok(sku) = id.parse::<SkuId>() else { continue };
            let subject = || format!("sku {sku}");
            let journal = StockView::of(&state);
            let total = journal.total();
            if state.received != total.available + total.held + total.sold {
                differ(
                    subject(),
                    format!("the journal's fold does not add up: received {}, {total:?}", state.received),
                );
            }
            let tables = stock_of(database, sku).await?;
            if !same(&journal, &tables) {
                differ(subject(), format!("the journal has {journal:?}, the tables have {tables:?}"));
            }
            if let Some(actors) = memory {
                match actors.query(sku.0, sku, Query::Stock).await {
                    Ok(Answer::Stock(live)) if same(&live, &journal) => {}
                    Ok(live) => {
                        differ(subject(), format!("memory has {live:?}, the journal has {journal:?}"))
                    }
                    Err(error) => differ(subject(), format!("the actor does not answer: {error}")),
                }
            }
            collect_reservations(&state, &mut reserved);
        }
        info!(skus = batch.len(), "reconciled");
    }

    let mut orders: Vec<String> = fold_source(database, Order::KIND).await?.into_keys().collect();
    orders.sort();
    report.orders = orders.len();
    for batch in orders.chunks(RECONCILED_TOGETHER_MAX) {
        let statuses = order_statuses(database, batch).await?;
        for (id, state) in folded::<Order>(database, batch, &mut differ).await? {
            let Some(order) = state.order else { continue };
            let subject = || format!("order {id}");
            match statuses.get(&id) {
                Some(status) if status == order.status.as_str() => {}
                found => differ(
                    subject(),
                    format!("the journal has {}, the tables have {found:?}", order.status.as_str()),
                ),
            }
            if let Some(units) = reserved.remove(&id)
                && !fits(order.status, units)
            {
                differ(subject(), format!("the order is {}, its units are {units:?}", order.status.as_str()));
            }
        }
    }
    for (order_no, units) in reserved {
        differ(
            format!("order {order_no}"),
            format!("units are {units:?} for it, but there is no such order"),
        );
    }
    Ok(report)
}

/// How far a shard's journal goes, and the tables with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Events in the journal.
    pub head: i64,
    /// Those of them that the tables have not taken in.
    pub lag: i64,
}

/// The progress of every shard, whoever owns it.
pub async fn progress(database: &Database) -> Result<BTreeMap<ShardId, Progress>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let rows = sqlx::query(
        "SELECT heads.id, heads.head, heads.head - coalesce(checkpoint.seq, 0) AS lag
         FROM (
             SELECT id, coalesce((
                 SELECT seq FROM journal WHERE journal.shard = shard.id ORDER BY seq DESC LIMIT 1
             ), 0) AS head
             FROM shard
         ) AS heads
         LEFT JOIN checkpoint ON checkpoint.shard = heads.id AND checkpoint.subscription = $1",
    )
    .bind(SUBSCRIPTION)
    .fetch_all(&mut *connection)
    .await?;
    rows.iter()
        .map(|row| {
            let progress = Progress { head: row.try_get("head")?, lag: row.try_get("lag")? };
            Ok((column::shard(row, "id")?, progress))
        })
        .collect()
}

async fn folded<E: Entity>(
    database: &Database,
    ids: &[String],
    differ: &mut impl FnMut(String, String),
) -> Result<Vec<(String, E::State)>, sqlx::Error> {
    // Without snapshots: the whole history is the truth, and a wrong snapshot is a finding.
    let requests: Vec<HistoryRequest> = ids
        .iter()
        .map(|id| HistoryRequest { kind: E::KIND, id: id.as_str().into(), snapshots: false })
        .collect();
    let histories = read_histories(database, &requests).await?;
    let mut states = Vec::with_capacity(ids.len());
    for (id, history) in ids.iter().zip(&histories) {
        match fold::<E>(id, history) {
            Ok((state, _)) => states.push((id.clone(), state)),
            Err(error) => differ(format!("{} {id}", E::KIND), error.to_string()),
        }
    }
    Ok(states)
}

fn same(one: &StockView, other: &StockView) -> bool {
    let sorted = |view: &StockView| {
        let mut pools = view.pools.clone();
        pools.sort_by_key(|pool| pool.sale);
        pools
    };
    one.received == other.received && sorted(one) == sorted(other)
}

fn collect_reservations(state: &State, reserved: &mut BTreeMap<String, ReservationStatus>) {
    for reservation in state.reservations.values() {
        if reservation.status != ReservationStatus::Void {
            reserved.insert(reservation.order_no.to_string(), reservation.status);
        }
    }
}

/// Whether units and order tell the same story; sagas may be on their way from one to the other.
fn fits(order: Status, units: ReservationStatus) -> bool {
    match units {
        // Confirmation and release follow the order.
        ReservationStatus::Held => true,
        ReservationStatus::Confirmed => order != Status::PendingPayment && order != Status::Cancelled,
        ReservationStatus::Released => order == Status::Cancelled,
        ReservationStatus::Void => true,
    }
}

async fn order_statuses(
    database: &Database,
    orders: &[String],
) -> Result<BTreeMap<String, String>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let rows = sqlx::query("SELECT order_no, status FROM orders WHERE order_no = ANY($1)")
        .bind(orders)
        .fetch_all(&mut *connection)
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
