//! All wiring, in one place: from settings to what the routes work with.

mod metrics;
mod node;
mod shop;

use std::{sync::Arc, time::Duration};

pub use metrics::ShopMetrics;
pub use node::{ADMIN_PASSWORD, Node, NodeError, generate_password};
pub use shop::{OrderNumbers, Shop, ShopError, line_of, open_database, source};

use stampede_actors::account::Revocations;

use crate::{
    auth::{Signer, SignerError},
    config::{Config, Live},
    health::{Health, Readiness},
    middleware::{CorsRules, Limiter, Network},
};

/// What the layer around every route and the extractors work with. It needs no database, so that it
/// can be tested by itself.
pub struct Shell {
    pub config: Live,
    pub signer: Arc<Signer>,
    /// Sessions whose tokens are refused.
    pub revocations: Arc<Revocations>,
    pub limiter: Limiter,
    pub readiness: Readiness,
    pub health: Health,
    pub edge: EdgeSettings,
}

/// Settings of the HTTP edge that hold until a restart, as the hot path reads them.
#[derive(Debug, Clone)]
pub struct EdgeSettings {
    pub body_bytes_max: usize,
    pub body_timeout: Duration,
    pub handler_timeout: Duration,
    pub trusted_proxies: Vec<Network>,
    pub cors: CorsRules,
    pub hsts: bool,
    /// Whether traces are exported; else no spans are made.
    pub traced: bool,
}

impl EdgeSettings {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let server = &config.server;
        let millis = |millis: u32| Duration::from_millis(u64::from(millis));
        Self {
            body_bytes_max: usize::try_from(server.body_bytes_max).unwrap_or(usize::MAX),
            body_timeout: millis(server.body_timeout_ms),
            handler_timeout: millis(server.handler_timeout_ms),
            trusted_proxies: server.trusted_proxies.iter().filter_map(|text| Network::parse(text)).collect(),
            cors: CorsRules::new(&config.cors),
            hsts: server.hsts,
            traced: !config.telemetry.otlp_endpoint.is_empty(),
        }
    }
}

impl Shell {
    /// From the settings in force; `health` names the parts that `/health` asks.
    pub fn new(config: Live, health: Health) -> Result<Self, SignerError> {
        let now = config.get();
        Ok(Self {
            signer: Arc::new(Signer::from_config(&now)?),
            revocations: Arc::default(),
            limiter: Limiter::new(&now.limits),
            readiness: Readiness::default(),
            health,
            edge: EdgeSettings::new(&now),
            config,
        })
    }
}
