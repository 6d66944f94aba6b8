//! What a room gives the runtime: the pure core of one kind of entity.

use std::{
    fmt::{Debug, Display},
    hash::Hash,
    str::FromStr,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{Code, Lane, Timestamp};

/// Held from a command's entry until the actor has decided; dropped with the message, even if the caller
/// disconnects.
pub type EntryGuard = Box<dyn Send + Sync>;

/// The pure core of a kind of actor. No function here does IO, reads a clock or draws a random
/// number: the same core runs under a simulator.
pub trait Entity: Sized + Send + 'static {
    /// The kind's name in the journal, in metrics and in paths.
    const KIND: &'static str;
    /// Whether histories grow long enough to be worth snapshots.
    const SNAPSHOTS: bool;

    /// What the journal keys this entity's events by. An actor may hold several entities.
    type Id: Clone + Eq + Hash + Debug + Display + FromStr + Send + Sync + Unpin;
    type State: Default + Serialize + DeserializeOwned + Send + Unpin;
    type Command: Debug + Serialize + DeserializeOwned + Send + Unpin;
    type Query: Debug + Serialize + DeserializeOwned + Send + Unpin;
    type Event: Debug + Serialize + DeserializeOwned + Send + Sync + Unpin;
    type Answer: Debug + Serialize + DeserializeOwned + Send + Sync + Unpin;
    type Refusal: Debug + Serialize + DeserializeOwned + Send + Sync + Unpin;
    /// What the actor publishes for readers that do not enter its mailbox.
    type PublishedView: Default + Send + Sync + Unpin;

    /// The events that follow from a command, none if it was done before, or why it is refused.
    fn decide(
        state: &Self::State,
        command: &Self::Command,
        now: Timestamp,
    ) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Changes the state; total and infallible.
    fn apply(state: &mut Self::State, event: &Self::Event);

    /// What to answer to a command once its events are applied, or were before.
    fn answer(
        state: &Self::State,
        command: &Self::Command,
        now: Timestamp,
    ) -> Result<Self::Answer, Self::Refusal>;

    /// The answer to a query; `None` parks it until the entity changes.
    fn query(
        state: &Self::State,
        query: &Self::Query,
        now: Timestamp,
    ) -> Option<Result<Self::Answer, Self::Refusal>>;

    /// The lane that a command is admitted through.
    fn lane(command: &Self::Command) -> Lane;

    /// Whether doing a command twice is the same as doing it once, so that it may be sent again when it is
    /// unknown whether it arrived.
    fn is_repeatable(command: &Self::Command) -> bool;

    /// The name of an event in the journal.
    fn event_type(event: &Self::Event) -> &'static str;

    /// The code of a refusal, for metrics and answers.
    fn code(refusal: &Self::Refusal) -> Code;

    /// When an entity of this id can have been made at the earliest, if its id tells.
    fn made_at(_id: &Self::Id) -> Option<Timestamp> {
        None
    }

    /// The entity that an actor of one entity holds, so that a rebuilt actor loads it before it is asked.
    fn only_entity(_actor: uuid::Uuid) -> Option<Self::Id> {
        None
    }

    /// Roughly how many parts the state has; a larger one is snapshotted less often.
    fn weight(_state: &Self::State) -> u64 {
        0
    }

    /// Decides what the published view can decide: a refusal, or a guard that is held until the actor has
    /// decided, even if the caller disconnects.
    fn enter(
        _view: &Self::PublishedView,
        _command: &Self::Command,
        _now: Timestamp,
    ) -> Result<Option<EntryGuard>, Self::Refusal> {
        Ok(None)
    }

    /// Updates the published view. `events` is empty after a load.
    fn publish(_state: &Self::State, _events: &[Self::Event], _view: &Self::PublishedView) {}
}

/// What an entity is asked: to do something, or about its state.
#[derive(Debug)]
pub enum Message<E: Entity> {
    Command(E::Command),
    Query(E::Query),
}

/// A command or a query with a reply type of its own: how callers ask an entity. On the way to its actor,
/// which may live on another node, it is the entity's [`Entity::Command`] or [`Entity::Query`], and what
/// comes back is its [`Entity::Answer`].
pub trait Request<E: Entity> {
    type Reply;

    /// The message that travels.
    fn message(self) -> Message<E>;

    /// The answer to this request; none if it answers something else, as only another version of the
    /// program does.
    fn reply(answer: E::Answer) -> Option<Self::Reply>;
}
