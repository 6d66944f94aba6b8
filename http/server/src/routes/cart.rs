//! The caller's cart.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stampede_domain::cart::{Command, Query as CartQuery, State};
use stampede_kernel::{Code, Money, SkuId, UserId};
use stampede_shop::projections;
use stampede_shop::services::Services;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{refusal, wire};
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
pub struct NewLine {
    pub sku_id: Uuid,
    /// 1, if missing.
    #[serde(default = "wire::one")]
    pub quantity: i64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineChange {
    pub quantity: Option<i64>,
    pub selected: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    pub selected: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Count {
    /// Units in all lines.
    pub count: u64,
    pub lines: usize,
}

/// The cart.
#[utoipa::path(get, path = "/api/v1/cart", tag = "cart", security(("bearer" = [])),
    responses((status = 200, body = Cart)))]
pub async fn get(caller: Auth, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let user = caller.user_id;
    let state = shop.actors.cart.query(user.0, user, CartQuery::Get).await.map_err(refusal::cart)?;
    show(&shop, &state).await
}

/// How much is in the cart.
#[utoipa::path(get, path = "/api/v1/cart/count", tag = "cart", security(("bearer" = [])),
    responses((status = 200, body = Count)))]
pub async fn count(caller: Auth, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let user = caller.user_id;
    let state = shop.actors.cart.query(user.0, user, CartQuery::Get).await.map_err(refusal::cart)?;
    Ok(HttpResponse::Ok().json(Count { count: units(&state), lines: state.lines.len() }))
}

/// Adds to the cart.
#[utoipa::path(post, path = "/api/v1/cart/items", tag = "cart", request_body = NewLine, security(("bearer" = [])),
    responses((status = 200, body = Cart), (status = 404)))]
pub async fn add(caller: Auth, line: Json<NewLine>, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let quantity = wire::quantity(Some(line.quantity), "quantity")?;
    add_sku(&shop, caller.user_id, SkuId(line.sku_id), quantity).await
}

pub(super) async fn add_sku(
    shop: &Services,
    user: UserId,
    sku: SkuId,
    quantity: u32,
) -> Result<HttpResponse, Problem> {
    let offer = shop.catalog.offer(sku).await.map_err(|error| Problem::unavailable(&error))?;
    if !offer.is_some_and(|offer| offer.active) {
        return Err(Problem::new(Code::NotFound).detail("There is no such SKU for sale."));
    }
    change(shop, user, Command::Add { sku, quantity }).await
}

/// Changes a line.
#[utoipa::path(patch, path = "/api/v1/cart/items/{sku_id}", tag = "cart", request_body = LineChange,
    security(("bearer" = [])), responses((status = 200, body = Cart), (status = 404)))]
pub async fn change_line(
    caller: Auth,
    sku: Path<Uuid>,
    body: Json<LineChange>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let quantity = body.quantity.map(|quantity| wire::quantity(Some(quantity), "quantity")).transpose()?;
    let selected = body.selected;
    if quantity.is_none() && selected.is_none() {
        return Err(Problem::field("quantity", "required", "Give a quantity, a selection or both."));
    }
    change(&shop, caller.user_id, Command::Change { sku: SkuId(sku.0), quantity, selected }).await
}

/// Takes a line out.
#[utoipa::path(delete, path = "/api/v1/cart/items/{sku_id}", tag = "cart", security(("bearer" = [])),
    responses((status = 200, body = Cart), (status = 404)))]
pub async fn remove(caller: Auth, sku: Path<Uuid>, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    change(&shop, caller.user_id, Command::Remove { sku: SkuId(sku.0) }).await
}

/// Selects every line, or none.
#[utoipa::path(put, path = "/api/v1/cart/selection", tag = "cart", request_body = Selection,
    security(("bearer" = [])), responses((status = 200, body = Cart)))]
pub async fn select(
    caller: Auth,
    body: Json<Selection>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    change(&shop, caller.user_id, Command::SelectAll { selected: body.selected }).await
}

/// Empties the cart.
#[utoipa::path(delete, path = "/api/v1/cart", tag = "cart", security(("bearer" = [])),
    responses((status = 200, body = Cart)))]
pub async fn clear(caller: Auth, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    change(&shop, caller.user_id, Command::Clear).await
}

pub(super) async fn change(shop: &Services, user: UserId, command: Command) -> Result<HttpResponse, Problem> {
    let answered = shop.actors.cart.command(user.0, user, command).await.map_err(refusal::cart)?;
    show(shop, &answered.answer).await
}

fn units(state: &State) -> u64 {
    state.lines.iter().map(|line| u64::from(line.quantity)).sum()
}

/// The cart with what the catalog says of its lines.
async fn show(shop: &Services, state: &State) -> Result<HttpResponse, Problem> {
    let skus: Vec<SkuId> = state.lines.iter().map(|line| line.sku).collect();
    let offers = shop.catalog.offers(&skus).await.map_err(|error| Problem::unavailable(&error))?;
    let stock = projections::available_of(&shop.database, &skus)
        .await
        .map_err(|error| Problem::unavailable(&error))?;
    let mut total = rust_decimal::Decimal::ZERO;
    let mut items = Vec::with_capacity(state.lines.len());
    for (line, offer) in state.lines.iter().zip(offers) {
        let active = offer.as_ref().is_some_and(|offer| offer.active);
        let price: Option<Money> = offer.as_ref().map(|offer| offer.price);
        let subtotal = price.map(|price| price.times(line.quantity));
        if line.selected && active {
            total += subtotal.map_or(rust_decimal::Decimal::ZERO, Money::as_decimal);
        }
        let free = stock.get(&line.sku).copied().unwrap_or(0);
        items.push(CartItem {
            sku_id: line.sku.0,
            product_id: offer.as_ref().map(|offer| offer.product_id.0),
            name: offer.as_ref().map(|offer| offer.name.clone()),
            specs: offer.map_or_else(|| json!({}), |offer| json!(offer.specs)),
            quantity: line.quantity,
            selected: line.selected,
            unit_price: price.map(|price| price.to_string()),
            subtotal: subtotal.map(|subtotal| subtotal.to_string()),
            available: active && free >= i64::from(line.quantity),
            added_at: line.added_at.to_string(),
        });
    }
    total.rescale(2);
    Ok(HttpResponse::Ok().json(Cart {
        count: units(state),
        items,
        total: total.to_string(),
        currency: "CNY",
    }))
}
