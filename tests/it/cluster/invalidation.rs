//! What changes at one node is known at all: products, categories, ended sessions.

use serde_json::json;
use stampede_tests::{Case, Client, Cluster, eventually, once};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![what_changes_at_one_node_is_known_at_all, a_session_that_is_over_is_over_at_every_door]
}

/// Changes at other nodes of which a node was told so far.
async fn news(cluster: &Cluster, node: usize) -> u64 {
    let text = cluster.node(node).client().get("/metrics").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix("stampede_cluster_news_total "));
    line.and_then(|count| count.parse().ok()).expect("the metric is there")
}

/// Waits until a node was told of so many changes. What it remembers also expires by itself, and what
/// has ended also stands in a table: only this tells that it was told.
async fn hears(cluster: &Cluster, node: usize, changes: u64) {
    let told = || async { (news(cluster, node).await == changes).then_some(()) };
    eventually(told, "the other node is told of every change").await;
}

async fn what_changes_at_one_node_is_known_at_all() {
    let cluster = Cluster::start(2).await;
    let product = cluster.shop.product("19.90", 10).await;
    let path = format!("/api/v1/products/{}", product.id);
    let elsewhere = cluster.node(1).client();
    elsewhere.get(&path).await.ok(200);
    hears(&cluster, 1, 1).await;
    cluster.shop.admin.patch(&path, &json!({ "price": "18.80" })).await.ok(200);
    hears(&cluster, 1, 2).await;
    let shown = || async { (elsewhere.get(&path).await.ok(200)["price"] == "18.80").then_some(()) };
    eventually(shown, "the other node shows the new price").await;
    let name = json!({ "name": "Lamps" });
    cluster.shop.admin.post("/api/v1/categories", &name).await.ok(201);
    hears(&cluster, 1, 3).await;
    let listed = || async {
        let categories = elsewhere.get("/api/v1/categories").await;
        categories.text().contains("Lamps").then_some(())
    };
    eventually(listed, "the other node shows the new category").await;
    cluster.shop.admin.delete(&path).await;
    hears(&cluster, 1, 4).await;
    let gone = || async { (elsewhere.get(&path).await.status == 404).then_some(()) };
    eventually(gone, "the other node does not show it any more").await;
}

async fn a_session_that_is_over_is_over_at_every_door() {
    let mut cluster = Cluster::start(3).await;
    let lin = cluster.shop.buyer("lin").await;
    let credentials = json!({ "login": lin.username, "password": lin.password });
    let log_in = async |cluster: &Cluster, door: usize| {
        let answer = cluster.node(door).client().post("/api/v1/auth/login", &credentials).await.ok(200);
        cluster.shop.anonymous().with_token(answer["access_token"].as_str().expect("a token"))
    };
    let refused_everywhere = async |cluster: &Cluster, session: &Client| {
        for door in 0..3 {
            let refused = || async {
                let reply = cluster.at(door, session).get("/api/v1/me").await;
                (reply.status != 200).then_some(reply)
            };
            eventually(refused, "the session is over here, too").await.problem(401, "unauthenticated");
        }
    };
    let (first, second) = (log_in(&cluster, 0).await, log_in(&cluster, 1).await);
    assert_eq!(cluster.at(2, &first).post("/api/v1/auth/logout", &json!({})).await.status, 204);
    hears(&cluster, 0, 1).await;
    hears(&cluster, 1, 1).await;
    refused_everywhere(&cluster, &first).await;
    for door in 0..3 {
        cluster.at(door, &second).get("/api/v1/me").await.ok(200);
    }
    cluster.at(0, &first).post("/api/v1/auth/logout", &json!({})).await.problem(401, "unauthenticated");
    // Without a broker the nodes find out by themselves.
    cluster.nats.kill9();
    assert_eq!(cluster.at(1, &second).post("/api/v1/auth/logout-all", &json!({})).await.status, 204);
    for session in [&second, &lin.client] {
        refused_everywhere(&cluster, session).await;
    }
    let third = log_in(&cluster, 0).await;
    cluster.at(2, &third).get("/api/v1/me").await.ok(200);
    // It is not forgotten with the process.
    cluster.nats.restart().await;
    cluster.node_mut(2).restart().await;
    cluster.at(2, &second).get("/api/v1/me").await.problem(401, "unauthenticated");
    cluster.at(2, &third).get("/api/v1/me").await.ok(200);
}
