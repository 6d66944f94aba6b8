//! What the operator sees of the actors, by kind.

use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry as Metrics,
    histogram_opts, opts,
};
use stampede_kernel::Code;

/// The families of metrics, each labelled by the actor's kind.
#[derive(Clone)]
pub struct ActorMetrics {
    live: IntGaugeVec,
    depth: IntGaugeVec,
    waited: HistogramVec,
    handled: HistogramVec,
    restarts: IntCounterVec,
    quarantined: IntGaugeVec,
    refusals: IntCounterVec,
    overloaded: IntCounterVec,
}

/// The metrics of one kind.
pub struct KindMetrics {
    pub live: IntGauge,
    pub depth: IntGauge,
    pub waited: Histogram,
    pub handled: Histogram,
    pub restarts: IntCounter,
    pub quarantined: IntGauge,
    pub overloaded: IntCounter,
    refusals: Vec<IntCounter>,
}

/// From a microsecond to a second.
const SECONDS: &[f64] = &[1e-6, 5e-6, 2.5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 2.5e-2, 0.1, 0.5, 1.0];

impl ActorMetrics {
    /// Registers the families.
    pub fn register(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let kind = &["kind"];
        let families = Self {
            live: IntGaugeVec::new(opts!("stampede_actors_live", "Actors in memory."), kind)?,
            depth: IntGaugeVec::new(
                opts!("stampede_actor_mailbox_depth", "Messages waiting in the mailboxes of a kind."),
                kind,
            )?,
            waited: HistogramVec::new(
                histogram_opts!(
                    "stampede_actor_mailbox_seconds",
                    "Time that messages waited in a mailbox.",
                    SECONDS.to_vec()
                ),
                kind,
            )?,
            handled: HistogramVec::new(
                histogram_opts!(
                    "stampede_actor_handling_seconds",
                    "Time that actors took to decide and apply a message.",
                    SECONDS.to_vec()
                ),
                kind,
            )?,
            restarts: IntCounterVec::new(
                opts!("stampede_actor_restarts_total", "Actors rebuilt after a panic."),
                kind,
            )?,
            quarantined: IntGaugeVec::new(
                opts!("stampede_actors_quarantined", "Actors that panicked too often and wait for a reset."),
                kind,
            )?,
            refusals: IntCounterVec::new(
                opts!("stampede_actor_refusals_total", "Commands refused, by cause."),
                &["kind", "cause"],
            )?,
            overloaded: IntCounterVec::new(
                opts!("stampede_actor_overloaded_total", "Messages turned away by a full lane."),
                kind,
            )?,
        };
        metrics.register(Box::new(families.live.clone()))?;
        metrics.register(Box::new(families.depth.clone()))?;
        metrics.register(Box::new(families.waited.clone()))?;
        metrics.register(Box::new(families.handled.clone()))?;
        metrics.register(Box::new(families.restarts.clone()))?;
        metrics.register(Box::new(families.quarantined.clone()))?;
        metrics.register(Box::new(families.refusals.clone()))?;
        metrics.register(Box::new(families.overloaded.clone()))?;
        Ok(families)
    }

    pub(super) fn of(&self, kind: &str) -> KindMetrics {
        let label = &[kind];
        KindMetrics {
            live: self.live.with_label_values(label),
            depth: self.depth.with_label_values(label),
            waited: self.waited.with_label_values(label),
            handled: self.handled.with_label_values(label),
            restarts: self.restarts.with_label_values(label),
            quarantined: self.quarantined.with_label_values(label),
            overloaded: self.overloaded.with_label_values(label),
            refusals: Code::ALL
                .iter()
                .map(|code| self.refusals.with_label_values(&[kind, code.as_str()]))
                .collect(),
        }
    }
}

impl KindMetrics {
    /// Counts a refusal.
    pub fn refused(&self, code: Code) {
        if let Some(counter) =
            Code::ALL.iter().position(|known| *known == code).and_then(|at| self.refusals.get(at))
        {
            counter.inc();
        }
    }
}
