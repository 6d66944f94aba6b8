//! Supervision: rebuilds actors that have panicked, quarantines those that keep panicking,
//! passivates idle ones, and takes snapshots of long histories.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, time::MissedTickBehavior};
use tracing::{error, warn};
use uuid::Uuid;

use stampede_kernel::Entity;

use super::{Registry, fold::fold, live::Survivors};
use crate::{
    journal::{HistoryRequest, Incarnation, Snapshot, read_histories, write_snapshot},
    runtime::limits::{
        ACTORS_LIVE_MAX, IDLE_MS_CROWDED, IDLE_MS_MAX, PASSIVATION_INTERVAL_MS, RESTART_BACKOFF_MS,
        RESTART_BACKOFF_MS_MAX, RESTART_WINDOW_MS, RESTARTS_MAX, SNAPSHOT_ANSWER_MS, SNAPSHOTS_WAITING_MAX,
    },
};

/// What actors report to their supervisor.
pub(super) enum Notice<E: Entity> {
    /// The actor panicked; its state survives if it was only reading at that moment.
    Died { incarnation: Arc<Incarnation>, survivors: Option<Survivors<E>> },
    /// An entity's history has grown enough for a snapshot.
    Snapshot { incarnation: Arc<Incarnation>, id: Arc<str>, in_progress: Option<InProgress> },
    /// An administrator has ended a quarantine.
    Reset(Uuid),
}

/// Held while something is in progress: its receiver ends when the last clone is dropped.
pub type InProgress = mpsc::Sender<Infallible>;

/// A snapshot to be taken.
struct Wanted {
    incarnation: Arc<Incarnation>,
    id: Arc<str>,
    in_progress: Option<InProgress>,
}

/// Restarts of one actor in the current window.
struct Restarts {
    since: Instant,
    count: u32,
}

/// The task beside a [`Registry`].
pub struct Supervisor<E: Entity> {
    registry: Arc<Registry<E>>,
    notices: mpsc::UnboundedReceiver<Notice<E>>,
    restarts: HashMap<Uuid, Restarts>,
}

impl<E: Entity> Supervisor<E> {
    pub(super) fn new(registry: Arc<Registry<E>>, notices: mpsc::UnboundedReceiver<Notice<E>>) -> Self {
        Self { registry, notices, restarts: HashMap::new() }
    }

    /// Runs until the process ends.
    pub async fn run(mut self) {
        // A task of its own: a slow database must not hold up the rebuilding of actors.
        let (snapshots, requests) = mpsc::channel(SNAPSHOTS_WAITING_MAX);
        tokio::spawn(take_snapshots(self.registry.clone(), requests));
        let mut sweep = tokio::time::interval(Duration::from_millis(PASSIVATION_INTERVAL_MS));
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                notice = self.notices.recv() => match notice {
                    Some(Notice::Died { incarnation, survivors }) => self.died(incarnation, survivors),
                    Some(Notice::Snapshot { incarnation, id, in_progress }) => {
                        if snapshots.try_send(Wanted { incarnation, id, in_progress }).is_err() {
                            warn!(kind = E::KIND, "too many snapshots are queued; this one is skipped until the next");
                        }
                    }
                    Some(Notice::Reset(actor)) => {
                        self.restarts.remove(&actor);
                    }
                    None => return,
                },
                _ = sweep.tick() => self.sweep(),
            }
        }
    }

    fn sweep(&mut self) {
        let crowded = self.registry.len() > ACTORS_LIVE_MAX;
        self.registry.passivate(Duration::from_millis(if crowded { IDLE_MS_CROWDED } else { IDLE_MS_MAX }));
        self.restarts
            .retain(|_, restarts| restarts.since.elapsed() < Duration::from_millis(RESTART_WINDOW_MS));
    }

    /// The first time, the successor continues with the surviving state: that reads nothing, however long
    /// the history. If that panics again, the successor is rebuilt from the journal.
    fn died(&mut self, incarnation: Arc<Incarnation>, survivors: Option<Survivors<E>>) {
        let actor = incarnation.actor;
        let now = Instant::now();
        let restarts = self.restarts.entry(actor).or_insert(Restarts { since: now, count: 0 });
        if now.duration_since(restarts.since) > Duration::from_millis(RESTART_WINDOW_MS) {
            *restarts = Restarts { since: now, count: 0 };
        }
        restarts.count += 1;
        let count = restarts.count;
        let quarantine = count > RESTARTS_MAX;
        if !self.registry.down(&incarnation, quarantine) {
            return;
        }
        if quarantine {
            error!(kind = E::KIND, %actor, "an actor panicked too often and is quarantined; an administrator can reset it");
            return;
        }
        self.registry.metrics.restarts.inc();
        let backoff = RESTART_BACKOFF_MS.saturating_mul(1 << (count - 1).min(16)).min(RESTART_BACKOFF_MS_MAX);
        let survivors = survivors.filter(|_| count == 1);
        let from = if survivors.is_some() { "memory" } else { "journal" };
        warn!(kind = E::KIND, %actor, count, backoff_ms = backoff, from, "an actor panicked and is rebuilt");
        let registry = self.registry.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(backoff)).await;
            // What was enqueued before the panic still commits; the successor loads after it.
            incarnation.settled().await;
            registry.revive(&incarnation, E::only_entity(actor), survivors);
        });
    }
}

/// One at a time, so that snapshots do not slow requests down.
async fn take_snapshots<E: Entity>(registry: Arc<Registry<E>>, mut requests: mpsc::Receiver<Wanted>) {
    while let Some(Wanted { incarnation, id, in_progress }) = requests.recv().await {
        // If the shard has moved meanwhile, the snapshot is its new owner's to write.
        if incarnation.is_current(registry.runtime.journal.owned_shards())
            && let Err(cause) = take_snapshot(&registry, &incarnation, id).await
        {
            warn!(%cause, kind = E::KIND, "a snapshot could not be taken; the next one will be tried");
        }
        drop(in_progress);
    }
}

/// Folds the committed history, off the actor's thread. So it contains committed versions only.
async fn take_snapshot<E: Entity>(
    registry: &Registry<E>,
    incarnation: &Incarnation,
    id: Arc<str>,
) -> Result<(), String> {
    let runtime = &registry.runtime;
    let request = HistoryRequest { kind: E::KIND, id: id.clone(), snapshots: true };
    let histories = read_histories(&runtime.database, &[request]).await.map_err(|error| error.to_string())?;
    let Some(history) = histories.into_iter().next() else { return Ok(()) };
    let name = id.clone();
    let folding = tokio::task::spawn_blocking(move || {
        let (state, version) = fold::<E>(&name, &history).map_err(|error| error.to_string())?;
        let state = serde_json::to_string(&state).map_err(|error| error.to_string())?;
        Ok::<_, String>(Snapshot { version, state })
    });
    let snapshot = folding.await.map_err(|error| error.to_string())??;
    let fence = (runtime.journal.node(), incarnation.shard, incarnation.epoch);
    let kept = write_snapshot(&runtime.database, fence, E::KIND, &id, &snapshot);
    runtime.database.within(SNAPSHOT_ANSWER_MS, kept).await.map_err(|error| error.to_string())
}
