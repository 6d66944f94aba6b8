//! The shop behind the routes: engine, journal, actors and the tasks that keep them going.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use actix::Arbiter;
use moka::future::Cache;
use rand::RngCore as _;
use stampede_actors::{
    account::{PasswordHasher, Revocations},
    catalog::{Catalog, Offer},
    claim,
    cluster::{
        Directories, Link, Newsroom, Node, Nodes, Ownership, Relay, Routes, Seal, Server, Traces,
        discoverable,
    },
    engine::{Database, DatabaseError, NatsError, OpenError, Source, clock, connect_nats},
    journal::{FenceError, Holdings, Journal, Outbox, Writer, initialize},
    kernel::{Code, FlashSaleId, OrderNo, SkuId, Timestamp, limits},
    projection::{self, Projector},
    runtime::{Loader, Registry, Router, Runtime},
    saga::{Actors, Deadlines, Driver},
    stock::Line,
};
use tokio::task::JoinHandle;

use super::metrics::{self, ShopMetrics};
use crate::{
    auth::{self, SignerError},
    config::{Config, Live},
    problem::Problem,
    telemetry,
};

/// Sales whose SKU is remembered; a sale never changes its SKU.
const SALES_REMEMBERED_MAX: u64 = 100_000;
/// How long it is remembered that there is no such sale.
const UNKNOWN_SALE_TTL: Duration = Duration::from_millis(500);
/// How long the maker of a flash sale waits until the tables show it.
const SALE_SHOWN_MAX: Duration = Duration::from_secs(2);
/// How long a node that starts waits until the tables have caught up.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);
/// How often the tables are looked at by who waits for them.
const TABLES_POLL: Duration = Duration::from_millis(10);
/// How long the running sale of a SKU is remembered, for addresses that name a product.
const OPEN_SALE_TTL: Duration = Duration::from_millis(500);
/// How long the available units of a SKU are remembered, for a crowd that looks at one product.
const AVAILABLE_TTL: Duration = Duration::from_millis(500);
/// SKUs whose available units are remembered.
const AVAILABLE_REMEMBERED_MAX: u64 = 100_000;
/// How often the gauges of running sales are set.
const SALE_GAUGES_INTERVAL: Duration = Duration::from_secs(2);

/// What handlers work with beside the [`Shell`](super::Shell).
pub struct Shop {
    pub database: Database,
    pub catalog: Catalog,
    pub hasher: PasswordHasher,
    pub journal: Journal,
    pub actors: Actors,
    pub ownership: Arc<Ownership>,
    pub routes: Arc<Routes>,
    /// This node and the others, as an administrator commands them.
    pub nodes: Nodes,
    /// Sessions that were ended early.
    pub revocations: Arc<Revocations>,
    /// The link to other nodes, if this one has any.
    pub nats: Option<async_nats::Client>,
    pub order_numbers: OrderNumbers,
    pub metrics: ShopMetrics,
    config: Live,
    sale_skus: Cache<FlashSaleId, SkuId>,
    unknown_sales: Cache<FlashSaleId, ()>,
    open_sales: Cache<SkuId, Option<FlashSaleId>>,
    available: Cache<SkuId, i64>,
    tasks: Vec<JoinHandle<()>>,
}

/// Why the shop could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Fence(#[from] FenceError),
    #[error("the database did not answer")]
    Database(#[from] DatabaseError),
    #[error("a metric could not be registered")]
    Metrics(#[from] prometheus::Error),
    #[error(transparent)]
    Nats(#[from] NatsError),
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error("messages between nodes cannot be sealed by this signing key")]
    Secret,
}

/// Where the shop's data is, by the settings.
#[must_use]
pub fn source(config: &Config) -> Source {
    if config.database.url.is_empty() {
        Source::Embedded(config.data.dir.clone())
    } else {
        Source::Url(config.database.url.clone())
    }
}

/// Opens the database and brings its schema up to date.
pub async fn open_database(config: &Config) -> Result<Database, ShopError> {
    let source = source(config);
    if let Source::Embedded(path) = &source {
        tracing::warn!(
            data = %path.display(),
            "the embedded Postgres survives the death of this process, but not a power cut; \
             set DATABASE_URL for anything that must"
        );
    }
    let database = Database::open(&source, config.database.connections_max).await?;
    database.migrate().await?;
    initialize(&database, limits::SHARDS).await?;
    Ok(database)
}

/// Waits until the tables show what this node's shards had in the journal when it came: a crash may have
/// left them behind, and what they do not show yet must not be denied.
async fn catch_up(database: &Database, holdings: &Holdings) -> Result<(), DatabaseError> {
    let mut behind = projection::progress(database).await?;
    behind.retain(|shard, progress| progress.lag > 0 && holdings.epoch(*shard).is_some());
    let waiting = async {
        while !behind.is_empty() {
            tokio::time::sleep(TABLES_POLL).await;
            let now = projection::progress(database).await?;
            behind.retain(|shard, then| {
                now.get(shard).is_some_and(|progress| progress.head - progress.lag < then.head)
            });
        }
        Ok(())
    };
    let caught_up = tokio::time::timeout(CATCH_UP_MAX, waiting).await;
    caught_up.unwrap_or_else(|_| {
        tracing::warn!("the tables are behind the journal; lists and new flash sales show late");
        Ok(())
    })
}

/// How traces go over to other nodes.
const TRACES: Traces =
    Traces { parent_of: telemetry::traceparent_of, continued: telemetry::continue_traceparent };

/// The connection to other nodes.
struct Linked {
    client: async_nats::Client,
    seal: Arc<Seal>,
}

impl Linked {
    async fn open(config: &Config, node: &str) -> Result<Option<Self>, ShopError> {
        let Some(settings) = config.nats.settings() else { return Ok(None) };
        let secret = auth::signing_key(config)?;
        let client = connect_nats(&settings, node).await?;
        // Of this life alone: what an earlier one was sent is no answer to this one.
        let from = format!("{node}_{:08x}", rand::rng().next_u32());
        let seal = Arc::new(Seal::new(&secret, &from).ok_or(ShopError::Secret)?);
        Ok(Some(Self { client, seal }))
    }
}

impl Shop {
    /// Opens the shop: takes the shards, wakes nobody, starts the tasks. Must run within an actix
    /// system over a multi-threaded runtime.
    pub async fn open(live: Live) -> Result<Self, ShopError> {
        let config = live.get();
        Database::wait_for(&source(&config)).await?;
        let database = open_database(&config).await?;
        let families = metrics::Families::register(prometheus::default_registry())?;
        let holdings = Arc::new(Holdings::new(limits::SHARDS));
        let node = config.cluster.name();
        let (journal, writer) = Writer::new(database.clone(), &node, holdings.clone(), families.writer);
        let writer = tokio::spawn(writer.run());
        let routes = Routes::new(&node, holdings.clone());
        let link = Linked::open(&config, &node).await?;
        let replicas = usize::from(config.nats.replicas);
        let router: Box<dyn Router> = match &link {
            Some(Linked { client, seal }) => {
                let size = (limits::SHARDS, replicas);
                let link = Link::start(client, seal, &routes, size, families.link.clone());
                Box::new(Node { routes: routes.clone(), link, traces: TRACES })
            }
            None => Box::new(holdings.clone()),
        };

        let (loader, loading) = Loader::new(database.clone());
        let runtime = Arc::new(Runtime {
            journal: journal.clone(),
            loader,
            router,
            database: database.clone(),
            metrics: families.actors,
            arbiters: (0..cores()).map(|_| Arbiter::new().handle()).collect(),
            started: Instant::now(),
        });
        let (stock, stock_shepherd) = Registry::new(runtime.clone());
        let (order, order_shepherd) = Registry::new(runtime.clone());
        let (cart, cart_shepherd) = Registry::new(runtime);
        let directories: Directories = Arc::new(vec![stock.clone(), order.clone(), cart.clone()]);
        let others = || link.as_ref().map(|link| (link.client.clone(), link.seal.clone()));
        let ownership = Ownership::new(
            database.clone(),
            journal.clone(),
            routes.clone(),
            directories.clone(),
            others(),
            families.ownership,
        );
        let nodes = Nodes::new(ownership.clone(), directories.clone(), &node, others());
        let catalog = Catalog::new(database.clone());
        let revocations = Revocations::open(&database).await?;
        if let Some(Linked { client, seal }) = &link {
            Server::start(client, seal, &holdings, &directories, replicas, families.link.clone());
        }
        ownership.begin().await?;
        let actors = Actors { stock, order, cart };
        let driver = Driver::open(&database, &journal, actors.clone(), families.sagas).await?;
        let projector = Projector::open(&database, &journal, families.projector).await?;
        let mut tasks = vec![
            tokio::spawn(ownership.clone().run(families.link.refused.clone())),
            tokio::spawn(revocations.clone().keep(database.clone())),
            tokio::spawn(loading.run()),
            tokio::spawn(stock_shepherd.run()),
            tokio::spawn(order_shepherd.run()),
            tokio::spawn(cart_shepherd.run()),
            tokio::spawn(driver.run()),
            tokio::spawn(projector.run()),
            tokio::spawn(Deadlines::new(database.clone(), actors.clone()).run()),
            tokio::spawn(claim::keep_swept(database.clone())),
            tokio::spawn(Outbox::new(database.clone(), journal.clone()).run()),
            tokio::spawn(gauge_sales(database.clone(), families.shop.clone())),
            writer,
        ];
        if let Some(Linked { client, seal }) = &link {
            let tables = (&database, &journal);
            let relay = Relay::open(tables, client, replicas, TRACES, families.relay).await?;
            tasks.push(tokio::spawn(relay.run()));
            tasks.push(tokio::spawn(nodes.clone().obey(families.link.refused.clone())));
            let (client, seal) = (client.clone(), seal.clone());
            let (catalog, revocations) = (catalog.clone(), revocations.clone());
            let newsroom = Newsroom { client, seal, catalog, revocations, metrics: families.link };
            tasks.push(tokio::spawn(newsroom.clone().tell()));
            tasks.push(tokio::spawn(newsroom.hear()));
        }
        if let Some(Linked { client, .. }) = &link {
            let (routes, held) = (routes.clone(), holdings.clone());
            tasks.push(tokio::spawn(discoverable(client.clone(), routes, held, directories.clone())));
        }
        catch_up(&database, &holdings).await?;
        let remembered = |ttl| Cache::builder().max_capacity(SALES_REMEMBERED_MAX).time_to_live(ttl);
        Ok(Self {
            catalog,
            hasher: PasswordHasher::new(),
            order_numbers: OrderNumbers::new(),
            metrics: families.shop,
            config: live,
            sale_skus: Cache::new(SALES_REMEMBERED_MAX),
            unknown_sales: remembered(UNKNOWN_SALE_TTL).build(),
            open_sales: Cache::builder()
                .max_capacity(SALES_REMEMBERED_MAX)
                .time_to_live(OPEN_SALE_TTL)
                .build(),
            available: Cache::builder()
                .max_capacity(AVAILABLE_REMEMBERED_MAX)
                .time_to_live(AVAILABLE_TTL)
                .build(),
            database,
            journal,
            actors,
            ownership,
            routes,
            nodes,
            revocations,
            nats: link.map(|link| link.client),
            tasks,
        })
    }

    /// Commits what is gathered, ends the tasks and closes the database.
    pub async fn close(&self) {
        self.ownership.shut();
        self.journal.stop().await;
        self.ownership.end().await;
        for task in &self.tasks {
            task.abort();
        }
        self.database.clone().close().await;
    }

    /// The wall clock of the edge.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        clock::now()
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.config.get()
    }

    /// How long a buyer may take to pay, unless a sale says otherwise.
    #[must_use]
    pub fn pay_within_ms(&self) -> i64 {
        i64::from(self.config.get().flash.pay_within_seconds) * 1_000
    }

    /// The SKU of a flash sale, which tells which actor to ask.
    pub async fn sku_of_sale(&self, sale: FlashSaleId) -> Result<SkuId, Problem> {
        if let Some(sku) = self.sale_skus.get(&sale).await {
            return Ok(sku);
        }
        let unknown = || Problem::new(Code::NotFound).detail("There is no such flash sale.");
        if self.unknown_sales.contains_key(&sale) {
            return Err(unknown());
        }
        let row = projection::sale_by_id(&self.database, sale).await;
        match row.map_err(|error| Problem::unavailable(&error))? {
            Some(row) => {
                self.sale_skus.insert(sale, row.sku).await;
                Ok(row.sku)
            }
            None => {
                self.unknown_sales.insert(sale, ()).await;
                Err(unknown())
            }
        }
    }

    /// Waits until the tables show a new sale, by which other nodes know it, and this one after a
    /// restart. Should they not in time, it is there all the same.
    async fn until_shown(&self, sale: FlashSaleId) {
        let shown = async {
            while !matches!(projection::sale_by_id(&self.database, sale).await, Ok(Some(_))) {
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
    pub async fn open_sale_of(&self, sku: SkuId) -> Result<Option<FlashSaleId>, Problem> {
        if let Some(known) = self.open_sales.get(&sku).await {
            return Ok(known);
        }
        let row = projection::open_sale_of(&self.database, sku).await;
        let sale = row.map_err(|error| Problem::unavailable(&error))?.map(|row| row.id);
        // One that was remembered meanwhile knows better than the tables did.
        Ok(self.open_sales.entry(sku).or_insert(sale).await.into_value())
    }

    /// Units of each SKU's regular pool that are for sale; may lag by a second.
    pub async fn available_of(&self, skus: &[SkuId]) -> Result<HashMap<SkuId, i64>, Problem> {
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
        let read = projection::available_of(&self.database, &missing).await;
        let read = read.map_err(|error| Problem::unavailable(&error))?;
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

/// Threads for actors: one for each core.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
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

/// Keeps the gauges of the sales that run.
async fn gauge_sales(database: Database, metrics: ShopMetrics) {
    const SHOWN_MAX: i64 = 100;
    let mut interval = tokio::time::interval(SALE_GAUGES_INTERVAL);
    loop {
        interval.tick().await;
        let page = projection::sale_page(&database, 1, SHOWN_MAX);
        let Ok((sales, _)) = database.within(limits::DATABASE_ANSWER_MS, page).await else { continue };
        metrics.show_sales(sales.iter().filter(|sale| sale.closed_at.is_none()));
    }
}
