//! A user's cart, with the catalog's names and prices of now.

use std::collections::HashMap;

use rust_decimal::Decimal;
use stampede_domain::cart::{self, Command, Line, Query, State};
use stampede_kernel::{FieldError, Money, SkuId, UserId};
use uuid::Uuid;

use super::{Services, Unanswered, error::from_ask_error, purchases::checked_quantity, sku_lookup};
use crate::{projections, records::catalog::Offer};

/// A line with what the catalog says of it.
#[derive(Debug, Clone)]
pub struct QuotedLine {
    pub line: Line,
    /// None, if the SKU has left the catalog.
    pub offer: Option<Offer>,
    pub subtotal: Option<Money>,
    /// Whether this many can be bought now.
    pub available: bool,
}

/// A cart with the prices of now.
#[derive(Debug, Clone)]
pub struct Quote {
    pub lines: Vec<QuotedLine>,
    /// Units in all lines.
    pub units: u64,
    /// The price of the selected lines that are for sale.
    pub total: Decimal,
}

/// How much is in a cart.
#[derive(Debug, Clone, Copy)]
pub struct Count {
    pub units: u64,
    pub lines: usize,
}

/// Why a cart was not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum CartError {
    #[error("there is no such SKU for sale")]
    NotForSale,
    #[error("there is no such product")]
    UnknownProduct,
    #[error("some fields are not valid")]
    Invalid(FieldError),
    #[error("the cart does not allow it: {0:?}")]
    Refused(cart::Refusal),
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

from_ask_error!(CartError, cart::Refusal);

/// The cart.
pub async fn get(services: &Services, user: UserId) -> Result<Quote, CartError> {
    quote(services, state(services, user).await?).await
}

/// How much is in the cart.
pub async fn count(services: &Services, user: UserId) -> Result<Count, CartError> {
    let state = state(services, user).await?;
    Ok(Count { units: units(&state), lines: state.lines.len() })
}

/// Adds units of a SKU that is for sale.
pub async fn add(services: &Services, user: UserId, sku: SkuId, quantity: i64) -> Result<Quote, CartError> {
    let quantity = checked_quantity(quantity, "quantity").map_err(CartError::Invalid)?;
    let offer = services.catalog.offer(sku).await.map_err(Unanswered::from)?;
    if !offer.is_some_and(|offer| offer.active) {
        return Err(CartError::NotForSale);
    }
    change(services, user, Command::Add { sku, quantity }).await
}

/// Adds units of a product's default SKU, or of the SKU that the id names.
pub async fn add_product(
    services: &Services,
    user: UserId,
    product: Uuid,
    quantity: i64,
) -> Result<Quote, CartError> {
    checked_quantity(quantity, "quantity").map_err(CartError::Invalid)?;
    let sku = sku_lookup::find(services, product).await?.ok_or(CartError::UnknownProduct)?;
    add(services, user, sku, quantity).await
}

/// Changes the quantity of a line, whether it is selected, or both.
pub async fn change_line(
    services: &Services,
    user: UserId,
    sku: SkuId,
    quantity: Option<i64>,
    selected: Option<bool>,
) -> Result<Quote, CartError> {
    let quantity = quantity.map(|quantity| checked_quantity(quantity, "quantity")).transpose();
    let quantity = quantity.map_err(CartError::Invalid)?;
    if quantity.is_none() && selected.is_none() {
        return Err(CartError::Invalid(FieldError {
            field: "quantity".to_owned(),
            code: "required",
            detail: "give a quantity, a selection or both".to_owned(),
        }));
    }
    change(services, user, Command::Change { sku, quantity, selected }).await
}

/// Changes the quantity of the line of a product.
pub async fn change_product(
    services: &Services,
    user: UserId,
    product: Uuid,
    quantity: i64,
) -> Result<Quote, CartError> {
    checked_quantity(quantity, "quantity").map_err(CartError::Invalid)?;
    let sku = sku_lookup::in_cart(services, product).await?;
    change_line(services, user, sku, Some(quantity), None).await
}

/// Takes a line out.
pub async fn remove(services: &Services, user: UserId, sku: SkuId) -> Result<Quote, CartError> {
    change(services, user, Command::Remove { sku }).await
}

/// Takes the line of a product out.
pub async fn remove_product(services: &Services, user: UserId, product: Uuid) -> Result<Quote, CartError> {
    let sku = sku_lookup::in_cart(services, product).await?;
    remove(services, user, sku).await
}

/// Selects every line, or none.
pub async fn select_all(services: &Services, user: UserId, selected: bool) -> Result<Quote, CartError> {
    change(services, user, Command::SelectAll { selected }).await
}

/// Empties the cart.
pub async fn clear(services: &Services, user: UserId) -> Result<Quote, CartError> {
    change(services, user, Command::Clear).await
}

async fn state(services: &Services, user: UserId) -> Result<State, CartError> {
    Ok(services.actors.cart.request(user.0, user, Query::Get).await?.answer)
}

async fn change(services: &Services, user: UserId, command: Command) -> Result<Quote, CartError> {
    let answered = services.actors.cart.request(user.0, user, command).await?;
    quote(services, answered.answer).await
}

fn units(state: &State) -> u64 {
    state.lines.iter().map(|line| u64::from(line.quantity)).sum()
}

/// The cart with what the catalog says of its lines.
async fn quote(services: &Services, state: State) -> Result<Quote, CartError> {
    let skus: Vec<SkuId> = state.lines.iter().map(|line| line.sku).collect();
    let offers = services.catalog.offers(&skus).await.map_err(Unanswered::from)?;
    let stock: HashMap<SkuId, i64> =
        projections::available_of(&services.database, &skus).await.map_err(Unanswered::from)?;
    let units = units(&state);
    let mut total = Decimal::ZERO;
    let mut lines = Vec::with_capacity(state.lines.len());
    for (line, offer) in state.lines.into_iter().zip(offers) {
        let active = offer.as_ref().is_some_and(|offer| offer.active);
        let subtotal = offer.as_ref().map(|offer| offer.price.times(line.quantity));
        if line.selected && active {
            total += subtotal.map_or(Decimal::ZERO, Money::as_decimal);
        }
        let free = stock.get(&line.sku).copied().unwrap_or(0);
        let available = active && free >= i64::from(line.quantity);
        lines.push(QuotedLine { line, offer, subtotal, available });
    }
    total.rescale(2);
    Ok(Quote { lines, units, total })
}
