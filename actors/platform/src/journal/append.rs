//! What an actor hands to the writer, and the one statement that commits a batch of it.

use std::{any::Any, sync::Arc};

use stampede_kernel::ShardId;

use super::Incarnation;
use crate::engine::{Connection, column};

/// An event on its way into the journal.
#[derive(Debug)]
pub struct NewEvent {
    pub event_type: &'static str,
    /// The event as JSON.
    pub payload: String,
    /// The event itself, for this process's subscriptions.
    pub decoded: Arc<dyn Any + Send + Sync>,
}

/// How an append ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is durable.
    Committed,
    /// It is not in the journal and never will be.
    NotWritten,
    /// It may or may not be in the journal; a later read tells.
    Unknown,
}

/// The events of one command, or none: then it is a barrier that is settled when everything
/// appended before it is.
pub struct Append {
    pub incarnation: Arc<Incarnation>,
    /// The entity that changed.
    pub id: Arc<str>,
    /// The version of the first event.
    pub first_version: i64,
    pub events: Vec<NewEvent>,
    /// The row of `outbox` that this append moves into the journal.
    pub outbox: Option<i64>,
    pub span: tracing::Span,
    /// Told the outcome; it sends the reply.
    pub settle: Box<dyn FnOnce(Settled) + Send + Sync>,
}

impl Append {
    pub(super) fn settled(self, outcome: Settled) {
        // Pending ends first, so that whoever is answered finds the actor settled.
        self.incarnation.ended();
        (self.settle)(outcome);
    }
}

/// The columns of a batch, in the shape that `unnest` takes.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub shards: Vec<i16>,
    pub seqs: Vec<i64>,
    pub kinds: Vec<&'a str>,
    pub ids: Vec<&'a str>,
    pub versions: Vec<i64>,
    pub types: Vec<&'a str>,
    pub payloads: Vec<&'a str>,
    pub outbox: Vec<i64>,
    pub outbox_shards: Vec<i16>,
}

const APPEND: &str = "
WITH held AS (
    SELECT shard.id, shard.epoch
    FROM shard JOIN unnest($1::smallint[], $2::bigint[]) AS expected (id, epoch)
      ON shard.id = expected.id AND shard.epoch = expected.epoch
    WHERE shard.owner = $3
    ORDER BY shard.id
    FOR SHARE OF shard
), written AS (
    INSERT INTO journal (shard, seq, epoch, actor_kind, actor_id, version, event_type, payload)
    SELECT event.shard, event.seq, held.epoch, event.kind, event.id, event.version, event.type, event.payload
    FROM unnest($4::smallint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[], $9::text[], $10::jsonb[])
      AS event (shard, seq, kind, id, version, type, payload)
    JOIN held ON held.id = event.shard
), relayed AS (
    DELETE FROM outbox
    USING unnest($11::bigint[], $12::smallint[]) AS moved (id, shard) JOIN held ON held.id = moved.shard
    WHERE outbox.id = moved.id
)
SELECT id FROM held";

/// Commits one batch; answers the shards that were still held and so were written.
pub(super) async fn append(
    connection: &mut Connection,
    node: &str,
    expected: &[(ShardId, i64)],
    columns: &Columns<'_>,
) -> Result<Vec<ShardId>, sqlx::Error> {
    let (shards, epochs): (Vec<i16>, Vec<i64>) =
        expected.iter().map(|(shard, epoch)| (shard.as_smallint(), *epoch)).unzip();
    let rows = sqlx::query(APPEND)
        .bind(shards)
        .bind(epochs)
        .bind(node)
        .bind(&columns.shards)
        .bind(&columns.seqs)
        .bind(&columns.kinds)
        .bind(&columns.ids)
        .bind(&columns.versions)
        .bind(&columns.types)
        .bind(&columns.payloads)
        .bind(&columns.outbox)
        .bind(&columns.outbox_shards)
        .fetch_all(&mut **connection)
        .await?;
    rows.iter().map(|row| column::shard(row, 0)).collect()
}
