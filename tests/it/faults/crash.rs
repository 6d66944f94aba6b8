//! kill -9 in mid-sale, of the node and of PostgreSQL: what was promised is there afterwards.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stampede_tests::{
    Case, Client, Engine, FlashSale, NO_ANSWER, Postgres, Shop, ShopSetup, Traffic, all_there, eventually,
    once, per_engine,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    let nodes = per_engine![a_node_killed_five_times_forgets_nothing];
    let databases = once![a_killed_postgres_costs_patience_only];
    [nodes, databases].concat().into_iter().map(Case::heavy).collect()
}

const BUYERS: usize = 16;
const KILLS: usize = 5;
/// Purchases before each kill whose time to pay passes while the shop is down.
const UNPAID: usize = 5;
/// Units of each sale.
const UNITS: u64 = 100_000;

/// How long PostgreSQL stays away at least; the second outage outlasts every retry of a saga.
const OUTAGES: [Duration; 2] = [Duration::ZERO, Duration::from_secs(14)];

/// Buys a unit each, with a second to pay; the orders and their buyers.
async fn unpaid(buyers: &[Client], sale: &str, round: usize) -> Vec<(Client, Value)> {
    let mut orders = Vec::new();
    for me in &buyers[..UNPAID] {
        let reply = me.purchase(sale, 1).key(&format!("unpaid {round}")).send().await;
        orders.push((me.clone(), reply.bought()));
    }
    orders
}

/// Waits until the last of these orders is overdue.
async fn overdue(orders: &[(Client, Value)]) {
    let deadline = |order: &Value| {
        let text = order["pay_before"].as_str().expect("a deadline");
        OffsetDateTime::parse(text, &Rfc3339).expect("a moment in RFC 3339")
    };
    let last = orders.iter().map(|(_, order)| deadline(order)).max().expect("an order");
    let past = || async { (OffsetDateTime::now_utc() > last).then_some(()) };
    eventually(past, "the deadlines pass").await;
}

async fn all_cancelled(orders: &[(Client, Value)]) {
    for (me, order) in orders {
        let path = format!("/api/v1/orders/{}", order["order_no"].as_str().expect("a number"));
        let cancelled = || async {
            let reply = me.get(&path).await;
            (reply.status == 200 && reply.str("status") == "cancelled").then_some(reply)
        };
        let order = eventually(cancelled, "a deadline that passed during the outage is honoured").await;
        assert_eq!(order.json["cancel_reason"], "payment_timeout", "{}", order.text());
        me.post(&format!("{path}/pay"), &json!({})).await.problem(409, "order_state");
    }
}

async fn a_node_killed_five_times_forgets_nothing(engine: Engine) {
    let mut shop = Shop::start(engine).await;
    let product = shop.product("19.90", 2 * UNITS).await;
    let terms = FlashSale { per_user_limit: 10_000, ..FlashSale::of(UNITS) };
    let sale = shop.flash_sale(&product, &terms).await;
    let hasty = shop.flash_sale(&product, &FlashSale { pay_within: 1, ..terms }).await;
    let crowd = shop.crowd(BUYERS).await;
    let traffic = Traffic::start(&crowd, &sale, true).await;
    for round in 0..KILLS {
        let orders = unpaid(&crowd, &hasty, round).await;
        traffic.goes_on().await;
        shop.server.kill9();
        let promised = traffic.promised();
        overdue(&orders).await;
        shop.server.restart().await;
        all_there(&promised).await;
        all_cancelled(&orders).await;
        let back = || async {
            // The stock adds up at every moment; `pool` looks.
            (shop.pool(&product.sku_id, &hasty).await == [100_000, 0, 0]).then_some(())
        };
        eventually(back, "units that were not paid for are on sale again").await;
        traffic.goes_on().await;
    }
    // While it is down there is no answer; starting, it may say that it is not there yet.
    traffic.troubled_by(&[NO_ANSWER, "unavailable"]);
    traffic.ends_well(&shop, &product.sku_id).await;
    assert_eq!(shop.sale_orders(&hasty).await.len(), KILLS * UNPAID, "one order for each acceptance");
    shop.stop_and_reconcile().await;
}

async fn a_killed_postgres_costs_patience_only() {
    let mut postgres = Postgres::start().await;
    let database = postgres.create_database().await;
    let mut shop = ShopSetup::new(Engine::Postgres).database_url(&postgres.url(&database)).start().await;
    let product = shop.product("19.90", UNITS).await;
    let terms = FlashSale { per_user_limit: 10_000, ..FlashSale::of(UNITS) };
    let sale = shop.flash_sale(&product, &terms).await;
    let crowd = shop.crowd(BUYERS).await;
    let traffic = Traffic::start(&crowd, &sale, true).await;
    let ready = |status: u16| {
        let visitor = shop.anonymous();
        async move {
            let answered = || async { (visitor.get("/ready").await.status == status).then_some(()) };
            eventually(answered, &format!("/ready answers {status}")).await;
        }
    };
    for outage in OUTAGES {
        let began = Instant::now();
        let before = traffic.troubles().values().sum::<usize>();
        postgres.kill9().await;
        let promised = traffic.promised();
        let told = || async { (traffic.troubles().values().sum::<usize>() > before + BUYERS).then_some(()) };
        eventually(told, "buyers are told to come back").await;
        ready(503).await;
        shop.anonymous().get("/live").await.ok(200);
        let over = || async { (began.elapsed() >= outage).then_some(()) };
        eventually(over, "the outage has lasted").await;
        postgres.restart().await;
        ready(200).await;
        traffic.goes_on().await;
        all_there(&promised).await;
    }
    // Clear words only: no connection broke, nothing was an internal error.
    traffic.troubled_by(&["unavailable", "outcome_unknown", "overloaded"]);
    traffic.ends_well(&shop, &product.sku_id).await;
    shop.stop_and_reconcile().await;
}
