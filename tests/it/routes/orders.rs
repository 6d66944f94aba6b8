//! Direct purchases and the life of an order.

use hyper::Method;
use serde_json::{Value, json};
use stampede_tests::{Case, Client, Engine, Product, Shop, eventually, per_engine};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![
        an_order_is_placed_shown_and_paid,
        a_cancelled_order_gives_its_units_back,
        an_order_is_paid_or_cancelled_once,
        the_last_unit_is_sold_once,
        a_repeat_with_the_same_key_is_the_same_order,
        other_peoples_orders_do_not_exist,
        the_list_of_orders_follows,
        orders_survive_a_crash,
    ]
}

fn path(order: &Value) -> String {
    format!("/api/v1/orders/{}", order["order_no"].as_str().expect("an order number"))
}

async fn an_order_is_placed_shown_and_paid(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("19.90", 10).await;
    let me = shop.buyer("lin").await.client;
    let order = shop.order(&me, &product, 3).await;
    let number = order["order_no"].as_str().expect("an order number");
    assert!(number.len() == 20 && number[..8].bytes().all(|byte| byte.is_ascii_digit()), "{number}");
    assert_eq!((&order["status"], &order["total"]), (&json!("pending_payment"), &json!("59.70")));

    let shown = me.get(&path(&order)).await.ok(200);
    for member in [
        "order_no",
        "status",
        "items",
        "total",
        "freight",
        "discount",
        "pay_amount",
        "currency",
        "address",
        "note",
        "pay_before",
        "created_at",
        "paid_at",
        "shipped_at",
        "delivered_at",
        "completed_at",
        "cancelled_at",
        "cancel_reason",
        "log",
    ] {
        assert!(shown.get(member).is_some(), "no `{member}` in {shown}");
    }
    let line = &shown["items"][0];
    assert_eq!((&line["sku_id"], &line["product_id"]), (&json!(product.sku_id), &json!(product.id)));
    assert_eq!(
        (&line["quantity"], &line["unit_price"], &line["subtotal"]),
        (&json!(3), &json!("19.90"), &json!("59.70"))
    );
    assert_eq!((&shown["pay_amount"], &shown["currency"]), (&json!("59.70"), &json!("CNY")));
    let stock = shop.stock(&product.sku_id).await;
    assert_eq!((&stock["available"], &stock["held"], &stock["sold"]), (&json!(7), &json!(3), &json!(0)));

    let paid = me.post(&format!("{}/pay", path(&order)), &json!({})).await.ok(200);
    assert_eq!(paid["status"], "paid");
    assert!(paid["paid_at"].is_string(), "{paid}");
    let sold = || async {
        let stock = shop.stock(&product.sku_id).await;
        (stock["sold"] == 3 && stock["held"] == 0).then_some(())
    };
    eventually(sold, "what is paid for is sold").await;
    let actions = me.get(&path(&order)).await.ok(200)["log"].as_array().map(Vec::len);
    assert!(actions.is_some_and(|steps| steps >= 2), "every step is in the log");
}

async fn a_cancelled_order_gives_its_units_back(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("19.90", 10).await;
    let me = shop.buyer("lin").await.client;
    let order = shop.order(&me, &product, 4).await;
    let cancelled =
        me.post(&format!("{}/cancel", path(&order)), &json!({ "reason": "changed my mind" })).await.ok(200);
    assert_eq!(cancelled["status"], "cancelled");
    let back = || async { (shop.stock(&product.sku_id).await["available"] == 10).then_some(()) };
    eventually(back, "the units come back").await;
    me.post(&format!("{}/pay", path(&order)), &json!({})).await.problem(409, "order_state");
}

async fn an_order_is_paid_or_cancelled_once(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("19.90", 20).await;
    let me = shop.buyer("lin").await.client;
    for _ in 0..8 {
        let order = shop.order(&me, &product, 1).await;
        let (pay, cancel) = (format!("{}/pay", path(&order)), format!("{}/cancel", path(&order)));
        let empty = json!({});
        let (paid, cancelled) = tokio::join!(me.post(&pay, &empty), me.post(&cancel, &empty));
        let status = me.get(&path(&order)).await.ok(200)["status"].clone();
        match (paid.status, cancelled.status) {
            (200, 409) => assert_eq!(status, "paid"),
            (409, 200) => assert_eq!(status, "cancelled"),
            both => panic!("{both:?}: {} {}", paid.text(), cancelled.text()),
        }
    }
}

async fn the_last_unit_is_sold_once(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("19.90", 5).await;
    let me = shop.buyer("lin").await.client;
    let body = json!({ "items": [{ "sku_id": product.sku_id, "quantity": 1 }] });
    let tries = (0..40).map(|_| me.post("/api/v1/orders", &body));
    let answers = futures_util::future::join_all(tries).await;
    let (bought, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| [201, 202].contains(&answer.status));
    assert_eq!(bought.len(), 5);
    for refused in refused {
        let problem = refused.problem(409, "insufficient_stock");
        assert!(problem.to_string().contains(&product.sku_id), "the line is not named: {problem}");
    }
    let stock = shop.stock(&product.sku_id).await;
    assert_eq!((&stock["available"], &stock["held"]), (&json!(0), &json!(5)));
}

async fn order_with_key(
    client: &Client,
    product: &Product,
    quantity: u64,
    key: &str,
) -> stampede_tests::Reply {
    let body = json!({ "items": [{ "sku_id": product.sku_id, "quantity": quantity }] });
    client.request(Method::POST, "/api/v1/orders").json(&body).key(key).send().await
}

async fn a_repeat_with_the_same_key_is_the_same_order(engine: Engine) {
    let mut shop = Shop::start(engine).await;
    let product = shop.product("19.90", 100).await;
    let me = shop.buyer("lin").await.client;
    let tries = (0..50).map(|_| order_with_key(&me, &product, 2, "the one order"));
    let answers = futures_util::future::join_all(tries).await;
    let first = answers[0].json["order_no"].clone();
    assert!(
        answers.iter().all(|answer| [201, 202].contains(&answer.status) && answer.json["order_no"] == first),
        "{answers:?}"
    );
    let fresh = answers.iter().filter(|answer| answer.header("idempotent-replayed") != "true").count();
    assert_eq!(fresh, 1, "one was new, the others were replays");
    assert_eq!(shop.stock(&product.sku_id).await["held"], 2);
    order_with_key(&me, &product, 3, "the one order").await.problem(422, "idempotency_mismatch");

    // The scope of a key is its user.
    let other = shop.buyer("wei").await.client;
    assert_ne!(order_with_key(&other, &product, 2, "the one order").await.bought()["order_no"], first);

    shop.server.restart().await;
    let again = order_with_key(&me, &product, 2, "the one order").await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.bought()["order_no"], first);
    assert_eq!(shop.stock(&product.sku_id).await["held"], 4);
}

async fn other_peoples_orders_do_not_exist(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("19.90", 10).await;
    let (lin, wei) = (shop.buyer("lin").await.client, shop.buyer("wei").await.client);
    let order = shop.order(&lin, &product, 1).await;
    wei.get(&path(&order)).await.problem(404, "not_found");
    for step in ["pay", "cancel"] {
        wei.post(&format!("{}/{step}", path(&order)), &json!({})).await.problem(404, "not_found");
        wei.post(&format!("/api/order/{}/{step}", order["order_no"].as_str().expect("a number")), &json!({}))
            .await
            .problem(404, "not_found");
        let nobody = shop.anonymous().post(&format!("{}/{step}", path(&order)), &json!({})).await;
        nobody.problem(401, "unauthenticated");
    }
    assert_eq!(lin.get(&path(&order)).await.ok(200)["status"], "pending_payment");
}

async fn the_list_of_orders_follows(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("19.90", 10).await;
    let (lin, wei) = (shop.buyer("lin").await, shop.buyer("wei").await);
    let mut numbers = Vec::new();
    for _ in 0..3 {
        numbers.push(shop.order(&lin.client, &product, 1).await["order_no"].clone());
    }
    let listed = || async { (lin.orders().await["total"] == 3).then_some(()) };
    eventually(listed, "the list shows every order").await;
    let page = lin.client.get("/api/v1/orders?page_size=2").await.ok(200);
    assert_eq!((page["data"].as_array().map(Vec::len), &page["total_pages"]), (Some(2), &json!(2)));
    assert_eq!(page["data"][0]["order_no"], numbers[2], "the newest comes first");
    assert_eq!(wei.orders().await["total"], 0);
    let number = numbers[0].as_str().expect("a number");
    lin.client.post(&format!("/api/v1/orders/{number}/pay"), &json!({})).await.ok(200);
    let paid = || async {
        let page = lin.client.get("/api/v1/orders?status=paid").await.ok(200);
        (page["total"] == 1 && page["data"][0]["order_no"] == numbers[0]).then_some(())
    };
    eventually(paid, "the list shows what is paid").await;
    lin.client.get("/api/v1/orders?status=lost").await.problem(422, "invalid_request");
    let of = |whose: &str| format!("/api/v1/orders?user_id={whose}");
    assert_eq!(lin.client.get(&of(&lin.id)).await.ok(200)["total"], 3);
    lin.client.get(&of(&wei.id)).await.problem(403, "forbidden");
    let sale = "/api/v1/orders?flash_sale_id=0190d3b0-0000-7000-8000-000000000000";
    assert_eq!(lin.client.get(sale).await.ok(200)["total"], 0, "none of them is of a flash sale");
    // What need not be said may be left out, body and all.
    for (step, status) in [("ship", "shipped"), ("deliver", "delivered")] {
        let path = format!("/api/v1/admin/orders/{number}/{step}");
        let order = shop.admin.request(Method::POST, &path).send().await.ok(200);
        assert_eq!(order["status"], status);
    }
}

async fn orders_survive_a_crash(engine: Engine) {
    let mut shop = Shop::start(engine).await;
    let product = shop.product("19.90", 10).await;
    let me = shop.buyer("lin").await.client;
    let (open, paid) = (shop.order(&me, &product, 1).await, shop.order(&me, &product, 2).await);
    me.post(&format!("{}/pay", path(&paid)), &json!({})).await.ok(200);
    shop.server.restart().await;
    assert_eq!(me.get(&path(&open)).await.ok(200)["status"], "pending_payment");
    assert_eq!(me.get(&path(&paid)).await.ok(200)["status"], "paid");
    let settled = || async {
        let stock = shop.stock(&product.sku_id).await;
        (stock["available"] == 7 && stock["held"] == 1 && stock["sold"] == 2).then_some(())
    };
    eventually(settled, "the stock is what was sold and held").await;
}
