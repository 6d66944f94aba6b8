//! What is taken from a request before its handler runs.

use super::*;

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
