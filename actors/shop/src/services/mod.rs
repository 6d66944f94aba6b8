//! The use cases of the shop: what routes, pages, webhooks and the command line call.

mod error;
pub mod limits;
mod metrics;
mod principal;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::future::Cache;
use rand::RngCore as _;
use stampede_domain::stock::Line;
use stampede_kernel::{FlashSaleId, OrderNo, SkuId, Timestamp};
use stampede_platform::{
    cluster::{Nodes, RoutingTable},
    engine::{Database, DatabaseError, clock},
    journal::Journal,
};

pub use error::Unanswered;
pub use metrics::ShopMetrics;
pub use principal::Principal;

use crate::{
    actors::Actors,
    projections,
    records::{
        account::{PasswordHasher, Revocations},
        catalog::{Catalog, Offer},
    },
};

/// Sales whose SKU is remembered; a sale never changes its SKU.
const SALES_REMEMBERED_MAX: u64 = 100_000;
/// How long it is remembered that there is no such sale.
const UNKNOWN_SALE_TTL: Duration = Duration::from_millis(500);
/// How long the maker of a flash sale waits until the tables show it.
const SALE_SHOWN_MAX: Duration = Duration::from_secs(2);
/// How often the tables are looked at by who waits for them.
const TABLES_POLL: Duration = Duration::from_millis(10);
/// How long the running sale of a SKU is remembered, for addresses that name a product.
const OPEN_SALE_TTL: Duration = Duration::from_millis(500);
/// How long the available units of a SKU are remembered, for a crowd that looks at one product.
const AVAILABLE_TTL: Duration = Duration::from_millis(500);
/// SKUs whose available units are remembered.
const AVAILABLE_REMEMBERED_MAX: u64 = 100_000;

/// What the use cases are told by the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a buyer may take to pay, unless a sale says otherwise.
    pub pay_within_ms: i64,
    /// Whether users for load tests may be made.
    pub load_users: bool,
    /// Whether failures may be injected.
    pub faults: bool,
}

/// What the use cases work with.
pub struct Services {
    pub database: Database,
    pub catalog: Catalog,
    pub hasher: PasswordHasher,
    pub journal: Journal,
    pub actors: Actors,
    pub routing: Arc<RoutingTable>,
    /// This node and the others, as an administrator commands them.
    pub nodes: Nodes,
    /// Sessions that were ended early.
    pub revocations: Arc<Revocations>,
    pub order_numbers: OrderNumbers,
    pub metrics: ShopMetrics,
    pub settings: Settings,
    sale_skus: Cache<FlashSaleId, SkuId>,
    unknown_sales: Cache<FlashSaleId, ()>,
    open_sales: Cache<SkuId, Option<FlashSaleId>>,
    available: Cache<SkuId, i64>,
}

/// What a node opens before its use cases can work.
pub struct Parts {
    pub database: Database,
    pub catalog: Catalog,
    pub journal: Journal,
    pub actors: Actors,
    pub routing: Arc<RoutingTable>,
    pub nodes: Nodes,
    pub revocations: Arc<Revocations>,
    pub metrics: ShopMetrics,
    pub settings: Settings,
}

impl Services {
    /// The use cases of a node that has opened its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { database, catalog, journal, actors, routing, nodes, revocations, metrics, settings } =
            parts;
        fn living<K, V>(most: u64, ttl: Duration) -> Cache<K, V>
        where
            K: std::hash::Hash + Eq + Send + Sync + 'static,
            V: Clone + Send + Sync + 'static,
        {
            Cache::builder().max_capacity(most).time_to_live(ttl).build()
        }
        Self {
            database,
            catalog,
            hasher: PasswordHasher::new(),
            journal,
            actors,
            routing,
            nodes,
            revocations,
            order_numbers: OrderNumbers::new(),
            metrics,
            settings,
            sale_skus: Cache::new(SALES_REMEMBERED_MAX),
            unknown_sales: living(SALES_REMEMBERED_MAX, UNKNOWN_SALE_TTL),
            open_sales: living(SALES_REMEMBERED_MAX, OPEN_SALE_TTL),
            available: living(AVAILABLE_REMEMBERED_MAX, AVAILABLE_TTL),
        }
    }

    /// The wall clock of the edge.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        clock::now()
    }

    /// The SKU of a flash sale, which tells which actor to ask.
    pub async fn sku_of_sale(&self, sale: FlashSaleId) -> Result<Option<SkuId>, DatabaseError> {
        if let Some(sku) = self.sale_skus.get(&sale).await {
            return Ok(Some(sku));
        }
        if self.unknown_sales.contains_key(&sale) {
            return Ok(None);
        }
        let sku = projections::sale_by_id(&self.database, sale).await?.map(|row| row.sku);
        match sku {
            Some(sku) => self.sale_skus.insert(sale, sku).await,
            None => self.unknown_sales.insert(sale, ()).await,
        }
        Ok(sku)
    }

    /// Waits until the tables show a new sale, by which other nodes know it, and this one after a
    /// restart. Should they not in time, it is there all the same.
    async fn until_shown(&self, sale: FlashSaleId) {
        let shown = async {
            while !matches!(projections::sale_by_id(&self.database, sale).await, Ok(Some(_))) {
                tokio::time::sleep(TABLES_POLL).await;
            }
        };
        if tokio::time::timeout(SALE_SHOWN_MAX, shown).await.is_err() {
            tracing::warn!(%sale, "the tables do not show a new flash sale yet");
        }
    }

    /// Remembers a sale before the tables show it.
    pub async fn remember_sale(&self, sale: FlashSaleId, sku: SkuId) {
        self.until_shown(sale).await;
        self.sale_skus.insert(sale, sku).await;
        self.open_sales.invalidate(&sku).await;
    }

    /// Remembers that this is the sale of a SKU to buy from, before the tables show it.
    pub async fn remember_open_sale(&self, sale: FlashSaleId, sku: SkuId) {
        self.until_shown(sale).await;
        self.sale_skus.insert(sale, sku).await;
        self.open_sales.insert(sku, Some(sale)).await;
    }

    /// The flash sale of a SKU that runs now or is the next to start.
    pub async fn open_sale_of(&self, sku: SkuId) -> Result<Option<FlashSaleId>, DatabaseError> {
        if let Some(known) = self.open_sales.get(&sku).await {
            return Ok(known);
        }
        let sale = projections::open_sale_of(&self.database, sku).await?.map(|row| row.id);
        // One that was remembered meanwhile knows better than the tables did.
        Ok(self.open_sales.entry(sku).or_insert(sale).await.into_value())
    }

    /// Units of each SKU's regular pool that are for sale; may lag by a second.
    pub async fn available_of(&self, skus: &[SkuId]) -> Result<HashMap<SkuId, i64>, DatabaseError> {
        let mut units = HashMap::with_capacity(skus.len());
        let mut missing = Vec::new();
        for &sku in skus {
            match self.available.get(&sku).await {
                Some(available) => drop(units.insert(sku, available)),
                None => missing.push(sku),
            }
        }
        if missing.is_empty() {
            return Ok(units);
        }
        let read = projections::available_of(&self.database, &missing).await?;
        for sku in missing {
            let shown = read.get(&sku).copied().unwrap_or(0);
            // What an actor said meanwhile is newer than the tables.
            let entry = self.available.entry(sku).or_insert(shown).await;
            units.insert(sku, entry.into_value());
        }
        Ok(units)
    }

    /// Remembers what an actor said of a SKU, so that whoever changed it sees it before the tables do.
    pub async fn remember_available(&self, sku: SkuId, units: i64) {
        self.available.insert(sku, units).await;
    }
}

/// An order line's part of an offer.
#[must_use]
pub fn line_of(offer: &Offer) -> Line {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Line {
        product_id: offer.product_id,
        name: offer.name.clone(),
        specs: offer.specs.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        unit_price: offer.price,
        currency: offer.currency,
    }
}

/// Gives order numbers out: no two of one process are alike, and those of several hardly ever.
pub struct OrderNumbers {
    process: u64,
    next: AtomicU64,
}

/// Lower bits of an order number that a process counts through within a millisecond and beyond.
const COUNTER_BITS: u32 = 20;

impl OrderNumbers {
    fn new() -> Self {
        let mut random = rand::rng();
        Self { process: random.next_u64(), next: AtomicU64::new(random.next_u64()) }
    }

    /// The number of an order made now.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> OrderNo {
        let count = self.next.fetch_add(1, Ordering::Relaxed) & ((1 << COUNTER_BITS) - 1);
        OrderNo::new(now, self.process << COUNTER_BITS | count)
    }
}
