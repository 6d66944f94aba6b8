//! Committed batches, handed to the subscriptions of this process in memory.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::Entry;
use crate::journal::limits::FEED_BATCHES_MAX;

/// The events of one committed batch, in order per shard; none when shards were taken, whose journals
/// must be read from the table.
#[derive(Debug)]
pub struct Committed {
    pub entries: Vec<Entry>,
}

/// The source of committed batches. A receiver that falls behind by [`FEED_BATCHES_MAX`] misses
/// some and reads the table instead.
#[derive(Debug, Clone)]
pub struct Feed {
    sender: broadcast::Sender<Arc<Committed>>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { sender: broadcast::channel(FEED_BATCHES_MAX).0 }
    }

    /// Everything committed from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Committed>> {
        self.sender.subscribe()
    }

    pub(super) fn publish(&self, committed: Committed) {
        // Without receivers there is nobody to tell.
        let _ = self.sender.send(Arc::new(committed));
    }
}
