//! A committed event, from memory or from the table.

use std::{any::Any, sync::Arc};

use serde::de::{DeserializeOwned, Error as _};

use stampede_kernel::{Entity, ShardId};

/// The id of an entity of kind `E` and what happened to it.
pub type EventOf<E> = (<E as Entity>::Id, Arc<<E as Entity>::Event>);

/// A place in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub shard: ShardId,
    pub seq: i64,
}

/// One committed event.
#[derive(Debug, Clone)]
pub struct Entry {
    pub position: Position,
    /// `stock`, `order`, `cart` or the kind of a record.
    pub kind: Arc<str>,
    /// The entity's id as text: a UUID or an order number.
    pub id: Arc<str>,
    /// The entity's version after this event, from 1.
    pub version: i64,
    pub event_type: Arc<str>,
    /// The event as JSON.
    pub payload: Arc<str>,
    /// The event itself when it was committed by this process.
    pub decoded: Option<Arc<dyn Any + Send + Sync>>,
    /// The trace that the event belongs to, when it was committed by this process.
    pub span: tracing::Span,
}

impl Entry {
    /// The event as a value; read from JSON unless it is at hand.
    pub fn event<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<Arc<T>, serde_json::Error> {
        if let Some(event) = self.decoded.clone().and_then(|event| event.downcast::<T>().ok()) {
            return Ok(event);
        }
        serde_json::from_str(&self.payload).map(Arc::new)
    }

    /// The id and the event of an entity of kind `E`; none for another kind.
    ///
    /// # Errors
    /// When the entry is of this kind and cannot be read.
    pub fn event_of<E: Entity>(&self) -> Result<Option<EventOf<E>>, serde_json::Error> {
        if &*self.kind != E::KIND {
            return Ok(None);
        }
        let unreadable = |_| serde_json::Error::custom(format!("{} is not the id of a {}", self.id, E::KIND));
        let id: E::Id = self.id.parse().map_err(unreadable)?;
        Ok(Some((id, self.event()?)))
    }
}
