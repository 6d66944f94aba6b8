//! The tree of categories.

use serde_json::json;
use stampede_tests::{Case, Engine, Shop, per_engine};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![categories_form_a_tree]
}

async fn categories_form_a_tree(engine: Engine) {
    let shop = Shop::start(engine).await;
    let root = shop.admin.post("/api/v1/categories", &json!({ "name": "Kitchen" })).await.ok(201);
    let body = json!({ "name": "Cups", "parent_id": root["id"] });
    let leaf = shop.admin.post("/api/v1/categories", &body).await.ok(201);
    shop.admin.post("/api/v1/categories", &body).await.problem(409, "conflict");
    let tree = shop.anonymous().get("/api/v1/categories").await.ok(200);
    let roots = tree.as_array().or_else(|| tree["data"].as_array()).expect("a list");
    assert_eq!(roots.len(), 1, "{tree}");
    assert_eq!(roots[0]["children"][0]["id"], leaf["id"], "{tree}");
    let unknown = json!({ "name": "Cup", "price": "1.00", "category_id": uuid::Uuid::now_v7() });
    let refused = shop.admin.post("/api/v1/products", &unknown).await;
    assert!([404, 422].contains(&refused.status), "{}", refused.text());
}
