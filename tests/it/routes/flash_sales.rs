//! A flash sale from its window to its end, as its buyers and the administrator see it.

mod crowd;

use hyper::Method;
use serde_json::{Value, json};
use stampede_tests::{
    Case, Client, Engine, FlashSale, Product, Shop, Told, buy, eventually, per_engine, retried, shown,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    let sales = per_engine![
        nobody_buys_before_the_start,
        nobody_buys_after_the_end,
        the_limit_is_each_users,
        what_is_given_back_may_be_bought_again,
        the_administrator_pauses_resumes_and_closes,
        new_terms_are_for_new_purchases,
        the_unsold_rest_goes_back,
        a_buyer_sees_the_own_result,
        what_is_not_paid_in_time_is_on_sale_again,
        paying_sells_and_cancelling_releases,
        a_repeat_after_the_sale_has_sold_out_finds_the_order,
        a_lost_answer_is_told_again,
        a_cut_request_is_bought_once,
        sales_are_the_administrators,
        only_what_is_on_the_shelf_has_a_flash_sale,
        a_product_stays_until_its_flash_sale_is_over,
    ];
    [sales, crowd::cases()].concat()
}

/// A moment from now.
fn in_seconds(seconds: i64) -> String {
    let moment = OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    moment.format(&Rfc3339).expect("a moment has this form")
}

fn sale_path(sale: &str) -> String {
    format!("/api/v1/flash-sales/{sale}")
}

/// A product of ten units, and a sale of some of them.
async fn stage(engine: Engine, sale: &FlashSale) -> (Shop, Product, String) {
    let shop = Shop::start(engine).await;
    let product = shop.product("19.90", 10).await;
    let sale = shop.flash_sale(&product, sale).await;
    (shop, product, sale)
}

/// Buys; the answer's body.
async fn bought(client: &Client, sale: &str, quantity: u64) -> Value {
    client.purchase(sale, quantity).send().await.bought()
}

fn order_path(order: &Value) -> String {
    format!("/api/v1/orders/{}", order["order_no"].as_str().expect("an order number"))
}

/// An order's status, once it shows.
async fn status(client: &Client, order: &Value) -> String {
    shown(client, order).await["status"].as_str().expect("a status").to_owned()
}

async fn pay(client: &Client, order: &Value) -> Value {
    status(client, order).await;
    client.post(&format!("{}/pay", order_path(order)), &json!({})).await.ok(200)
}

async fn cancel(client: &Client, order: &Value) -> Value {
    status(client, order).await;
    client.post(&format!("{}/cancel", order_path(order)), &json!({})).await.ok(200)
}

/// Waits until a sale's pool has these units available, held and sold.
async fn pool_becomes(shop: &Shop, product: &Product, sale: &str, units: [i64; 3]) {
    let what = format!("the sale's pool becomes {units:?}");
    eventually(|| async { (shop.pool(&product.sku_id, sale).await == units).then_some(()) }, &what).await;
}

fn moment(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(value.as_str().expect("a moment"), &Rfc3339).expect("a moment in RFC 3339")
}

async fn nobody_buys_before_the_start(engine: Engine) {
    let terms = FlashSale { starts_in: 3_600, ends_in: 7_200, ..FlashSale::of(6) };
    let (shop, product, sale) = stage(engine, &terms).await;
    let shown = shop.anonymous().get(&sale_path(&sale)).await.ok(200);
    assert_eq!((&shown["state"], &shown["available"]), (&json!("scheduled"), &json!(6)));
    let me = shop.buyer("lin").await.client;
    let problem = me.purchase(&sale, 1).send().await.problem(409, "not_started");
    assert_eq!(moment(&problem["starts_at"]), moment(&shown["starts_at"]));
    assert_eq!(shop.pool(&product.sku_id, &sale).await, [6, 0, 0]);

    // Too much is refused as too early: the window comes first.
    me.purchase(&sale, 2).send().await.problem(409, "not_started");

    let terms = FlashSale { starts_in: 3_600, ends_in: 7_200, ..FlashSale::of(1) };
    let soon = shop.flash_sale(&product, &terms).await;
    me.purchase(&soon, 1).send().await.problem(409, "not_started");
    shop.admin.patch(&sale_path(&soon), &json!({ "starts_at": in_seconds(1) })).await.ok(200);
    let open = || async { buy(&me, &soon, "as soon as it opens").await.order_no().map(drop) };
    eventually(open, "the sale opens").await;
    let shown = shop.anonymous().get(&sale_path(&soon)).await.ok(200);
    assert!(moment(&shown["server_time"]) >= moment(&shown["starts_at"]), "{shown}");
}

async fn nobody_buys_after_the_end(engine: Engine) {
    let (shop, product, sale) = stage(engine, &FlashSale::of(6)).await;
    let (lin, wei) = (shop.buyer("lin").await.client, shop.buyer("wei").await.client);
    let order = bought(&lin, &sale, 1).await;
    shop.admin.patch(&sale_path(&sale), &json!({ "ends_at": in_seconds(1) })).await.ok(200);
    let ended = || async { (buy(&wei, &sale, "late").await == Told::Refused("ended".into())).then_some(()) };
    let over = || async { (wei.purchase(&sale, 9).send().await.str("code") == "ended").then_some(()) };
    eventually(over, "the sale ends").await;
    eventually(ended, "nobody buys in it").await;
    let state = || async {
        let shown = shop.anonymous().get(&sale_path(&sale)).await.ok(200);
        ["ended", "closed"].contains(&shown["state"].as_str().unwrap_or_default()).then_some(())
    };
    eventually(state, "the sale shows its end").await;
    // What was bought in time may be paid for.
    assert_eq!(pay(&lin, &order).await["status"], "paid");
    let returned = || async { (shop.regular(&product.sku_id).await == [9, 0, 0]).then_some(()) };
    eventually(returned, "the unsold rest goes back by itself").await;
    shop.agrees().await;
}

async fn the_limit_is_each_users(engine: Engine) {
    let (shop, product, sale) = stage(engine, &FlashSale { per_user_limit: 2, ..FlashSale::of(6) }).await;
    let (lin, wei) = (shop.buyer("lin").await.client, shop.buyer("wei").await.client);
    bought(&lin, &sale, 1).await;
    lin.purchase(&sale, 2).send().await.problem(409, "limit_reached");
    bought(&lin, &sale, 1).await;
    lin.purchase(&sale, 1).send().await.problem(409, "limit_reached");
    wei.purchase(&sale, 3).send().await.problem(409, "limit_reached");
    bought(&wei, &sale, 2).await;
    assert_eq!(shop.pool(&product.sku_id, &sale).await, [2, 4, 0]);
    // Two tokens, or many requests at once, are one user.
    let mei = shop.buyer("mei").await;
    let login = json!({ "login": mei.username, "password": mei.password });
    let again = shop.anonymous().post("/api/v1/auth/login", &login).await.ok(200);
    let other = shop.anonymous().with_token(again["access_token"].as_str().expect("a token"));
    let tries = (0..20).map(|n| {
        let client = if n % 2 == 0 { &mei.client } else { &other };
        client.purchase(&sale, 1).send()
    });
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.status < 300).count(), 2);
    for refused in answers.into_iter().filter(|answer| answer.status >= 300) {
        refused.problem(409, "limit_reached");
    }
    assert_eq!(shop.pool(&product.sku_id, &sale).await, [0, 6, 0]);
}

async fn what_is_given_back_may_be_bought_again(engine: Engine) {
    let (shop, product, sale) = stage(engine, &FlashSale::of(1)).await;
    let (lin, wei) = (shop.buyer("lin").await.client, shop.buyer("wei").await.client);
    let order = bought(&lin, &sale, 1).await;
    wei.purchase(&sale, 1).send().await.problem(409, "sold_out");
    let shown = shop.anonymous().get(&sale_path(&sale)).await.ok(200);
    assert_eq!((&shown["state"], &shown["available"]), (&json!("sold_out"), &json!(0)));
    cancel(&lin, &order).await;
    pool_becomes(&shop, &product, &sale, [1, 0, 0]).await;
    // The one who gave it back may also be the one who buys it again.
    let again = bought(&lin, &sale, 1).await;
    assert_ne!(again["order_no"], order["order_no"]);
    cancel(&lin, &again).await;
    assert!(retried_until_accepted(&wei, &sale).await.is_some());
    assert_eq!(shop.pool(&product.sku_id, &sale).await, [0, 1, 0]);
}

/// Tries until units are there: a refusal may be stale for a moment after they came back.
async fn retried_until_accepted(client: &Client, sale: &str) -> Option<String> {
    let accepted = || async { retried(client, sale, "again").await.order_no().map(str::to_owned) };
    Some(eventually(accepted, "freed units are on sale").await)
}

async fn the_administrator_pauses_resumes_and_closes(engine: Engine) {
    let (shop, product, sale) = stage(engine, &FlashSale { per_user_limit: 2, ..FlashSale::of(6) }).await;
    let (lin, wei) = (shop.buyer("lin").await.client, shop.buyer("wei").await.client);
    let first = lin.purchase(&sale, 1).key("the first").send().await.bought();
    let path = sale_path(&sale);
    shop.admin.post(&format!("{path}/pause"), &json!({})).await.ok(200);
    lin.purchase(&sale, 1).send().await.problem(409, "paused");
    wei.purchase(&sale, 1).send().await.problem(409, "paused");
    // A repeat of what was accepted is answered all the same, and what is held may be paid for.
    let again = lin.purchase(&sale, 1).key("the first").send().await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.bought()["order_no"], first["order_no"]);
    assert_eq!(pay(&lin, &first).await["status"], "paid");
    shop.admin.post(&format!("{path}/resume"), &json!({})).await.ok(200);
    bought(&wei, &sale, 1).await;
    shop.admin.post(&format!("{path}/close"), &json!({})).await.ok(200);
    wei.purchase(&sale, 1).send().await.problem(409, "ended");
    let shown = shop.anonymous().get(&path).await.ok(200);
    assert_eq!((&shown["state"], &shown["available"]), (&json!("closed"), &json!(0)));
    pool_becomes(&shop, &product, &sale, [0, 1, 1]).await;
    assert_eq!(shop.regular(&product.sku_id).await, [8, 0, 0]);
    let again = lin.purchase(&sale, 1).key("the first").send().await;
    assert_eq!(again.bought()["order_no"], first["order_no"], "a repeat finds its order after the end");
}

async fn new_terms_are_for_new_purchases(engine: Engine) {
    let (shop, product, sale) = stage(engine, &FlashSale::of(6)).await;
    let me = shop.buyer("lin").await.client;
    let first = bought(&me, &sale, 1).await;
    assert_eq!((&first["unit_price"], &first["total"]), (&json!("9.90"), &json!("9.90")));
    me.purchase(&sale, 1).send().await.problem(409, "limit_reached");
    let amended = json!({ "price": "5.00", "per_user_limit": 3 });
    let shown = shop.admin.patch(&sale_path(&sale), &amended).await.ok(200);
    assert_eq!((&shown["price"], &shown["per_user_limit"]), (&json!("5.00"), &json!(3)));
    let second = bought(&me, &sale, 2).await;
    assert_eq!((&second["unit_price"], &second["total"]), (&json!("5.00"), &json!("10.00")));
    assert_eq!(status(&me, &first).await, "pending_payment");
    let kept = me.get(&order_path(&first)).await.ok(200);
    assert_eq!(kept["items"][0]["unit_price"], "9.90", "a sold price stays");
    let expecting = shop.admin.request(Method::PATCH, &sale_path(&sale)).json(&amended);
    expecting.header("if-match", "\"1\"").send().await.problem(412, "version_conflict");
    for wrong in [
        json!({ "price": "-1.00" }),
        json!({ "per_user_limit": 0 }),
        json!({ "ends_at": "2001-01-01T00:00:00Z" }),
        json!({ "state": "closed" }),
    ] {
        shop.admin.patch(&sale_path(&sale), &wrong).await.problem(422, "invalid_request");
    }
    let over = json!({ "ends_at": moment(&shown["server_time"]).format(&Rfc3339).expect("a moment") });
    let reply = shop.admin.patch(&sale_path(&sale), &over).await;
    assert!([200, 422].contains(&reply.status), "{}", reply.text());
    assert_eq!(shop.pool(&product.sku_id, &sale).await[1], 3);
}

async fn the_unsold_rest_goes_back(engine: Engine) {
    let (shop, product, sale) = stage(engine, &FlashSale { per_user_limit: 3, ..FlashSale::of(6) }).await;
    assert_eq!(shop.regular(&product.sku_id).await, [4, 0, 0], "the allotment has left the regular pool");
    let me = shop.buyer("lin").await.client;
    let (first, second) = (bought(&me, &sale, 1).await, bought(&me, &sale, 2).await);
    pay(&me, &first).await;
    // What the sale holds is not for direct buyers.
    let many = json!({ "items": [{ "sku_id": product.sku_id, "quantity": 5 }] });
    me.post("/api/v1/orders", &many).await.problem(409, "insufficient_stock");
    shop.admin.post(&format!("{}/close", sale_path(&sale)), &json!({})).await.ok(200);
    pool_becomes(&shop, &product, &sale, [0, 2, 1]).await;
    assert_eq!(shop.regular(&product.sku_id).await, [7, 0, 0]);
    cancel(&me, &second).await;
    let back = || async { (shop.regular(&product.sku_id).await == [9, 0, 0]).then_some(()) };
    eventually(back, "what is released after the end goes to the regular pool").await;
    assert_eq!(shop.pool(&product.sku_id, &sale).await, [0, 0, 1]);
    shop.agrees().await;
}

async fn a_buyer_sees_the_own_result(engine: Engine) {
    let (shop, _, sale) = stage(engine, &FlashSale { per_user_limit: 2, ..FlashSale::of(6) }).await;
    let (lin, wei) = (shop.buyer("lin").await.client, shop.buyer("wei").await.client);
    let path = format!("{}/me", sale_path(&sale));
    shop.anonymous().get(&path).await.problem(401, "unauthenticated");
    let before = lin.get(&path).await.ok(200).to_string();
    let order = bought(&lin, &sale, 1).await;
    let number = order["order_no"].as_str().expect("an order number");
    assert!(!before.contains(number));
    let mine = lin.get(&path).await.ok(200);
    assert!(mine.to_string().contains(number), "the own order is not in {mine}");
    assert!(!wei.get(&path).await.ok(200).to_string().contains(number), "another's order is shown");
    let of_sale = format!("/api/v1/orders?flash_sale_id={sale}");
    let listed =
        || async { (lin.get(&of_sale).await.ok(200)["data"][0]["order_no"] == number).then_some(()) };
    eventually(listed, "the list shows what was bought in the sale").await;
    assert_eq!(wei.get(&of_sale).await.ok(200)["total"], 0);
    lin.get("/api/v1/flash-sales/0190d3b0-0000-7000-8000-000000000000/me").await.problem(404, "not_found");
}

async fn what_is_not_paid_in_time_is_on_sale_again(engine: Engine) {
    let (shop, product, sale) = stage(engine, &FlashSale { pay_within: 1, ..FlashSale::of(1) }).await;
    let (lin, wei) = (shop.buyer("lin").await.client, shop.buyer("wei").await.client);
    let order = bought(&lin, &sale, 1).await;
    let cancelled = || async { (status(&lin, &order).await == "cancelled").then_some(()) };
    eventually(cancelled, "an unpaid order is cancelled").await;
    let shown = lin.get(&order_path(&order)).await.ok(200);
    assert_eq!(shown["cancel_reason"], "payment_timeout");
    assert!(moment(&shown["cancelled_at"]) >= moment(&shown["pay_before"]), "{shown}");
    let problem = lin.post(&format!("{}/pay", order_path(&order)), &json!({})).await;
    problem.problem(409, "order_state");
    retried_until_accepted(&wei, &sale).await;
    let stock = shop.stock(&product.sku_id).await;
    assert_eq!(stock["received"], 10, "{stock}");
}

async fn paying_sells_and_cancelling_releases(engine: Engine) {
    let (shop, product, sale) = stage(engine, &FlashSale { per_user_limit: 6, ..FlashSale::of(6) }).await;
    let me = shop.buyer("lin").await.client;
    let (first, second) = (bought(&me, &sale, 2).await, bought(&me, &sale, 3).await);
    assert_eq!(shop.pool(&product.sku_id, &sale).await, [1, 5, 0]);
    let paid = pay(&me, &first).await;
    assert_eq!((&paid["status"], &paid["flash_sale_id"]), (&json!("paid"), &json!(sale)));
    pool_becomes(&shop, &product, &sale, [1, 3, 2]).await;
    cancel(&me, &second).await;
    pool_becomes(&shop, &product, &sale, [4, 0, 2]).await;
    for order in [&first, &second] {
        for step in ["pay", "cancel"] {
            let reply = me.post(&format!("{}/{step}", order_path(order)), &json!({})).await;
            reply.problem(409, "order_state");
        }
    }
    assert_eq!(shop.pool(&product.sku_id, &sale).await, [4, 0, 2], "an end is an end");
    shop.agrees().await;
}

async fn a_repeat_after_the_sale_has_sold_out_finds_the_order(engine: Engine) {
    let (shop, product, sale) = stage(engine, &FlashSale::of(1)).await;
    let (lin, wei) = (shop.buyer("lin").await.client, shop.buyer("wei").await.client);
    let first = lin.purchase(&sale, 1).key("mine").send().await;
    assert_eq!(first.header("idempotent-replayed"), "");
    let first = first.bought();
    wei.purchase(&sale, 1).key("mine").send().await.problem(409, "sold_out");
    let again = lin.purchase(&sale, 1).key("mine").send().await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.bought()["order_no"], first["order_no"], "the same answer");
    lin.purchase(&sale, 2).key("mine").send().await.problem(422, "idempotency_mismatch");
    lin.purchase(&sale, 1).key("another").send().await.problem(409, "limit_reached");
    lin.purchase(&sale, 1).send().await.problem(409, "limit_reached");
    wei.purchase(&sale, 1).send().await.problem(409, "sold_out");
    assert_eq!(shop.pool(&product.sku_id, &sale).await, [0, 1, 0]);

    // A refused key is not remembered: it buys once there is something to buy.
    cancel(&lin, &first).await;
    let accepted = || async {
        let reply = wei.purchase(&sale, 1).key("mine").send().await;
        (reply.status < 300).then_some(reply)
    };
    let reply = eventually(accepted, "the freed unit is sold to the key that was refused").await;
    assert_eq!(reply.header("idempotent-replayed"), "");
}

async fn a_lost_answer_is_told_again(engine: Engine) {
    let (shop, product, sale) = stage(engine, &FlashSale::of(1)).await;
    let me = shop.buyer("lin").await.client;
    let connection = me.purchase(&sale, 1).key("the lost one").unanswered().await.expect("a connection");
    pool_becomes(&shop, &product, &sale, [0, 1, 0]).await;
    drop(connection);
    let again = me.purchase(&sale, 1).key("the lost one").send().await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    let order = again.bought();
    assert_eq!(status(&me, &order).await, "pending_payment");
    let mine = me.get(&format!("{}/me", sale_path(&sale))).await.ok(200);
    assert!(mine.to_string().contains(order["order_no"].as_str().expect("a number")), "{mine}");
    assert_eq!(shop.pool(&product.sku_id, &sale).await, [0, 1, 0]);
}

async fn a_cut_request_is_bought_once(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("19.90", 100).await;
    let sale = shop.flash_sale(&product, &FlashSale::of(100)).await;
    let crowd = shop.crowd(40).await;
    let tries = crowd.iter().map(|me| async {
        // Cut at once: some never reach the shop, some do and nobody hears of it.
        drop(me.purchase(&sale, 1).key("cut").unanswered().await.expect("a connection"));
        retried(me, &sale, "cut").await.order_no().expect("there is enough for everybody").to_owned()
    });
    let mut numbers = futures_util::future::join_all(tries).await;
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 40, "an order each");
    // Nothing that was cut comes later and buys on its own.
    pool_becomes(&shop, &product, &sale, [60, 40, 0]).await;
    let listed = || async {
        let mut listed = shop.sale_orders(&sale).await;
        listed.sort();
        (listed == numbers).then_some(())
    };
    eventually(listed, "the shop has these orders and no other").await;
}

async fn sales_are_the_administrators(engine: Engine) {
    let (shop, product, sale) = stage(engine, &FlashSale::of(1)).await;
    let me = shop.buyer("lin").await.client;
    let path = sale_path(&sale);
    let body = json!({
        "sku_id": product.sku_id, "price": "0.01", "quantity": 1, "per_user_limit": 1,
        "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z", "pay_within_seconds": 900,
    });
    me.post("/api/v1/flash-sales", &body).await.problem(403, "forbidden");
    shop.anonymous().post("/api/v1/flash-sales", &body).await.problem(401, "unauthenticated");
    me.patch(&path, &json!({ "price": "0.01" })).await.problem(403, "forbidden");
    for step in ["pause", "resume", "close"] {
        me.post(&format!("{path}/{step}"), &json!({})).await.problem(403, "forbidden");
    }
    shop.anonymous().purchase(&sale, 1).send().await.problem(401, "unauthenticated");
    let priced = me.request(Method::POST, &format!("{path}/purchase"));
    let reply = priced.json(&json!({ "quantity": 1, "price": "0.01" })).send().await;
    reply.problem(422, "invalid_request");
    let greedy = json!({ "quantity": 100, "sku_id": product.sku_id, "price": "1.00", "per_user_limit": 1,
        "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z", "pay_within_seconds": 900 });
    shop.admin.post("/api/v1/flash-sales", &greedy).await.problem(409, "insufficient_stock");
    assert_eq!(shop.pool(&product.sku_id, &sale).await, [1, 0, 0]);
    let list = shop.anonymous().get("/api/v1/flash-sales").await.ok(200);
    assert!(
        list["data"].as_array().is_some_and(|sales| sales.iter().any(|shown| shown["id"] == sale)),
        "{list}"
    );
}

async fn only_what_is_on_the_shelf_has_a_flash_sale(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("19.90", 10).await;
    let path = format!("/api/v1/products/{}", product.id);
    let requests = [
        (
            "/api/v1/flash-sales",
            json!({
                "sku_id": product.sku_id, "price": "0.01", "quantity": 1, "ends_at": "2099-01-01T00:00:00Z",
            }),
        ),
        ("/api/seckill/init", json!({ "product_id": product.id, "stock": 1 })),
    ];
    for status in ["draft", "inactive"] {
        shop.admin.patch(&path, &json!({ "status": status })).await.ok(200);
        for (path, body) in &requests {
            shop.admin.post(path, body).await.problem(409, "conflict");
        }
        assert_eq!(shop.regular(&product.sku_id).await, [10, 0, 0]);
        shop.admin.patch(&path, &json!({ "status": "active" })).await.ok(200);
        for (path, body) in &requests {
            let opened = shop.admin.post(path, body).await;
            let close = format!("{}/close", sale_path(opened.str("id")));
            shop.admin.post(&close, &json!({})).await.ok(200);
        }
    }
}

async fn a_product_stays_until_its_flash_sale_is_over(engine: Engine) {
    let shop = Shop::start(engine).await;
    let buyer = shop.buyer("lin").await.client;
    for what in ["scheduled", "running", "paused", "sold out"] {
        let product = shop.product("19.90", 10).await;
        let path = format!("/api/v1/products/{}", product.id);
        let starts_in = if what == "scheduled" { 600 } else { -1 };
        let sale = shop.flash_sale(&product, &FlashSale { starts_in, ..FlashSale::of(1) }).await;
        if what == "paused" {
            shop.admin.post(&format!("{}/pause", sale_path(&sale)), &json!({})).await.ok(200);
        }
        if what == "sold out" {
            buyer.purchase(&sale, 1).send().await.bought();
        }
        let refused = shop.admin.delete(&path).await.problem(409, "conflict");
        assert_eq!(refused["flash_sale_id"], sale, "{what}");
        shop.anonymous().get(&path).await.ok(200);
        if what == "running" {
            let now = OffsetDateTime::now_utc().format(&Rfc3339).expect("a moment can be written");
            shop.admin.patch(&sale_path(&sale), &json!({ "ends_at": now })).await.ok(200);
        } else {
            shop.admin.post(&format!("{}/close", sale_path(&sale)), &json!({})).await.ok(200);
        }
        shop.admin.delete(&path).await.ok(204);
        shop.stock(&product.sku_id).await;
    }
}
