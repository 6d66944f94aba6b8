//! What an ask returns, and how an entity is rebuilt from its history.

use std::{fmt::Debug, sync::Arc};

use stampede_kernel::Entity;

use crate::journal::History;

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
    /// The actor cannot be reached at the moment; nothing was done.
    #[error("the actor is not available")]
    Unavailable,
    /// It may or may not have been done; a retry with the same key finds out.
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

/// Rebuilds an entity from its history; returns its state and version.
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
