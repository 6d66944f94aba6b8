//! A commit whose answer is lost: the caller is told that the outcome is not known, and the retry with
//! the same key tells the truth.

use serde_json::Value;
use stampede_tests::{
    Case, Client, Engine, FlashSale, Postgres, Product, Proxy, Reply, Shop, ShopSetup, Traffic, eventually,
    once,
};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![
        a_swallowed_commit_is_found_by_its_retry,
        a_commit_that_never_left_is_made_by_its_retry,
        a_swallowed_commit_of_the_last_unit_sells_it_once,
        a_payment_whose_commit_is_swallowed_is_made_once,
        everybody_else_recovers,
        a_node_without_its_shards_is_not_ready,
    ]
}

/// The statement that commits a batch of the journal.
const APPEND: &str = "INTO journal";
/// The statement by which a node takes shards.
const TAKE: &str = "UPDATE shard SET owner";

/// A shop whose way to PostgreSQL leads through a proxy.
struct Stage {
    proxy: Proxy,
    shop: Shop,
    product: Product,
    sale: String,
    database: String,
    postgres: std::sync::Arc<Postgres>,
}

impl Stage {
    async fn set(units: u64) -> Self {
        let postgres = Postgres::shared().await;
        let database = postgres.create_database().await;
        let proxy = Proxy::start(postgres.port()).await;
        let shop = ShopSetup::new(Engine::Postgres).database_url(&proxy.url(&database)).start().await;
        let product = shop.product("19.90", units).await;
        let terms = FlashSale { per_user_limit: 10_000, ..FlashSale::of(units) };
        let sale = shop.flash_sale(&product, &terms).await;
        let stage = Self { proxy, shop, product, sale, database, postgres };
        stage.quiet().await;
        stage
    }

    /// Waits until nothing is on its way into the journal, so that the next commit is the test's own.
    async fn quiet(&self) {
        let outbox = || async {
            let mut database = self.postgres.connect(&self.database).await.expect("a connection");
            let waiting = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM outbox");
            (waiting.fetch_one(&mut database).await.expect("a count") == 0).then_some(())
        };
        eventually(outbox, "the events of records are in the journal").await;
        self.shop.agrees().await;
    }

    async fn purchase(&self, me: &Client) -> Reply {
        me.purchase(&self.sale, 1).key("the one").send().await
    }

    /// Repeats the purchase until the shop knows; the answer.
    async fn retry(&self, me: &Client) -> Reply {
        let known = || async {
            let reply = self.purchase(me).await;
            (reply.status != 503).then_some(reply)
        };
        eventually(known, "the retry knows the outcome").await
    }

    async fn has(&self, units: [i64; 3]) {
        let there = || async {
            let reply = self.shop.anonymous().get(&self.stock_path()).await;
            let up = reply.status == 200;
            (up && self.shop.pool(&self.product.sku_id, &self.sale).await == units).then_some(())
        };
        eventually(there, &format!("the sale's pool becomes {units:?}")).await;
    }

    fn stock_path(&self) -> String {
        format!("/api/v1/skus/{}/stock", self.product.sku_id)
    }
}

async fn shows(me: &Client, order: &Value, status: &str) {
    let path = format!("/api/v1/orders/{}", order["order_no"].as_str().expect("a number"));
    let shown = || async {
        let reply = me.get(&path).await;
        (reply.status == 200 && reply.str("status") == status).then_some(())
    };
    eventually(shown, &format!("the order is {status}")).await;
}

async fn a_swallowed_commit_is_found_by_its_retry() {
    let stage = Stage::set(10).await;
    let me = stage.shop.buyer("lin").await.client;
    stage.quiet().await;
    stage.proxy.swallow_answer_to(APPEND);
    let told = stage.purchase(&me).await;
    stage.proxy.swallowed(1).await;
    told.problem(503, "outcome_unknown");
    let retry = stage.retry(&me).await;
    assert_eq!(retry.header("idempotent-replayed"), "true", "{}", retry.text());
    let order = retry.bought();
    shows(&me, &order, "pending_payment").await;
    stage.has([9, 1, 0]).await;
    stage.quiet().await;
    assert_eq!(stage.shop.sale_orders(&stage.sale).await, [order["order_no"].as_str().expect("a number")]);
}

async fn a_commit_that_never_left_is_made_by_its_retry() {
    let stage = Stage::set(10).await;
    let me = stage.shop.buyer("lin").await.client;
    stage.quiet().await;
    stage.proxy.withhold(APPEND);
    let told = stage.purchase(&me).await;
    stage.proxy.withheld(1).await;
    // From here it looks the same.
    told.problem(503, "outcome_unknown");
    let retry = stage.retry(&me).await;
    assert_eq!(retry.header("idempotent-replayed"), "", "nothing had been bought");
    let order = retry.bought();
    shows(&me, &order, "pending_payment").await;
    stage.has([9, 1, 0]).await;
    stage.quiet().await;
    assert_eq!(stage.shop.sale_orders(&stage.sale).await, [order["order_no"].as_str().expect("a number")]);
}

async fn a_swallowed_commit_of_the_last_unit_sells_it_once() {
    let stage = Stage::set(1).await;
    let (lin, wei) = (stage.shop.buyer("lin").await.client, stage.shop.buyer("wei").await.client);
    stage.quiet().await;
    stage.proxy.swallow_answer_to(APPEND);
    stage.purchase(&lin).await.problem(503, "outcome_unknown");
    let other = stage.retry(&wei).await;
    other.problem(409, "sold_out");
    let retry = stage.retry(&lin).await;
    assert_eq!(retry.header("idempotent-replayed"), "true");
    shows(&lin, &retry.bought(), "pending_payment").await;
    stage.has([0, 1, 0]).await;

    // And the other way round: what was not committed is nobody's.
    let stage = Stage::set(1).await;
    let (lin, wei) = (stage.shop.buyer("lin").await.client, stage.shop.buyer("wei").await.client);
    stage.quiet().await;
    stage.proxy.withhold(APPEND);
    stage.purchase(&lin).await.problem(503, "outcome_unknown");
    shows(&wei, &stage.retry(&wei).await.bought(), "pending_payment").await;
    stage.retry(&lin).await.problem(409, "sold_out");
    stage.has([0, 1, 0]).await;
    stage.quiet().await;
}

async fn a_payment_whose_commit_is_swallowed_is_made_once() {
    let stage = Stage::set(10).await;
    let me = stage.shop.buyer("lin").await.client;
    let order = stage.purchase(&me).await.json;
    shows(&me, &order, "pending_payment").await;
    stage.quiet().await;
    let path = format!("/api/v1/orders/{}/pay", order["order_no"].as_str().expect("a number"));
    let pay = || me.request(hyper::Method::POST, &path).json(&serde_json::json!({})).key("pay").send();
    stage.proxy.swallow_answer_to(APPEND);
    pay().await.problem(503, "outcome_unknown");
    let known = || async {
        let reply = pay().await;
        (reply.status != 503).then_some(reply)
    };
    let retry = eventually(known, "the retry knows the outcome").await;
    assert_eq!(retry.header("idempotent-replayed"), "true", "{}", retry.text());
    assert_eq!(retry.ok(200)["status"], "paid");
    stage.has([9, 0, 1]).await;
    stage.quiet().await;
}

async fn everybody_else_recovers() {
    let stage = Stage::set(100_000).await;
    let traffic = Traffic::start(&stage.shop.crowd(12).await, &stage.sale, true).await;
    for times in 1..=3 {
        stage.proxy.swallow_answer_to(APPEND);
        stage.proxy.swallowed(times).await;
        traffic.goes_on().await;
        stage.proxy.withhold(APPEND);
        stage.proxy.withheld(times).await;
        traffic.goes_on().await;
    }
    // Every connection at once, in whatever state they are.
    stage.proxy.cut();
    traffic.goes_on().await;
    // Readers have connections of their own to lose.
    let ready = || async { (stage.shop.anonymous().get("/ready").await.status == 200).then_some(()) };
    eventually(ready, "the node is ready again").await;
    assert!(traffic.troubles().contains_key("outcome_unknown"), "{:?}", traffic.troubles());
    traffic.troubled_by(&["outcome_unknown", "unavailable"]);
    traffic.ends_well(&stage.shop, &stage.product.sku_id).await;
}

async fn a_node_without_its_shards_is_not_ready() {
    let stage = Stage::set(10).await;
    let me = stage.shop.buyer("lin").await.client;
    let visitor = stage.shop.anonymous();
    stage.quiet().await;
    visitor.get("/ready").await.ok(200);
    stage.proxy.withhold_all(TAKE);
    stage.proxy.swallow_answer_to(APPEND);
    stage.purchase(&me).await.problem(503, "outcome_unknown");
    // By the table the shards are still this node's, and its lease is good.
    for times in 1..=5 {
        stage.proxy.withheld(times).await;
        visitor.get("/ready").await.problem(503, "unavailable");
    }
    stage.proxy.pass();
    stage.retry(&me).await.bought();
    let ready = || async { (visitor.get("/ready").await.status == 200).then_some(()) };
    eventually(ready, "the node has its shards again").await;
}
