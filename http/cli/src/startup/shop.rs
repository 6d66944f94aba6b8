//! The shop behind the routes: engine, journal, actors and the tasks that keep them going.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::Arbiter;
use actix_web::web::Data;
use rand::RngCore as _;
use stampede_platform::{
    cluster::{
        Broadcaster, Link, Node, Nodes, Ownership, Relay, RoutingTable, Seal, Server, Traces, discoverable,
    },
    engine::{
        Database, DatabaseError, NatsError, OpenError, Source, connect_nats, limits::DATABASE_ANSWER_MS,
    },
    journal::{FenceError, Journal, Outbox, OwnedShards, Writer, initialize, limits::SHARDS},
    runtime::{Loader, Router, Runtime},
};
use stampede_server::{
    auth::{self, SignerError},
    trace,
};
use stampede_shop::{
    actors::Actors,
    projections::{self, Projector},
    records::{account::Revocations, catalog::Catalog, idempotency, remembered},
    rooms,
    sagas::{Deadlines, Driver},
    services::{Parts, Services, Settings, ShopMetrics},
};
use tokio::task::JoinHandle;

use super::metrics;
use crate::config::Config;

/// How long a node that starts waits until the tables have caught up.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);
/// How often the tables are looked at by who waits for them.
const TABLES_POLL: Duration = Duration::from_millis(10);
/// How often the gauges of running sales are set.
const SALE_GAUGES_INTERVAL: Duration = Duration::from_secs(2);

/// An open shop: its use cases, and the tasks that keep it going.
pub struct RunningShop {
    pub services: Data<Services>,
    /// Sessions whose tokens are refused.
    pub revocations: Arc<Revocations>,
    pub ownership: Arc<Ownership>,
    /// The link to other nodes, if this one has any.
    pub nats: Option<async_nats::Client>,
    journal: Journal,
    database: Database,
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
    initialize(&database, SHARDS).await?;
    Ok(database)
}

/// Waits until the tables show what this node's shards had in the journal when it came: a crash may have
/// left them behind, and what they do not show yet must not be denied.
async fn catch_up(database: &Database, owned_shards: &OwnedShards) -> Result<(), DatabaseError> {
    let mut behind = projections::progress(database).await?;
    behind.retain(|shard, progress| progress.lag > 0 && owned_shards.epoch(*shard).is_some());
    let waiting = async {
        while !behind.is_empty() {
            tokio::time::sleep(TABLES_POLL).await;
            let now = projections::progress(database).await?;
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

/// The key that signs access tokens and seals the messages between nodes.
pub fn signing_key(config: &Config) -> Result<Vec<u8>, SignerError> {
    let data_folder = config.database.url.is_empty().then_some(config.data.dir.as_path());
    auth::signing_key(&config.auth, data_folder)
}

/// How traces go over to other nodes.
const TRACES: Traces = Traces { parent_of: trace::traceparent_of, continued: trace::continue_traceparent };

/// The connection to other nodes.
struct Linked {
    client: async_nats::Client,
    seal: Arc<Seal>,
}

impl Linked {
    async fn open(config: &Config, node: &str) -> Result<Option<Self>, ShopError> {
        let Some(settings) = config.nats.settings() else { return Ok(None) };
        let secret = signing_key(config)?;
        let client = connect_nats(&settings, node).await?;
        // Of this life alone: what an earlier one was sent is no answer to this one.
        let from = format!("{node}_{:08x}", rand::rng().next_u32());
        let seal = Arc::new(Seal::new(&secret, &from).ok_or(ShopError::Secret)?);
        Ok(Some(Self { client, seal }))
    }
}

impl RunningShop {
    /// Opens the shop: takes the shards, wakes nobody, starts the tasks. Must run within an actix
    /// system over a multi-threaded runtime.
    pub async fn open(config: &Config) -> Result<Self, ShopError> {
        Database::wait_for(&source(config)).await?;
        let database = open_database(config).await?;
        let families = metrics::Families::register(prometheus::default_registry())?;
        let owned_shards = Arc::new(OwnedShards::new(SHARDS));
        let node = config.cluster.name();
        let (journal, writer) = Writer::new(database.clone(), &node, owned_shards.clone(), families.writer);
        let writer = tokio::spawn(writer.run());
        let routing = RoutingTable::new(&node, owned_shards.clone());
        let link = Linked::open(config, &node).await?;
        let replicas = usize::from(config.nats.replicas);
        let router: Box<dyn Router> = match &link {
            Some(Linked { client, seal }) => {
                let size = (SHARDS, replicas);
                let link = Link::start(client, seal, &routing, size, families.link.clone());
                Box::new(Node { routing: routing.clone(), link, traces: TRACES })
            }
            None => Box::new(owned_shards.clone()),
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
        let (actors, supervisors) = Actors::new(&runtime);
        let directories = actors.directories();
        let others = || link.as_ref().map(|link| (link.client.clone(), link.seal.clone()));
        let ownership = Ownership::new(
            database.clone(),
            journal.clone(),
            routing.clone(),
            directories.clone(),
            others(),
            families.ownership,
        );
        let nodes = Nodes::new(ownership.clone(), directories.clone(), &node, others());
        let catalog = Catalog::new(database.clone());
        let revocations = Revocations::open(&database).await?;
        if let Some(Linked { client, seal }) = &link {
            Server::start(client, seal, &owned_shards, &directories, replicas, families.link.clone());
        }
        ownership.begin().await?;
        let driver =
            Driver::open(&database, &journal, actors.clone(), rooms::sagas(), families.sagas).await?;
        let projector =
            Projector::open(&database, &journal, rooms::projections(), families.projector).await?;
        let mut tasks = vec![
            tokio::spawn(ownership.clone().run(families.link.refused.clone())),
            tokio::spawn(revocations.clone().keep(database.clone())),
            tokio::spawn(loading.run()),
            tokio::spawn(driver.run()),
            tokio::spawn(projector.run()),
            tokio::spawn(Deadlines::new(database.clone(), actors.clone()).run()),
            tokio::spawn(idempotency::keep_swept(database.clone())),
            tokio::spawn(Outbox::new(database.clone(), journal.clone(), rooms::records()).run()),
            tokio::spawn(gauge_sales(database.clone(), families.shop.clone())),
            writer,
        ];
        tasks.extend(supervisors.into_iter().map(tokio::spawn));
        if let Some(Linked { client, seal }) = &link {
            let tables = (&database, &journal);
            let relay = Relay::open(tables, client, replicas, TRACES, families.relay).await?;
            tasks.push(tokio::spawn(relay.run()));
            tasks.push(tokio::spawn(nodes.clone().obey(families.link.refused.clone())));
            let (client, seal) = (client.clone(), seal.clone());
            let remembered = remembered(&catalog, &revocations);
            let broadcaster = Broadcaster { client, seal, remembered, metrics: families.link };
            tasks.push(tokio::spawn(broadcaster.clone().publish()));
            tasks.push(tokio::spawn(broadcaster.receive()));
        }
        if let Some(Linked { client, .. }) = &link {
            let (routing, held) = (routing.clone(), owned_shards.clone());
            tasks.push(tokio::spawn(discoverable(client.clone(), routing, held, directories.clone())));
        }
        catch_up(&database, &owned_shards).await?;
        let settings = Settings {
            pay_within_ms: i64::from(config.flash.pay_within_seconds) * 1_000,
            load_users: config.admin.load_users,
            faults: config.faults.enabled,
        };
        let services = Services::new(Parts {
            database: database.clone(),
            catalog,
            journal: journal.clone(),
            actors,
            directories,
            routing,
            nodes,
            revocations: revocations.clone(),
            metrics: families.shop,
            settings,
        });
        Ok(Self {
            services: Data::new(services),
            revocations,
            ownership,
            nats: link.map(|link| link.client),
            journal,
            database,
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
}

/// Threads for actors: one for each core.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Keeps the gauges of the sales that run.
async fn gauge_sales(database: Database, metrics: ShopMetrics) {
    const SHOWN_MAX: i64 = 100;
    let mut interval = tokio::time::interval(SALE_GAUGES_INTERVAL);
    loop {
        interval.tick().await;
        let page = projections::sale_page(&database, 1, SHOWN_MAX);
        let Ok((sales, _)) = database.within(DATABASE_ANSWER_MS, page).await else { continue };
        metrics.show_sales(sales.iter().filter(|sale| sale.closed_at.is_none()));
    }
}
