//! Several nodes as one shop: any node answers for every actor, and nodes come, go and die.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use hyper::Method;
use serde_json::json;
use stampede_tests::{
    Case, Client, Cluster, ClusterSetup, FlashSale, NO_ANSWER, Product, Signal, Told, Traffic, all_there,
    buy, eventually, once, raise_open_files, sqlx, within,
};
use tokio::{sync::Semaphore, task::JoinHandle};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    let light = once![
        every_node_answers_for_every_sku,
        any_node_has_a_shard_handed_over,
        a_quarantine_is_seen_and_ended_at_any_door,
        what_changes_at_one_node_is_known_at_all,
        a_session_that_is_over_is_over_at_every_door,
        a_node_that_stops_leaves_nothing_behind,
    ];
    let heavy = once![
        a_crowd_before_three_doors_buys_exactly_what_is_there,
        a_killed_owner_costs_patience_and_nothing_else,
        an_owner_that_was_asleep_writes_nothing,
        an_owner_without_its_database_does_not_say_sold_out,
        a_rolling_restart_fails_nobody,
        an_emptied_node_sells_on_from_its_door,
        leases_are_renewed_under_full_load,
    ];
    [light, heavy.into_iter().map(Case::heavy).collect()].concat()
}

/// Events of a history that nobody wants to read one by one.
const LONG: i64 = 300;
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

async fn a_node_that_stops_leaves_nothing_behind() {
    let mut cluster = Cluster::start(2).await;
    let status = cluster.node_mut(1).sigterm().await;
    assert!(status.success(), "{status}");
    cluster.owned_by(vec![0]).await;
    cluster.node_mut(1).restart().await;
    cluster.is_even().await;
}

/// Three doors with a crowd before them.
struct Doors<'a> {
    doors: Vec<Client>,
    /// Requests that may be open at once, by door.
    open: Vec<Semaphore>,
    sale: &'a str,
}

impl<'a> Doors<'a> {
    const CONNECTIONS: usize = 3_300;
    /// How long the last of a crowd may have to wait.
    const PATIENCE: Duration = Duration::from_secs(120);

    async fn open(cluster: &Cluster, sale: &'a str) -> Self {
        let doors: Vec<Client> = (0..cluster.len()).map(|node| cluster.node(node).client()).collect();
        for door in &doors {
            door.open(Self::CONNECTIONS).await.expect("a node takes its part of the crowd's connections");
        }
        let open = doors.iter().map(|_| Semaphore::new(Self::CONNECTIONS)).collect();
        Self { doors, open, sale }
    }

    /// Tries to buy at a door until the shop says yes or no.
    async fn told(&self, door: usize, user: &Client, key: &str) -> Told {
        let client = self.doors[door].with_token(user.token().expect("a user has a token"));
        let settled = || async {
            let _open = self.open[door].acquire().await.expect("the semaphore stays open");
            match buy(&client, self.sale, key).await {
                told @ (Told::Accepted { .. } | Told::Refused(_)) => Some(told),
                // Behind a long queue a node may lose patience with another; the same key asks again.
                Told::Later(code) if ["overloaded", "outcome_unknown"].contains(&&*code) => None,
                told @ (Told::Later(_) | Told::Nothing(_)) => panic!("a buyer was told {told:?}"),
            }
        };
        within(Self::PATIENCE, settled, "a purchase is accepted or refused").await
    }
}

async fn a_crowd_before_three_doors_buys_exactly_what_is_there() {
    const CROWD: usize = 10_000;
    const UNITS: u64 = 500;
    // Before the servers start, which inherit the limit.
    raise_open_files();
    let cluster = Cluster::start(3).await;
    let product = cluster.product_on(1, "19.90", UNITS).await;
    let sale = cluster.shop.flash_sale(&product, &FlashSale::of(UNITS)).await;
    let crowd = cluster.shop.crowd(CROWD).await;
    let doors = Doors::open(&cluster, &sale).await;
    // Everybody tries at all doors at once: at two of them with one key, at the third with another.
    let visits = crowd.iter().enumerate().map(|(number, user)| {
        let door = move |n: usize| (number + n) % 3;
        let doors = &doors;
        async move {
            tokio::join!(
                doors.told(door(0), user, "one"),
                doors.told(door(1), user, "one"),
                doors.told(door(2), user, "another"),
            )
        }
    });
    let mut buyers: HashMap<String, usize> = HashMap::new();
    for (buyer, (first, again, other)) in join_all(visits).await.into_iter().enumerate() {
        let mut orders = HashSet::new();
        for told in [first, again, other] {
            match told {
                Told::Accepted { order_no, .. } => drop(orders.insert(order_no)),
                Told::Refused(code) => {
                    assert!(["sold_out", "limit_reached"].contains(&&*code), "{code}");
                }
                told @ (Told::Later(_) | Told::Nothing(_)) => panic!("{told:?}"),
            }
        }
        assert!(orders.len() <= 1, "nobody buys twice, by whatever doors: {orders:?}");
        for order_no in orders {
            assert_eq!(buyers.insert(order_no, buyer), None, "two buyers share an order");
        }
    }
    assert_eq!(buyers.len() as u64, UNITS, "exactly the stock is sold");
    let listed = || async {
        let listed: HashSet<String> = cluster.shop.sale_orders(&sale).await.into_iter().collect();
        (listed.len() == buyers.len() && listed.iter().all(|number| buyers.contains_key(number)))
            .then_some(())
    };
    eventually(listed, "one order for each acceptance and no other").await;
    assert_eq!(cluster.shop.pool(&product.sku_id, &sale).await, [0, 500, 0]);
    cluster.shop.agrees().await;
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
