//! The units of a SKU: shown, received and corrected.

use stampede_domain::stock::{self, Adjust, GetStock, Receive, Stock, StockView};
use stampede_kernel::{FieldError, IdempotencyKey, Request, SkuId, limits::UNITS_MAX};
use stampede_platform::runtime::Answered;

use super::{
    Principal, Services, Unanswered,
    error::from_ask_error,
    product_access::{self, AccessError},
};

/// Why a stock was not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum StockError {
    #[error("there is no such SKU")]
    UnknownSku,
    #[error("the product is another seller's")]
    OtherSellers,
    #[error("some fields are not valid")]
    Invalid(FieldError),
    #[error("the change was refused: {0:?}")]
    Refused(stock::Refusal),
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

from_ask_error!(StockError, stock::Refusal);

impl From<AccessError> for StockError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Missing => Self::UnknownSku,
            AccessError::OtherSellers => Self::OtherSellers,
            AccessError::Unanswered(unanswered) => Self::Unanswered(unanswered),
        }
    }
}

fn invalid(field: &str, code: &'static str, detail: impl Into<String>) -> StockError {
    StockError::Invalid(FieldError { field: field.to_owned(), code, detail: detail.into() })
}

/// The units of a SKU, as its actor has them. One that is not for sale exists for its seller and
/// administrators only.
pub async fn get(services: &Services, by: Option<Principal>, sku: SkuId) -> Result<StockView, StockError> {
    if !product_access::is_sku_shown(services, by, sku).await? {
        return Err(StockError::UnknownSku);
    }
    Ok(services.actors.stock.request(sku.0, sku, GetStock).await?.answer)
}

/// Units have come in.
pub async fn restock(
    services: &Services,
    by: Principal,
    sku: SkuId,
    quantity: i64,
    reason: Option<String>,
    key: Option<IdempotencyKey>,
) -> Result<Answered<StockView>, StockError> {
    if !(1..=UNITS_MAX).contains(&quantity) {
        return Err(invalid("quantity", "out_of_range", format!("must be from 1 to {UNITS_MAX}")));
    }
    let reason = reason.unwrap_or_else(|| format!("restocked by {}", by.user));
    product_access::require_owned_sku(services, by, sku).await?;
    change(services, sku, Receive { quantity, reason, key }).await
}

/// Corrects the units of the regular pool.
pub async fn adjust(
    services: &Services,
    by: Principal,
    sku: SkuId,
    delta: i64,
    reason: Option<String>,
    key: Option<IdempotencyKey>,
) -> Result<Answered<StockView>, StockError> {
    if delta == 0 || !(-UNITS_MAX..=UNITS_MAX).contains(&delta) {
        let detail = format!("must be from -{UNITS_MAX} to {UNITS_MAX} and not zero");
        return Err(invalid("delta", "out_of_range", detail));
    }
    let Some(reason) = reason else {
        return Err(invalid("reason", "required", "an adjustment needs a reason"));
    };
    product_access::require_owned_sku(services, by, sku).await?;
    change(services, sku, Adjust { delta, reason, key }).await
}

/// Asks a SKU's actor to change its stock, and remembers what is available then.
pub(super) async fn change<R, E>(
    services: &Services,
    sku: SkuId,
    request: R,
) -> Result<Answered<StockView>, E>
where
    R: Request<Stock, Reply = StockView>,
    E: From<stampede_platform::runtime::AskError<stock::Refusal>>,
{
    let answered = services.actors.stock.request(sku.0, sku, request).await?;
    services.availability.remember(sku, answered.answer.regular().available).await;
    Ok(answered)
}
