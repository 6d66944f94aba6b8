//! The addresses of existing GoMall clients and load scripts, where they are more than another name
//! for a canonical one.
//!
//! An id there may be a product's, which means its default SKU, or a SKU's own.

use actix_web::{HttpResponse, web::Data};
use serde::Deserialize;
use stampede_kernel::ProductId;
use stampede_platform::engine::clock;
use stampede_shop::{
    records::catalog::ProductFilter,
    services::{
        Services, carts, categories, products as catalog, purchases,
        sales::{self, Offered},
    },
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    cart::{self, Cart},
    flash_sales::{self, FlashSale, PurchaseResult},
    orders::{self, Order},
    products::{self, Product, ProductInput, body::Amounts},
    wire::{self, PageOf, Paging},
};
use crate::{
    extract::{Admin, Auth, IfMatch, Json, KeyedJson, Path, Query, Seller, Unversioned},
    problem::{Problem, ProblemShape},
};

/// Which products to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct GomallListing {
    pub page: Option<u32>,
    pub page_size: Option<u32>,
    /// A category's id or name.
    pub category: Option<String>,
}

/// Some units of a product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GomallLine {
    pub product_id: Uuid,
    /// 1, if missing.
    #[serde(default = "wire::one")]
    pub quantity: i64,
}

/// A product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GomallProduct {
    pub product_id: Uuid,
}

/// A product, in the body or in the query.
#[derive(Debug, Deserialize, ToSchema, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GomallChoice {
    pub product_id: Option<Uuid>,
}

/// Units for a flash sale.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GomallSale {
    pub product_id: Uuid,
    pub stock: i64,
}

/// The products on the shelf, newest first.
#[utoipa::path(get, path = "/api/product", operation_id = "gomallListProducts", tag = "gomall",
    params(GomallListing),
    responses((status = 200, body = PageOf<Product>)))]
pub async fn products(
    listing: Query<GomallListing>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let category_id = match listing.category.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => Some(categories::named(&services, text).await?),
        None => None,
    };
    let filter = ProductFilter { category_id, ..ProductFilter::default() };
    let paging = Paging { page: listing.page, page_size: listing.page_size }.checked()?;
    let page = catalog::list(&services, &filter, paging).await?;
    Ok(HttpResponse::Ok().json(PageOf::of(page, paging, Product::of)))
}

/// Makes a product; prices may be numbers.
#[utoipa::path(post, path = "/api/product", operation_id = "gomallCreateProduct", tag = "gomall",
    request_body = ProductInput, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Product),
        (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn create_product(
    seller: Seller,
    _: Unversioned,
    request: KeyedJson<ProductInput>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let new = request.body.checked(Amounts::TextsOrNumbers)?;
    Ok(products::created(&catalog::create(&services, seller.principal(), &new, request.key).await?))
}

/// Sets everything of a product; prices may be numbers.
#[utoipa::path(put, path = "/api/product/{id}", operation_id = "gomallReplaceProduct", tag = "gomall",
    request_body = ProductInput, params(("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Product), (status = 404, body = ProblemShape),
        (status = 412, description = "The product has changed meanwhile", body = ProblemShape),
        (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn replace_product(
    seller: Seller,
    version: IfMatch,
    id: Path<Uuid>,
    body: Json<ProductInput>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (new, by) = (body.0.checked(Amounts::TextsOrNumbers)?, seller.principal());
    let product = catalog::replace(&services, by, ProductId(id.0), new, version.0.as_deref()).await?;
    Ok(products::shown(HttpResponse::Ok(), &product))
}

/// Buys a product directly.
#[utoipa::path(post, path = "/api/order", operation_id = "gomallCreateOrder", tag = "gomall",
    request_body = GomallLine, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Order), (status = 404, body = ProblemShape),
        (status = 409, description = "insufficient_stock", body = ProblemShape)))]
pub async fn order(
    request: KeyedJson<GomallLine>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let GomallLine { product_id, quantity } = request.body;
    let user = request.caller.user_id;
    let bought = purchases::product_directly(&services, user, product_id, quantity, request.key).await?;
    Ok(orders::bought(&bought))
}

/// Adds to the cart.
#[utoipa::path(post, path = "/api/cart", operation_id = "gomallAddToCart", tag = "gomall",
    request_body = GomallLine,
    responses((status = 200, body = Cart), (status = 404, body = ProblemShape)))]
pub async fn add_to_cart(
    caller: Auth,
    line: Json<GomallLine>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    cart::shown(carts::add_product(&services, caller.user_id, line.product_id, line.quantity).await)
}

/// Changes the quantity of a line.
#[utoipa::path(put, path = "/api/cart", operation_id = "gomallSetCartLine", tag = "gomall",
    request_body = GomallLine,
    responses((status = 200, body = Cart), (status = 404, body = ProblemShape)))]
pub async fn change_cart(
    caller: Auth,
    line: Json<GomallLine>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    cart::shown(carts::change_product(&services, caller.user_id, line.product_id, line.quantity).await)
}

/// Takes a line out of the cart.
#[utoipa::path(delete, path = "/api/cart", operation_id = "gomallRemoveFromCart", tag = "gomall",
    request_body = GomallChoice, params(GomallChoice),
    responses((status = 200, body = Cart), (status = 404, body = ProblemShape)))]
pub async fn remove_from_cart(
    request: KeyedJson<GomallChoice>,
    query: Query<GomallChoice>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let Some(id) = request.body.product_id.or(query.product_id) else {
        return Err(Problem::field("product_id", "required", "The field is required."));
    };
    cart::shown(carts::remove_product(&services, request.caller.user_id, id).await)
}

/// Buys one unit in the running flash sale of a product.
#[utoipa::path(post, path = "/api/seckill", operation_id = "gomallPurchaseFlashSale", tag = "gomall",
    request_body = GomallProduct, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = PurchaseResult), (status = 202, body = PurchaseResult),
        (status = 404, description = "There is no flash sale of it", body = ProblemShape),
        (status = 409, description = "sold_out, limit_reached, not_started, ended or paused", body = ProblemShape)))]
pub async fn seckill(
    request: KeyedJson<GomallProduct>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (user, product) = (request.caller.user_id, request.body.product_id);
    let purchased = purchases::in_sale_of_product(&services, user, product, request.key).await?;
    Ok(flash_sales::purchased(&purchased))
}

/// Opens a flash sale of a product at its present price, or adds units to the one that runs.
#[utoipa::path(post, path = "/api/seckill/init", operation_id = "gomallCreateFlashSale", tag = "gomall",
    request_body = GomallSale, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, description = "Added to the running sale", body = FlashSale),
        (status = 201, description = "A new sale", body = FlashSale), (status = 404, body = ProblemShape),
        (status = 409, description = "The product is not on the shelf", body = ProblemShape),
        (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn init_seckill(
    _: Admin,
    _: Unversioned,
    request: KeyedJson<GomallSale>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let GomallSale { product_id, stock } = request.body;
    let Offered { sale, is_new, replayed } = sales::offer(&services, product_id, stock, request.key).await?;
    let mut response = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    let response = response.json(FlashSale::of(&sale, clock::now()));
    Ok(wire::replayed(wire::located(response, &flash_sales::address(&sale)), replayed))
}
