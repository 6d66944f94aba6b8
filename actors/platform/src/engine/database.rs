//! The pool of Postgres connections.

use std::{
    io,
    ops::{Deref, DerefMut},
    path::PathBuf,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{Stream, StreamExt};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

#[cfg(feature = "embedded")]
use super::embedded::Embedded;
use crate::engine::limits::{
    APPEND_TIMEOUT_MS, CLOSE_MS_MAX, DATABASE_ACQUIRE_MS, DATABASE_NOTICE_INTERVAL_MS, DATABASE_RETRY_MS,
    DATABASE_WAIT_MS_MAX, JOURNAL_CONNECTIONS, KEEPALIVE_SECONDS, KEEPALIVES_MAX, RETURN_MS_MAX,
    SESSION_IDLE_MS,
};

const ACQUIRE: Duration = Duration::from_millis(DATABASE_ACQUIRE_MS);

/// The database refused, or did not answer.
pub type DatabaseError = sqlx::Error;

/// Where the shop's data lives.
#[derive(Debug, Clone)]
pub enum Source {
    /// The embedded Postgres, with its files under this folder.
    Embedded(PathBuf),
    /// A Postgres server, by its URL.
    Url(String),
}

/// Why no database could be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("DATABASE_URL is not a Postgres URL")]
    Url(#[source] sqlx::Error),
    #[error("the database did not accept a connection")]
    Connect(#[source] sqlx::Error),
    #[error("the embedded Postgres in {path} could not be started: {cause}")]
    Embedded { path: PathBuf, cause: String },
    #[error("the data folder {path} is in use by another process")]
    InUse { path: PathBuf },
    #[error("this build has no embedded Postgres; set DATABASE_URL")]
    NotBuiltIn,
    #[error("the migrations could not be applied")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

/// A pool of connections to the shop's one database.
///
/// The embedded engine has a single backend and so a single connection. There, everybody but the
/// journal queues at a gate of one before asking for it, so that the journal waits for at most one
/// other query. Never await an actor, a lock, the network or a second connection while holding one.
#[derive(Clone)]
pub struct Database {
    pool: PgPool,
    /// The journal's writer and the lease have connections of their own; the embedded engine has none to
    /// spare.
    journal: PgPool,
    gate: Option<Arc<Semaphore>>,
    /// Connections are opened on this runtime, whoever asks: one that a web worker opened would die
    /// with that worker.
    runtime: Handle,
    #[cfg(feature = "embedded")]
    embedded: Option<Arc<Embedded>>,
}

/// A connection on loan; it goes back to the pool when dropped.
pub struct Connection {
    inner: PoolConnection<Postgres>,
    /// Where its return is seen to; none where there is but one connection.
    returns: Option<Handle>,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Drop for Connection {
    /// The pool asks whether it still answers, and where nobody is left to answer that would take its
    /// place in the pool along until the system gives up.
    fn drop(&mut self) {
        if let Some(runtime) = self.returns.take() {
            let returned = self.inner.return_to_pool();
            runtime.spawn(tokio::time::timeout(Duration::from_millis(RETURN_MS_MAX), returned));
        }
    }
}

impl Deref for Connection {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}

impl Connection {
    /// Gives the connection up instead of returning it: its state is not known.
    pub fn discard(mut self) {
        self.returns = None;
        self.inner.close_on_drop();
    }
}

/// Whether a server that is not up yet would answer so. Any other answer will not change by waiting.
fn may_come_up(cause: &sqlx::Error) -> bool {
    if let sqlx::Error::Io(cause) = cause {
        // A certificate that cannot be trusted is told as invalid data.
        return cause.kind() != io::ErrorKind::InvalidData;
    }
    if let sqlx::Error::Database(said) = cause {
        // Starting up or shutting down; all its connections are taken.
        return matches!(said.code().as_deref(), Some("57P01" | "57P02" | "57P03" | "53300"));
    }
    // A balancer whose server is away closes the connection in the middle of the greeting.
    matches!(cause, sqlx::Error::Protocol(_))
}

impl Database {
    /// Waits for a server that is not up yet, for servers may start in any order.
    pub async fn wait_for(source: &Source) -> Result<(), OpenError> {
        let Source::Url(url) = source else { return Ok(()) };
        let options = PgConnectOptions::from_str(url).map_err(OpenError::Url)?;
        let began = Instant::now();
        let mut noticed: Option<Instant> = None;
        loop {
            let cause = match tokio::time::timeout(ACQUIRE, options.connect()).await {
                Ok(Ok(connection)) => {
                    let _ = connection.close().await;
                    return Ok(());
                }
                Ok(Err(cause)) => cause,
                Err(_) => sqlx::Error::Io(io::ErrorKind::TimedOut.into()),
            };
            if !may_come_up(&cause) || began.elapsed() >= Duration::from_millis(DATABASE_WAIT_MS_MAX) {
                return Err(OpenError::Connect(cause));
            }
            let interval = Duration::from_millis(DATABASE_NOTICE_INTERVAL_MS);
            if noticed.is_none_or(|noticed| noticed.elapsed() >= interval) {
                noticed = Some(Instant::now());
                tracing::warn!(%cause, longest_wait_ms = DATABASE_WAIT_MS_MAX, JOURNAL_CONNECTIONS, "the database is not up yet");
            }
            tokio::time::sleep(Duration::from_millis(DATABASE_RETRY_MS)).await;
        }
    }

    /// Opens the database; the caller's runtime will serve its connections and must be a
    /// multi-threaded one.
    pub async fn open(source: &Source, connections_max: u32) -> Result<Self, OpenError> {
        match source {
            Source::Url(url) => {
                let options = PgConnectOptions::from_str(url).map_err(OpenError::Url)?.options([
                    // What a client has locked that has gone without a word is let go of.
                    ("idle_in_transaction_session_timeout", SESSION_IDLE_MS.to_string()),
                    ("tcp_user_timeout", SESSION_IDLE_MS.to_string()),
                    ("tcp_keepalives_idle", KEEPALIVE_SECONDS.to_string()),
                    ("tcp_keepalives_interval", KEEPALIVE_SECONDS.to_string()),
                    ("tcp_keepalives_count", KEEPALIVES_MAX.to_string()),
                ]);
                let bounded = options.clone().options([("statement_timeout", APPEND_TIMEOUT_MS.to_string())]);
                let journal = Self::pool(bounded, JOURNAL_CONNECTIONS).await?;
                let pool = Self::pool(options, connections_max).await?;
                Ok(Self {
                    pool,
                    journal,
                    gate: None,
                    runtime: Handle::current(),
                    #[cfg(feature = "embedded")]
                    embedded: None,
                })
            }
            #[cfg(feature = "embedded")]
            Source::Embedded(path) => {
                let embedded = Embedded::start(path.clone()).await?;
                let options = PgConnectOptions::from_str(&embedded.url()).map_err(OpenError::Url)?;
                let pool = Self::pool(options, 1).await?;
                Ok(Self {
                    journal: pool.clone(),
                    pool,
                    gate: Some(Arc::new(Semaphore::new(1))),
                    runtime: Handle::current(),
                    embedded: Some(Arc::new(embedded)),
                })
            }
            #[cfg(not(feature = "embedded"))]
            Source::Embedded(_) => Err(OpenError::NotBuiltIn),
        }
    }

    async fn pool(options: PgConnectOptions, connections_max: u32) -> Result<PgPool, OpenError> {
        PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options.application_name("stampede"))
            .await
            .map_err(OpenError::Connect)
    }

    /// A connection for anything but the journal's writer.
    pub async fn connection(&self) -> Result<Connection, sqlx::Error> {
        let turn = match &self.gate {
            Some(gate) => {
                let turn = tokio::time::timeout(ACQUIRE, gate.clone().acquire_owned());
                Some(
                    turn.await
                        .map_err(|_| sqlx::Error::PoolTimedOut)?
                        .map_err(|_| sqlx::Error::PoolClosed)?,
                )
            }
            None => None,
        };
        self.lend(&self.pool, turn).await
    }

    /// A connection for the journal's writer, which has the first turn.
    pub async fn journal_connection(&self) -> Result<Connection, sqlx::Error> {
        self.lend(&self.journal, None).await
    }

    async fn lend(
        &self,
        pool: &PgPool,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<Connection, sqlx::Error> {
        let inner = self.acquire(pool).await?;
        Ok(Connection { inner, returns: (!self.is_embedded()).then(|| self.runtime.clone()), _turn: turn })
    }

    async fn acquire(&self, pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let pool = pool.clone();
        // An idle connection is at hand at once in the common case, without a change of runtime.
        if let Some(connection) = pool.try_acquire() {
            return Ok(connection);
        }
        match self.runtime.spawn(async move { pool.acquire().await }).await {
            Ok(acquired) => acquired,
            Err(_) => Err(sqlx::Error::PoolClosed),
        }
    }

    /// Waits for an answer of the database so long and no longer. A server that has gone without a word,
    /// such as one that was failed over, never answers on the connections it had.
    pub async fn within<T, E: From<sqlx::Error>>(
        &self,
        limit_ms: u64,
        attempt: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match tokio::time::timeout(Duration::from_millis(limit_ms), attempt).await {
            Ok(answered) => answered,
            Err(_) => Err(self.forsaken().into()),
        }
    }

    /// Gathers rows; the database may take so long for each, however many they are.
    pub async fn rows(
        &self,
        limit_ms: u64,
        mut rows: impl Stream<Item = Result<PgRow, sqlx::Error>> + Unpin,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let limit = Duration::from_millis(limit_ms);
        let mut gathered = Vec::new();
        while let Some(row) = tokio::time::timeout(limit, rows.next()).await.map_err(|_| self.forsaken())? {
            gathered.push(row?);
        }
        Ok(gathered)
    }

    /// What is said where the database does not answer. Connections that nobody uses are let go of without
    /// a farewell: they may be dead, too.
    fn forsaken(&self) -> sqlx::Error {
        if !self.is_embedded() {
            for pool in [&self.journal, &self.pool] {
                while let Some(idle) = pool.try_acquire() {
                    drop(idle.detach());
                }
            }
        }
        sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer"))
    }

    /// Whether the database is the embedded one.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.gate.is_some()
    }

    /// Whether the database answers a query.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        let mut connection = self.connection().await?;
        sqlx::query("SELECT 1").execute(&mut *connection).await.map(drop)
    }

    /// Closes every connection, then stops the embedded server.
    pub async fn close(self) {
        for pool in [self.journal, self.pool] {
            // It waits for all that are on loan, of whom some may wait for the database in vain.
            drop(tokio::time::timeout(Duration::from_millis(CLOSE_MS_MAX), pool.close()).await);
        }
        #[cfg(feature = "embedded")]
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }
}
