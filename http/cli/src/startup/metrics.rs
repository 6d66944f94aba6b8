//! What the shop shows at `/metrics`, registered in one place.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};
use stampede_platform::{
    cluster::{LinkMetrics, OwnershipMetrics, RelayMetrics},
    journal::WriterMetrics,
    runtime::ActorMetrics,
};
use stampede_shop::{projections::ProjectorMetrics, sagas::SagaMetrics, services::ShopMetrics};

/// The metrics of every part.
pub struct Families {
    pub writer: WriterMetrics,
    pub ownership: OwnershipMetrics,
    pub link: LinkMetrics,
    pub relay: RelayMetrics,
    pub actors: ActorMetrics,
    pub sagas: SagaMetrics,
    pub projector: ProjectorMetrics,
    pub shop: ShopMetrics,
}

impl Families {
    /// Registers everything.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        const COMMIT_SECONDS: [f64; 12] =
            [0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1.0, 5.0];
        const BATCH_EVENTS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
        let add = Adder(registry);
        Ok(Self {
            writer: WriterMetrics {
                batch_events: add.histogram(
                    "stampede_journal_batch_events",
                    "Events in one batch of the journal.",
                    &BATCH_EVENTS,
                )?,
                commit_seconds: add.histogram(
                    "stampede_journal_commit_seconds",
                    "Time from sending a batch to its commit.",
                    &COMMIT_SECONDS,
                )?,
                gathered: add.gauge("stampede_journal_gathered", "Appends waiting for the next batch.")?,
                failed: add.counter("stampede_journal_failed_total", "Batches that failed for certain.")?,
                unknown: add
                    .counter("stampede_journal_unknown_total", "Batches whose outcome was unknown.")?,
            },
            ownership: OwnershipMetrics {
                held: add.gauge("stampede_shards_held", "Shards held by this node.")?,
                epoch_max: add.gauge("stampede_shard_epoch_max", "The highest epoch of a shard held.")?,
                unowned: add.gauge("stampede_shards_unowned", "Shards that no living node owns.")?,
                nodes: add.gauge("stampede_cluster_nodes", "Nodes that live.")?,
                takeovers: add.counter("stampede_shard_takeovers_total", "Shards taken by this node.")?,
                renewal_seconds: add.histogram(
                    "stampede_lease_renewal_seconds",
                    "Time that renewals of this node's lease took.",
                    &COMMIT_SECONDS,
                )?,
                handoff_seconds: add.histogram(
                    "stampede_shard_handoff_seconds",
                    "Time from the last message let in until shards were another node's.",
                    &COMMIT_SECONDS,
                )?,
            },
            relay: RelayMetrics {
                lag: add.gauge("stampede_relay_lag_events", "Committed events not published yet.")?,
                published: add.counter("stampede_relay_published_total", "Events published.")?,
                refilled: add.counter(
                    "stampede_relay_refilled_total",
                    "Times that events were published again because their stream had lost them.",
                )?,
            },
            link: LinkMetrics {
                asks: add.with(IntCounterVec::new(
                    Opts::new("stampede_cluster_asks_total", "Messages to actors of other nodes."),
                    &["outcome"],
                )?)?,
                refused: add.with(IntCounterVec::new(
                    Opts::new(
                        "stampede_cluster_messages_refused_total",
                        "Messages between nodes that were not heard.",
                    ),
                    &["cause"],
                )?)?,
                news: add.counter(
                    "stampede_cluster_news_total",
                    "Changes at other nodes of which this one was told.",
                )?,
            },
            actors: ActorMetrics::register(registry)?,
            sagas: SagaMetrics {
                lag: add
                    .gauge("stampede_saga_lag_events", "Committed events not handed to the sagas yet.")?,
                under_way: add.gauge("stampede_saga_under_way", "Events whose commands are under way.")?,
                dead_letters: add.with(IntCounterVec::new(
                    Opts::new(
                        "stampede_saga_parked_total",
                        "Commands given up and kept for the administrator.",
                    ),
                    &["saga"],
                )?)?,
            },
            projector: ProjectorMetrics {
                lag: add
                    .gauge("stampede_projection_lag_events", "Committed events not in the tables yet.")?,
                seconds: add.histogram(
                    "stampede_projection_seconds",
                    "Time of one transaction of the projector.",
                    &COMMIT_SECONDS,
                )?,
            },
            shop: ShopMetrics {
                orders_created: add.counter("stampede_orders_created_total", "Orders created.")?,
                seckill_requests: add
                    .counter("stampede_seckill_requests_total", "Flash-sale purchases tried.")?,
                seckill_success: add
                    .counter("stampede_seckill_success_total", "Flash-sale purchases accepted.")?,
                user_logins: add.counter("stampede_user_logins_total", "Successful logins.")?,
                sale_units: add.with(IntGaugeVec::new(
                    Opts::new("stampede_flash_sale_units", "Units of each flash sale that is not closed."),
                    &["flash_sale_id", "part"],
                )?)?,
            },
        })
    }
}

struct Adder<'a>(&'a Registry);

impl Adder<'_> {
    fn with<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.with(IntCounter::new(name, help)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.with(IntGauge::new(name, help)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, prometheus::Error> {
        self.with(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }
}
