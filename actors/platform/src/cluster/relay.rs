//! The relay: every entry of the journal as an event for subscribers, in order per shard.
//!
//! Events go to the JetStream stream `STAMPEDE_EVENTS` under `stampede.events.<room>.<event>.<id>`, as
//! CloudEvents 1.0 in binary mode. An event's id is its place in the journal, `<shard>-<seq>`, which is
//! dense per shard; it is the message's `Nats-Msg-Id` too, so that JetStream drops what is sent again
//! soon. The journal is the truth: a stream that was lost, or has lost its end, is filled again from it.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use async_nats::{
    Client, HeaderMap,
    jetstream::{
        self,
        context::{GetStreamErrorKind, PublishAckFuture},
        stream,
    },
};
use futures_util::future::try_join_all;
use prometheus::{IntCounter, IntGauge};
use sqlx::{Connection as _, Row};
use stampede_kernel::ShardId;
use time::OffsetDateTime;
use tracing::{info, warn};

use super::Traces;
use crate::{
    cluster::limits::{
        EVENTS_KEPT_SECONDS, RELAY_ANSWER_MS, RELAY_LOOK_MS, RELAY_RETRY_MS, RELAYED_EVENTS_MAX,
        STREAM_GRACE_MS,
    },
    engine::{Database, DatabaseError, limits::DATABASE_ANSWER_MS},
    journal::{Entry, Journal, Run, Subscription, exchange_checkpoints, set_checkpoints_back},
};

/// The name of the relay's checkpoints.
const SUBSCRIPTION: &str = "relay";
/// The stream of events.
pub const EVENTS: &str = "STAMPEDE_EVENTS";

/// What the operator sees of the relay.
#[derive(Clone)]
pub struct RelayMetrics {
    /// Entries committed and not published yet.
    pub lag: IntGauge,
    pub published: IntCounter,
    /// Times that events were published again because the stream had lost them.
    pub refilled: IntCounter,
}

/// Why events wait.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("the database did not answer")]
    Database(#[from] DatabaseError),
    #[error("JetStream did not take an event: {0}")]
    Publish(String),
    #[error("the stream cannot be read or made: {0}")]
    Stream(String),
    #[error("another process publishes the same entries")]
    Contended,
}

/// A stream of events: when it was made, and how far it goes.
#[derive(Debug, Clone, Copy)]
struct Known {
    created: OffsetDateTime,
    last: i64,
}

/// The task that publishes the events of the shards held here.
pub struct Relay {
    database: Database,
    subscription: Subscription,
    jetstream: jetstream::Context,
    replicas: usize,
    traces: Traces,
    metrics: RelayMetrics,
}

impl Relay {
    /// A relay that goes on where the last one ended.
    pub async fn open(
        (database, journal): (&Database, &Journal),
        client: &Client,
        replicas: usize,
        traces: Traces,
        metrics: RelayMetrics,
    ) -> Result<Self, DatabaseError> {
        let subscription = Subscription::open(SUBSCRIPTION, database, journal).await?;
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(Duration::from_millis(RELAY_ANSWER_MS));
        Ok(Self { database: database.clone(), subscription, jetstream, replicas, traces, metrics })
    }

    /// Publishes until the process ends.
    pub async fn run(mut self) {
        let mut away = false;
        loop {
            match self.publish_on().await {
                Ok(()) => return,
                Err(cause) => {
                    if !std::mem::replace(&mut away, true) {
                        warn!(%cause, "events wait for their subscribers' stream");
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(RELAY_RETRY_MS)).await;
            // What was sent and not acknowledged is sent again.
            if self.subscription.rewind().await.is_ok() && self.check_stream().await.is_ok() {
                info!("events go to their subscribers' stream again");
                away = false;
            }
        }
    }

    /// Publishes until something is wrong, or the journal has been stopped.
    async fn publish_on(&mut self) -> Result<(), RelayError> {
        self.check_stream().await?;
        loop {
            let waited = Duration::from_millis(RELAY_LOOK_MS);
            let Ok(entries) = tokio::time::timeout(waited, self.subscription.next()).await else {
                // Nothing happens: time to see whether the stream is still there.
                self.metrics.lag.set(self.subscription.lag());
                self.check_stream().await?;
                continue;
            };
            let entries = entries?;
            if entries.is_empty() {
                return Ok(());
            }
            for entries in entries.chunks(RELAYED_EVENTS_MAX) {
                self.publish(entries).await?;
            }
            self.metrics.lag.set(self.subscription.lag());
        }
    }

    async fn publish(&self, entries: &[Entry]) -> Result<(), RelayError> {
        let failed = |error: &dyn std::fmt::Display| RelayError::Publish(error.to_string());
        let mut sent: Vec<PublishAckFuture> = Vec::with_capacity(entries.len());
        for entry in entries {
            let payload = entry.payload.as_bytes().to_vec().into();
            let publishing =
                self.jetstream.publish_with_headers(subject(entry), self.headers(entry), payload);
            sent.push(publishing.await.map_err(|error| failed(&error))?);
        }
        let acknowledged = try_join_all(sent.into_iter().map(IntoFuture::into_future)).await;
        let acknowledged = acknowledged.map_err(|error| failed(&error))?;
        let last = acknowledged.iter().map(|ack| ack.sequence).max().unwrap_or(0);
        let kept = self.keep(entries, i64::try_from(last).unwrap_or(i64::MAX));
        self.database.within(DATABASE_ANSWER_MS, kept).await?;
        self.metrics.published.inc_by(entries.len() as u64);
        Ok(())
    }

    /// Moves the checkpoints behind what the stream has.
    async fn keep(&self, entries: &[Entry], last_sequence: i64) -> Result<(), RelayError> {
        let mut runs: BTreeMap<ShardId, Run> = BTreeMap::new();
        for entry in entries {
            let seq = entry.position.seq;
            runs.entry(entry.position.shard).or_insert(Run { from: seq - 1, to: seq }).to = seq;
        }
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        if !exchange_checkpoints(&mut transaction, SUBSCRIPTION, &runs).await? {
            return Err(RelayError::Contended);
        }
        sqlx::query("UPDATE relay SET last_sequence = greatest(last_sequence, $1)")
            .bind(last_sequence)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Makes the stream if it is missing, and goes back if it has lost something.
    async fn check_stream(&mut self) -> Result<(), RelayError> {
        let failed = |error: &dyn std::fmt::Display| RelayError::Stream(error.to_string());
        // What is known is read before the stream is: a stream that lost nothing has all of that and more.
        let known = self.database.within(DATABASE_ANSWER_MS, self.known_stream()).await?;
        let mut stream = match self.jetstream.get_stream(EVENTS).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(_)) => {
                if known.is_some() {
                    // What nodes sent before they lost the broker may arrive yet, and must not get into
                    // the new stream ahead of what is older.
                    tokio::time::sleep(Duration::from_millis(STREAM_GRACE_MS)).await;
                }
                self.jetstream.get_or_create_stream(self.settings()).await.map_err(|error| failed(&error))?
            }
            Err(error) => return Err(failed(&error)),
        };
        let info = stream.info().await.map_err(|error| failed(&error))?;
        let found = Known {
            created: OffsetDateTime::from(SystemTime::from(info.created)),
            last: i64::try_from(info.state.last_sequence).unwrap_or(i64::MAX),
        };
        if self.database.within(DATABASE_ANSWER_MS, self.refill(known, found)).await? {
            self.metrics.refilled.inc();
            self.subscription.rewind().await?;
        }
        Ok(())
    }

    fn settings(&self) -> stream::Config {
        stream::Config {
            name: EVENTS.to_owned(),
            description: Some("Everything that happens in the shop, as CloudEvents".to_owned()),
            subjects: vec!["stampede.events.>".to_owned()],
            retention: stream::RetentionPolicy::Limits,
            storage: stream::StorageType::File,
            max_age: Duration::from_secs(EVENTS_KEPT_SECONDS),
            num_replicas: self.replicas,
            ..stream::Config::default()
        }
    }

    /// CloudEvents 1.0 in binary mode. The trace is known as long as the event is in memory.
    fn headers(&self, entry: &Entry) -> HeaderMap {
        let id = format!("{}-{}", entry.position.shard, entry.position.seq);
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id.as_str());
        headers.insert("ce-specversion", "1.0");
        headers.insert("ce-id", id.as_str());
        headers.insert("ce-source", format!("/stampede/shards/{}", entry.position.shard).as_str());
        headers.insert("ce-type", format!("stampede.{}.{}", entry.kind, entry.event_type).as_str());
        headers.insert("ce-subject", &*entry.id);
        headers.insert("ce-sequence", entry.position.seq.to_string().as_str());
        headers.insert("content-type", "application/json");
        if let Some(trace) = (self.traces.parent_of)(&entry.span) {
            headers.insert("traceparent", trace.as_str());
        }
        headers
    }

    /// The stream as it was when something was published last.
    async fn known_stream(&self) -> Result<Option<Known>, DatabaseError> {
        let mut connection = self.database.connection().await?;
        let known = sqlx::query("SELECT stream_created, last_sequence FROM relay")
            .fetch_optional(&mut *connection)
            .await?;
        known.map(|row| Ok(Known { created: row.try_get(0)?, last: row.try_get(1)? })).transpose()
    }

    /// Sets the checkpoints back, for all nodes, if the stream is another one or shorter than it was.
    async fn refill(&self, known: Option<Known>, found: Known) -> Result<bool, DatabaseError> {
        let mut connection = self.database.connection().await?;
        let Some(known) = known else {
            sqlx::query(
                "INSERT INTO relay (stream_created, last_sequence) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            )
            .bind(found.created)
            .bind(found.last)
            .execute(&mut *connection)
            .await?;
            return Ok(false);
        };
        // The database keeps microseconds.
        let another = (found.created - known.created).abs() > time::Duration::MILLISECOND;
        let lost = if another { i64::MAX } else { known.last - found.last };
        if lost <= 0 {
            return Ok(false);
        }
        let mut transaction = connection.begin().await?;
        set_checkpoints_back(&mut transaction, SUBSCRIPTION, lost).await?;
        let noted = sqlx::query(
            "UPDATE relay SET stream_created = $1, last_sequence = $2
             WHERE stream_created = $3 AND last_sequence = $4",
        )
        .bind(found.created)
        .bind(found.last)
        .bind(known.created)
        .bind(known.last)
        .execute(&mut *transaction)
        .await?;
        if noted.rows_affected() == 0 {
            // Another node has noticed first.
            transaction.rollback().await?;
            return Ok(true);
        }
        warn!(another, lost, "the stream of events has lost some; they are published again");
        transaction.commit().await?;
        Ok(true)
    }
}

/// Has every event published again, from the first. Subscribers know those that they had by their ids.
pub async fn republish(database: &Database) -> Result<(), DatabaseError> {
    let mut connection = database.connection().await?;
    set_checkpoints_back(&mut connection, SUBSCRIPTION, i64::MAX).await
}

/// The subject of an entry. Ids are UUIDs and order numbers, which hold nothing that a subject may not.
fn subject(entry: &Entry) -> String {
    format!("stampede.events.{}.{}.{}", entry.kind, entry.event_type, entry.id)
}
