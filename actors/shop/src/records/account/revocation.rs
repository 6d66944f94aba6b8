//! Sessions that were ended before their access tokens expire.
//!
//! A token is checked without asking anybody, so every node keeps in memory which sessions are not to
//! be believed any more. A row says so for good; nodes read the new ones every [`REVOCATION_POLL_MS`],
//! and may be told sooner. Sessions are numbered by the database's clock, which also says when all
//! sessions of a user were ended: no node's own clock decides which of them came first. (Those of load
//! tests are numbered by the node that makes them.)

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Row, postgres::PgRow};
use stampede_kernel::{Timestamp, UserId};
use stampede_platform::{
    cluster::limits::NEWS_WAITING_MAX,
    engine::{Database, clock, column, limits::DATABASE_ANSWER_MS},
};
use time::OffsetDateTime;
use tokio::{
    sync::{Mutex, broadcast},
    time::MissedTickBehavior,
};
use tracing::warn;
use uuid::{NoContext, Uuid};

use crate::records::account::limits::{
    REVOCATION_OVERLAP_MS, REVOCATION_POLL_MS, REVOCATION_SWEEP_INTERVAL_MS,
};

/// A session that began at this moment of the database's clock.
#[must_use]
pub fn new_session(began_at: Timestamp) -> Uuid {
    let millis = began_at.as_millis().unsigned_abs();
    // Less than a thousand, and so it fits.
    let nanos = (millis % 1_000) as u32 * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, millis / 1_000, nanos))
}

fn began_at(session: Uuid) -> Timestamp {
    // Of a session whose number tells no time, nothing is known but that it was there before.
    let (seconds, nanos) = session.get_timestamp().map_or((0, 0), |began| began.to_unix());
    Timestamp::after_epoch(Duration::new(seconds, nanos))
}

/// The end of one session, or of all that a user had begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    pub user: UserId,
    /// With none: every session begun up to `revoked_at`.
    pub session: Option<Uuid>,
    pub revoked_at: Timestamp,
    /// When no token of these sessions is valid any more.
    pub expires_at: Timestamp,
}

impl FromRow<'_, PgRow> for Revocation {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            user: UserId(row.try_get("user_id")?),
            session: row.try_get("session_id")?,
            revoked_at: column::moment(row, "revoked_at")?,
            expires_at: column::moment(row, "expires_at")?,
        })
    }
}

/// Up to when a user's sessions have ended, and until when that is worth knowing.
#[derive(Debug, Clone, Copy)]
struct Ended {
    up_to: Timestamp,
    expires_at: Timestamp,
}

/// The sessions that this node knows to have ended. Each is forgotten when its tokens have expired, so
/// there are never more than were begun, each with a password, within the life of a token.
#[derive(Debug)]
pub struct Revocations {
    sessions: DashMap<Uuid, Timestamp>,
    users: DashMap<UserId, Ended>,
    /// Whether there is any at all: most of the time there is nothing to look for.
    any: AtomicBool,
    /// The database's time at the last look into the table.
    read_at: Mutex<Option<OffsetDateTime>>,
    made_here: broadcast::Sender<Revocation>,
}

impl Default for Revocations {
    fn default() -> Self {
        Self {
            sessions: DashMap::new(),
            users: DashMap::new(),
            any: AtomicBool::new(false),
            read_at: Mutex::new(None),
            made_here: broadcast::Sender::new(NEWS_WAITING_MAX),
        }
    }
}

impl Revocations {
    /// Knows all that are in the table.
    pub async fn open(database: &Database) -> Result<Arc<Self>, sqlx::Error> {
        let revocations = Arc::new(Self::default());
        revocations.read(database).await?;
        Ok(revocations)
    }

    /// Whether a token of this session is not to be believed any more.
    #[must_use]
    pub fn refuses(&self, user: UserId, session: Uuid) -> bool {
        self.any.load(Ordering::Acquire)
            && (self.sessions.contains_key(&session)
                || self.users.get(&user).is_some_and(|ended| began_at(session) <= ended.up_to))
    }

    /// Ends one session of a user.
    pub async fn end_session(
        &self,
        database: &Database,
        user: UserId,
        session: Uuid,
        expires_at: Timestamp,
    ) -> Result<(), sqlx::Error> {
        self.revoke(database, (user, Some(session)), expires_at).await
    }

    /// Ends every session that a user has begun.
    pub async fn end_all(
        &self,
        database: &Database,
        user: UserId,
        expires_at: Timestamp,
    ) -> Result<(), sqlx::Error> {
        self.revoke(database, (user, None), expires_at).await
    }

    async fn revoke(
        &self,
        database: &Database,
        (user, session): (UserId, Option<Uuid>),
        expires_at: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let mut connection = database.connection().await?;
        let revocation: Revocation = sqlx::query_as(
            "INSERT INTO revocation (id, user_id, session_id, expires_at) VALUES ($1, $2, $3, $4)
             RETURNING user_id, session_id, revoked_at, expires_at",
        )
        .bind(Uuid::now_v7())
        .bind(user.0)
        .bind(session)
        .bind(expires_at.to_offset_date_time())
        .fetch_one(&mut *connection)
        .await?;
        drop(connection);
        self.take_in(&revocation);
        // Nobody listens on a node that is alone.
        let _ = self.made_here.send(revocation);
        Ok(())
    }

    /// What is revoked at this node from now on, for whoever tells the others.
    pub fn made_here(&self) -> broadcast::Receiver<Revocation> {
        self.made_here.subscribe()
    }

    /// Takes up what was revoked here or elsewhere.
    pub fn take_in(&self, revocation: &Revocation) {
        let Revocation { user, session, revoked_at: up_to, expires_at } = *revocation;
        match session {
            Some(session) => drop(self.sessions.insert(session, expires_at)),
            None => {
                let mut ended = self.users.entry(user).or_insert(Ended { up_to, expires_at });
                ended.up_to = ended.up_to.max(up_to);
                ended.expires_at = ended.expires_at.max(expires_at);
            }
        }
        self.any.store(true, Ordering::Release);
    }

    /// Keeps up with the table, until the process ends.
    pub async fn keep(self: Arc<Self>, database: Database) {
        let mut poll = tokio::time::interval(Duration::from_millis(REVOCATION_POLL_MS));
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut swept, mut away) = (Instant::now(), false);
        loop {
            poll.tick().await;
            match database.within(DATABASE_ANSWER_MS, self.read(&database)).await {
                Ok(()) => away = false,
                Err(cause) if !std::mem::replace(&mut away, true) => {
                    warn!(%cause, "sessions that were ended elsewhere cannot be read");
                }
                Err(_) => {}
            }
            if swept.elapsed() >= Duration::from_millis(REVOCATION_SWEEP_INTERVAL_MS) {
                swept = Instant::now();
                self.forget_expired(clock::now());
                if let Err(cause) = database.within(DATABASE_ANSWER_MS, sweep(&database)).await {
                    warn!(%cause, "sessions that have expired are forgotten later");
                }
            }
        }
    }

    /// Reads what was revoked since the last look, and somewhat before it; everything at the first.
    async fn read(&self, database: &Database) -> Result<(), sqlx::Error> {
        let mut read_at = self.read_at.lock().await;
        let mut connection = database.connection().await?;
        let now: OffsetDateTime = sqlx::query_scalar("SELECT now()").fetch_one(&mut *connection).await?;
        let found: Vec<Revocation> = sqlx::query_as(
            "SELECT user_id, session_id, revoked_at, expires_at FROM revocation
             WHERE expires_at > now()
               AND ($1::timestamptz IS NULL OR revoked_at > $1 - $2 * interval '1 millisecond')",
        )
        .bind(*read_at)
        .bind(REVOCATION_OVERLAP_MS)
        .fetch_all(&mut *connection)
        .await?;
        drop(connection);
        found.iter().for_each(|revocation| self.take_in(revocation));
        *read_at = Some(now);
        Ok(())
    }

    fn forget_expired(&self, now: Timestamp) {
        self.sessions.retain(|_, expires_at| *expires_at > now);
        self.users.retain(|_, ended| ended.expires_at > now);
        // In this order, so that what is taken in meanwhile is not overlooked.
        self.any.store(false, Ordering::Release);
        if !self.sessions.is_empty() || !self.users.is_empty() {
            self.any.store(true, Ordering::Release);
        }
    }
}

async fn sweep(database: &Database) -> Result<(), sqlx::Error> {
    let mut connection = database.connection().await?;
    sqlx::query("DELETE FROM revocation WHERE expires_at < now()").execute(&mut *connection).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_795_000_000_000 + millis)
    }

    fn ended(user: UserId, session: Option<Uuid>, millis: i64) -> Revocation {
        Revocation { user, session, revoked_at: at(millis), expires_at: at(60_000) }
    }

    #[test]
    fn a_session_tells_when_it_began() {
        assert_eq!(began_at(new_session(at(123))), at(123));
        assert_ne!(new_session(at(123)), new_session(at(123)));
        assert_eq!(began_at(Uuid::from_u128(7)), Timestamp::from_millis(0));
    }

    #[test]
    fn one_session_ends_alone() {
        let revocations = Revocations::default();
        let user = UserId(Uuid::now_v7());
        let (mine, other) = (new_session(at(0)), new_session(at(0)));
        assert!(!revocations.refuses(user, mine));
        revocations.take_in(&ended(user, Some(mine), 10));
        assert!(revocations.refuses(user, mine));
        assert!(!revocations.refuses(user, other));
    }

    #[test]
    fn all_sessions_up_to_a_moment_end_and_later_ones_do_not() {
        let revocations = Revocations::default();
        let (user, other) = (UserId(Uuid::now_v7()), UserId(Uuid::now_v7()));
        revocations.take_in(&ended(user, None, 10));
        // News may come in any order.
        revocations.take_in(&ended(user, None, 5));
        assert!(revocations.refuses(user, new_session(at(10))));
        assert!(!revocations.refuses(user, new_session(at(11))));
        assert!(!revocations.refuses(other, new_session(at(0))));
        assert!(revocations.refuses(user, Uuid::from_u128(7)), "a session without a time was there before");
    }

    #[test]
    fn what_has_expired_is_forgotten() {
        let revocations = Revocations::default();
        let user = UserId(Uuid::now_v7());
        let session = new_session(at(0));
        revocations.take_in(&ended(user, Some(session), 1));
        revocations.take_in(&ended(user, None, 1));
        revocations.forget_expired(at(59_999));
        assert_eq!((revocations.sessions.len(), revocations.users.len()), (1, 1));
        assert!(revocations.refuses(user, session));
        revocations.forget_expired(at(60_000));
        assert_eq!((revocations.sessions.len(), revocations.users.len()), (0, 0));
    }
}
