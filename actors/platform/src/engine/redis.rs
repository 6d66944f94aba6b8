//! The connection to Redis: made by URL, made again for ever when it ends, and never waited for.
//!
//! All that the shop asks of Redis is to run one script. A question that is not answered at once ends
//! the connection: from then on everybody is told so without asking, until a new one answers. So an
//! outage costs a few callers one short wait, and nobody else anything.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use fred::{
    bytes_utils::Str,
    clients::Client,
    interfaces::{ClientLike as _, LuaInterface as _},
    rustls::{
        self, ClientConfig, RootCertStore,
        pki_types::{CertificateDer, pem::PemObject as _},
    },
    rustls_native_certs,
    types::{
        ConnectHandle, MultipleKeys, Value,
        config::{Config, ConnectionConfig, TcpConfig, TlsConnector},
    },
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, sleep, timeout},
};

use crate::engine::limits::{
    REDIS_ANSWER_MS, REDIS_CONNECT_MS, REDIS_PAUSE_MS, REDIS_PAUSE_MS_MAX, REDIS_QUESTIONS_MAX,
    REDIS_STEADY_MS,
};

const ANSWER: Duration = Duration::from_millis(REDIS_ANSWER_MS);
const CONNECT: Duration = Duration::from_millis(REDIS_CONNECT_MS);
const PAUSE: Duration = Duration::from_millis(REDIS_PAUSE_MS);
const LONGEST_PAUSE: Duration = Duration::from_millis(REDIS_PAUSE_MS_MAX);
const STEADY: Duration = Duration::from_millis(REDIS_STEADY_MS);

/// Why there can be no connection, whatever the server does.
#[derive(Debug, thiserror::Error)]
pub enum RedisOpenError {
    #[error("redis.url is not a URL such as redis://user:password@host:6379/0")]
    Url(#[source] fred::error::Error),
    #[error("the file {path} of redis.tls_ca could not be read")]
    Authority { path: PathBuf, source: io::Error },
    #[error("the file {path} of redis.tls_ca holds no certificate that can be used")]
    NoAuthority { path: PathBuf },
    #[error("this system trusts no certificate authority; name one in redis.tls_ca")]
    NoneTrusted,
    #[error("TLS could not be set up")]
    Tls(#[source] rustls::Error),
}

/// Why a question has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RedisError {
    #[error("Redis did not answer within {REDIS_ANSWER_MS} ms")]
    Slow,
    #[error("the connection to Redis ended")]
    Ended,
    #[error("Redis could not be asked")]
    Failed(#[source] fred::error::Error),
}

/// A connection to Redis that comes back by itself. Clones share it.
#[derive(Clone)]
pub struct Redis(Arc<Link>);

struct Link {
    config: Config,
    script: &'static str,
    /// The connection that answers now.
    live: RwLock<Option<Arc<Live>>>,
    questions: Arc<Semaphore>,
}

struct Live {
    client: Client,
    /// By which the server knows the script.
    digest: Str,
    /// Takes the first failure of a question.
    failed: mpsc::Sender<RedisError>,
}

/// The task behind a connection, which ends with this.
struct Driver(ConnectHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Leave to put one question to the connection that answers now.
pub struct RedisConnection {
    link: Arc<Link>,
    live: Arc<Live>,
    _turn: OwnedSemaphorePermit,
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection").finish_non_exhaustive()
    }
}

impl Redis {
    /// For the server at `redis://` or, with TLS, `rediss://`; its certificate must be signed by the
    /// authority in the file `tls_ca`, else by one that this system trusts. Connects to nothing yet.
    pub fn new(url: &str, tls_ca: Option<&Path>, script: &'static str) -> Result<Self, RedisOpenError> {
        let (plain, tls) = match url.strip_prefix("rediss://") {
            Some(rest) => (format!("redis://{rest}"), true),
            None => (url.to_owned(), false),
        };
        let mut config = Config::from_url_centralized(&plain).map_err(RedisOpenError::Url)?;
        if tls {
            config.tls = Some(TlsConnector::from(tls_config(tls_ca)?).into());
        }
        let questions = Arc::new(Semaphore::new(REDIS_QUESTIONS_MAX));
        Ok(Self(Arc::new(Link { config, script, live: RwLock::new(None), questions })))
    }

    /// Keeps a connection, for ever; must run on a runtime that outlives the callers. `tell` hears
    /// whether Redis answers, once at the beginning and then at every change.
    pub async fn keep(&self, mut tell: impl FnMut(Result<(), RedisError>)) {
        let mut away = false;
        let mut pause = PAUSE;
        loop {
            let error = match self.0.open().await {
                Ok((live, driver, failures)) => {
                    self.0.publish(&live);
                    tell(Ok(()));
                    away = false;
                    let since = Instant::now();
                    let error = ended(driver, failures).await;
                    self.0.give_up(&live, &error);
                    if since.elapsed() >= STEADY {
                        pause = PAUSE;
                    }
                    error
                }
                Err(error) => error,
            };
            if !away {
                tell(Err(error));
                away = true;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A line to Redis, unless it is away or too many are asking already.
    #[must_use]
    pub fn line(&self) -> Option<RedisConnection> {
        let live = self.0.live.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let turn = self.0.questions.clone().try_acquire_owned().ok()?;
        Some(RedisConnection { link: self.0.clone(), live, _turn: turn })
    }
}

impl RedisConnection {
    /// Runs the script; it answers a whole number. After a failure nobody is given a line until Redis
    /// answers again.
    pub async fn run(self, keys: Vec<String>, args: Vec<i64>) -> Result<i64, RedisError> {
        let live = &self.live;
        self.within(live.run(self.link.script, keys, args)).await
    }

    /// Whether Redis answers.
    pub async fn ping(self) -> Result<(), RedisError> {
        self.within(Box::pin(self.live.client.ping(None))).await
    }

    async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, fred::error::Error>>,
    ) -> Result<T, RedisError> {
        let answer = timed(ANSWER, answer).await;
        if let Err(error) = &answer {
            self.link.give_up(&self.live, error);
        }
        answer
    }
}

impl Live {
    async fn run(
        &self,
        script: &'static str,
        keys: Vec<String>,
        args: Vec<i64>,
    ) -> Result<i64, fred::error::Error> {
        let (keys, args) = (MultipleKeys::from(keys), Value::try_from(args)?);
        // Boxed, because the client's futures have kilobytes.
        let known = Box::pin(self.client.evalsha(self.digest.clone(), keys.clone(), args.clone()));
        match known.await {
            // Somebody emptied the server's memory of scripts; this fills it again.
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                Box::pin(self.client.eval(script, keys, args)).await
            }
            answer => answer,
        }
    }
}

impl Link {
    /// Opens a connection and proves that it answers.
    async fn open(&self) -> Result<(Arc<Live>, Driver, mpsc::Receiver<RedisError>), RedisError> {
        let connection = ConnectionConfig {
            connection_timeout: CONNECT,
            internal_command_timeout: CONNECT,
            // Else a question could wait for the acknowledgement of the one before.
            tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
            ..ConnectionConfig::default()
        };
        // Without a policy the client does not connect again behind our back.
        let client = Client::new(self.config.clone(), None, Some(connection), None);
        let driver = Driver(client.init().await.map_err(RedisError::Failed)?);
        // Nobody waits for this one as for an answer.
        let digest = timed(CONNECT, client.script_load(self.script)).await?;
        let (failed, failures) = mpsc::channel(1);
        Ok((Arc::new(Live { client, digest, failed }), driver, failures))
    }

    /// Lets callers ask on this connection.
    fn publish(&self, live: &Arc<Live>) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
    }

    /// Lets nobody ask on this connection any more.
    fn give_up(&self, live: &Arc<Live>, error: &RedisError) {
        let mut now = self.live.write().unwrap_or_else(PoisonError::into_inner);
        // A late failure says nothing of the connection after it.
        if now.as_ref().is_some_and(|now| Arc::ptr_eq(now, live)) {
            *now = None;
        }
        drop(now);
        // Full when another question failed before.
        let _first = live.failed.try_send(error.clone());
    }
}

/// Waits until a connection fails; why it did.
async fn ended(mut driver: Driver, mut failures: mpsc::Receiver<RedisError>) -> RedisError {
    tokio::select! {
        error = failures.recv() => error.unwrap_or(RedisError::Ended),
        end = &mut driver.0 => match end {
            Ok(Err(error)) => RedisError::Failed(error),
            Ok(Ok(())) | Err(_) => RedisError::Ended,
        },
    }
}

async fn timed<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, fred::error::Error>>,
) -> Result<T, RedisError> {
    match timeout(limit, answer).await {
        Ok(answer) => answer.map_err(RedisError::Failed),
        Err(_) => Err(RedisError::Slow),
    }
}

/// TLS by rustls over ring, whatever provider the process has besides.
fn tls_config(tls_ca: Option<&Path>) -> Result<ClientConfig, RedisOpenError> {
    let mut roots = RootCertStore::empty();
    match tls_ca {
        Some(path) => {
            let pem = std::fs::read(path)
                .map_err(|source| RedisOpenError::Authority { path: path.to_owned(), source })?;
            let unusable = || RedisOpenError::NoAuthority { path: path.to_owned() };
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|_| unusable())?;
                roots.add(certificate).map_err(|_| unusable())?;
            }
            if roots.is_empty() {
                return Err(unusable());
            }
        }
        None => {
            // Systems carry odd certificates; those that can be used are enough.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(RedisOpenError::NoneTrusted);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.map_err(RedisOpenError::Tls)?.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_be_a_connection_is_refused() {
        for url in ["redis://", "nonsense", "redis://host:port", "redis://host/first"] {
            assert!(matches!(Redis::new(url, None, ""), Err(RedisOpenError::Url(_))), "{url}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let refused = || Redis::new("rediss://host", Some(&file), "").map(drop).unwrap_err();
        assert!(matches!(refused(), RedisOpenError::Authority { .. }));
        for text in
            ["", "not a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            std::fs::write(&file, text).unwrap();
            assert!(matches!(refused(), RedisOpenError::NoAuthority { .. }), "{text}");
        }
    }

    #[test]
    fn what_the_url_says_is_what_the_server_is_told() {
        let redis = Redis::new("redis://shop:p%40ss@example.org/3", None, "").unwrap();
        let config = &redis.0.config;
        assert_eq!((config.username.as_deref(), config.password.as_deref()), (Some("shop"), Some("p@ss")));
        assert_eq!((config.database, config.uses_tls()), (Some(3), false));
        let server = config.server.hosts().remove(0);
        assert_eq!((&*server.host, server.port), ("example.org", 6379));
        assert!(redis.line().is_none(), "nobody has connected");
    }
}
