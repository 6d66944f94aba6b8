//! What no client should send: each gets a clear problem with the right code, and never a 500.

use hyper::Method;
use serde_json::{Value, json};
use stampede_tests::{Case, Client, Engine, Shop, per_engine, shown};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![
        bodies_that_are_no_json_are_malformed,
        bodies_of_another_type_or_size_are_refused,
        values_of_the_wrong_kind_are_named,
        faults_are_told_in_words_for_people,
        quantities_have_bounds,
        unknown_fields_are_refused,
        unknown_ids_are_not_found,
        odd_text_is_kept_or_refused_but_never_breaks,
        odd_keys_are_refused,
        broken_http_is_answered_or_hung_up_on,
    ]
}

/// Routes that take a JSON body, with one that would do.
fn posts(product: &str, sku: &str) -> Vec<(Method, String, Value)> {
    vec![
        (Method::POST, "/api/v1/auth/login".into(), json!({ "login": "lin", "password": "x" })),
        (
            Method::POST,
            "/api/v1/auth/register".into(),
            json!({ "username": "lin", "email": "a@b.c", "password": "x" }),
        ),
        (Method::POST, "/api/v1/orders".into(), json!({ "items": [{ "sku_id": sku, "quantity": 1 }] })),
        (Method::POST, "/api/v1/cart/items".into(), json!({ "sku_id": sku, "quantity": 1 })),
        (Method::PUT, "/api/v1/me".into(), json!({})),
        (Method::POST, "/api/v1/products".into(), json!({ "name": "Cup", "price": "1.00" })),
        (Method::PUT, format!("/api/v1/products/{product}"), json!({ "name": "Cup", "price": "1.00" })),
        (Method::POST, format!("/api/v1/skus/{sku}/stock/restock"), json!({ "quantity": 1 })),
        (Method::POST, "/api/v1/flash-sales".into(), json!({ "sku_id": sku })),
        (Method::POST, "/api/order".into(), json!({ "product_id": product, "quantity": 1 })),
        (Method::POST, "/api/cart".into(), json!({ "product_id": product, "quantity": 1 })),
        (Method::POST, "/api/seckill".into(), json!({ "product_id": product })),
        (Method::POST, "/api/seckill/init".into(), json!({ "product_id": product, "stock": 1 })),
    ]
}

/// A shop with a product; the administrator, whom every route lets in, sends.
async fn stage(engine: Engine) -> (Shop, Client, Vec<(Method, String, Value)>) {
    let shop = Shop::start(engine).await;
    let product = shop.product("10.00", 5).await;
    let admin = shop.admin.clone();
    (shop, admin, posts(&product.id, &product.sku_id))
}

async fn bodies_that_are_no_json_are_malformed(engine: Engine) {
    let (_shop, admin, posts) = stage(engine).await;
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    for (method, path, _) in &posts {
        for body in
            [&b"{"[..], b"not json", b"{\"a\":}", b"\xff\xfe", b"{\"a\":\"\xc3\x28\"}", deep.as_bytes()]
        {
            let request = admin.request(method.clone(), path).bytes("application/json", body.to_vec());
            request.send().await.problem(400, "malformed");
        }
        let nothing = admin.request(method.clone(), path).send().await;
        // An account of which nothing changes is the only one of these that needs no field.
        if path == "/api/v1/me" {
            nothing.ok(200);
        } else {
            assert_eq!(nothing.problem(400, "malformed")["detail"], "The body is missing.");
        }
    }
}

async fn bodies_of_another_type_or_size_are_refused(engine: Engine) {
    let (_shop, admin, posts) = stage(engine).await;
    for (method, path, good) in &posts {
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
            let request = admin.request(method.clone(), path).bytes(content_type, good.to_string());
            request.send().await.problem(415, "unsupported_media_type");
        }
        let large = format!("{{\"note\":\"{}\"}}", "x".repeat(1 << 20));
        let request = admin.request(method.clone(), path).bytes("application/json", large);
        request.send().await.problem(413, "payload_too_large");
    }
}

async fn values_of_the_wrong_kind_are_named(engine: Engine) {
    let (_shop, admin, posts) = stage(engine).await;
    for (method, path, good) in &posts {
        for body in [json!([]), json!("text"), json!(7), Value::Null] {
            let request = admin.request(method.clone(), path).json(&body);
            request.send().await.problem(422, "invalid_request");
        }
        for (field, _) in good.as_object().into_iter().flatten() {
            let mut body = good.clone();
            body[field] = json!({ "of": ["another", "kind"] });
            let request = admin.request(method.clone(), path).json(&body);
            request.send().await.problem(422, "invalid_request");
        }
    }
}

async fn faults_are_told_in_words_for_people(engine: Engine) {
    let (_shop, admin, _) = stage(engine).await;
    let cup = |field: &str, value: Value| {
        let mut body = json!({ "name": "Cup", "price": "1.00" });
        body[field] = value;
        body
    };
    for (path, body, field, code, detail) in [
        ("/api/v1/products", cup("stock", json!("two")), "stock", "format", "Expected a whole number."),
        ("/api/v1/products", cup("tags", json!({})), "tags", "format", "Expected a list."),
        ("/api/v1/products", cup("specs", json!("x")), "specs", "format", "Expected an object."),
        ("/api/v1/products", cup("category_id", json!("x")), "category_id", "format", "Expected an id."),
        (
            "/api/v1/products",
            cup("stock", json!(-1)),
            "stock",
            "out_of_range",
            "Must be from 0 to 1000000000.",
        ),
        (
            "/api/v1/products",
            cup("skus", json!([{}, { "stock": -1 }])),
            "skus[1].stock",
            "out_of_range",
            "Must be from 0 to 1000000000.",
        ),
        (
            "/api/v1/products",
            cup("skus", json!([{ "price": "x" }])),
            "skus[0].price",
            "format",
            "Must be an amount: an amount is a decimal number such as \"19.90\".",
        ),
    ] {
        let problem = admin.post(path, &body).await.problem(422, "invalid_request");
        let told = json!([{ "field": field, "code": code, "detail": detail }]);
        assert_eq!(problem["errors"], told, "{body}");
    }
    let problem = admin.get("/api/v1/products?page=two").await.problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["detail"], "Expected a whole number in digits.");
}

async fn quantities_have_bounds(engine: Engine) {
    let (shop, admin, posts) = stage(engine).await;
    let huge: Value = serde_json::from_str("1e400").unwrap_or(json!(1e300));
    let bad = [
        json!(-1),
        json!(0),
        json!(1.5),
        json!("2"),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(i64::MIN),
        huge,
    ];
    for (method, path, good) in &posts {
        for quantity in &bad {
            let mut body = good.clone();
            if body["items"].is_array() {
                body["items"][0]["quantity"] = quantity.clone();
            } else if body["quantity"].is_number() {
                body["quantity"] = quantity.clone();
            } else {
                continue;
            }
            let request = admin.request(method.clone(), path).json(&body);
            request.send().await.problem(422, "invalid_request");
        }
    }
    let product = json!({ "name": "Cup", "price": "1.00" });
    for price in ["-1.00", "0.00", "1.001", "1e3", "NaN", "99999999999999999999.00", "", " 1.00", "¥1"] {
        let mut body = product.clone();
        body["price"] = json!(price);
        admin.post("/api/v1/products", &body).await.problem(422, "invalid_request");
    }
    for stock in [json!(-1), json!(i64::MAX), json!(0.5)] {
        let mut body = product.clone();
        body["stock"] = stock;
        admin.post("/api/v1/products", &body).await.problem(422, "invalid_request");
    }
    for price in ["1_0", "+1.00", ".5", "5."] {
        let mut body = product.clone();
        body["price"] = json!(price);
        admin.post("/api/v1/products", &body).await.problem(422, "invalid_request");
    }
    // A list is not taken for an object, whose members it might fill in their order.
    let mut listed = product.clone();
    listed["skus"] = json!([["A", null, null, null, 5]]);
    admin.post("/api/v1/products", &listed).await.problem(422, "invalid_request");
    let sku = admin.post("/api/v1/products", &product).await.ok(201)["skus"][0]["id"].clone();
    let listed = json!({ "items": [[sku, 1]] });
    shop.admin.post("/api/v1/orders", &listed).await.problem(422, "invalid_request");
    let items = json!({ "items": [] });
    shop.admin.post("/api/v1/orders", &items).await.problem(422, "invalid_request");
}

async fn unknown_fields_are_refused(engine: Engine) {
    let (_shop, admin, posts) = stage(engine).await;
    for (method, path, good) in &posts {
        for field in ["price_override", "user_id", "role", "paid", "__proto__", ""] {
            let mut body = good.clone();
            body[field] = json!("mine");
            let request = admin.request(method.clone(), path).json(&body);
            request.send().await.problem(422, "invalid_request");
        }
    }
}

async fn unknown_ids_are_not_found(engine: Engine) {
    let (shop, admin, _) = stage(engine).await;
    let unknown = uuid::Uuid::now_v7().to_string();
    for id in [
        unknown.as_str(),
        "1",
        "not-an-id",
        "%00",
        "..%2f..%2fetc",
        "'%20OR%201=1",
        "00000000-0000-0000-0000-000000000000",
    ] {
        for path in ["/api/v1/products", "/api/v1/flash-sales", "/api/product"] {
            shop.anonymous().get(&format!("{path}/{id}")).await.problem(404, "not_found");
        }
        shop.anonymous().get(&format!("/api/v1/skus/{id}/stock")).await.problem(404, "not_found");
        for path in ["/api/v1/orders", "/api/order"] {
            admin.get(&format!("{path}/{id}")).await.problem(404, "not_found");
            admin.post(&format!("{path}/{id}/pay"), &json!({})).await.problem(404, "not_found");
        }
        let purchase = format!("/api/v1/flash-sales/{id}/purchase");
        admin.post(&purchase, &json!({})).await.problem(404, "not_found");
    }
    let lines = json!({ "items": [{ "sku_id": unknown, "quantity": 1 }] });
    admin.post("/api/v1/orders", &lines).await.problem(404, "not_found");
    shop.anonymous().get("/api/v1/nowhere").await.problem(404, "not_found");
    shop.anonymous().get("/nowhere").await.problem(404, "not_found");
    let reply = shop.anonymous().delete("/api/v1/products").await;
    assert!(reply.header("allow").contains("GET"), "{:?}", reply.headers);
    reply.problem(405, "method_not_allowed");
}

async fn odd_text_is_kept_or_refused_but_never_breaks(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("10.00", 100).await;
    let me = shop.buyer("lin").await.client;
    let order = |note: String| {
        // Built as text, because a lone surrogate has no other form.
        let body = format!(r#"{{"items":[{{"sku_id":"{}","quantity":1}}],"note":{note}}}"#, product.sku_id);
        me.request(Method::POST, "/api/v1/orders").bytes("application/json", body).send()
    };
    let emoji = "🐃".repeat(255);
    for kept in [
        emoji.as_str(),
        "سلام",
        "\u{202e}right to left",
        "a'; DROP TABLE orders; --",
        "\\ \" / <b>",
        "é\u{301}",
    ] {
        let placed = order(json!(kept).to_string()).await.bought();
        assert_eq!(shown(&me, &placed).await["note"], kept);
    }
    order(r#""a\u0000b""#.to_owned()).await.problem(422, "invalid_request");
    order(json!("x".repeat(501)).to_string()).await.problem(422, "invalid_request");
    for lone in [r#""\ud800""#, r#""\udc00\ud800""#] {
        order(lone.to_owned()).await.problem(400, "malformed");
    }
    let named = json!({ "name": "a\u{0}b", "price": "1.00" });
    shop.admin.post("/api/v1/products", &named).await.problem(422, "invalid_request");
    let path = format!("/api/v1/skus/{}/stock/adjust", product.sku_id);
    let reason = json!({ "delta": 1, "reason": "a\u{0}b" });
    shop.admin.post(&path, &reason).await.problem(422, "invalid_request");
    assert_eq!(shop.stock(&product.sku_id).await["received"], 100);
    // A zero byte in a query must not reach the database either.
    let found = shop.anonymous().get("/api/v1/products?keyword=%00").await;
    assert!(found.status < 500, "{}", found.text());
}

async fn odd_keys_are_refused(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("10.00", 5).await;
    let body = json!({ "items": [{ "sku_id": product.sku_id, "quantity": 1 }] });
    let long = "k".repeat(256);
    for key in ["", long.as_str()] {
        let request = shop.admin.request(Method::POST, "/api/v1/orders").json(&body).key(key);
        request.send().await.problem(422, "invalid_request");
    }
    let longest = "k".repeat(255);
    shop.admin.request(Method::POST, "/api/v1/orders").json(&body).key(&longest).send().await.ok(201);
}

async fn broken_http_is_answered_or_hung_up_on(engine: Engine) {
    let shop = Shop::start(engine).await;
    let visitor = shop.anonymous();
    let header = format!("GET /live HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET /live HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: b\r\n".repeat(5_000));
    for bytes in [
        &b"\r\n\r\n"[..],
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /live HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        header.as_bytes(),
        many.as_bytes(),
    ] {
        if let Some(reply) = visitor.raw(bytes).await {
            assert!((400..500).contains(&reply.status), "{}: {}", reply.status, reply.text());
        }
    }
    visitor.get("/live").await.ok(200);
}
