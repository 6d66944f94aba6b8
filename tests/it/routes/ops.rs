//! What operators and their tools ask a node: its health, its metrics, the description of the interface.

use hyper::Method;
use serde_json::json;
use stampede_tests::{Case, Engine, Postgres, Proxy, Shop, ShopSetup, eventually, once, per_engine};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    let both = per_engine![
        the_probes_answer,
        the_metrics_have_the_promised_names,
        the_interface_describes_itself,
        every_code_has_a_page,
        every_answer_carries_the_common_headers,
    ];
    let once = once![a_lost_database_makes_the_node_not_ready];
    [both, once].concat()
}

async fn the_probes_answer(engine: Engine) {
    let shop = Shop::start(engine).await;
    let visitor = shop.anonymous();
    visitor.get("/live").await.ok(200);
    visitor.get("/ready").await.ok(200);
    let health = visitor.get("/health").await.ok(200);
    assert!(health.to_string().contains("database"), "every component is named: {health}");
}

async fn a_lost_database_makes_the_node_not_ready() {
    let postgres = Postgres::shared().await;
    let database = postgres.create_database().await;
    let proxy = Proxy::start(postgres.port()).await;
    let shop = ShopSetup::new(Engine::Postgres).database_url(&proxy.url(&database)).start().await;
    let visitor = shop.anonymous();
    visitor.get("/ready").await.ok(200);
    proxy.refuse();
    let lost = || async { (visitor.get("/ready").await.status == 503).then_some(()) };
    eventually(lost, "the node is not ready without its database").await;
    visitor.get("/live").await.ok(200);
    assert_eq!(visitor.get("/health").await.status, 503);
    proxy.pass();
    let back = || async { (visitor.get("/ready").await.status == 200).then_some(()) };
    eventually(back, "the node is ready again").await;
}

async fn the_metrics_have_the_promised_names(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("10.00", 5).await;
    let me = shop.buyer("zhuge").await.client;
    shop.order(&me, &product, 1).await;
    shop.admin.post("/api/seckill/init", &json!({ "product_id": product.id, "stock": 1 })).await;
    me.post("/api/seckill", &json!({ "product_id": product.id })).await;
    me.post("/api/seckill", &json!({ "product_id": product.id })).await;
    let reply = shop.anonymous().get("/metrics").await;
    assert!(reply.header("content-type").starts_with("text/plain"), "{:?}", reply.headers);
    let text = reply.text();
    for name in [
        "stampede_http_requests_total",
        "stampede_http_request_duration_seconds_bucket",
        "stampede_orders_created_total",
        "stampede_seckill_requests_total",
        "stampede_seckill_success_total",
        "stampede_user_logins_total",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "no `{name}` in\n{text}");
    }
    let value = |name: &str| -> f64 {
        let samples = text.lines().filter(|line| line.starts_with(name));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    assert!((value("stampede_seckill_requests_total") - 2.0).abs() < 0.5, "{text}");
    assert!((value("stampede_seckill_success_total") - 1.0).abs() < 0.5, "{text}");
    assert!(text.contains("/api/v1/orders"), "requests are counted by route");
    assert!(!text.contains(&product.sku_id) && !text.contains("zhuge"), "no label on an unbounded set");
}

async fn the_interface_describes_itself(engine: Engine) {
    let shop = Shop::start(engine).await;
    let visitor = shop.anonymous();
    let document = visitor.get("/openapi.json").await.ok(200);
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")), "{document}");
    for path in [
        "/api/v1/auth/register",
        "/api/v1/auth/login",
        "/api/v1/me",
        "/api/v1/products",
        "/api/v1/orders",
        "/api/v1/cart",
        "/api/v1/flash-sales",
        "/api/v1/flash-sales/{id}/purchase",
        "/api/v1/skus/{id}/stock",
    ] {
        assert!(document["paths"].get(path).is_some(), "`{path}` is not described");
    }
    for page in ["/docs", "/swagger"] {
        let mut path = page.to_owned();
        let mut reply = visitor.get(&path).await;
        if (300..400).contains(&reply.status) {
            reply.header("location").clone_into(&mut path);
            reply = visitor.get(&path).await;
        }
        assert_eq!(reply.status, 200, "{page}");
        assert!(reply.header("content-type").starts_with("text/html"), "{page}: {:?}", reply.headers);
        let text = reply.text();
        for away in ["src=\"http", "href=\"http", "src=\"//"] {
            assert!(!text.contains(away), "{page} loads something from elsewhere");
        }
    }
}

async fn every_code_has_a_page(engine: Engine) {
    let shop = Shop::start(engine).await;
    let visitor = shop.anonymous();
    for code in [
        "unauthenticated",
        "token_expired",
        "wrong_credentials",
        "forbidden",
        "not_found",
        "method_not_allowed",
        "request_timeout",
        "payload_too_large",
        "unsupported_media_type",
        "invalid_request",
        "idempotency_mismatch",
        "malformed",
        "paused",
        "conflict",
        "version_conflict",
        "sold_out",
        "limit_reached",
        "not_started",
        "ended",
        "insufficient_stock",
        "order_state",
        "amount_mismatch",
        "coupon_invalid",
        "reservation_expired",
        "rate_limited",
        "overloaded",
        "unavailable",
        "outcome_unknown",
        "internal",
    ] {
        let page = visitor.get(&format!("/problems/{code}")).await;
        assert_eq!(page.status, 200, "{code}");
        assert!(page.text().contains(code), "{code}: {}", page.text());
    }
    visitor.get("/problems/x").await.problem(404, "not_found");
}

async fn every_answer_carries_the_common_headers(engine: Engine) {
    let shop = Shop::start(engine).await;
    let visitor = shop.anonymous();
    for path in ["/live", "/api/v1/products", "/api/v1/nowhere", "/api/v1/me", "/docs", "/metrics"] {
        let reply = visitor.get(path).await;
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        for name in ["x-request-id", "date", "referrer-policy"] {
            assert!(!reply.header(name).is_empty(), "{path}: no `{name}`");
        }
        let framed = reply.header("x-frame-options") == "DENY"
            || reply.header("content-security-policy").contains("frame-ancestors 'none'");
        assert!(framed, "{path} may be framed: {:?}", reply.headers);
    }
    let with_id = |id: &'static str| {
        let visitor = visitor.clone();
        async move {
            let request = visitor.request(Method::GET, "/live").header("x-request-id", id);
            request.send().await.header("x-request-id").to_owned()
        }
    };
    assert_eq!(with_id("client-7f3a.1").await, "client-7f3a.1", "a sane id is the caller's");
    for odd in ["a b\"{}", "<script>", "x y z"] {
        assert_ne!(with_id(odd).await, odd, "an odd id is replaced");
    }
    assert_ne!(
        visitor.get("/live").await.header("x-request-id"),
        visitor.get("/live").await.header("x-request-id")
    );
}
