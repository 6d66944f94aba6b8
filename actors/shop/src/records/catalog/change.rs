//! Changing and deleting products.

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection, Row, types::Json};
use stampede_kernel::{CategoryId, FieldError, FieldErrors, Money, ProductId, SkuId, Timestamp};
use time::OffsetDateTime;

use super::{
    Catalog,
    create::{Created, InitialStock, SkuRow, draft_sku, insert_skus},
    error::WriteError,
    model::{Product, ProductStatus, Sku, SkuStatus, Specs},
    outbox::{self, ProductEvent},
    read,
    validate::{self, NewProduct, NewSku},
};

/// What a seller changes; what is `None` stays.
///
/// A SKU that cost what the product showed follows the product's new price. A list of SKUs is the
/// whole list: a SKU of the same code, else of the same specifications, is changed; a new one is
/// made; one that is not on it leaves the shelf, for orders and stock still name it. The default SKU
/// stays the default. Stock is not changed here; what a list of SKUs says of it is answered, for the
/// caller to see to.
#[derive(Debug, Clone, Default)]
pub struct ProductChange {
    pub name: Option<String>,
    pub price: Option<Money>,
    pub description: Option<String>,
    pub category_id: Option<Option<CategoryId>>,
    pub brand: Option<Option<String>>,
    pub tags: Option<Vec<String>>,
    pub images: Option<Vec<String>>,
    pub specs: Option<Specs>,
    pub original_price: Option<Option<Money>>,
    pub status: Option<ProductStatus>,
    pub skus: Option<Vec<NewSku>>,
}

impl From<NewProduct> for ProductChange {
    /// A change of everything. Without SKUs it keeps those that are there.
    fn from(new: NewProduct) -> Self {
        Self {
            name: Some(new.name),
            price: Some(new.price),
            description: Some(new.description),
            category_id: Some(new.category_id),
            brand: Some(new.brand),
            tags: Some(new.tags),
            images: Some(new.images),
            specs: Some(new.specs),
            original_price: Some(new.original_price),
            status: Some(new.status),
            skus: Some(new.skus).filter(|skus| !skus.is_empty()),
        }
    }
}

impl ProductChange {
    /// Everything that is wrong with it.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = FieldErrors::new();
        if let Some(name) = &self.name {
            validate::name(&mut errors, name);
        }
        if let Some(price) = self.price {
            validate::price(&mut errors, price, "price");
        }
        if let Some(Some(original)) = self.original_price {
            validate::price(&mut errors, original, "original_price");
        }
        if let Some(text) = &self.description {
            validate::description(&mut errors, text);
        }
        if let Some(Some(brand)) = &self.brand {
            validate::label(&mut errors, brand, "brand");
        }
        if let Some(tags) = &self.tags {
            validate::tags(&mut errors, tags);
        }
        if let Some(images) = &self.images {
            validate::images(&mut errors, images);
        }
        if let Some(specs) = &self.specs {
            validate::specs(&mut errors, specs, "specs");
        }
        if let Some(status) = self.status {
            validate::status(&mut errors, status);
        }
        if let Some(skus) = &self.skus {
            errors.require(!skus.is_empty(), "skus", "required", "must not be empty");
            validate::skus(&mut errors, skus);
        }
        errors.finish()
    }

    /// Makes the product what it becomes; answers what its SKUs have to be stocked with.
    fn apply(self, product: &mut Product) -> Stocking {
        let shown = product.price;
        set(&mut product.name, self.name);
        set(&mut product.price, self.price);
        set(&mut product.description, self.description);
        set(&mut product.category_id, self.category_id);
        set(&mut product.brand, self.brand);
        set(&mut product.tags, self.tags);
        set(&mut product.images, self.images);
        set(&mut product.specs, self.specs);
        set(&mut product.original_price, self.original_price);
        set(&mut product.status, self.status);
        for sku in product.skus.iter_mut().filter(|sku| sku.price == shown) {
            sku.price = product.price;
        }
        self.skus.map_or_else(Stocking::default, |skus| apply_skus(product, skus))
    }
}

/// What a change says of stock.
#[derive(Default)]
struct Stocking {
    /// Of new SKUs.
    initial: Vec<InitialStock>,
    /// Of SKUs that were there before.
    restated: Vec<InitialStock>,
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn apply_skus(product: &mut Product, given: Vec<NewSku>) -> Stocking {
    let mut stocking = Stocking::default();
    let mut listed: Vec<SkuId> = Vec::with_capacity(given.len());
    for new in given {
        let free = |sku: &&mut Sku| !listed.contains(&sku.id);
        let same = |sku: &&mut Sku| match &new.sku_code {
            Some(code) => sku.sku_code == *code,
            None => sku.specs == new.specs,
        };
        if let Some(sku) = product.skus.iter_mut().filter(free).find(same) {
            sku.price = new.price.unwrap_or(product.price);
            sku.specs = new.specs;
            sku.status = new.status;
            if let Some(units) = new.stock {
                stocking.restated.push(InitialStock { product_id: product.id, sku_id: sku.id, units });
            }
            listed.push(sku.id);
        } else {
            let sku = draft_sku(&new, product.price);
            if let Some(units) = new.stock.filter(|&units| units > 0) {
                stocking.initial.push(InitialStock { product_id: product.id, sku_id: sku.id, units });
            }
            listed.push(sku.id);
            product.skus.push(sku);
        }
    }
    for sku in product.skus.iter_mut().filter(|sku| !listed.contains(&sku.id)) {
        sku.status = SkuStatus::Inactive;
    }
    stocking
}

impl Catalog {
    /// Changes a product, if it is still at one of the expected versions. Answers it as it is now, and what
    /// has to be stocked.
    pub async fn update(
        &self,
        id: ProductId,
        change: ProductChange,
        expected_versions: Option<&[i64]>,
    ) -> Result<Created, WriteError> {
        change.validate().map_err(WriteError::Invalid)?;
        let mut connection = self.db.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut product = lock(&mut transaction, id, expected_versions).await?;
        let before = product.skus.clone();
        let Stocking { initial, restated } = change.apply(&mut product);
        let too_many = product.skus.len() > crate::records::catalog::limits::SKUS_MAX;
        if too_many {
            let detail = "the product would have too many, counting those off the shelf".to_owned();
            return Err(WriteError::Invalid(vec![FieldError {
                field: "skus".to_owned(),
                code: "too_many",
                detail,
            }]));
        }
        write_product(&mut transaction, &mut product).await?;
        write_skus(&mut transaction, &mut product, &before).await?;
        let products = [product];
        outbox::append(&mut transaction, ProductEvent::Updated, &products, &initial).await?;
        transaction.commit().await?;
        drop(connection);
        let [product] = products;
        self.memory.forget(&product).await;
        let product = Arc::new(product);
        Ok(Created { product, initial_stock: initial, restated_stock: restated, replayed: false })
    }

    /// Deletes a product: its rows stay for the orders that name it, and nothing else finds it.
    pub async fn delete(&self, id: ProductId, expected_versions: Option<&[i64]>) -> Result<(), WriteError> {
        let mut connection = self.db.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut product = lock(&mut transaction, id, expected_versions).await?;
        product.status = ProductStatus::Deleted;
        write_product(&mut transaction, &mut product).await?;
        let products = [product];
        outbox::append(&mut transaction, ProductEvent::Deleted, &products, &[]).await?;
        transaction.commit().await?;
        drop(connection);
        let [product] = products;
        self.memory.forget(&product).await;
        Ok(())
    }
}

/// The product, held until the transaction ends. The row is locked by a statement of its own: one
/// that waits for a lock would show the SKUs of before the wait.
async fn lock(
    connection: &mut PgConnection,
    id: ProductId,
    expected_versions: Option<&[i64]>,
) -> Result<Product, WriteError> {
    sqlx::query("SELECT 1 FROM product WHERE id = $1 FOR UPDATE")
        .bind(id.0)
        .execute(&mut *connection)
        .await?;
    let product = read::load(connection, id).await?.ok_or(WriteError::NotFound)?;
    match expected_versions {
        Some(expected) if !expected.contains(&product.version) => Err(WriteError::VersionConflict),
        Some(_) | None => Ok(product),
    }
}

async fn write_product(connection: &mut PgConnection, product: &mut Product) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "UPDATE product
         SET name = $2, description = $3, price = $4::text::numeric, original_price = $5::text::numeric,
             category_id = $6, brand = $7, images = $8, tags = $9, specs = $10, status = $11,
             version = version + 1, updated_at = now()
         WHERE id = $1
         RETURNING version, updated_at",
    )
    .bind(product.id.0)
    .bind(&product.name)
    .bind(&product.description)
    .bind(product.price.to_string())
    .bind(product.original_price.map(|price| price.to_string()))
    .bind(product.category_id.map(|category| category.0))
    .bind(&product.brand)
    .bind(&product.images)
    .bind(&product.tags)
    .bind(Json(&product.specs))
    .bind(product.status.as_str())
    .fetch_one(connection)
    .await?;
    product.version = row.try_get("version")?;
    product.updated_at = Timestamp::from(row.try_get::<OffsetDateTime, _>("updated_at")?);
    Ok(())
}

/// Writes the SKUs that differ from before. The old ones stand first and in the same order.
async fn write_skus(
    connection: &mut PgConnection,
    product: &mut Product,
    before: &[Sku],
) -> Result<(), sqlx::Error> {
    for (sku, old) in product.skus.iter_mut().zip(before) {
        if sku != old {
            sku.version += 1;
        }
    }
    let (kept, new): (Vec<_>, Vec<_>) = SkuRow::of(product).partition(|row| row.position < before.len());
    let changed: Vec<_> = kept.into_iter().filter(|row| *row.sku != before[row.position]).collect();
    if !changed.is_empty() {
        sqlx::query(
            "UPDATE sku SET specs = s.specs, price = s.price, status = s.status, version = s.version,
                            updated_at = now()
             FROM jsonb_to_recordset($1::jsonb) AS s
                  (id uuid, specs jsonb, price numeric, status text, version bigint)
             WHERE sku.id = s.id",
        )
        .bind(Json(changed))
        .execute(&mut *connection)
        .await?;
    }
    if new.is_empty() { Ok(()) } else { insert_skus(connection, &new).await }
}
