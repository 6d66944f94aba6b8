//! The table of orders.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use sqlx::{PgConnection, Row, types::Json};
use stampede_domain::order::{Event, Order, OrderView, State, Status};
use stampede_kernel::{Entity, OrderNo, Timestamp, UserId};
use stampede_platform::{engine::Database, journal::Entry};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Projection, ProjectionOf};

/// What a run of order events changes: the events of each order, in order.
#[derive(Debug, Default)]
struct OrderChanges(BTreeMap<OrderNo, Vec<Arc<Event>>>);

/// The projection of orders.
pub const ORDER: ProjectionOf =
    ProjectionOf { new: || Box::<OrderChanges>::default(), clear: &["DELETE FROM orders"] };

impl Projection for OrderChanges {
    fn gather(&mut self, entry: &Entry) -> Result<(), serde_json::Error> {
        if let Some((order_no, event)) = entry.event_of::<Order>()? {
            self.0.entry(order_no).or_default().push(event);
        }
        Ok(())
    }

    fn write<'a>(&'a self, connection: &'a mut PgConnection) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(write(connection, &self.0))
    }
}

/// Folds the events into the documents, with the order room's own `apply`.
async fn write(
    connection: &mut PgConnection,
    orders: &BTreeMap<OrderNo, Vec<Arc<Event>>>,
) -> Result<(), sqlx::Error> {
    if orders.is_empty() {
        return Ok(());
    }
    let known: Vec<&str> = orders
        .iter()
        .filter(|(_, events)| !matches!(events.first().map(AsRef::as_ref), Some(Event::Opened(_))))
        .map(|(order_no, _)| order_no.as_str())
        .collect();
    let mut documents: HashMap<OrderNo, OrderView> = HashMap::new();
    if !known.is_empty() {
        let rows = sqlx::query("SELECT doc FROM orders WHERE order_no = ANY($1)")
            .bind(known)
            .fetch_all(&mut *connection)
            .await?;
        for row in rows {
            let Json(document): Json<OrderView> = row.try_get(0)?;
            documents.insert(document.order_no, document);
        }
    }
    let seen: HashSet<OrderNo> = documents.keys().copied().collect();
    let mut folded = Vec::with_capacity(orders.len());
    for (order_no, events) in orders {
        let mut state = State { order: documents.remove(order_no), ..State::default() };
        for event in events {
            Order::apply(&mut state, event);
        }
        folded.extend(state.order);
    }
    let (changed, new): (Vec<OrderView>, Vec<OrderView>) =
        folded.into_iter().partition(|order| seen.contains(&order.order_no));
    insert(connection, &new).await?;
    update(connection, &changed).await
}

/// The checkpoint moves with the rows, so an order is new exactly once.
async fn insert(connection: &mut PgConnection, orders: &[OrderView]) -> Result<(), sqlx::Error> {
    if orders.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&OrderView) -> OffsetDateTime| orders.iter().map(of).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO orders (order_no, user_id, flash_sale_id, status, total, created_at, pay_before, doc)
         SELECT number, buyer, sale, status, total::numeric, created_at, pay_before, doc
         FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[],
            $7::timestamptz[], $8::jsonb[]) AS new (number, buyer, sale, status, total, created_at, pay_before, doc)",
    )
    .bind(orders.iter().map(|order| order.order_no.as_str()).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.user.0).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.flash_sale.map(|sale| sale.0)).collect::<Vec<Option<Uuid>>>())
    .bind(orders.iter().map(|order| order.status.as_str()).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.total.to_string()).collect::<Vec<_>>())
    .bind(column(|order| order.created_at.to_offset_date_time()))
    .bind(column(|order| order.pay_before.to_offset_date_time()))
    .bind(orders.iter().map(Json).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map(drop)
}

async fn update(connection: &mut PgConnection, orders: &[OrderView]) -> Result<(), sqlx::Error> {
    if orders.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE orders SET status = changed.status, doc = changed.doc
         FROM unnest($1::text[], $2::text[], $3::jsonb[]) AS changed (number, status, doc)
         WHERE orders.order_no = changed.number",
    )
    .bind(orders.iter().map(|order| order.order_no.as_str()).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.status.as_str()).collect::<Vec<_>>())
    .bind(orders.iter().map(Json).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map(drop)
}

/// Which orders a list shows.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    pub user: Option<UserId>,
    pub status: Option<Status>,
    pub flash_sale: Option<Uuid>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

/// The orders that a filter lets through, whose parts are the first five parameters.
macro_rules! matching {
    () => {
        "($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR status = $2)
    AND ($3::uuid IS NULL OR flash_sale_id = $3)
    AND ($4::timestamptz IS NULL OR created_at >= $4) AND ($5::timestamptz IS NULL OR created_at < $5)"
    };
}

/// A page of orders, newest first, and how many match.
pub async fn order_page(
    database: &Database,
    filter: &OrderFilter,
    page: i64,
    page_size: i64,
) -> Result<(Vec<OrderView>, i64), sqlx::Error> {
    let moment = |at: Option<Timestamp>| at.map(Timestamp::to_offset_date_time);
    let mut connection = database.connection().await?;
    let total: i64 = sqlx::query_scalar(concat!("SELECT count(*) FROM orders WHERE ", matching!()))
        .bind(filter.user.map(|user| user.0))
        .bind(filter.status.map(Status::as_str))
        .bind(filter.flash_sale)
        .bind(moment(filter.from))
        .bind(moment(filter.to))
        .fetch_one(&mut *connection)
        .await?;
    let rows = sqlx::query(concat!(
        "SELECT doc FROM orders WHERE ",
        matching!(),
        " ORDER BY order_no DESC LIMIT $6 OFFSET $7"
    ))
    .bind(filter.user.map(|user| user.0))
    .bind(filter.status.map(Status::as_str))
    .bind(filter.flash_sale)
    .bind(moment(filter.from))
    .bind(moment(filter.to))
    .bind(page_size)
    .bind((page - 1).saturating_mul(page_size))
    .fetch_all(&mut *connection)
    .await?;
    let orders = rows
        .iter()
        .map(|row| Ok(row.try_get::<Json<OrderView>, _>(0)?.0))
        .collect::<Result<_, sqlx::Error>>()?;
    Ok((orders, total))
}

/// TakeScope order a number is: tells an administrator's request which actor to ask.
pub async fn order_owner(database: &Database, order_no: OrderNo) -> Result<Option<UserId>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let owner: Option<Uuid> = sqlx::query_scalar("SELECT user_id FROM orders WHERE order_no = $1")
        .bind(order_no.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    Ok(owner.map(UserId))
}

/// A user's orders, counted by status, and what was paid for.
#[derive(Debug, Clone, Default)]
pub struct OrderStatistics {
    pub by_status: BTreeMap<String, i64>,
    pub paid_total: rust_decimal::Decimal,
}

/// Statistics of one user's orders.
pub async fn order_statistics(database: &Database, user: UserId) -> Result<OrderStatistics, sqlx::Error> {
    let mut connection = database.connection().await?;
    let rows = sqlx::query(
        "SELECT status, count(*), sum(total)::text FROM orders WHERE user_id = $1 GROUP BY status",
    )
    .bind(user.0)
    .fetch_all(&mut *connection)
    .await?;
    let mut statistics = OrderStatistics::default();
    for row in rows {
        let status: String = row.try_get(0)?;
        let total: rust_decimal::Decimal = row.try_get::<&str, _>(2)?.parse().unwrap_or_default();
        if status != Status::PendingPayment.as_str() && status != Status::Cancelled.as_str() {
            statistics.paid_total += total;
        }
        statistics.by_status.insert(status, row.try_get(1)?);
    }
    Ok(statistics)
}
