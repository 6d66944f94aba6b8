//! `stampede serve`: how a node starts for the first time, and how it ends when it is told to.

use hyper::Method;
use serde_json::json;
use stampede_tests::{
    Case, Engine, FlashSale, Launch, NO_ANSWER, Shop, ShopSetup, Traffic, all_there, eventually, once,
    per_engine,
};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    let both = per_engine![sigterm_ends_in_order, a_node_that_is_told_to_end_ends_in_order];
    let once = once![a_first_start_that_fails_has_told_the_password];
    [both, once].concat()
}

const BUYERS: usize = 8;

async fn sigterm_ends_in_order(engine: Engine) {
    let mut shop = Shop::start(engine).await;
    let product = shop.product("10.00", 100).await;
    let me = shop.buyer("lin").await.client;
    let body = json!({ "items": [{ "sku_id": product.sku_id, "quantity": 1 }] });
    let under_way: Vec<_> = (0..20)
        .map(|_| {
            let (me, body) = (me.clone(), body.clone());
            tokio::spawn(
                async move { me.request(Method::POST, "/api/v1/orders").json(&body).try_send().await },
            )
        })
        .collect();
    let status = shop.server.sigterm().await;
    assert_eq!(status.code(), Some(0), "{}", shop.server.log());
    let mut accepted = 0;
    for answer in under_way {
        // A request that came too late found no connection.
        if let Ok(Ok(reply)) = answer.await {
            accepted += i64::from(reply.status == 201);
        }
    }
    shop.server.restart().await;
    let held = shop.stock(&product.sku_id).await["held"].as_i64().expect("a number");
    assert!(held >= accepted, "{accepted} orders were accepted, {held} units are held");
}

async fn a_node_that_is_told_to_end_ends_in_order(engine: Engine) {
    let setup = ShopSetup::new(engine).env("STAMPEDE_SERVER__SHUTDOWN_DELAY_MS", "3000");
    let mut shop = setup.start().await;
    let product = shop.product("19.90", 100_000).await;
    let terms = FlashSale { per_user_limit: 10_000, ..FlashSale::of(100_000) };
    let sale = shop.flash_sale(&product, &terms).await;
    let traffic = Traffic::start(&shop.crowd(BUYERS).await, &sale, true).await;
    let visitor = shop.anonymous();
    visitor.get("/ready").await.ok(200);

    shop.server.signal(stampede_tests::Signal::TERM);
    // Balancers are told first, while buyers are still served.
    let unready = || async {
        let answer = visitor.request(hyper::Method::GET, "/ready").try_send().await;
        answer.is_ok_and(|answer| answer.status == 503).then_some(())
    };
    eventually(unready, "the node is not ready any more").await;
    traffic.troubled_by(&[]);
    let status = shop.server.exit().await;
    assert_eq!(status.code(), Some(0), "{}", shop.server.log());

    let promised = traffic.promised();
    shop.server.restart().await;
    all_there(&promised).await;
    traffic.goes_on().await;
    traffic.troubled_by(&[NO_ANSWER, "unavailable"]);
    traffic.ends_well(&shop, &product.sku_id).await;
    shop.stop_and_reconcile().await;
}

async fn a_first_start_that_fails_has_told_the_password() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("a listener has an address").to_string();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let launch = Launch::new(folder.path()).at(&address);
    let Err((status, log)) = launch.try_start().await else { panic!("two listen on one port") };
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("cannot listen on") && log.contains(&address), "{log}");
    let told = log.split_once("first administrator: admin, password ").map(|(_, rest)| rest);
    let password = told.and_then(|rest| rest.split(' ').next()).expect("the password is told");
    let server = Launch::new(folder.path()).start().await;
    let login = serde_json::json!({ "login": "admin", "password": password });
    server.client().post("/api/v1/auth/login", &login).await.ok(200);
}
