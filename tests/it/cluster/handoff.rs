//! Shards that are handed over in order: one by one, all of a node, and when a node stops.

use serde_json::json;
use stampede_tests::{Case, Client, Cluster, FlashSale, Traffic, eventually, once};

use super::{BUYERS, sale_on};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    let light = once![any_node_has_a_shard_handed_over, a_node_that_stops_leaves_nothing_behind];
    let heavy = once![a_rolling_restart_fails_nobody, an_emptied_node_sells_on_from_its_door];
    [light, heavy.into_iter().map(Case::heavy).collect()].concat()
}

/// Events of a history that nobody wants to read one by one.
const LONG: i64 = 300;

async fn any_node_has_a_shard_handed_over() {
    let cluster = Cluster::start(3).await;
    let product = cluster.product_on(1, "19.90", 10).await;
    let (id, before) = cluster.shard_of(&product).await;
    assert_eq!(
        (&before["owner"], &before["here"], &before["alive"]),
        (&json!("node-2"), &json!(false), &json!(true))
    );
    assert!(before["lease_until"].is_string() && before["head"].as_u64() >= Some(1), "{before}");
    assert!(before["actors"].as_u64() >= Some(1), "the owner says how many actors live there: {before}");
    let path = format!("/api/v1/admin/shards/{id}/handoff");
    // Neither the one that has it nor the one that gets it is asked.
    let shards = cluster.shop.admin.post(&path, &json!({ "to": "node-3" })).await.ok(200);
    let owner = &shards["shards"][usize::try_from(id).expect("a small number")]["owner"];
    assert_eq!(owner, "node-3", "whoever had it handed over sees it gone");
    let me = cluster.shop.buyer("lin").await.client;
    let order = json!({ "items": [{ "sku_id": product.sku_id, "quantity": 2 }] });
    me.post("/api/v1/orders", &order).await.bought();
    let (_, after) = cluster.shard_of(&product).await;
    assert!(after["epoch"].as_u64() > before["epoch"].as_u64(), "{before} {after}");
    let projected = || async { (cluster.shard_of(&product).await.1["lag"] == 0).then_some(()) };
    eventually(projected, "the tables have taken everything in").await;

    let admin = &cluster.shop.admin;
    admin.post(&path, &json!({ "to": "node-9" })).await.problem(409, "conflict");
    admin.post(&path, &json!({ "to": 3 })).await.problem(422, "invalid_request");
    admin.post("/api/v1/admin/shards/64/handoff", &json!({})).await.problem(404, "not_found");
    admin.post("/api/v1/admin/nodes/node-9/handoff", &json!({})).await.problem(404, "not_found");
    for path in [&*path, "/api/v1/admin/nodes/node-2/handoff", "/api/v1/admin/nodes/node-2/resume"] {
        me.post(path, &json!({})).await.problem(403, "forbidden");
    }
}

async fn a_node_that_stops_leaves_nothing_behind() {
    let mut cluster = Cluster::start(2).await;
    let status = cluster.node_mut(1).sigterm().await;
    assert!(status.success(), "{status}");
    cluster.owned_by(vec![0]).await;
    cluster.node_mut(1).restart().await;
    cluster.is_even().await;
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

async fn an_emptied_node_sells_on_from_its_door() {
    let cluster = Cluster::start(3).await;
    let (product, sale, traffic) = sale_on(&cluster, 2).await;
    // So long a history that it is condensed before it moves.
    let sold = || async {
        (cluster.shop.pool(&product.sku_id, &sale).await[1..].iter().sum::<i64>() > LONG).then_some(())
    };
    eventually(sold, "a good deal is sold").await;
    let empty = "/api/v1/admin/nodes/node-3/handoff";
    let shards = cluster.shop.admin.post(empty, &json!({})).await.ok(200);
    assert!(shards["nodes"].get("node-3").is_none(), "{}", shards["nodes"]);
    let condensed = cluster.snapshot("stock", &product.sku_id).await;
    assert!(condensed > LONG, "the snapshot is of version {condensed}");
    traffic.goes_on().await;
    cluster.owned_by(vec![0, 1]).await;
    let ready = || async { (cluster.node(2).client().get("/ready").await.status == 200).then_some(()) };
    eventually(ready, "a node without shards is ready").await;
    // The last that takes shards keeps them, however often it is asked, and the others stay empty.
    let last = "/api/v1/admin/nodes/node-2/handoff";
    cluster.at(2, &cluster.shop.admin).post(last, &json!({})).await.ok(200);
    for _ in 0..20 {
        let none = cluster.shop.admin.post("/api/v1/admin/nodes/node-1/handoff", &json!({})).await;
        none.problem(409, "conflict");
    }
    cluster.owned_by(vec![0]).await;
    traffic.goes_on().await;
    for node in ["node-2", "node-3"] {
        let resume = format!("/api/v1/admin/nodes/{node}/resume");
        cluster.shop.admin.post(&resume, &json!({})).await.ok(200);
    }
    cluster.is_even().await;
    traffic.goes_on().await;
    traffic.troubled_by(&[]);
    traffic.ends_well(&cluster.shop, &product.sku_id).await;
}
