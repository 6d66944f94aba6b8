//! The directory of one kind of actor: from an id to the live actor.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering, fence},
    },
    time::{Duration, Instant},
};

use actix::{Addr, ArbiterHandle, Context, dev::channel::channel};
use dashmap::{DashMap, Entry};
use serde::{Deserialize, Serialize};
use stampede_kernel::{Entity, ShardId, Timestamp, shard_of, whole_millis};
use tokio::sync::{mpsc, oneshot};
use tracing::info_span;
use uuid::Uuid;

use super::{
    ActorMetrics, Ask, AskError, Body, Host, KindMetrics, Loader, Place, Router,
    asking::Admitted,
    host::{Reply, Tidy, Waiting, Wake},
    lane::Lanes,
    limits::ENDED_BUCKETS,
    live::Survivors,
    supervisor::{Notice, Supervisor},
};
use crate::{
    engine::{Database, clock},
    journal::{Incarnation, Journal},
};

/// What actors of every kind share.
pub struct Runtime {
    pub journal: Journal,
    pub loader: Loader,
    pub router: Box<dyn Router>,
    pub database: Database,
    pub metrics: ActorMetrics,
    /// The threads that actors run on; an actor's shard chooses its thread.
    pub arbiters: Vec<ArbiterHandle>,
    /// The start of [`Runtime::uptime_ms`].
    pub started: Instant,
}

impl Runtime {
    fn uptime_ms(&self) -> u64 {
        whole_millis(self.started.elapsed())
    }
}

/// A live actor, as its callers hold it.
pub(super) struct Handle<E: Entity> {
    pub(super) address: Addr<Host<E>>,
    pub(super) lanes: Arc<Lanes>,
    pub(super) incarnation: Arc<Incarnation>,
    published_view: Arc<E::PublishedView>,
    used_at_ms: AtomicU64,
}

/// What the directory knows of an actor.
pub(super) enum Presence<E: Entity> {
    Live(Handle<E>),
    /// It ended, and some of its appends may still be pending in the journal.
    Ending(Arc<Incarnation>),
    /// It panicked, and the supervisor rebuilds it.
    Down,
    /// It panicked too often and waits for an administrator.
    Quarantined,
}

/// The state of an actor, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorState {
    Live { waiting: usize, idle_ms: u64 },
    Restarting,
    Quarantined,
    Asleep,
}

/// The directory of the actors of kind `E`.
pub struct Registry<E: Entity> {
    pub(super) runtime: Arc<Runtime>,
    pub(super) metrics: Arc<KindMetrics>,
    pub(super) actors: DashMap<Uuid, Presence<E>>,
    notices: mpsc::UnboundedSender<Notice<E>>,
    /// When the last incarnation of an actor ended, in milliseconds since 1970, by groups of actors.
    ended: Vec<AtomicI64>,
}

impl<E: Entity> Registry<E> {
    /// An empty directory, and the supervisor that must run with it.
    #[must_use]
    pub fn new(runtime: Arc<Runtime>) -> (Arc<Self>, Supervisor<E>) {
        let (notices, receiver) = mpsc::unbounded_channel();
        let metrics = Arc::new(runtime.metrics.of(E::KIND));
        let ended = (0..ENDED_BUCKETS).map(|_| AtomicI64::new(0)).collect();
        let registry = Arc::new(Self { runtime, metrics, actors: DashMap::new(), notices, ended });
        (registry.clone(), Supervisor::new(registry, receiver))
    }

    pub(super) fn admit(
        &self,
        actor: Uuid,
        (shard, epoch): (ShardId, i64),
        id: E::Id,
        body: Body<E>,
    ) -> Admitted<E> {
        let lane = body.lane();
        let admitted = self.with_live(actor, shard, epoch, |handle| {
            let guard = match &body {
                Body::Command(command) => match E::enter(&handle.published_view, command, clock::now()) {
                    Ok(guard) => guard,
                    Err(refusal) => {
                        self.metrics.refused(E::code(&refusal));
                        return Admitted::Not(AskError::Refused(refusal));
                    }
                },
                Body::Query(_) | Body::Panic => None,
            };
            let Some(admission) = handle.lanes.admit(lane) else {
                self.metrics.overloaded.inc();
                return Admitted::Not(AskError::Overloaded);
            };
            // A handoff first closes admission and then looks for admitted messages; here it is the other
            // way round, so that one of the two sees the other.
            fence(Ordering::SeqCst);
            if self.runtime.router.place(shard) != (Place::Here { epoch }) {
                return Admitted::Moved(id, body);
            }
            handle.used_at_ms.store(self.runtime.uptime_ms(), Ordering::Relaxed);
            let (sender, receiver) = oneshot::channel();
            let ask = Ask {
                id,
                body,
                reply: Reply { sender, admission },
                asked_at: Instant::now(),
                span: info_span!("mailbox", kind = E::KIND),
                waiting: Some(Waiting::new(&self.metrics)),
                guard,
            };
            match handle.address.try_send(ask) {
                Ok(()) => Admitted::In(receiver),
                // The mailbox is larger than the lanes, so it can only be closed: the actor has
                // panicked and the supervisor knows.
                Err(_) => Admitted::Not(AskError::Unavailable),
            }
        });
        admitted.unwrap_or_else(Admitted::Not)
    }

    /// Calls `act` with the live actor, started if need be. The directory's lock is held meanwhile, so
    /// that no passivation happens between finding an actor and sending to it.
    fn with_live<T>(
        &self,
        actor: Uuid,
        shard: ShardId,
        epoch: i64,
        act: impl FnOnce(&Handle<E>) -> T,
    ) -> Result<T, AskError<E::Refusal>> {
        let owned_shards = self.runtime.journal.owned_shards();
        if let Some(presence) = self.actors.get(&actor)
            && let Presence::Live(handle) = presence.value()
            && handle.incarnation.is_current(owned_shards)
        {
            return Ok(act(handle));
        }
        match self.actors.entry(actor) {
            Entry::Vacant(vacant) => {
                let presence = vacant.insert(Presence::Live(self.start(actor, shard, epoch, None)));
                if let Presence::Live(handle) = presence.value() {
                    Ok(act(handle))
                } else {
                    Err(AskError::Unavailable)
                }
            }
            Entry::Occupied(mut occupied) => {
                match occupied.get() {
                    Presence::Live(handle) if handle.incarnation.is_current(owned_shards) => {
                        return Ok(act(handle));
                    }
                    Presence::Live(handle) => {
                        let ended = handle.incarnation.clone();
                        self.life_ended(actor);
                        occupied.insert(Presence::Ending(ended));
                    }
                    Presence::Ending(_) => {}
                    Presence::Down | Presence::Quarantined => return Err(AskError::Unavailable),
                }
                // The barrier: a successor starts only when nothing of the ended incarnation is pending.
                if matches!(occupied.get(), Presence::Ending(ended) if ended.has_pending()) {
                    return Err(AskError::Unavailable);
                }
                let handle = self.start(actor, shard, epoch, None);
                let answer = act(&handle);
                occupied.insert(Presence::Live(handle));
                Ok(answer)
            }
        }
    }

    fn start(&self, actor: Uuid, shard: ShardId, epoch: i64, survivors: Option<Survivors<E>>) -> Handle<E> {
        let incarnation = Incarnation::new(E::KIND, actor, shard, epoch);
        let ended = Timestamp::from_millis(self.ended_at(actor).load(Ordering::Acquire));
        let alone_since = self.runtime.journal.owned_shards().since(shard).max(ended);
        // An order's number tells the time of the node that its buyer came to.
        let alone_since = alone_since.plus(self.runtime.router.clock_skew_ms());
        let published_view = Arc::new(E::PublishedView::default());
        let (runtime, metrics, notices) = (self.runtime.clone(), self.metrics.clone(), self.notices.clone());
        let parts = (incarnation.clone(), published_view.clone());
        let arbiter = &self.runtime.arbiters[shard.index() % self.runtime.arbiters.len()];
        // Not `start_in_arbiter`: its mailbox has sixteen places until the actor has started.
        let (sender, receiver) = channel(Lanes::MAILBOX);
        arbiter.spawn_fn(move || {
            let host = Host::new(parts.0, alone_since, runtime, metrics, parts.1, notices, survivors);
            actix::spawn(Context::with_receiver(receiver).into_future(host));
        });
        Handle {
            address: Addr::new(sender),
            lanes: Arc::default(),
            incarnation,
            published_view,
            used_at_ms: AtomicU64::new(self.runtime.uptime_ms()),
        }
    }

    fn ended_at(&self, actor: Uuid) -> &AtomicI64 {
        // Less than the length, and so it fits.
        let bucket = (actor.as_u128() % self.ended.len() as u128) as usize;
        &self.ended[bucket]
    }

    /// Records the end of an incarnation, before a successor can start.
    pub(super) fn life_ended(&self, actor: Uuid) {
        self.ended_at(actor).fetch_max(clock::now().as_millis(), Ordering::AcqRel);
    }

    /// The published view of an actor, if it is live here and its state is current.
    pub fn published_view(&self, actor: Uuid) -> Option<Arc<E::PublishedView>> {
        let presence = self.actors.get(&actor)?;
        match presence.value() {
            Presence::Live(handle) if handle.incarnation.is_current(self.runtime.journal.owned_shards()) => {
                Some(handle.published_view.clone())
            }
            Presence::Live(_) | Presence::Ending(_) | Presence::Down | Presence::Quarantined => None,
        }
    }

    /// The refusal that a live local actor's published view gives to a command, without asking the actor. A
    /// node that is not sure of its lease gives none: another may own the shard by now.
    pub fn refuses(&self, actor: Uuid, command: &E::Command) -> Option<E::Refusal> {
        if !self.is_here(actor) {
            return None;
        }
        let refusal = E::enter(&*self.published_view(actor)?, command, clock::now()).err()?;
        self.metrics.refused(E::code(&refusal));
        Some(refusal)
    }

    /// The state of an actor.
    #[must_use]
    pub fn state(&self, actor: Uuid) -> ActorState {
        match self.actors.get(&actor).as_deref() {
            Some(Presence::Live(handle)) => ActorState::Live {
                waiting: handle.lanes.admitted(),
                idle_ms: self.runtime.uptime_ms().saturating_sub(handle.used_at_ms.load(Ordering::Relaxed)),
            },
            Some(Presence::Down) => ActorState::Restarting,
            Some(Presence::Quarantined) => ActorState::Quarantined,
            Some(Presence::Ending(_)) | None => ActorState::Asleep,
        }
    }

    /// Lets a quarantined actor start again; whether there was one.
    pub fn reset(&self, actor: Uuid) -> bool {
        let reset =
            self.actors.remove_if(&actor, |_, presence| matches!(presence, Presence::Quarantined)).is_some();
        if reset {
            self.metrics.quarantined.dec();
            let _ = self.notices.send(Notice::Reset(actor));
        }
        reset
    }

    /// The shard of an actor.
    #[must_use]
    pub fn shard(&self, actor: Uuid) -> ShardId {
        shard_of(E::KIND, actor, self.runtime.journal.owned_shards().count())
    }

    /// Whether an actor lives on this node, or would.
    #[must_use]
    pub fn is_here(&self, actor: Uuid) -> bool {
        matches!(self.runtime.router.place(self.shard(actor)), Place::Here { .. })
    }

    /// How many actors are known, live or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.actors.len()
    }

    /// Whether no actor is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actors.is_empty()
    }

    // The methods below are for the supervisor.

    /// Marks a panicked actor; `false` if a successor is already there.
    pub(super) fn down(&self, died: &Arc<Incarnation>, quarantine: bool) -> bool {
        let Entry::Occupied(mut occupied) = self.actors.entry(died.actor) else { return false };
        if !matches!(occupied.get(), Presence::Live(handle) if Arc::ptr_eq(&handle.incarnation, died)) {
            return false;
        }
        self.life_ended(died.actor);
        if quarantine {
            self.metrics.quarantined.inc();
        }
        occupied.insert(if quarantine { Presence::Quarantined } else { Presence::Down });
        true
    }

    /// Starts the successor of a panicked actor, whose appends are settled. Its surviving state
    /// is used if all of it was committed.
    pub(super) fn revive(&self, died: &Incarnation, entity: Option<E::Id>, survivors: Option<Survivors<E>>) {
        let (actor, shard) = (died.actor, died.shard);
        let Entry::Occupied(mut occupied) = self.actors.entry(actor) else { return };
        if !matches!(occupied.get(), Presence::Down) {
            return;
        }
        let Place::Here { epoch } = self.runtime.router.place(shard) else {
            occupied.remove();
            return;
        };
        let survivors = survivors.filter(|_| died.is_current(self.runtime.journal.owned_shards()));
        let handle = self.start(actor, shard, epoch, survivors);
        if let Some(id) = entity {
            // A fresh mailbox has room.
            let _ = handle.address.try_send(Wake(id));
        }
        occupied.insert(Presence::Live(handle));
    }

    /// Drops actors that have been idle: dropping the last address ends an actor.
    pub fn passivate(&self, idle: Duration) {
        let idle_ms = whole_millis(idle);
        let now_ms = self.runtime.uptime_ms();
        let owned_shards = self.runtime.journal.owned_shards();
        self.actors.retain(|actor, presence| match presence {
            Presence::Live(handle) if !handle.incarnation.is_current(owned_shards) => {
                self.life_ended(*actor);
                handle.incarnation.has_pending()
            }
            Presence::Live(handle) => {
                let idle = now_ms.saturating_sub(handle.used_at_ms.load(Ordering::Relaxed)) >= idle_ms;
                let waiting = handle.lanes.admitted() > 0;
                if idle && waiting {
                    // Perhaps no caller waits any more. A full or closed mailbox does not matter: the next
                    // sweep tries again.
                    let _ = handle.address.try_send(Tidy);
                }
                let kept = !idle || waiting || handle.incarnation.has_pending();
                if !kept {
                    self.life_ended(*actor);
                }
                kept
            }
            Presence::Ending(ended) => ended.has_pending(),
            Presence::Down | Presence::Quarantined => true,
        });
    }
}
