//! Invalidations: what nodes remember and must forget because another node has changed it.
//!
//! A message is sent once and kept nowhere. A node that misses one finds out a moment later by itself:
//! caches expire, and what must not be missed stands in a table. What is remembered, and how it is
//! forgotten, is each [`Invalidated`]'s own business.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_nats::{Client, connection::State};
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream, select_all},
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tracing::{debug, warn};

use super::{LinkMetrics, envelope::Seal, limits::ROUTE_RETRY_MS};

/// The subject of all invalidations.
const SUBJECT: &str = "stampede.cache.news";

/// Something that every node remembers by itself.
pub trait Invalidated: Send + Sync {
    /// Its name in messages.
    fn topic(&self) -> &'static str;

    /// What this node changes from now on; see [`changes`].
    fn changed_here(&self) -> BoxStream<'static, Box<RawValue>>;

    /// Forgets what another node has changed.
    fn forget<'a>(&'a self, change: &'a RawValue) -> BoxFuture<'a, Result<(), serde_json::Error>>;
}

/// A channel's changes in their JSON form. A receiver that is too slow misses some.
pub fn changes<T>(receiver: Receiver<T>) -> BoxStream<'static, Box<RawValue>>
where
    T: Clone + Serialize + Send + 'static,
{
    let next = |mut receiver: Receiver<T>| async move {
        loop {
            match receiver.recv().await {
                Ok(change) => match to_raw_value(&change) {
                    Ok(change) => return Some((change, receiver)),
                    Err(cause) => {
                        warn!(%cause, "a change has no JSON form; other nodes find out by themselves")
                    }
                },
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    };
    stream::unfold(receiver, next).boxed()
}

/// One message: a change by its topic.
type Message = BTreeMap<String, Box<RawValue>>;

/// Tells the other nodes what this one changes, and forgets what they change.
#[derive(Clone)]
pub struct Broadcaster {
    pub client: Client,
    pub seal: Arc<Seal>,
    pub remembered: Vec<Arc<dyn Invalidated>>,
    pub metrics: LinkMetrics,
}

impl Broadcaster {
    /// Tells the other nodes what this one changes, until the process ends.
    pub async fn publish(self) {
        let of = |remembered: &Arc<dyn Invalidated>| {
            let topic = remembered.topic();
            remembered.changed_here().map(move |change| Message::from([(topic.to_owned(), change)])).boxed()
        };
        let mut messages = select_all(self.remembered.iter().map(of));
        while let Some(message) = messages.next().await {
            if self.client.connection_state() != State::Connected {
                // By the time the connection is back it would be too late to be of use.
                continue;
            }
            let (headers, payload) = self.seal.close(SUBJECT, [message]);
            if let Err(cause) = self.client.publish_with_headers(SUBJECT, headers, payload).await {
                debug!(%cause, "other nodes were not told of a change");
            }
        }
    }

    /// Forgets what other nodes change, until the process ends.
    pub async fn receive(self) {
        loop {
            match self.client.subscribe(SUBJECT).await {
                Ok(mut messages) => {
                    while let Some(message) = messages.next().await {
                        match self.seal.open::<Vec<Message>>(&message) {
                            // A node also receives what it has sent.
                            Ok(envelope) if envelope.from == self.seal.from() => {}
                            Ok(envelope) => self.forget(&envelope.body).await,
                            Err(cause) => super::refuse(&self.metrics.refused, cause, SUBJECT),
                        }
                    }
                }
                Err(cause) => warn!(%cause, "changes at other nodes cannot be received"),
            }
            tokio::time::sleep(Duration::from_millis(ROUTE_RETRY_MS)).await;
        }
    }

    async fn forget(&self, messages: &[Message]) {
        for (topic, change) in messages.iter().flatten() {
            self.metrics.news.inc();
            let remembered = self.remembered.iter().find(|remembered| remembered.topic() == topic);
            // A topic that only a newer version has is nothing that this node remembers.
            let Some(remembered) = remembered else { continue };
            if let Err(cause) = remembered.forget(change).await {
                debug!(%cause, topic, "a change at another node cannot be read");
            }
        }
    }
}
