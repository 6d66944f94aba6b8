//! The log.

use serde_json::json;
use stampede_tests::{Case, Engine, ShopSetup, per_engine};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![secrets_stay_out_of_the_log]
}

async fn secrets_stay_out_of_the_log(engine: Engine) {
    let setup = ShopSetup::new(engine).env("STAMPEDE_TELEMETRY__LEVEL", "debug");
    let mut shop = setup.start().await;
    let body = json!({
        "username": "lin", "email": "lin@example.com", "password": "a mountain of porcelain cups", "phone": "13800138000",
    });
    let answer = shop.anonymous().post("/api/v1/auth/register", &body).await.ok(201);
    let token = answer["access_token"].as_str().expect("a token").to_owned();
    shop.anonymous().with_token(&token).get("/api/v1/me").await.ok(200);
    let wrong = json!({ "login": "lin", "password": "a mountain of paper cups" });
    shop.anonymous().post("/api/v1/auth/login", &wrong).await.problem(401, "wrong_credentials");
    shop.server.sigterm().await;
    let log = shop.server.log();
    for secret in [
        "mountain of",
        "13800138000",
        token.as_str(),
        stampede_tests::ADMIN_PASSWORD,
        stampede_tests::SIGNING_KEY,
    ] {
        assert!(!log.contains(secret), "the log holds a secret: {secret}");
    }
}
