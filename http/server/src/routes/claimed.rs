//! Requests whose body, not their path, names the SKU: their idempotency key is claimed for that body
//! before anything is done under it.

use stampede_kernel::{Code, IdempotencyKey, SkuId};
use stampede_shop::records::idempotency::{self, ClaimError};
use stampede_shop::services::Services;

use crate::problem::Problem;

/// Acts on the SKU that the request is about. A request that was refused leaves its key free for
/// another body; one whose outcome is not known does not.
pub async fn claimed<T>(
    shop: &Services,
    key: Option<IdempotencyKey>,
    sku: SkuId,
    act: impl AsyncFnOnce(SkuId) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let Some(key) = key else { return act(sku).await };
    let sku = idempotency::take(&shop.database, key, sku).await.map_err(problem)?;
    let done = act(sku).await;
    if let Err(problem) = &done
        && problem.code() != Code::OutcomeUnknown
        && let Err(cause) = idempotency::give_back(&shop.database, key).await
    {
        tracing::warn!(%cause, "a refused request keeps its idempotency key");
    }
    done
}

/// The SKU that the body's words meant when the key came first, for when they mean nothing any more.
pub async fn meant(shop: &Services, key: Option<IdempotencyKey>) -> Result<Option<SkuId>, Problem> {
    let Some(key) = key else { return Ok(None) };
    idempotency::target(&shop.database, key).await.map_err(problem)
}

fn problem(error: ClaimError) -> Problem {
    match error {
        ClaimError::Mismatch => Problem::new(Code::IdempotencyMismatch),
        ClaimError::Database(_) => Problem::unavailable(&error),
    }
}
