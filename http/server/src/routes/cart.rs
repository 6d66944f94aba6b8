//! The caller's cart.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stampede_kernel::SkuId;
use stampede_shop::services::{
    Services,
    carts::{self, CartError, Quote, QuotedLine},
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire;
use crate::{
    extract::{Auth, Json, Path},
    problem::Problem,
};

/// One line of a cart, with the catalog's name and price of now.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartItem {
    pub sku_id: Uuid,
    pub product_id: Option<Uuid>,
    pub name: Option<String>,
    #[schema(value_type = Object)]
    pub specs: Value,
    pub quantity: u32,
    pub selected: bool,
    pub unit_price: Option<String>,
    pub subtotal: Option<String>,
    /// Whether this many can be bought now.
    pub available: bool,
    pub added_at: String,
}

/// A cart.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cart {
    pub items: Vec<CartItem>,
    /// Units in all lines.
    pub count: u64,
    /// The price of the selected lines that are for sale.
    pub total: String,
    pub currency: &'static str,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CartItemInput {
    pub sku_id: Uuid,
    /// 1, if missing.
    #[serde(default = "wire::one")]
    pub quantity: i64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CartItemPatch {
    pub quantity: Option<i64>,
    pub selected: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CartSelection {
    pub selected: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CartCount {
    /// Units in all lines.
    pub count: u64,
    pub lines: usize,
}

impl CartItem {
    fn of(quoted: QuotedLine) -> Self {
        let QuotedLine { line, offer, subtotal, available } = quoted;
        Self {
            sku_id: line.sku.0,
            product_id: offer.as_ref().map(|offer| offer.product_id.0),
            name: offer.as_ref().map(|offer| offer.name.clone()),
            specs: offer.as_ref().map_or_else(|| json!({}), |offer| json!(offer.specs)),
            quantity: line.quantity,
            selected: line.selected,
            unit_price: offer.map(|offer| offer.price.to_string()),
            subtotal: subtotal.map(|subtotal| subtotal.to_string()),
            available,
            added_at: line.added_at.to_string(),
        }
    }
}

impl Cart {
    fn of(quote: Quote) -> Self {
        Self {
            items: quote.lines.into_iter().map(CartItem::of).collect(),
            count: quote.units,
            total: quote.total.to_string(),
            currency: "CNY",
        }
    }
}

/// The cart.
#[utoipa::path(get, path = "/api/v1/cart", operation_id = "getCart", tag = "cart",
    responses((status = 200, body = Cart)))]
pub async fn get(caller: Auth, services: Data<Services>) -> Result<HttpResponse, Problem> {
    shown(carts::get(&services, caller.user_id).await)
}

/// How much is in the cart.
#[utoipa::path(get, path = "/api/v1/cart/count", operation_id = "countCart", tag = "cart",
    responses((status = 200, body = CartCount)))]
pub async fn count(caller: Auth, services: Data<Services>) -> Result<HttpResponse, Problem> {
    let carts::Count { units, lines } = carts::count(&services, caller.user_id).await?;
    Ok(HttpResponse::Ok().json(CartCount { count: units, lines }))
}

/// Adds to the cart.
#[utoipa::path(post, path = "/api/v1/cart/items", operation_id = "addCartItem", tag = "cart",
    request_body = CartItemInput,
    responses((status = 200, body = Cart), (status = 404)))]
pub async fn add(
    caller: Auth,
    line: Json<CartItemInput>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    shown(carts::add(&services, caller.user_id, SkuId(line.sku_id), line.quantity).await)
}

/// Changes a line.
#[utoipa::path(patch, path = "/api/v1/cart/items/{sku_id}", operation_id = "updateCartItem", tag = "cart",
    request_body = CartItemPatch,
    responses((status = 200, body = Cart), (status = 404)))]
pub async fn change_line(
    caller: Auth,
    sku: Path<Uuid>,
    body: Json<CartItemPatch>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let CartItemPatch { quantity, selected } = body.0;
    shown(carts::change_line(&services, caller.user_id, SkuId(sku.0), quantity, selected).await)
}

/// Takes a line out.
#[utoipa::path(delete, path = "/api/v1/cart/items/{sku_id}", operation_id = "removeCartItem", tag = "cart",
    responses((status = 200, body = Cart), (status = 404)))]
pub async fn remove(
    caller: Auth,
    sku: Path<Uuid>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    shown(carts::remove(&services, caller.user_id, SkuId(sku.0)).await)
}

/// Selects every line, or none.
#[utoipa::path(put, path = "/api/v1/cart/selection", operation_id = "selectCartItems", tag = "cart",
    request_body = CartSelection,
    responses((status = 200, body = Cart)))]
pub async fn select(
    caller: Auth,
    body: Json<CartSelection>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    shown(carts::select_all(&services, caller.user_id, body.selected).await)
}

/// Empties the cart.
#[utoipa::path(delete, path = "/api/v1/cart", operation_id = "clearCart", tag = "cart",
    responses((status = 200, body = Cart)))]
pub async fn clear(caller: Auth, services: Data<Services>) -> Result<HttpResponse, Problem> {
    shown(carts::clear(&services, caller.user_id).await)
}

pub(super) fn shown(quote: Result<Quote, CartError>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(Cart::of(quote?)))
}
