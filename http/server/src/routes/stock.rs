//! Stock of a SKU.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use stampede_domain::stock::StockView;
use stampede_kernel::SkuId;
use stampede_platform::runtime::Answered;
use stampede_shop::services::{
    Services,
    stock_levels::{self, StockError},
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire;
use crate::{
    extract::{KeyedJson, MaybeCaller, Path, Seller, Unversioned},
    problem::Problem,
};

/// Units under one set of rules.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockPool {
    /// `regular` or `flash_sale`.
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flash_sale_id: Option<Uuid>,
    pub allotted: i64,
    pub available: i64,
    pub held: i64,
    pub sold: i64,
}

/// The ledger of a SKU: `received = available + held + sold`, `on_hand = available + held`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stock {
    pub sku_id: Uuid,
    pub received: i64,
    pub on_hand: i64,
    pub available: i64,
    pub held: i64,
    pub sold: i64,
    pub pools: Vec<StockPool>,
}

impl Stock {
    fn of(sku: SkuId, view: &StockView) -> Self {
        let total = view.total();
        let pools = view.pools.iter().map(|pool| StockPool {
            kind: if pool.sale.is_some() { "flash_sale" } else { "regular" },
            flash_sale_id: pool.sale.map(|sale| sale.0),
            allotted: pool.pool.allotted,
            available: pool.pool.available,
            held: pool.pool.held,
            sold: pool.pool.sold,
        });
        Self {
            sku_id: sku.0,
            received: view.received,
            on_hand: total.available + total.held,
            available: total.available,
            held: total.held,
            sold: total.sold,
            pools: pools.collect(),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestockInput {
    pub quantity: i64,
    pub reason: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustInput {
    /// Units added, or taken away if negative.
    pub delta: i64,
    pub reason: String,
}

/// The units of a SKU, as its actor has them. Of one that is not for sale, its seller and administrators
/// see them.
#[utoipa::path(get, path = "/api/v1/skus/{id}/stock", operation_id = "getStock", tag = "stock",
    responses((status = 200, body = Stock)))]
pub async fn get(
    caller: MaybeCaller,
    id: Path<Uuid>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let sku = SkuId(id.0);
    match stock_levels::get(&services, caller.principal(), sku).await {
        Ok(view) => Ok(HttpResponse::Ok().json(Stock::of(sku, &view))),
        Err(error @ StockError::UnknownSku) => Err(caller.missing(error.into())),
        Err(error) => Err(error.into()),
    }
}

/// Units have come in.
#[utoipa::path(post, path = "/api/v1/skus/{id}/stock/restock", operation_id = "restock", tag = "stock",
    request_body = RestockInput, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Stock)))]
pub async fn restock(
    seller: Seller,
    _: Unversioned,
    request: KeyedJson<RestockInput>,
    id: Path<Uuid>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let RestockInput { quantity, reason } = request.body;
    let (by, sku, reason) = (seller.principal(), SkuId(id.0), wire::note(reason, "reason")?);
    Ok(changed(sku, &stock_levels::restock(&services, by, sku, quantity, reason, request.key).await?))
}

/// Corrects the units of the regular pool.
#[utoipa::path(post, path = "/api/v1/skus/{id}/stock/adjust", operation_id = "adjustStock", tag = "stock",
    request_body = AdjustInput, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Stock), (status = 409, description = "insufficient_stock")))]
pub async fn adjust(
    seller: Seller,
    _: Unversioned,
    request: KeyedJson<AdjustInput>,
    id: Path<Uuid>,
    services: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let AdjustInput { delta, reason } = request.body;
    let (by, sku, reason) = (seller.principal(), SkuId(id.0), wire::note(Some(reason), "reason")?);
    Ok(changed(sku, &stock_levels::adjust(&services, by, sku, delta, reason, request.key).await?))
}

fn changed(sku: SkuId, changed: &Answered<StockView>) -> HttpResponse {
    wire::replayed(HttpResponse::Ok().json(Stock::of(sku, &changed.answer)), changed.replayed)
}
