//! Telling others what changed, in the transaction that changed it.

use serde::Serialize;
use sqlx::{PgConnection, types::Json};

use super::{create::InitialStock, model::Product};

/// The payload's shape; older ones stay readable.
const SCHEMA: u16 = 1;

/// What happened to a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProductEvent {
    Created,
    Updated,
    Deleted,
}

impl ProductEvent {
    const fn as_str(self) -> &'static str {
        match self {
            ProductEvent::Created => "created",
            ProductEvent::Updated => "updated",
            ProductEvent::Deleted => "deleted",
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    record_id: String,
    version: i64,
    payload: Payload<'a>,
}

#[derive(Serialize)]
struct Payload<'a> {
    schema: u16,
    product: &'a Product,
    /// Units that new SKUs begin with, in case whoever made them did not live to stock them.
    initial_stock: Vec<&'a InitialStock>,
}

/// One row for every product, at its present version, all of the same event.
pub(super) async fn append(
    connection: &mut PgConnection,
    event: ProductEvent,
    products: &[Product],
    initial_stock: &[InitialStock],
) -> Result<(), sqlx::Error> {
    let rows: Vec<Row<'_>> = products
        .iter()
        .map(|product| Row {
            record_id: product.id.to_string(),
            version: product.version,
            payload: Payload {
                schema: SCHEMA,
                product,
                initial_stock: initial_stock.iter().filter(|stock| stock.product_id == product.id).collect(),
            },
        })
        .collect();
    sqlx::query(
        "INSERT INTO outbox (record_kind, record_id, version, event_type, payload)
         SELECT 'product', record_id, version, $2::text, payload
         FROM jsonb_to_recordset($1::jsonb) AS r (record_id text, version bigint, payload jsonb)",
    )
    .bind(Json(rows))
    .bind(event.as_str())
    .execute(connection)
    .await
    .map(drop)
}
