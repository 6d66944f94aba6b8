//! Leases under load.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::Method;
use serde_json::json;
use stampede_tests::{Case, Client, Cluster, FlashSale, Traffic, eventually, once, sqlx};
use tokio::task::JoinHandle;

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    let cases = once![leases_are_renewed_under_full_load];
    cases.into_iter().map(Case::heavy).collect()
}

/// How many renewals of its lease a node has made, and how many of them within the lease's length.
async fn renewals(cluster: &Cluster, node: usize) -> [u64; 2] {
    let text = cluster.node(node).client().get("/metrics").await.text();
    ["stampede_lease_renewal_seconds_count ", "stampede_lease_renewal_seconds_bucket{le=\"1\"} "].map(
        |name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{name} in {text}"))
        },
    )
}

/// Commits beside the nodes, as often as they renew their leases: how many are slow because the machine is.
struct SlowCommits {
    slow: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl SlowCommits {
    async fn count(cluster: &Cluster) -> Self {
        let mut database = cluster.database().await;
        sqlx::query("CREATE TABLE control (n bigint)").execute(&mut database).await.expect("a table is made");
        let slow = Arc::<AtomicU64>::default();
        let counted = slow.clone();
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(300));
            loop {
                ticks.tick().await;
                let began = Instant::now();
                let commit = sqlx::query("INSERT INTO control VALUES (1)");
                commit.execute(&mut database).await.expect("the database takes a row");
                counted.fetch_add(u64::from(began.elapsed() > Duration::from_millis(500)), Ordering::Relaxed);
            }
        });
        Self { slow, task }
    }

    fn so_far(&self) -> u64 {
        self.slow.load(Ordering::Relaxed)
    }
}

impl Drop for SlowCommits {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn leases_are_renewed_under_full_load() {
    let mut cluster = Cluster::start(3).await;
    let product = cluster.product_on(0, "19.90", 1_000_000).await;
    let terms = FlashSale { per_user_limit: 10_000, ..FlashSale::of(1_000_000) };
    let sale = cluster.shop.flash_sale(&product, &terms).await;
    let crowd = cluster.shop.crowd(128).await;
    let doors: Vec<Client> =
        crowd.iter().enumerate().map(|(number, user)| cluster.at(number % 2, user)).collect();
    let traffic = Traffic::start(&doors, &sale, false).await;
    let control = SlowCommits::count(&cluster).await;
    let [before, _] = renewals(&cluster, 0).await;
    let (id, _) = cluster.shard_of(&product).await;
    let path = format!("/api/v1/admin/shards/{id}/handoff");
    for round in 0..6 {
        // The busiest shard of all goes to and fro, and every second time a node dies.
        let to = if round % 2 == 0 { "node-2" } else { "node-1" };
        let handed_over = || async {
            let reply =
                cluster.shop.admin.request(Method::POST, &path).json(&json!({ "to": to })).send().await;
            // Meanwhile the other one may be taking a dead node's shards.
            (reply.status == 200).then_some(())
        };
        eventually(handed_over, "the shard is handed over under load").await;
        traffic.goes_on().await;
        if round % 2 == 1 {
            cluster.node_mut(2).kill9();
            cluster.owned_by(vec![0, 1]).await;
            cluster.node_mut(2).restart().await;
            cluster.is_even().await;
        }
    }
    let renewed = || async {
        let [now, _] = renewals(&cluster, 0).await;
        (now >= before + 10).then_some(())
    };
    eventually(renewed, "the lease is renewed all the while").await;
    traffic.troubled_by(&[]);
    for node in [0, 1] {
        let [all, in_time] = renewals(&cluster, node).await;
        // Those that anybody would have waited for say nothing of the load.
        assert!(all - in_time <= control.so_far(), "{} renewals had to wait for the load", all - in_time);
        let log = cluster.node(node).log();
        for sign in ["deadlock", "could not be renewed", "belong to another node now"] {
            assert!(!log.contains(sign), "{sign}: {log}");
        }
    }
    assert_eq!(cluster.deadlocks().await, 0);
    traffic.ends_well(&cluster.shop, &product.sku_id).await;
    assert_eq!(cluster.entries_out_of_epoch().await, 0);
}
