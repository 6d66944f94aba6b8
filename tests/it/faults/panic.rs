//! A panic in one stock actor harms the callers of that moment, and nobody else.

use hyper::Method;
use serde_json::{Value, json};
use stampede_tests::{
    Case, Engine, FlashSale, Product, Reply, Shop, ShopSetup, Told, Traffic, buy, eventually, per_engine,
    retried,
};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![
        a_panic_harms_the_callers_of_that_moment,
        an_actor_that_does_not_stop_panicking_is_quarantined_alone,
        nothing_panics_without_the_switch,
    ]
}

/// Buyers of each SKU.
const BUYERS: usize = 6;
/// Panics that leave an actor in service.
const PANICS: usize = 4;

/// A shop that may be harmed, with two products and a crowd that buys each of them.
struct Stage {
    shop: Shop,
    victim: Product,
    other: Product,
    victims: Traffic,
    others: Traffic,
    victim_sale: String,
}

impl Stage {
    async fn set(engine: Engine) -> Self {
        let shop = ShopSetup::new(engine).env("STAMPEDE_FAULTS__ENABLED", "true").start().await;
        let crowd = shop.crowd(2 * BUYERS).await;
        let sale = FlashSale { per_user_limit: 10_000, ..FlashSale::of(100_000) };
        let (victim, other) = (shop.product("19.90", 100_000).await, shop.product("9.90", 100_000).await);
        let victim_sale = shop.flash_sale(&victim, &sale).await;
        let other_sale = shop.flash_sale(&other, &sale).await;
        let victims = Traffic::start(&crowd[..BUYERS], &victim_sale, true).await;
        let others = Traffic::start(&crowd[BUYERS..], &other_sale, true).await;
        Self { shop, victim, other, victims, others, victim_sale }
    }

    fn actor(&self) -> String {
        actor(&self.victim)
    }

    async fn state(&self) -> Value {
        self.shop.admin.get(&self.actor()).await.ok(200)
    }

    async fn panic(&self) -> Reply {
        self.shop.admin.post(&format!("{}/panic", self.actor()), &json!({})).await
    }

    /// The other SKU's buyers noticed nothing, and both SKUs have what was promised.
    async fn ends_well(self) {
        let Self { shop, victim, other, victims, others, .. } = self;
        victims.goes_on().await;
        others.goes_on().await;
        others.troubled_by(&[]);
        victims.troubled_by(&["unavailable"]);
        victims.adds_up(&shop, &victim.sku_id).await;
        others.ends_well(&shop, &other.sku_id).await;
    }
}

fn actor(product: &Product) -> String {
    format!("/api/v1/admin/actors/stock/{}", product.sku_id)
}

/// The sum of a metric's samples.
async fn metric(shop: &Shop, name: &str) -> f64 {
    let text = shop.anonymous().get("/metrics").await.text();
    let samples = text
        .lines()
        .filter(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} ")));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

async fn a_panic_harms_the_callers_of_that_moment(engine: Engine) {
    let stage = Stage::set(engine).await;
    for panics in 1..=PANICS {
        let reply = stage.panic().await;
        assert!((200..300).contains(&reply.status), "{} {}", reply.status, reply.text());
        let rebuilt = || async {
            let restarts = metric(&stage.shop, "stampede_actor_restarts_total").await;
            (restarts >= f64::from(u32::try_from(panics).expect("a count"))).then_some(())
        };
        eventually(rebuilt, "the actor was rebuilt").await;
        // It sells again, by itself, and knows what it has sold; the other SKU goes on all the time.
        stage.victims.goes_on().await;
        stage.shop.stock(&stage.victim.sku_id).await;
        stage.others.goes_on().await;
    }
    let log = stage.shop.server.log();
    assert_eq!(log.matches("a panic was injected into stock").count(), PANICS, "each is in the log\n{log}");
    // What the actor knew when it panicked first is trusted; the next time only the journal is.
    assert_eq!((log.matches("from=memory").count(), log.matches("from=journal").count()), (1, PANICS - 1));
    let state = stage.state().await;
    assert_eq!((&state["kind"], &state["state"]), (&json!("stock"), &json!("live")), "{state}");
    assert_eq!(state["id"], stage.victim.sku_id);
    stage.ends_well().await;
}

async fn an_actor_that_does_not_stop_panicking_is_quarantined_alone(engine: Engine) {
    let stage = Stage::set(engine).await;
    let quarantined = "stampede_actors_quarantined";
    assert!(metric(&stage.shop, quarantined).await < 0.5);
    let ends = || async {
        let state = stage.state().await["state"].clone();
        if state == "live" {
            stage.panic().await;
        }
        (state == "quarantined").then_some(())
    };
    eventually(ends, "the actor is quarantined").await;
    assert!((metric(&stage.shop, quarantined).await - 1.0).abs() < 0.5);

    // It alone: its callers are told so, the other SKU sells on.
    let me = stage.shop.buyer("lin").await.client;
    assert_eq!(buy(&me, &stage.victim_sale, "now").await, Told::Later("unavailable".into()));
    let stock = format!("/api/v1/skus/{}/stock", stage.victim.sku_id);
    stage.shop.anonymous().get(&stock).await.problem(503, "unavailable");
    stage.others.goes_on().await;
    assert_eq!(stage.shop.admin.get(&actor(&stage.other)).await.ok(200)["state"], "live");
    assert_eq!(stage.state().await["state"], "quarantined", "no caller ends a quarantine");
    let reset = format!("{}/reset", stage.actor());
    me.post(&reset, &json!({})).await.problem(403, "forbidden");

    let reply = stage.shop.admin.post(&reset, &json!({})).await;
    assert!((200..300).contains(&reply.status), "{} {}", reply.status, reply.text());
    stage.victims.goes_on().await;
    assert!(metric(&stage.shop, quarantined).await < 0.5);
    assert_eq!(stage.state().await["state"], "live");
    // What sagas gave up meanwhile is tried again, as the operator is told to.
    let none_left = || async {
        stage.shop.admin.post("/api/v1/admin/parked/retry", &json!({})).await.ok(200);
        let parked = stage.shop.admin.get("/api/v1/admin/parked").await.ok(200);
        parked.as_array().is_some_and(Vec::is_empty).then_some(())
    };
    eventually(none_left, "nothing is parked").await;
    stage.ends_well().await;
}

async fn nothing_panics_without_the_switch(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("19.90", 10).await;
    let sale = shop.flash_sale(&product, &FlashSale::of(5)).await;
    let me = shop.buyer("lin").await.client;
    assert!(retried(&me, &sale, "mine").await.order_no().is_some());
    let panic = format!("{}/panic", actor(&product));
    shop.admin.post(&panic, &json!({})).await.problem(404, "not_found");
    me.post(&panic, &json!({})).await.problem(403, "forbidden");
    shop.anonymous().post(&panic, &json!({})).await.problem(401, "unauthenticated");
    for path in ["/api/v1/admin/actors", &actor(&product)] {
        shop.admin.get(path).await.ok(200);
        me.get(path).await.problem(403, "forbidden");
    }
    let odd =
        shop.admin.request(Method::GET, "/api/v1/admin/actors/nonsense/0190d3b0-0000-7000-8000-000000000000");
    odd.send().await.problem(404, "not_found");
    assert!(metric(&shop, "stampede_actor_restarts_total").await < 0.5);
}
