//! A committed event, from memory or from the table.

use std::{any::Any, sync::Arc};

use serde::de::DeserializeOwned;

use stampede_kernel::ShardId;

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
}
