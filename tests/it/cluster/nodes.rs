//! Several nodes as one shop: any node answers for every actor.

use serde_json::json;
use stampede_tests::{Case, Cluster, ClusterSetup, FlashSale, eventually, once};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![every_node_answers_for_every_sku, a_quarantine_is_seen_and_ended_at_any_door]
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

async fn a_quarantine_is_seen_and_ended_at_any_door() {
    let cluster = ClusterSetup::new(2).env("STAMPEDE_FAULTS__ENABLED", "true").start().await;
    let product = cluster.product_on(1, "19.90", 10).await;
    let actor = format!("/api/v1/admin/actors/stock/{}", product.sku_id);
    let admin = &cluster.shop.admin;
    let quarantined = async || {
        let ends = || async {
            let shown = admin.get(&actor).await.ok(200);
            assert_eq!(shown["node"], "node-2", "{shown}");
            if shown["state"] == "live" || shown["state"] == "asleep" {
                admin.post(&format!("{actor}/panic"), &json!({})).await;
            }
            (shown["state"] == "quarantined").then_some(())
        };
        eventually(ends, "the actor is quarantined").await;
    };
    let me = cluster.shop.buyer("lin").await.client;
    let order = json!({ "items": [{ "sku_id": product.sku_id, "quantity": 1 }] });
    quarantined().await;
    me.post("/api/v1/orders", &order).await.problem(503, "unavailable");
    let reset = admin.post(&format!("{actor}/reset"), &json!({})).await.ok(200);
    assert_ne!(reset["state"], "quarantined", "{reset}");
    me.post("/api/v1/orders", &order).await.bought();
    admin.post(&format!("{actor}/reset"), &json!({})).await.problem(409, "conflict");
    admin
        .get("/api/v1/admin/actors/lamp/00000000-0000-7000-8000-000000000001")
        .await
        .problem(404, "not_found");

    // It does not go with the shard, nor wait for it to come back.
    quarantined().await;
    let (id, _) = cluster.shard_of(&product).await;
    for to in ["node-1", "node-2"] {
        let path = format!("/api/v1/admin/shards/{id}/handoff");
        admin.post(&path, &json!({ "to": to })).await.ok(200);
        me.post("/api/v1/orders", &order).await.bought();
    }
}
