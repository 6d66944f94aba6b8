//! Stock of a SKU.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use stampede_domain::stock::{Answer, Command, Query as StockQuery, StockView};
use stampede_kernel::{Code, IdempotencyKey, SkuId, limits::UNITS_MAX};
use stampede_shop::services::Services;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{product_access, refusal, wire};
use crate::{
    extract::{KeyedJson, MaybeCaller, Path, Seller, Unversioned},
    problem::Problem,
};

/// Units under one set of rules.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoolShape {
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
    pub pools: Vec<PoolShape>,
}

impl Stock {
    fn of(sku: SkuId, view: &StockView) -> Self {
        let total = view.total();
        let pools = view.pools.iter().map(|pool| PoolShape {
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
pub struct Restock {
    pub quantity: i64,
    pub reason: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Adjust {
    /// Units added, or taken away if negative.
    pub delta: i64,
    pub reason: String,
}

/// The units of a SKU, as its actor has them. Of one that is not for sale, its seller and administrators
/// see them.
#[utoipa::path(get, path = "/api/v1/skus/{id}/stock", tag = "stock", responses((status = 200, body = Stock)))]
pub async fn get(caller: MaybeCaller, id: Path<Uuid>, shop: Data<Services>) -> Result<HttpResponse, Problem> {
    let sku = SkuId(id.0);
    product_access::shown_sku(&shop, &caller, sku).await?;
    let answer = shop.actors.stock.query(sku.0, sku, StockQuery::Stock).await.map_err(refusal::stock)?;
    answer_stock(sku, &answer, false)
}

/// Units have come in.
#[utoipa::path(post, path = "/api/v1/skus/{id}/stock/restock", tag = "stock", request_body = Restock,
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Stock)))]
pub async fn restock(
    seller: Seller,
    _: Unversioned,
    request: KeyedJson<Restock>,
    id: Path<Uuid>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let Restock { quantity, reason } = request.body;
    if !(1..=UNITS_MAX).contains(&quantity) {
        return Err(Problem::field("quantity", "out_of_range", format!("Must be from 1 to {UNITS_MAX}.")));
    }
    let reason = wire::note(reason, "reason")?.unwrap_or_else(|| format!("restocked by {}", seller.user_id));
    let sku = SkuId(id.0);
    product_access::sku(&shop, &seller, sku).await?;
    change(
        &shop,
        sku,
        |key| Command::Receive(stampede_domain::stock::Receive { quantity, reason, key }),
        request.key,
    )
    .await
}

/// Corrects the units of the regular pool.
#[utoipa::path(post, path = "/api/v1/skus/{id}/stock/adjust", tag = "stock", request_body = Adjust,
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Stock), (status = 409, description = "insufficient_stock")))]
pub async fn adjust(
    seller: Seller,
    _: Unversioned,
    request: KeyedJson<Adjust>,
    id: Path<Uuid>,
    shop: Data<Services>,
) -> Result<HttpResponse, Problem> {
    let Adjust { delta, reason } = request.body;
    if delta == 0 || !(-UNITS_MAX..=UNITS_MAX).contains(&delta) {
        let detail = format!("Must be from -{UNITS_MAX} to {UNITS_MAX} and not zero.");
        return Err(Problem::field("delta", "out_of_range", detail));
    }
    let Some(reason) = wire::note(Some(reason), "reason")? else {
        return Err(Problem::field("reason", "required", "An adjustment needs a reason."));
    };
    let sku = SkuId(id.0);
    product_access::sku(&shop, &seller, sku).await?;
    change(
        &shop,
        sku,
        |key| Command::Adjust(stampede_domain::stock::Adjust { delta, reason, key }),
        request.key,
    )
    .await
}

async fn change(
    shop: &Services,
    sku: SkuId,
    command: impl FnOnce(Option<IdempotencyKey>) -> Command,
    key: Option<IdempotencyKey>,
) -> Result<HttpResponse, Problem> {
    let answered = shop.actors.stock.command(sku.0, sku, command(key)).await.map_err(refusal::stock)?;
    if let Answer::Stock(view) = &answered.answer {
        shop.remember_available(sku, view.regular().available).await;
    }
    answer_stock(sku, &answered.answer, answered.replayed)
}

fn answer_stock(sku: SkuId, answer: &Answer, replayed: bool) -> Result<HttpResponse, Problem> {
    match answer {
        Answer::Stock(view) => Ok(wire::replayed(HttpResponse::Ok().json(Stock::of(sku, view)), replayed)),
        Answer::Done | Answer::Reservation(_) | Answer::Sale(_) | Answer::Mine(_) => {
            Err(Problem::new(Code::Internal))
        }
    }
}
