//! The tables of units.

use std::collections::HashMap;

use sqlx::{PgConnection, Row};
use stampede_domain::stock::{Pool, PoolView, StockView};
use stampede_kernel::{FlashSaleId, SkuId};
use stampede_platform::engine::Database;
use uuid::Uuid;

use super::stock_changes::{REGULAR, StockChanges, pool_id};

pub(super) async fn write(connection: &mut PgConnection, changes: &StockChanges) -> Result<(), sqlx::Error> {
    if !changes.received.is_empty() {
        let (skus, units): (Vec<Uuid>, Vec<i64>) = changes.received.iter().unzip();
        // New rows start from nothing, so that what is added passes the table's checks as a sum: an
        // insert is checked before it turns into an update.
        sqlx::query(
            "INSERT INTO stock_ledger (sku_id, received)
             SELECT sku, 0 FROM unnest($1::uuid[]) AS changed (sku)
             ON CONFLICT DO NOTHING",
        )
        .bind(&skus)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "UPDATE stock_ledger SET received = stock_ledger.received + changed.units
             FROM unnest($1::uuid[], $2::bigint[]) AS changed (sku, units)
             WHERE stock_ledger.sku_id = changed.sku",
        )
        .bind(skus)
        .bind(units)
        .execute(&mut *connection)
        .await?;
    }
    if changes.pools.is_empty() {
        return Ok(());
    }
    let keys = || changes.pools.keys();
    let column = |of: fn(&Pool) -> i64| changes.pools.values().map(of).collect::<Vec<i64>>();
    let skus: Vec<Uuid> = keys().map(|(sku, _)| *sku).collect();
    let pools: Vec<Uuid> = keys().map(|(_, pool)| *pool).collect();
    // The same for pools.
    sqlx::query(
        "INSERT INTO stock_pool (sku_id, pool, allotted, available, held, sold)
         SELECT sku, pool, 0, 0, 0, 0 FROM unnest($1::uuid[], $2::uuid[]) AS changed (sku, pool)
         ON CONFLICT DO NOTHING",
    )
    .bind(&skus)
    .bind(&pools)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE stock_pool SET
            allotted = stock_pool.allotted + changed.allotted,
            available = stock_pool.available + changed.available,
            held = stock_pool.held + changed.held,
            sold = stock_pool.sold + changed.sold
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
           AS changed (sku, pool, allotted, available, held, sold)
         WHERE stock_pool.sku_id = changed.sku AND stock_pool.pool = changed.pool",
    )
    .bind(&skus)
    .bind(&pools)
    .bind(column(|pool| pool.allotted))
    .bind(column(|pool| pool.available))
    .bind(column(|pool| pool.held))
    .bind(column(|pool| pool.sold))
    .execute(connection)
    .await
    .map(drop)
}

/// Units of each SKU's regular pool that are for sale; a SKU without stock is left out.
pub async fn available_of(database: &Database, skus: &[SkuId]) -> Result<HashMap<SkuId, i64>, sqlx::Error> {
    let ids: Vec<Uuid> = skus.iter().map(|sku| sku.0).collect();
    let mut connection = database.connection().await?;
    let rows = sqlx::query("SELECT sku_id, available FROM stock_pool WHERE pool = $1 AND sku_id = ANY($2)")
        .bind(REGULAR)
        .bind(ids)
        .fetch_all(&mut *connection)
        .await?;
    rows.iter().map(|row| Ok((SkuId(row.try_get(0)?), row.try_get(1)?))).collect()
}

/// The ledger of one SKU as the tables have it.
pub async fn stock_of(database: &Database, sku: SkuId) -> Result<StockView, sqlx::Error> {
    let mut connection = database.connection().await?;
    let received: Option<i64> = sqlx::query_scalar("SELECT received FROM stock_ledger WHERE sku_id = $1")
        .bind(sku.0)
        .fetch_optional(&mut *connection)
        .await?;
    let rows = sqlx::query(
        "SELECT pool, allotted, available, held, sold FROM stock_pool WHERE sku_id = $1 ORDER BY pool",
    )
    .bind(sku.0)
    .fetch_all(&mut *connection)
    .await?;
    let mut pools = Vec::with_capacity(rows.len().max(1));
    for row in rows {
        let id: Uuid = row.try_get(0)?;
        let pool = Pool {
            allotted: row.try_get(1)?,
            available: row.try_get(2)?,
            held: row.try_get(3)?,
            sold: row.try_get(4)?,
        };
        let sale = (id != pool_id(None)).then_some(FlashSaleId(id));
        pools.push(PoolView { sale, pool });
    }
    if pools.is_empty() {
        pools.push(PoolView { sale: None, pool: Pool::default() });
    }
    Ok(StockView { received: received.unwrap_or(0), pools })
}

/// Every SKU that ever had stock.
pub async fn skus_with_stock(database: &Database) -> Result<Vec<SkuId>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT DISTINCT sku_id FROM stock_pool ORDER BY sku_id")
        .fetch_all(&mut *connection)
        .await?;
    Ok(ids.into_iter().map(SkuId).collect())
}
