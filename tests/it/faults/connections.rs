//! The way to the servers behind the shop: they may start in any order, and be reached through TLS by
//! those who prove who they are.

use std::time::Duration;

use hyper::Method;
use serde_json::json;
use stampede_tests::{
    Case, Certificates, ClusterSetup, Engine, FlashSale, Launch, Nats, Postgres, Proxy, ShopSetup, Traffic,
    eventually, once,
};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![
        a_node_starts_before_its_postgres,
        a_database_that_goes_without_a_word_is_reached_anew,
        postgres_is_reached_through_tls_with_a_password,
        nodes_and_their_broker_prove_who_they_are,
    ]
}

async fn a_node_starts_before_its_postgres() {
    let postgres = Postgres::shared().await;
    let proxy = Proxy::start(postgres.port()).await;
    proxy.refuse();
    let setup = ShopSetup::new(Engine::Postgres).database_url(&proxy.url(&postgres.create_database().await));
    let comes_up = async {
        proxy.refused(2).await;
        proxy.pass();
    };
    let (shop, ()) = tokio::join!(setup.start(), comes_up);
    let log = shop.server.log();
    assert_eq!(log.matches("the database is not up yet").count(), 1, "{log}");
    shop.product("9.90", 1).await;
}

async fn a_database_that_goes_without_a_word_is_reached_anew() {
    let postgres = Postgres::shared().await;
    let proxy = Proxy::start(postgres.port()).await;
    let url = proxy.url(&postgres.create_database().await);
    let mut shop = ShopSetup::new(Engine::Postgres).database_url(&url).start().await;
    let product = shop.product("9.90", 100_000).await;
    let terms = FlashSale { per_user_limit: 10_000, ..FlashSale::of(100_000) };
    let sale = shop.flash_sale(&product, &terms).await;
    let traffic = Traffic::at_leisure(&shop.crowd(8).await, &sale, true, Duration::from_millis(50)).await;
    // Nobody answers on any connection that there is, nor ends one: the system takes a quarter of an hour
    // to notice.
    proxy.forsake();
    for path in ["/api/v1/products", "/ready"] {
        let answers = || async {
            let answer = shop.anonymous().request(Method::GET, path).try_send().await;
            answer.is_ok_and(|answer| answer.status == 200).then_some(())
        };
        eventually(answers, "readers, the lease and the journal reach the database").await;
    }
    traffic.goes_on().await;
    traffic.ends_well(&shop, &product.sku_id).await;
    // Nor does it keep a node from ending.
    proxy.forsake();
    let status = shop.server.sigterm().await;
    assert!(status.success(), "{status}: {}", shop.server.log());
}

async fn postgres_is_reached_through_tls_with_a_password() {
    let postgres = Postgres::start_with_tls().await;
    let url = postgres.url_of_guest().await;
    let through = |authority: &Certificates| {
        format!("{url}?sslmode=verify-full&sslrootcert={}", authority.authority().display())
    };
    let shop = ShopSetup::new(Engine::Postgres).database_url(&through(postgres.certificates())).start().await;
    shop.product("9.90", 1).await;
    shop.agrees().await;

    // What will not change by waiting is told at once.
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (url, reason) in [
        (through(&Certificates::make()), "certificate"),
        (format!("{url}?sslmode=disable"), "pg_hba"),
        (url.replace("%40", ""), "password"),
    ] {
        let launch = Launch::new(folder.path()).env("DATABASE_URL", &url);
        let Err((status, log)) = launch.try_start().await else { panic!("{url} was taken") };
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("the database did not accept a connection"), "{log}");
        assert!(log.contains(reason) && !log.contains("not up yet"), "{log}");
        assert!(!log.contains("river"), "a password is told: {log}");
    }
}

async fn nodes_and_their_broker_prove_who_they_are() {
    let cluster = ClusterSetup::new(2).with_tls().start().await;
    let product = cluster.product_on(1, "19.90", 10).await;
    let me = cluster.shop.buyer("lin").await.client;
    me.post("/api/v1/orders", &json!({ "items": [{ "sku_id": product.sku_id, "quantity": 1 }] }))
        .await
        .bought();

    let known = cluster.nats.certificates().expect("it speaks TLS").of_a_node();
    let strangers = Certificates::make().of_a_node();
    // The broker does not trust this node; this node does not trust the broker.
    for settings in [[&known[0], &strangers[1], &strangers[2]], [&strangers[0], &known[1], &known[2]]] {
        is_kept_out(&cluster.nats, &settings).await;
    }
    is_kept_out(&cluster.nats, &[&known[0]]).await;
}

/// Shows that a node with these settings gets no connection to the broker, and says so.
async fn is_kept_out(nats: &Nats, settings: &[&(String, String)]) {
    let setup = ShopSetup::new(Engine::Postgres).env("NATS_URL", &nats.url());
    let shop = settings.iter().fold(setup, |setup, (name, file)| setup.env(name, file)).start().await;
    let told = || async {
        let health = shop.anonymous().get("/health").await.json;
        health.to_string().contains("NATS is away").then_some(())
    };
    eventually(told, "the node says that NATS is away").await;
    assert!(!shop.server.log().contains("NATS answers"), "{}", shop.server.log());
}
