//! The layer around every route.

use super::*;

#[actix_web::test]
async fn every_answer_carries_its_id_and_the_security_headers() {
    let app = app(&shell(|config| config.server.hsts = true)).await;
    for path in ["/live", "/nowhere", "/t/user", "/t/broken", "/docs/"] {
        let answer = send(&app, get(path).insert_header(("x-request-id", "given-1"))).await;
        assert_eq!(answer.header("x-request-id"), "given-1", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert!(answer.header("strict-transport-security").contains("max-age"), "{path}");
        assert!(!answer.header("cache-control").is_empty(), "{path}");
    }
    let first = send(&app, get("/live").insert_header(("x-request-id", "<bad>"))).await;
    let second = send(&app, get("/live")).await;
    assert_eq!(first.header("x-request-id").len(), 36);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

#[actix_web::test]
async fn problems_name_the_request_and_nothing_of_the_cause() {
    let app = app(&shell(|_| {})).await;
    let answer = send(&app, get("/t/broken").insert_header(("x-request-id", "given-2"))).await;
    assert_eq!(answer.code(), code(500, "internal"));
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["request_id"], "given-2");
    assert_eq!(answer.json()["type"], "/problems/internal");
    assert!(!String::from_utf8_lossy(&answer.body).contains("hunter2"));
}

#[actix_web::test]
async fn strange_addresses_and_methods_are_refused() {
    let app = app(&shell(|_| {})).await;
    assert_eq!(send(&app, get("/nowhere")).await.code(), code(404, "not_found"));
    assert_eq!(send(&app, get("/api/v1/nowhere")).await.code(), code(404, "not_found"));
    let answer = send(&app, TestRequest::delete().uri("/live")).await;
    assert_eq!(answer.code(), code(405, "method_not_allowed"));
    assert_eq!(answer.header("allow"), "GET, HEAD");
    assert_eq!(send(&app, TestRequest::with_uri("/live").method(Method::HEAD)).await.status, 200);
}

#[actix_web::test]
async fn callers_are_limited_each_by_themselves() {
    let shell = shell(|config| config.limits.flash_burst = 2);
    let app = app(&shell).await;
    let (alice, bob) = (token(&shell, somebody(), Role::User), token(&shell, somebody(), Role::User));
    let buy =
        async |who: &str| send(&app, post("/t/keyed", "{}").insert_header(("authorization", who))).await;
    assert_eq!([buy(&alice).await.status, buy(&alice).await.status], [200, 200]);
    let refused = buy(&alice).await;
    assert_eq!(refused.code(), code(429, "rate_limited"));
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit-limit")), ("1", "2"));
    assert_eq!(refused.json()["request_id"], refused.header("x-request-id"));
    assert_eq!(buy(&bob).await.status, 200);
    // A token that is not valid is no way around: then the address counts.
    for n in 0..2 {
        assert_eq!(buy(&format!("Bearer {n}")).await.status, 401);
    }
    assert_eq!(buy("Bearer 3").await.status, 429);
}

#[actix_web::test]
async fn origins_that_are_allowed_may_call_from_a_browser() {
    let app = app(&shell(|config| config.cors.allowed_origins = vec!["https://shop.example".into()])).await;
    let preflight = |origin: &'static str| {
        TestRequest::with_uri("/t/json")
            .method(Method::OPTIONS)
            .insert_header(("origin", origin))
            .insert_header(("access-control-request-method", "POST"))
    };
    let answer = send(&app, preflight("https://shop.example")).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), "https://shop.example");
    assert_eq!(answer.header("access-control-allow-methods"), "POST");
    assert!(answer.header("access-control-allow-headers").contains("idempotency-key"));
    let answer = send(&app, preflight("https://evil.example")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert_eq!(answer.header("access-control-allow-methods"), "");

    let answer = send(&app, get("/t/user").insert_header(("origin", "https://shop.example"))).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (401, "https://shop.example"));
    assert_eq!(answer.header("vary"), "Origin");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}

#[actix_web::test]
async fn without_a_setting_no_origin_is_allowed() {
    let app = app(&shell(|_| {})).await;
    let answer = send(&app, get("/live").insert_header(("origin", "https://shop.example"))).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    let request = TestRequest::with_uri("/live").method(Method::OPTIONS);
    let request = request.insert_header(("origin", "https://shop.example"));
    let answer = send(&app, request.insert_header(("access-control-request-method", "GET"))).await;
    assert_eq!(answer.status, 405);
}

#[actix_web::test]
async fn only_large_answers_are_compressed_and_only_on_demand() {
    let app = app(&shell(|_| {})).await;
    let plain = send(&app, get("/t/large")).await;
    assert_eq!((plain.header("content-encoding"), plain.body.len()), ("", 9_000));
    for (accepted, encoding) in [("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("gzip, br", "br")] {
        let answer = send(&app, get("/t/large").insert_header(("accept-encoding", accepted))).await;
        assert_eq!(answer.header("content-encoding"), encoding);
        assert!(answer.body.len() < 1_000, "{encoding}: {}", answer.body.len());
        assert_eq!(answer.header("vary"), "accept-encoding");
    }
    let small = send(&app, get("/t/user").insert_header(("accept-encoding", "gzip"))).await;
    assert_eq!(small.header("content-encoding"), "");
    let identity = send(&app, get("/t/large").insert_header(("accept-encoding", "identity"))).await;
    assert_eq!(identity.header("content-encoding"), "");
}

#[actix_web::test]
async fn a_handler_that_hangs_leaves_the_outcome_open() {
    let app = app(&shell(|config| config.server.handler_timeout_ms = 10)).await;
    let answer = send(&app, post("/t/slow", "{}")).await;
    assert_eq!(answer.code(), code(503, "outcome_unknown"));
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(send(&app, get("/t/slow")).await.code(), code(503, "unavailable"));
}

#[actix_web::test]
async fn a_node_that_goes_away_says_so() {
    let shell = shell(|_| {});
    let app = app(&shell).await;
    assert_eq!(send(&app, get("/ready")).await.code(), code(503, "unavailable"));
    shell.readiness.set_ready();
    assert_eq!(send(&app, get("/ready")).await.status, 200);
    shell.readiness.set_draining();
    assert_eq!(send(&app, get("/ready")).await.status, 503);
    let answer = app.call(get("/live").to_request()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.response().head().upgrade() || !answer.response().head().keep_alive());
}
