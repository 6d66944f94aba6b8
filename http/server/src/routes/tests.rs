//! The whole edge through an app: table, layer, extractors and problems together.

use actix_http::Payload;
use actix_web::{
    App, Error, HttpResponse, Route,
    body::{BoxBody, to_bytes},
    dev::{Service, ServiceResponse},
    http::{Method, header::HeaderMap},
    test::{TestRequest, init_service},
    web::{Bytes, Data},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stampede_kernel::{Code, IdempotencyKey, Timestamp, UserId};
use stampede_shop::records::account::Role;
use uuid::Uuid;

use super::{table::mount, *};
use crate::{
    auth::Signer,
    extract::{Admin, Auth, Json, KeyedJson, MaybeCaller, Path, Query, Seller},
    health::Health,
    middleware::Class,
    problem::Problem,
    settings::{HttpSettings, shipped},
    state::EdgeState,
};

/// An edge without a database, with some settings changed.
fn shell(change: impl FnOnce(&mut HttpSettings)) -> Data<EdgeState> {
    let mut settings = shipped();
    change(&mut settings);
    let signer = Signer::new(b"0123456789abcdef0123456789abcdef", &settings.auth).unwrap();
    Data::new(EdgeState::new(&settings, signer, Health::default()))
}

fn token(shell: &EdgeState, user: UserId, role: Role) -> String {
    let now = Timestamp::from(time::OffsetDateTime::now_utc());
    format!("Bearer {}", shell.signer.issue(user, role, Uuid::now_v7(), now).unwrap().access_token)
}

fn somebody() -> UserId {
    UserId(Uuid::now_v7())
}

#[derive(Debug, Serialize, Deserialize)]
struct Purchase {
    quantity: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Page {
    page: u32,
}

fn shown(key: Option<IdempotencyKey>) -> HttpResponse {
    HttpResponse::Ok().json(key.map(|key| (key.key.to_string(), key.body.to_string())))
}

/// Handlers that stand for the shop's.
fn rows() -> Vec<Row> {
    let row = |method, path, class, handler: fn() -> Route| {
        let mut row = Row::undocumented(path, handler);
        (row.method, row.class) = (method, class);
        row
    };
    let mut rows = vec![
        row(Method::POST, "/t/json", Class::Api, || {
            web::to(|body: Json<Purchase>| async move { HttpResponse::Created().json(&body.0) })
        }),
        row(Method::POST, "/t/keyed", Class::Flash, || {
            web::to(|keyed: KeyedJson<Purchase>| async move { shown(keyed.key) })
        }),
        row(Method::POST, "/t/keyed/{id}", Class::Flash, || {
            web::to(|keyed: KeyedJson<Purchase>| async move { shown(keyed.key) })
        }),
        row(Method::GET, "/t/query", Class::Api, || {
            web::to(|query: Query<Page>| async move { query.page.to_string() })
        }),
        row(Method::GET, "/t/path/{id}", Class::Api, || {
            web::to(|id: Path<Uuid>| async move { id.to_string() })
        }),
        row(Method::GET, "/t/user", Class::Api, || {
            web::to(|caller: Auth| async move { caller.user_id.to_string() })
        }),
        row(Method::GET, "/t/seller", Class::Api, || web::to(|_: Seller| async { "seller" })),
        row(Method::GET, "/t/admin", Class::Api, || web::to(|_: Admin| async { "admin" })),
        row(Method::GET, "/t/maybe", Class::Api, || {
            web::to(|caller: MaybeCaller| async move {
                if caller.known().is_some() { "known" } else { "unknown" }
            })
        }),
        row(Method::GET, "/t/large", Class::Free, || {
            web::to(|| async {
                HttpResponse::Ok().content_type("application/json").body("[1,2,3,4]".repeat(1_000))
            })
        }),
        row(Method::POST, "/t/slow", Class::Free, || {
            web::to(|| async { std::future::pending::<HttpResponse>().await })
        }),
        row(Method::GET, "/t/slow", Class::Free, || {
            web::to(|| async { std::future::pending::<HttpResponse>().await })
        }),
        row(Method::GET, "/t/broken", Class::Free, || {
            web::to(|| async {
                Err::<HttpResponse, Problem>(Problem::internal(&std::io::Error::other("SELECT hunter2")))
            })
        }),
    ];
    rows.extend_from_slice(table());
    rows
}

async fn app(
    shell: &Data<EdgeState>,
) -> impl Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error> + use<> {
    let shell = shell.clone();
    init_service(App::new().configure(move |app| {
        mount(app, &shell, rows().iter().collect());
        configure(shell)(app);
    }))
    .await
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn code(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }

    /// Path and code of the first field that is wrong.
    fn field(&self) -> (String, String) {
        let error = &self.json()["errors"][0];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (text("field"), text("code"))
    }
}

async fn send<S>(app: &S, request: TestRequest) -> Answer
where
    S: Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let peer = "192.0.2.1:1234".parse().unwrap();
    let response = app.call(request.peer_addr(peer).to_request()).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: to_bytes(response.into_body()).await.unwrap() }
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

fn post(path: &str, body: &'static str) -> TestRequest {
    TestRequest::post().uri(path).insert_header(("content-type", "application/json")).set_payload(body)
}

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

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
async fn bodies_are_checked_before_a_handler_runs() {
    let app = app(&shell(|config| config.server.body_bytes_max = 64)).await;
    let answer = send(&app, post("/t/json", r#"{"quantity":2}"#)).await;
    assert_eq!((answer.status, answer.json()), (201, json!({"quantity": 2})));
    let answer = send(&app, post("/t/json", "")).await;
    assert_eq!((answer.status, answer.json()), (201, json!({"quantity": null})), "no body is {{}}");

    let answer = send(&app, post("/t/json", r#"{"quantity":2,"price":"0.01"}"#)).await;
    assert_eq!(answer.code(), code(422, "invalid_request"));
    assert_eq!(answer.field(), ("price".into(), "unknown".into()));
    let answer = send(&app, post("/t/json", r#"{"quantity":"two"}"#)).await;
    assert_eq!(answer.field(), ("quantity".into(), "format".into()));

    assert_eq!(send(&app, post("/t/json", "{")).await.code(), code(400, "malformed"));
    let long = Box::leak(format!("{{\"quantity\":{}1}}", " ".repeat(64)).into_boxed_str());
    assert_eq!(send(&app, post("/t/json", long)).await.code(), code(413, "payload_too_large"));
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/json; charset=latin1"),
        ("content-encoding", "gzip"),
    ] {
        let answer = send(&app, post("/t/json", "{}").insert_header((name, value))).await;
        assert_eq!(answer.code(), code(415, "unsupported_media_type"), "{name}: {value}");
    }
    for kind in ["application/json; charset=UTF-8", "application/merge-patch+json"] {
        let answer = send(&app, post("/t/json", "{}").insert_header(("content-type", kind))).await;
        assert_eq!(answer.status, 201, "{kind}");
    }
}

#[actix_web::test]
async fn a_body_that_lies_about_its_length_or_does_not_come_is_refused() {
    let app = app(&shell(|config| {
        config.server.body_bytes_max = 64;
        config.server.body_timeout_ms = 20;
    }))
    .await;
    let chunks = futures_util::stream::iter((0..100).map(|_| Ok(Bytes::from_static(b"        "))));
    let never = futures_util::stream::pending();
    for (body, expected) in [
        (
            Payload::Stream { payload: Box::pin(chunks) as actix_http::BoxedPayloadStream },
            code(413, "payload_too_large"),
        ),
        (Payload::Stream { payload: Box::pin(never) }, code(408, "request_timeout")),
    ] {
        let (request, _) = post("/t/json", "").to_request().replace_payload(body);
        let response = app.call(request).await.unwrap();
        let status = response.status().as_u16();
        let body: Value = serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap();
        assert_eq!((status, body["code"].as_str().unwrap().to_owned()), expected);
    }
}

#[actix_web::test]
async fn paths_and_queries_are_checked() {
    let app = app(&shell(|_| {})).await;
    assert_eq!(send(&app, get("/t/query?page=3&more=1")).await.body, "3");
    let answer = send(&app, get("/t/query?page=x")).await;
    assert_eq!(answer.code(), code(422, "invalid_request"));
    assert_eq!(answer.field(), ("page".into(), "format".into()));
    assert_eq!(send(&app, get("/t/query")).await.field(), ("page".into(), "required".into()));
    let id = Uuid::now_v7();
    assert_eq!(send(&app, get(&format!("/t/path/{id}"))).await.body, id.to_string());
    for bad in ["/t/path/7", "/t/path/%00"] {
        assert_eq!(send(&app, get(bad)).await.code(), code(404, "not_found"), "{bad}");
    }
}

#[actix_web::test]
async fn who_may_call_is_enforced() {
    let shell = shell(|_| {});
    let app = app(&shell).await;
    let user = somebody();
    let with = |role| token(&shell, user, role);
    for (path, role, status) in [
        ("/t/user", Role::User, 200),
        ("/t/user", Role::Admin, 200),
        ("/t/seller", Role::User, 403),
        ("/t/seller", Role::Seller, 200),
        ("/t/seller", Role::Admin, 200),
        ("/t/admin", Role::User, 403),
        ("/t/admin", Role::Seller, 403),
        ("/t/admin", Role::Admin, 200),
        ("/t/maybe", Role::User, 200),
    ] {
        let answer = send(&app, get(path).insert_header(("authorization", with(role)))).await;
        assert_eq!(answer.status, status, "{path} as {role:?}");
    }
    for path in ["/t/user", "/t/seller", "/t/admin"] {
        let answer = send(&app, get(path)).await;
        assert_eq!(answer.code(), code(401, "unauthenticated"), "{path}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{path}");
    }
    assert_eq!(send(&app, get("/t/maybe")).await.body, "unknown");
    let (missing, invalid) = ("Bearer", "Bearer error=\"invalid_token\"");
    for (bad, challenge) in
        [("Bearer", missing), ("Basic abc", missing), ("Bearer x", invalid), ("Bearer a.b.c", invalid)]
    {
        let answer = send(&app, get("/t/user").insert_header(("authorization", bad))).await;
        assert_eq!(answer.code(), code(401, "unauthenticated"), "{bad:?}");
        assert_eq!(answer.header("www-authenticate"), challenge, "{bad:?}");
        let told = answer.json()["detail"] == "The access token is not valid here, or its session is over.";
        assert_eq!(told, challenge == invalid, "{bad:?}");
        // What is public is so for everybody.
        let answer = send(&app, get("/t/maybe").insert_header(("authorization", bad))).await;
        assert_eq!((answer.status, &*answer.body), (200, &b"unknown"[..]), "{bad:?}");
    }
    let long_ago = Timestamp::from_millis(1_700_000_000_000);
    let expired = shell.signer.issue(user, Role::User, Uuid::now_v7(), long_ago).unwrap().access_token;
    let answer =
        send(&app, get("/t/user").insert_header(("authorization", format!("Bearer {expired}")))).await;
    assert_eq!(answer.code(), code(401, "token_expired"));
    assert_eq!(answer.header("www-authenticate"), invalid);
}

#[actix_web::test]
async fn a_key_is_scoped_by_user_and_route_and_knows_its_body() {
    let shell = shell(|config| config.limits.enabled = false);
    let app = app(&shell).await;
    let (alice, bob) = (token(&shell, somebody(), Role::User), token(&shell, somebody(), Role::User));
    let key = async |path: &str, who: &str, key: &str, body: &'static str| {
        let request =
            post(path, body).insert_header(("authorization", who)).insert_header(("idempotency-key", key));
        let answer = send(&app, request).await;
        assert_eq!(answer.status, 200);
        answer.json()
    };
    let first = key("/t/keyed", &alice, "k", "{}").await;
    assert_eq!(key("/t/keyed", &alice, "k", "{}").await, first);
    assert_eq!(key("/t/keyed", &alice, "k", "").await, first, "no body is {{}}");
    let other_body = key("/t/keyed", &alice, "k", r#"{"quantity":1}"#).await;
    assert_eq!((&other_body[0], other_body[1] == first[1]), (&first[0], false));
    for other in [
        key("/t/keyed", &bob, "k", "{}").await,
        key("/t/keyed", &alice, "l", "{}").await,
        key("/t/keyed/1", &alice, "k", "{}").await,
    ] {
        assert_ne!(other[0], first[0]);
    }
    assert_ne!(key("/t/keyed/1", &alice, "k", "{}").await[0], key("/t/keyed/2", &alice, "k", "{}").await[0]);

    let without = send(&app, post("/t/keyed", "{}").insert_header(("authorization", alice.as_str()))).await;
    assert_eq!((without.status, without.json()), (200, Value::Null));
    let keyed = async |key: &str| {
        let value = actix_web::http::header::HeaderValue::from_bytes(key.as_bytes()).unwrap();
        let request = post("/t/keyed", "{}").insert_header(("authorization", alice.as_str()));
        send(&app, request.insert_header(("idempotency-key", value))).await
    };
    for fine in ["two words", "h\u{e9}", "\"k\"", &"k".repeat(255)] {
        assert_eq!(keyed(fine).await.status, 200, "{fine:?}");
    }
    for bad in ["", &"k".repeat(256)] {
        let answer = keyed(bad).await;
        assert_eq!(answer.code(), code(422, "invalid_request"), "{bad:?}");
        assert_eq!(answer.field(), ("Idempotency-Key".into(), "length".into()), "{bad:?}");
    }
    let request = post("/t/keyed", "{}").insert_header(("authorization", alice.as_str()));
    let twice = request.append_header(("idempotency-key", "a")).append_header(("idempotency-key", "b"));
    assert_eq!(send(&app, twice).await.field().1, "duplicate");
    assert_eq!(
        send(&app, post("/t/keyed", "{")).await.code(),
        code(401, "unauthenticated"),
        "who comes first"
    );
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

#[actix_web::test]
async fn operators_find_what_they_need() {
    let app = app(&shell(|_| {})).await;
    let health = send(&app, get("/health")).await;
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("up")));
    send(&app, get("/t/path/7")).await;
    let metrics = send(&app, get("/metrics")).await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    let line = r#"stampede_http_requests_total{method="GET",route="/t/path/{id}",status="404"}"#;
    assert!(text.contains(line), "{text}");
    let line = r#"stampede_http_request_duration_seconds_count{method="GET",route="/t/path/{id}"}"#;
    assert!(text.contains(line), "{text}");
    assert!(!text.contains("/t/path/7"), "no label is what a caller sent");

    let document = send(&app, get("/openapi.json")).await.json();
    assert_eq!(document["info"]["title"], "Stampede");
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[actix_web::test]
async fn the_documentation_runs_under_its_own_strict_policy() {
    let app = app(&shell(|_| {})).await;
    for root in ["/docs", "/swagger"] {
        let answer = send(&app, get(root)).await;
        assert_eq!((answer.status, answer.header("location")), (308, &*format!("{root}/")));
        let page = send(&app, get(&format!("{root}/"))).await;
        assert!(page.header("content-type").starts_with("text/html"));
        let policy = page.header("content-security-policy");
        assert!(policy.contains("script-src 'self';"), "{policy}");
        // Whatever the page loads comes from here, and nothing on it runs from within the page.
        let html = String::from_utf8(page.body.to_vec()).unwrap();
        let mut scripts = 0;
        for tag in html.split("<script").skip(1) {
            let (open, rest) = tag.split_once('>').unwrap();
            assert!(rest.trim_start().starts_with("</script>"), "a script within the page: {rest}");
            let file =
                open.split("src=\"").nth(1).unwrap().split('"').next().unwrap().trim_start_matches("./");
            assert!(!file.contains("//"), "{file}");
            let script = send(&app, get(&format!("{root}/{file}"))).await;
            assert_eq!(script.status, 200, "{file}");
            assert!(script.header("content-type").contains("javascript"), "{file}");
            scripts += 1;
        }
        assert!(scripts > 0, "{html}");
        let start = send(&app, get(&format!("{root}/swagger-initializer.js"))).await;
        assert!(String::from_utf8_lossy(&start.body).contains("/openapi.json"));
    }
    assert_eq!(send(&app, get("/docs/nothing.js")).await.code(), code(404, "not_found"));
}

#[actix_web::test]
async fn every_code_has_a_page() {
    let app = app(&shell(|_| {})).await;
    for code in Code::ALL {
        let page = send(&app, get(&format!("/problems/{code}"))).await;
        assert_eq!(page.status, 200, "{code}");
        assert!(page.header("content-type").starts_with("text/html"));
        let html = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(html.contains(crate::problem::describe(*code).help), "{code}");
    }
    assert_eq!(send(&app, get("/problems/nothing")).await.code(), code(404, "not_found"));
}

/// An address with something in the place of its braces: a number for a shard, else an id.
fn filled(path: &str) -> String {
    let id = if path.contains("/shards/") { "7" } else { "0192f0c1-7c1a-7000-8000-000000000000" };
    let mut path = path.to_owned();
    while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
        path.replace_range(from..=to, id);
    }
    path
}

/// Without the shop's own state a handler that is reached fails, which is enough to know that it was.
#[actix_web::test]
async fn every_route_lets_in_whom_the_table_says() {
    let shell = shell(|config| config.limits.enabled = false);
    let app = app(&shell).await;
    let callers = [None, Some(Role::User), Some(Role::Seller), Some(Role::Admin)];
    for row in table() {
        let path = filled(row.path);
        for caller in callers {
            let allowed = match row.access {
                Access::Public => true,
                Access::User => caller.is_some(),
                Access::Seller => matches!(caller, Some(Role::Seller | Role::Admin)),
                Access::Admin => caller == Some(Role::Admin),
            };
            let mut request = TestRequest::with_uri(&path).method(row.method.clone());
            if let Some(role) = caller {
                request = request.insert_header(("authorization", token(&shell, somebody(), role)));
            }
            let status = send(&app, request).await.status;
            let refused = if caller.is_none() { 401 } else { 403 };
            let as_told = if allowed { status != 401 && status != 403 } else { status == refused };
            assert!(as_told, "{} {} as {caller:?} answers {status}", row.method, row.path);
        }
    }
}

#[actix_web::test]
async fn every_post_refuses_what_it_does_not_know() {
    let shell = shell(|config| config.limits.enabled = false);
    let app = app(&shell).await;
    let admin = token(&shell, somebody(), Role::Admin);
    for row in table().iter().filter(|row| row.method == Method::POST) {
        let sent = |body| post(&filled(row.path), body).insert_header(("authorization", admin.as_str()));
        let answer = send(&app, sent(r#"{"stranger":1}"#)).await;
        assert_eq!(answer.code(), code(422, "invalid_request"), "{}", row.path);
        assert_eq!(answer.field(), ("stranger".into(), "unknown".into()), "{}", row.path);
        let answer = send(&app, sent("{}").insert_header(("content-type", "text/plain"))).await;
        assert_eq!(answer.code(), code(415, "unsupported_media_type"), "{}", row.path);
    }
}

#[actix_web::test]
async fn a_version_is_never_passed_over() {
    let shell = shell(|config| config.limits.enabled = false);
    let app = app(&shell).await;
    let admin = token(&shell, somebody(), Role::Admin);
    let of_sellers = |row: &&Row| matches!(row.access, Access::Seller | Access::Admin);
    for row in table().iter().filter(of_sellers).filter(|row| row.method != Method::GET) {
        let versioned = row.path.ends_with("/products/{id}") || row.path == "/api/product/{id}";
        for (expected, refused) in [("\"999\"", !versioned), ("W/\"1\"", true), ("*", false)] {
            let request = TestRequest::with_uri(&filled(row.path)).method(row.method.clone());
            let request = request.insert_header(("authorization", admin.as_str()));
            let answer = send(&app, request.insert_header(("if-match", expected))).await;
            assert_eq!(answer.status == 412, refused, "{} {} {expected}", row.method, row.path);
        }
    }
}

#[test]
fn no_address_and_method_stands_twice_in_the_table() {
    let rows = table();
    for (place, row) in rows.iter().enumerate() {
        let same = |other: &&Row| other.path == row.path && other.method == row.method;
        assert!(!rows[place + 1..].iter().any(|other| same(&other)), "{} {}", row.method, row.path);
    }
}

#[test]
fn every_canonical_address_of_a_twin_is_in_the_table() {
    let rows = table();
    for row in rows {
        if let Some(alias_of) = row.alias_of {
            assert!(
                rows.iter().any(|other| other.path == alias_of && other.method == row.method),
                "{} {} stands for {alias_of}, which is not there",
                row.method,
                row.path
            );
        }
    }
}
