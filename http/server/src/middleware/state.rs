//! What the layer around every route and the extractors work with.

use std::{sync::Arc, time::Duration};

use stampede_shop::records::account::Revocations;

use super::{CorsRules, Limiter, Network};
use crate::{
    auth::Signer,
    health::{Health, Readiness},
    settings::HttpSettings,
};

/// What the layer around every route and the extractors work with. It needs no database, so that it
/// can be tested by itself.
pub struct EdgeState {
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
    /// How long requests are still answered after the node has said that it is going away.
    pub shutdown_delay: Duration,
    /// Whether traces are exported; else no spans are made.
    pub traced: bool,
}

impl EdgeSettings {
    #[must_use]
    pub fn new(settings: &HttpSettings) -> Self {
        let server = &settings.server;
        let millis = |millis: u32| Duration::from_millis(u64::from(millis));
        Self {
            body_bytes_max: server.body_bytes_max as usize,
            body_timeout: millis(server.body_timeout_ms),
            handler_timeout: millis(server.handler_timeout_ms),
            trusted_proxies: server.trusted_proxies.iter().filter_map(|text| Network::parse(text)).collect(),
            cors: CorsRules::new(&settings.cors),
            hsts: server.hsts,
            shutdown_delay: millis(server.shutdown_delay_ms),
            traced: settings.traced,
        }
    }
}

impl EdgeState {
    /// From the settings in force; `health` names the parts that `/health` asks.
    #[must_use]
    pub fn new(settings: &HttpSettings, signer: Signer, health: Health) -> Self {
        Self {
            signer: Arc::new(signer),
            revocations: Arc::default(),
            limiter: Limiter::new(&settings.limits),
            readiness: Readiness::default(),
            health,
            edge: EdgeSettings::new(settings),
        }
    }
}
