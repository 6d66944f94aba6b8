//! Whose a product is: its seller's, and every administrator's.
//!
//! They alone change it and its stock. While it is off the shelf, it exists for nobody else.

use std::sync::Arc;

use stampede_kernel::{ProductId, SkuId};

use super::{Principal, Services, Unanswered};
use crate::records::{
    account::Role,
    catalog::{Product, ProductStatus},
};

/// Why somebody may not change a product or its stock.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("there is no such product")]
    Missing,
    #[error("the product is another seller's")]
    OtherSellers,
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

/// Whether somebody may change the product and its stock.
fn owns(by: Principal, product: &Product) -> bool {
    match by.role {
        Role::Admin => true,
        Role::Seller => product.created_by == Some(by.user),
        Role::User => false,
    }
}

/// Whether the product exists for somebody.
pub(super) fn is_shown(to: Option<Principal>, product: &Product) -> bool {
    product.status == ProductStatus::Active || to.is_some_and(|to| owns(to, product))
}

/// The product of that id as its row has it, for its owners alone.
pub(super) async fn owned_product(
    services: &Services,
    by: Principal,
    id: ProductId,
) -> Result<Arc<Product>, AccessError> {
    let product = services.catalog.record(id).await.map_err(Unanswered::from)?;
    may_change(by, product.ok_or(AccessError::Missing)?)
}

/// Makes sure that somebody owns the SKU's product. A deleted product still has units.
pub(super) async fn require_owned_sku(
    services: &Services,
    by: Principal,
    sku: SkuId,
) -> Result<(), AccessError> {
    let product = services.catalog.product_of(sku).await.map_err(Unanswered::from)?;
    may_change(by, product.ok_or(AccessError::Missing)?).map(drop)
}

/// Whether the SKU exists for somebody: for everybody if it is for sale, else for its product's owners.
pub(super) async fn is_sku_shown(
    services: &Services,
    to: Option<Principal>,
    sku: SkuId,
) -> Result<bool, Unanswered> {
    let offer = services.catalog.offer(sku).await?;
    if offer.is_some_and(|offer| offer.active) {
        return Ok(true);
    }
    let Some(to) = to else { return Ok(false) };
    let product = services.catalog.product_of(sku).await?;
    Ok(product.is_some_and(|product| owns(to, &product)))
}

fn may_change(by: Principal, product: Arc<Product>) -> Result<Arc<Product>, AccessError> {
    if owns(by, &product) {
        return Ok(product);
    }
    Err(if is_shown(Some(by), &product) { AccessError::OtherSellers } else { AccessError::Missing })
}
