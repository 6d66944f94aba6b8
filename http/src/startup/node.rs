//! One running process: the shop, the shell around its routes, and the server in front of both.

use std::io;

use actix_web::web::{Data, ServiceConfig};
use rand::Rng as _;
use stampede_actors::{
    account::{self, Ensured, RegisterError},
    engine::{Redis, RedisOpenError},
};
use tokio::task::JoinHandle;

use super::{Shell, Shop, ShopError};
use crate::{
    auth::SignerError,
    config::{Config, Live},
    health::Health,
    middleware::limits::{self, Shared},
    server::{self, Bound, Hook},
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
    pub shell: Data<Shell>,
    pub shop: Data<Shop>,
    /// The administrator's password, if it was generated just now.
    pub admin_password: Option<String>,
    /// Keeps the connection to Redis, if there is one to keep.
    keeper: Option<JoinHandle<()>>,
}

impl Node {
    /// Opens the shop and makes sure that it has an administrator.
    pub async fn open(live: Live) -> Result<Self, NodeError> {
        let config = live.get();
        let redis = redis(&config)?;
        let keeper = redis.clone().map(|redis| tokio::spawn(limits::keep(redis)));
        let shop = Data::new(Shop::open(live.clone()).await?);
        let mut shell = Shell::new(live, health(&shop, redis.clone()))?;
        shell.revocations = shop.revocations.clone();
        if let Some(redis) = redis {
            shell.limiter = shell.limiter.sharing(Shared::new(redis, shell.signer.secret()));
        }
        let admin_password = ensure_admin(&shop).await?;
        Ok(Self { shell: Data::new(shell), shop, admin_password, keeper })
    }

    /// Binds the server.
    pub fn bind(&self, config: &Config) -> Result<Bound, NodeError> {
        let shop = self.shop.clone();
        let extend = move |app: &mut ServiceConfig| {
            app.app_data(shop.clone());
        };
        server::bind(config, self.shell.clone(), extend)
            .map_err(|source| NodeError::Bind { address: config.server.listen.clone(), source })
    }

    /// Serves until a signal ends it, then closes the shop.
    pub async fn serve(self, bound: Bound, telemetry: Option<telemetry::Handle>) -> Result<(), NodeError> {
        let (shop, leaving, keeper) = (self.shop.clone(), self.shop.clone(), self.keeper);
        let leave: Hook = Box::new(move || Box::pin(async move { leaving.ownership.leave().await }));
        let close: Hook = Box::new(move || {
            Box::pin(async move {
                if let Some(keeper) = keeper {
                    keeper.abort();
                }
                shop.close().await;
            })
        });
        Ok(server::serve(bound, self.shell, telemetry, leave, close).await?)
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

/// Makes the first administrator; answers a password that was generated for it.
async fn ensure_admin(shop: &Shop) -> Result<Option<String>, RegisterError> {
    let given = std::env::var(ADMIN_PASSWORD).ok().filter(|password| !password.is_empty());
    let generated = given.is_none();
    let password = given.unwrap_or_else(generate_password);
    match account::ensure_admin(&shop.database, &shop.hasher, &password).await? {
        Ensured::Created(_) if generated => Ok(Some(password)),
        Ensured::Created(_) | Ensured::Existing(_) => Ok(None),
    }
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
fn health(shop: &Data<Shop>, redis: Option<Redis>) -> Health {
    let (database, journal, actors, nats) = (shop.clone(), shop.clone(), shop.clone(), shop.clone());
    Health::default()
        .require("database", move || {
            let shop = database.clone();
            async move {
                let engine = if shop.database.is_embedded() { "embedded Postgres" } else { "Postgres" };
                match shop.database.ping().await {
                    Ok(()) => Ok(format!("{engine} answers")),
                    Err(error) => {
                        tracing::warn!(%error, "health: the database does not answer");
                        Err(format!("{engine} does not answer"))
                    }
                }
            }
        })
        .require("journal", move || {
            let shop = journal.clone();
            async move {
                let holdings = shop.journal.holdings();
                let table = shop.routes.table();
                let (held, owned) =
                    (holdings.held().count(), table.iter().filter(|route| route.alive).count());
                let state =
                    format!("{held} shards held here, {owned} of {} held by living nodes", holdings.count());
                // A node that cannot be sure of its lease does not speak for its shards.
                if shop.routes.is_whole() && shop.routes.is_leased() { Ok(state) } else { Err(state) }
            }
        })
        .observe("actors", move || {
            let shop = actors.clone();
            async move {
                let (stock, order, cart) =
                    (shop.actors.stock.len(), shop.actors.order.len(), shop.actors.cart.len());
                Ok(format!("{stock} stock, {order} order and {cart} cart actors live"))
            }
        })
        .observe("nats", move || {
            let shop = nats.clone();
            async move {
                use async_nats::connection::State;
                match shop.nats.as_ref().map(async_nats::Client::connection_state) {
                    None => Ok("not configured: this node is on its own".to_owned()),
                    Some(State::Connected) => Ok("NATS answers".to_owned()),
                    Some(State::Pending | State::Disconnected) => {
                        Err("NATS is away: other nodes cannot be asked".to_owned())
                    }
                }
            }
        })
        .observe("redis", move || {
            let redis = redis.clone();
            async move { Ok(state_of(redis).await.to_owned()) }
        })
}

/// How Redis is; the node does its work without it, and so it is never what ails the node.
async fn state_of(redis: Option<Redis>) -> &'static str {
    let Some(redis) = redis else { return "not configured" };
    let answer = match redis.line() {
        Some(line) => line.ping().await.ok(),
        None => None,
    };
    if answer.is_some() { "answers" } else { "away: local limits" }
}
