//! The measures of a shop of two nodes: what it costs that a SKU lives elsewhere, moves, or loses its
//! node.
//!
//! All processes of the shop share the machine with the load, so a ratio between two ways through the
//! same nodes says more than a rate. Where something is done to the nodes, the load is one that they
//! can carry, and what is reported is what the buyers' own clocks saw.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use stampede_tests::{Client, Cluster, ClusterSetup, FlashSale, Product, eventually, node_name};

use crate::{
    buyers::{Buyers, Doors, Ledger, Span},
    load::Target,
    measures::{BUYERS, Bench, CONNECTIONS, PER_USER_LIMIT, STOCK},
    note,
    table::Aim,
};

/// Nodes of the shop. The owner of a SKU has one other.
const NODES: usize = 2;
/// The node at whose door a whole load is.
const DOOR: usize = 0;
/// The price of what is sold.
const PRICE: &str = "19.90";
/// Buyers where something is done to the nodes.
const CROWD: usize = 64;
/// How long buyers have been buying when something is done to the nodes.
const LOADED: Duration = Duration::from_secs(1);
/// Times that a SKU's node is killed, and how long the SKU may be away.
const KILLS: usize = 3;
const TAKEOVER_MAX: Duration = Duration::from_secs(2);
/// Times that a SKU's shard is handed over, and how long a purchase may take meanwhile.
const HANDOFFS: usize = 8;
const HANDOFF_MAX: Duration = Duration::from_millis(100);
/// From one handoff to the next: so long that what one holds up is not counted with the next as well.
const HANDOFF_INTERVAL: Duration = Duration::from_secs(2);
/// How long a handoff may still be felt when it has been answered: the new owner has to take it up.
const AFTERMATH: Duration = Duration::from_millis(200);
/// How long a node that goes still serves, so that a balancer notices, and how long nothing may be sold
/// while every node is restarted: no longer than after a crash.
const SHUTDOWN_DELAY_MS: u32 = 500;
const SILENCE_MAX: Duration = TAKEOVER_MAX;
/// How long nodes may take to come to rest after a load; shorter than a condition may take to come true.
const REST_MAX: Duration = Duration::from_secs(25);
/// What every node has left to do, by its metrics.
const BACKLOGS: [&str; 3] =
    ["stampede_relay_lag_events", "stampede_saga_lag_events", "stampede_projection_lag_events"];

impl Bench {
    async fn cluster(&self, environment: &[(&str, &str)]) -> Cluster {
        let database = self.postgres.create_database().await;
        let setup = ClusterSetup::new(NODES).database_url(&self.postgres.url(&database));
        environment.iter().fold(setup, |setup, (name, value)| setup.env(name, value)).start().await
    }

    /// P8: the same load at the same door, on a SKU of that node and on one of the other.
    pub async fn remote_owner(&mut self) {
        let cluster = self.cluster(&[]).await;
        let tokens = self.write_tokens(&cluster.shop.crowd(BUYERS).await);
        let mut rates = Vec::new();
        for (name, owner) in [("orders at their SKU's node", DOOR), ("orders at another node", 1 - DOOR)] {
            let (product, sale) = sale_on(&cluster, owner).await;
            let target = Target::Sale { url: cluster.node(DOOR).url(), sale: &sale, tokens: &tokens };
            let options = self.closed(CONNECTIONS);
            rates.push(self.load(name, target, &options).accepted_per_second);
            if cluster.owner("stock", &product.sku_id).await != owner {
                self.table.unproven.push(format!("{name}: the SKU has moved to another node meanwhile"));
            }
            // What the first load left behind would be charged to the second.
            if !comes_true(|| at_rest(&cluster), "every node has done what was left to do").await {
                self.table.unproven.push(format!("{name}: the nodes did not come to rest"));
            }
        }
        let values = (rates[1], rates[0], "1/s");
        let mut share = format!("{NODES} nodes and NATS share the cores, {CONNECTIONS} connections to one");
        if let Some(peak) = self.peak {
            share.push_str(&format!("; a node alone, without NATS: {peak:.0}/s"));
        }
        self.row("P8", "orders, SKU on the other node / on the node asked", values, Aim::AtLeast(0.6), share);
    }

    /// P11: how long a SKU is not sold after its node was killed.
    pub async fn takeover(&mut self) {
        let mut stage = Stage::set(self.cluster(&[]).await, 1 - DOOR).await;
        let mut times = Vec::new();
        for kill in 1..=KILLS {
            note(&format!("kill {kill} of {KILLS} of a SKU's node"));
            times.push(stage.kill_owner().await);
        }
        self.table.unproven.extend(stage.faults("takeover").await);
        times.sort_unstable();
        let values = (milliseconds(times[KILLS - 1]), milliseconds(TAKEOVER_MAX), "ms");
        let median =
            format!("the longest of {KILLS}; the median is {:.0} ms", milliseconds(times[KILLS / 2]));
        self.row("P11", "a killed node's SKU sold by the other / 2 s", values, Aim::AtMost(1.0), median);
    }

    /// P11: how long a purchase takes while its SKU is handed from node to node.
    pub async fn handoff(&mut self) {
        let mut stage = Stage::set(self.cluster(&[]).await, DOOR).await;
        note("handing a SKU's shard over");
        let before = stage.handoff_metric().await;
        let (began, buyers) = (Instant::now(), stage.buyers(&stage.doors(0..NODES)));
        let mut spans = Vec::new();
        let mut ticks = tokio::time::interval(HANDOFF_INTERVAL);
        ticks.tick().await;
        for _ in 0..HANDOFFS {
            ticks.tick().await;
            spans.push(stage.hand_over().await);
        }
        ticks.tick().await;
        let after = stage.handoff_metric().await;
        let ledger = buyers.stop().await;
        let rate = ledger.purchases.len() as f64 / began.elapsed().as_secs_f64();
        let mut longest: Vec<Duration> = spans.iter().map(|span| ledger.longest_in(*span)).collect();
        longest.sort_unstable();
        let own = (after.0 - before.0) / (after.1 - before.1).max(1.0);
        let under = format!(
            "{HANDOFFS} handoffs under {rate:.0} orders/s, {} tried again; the median of their longest is {:.0} ms, \
             otherwise {:.0} ms at most; by the nodes' clocks {:.1} ms on average",
            ledger.troubles,
            milliseconds(longest[HANDOFFS / 2]),
            milliseconds(ledger.longest_outside(&spans)),
            own * 1e3
        );
        stage.keep(ledger);
        self.table.unproven.extend(stage.faults("handoff").await);
        let values = (milliseconds(longest[HANDOFFS - 1]), milliseconds(HANDOFF_MAX), "ms");
        self.row("P11", "longest order while its SKU moves / 100 ms", values, Aim::AtMost(1.0), under);
    }

    /// R14: the longest time without an order while every node is restarted.
    pub async fn rolling_restart(&mut self) {
        let delay = SHUTDOWN_DELAY_MS.to_string();
        let cluster = self.cluster(&[("STAMPEDE_SERVER__SHUTDOWN_DELAY_MS", &delay)]).await;
        let mut stage = Stage::set(cluster, 1 - DOOR).await;
        note("restarting every node");
        let doors = Doors::balanced((0..NODES).map(|node| stage.cluster.node(node).client()));
        let buyers = stage.buyers(&doors);
        buyers.accepted_after(Instant::now()).await;
        let began = Instant::now();
        for node in 0..NODES {
            let status = stage.cluster.node_mut(node).sigterm().await;
            if !status.success() {
                self.table.unproven.push(format!("rolling restart: {} ended with {status}", node_name(node)));
            }
            stage.cluster.node_mut(node).restart().await;
            stage.cluster.is_even().await;
        }
        let span = Span { began, ended: Instant::now() };
        let ledger = buyers.stop().await;
        let silence = ledger.longest_silence(span);
        let sold = format!(
            "{} orders meanwhile, the longest in {:.0} ms, {} tried again",
            ledger.purchases.len(),
            milliseconds(ledger.longest_in(span)),
            ledger.troubles
        );
        stage.keep(ledger);
        self.table.unproven.extend(stage.faults("rolling restart").await);
        let values = (milliseconds(silence), milliseconds(SILENCE_MAX), "ms");
        self.row("R14", "longest time without an order, all restarted / 2 s", values, Aim::AtMost(1.0), sold);
    }
}

/// A shop of several nodes, a sale, those who buy in it, and what they were promised.
struct Stage {
    cluster: Cluster,
    product: Product,
    sale: String,
    crowd: Vec<Client>,
    promised: Vec<String>,
}

impl Stage {
    /// With the sale's SKU at this node.
    async fn set(cluster: Cluster, node: usize) -> Self {
        let (product, sale) = sale_on(&cluster, node).await;
        let crowd = cluster.shop.crowd(CROWD).await;
        Self { cluster, product, sale, crowd, promised: Vec::new() }
    }

    fn doors(&self, nodes: impl IntoIterator<Item = usize>) -> Arc<Doors> {
        Doors::open(nodes.into_iter().map(|node| self.cluster.node(node).client()))
    }

    fn buyers(&self, doors: &Arc<Doors>) -> Buyers {
        Buyers::start(&self.crowd, doors, &self.sale)
    }

    async fn owner(&self) -> usize {
        self.cluster.owner("stock", &self.product.sku_id).await
    }

    /// Kills the node of the SKU; how long it took until the other node had sold one to somebody who
    /// came after that.
    async fn kill_owner(&mut self) -> Duration {
        let owner = self.owner().await;
        let buyers = self.buyers(&self.doors([1 - owner]));
        buyers.accepted_after(Instant::now() + LOADED).await;
        let began = Instant::now();
        self.cluster.node_mut(owner).kill9();
        // It may have sold until here.
        let dead = Instant::now();
        buyers.accepted_after(dead).await;
        let ledger = buyers.stop().await;
        let accepted = ledger.first_accepted(dead).expect("a purchase was accepted");
        self.keep(ledger);
        self.cluster.node_mut(owner).restart().await;
        self.cluster.is_even().await;
        accepted - began
    }

    /// Has the SKU's shard handed to the other node.
    async fn hand_over(&self) -> Span {
        let shard = self.cluster.shard("stock", &self.product.sku_id).await;
        let path = format!("/api/v1/admin/shards/{shard}/handoff");
        let began = Instant::now();
        let handed_over = || async {
            let owner = self.owner().await;
            let to = json!({ "to": node_name(1 - owner) });
            let admin = self.cluster.at(owner, &self.cluster.shop.admin);
            (admin.post(&path, &to).await.status == 200).then_some(())
        };
        eventually(handed_over, "the shard is handed over").await;
        Span { began, ended: Instant::now() + AFTERMATH }
    }

    /// Seconds of all handoffs by the nodes' own clocks, and how many there were.
    async fn handoff_metric(&self) -> (f64, f64) {
        let (mut seconds, mut count) = (0.0, 0.0);
        for node in 0..NODES {
            let metrics = self.cluster.node(node).client().get("/metrics").await.text();
            seconds += metric(&metrics, "stampede_shard_handoff_seconds_sum").unwrap_or(0.0);
            count += metric(&metrics, "stampede_shard_handoff_seconds_count").unwrap_or(0.0);
        }
        (seconds, count)
    }

    fn keep(&mut self, ledger: Ledger) {
        self.promised.extend(ledger.purchases.into_iter().map(|purchase| purchase.order_no));
    }

    /// What is not as it was promised: one order for each acceptance and no other, and its unit held.
    async fn faults(&self, name: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let distinct: HashSet<&String> = self.promised.iter().collect();
        let promised = self.promised.len() as u64;
        if distinct.len() < self.promised.len() {
            faults.push(format!("{name}: two purchases share an order"));
        }
        let path = format!("/api/v1/admin/orders?flash_sale_id={}&page_size=1", self.sale);
        let as_promised = || async {
            let listed = self.cluster.shop.admin.get(&path).await.ok(200)["total"].as_u64();
            let [_, held, _] = self.cluster.shop.pool(&self.product.sku_id, &self.sale).await;
            (listed == Some(promised) && u64::try_from(held) == Ok(promised)).then_some(())
        };
        if !comes_true(as_promised, "one order and one unit for each acceptance").await {
            faults
                .push(format!("{name}: not one order and one held unit for each of {promised} acceptances"));
        }
        faults
    }
}

/// A sale that does not run out, of a SKU that this node owns.
async fn sale_on(cluster: &Cluster, node: usize) -> (Product, String) {
    let product = cluster.product_on(node, PRICE, STOCK).await;
    let terms = FlashSale { per_user_limit: PER_USER_LIMIT, ..FlashSale::of(STOCK) };
    let sale = cluster.shop.flash_sale(&product, &terms).await;
    (product, sale)
}

/// Whether no node has anything left to do.
async fn at_rest(cluster: &Cluster) -> Option<()> {
    for node in 0..cluster.len() {
        let metrics = cluster.node(node).client().get("/metrics").await.text();
        if BACKLOGS.iter().any(|backlog| metric(&metrics, backlog) != Some(0.0)) {
            return None;
        }
    }
    Some(())
}

/// Whether a condition comes true in time. One that does not is a finding, and must not end the run.
async fn comes_true<F, Fut>(check: F, what: &str) -> bool
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<()>>,
{
    tokio::time::timeout(REST_MAX, eventually(check, what)).await.is_ok()
}

/// The value of a metric without labels.
fn metric(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
