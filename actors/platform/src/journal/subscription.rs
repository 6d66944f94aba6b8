//! A subscription: every entry of the shards held here, in order per shard, each at least once.
//!
//! Batches come from memory while the subscriber keeps up; whatever it has missed (at a start, after
//! falling behind, after an outcome was unknown) is read from the table.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use sqlx::Row;
use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};

use stampede_kernel::ShardId;

use super::{Committed, Entry, Journal, Position, read_after};
use crate::{
    engine::{Database, column, limits::DATABASE_ANSWER_MS},
    journal::limits::{CATCH_UP_EVENTS_MAX, SUBSCRIPTION_QUIET_MS},
};

const QUIET: Duration = Duration::from_millis(SUBSCRIPTION_QUIET_MS);

/// A reader of the journal with a durable name.
pub struct Subscription {
    name: &'static str,
    database: Database,
    journal: Journal,
    feed: Receiver<Arc<Committed>>,
    seen: HashMap<ShardId, i64>,
    /// Something was missed: what the heads are now is to be reached by reading the table.
    behind: bool,
    /// Shards were taken: another process may have gone further with them under this name.
    taken: bool,
    /// The heads to be reached before memory is read again. They stand still while they are worked
    /// off, so that a shard that never rests keeps nobody waiting; what is committed meanwhile waits
    /// in memory.
    missed: BTreeMap<ShardId, i64>,
}

impl Subscription {
    /// Continues after the checkpoints that stand under `name`.
    pub async fn open(
        name: &'static str,
        database: &Database,
        journal: &Journal,
    ) -> Result<Self, sqlx::Error> {
        let feed = journal.feed().subscribe();
        let seen = checkpoints(name, database).await?;
        let (database, journal) = (database.clone(), journal.clone());
        Ok(Self { name, database, journal, feed, seen, behind: true, taken: false, missed: BTreeMap::new() })
    }

    /// The next entries; empty only when the journal has been stopped.
    pub async fn next(&mut self) -> Result<Vec<Entry>, sqlx::Error> {
        loop {
            if self.taken {
                self.skip_what_others_did().await?;
                self.taken = false;
            }
            if std::mem::take(&mut self.behind) {
                let owned_shards = self.journal.owned_shards();
                self.missed = owned_shards.held().map(|shard| (shard, owned_shards.head(shard))).collect();
            }
            let missed = self.catch_up().await?;
            if !missed.is_empty() {
                return Ok(missed);
            }
            match tokio::time::timeout(QUIET, self.feed.recv()).await {
                Ok(Ok(batch)) => {
                    let fresh = self.take(&batch);
                    if !fresh.is_empty() {
                        return Ok(fresh);
                    }
                }
                Ok(Err(RecvError::Lagged(_))) => self.behind = true,
                Ok(Err(RecvError::Closed)) => return Ok(Vec::new()),
                Err(_) => self.behind = self.lag() > 0,
            }
        }
    }

    /// What is at hand without waiting.
    pub fn ready(&mut self) -> Vec<Entry> {
        if self.behind || !self.missed.is_empty() {
            return Vec::new();
        }
        match self.feed.try_recv() {
            Ok(batch) => self.take(&batch),
            Err(TryRecvError::Lagged(_)) => {
                // Without this a shard that then falls quiet would wait until all do.
                self.behind = true;
                Vec::new()
            }
            Err(TryRecvError::Empty | TryRecvError::Closed) => Vec::new(),
        }
    }

    /// Goes back to the checkpoints: what was handed out after them is handed out again.
    pub async fn rewind(&mut self) -> Result<(), sqlx::Error> {
        self.seen = self.database.within(DATABASE_ANSWER_MS, checkpoints(self.name, &self.database)).await?;
        self.behind = true;
        Ok(())
    }

    /// Entries committed and not handed out yet.
    #[must_use]
    pub fn lag(&self) -> i64 {
        let owned_shards = self.journal.owned_shards();
        owned_shards.held().map(|shard| (owned_shards.head(shard) - self.seen(shard)).max(0)).sum()
    }

    fn seen(&self, shard: ShardId) -> i64 {
        self.seen.get(&shard).copied().unwrap_or(0)
    }

    async fn skip_what_others_did(&mut self) -> Result<(), sqlx::Error> {
        let done = self.database.within(DATABASE_ANSWER_MS, checkpoints(self.name, &self.database)).await?;
        for (shard, seq) in done {
            let seen = self.seen.entry(shard).or_insert(seq);
            *seen = seq.max(*seen);
        }
        Ok(())
    }

    fn take(&mut self, batch: &Committed) -> Vec<Entry> {
        if batch.entries.is_empty() {
            (self.behind, self.taken) = (true, true);
        }
        let mut fresh = Vec::with_capacity(batch.entries.len());
        for entry in &batch.entries {
            let Position { shard, seq } = entry.position;
            let seen = self.seen.entry(shard).or_insert(0);
            if seq == *seen + 1 {
                *seen = seq;
                fresh.push(entry.clone());
            } else if seq > *seen {
                self.behind = true;
            }
        }
        fresh
    }

    /// Some of what was missed; empty when all of it has been handed out.
    async fn catch_up(&mut self) -> Result<Vec<Entry>, sqlx::Error> {
        while let Some((shard, head)) = self.missed.first_key_value().map(|(shard, head)| (*shard, *head)) {
            let seen = self.seen(shard);
            if seen < head {
                let reading = read_after(&self.database, shard, seen, CATCH_UP_EVENTS_MAX);
                let entries = self.database.within(DATABASE_ANSWER_MS, reading).await?;
                if let Some(last) = entries.last() {
                    self.seen.insert(shard, last.position.seq);
                    return Ok(entries);
                }
            }
            self.missed.remove(&shard);
        }
        Ok(Vec::new())
    }
}

pub async fn checkpoints(name: &str, database: &Database) -> Result<HashMap<ShardId, i64>, sqlx::Error> {
    let mut connection = database.connection().await?;
    let rows = sqlx::query("SELECT shard, seq FROM checkpoint WHERE subscription = $1")
        .bind(name)
        .fetch_all(&mut *connection)
        .await?;
    rows.iter().map(|row| Ok((column::shard(row, 0)?, row.try_get(1)?))).collect()
}

/// Moves checkpoints forward, never back: for subscriptions whose receivers recognise a repeat.
pub async fn advance_checkpoints(
    connection: &mut sqlx::PgConnection,
    name: &str,
    positions: &HashMap<ShardId, i64>,
) -> Result<(), sqlx::Error> {
    let mut rows: Vec<(i16, i64)> = positions.iter().map(|(shard, seq)| (column(*shard), *seq)).collect();
    rows.sort_unstable();
    let (shards, seqs): (Vec<i16>, Vec<i64>) = rows.into_iter().unzip();
    sqlx::query(
        "INSERT INTO checkpoint (subscription, shard, seq)
         SELECT $1, moved.shard, moved.seq FROM unnest($2::smallint[], $3::bigint[]) AS moved (shard, seq)
         ON CONFLICT (subscription, shard) DO UPDATE SET seq = excluded.seq WHERE checkpoint.seq < excluded.seq",
    )
    .bind(name)
    .bind(shards)
    .bind(seqs)
    .execute(connection)
    .await
    .map(drop)
}

/// Moves every checkpoint back by so many entries, in the caller's transaction.
pub async fn set_checkpoints_back(
    connection: &mut sqlx::PgConnection,
    name: &str,
    entries: i64,
) -> Result<(), sqlx::Error> {
    // Locked in the same order as by those who move them forward.
    sqlx::query(
        "WITH standing AS (
             SELECT shard FROM checkpoint WHERE subscription = $1 ORDER BY shard FOR UPDATE
         )
         UPDATE checkpoint SET seq = greatest(0, seq - $2) FROM standing
         WHERE checkpoint.subscription = $1 AND checkpoint.shard = standing.shard",
    )
    .bind(name)
    .bind(entries)
    .execute(connection)
    .await
    .map(drop)
}

/// A run of one shard's entries: everything after `from`, up to and with `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub from: i64,
    pub to: i64,
}

/// Moves checkpoints in the caller's transaction, if each stands where its run begins; answers whether
/// all did. Otherwise another process has taken these entries in, and the caller must roll back.
pub async fn exchange_checkpoints(
    connection: &mut sqlx::PgConnection,
    name: &str,
    runs: &BTreeMap<ShardId, Run>,
) -> Result<bool, sqlx::Error> {
    let shards: Vec<i16> = runs.keys().map(|shard| column(*shard)).collect();
    let from: Vec<i64> = runs.values().map(|run| run.from).collect();
    let to: Vec<i64> = runs.values().map(|run| run.to).collect();
    sqlx::query(
        "INSERT INTO checkpoint (subscription, shard, seq)
         SELECT $1, shard, 0 FROM unnest($2::smallint[]) AS moved (shard)
         ON CONFLICT DO NOTHING",
    )
    .bind(name)
    .bind(&shards)
    .execute(&mut *connection)
    .await?;
    // Locked in the order of the shards: while shards change hands, two nodes may want the same rows.
    let moved = sqlx::query(
        "WITH standing AS (
             SELECT checkpoint.shard, moved.target
             FROM checkpoint
             JOIN unnest($2::smallint[], $3::bigint[], $4::bigint[]) AS moved (shard, start, target)
               ON checkpoint.shard = moved.shard AND checkpoint.seq = moved.start
             WHERE checkpoint.subscription = $1
             ORDER BY checkpoint.shard
             FOR UPDATE OF checkpoint
         )
         UPDATE checkpoint SET seq = standing.target FROM standing
         WHERE checkpoint.subscription = $1 AND checkpoint.shard = standing.shard",
    )
    .bind(name)
    .bind(&shards)
    .bind(from)
    .bind(to)
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() == shards.len() as u64)
}

fn column(shard: ShardId) -> i16 {
    shard.as_smallint()
}
