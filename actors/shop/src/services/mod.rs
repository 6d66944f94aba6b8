//! The use cases of the shop: what routes, pages, webhooks and the command line call.
//!
//! A use case is one function over [`Services`], in the module of what it is about. It checks the rules that
//! hold for every caller, asks actors and records, and returns its own error; what an error means in HTTP is
//! the server's business. Nothing outside this room reaches the database, the actors or the caches.

pub mod accounts;
pub mod administration;
mod availability;
pub mod carts;
pub mod catalog_seed;
pub mod categories;
mod claims;
mod error;
mod health;
pub mod limits;
mod metrics;
pub mod nodes;
mod order_numbers;
pub mod orders;
mod principal;
mod product_access;
pub mod products;
pub mod purchases;
mod sale_directory;
pub mod sales;
mod sku_lookup;
pub mod stock_levels;

use std::sync::Arc;

use stampede_domain::stock::Line;
use stampede_platform::{
    cluster::{Directories, Nodes, RoutingTable},
    engine::Database,
    journal::Journal,
};

use self::{availability::Availability, order_numbers::OrderNumbers, sale_directory::SaleDirectory};
pub use self::{error::Unanswered, metrics::ShopMetrics, principal::Principal};
use crate::{
    actors::Actors,
    records::{
        account::{PasswordHasher, Revocations},
        catalog::{Catalog, Offer},
    },
};

/// What the configuration says to the use cases.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a buyer may take to pay, unless a sale says otherwise.
    pub pay_within_ms: i64,
    /// Whether users for load tests may be made.
    pub load_users: bool,
    /// Whether failures may be injected.
    pub faults: bool,
}

/// What a node opens before its use cases can work.
pub struct Parts {
    pub database: Database,
    pub catalog: Catalog,
    pub journal: Journal,
    pub actors: Actors,
    pub directories: Directories,
    pub routing: Arc<RoutingTable>,
    /// This node and the others, as an administrator commands them.
    pub nodes: Nodes,
    /// Sessions that were ended early.
    pub revocations: Arc<Revocations>,
    pub metrics: ShopMetrics,
    pub settings: Settings,
}

/// What the use cases work with.
pub struct Services {
    database: Database,
    catalog: Catalog,
    hasher: PasswordHasher,
    journal: Journal,
    actors: Actors,
    directories: Directories,
    routing: Arc<RoutingTable>,
    nodes: Nodes,
    revocations: Arc<Revocations>,
    order_numbers: OrderNumbers,
    metrics: ShopMetrics,
    settings: Settings,
    sales: SaleDirectory,
    availability: Availability,
}

impl Services {
    /// The use cases of a node that has opened its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { database, catalog, journal, actors, directories, routing, .. } = parts;
        Self {
            hasher: PasswordHasher::new(),
            order_numbers: OrderNumbers::new(),
            sales: SaleDirectory::new(database.clone()),
            availability: Availability::new(database.clone()),
            database,
            catalog,
            journal,
            actors,
            directories,
            routing,
            nodes: parts.nodes,
            revocations: parts.revocations,
            metrics: parts.metrics,
            settings: parts.settings,
        }
    }
}

/// Which page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Paging {
    /// From 1.
    pub page: u32,
    pub page_size: u32,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Paged<T> {
    pub entries: Vec<T>,
    /// Entries on all pages.
    pub total: i64,
}

/// What an order line keeps of an offer.
fn line_of(offer: &Offer) -> Line {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Line {
        product_id: offer.product_id,
        name: offer.name.clone(),
        specs: offer.specs.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        unit_price: offer.price,
        currency: offer.currency,
    }
}
