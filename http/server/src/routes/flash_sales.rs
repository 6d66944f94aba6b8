//! Flash sales.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use stampede_domain::{
    order::Status,
    stock::{
        Amendment, Answer, Command, OpenSale, Query as StockQuery, ReservationStatus, ReservationView,
        SaleView, Source, Terms, limits::PAY_WITHIN_SECONDS_MAX,
    },
};
use stampede_kernel::{Code, FlashSaleId, IdempotencyKey, SkuId, Timestamp, limits::UNITS_MAX};
use stampede_shop::services::{Services, line_of};
use stampede_shop::{
    projections::{self, SaleRow},
    records::catalog::Offer,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    claimed::claimed,
    purchase::{Bought, Wish, buy},
    refusal,
    wire::{self, Nothing, PageOf, Paging},
};
use crate::{
    extract::{Admin, Auth, Json, KeyedJson, Path, Query, Unversioned},
    problem::Problem,
};

/// A flash sale, as everybody sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct FlashSale {
    pub id: Uuid,
    pub sku_id: Uuid,
    pub product_id: Uuid,
    pub name: String,
    /// What a unit costs in the sale, such as `"19.90"`.
    pub price: String,
    pub original_price: String,
    pub currency: String,
    /// Units allotted to the sale.
    pub quantity: i64,
    pub available: i64,
    pub per_user_limit: u32,
    pub starts_at: String,
    pub ends_at: String,
    pub pay_within_seconds: i64,
    /// `scheduled`, `running`, `sold_out`, `ended` or `closed`.
    pub state: &'static str,
    pub paused: bool,
    /// For countdowns.
    pub server_time: String,
}

impl FlashSale {
    fn of_row(row: &SaleRow, now: Timestamp) -> Self {
        Self {
            id: row.id.0,
            sku_id: row.sku.0,
            product_id: row.product.0,
            name: row.name.clone(),
            price: row.price.to_string(),
            original_price: row.original_price.to_string(),
            currency: row.currency.clone(),
            quantity: row.pool.allotted,
            available: row.pool.available,
            per_user_limit: row.per_user_limit,
            starts_at: row.starts_at.to_string(),
            ends_at: row.ends_at.to_string(),
            pay_within_seconds: row.pay_within_ms / 1_000,
            state: row.state(now).as_str(),
            paused: row.paused,
            server_time: now.to_string(),
        }
    }

    pub(super) fn of_view(sku: SkuId, view: &SaleView, now: Timestamp) -> Self {
        let terms = &view.terms;
        Self {
            id: view.id.0,
            sku_id: sku.0,
            product_id: terms.line.product_id.0,
            name: terms.line.name.clone(),
            price: terms.line.unit_price.to_string(),
            original_price: terms.original_price.to_string(),
            currency: terms.line.currency.as_str().to_owned(),
            quantity: view.pool.allotted,
            available: view.pool.available,
            per_user_limit: terms.per_user_limit,
            starts_at: terms.starts_at.to_string(),
            ends_at: terms.ends_at.to_string(),
            pay_within_seconds: terms.pay_within_ms / 1_000,
            state: view.state.as_str(),
            paused: view.paused,
            server_time: now.to_string(),
        }
    }
}

/// A new flash sale.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFlashSale {
    pub sku_id: Uuid,
    /// Such as `"19.90"`.
    pub price: String,
    /// Units moved out of the regular pool.
    pub quantity: i64,
    pub per_user_limit: Option<u32>,
    /// RFC 3339; now, if missing.
    pub starts_at: Option<String>,
    pub ends_at: String,
    pub pay_within_seconds: Option<i64>,
}

/// What may change of a flash sale.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlashSaleChange {
    pub price: Option<String>,
    pub per_user_limit: Option<u32>,
    pub starts_at: Option<String>,
    pub ends_at: Option<String>,
    pub pay_within_seconds: Option<i64>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Purchase {
    /// 1, if missing.
    pub quantity: Option<i64>,
}

/// A purchase: durable, and final.
#[derive(Debug, Serialize, ToSchema)]
pub struct Purchased {
    pub order_no: String,
    pub reservation_id: Uuid,
    pub quantity: u32,
    pub unit_price: String,
    pub total: String,
    /// The order's status, or `reserved` while the order is on its way.
    pub status: &'static str,
    pub pay_before: String,
}

impl Purchased {
    pub(super) fn of(bought: &Bought) -> Self {
        let status = bought.order.as_ref().map_or("reserved", |order| order.status.as_str());
        Self::reservation(&bought.reservation, status)
    }

    fn reservation(reservation: &ReservationView, status: &'static str) -> Self {
        Self {
            order_no: reservation.order_no.to_string(),
            reservation_id: reservation.reservation.0,
            quantity: reservation.quantity,
            unit_price: reservation.unit_price.to_string(),
            total: reservation.unit_price.times(reservation.quantity).to_string(),
            status,
            pay_before: reservation.pay_before.to_string(),
        }
    }
}

/// The caller's own part in a sale.
#[derive(Debug, Serialize, ToSchema)]
pub struct MyResult {
    pub flash_sale_id: Uuid,
    /// Units held or bought.
    pub units: u32,
    pub per_user_limit: u32,
    pub purchases: Vec<Purchased>,
}

/// Flash sales, open ones first.
#[utoipa::path(get, path = "/api/v1/flash-sales", tag = "flash sales", params(Paging),
    responses((status = 200, body = PageOf<FlashSale>)))]
pub async fn list(paging: Query<Paging>, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let (page, size) = paging.checked()?;
    let (rows, total) = projections::sale_page(&shop.database, i64::from(page), i64::from(size))
        .await
        .map_err(|error| Problem::unavailable(&error))?;
    let now = shop.now();
    let sales = rows.iter().map(|row| FlashSale::of_row(row, now)).collect();
    Ok(HttpResponse::Ok().json(PageOf::new(sales, total, (page, size))))
}

/// One flash sale, as its actor has it.
#[utoipa::path(get, path = "/api/v1/flash-sales/{id}", tag = "flash sales",
    responses((status = 200, body = FlashSale), (status = 404)))]
pub async fn get(id: Path<Uuid>, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let sale = FlashSaleId(id.0);
    let sku = sku_of_sale(&shop, sale).await?;
    answer_sale(&shop, sku, shop.actors.stock.query(sku.0, sku, StockQuery::Sale(sale)).await)
}

/// Buys units of a flash sale.
///
/// 201 with the order's number when units and order are durable; 202 when the order is on its way.
#[utoipa::path(post, path = "/api/v1/flash-sales/{id}/purchase", tag = "flash sales", request_body = Purchase,
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Purchased), (status = 202, body = Purchased),
        (status = 409, description = "sold_out, limit_reached, not_started, ended or paused")))]
pub async fn purchase(
    request: KeyedJson<Purchase>,
    id: Path<Uuid>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    shop.metrics.seckill_requests.inc();
    let sale = FlashSaleId(id.0);
    let wish = Wish {
        user: request.caller.user_id,
        sku: sku_of_sale(&shop, sale).await?,
        source: Source::Sale(sale),
        quantity: wire::quantity(request.body.quantity, "quantity")?,
        note: None,
        key: request.key,
        // The path names the sale, and so the actor that remembers the key.
        claim: false,
    };
    let bought = buy(&shop, wish).await?;
    shop.metrics.seckill_success.inc();
    Ok(purchased(&bought))
}

pub(super) fn purchased(bought: &Bought) -> HttpResponse {
    let answer = Purchased::of(bought);
    let mut response =
        if bought.order.is_some() { HttpResponse::Created() } else { HttpResponse::Accepted() };
    let address = format!("/api/v1/orders/{}", answer.order_no);
    wire::replayed(wire::located(response.json(answer), &address), bought.replayed)
}

/// The caller's own result in a sale.
#[utoipa::path(get, path = "/api/v1/flash-sales/{id}/me", tag = "flash sales", security(("bearer" = [])),
    responses((status = 200, body = MyResult)))]
pub async fn mine(caller: Auth, id: Path<Uuid>, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let sale = FlashSaleId(id.0);
    let sku = sku_of_sale(&shop, sale).await?;
    let user = caller.user_id;
    let answer = shop.actors.stock.query(sku.0, sku, StockQuery::Mine { sale, user }).await;
    let Answer::Mine(reservations) = answer.map_err(refusal::stock)? else {
        return Err(Problem::new(Code::Internal));
    };
    let answer = shop.actors.stock.query(sku.0, sku, StockQuery::Sale(sale)).await;
    let Answer::Sale(view) = answer.map_err(refusal::stock)? else {
        return Err(Problem::new(Code::Internal));
    };
    let mut units = 0;
    let mut purchases = Vec::with_capacity(reservations.len());
    for reservation in &reservations {
        let status = match reservation.status {
            ReservationStatus::Held => Status::PendingPayment.as_str(),
            ReservationStatus::Confirmed => Status::Paid.as_str(),
            ReservationStatus::Released | ReservationStatus::Void => Status::Cancelled.as_str(),
        };
        if matches!(reservation.status, ReservationStatus::Held | ReservationStatus::Confirmed) {
            units += reservation.quantity;
        }
        purchases.push(Purchased::reservation(reservation, status));
    }
    let limit = view.terms.per_user_limit;
    Ok(HttpResponse::Ok().json(MyResult { flash_sale_id: sale.0, units, per_user_limit: limit, purchases }))
}

/// Opens a flash sale: its units leave the regular pool now, so that its start cannot fail.
#[utoipa::path(post, path = "/api/v1/flash-sales", tag = "flash sales", request_body = NewFlashSale,
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = FlashSale),
        (status = 409, description = "insufficient_stock, or conflict: it is not on the shelf")))]
pub async fn create(
    _: Admin,
    _: Unversioned,
    request: KeyedJson<NewFlashSale>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let new = request.body;
    let now = shop.now();
    let sku = SkuId(new.sku_id);
    let unknown = || Problem::field("sku_id", "unknown", "There is no such SKU.");
    let offer = match on_shelf(&shop, sku, unknown).await {
        Ok(offer) => offer,
        Err(refused) => {
            // It may have left the shelf since the sale was opened.
            let view = opened_before(&shop, sku, request.key).await?.ok_or(refused)?;
            return Ok(wire::replayed(created(sku, &view, now), true));
        }
    };
    if !(1..=UNITS_MAX).contains(&new.quantity) {
        return Err(Problem::field("quantity", "out_of_range", format!("Must be from 1 to {UNITS_MAX}.")));
    }
    let original_price = offer.price;
    let mut line = line_of(&offer);
    line.unit_price = wire::price(&new.price, "price")?;
    let terms = Terms {
        line,
        original_price,
        per_user_limit: new.per_user_limit.unwrap_or(1),
        starts_at: new.starts_at.as_deref().map_or(Ok(now), |text| wire::moment(text, "starts_at"))?,
        ends_at: wire::moment(&new.ends_at, "ends_at")?,
        pay_within_ms: pay_within(new.pay_within_seconds)?.unwrap_or_else(|| shop.settings.pay_within_ms),
    };
    let sale = FlashSaleId(Uuid::now_v7());
    let open = OpenSale { sale, terms, quantity: new.quantity, receive_missing: false, key: request.key };
    let answered = claimed(&shop, request.key, sku, async |sku| {
        let command = Command::OpenSale(Box::new(open));
        shop.actors.stock.command(sku.0, sku, command).await.map_err(refusal::stock)
    });
    let answered = answered.await?;
    let Answer::Sale(view) = answered.answer else { return Err(Problem::new(Code::Internal)) };
    shop.remember_sale(view.id, sku).await;
    Ok(wire::replayed(created(sku, &view, now), answered.replayed))
}

/// What a flash sale is made of: a SKU that is for sale.
pub(super) async fn on_shelf(
    shop: &Services,
    sku: SkuId,
    unknown: impl FnOnce() -> Problem,
) -> Result<Offer, Problem> {
    let offer = shop.catalog.offer_now(sku).await.map_err(|error| Problem::unavailable(&error))?;
    let offer = offer.ok_or_else(unknown)?;
    if offer.active {
        return Ok(offer);
    }
    Err(Problem::new(Code::Conflict).detail("The product or this SKU of it is not on the shelf."))
}

fn created(sku: SkuId, view: &SaleView, now: Timestamp) -> HttpResponse {
    let response = HttpResponse::Created().json(FlashSale::of_view(sku, view, now));
    wire::located(response, &format!("/api/v1/flash-sales/{}", view.id))
}

/// The sale that was opened or extended under a key before, if one was.
pub(super) async fn opened_before(
    shop: &Services,
    sku: SkuId,
    key: Option<IdempotencyKey>,
) -> Result<Option<Box<SaleView>>, Problem> {
    let Some(key) = key else { return Ok(None) };
    match shop.actors.stock.query(sku.0, sku, StockQuery::Made(key)).await.map_err(refusal::stock)? {
        Answer::Sale(view) => Ok(Some(view)),
        Answer::Done | Answer::Reservation(_) | Answer::Stock(_) | Answer::Mine(_) => Ok(None),
    }
}

/// Changes the terms of a flash sale that is not closed.
#[utoipa::path(patch, path = "/api/v1/flash-sales/{id}", tag = "flash sales", request_body = FlashSaleChange,
    security(("bearer" = [])), responses((status = 200, body = FlashSale)))]
pub async fn amend(
    _: Admin,
    _: Unversioned,
    id: Path<Uuid>,
    change: Json<FlashSaleChange>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let change = &change.0;
    let amendment = Amendment {
        price: change.price.as_deref().map(|text| wire::price(text, "price")).transpose()?,
        per_user_limit: change.per_user_limit,
        starts_at: change.starts_at.as_deref().map(|text| wire::moment(text, "starts_at")).transpose()?,
        ends_at: change.ends_at.as_deref().map(|text| wire::moment(text, "ends_at")).transpose()?,
        pay_within_ms: pay_within(change.pay_within_seconds)?,
    };
    let sale = FlashSaleId(id.0);
    change_sale(&shop, sale, Command::AmendSale(stampede_domain::stock::AmendSale { sale, amendment })).await
}

/// Stops selling for a while.
#[utoipa::path(post, path = "/api/v1/flash-sales/{id}/pause", tag = "flash sales", security(("bearer" = [])),
    responses((status = 200, body = FlashSale)))]
pub async fn pause(
    _: Admin,
    _: Unversioned,
    id: Path<Uuid>,
    _: Json<Nothing>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let sale = FlashSaleId(id.0);
    change_sale(&shop, sale, Command::PauseSale(stampede_domain::stock::PauseSale { sale })).await
}

/// Goes on selling.
#[utoipa::path(post, path = "/api/v1/flash-sales/{id}/resume", tag = "flash sales", security(("bearer" = [])),
    responses((status = 200, body = FlashSale)))]
pub async fn resume(
    _: Admin,
    _: Unversioned,
    id: Path<Uuid>,
    _: Json<Nothing>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let sale = FlashSaleId(id.0);
    change_sale(&shop, sale, Command::ResumeSale(stampede_domain::stock::ResumeSale { sale })).await
}

/// Ends a flash sale; the unsold rest goes back to the regular pool.
#[utoipa::path(post, path = "/api/v1/flash-sales/{id}/close", tag = "flash sales", security(("bearer" = [])),
    responses((status = 200, body = FlashSale)))]
pub async fn close(
    _: Admin,
    _: Unversioned,
    id: Path<Uuid>,
    _: Json<Nothing>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let sale = FlashSaleId(id.0);
    change_sale(&shop, sale, Command::CloseSale(stampede_domain::stock::CloseSale { sale })).await
}

async fn change_sale(shop: &Services, sale: FlashSaleId, command: Command) -> Result<HttpResponse, Problem> {
    let sku = sku_of_sale(&shop, sale).await?;
    let answer = shop.actors.stock.command(sku.0, sku, command).await;
    answer_sale(shop, sku, answer.map(|answered| answered.answer))
}

fn answer_sale(
    shop: &Services,
    sku: SkuId,
    answer: Result<Answer, stampede_platform::runtime::AskError<stampede_domain::stock::Refusal>>,
) -> Result<HttpResponse, Problem> {
    match answer.map_err(refusal::stock)? {
        Answer::Sale(view) => Ok(HttpResponse::Ok().json(FlashSale::of_view(sku, &view, shop.now()))),
        Answer::Done | Answer::Reservation(_) | Answer::Stock(_) | Answer::Mine(_) => {
            Err(Problem::new(Code::Internal))
        }
    }
}

/// The SKU of a flash sale, which says which actor to ask.
async fn sku_of_sale(shop: &Services, sale: FlashSaleId) -> Result<SkuId, Problem> {
    let sku = shop.sku_of_sale(sale).await.map_err(|error| Problem::unavailable(&error))?;
    sku.ok_or_else(|| Problem::new(Code::NotFound).detail("There is no such flash sale."))
}

fn pay_within(seconds: Option<i64>) -> Result<Option<i64>, Problem> {
    const SECONDS_MAX: i64 = PAY_WITHIN_SECONDS_MAX as i64;
    match seconds {
        Some(seconds) if !(1..=SECONDS_MAX).contains(&seconds) => Err(Problem::field(
            "pay_within_seconds",
            "out_of_range",
            format!("Must be from 1 to {SECONDS_MAX}."),
        )),
        other => Ok(other.map(|seconds| seconds * 1_000)),
    }
}
