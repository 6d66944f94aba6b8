//! The catalog: what the shop offers, and at what price.
//!
//! Owns the tables `category`, `product` and `sku`, and a small memory of what was read last. Plain
//! rows behind plain async functions, no actor; knows `kernel` and `engine`. Stock is not here: it
//! belongs to the SKUs' actors, and whoever makes a SKU has it stocked ([`Created`]). Search, reviews
//! and the counting of sales are not here either.
//!
//! Invariants:
//! - a product has at least one SKU and exactly one default SKU (an index);
//! - a SKU's id and product never change, and no row is ever removed: orders name them;
//! - every change raises the product's version and writes one `outbox` row of that version, with the
//!   whole product, in the same transaction;
//! - a deleted product can be neither read, listed, offered nor changed.

mod category;
mod change;
mod create;
mod error;
pub mod limits;
mod list;
mod model;
mod outbox;
mod read;
mod seed;
#[cfg(test)]
mod tests;
mod validate;

use stampede_platform::engine::Database;

pub use category::{Category, NewCategory};
pub use change::ProductChange;
pub use create::{Created, InitialStock};
pub use error::{ReadError, WriteError};
pub use list::{Page, ProductFilter, SortBy, SortOrder};
pub use model::{Offer, Product, ProductStatus, Sku, SkuStatus, Specs, UnknownWord};
pub use outbox::{PRODUCT, PRODUCT_EVENTS};
pub use read::Stale;
pub use seed::SeedError;
pub use validate::{NewProduct, NewSku};

/// The catalog's one handle. Clones share its memory.
#[derive(Clone)]
pub struct Catalog {
    db: Database,
    memory: read::Memory,
}

impl Catalog {
    /// A catalog on that database, remembering nothing yet.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self { db, memory: read::Memory::new() }
    }
}
