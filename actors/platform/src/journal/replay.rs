//! Reading the journal: an entity's history to rebuild it, or a shard's entries in order.

use std::{collections::HashMap, sync::Arc};

use sqlx::{Row, postgres::PgRow};

use stampede_kernel::ShardId;

use super::{Entry, Position, Snapshot};
use crate::{engine::Database, journal::limits::LOAD_ANSWER_MS};

/// TakeScope history to read.
#[derive(Debug, Clone)]
pub struct HistoryRequest {
    pub kind: &'static str,
    pub id: Arc<str>,
    /// Whether this kind of entity takes snapshots; others are spared the look-up.
    pub snapshots: bool,
}

/// What an entity is rebuilt from: the newest snapshot and every event after it.
#[derive(Debug, Default)]
pub struct History {
    pub snapshot: Option<Snapshot>,
    /// Payloads in order of their versions, which are contiguous.
    pub events: Vec<(i64, String)>,
}

/// Reads many histories with at most two queries; the answers are in the order of the requests.
pub async fn read_histories(
    database: &Database,
    requests: &[HistoryRequest],
) -> Result<Vec<History>, sqlx::Error> {
    let mut histories: Vec<History> = requests.iter().map(|_| History::default()).collect();
    let mut connection = database.connection().await?;
    let with_snapshots: Vec<usize> = (0..requests.len()).filter(|at| requests[*at].snapshots).collect();
    if !with_snapshots.is_empty() {
        let kinds: Vec<&str> = with_snapshots.iter().map(|at| requests[*at].kind).collect();
        let ids: Vec<&str> = with_snapshots.iter().map(|at| &*requests[*at].id).collect();
        let found = sqlx::query(
            "SELECT wanted.place, snapshot.version, snapshot.state
             FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (kind, id, place)
             JOIN snapshot ON snapshot.actor_kind = wanted.kind AND snapshot.actor_id = wanted.id",
        )
        .bind(kinds)
        .bind(ids)
        .fetch(&mut *connection);
        for row in database.rows(LOAD_ANSWER_MS, found).await? {
            let place = with_snapshots[place(&row)?];
            histories[place].snapshot = Some(Snapshot { version: row.try_get(1)?, state: row.try_get(2)? });
        }
    }
    let kinds: Vec<&str> = requests.iter().map(|request| request.kind).collect();
    let ids: Vec<&str> = requests.iter().map(|request| &*request.id).collect();
    let after: Vec<i64> =
        histories.iter().map(|history| history.snapshot.as_ref().map_or(0, |found| found.version)).collect();
    // The lateral subquery makes the plan one index probe per entity, however the table has grown.
    let found = sqlx::query(
        "SELECT wanted.place, event.version, event.payload
         FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS wanted (kind, id, after, place)
         CROSS JOIN LATERAL (
             SELECT version, payload::text FROM journal
             WHERE actor_kind = wanted.kind AND actor_id = wanted.id AND version > wanted.after
             ORDER BY actor_kind, actor_id, version
         ) AS event
         ORDER BY wanted.place, event.version",
    )
    .bind(kinds)
    .bind(ids)
    .bind(after)
    .fetch(&mut *connection);
    for row in database.rows(LOAD_ANSWER_MS, found).await? {
        histories[place(&row)?].events.push((row.try_get(1)?, row.try_get(2)?));
    }
    Ok(histories)
}

/// The zero-based place of a row's entity among those asked for.
fn place(row: &PgRow) -> Result<usize, sqlx::Error> {
    let place: i64 = row.try_get(0)?;
    usize::try_from(place - 1).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Up to `limit` entries of one shard after `seq`, in order.
pub async fn read_after(
    database: &Database,
    shard: ShardId,
    seq: i64,
    limit: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let rows = sqlx::query(
        "SELECT seq, actor_kind, actor_id, version, event_type, payload::text
         FROM journal WHERE shard = $1 AND seq > $2 ORDER BY seq LIMIT $3",
    )
    .bind(shard.as_smallint())
    .bind(seq)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    drop(connection);
    rows.iter()
        .map(|row| {
            Ok(Entry {
                position: Position { shard, seq: row.try_get(0)? },
                kind: row.try_get::<&str, _>(1)?.into(),
                id: row.try_get::<&str, _>(2)?.into(),
                version: row.try_get(3)?,
                event_type: row.try_get::<&str, _>(4)?.into(),
                payload: row.try_get::<&str, _>(5)?.into(),
                decoded: None,
                span: tracing::Span::none(),
            })
        })
        .collect()
}

/// The last version of every entity of a kind: what a fold of the whole journal walks over.
pub async fn fold_source(database: &Database, kind: &str) -> Result<HashMap<String, i64>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let rows =
        sqlx::query("SELECT actor_id, max(version) FROM journal WHERE actor_kind = $1 GROUP BY actor_id")
            .bind(kind)
            .fetch_all(&mut *connection)
            .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
