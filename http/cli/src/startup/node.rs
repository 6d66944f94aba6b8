//! One running process: the shop, the state of the HTTP edge, and the server in front of both.

use std::{io, sync::Arc};

use actix_web::web::{Data, ServiceConfig};
use rand::Rng as _;
use stampede_platform::engine::{Redis, RedisOpenError};
use stampede_server::{
    auth::{Signer, SignerError},
    health::{Checked, Health},
    middleware::{
        EdgeState,
        limits::{self, Shared},
    },
    problem::chain,
    server::{self, Bound, Hook, Hooks},
};
use stampede_shop::{
    records::account::RegisterError,
    services::{Services, accounts},
};
use tokio::task::JoinHandle;

use super::{RunningShop, ShopError, signing_key};
use crate::{
    config::{self, Config, Live},
    telemetry,
};

/// The variable that holds the first administrator's password.
pub const ADMIN_PASSWORD: &str = "STAMPEDE_ADMIN_PASSWORD";
/// Characters of a generated password; no two look alike.
const PASSWORD_CHARACTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const PASSWORD_LENGTH: usize = 20;

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error(transparent)]
    Shop(#[from] ShopError),
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error("the first administrator, whose password is in {ADMIN_PASSWORD}, could not be made")]
    Admin(#[from] RegisterError),
    #[error(transparent)]
    Redis(#[from] RedisOpenError),
    #[error("the server cannot listen on {address}")]
    Bind { address: String, source: io::Error },
    #[error("the server could not be started")]
    Io(#[from] io::Error),
}

/// A node that is open but does not listen yet.
pub struct Node {
    pub edge: Data<EdgeState>,
    pub shop: RunningShop,
    /// The administrator's password, if it was generated just now.
    pub admin_password: Option<String>,
    live: Live,
    /// Keeps the connection to Redis, if there is one to keep.
    keeper: Option<JoinHandle<()>>,
}

impl Node {
    /// Opens the shop and makes sure that it has an administrator.
    pub async fn open(live: Live) -> Result<Self, NodeError> {
        let config = live.get();
        let redis = redis(&config)?;
        let keeper = redis.clone().map(|redis| tokio::spawn(limits::keep(redis)));
        let shop = RunningShop::open(&config).await?;
        let signer = Signer::new(&signing_key(&config)?, &config.auth)?;
        let mut edge = EdgeState::new(&config.http(), signer, health(&shop, redis.clone()));
        edge.revocations = shop.revocations.clone();
        if let Some(redis) = redis {
            edge.limiter = edge.limiter.sharing(Shared::new(redis, edge.signer.secret()));
        }
        let admin_password = ensure_admin(&shop.services).await?;
        Ok(Self { edge: Data::new(edge), shop, admin_password, live, keeper })
    }

    /// Binds the server.
    pub fn bind(&self, config: &Config) -> Result<Bound, NodeError> {
        let services = self.shop.services.clone();
        let extend = move |app: &mut ServiceConfig| {
            app.app_data(services.clone());
        };
        server::bind(&config.server, self.edge.clone(), extend)
            .map_err(|source| NodeError::Bind { address: config.server.listen.clone(), source })
    }

    /// Serves until a signal ends it, then closes the shop.
    pub async fn serve(self, bound: Bound, telemetry: telemetry::Handle) -> Result<(), NodeError> {
        let Self { edge, shop, live, keeper, .. } = self;
        let (telemetry, leaving) = (Arc::new(telemetry), shop.ownership.clone());
        let reload = {
            let (edge, telemetry) = (edge.clone(), telemetry.clone());
            Box::new(move || reload(&live, &edge, &telemetry))
        };
        let leave: Hook = Box::new(move || Box::pin(async move { leaving.leave().await }));
        let close: Hook = Box::new(move || {
            Box::pin(async move {
                if let Some(keeper) = keeper {
                    keeper.abort();
                }
                shop.close().await;
            })
        });
        let served = server::serve(bound, edge, Hooks { reload, leave, close }).await;
        // Traces are flushed last: closing may still have made some.
        if actix_web::rt::task::spawn_blocking(move || telemetry.shut_down()).await.is_err() {
            tracing::warn!("the last traces were not exported");
        }
        Ok(served?)
    }
}

/// Takes up the settings that a running server can.
fn reload(live: &Live, edge: &EdgeState, telemetry: &telemetry::Handle) {
    match live.reload() {
        Ok(changes) => {
            let now = live.get();
            let applied = |section: &str| {
                changes.iter().any(|change| change.applied && change.key.starts_with(section))
            };
            if applied("limits.") {
                edge.limiter.reload(&now.limits);
            }
            // Logged first, while the old level still holds: the new one may be silent.
            config::log(&changes);
            if applied("telemetry.") {
                telemetry.reload(&now.telemetry);
            }
        }
        Err(error) => tracing::error!(error = chain(&error), "the settings stay as they were"),
    }
}

/// The Redis that the settings name; it may be away.
fn redis(config: &Config) -> Result<Option<Redis>, RedisOpenError> {
    let redis = &config.redis;
    if redis.url.is_empty() {
        return Ok(None);
    }
    let tls_ca = Some(redis.tls_ca.as_path()).filter(|path| !path.as_os_str().is_empty());
    Redis::new(&redis.url, tls_ca, limits::SCRIPT).map(Some)
}

/// Makes the first administrator; returns a password that was generated for it.
async fn ensure_admin(services: &Services) -> Result<Option<String>, RegisterError> {
    let given = std::env::var(ADMIN_PASSWORD).ok().filter(|password| !password.is_empty());
    let is_generated = given.is_none();
    let password = given.unwrap_or_else(generate_password);
    let is_new = accounts::ensure_admin(services, &password).await?;
    Ok((is_new && is_generated).then_some(password))
}

/// A password that nobody chose.
#[must_use]
pub fn generate_password() -> String {
    let mut random = rand::rng();
    (0..PASSWORD_LENGTH)
        .map(|_| char::from(PASSWORD_CHARACTERS[random.random_range(0..PASSWORD_CHARACTERS.len())]))
        .collect()
}

/// Every component, for `/health`.
fn health(shop: &RunningShop, redis: Option<Redis>) -> Health {
    let (database, journal, actors) = (shop.services.clone(), shop.services.clone(), shop.services.clone());
    let nats = shop.nats.clone();
    Health::default()
        .require("database", move || {
            let services = database.clone();
            async move { services.check_database().await }
        })
        .require("journal", move || std::future::ready(journal.check_journal()))
        .observe("actors", move || std::future::ready(Ok(actors.actors_in_words())))
        .observe("nats", move || std::future::ready(state_of_nats(nats.as_ref())))
        .observe("redis", move || {
            let redis = redis.clone();
            async move { Ok(state_of_redis(redis).await.to_owned()) }
        })
}

fn state_of_nats(client: Option<&async_nats::Client>) -> Checked {
    use async_nats::connection::State;
    match client.map(async_nats::Client::connection_state) {
        None => Ok("not configured: this node is on its own".to_owned()),
        Some(State::Connected) => Ok("NATS answers".to_owned()),
        Some(State::Pending | State::Disconnected) => {
            Err("NATS is away: other nodes cannot be asked".to_owned())
        }
    }
}

/// The state of Redis. The node works without it, so it never makes the node unhealthy.
async fn state_of_redis(redis: Option<Redis>) -> &'static str {
    let Some(redis) = redis else { return "not configured" };
    let answer = match redis.line() {
        Some(line) => line.ping().await.ok(),
        None => None,
    };
    if answer.is_some() { "answers" } else { "away: local limits" }
}
