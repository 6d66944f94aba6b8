//! Events for subscribers: each entry of the journal once and in order, whatever happens to the broker.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use async_nats::HeaderMap;
use futures_util::StreamExt as _;
use serde_json::json;
use stampede_tests::{
    Bought, Case, Client, Cluster, ClusterSetup, EVENTUALLY_MAX, FlashSale, Product, Subscriber, Traffic,
    all_there, eventually, once,
};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    let light = once![
        a_message_of_a_stranger_is_refused_and_counted,
        nodes_that_start_before_their_broker,
        a_trace_follows_a_purchase_over_nodes,
    ];
    let heavy = once![
        subscribers_hear_every_event_once,
        a_lost_stream_is_filled_again,
        a_broker_that_is_away_costs_nothing_that_was_promised,
    ];
    [light, heavy.into_iter().map(Case::heavy).collect()].concat()
}

const BUYERS: usize = 12;
/// How long the broker stays away.
const OUTAGE: Duration = Duration::from_secs(60);
/// How often each buyer buys in a long outage.
const PACE: Duration = Duration::from_millis(100);

async fn sale(cluster: &Cluster, node: usize) -> (Product, String, Vec<Client>) {
    let product = cluster.product_on(node, "19.90", 100_000).await;
    let terms = FlashSale { per_user_limit: 10_000, ..FlashSale::of(100_000) };
    let sale = cluster.shop.flash_sale(&product, &terms).await;
    let crowd = cluster.shop.crowd(BUYERS).await;
    let doors = crowd.iter().enumerate().map(|(number, user)| cluster.at(number % cluster.len(), user));
    (product, sale, doors.collect())
}

async fn subscribers_hear_every_event_once() {
    let cluster = Cluster::start(3).await;
    let subscriber = Subscriber::start(&cluster.nats.url());
    let (product, sale, doors) = sale(&cluster, 1).await;
    let traffic = Traffic::start(&doors, &sale, true).await;
    traffic.goes_on().await;
    // A shard changes hands in the middle of it.
    let actor =
        cluster.shop.admin.get(&format!("/api/v1/admin/actors/stock/{}", product.sku_id)).await.ok(200);
    let path = format!("/api/v1/admin/shards/{}/handoff", actor["shard"]);
    cluster.at(1, &cluster.shop.admin).post(&path, &json!({ "to": "node-3" })).await.ok(200);
    traffic.goes_on().await;
    traffic.troubled_by(&[]);
    traffic.ends_well(&cluster.shop, &product.sku_id).await;
    subscriber.hears_everything(&cluster).await;
    assert_eq!(subscriber.heard().again, 0, "nothing was published twice");
    // And on demand everything once more.
    let output = cluster.node(0).launch().run(&["republish"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    cluster.shop.product("1.00", 1).await;
    subscriber.hears_everything(&cluster).await;
}

async fn a_lost_stream_is_filled_again() {
    let mut cluster = Cluster::start(3).await;
    let subscriber = Subscriber::start(&cluster.nats.url());
    let (product, sale, doors) = sale(&cluster, 1).await;
    let traffic = Traffic::start(&doors, &sale, true).await;
    cluster.nats.kill9();
    cluster.nats.wipe();
    cluster.nats.restart().await;
    traffic.goes_on().await;
    let late = Subscriber::start(&cluster.nats.url());
    traffic.goes_on().await;
    traffic.troubled_by(&["unavailable", "outcome_unknown"]);
    traffic.ends_well(&cluster.shop, &product.sku_id).await;
    subscriber.hears_everything(&cluster).await;
    // Whoever comes after the loss gets all that came before it.
    late.hears_everything(&cluster).await;
}

async fn a_broker_that_is_away_costs_nothing_that_was_promised() {
    let mut cluster = Cluster::start(3).await;
    let subscriber = Subscriber::start(&cluster.nats.url());
    let (product, during, doors) = sale(&cluster, 0).await;
    let stranger = cluster.at(1, &cluster.shop.buyer("lin").await.client);
    // Everybody comes to the door of the node that owns the stock, and pays later: an order may live on
    // a node that cannot be asked now.
    let doors: Vec<Client> = doors.iter().map(|user| cluster.at(0, user)).collect();
    let traffic = Traffic::at_leisure(&doors, &during, false, PACE).await;
    cluster.nats.kill9();
    let began = Instant::now();
    while began.elapsed() < OUTAGE {
        // A node sells on what it owns to whoever comes to its own door, all the while.
        traffic.goes_on().await;
        // Whoever comes to another is told so, and may try again.
        let told = stranger.purchase(&during, 1).key("patient").send().await;
        assert!(told.header("retry-after").parse::<u64>().is_ok(), "{}", told.text());
        let code = told.str("code").to_owned();
        assert!(["unavailable", "outcome_unknown"].contains(&&*code), "{code}");
        told.problem(503, &code);
    }
    traffic.troubled_by(&[]);
    let mut promised = traffic.stop().await;
    for node in 0..cluster.len() {
        cluster.node(node).client().get("/live").await.ok(200);
    }
    cluster.nats.restart().await;
    let patient = || async {
        let reply = stranger.purchase(&during, 1).key("patient").send().await;
        (reply.status != 503).then_some(reply)
    };
    let order = eventually(patient, "the purchase at the other door is made").await.bought();
    promised.push(Bought {
        client: stranger.clone(),
        key: "patient".to_owned(),
        order_no: order["order_no"].as_str().expect("a number").to_owned(),
        paid: false,
    });
    all_there(&promised).await;
    let held = i64::try_from(promised.len()).expect("a count");
    assert_eq!(cluster.shop.pool(&product.sku_id, &during).await, [100_000 - held, held, 0]);
    let listed = || async { (cluster.shop.sale_orders(&during).await.len() == promised.len()).then_some(()) };
    eventually(listed, "one order for each purchase of the outage").await;
    let (product, after, doors) = sale(&cluster, 1).await;
    let traffic = Traffic::start(&doors, &after, true).await;
    traffic.goes_on().await;
    traffic.ends_well(&cluster.shop, &product.sku_id).await;
    subscriber.hears_everything(&cluster).await;
}

async fn nodes_that_start_before_their_broker() {
    let setup = ClusterSetup::new(2).broker_starts_last();
    let cluster = setup.start().await;
    let product = cluster.product_on(1, "5.00", 3).await;
    let me = cluster.shop.buyer("lin").await.client;
    let order = json!({ "items": [{ "sku_id": product.sku_id, "quantity": 1 }] });
    let bought = || async {
        let reply = me.post("/api/v1/orders", &order).await;
        [201, 202].contains(&reply.status).then_some(())
    };
    eventually(bought, "the other node is asked once the broker is there").await;
}

async fn a_trace_follows_a_purchase_over_nodes() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    // Nobody collects these traces.
    let setup = ClusterSetup::new(2).env("STAMPEDE_TELEMETRY__OTLP_ENDPOINT", "http://127.0.0.1:9");
    let cluster = setup.start().await;
    let product = cluster.product_on(1, "5.00", 3).await;
    let sale = cluster.shop.flash_sale(&product, &FlashSale::of(1)).await;
    let client = async_nats::connect(cluster.nats.url()).await.expect("the broker lets anybody in here");
    let mut events = client.subscribe("stampede.events.>").await.expect("a subscription");
    client.flush().await.expect("the broker knows of it");
    let me = cluster.shop.buyer("lin").await.client;
    let request = me.purchase(&sale, 1).header("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let order = request.send().await.bought();
    let reserved = format!("stampede.events.stock.reserved.{}", product.sku_id);
    let opened = format!("stampede.events.order.opened.{}", order["order_no"].as_str().expect("a number"));
    // The reservation was made at the other node; the order follows it by a saga.
    let mut missing = BTreeSet::from([reserved, opened]);
    let heard = async {
        while !missing.is_empty() {
            let event = events.next().await.expect("events go on");
            if missing.remove(event.subject.as_str()) {
                let headers = event.headers.expect("an event has headers");
                let trace = headers.get("traceparent").map(async_nats::HeaderValue::as_str);
                let ours = trace.is_some_and(|trace| trace.starts_with(&format!("00-{TRACE}-")));
                assert!(ours, "{}: {trace:?}", event.subject);
            }
        }
    };
    tokio::time::timeout(EVENTUALLY_MAX, heard).await.expect("both events are published");
}

async fn a_message_of_a_stranger_is_refused_and_counted() {
    let cluster = Cluster::start(2).await;
    let product = cluster.product_on(1, "5.00", 3).await;
    let (id, shard) = cluster.shard_of(&product).await;
    let ask = format!("stampede.ask.{id}.{}", shard["epoch"]);
    let stranger = async_nats::connect(cluster.nats.url()).await.expect("the broker lets anybody in here");
    let restock = json!({ "receive": { "quantity": 1000, "reason": "mine", "key": null } });
    let envelope = json!({
        "v": 1, "from": "stranger", "at": 4_000_000_000_000_u64, "number": 1,
        "body": [{ "n": 1, "ask": { "kind": "stock", "actor": product.sku_id, "id": product.sku_id,
            "body": { "command": restock } } }],
    });
    let mut forged = HeaderMap::new();
    forged.insert("Stampede-Seal", "00".repeat(32).as_str());
    let mut worthless = HeaderMap::new();
    worthless.insert("Stampede-Seal", "no hexadecimal digits");
    let payloads = [envelope.to_string(), "{".to_owned(), "\u{0}".to_owned(), "x".repeat(100_000)];
    let mut sent = 0.0;
    for subject in [ask, format!("stampede.tell.{id}"), "stampede.shards".to_owned()] {
        for headers in [HeaderMap::new(), forged.clone(), worthless.clone()] {
            for payload in &payloads {
                let payload = payload.clone().into();
                stranger.publish_with_headers(subject.clone(), headers.clone(), payload).await.expect("sent");
                sent += 1.0;
            }
        }
    }
    stranger.flush().await.expect("the broker has them");
    let refused = || async {
        let counted = cluster.metric(1, "stampede_cluster_messages_refused_total").await;
        (counted >= sent).then_some(())
    };
    eventually(refused, "every one of them is refused and counted").await;
    let stock = cluster.shop.stock(&product.sku_id).await;
    assert_eq!(stock["received"], 3, "{stock}");
    let me = cluster.shop.buyer("lin").await.client;
    me.post("/api/v1/orders", &json!({ "items": [{ "sku_id": product.sku_id, "quantity": 1 }] }))
        .await
        .bought();
}
