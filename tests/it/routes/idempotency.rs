//! The same request again and again: one effect and one answer, at once, later, and after a restart.

use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use stampede_tests::{Case, Client, Engine, FlashSale, Product, Reply, Shop, eventually, per_engine, shown};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![
        a_purchase_is_made_once,
        an_order_is_placed_once,
        an_order_is_paid_once,
        an_order_is_cancelled_once,
        a_restock_comes_in_once,
        an_adjustment_is_made_once,
        a_product_is_made_once,
        a_key_holds_for_one_body_whatever_it_buys,
        a_refused_request_leaves_its_key_free,
        an_order_is_found_by_its_key_after_its_product_is_deleted,
        a_purchase_is_found_by_its_key_after_its_sale_is_over,
        a_flash_sale_is_found_by_its_key_after_its_product_is_deleted,
        a_product_is_found_by_its_key_after_it_is_deleted,
        what_a_key_did_for_a_sale_is_told_again,
        a_flash_sale_is_opened_once,
        a_key_is_its_users_and_its_routes,
    ]
}

/// How often each request is sent at once.
const AT_ONCE: usize = 100;

/// A keyed request that is sent many times.
struct Repeated {
    client: Client,
    path: String,
    body: Value,
    answer: Value,
}

/// What an answer says, without the time at which it is said, and without whether the order that a
/// purchase leads to was already there (201) or still on its way (202). A direct buy answers the whole
/// order or only its number, so of that it is the number.
fn said(path: &str, reply: &Reply) -> (u16, Value) {
    let (mut status, mut said) = (reply.status, reply.json.clone());
    if [201, 202].contains(&status) && path.ends_with("/orders") {
        return (201, said["order_no"].clone());
    }
    if let Some(members) = said.as_object_mut() {
        members.remove("server_time");
        if members.contains_key("reservation_id") {
            members.remove("status");
            status = status.min(201);
        }
    }
    (status, said)
}

impl Repeated {
    async fn send(&self) -> Reply {
        let request = self.client.request(Method::POST, &self.path).json(&self.body);
        request.key("again and again").send().await
    }

    /// Sends the request many times at once: one is done, the others are told the same.
    async fn at_once(client: &Client, path: &str, body: Value) -> Self {
        let mut repeated = Self { client: client.clone(), path: path.to_owned(), body, answer: Value::Null };
        let answers = join_all((0..AT_ONCE).map(|_| repeated.send())).await;
        let first = &answers[0];
        assert!((200..300).contains(&first.status), "{path}: {} {}", first.status, first.text());
        for answer in &answers {
            assert_eq!(said(path, answer), said(path, first), "{path}");
        }
        let fresh = answers.iter().filter(|answer| answer.header("idempotent-replayed") != "true").count();
        assert_eq!(fresh, 1, "{path}: one is new, the others are replays");
        repeated.answer = said(path, first).1;
        repeated
    }

    /// Restarts the shop and sends the request once more; then the same key with another body.
    async fn holds_after_a_restart(&self, shop: &mut Shop, other: Value) {
        shop.server.restart().await;
        let again = self.send().await;
        assert_eq!(again.header("idempotent-replayed"), "true", "{}: {}", self.path, again.text());
        assert_eq!(said(&self.path, &again).1, self.answer, "{}", self.path);
        let request = self.client.request(Method::POST, &self.path).json(&other);
        request.key("again and again").send().await.problem(422, "idempotency_mismatch");
    }
}

async fn stage(engine: Engine) -> (Shop, Product, Client) {
    let shop = Shop::start(engine).await;
    let product = shop.product("19.90", 50).await;
    let me = shop.buyer("lin").await.client;
    (shop, product, me)
}

fn order_path(order: &Value) -> String {
    format!("/api/v1/orders/{}", order["order_no"].as_str().expect("an order number"))
}

async fn becomes(shop: &Shop, product: &Product, units: [i64; 3]) {
    let there = || async {
        let stock = shop.stock(&product.sku_id).await;
        let parts = ["available", "held", "sold"].map(|member| stock[member].as_i64().unwrap_or(-1));
        (parts == units).then_some(())
    };
    eventually(there, &format!("the stock becomes {units:?}")).await;
}

async fn a_purchase_is_made_once(engine: Engine) {
    let (mut shop, product, me) = stage(engine).await;
    let sale = shop.flash_sale(&product, &FlashSale { per_user_limit: 5, ..FlashSale::of(5) }).await;
    let path = format!("/api/v1/flash-sales/{sale}/purchase");
    let repeated = Repeated::at_once(&me, &path, json!({ "quantity": 2 })).await;
    becomes(&shop, &product, [48, 2, 0]).await;
    assert_eq!(shop.pool(&product.sku_id, &sale).await, [3, 2, 0]);
    repeated.holds_after_a_restart(&mut shop, json!({ "quantity": 1 })).await;
    becomes(&shop, &product, [48, 2, 0]).await;
}

async fn an_order_is_placed_once(engine: Engine) {
    let (mut shop, product, me) = stage(engine).await;
    let body = |quantity: u64| json!({ "items": [{ "sku_id": product.sku_id, "quantity": quantity }] });
    let repeated = Repeated::at_once(&me, "/api/v1/orders", body(3)).await;
    becomes(&shop, &product, [47, 3, 0]).await;
    repeated.holds_after_a_restart(&mut shop, body(4)).await;
    becomes(&shop, &product, [47, 3, 0]).await;
}

async fn a_product_is_made_once(engine: Engine) {
    let (mut shop, _, _) = stage(engine).await;
    let body = |stock: u64| json!({ "name": "Once", "price": "3.00", "stock": stock, "status": "active" });
    let repeated = Repeated::at_once(&shop.admin, "/api/v1/products", body(7)).await;
    let sku = repeated.answer["default_sku_id"].as_str().expect("a SKU").to_owned();
    repeated.holds_after_a_restart(&mut shop, body(8)).await;
    assert_eq!(shop.stock(&sku).await["received"], 7);
    let listed = shop.admin.get("/api/v1/products?keyword=Once").await.ok(200);
    assert_eq!(listed["total"], 1, "{listed}");
}

/// Where the body names what to buy, the key with another body reaches another SKU.
async fn a_key_holds_for_one_body_whatever_it_buys(engine: Engine) {
    let (mut shop, one, me) = stage(engine).await;
    let other = shop.product("5.00", 50).await;
    for product in [&one, &other] {
        shop.flash_sale(product, &FlashSale::of(5)).await;
    }
    let buys = |product: &Product| {
        let (id, sku) = (&product.id, &product.sku_id);
        let ends_at = (OffsetDateTime::now_utc() + Duration::hours(1)).format(&Rfc3339).expect("a moment");
        let sale = json!({ "sku_id": sku, "price": "1.00", "quantity": 2, "ends_at": ends_at });
        [
            (me.clone(), "/api/v1/orders", json!({ "items": [{ "sku_id": sku, "quantity": 1 }] })),
            (me.clone(), "/api/order", json!({ "product_id": id, "quantity": 1 })),
            (me.clone(), "/api/seckill", json!({ "product_id": id })),
            (shop.admin.clone(), "/api/seckill/init", json!({ "product_id": id, "stock": 1 })),
            (shop.admin.clone(), "/api/v1/flash-sales", sale),
        ]
    };
    let send = |(client, path, body): &(Client, &str, Value)| {
        client.request(Method::POST, path).json(body).key("only once").send()
    };
    let firsts = buys(&one);
    for request in &firsts {
        let answer = send(request).await;
        assert!((200..300).contains(&answer.status), "{}: {}", request.1, answer.text());
    }
    let untouched = shop.stock(&other.sku_id).await;
    let seconds = buys(&other);
    for request in &seconds {
        send(request).await.problem(422, "idempotency_mismatch");
    }
    shop.server.restart().await;
    for request in &seconds {
        send(request).await.problem(422, "idempotency_mismatch");
    }
    assert_eq!(shop.stock(&other.sku_id).await, untouched);
    for request in &firsts[..3] {
        let again = send(request).await;
        assert_eq!(again.header("idempotent-replayed"), "true", "{}: {}", request.1, again.text());
    }
}

/// Only acceptances are remembered.
async fn a_refused_request_leaves_its_key_free(engine: Engine) {
    let (shop, product, me) = stage(engine).await;
    let other = shop.product("5.00", 1).await;
    let order = |product: &Product, quantity: u64| {
        let body = json!({ "items": [{ "sku_id": product.sku_id, "quantity": quantity }] });
        me.request(Method::POST, "/api/v1/orders").json(&body).key("tried before").send()
    };
    order(&other, 2).await.problem(409, "insufficient_stock");
    let bought = order(&product, 1).await;
    assert_eq!(bought.header("idempotent-replayed"), "");
    bought.bought();
    order(&other, 1).await.problem(422, "idempotency_mismatch");
    becomes(&shop, &product, [49, 1, 0]).await;
    assert_eq!(shop.stock(&other.sku_id).await["available"], 1);
}

async fn keyed(client: &Client, path: &str, body: &Value, key: &str) -> Reply {
    client.request(Method::POST, path).json(body).key(key).send().await
}

/// A repeat: marked as one, with what the first answer named.
#[track_caller]
fn same(again: &Reply, first: &Reply, member: &str) {
    assert_eq!(again.header("idempotent-replayed"), "true", "{}", again.text());
    assert_eq!((again.status, again.str(member)), (first.status, first.str(member)), "{}", again.text());
}

async fn delete(shop: &Shop, product: &str) {
    shop.admin.delete(&format!("/api/v1/products/{product}")).await.ok(204);
}

async fn an_order_is_found_by_its_key_after_its_product_is_deleted(engine: Engine) {
    let (shop, product, me) = stage(engine).await;
    let requests = [
        ("/api/v1/orders", json!({ "items": [{ "sku_id": product.sku_id, "quantity": 1 }] })),
        ("/api/order", json!({ "product_id": product.id, "quantity": 1 })),
    ];
    let mut firsts = Vec::new();
    for (path, body) in &requests {
        firsts.push(keyed(&me, path, body, "mine").await.bought());
    }
    delete(&shop, &product.id).await;
    for ((path, body), first) in requests.iter().zip(firsts) {
        keyed(&me, path, body, "another").await.problem(404, "not_found");
        let again = keyed(&me, path, body, "mine").await;
        assert_eq!(again.header("idempotent-replayed"), "true", "{}", again.text());
        assert_eq!(again.bought()["order_no"], first["order_no"]);
    }
    let (path, other) = ("/api/order", json!({ "product_id": product.id, "quantity": 2 }));
    keyed(&me, path, &other, "mine").await.problem(422, "idempotency_mismatch");
}

async fn a_purchase_is_found_by_its_key_after_its_sale_is_over(engine: Engine) {
    let shop = Shop::start(engine).await;
    let (lin, wei) = (shop.buyer("lin").await.client, shop.buyer("wei").await.client);
    for ended in [true, false] {
        let product = shop.product("19.90", 50).await;
        let sale = shop.flash_sale(&product, &FlashSale::of(5)).await;
        let (path, body) = ("/api/seckill", json!({ "product_id": product.id }));
        let key = product.id.as_str();
        let first = keyed(&lin, path, &body, key).await.bought();
        let found = async |what: &str| {
            let again = keyed(&lin, path, &body, key).await;
            assert_eq!(again.header("idempotent-replayed"), "true", "{what}: {}", again.text());
            assert_eq!(again.bought()["order_no"], first["order_no"], "{what}");
        };
        if ended {
            let now = OffsetDateTime::now_utc().format(&Rfc3339).expect("a moment");
            shop.admin
                .patch(&format!("/api/v1/flash-sales/{sale}"), &json!({ "ends_at": now }))
                .await
                .ok(200);
        } else {
            shop.admin.post(&format!("/api/v1/flash-sales/{sale}/close"), &json!({})).await.ok(200);
        }
        let over = || async { (keyed(&wei, path, &body, key).await.status == 404).then_some(()) };
        eventually(over, "there is no sale any more").await;
        found("the sale is over").await;
        let elsewhere = json!({ "product_id": product.sku_id });
        keyed(&lin, path, &elsewhere, key).await.problem(422, "idempotency_mismatch");

        let next = shop.flash_sale(&product, &FlashSale::of(1)).await;
        let bought = || async { (keyed(&wei, path, &body, key).await.status < 300).then_some(()) };
        eventually(bought, "the next sale is on").await;
        keyed(&lin, path, &body, "another").await.problem(409, "sold_out");
        found("the next sale has sold out").await;

        shop.admin.post(&format!("/api/v1/flash-sales/{next}/close"), &json!({})).await.ok(200);
        delete(&shop, &product.id).await;
        found("the product is deleted").await;
    }
}

async fn a_flash_sale_is_found_by_its_key_after_its_product_is_deleted(engine: Engine) {
    let (shop, product, _) = stage(engine).await;
    let ends_at = (OffsetDateTime::now_utc() + Duration::hours(1)).format(&Rfc3339).expect("a moment");
    let body = json!({ "sku_id": product.sku_id, "price": "1.00", "quantity": 2, "ends_at": ends_at });
    let path = "/api/v1/flash-sales";
    let first = keyed(&shop.admin, path, &body, "mine").await;
    assert_eq!(first.status, 201, "{}", first.text());
    shop.admin.post(&format!("{path}/{}/close", first.str("id")), &json!({})).await.ok(200);
    delete(&shop, &product.id).await;
    keyed(&shop.admin, path, &body, "another").await.problem(422, "invalid_request");
    same(&keyed(&shop.admin, path, &body, "mine").await, &first, "id");
}

async fn a_product_is_found_by_its_key_after_it_is_deleted(engine: Engine) {
    let shop = Shop::start(engine).await;
    let body = json!({ "name": "Once", "price": "3.00", "stock": 7 });
    for path in ["/api/v1/products", "/api/product"] {
        let first = keyed(&shop.admin, path, &body, "mine").await;
        assert_eq!(first.status, 201, "{}", first.text());
        delete(&shop, first.str("id")).await;
        let again = keyed(&shop.admin, path, &body, "mine").await;
        same(&again, &first, "id");
        assert_eq!(again.str("status"), "deleted", "it shows the present state");
        shop.admin.get(&format!("{path}/{}", first.str("id"))).await.problem(404, "not_found");
    }
}

async fn what_a_key_did_for_a_sale_is_told_again(engine: Engine) {
    let (mut shop, product, _) = stage(engine).await;
    let (path, body) = ("/api/seckill/init", json!({ "product_id": product.id, "stock": 2 }));
    let opened = keyed(&shop.admin, path, &body, "opens").await;
    let extended = keyed(&shop.admin, path, &body, "extends").await;
    assert_eq!((opened.status, extended.status), (201, 200), "{} {}", opened.text(), extended.text());
    let firsts = [("opens", &opened), ("extends", &extended)];
    for (key, first) in firsts {
        same(&keyed(&shop.admin, path, &body, key).await, first, "id");
    }
    shop.server.restart().await;
    for (key, first) in firsts {
        same(&keyed(&shop.admin, path, &body, key).await, first, "id");
    }
    let sale = opened.str("id");
    assert_eq!(shop.pool(&product.sku_id, sale).await, [4, 0, 0]);
    shop.admin.post(&format!("/api/v1/flash-sales/{sale}/close"), &json!({})).await.ok(200);
    delete(&shop, &product.id).await;
    for (key, first) in firsts {
        same(&keyed(&shop.admin, path, &body, key).await, first, "id");
    }
    keyed(&shop.admin, path, &body, "another").await.problem(404, "not_found");
}

async fn an_order_is_paid_once(engine: Engine) {
    let (mut shop, product, me) = stage(engine).await;
    let order = shop.order(&me, &product, 2).await;
    let repeated = Repeated::at_once(&me, &format!("{}/pay", order_path(&order)), json!({})).await;
    assert_eq!(repeated.answer["status"], "paid");
    becomes(&shop, &product, [48, 0, 2]).await;
    shop.server.restart().await;
    assert_eq!(repeated.send().await.header("idempotent-replayed"), "true");
    becomes(&shop, &product, [48, 0, 2]).await;
    // Without the key it is a second payment.
    me.post(&repeated.path, &json!({})).await.problem(409, "order_state");
}

async fn an_order_is_cancelled_once(engine: Engine) {
    let (mut shop, product, me) = stage(engine).await;
    let order = shop.order(&me, &product, 2).await;
    let path = format!("{}/cancel", order_path(&order));
    let repeated = Repeated::at_once(&me, &path, json!({ "reason": "too dear" })).await;
    assert_eq!(
        (&repeated.answer["status"], &repeated.answer["cancel_reason"]),
        (&json!("cancelled"), &json!("too dear"))
    );
    becomes(&shop, &product, [50, 0, 0]).await;
    repeated.holds_after_a_restart(&mut shop, json!({ "reason": "too cheap" })).await;
    becomes(&shop, &product, [50, 0, 0]).await;
}

async fn a_restock_comes_in_once(engine: Engine) {
    let (mut shop, product, _) = stage(engine).await;
    let path = format!("/api/v1/skus/{}/stock/restock", product.sku_id);
    let repeated =
        Repeated::at_once(&shop.admin, &path, json!({ "quantity": 7, "reason": "a van came" })).await;
    becomes(&shop, &product, [57, 0, 0]).await;
    // The answer to the repeat is the first one, whatever came in since.
    shop.admin.post(&path, &json!({ "quantity": 2 })).await.ok(200);
    repeated.holds_after_a_restart(&mut shop, json!({ "quantity": 8 })).await;
    becomes(&shop, &product, [59, 0, 0]).await;
    assert_eq!(shop.stock(&product.sku_id).await["received"], 59);
}

async fn an_adjustment_is_made_once(engine: Engine) {
    let (mut shop, product, _) = stage(engine).await;
    let path = format!("/api/v1/skus/{}/stock/adjust", product.sku_id);
    let repeated = Repeated::at_once(&shop.admin, &path, json!({ "delta": -3, "reason": "broken" })).await;
    becomes(&shop, &product, [47, 0, 0]).await;
    repeated.holds_after_a_restart(&mut shop, json!({ "delta": -3, "reason": "stolen" })).await;
    becomes(&shop, &product, [47, 0, 0]).await;
    assert_eq!(shop.stock(&product.sku_id).await["received"], 47);
}

async fn a_flash_sale_is_opened_once(engine: Engine) {
    let (mut shop, product, _) = stage(engine).await;
    let from_now = |hours: i64| {
        (OffsetDateTime::now_utc() + Duration::hours(hours))
            .format(&Rfc3339)
            .expect("a moment can be written")
    };
    let (starts_at, ends_at) = (from_now(-1), from_now(1));
    let body = |quantity: u64| {
        json!({
            "sku_id": product.sku_id, "price": "9.90", "quantity": quantity, "per_user_limit": 1,
            "starts_at": starts_at, "ends_at": ends_at, "pay_within_seconds": 900,
        })
    };
    let repeated = Repeated::at_once(&shop.admin, "/api/v1/flash-sales", body(20)).await;
    let sale = repeated.answer["id"].as_str().expect("the sale's id").to_owned();
    assert_eq!(shop.regular(&product.sku_id).await, [30, 0, 0]);
    repeated.holds_after_a_restart(&mut shop, body(10)).await;
    assert_eq!(shop.regular(&product.sku_id).await, [30, 0, 0]);
    assert_eq!(shop.pool(&product.sku_id, &sale).await, [20, 0, 0]);
}

async fn a_key_is_its_users_and_its_routes(engine: Engine) {
    let (shop, product, lin) = stage(engine).await;
    let wei = shop.buyer("wei").await.client;
    let sale = shop.flash_sale(&product, &FlashSale::of(5)).await;
    let body = json!({ "items": [{ "sku_id": product.sku_id, "quantity": 1 }] });
    let mut numbers = Vec::new();
    for client in [&lin, &wei] {
        let order = client.request(Method::POST, "/api/v1/orders").json(&body).key("the same");
        let order = order.send().await;
        assert_eq!(order.header("idempotent-replayed"), "");
        let order = shown(client, &order.bought()).await;
        let bought = client.purchase(&sale, 1).key("the same").send().await.bought();
        let pay = client.request(Method::POST, &format!("{}/pay", order_path(&order)));
        let pay = pay.json(&json!({})).key("the same").send().await;
        assert_eq!(pay.header("idempotent-replayed"), "");
        assert_eq!(pay.ok(200)["order_no"], order["order_no"]);
        numbers.extend([order["order_no"].to_string(), bought["order_no"].to_string()]);
    }
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 4);
    becomes(&shop, &product, [46, 2, 2]).await;
    // Without a key a repeat is a new attempt.
    shop.order(&lin, &product, 1).await;
    shop.order(&lin, &product, 1).await;
    becomes(&shop, &product, [44, 4, 2]).await;
}
