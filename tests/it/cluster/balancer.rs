//! The balancer that the product ships, in front of three nodes.

use stampede_tests::{Balancer, Case, Client, ClusterSetup, FlashSale, Traffic, once};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![a_rolling_restart_behind_the_balancer_fails_nobody].into_iter().map(Case::heavy).collect()
}

const BUYERS: usize = 24;

async fn a_rolling_restart_behind_the_balancer_fails_nobody() {
    // As in production: longer than the balancer takes to notice that a node goes.
    let setup = ClusterSetup::new(3).env("STAMPEDE_SERVER__SHUTDOWN_DELAY_MS", "2000");
    let mut cluster = setup.start().await;
    let balancer = Balancer::before(&cluster).await;
    let product = cluster.product_on(1, "19.90", 100_000).await;
    let terms = FlashSale { per_user_limit: 10_000, ..FlashSale::of(100_000) };
    let sale = cluster.shop.flash_sale(&product, &terms).await;
    let crowd = cluster.shop.crowd(BUYERS).await;
    let doors: Vec<Client> = crowd.iter().map(|user| balancer.at(user)).collect();
    let traffic = Traffic::start(&doors, &sale, true).await;
    for node in 0..cluster.len() {
        balancer.sends_to(node).await;
        let status = cluster.node_mut(node).sigterm().await;
        assert!(status.success(), "{status}");
        balancer.leaves_out(node).await;
        traffic.goes_on().await;
        // It comes back at the address that the balancer knows.
        cluster.node_mut(node).restart().await;
        cluster.is_even().await;
        balancer.sends_to(node).await;
        traffic.goes_on().await;
    }
    let waits = traffic.longest_waits();
    eprintln!(
        "a rolling restart of three nodes: {} purchases, {} ms at most from one to the next, {} ms at most for one",
        traffic.promised().len(),
        waits.between_purchases.as_millis(),
        waits.for_one_purchase.as_millis(),
    );
    traffic.troubled_by(&[]);
    traffic.ends_well(&cluster.shop, &product.sku_id).await;
}
