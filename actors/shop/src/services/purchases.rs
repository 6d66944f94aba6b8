//! Buying: from units to an order. A purchase in a flash sale and a direct buy take the same way.
//!
//! The units are reserved and durable when a purchase is answered. Its order cannot be refused after that,
//! and is waited for briefly.

use std::time::Duration;

use stampede_domain::{
    order::{OrderView, Query},
    stock::{self, FindMadeUnder, MadeUnder, ReservationView, Reserve, Source},
};
use stampede_kernel::{
    FieldError, FlashSaleId, IdempotencyKey, OrderNo, ReservationId, SkuId, UserId, limits::QUANTITY_MAX,
};
use stampede_platform::{engine::clock, runtime::AskError};
use uuid::Uuid;

use super::{
    Services, Unanswered,
    claims::{ClaimingError, claimed},
    error,
    limits::ORDER_WAIT_MS,
    line_of, sku_lookup,
};

/// A purchase in a flash sale.
#[derive(Debug, Clone, Copy)]
pub struct FlashPurchase {
    pub user: UserId,
    pub sale: FlashSaleId,
    /// 1, if missing.
    pub quantity: Option<i64>,
    pub key: Option<IdempotencyKey>,
}

/// A direct buy of one SKU at its present price.
#[derive(Debug, Clone)]
pub struct DirectBuy {
    pub user: UserId,
    pub sku: SkuId,
    pub quantity: u32,
    pub note: Option<String>,
    pub key: Option<IdempotencyKey>,
}

/// Units that are the buyer's, and the order for them unless it is still on its way.
#[derive(Debug)]
pub struct Purchased {
    pub reservation: ReservationView,
    pub order: Option<Box<OrderView>>,
    pub replayed: bool,
}

/// Why nothing was bought.
#[derive(Debug, thiserror::Error)]
pub enum PurchaseError {
    #[error("there is no such flash sale")]
    UnknownSale,
    #[error("there is no flash sale of this product")]
    NoOpenSale,
    #[error("there is no such product")]
    UnknownProduct,
    #[error("there is no such SKU for sale")]
    NotForSale,
    #[error("some fields are not valid")]
    Invalid(FieldError),
    #[error("the idempotency key came with another body before")]
    IdempotencyMismatch,
    #[error("the purchase of {quantity} of {sku} was refused: {refusal:?}")]
    Refused { refusal: stock::Refusal, sku: SkuId, quantity: u32 },
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

impl ClaimingError for PurchaseError {
    fn mismatch() -> Self {
        Self::IdempotencyMismatch
    }

    fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::Unanswered(Unanswered::OutcomeUnknown))
    }
}

fn refused(error: AskError<stock::Refusal>, sku: SkuId, quantity: u32) -> PurchaseError {
    match error::refusal(error) {
        Ok(refusal) => PurchaseError::Refused { refusal, sku, quantity },
        Err(unanswered) => PurchaseError::Unanswered(unanswered),
    }
}

/// A quantity that a buyer may ask for.
pub fn checked_quantity(given: i64, field: &str) -> Result<u32, FieldError> {
    match u32::try_from(given) {
        Ok(quantity) if (1..=QUANTITY_MAX).contains(&quantity) => Ok(quantity),
        Ok(_) | Err(_) => Err(FieldError {
            field: field.to_owned(),
            code: "out_of_range",
            detail: format!("must be from 1 to {QUANTITY_MAX}"),
        }),
    }
}

/// Buys units in a flash sale.
pub async fn in_flash_sale(services: &Services, purchase: FlashPurchase) -> Result<Purchased, PurchaseError> {
    services.metrics.seckill_requests.inc();
    let FlashPurchase { user, sale, quantity, key } = purchase;
    let sku = services.sales.sku_of(sale).await.map_err(Unanswered::from)?;
    let wanted = Wanted {
        user,
        sku: sku.ok_or(PurchaseError::UnknownSale)?,
        source: Source::Sale(sale),
        quantity: checked_quantity(quantity.unwrap_or(1), "quantity").map_err(PurchaseError::Invalid)?,
        note: None,
        key,
        // The path names the sale, and so the actor that remembers the key.
        claims: false,
    };
    let purchased = buy(services, wanted).await?;
    services.metrics.seckill_success.inc();
    Ok(purchased)
}

/// Buys one unit in the open flash sale of a product.
pub async fn in_sale_of_product(
    services: &Services,
    user: UserId,
    product: Uuid,
    key: Option<IdempotencyKey>,
) -> Result<Purchased, PurchaseError> {
    services.metrics.seckill_requests.inc();
    let sku = sku_lookup::sku_of::<PurchaseError>(services, product, key).await?;
    let sku = sku.ok_or(PurchaseError::UnknownProduct)?;
    let purchased = match services.sales.open_sale_of(sku).await.map_err(Unanswered::from)? {
        Some(sale) => {
            let source = Source::Sale(sale);
            buy(services, Wanted { user, sku, source, quantity: 1, note: None, key, claims: true }).await?
        }
        // The sale that it was bought in may have ended.
        None => bought_before(services, user, sku, key).await?.ok_or(PurchaseError::NoOpenSale)?,
    };
    services.metrics.seckill_success.inc();
    Ok(purchased)
}

/// Buys from the regular stock.
pub async fn directly(services: &Services, buy_directly: DirectBuy) -> Result<Purchased, PurchaseError> {
    let DirectBuy { user, sku, quantity, note, key } = buy_directly;
    claimed(services, key, sku, async |sku| {
        let offer = services.catalog.offer(sku).await.map_err(Unanswered::from)?;
        let Some(offer) = offer.filter(|offer| offer.active) else {
            // It may have left the shelf since it was bought.
            let before = bought_before(services, user, sku, key).await?;
            return before.ok_or(PurchaseError::NotForSale);
        };
        let source =
            Source::Regular { line: line_of(&offer), pay_within_ms: services.settings.pay_within_ms };
        buy(services, Wanted { user, sku, source, quantity, note, key, claims: false }).await
    })
    .await
}

/// Buys a product's default SKU, or the SKU that the id names, from the regular stock.
pub async fn product_directly(
    services: &Services,
    user: UserId,
    product: Uuid,
    quantity: i64,
    key: Option<IdempotencyKey>,
) -> Result<Purchased, PurchaseError> {
    let quantity = checked_quantity(quantity, "quantity").map_err(PurchaseError::Invalid)?;
    let sku = sku_lookup::sku_of::<PurchaseError>(services, product, key).await?;
    let sku = sku.ok_or(PurchaseError::UnknownProduct)?;
    directly(services, DirectBuy { user, sku, quantity, note: None, key }).await
}

/// What somebody wants to buy.
struct Wanted {
    user: UserId,
    sku: SkuId,
    source: Source,
    quantity: u32,
    note: Option<String>,
    key: Option<IdempotencyKey>,
    /// Whether the key has to be claimed for its body, once the buyer is let in.
    claims: bool,
}

async fn buy(services: &Services, wanted: Wanted) -> Result<Purchased, PurchaseError> {
    let now = clock::now();
    let Wanted { user, sku, source, quantity, note, key, claims } = wanted;
    let reserve = Reserve {
        reservation: ReservationId(Uuid::now_v7()),
        order_no: services.order_numbers.next(now),
        user,
        source,
        quantity,
        note,
        issued_at: now,
        key,
    };
    let stock = &services.actors.stock;
    let claim = if claims { key } else { None };
    if claim.is_some()
        && let Some(refusal) = stock.refuses(sku.0, &stock::Command::Reserve(Box::new(reserve.clone())))
    {
        // A crowd that is too late costs the database nothing.
        return Err(PurchaseError::Refused { refusal, sku, quantity });
    }
    let answered = claimed(services, claim, sku, async |sku| {
        let answered = stock.request(sku.0, sku, reserve).await;
        answered.map_err(|error| refused(error, sku, quantity))
    })
    .await?;
    let purchased = with_order(services, user, answered.answer, answered.replayed).await;
    if purchased.order.is_some() && !purchased.replayed {
        services.metrics.orders_created.inc();
    }
    Ok(purchased)
}

/// What was bought under a key before, if anything was.
async fn bought_before(
    services: &Services,
    user: UserId,
    sku: SkuId,
    key: Option<IdempotencyKey>,
) -> Result<Option<Purchased>, PurchaseError> {
    let Some(key) = key else { return Ok(None) };
    let made = services.actors.stock.request(sku.0, sku, FindMadeUnder(key)).await;
    match made.map_err(|error| refused(error, sku, 0))?.answer {
        Some(MadeUnder::Reservation(reservation)) => {
            Ok(Some(with_order(services, user, reservation, true).await))
        }
        Some(MadeUnder::Sale(_)) | None => Ok(None),
    }
}

/// Waits briefly for the order that a reservation leads to.
async fn with_order(
    services: &Services,
    user: UserId,
    reservation: ReservationView,
    replayed: bool,
) -> Purchased {
    let order_no: OrderNo = reservation.order_no;
    let opened = services.actors.order.request(user.0, order_no, Query::Await { owner: user });
    let order = tokio::time::timeout(Duration::from_millis(ORDER_WAIT_MS), opened).await;
    let order = order.ok().and_then(Result::ok).map(|answered| answered.answer);
    Purchased { reservation, order, replayed }
}
