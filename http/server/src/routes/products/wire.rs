//! What products look like in JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stampede_kernel::{CategoryId, Money, MoneyError, ProductId};
use stampede_shop::{
    records::catalog::{ProductFilter, SortBy, SortOrder, limits::KEYWORD_CHARS_MAX},
    services::{
        self,
        products::{StatusChanges, StockedProduct},
    },
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{problem::Problem, routes::wire::Paging};

/// A product with its stock.
#[derive(Debug, Serialize, ToSchema)]
pub struct Product {
    pub id: Uuid,
    pub default_sku_id: Uuid,
    pub name: String,
    pub description: String,
    /// Such as `"19.90"`.
    pub price: String,
    pub original_price: Option<String>,
    pub currency: String,
    /// Units of all its SKUs that are for sale at the regular price.
    pub stock: i64,
    pub category_id: Option<Uuid>,
    pub brand: Option<String>,
    pub images: Vec<String>,
    pub tags: Vec<String>,
    #[schema(value_type = Object)]
    pub specs: Value,
    /// `draft`, `active` or `inactive`; `deleted` only where the request that made it is repeated.
    #[schema(value_type = String)]
    pub status: &'static str,
    pub rating: f64,
    pub review_count: i64,
    /// Units sold.
    pub sales: i64,
    pub skus: Vec<Sku>,
    pub created_at: String,
    pub updated_at: String,
}

/// One of a product's SKUs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sku {
    pub id: Uuid,
    pub sku_code: String,
    #[schema(value_type = Object)]
    pub specs: Value,
    pub price: String,
    /// Units that are for sale at the regular price.
    pub stock: i64,
    #[schema(value_type = String)]
    pub status: &'static str,
}

impl Product {
    pub(crate) fn of(stocked: &StockedProduct) -> Self {
        let StockedProduct { product, available } = stocked;
        let skus = product.skus.iter().map(|sku| Sku {
            id: sku.id.0,
            sku_code: sku.sku_code.clone(),
            specs: json!(sku.specs),
            price: sku.price.to_string(),
            stock: available.get(&sku.id).copied().unwrap_or(0),
            status: sku.status.as_str(),
        });
        let skus: Vec<Sku> = skus.collect();
        Self {
            id: product.id.0,
            default_sku_id: product.default_sku_id.0,
            name: product.name.clone(),
            description: product.description.clone(),
            price: product.price.to_string(),
            original_price: product.original_price.map(|price| price.to_string()),
            currency: product.currency.as_str().to_owned(),
            stock: skus.iter().map(|sku| sku.stock).sum(),
            category_id: product.category_id.map(|category| category.0),
            brand: product.brand.clone(),
            images: product.images.clone(),
            tags: product.tags.clone(),
            specs: json!(product.specs),
            status: product.status.as_str(),
            rating: product.rating,
            review_count: product.review_count,
            sales: product.sales,
            skus,
            created_at: product.created_at.to_string(),
            updated_at: product.updated_at.to_string(),
        }
    }
}

/// Which products to list, and in what order.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProductListing {
    /// Those of this category and of all below it.
    pub category_id: Option<Uuid>,
    /// Those whose name, brand, description or tags hold this text.
    pub keyword: Option<String>,
    pub brand: Option<String>,
    /// Such as `19.90`.
    pub min_price: Option<String>,
    pub max_price: Option<String>,
    /// `created_at`, `price`, `sales`, `rating` or `name`; `created_at`, if missing.
    pub sort_by: Option<String>,
    /// `asc` or `desc`; `desc`, if missing.
    pub sort_order: Option<String>,
    /// From 1.
    pub page: Option<u32>,
    /// 1 to 100.
    pub page_size: Option<u32>,
}

impl ProductListing {
    pub(super) fn filter(&self) -> Result<ProductFilter, Problem> {
        if self.keyword.as_ref().is_some_and(|keyword| keyword.chars().count() > KEYWORD_CHARS_MAX) {
            let detail = format!("Must have at most {KEYWORD_CHARS_MAX} characters.");
            return Err(Problem::field("keyword", "too_long", detail));
        }
        let sort_by = match self.sort_by.as_deref().unwrap_or("created_at") {
            "created_at" => SortBy::CreatedAt,
            "price" => SortBy::Price,
            "sales" => SortBy::Sales,
            "rating" => SortBy::Rating,
            "name" => SortBy::Name,
            _ => {
                let detail = "Must be one of created_at, price, sales, rating, name.";
                return Err(Problem::field("sort_by", "format", detail));
            }
        };
        let order = match self.sort_order.as_deref().unwrap_or("desc") {
            "asc" => SortOrder::Ascending,
            "desc" => SortOrder::Descending,
            _ => return Err(Problem::field("sort_order", "format", "Must be asc or desc.")),
        };
        Ok(ProductFilter {
            category_id: self.category_id.map(CategoryId),
            keyword: self.keyword.clone(),
            brand: self.brand.clone().filter(|brand| !brand.is_empty()),
            min_price: bound(self.min_price.as_deref(), "min_price")?,
            max_price: bound(self.max_price.as_deref(), "max_price")?,
            sort_by,
            order,
            ..ProductFilter::default()
        })
    }
}

/// An end of a range of prices, which may be nothing.
fn bound(text: Option<&str>, field: &'static str) -> Result<Option<Money>, Problem> {
    let parsed = text.map(str::parse).transpose();
    parsed
        .map_err(|error: MoneyError| Problem::field(field, "format", format!("Must be an amount: {error}.")))
}

/// Which products are to have which status.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductStatusInput {
    /// At most 100.
    pub ids: Vec<Uuid>,
    /// `active`, `inactive` or `draft`.
    pub status: String,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductStatusResult {
    pub changed: Vec<Uuid>,
    /// There are no such products.
    pub missing: Vec<Uuid>,
}

impl ProductListing {
    pub(super) fn paging(&self) -> Result<services::Paging, Problem> {
        Paging { page: self.page, page_size: self.page_size }.checked()
    }
}

impl ProductStatusResult {
    pub(super) fn of(changes: StatusChanges) -> Self {
        let ids = |ids: Vec<ProductId>| ids.into_iter().map(|id| id.0).collect();
        Self { changed: ids(changes.changed), missing: ids(changes.missing) }
    }
}
