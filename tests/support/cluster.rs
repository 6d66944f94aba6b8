//! Several nodes as one shop, on one PostgreSQL and one NATS.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use crate::{
    client::Client,
    eventually::eventually,
    nats::Nats,
    postgres::Postgres,
    proxy::Proxy,
    shop::{ADMIN_PASSWORD, Engine, Product, SIGNING_KEY, Shop, ShopSetup},
    stampede::{Launch, Stampede},
};

/// How a cluster is to be started.
pub struct ClusterSetup {
    nodes: usize,
    broker_last: bool,
    proxied: bool,
    database_url: Option<String>,
    roles: bool,
    tls: bool,
    environment: Vec<(String, String)>,
}

/// Nodes that know each other. They stop when it is dropped.
pub struct Cluster {
    /// The first node, with an administrator who is logged in there.
    pub shop: Shop,
    /// The broker between the nodes.
    pub nats: Nats,
    /// Between the last node and PostgreSQL, if it was asked for.
    pub proxy: Option<Proxy>,
    others: Vec<Stampede>,
    _data: Vec<TempDir>,
}

/// The name of a node, counted from zero.
#[must_use]
pub fn node_name(node: usize) -> String {
    format!("node-{}", node + 1)
}

impl ClusterSetup {
    /// So many nodes.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self {
            nodes,
            broker_last: false,
            proxied: false,
            roles: false,
            tls: false,
            database_url: None,
            environment: Vec::new(),
        }
    }

    /// Has the nodes up before their broker.
    #[must_use]
    pub fn broker_starts_last(self) -> Self {
        Self { broker_last: true, ..self }
    }

    /// Has the last node reach PostgreSQL through a proxy, which leads to the shared server.
    #[must_use]
    pub fn last_node_through_a_proxy(self) -> Self {
        Self { proxied: true, ..self }
    }

    /// Uses this database instead of a fresh one of the shared server.
    #[must_use]
    pub fn database_url(self, url: &str) -> Self {
        Self { database_url: Some(url.to_owned()), ..self }
    }

    /// Has the broker ask everybody who they are, and let them do what their role may.
    #[must_use]
    pub fn with_roles(self) -> Self {
        Self { roles: true, ..self }
    }

    /// Has the broker and the nodes prove to each other who they are, through TLS.
    #[must_use]
    pub fn with_tls(self) -> Self {
        Self { tls: true, ..self }
    }

    /// Adds an environment variable of every node.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts them, and waits until they have shared the shards out.
    pub async fn start(mut self) -> Cluster {
        let mut nats = match (self.roles, self.tls) {
            (true, _) => Nats::start_with_roles().await,
            (false, true) => Nats::start_with_tls().await,
            (false, false) => Nats::start().await,
        };
        if let Some(certificates) = nats.certificates() {
            self.environment.extend(certificates.of_a_node());
        }
        if self.broker_last {
            nats.kill9();
        }
        let mut first = ShopSetup::new(Engine::Postgres)
            .env("NATS_URL", &nats.url_of_nodes())
            .env("STAMPEDE_CLUSTER__NODE", &node_name(0));
        if let Some(url) = &self.database_url {
            first = first.database_url(url);
        }
        for (name, value) in &self.environment {
            first = first.env(name, value);
        }
        let shop = first.start().await;
        let database = shop.server.launch().variable("DATABASE_URL").expect("a database by URL").to_owned();
        let proxy =
            if self.proxied { Some(Proxy::start(Postgres::shared().await.port()).await) } else { None };
        let (mut others, mut data) = (Vec::new(), Vec::new());
        for node in 1..self.nodes {
            let detour = proxy.as_ref().filter(|_| node + 1 == self.nodes);
            let database = detour.map_or_else(
                || database.clone(),
                |proxy| proxy.url(database.rsplit_once('/').map_or("", |(_, name)| name)),
            );
            let folder = tempfile::Builder::new().prefix("stampede-data-").tempdir().expect("a folder");
            let mut launch = Launch::new(folder.path())
                .env("STAMPEDE_ADMIN_PASSWORD", ADMIN_PASSWORD)
                .env("STAMPEDE_AUTH__SIGNING_KEY", SIGNING_KEY)
                .env("STAMPEDE_LIMITS__ENABLED", "false")
                .env("DATABASE_URL", &database)
                .env("NATS_URL", &nats.url_of_nodes())
                .env("STAMPEDE_CLUSTER__NODE", &node_name(node));
            for (name, value) in &self.environment {
                launch = launch.env(name, value);
            }
            others.push(launch.start().await);
            data.push(folder);
        }
        if self.broker_last {
            nats.restart().await;
        }
        let cluster = Cluster { shop, nats, proxy, others, _data: data };
        cluster.is_even().await;
        cluster
    }
}

impl Cluster {
    /// So many nodes with nothing in the shop.
    pub async fn start(nodes: usize) -> Self {
        ClusterSetup::new(nodes).start().await
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.others.len() + 1
    }

    /// Never: there is at least one node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// A node.
    #[must_use]
    pub fn node(&self, node: usize) -> &Stampede {
        if node == 0 { &self.shop.server } else { &self.others[node - 1] }
    }

    /// A node, to kill or restart it.
    pub fn node_mut(&mut self, node: usize) -> &mut Stampede {
        if node == 0 { &mut self.shop.server } else { &mut self.others[node - 1] }
    }

    /// The same user as a client of a node.
    #[must_use]
    pub fn at(&self, node: usize, user: &Client) -> Client {
        self.node(node).client().with_token(user.token().expect("a user has a token"))
    }

    /// What a node says of the shards.
    pub async fn shards(&self, node: usize) -> Value {
        self.at(node, &self.shop.admin).get("/api/v1/admin/shards").await.ok(200)
    }

    /// Waits until every node sees all of them own as many shards as the others, or one more.
    pub async fn is_even(&self) {
        self.owned_by((0..self.len()).collect()).await;
    }

    /// Waits until these nodes, and no others, own the shards evenly, and are ready.
    pub async fn owned_by(&self, nodes: Vec<usize>) {
        for &node in &nodes {
            let even = || async {
                let reply = self.at(node, &self.shop.admin);
                let shards =
                    reply.request(hyper::Method::GET, "/api/v1/admin/shards").try_send().await.ok()?;
                if shards.status != 200 || self.node(node).client().get("/ready").await.status != 200 {
                    return None;
                }
                let owned: BTreeMap<String, u64> =
                    serde_json::from_value(shards.json["nodes"].clone()).ok()?;
                let wanted: Vec<String> = nodes.iter().map(|node| node_name(*node)).collect();
                let spread = owned.values().max()? - owned.values().min()?;
                let all = owned.values().sum::<u64>();
                let there = shards.json["shards"].as_array()?.len() as u64;
                (owned.keys().eq(wanted.iter()) && spread <= 1 && all == there).then_some(())
            };
            eventually(even, "the shards are shared out evenly").await;
        }
    }

    /// The shard that an actor belongs to.
    pub async fn shard(&self, kind: &str, id: &str) -> usize {
        let actor = self.shop.admin.get(&format!("/api/v1/admin/actors/{kind}/{id}")).await.ok(200);
        usize::try_from(actor["shard"].as_u64().expect("a shard")).expect("a small number")
    }

    /// The node that owns an actor.
    pub async fn owner(&self, kind: &str, id: &str) -> usize {
        let shard = self.shard(kind, id).await;
        let shards = self.shards(0).await;
        let owner = shards["shards"][shard]["owner"].as_str().expect("an owner").to_owned();
        (0..self.len()).find(|node| node_name(*node) == owner).expect("a node of this cluster")
    }

    /// The shard of a product's stock: its number, and what the first node says of it.
    pub async fn shard_of(&self, product: &Product) -> (u64, Value) {
        let path = format!("/api/v1/admin/actors/stock/{}", product.sku_id);
        let id = self.shop.admin.get(&path).await.ok(200)["shard"].as_u64().expect("a shard");
        let shards = self.shards(0).await;
        let shards = shards["shards"].as_array().expect("a list of shards");
        let shard = shards.iter().find(|shard| shard["id"] == id).expect("the shard is shown");
        (id, shard.clone())
    }

    /// The journal's heads, by shard, as the nodes that hold them say.
    pub async fn heads(&self) -> BTreeMap<u16, u64> {
        let tables = join_all((0..self.len()).map(|node| self.shards(node))).await;
        let mut heads = BTreeMap::new();
        for table in tables {
            for shard in table["shards"].as_array().expect("a list of shards") {
                if let Some(head) = shard["head"].as_u64().filter(|head| *head > 0) {
                    let id = u16::try_from(shard["id"].as_u64().expect("a number")).expect("small");
                    heads.insert(id, head);
                }
            }
        }
        heads
    }

    /// The sum of a metric's samples, of all their labels, at a node.
    pub async fn metric(&self, node: usize, name: &str) -> f64 {
        let text = self.node(node).client().get("/metrics").await.text();
        let samples = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// A connection to the nodes' database, past any proxy.
    pub async fn database(&self) -> PgConnection {
        let url = self.shop.server.launch().variable("DATABASE_URL").expect("a database by URL");
        PgConnection::connect(url).await.expect("PostgreSQL lets the tests in")
    }

    /// Entries in a shard's journal that were written under a later epoch, and under this one.
    pub async fn entries_by_epoch(&self, shard: i16, epoch: i64) -> (i64, i64) {
        let entries = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE epoch > $2), count(*) FILTER (WHERE epoch = $2)
             FROM journal WHERE shard = $1",
        );
        entries.bind(shard).bind(epoch).fetch_one(&mut self.database().await).await.expect("two counts")
    }

    /// Entries that come after one of their shard with a later epoch: written by an owner that was none
    /// any more.
    pub async fn entries_out_of_epoch(&self) -> i64 {
        let entries = sqlx::query_scalar(
            "SELECT count(*) FROM (
                 SELECT epoch, max(epoch) OVER (PARTITION BY shard ORDER BY seq) AS reached FROM journal
             ) AS entries WHERE epoch < reached",
        );
        entries.fetch_one(&mut self.database().await).await.expect("a count")
    }

    /// The version of an entity's latest snapshot; 0 without one.
    pub async fn snapshot(&self, kind: &str, id: &str) -> i64 {
        let version = sqlx::query_scalar(
            "SELECT coalesce(max(version), 0) FROM snapshot WHERE actor_kind = $1 AND actor_id = $2",
        );
        version.bind(kind).bind(id).fetch_one(&mut self.database().await).await.expect("a version")
    }

    /// Deadlocks that PostgreSQL had to break in the nodes' database.
    pub async fn deadlocks(&self) -> i64 {
        let deadlocks =
            sqlx::query_scalar("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
        deadlocks.fetch_one(&mut self.database().await).await.expect("a count")
    }

    /// A product whose stock lives on this node.
    pub async fn product_on(&self, node: usize, price: &str, stock: u64) -> Product {
        loop {
            let product = self.shop.product(price, stock).await;
            if self.owner("stock", &product.sku_id).await == node {
                return product;
            }
        }
    }
}
