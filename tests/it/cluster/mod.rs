//! Several nodes as one shop: how they share the work, and what stands around them.

mod balancer;
mod crowd;
mod events;
mod handoff;
mod invalidation;
mod leases;
mod nodes;
mod rate_limits;
mod roles;
mod takeover;

use stampede_tests::{Case, Client, Cluster, FlashSale, Product, Traffic};

/// The tests of this folder.
pub fn cases() -> Vec<Case> {
    [
        balancer::cases(),
        crowd::cases(),
        events::cases(),
        handoff::cases(),
        invalidation::cases(),
        leases::cases(),
        nodes::cases(),
        rate_limits::cases(),
        roles::cases(),
        takeover::cases(),
    ]
    .concat()
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
