//! The cart: what goes in, what is shown, what is selected.

use serde_json::{Value, json};
use stampede_tests::{Case, Client, Engine, Shop, per_engine};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![
        lines_are_added_changed_selected_and_removed,
        a_cart_belongs_to_its_user,
        a_cart_holds_only_what_there_is_to_buy,
        a_cart_survives_a_crash,
    ]
}

async fn lines(client: &Client) -> Vec<(String, i64, bool)> {
    let cart = client.get("/api/v1/cart").await.ok(200);
    let line = |line: &Value| {
        let sku = line["sku_id"].as_str().expect("a SKU").to_owned();
        (sku, line["quantity"].as_i64().expect("a quantity"), line["selected"] != json!(false))
    };
    cart["items"].as_array().expect("items").iter().map(line).collect()
}

async fn lines_are_added_changed_selected_and_removed(engine: Engine) {
    let shop = Shop::start(engine).await;
    let (cup, pot) = (shop.product("10.00", 50).await.sku_id, shop.product("25.50", 50).await.sku_id);
    let me = shop.buyer("lin").await.client;
    assert!(lines(&me).await.is_empty());
    for (sku, quantity) in [(&cup, 2), (&pot, 1), (&cup, 3)] {
        let added = me.post("/api/v1/cart/items", &json!({ "sku_id": sku, "quantity": quantity })).await;
        assert!([200, 201].contains(&added.status), "{}", added.text());
    }
    let mut shown = lines(&me).await;
    shown.sort();
    let mut expected = [(cup.clone(), 5, true), (pot.clone(), 1, true)];
    expected.sort();
    assert_eq!(shown, expected, "the same SKU twice is one line");
    assert_eq!(me.get("/api/v1/cart/count").await.ok(200)["count"], 6);

    let path = format!("/api/v1/cart/items/{cup}");
    me.patch(&path, &json!({ "quantity": 4 })).await.ok(200);
    me.patch(&path, &json!({ "selected": false })).await.ok(200);
    assert!(lines(&me).await.contains(&(cup.clone(), 4, false)));
    me.put("/api/v1/cart/selection", &json!({ "selected": true })).await.ok(200);
    assert!(lines(&me).await.contains(&(cup.clone(), 4, true)));

    let removed = me.delete(&path).await;
    assert!([200, 204].contains(&removed.status), "{}", removed.text());
    assert_eq!(lines(&me).await, [(pot, 1, true)]);
    me.patch(&path, &json!({ "quantity": 1 })).await.problem(404, "not_found");
    let cleared = me.delete("/api/v1/cart").await;
    assert!([200, 204].contains(&cleared.status), "{}", cleared.text());
    assert!(lines(&me).await.is_empty());
}

async fn a_cart_belongs_to_its_user(engine: Engine) {
    let shop = Shop::start(engine).await;
    let cup = shop.product("10.00", 50).await.sku_id;
    let (lin, wei) = (shop.buyer("lin").await.client, shop.buyer("wei").await.client);
    lin.post("/api/v1/cart/items", &json!({ "sku_id": cup, "quantity": 2 })).await;
    assert_eq!(lines(&lin).await.len(), 1);
    assert!(lines(&wei).await.is_empty());
    shop.anonymous().get("/api/v1/cart").await.problem(401, "unauthenticated");
}

async fn a_cart_holds_only_what_there_is_to_buy(engine: Engine) {
    let shop = Shop::start(engine).await;
    let cup = shop.product("10.00", 50).await.sku_id;
    let me = shop.buyer("lin").await.client;
    let unknown = json!({ "sku_id": uuid::Uuid::now_v7(), "quantity": 1 });
    me.post("/api/v1/cart/items", &unknown).await.problem(404, "not_found");
    for quantity in
        [json!(0), json!(-1), json!(10_001), json!(4_294_967_296_u64), json!(1.5), json!("1"), Value::Null]
    {
        let body = json!({ "sku_id": cup, "quantity": quantity });
        me.post("/api/v1/cart/items", &body).await.problem(422, "invalid_request");
    }
    let priced = json!({ "sku_id": cup, "quantity": 1, "price": "0.01" });
    me.post("/api/v1/cart/items", &priced).await.problem(422, "invalid_request");
    assert!(lines(&me).await.is_empty(), "what was refused is not in the cart");
}

async fn a_cart_survives_a_crash(engine: Engine) {
    let mut shop = Shop::start(engine).await;
    let cup = shop.product("10.00", 50).await.sku_id;
    let me = shop.buyer("lin").await.client;
    me.post("/api/v1/cart/items", &json!({ "sku_id": cup, "quantity": 2 })).await;
    shop.server.restart().await;
    assert_eq!(lines(&me).await, [(cup, 2, true)]);
}
