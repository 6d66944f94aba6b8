//! Whose a product is: its seller's, and every administrator's.
//!
//! They alone change it and its stock. While it is off the shelf, nobody else knows of it.

use std::sync::Arc;

use stampede_kernel::{Code, ProductId, SkuId};
use stampede_shop::records::{
    account::Role,
    catalog::{Product, ProductStatus},
};
use stampede_shop::services::Services;

use super::products::not_found;
use crate::{auth::Caller, extract::MaybeCaller, problem::Problem};

/// Whether the caller may change the product and its stock.
fn owns(caller: &Caller, product: &Product) -> bool {
    match caller.role {
        Role::Admin => true,
        Role::Seller => product.created_by == Some(caller.user_id),
        Role::User => false,
    }
}

/// Whether the caller may know of the product.
pub fn is_shown(caller: Option<&Caller>, product: &Product) -> bool {
    product.status == ProductStatus::Active || caller.is_some_and(|caller| owns(caller, product))
}

/// The product of that id as its row has it, for its owners alone.
pub async fn product(shop: &Services, caller: &Caller, id: ProductId) -> Result<Arc<Product>, Problem> {
    let product = shop.catalog.record(id).await.map_err(|error| Problem::unavailable(&error))?;
    let product = product.ok_or_else(not_found)?;
    may_change(caller, &product, not_found).map(|()| product)
}

/// The SKU of that id, for its product's owners alone. That of a deleted product still has units.
pub async fn sku(shop: &Services, caller: &Caller, sku: SkuId) -> Result<(), Problem> {
    let product = shop.catalog.product_of(sku).await.map_err(|error| Problem::unavailable(&error))?;
    let product = product.ok_or_else(no_sku)?;
    may_change(caller, &product, no_sku)
}

/// The SKU of that id, for everybody if it is for sale, else for its product's owners alone.
pub async fn shown_sku(shop: &Services, caller: &MaybeCaller, sku: SkuId) -> Result<(), Problem> {
    let offer = shop.catalog.offer(sku).await.map_err(|error| Problem::unavailable(&error))?;
    if offer.is_some_and(|offer| offer.active) {
        return Ok(());
    }
    let Some(caller) = caller.known() else { return Err(caller.missing(no_sku())) };
    let product = shop.catalog.product_of(sku).await.map_err(|error| Problem::unavailable(&error))?;
    if product.is_some_and(|product| owns(caller, &product)) { Ok(()) } else { Err(no_sku()) }
}

fn may_change(caller: &Caller, product: &Product, missing: fn() -> Problem) -> Result<(), Problem> {
    if owns(caller, product) {
        return Ok(());
    }
    if is_shown(Some(caller), product) {
        return Err(Problem::new(Code::Forbidden).detail("The product is another seller's."));
    }
    Err(missing())
}

fn no_sku() -> Problem {
    Problem::new(Code::NotFound).detail("There is no such SKU.")
}
