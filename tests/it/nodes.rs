//! Several nodes as one shop: any node answers for every actor, and nodes come, go and die.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::json;
use stampede_tests::{
    Case, Client, Cluster, FlashSale, NO_ANSWER, Product, Signal, Told, Traffic, all_there, eventually, once,
    retried,
};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    let light = once![
        every_node_answers_for_every_sku,
        a_node_hands_a_shard_over,
        a_node_that_stops_leaves_nothing_behind,
    ];
    let heavy = once![
        a_crowd_before_three_doors_buys_exactly_what_is_there,
        a_killed_owner_costs_patience_and_nothing_else,
        an_owner_that_was_asleep_writes_nothing,
        a_rolling_restart_fails_nobody,
    ];
    [light, heavy.into_iter().map(Case::heavy).collect()].concat()
}

/// Buyers of a sale while nodes come and go.
const BUYERS: usize = 24;

/// A sale on a SKU of one node, with buyers at the doors of all.
async fn sale_on(cluster: &Cluster, node: usize) -> (Product, String, Traffic) {
    let product = cluster.product_on(node, "19.90", 100_000).await;
    let terms = FlashSale { per_user_limit: 10_000, ..FlashSale::of(100_000) };
    let sale = cluster.shop.flash_sale(&product, &terms).await;
    let crowd = cluster.shop.crowd(BUYERS).await;
    let doors: Vec<Client> =
        crowd.iter().enumerate().map(|(number, user)| cluster.at(number % cluster.len(), user)).collect();
    let traffic = Traffic::start(&doors, &sale, true).await;
    (product, sale, traffic)
}

async fn every_node_answers_for_every_sku() {
    let cluster = Cluster::start(3).await;
    let me = cluster.shop.buyer("lin").await.client;
    for owner in 0..3 {
        let product = cluster.product_on(owner, "19.90", 10).await;
        let sale = cluster.shop.flash_sale(&product, &FlashSale::of(2)).await;
        for door in 0..3 {
            let me = cluster.at(door, &me);
            let stock = me.get(&format!("/api/v1/skus/{}/stock", product.sku_id)).await.ok(200);
            assert_eq!(stock["received"], 10, "door {door}, owner {owner}");
        }
        // The same key at two doors is one purchase; the limit holds at every door.
        let first = cluster.at(0, &me).purchase(&sale, 1).key("once").send().await.bought();
        let again = cluster.at(1, &me).purchase(&sale, 1).key("once").send().await;
        assert_eq!(again.header("idempotent-replayed"), "true", "{}", again.text());
        assert_eq!(again.bought()["order_no"], first["order_no"]);
        cluster.at(2, &me).purchase(&sale, 1).send().await.problem(409, "limit_reached");
        let order = format!("/api/v1/orders/{}", first["order_no"].as_str().expect("a number"));
        let there = || async {
            let reply = cluster.at(1, &me).get(&order).await;
            (reply.status == 200).then_some(reply)
        };
        eventually(there, "the order is there at another door").await;
        cluster.at(2, &me).post(&format!("{order}/pay"), &json!({})).await.ok(200);
        let other = cluster.shop.buyer(&format!("wei{owner}")).await.client;
        cluster.at(1, &other).purchase(&sale, 1).send().await.bought();
        let late = cluster.shop.buyer(&format!("yun{owner}")).await.client;
        cluster.at(2, &late).purchase(&sale, 1).send().await.problem(409, "sold_out");
        let sold = || async {
            let stock =
                cluster.at(2, &me).get(&format!("/api/v1/skus/{}/stock", product.sku_id)).await.ok(200);
            (stock["sold"] == 1 && stock["held"] == 1 && stock["available"] == 8).then_some(())
        };
        eventually(sold, "one unit is sold and one is held").await;
        // A cart is its user's, whatever the door.
        let line = json!({ "sku_id": product.sku_id, "quantity": 1 });
        cluster.at(owner, &me).post("/api/v1/cart/items", &line).await.ok(200);
    }
    let cart = cluster.at(2, &me).get("/api/v1/cart").await.ok(200);
    assert_eq!(cart["items"].as_array().map(Vec::len), Some(3), "{cart}");
}

async fn a_node_hands_a_shard_over() {
    let cluster = Cluster::start(2).await;
    let product = cluster.product_on(0, "19.90", 10).await;
    let actor = format!("/api/v1/admin/actors/stock/{}", product.sku_id);
    let shard = cluster.shop.admin.get(&actor).await.ok(200)["shard"].as_u64().expect("a shard");
    let path = format!("/api/v1/admin/shards/{shard}/handoff");
    let elsewhere = cluster.at(1, &cluster.shop.admin);
    elsewhere.post(&path, &json!({})).await.problem(409, "conflict");
    let unknown = json!({ "to": "node-9" });
    cluster.shop.admin.post(&path, &unknown).await.problem(409, "conflict");
    cluster.shop.admin.post(&path, &json!({ "to": "node-2" })).await.ok(200);
    let me = cluster.shop.buyer("lin").await.client;
    me.post("/api/v1/orders", &json!({ "items": [{ "sku_id": product.sku_id, "quantity": 2 }] }))
        .await
        .bought();
    assert_eq!(cluster.owner("stock", &product.sku_id).await, 1);
    me.post(&path, &json!({})).await.problem(403, "forbidden");
}

async fn a_node_that_stops_leaves_nothing_behind() {
    let mut cluster = Cluster::start(2).await;
    let status = cluster.node_mut(1).sigterm().await;
    assert!(status.success(), "{status}");
    cluster.owned_by(vec![0]).await;
    cluster.node_mut(1).restart().await;
    cluster.is_even().await;
}

async fn a_crowd_before_three_doors_buys_exactly_what_is_there() {
    const CROWD: usize = 3_000;
    const UNITS: u64 = 500;
    let cluster = Cluster::start(3).await;
    let product = cluster.product_on(1, "19.90", UNITS).await;
    let sale = cluster.shop.flash_sale(&product, &FlashSale::of(UNITS)).await;
    let crowd = cluster.shop.crowd(CROWD).await;
    // Everybody tries at two doors at once.
    let tries = crowd.iter().enumerate().flat_map(|(number, user)| {
        [number % 3, (number + 1) % 3].map(|door| (cluster.at(door, user), number))
    });
    let told = join_all(tries.map(|(client, number)| {
        let sale = &sale;
        async move { (number, retried(&client, sale, "mine").await) }
    }))
    .await;
    let mut orders = HashSet::new();
    let mut buyers = HashSet::new();
    for (buyer, told) in told {
        match told {
            Told::Accepted { order_no, .. } => {
                buyers.insert(buyer);
                orders.insert(order_no);
            }
            Told::Refused(code) => assert!(["sold_out", "limit_reached"].contains(&&*code), "{code}"),
            told @ (Told::Later(_) | Told::Nothing(_)) => panic!("{told:?}"),
        }
    }
    assert_eq!((orders.len() as u64, buyers.len() as u64), (UNITS, UNITS));
    let listed = || async { (cluster.shop.sale_orders(&sale).await.len() as u64 == UNITS).then_some(()) };
    eventually(listed, "one order for each acceptance").await;
    assert_eq!(cluster.shop.pool(&product.sku_id, &sale).await, [0, 500, 0]);
}

async fn a_killed_owner_costs_patience_and_nothing_else() {
    let mut cluster = Cluster::start(3).await;
    let (product, _, traffic) = sale_on(&cluster, 2).await;
    cluster.node_mut(2).kill9();
    let promised = traffic.promised();
    traffic.goes_on().await;
    // Those at the dead node's door stay there.
    let elsewhere: Vec<_> = promised
        .into_iter()
        .map(|mut bought| {
            bought.client = cluster.at(0, &bought.client);
            bought
        })
        .collect();
    all_there(&elsewhere).await;
    cluster.owned_by(vec![0, 1]).await;
    cluster.node_mut(2).restart().await;
    cluster.is_even().await;
    traffic.goes_on().await;
    traffic.troubled_by(&[NO_ANSWER, "unavailable", "overloaded"]);
    traffic.ends_well(&cluster.shop, &product.sku_id).await;
}

async fn an_owner_that_was_asleep_writes_nothing() {
    let cluster = Cluster::start(3).await;
    let (product, _, traffic) = sale_on(&cluster, 2).await;
    cluster.node(2).signal(Signal::STOP);
    cluster.owned_by(vec![0, 1]).await;
    traffic.goes_on().await;
    cluster.node(2).signal(Signal::CONT);
    // It finds out by itself, and gets its share again.
    cluster.is_even().await;
    traffic.goes_on().await;
    traffic.troubled_by(&[NO_ANSWER, "unavailable", "overloaded", "outcome_unknown"]);
    traffic.ends_well(&cluster.shop, &product.sku_id).await;
}

async fn a_rolling_restart_fails_nobody() {
    let mut cluster = Cluster::start(3).await;
    let product = cluster.product_on(1, "19.90", 100_000).await;
    let terms = FlashSale { per_user_limit: 10_000, ..FlashSale::of(100_000) };
    let sale = cluster.shop.flash_sale(&product, &terms).await;
    let crowd = cluster.shop.crowd(BUYERS).await;
    // A balancer sends nobody to a node that goes: these buyers stay at the door that is restarted last.
    let doors: Vec<Client> = crowd.iter().map(|user| cluster.at(0, user)).collect();
    let traffic = Traffic::start(&doors, &sale, true).await;
    for node in [1, 2] {
        assert!(cluster.node_mut(node).sigterm().await.success());
        traffic.goes_on().await;
        cluster.node_mut(node).restart().await;
        cluster.is_even().await;
        traffic.goes_on().await;
    }
    traffic.troubled_by(&[]);
    traffic.ends_well(&cluster.shop, &product.sku_id).await;
}
