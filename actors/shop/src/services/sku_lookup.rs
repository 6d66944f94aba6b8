//! Which SKU an id means: GoMall's clients send a product's id, meaning its default SKU, or a SKU's own.

use stampede_kernel::{IdempotencyKey, ProductId, SkuId};
use uuid::Uuid;

use super::{
    Services, Unanswered,
    claims::{self, ClaimingError},
};

/// The SKU that an id means. For a repeat it means what it meant the first time, even if the product has left
/// the catalog since.
pub(super) async fn sku_of<E: ClaimingError>(
    services: &Services,
    id: Uuid,
    key: Option<IdempotencyKey>,
) -> Result<Option<SkuId>, E> {
    match find(services, id).await? {
        Some(sku) => Ok(Some(sku)),
        None => claims::meant(services, key).await,
    }
}

/// The same for a line of a cart, whose SKU may have left the catalog since.
pub(super) async fn in_cart(services: &Services, id: Uuid) -> Result<SkuId, Unanswered> {
    Ok(find(services, id).await?.unwrap_or(SkuId(id)))
}

pub(super) async fn find(services: &Services, id: Uuid) -> Result<Option<SkuId>, Unanswered> {
    if let Some(sku) = services.catalog.sku_of(ProductId(id)).await? {
        return Ok(Some(sku));
    }
    let offer = services.catalog.offer(SkuId(id)).await?;
    Ok(offer.map(|offer| offer.sku_id))
}
