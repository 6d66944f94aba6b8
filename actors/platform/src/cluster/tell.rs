//! Telling actors of other nodes what must happen, through a JetStream work queue.
//!
//! A saga's command waits in the stream `STAMPEDE_TELL` for whoever owns its shard, now or soon. The
//! owner answers after its own commit; the driver that sent it says it again until then. So the queue
//! may lose what it acknowledged: that costs time, nothing else.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client,
    connection::State,
    jetstream::{
        self, consumer,
        stream::{self, RetentionPolicy},
    },
};
use futures_util::StreamExt;
use stampede_kernel::ShardId;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::{debug, warn};

use super::{
    Server,
    envelope::{Seal, payload_max},
    link::{Asked, Receipt},
};
use crate::cluster::limits::{
    ASKS_TOGETHER_MAX, QUEUE_HEARTBEAT_MS, RELAY_ANSWER_MS, RELAY_RETRY_MS, TELL_ANSWER_MS,
    TELLS_KEPT_SECONDS, TELLS_UNDER_WAY_MAX,
};

/// The work queue between nodes.
pub const TELL: &str = "STAMPEDE_TELL";

fn tell_subject(shard: ShardId) -> String {
    format!("stampede.tell.{shard}")
}

/// A command on its way into the queue. Bounded by the sagas' window.
pub(super) struct Telling {
    pub asked: Asked,
    pub receipt: oneshot::Sender<Receipt>,
}

/// The work queue, made if it is missing.
async fn queue(jetstream: &jetstream::Context, replicas: usize) -> Result<stream::Stream, String> {
    let settings = stream::Config {
        name: TELL.to_owned(),
        description: Some("Commands on their way to the nodes that own their actors".to_owned()),
        subjects: vec!["stampede.tell.*".to_owned()],
        retention: RetentionPolicy::WorkQueue,
        storage: stream::StorageType::File,
        max_age: Duration::from_secs(TELLS_KEPT_SECONDS),
        num_replicas: replicas,
        ..stream::Config::default()
    };
    jetstream.get_or_create_stream(settings).await.map_err(|error| error.to_string())
}

fn context(client: &Client) -> jetstream::Context {
    let mut jetstream = jetstream::new(client.clone());
    jetstream.set_timeout(Duration::from_millis(RELAY_ANSWER_MS));
    jetstream
}

/// Puts what gathers for one shard into the queue, one batch after the other.
pub(super) async fn send(
    client: Client,
    seal: Arc<Seal>,
    shard: ShardId,
    replicas: usize,
    mut outgoing: mpsc::UnboundedReceiver<Telling>,
) {
    let jetstream = context(&client);
    let mut gathered = Vec::with_capacity(ASKS_TOGETHER_MAX);
    while outgoing.recv_many(&mut gathered, ASKS_TOGETHER_MAX).await > 0 {
        // Whoever has given up says it again.
        gathered.retain(|telling: &Telling| !telling.receipt.is_closed());
        if gathered.is_empty() {
            continue;
        }
        let (asked, receipts): (Vec<Asked>, Vec<_>) =
            gathered.drain(..).map(|telling| (telling.asked, telling.receipt)).unzip();
        let subject = tell_subject(shard);
        let mut receipts = receipts.into_iter();
        for (count, headers, payload) in seal.close_all(&subject, &asked, payload_max(&client)) {
            let published = async {
                let sent = jetstream.publish_with_headers(subject.clone(), headers, payload).await;
                sent.map_err(|error| error.to_string())?.await.map_err(|error| error.to_string())
            };
            let receipt = match published.await {
                Ok(_) => Receipt::Received,
                Err(cause) => {
                    debug!(cause, shard = shard.get(), "commands did not get into the queue");
                    // It may be missing. The sender tries again.
                    drop(queue(&jetstream, replicas).await);
                    Receipt::Unknown
                }
            };
            for waiting in receipts.by_ref().take(count) {
                let _ = waiting.send(receipt);
            }
        }
    }
}

/// How long the answer to a command may take until it is sent again.
pub(super) const fn patience() -> Duration {
    Duration::from_millis(TELL_ANSWER_MS)
}

/// Takes the commands for a shard that is held here out of the queue, until it ends with the shard.
pub(super) async fn work(server: Arc<Server>, client: Client, shard: ShardId, replicas: usize) {
    let jetstream = context(&client);
    let mut said = false;
    loop {
        if let Err(cause) = work_on(&server, &jetstream, shard, replicas).await {
            // That the broker is away is said once, by the connection, and not for every shard.
            let away = client.connection_state() != State::Connected;
            if !away && !std::mem::replace(&mut said, true) {
                warn!(cause, shard = shard.get(), "commands of other nodes wait in the queue");
            } else {
                debug!(cause, shard = shard.get(), "commands of other nodes wait in the queue");
            }
        }
        tokio::time::sleep(Duration::from_millis(RELAY_RETRY_MS)).await;
    }
}

async fn work_on(
    server: &Arc<Server>,
    jetstream: &jetstream::Context,
    shard: ShardId,
    replicas: usize,
) -> Result<(), String> {
    let stream = queue(jetstream, replicas).await?;
    let name = format!("shard-{shard}");
    let settings = consumer::pull::Config {
        durable_name: Some(name.clone()),
        filter_subject: tell_subject(shard),
        ack_policy: consumer::AckPolicy::Explicit,
        ack_wait: patience() * 4,
        max_ack_pending: TELLS_UNDER_WAY_MAX,
        ..consumer::pull::Config::default()
    };
    let consumer = stream.get_or_create_consumer(&name, settings).await.map_err(|error| error.to_string())?;
    // A broker that was away is noticed by the heartbeats that it owes.
    let messages = consumer.stream().heartbeat(Duration::from_millis(QUEUE_HEARTBEAT_MS));
    let mut messages = messages.messages().await.map_err(|error| error.to_string())?;
    let places = Arc::new(Semaphore::new(usize::try_from(TELLS_UNDER_WAY_MAX).unwrap_or(1)));
    while let Some(message) = messages.next().await {
        let message = message.map_err(|error| error.to_string())?;
        let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
        let server = server.clone();
        tokio::spawn(async move {
            // What is no longer answered here is left to the next owner.
            let done = server.answer_told(&message).await;
            let settled = if done {
                message.ack().await
            } else {
                message.ack_with(jetstream::AckKind::Nak(None)).await
            };
            if let Err(cause) = settled {
                debug!(%cause, "the queue will deliver a command again");
            }
            drop(place);
        });
    }
    Err("the queue has ended".to_owned())
}
