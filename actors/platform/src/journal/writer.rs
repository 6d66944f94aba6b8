//! The one writer of this node.
//!
//! It runs in a task of its own and is never cancelled. One batch is in flight at a time: two for
//! one shard could leave a hole if the first failed.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus::{Histogram, IntCounter, IntGauge};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use stampede_kernel::ShardId;

use super::{
    Append, Committed, Entry, Feed, OwnedShards, Position, Settled,
    append::{Columns, append},
    failure::{Chain, Failure, classify, is_position_conflict},
    fence::{TakeScope, Taken, give, take},
};
use crate::{
    engine::{Database, clock},
    journal::limits::{APPEND_ANSWER_MS, BATCH_EVENTS_MAX, SETTLE_RETRY_MS},
};

/// What the writer reports of itself.
#[derive(Debug, Clone)]
pub struct WriterMetrics {
    /// Events per batch.
    pub batch_events: Histogram,
    /// Seconds from sending a batch to its commit.
    pub commit_seconds: Histogram,
    /// Appends waiting to be cut into a batch.
    pub gathered: IntGauge,
    /// Batches that failed for certain.
    pub failed: IntCounter,
    /// Batches scope outcome was unknown.
    pub unknown: IntCounter,
}

/// Told which shards it was.
type Done = oneshot::Sender<Result<Vec<ShardId>, sqlx::Error>>;

enum WriterCommand {
    Append(Append),
    Take { shards: Vec<ShardId>, scope: TakeScope, done: Done },
    Give { shards: Vec<ShardId>, to: Arc<str>, done: Done },
    Stop { done: oneshot::Sender<()> },
}

/// The way to the writer.
#[derive(Clone)]
pub struct Journal {
    commands: mpsc::UnboundedSender<WriterCommand>,
    owned_shards: Arc<OwnedShards>,
    feed: Feed,
    node: Arc<str>,
    gathered: IntGauge,
}

impl Journal {
    /// Gathers an append for the next batch. Bounded by the lanes of the actors: each message that
    /// was admitted appends at most once, and its place in the lane is kept until it is answered.
    pub fn append(&self, append: Append) {
        append.incarnation.began();
        self.gathered.inc();
        if let Err(mpsc::error::SendError(WriterCommand::Append(append))) =
            self.commands.send(WriterCommand::Append(append))
        {
            self.gathered.dec();
            append.settled(Settled::NotWritten);
        }
    }

    /// Takes those of the shards that are scope they have to be, at a new epoch; answers which.
    pub async fn take(&self, shards: Vec<ShardId>, scope: TakeScope) -> Result<Vec<ShardId>, sqlx::Error> {
        let (done, taken) = oneshot::channel();
        let _ = self.commands.send(WriterCommand::Take { shards, scope, done });
        taken.await.unwrap_or(Err(sqlx::Error::PoolClosed))
    }

    /// Gives shards of this node to another, after everything that was appended before; answers which.
    pub async fn give(&self, shards: Vec<ShardId>, to: &str) -> Result<Vec<ShardId>, sqlx::Error> {
        let (done, given) = oneshot::channel();
        let _ = self.commands.send(WriterCommand::Give { shards, to: to.into(), done });
        given.await.unwrap_or(Err(sqlx::Error::PoolClosed))
    }

    /// Stops using shards that turned out to be another node's.
    pub fn step_down(&self, shards: &[ShardId]) {
        for shard in shards {
            self.owned_shards.drop_shard(*shard);
        }
    }

    /// Commits what is gathered and ends the writer.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        let _ = self.commands.send(WriterCommand::Stop { done });
        let _ = stopped.await;
    }

    /// Which shards this node holds.
    #[must_use]
    pub fn owned_shards(&self) -> &Arc<OwnedShards> {
        &self.owned_shards
    }

    /// Committed batches in memory.
    #[must_use]
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// This node's id.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }
}

/// The task behind [`Journal`].
pub struct Writer {
    database: Database,
    commands: mpsc::UnboundedReceiver<WriterCommand>,
    owned_shards: Arc<OwnedShards>,
    feed: Feed,
    node: Arc<str>,
    metrics: WriterMetrics,
    /// Those who have told it to stop and wait for the end.
    stopping: Vec<oneshot::Sender<()>>,
}

impl Writer {
    /// A journal and its writer, which runs until [`Journal::stop`].
    #[must_use]
    pub fn new(
        database: Database,
        node: &str,
        owned_shards: Arc<OwnedShards>,
        metrics: WriterMetrics,
    ) -> (Journal, Writer) {
        let (sender, commands) = mpsc::unbounded_channel();
        let feed = Feed::new();
        let node: Arc<str> = node.into();
        let journal = Journal {
            commands: sender,
            owned_shards: owned_shards.clone(),
            feed: feed.clone(),
            node: node.clone(),
            gathered: metrics.gathered.clone(),
        };
        (journal, Writer { database, commands, owned_shards, feed, node, metrics, stopping: Vec::new() })
    }

    /// Serves appends until told to stop.
    pub async fn run(mut self) {
        let mut commands = Vec::with_capacity(BATCH_EVENTS_MAX);
        while self.stopping.is_empty() && self.commands.recv_many(&mut commands, BATCH_EVENTS_MAX).await > 0 {
            let mut batch = Vec::with_capacity(commands.len());
            for command in commands.drain(..) {
                match command {
                    command if !self.stopping.is_empty() => self.refuse(command),
                    WriterCommand::Append(append) => {
                        self.metrics.gathered.dec();
                        batch.push(append);
                    }
                    WriterCommand::Take { mut shards, scope, done } => {
                        self.commit(std::mem::take(&mut batch)).await;
                        if scope == TakeScope::Own {
                            // Taken again meanwhile, to settle an outcome: its actors are at work.
                            shards.retain(|shard| self.owned_shards.epoch(*shard).is_none());
                        }
                        let _ = done.send(self.take(&shards, scope).await);
                    }
                    WriterCommand::Give { shards, to, done } => {
                        self.commit(std::mem::take(&mut batch)).await;
                        let _ = done.send(self.give(&shards, &to).await);
                    }
                    WriterCommand::Stop { done } => {
                        self.commit(std::mem::take(&mut batch)).await;
                        self.stopping.push(done);
                    }
                }
            }
            self.commit(batch).await;
        }
        // Whatever came behind is settled too: an append that is only dropped would be under way for
        // ever.
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            self.refuse(command);
        }
        for done in self.stopping {
            let _ = done.send(());
        }
    }

    fn refuse(&mut self, command: WriterCommand) {
        match command {
            WriterCommand::Append(append) => {
                self.metrics.gathered.dec();
                fail(vec![append], Settled::NotWritten);
            }
            WriterCommand::Take { done, .. } | WriterCommand::Give { done, .. } => {
                let _ = done.send(Err(sqlx::Error::PoolTimedOut));
            }
            WriterCommand::Stop { done } => self.stopping.push(done),
        }
    }

    async fn commit(&mut self, gathered: Vec<Append>) {
        // Barriers are settled with the batch that they stand in. Those before it pass at once, unless
        // what they stood behind has failed: then they would tell of what is not in the journal.
        let mut batch = Vec::with_capacity(gathered.len());
        for append in gathered {
            if !append.events.is_empty() || !batch.is_empty() {
                batch.push(append);
            } else if append.incarnation.is_current(&self.owned_shards) {
                append.settled(Settled::Committed);
            } else {
                fail(vec![append], Settled::NotWritten);
            }
        }
        if !batch.is_empty() {
            self.commit_or_bisect(batch).await;
        }
    }

    /// Commits the batch; a data error splits it by actor until the guilty one stands alone.
    async fn commit_or_bisect(&mut self, batch: Vec<Append>) {
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let Some(part) = self.only_current(part) else { continue };
            match self.write(&part).await {
                Ok((held, heads)) => self.committed(part, &held, heads),
                Err(Failure::Definite { error, data }) => {
                    let actors = actors_of(&part);
                    if data && actors.len() > 1 {
                        let (first, second) = split(part, &actors);
                        parts.push(second);
                        parts.push(first);
                    } else {
                        self.metrics.failed.inc();
                        error!(error = %Chain(&error), events = part.len(), actors = actors.len(),
                            "a batch could not be written; its actors are rebuilt");
                        if is_position_conflict(&error) {
                            // Somebody else has written to these shards: they are not ours as we know them.
                            self.drop_shards(&part);
                        }
                        fail(part, Settled::NotWritten);
                    }
                }
                Err(Failure::Unknown(error)) => {
                    self.metrics.unknown.inc();
                    warn!(error = %Chain(&error), events = part.len(),
                        "the outcome of a batch is unknown; its shards are taken over to settle it");
                    let shards = self.drop_shards(&part);
                    fail(part, Settled::Unknown);
                    for rest in parts.drain(..) {
                        fail(rest, Settled::NotWritten);
                    }
                    self.settle(shards).await;
                }
            }
        }
    }

    /// Fails what belongs to lives that have ended; `None` if nothing is left.
    fn only_current(&self, part: Vec<Append>) -> Option<Vec<Append>> {
        let (current, stale): (Vec<_>, Vec<_>) =
            part.into_iter().partition(|append| append.incarnation.is_current(&self.owned_shards));
        fail(stale, Settled::NotWritten);
        (!current.is_empty()).then_some(current)
    }

    /// Sends the one statement. Positions are assigned here, from the committed heads, so that a
    /// batch that fails leaves no hole.
    async fn write(&self, part: &[Append]) -> Result<(Vec<ShardId>, BTreeMap<ShardId, i64>), Failure> {
        let mut heads: BTreeMap<ShardId, i64> = BTreeMap::new();
        let mut expected: BTreeMap<ShardId, i64> = BTreeMap::new();
        let mut columns = Columns::default();
        for append in part {
            let shard = append.incarnation.shard;
            let head = heads.entry(shard).or_insert_with(|| self.owned_shards.head(shard));
            expected.insert(shard, append.incarnation.epoch);
            let column_shard = shard.as_smallint();
            for (offset, event) in (0_i64..).zip(&append.events) {
                *head += 1;
                columns.shards.push(column_shard);
                columns.seqs.push(*head);
                columns.kinds.push(append.incarnation.kind);
                columns.ids.push(&append.id);
                columns.versions.push(append.first_version + offset);
                columns.types.push(event.event_type);
                columns.payloads.push(&event.payload);
            }
            if let Some(row) = append.outbox {
                columns.outbox.push(row);
                columns.outbox_shards.push(column_shard);
            }
        }
        if columns.seqs.is_empty() {
            return Ok((expected.into_keys().collect(), heads));
        }
        let expected: Vec<(ShardId, i64)> = expected.into_iter().collect();
        let mut connection = self
            .database
            .journal_connection()
            .await
            .map_err(|error| Failure::Definite { error, data: false })?;
        let began = Instant::now();
        let statement = append(&mut connection, &self.node, &expected, &columns);
        match self.database.within(APPEND_ANSWER_MS, statement).await {
            Ok(held) => {
                self.metrics.commit_seconds.observe(began.elapsed().as_secs_f64());
                #[expect(clippy::cast_precision_loss, reason = "a batch has a few hundred events")]
                self.metrics.batch_events.observe(columns.seqs.len() as f64);
                Ok((held, heads))
            }
            Err(error) => {
                let failure = classify(error);
                if matches!(failure, Failure::Unknown(_)) {
                    connection.discard();
                }
                Err(failure)
            }
        }
    }

    fn committed(&self, part: Vec<Append>, held: &[ShardId], heads: BTreeMap<ShardId, i64>) {
        let held: HashSet<ShardId> = held.iter().copied().collect();
        let (written, lost): (Vec<_>, Vec<_>) =
            part.into_iter().partition(|append| held.contains(&append.incarnation.shard));
        if !lost.is_empty() {
            let shards = self.drop_shards(&lost);
            warn!(?shards, "these shards belong to another node now");
            fail(lost, Settled::NotWritten);
        }
        let mut next: BTreeMap<ShardId, i64> = BTreeMap::new();
        let mut entries = Vec::with_capacity(written.len());
        let mut settled = Vec::with_capacity(written.len());
        for mut append in written {
            let shard = append.incarnation.shard;
            let seq = next.entry(shard).or_insert_with(|| self.owned_shards.head(shard));
            for (offset, event) in (0_i64..).zip(append.events.drain(..)) {
                *seq += 1;
                entries.push(Entry {
                    position: Position { shard, seq: *seq },
                    kind: append.incarnation.kind.into(),
                    id: append.id.clone(),
                    version: append.first_version + offset,
                    event_type: event.event_type.into(),
                    payload: event.payload.into(),
                    decoded: Some(event.decoded),
                    span: append.span.clone(),
                });
            }
            settled.push(append);
        }
        for (shard, head) in heads {
            if held.contains(&shard) {
                self.owned_shards.advance(shard, head);
            }
        }
        if !entries.is_empty() {
            self.feed.publish(Committed { entries });
        }
        for append in settled {
            append.settled(Settled::Committed);
        }
    }

    /// Stops using the shards of these appends; answers which.
    fn drop_shards(&self, part: &[Append]) -> Vec<ShardId> {
        let shards: HashSet<ShardId> = part.iter().map(|append| append.incarnation.shard).collect();
        for shard in &shards {
            self.owned_shards.drop_shard(*shard);
        }
        shards.into_iter().collect()
    }

    /// Takes the shards over from this node itself: that waits for the writer scope outcome is
    /// unknown, and whatever it wrote is seen by every later load. Meanwhile everything else that
    /// gathers is refused, since the database does not answer.
    async fn settle(&mut self, shards: Vec<ShardId>) {
        loop {
            match self.take(&shards, TakeScope::Own).await {
                Ok(shards) => {
                    info!(?shards, "the outcome is settled");
                    return;
                }
                Err(error) => warn!(error = %Chain(&error), "the outcome cannot be settled yet"),
            }
            while let Ok(command) = self.commands.try_recv() {
                self.refuse(command);
            }
            if !self.stopping.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(SETTLE_RETRY_MS)).await;
        }
    }

    async fn take(&self, shards: &[ShardId], scope: TakeScope) -> Result<Vec<ShardId>, sqlx::Error> {
        let mut connection = self.database.journal_connection().await?;
        let attempt = take(&mut connection, &self.node, shards, scope);
        let taken: Vec<Taken> = match self.database.within(APPEND_ANSWER_MS, attempt).await {
            Ok(taken) => taken,
            Err(error) => {
                connection.discard();
                return Err(error);
            }
        };
        for taken in &taken {
            self.owned_shards.hold(taken.shard, taken.epoch, taken.head, clock::now());
        }
        // Their journals may hold what this process has never had in memory.
        self.feed.publish(Committed { entries: Vec::new() });
        Ok(taken.into_iter().map(|taken| taken.shard).collect())
    }

    /// Should the answer be lost, the shards are dropped all the same: they may be another's already.
    async fn give(&self, shards: &[ShardId], to: &str) -> Result<Vec<ShardId>, sqlx::Error> {
        let mut connection = self.database.journal_connection().await?;
        let given =
            self.database.within(APPEND_ANSWER_MS, give(&mut connection, &self.node, shards, to)).await;
        if given.is_err() {
            connection.discard();
        }
        for shard in shards {
            self.owned_shards.drop_shard(*shard);
        }
        given
    }
}

/// From the first that fails, nothing of an actor may commit: its memory is ahead of the journal.
fn fail(part: Vec<Append>, outcome: Settled) {
    for append in &part {
        append.incarnation.fail();
    }
    for append in part {
        append.settled(outcome);
    }
}

/// Each actor once, by the address of its incarnation.
fn actors_of(part: &[Append]) -> Vec<usize> {
    let mut seen = HashSet::new();
    part.iter()
        .map(|append| Arc::as_ptr(&append.incarnation).addr())
        .filter(|actor| seen.insert(*actor))
        .collect()
}

fn split(part: Vec<Append>, actors: &[usize]) -> (Vec<Append>, Vec<Append>) {
    let first: HashSet<usize> = actors[..actors.len() / 2].iter().copied().collect();
    part.into_iter().partition(|append| first.contains(&Arc::as_ptr(&append.incarnation).addr()))
}
