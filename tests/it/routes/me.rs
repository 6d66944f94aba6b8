//! The caller's own account.

use serde_json::{Value, json};
use stampede_tests::{Case, Engine, Shop, per_engine};

use super::auth::{PASSWORD, registration};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![a_visitor_registers_logs_in_and_changes_the_profile]
}

async fn a_visitor_registers_logs_in_and_changes_the_profile(engine: Engine) {
    let shop = Shop::start(engine).await;
    let visitor = shop.anonymous();
    let mut body = registration("lin.yao");
    body["phone"] = json!("+86 138 0013 8000");
    let registered = visitor.post("/api/v1/auth/register", &body).await.ok(201);
    let user = &registered["user"];
    assert_eq!(user["username"], "lin.yao");
    assert_eq!(user["email"], "lin.yao@example.com");
    assert_eq!(user["phone"], "+86 138 0013 8000");
    assert_eq!((&user["role"], &user["status"]), (&json!("user"), &json!("active")));
    assert!(user["id"].is_string() && user["created_at"].is_string(), "{user}");
    assert_eq!(registered["token_type"], "Bearer");
    assert!(registered["expires_in"].as_u64().is_some_and(|seconds| seconds > 0), "{registered}");
    assert!(!registered.to_string().contains(PASSWORD), "a password in an answer");

    for login in ["lin.yao", "lin.yao@example.com", "LIN.YAO"] {
        let body = json!({ "login": login, "password": PASSWORD });
        let answer = visitor.post("/api/v1/auth/login", &body).await.ok(200);
        assert_eq!(answer["user"]["id"], user["id"], "{login}");
        let token = answer["access_token"].as_str().expect("a token");
        let me = visitor.with_token(token).get("/api/v1/me").await.ok(200);
        assert_eq!(me["id"], user["id"]);
    }

    let me = visitor.with_token(registered["access_token"].as_str().expect("a token"));
    let change = json!({ "email": "yao@example.com", "phone": null });
    let changed = me.put("/api/v1/me", &change).await.ok(200);
    assert_eq!((&changed["email"], &changed["phone"]), (&json!("yao@example.com"), &Value::Null));
    let read = me.get("/api/v1/me").await.ok(200);
    assert_eq!((&read["email"], &read["phone"]), (&json!("yao@example.com"), &Value::Null));
}
