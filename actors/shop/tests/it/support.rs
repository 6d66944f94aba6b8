//! A node of the shop without its HTTP front: every task that `serve` would start, on one database.

use std::{
    future::Future,
    sync::{Arc, mpsc},
    time::{Duration, Instant, SystemTime},
};

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts};
use stampede_domain::stock;
use stampede_kernel::{
    Currency, Entity, FlashSaleId, Money, OrderNo, ProductId, ReservationId, ShardId, SkuId, Timestamp,
    UserId,
};
use stampede_platform::{
    engine::{Database, Source},
    journal::{
        Append, Incarnation, Journal, NewEvent, OwnedShards, Settled, TakeScope, Writer, WriterMetrics,
        initialize,
    },
    runtime::{ActorMetrics, Loader, Registry, Router, Runtime},
};
use stampede_shop::{
    actors::Actors,
    projections::{Projector, ProjectorMetrics},
    rooms,
    sagas::{Driver, SagaMetrics},
};
use tokio::{sync::oneshot, task::JoinSet};
use uuid::Uuid;

pub const SHARDS: u16 = 8;

pub fn shard(number: u16) -> ShardId {
    ShardId::try_from(number).expect("a shard")
}

/// How long a condition may take to come true.
const EVENTUALLY_MAX: Duration = Duration::from_secs(20);

/// Asks until the answer is there; panics, naming `what`, when it does not come.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut check: impl FnMut() -> F) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let polling = async {
        loop {
            ticks.tick().await;
            if let Some(value) = check().await {
                return value;
            }
        }
    };
    match tokio::time::timeout(EVENTUALLY_MAX, polling).await {
        Ok(value) => value,
        Err(_) => panic!("it never came true: {what}"),
    }
}

/// An embedded database with the schema, in a folder of its own.
pub struct Store {
    pub database: Database,
    _folder: tempfile::TempDir,
}

pub async fn store() -> Store {
    let folder = tempfile::tempdir().expect("a folder");
    let database =
        Database::open(&Source::Embedded(folder.path().to_owned()), 1).await.expect("the engine starts");
    database.migrate().await.expect("the schema");
    initialize(&database, SHARDS).await.expect("the shop");
    Store { database, _folder: folder }
}

/// The journal of one node: its writer runs, it holds nothing yet.
pub struct Scribe {
    pub journal: Journal,
    pub metrics: WriterMetrics,
    tasks: JoinSet<()>,
}

pub fn scribe(database: &Database, node: &str) -> Scribe {
    let histogram = || Histogram::with_opts(HistogramOpts::new("h", "h")).expect("a histogram");
    let counter = || IntCounter::new("c", "c").expect("a counter");
    let metrics = WriterMetrics {
        batch_events: histogram(),
        commit_seconds: histogram(),
        gathered: gauge(),
        failed: counter(),
        unknown: counter(),
    };
    let owned_shards = Arc::new(OwnedShards::new(SHARDS));
    let (journal, writer) = Writer::new(database.clone(), node, owned_shards, metrics.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(writer.run());
    Scribe { journal, metrics, tasks }
}

fn gauge() -> IntGauge {
    IntGauge::new("g", "g").expect("a gauge")
}

impl Scribe {
    pub async fn take_all(&self) {
        let taken = self.journal.take(ShardId::all(SHARDS).collect(), TakeScope::Any).await;
        assert_eq!(taken.expect("the shards can be taken").len(), usize::from(SHARDS));
    }

    /// A life of a made-up actor in a shard that this node holds.
    pub fn life(&self, actor: u128, number: u16) -> Arc<Incarnation> {
        let epoch = self.journal.owned_shards().epoch(shard(number)).expect("the shard is held");
        Incarnation::new("test", Uuid::from_u128(actor), shard(number), epoch)
    }

    /// Appends one event for each payload, or a barrier for none.
    pub fn append(
        &self,
        life: &Arc<Incarnation>,
        id: &str,
        first_version: i64,
        payloads: &[&str],
    ) -> oneshot::Receiver<Settled> {
        let (sender, settled) = oneshot::channel();
        let event = |payload: &&str| NewEvent {
            event_type: "tested",
            payload: (*payload).to_owned(),
            decoded: Arc::new(()),
        };
        self.journal.append(Append {
            incarnation: life.clone(),
            id: id.into(),
            first_version,
            events: payloads.iter().map(event).collect(),
            outbox: None,
            span: tracing::Span::none(),
            settle: Box::new(move |outcome| {
                let _ = sender.send(outcome);
            }),
        });
        settled
    }

    /// Waits until everything appended so far is cut into batches.
    pub async fn cut(&self) {
        eventually("the writer has cut its batch", || async {
            (self.metrics.gathered.get() == 0).then_some(())
        })
        .await;
    }
}

/// Threads for actors, which end with it.
struct Threads {
    system: actix::System,
    arbiters: Vec<actix::ArbiterHandle>,
}

impl Threads {
    fn start() -> Self {
        let (sender, started) = mpsc::channel();
        std::thread::spawn(move || {
            let runner = actix::System::new();
            let arbiters = (0..2).map(|_| actix::Arbiter::new().handle()).collect();
            let _ = sender.send(Threads { system: actix::System::current(), arbiters });
            let _ = runner.run();
        });
        started.recv().expect("the actors' threads start")
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.system.stop();
    }
}

/// A node: journal, actors, supervisors.
pub struct Node {
    pub database: Database,
    pub scribe: Scribe,
    pub actors: Actors,
    tasks: JoinSet<()>,
    _threads: Threads,
}

impl Node {
    /// A node that has taken every shard.
    pub async fn start(database: &Database, name: &str) -> Self {
        Self::start_with(database, name, |owned_shards| Box::new(owned_shards)).await
    }

    /// The same with a router of the test's own.
    pub async fn start_with(
        database: &Database,
        name: &str,
        router: impl FnOnce(Arc<OwnedShards>) -> Box<dyn Router>,
    ) -> Self {
        let threads = Threads::start();
        let scribe = scribe(database, name);
        scribe.take_all().await;
        let (loader, loading) = Loader::new(database.clone());
        let runtime = Arc::new(Runtime {
            journal: scribe.journal.clone(),
            loader,
            router: router(scribe.journal.owned_shards().clone()),
            database: database.clone(),
            metrics: ActorMetrics::register(&prometheus::Registry::new()).expect("the metrics"),
            arbiters: threads.arbiters.clone(),
            started: Instant::now(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(loading.run());
        let actors = Actors {
            stock: directory(&runtime, &mut tasks),
            order: directory(&runtime, &mut tasks),
            cart: directory(&runtime, &mut tasks),
        };
        Self { database: database.clone(), scribe, actors, tasks, _threads: threads }
    }

    /// Starts what follows the journal.
    pub async fn follow(&mut self) {
        let (database, journal) = (&self.database, &self.scribe.journal);
        let dead_letters = IntCounterVec::new(Opts::new("p", "p"), &["saga"]).expect("a counter");
        let metrics = SagaMetrics { lag: gauge(), under_way: gauge(), dead_letters };
        let driver = Driver::open(database, journal, self.actors.clone(), rooms::sagas(), metrics)
            .await
            .expect("the driver opens");
        self.tasks.spawn(driver.run());
        self.project().await;
    }

    pub async fn project(&mut self) {
        let seconds = Histogram::with_opts(HistogramOpts::new("h", "h")).expect("a histogram");
        let metrics = ProjectorMetrics { lag: gauge(), seconds };
        let projector = Projector::open(&self.database, &self.scribe.journal, rooms::projections(), metrics)
            .await
            .expect("the projector opens");
        self.tasks.spawn(projector.run());
    }

    /// Ends every task of this node at once, like a crash.
    pub async fn kill(mut self) {
        self.tasks.shutdown().await;
        self.scribe.tasks.shutdown().await;
    }
}

fn directory<E: Entity>(runtime: &Arc<Runtime>, tasks: &mut JoinSet<()>) -> Arc<Registry<E>> {
    let (registry, supervisor) = Registry::<E>::new(runtime.clone());
    tasks.spawn(supervisor.run());
    registry
}

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::after_epoch(since)
}

pub fn sku(number: u128) -> SkuId {
    SkuId(Uuid::from_u128(number))
}

pub fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

pub fn receive(quantity: i64) -> stock::Command {
    stock::Command::Receive(stock::Receive { quantity, reason: "test".into(), key: None })
}

pub fn line() -> stock::Line {
    stock::Line {
        product_id: ProductId(Uuid::from_u128(0xb0b)),
        name: "a thing".into(),
        specs: Default::default(),
        unit_price: Money::from_minor(1_990),
        currency: Currency::CNY,
    }
}

/// A sale that is on, two for each buyer.
pub fn open_sale(sale: FlashSaleId, quantity: i64) -> stock::Command {
    let terms = stock::Terms {
        line: line(),
        original_price: Money::from_minor(2_990),
        per_user_limit: 2,
        starts_at: Timestamp::from_millis(0),
        ends_at: Timestamp::MAX,
        pay_within_ms: 900_000,
    };
    stock::Command::OpenSale(Box::new(stock::OpenSale {
        sale,
        terms,
        quantity,
        receive_missing: false,
        key: None,
    }))
}

/// A purchase of a buyer, from a sale or from the regular pool.
pub fn purchase(buyer: u128, sale: Option<FlashSaleId>, quantity: u32) -> stock::Reserve {
    let source = match sale {
        Some(sale) => stock::Source::Sale(sale),
        None => stock::Source::Regular { line: line(), pay_within_ms: 900_000 },
    };
    stock::Reserve {
        reservation: ReservationId(Uuid::now_v7()),
        order_no: OrderNo::new(now(), Uuid::now_v7().as_u64_pair().1 & 0xffff_ffff),
        user: user(buyer),
        source,
        quantity,
        note: None,
        issued_at: now(),
        key: None,
    }
}

pub async fn totals(node: &Node, id: SkuId) -> stock::Pool {
    match node.actors.stock.query(id.0, id, stock::Query::Stock).await {
        Ok(stock::Answer::Stock(view)) => view.total(),
        other => panic!("no stock: {other:?}"),
    }
}
