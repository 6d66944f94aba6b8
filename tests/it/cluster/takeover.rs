//! Shards that are taken from a node that died, was suspended, or lost its database.

use serde_json::json;
use stampede_tests::{
    Case, Cluster, ClusterSetup, FlashSale, NO_ANSWER, Signal, all_there, eventually, once,
};

use super::sale_on;

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    let cases = once![
        a_killed_owner_costs_patience_and_nothing_else,
        an_owner_that_was_asleep_writes_nothing,
        an_owner_without_its_database_does_not_say_sold_out,
    ];
    cases.into_iter().map(Case::heavy).collect()
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
    let (id, before) = cluster.shard_of(&product).await;
    let shard = i16::try_from(id).expect("a small number");
    let old = before["epoch"].as_i64().expect("an epoch");
    cluster.node(2).signal(Signal::STOP);
    cluster.owned_by(vec![0, 1]).await;
    traffic.goes_on().await;
    let (newer, at_takeover) = cluster.entries_by_epoch(shard, old).await;
    assert!(newer > 0 && at_takeover > 0, "the new owner writes under an epoch of its own");
    cluster.node(2).signal(Signal::CONT);
    // It finds out by itself, and gets its share again.
    cluster.is_even().await;
    traffic.goes_on().await;
    let (_, now) = cluster.entries_by_epoch(shard, old).await;
    assert_eq!(now, at_takeover, "not one entry was written under the old epoch since");
    assert_eq!(cluster.entries_out_of_epoch().await, 0, "nowhere did a stale owner write");
    traffic.troubled_by(&[NO_ANSWER, "unavailable", "overloaded", "outcome_unknown"]);
    traffic.ends_well(&cluster.shop, &product.sku_id).await;
}

async fn an_owner_without_its_database_does_not_say_sold_out() {
    let cluster = ClusterSetup::new(2).last_node_through_a_proxy().start().await;
    let proxy = cluster.proxy.as_ref().expect("a proxy was asked for");
    let product = cluster.product_on(1, "19.90", 1).await;
    let sale = cluster.shop.flash_sale(&product, &FlashSale::of(1)).await;
    let (lin, wei) = (cluster.shop.buyer("lin").await.client, cluster.shop.buyer("wei").await.client);
    let order = cluster.at(1, &lin).purchase(&sale, 1).send().await.bought();
    let late = || async { cluster.at(1, &wei).purchase(&sale, 1).key("late").send().await };
    late().await.problem(409, "sold_out");
    proxy.black_hole();
    cluster.owned_by(vec![0]).await;
    // At the new owner the unit comes back.
    let cancel = format!("/api/v1/orders/{}/cancel", order["order_no"].as_str().expect("a number"));
    let cancelled = || async {
        let reply = cluster.at(0, &lin).post(&cancel, &json!({})).await;
        (reply.status == 200).then_some(())
    };
    eventually(cancelled, "the order is cancelled at the new owner").await;
    let free = || async { (cluster.shop.pool(&product.sku_id, &sale).await == [1, 0, 0]).then_some(()) };
    eventually(free, "the unit is for sale again").await;
    // The old one cannot know, and does not pretend to.
    late().await.problem(503, "unavailable");
    proxy.pass();
    let bought = || async {
        let reply = late().await;
        (reply.status != 503).then_some(reply)
    };
    eventually(bought, "its door sells again").await.bought();
}
