//! Whose a product is: what its seller may do, what other sellers may not, and who sees it off the shelf.

use hyper::Method;
use serde_json::{Value, json};
use stampede_tests::{Case, Client, Engine, Product, Shop, per_engine};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![
        a_product_is_changed_by_its_seller_and_administrators_only,
        many_products_change_their_status_if_all_are_the_callers,
        what_is_not_for_sale_is_shown_to_its_owners_only,
    ]
}

/// A product of this seller's, with five units.
async fn made_by(seller: &Client, status: &str) -> Product {
    let body = json!({ "name": "A thing", "price": "10.00", "stock": 5, "status": status });
    let made = seller.post("/api/v1/products", &body).await;
    let product = Product { id: made.str("id").to_owned(), sku_id: made.str("default_sku_id").to_owned() };
    made.ok(201);
    product
}

/// Every request that changes a product or its stock; the last takes it away.
fn changes(product: &Product) -> [(Method, String, Value); 7] {
    let Product { id, sku_id } = product;
    let whole = json!({ "name": "Another thing", "price": "0.01", "stock": 6 });
    let stock = format!("/api/v1/skus/{sku_id}/stock");
    [
        (Method::PATCH, format!("/api/v1/products/{id}"), json!({ "price": "0.01" })),
        (Method::PUT, format!("/api/v1/products/{id}"), whole.clone()),
        (Method::PUT, format!("/api/product/{id}"), whole),
        (Method::POST, format!("{stock}/restock"), json!({ "quantity": 1 })),
        (Method::POST, format!("{stock}/adjust"), json!({ "delta": -1, "reason": "broken" })),
        (Method::DELETE, format!("/api/product/{id}"), Value::Null),
        (Method::DELETE, format!("/api/v1/products/{id}"), Value::Null),
    ]
}

async fn a_product_is_changed_by_its_seller_and_administrators_only(engine: Engine) {
    let shop = Shop::start(engine).await;
    let sellers = shop.sellers(2).await;
    let (mine, other) = (&sellers[0], &sellers[1]);
    let send = async |client: &Client, (method, path, body): &(Method, String, Value)| {
        client.request(method.clone(), path).json(body).send().await
    };
    for owner in [mine, &shop.admin] {
        for (status, refused) in [("active", (403, "forbidden")), ("draft", (404, "not_found"))] {
            let product = made_by(mine, status).await;
            let path = format!("/api/v1/products/{}", product.id);
            let before = (mine.get(&path).await.ok(200), shop.stock(&product.sku_id).await);
            for change in changes(&product) {
                send(other, &change).await.problem(refused.0, refused.1);
            }
            let after = (mine.get(&path).await.ok(200), shop.stock(&product.sku_id).await);
            assert_eq!(after, before, "nothing has changed");
            let changes = changes(&product);
            for change in &changes[..5] {
                send(owner, change).await.ok(200);
            }
            send(owner, &changes[6]).await.ok(204);
        }
    }
    let of_the_shop = shop.product("10.00", 5).await;
    for change in changes(&of_the_shop) {
        send(mine, &change).await.problem(403, "forbidden");
    }
    let sale = json!({ "product_id": of_the_shop.id, "stock": 1 });
    mine.post("/api/seckill/init", &sale).await.problem(403, "forbidden");
}

async fn many_products_change_their_status_if_all_are_the_callers(engine: Engine) {
    let shop = Shop::start(engine).await;
    let sellers = shop.sellers(2).await;
    let (mine, other) = (&sellers[0], &sellers[1]);
    let (own, draft) = (made_by(mine, "active").await, made_by(other, "draft").await);
    let others = made_by(other, "active").await;
    let inactive = |ids: &[&String]| json!({ "ids": ids, "status": "inactive" });
    let path = "/api/v1/products/status";
    mine.post(path, &inactive(&[&own.id, &others.id])).await.problem(403, "forbidden");
    let shown = mine.get(&format!("/api/v1/products/{}", own.id)).await.ok(200);
    assert_eq!(shown["status"], "active", "all of it is refused");
    let changed = mine.post(path, &inactive(&[&own.id, &draft.id])).await.ok(200);
    assert_eq!(changed, json!({ "changed": [own.id], "missing": [draft.id] }));
}

async fn what_is_not_for_sale_is_shown_to_its_owners_only(engine: Engine) {
    let shop = Shop::start(engine).await;
    let sellers = shop.sellers(2).await;
    let (mine, other) = (&sellers[0], &sellers[1]);
    let buyer = shop.buyer("lin").await.client;
    let product = made_by(mine, "active").await;
    let path = format!("/api/v1/products/{}", product.id);
    let stock = format!("/api/v1/skus/{}/stock", product.sku_id);
    let (strangers, owners) = ([&shop.anonymous(), &buyer, other], [mine, &shop.admin]);
    for client in strangers.iter().chain(&owners) {
        client.get(&path).await.ok(200);
        client.get(&stock).await.ok(200);
    }
    for status in ["draft", "inactive"] {
        mine.patch(&path, &json!({ "status": status })).await.ok(200);
        for stranger in strangers {
            stranger.get(&path).await.problem(404, "not_found");
            stranger.get(&stock).await.problem(404, "not_found");
        }
        for owner in owners {
            owner.get(&path).await.ok(200);
            assert_eq!(owner.get(&stock).await.ok(200)["available"], 5);
        }
    }
    mine.delete(&path).await.ok(204);
    for stranger in strangers {
        stranger.get(&stock).await.problem(404, "not_found");
    }
    for owner in owners {
        owner.get(&path).await.problem(404, "not_found");
        assert_eq!(owner.get(&stock).await.ok(200)["available"], 5, "its units are still there");
    }
    let broken = json!({ "delta": -5, "reason": "cleared out" });
    other.post(&format!("{stock}/adjust"), &broken).await.problem(404, "not_found");
    mine.post(&format!("{stock}/adjust"), &broken).await.ok(200);
}
