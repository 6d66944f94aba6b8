//! News for all nodes: what they remember and must forget.
//!
//! It is sent once and kept nowhere. A node that misses it finds out a moment later by itself: what it
//! remembers of the catalog expires, and ended sessions stand in a table.

use std::{sync::Arc, time::Duration};

use async_nats::{Client, connection::State};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tracing::{debug, warn};

use super::{LinkMetrics, envelope::Seal};
use crate::{
    account::{Revocation, Revocations},
    catalog::{Catalog, Stale},
    kernel::limits::ROUTE_RETRY_MS,
};

/// The subject of all news.
const NEWS: &str = "stampede.cache.news";

/// Something that happened at one node and concerns all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    Stale(Stale),
    Revoked(Revocation),
}

/// Who makes news, and takes it in.
#[derive(Clone)]
pub struct Newsroom {
    pub client: Client,
    pub seal: Arc<Seal>,
    pub catalog: Catalog,
    pub revocations: Arc<Revocations>,
    pub metrics: LinkMetrics,
}

impl Newsroom {
    /// Tells the other nodes what happens at this one, until the process ends.
    pub async fn tell(self) {
        let (mut stale, mut revoked) = (self.catalog.changed_here(), self.revocations.made_here());
        loop {
            let news = tokio::select! {
                Some(stale) = next(&mut stale) => News::Stale(stale),
                Some(revocation) = next(&mut revoked) => News::Revoked(revocation),
                else => return,
            };
            if self.client.connection_state() != State::Connected {
                // It would come too late to be heard.
                continue;
            }
            let (headers, payload) = self.seal.close(NEWS, [news]);
            if let Err(cause) = self.client.publish_with_headers(NEWS, headers, payload).await {
                debug!(%cause, "other nodes were not told of a change");
            }
        }
    }

    /// Takes in what happens at other nodes, until the process ends.
    pub async fn hear(self) {
        loop {
            match self.client.subscribe(NEWS).await {
                Ok(mut messages) => {
                    while let Some(message) = messages.next().await {
                        match self.seal.open::<Vec<News>>(&message) {
                            // What this node told comes back to it.
                            Ok(envelope) if envelope.from == self.seal.from() => {}
                            Ok(envelope) => self.take_in(&envelope.body).await,
                            Err(cause) => super::refuse(&self.metrics.refused, cause, NEWS),
                        }
                    }
                }
                Err(cause) => warn!(%cause, "other nodes' news cannot be heard"),
            }
            tokio::time::sleep(Duration::from_millis(ROUTE_RETRY_MS)).await;
        }
    }

    async fn take_in(&self, news: &[News]) {
        for news in news {
            self.metrics.news.inc();
            match news {
                News::Stale(stale) => self.catalog.forget(stale).await,
                News::Revoked(revocation) => self.revocations.take_in(revocation),
            }
        }
    }
}

/// The next change; what came too fast is passed over.
async fn next<T: Clone>(changes: &mut Receiver<T>) -> Option<T> {
    loop {
        match changes.recv().await {
            Ok(change) => return Some(change),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}
