//! What a room gives the runtime: the pure core of one kind of actor.

use std::{
    fmt::{Debug, Display},
    hash::Hash,
    str::FromStr,
    sync::Arc,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{Companion, Lane};
use crate::{
    journal::History,
    kernel::{Code, Timestamp},
};

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
    type Board: Default + Send + Sync + Unpin;

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

    /// Whether a command done twice is as good as done once, so that it may be sent again when nobody
    /// knows whether it arrived.
    fn is_repeatable(command: &Self::Command) -> bool;

    /// The name of an event in the journal.
    fn event_type(event: &Self::Event) -> &'static str;

    /// The code of a refusal, for metrics and answers.
    fn code(refusal: &Self::Refusal) -> Code;

    /// When an entity of this id can have been made at the earliest, if its id tells.
    fn made_at(_id: &Self::Id) -> Option<Timestamp> {
        None
    }

    /// The entity that an actor of one entity holds, so that a rebuilt actor loads it unasked.
    fn only_entity(_actor: uuid::Uuid) -> Option<Self::Id> {
        None
    }

    /// Roughly how many parts the state has; a larger one is snapshotted less often.
    fn weight(_state: &Self::State) -> u64 {
        0
    }

    /// What can be said to a command outside the mailbox: a refusal, or something that goes with it and
    /// is dropped once the actor has decided, even if the caller has gone meanwhile.
    fn enter(
        _board: &Self::Board,
        _command: &Self::Command,
        _now: Timestamp,
    ) -> Result<Option<Companion>, Self::Refusal> {
        Ok(None)
    }

    /// Shows what has changed to readers outside the mailbox. `events` is empty after a load.
    fn publish(_state: &Self::State, _events: &[Self::Event], _board: &Self::Board) {}
}

/// An answer, and whether it repeats an earlier one.
#[derive(Debug)]
pub struct Answered<A> {
    pub answer: A,
    pub replayed: bool,
}

/// Why an actor gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError<R: Debug> {
    /// The actor decided against it.
    #[error("the request was refused: {0:?}")]
    Refused(R),
    /// The actor's lane is full; nothing was done.
    #[error("too many requests are waiting")]
    Overloaded,
    /// The actor is not there at the moment; nothing was done.
    #[error("the actor is not available")]
    Unavailable,
    /// It may or may not have been done; a retry with the same key tells.
    #[error("the outcome is unknown")]
    OutcomeUnknown,
}

/// A stored event or snapshot that this version cannot read.
#[derive(Debug, thiserror::Error)]
#[error("{kind} {id} cannot be rebuilt: {cause}")]
pub struct FoldError {
    pub kind: &'static str,
    pub id: Arc<str>,
    pub cause: String,
}

/// Rebuilds an entity from its history; answers its state and version.
pub fn fold<E: Entity>(id: &str, history: &History) -> Result<(E::State, i64), FoldError> {
    let failed = |cause: String| FoldError { kind: E::KIND, id: id.into(), cause };
    let (mut state, mut version) = match &history.snapshot {
        Some(snapshot) => {
            let state = serde_json::from_str(&snapshot.state)
                .map_err(|error| failed(format!("snapshot at version {}: {error}", snapshot.version)))?;
            (state, snapshot.version)
        }
        None => (E::State::default(), 0),
    };
    for (at, payload) in &history.events {
        if *at != version + 1 {
            return Err(failed(format!("version {at} follows version {version}")));
        }
        let event = serde_json::from_str::<E::Event>(payload)
            .map_err(|error| failed(format!("event at version {at}: {error}")))?;
        E::apply(&mut state, &event);
        version = *at;
    }
    Ok((state, version))
}
