//! The stock of a SKU: what comes in, and what is corrected.

use hyper::Method;
use serde_json::json;
use stampede_tests::{Case, Engine, Shop, per_engine};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![stock_is_restocked_and_adjusted_once_per_key, stock_never_goes_below_what_is_promised]
}

async fn stock_is_restocked_and_adjusted_once_per_key(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("10.00", 5).await;
    let stock = format!("/api/v1/skus/{}/stock", product.sku_id);
    let restock = |quantity: u64| {
        let request = shop.admin.request(Method::POST, &format!("{stock}/restock"));
        request.json(&json!({ "quantity": quantity })).key("delivery-1").send()
    };
    let first = restock(10).await;
    assert!(first.header("idempotent-replayed").is_empty());
    assert!([200, 201].contains(&first.status), "{}", first.text());
    let again = restock(10).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!((again.status, &again.json), (first.status, &first.json));
    restock(11).await.problem(422, "idempotency_mismatch");
    assert_eq!(shop.stock(&product.sku_id).await["received"], 15);

    let adjust = json!({ "delta": -3, "reason": "broken cups" });
    shop.admin.post(&format!("{stock}/adjust"), &adjust).await;
    assert_eq!(shop.stock(&product.sku_id).await["available"], 12);
}

async fn stock_never_goes_below_what_is_promised(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("10.00", 5).await;
    let buyer = shop.buyer("lin").await;
    shop.order(&buyer.client, &product, 3).await;
    let path = format!("/api/v1/skus/{}/stock/adjust", product.sku_id);
    let take = json!({ "delta": -3, "reason": "more than is free" });
    shop.admin.post(&path, &take).await.problem(409, "insufficient_stock");
    let stock = shop.stock(&product.sku_id).await;
    assert_eq!((&stock["available"], &stock["held"]), (&json!(2), &json!(3)));
    for bad in
        [json!({ "delta": 0, "reason": "none" }), json!({ "delta": 1 }), json!({ "delta": 1, "reason": "" })]
    {
        shop.admin.post(&path, &bad).await.problem(422, "invalid_request");
    }
}
