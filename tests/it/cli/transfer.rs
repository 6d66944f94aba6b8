//! `stampede export` and `stampede import`: a whole shop moves to another engine.

use serde_json::json;
use stampede_tests::{
    Case, Client, Engine, FlashSale, Launch, Postgres, Shop, ShopSetup, eventually, once, retried,
};
use std::process::Output;

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![a_shop_moves_to_postgres, a_shop_moves_to_the_embedded_engine]
}

#[track_caller]
fn done(output: Output) {
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert_eq!(output.status.code(), Some(0), "{}", said.concat());
}

/// The shop's data, as `stampede` commands name it.
fn command<'a>(launch: &Launch, verb: &'a str, file: &'a str, data: &'a str) -> Output {
    launch.run(&[verb, file, "--data", data])
}

async fn a_shop_moves_to_postgres() {
    moves(Engine::Embedded, Engine::Postgres).await;
}

async fn a_shop_moves_to_the_embedded_engine() {
    moves(Engine::Postgres, Engine::Embedded).await;
}

async fn moves(from: Engine, to: Engine) {
    let mut old = Shop::start(from).await;
    let product = old.product("19.90", 100).await;
    let sale = old.flash_sale(&product, &FlashSale::of(10)).await;
    let crowd = old.crowd(9).await;
    let mut orders = Vec::new();
    for me in &crowd[..6] {
        orders.push(retried(me, &sale, "mine").await.order_no().expect("an order").to_owned());
    }
    let path = |place: usize, step: &str| format!("/api/v1/orders/{}{step}", orders[place]);
    let body = json!({ "items": [{ "sku_id": product.sku_id, "quantity": 2 }] });
    let direct = crowd[0].post("/api/v1/orders", &body).await.bought();
    old.agrees().await;
    crowd[1].post(&path(1, "/pay"), &json!({})).await.ok(200);
    crowd[2].post(&path(2, "/cancel"), &json!({})).await.ok(200);
    old.agrees().await;
    let before = old.stock(&product.sku_id).await;
    old.stop_and_reconcile().await;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("shop.export").to_string_lossy().into_owned();
    done(command(old.server.launch(), "export", &file, &old.data().to_string_lossy()));

    let setup = ShopSetup::new(to);
    let target = Launch::new(setup.data()).env("STAMPEDE_AUTH__SIGNING_KEY", stampede_tests::SIGNING_KEY);
    let shared = Postgres::shared().await;
    let (target, setup) = match to {
        Engine::Embedded => (target, setup),
        Engine::Postgres => {
            let url = shared.url(&shared.create_database().await);
            (target.env("DATABASE_URL", &url), setup.database_url(&url))
        }
    };
    done(command(&target, "import", &file, &setup.data().to_string_lossy()));
    let mut new = setup.start().await;

    // Buyers come back with the tokens that they have.
    let moved = |me: &Client| new.anonymous().with_token(me.token().expect("a token"));
    let crowd: Vec<Client> = crowd.iter().map(moved).collect();
    assert_eq!(new.stock(&product.sku_id).await, before);
    for (place, status) in [(0, "pending_payment"), (1, "paid"), (2, "cancelled"), (3, "pending_payment")] {
        assert_eq!(crowd[place].get(&path(place, "")).await.ok(200)["status"], status);
    }
    let number = direct["order_no"].as_str().expect("a number");
    assert_eq!(crowd[0].get(&format!("/api/v1/orders/{number}")).await.ok(200)["total"], direct["total"]);
    new.agrees().await;

    // The sale goes on where it was: keys are remembered, limits hold, units are sold, orders paid.
    let again = crowd[0].purchase(&sale, 1).key("mine").send().await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.bought()["order_no"], orders[0]);
    crowd[1].purchase(&sale, 1).send().await.problem(409, "limit_reached");
    for me in &crowd[6..] {
        assert!(retried(me, &sale, "mine").await.order_no().is_some());
    }
    crowd[3].post(&path(3, "/pay"), &json!({})).await.ok(200);
    let settled = || async { (new.pool(&product.sku_id, &sale).await == [2, 6, 2]).then_some(()) };
    eventually(settled, "the sale goes on").await;
    new.stop_and_reconcile().await;
}
