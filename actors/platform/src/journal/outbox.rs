//! Moves the events of records into the journal, so that subscribers see one stream.
//!
//! A record's transaction leaves a row in `outbox`. Each is appended at its record's version and
//! deleted by the same fenced statement: it is in one of the two tables, never in both or neither.

use std::{collections::HashMap, sync::Arc, time::Duration};

use sqlx::Row;
use tokio::{sync::oneshot, time::MissedTickBehavior};
use tracing::{error, warn};
use uuid::Uuid;

use stampede_kernel::shard_of;

use super::{Append, Incarnation, Journal, NewEvent, Settled};
use crate::{
    engine::{Database, limits::DATABASE_ANSWER_MS},
    journal::limits::{OUTBOX_POLL_MS, OUTBOX_ROWS_MAX},
};

/// A kind of record that leaves events.
#[derive(Debug, Clone, Copy)]
pub struct RecordKind {
    pub kind: &'static str,
    /// The names of its events.
    pub events: &'static [&'static str],
}

/// The task that empties the outbox.
pub struct Outbox {
    database: Database,
    journal: Journal,
    kinds: Vec<RecordKind>,
}

struct Waiting {
    row: i64,
    kind: &'static str,
    record: Uuid,
    version: i64,
    event_type: &'static str,
    payload: String,
}

impl Outbox {
    #[must_use]
    pub fn new(database: Database, journal: Journal, kinds: Vec<RecordKind>) -> Self {
        Self { database, journal, kinds }
    }

    /// Relays until the process ends.
    pub async fn run(self) {
        let mut poll = tokio::time::interval(Duration::from_millis(OUTBOX_POLL_MS));
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            poll.tick().await;
            loop {
                match self.relay().await {
                    Ok(moved) if moved == usize::try_from(OUTBOX_ROWS_MAX).unwrap_or(usize::MAX) => {}
                    Ok(_) => break,
                    Err(cause) => {
                        warn!(%cause, "the events of records wait for the database");
                        break;
                    }
                }
            }
        }
    }

    /// Moves the oldest rows whose shards are held here; answers how many were moved.
    async fn relay(&self) -> Result<usize, sqlx::Error> {
        let mut lives: HashMap<Uuid, Arc<Incarnation>> = HashMap::new();
        let mut settling = Vec::new();
        for waiting in self.database.within(DATABASE_ANSWER_MS, self.oldest()).await? {
            let shard = shard_of(waiting.kind, waiting.record, self.journal.owned_shards().count());
            let Some(epoch) = self.journal.owned_shards().epoch(shard) else { continue };
            // One life for all events of a record, so that they commit in order or not at all.
            let life = lives
                .entry(waiting.record)
                .or_insert_with(|| Incarnation::new(waiting.kind, waiting.record, shard, epoch));
            let (done, settled) = oneshot::channel();
            self.journal.append(Append {
                incarnation: life.clone(),
                id: waiting.record.to_string().into(),
                first_version: waiting.version,
                events: vec![NewEvent {
                    event_type: waiting.event_type,
                    payload: waiting.payload,
                    decoded: Arc::new(()),
                }],
                outbox: Some(waiting.row),
                span: tracing::Span::none(),
                settle: Box::new(move |outcome| {
                    let _ = done.send(outcome);
                }),
            });
            settling.push(settled);
        }
        let mut moved = 0;
        for settled in settling {
            if settled.await == Ok(Settled::Committed) {
                moved += 1;
            }
        }
        Ok(moved)
    }

    async fn oldest(&self) -> Result<Vec<Waiting>, sqlx::Error> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query(
            "SELECT id, record_kind, record_id, version, event_type, payload::text
             FROM outbox ORDER BY id LIMIT $1",
        )
        .bind(OUTBOX_ROWS_MAX)
        .fetch_all(&mut *connection)
        .await?;
        let mut waiting = Vec::with_capacity(rows.len());
        for row in rows {
            let (kind, record, event_type): (&str, &str, &str) =
                (row.try_get(1)?, row.try_get(2)?, row.try_get(4)?);
            let known = self.kinds.iter().find(|known| known.kind == kind);
            let event = known.and_then(|known| known.events.iter().find(|event| **event == event_type));
            let (Some(known), Some(event_type), Ok(record)) = (known, event, record.parse()) else {
                error!(kind, record, event_type, "an event of a record is not known to this version");
                continue;
            };
            waiting.push(Waiting {
                row: row.try_get(0)?,
                kind: known.kind,
                record,
                version: row.try_get(3)?,
                event_type,
                payload: row.try_get(5)?,
            });
        }
        Ok(waiting)
    }
}
