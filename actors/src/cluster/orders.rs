//! What an administrator wants of a node, said at any node.
//!
//! Each node hears its own subject. What it answers is sealed too, under the subject of the answer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_nats::{Client, HeaderMap, Message, Request};
use bytes::Bytes;
use futures_util::StreamExt;
use prometheus::IntCounterVec;
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use super::{Directories, HandoffError, Ownership, envelope::Seal};
use crate::{
    journal::ShardId,
    kernel::limits::{NODE_ANSWER_MS, NODE_HANDOFF_MS, ROUTE_RETRY_MS},
};

/// What a node shall do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Hand one shard over, to that node or to any other.
    HandOver { shard: ShardId, to: Option<String> },
    /// Hand all shards over, and take none until told to.
    Empty,
    /// Take its share again.
    Resume,
    /// Say how many actors of each shard are live.
    Report,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    Done,
    Actors(BTreeMap<ShardId, usize>),
    NotHeld,
    NobodyThere,
    Busy,
    Failed,
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error("the node cannot be reached")]
    Unreachable,
    #[error(transparent)]
    Handoff(#[from] HandoffError),
    #[error("the node could not do it; its log says why")]
    Failed,
}

/// Gives orders to nodes, this one among them.
#[derive(Clone)]
pub struct Orders {
    ownership: Arc<Ownership>,
    directories: Directories,
    me: String,
    /// None on a node that is alone.
    others: Option<(Client, Arc<Seal>)>,
}

fn subject(node: &str) -> String {
    format!("stampede.node.{node}.order")
}

impl Orders {
    #[must_use]
    pub fn new(
        ownership: Arc<Ownership>,
        directories: Directories,
        me: &str,
        others: Option<(Client, Arc<Seal>)>,
    ) -> Self {
        Self { ownership, directories, me: me.to_owned(), others }
    }

    /// Has a node do something, and waits until it has.
    pub async fn give(&self, node: &str, order: Order) -> Result<Done, OrderError> {
        let done = if node == self.me { self.carry_out(order).await } else { self.send(node, order).await? };
        match done {
            Done::Done | Done::Actors(_) => Ok(done),
            Done::NotHeld => Err(HandoffError::NotHeld.into()),
            Done::NobodyThere => Err(HandoffError::NobodyThere.into()),
            Done::Busy => Err(HandoffError::Busy.into()),
            Done::Failed => Err(OrderError::Failed),
        }
    }

    async fn send(&self, node: &str, order: Order) -> Result<Done, OrderError> {
        let (client, seal) = self.others.as_ref().ok_or(OrderError::Unreachable)?;
        let patience = match order {
            Order::Report => NODE_ANSWER_MS,
            Order::HandOver { .. } | Order::Empty | Order::Resume => NODE_HANDOFF_MS,
        };
        let subject = subject(node);
        let (headers, payload) = seal.close(&subject, order);
        let request =
            Request::new().headers(headers).payload(payload).timeout(Some(Duration::from_millis(patience)));
        let answer = client.send_request(subject, request).await.map_err(|cause| {
            debug!(%cause, node, "a node does not answer an administrator");
            OrderError::Unreachable
        })?;
        seal.open::<Done>(&answer).map(|envelope| envelope.body).map_err(|cause| {
            warn!(cause = cause.as_str(), node, "a node's answer to an administrator cannot be believed");
            OrderError::Unreachable
        })
    }

    /// Carries orders out that other nodes pass on, until the process ends.
    pub async fn obey(self, refused: IntCounterVec) {
        let Some((client, seal)) = self.others.clone() else { return };
        let subject = subject(&self.me);
        loop {
            match client.subscribe(subject.clone()).await {
                Ok(mut messages) => {
                    while let Some(message) = messages.next().await {
                        match seal.open::<Order>(&message) {
                            Ok(envelope) => self.clone().answer(&client, &seal, &message, envelope.body),
                            Err(cause) => super::refuse(&refused, cause, "stampede.node"),
                        }
                    }
                }
                Err(cause) => warn!(%cause, "orders that other nodes pass on cannot be heard"),
            }
            tokio::time::sleep(Duration::from_millis(ROUTE_RETRY_MS)).await;
        }
    }

    /// One order must not wait for another: a node that is emptied still reports.
    fn answer(self, client: &Client, seal: &Arc<Seal>, message: &Message, order: Order) {
        let Some(reply) = message.reply.clone() else { return };
        let (client, seal) = (client.clone(), seal.clone());
        tokio::spawn(async move {
            let done = self.carry_out(order).await;
            let (headers, payload): (HeaderMap, Bytes) = seal.close(&reply, done);
            if let Err(cause) = client.publish_with_headers(reply, headers, payload).await {
                warn!(%cause, "an answer to an administrator was not sent");
            }
        });
    }

    async fn carry_out(&self, order: Order) -> Done {
        let handed_over = match order {
            Order::HandOver { shard, to } => self.ownership.hand_over(shard, to).await,
            Order::Empty => self.ownership.empty().await,
            Order::Resume => self.ownership.resume().await,
            Order::Report => return Done::Actors(self.actors()),
        };
        match handed_over {
            Ok(()) => Done::Done,
            Err(HandoffError::NotHeld) => Done::NotHeld,
            Err(HandoffError::NobodyThere) => Done::NobodyThere,
            Err(HandoffError::Busy) => Done::Busy,
            Err(HandoffError::Database(cause)) => {
                warn!(%cause, "what an administrator ordered was not done");
                Done::Failed
            }
        }
    }

    fn actors(&self) -> BTreeMap<ShardId, usize> {
        let mut actors = BTreeMap::new();
        for directory in self.directories.iter() {
            for (shard, live) in directory.live_by_shard() {
                *actors.entry(shard).or_insert(0) += live;
            }
        }
        actors
    }
}
