//! Reading products and offers, mostly from memory.
//!
//! The memory lets a crowd that looks at one product cost one query a second. It never decides
//! anything that must not be stale: what a write has changed is forgotten here at once, on other nodes
//! when they are told ([`Stale`]), and after [`CATALOG_CACHE_TTL_MS`] at the latest, as is what a read
//! of that same moment missed.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, Row, postgres::PgRow, types::Json};
use stampede_kernel::{CategoryId, ProductId, SkuId, UserId};
use stampede_platform::{
    cluster::limits::NEWS_WAITING_MAX,
    engine::{Database, column},
};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::{
    Catalog, Category,
    error::ReadError,
    model::{Offer, Product, ProductStatus, Sku},
};
use crate::records::catalog::limits::{CATALOG_CACHE_TTL_MS, PRODUCTS_CACHED_MAX};

/// The columns of a product with its SKUs, in one statement so that they are of one version.
macro_rules! product_columns {
    () => {
        "p.id, p.name, p.description, p.price::text AS price, p.original_price::text AS original_price,
         p.currency, p.category_id, p.brand, p.images, p.tags, p.specs, p.status, p.rating::float8 AS rating,
         p.review_count, p.sales, p.version, p.created_at, p.updated_at, p.created_by,
         (SELECT jsonb_agg(jsonb_build_object(
                     'id', s.id, 'sku_code', s.sku_code, 'specs', s.specs, 'price', s.price::text,
                     'status', s.status, 'is_default', s.is_default, 'version', s.version
                 ) ORDER BY s.position, s.id)
          FROM sku s WHERE s.product_id = p.id) AS skus"
    };
}
pub(super) use product_columns;

/// What a write has changed: whatever was remembered of it is not true any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stale {
    Product { id: ProductId, skus: Vec<SkuId> },
    Categories,
}

/// What was read last. Absence is remembered too, so that a made-up id costs one query a second.
#[derive(Clone)]
pub(super) struct Memory {
    products: Cache<ProductId, Option<Arc<Product>>>,
    /// Which product a SKU belongs to.
    owners: Cache<SkuId, Option<ProductId>>,
    tree: Cache<(), Arc<Vec<Category>>>,
    changed_here: broadcast::Sender<Stale>,
}

impl Memory {
    pub(super) fn new() -> Self {
        let ttl = Duration::from_millis(CATALOG_CACHE_TTL_MS);
        Self {
            products: Cache::builder().max_capacity(PRODUCTS_CACHED_MAX).time_to_live(ttl).build(),
            owners: Cache::builder().max_capacity(PRODUCTS_CACHED_MAX).time_to_live(ttl).build(),
            tree: Cache::builder().max_capacity(1).time_to_live(ttl).build(),
            changed_here: broadcast::Sender::new(NEWS_WAITING_MAX),
        }
    }

    /// Forgets what a write to this product made stale.
    pub(super) async fn forget(&self, product: &Product) {
        let skus = product.skus.iter().map(|sku| sku.id).collect();
        self.changed(Stale::Product { id: product.id, skus }).await;
    }

    pub(super) async fn forget_tree(&self) {
        self.changed(Stale::Categories).await;
    }

    async fn changed(&self, stale: Stale) {
        self.take_in(&stale).await;
        // Nobody listens on a node that is alone.
        let _ = self.changed_here.send(stale);
    }

    async fn take_in(&self, stale: &Stale) {
        match stale {
            Stale::Product { id, skus } => {
                self.products.invalidate(id).await;
                for sku in skus {
                    self.owners.invalidate(sku).await;
                }
            }
            Stale::Categories => self.tree.invalidate(&()).await,
        }
    }

    async fn remember(&self, product: Arc<Product>) {
        for sku in &product.skus {
            self.owners.insert(sku.id, Some(product.id)).await;
        }
        self.products.insert(product.id, Some(product)).await;
    }
}

impl Catalog {
    /// What is written at this node from now on, for whoever tells the others.
    pub fn changed_here(&self) -> broadcast::Receiver<Stale> {
        self.memory.changed_here.subscribe()
    }

    /// Forgets what was written elsewhere.
    pub async fn forget(&self, stale: &Stale) {
        self.memory.take_in(stale).await;
    }

    /// The product of that id with its SKUs, whatever its status, unless it is deleted.
    pub async fn by_id(&self, id: ProductId) -> Result<Option<Arc<Product>>, ReadError> {
        let load = async {
            let mut connection = self.db.connection().await?;
            Ok(load(&mut connection, id).await?.map(Arc::new))
        };
        self.memory.products.try_get_with(id, load).await.map_err(ReadError::Database)
    }

    /// The product of that id as its row has it, deleted or not.
    pub async fn record(&self, id: ProductId) -> Result<Option<Arc<Product>>, ReadError> {
        let mut connection = self.db.connection().await?;
        Ok(load_record(&mut connection, id).await?.map(Arc::new))
    }

    /// The product that a SKU belongs to, deleted or not.
    pub async fn product_of(&self, sku_id: SkuId) -> Result<Option<Arc<Product>>, ReadError> {
        let Some(id) = self.owner_of(sku_id).await? else { return Ok(None) };
        match self.by_id(id).await? {
            Some(product) => Ok(Some(product)),
            None => self.record(id).await,
        }
    }

    async fn owner_of(&self, sku_id: SkuId) -> Result<Option<ProductId>, ReadError> {
        let owner = self.memory.owners.try_get_with(sku_id, owner(&self.db, sku_id)).await;
        owner.map_err(ReadError::Database)
    }

    /// What an order line needs to know of that SKU.
    pub async fn offer(&self, sku_id: SkuId) -> Result<Option<Offer>, ReadError> {
        let Some(product_id) = self.owner_of(sku_id).await? else { return Ok(None) };
        Ok(self.by_id(product_id).await?.and_then(|product| product.offer(sku_id)))
    }

    /// The same as the row has it now, past the memory.
    pub async fn offer_now(&self, sku_id: SkuId) -> Result<Option<Offer>, ReadError> {
        let Some(product_id) = self.owner_of(sku_id).await? else { return Ok(None) };
        let mut connection = self.db.connection().await?;
        Ok(load(&mut connection, product_id).await?.and_then(|product| product.offer(sku_id)))
    }

    /// The offer of the product's default SKU.
    pub async fn default_offer(&self, product_id: ProductId) -> Result<Option<Offer>, ReadError> {
        Ok(self.by_id(product_id).await?.and_then(|product| product.offer(product.default_sku_id)))
    }

    /// The product's default SKU.
    pub async fn sku_of(&self, product_id: ProductId) -> Result<Option<SkuId>, ReadError> {
        Ok(self.by_id(product_id).await?.map(|product| product.default_sku_id))
    }

    /// The offers of several SKUs, in the order asked for. At most one query, whatever their number.
    pub async fn offers(&self, sku_ids: &[SkuId]) -> Result<Vec<Option<Offer>>, ReadError> {
        let mut missing = Vec::new();
        for &sku_id in sku_ids {
            if !self.is_remembered(sku_id).await {
                missing.push(sku_id.0);
            }
        }
        let mut read: Vec<Arc<Product>> = Vec::new();
        if !missing.is_empty() {
            let mut connection = self.db.connection().await?;
            read = load_by_skus(&mut connection, &missing).await?.into_iter().map(Arc::new).collect();
            drop(connection);
            for product in &read {
                self.memory.remember(product.clone()).await;
            }
        }
        let mut offers = Vec::with_capacity(sku_ids.len());
        for &sku_id in sku_ids {
            let fresh = read.iter().find_map(|product| product.offer(sku_id));
            offers.push(match fresh {
                Some(offer) => Some(offer),
                None if missing.contains(&sku_id.0) => None,
                None => self.offer(sku_id).await?,
            });
        }
        Ok(offers)
    }

    async fn is_remembered(&self, sku_id: SkuId) -> bool {
        match self.memory.owners.get(&sku_id).await {
            Some(Some(product_id)) => self.memory.products.contains_key(&product_id),
            Some(None) => true,
            None => false,
        }
    }

    /// The tree of categories: the roots, each with its children.
    pub async fn categories(&self) -> Result<Arc<Vec<Category>>, ReadError> {
        let load = async { super::category::tree(&self.db).await.map(Arc::new) };
        self.memory.tree.try_get_with((), load).await.map_err(ReadError::Database)
    }
}

async fn owner(db: &Database, sku_id: SkuId) -> Result<Option<ProductId>, sqlx::Error> {
    let mut connection = db.connection().await?;
    let product_id: Option<Uuid> = sqlx::query_scalar("SELECT product_id FROM sku WHERE id = $1")
        .bind(sku_id.0)
        .fetch_optional(&mut *connection)
        .await?;
    Ok(product_id.map(ProductId))
}

/// A product from its row, past the memory, unless it is deleted.
pub(super) async fn load(
    connection: &mut PgConnection,
    id: ProductId,
) -> Result<Option<Product>, sqlx::Error> {
    let record = load_record(connection, id).await?;
    Ok(record.filter(|product| product.status != ProductStatus::Deleted))
}

async fn load_record(connection: &mut PgConnection, id: ProductId) -> Result<Option<Product>, sqlx::Error> {
    sqlx::query_as(concat!("SELECT ", product_columns!(), " FROM product p WHERE p.id = $1"))
        .bind(id.0)
        .fetch_optional(connection)
        .await
}

async fn load_by_skus(connection: &mut PgConnection, sku_ids: &[Uuid]) -> Result<Vec<Product>, sqlx::Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        product_columns!(),
        " FROM product p
          WHERE p.id IN (SELECT product_id FROM sku WHERE id = ANY($1)) AND p.status <> 'deleted'"
    ))
    .bind(sku_ids)
    .fetch_all(connection)
    .await
}

impl FromRow<'_, PgRow> for Product {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let id = ProductId(row.try_get("id")?);
        let Json(skus): Json<Vec<Sku>> = row.try_get("skus")?;
        let default = skus.iter().find(|sku| sku.is_default).map(|sku| sku.id);
        let Json(specs) = row.try_get("specs")?;
        Ok(Self {
            id,
            default_sku_id: default.ok_or(sqlx::Error::RowNotFound)?,
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            price: column::parsed(row, "price")?,
            original_price: column::parsed_opt(row, "original_price")?,
            currency: column::parsed(row, "currency")?,
            category_id: row.try_get::<Option<Uuid>, _>("category_id")?.map(CategoryId),
            brand: row.try_get("brand")?,
            images: row.try_get("images")?,
            tags: row.try_get("tags")?,
            specs,
            status: column::parsed(row, "status")?,
            rating: row.try_get("rating")?,
            review_count: row.try_get("review_count")?,
            sales: row.try_get("sales")?,
            skus,
            version: row.try_get("version")?,
            created_at: column::moment(row, "created_at")?,
            updated_at: column::moment(row, "updated_at")?,
            created_by: row.try_get::<Option<Uuid>, _>("created_by")?.map(UserId),
        })
    }
}
