//! Asking actors of other nodes.
//!
//! Messages to one shard travel together: while one batch waits for its receipt the next gathers. The
//! receipt only says that they arrived; each answer comes when its actor has committed, and answers
//! travel together too. A node that has lost the shard does not listen under its epoch any more, so a
//! stale owner cannot answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, Request, client::RequestErrorKind};
use dashmap::DashMap;
use futures_util::{StreamExt, future::BoxFuture};
use prometheus::{IntCounter, IntCounterVec};
use serde::{Deserialize, Serialize};
use stampede_kernel::ShardId;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};

use super::{
    RoutingTable,
    envelope::{Seal, payload_max},
    tell::{self, Telling},
};
use crate::{
    cluster::limits::{ASK_RECEIPT_MS, ASKS_TOGETHER_MAX, LATE_ANSWER_MS, ROUTE_RETRY_MS},
    runtime::{Delivery, Place, RemoteAnswer, RemoteAsk},
};

/// The subject under which a shard's owner is asked.
pub(super) fn ask_subject(shard: ShardId, epoch: i64) -> String {
    format!("stampede.ask.{shard}.{epoch}")
}

/// The subject under which a node gets its answers.
pub(super) fn answer_subject(from: &str) -> String {
    format!("stampede.answer.{from}")
}

/// A message with the number that its answer will have.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    pub n: u64,
    pub ask: Arc<RemoteAsk>,
}

/// An answer with the number of its message.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answered {
    pub n: u64,
    pub answer: RemoteAnswer,
}

/// What the operator sees of the link.
#[derive(Clone)]
pub struct LinkMetrics {
    /// Messages to actors of other nodes, by outcome.
    pub asks: IntCounterVec,
    /// Messages from outside that were not heard, by cause.
    pub refused: IntCounterVec,
    /// Changes at other nodes of which this one was told.
    pub news: IntCounter,
}

/// Messages that wait for their answers.
pub(super) type Pending = Arc<DashMap<u64, oneshot::Sender<RemoteAnswer>>>;

/// How a message got as far as the other node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receipt {
    Received,
    NobodyThere,
    Unknown,
}

/// A message on its way. Bounded by the callers: each waits for its own.
struct Outgoing {
    epoch: i64,
    asked: Asked,
    receipt: oneshot::Sender<Receipt>,
}

/// The way to the actors of other nodes.
pub struct Link {
    routing: Arc<RoutingTable>,
    shards: Vec<mpsc::UnboundedSender<Outgoing>>,
    queues: Vec<mpsc::UnboundedSender<Telling>>,
    pending: Pending,
    next: AtomicU64,
    metrics: LinkMetrics,
}

impl Link {
    /// Starts the tasks that send and that hear the answers.
    #[must_use]
    pub fn start(
        client: &Client,
        seal: &Arc<Seal>,
        routing: &Arc<RoutingTable>,
        (shards, replicas): (u16, usize),
        metrics: LinkMetrics,
    ) -> Arc<Self> {
        let pending = Pending::default();
        let senders = ShardId::all(shards)
            .map(|shard| {
                let (sender, outgoing) = mpsc::unbounded_channel();
                tokio::spawn(send(client.clone(), seal.clone(), routing.clone(), shard, outgoing));
                sender
            })
            .collect();
        let queues = ShardId::all(shards)
            .map(|shard| {
                let (sender, outgoing) = mpsc::unbounded_channel();
                tokio::spawn(tell::send(client.clone(), seal.clone(), shard, replicas, outgoing));
                sender
            })
            .collect();
        tokio::spawn(hear_answers(client.clone(), seal.clone(), pending.clone(), metrics.clone()));
        let (routing, next) = (routing.clone(), AtomicU64::new(1));
        Arc::new(Self { routing, shards: senders, queues, pending, next, metrics })
    }

    /// Tells whoever owns the shard, now or soon, through the work queue.
    pub fn tell(&self, shard: ShardId, ask: Arc<RemoteAsk>) -> BoxFuture<'static, Delivery> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, mut answered) = oneshot::channel();
        let (receipt, received) = oneshot::channel();
        self.pending.insert(n, answer);
        let forget = Forget { pending: self.pending.clone(), n };
        if let Some(queue) = self.queues.get(shard.index()) {
            let _ = queue.send(Telling { asked: Asked { n, ask }, receipt });
        }
        let asks = self.metrics.asks.clone();
        Box::pin(async move {
            let waiting = async {
                tokio::select! {
                    biased;
                    Ok(answer) = &mut answered => return Delivery::Answer(answer),
                    receipt = received => if receipt != Ok(Receipt::Received) { return Delivery::Lost },
                }
                answered.await.map_or(Delivery::Lost, Delivery::Answer)
            };
            let delivery = tokio::time::timeout(tell::patience(), waiting).await.unwrap_or(Delivery::Lost);
            asks.with_label_values(&[outcome(&delivery)]).inc();
            drop(forget);
            delivery
        })
    }

    /// Asks the owner that holds the shard at this epoch.
    pub fn ask(&self, shard: ShardId, epoch: i64, ask: Arc<RemoteAsk>) -> BoxFuture<'static, Delivery> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let (receipt, received) = oneshot::channel();
        self.pending.insert(n, answer);
        let forget = Forget { pending: self.pending.clone(), n };
        if let Some(sender) = self.shards.get(shard.index()) {
            let _ = sender.send(Outgoing { epoch, asked: Asked { n, ask }, receipt });
        }
        let (routing, asks) = (self.routing.clone(), self.metrics.asks.clone());
        Box::pin(async move {
            let delivery = deliver(routing, (shard, epoch), received, answered).await;
            asks.with_label_values(&[outcome(&delivery)]).inc();
            drop(forget);
            delivery
        })
    }
}

/// Nobody waits for the answer any more.
struct Forget {
    pending: Pending,
    n: u64,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.pending.remove(&self.n);
    }
}

fn outcome(delivery: &Delivery) -> &'static str {
    match delivery {
        Delivery::Answer(RemoteAnswer::Elsewhere) => "elsewhere",
        Delivery::Answer(_) => "answered",
        Delivery::NotDelivered => "not_delivered",
        Delivery::Lost => "lost",
    }
}

async fn deliver(
    routing: Arc<RoutingTable>,
    (shard, epoch): (ShardId, i64),
    received: oneshot::Receiver<Receipt>,
    mut answered: oneshot::Receiver<RemoteAnswer>,
) -> Delivery {
    tokio::select! {
        biased;
        Ok(answer) = &mut answered => return Delivery::Answer(answer),
        receipt = received => match receipt {
            Ok(Receipt::Received) => {}
            Ok(Receipt::NobodyThere) => return Delivery::NotDelivered,
            Ok(Receipt::Unknown) | Err(_) => return Delivery::Lost,
        },
    }
    let left = routing.left(shard, Place::There { epoch });
    tokio::select! {
        biased;
        Ok(answer) = &mut answered => return Delivery::Answer(answer),
        () = left => {}
    }
    // The owner that hands a shard over has answered everything before, but news may overtake answers.
    match tokio::time::timeout(Duration::from_millis(LATE_ANSWER_MS), answered).await {
        Ok(Ok(answer)) => Delivery::Answer(answer),
        Ok(Err(_)) | Err(_) => Delivery::Lost,
    }
}

/// Sends what gathers for one shard, one batch after the other.
async fn send(
    client: Client,
    seal: Arc<Seal>,
    routing: Arc<RoutingTable>,
    shard: ShardId,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
) {
    let mut gathered = Vec::with_capacity(ASKS_TOGETHER_MAX);
    while outgoing.recv_many(&mut gathered, ASKS_TOGETHER_MAX).await > 0 {
        // The shard has one owner at a time; messages for an earlier one go first.
        gathered.sort_by_key(|outgoing: &Outgoing| outgoing.epoch);
        while let Some(epoch) = gathered.first().map(|outgoing| outgoing.epoch) {
            let others = gathered.split_off(gathered.partition_point(|outgoing| outgoing.epoch == epoch));
            let together = std::mem::replace(&mut gathered, others);
            let (asked, receipts): (Vec<Asked>, Vec<_>) =
                together.into_iter().map(|outgoing| (outgoing.asked, outgoing.receipt)).unzip();
            let subject = ask_subject(shard, epoch);
            let mut receipts = receipts.into_iter();
            for (count, headers, payload) in seal.close_all(&subject, &asked, payload_max(&client)) {
                let moved = async {
                    routing.clone().left(shard, Place::There { epoch }).await;
                    tokio::time::sleep(Duration::from_millis(LATE_ANSWER_MS)).await;
                };
                let receipt = tokio::select! {
                    receipt = request(&client, subject.clone(), headers, payload) => receipt,
                    // Nobody is there any more who would give one, and others wait behind these.
                    () = moved => Receipt::Unknown,
                };
                for waiting in receipts.by_ref().take(count) {
                    let _ = waiting.send(receipt);
                }
            }
        }
    }
}

async fn request(
    client: &Client,
    subject: String,
    headers: async_nats::HeaderMap,
    payload: bytes::Bytes,
) -> Receipt {
    let patience = Duration::from_millis(ASK_RECEIPT_MS);
    let request = Request::new().headers(headers).payload(payload).timeout(Some(patience));
    match client.send_request(subject, request).await {
        Ok(_) => Receipt::Received,
        Err(error) if error.kind() == RequestErrorKind::NoResponders => Receipt::NobodyThere,
        Err(error) => {
            debug!(%error, "messages to another node have no receipt");
            Receipt::Unknown
        }
    }
}

/// Hands answers to those who wait for them.
async fn hear_answers(client: Client, seal: Arc<Seal>, pending: Pending, metrics: LinkMetrics) {
    let subject = answer_subject(seal.from());
    loop {
        match client.subscribe(subject.clone()).await {
            Ok(mut messages) => {
                while let Some(message) = messages.next().await {
                    match seal.open::<Vec<Answered>>(&message) {
                        Ok(envelope) => {
                            for Answered { n, answer } in envelope.body {
                                if let Some((_, waiting)) = pending.remove(&n) {
                                    let _ = waiting.send(answer);
                                }
                            }
                        }
                        Err(cause) => super::refuse(&metrics.refused, cause, message.subject.as_str()),
                    }
                }
            }
            Err(cause) => warn!(%cause, "answers of other nodes cannot be heard"),
        }
        tokio::time::sleep(Duration::from_millis(ROUTE_RETRY_MS)).await;
    }
}
