//! Flash sales: opening, changing and ending them, and what a buyer has in one.

use stampede_domain::stock::{
    self, AmendSale, Amendment, CloseSale, FindMadeUnder, GetOwnReservations, GetSale, MadeUnder, OfferSale,
    OpenSale, PauseSale, ReservationView, ResumeSale, SaleView, Stock, Terms, limits::PAY_WITHIN_SECONDS_MAX,
};
use stampede_kernel::{
    FieldError, FlashSaleId, IdempotencyKey, Millis, Money, Request, SkuId, Timestamp, limits::UNITS_MAX,
};
use stampede_platform::{engine::clock, runtime::Answered};
use uuid::Uuid;

use super::{
    Paged, Paging, Services, Unanswered,
    claims::{ClaimingError, claimed},
    error::from_ask_error,
    line_of, sku_lookup,
};
use crate::{
    projections::{self, SaleRow},
    records::catalog::Offer,
};

/// How long a sale lasts that is opened by naming a product and units only.
const OFFERED_SALE_MS: Millis = 24 * 3_600_000;
/// Units that one user may have of it.
const OFFERED_SALE_LIMIT: u32 = 1;

/// A new flash sale.
#[derive(Debug, Clone, Copy)]
pub struct NewSale {
    pub sku: SkuId,
    pub price: Money,
    /// Units moved out of the regular pool.
    pub quantity: i64,
    /// 1, if missing.
    pub per_user_limit: Option<u32>,
    /// Now, if missing.
    pub starts_at: Option<Timestamp>,
    pub ends_at: Timestamp,
    /// The shop's setting, if missing.
    pub pay_within_seconds: Option<i64>,
    pub key: Option<IdempotencyKey>,
}

/// New terms of a sale; what is none stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct SaleChange {
    pub price: Option<Money>,
    pub per_user_limit: Option<u32>,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    pub pay_within_seconds: Option<i64>,
}

/// A flash sale with the SKU that it is of.
#[derive(Debug, Clone)]
pub struct SaleOfSku {
    pub sku: SkuId,
    pub view: Box<SaleView>,
}

/// A flash sale that was offered: opened, or extended if one was on.
#[derive(Debug, Clone)]
pub struct Offered {
    pub sale: SaleOfSku,
    /// Whether it was opened under this request's key.
    pub is_new: bool,
    pub replayed: bool,
}

/// One user's part in a sale.
#[derive(Debug, Clone)]
pub struct OwnResult {
    pub per_user_limit: u32,
    pub reservations: Vec<ReservationView>,
}

/// Why a flash sale was not shown, opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum SaleError {
    #[error("there is no such flash sale")]
    UnknownSale,
    #[error("there is no such SKU")]
    UnknownSku,
    #[error("there is no such product")]
    UnknownProduct,
    #[error("the product or this SKU of it is not on the shelf")]
    NotOnShelf,
    #[error("some fields are not valid")]
    Invalid(FieldError),
    #[error("the idempotency key came with another body before")]
    IdempotencyMismatch,
    #[error("the sale was refused: {0:?}")]
    Refused(stock::Refusal),
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

from_ask_error!(SaleError, stock::Refusal);

impl ClaimingError for SaleError {
    fn mismatch() -> Self {
        Self::IdempotencyMismatch
    }

    fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::Unanswered(Unanswered::OutcomeUnknown))
    }
}

/// A page of flash sales, open ones first. May lag by a second.
pub async fn list(services: &Services, paging: Paging) -> Result<Paged<SaleRow>, Unanswered> {
    let (entries, total) =
        projections::sale_page(&services.database, i64::from(paging.page), i64::from(paging.page_size))
            .await?;
    Ok(Paged { entries, total })
}

/// One flash sale, as its actor has it.
pub async fn get(services: &Services, sale: FlashSaleId) -> Result<SaleOfSku, SaleError> {
    ask(services, sale, GetSale(sale)).await
}

/// A user's own part in a sale.
pub async fn own_result(
    services: &Services,
    sale: FlashSaleId,
    user: stampede_kernel::UserId,
) -> Result<OwnResult, SaleError> {
    let sku = sku_of(services, sale).await?;
    let stock = &services.actors.stock;
    let reservations = stock.request(sku.0, sku, GetOwnReservations { sale, user }).await?.answer;
    let view = stock.request(sku.0, sku, GetSale(sale)).await?.answer;
    Ok(OwnResult { per_user_limit: view.terms.per_user_limit, reservations })
}

/// Opens a flash sale: its units leave the regular pool now, so that its start cannot fail.
pub async fn open(services: &Services, new: NewSale) -> Result<Answered<SaleOfSku>, SaleError> {
    let NewSale { sku, key, .. } = new;
    let offer = match on_shelf(services, sku, SaleError::UnknownSku).await {
        Ok(offer) => offer,
        Err(refused) => {
            // It may have left the shelf since the sale was opened.
            let view = opened_before(services, sku, key).await?.ok_or(refused)?;
            return Ok(Answered { answer: SaleOfSku { sku, view }, replayed: true });
        }
    };
    checked_units(new.quantity, "quantity")?;
    let mut line = line_of(&offer);
    line.unit_price = new.price;
    let pay_within_ms = checked_pay_within(new.pay_within_seconds)?;
    let terms = Terms {
        line,
        original_price: offer.price,
        per_user_limit: new.per_user_limit.unwrap_or(1),
        starts_at: new.starts_at.unwrap_or_else(clock::now),
        ends_at: new.ends_at,
        pay_within_ms: pay_within_ms.unwrap_or(services.settings.pay_within_ms),
    };
    let sale = FlashSaleId(Uuid::now_v7());
    let open = OpenSale { sale, terms, quantity: new.quantity, receive_missing: false, key };
    let answered = claimed(services, key, sku, async |sku| {
        services.actors.stock.request(sku.0, sku, open).await.map_err(SaleError::from)
    })
    .await?;
    services.sales.remember(answered.answer.id, sku).await;
    let Answered { answer: view, replayed } = answered;
    Ok(Answered { answer: SaleOfSku { sku, view }, replayed })
}

/// Opens a flash sale of a product at its present price for a day, or adds units to the one that is on.
/// Units that the regular pool lacks are received.
pub async fn offer(
    services: &Services,
    product: Uuid,
    units: i64,
    key: Option<IdempotencyKey>,
) -> Result<Offered, SaleError> {
    checked_units(units, "stock")?;
    let sku = sku_lookup::sku_of::<SaleError>(services, product, key).await?;
    let sku = sku.ok_or(SaleError::UnknownProduct)?;
    let opened = |view: &SaleView| key.is_some_and(|key| view.opened_under == Some(key.key));
    claimed(services, key, sku, async |sku| {
        let offer = match on_shelf(services, sku, SaleError::UnknownProduct).await {
            Ok(offer) => offer,
            Err(refused) => {
                let view = opened_before(services, sku, key).await?.ok_or(refused)?;
                let is_new = opened(&view);
                return Ok(Offered { sale: SaleOfSku { sku, view }, is_new, replayed: true });
            }
        };
        let open = offered_sale(services, &offer, units, key);
        let sale = open.sale;
        let Answered { answer: view, replayed } =
            services.actors.stock.request(sku.0, sku, OfferSale(open)).await?;
        if replayed {
            // Another may be open by now.
            services.sales.remember(view.id, sku).await;
        } else {
            services.sales.remember_open(view.id, sku).await;
        }
        let is_new = view.id == sale || opened(&view);
        Ok(Offered { sale: SaleOfSku { sku, view }, is_new, replayed })
    })
    .await
}

fn offered_sale(services: &Services, offer: &Offer, quantity: i64, key: Option<IdempotencyKey>) -> OpenSale {
    let now = clock::now();
    let terms = Terms {
        original_price: offer.price,
        line: line_of(offer),
        per_user_limit: OFFERED_SALE_LIMIT,
        starts_at: now,
        ends_at: now.plus(OFFERED_SALE_MS),
        pay_within_ms: services.settings.pay_within_ms,
    };
    OpenSale { sale: FlashSaleId(Uuid::now_v7()), terms, quantity, receive_missing: true, key }
}

/// Changes the terms of a flash sale that is not closed.
pub async fn amend(
    services: &Services,
    sale: FlashSaleId,
    change: SaleChange,
) -> Result<SaleOfSku, SaleError> {
    let amendment = Amendment {
        price: change.price,
        per_user_limit: change.per_user_limit,
        starts_at: change.starts_at,
        ends_at: change.ends_at,
        pay_within_ms: checked_pay_within(change.pay_within_seconds)?,
    };
    ask(services, sale, AmendSale { sale, amendment }).await
}

/// Stops selling for a while.
pub async fn pause(services: &Services, sale: FlashSaleId) -> Result<SaleOfSku, SaleError> {
    ask(services, sale, PauseSale { sale }).await
}

/// Continues selling.
pub async fn resume(services: &Services, sale: FlashSaleId) -> Result<SaleOfSku, SaleError> {
    ask(services, sale, ResumeSale { sale }).await
}

/// Ends a flash sale; the unsold rest goes back to the regular pool.
pub async fn close(services: &Services, sale: FlashSaleId) -> Result<SaleOfSku, SaleError> {
    ask(services, sale, CloseSale { sale }).await
}

async fn ask<R>(services: &Services, sale: FlashSaleId, request: R) -> Result<SaleOfSku, SaleError>
where
    R: Request<Stock, Reply = Box<SaleView>>,
{
    let sku = sku_of(services, sale).await?;
    let view = services.actors.stock.request(sku.0, sku, request).await?.answer;
    Ok(SaleOfSku { sku, view })
}

async fn sku_of(services: &Services, sale: FlashSaleId) -> Result<SkuId, SaleError> {
    let sku = services.sales.sku_of(sale).await.map_err(Unanswered::from)?;
    sku.ok_or(SaleError::UnknownSale)
}

/// What a flash sale is made of: a SKU that is for sale.
async fn on_shelf(services: &Services, sku: SkuId, unknown: SaleError) -> Result<Offer, SaleError> {
    let offer = services.catalog.offer_now(sku).await.map_err(Unanswered::from)?;
    let offer = offer.ok_or(unknown)?;
    if offer.active { Ok(offer) } else { Err(SaleError::NotOnShelf) }
}

/// The sale that was opened or extended under a key before, if one was.
async fn opened_before(
    services: &Services,
    sku: SkuId,
    key: Option<IdempotencyKey>,
) -> Result<Option<Box<SaleView>>, SaleError> {
    let Some(key) = key else { return Ok(None) };
    match services.actors.stock.request(sku.0, sku, FindMadeUnder(key)).await?.answer {
        Some(MadeUnder::Sale(view)) => Ok(Some(view)),
        Some(MadeUnder::Reservation(_)) | None => Ok(None),
    }
}

fn out_of_range(field: &str, least: i64, most: i64) -> SaleError {
    let detail = format!("must be from {least} to {most}");
    SaleError::Invalid(FieldError { field: field.to_owned(), code: "out_of_range", detail })
}

fn checked_units(units: i64, field: &str) -> Result<(), SaleError> {
    if (1..=UNITS_MAX).contains(&units) { Ok(()) } else { Err(out_of_range(field, 1, UNITS_MAX)) }
}

fn checked_pay_within(seconds: Option<i64>) -> Result<Option<Millis>, SaleError> {
    let most = i64::from(PAY_WITHIN_SECONDS_MAX);
    match seconds {
        Some(seconds) if !(1..=most).contains(&seconds) => Err(out_of_range("pay_within_seconds", 1, most)),
        other => Ok(other.map(|seconds| seconds * 1_000)),
    }
}
