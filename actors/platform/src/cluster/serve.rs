//! Answering other nodes: a subscription for every shard held here, under its epoch.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use stampede_kernel::ShardId;
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
};
use tracing::warn;

use super::{
    envelope::{Seal, payload_max},
    link::{Answered, Asked, LinkMetrics, answer_subject, ask_subject},
    tell,
};
use crate::{
    cluster::limits::{ASKS_TOGETHER_MAX, LATE_ANSWER_MS},
    journal::OwnedShards,
    runtime::{Directory, RemoteAnswer},
};

/// The registries of this node, by the kinds of their actors.
pub type Directories = Arc<Vec<Arc<dyn Directory>>>;

/// Serves other nodes for as long as it lives.
pub struct Server {
    client: Client,
    seal: Arc<Seal>,
    owned_shards: Arc<OwnedShards>,
    directories: Directories,
    metrics: LinkMetrics,
    answers: mpsc::UnboundedSender<Answer>,
    replicas: usize,
}

/// An answer on its way back. Bounded by the lanes of the actors.
struct Answer {
    to: Arc<str>,
    answered: Answered,
}

/// A shard that is listened for, until this is dropped.
struct Listening {
    epoch: i64,
    /// Tells the listener that the shard has gone, by being dropped.
    _gone: oneshot::Sender<()>,
    work: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Server {
    /// Starts to serve.
    pub fn start(
        client: &Client,
        seal: &Arc<Seal>,
        owned_shards: &Arc<OwnedShards>,
        directories: &Directories,
        replicas: usize,
        metrics: LinkMetrics,
    ) {
        let (answers, outgoing) = mpsc::unbounded_channel();
        tokio::spawn(send_answers(client.clone(), seal.clone(), outgoing));
        let server = Arc::new(Self {
            client: client.clone(),
            seal: seal.clone(),
            owned_shards: owned_shards.clone(),
            directories: directories.clone(),
            metrics,
            answers,
            replicas,
        });
        tokio::spawn(server.follow_owned_shards());
    }

    /// Listens for the shards held here, and for no others.
    async fn follow_owned_shards(self: Arc<Self>) {
        let mut changes = self.owned_shards.changes();
        let mut listening: HashMap<ShardId, Listening> = HashMap::new();
        loop {
            changes.borrow_and_update();
            listening.retain(|shard, listening| self.owned_shards.epoch(*shard) == Some(listening.epoch));
            for shard in self.owned_shards.held() {
                let Some(epoch) = self.owned_shards.epoch(shard) else { continue };
                if listening.contains_key(&shard) {
                    continue;
                }
                match self.client.subscribe(ask_subject(shard, epoch)).await {
                    Ok(messages) => {
                        let (_gone, gone) = oneshot::channel();
                        tokio::spawn(self.clone().listen(messages, gone));
                        let work = tell::work(self.clone(), self.client.clone(), shard, self.replicas);
                        listening.insert(shard, Listening { epoch, _gone, work: tokio::spawn(work) });
                    }
                    Err(cause) => warn!(%cause, shard = shard.get(), "other nodes cannot ask for this shard"),
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    async fn listen(self: Arc<Self>, mut messages: Subscriber, mut gone: oneshot::Receiver<()>) {
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.take_in(&message, &mut under_way).await,
                    None => return,
                },
                Some(_) = under_way.join_next() => {}
                _ = &mut gone => break,
            }
        }
        // Whoever has sent a message already is told that the shard has moved: without a word everybody
        // behind it would wait for the receipt.
        if messages.drain().await.is_ok() {
            while let Some(message) = messages.next().await {
                self.take_in(&message, &mut under_way).await;
            }
        }
        // What is still under way ends with the shard: its callers ask the next owner.
        let told = async { while under_way.join_next().await.is_some() {} };
        drop(tokio::time::timeout(Duration::from_millis(LATE_ANSWER_MS), told).await);
    }

    /// Sends the receipt, then lets each message be answered in its own time.
    async fn take_in(self: &Arc<Self>, message: &Message, under_way: &mut JoinSet<()>) {
        let envelope = match self.seal.open::<Vec<Asked>>(message) {
            Ok(envelope) => envelope,
            Err(cause) => return super::refuse(&self.metrics.refused, cause, message.subject.as_str()),
        };
        if let Some(reply) = message.reply.clone() {
            let _ = self.client.publish(reply, bytes::Bytes::new()).await;
        }
        let from: Arc<str> = envelope.from.into();
        for asked in envelope.body {
            let (server, from) = (self.clone(), from.clone());
            under_way.spawn(async move {
                server.answer(from, asked).await;
            });
        }
    }

    /// Answers a message out of the work queue; whether all of it was for an actor that lives here.
    pub(super) async fn answer_told(self: &Arc<Self>, message: &Message) -> bool {
        let envelope = match self.seal.open_again::<Vec<Asked>>(message) {
            Ok(envelope) => envelope,
            Err(cause) => {
                super::refuse(&self.metrics.refused, cause, message.subject.as_str());
                // Nobody will ever hear it.
                return true;
            }
        };
        let from: Arc<str> = envelope.from.into();
        let answers = envelope.body.into_iter().map(|asked| self.answer(from.clone(), asked));
        futures_util::future::join_all(answers).await.into_iter().all(|here| here)
    }

    /// Whether the actor lives here.
    async fn answer(&self, to: Arc<str>, Asked { n, ask }: Asked) -> bool {
        let ask = Arc::unwrap_or_clone(ask);
        let directory = self.directories.iter().find(|directory| directory.kind() == ask.kind).cloned();
        let answer = match directory {
            Some(directory) => directory.serve(ask).await,
            // A kind of actor that only a newer version has.
            None => RemoteAnswer::Unreadable,
        };
        let here = !matches!(answer, RemoteAnswer::Elsewhere);
        let _ = self.answers.send(Answer { to, answered: Answered { n, answer } });
        here
    }
}

/// Sends answers back, those to one node together.
async fn send_answers(client: Client, seal: Arc<Seal>, mut outgoing: mpsc::UnboundedReceiver<Answer>) {
    let mut gathered = Vec::with_capacity(ASKS_TOGETHER_MAX);
    while outgoing.recv_many(&mut gathered, ASKS_TOGETHER_MAX).await > 0 {
        let mut by_node: BTreeMap<Arc<str>, Vec<Answered>> = BTreeMap::new();
        for Answer { to, answered } in gathered.drain(..) {
            by_node.entry(to).or_default().push(answered);
        }
        for (to, answers) in by_node {
            let subject = answer_subject(&to);
            let mut left = answers.as_slice();
            for (count, headers, payload) in seal.close_all(&subject, &answers, payload_max(&client)) {
                let (sent, rest) = left.split_at(count);
                left = rest;
                let Err(cause) = client.publish_with_headers(subject.clone(), headers, payload).await else {
                    continue;
                };
                warn!(%cause, count, "answers to another node were not sent");
                // One that is too large for the broker: whoever waits for it waits in vain.
                let unsayable =
                    |answered: &Answered| Answered { n: answered.n, answer: RemoteAnswer::OutcomeUnknown };
                let unsayable: Vec<Answered> = sent.iter().map(unsayable).collect();
                let (headers, payload) = seal.close(&subject, &unsayable);
                drop(client.publish_with_headers(subject.clone(), headers, payload).await);
            }
        }
    }
}
