//! Whether the node may be sent requests, and how its parts are.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;
use stampede_kernel::whole_millis;

use crate::limits::HEALTH_CHECK_MS_MAX;

const CHECK_TIMEOUT: Duration = Duration::from_millis(HEALTH_CHECK_MS_MAX);

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// Whether balancers should send requests here. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// Requests are welcome.
    pub fn set_ready(&self) {
        // A node that is going away does not come back.
        let _previous = self.0.compare_exchange(STARTING, READY, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The node is going away: no new requests, and clients should not keep their connections.
    pub fn set_draining(&self) {
        self.0.store(DRAINING, Ordering::Relaxed);
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed) == READY
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Relaxed) == DRAINING
    }
}

/// What a part says of itself. The text is for operators and holds no cause: causes are logged.
pub type Checked = Result<String, String>;

type Check = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Checked> + Send>> + Send + Sync>;

/// The parts of this node that `/health` asks.
#[derive(Default)]
pub struct Health {
    parts: Vec<Part>,
}

struct Part {
    name: &'static str,
    /// Whether the node can do its work without this part.
    required: bool,
    check: Check,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts.iter().map(|part| part.name)).finish()
    }
}

/// How the node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    Up,
    /// Something that can be done without is down.
    Degraded,
    Down,
}

/// The answer of `/health`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HealthReport {
    pub status: HealthStatus,
    pub version: &'static str,
    pub components: Vec<ComponentHealth>,
}

/// One part's answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ComponentHealth {
    pub name: &'static str,
    pub status: HealthStatus,
    pub detail: String,
    pub took_ms: u64,
}

impl Health {
    /// Adds a part that the node cannot do without.
    #[must_use]
    pub fn require<F, Fut>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Checked> + Send + 'static,
    {
        self.add(name, true, check)
    }

    /// Adds a part without which the node does less.
    #[must_use]
    pub fn observe<F, Fut>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Checked> + Send + 'static,
    {
        self.add(name, false, check)
    }

    fn add<F, Fut>(mut self, name: &'static str, required: bool, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Checked> + Send + 'static,
    {
        let check: Check = Box::new(move || Box::pin(check()));
        self.parts.push(Part { name, required, check });
        self
    }

    /// Whether everything is up that the node cannot do without.
    pub async fn is_up(&self) -> bool {
        let required = self.parts.iter().filter(|part| part.required);
        let asked = required.map(|part| tokio::time::timeout(CHECK_TIMEOUT, (part.check)()));
        futures_util::future::join_all(asked).await.iter().all(|outcome| matches!(outcome, Ok(Ok(_))))
    }

    /// Asks every part at once.
    pub async fn report(&self) -> HealthReport {
        let asked = self.parts.iter().map(|part| async move {
            let started = Instant::now();
            let outcome = match tokio::time::timeout(CHECK_TIMEOUT, (part.check)()).await {
                Ok(outcome) => outcome,
                Err(_) => Err("no answer in time".to_owned()),
            };
            let (status, detail) = match (outcome, part.required) {
                (Ok(detail), _) => (HealthStatus::Up, detail),
                (Err(detail), true) => (HealthStatus::Down, detail),
                (Err(detail), false) => (HealthStatus::Degraded, detail),
            };
            let took_ms = whole_millis(started.elapsed());
            ComponentHealth { name: part.name, status, detail, took_ms }
        });
        let components = futures_util::future::join_all(asked).await;
        let any = |state: HealthStatus| components.iter().any(|component| component.status == state);
        let status = if any(HealthStatus::Down) {
            HealthStatus::Down
        } else if any(HealthStatus::Degraded) {
            HealthStatus::Degraded
        } else {
            HealthStatus::Up
        };
        HealthReport { status, version: env!("CARGO_PKG_VERSION"), components }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn the_worst_part_that_matters_decides() {
        let up = || async { Ok("fine".to_owned()) };
        let down = || async { Err("away".to_owned()) };
        assert_eq!(Health::default().require("a", up).report().await.status, HealthStatus::Up);
        assert_eq!(
            Health::default().require("a", up).observe("b", down).report().await.status,
            HealthStatus::Degraded
        );
        let report = Health::default().require("a", down).observe("b", down).report().await;
        assert_eq!(report.status, HealthStatus::Down);
        assert_eq!(report.components[0].detail, "away");
        assert!(!Health::default().require("a", up).require("b", down).is_up().await);
        assert!(Health::default().require("a", up).observe("b", down).is_up().await);
    }

    #[test]
    fn a_node_that_goes_away_does_not_come_back() {
        let readiness = Readiness::default();
        assert!(!readiness.is_ready());
        readiness.set_ready();
        assert!(readiness.is_ready());
        readiness.set_draining();
        readiness.set_ready();
        assert!(!readiness.is_ready() && readiness.is_draining());
    }
}
