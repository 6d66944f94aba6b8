//! Putting products into the catalog.

use std::sync::Arc;

use serde::Serialize;
use sqlx::{Connection as _, PgConnection, Row, types::Json};
use stampede_kernel::{Currency, IdempotencyKey, Money, ProductId, SkuId, Timestamp, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Catalog,
    error::WriteError,
    model::{Product, Sku, SkuStatus},
    outbox::{self, ProductEvent},
    validate::{NewProduct, NewSku},
};
use crate::records::idempotency;

/// A product that has just been made, and what has to be stocked before its maker is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    pub product: Arc<Product>,
    /// Only SKUs that begin with some units.
    pub initial_stock: Vec<InitialStock>,
    /// SKUs that were there before and whose available units the change states anew.
    pub restated_stock: Vec<InitialStock>,
    /// It was made by an earlier request with the same key.
    pub replayed: bool,
}

/// Units that a new SKU begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct InitialStock {
    pub product_id: ProductId,
    pub sku_id: SkuId,
    pub units: i64,
}

impl Catalog {
    /// Makes a product with its SKUs; once for each key.
    pub async fn create(
        &self,
        by: Option<UserId>,
        new: &NewProduct,
        key: Option<IdempotencyKey>,
    ) -> Result<Created, WriteError> {
        new.validate().map_err(WriteError::Invalid)?;
        let (product, initial_stock) = draft(by, new);
        let mut products = [product];
        let mut connection = self.db.connection().await?;
        let mut transaction = connection.begin().await?;
        if let Some(key) = key
            && let Some(earlier) = idempotency::for_record(&mut transaction, key, products[0].id.0).await?
        {
            drop(transaction);
            drop(connection);
            return self.created_before(ProductId(earlier), new).await;
        }
        insert(&mut transaction, &mut products, &initial_stock).await?;
        transaction.commit().await?;
        drop(connection);
        let [product] = products;
        self.memory.forget(&product).await;
        let product = Arc::new(product);
        Ok(Created { product, initial_stock, restated_stock: Vec::new(), replayed: false })
    }

    /// It may have been deleted since. Its first stock is stated again: the request that made it may not
    /// have come to that.
    async fn created_before(&self, id: ProductId, new: &NewProduct) -> Result<Created, WriteError> {
        let product = self.record(id).await.map_err(WriteError::Read)?.ok_or(WriteError::NotFound)?;
        let unchanged = product.version == 1;
        let initial_stock = if unchanged { initial_stock(&product, new) } else { Vec::new() };
        Ok(Created { product, initial_stock, restated_stock: Vec::new(), replayed: true })
    }
}

/// The product as it will be, but for the moment, which the database gives.
pub(super) fn draft(by: Option<UserId>, new: &NewProduct) -> (Product, Vec<InitialStock>) {
    let id = ProductId(Uuid::now_v7());
    let single = [NewSku::default()];
    let given = if new.skus.is_empty() { &single[..] } else { &new.skus };
    let mut skus: Vec<Sku> = given.iter().map(|sku| draft_sku(sku, new.price)).collect();
    let default = default_place(&skus, new.price);
    let mut default_sku_id = SkuId(id.0);
    for (place, sku) in skus.iter_mut().enumerate() {
        sku.is_default = place == default;
        if sku.is_default {
            default_sku_id = sku.id;
        }
    }
    let product = Product {
        id,
        default_sku_id,
        name: new.name.clone(),
        description: new.description.clone(),
        price: new.price,
        original_price: new.original_price,
        currency: Currency::CNY,
        category_id: new.category_id,
        brand: new.brand.clone(),
        images: new.images.clone(),
        tags: new.tags.clone(),
        specs: new.specs.clone(),
        status: new.status,
        rating: 0.0,
        review_count: 0,
        sales: 0,
        skus,
        version: 1,
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(0),
        created_by: by,
    };
    let initial_stock = initial_stock(&product, new);
    (product, initial_stock)
}

/// What a product's SKUs begin with, by what its maker said of each and of the whole.
fn initial_stock(product: &Product, new: &NewProduct) -> Vec<InitialStock> {
    let units = |(place, sku): (usize, &Sku)| {
        let own = new.skus.get(place).and_then(|given| given.stock);
        let units = own.or(if sku.is_default { new.stock } else { None }).unwrap_or(0);
        (units > 0).then_some(InitialStock { product_id: product.id, sku_id: sku.id, units })
    };
    product.skus.iter().enumerate().filter_map(units).collect()
}

pub(super) fn draft_sku(new: &NewSku, product_price: Money) -> Sku {
    let id = Uuid::now_v7();
    // The random half of the id; the index on codes refuses the repetition that will not happen.
    let code = || format!("SKU-{:012X}", id.as_u128() & 0xFFFF_FFFF_FFFF);
    Sku {
        id: SkuId(id),
        sku_code: new.sku_code.clone().unwrap_or_else(code),
        specs: new.specs.clone(),
        price: new.price.unwrap_or(product_price),
        status: new.status,
        is_default: false,
        version: 1,
    }
}

/// The default is the first SKU that costs what the product shows, else the first on the shelf.
fn default_place(skus: &[Sku], product_price: Money) -> usize {
    let on_shelf = |sku: &Sku| sku.status == SkuStatus::Active;
    skus.iter()
        .position(|sku| on_shelf(sku) && sku.price == product_price)
        .or_else(|| skus.iter().position(on_shelf))
        .unwrap_or(0)
}

/// Writes new products, their SKUs and their events, and fills in the moment.
pub(super) async fn insert(
    connection: &mut PgConnection,
    products: &mut [Product],
    initial_stock: &[InitialStock],
) -> Result<(), sqlx::Error> {
    let rows = sqlx::query(
        "INSERT INTO product (id, name, description, price, original_price, currency, category_id, brand,
                              images, tags, specs, status, created_by)
         SELECT id, name, description, price, original_price, currency, category_id, brand,
                images, tags, specs, status, created_by
         FROM jsonb_to_recordset($1::jsonb) AS p
              (id uuid, name text, description text, price numeric, original_price numeric, currency text,
               category_id uuid, brand text, images text[], tags text[], specs jsonb, status text,
               created_by uuid)
         RETURNING created_at",
    )
    .bind(Json(&*products))
    .fetch_all(&mut *connection)
    .await?;
    if let Some(row) = rows.first() {
        // One transaction, one moment.
        let now = Timestamp::from(row.try_get::<OffsetDateTime, _>("created_at")?);
        for product in products.iter_mut() {
            product.created_at = now;
            product.updated_at = now;
        }
    }
    let skus: Vec<SkuRow<'_>> = products.iter().flat_map(SkuRow::of).collect();
    insert_skus(connection, &skus).await?;
    outbox::append(connection, ProductEvent::Created, products, initial_stock).await
}

/// A SKU with what its row has besides.
#[derive(Debug, Serialize)]
pub(super) struct SkuRow<'a> {
    pub(super) product_id: ProductId,
    pub(super) position: usize,
    #[serde(flatten)]
    pub(super) sku: &'a Sku,
}

impl<'a> SkuRow<'a> {
    pub(super) fn of(product: &'a Product) -> impl Iterator<Item = SkuRow<'a>> {
        let row = |(position, sku)| SkuRow { product_id: product.id, position, sku };
        product.skus.iter().enumerate().map(row)
    }
}

pub(super) async fn insert_skus(
    connection: &mut PgConnection,
    skus: &[SkuRow<'_>],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO sku (id, product_id, sku_code, specs, price, status, is_default, position)
         SELECT id, product_id, sku_code, specs, price, status, is_default, position
         FROM jsonb_to_recordset($1::jsonb) AS s
              (id uuid, product_id uuid, sku_code text, specs jsonb, price numeric, status text,
               is_default boolean, position integer)",
    )
    .bind(Json(skus))
    .execute(connection)
    .await
    .map(drop)
}
