//! Requests whose body, not their path, names the SKU: their idempotency key is claimed for that body before
//! anything is done under it.

use stampede_kernel::{IdempotencyKey, SkuId};

use super::{Services, Unanswered};
use crate::records::idempotency::{self, ClaimError};

/// An error of a use case that claims keys.
pub(super) trait ClaimingError: From<Unanswered> {
    /// The key came with another body before.
    fn mismatch() -> Self;

    /// Whether the request may have been accepted all the same.
    fn is_outcome_unknown(&self) -> bool;

    /// Why a key could not be claimed.
    fn of_claim(error: ClaimError) -> Self {
        match error {
            ClaimError::Mismatch => Self::mismatch(),
            ClaimError::Database(error) => Unanswered::Database(error).into(),
        }
    }
}

/// Acts on the SKU that the request is about. A request that was refused leaves its key free for another
/// body; one whose outcome is unknown does not.
pub(super) async fn claimed<T, E: ClaimingError>(
    services: &Services,
    key: Option<IdempotencyKey>,
    sku: SkuId,
    act: impl AsyncFnOnce(SkuId) -> Result<T, E>,
) -> Result<T, E> {
    let Some(key) = key else { return act(sku).await };
    let sku = idempotency::take(&services.database, key, sku).await.map_err(E::of_claim)?;
    let done = act(sku).await;
    if let Err(error) = &done
        && !error.is_outcome_unknown()
        && let Err(cause) = idempotency::give_back(&services.database, key).await
    {
        tracing::warn!(%cause, "a refused request keeps its idempotency key");
    }
    done
}

/// The SKU that the body's words meant when the key came first, for when they mean nothing any more.
pub(super) async fn meant<E: ClaimingError>(
    services: &Services,
    key: Option<IdempotencyKey>,
) -> Result<Option<SkuId>, E> {
    let Some(key) = key else { return Ok(None) };
    idempotency::target(&services.database, key).await.map_err(E::of_claim)
}
