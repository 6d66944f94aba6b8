//! The actix actor of every kind: it holds the entities of one actor and runs their pure core.
//!
//! The order inside a command: decide, apply, enqueue with the reply's sender. A panic before
//! enqueueing loses nothing that was promised; one after it cannot lose the answer to a commit.

use std::{collections::HashMap, sync::Arc, time::Instant};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use stampede_kernel::{Entity, Lane, Timestamp};
use tokio::sync::oneshot;
use tracing::{Span, info_span};
use uuid::Uuid;

use super::{
    Answered, AskError, KindMetrics, Runtime,
    lane::Admission,
    limits::{ENTITIES_LIVE_MAX, FOLDED_EVENTS_MAX, PARKED_MAX, SNAPSHOT_EVENTS_MIN},
    live::{Live, Slot, Survivors, rebuild},
    supervisor::{InProgress, Notice},
};
use crate::{
    engine::clock,
    journal::{Append, Incarnation, NewEvent, Settled},
};

/// What an actor may be asked.
#[derive(Debug)]
pub enum Body<E: Entity> {
    Command(E::Command),
    Query(E::Query),
    /// Panics on purpose, so that operators can rehearse a failure.
    Panic,
}

impl<E: Entity> Body<E> {
    /// Whether it may be sent again when it is unknown whether it arrived.
    pub(super) fn is_repeatable(&self) -> bool {
        match self {
            Body::Command(command) => E::is_repeatable(command),
            Body::Query(_) => true,
            Body::Panic => false,
        }
    }

    pub(super) fn lane(&self) -> Lane {
        match self {
            Body::Command(command) => E::lane(command),
            Body::Query(_) | Body::Panic => Lane::Normal,
        }
    }
}

/// What an ask returns.
pub type Answer<E> = Result<Answered<<E as Entity>::Answer>, AskError<<E as Entity>::Refusal>>;

/// The sender of a reply, with the place in the lane that is held until then.
pub(super) struct Reply<E: Entity> {
    pub sender: oneshot::Sender<Answer<E>>,
    pub admission: Admission,
}

impl<E: Entity> Reply<E> {
    fn send(self, answer: Answer<E>) {
        // The caller may have disconnected.
        let _ = self.sender.send(answer);
        drop(self.admission);
    }
}

/// One message.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Ask<E: Entity> {
    pub(super) id: E::Id,
    pub(super) body: Body<E>,
    pub(super) reply: Reply<E>,
    pub(super) asked_at: Instant,
    pub(super) span: Span,
    pub(super) waiting: Option<Waiting>,
    #[expect(dead_code, reason = "it is held only until the message is dropped")]
    pub(super) guard: Option<EntryGuard>,
}

/// Something that is tied to a message.
pub type EntryGuard = Box<dyn Send + Sync>;

/// Counts a message in the mailbox, also when the mailbox is dropped with it.
pub(super) struct Waiting(Arc<KindMetrics>);

impl Waiting {
    pub(super) fn new(metrics: &Arc<KindMetrics>) -> Self {
        metrics.depth.inc();
        Self(metrics.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.depth.dec();
    }
}

/// Activates an entity before it is asked.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Wake<E: Entity>(pub E::Id);

/// Drops requests that have no caller any more, so that an idle actor can be passivated.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Tidy;

/// Fails parked queries: the actor is about to move.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SendAway;

/// Requests snapshots of long histories: the actor is about to move.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Compact(pub InProgress);

/// The actor.
pub struct Host<E: Entity> {
    actor: Uuid,
    incarnation: Arc<Incarnation>,
    runtime: Arc<Runtime>,
    metrics: Arc<KindMetrics>,
    published_view: Arc<E::PublishedView>,
    notices: tokio::sync::mpsc::UnboundedSender<Notice<E>>,
    entities: HashMap<E::Id, Slot<E>>,
    /// Whatever was written of an entity that was made after this, this incarnation wrote.
    alone_since: Timestamp,
    phase: Phase,
}

/// What an actor is doing. One that is dropped while it is not resting has panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Resting,
    /// The core only reads: the entities' states are complete.
    Reading,
    /// An entity may be half changed, or changed and not yet enqueued.
    Changing,
}

impl<E: Entity> Host<E> {
    pub(super) fn new(
        incarnation: Arc<Incarnation>,
        alone_since: Timestamp,
        runtime: Arc<Runtime>,
        metrics: Arc<KindMetrics>,
        published_view: Arc<E::PublishedView>,
        notices: tokio::sync::mpsc::UnboundedSender<Notice<E>>,
        survivors: Option<Survivors<E>>,
    ) -> Self {
        metrics.live.inc();
        let actor = incarnation.actor;
        let known = survivors.map(|survivors| survivors.0).unwrap_or_default();
        for live in known.values() {
            E::publish(&live.state, &[], &published_view);
        }
        Self {
            actor,
            incarnation,
            runtime,
            metrics,
            published_view,
            notices,
            entities: known.into_iter().map(|(id, live)| (id, Slot::Live(live))).collect(),
            alone_since,
            phase: Phase::Resting,
        }
    }

    fn load(&mut self, id: E::Id, first: Option<Ask<E>>, ctx: &mut Context<Self>) {
        self.make_room();
        if E::made_at(&id).is_some_and(|made| made > self.alone_since) {
            // It is new, so there is no history to read. If a clock was wrong, the journal refuses a version
            // that exists already, and the next incarnation loads.
            self.entities.insert(id.clone(), Slot::Loading(first.into_iter().collect()));
            let name: Arc<str> = id.to_string().into();
            return self.loaded(&id, Some(Live::new(name)));
        }
        self.entities.insert(id.clone(), Slot::Loading(first.into_iter().collect()));
        let rebuild = rebuild::<E>(self.runtime.loader.clone(), id.to_string().into());
        ctx.spawn(rebuild.into_actor(self).map(move |rebuilt, host, _| {
            host.phase = Phase::Changing;
            match rebuilt {
                Ok(live) => host.loaded(&id, live),
                // The panic belongs to this actor, which is quarantined if it keeps panicking.
                Err(panic) => std::panic::resume_unwind(panic),
            }
            host.phase = Phase::Resting;
        }));
    }

    fn loaded(&mut self, id: &E::Id, live: Option<Live<E>>) {
        let Some(Slot::Loading(waiting)) = self.entities.remove(id) else { return };
        let Some(live) = live else {
            for ask in waiting {
                ask.reply.send(Err(AskError::Unavailable));
            }
            return;
        };
        E::publish(&live.state, &[], &self.published_view);
        self.entities.insert(id.clone(), Slot::Live(Box::new(live)));
        for ask in waiting {
            self.process(ask);
        }
        self.forget_if_empty(id);
    }

    /// Drops entities without pending work, when there are many.
    fn make_room(&mut self) {
        if self.entities.len() < ENTITIES_LIVE_MAX || self.incarnation.has_pending() {
            return;
        }
        self.entities.retain(|_, slot| match slot {
            Slot::Loading(_) => true,
            Slot::Live(live) => !live.parked.is_empty(),
        });
        self.alone_since = clock::now().plus(self.runtime.router.clock_skew_ms());
    }

    /// Drops an entity that does not exist and that no query waits for: requests for unknown ids must not
    /// fill the memory.
    fn forget_if_empty(&mut self, id: &E::Id) {
        if E::only_entity(self.actor).is_some() {
            return;
        }
        if matches!(self.entities.get(id), Some(Slot::Live(live)) if live.is_empty()) {
            self.entities.remove(id);
        }
    }

    fn process(&mut self, ask: Ask<E>) {
        if !self.incarnation.is_current(self.runtime.journal.owned_shards()) {
            return ask.reply.send(Err(AskError::Unavailable));
        }
        let Some(Slot::Live(live)) = self.entities.get_mut(&ask.id) else {
            return ask.reply.send(Err(AskError::Unavailable));
        };
        let span = info_span!(parent: &ask.span, "decide", kind = E::KIND, id = %ask.id);
        let _entered = span.enter();
        match &ask.body {
            Body::Command(command) => {
                let now = clock::now();
                let events = match E::decide(&live.state, command, now) {
                    Ok(events) => events,
                    Err(refusal) => {
                        self.metrics.refused(E::code(&refusal));
                        return ask.reply.send(Err(AskError::Refused(refusal)));
                    }
                };
                self.phase = Phase::Changing;
                for event in &events {
                    E::apply(&mut live.state, event);
                }
                let replayed = events.is_empty();
                let answer = match E::answer(&live.state, command, now) {
                    Ok(answer) => Ok(Answered { answer, replayed }),
                    Err(refusal) => {
                        self.metrics.refused(E::code(&refusal));
                        Err(AskError::Refused(refusal))
                    }
                };
                E::publish(&live.state, &events, &self.published_view);
                let parked = if events.is_empty() { Vec::new() } else { std::mem::take(&mut live.parked) };
                self.enqueue(&ask.id, events, answer, ask.reply, span.clone());
                self.phase = Phase::Reading;
                for waiting in parked {
                    self.process(waiting);
                }
            }
            Body::Query(query) => match E::query(&live.state, query, clock::now()) {
                Some(answer) => {
                    let answer = match answer {
                        Ok(answer) => Ok(Answered { answer, replayed: false }),
                        Err(refusal) => Err(AskError::Refused(refusal)),
                    };
                    self.enqueue(&ask.id, Vec::new(), answer, ask.reply, Span::none());
                }
                None => {
                    live.parked.retain(|parked| !parked.reply.sender.is_closed());
                    if live.parked.len() < PARKED_MAX {
                        live.parked.push(ask);
                    } else {
                        ask.reply.send(Err(AskError::Overloaded));
                    }
                }
            },
            #[expect(clippy::panic, reason = "this message exists to panic")]
            Body::Panic => panic!("a panic was injected into {} {}", E::KIND, self.actor),
        }
    }

    /// Requests snapshots of the histories that take long to read compared with the state itself.
    fn compact(&mut self, in_progress: Option<&InProgress>) {
        if !E::SNAPSHOTS {
            return;
        }
        for slot in self.entities.values_mut() {
            if let Slot::Live(live) = slot
                && live.unfolded() > (FOLDED_EVENTS_MAX as u64).max(E::weight(&live.state) / 4)
            {
                live.snapshot_at = live.version;
                let (incarnation, id) = (self.incarnation.clone(), live.name.clone());
                let _ = self.notices.send(Notice::Snapshot {
                    incarnation,
                    id,
                    in_progress: in_progress.cloned(),
                });
            }
        }
    }

    /// Appends the events, and answers when they and everything before them are committed.
    fn enqueue(&mut self, id: &E::Id, events: Vec<E::Event>, answer: Answer<E>, reply: Reply<E>, span: Span) {
        if events.is_empty() && !self.incarnation.has_pending() {
            // What was pending when the message was admitted may have failed since; then the answer would
            // show what is not in the journal.
            let current = self.incarnation.is_current(self.runtime.journal.owned_shards());
            return reply.send(if current { answer } else { Err(AskError::Unavailable) });
        }
        let Some(Slot::Live(live)) = self.entities.get_mut(id) else {
            return reply.send(Err(AskError::Unavailable));
        };
        let first_version = live.version + 1;
        let mut new = Vec::with_capacity(events.len());
        for event in events {
            let payload = match serde_json::to_string(&event) {
                Ok(payload) => payload,
                // The journal's types always have a JSON form. If one had not, the state would be ahead.
                #[expect(clippy::panic, reason = "rebuilding from the journal is the only way back")]
                Err(cause) => panic!("an event of {} {id} has no JSON form: {cause}", E::KIND),
            };
            let event_type = E::event_type(&event);
            new.push(NewEvent { event_type, payload, decoded: Arc::new(event) });
            live.version += 1;
        }
        if E::SNAPSHOTS && live.unfolded() >= SNAPSHOT_EVENTS_MIN.max(E::weight(&live.state)) {
            live.snapshot_at = live.version;
            let (incarnation, id) = (self.incarnation.clone(), live.name.clone());
            let _ = self.notices.send(Notice::Snapshot { incarnation, id, in_progress: None });
        }
        let span = info_span!(parent: &span, "commit", kind = E::KIND, events = new.len());
        self.runtime.journal.append(Append {
            incarnation: self.incarnation.clone(),
            id: live.name.clone(),
            first_version,
            events: new,
            outbox: None,
            span,
            settle: Box::new(move |settled| {
                reply.send(match settled {
                    Settled::Committed => answer,
                    Settled::NotWritten => Err(AskError::Unavailable),
                    Settled::Unknown => Err(AskError::OutcomeUnknown),
                });
            }),
        });
    }
}

impl<E: Entity> Actor for Host<E> {
    type Context = Context<Self>;
}

impl<E: Entity> Drop for Host<E> {
    fn drop(&mut self) {
        self.metrics.live.dec();
        // actix does not restart an actor whose handler panicked: it only drops it.
        let whole = match self.phase {
            Phase::Resting => {
                // It is passivated, unless its shard has moved.
                if self.incarnation.is_current(self.runtime.journal.owned_shards()) {
                    self.compact(None);
                }
                return;
            }
            Phase::Reading => true,
            Phase::Changing => false,
        };
        let survivors = whole.then(|| Survivors::of(std::mem::take(&mut self.entities)));
        let _ = self.notices.send(Notice::Died { incarnation: self.incarnation.clone(), survivors });
    }
}

impl<E: Entity> Handler<Ask<E>> for Host<E> {
    type Result = ();

    fn handle(&mut self, mut ask: Ask<E>, ctx: &mut Self::Context) {
        let began = Instant::now();
        self.phase = Phase::Reading;
        drop(ask.waiting.take());
        self.metrics.waited.observe(began.duration_since(ask.asked_at).as_secs_f64());
        match self.entities.get_mut(&ask.id) {
            Some(Slot::Live(_)) => {
                let id = ask.id.clone();
                self.process(ask);
                self.forget_if_empty(&id);
            }
            Some(Slot::Loading(waiting)) => waiting.push(ask),
            None => self.load(ask.id.clone(), Some(ask), ctx),
        }
        self.metrics.handled.observe(began.elapsed().as_secs_f64());
        self.phase = Phase::Resting;
    }
}

impl<E: Entity> Handler<Wake<E>> for Host<E> {
    type Result = ();

    fn handle(&mut self, Wake(id): Wake<E>, ctx: &mut Self::Context) {
        if !self.entities.contains_key(&id) {
            self.load(id, None, ctx);
        }
    }
}

impl<E: Entity> Handler<Tidy> for Host<E> {
    type Result = ();

    fn handle(&mut self, _: Tidy, _: &mut Self::Context) {
        let single = E::only_entity(self.actor).is_some();
        self.entities.retain(|_, slot| match slot {
            Slot::Loading(_) => true,
            Slot::Live(live) => {
                live.parked.retain(|parked| !parked.reply.sender.is_closed());
                single || !live.is_empty()
            }
        });
    }
}

impl<E: Entity> Handler<Compact> for Host<E> {
    type Result = ();

    fn handle(&mut self, Compact(in_progress): Compact, _: &mut Self::Context) {
        self.compact(Some(&in_progress));
    }
}

impl<E: Entity> Handler<SendAway> for Host<E> {
    type Result = ();

    fn handle(&mut self, _: SendAway, _: &mut Self::Context) {
        for slot in self.entities.values_mut() {
            if let Slot::Live(live) = slot {
                for parked in live.parked.drain(..) {
                    parked.reply.send(Err(AskError::Unavailable));
                }
            }
        }
    }
}
