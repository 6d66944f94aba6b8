//! Flash sales.

pub(super) mod wire;

use actix_web::{HttpResponse, web::Data};
use stampede_kernel::FlashSaleId;
use stampede_platform::engine::clock;
use stampede_shop::services::{
    Services,
    purchases::{self, FlashPurchase},
    sales::{self, SaleError, SaleOfSku},
};
use uuid::Uuid;

pub use self::wire::{
    FlashSale, FlashSaleInput, FlashSalePatch, FlashSaleResult, PurchaseInput, PurchaseResult,
};
use super::wire::{EmptyBody, PageOf, Paging, located, replayed};
use crate::{
    extract::{Admin, Auth, Json, KeyedJson, Path, Query, Unversioned},
    problem::Problem,
};

/// Flash sales, open ones first.
#[utoipa::path(get, path = "/api/v1/flash-sales", operation_id = "listFlashSales", tag = "flash sales",
    params(Paging),
    responses((status = 200, body = PageOf<FlashSale>)))]
pub async fn list(paging: Query<Paging>, services: Data<Services>) -> Result<HttpResponse, Problem> {
    let paging = paging.checked()?;
    let page = sales::list(&services, paging).await?;
    let now = clock::now();
    Ok(HttpResponse::Ok().json(PageOf::of(page, paging, |row| FlashSale::of_row(row, now))))
}

/// One flash sale, as its actor has it.
#[utoipa::path(get, path = "/api/v1/flash-sales/{id}", operation_id = "getFlashSale", tag = "flash sales",
    responses((status = 200, body = FlashSale), (status = 404)))]
pub async fn get(id: Path<Uuid>, services: Data<Services>) -> Result<HttpResponse, Problem> {
    shown(sales::get(&services, FlashSaleId(id.0)).await)
}

/// Buys units of a flash sale.
///
/// 201 with the order's number when units and order are durable; 202 when the order is on its way.
#[utoipa::path(post, path = "/api/v1/flash-sales/{id}/purchase", operation_id = "purchaseFlashSale",
    tag = "flash sales", request_body = PurchaseInput, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = PurchaseResult), (status = 202, body = PurchaseResult),
        (status = 409, description = "sold_out, limit_reached, not_started, ended or paused")))]
pub async fn purchase(
    request: KeyedJson<PurchaseInput>,
    id: Path<Uuid>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let (user, quantity, key) = (request.caller.user_id, request.body.quantity, request.key);
    let purchase = FlashPurchase { user, sale: FlashSaleId(id.0), quantity, key };
    Ok(purchased(&purchases::in_flash_sale(&services, purchase).await?))
}

/// The answer to a purchase: 201 with its order, or 202 while the order is on its way.
pub(super) fn purchased(purchased: &purchases::Purchased) -> HttpResponse {
    let answer = PurchaseResult::of(purchased);
    let mut response =
        if purchased.order.is_some() { HttpResponse::Created() } else { HttpResponse::Accepted() };
    let address = format!("/api/v1/orders/{}", answer.order_no);
    replayed(located(response.json(answer), &address), purchased.replayed)
}

/// The caller's own result in a sale.
#[utoipa::path(get, path = "/api/v1/flash-sales/{id}/me", operation_id = "getMyFlashSaleResult",
    tag = "flash sales",
    responses((status = 200, body = FlashSaleResult)))]
pub async fn mine(caller: Auth, id: Path<Uuid>, services: Data<Services>) -> Result<HttpResponse, Problem> {
    let sale = FlashSaleId(id.0);
    let own = sales::own_result(&services, sale, caller.user_id).await?;
    Ok(HttpResponse::Ok().json(FlashSaleResult::of(sale, &own)))
}

/// Opens a flash sale: its units leave the regular pool now, so that its start cannot fail.
#[utoipa::path(post, path = "/api/v1/flash-sales", operation_id = "createFlashSale", tag = "flash sales",
    request_body = FlashSaleInput, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = FlashSale),
        (status = 409, description = "insufficient_stock, or conflict: it is not on the shelf")))]
pub async fn create(
    _: Admin,
    _: Unversioned,
    request: KeyedJson<FlashSaleInput>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let opened = sales::open(&services, request.body.checked(request.key)?).await?;
    let response = HttpResponse::Created().json(FlashSale::of(&opened.answer, clock::now()));
    Ok(replayed(located(response, &address(&opened.answer)), opened.replayed))
}

/// Where a flash sale is shown.
pub(super) fn address(sale: &SaleOfSku) -> String {
    format!("/api/v1/flash-sales/{}", sale.view.id)
}

/// Changes the terms of a flash sale that is not closed.
#[utoipa::path(patch, path = "/api/v1/flash-sales/{id}", operation_id = "updateFlashSale",
    tag = "flash sales", request_body = FlashSalePatch,
    responses((status = 200, body = FlashSale)))]
pub async fn amend(
    _: Admin,
    _: Unversioned,
    id: Path<Uuid>,
    change: Json<FlashSalePatch>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    shown(sales::amend(&services, FlashSaleId(id.0), change.checked()?).await)
}

/// Stops selling for a while.
#[utoipa::path(post, path = "/api/v1/flash-sales/{id}/pause", operation_id = "pauseFlashSale",
    tag = "flash sales",
    responses((status = 200, body = FlashSale)))]
pub async fn pause(
    _: Admin,
    _: Unversioned,
    id: Path<Uuid>,
    _: Json<EmptyBody>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    shown(sales::pause(&services, FlashSaleId(id.0)).await)
}

/// Goes on selling.
#[utoipa::path(post, path = "/api/v1/flash-sales/{id}/resume", operation_id = "resumeFlashSale",
    tag = "flash sales",
    responses((status = 200, body = FlashSale)))]
pub async fn resume(
    _: Admin,
    _: Unversioned,
    id: Path<Uuid>,
    _: Json<EmptyBody>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    shown(sales::resume(&services, FlashSaleId(id.0)).await)
}

/// Ends a flash sale; the unsold rest goes back to the regular pool.
#[utoipa::path(post, path = "/api/v1/flash-sales/{id}/close", operation_id = "closeFlashSale",
    tag = "flash sales",
    responses((status = 200, body = FlashSale)))]
pub async fn close(
    _: Admin,
    _: Unversioned,
    id: Path<Uuid>,
    _: Json<EmptyBody>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    shown(sales::close(&services, FlashSaleId(id.0)).await)
}

fn shown(sale: Result<SaleOfSku, SaleError>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(FlashSale::of(&sale?, clock::now())))
}
