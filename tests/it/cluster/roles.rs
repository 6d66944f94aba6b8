//! The roles at NATS that the product ships: nodes can do their work, and nobody else can give orders.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, ServerError,
    jetstream::{self, stream::Stream},
};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use stampede_tests::{
    Case, Cluster, ClusterSetup, Nats, Product, Role, Subscriber, eventually, node_name, once,
};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![roles_keep_strangers_from_giving_orders]
}

/// Messages that nodes did not hear because no node had sealed them.
const REFUSED: &str = "stampede_cluster_messages_refused_total";
const EVENTS: &str = "STAMPEDE_EVENTS";
const TELL: &str = "STAMPEDE_TELL";

/// Somebody at the broker, and what the broker forbade.
struct Guest {
    client: Client,
    forbidden: Arc<Mutex<BTreeSet<String>>>,
}

impl Guest {
    async fn come(nats: &Nats, role: Role) -> Self {
        let forbidden = Arc::<Mutex<BTreeSet<String>>>::default();
        let heard = forbidden.clone();
        let options = user(role.name(), role.password());
        let options = options.custom_inbox_prefix(role.inbox()).event_callback(move |event| {
            if let Event::ServerError(ServerError::Other(said)) = event {
                heard.lock().unwrap_or_else(PoisonError::into_inner).insert(said);
            }
            std::future::ready(())
        });
        let client = options.connect(nats.url()).await.expect("the broker knows this role");
        Self { client, forbidden }
    }

    /// Waits until the broker has forbidden each of these.
    async fn is_forbidden(&self, deeds: &[String]) {
        let left = || {
            let said = self.forbidden.lock().unwrap_or_else(PoisonError::into_inner);
            deeds.iter().filter(|deed| !said.contains(*deed)).cloned().collect::<Vec<_>>()
        };
        let all = || std::future::ready(left().is_empty().then_some(()));
        eventually(all, &format!("the broker forbids each of {deeds:#?}")).await;
    }

    async fn publishes(&self, subject: &str, payload: &str) {
        let (answer, payload) = (self.client.new_inbox(), payload.to_owned().into());
        let published = self.client.publish_with_reply(subject.to_owned(), answer, payload);
        published.await.expect("the connection takes a message");
    }
}

fn user(name: &str, password: &str) -> ConnectOptions {
    ConnectOptions::new().user_and_password(name.to_owned(), password.to_owned())
}

/// What the broker says when it forbids a message or a subscription.
fn violation(deed: &str, subject: &str) -> String {
    format!("Permissions Violation for {deed} to \"{subject}\"")
}

async fn roles_keep_strangers_from_giving_orders() {
    let cluster = ClusterSetup::new(2).with_roles().start().await;
    let subscriber = Subscriber::start_in_its_role(&cluster.nats.url_of(Role::Subscriber));
    let products = [cluster.product_on(0, "5.00", 3).await, cluster.product_on(1, "5.00", 3).await];
    everybody_does_their_work(&cluster, &products, &subscriber).await;
    nobody_else_comes_in(&cluster.nats).await;

    let (id, shard) = cluster.shard_of(&products[1]).await;
    let orders = [
        format!("stampede.ask.{id}.{}", shard["epoch"]),
        format!("stampede.tell.{id}"),
        "stampede.shards".to_owned(),
    ];
    let restock = restock(&products[1]).to_string();
    let node = Guest::come(&cluster.nats, Role::Node).await;
    let jetstream = jetstream::new(node.client.clone());
    let streams = async || (kept(&stream(&jetstream, EVENTS).await), queues(&jetstream).await);
    let (before, streams_before) = (refused(&cluster).await, streams().await);
    for role in [Role::Subscriber, Role::Operator] {
        nothing_may_be_said(&Guest::come(&cluster.nats, role).await, &orders, &restock).await;
    }
    // The same from somebody who may speak is heard, and refused for want of a seal: both nodes hear of
    // shards. So these four are all that came since, and what was forbidden never did.
    for order in &orders {
        node.publishes(order, &restock).await;
    }
    let heard = || async { (refused(&cluster).await >= before + 4.0).then_some(()) };
    eventually(heard, "what nodes hear is counted").await;
    assert_eq!(refused(&cluster).await, before + 4.0, "messages of strangers reached the nodes");
    assert_eq!(streams().await, streams_before);
    let stock = cluster.shop.stock(&products[1].sku_id).await;
    assert_eq!(stock["received"], 3, "{stock}");

    everybody_does_their_work(&cluster, &products, &subscriber).await;
    assert_eq!(subscriber.heard().again, 0, "the stream of events is the one that it was");
    let log = cluster.nats.log();
    assert!(log.contains("Violation - User \"subscriber\""), "the broker's log names who did wrong: {log}");
    assert!(!log.contains("Violation - User \"node\""), "nodes may do all that they must: {log}");
}

/// Buyers buy at the door of the node that does not own what they want, a subscriber hears of it, and an
/// operator sees the nodes.
async fn everybody_does_their_work(cluster: &Cluster, products: &[Product; 2], subscriber: &Subscriber) {
    let buyer = cluster.shop.buyer(&format!("lin-{}", uuid::Uuid::now_v7().simple())[..32]).await.client;
    for (product, door) in products.iter().zip([1, 0]) {
        let order = json!({ "items": [{ "sku_id": product.sku_id, "quantity": 1 }] });
        cluster.at(door, &buyer).post("/api/v1/orders", &order).await.bought();
    }
    subscriber.hears_everything(cluster).await;
    sees_every_node(cluster).await;
}

async fn sees_every_node(cluster: &Cluster) {
    let operator = Guest::come(&cluster.nats, Role::Operator).await.client;
    let inbox = operator.new_inbox();
    let answers = operator.subscribe(inbox.clone()).await.expect("an operator hears answers");
    let answers = tokio::sync::Mutex::new((answers, BTreeSet::new()));
    let everybody: BTreeSet<String> = (0..cluster.len()).map(node_name).collect();
    let all_seen = || async {
        operator.publish_with_reply("$SRV.PING", inbox.clone(), "".into()).await.expect("it is sent");
        let (answers, seen) = &mut *answers.lock().await;
        // Where nobody is there to answer, the broker says so.
        let answer = answers.next().await.expect("the connection stays");
        if let Ok(answer) = serde_json::from_slice::<Value>(&answer.payload) {
            seen.insert(answer["metadata"]["node"].as_str().expect("a node's name").to_owned());
        }
        (*seen == everybody).then_some(())
    };
    eventually(all_seen, "an operator sees every node").await;
}

async fn nobody_else_comes_in(nats: &Nats) {
    // What the server would take the password for if it were a number.
    let wrong = user(Role::Node.name(), "120000000000000000000000000000000000");
    let unknown = user("shop", Role::Node.password());
    for options in [ConnectOptions::new(), wrong, unknown] {
        let Err(error) = options.connect(nats.url()).await else { panic!("a stranger was let in") };
        assert_eq!(error.kind(), ConnectErrorKind::AuthorizationViolation, "{error}");
    }
}

/// Tries every subject that matters, and hears that none is allowed.
async fn nothing_may_be_said(guest: &Guest, orders: &[String; 3], restock: &str) {
    let consumer = json!({ "stream_name": TELL, "config": {
        "filter_subject": "stampede.tell.999", "ack_policy": "explicit", "deliver_policy": "all",
    } });
    let consumer = consumer.to_string();
    let [ask, tell, shards] = orders.each_ref().map(String::as_str);
    let said = [
        (ask, restock),
        (tell, restock),
        (shards, restock),
        ("stampede.answer.x", restock),
        ("stampede.cache.x", restock),
        ("stampede.events.x", restock),
        ("stampede.node.x", ""),
        ("$JS.API.STREAM.DELETE.STAMPEDE_EVENTS", ""),
        ("$JS.API.STREAM.PURGE.STAMPEDE_EVENTS", ""),
        ("$JS.API.CONSUMER.CREATE.STAMPEDE_TELL", &consumer),
    ];
    for (subject, payload) in said {
        guest.publishes(subject, payload).await;
    }
    // Nor may anybody listen to what nodes say to each other, and to others.
    let listened = ["stampede.>", "_INBOX.>"];
    for subject in listened {
        drop(guest.client.subscribe(subject).await.expect("the connection takes a subscription"));
    }
    let deeds: Vec<String> = said
        .iter()
        .map(|(subject, _)| violation("Publish", subject))
        .chain(listened.map(|subject| violation("Subscription", subject)))
        .collect();
    guest.is_forbidden(&deeds).await;
}

/// An order that would put units on the shelf, if it were sealed.
fn restock(product: &Product) -> Value {
    let command = json!({ "receive": { "quantity": 1000, "reason": "mine", "key": null } });
    json!({
        "v": 1, "from": "stranger", "at": 4_000_000_000_000_u64, "number": 1,
        "body": [{ "n": 1, "ask": { "kind": "stock", "actor": product.sku_id, "id": product.sku_id,
            "body": { "command": command } } }],
    })
}

/// What all nodes together have refused.
async fn refused(cluster: &Cluster) -> f64 {
    let mut refused = 0.0;
    for node in 0..cluster.len() {
        refused += cluster.metric(node, REFUSED).await;
    }
    refused
}

async fn stream(jetstream: &jetstream::Context, name: &str) -> Stream {
    jetstream.get_stream(name).await.expect("the stream is there")
}

/// When the stream was made and where it begins: another one, or one that was emptied, differs.
fn kept(stream: &Stream) -> (String, u64) {
    let info = stream.cached_info();
    (format!("{:?}", info.created), info.state.first_sequence)
}

/// When the work queue was made, and whoever takes from it beside the nodes, which do so by shard.
async fn queues(jetstream: &jetstream::Context) -> (String, Vec<String>) {
    let stream = stream(jetstream, TELL).await;
    let names: Vec<String> = stream.consumer_names().try_collect().await.expect("consumers have names");
    let others = names.into_iter().filter(|name| !name.starts_with("shard-")).collect();
    (format!("{:?}", stream.cached_info().created), others)
}
