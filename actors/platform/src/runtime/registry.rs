//! The directory of one kind of actor: from an id to the live actor.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering, fence},
    },
    time::{Duration, Instant},
};

use actix::{Addr, ArbiterHandle, Context, dev::channel::channel};
use dashmap::{DashMap, Entry};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use stampede_kernel::{Entity, Message, Request, ShardId, Timestamp, shard_of};
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, info_span};
use uuid::Uuid;

use super::{
    ActorMetrics, Answered, Ask, AskError, Body, Delivery, Host, KindMetrics, Loader, Place, RemoteAnswer,
    RemoteAsk, Router,
    host::{Answer, Compact, Reply, SendAway, Survivors, Tidy, Waiting, Wake},
    lane::Lanes,
    supervisor::{InProgress, Notice, Supervisor},
};
use crate::{
    engine::{Database, clock},
    journal::{Incarnation, Journal},
    runtime::limits::{ASK_PATIENCE_MS, ENDED_BUCKETS},
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
    /// Since when [`Runtime::uptime_ms`] counts.
    pub started: Instant,
}

impl Runtime {
    fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A live actor, as its callers hold it.
struct Handle<E: Entity> {
    address: Addr<Host<E>>,
    lanes: Arc<Lanes>,
    incarnation: Arc<Incarnation>,
    published_view: Arc<E::PublishedView>,
    used_at_ms: AtomicU64,
}

/// What the directory knows of an actor.
enum Presence<E: Entity> {
    Live(Handle<E>),
    /// It ended, and something of it may still be under way in the journal.
    Ending(Arc<Incarnation>),
    /// It panicked and is rebuilt by the supervisor.
    Down,
    /// It panicked too often and waits for an administrator.
    Quarantined,
}

/// How an actor is, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorState {
    Live { waiting: usize, idle_ms: u64 },
    Restarting,
    Quarantined,
    Asleep,
}

/// What became of a message at the door of an actor.
enum Admitted<E: Entity> {
    /// It is in; here its answer will be.
    In(oneshot::Receiver<Answer<E>>),
    Not(AskError<E::Refusal>),
    /// The actor's shard is on its way elsewhere; this is the message.
    Moved(E::Id, Body<E>),
}

impl<E: Entity> Admitted<E> {
    /// The answer, or the message again if the actor has moved.
    async fn answer(self) -> Result<Answer<E>, (E::Id, Body<E>)> {
        match self {
            // A sender dropped without an answer: the actor ended before it decided.
            Admitted::In(answer) => Ok(answer.await.unwrap_or(Err(AskError::Unavailable))),
            Admitted::Not(error) => Ok(Err(error)),
            Admitted::Moved(id, body) => Err((id, body)),
        }
    }
}

/// An answer that follows a try of which nobody knows what became: it cannot say that nothing was done.
fn unless_lost<E: Entity>(lost: bool, answer: Answer<E>) -> Answer<E> {
    match answer {
        Err(AskError::Unavailable | AskError::Overloaded) if lost => Err(AskError::OutcomeUnknown),
        answer => answer,
    }
}

/// The directory of the actors of kind `E`.
pub struct Registry<E: Entity> {
    pub(super) runtime: Arc<Runtime>,
    pub(super) metrics: Arc<KindMetrics>,
    actors: DashMap<Uuid, Presence<E>>,
    notices: mpsc::UnboundedSender<Notice<E>>,
    /// When the last life of an actor ended, in milliseconds since 1970, by groups of actors.
    ended: Vec<AtomicI64>,
}

impl<E: Entity> Registry<E> {
    /// An empty directory, and the supervisor that must run beside it.
    #[must_use]
    pub fn new(runtime: Arc<Runtime>) -> (Arc<Self>, Supervisor<E>) {
        let (notices, receiver) = mpsc::unbounded_channel();
        let metrics = Arc::new(runtime.metrics.of(E::KIND));
        let ended = (0..ENDED_BUCKETS).map(|_| AtomicI64::new(0)).collect();
        let registry = Arc::new(Self { runtime, metrics, actors: DashMap::new(), notices, ended });
        (registry.clone(), Supervisor::new(registry, receiver))
    }

    /// Asks one of an actor's entities, wherever the actor lives.
    pub async fn request<R: Request<E>>(
        &self,
        actor: Uuid,
        id: E::Id,
        request: R,
    ) -> Result<Answered<R::Reply>, AskError<E::Refusal>> {
        let (body, is_query) = match request.message() {
            Message::Command(command) => (Body::Command(command), false),
            Message::Query(query) => (Body::Query(query), true),
        };
        let Answered { answer, replayed } = self.ask(actor, id, body).await?;
        match R::reply(answer) {
            Some(answer) => Ok(Answered { answer, replayed }),
            // Another version of the program: a command may have been done, a query changed nothing.
            None if is_query => Err(AskError::Unavailable),
            None => Err(AskError::OutcomeUnknown),
        }
    }

    /// Asks an actor to do something to one of its entities.
    pub async fn command(
        &self,
        actor: Uuid,
        id: E::Id,
        command: E::Command,
    ) -> Result<Answered<E::Answer>, AskError<E::Refusal>> {
        self.ask(actor, id, Body::Command(command)).await
    }

    /// Puts a command into the actor's mailbox, or on its way to the actor's node, before it returns; the
    /// future awaits the answer. Whoever begins something says it again until it is answered.
    pub fn begin(
        &self,
        actor: Uuid,
        id: E::Id,
        command: E::Command,
    ) -> impl Future<Output = Answer<E>> + Send + use<E> {
        let shard = self.shard(actor);
        let admitted = match self.runtime.router.place(shard) {
            Place::Here { epoch } => self.admit(actor, (shard, epoch), id, Body::Command(command)),
            Place::There { .. } | Place::Nowhere => Admitted::Moved(id, Body::Command(command)),
        };
        let begun = match admitted {
            Admitted::Moved(id, body) => {
                let ask = RemoteAsk::new(actor, &id, &body, self.runtime.router.trace());
                Err(self.runtime.router.tell(shard, Arc::new(ask)))
            }
            here @ (Admitted::In(_) | Admitted::Not(_)) => Ok(here),
        };
        async move {
            match begun {
                Ok(admitted) => match admitted.answer().await {
                    Ok(answer) => answer,
                    // What has moved was told above.
                    Err(_) => Err(AskError::Unavailable),
                },
                Err(told) => match told.await {
                    Delivery::Answer(answer) => answer.read::<E>(),
                    Delivery::NotDelivered | Delivery::Lost => Err(AskError::OutcomeUnknown),
                },
            }
        }
    }

    /// Asks an actor about one of its entities.
    pub async fn query(
        &self,
        actor: Uuid,
        id: E::Id,
        query: E::Query,
    ) -> Result<E::Answer, AskError<E::Refusal>> {
        self.ask(actor, id, Body::Query(query)).await.map(|answered| answered.answer)
    }

    /// Makes an actor panic, to rehearse a failure.
    pub async fn inject_panic(&self, actor: Uuid, id: E::Id) {
        let _ = self.ask(actor, id, Body::Panic).await;
    }

    /// Asks the actor wherever it lives.
    async fn ask(&self, actor: Uuid, id: E::Id, body: Body<E>) -> Answer<E> {
        let shard = self.shard(actor);
        let moved = match self.runtime.router.place(shard) {
            Place::Here { epoch } => match self.admit(actor, (shard, epoch), id, body).answer().await {
                Ok(answer) => return answer,
                Err(moved) => moved,
            },
            Place::There { .. } | Place::Nowhere => (id, body),
        };
        self.ask_elsewhere(actor, shard, moved).await
    }

    /// Asks the actor on another node, and goes after it while its shard moves: that costs the caller
    /// patience, not an error.
    async fn ask_elsewhere(&self, actor: Uuid, shard: ShardId, message: (E::Id, Body<E>)) -> Answer<E> {
        let (mut id, mut body) = message;
        let router = &self.runtime.router;
        let repeatable = body.is_repeatable();
        let ask = Arc::new(RemoteAsk::new(actor, &id, &body, router.trace()));
        let patience = tokio::time::sleep(Duration::from_millis(ASK_PATIENCE_MS));
        tokio::pin!(patience);
        // Whether an earlier try may have been done: then nobody can say any more that nothing was.
        let mut lost = false;
        loop {
            let place = router.place(shard);
            let delivery = match place {
                Place::Here { epoch } => match self.admit(actor, (shard, epoch), id, body).answer().await {
                    Ok(answer) => return unless_lost::<E>(lost, answer),
                    Err(moved) => {
                        (id, body) = moved;
                        Delivery::NotDelivered
                    }
                },
                Place::There { epoch } => {
                    tokio::select! {
                        delivery = router.ask(shard, epoch, ask.clone()) => delivery,
                        () = &mut patience => return Err(AskError::OutcomeUnknown),
                    }
                }
                Place::Nowhere => Delivery::NotDelivered,
            };
            match delivery {
                Delivery::Answer(RemoteAnswer::Elsewhere) | Delivery::NotDelivered => {}
                // A query that waited for a change was sent away, since the actor moves.
                Delivery::Answer(RemoteAnswer::Unavailable) if matches!(body, Body::Query(_)) => {}
                Delivery::Answer(answer) => return unless_lost::<E>(lost, answer.read::<E>()),
                Delivery::Lost if repeatable => lost = true,
                Delivery::Lost => return Err(AskError::OutcomeUnknown),
            }
            let goes_on = tokio::select! {
                moves = router.moved(shard, place) => moves,
                () = &mut patience => false,
            };
            if !goes_on {
                return unless_lost::<E>(lost, Err(AskError::Unavailable));
            }
        }
    }

    fn admit(&self, actor: Uuid, (shard, epoch): (ShardId, i64), id: E::Id, body: Body<E>) -> Admitted<E> {
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
            // A handoff first lets nobody in and then looks whether anybody is in; here it is the other
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
    /// that passivation cannot come between finding an actor and sending to it.
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
                // The barrier: a successor starts only when nothing of the ended life is under way.
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
        let bucket = actor.as_u128() % (self.ended.len() as u128);
        &self.ended[usize::try_from(bucket).unwrap_or(0)]
    }

    /// Notes the end of a life, before a successor can start.
    fn life_ended(&self, actor: Uuid) {
        self.ended_at(actor).fetch_max(clock::now().as_millis(), Ordering::AcqRel);
    }

    /// What a live actor publishes, if it is live here and its memory may be trusted.
    pub fn published_view(&self, actor: Uuid) -> Option<Arc<E::PublishedView>> {
        let presence = self.actors.get(&actor)?;
        match presence.value() {
            Presence::Live(handle) if handle.incarnation.is_current(self.runtime.journal.owned_shards()) => {
                Some(handle.published_view.clone())
            }
            Presence::Live(_) | Presence::Ending(_) | Presence::Down | Presence::Quarantined => None,
        }
    }

    /// What would be said to a command outside the mailbox of a live actor here, without asking it. A
    /// node that is not sure of its lease says nothing: another may know better by now.
    pub fn refuses(&self, actor: Uuid, command: &E::Command) -> Option<E::Refusal> {
        if !self.is_here(actor) {
            return None;
        }
        let refusal = E::enter(&*self.published_view(actor)?, command, clock::now()).err()?;
        self.metrics.refused(E::code(&refusal));
        Some(refusal)
    }

    /// How an actor is.
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

    // What follows is for the supervisor.

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

    /// Starts the successor of a panicked actor, whose appends are settled. What that one knew is true
    /// if all of it was committed.
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

    /// Lets go of actors that have been idle: dropping the last address ends an actor.
    pub fn passivate(&self, idle: Duration) {
        let idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
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
                    // Perhaps nobody waits for the answers any more; a full or closed mailbox is no
                    // matter, for the next sweep asks again.
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

/// A registry of whatever kind, for those who serve other nodes and move shards.
pub trait Directory: Send + Sync {
    /// The kind of its actors.
    fn kind(&self) -> &'static str;

    /// Answers a message that came from another node, if the actor lives here.
    fn serve(self: Arc<Self>, ask: RemoteAsk) -> BoxFuture<'static, RemoteAnswer>;

    /// Has snapshots taken of what would be long to read of these shards; that is under way until the
    /// last clone of `under_way` is let go.
    fn compact(&self, shards: &BTreeSet<ShardId>, under_way: &InProgress);

    /// Sends away those who wait for a change at actors of these shards; whether any of them has still
    /// anything to do.
    fn is_busy(&self, shards: &BTreeSet<ShardId>) -> bool;

    /// How an actor is here.
    fn state(&self, actor: Uuid) -> ActorState;

    /// Lets a quarantined actor start again; whether there was one.
    fn reset(&self, actor: Uuid) -> bool;

    /// Lets go of the actors of a shard that has moved.
    fn evict(&self, shard: ShardId);

    /// Live actors, and messages that wait for them.
    fn load(&self) -> (i64, i64);

    /// How many live actors each shard has here.
    fn live_by_shard(&self) -> BTreeMap<ShardId, usize>;
}

impl<E: Entity> Directory for Registry<E> {
    fn kind(&self) -> &'static str {
        E::KIND
    }

    fn serve(self: Arc<Self>, ask: RemoteAsk) -> BoxFuture<'static, RemoteAnswer> {
        let span = info_span!("serve", kind = E::KIND);
        if let Some(trace) = &ask.trace {
            self.runtime.router.continue_trace(&span, trace);
        }
        let serving = async move {
            let Some((id, body)) = ask.read::<E>() else { return RemoteAnswer::Unreadable };
            let shard = self.shard(ask.actor);
            let Place::Here { epoch } = self.runtime.router.place(shard) else {
                return RemoteAnswer::Elsewhere;
            };
            let admitted = self.admit(ask.actor, (shard, epoch), id, body);
            admitted.answer().await.map_or(RemoteAnswer::Elsewhere, RemoteAnswer::of::<E>)
        };
        Box::pin(serving.instrument(span))
    }

    fn compact(&self, shards: &BTreeSet<ShardId>, under_way: &InProgress) {
        if !E::SNAPSHOTS {
            return;
        }
        for presence in &self.actors {
            if let Presence::Live(handle) = presence.value()
                && shards.contains(&handle.incarnation.shard)
            {
                // One whose mailbox is full or closed is read as it is.
                let _ = handle.address.try_send(Compact(under_way.clone()));
            }
        }
    }

    fn is_busy(&self, shards: &BTreeSet<ShardId>) -> bool {
        let mut busy = false;
        for presence in &self.actors {
            match presence.value() {
                Presence::Live(handle) if shards.contains(&handle.incarnation.shard) => {
                    let waiting = handle.lanes.admitted() > 0;
                    if waiting {
                        let _ = handle.address.try_send(SendAway);
                    }
                    busy |= waiting || handle.incarnation.has_pending();
                }
                Presence::Ending(ended) if shards.contains(&ended.shard) => busy |= ended.has_pending(),
                Presence::Live(_) | Presence::Ending(_) | Presence::Down | Presence::Quarantined => {}
            }
        }
        busy
    }

    fn state(&self, actor: Uuid) -> ActorState {
        Registry::state(self, actor)
    }

    fn reset(&self, actor: Uuid) -> bool {
        Registry::reset(self, actor)
    }

    fn evict(&self, shard: ShardId) {
        self.actors.retain(|actor, presence| {
            let leaves = self.shard(*actor) == shard;
            if leaves {
                self.life_ended(*actor);
                // Its next owner counts for itself.
                if matches!(presence, Presence::Quarantined) {
                    self.metrics.quarantined.dec();
                }
            }
            !leaves
        });
    }

    fn load(&self) -> (i64, i64) {
        (self.metrics.live.get(), self.metrics.depth.get())
    }

    fn live_by_shard(&self) -> BTreeMap<ShardId, usize> {
        let mut live = BTreeMap::new();
        for presence in &self.actors {
            if let Presence::Live(handle) = presence.value() {
                *live.entry(handle.incarnation.shard).or_insert(0) += 1;
            }
        }
        live
    }
}
