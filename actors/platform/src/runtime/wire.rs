//! Messages to actors of another node, as they travel: in JSON, so that nodes of different versions
//! understand each other. Golden files hold every form.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use uuid::Uuid;

use stampede_kernel::Entity;

use super::{Answered, AskError, Body, host::Answer};

/// A message to one entity of one actor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RemoteAsk {
    pub kind: String,
    pub actor: Uuid,
    pub id: String,
    pub body: RemoteBody,
    /// W3C `traceparent` of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteBody {
    Command(Box<RawValue>),
    Query(Box<RawValue>),
    Panic,
}

/// The outcome.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteAnswer {
    Answered {
        answer: Box<RawValue>,
        replayed: bool,
    },
    Refused(Box<RawValue>),
    Overloaded,
    Unavailable,
    OutcomeUnknown,
    /// The actor does not live there; nothing was done.
    Elsewhere,
    /// The message could not be read; nothing was done.
    Unreadable,
}

impl RemoteAsk {
    pub(crate) fn new<E: Entity>(actor: Uuid, id: &E::Id, body: &Body<E>, trace: Option<String>) -> Self {
        let body = match body {
            Body::Command(command) => RemoteBody::Command(raw(command)),
            Body::Query(query) => RemoteBody::Query(raw(query)),
            Body::Panic => RemoteBody::Panic,
        };
        Self { kind: E::KIND.to_owned(), actor, id: id.to_string(), body, trace }
    }

    /// The message as the actor takes it; none if it cannot be read.
    pub(crate) fn read<E: Entity>(&self) -> Option<(E::Id, Body<E>)> {
        let body = match &self.body {
            RemoteBody::Command(command) => Body::Command(read(command)?),
            RemoteBody::Query(query) => Body::Query(read(query)?),
            RemoteBody::Panic => Body::Panic,
        };
        Some((self.id.parse().ok()?, body))
    }
}

impl RemoteAnswer {
    pub(crate) fn of<E: Entity>(answer: Answer<E>) -> Self {
        match answer {
            Ok(Answered { answer, replayed }) => Self::Answered { answer: raw(&answer), replayed },
            Err(AskError::Refused(refusal)) => Self::Refused(raw(&refusal)),
            Err(AskError::Overloaded) => Self::Overloaded,
            Err(AskError::Unavailable) => Self::Unavailable,
            Err(AskError::OutcomeUnknown) => Self::OutcomeUnknown,
        }
    }

    /// The answer as the caller takes it. One that cannot be read says nothing about what was done.
    pub(crate) fn read<E: Entity>(&self) -> Answer<E> {
        match self {
            Self::Answered { answer, replayed } => read(answer)
                .map(|answer| Answered { answer, replayed: *replayed })
                .ok_or(AskError::OutcomeUnknown),
            Self::Refused(refusal) => Err(read(refusal).map_or(AskError::Unavailable, AskError::Refused)),
            Self::Overloaded => Err(AskError::Overloaded),
            Self::OutcomeUnknown => Err(AskError::OutcomeUnknown),
            Self::Unavailable | Self::Elsewhere | Self::Unreadable => Err(AskError::Unavailable),
        }
    }
}

/// Messages always have a JSON form. If one had not, the receiver could not read `null`.
fn raw(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_default()
}

fn read<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}
