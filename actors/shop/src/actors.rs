//! The directories of the shop's actors, one for each kind of entity.

use std::sync::Arc;

use stampede_domain::{cart::Cart, order::Order, stock::Stock};
use stampede_platform::runtime::Registry;

pub type StockActors = Registry<Stock>;
pub type OrderActors = Registry<Order>;
pub type CartActors = Registry<Cart>;

/// The directories of the shop's actors.
#[derive(Clone)]
pub struct Actors {
    pub stock: Arc<StockActors>,
    pub order: Arc<OrderActors>,
    pub cart: Arc<CartActors>,
}
