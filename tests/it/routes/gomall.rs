//! The paths of GoMall's clients and load scripts, every row of the table.

use serde_json::{Value, json};
use stampede_tests::{Case, Client, Engine, Shop, eventually, per_engine, shown};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![users, products, orders, carts, seckill, seckill_by_many]
}

const PASSWORD: &str = "a mountain of porcelain cups";

/// Registers and logs in as GoMall's clients do.
async fn user(shop: &Shop, username: &str) -> Client {
    let visitor = shop.anonymous();
    let body = json!({
        "username": username, "password": PASSWORD, "email": format!("{username}@example.com"), "phone": "13800138000",
    });
    let registered = visitor.post("/api/user/register", &body).await;
    assert!([200, 201].contains(&registered.status), "{}", registered.text());
    let body = json!({ "username": username, "password": PASSWORD });
    let answer = visitor.post("/api/user/login", &body).await.ok(200);
    assert_eq!(answer["token"], answer["access_token"]);
    visitor.with_token(answer["token"].as_str().expect("a token"))
}

fn list(page: &Value) -> &Vec<Value> {
    page["data"].as_array().or_else(|| page.as_array()).expect("a list")
}

async fn users(engine: Engine) {
    let shop = Shop::start(engine).await;
    let me = user(&shop, "lin").await;
    let profile = me.get("/api/user/profile").await.ok(200);
    assert_eq!((&profile["username"], &profile["email"]), (&json!("lin"), &json!("lin@example.com")));
    shop.anonymous().get("/api/user/profile").await.problem(401, "unauthenticated");
    let wrong = json!({ "username": "lin", "password": "wrong" });
    shop.anonymous().post("/api/user/login", &wrong).await.problem(401, "wrong_credentials");
}

async fn products(engine: Engine) {
    let shop = Shop::start(engine).await;
    let me = user(&shop, "lin").await;
    let body = json!({ "name": "Cup", "price": "10.00", "stock": 5 });
    let made = shop.admin.post("/api/product", &body).await;
    assert!([200, 201].contains(&made.status), "{}", made.text());
    let path = format!("/api/product/{}", made.str("id"));
    assert_eq!(me.get(&path).await.ok(200)["name"], "Cup");
    let change = json!({ "name": "Mug", "price": "11.00", "stock": 6, "status": "active" });
    assert_eq!(shop.admin.put(&path, &change).await.ok(200)["name"], "Mug");
    let page = || async {
        let page = me.get("/api/product?page=1&page_size=5").await.ok(200);
        (list(&page).len() == 1 && page["total"] == 1).then_some(())
    };
    eventually(page, "the product is listed").await;
    let category = shop.admin.post("/api/v1/categories", &json!({ "name": "Kitchen" })).await.ok(201);
    let filtered = format!("/api/product?category={}", category["id"].as_str().expect("an id"));
    assert!(list(&me.get(&filtered).await.ok(200)).is_empty());
    me.post("/api/product", &body).await.problem(403, "forbidden");
    let gone = shop.admin.delete(&path).await;
    assert!([200, 204].contains(&gone.status), "{}", gone.text());
    me.get(&path).await.problem(404, "not_found");
}

async fn orders(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("10.00", 5).await;
    let me = user(&shop, "lin").await;
    let body = json!({ "product_id": product.id, "quantity": 2 });
    let placed = me.post("/api/order", &body).await.bought();
    let path = format!("/api/order/{}", shown(&me, &placed).await["order_no"].as_str().expect("a number"));
    assert_eq!(me.get(&path).await.ok(200)["total"], "20.00");
    assert_eq!(me.post(&format!("{path}/pay"), &json!({})).await.ok(200)["status"], "paid");
    // GoMall's clients send no body at all.
    let second = me.post("/api/order", &body).await.bought();
    let path = format!("/api/order/{}", shown(&me, &second).await["order_no"].as_str().expect("a number"));
    let cancelled = me.request(hyper::Method::POST, &format!("{path}/cancel")).send().await;
    assert_eq!(cancelled.ok(200)["status"], "cancelled");
    let listed = || async { (list(&me.get("/api/order").await.ok(200)).len() == 2).then_some(()) };
    eventually(listed, "both orders are listed").await;
    let settled = || async {
        let stock = shop.stock(&product.sku_id).await;
        (stock["sold"] == 2 && stock["available"] == 3).then_some(())
    };
    eventually(settled, "one order is sold, the other given back").await;
}

async fn carts(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("10.00", 50).await;
    let me = user(&shop, "lin").await;
    let quantity = || async {
        let cart = me.get("/api/cart").await.ok(200);
        cart["items"].as_array().and_then(|items| items.first()?["quantity"].as_u64()).unwrap_or(0)
    };
    let with = |quantity: u64| json!({ "product_id": product.id, "quantity": quantity });
    let added = me.post("/api/cart", &with(2)).await;
    assert!([200, 201].contains(&added.status), "{}", added.text());
    assert_eq!(quantity().await, 2);
    me.put("/api/cart", &with(5)).await.ok(200);
    assert_eq!(quantity().await, 5);
    let removed = me.delete_with("/api/cart", &json!({ "product_id": product.id })).await;
    assert!([200, 204].contains(&removed.status), "{}", removed.text());
    assert_eq!(quantity().await, 0);
    me.post("/api/cart", &with(1)).await;
    let cleared = me.delete("/api/cart/clear").await;
    assert!([200, 204].contains(&cleared.status), "{}", cleared.text());
    assert_eq!(quantity().await, 0);
}

async fn seckill(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("10.00", 3).await;
    let (lin, wei) = (user(&shop, "lin").await, user(&shop, "wei").await);
    let buy = json!({ "product_id": product.id });
    lin.post("/api/seckill", &buy).await.problem(404, "not_found");

    // Two come from the regular pool's three; a second call asks for four more and one is received.
    let init = |stock: u64| {
        let body = json!({ "product_id": product.id, "stock": stock });
        let admin = shop.admin.clone();
        async move { admin.post("/api/seckill/init", &body).await }
    };
    let opened = init(2).await;
    assert!([200, 201].contains(&opened.status), "{}", opened.text());
    assert_eq!(shop.stock(&product.sku_id).await["received"], 3);

    let bought = lin.post("/api/seckill", &buy).await;
    assert!([201, 202].contains(&bought.status), "{}", bought.text());
    assert_eq!((&bought.json["quantity"], &bought.json["unit_price"]), (&json!(1), &json!("10.00")));
    let number = bought.str("order_no").to_owned();
    let order = || async {
        let reply = lin.get(&format!("/api/order/{number}")).await;
        (reply.status == 200 && reply.json["status"] == "pending_payment").then_some(())
    };
    eventually(order, "the order is there").await;
    lin.post("/api/seckill", &buy).await.problem(409, "limit_reached");
    assert!([201, 202].contains(&wei.post("/api/seckill", &buy).await.status));
    user(&shop, "zhu").await.post("/api/seckill", &buy).await.problem(409, "sold_out");

    let more = init(4).await;
    assert!([200, 201].contains(&more.status), "{}", more.text());
    let stock = shop.stock(&product.sku_id).await;
    assert_eq!((&stock["received"], &stock["held"], &stock["available"]), (&json!(6), &json!(2), &json!(4)));
    assert!([201, 202].contains(&user(&shop, "sun").await.post("/api/seckill", &buy).await.status));
}

async fn seckill_by_many(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("10.00", 0).await;
    shop.admin.post("/api/seckill/init", &json!({ "product_id": product.id, "stock": 20 })).await;
    let crowd = shop.crowd(100).await;
    let buy = json!({ "product_id": product.id });
    let tries = crowd.iter().map(|client| client.post("/api/seckill", &buy));
    let answers = futures_util::future::join_all(tries).await;
    let accepted = answers.iter().filter(|answer| [201, 202].contains(&answer.status)).count();
    assert_eq!(accepted, 20);
    for refused in answers.into_iter().filter(|answer| ![201, 202].contains(&answer.status)) {
        refused.problem(409, "sold_out");
    }
    let stock = shop.stock(&product.sku_id).await;
    assert_eq!(
        (&stock["received"], &stock["held"], &stock["available"]),
        (&json!(20), &json!(20), &json!(0))
    );
    let metrics = shop.anonymous().get("/metrics").await.text();
    assert!(metrics.contains("stampede_seckill_success_total"), "{metrics}");
}
