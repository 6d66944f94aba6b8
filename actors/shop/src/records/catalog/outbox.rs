//! Telling others what changed, in the transaction that changed it.

use serde::Serialize;
use sqlx::{PgConnection, types::Json};
use stampede_platform::journal::RecordKind;

use super::{create::InitialStock, model::Product};

/// The kind of a product in the journal.
pub const PRODUCT: &str = "product";

/// Products, as the outbox relays them.
pub const PRODUCT_EVENTS: RecordKind = RecordKind {
    kind: PRODUCT,
    events: &[ProductEvent::Created.as_str(), ProductEvent::Updated.as_str(), ProductEvent::Deleted.as_str()],
};

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
    /// Units that new SKUs begin with, in case the node that made them dies before it stocks them.
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
         SELECT $3::text, record_id, version, $2::text, payload
         FROM jsonb_to_recordset($1::jsonb) AS r (record_id text, version bigint, payload jsonb)",
    )
    .bind(Json(rows))
    .bind(event.as_str())
    .bind(PRODUCT)
    .execute(connection)
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::records::catalog::{
        Specs,
        model::{ProductStatus, Sku, SkuStatus},
    };
    use stampede_kernel::{CategoryId, Currency, Money, ProductId, SkuId, Timestamp, UserId, golden};

    fn product(status: ProductStatus) -> Product {
        let (product, sku) = (Uuid::from_u128(0x019a_0001), Uuid::from_u128(0x019a_0002));
        let at = Timestamp::from_millis(1_795_000_000_123);
        Product {
            id: ProductId(product),
            default_sku_id: SkuId(sku),
            name: "充电器".into(),
            description: "65 W".into(),
            price: Money::from_minor(1_990),
            original_price: Some(Money::from_minor(2_990)),
            currency: Currency::CNY,
            category_id: Some(CategoryId(Uuid::from_u128(0x019a_0003))),
            brand: Some("Acme".into()),
            images: vec!["/images/1.webp".into()],
            tags: vec!["new".into()],
            specs: Specs::from([("watts".into(), json!(65))]),
            status,
            rating: 4.5,
            review_count: 2,
            sales: 7,
            skus: vec![Sku {
                id: SkuId(sku),
                sku_code: "SKU-1".into(),
                specs: Specs::from([("color".into(), json!("white"))]),
                price: Money::from_minor(1_990),
                status: SkuStatus::Active,
                is_default: true,
                version: 1,
            }],
            version: 1,
            created_at: at,
            updated_at: at,
            created_by: Some(UserId(Uuid::from_u128(0x019a_0004))),
        }
    }

    #[test]
    fn payloads_are_written_as_they_were() {
        for event in [ProductEvent::Created, ProductEvent::Updated, ProductEvent::Deleted] {
            let (file, status) = match event {
                ProductEvent::Created => ("product/created", ProductStatus::Active),
                ProductEvent::Updated => ("product/updated", ProductStatus::Inactive),
                ProductEvent::Deleted => ("product/deleted", ProductStatus::Deleted),
            };
            let product = product(status);
            let stock = InitialStock { product_id: product.id, sku_id: product.default_sku_id, units: 500 };
            let initial_stock = match event {
                ProductEvent::Created | ProductEvent::Updated => vec![&stock],
                ProductEvent::Deleted => vec![],
            };
            golden!().is_written_as(file, &Payload { schema: SCHEMA, product: &product, initial_stock });
        }
    }
}
