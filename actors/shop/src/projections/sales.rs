//! The table of flash sales.

use rust_decimal::Decimal;
use sqlx::{PgConnection, Row, postgres::PgRow};
use stampede_domain::stock::{Pool, SaleState};
use stampede_kernel::{FlashSaleId, Money, ProductId, SkuId, Timestamp};
use stampede_platform::engine::Database;
use time::OffsetDateTime;
use uuid::Uuid;

use super::stock_changes::SaleChange;

pub(super) async fn write(
    connection: &mut PgConnection,
    sales: &[(Uuid, SaleChange)],
) -> Result<(), sqlx::Error> {
    for (id, change) in sales {
        match change {
            SaleChange::Terms { sku, terms } => {
                sqlx::query(
                    "INSERT INTO flash_sale (id, sku_id, product_id, name, price, original_price, currency,
                        per_user_limit, starts_at, ends_at, pay_within_ms)
                     VALUES ($1, $2, $3, $4, $5::numeric, $6::numeric, $7, $8, $9, $10, $11)
                     ON CONFLICT (id) DO UPDATE SET price = excluded.price,
                        per_user_limit = excluded.per_user_limit, starts_at = excluded.starts_at,
                        ends_at = excluded.ends_at, pay_within_ms = excluded.pay_within_ms",
                )
                .bind(id)
                .bind(sku)
                .bind(terms.line.product_id.0)
                .bind(&terms.line.name)
                .bind(terms.line.unit_price.to_string())
                .bind(terms.original_price.to_string())
                .bind(terms.line.currency.as_str())
                .bind(i32::try_from(terms.per_user_limit).unwrap_or(i32::MAX))
                .bind(terms.starts_at.to_offset_date_time())
                .bind(terms.ends_at.to_offset_date_time())
                .bind(terms.pay_within_ms)
                .execute(&mut *connection)
                .await?;
            }
            SaleChange::Paused(paused) => {
                sqlx::query("UPDATE flash_sale SET paused = $2 WHERE id = $1")
                    .bind(id)
                    .bind(paused)
                    .execute(&mut *connection)
                    .await?;
            }
            SaleChange::Closed(at) => {
                sqlx::query("UPDATE flash_sale SET closed_at = $2 WHERE id = $1")
                    .bind(id)
                    .bind(at.to_offset_date_time())
                    .execute(&mut *connection)
                    .await?;
            }
        }
    }
    Ok(())
}

/// A flash sale as the tables have it.
#[derive(Debug, Clone)]
pub struct SaleRow {
    pub id: FlashSaleId,
    pub sku: SkuId,
    pub product: ProductId,
    pub name: String,
    pub price: Money,
    pub original_price: Money,
    pub currency: String,
    pub per_user_limit: u32,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub pay_within_ms: i64,
    pub paused: bool,
    pub closed_at: Option<Timestamp>,
    pub pool: Pool,
}

impl SaleRow {
    /// The sale's state at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> SaleState {
        SaleState::at(now, self.starts_at, self.ends_at, self.closed_at, self.pool.available)
    }
}

macro_rules! columns {
    () => {
        "id, flash_sale.sku_id, product_id, name, price::text, original_price::text, currency,
    per_user_limit, starts_at, ends_at, pay_within_ms, paused, closed_at,
    coalesce(allotted, 0), coalesce(available, 0), coalesce(held, 0), coalesce(sold, 0)
    FROM flash_sale
    LEFT JOIN stock_pool ON stock_pool.sku_id = flash_sale.sku_id AND stock_pool.pool = flash_sale.id"
    };
}

fn row(row: &PgRow) -> Result<SaleRow, sqlx::Error> {
    let moment = |at: usize| Ok::<_, sqlx::Error>(Timestamp::from(row.try_get::<OffsetDateTime, _>(at)?));
    let money = |at: usize| {
        let text: &str = row.try_get(at)?;
        let amount = Decimal::from_str_exact(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Money::new(amount).map_err(|error| sqlx::Error::Decode(Box::new(error)))
    };
    Ok(SaleRow {
        id: FlashSaleId(row.try_get(0)?),
        sku: SkuId(row.try_get(1)?),
        product: ProductId(row.try_get(2)?),
        name: row.try_get(3)?,
        price: money(4)?,
        original_price: money(5)?,
        currency: row.try_get(6)?,
        per_user_limit: u32::try_from(row.try_get::<i32, _>(7)?)
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        starts_at: moment(8)?,
        ends_at: moment(9)?,
        pay_within_ms: row.try_get(10)?,
        paused: row.try_get(11)?,
        closed_at: row.try_get::<Option<OffsetDateTime>, _>(12)?.map(Timestamp::from),
        pool: Pool {
            allotted: row.try_get(13)?,
            available: row.try_get(14)?,
            held: row.try_get(15)?,
            sold: row.try_get(16)?,
        },
    })
}

/// One sale.
pub async fn sale_by_id(database: &Database, id: FlashSaleId) -> Result<Option<SaleRow>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let found = sqlx::query(concat!("SELECT ", columns!(), " WHERE id = $1"))
        .bind(id.0)
        .fetch_optional(&mut *connection)
        .await?;
    found.as_ref().map(row).transpose()
}

/// The sale of a SKU that runs now, or the next to start.
pub async fn open_sale_of(database: &Database, sku: SkuId) -> Result<Option<SaleRow>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let found = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " WHERE flash_sale.sku_id = $1 AND closed_at IS NULL AND ends_at > now() ORDER BY starts_at LIMIT 1"
    ))
    .bind(sku.0)
    .fetch_optional(&mut *connection)
    .await?;
    found.as_ref().map(row).transpose()
}

/// A page of sales, open ones first, then by start; and how many there are.
pub async fn sale_page(
    database: &Database,
    page: i64,
    page_size: i64,
) -> Result<(Vec<SaleRow>, i64), sqlx::Error> {
    let mut connection = database.connection().await?;
    let total: i64 =
        sqlx::query_scalar("SELECT count(*) FROM flash_sale").fetch_one(&mut *connection).await?;
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " ORDER BY (closed_at IS NOT NULL), starts_at DESC, id LIMIT $1 OFFSET $2"
    ))
    .bind(page_size)
    .bind((page - 1).saturating_mul(page_size))
    .fetch_all(&mut *connection)
    .await?;
    Ok((rows.iter().map(row).collect::<Result<_, _>>()?, total))
}
