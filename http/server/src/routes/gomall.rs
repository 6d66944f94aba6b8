//! The addresses of existing GoMall clients and load scripts, where they are more than another name
//! for a canonical one.
//!
//! An id there may be a product's, which means its default SKU, or a SKU's own.

use actix_web::{HttpResponse, web::Data};
use serde::Deserialize;
use stampede_domain::{
    cart::Command as CartCommand,
    stock::{Answer, Command, OpenSale, SaleView, Source, Terms},
};
use stampede_kernel::{
    CategoryId, Code, FlashSaleId, IdempotencyKey, Millis, ProductId, SkuId, limits::UNITS_MAX,
};
use stampede_shop::records::catalog::{Category, Offer, ProductFilter};
use stampede_shop::services::{Services, line_of};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    cart::{self, Cart},
    claimed::{claimed, meant},
    flash_sales::{self, FlashSale, Purchased},
    orders::{self, Order},
    product_body::{Amounts, NewProduct},
    products::{self, Product},
    purchase::{Wish, bought_before, buy},
    refusal,
    wire::{self, PageOf, Paging},
};
use crate::{
    extract::{Admin, Auth, IfMatch, Json, KeyedJson, Path, Query, Seller, Unversioned},
    problem::{Problem, ProblemShape},
};

/// How long a flash sale lasts that is opened here.
const SALE_MS: Millis = 24 * 3_600_000;
/// Units that one user may have of it.
const SALE_LIMIT: u32 = 1;

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
#[utoipa::path(get, path = "/api/product", tag = "gomall", params(GomallListing),
    responses((status = 200, body = PageOf<Product>)))]
pub async fn products(listing: Query<GomallListing>, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let category_id = match listing.category.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => Some(category(&shop, text).await?),
        None => None,
    };
    let filter = ProductFilter { category_id, ..ProductFilter::default() };
    products::show_page(&shop, &filter, Paging { page: listing.page, page_size: listing.page_size }).await
}

/// The category of that id or name. An unknown one has no products, as with GoMall.
async fn category(shop: &Services, text: &str) -> Result<CategoryId, Problem> {
    fn named(categories: &[Category], name: &str) -> Option<CategoryId> {
        categories.iter().find_map(|category| {
            if category.name == name { Some(category.id) } else { named(&category.children, name) }
        })
    }
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let tree = shop.catalog.categories().await.map_err(|error| Problem::unavailable(&error))?;
    Ok(named(&tree, text).unwrap_or(CategoryId(Uuid::nil())))
}

/// Makes a product; prices may be numbers.
#[utoipa::path(post, path = "/api/product", tag = "gomall", request_body = NewProduct,
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 201, body = Product),
    (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn create_product(
    _: Seller,
    _: Unversioned,
    request: KeyedJson<NewProduct>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let new = request.body.checked(Amounts::TextsOrNumbers)?;
    products::make(&shop, request.caller.user_id, new, request.key).await
}

/// Sets everything of a product; prices may be numbers.
#[utoipa::path(put, path = "/api/product/{id}", tag = "gomall", request_body = NewProduct,
    security(("bearer" = [])), params(("If-Match" = Option<String>, Header)), responses(
    (status = 200, body = Product), (status = 404, body = ProblemShape),
    (status = 412, description = "The product has changed meanwhile", body = ProblemShape),
    (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn replace_product(
    seller: Seller,
    version: IfMatch,
    id: Path<Uuid>,
    body: Json<NewProduct>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let new = body.0.checked(Amounts::TextsOrNumbers)?;
    products::set(&shop, &seller, ProductId(id.0), new, version).await
}

/// Buys a product directly.
#[utoipa::path(post, path = "/api/order", tag = "gomall", request_body = GomallLine,
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 201, body = Order), (status = 404, body = ProblemShape),
    (status = 409, description = "insufficient_stock", body = ProblemShape)))]
pub async fn order(request: KeyedJson<GomallLine>, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let quantity = wire::quantity(Some(request.body.quantity), "quantity")?;
    let sku = sku(&shop, request.body.product_id, request.key).await?;
    orders::direct_buy(&shop, request.caller.user_id, sku, quantity, None, request.key).await
}

/// Adds to the cart.
#[utoipa::path(post, path = "/api/cart", tag = "gomall", request_body = GomallLine,
    security(("bearer" = [])), responses((status = 200, body = Cart), (status = 404, body = ProblemShape)))]
pub async fn add_to_cart(
    caller: Auth,
    line: Json<GomallLine>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let quantity = wire::quantity(Some(line.quantity), "quantity")?;
    let sku = sku(&shop, line.product_id, None).await?;
    cart::add_sku(&shop, caller.user_id, sku, quantity).await
}

/// Changes the quantity of a line.
#[utoipa::path(put, path = "/api/cart", tag = "gomall", request_body = GomallLine,
    security(("bearer" = [])), responses((status = 200, body = Cart), (status = 404, body = ProblemShape)))]
pub async fn change_cart(
    caller: Auth,
    line: Json<GomallLine>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let quantity = Some(wire::quantity(Some(line.quantity), "quantity")?);
    let sku = in_cart(&shop, line.product_id).await?;
    cart::change(&shop, caller.user_id, CartCommand::Change { sku, quantity, selected: None }).await
}

/// Takes a line out of the cart.
#[utoipa::path(delete, path = "/api/cart", tag = "gomall", request_body = GomallChoice, params(GomallChoice),
    security(("bearer" = [])), responses((status = 200, body = Cart), (status = 404, body = ProblemShape)))]
pub async fn remove_from_cart(
    request: KeyedJson<GomallChoice>,
    query: Query<GomallChoice>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let Some(id) = request.body.product_id.or(query.product_id) else {
        return Err(Problem::field("product_id", "required", "The field is required."));
    };
    let sku = in_cart(&shop, id).await?;
    cart::change(&shop, request.caller.user_id, CartCommand::Remove { sku }).await
}

/// Buys one unit in the running flash sale of a product.
#[utoipa::path(post, path = "/api/seckill", tag = "gomall", request_body = GomallProduct,
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 201, body = Purchased), (status = 202, body = Purchased),
    (status = 404, description = "There is no flash sale of it", body = ProblemShape),
    (status = 409, description = "sold_out, limit_reached, not_started, ended or paused", body = ProblemShape)))]
pub async fn seckill(
    request: KeyedJson<GomallProduct>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    shop.metrics.seckill_requests.inc();
    let (user, key) = (request.caller.user_id, request.key);
    let sku = sku(&shop, request.body.product_id, key).await?;
    let bought = match shop.open_sale_of(sku).await.map_err(|error| Problem::unavailable(&error))? {
        Some(sale) => {
            let source = Source::Sale(sale);
            buy(&shop, Wish { user, sku, source, quantity: 1, note: None, key, claim: true }).await?
        }
        // The sale that it was bought in may be over.
        None => bought_before(&shop, user, sku, key).await?.ok_or_else(no_sale)?,
    };
    shop.metrics.seckill_success.inc();
    Ok(flash_sales::purchased(&bought))
}

fn no_sale() -> Problem {
    Problem::new(Code::NotFound).detail("There is no flash sale of this product.")
}

/// Opens a flash sale of a product at its present price, or adds units to the one that runs.
#[utoipa::path(post, path = "/api/seckill/init", tag = "gomall", request_body = GomallSale,
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 200, description = "Added to the running sale", body = FlashSale),
    (status = 201, description = "A new sale", body = FlashSale), (status = 404, body = ProblemShape),
    (status = 409, description = "The product is not on the shelf", body = ProblemShape),
    (status = 422, description = "Some fields are not valid", body = ProblemShape)))]
pub async fn init_seckill(
    _: Admin,
    _: Unversioned,
    request: KeyedJson<GomallSale>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let GomallSale { product_id, stock } = request.body;
    if !(1..=UNITS_MAX).contains(&stock) {
        return Err(Problem::field("stock", "out_of_range", format!("Must be from 1 to {UNITS_MAX}.")));
    }
    let key = request.key;
    let sku = sku(&shop, product_id, key).await?;
    let opened = |view: &SaleView| key.is_some_and(|key| view.opened_under == Some(key.key));
    claimed(&shop, key, sku, async |sku| {
        let offer = match flash_sales::on_shelf(&shop, sku, unknown_product).await {
            Ok(offer) => offer,
            Err(refused) => {
                let view = flash_sales::opened_before(&shop, sku, key).await?.ok_or(refused)?;
                return Ok(wire::replayed(initialized(&shop, sku, &view, opened(&view)), true));
            }
        };
        let open = new_sale(&shop, &offer, stock, key);
        let sale = open.sale;
        let command = Command::OfferSale(Box::new(open));
        let answered = shop.actors.stock.command(sku.0, sku, command).await.map_err(refusal::stock)?;
        let Answer::Sale(view) = answered.answer else { return Err(Problem::new(Code::Internal)) };
        if answered.replayed {
            // Another may be open by now.
            shop.remember_sale(view.id, sku).await;
        } else {
            shop.remember_open_sale(view.id, sku).await;
        }
        let response = initialized(&shop, sku, &view, view.id == sale || opened(&view));
        Ok(wire::replayed(response, answered.replayed))
    })
    .await
}

fn new_sale(shop: &Services, offer: &Offer, quantity: i64, key: Option<IdempotencyKey>) -> OpenSale {
    let now = shop.now();
    let terms = Terms {
        original_price: offer.price,
        line: line_of(offer),
        per_user_limit: SALE_LIMIT,
        starts_at: now,
        ends_at: now.plus(SALE_MS),
        pay_within_ms: shop.settings.pay_within_ms,
    };
    let sale = FlashSaleId(Uuid::now_v7());
    OpenSale { sale, terms, quantity, receive_missing: true, key }
}

fn initialized(shop: &Services, sku: SkuId, view: &SaleView, new: bool) -> HttpResponse {
    let mut response = if new { HttpResponse::Created() } else { HttpResponse::Ok() };
    let response = response.json(FlashSale::of_view(sku, view, shop.now()));
    wire::located(response, &format!("/api/v1/flash-sales/{}", view.id))
}

/// The SKU that an id means: the default one of a product, else the SKU itself. To a repeat it means what
/// it meant at first, even if it has left the catalog since.
async fn sku(shop: &Services, id: Uuid, key: Option<IdempotencyKey>) -> Result<SkuId, Problem> {
    if let Some(sku) = find(shop, id).await? {
        return Ok(sku);
    }
    meant(shop, key).await?.ok_or_else(unknown_product)
}

/// The same for what is in a cart already, where it may have left the catalog since.
async fn in_cart(shop: &Services, id: Uuid) -> Result<SkuId, Problem> {
    Ok(find(shop, id).await?.unwrap_or(SkuId(id)))
}

async fn find(shop: &Services, id: Uuid) -> Result<Option<SkuId>, Problem> {
    let unavailable = |error: stampede_shop::records::catalog::ReadError| Problem::unavailable(&error);
    if let Some(sku) = shop.catalog.sku_of(ProductId(id)).await.map_err(unavailable)? {
        return Ok(Some(sku));
    }
    let offer = shop.catalog.offer(SkuId(id)).await.map_err(unavailable)?;
    Ok(offer.map(|offer| offer.sku_id))
}

fn unknown_product() -> Problem {
    Problem::new(Code::NotFound).detail("There is no such product.")
}
