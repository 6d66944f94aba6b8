//! What only administrators may do.

use serde_json::json;
use stampede_tests::{Case, Engine, Shop, per_engine};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![buyers_do_not_administrate]
}

async fn buyers_do_not_administrate(engine: Engine) {
    let shop = Shop::start(engine).await;
    let buyer = shop.buyer("lin").await.client;
    let product = shop.product("10.00", 5).await;
    let sku = &product.sku_id;
    let (new, units) = (json!({ "name": "Cup", "price": "1.00" }), json!({ "quantity": 1 }));
    for client in [&buyer, &shop.anonymous()] {
        let (status, code) =
            if client.token().is_some() { (403, "forbidden") } else { (401, "unauthenticated") };
        client.post("/api/v1/products", &new).await.problem(status, code);
        client.put(&format!("/api/v1/products/{}", product.id), &new).await.problem(status, code);
        client.delete(&format!("/api/v1/products/{}", product.id)).await.problem(status, code);
        client.post(&format!("/api/v1/skus/{sku}/stock/restock"), &units).await.problem(status, code);
        let change = json!({ "delta": 1, "reason": "because" });
        client.post(&format!("/api/v1/skus/{sku}/stock/adjust"), &change).await.problem(status, code);
        client.post("/api/v1/flash-sales", &json!({})).await.problem(status, code);
        client
            .post("/api/seckill/init", &json!({ "product_id": product.id, "stock": 1 }))
            .await
            .problem(status, code);
        client.post("/api/v1/admin/load-users", &json!({})).await.problem(status, code);
    }
    assert_eq!(shop.stock(sku).await["received"], 5);
}
