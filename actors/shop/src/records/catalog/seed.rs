//! A catalog to begin with: some two hundred invented products, for demonstrations and tests.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, Row, types::Json};
use stampede_kernel::{CategoryId, Money, SkuId};
use uuid::Uuid;

use super::{
    Catalog,
    create::{InitialStock, draft, insert},
    error::WriteError,
    model::{Product, Specs},
    validate::{NewProduct, NewSku},
};

const DATA: &str = include_str!("seed_data.json");

/// Where every seeded SKU's code begins; the first one's presence says that the catalog is seeded.
const CODE_PREFIX: &str = "SEED-";

/// Why the catalog was not seeded.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error("the data to begin with are damaged")]
    Data(#[from] serde_json::Error),
    #[error("the data to begin with could not be written")]
    Write(#[from] WriteError),
}

impl From<sqlx::Error> for SeedError {
    fn from(error: sqlx::Error) -> Self {
        Self::Write(error.into())
    }
}

#[derive(Deserialize)]
struct Root {
    name: String,
    children: Vec<Leaf>,
}

#[derive(Deserialize)]
struct Leaf {
    name: String,
    products: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    brand: String,
    price: Money,
    original_price: Option<Money>,
    /// Units of all its SKUs together.
    stock: i64,
    description: String,
    tags: Vec<String>,
    specs: HashMap<String, String>,
    /// What its SKUs differ in.
    option: Option<String>,
    /// What `option` may be, and what it costs then.
    #[serde(default)]
    values: Vec<(String, Money)>,
}

impl Item {
    fn into_product(self, number: usize, category_id: CategoryId) -> NewProduct {
        let code = |place: usize| Some(format!("{CODE_PREFIX}{number:04}-{place}"));
        let skus = match self.option {
            None => vec![NewSku { sku_code: code(1), stock: Some(self.stock), ..NewSku::default() }],
            Some(option) => {
                let share = self.stock / i64::try_from(self.values.len().max(1)).unwrap_or(1);
                let sku = |(place, (value, price)): (usize, (String, Money))| NewSku {
                    sku_code: code(place + 1),
                    specs: Specs::from([(option.clone(), Value::String(value))]),
                    price: Some(price),
                    stock: Some(share),
                    ..NewSku::default()
                };
                self.values.into_iter().enumerate().map(sku).collect()
            }
        };
        NewProduct {
            description: self.description,
            category_id: Some(category_id),
            brand: Some(self.brand),
            tags: self.tags,
            specs: self.specs.into_iter().map(|(name, value)| (name, Value::String(value))).collect(),
            original_price: self.original_price,
            skus,
            ..NewProduct::new(self.name, self.price)
        }
    }
}

impl Catalog {
    /// Fills an unseeded catalog and answers what has to be stocked; does nothing to a seeded one,
    /// even if its products have been changed or deleted since.
    pub async fn seed(&self) -> Result<Vec<(SkuId, i64)>, SeedError> {
        let roots: Vec<Root> = serde_json::from_str(DATA)?;
        let mut connection = self.db.connection().await?;
        let mut transaction = connection.begin().await?;
        if is_seeded(&mut transaction).await? {
            return Ok(Vec::new());
        }
        let (mut products, stock) = drafts(&mut transaction, roots).await?;
        match insert(&mut transaction, &mut products, &stock).await.map_err(WriteError::from) {
            Ok(()) => {}
            // Another node was faster, and will stock them.
            Err(WriteError::SkuCodeTaken) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        transaction.commit().await?;
        drop(connection);
        self.memory.forget_tree().await;
        Ok(stock.into_iter().map(|stock| (stock.sku_id, stock.units)).collect())
    }

    /// The seeded SKUs that are still there under their codes, and what each began with: for whoever
    /// makes sure that they are stocked.
    pub async fn seeded_stock(&self) -> Result<Vec<(SkuId, i64)>, SeedError> {
        let units = units_by_code()?;
        let codes: Vec<&str> = units.keys().map(String::as_str).collect();
        let mut connection = self.db.connection().await?;
        let rows = sqlx::query("SELECT id, sku_code FROM sku WHERE sku_code = ANY($1) ORDER BY sku_code")
            .bind(codes)
            .fetch_all(&mut *connection)
            .await?;
        let mut stock = Vec::with_capacity(rows.len());
        for row in rows {
            let code: &str = row.try_get("sku_code")?;
            if let Some(units) = units.get(code) {
                stock.push((SkuId(row.try_get("id")?), *units));
            }
        }
        Ok(stock)
    }
}

/// The units that each seeded SKU begins with, by its code.
fn units_by_code() -> Result<HashMap<String, i64>, serde_json::Error> {
    let roots: Vec<Root> = serde_json::from_str(DATA)?;
    let items = roots.into_iter().flat_map(|root| root.children).flat_map(|leaf| leaf.products);
    let skus = items.enumerate().flat_map(|(place, item)| {
        // Units do not depend on the category.
        item.into_product(place + 1, CategoryId(Uuid::nil())).skus
    });
    Ok(skus.filter_map(|sku| Some((sku.sku_code?, sku.stock.unwrap_or(0)))).collect())
}

async fn is_seeded(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sku WHERE sku_code = $1)")
        .bind(format!("{CODE_PREFIX}0001-1"))
        .fetch_one(connection)
        .await
}

async fn drafts(
    connection: &mut PgConnection,
    roots: Vec<Root>,
) -> Result<(Vec<Product>, Vec<InitialStock>), SeedError> {
    let names: Vec<_> = roots.iter().map(|root| (None, root.name.as_str())).collect();
    let root_ids = ensure_categories(connection, &names).await?;
    let parent = |root: &Root| root_ids.get(root.name.as_str()).copied();
    let names: Vec<_> = roots
        .iter()
        .flat_map(|root| root.children.iter().map(|leaf| (parent(root), leaf.name.as_str())))
        .collect();
    let leaf_ids = ensure_categories(connection, &names).await?;
    let mut products = Vec::new();
    let mut stock = Vec::new();
    for leaf in roots.into_iter().flat_map(|root| root.children) {
        let category_id = leaf_ids.get(leaf.name.as_str()).copied().ok_or(sqlx::Error::RowNotFound)?;
        for item in leaf.products {
            let (product, begins_with) = draft(None, &item.into_product(products.len() + 1, category_id));
            products.push(product);
            stock.extend(begins_with);
        }
    }
    Ok((products, stock))
}

/// The ids of categories by their names, made where missing, in the order given.
async fn ensure_categories(
    connection: &mut PgConnection,
    categories: &[(Option<CategoryId>, &str)],
) -> Result<HashMap<String, CategoryId>, sqlx::Error> {
    let rows: Vec<Value> = categories
        .iter()
        .enumerate()
        .map(|(position, (parent_id, name))| {
            serde_json::json!({"id": Uuid::now_v7(), "parent_id": parent_id, "name": name, "position": position})
        })
        .collect();
    let rows = sqlx::query(
        "INSERT INTO category (id, parent_id, name, position)
         SELECT id, parent_id, name, position
         FROM jsonb_to_recordset($1::jsonb) AS c (id uuid, parent_id uuid, name text, position integer)
         ON CONFLICT ON CONSTRAINT category_name_key DO UPDATE SET name = excluded.name
         RETURNING id, name",
    )
    .bind(Json(rows))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("name")?, CategoryId(row.try_get("id")?)))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_data_are_valid_products() -> Result<(), Box<dyn std::error::Error>> {
        let roots: Vec<Root> = serde_json::from_str(DATA)?;
        let leaves: Vec<Leaf> = roots.into_iter().flat_map(|root| root.children).collect();
        assert_eq!(leaves.len(), 16);
        let mut names = BTreeSet::new();
        for item in leaves.into_iter().flat_map(|leaf| leaf.products) {
            let product = item.into_product(names.len() + 1, CategoryId(Uuid::nil()));
            assert_eq!(product.validate(), Ok(()), "{}", product.name);
            assert!(product.skus.iter().any(|sku| sku.price.unwrap_or(product.price) == product.price));
            assert!(
                product.original_price.is_none_or(|original| original > product.price),
                "{}",
                product.name
            );
            assert!(names.insert(product.name.clone()), "{} is there twice", product.name);
        }
        assert!(names.len() >= 190, "{}", names.len());
        Ok(())
    }
}
