//! Products: shown with their stock, and changed by sellers.

use std::collections::{BTreeSet, HashMap};

use actix_web::{HttpResponse, web::Data};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stampede_domain::stock::{Answer, Command, Query as StockQuery};
use stampede_kernel::{CategoryId, Code, FlashSaleId, IdempotencyKey, Money, ProductId, SkuId, UserId};
use stampede_shop::records::catalog::{
    self, Created, InitialStock, Page, ProductFilter, SortBy, SortOrder, WriteError,
    limits::KEYWORD_CHARS_MAX,
};
use stampede_shop::services::Services;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    product_access,
    product_body::{Amounts, NewProduct, ProductChange, product_status},
    refusal,
    wire::{self, PageOf, Paging},
};
use crate::{
    auth::Caller,
    extract::{IfMatch, Json, KeyedJson, MaybeCaller, Path, Query, Seller, Unversioned, etag},
    problem::{Problem, ProblemShape},
};

/// Products that one request may put on the shelf or take off it.
const STATUS_PRODUCTS_MAX: usize = 100;

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
    fn of(product: &catalog::Product, stock: &HashMap<SkuId, i64>) -> Self {
        let skus = product.skus.iter().map(|sku| Sku {
            id: sku.id.0,
            sku_code: sku.sku_code.clone(),
            specs: json!(sku.specs),
            price: sku.price.to_string(),
            stock: stock.get(&sku.id).copied().unwrap_or(0),
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
    fn filter(&self) -> Result<ProductFilter, Problem> {
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
    parsed.map_err(|error: stampede_kernel::MoneyError| {
        Problem::field(field, "format", format!("Must be an amount: {error}."))
    })
}

/// Which products are to have which status.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusChange {
    /// At most 100.
    pub ids: Vec<Uuid>,
    /// `active`, `inactive` or `draft`.
    pub status: String,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusChanged {
    pub changed: Vec<Uuid>,
    /// There are no such products.
    pub missing: Vec<Uuid>,
}

/// The products on the shelf.
#[utoipa::path(get, path = "/api/v1/products", tag = "catalog", params(ProductListing), responses(
    (status = 200, body = PageOf<Product>),
    (status = 422, description = "A parameter is not valid", body = ProblemShape)))]
pub async fn list(listing: Query<ProductListing>, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let paging = Paging { page: listing.page, page_size: listing.page_size };
    show_page(&shop, &listing.filter()?, paging).await
}

/// One page of products with their stock, which may lag by a second.
pub(super) async fn show_page(
    shop: &Services,
    filter: &ProductFilter,
    paging: Paging,
) -> Result<HttpResponse, Problem> {
    let (page, page_size) = paging.checked()?;
    let (products, total) = shop
        .catalog
        .page(filter, Page { page, page_size })
        .await
        .map_err(|error| Problem::unavailable(&error))?;
    let skus: Vec<SkuId> = products.iter().flat_map(|product| &product.skus).map(|sku| sku.id).collect();
    let stock = shop.available_of(&skus).await.map_err(|error| Problem::unavailable(&error))?;
    let products = products.iter().map(|product| Product::of(product, &stock)).collect();
    Ok(HttpResponse::Ok().json(PageOf::new(products, total, (page, page_size))))
}

/// One product. Its seller and administrators see it too while it is not on the shelf.
#[utoipa::path(get, path = "/api/v1/products/{id}", tag = "catalog", responses(
    (status = 200, body = Product), (status = 404, body = ProblemShape)))]
pub async fn get(caller: MaybeCaller, id: Path<Uuid>, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let product = shop.catalog.by_id(ProductId(id.0)).await.map_err(|error| Problem::unavailable(&error))?;
    let shown = product.filter(|product| product_access::is_shown(caller.known(), product));
    match shown {
        Some(product) => Ok(shown_as(HttpResponse::Ok(), &product, &stock_of(&shop, &product).await?)),
        None => Err(caller.missing(not_found())),
    }
}

/// Makes a product. Its stock is there when this answers.
#[utoipa::path(post, path = "/api/v1/products", tag = "catalog", request_body = NewProduct,
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 201, body = Product),
    (status = 409, description = "A SKU's code is taken", body = ProblemShape),
    (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn create(
    _: Seller,
    _: Unversioned,
    request: KeyedJson<NewProduct>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    make(&shop, request.caller.user_id, request.body.checked(Amounts::Texts)?, request.key).await
}

pub(super) async fn make(
    shop: &Services,
    by: UserId,
    new: catalog::NewProduct,
    key: Option<IdempotencyKey>,
) -> Result<HttpResponse, Problem> {
    let created = shop.catalog.create(Some(by), &new, key).await.map_err(not_written)?;
    let product = &created.product;
    let mut stock: HashMap<SkuId, i64> = if created.replayed {
        stock_of(shop, product).await?
    } else {
        created.initial_stock.iter().map(|new| (new.sku_id, new.units)).collect()
    };
    for (sku, stocked) in stock_new(shop, &created.initial_stock).await {
        match stocked {
            Ok(available) => drop(stock.insert(sku, available)),
            // The product is there, and its event sees to its stock. A refusal would have the seller
            // make it twice.
            Err(problem) => tracing::warn!(%sku, %problem, "a new SKU is stocked later"),
        }
    }
    let response = shown_as(HttpResponse::Created(), product, &stock);
    let response = wire::located(response, &format!("/api/v1/products/{}", product.id));
    Ok(wire::replayed(response, created.replayed))
}

/// Sets everything of a product; a list of SKUs, if there is one, is the whole list. A stock is what
/// is to be for sale of the default SKU.
#[utoipa::path(put, path = "/api/v1/products/{id}", tag = "catalog", request_body = NewProduct,
    security(("bearer" = [])), params(("If-Match" = Option<String>, Header)), responses(
    (status = 200, body = Product), (status = 404, body = ProblemShape),
    (status = 412, description = "The product has changed meanwhile", body = ProblemShape),
    (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn replace(
    seller: Seller,
    version: IfMatch,
    id: Path<Uuid>,
    body: Json<NewProduct>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let new = body.0.checked(Amounts::Texts)?;
    set(&shop, &seller, ProductId(id.0), new, version).await
}

pub(super) async fn set(
    shop: &Services,
    by: &Caller,
    id: ProductId,
    new: catalog::NewProduct,
    version: IfMatch,
) -> Result<HttpResponse, Problem> {
    new.validate().map_err(Problem::from)?;
    let stock = new.stock;
    apply(shop, by, id, new.into(), stock, version).await
}

/// Changes a product.
#[utoipa::path(patch, path = "/api/v1/products/{id}", tag = "catalog", request_body = ProductChange,
    security(("bearer" = [])), params(("If-Match" = Option<String>, Header)), responses(
    (status = 200, body = Product), (status = 404, body = ProblemShape),
    (status = 412, description = "The product has changed meanwhile", body = ProblemShape),
    (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn change(
    seller: Seller,
    version: IfMatch,
    id: Path<Uuid>,
    body: Json<ProductChange>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (change, stock) = body.0.checked(Amounts::Texts)?;
    apply(&shop, &seller, ProductId(id.0), change, stock, version).await
}

/// Changes the record, then the stock: a repeat of the whole is harmless.
async fn apply(
    shop: &Services,
    by: &Caller,
    id: ProductId,
    change: catalog::ProductChange,
    stock: Option<i64>,
    version: IfMatch,
) -> Result<HttpResponse, Problem> {
    product_access::product(shop, by, id).await?;
    let Created { product, initial_stock, restated_stock, replayed: _ } =
        shop.catalog.update(id, change, version.0.as_deref()).await.map_err(not_written)?;
    for (sku, stocked) in stock_new(shop, &initial_stock).await {
        if let Err(problem) = stocked {
            tracing::warn!(%sku, %problem, "a new SKU is stocked later");
        }
    }
    let mut wanted: HashMap<SkuId, i64> = HashMap::new();
    if let Some(units) = stock {
        wanted.insert(product.default_sku_id, units);
    }
    // What a SKU's own line says goes before what the product says.
    wanted.extend(restated_stock.iter().map(|stated| (stated.sku_id, stated.units)));
    let reason = format!("set by {}", by.user_id);
    let adjusted = wanted.into_iter().map(|(sku, available)| {
        stock_sku(
            shop,
            sku,
            Command::AdjustTo(stampede_domain::stock::AdjustTo {
                available,
                reason: reason.clone(),
                key: None,
            }),
        )
    });
    for adjusted in join_all(adjusted).await {
        adjusted?;
    }
    Ok(shown_as(HttpResponse::Ok(), &product, &stock_of(shop, &product).await?))
}

/// Deletes a product that has no flash sale any more; orders of the past still name it.
#[utoipa::path(delete, path = "/api/v1/products/{id}", tag = "catalog", security(("bearer" = [])),
    params(("If-Match" = Option<String>, Header)), responses(
    (status = 204), (status = 404, body = ProblemShape),
    (status = 409, description = "A flash sale of it is not over", body = ProblemShape),
    (status = 412, description = "The product has changed meanwhile", body = ProblemShape)))]
pub async fn delete(
    seller: Seller,
    version: IfMatch,
    id: Path<Uuid>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let product = product_access::product(&shop, &seller, ProductId(id.0)).await?;
    for asked in join_all(product.skus.iter().map(|sku| open_sale(&shop, sku.id))).await {
        if let Some(sale) = asked? {
            let told = Problem::new(Code::Conflict).with("flash_sale_id", sale.to_string());
            return Err(told.detail("A flash sale of the product is not over. Close it first."));
        }
    }
    shop.catalog.delete(product.id, version.0.as_deref()).await.map_err(not_written)?;
    Ok(HttpResponse::NoContent().finish())
}

/// A flash sale of the SKU that is not over, as its actor knows.
async fn open_sale(shop: &Services, sku: SkuId) -> Result<Option<FlashSaleId>, Problem> {
    match shop.actors.stock.query(sku.0, sku, StockQuery::OpenSale).await.map_err(refusal::stock)? {
        Answer::Sale(view) => Ok(Some(view.id)),
        Answer::Done | Answer::Reservation(_) | Answer::Stock(_) | Answer::Mine(_) => Ok(None),
    }
}

/// Puts many products on the shelf, or takes them off it.
#[utoipa::path(post, path = "/api/v1/products/status", tag = "catalog", request_body = StatusChange,
    security(("bearer" = [])), responses(
    (status = 200, body = StatusChanged),
    (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn set_status(
    seller: Seller,
    _: Unversioned,
    body: Json<StatusChange>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let status = product_status(&body.status)?;
    if !(1..=STATUS_PRODUCTS_MAX).contains(&body.ids.len()) {
        return Err(Problem::field(
            "ids",
            "out_of_range",
            format!("Must be 1 to {STATUS_PRODUCTS_MAX} ids."),
        ));
    }
    let mut answer = StatusChanged { changed: Vec::new(), missing: Vec::new() };
    let mut own = Vec::new();
    for id in body.ids.iter().copied().collect::<BTreeSet<Uuid>>() {
        match product_access::product(&shop, &seller, ProductId(id)).await {
            Ok(_) => own.push(id),
            Err(problem) if problem.code() == Code::NotFound => answer.missing.push(id),
            Err(problem) => return Err(problem),
        }
    }
    // One after the other: each is a change of its own, with its own version and event.
    for id in own {
        let change = catalog::ProductChange { status: Some(status), ..catalog::ProductChange::default() };
        match shop.catalog.update(ProductId(id), change, None).await {
            Ok(_) => answer.changed.push(id),
            Err(WriteError::NotFound) => answer.missing.push(id),
            Err(error) => return Err(not_written(error)),
        }
    }
    Ok(HttpResponse::Ok().json(answer))
}

fn shown_as(
    mut response: actix_web::HttpResponseBuilder,
    product: &catalog::Product,
    stock: &HashMap<SkuId, i64>,
) -> HttpResponse {
    response.insert_header(etag(product.version)).json(Product::of(product, stock))
}

async fn stock_of(shop: &Services, product: &catalog::Product) -> Result<HashMap<SkuId, i64>, Problem> {
    let skus: Vec<SkuId> = product.skus.iter().map(|sku| sku.id).collect();
    shop.available_of(&skus).await.map_err(|error| Problem::unavailable(&error))
}

/// Has new SKUs stocked, all at once.
async fn stock_new(shop: &Services, new: &[InitialStock]) -> Vec<(SkuId, Result<i64, Problem>)> {
    join_all(new.iter().map(async |new| {
        let command = Command::Initialize(stampede_domain::stock::Initialize { quantity: new.units });
        (new.sku_id, stock_sku(shop, new.sku_id, command).await)
    }))
    .await
}

/// Tells a SKU's actor, which answers what is for sale now.
async fn stock_sku(shop: &Services, sku: SkuId, command: Command) -> Result<i64, Problem> {
    let answered = shop.actors.stock.command(sku.0, sku, command).await.map_err(refusal::stock)?;
    match answered.answer {
        Answer::Stock(view) => {
            let available = view.regular().available;
            shop.remember_available(sku, available).await;
            Ok(available)
        }
        Answer::Done | Answer::Reservation(_) | Answer::Sale(_) | Answer::Mine(_) => {
            Err(Problem::new(Code::Internal))
        }
    }
}

pub(super) fn not_found() -> Problem {
    Problem::new(Code::NotFound).detail("There is no such product.")
}

/// Why the catalog did not do as asked.
pub(super) fn not_written(error: WriteError) -> Problem {
    match error {
        WriteError::Invalid(errors) => Problem::from(errors),
        WriteError::NotFound => not_found(),
        WriteError::VersionConflict => Problem::new(Code::VersionConflict),
        WriteError::IdempotencyMismatch => Problem::new(Code::IdempotencyMismatch),
        WriteError::SkuCodeTaken => Problem::new(Code::Conflict).detail("A SKU's code is taken."),
        WriteError::CategoryNameTaken => {
            Problem::new(Code::Conflict).detail("There is a category of that name.")
        }
        WriteError::Read(_) | WriteError::Database(_) => Problem::unavailable(&error),
    }
}
