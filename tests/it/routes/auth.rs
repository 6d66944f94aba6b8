//! Accounts: registration, login, sessions, and what happens to every kind of bad token.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use stampede_tests::{Case, Client, Engine, SIGNING_KEY, Shop, ShopSetup, per_engine};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![
        a_name_or_address_is_registered_once,
        a_wrong_password_and_an_unknown_user_look_the_same,
        tries_are_counted_by_account_whatever_it_is_called,
        addresses_of_the_shop_itself_are_nobodys,
        a_registration_must_make_sense,
        nobody_makes_themselves_an_administrator,
        bad_tokens_open_nothing,
        an_expired_token_is_told_apart,
        a_session_ends_when_its_user_says_so,
    ]
}

pub(super) const PASSWORD: &str = "a mountain of porcelain cups";

pub(super) fn registration(username: &str) -> Value {
    json!({ "username": username, "email": format!("{username}@example.com"), "password": PASSWORD })
}

async fn a_name_or_address_is_registered_once(engine: Engine) {
    let shop = Shop::start(engine).await;
    let visitor = shop.anonymous();
    visitor.post("/api/v1/auth/register", &registration("lin")).await.ok(201);
    let mut same_name = registration("LIN");
    same_name["email"] = json!("other@example.com");
    visitor.post("/api/v1/auth/register", &same_name).await.problem(409, "conflict");
    let mut same_address = registration("other");
    same_address["email"] = json!("Lin@Example.com");
    visitor.post("/api/v1/auth/register", &same_address).await.problem(409, "conflict");
    // What was refused left nothing behind.
    visitor.post("/api/v1/auth/register", &registration("other")).await.ok(201);

    // Of many at once, one gets the name.
    let tries = (0..16).map(|n| {
        let visitor = visitor.clone();
        let mut body = registration("rush");
        body["email"] = json!(format!("rush{n}@example.com"));
        async move { visitor.post("/api/v1/auth/register", &body).await.status }
    });
    let statuses = futures_util::future::join_all(tries).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    // Hashing is bounded, so some may be told to come back.
    assert!(statuses.iter().all(|status| [201, 409, 503].contains(status)), "{statuses:?}");
}

async fn a_wrong_password_and_an_unknown_user_look_the_same(engine: Engine) {
    let shop = Shop::start(engine).await;
    let buyer = shop.buyer("lin").await;
    let login = |login: &str, password: &str| {
        let body = json!({ "login": login, "password": password });
        let visitor = shop.anonymous();
        async move { visitor.post("/api/v1/auth/login", &body).await.problem(401, "wrong_credentials") }
    };
    let wrong = login(&buyer.username, "not her password").await;
    let unknown = login("nobody.at.all", "not her password").await;
    for member in ["title", "detail", "status", "code"] {
        assert_eq!(wrong[member], unknown[member], "the answers tell whether the account exists");
    }
    login(&buyer.username, "").await;
    login("", buyer.password).await;
}

async fn tries_are_counted_by_account_whatever_it_is_called(engine: Engine) {
    let setup = ShopSetup::new(engine)
        .env("STAMPEDE_LIMITS__ENABLED", "true")
        .env("STAMPEDE_LIMITS__LOGIN_PER_SECOND", "1000")
        .env("STAMPEDE_LIMITS__LOGIN_BURST", "1000")
        .env("STAMPEDE_LIMITS__LOGIN_ACCOUNT_PER_MINUTE", "1")
        .env("STAMPEDE_LIMITS__LOGIN_ACCOUNT_BURST", "4");
    let shop = setup.start().await;
    shop.buyer("lin").await;
    let known = ["lin", "LIN", "lin@example.com", "Lin@Example.com", " lin "];
    // Nobody learns from the limit whether there is an account.
    let unknown = ["wei", "WEI", "wei", "Wei", " wei "];
    for (tries, login) in known.into_iter().enumerate().chain(unknown.into_iter().enumerate()) {
        let body = json!({ "login": login, "password": "not her password" });
        let reply = shop.anonymous().post("/api/v1/auth/login", &body).await;
        if tries < 4 {
            reply.problem(401, "wrong_credentials");
        } else {
            reply.problem(429, "rate_limited");
        }
    }
}

async fn addresses_of_the_shop_itself_are_nobodys(engine: Engine) {
    let shop = Shop::start(engine).await;
    let mut new = registration("lin");
    new["email"] = json!("load-9@load.invalid");
    shop.anonymous().post("/api/v1/auth/register", &new).await.problem(422, "invalid_request");
    let me = shop.buyer("lin").await.client;
    let change = json!({ "email": "Load-9@LOAD.invalid" });
    me.put("/api/v1/me", &change).await.problem(422, "invalid_request");
    assert_eq!(shop.crowd(10).await.len(), 10);
}

async fn a_registration_must_make_sense(engine: Engine) {
    let shop = Shop::start(engine).await;
    let visitor = shop.anonymous();
    for (field, value) in [
        ("username", json!("")),
        ("username", json!("a b")),
        ("username", json!("x".repeat(500))),
        ("username", json!("admin")),
        ("username", json!("a\u{0}b")),
        ("email", json!("no address")),
        ("email", json!(format!("{}@example.com", "x".repeat(500)))),
        ("password", json!("short")),
        ("password", json!("password123")),
        ("password", json!("x".repeat(5_000))),
        ("phone", json!("call me")),
    ] {
        let mut body = registration("lin");
        body[field] = value.clone();
        let problem = visitor.post("/api/v1/auth/register", &body).await.problem(422, "invalid_request");
        let fields: Vec<&Value> =
            problem["errors"].as_array().into_iter().flatten().map(|e| &e["field"]).collect();
        assert!(fields.contains(&&json!(field)), "`{field}` = {value} is not named in {problem}");
        assert!(!problem.to_string().contains("password123"), "a password in an answer");
    }
    visitor.post("/api/v1/auth/register", &registration("lin")).await.ok(201);
}

async fn nobody_makes_themselves_an_administrator(engine: Engine) {
    let shop = Shop::start(engine).await;
    for (field, value) in
        [("role", json!("admin")), ("status", json!("active")), ("id", json!(1)), ("points", json!(1_000))]
    {
        let mut body = registration("lin");
        body[field] = value.clone();
        shop.anonymous().post("/api/v1/auth/register", &body).await.problem(422, "invalid_request");
        let buyer = shop.buyer(&format!("buyer-{field}")).await;
        buyer.client.put("/api/v1/me", &json!({ field: value })).await.problem(422, "invalid_request");
        assert_eq!(buyer.client.get("/api/v1/me").await.ok(200)["role"], "user");
    }
}

/// The claims inside a token, unverified.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a token has three parts");
    let bytes = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).expect("base64");
    serde_json::from_slice(&bytes).expect("claims are JSON")
}

fn signed(claims: &Value, algorithm: Algorithm, key: &str) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key.as_bytes())).expect("a token")
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

async fn refused(client: &Client, token: &str, what: &str) {
    let reply = client.with_token(token).get("/api/v1/me").await;
    assert_eq!(reply.status, 401, "{what} is accepted: {}", reply.text());
    assert!(reply.header("www-authenticate").starts_with("Bearer"), "{what}");
    reply.problem(401, "unauthenticated");
}

async fn bad_tokens_open_nothing(engine: Engine) {
    let shop = Shop::start(engine).await;
    let visitor = shop.anonymous();
    visitor.get("/api/v1/me").await.problem(401, "unauthenticated");
    let buyer = shop.buyer("lin").await;
    let good = buyer.client.token().expect("a token").to_owned();
    let claims = claims(&good);
    let mine = |claims: &Value| signed(claims, Algorithm::HS256, SIGNING_KEY);
    visitor.with_token(&mine(&claims)).get("/api/v1/me").await.ok(200);

    let parts: Vec<&str> = good.split('.').collect();
    let none = data_encoding::BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
    let now = claims["iat"].as_u64().expect("iat");
    for (what, token) in [
        ("no token", String::new()),
        ("nonsense", "nonsense".to_owned()),
        ("three dots", "...".to_owned()),
        ("a very long token", "x".repeat(6_000)),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("alg none", format!("{none}.{}.", parts[1])),
        ("another key", signed(&claims, Algorithm::HS256, "a key that somebody else has made up....")),
        ("another algorithm", signed(&claims, Algorithm::HS512, SIGNING_KEY)),
        ("another audience", mine(&with(&claims, "aud", json!("elsewhere")))),
        ("another issuer", mine(&with(&claims, "iss", json!("elsewhere")))),
        ("from the future", mine(&with(&claims, "nbf", json!(now + 3_600)))),
        ("an unknown role", mine(&with(&claims, "role", json!("emperor")))),
        ("no expiry", mine(&with(&claims, "exp", Value::Null))),
        ("a body of another role", {
            let forged = with(&claims, "role", json!("admin")).to_string();
            let forged = data_encoding::BASE64URL_NOPAD.encode(forged.as_bytes());
            format!("{}.{forged}.{}", parts[0], parts[2])
        }),
    ] {
        refused(&visitor, &token, what).await;
    }
    let basic = |path: &str| {
        let request = visitor.request(hyper::Method::GET, path).header("authorization", "Basic YTpi");
        request.send()
    };
    basic("/api/v1/me").await.problem(401, "unauthenticated");
    // What is public stays so for those whose token is over.
    let public = format!("/api/v1/products/{}", shop.product("10.00", 1).await.id);
    visitor.with_token("nonsense").get(&public).await.ok(200);
    basic(&public).await.ok(200);
}

async fn an_expired_token_is_told_apart(engine: Engine) {
    let shop = Shop::start(engine).await;
    let buyer = shop.buyer("lin").await;
    let claims = claims(buyer.client.token().expect("a token"));
    let now = claims["iat"].as_u64().expect("iat");
    let past = with(&with(&claims, "exp", json!(now - 3_600)), "nbf", json!(now - 7_200));
    let expired = signed(&past, Algorithm::HS256, SIGNING_KEY);
    let client = shop.anonymous().with_token(&expired);
    client.get("/api/v1/me").await.problem(401, "token_expired");
    client.post("/api/v1/orders", &json!({})).await.problem(401, "token_expired");

    // What is public stays so; what may have been shown to its owner does not seem gone.
    let public = shop.product("10.00", 5).await;
    client.get(&format!("/api/v1/products/{}", public.id)).await.ok(200);
    let draft = json!({ "name": "Cup", "price": "1.00", "status": "draft" });
    let draft = shop.admin.post("/api/v1/products", &draft).await.ok(201);
    let [product, sku] = [&draft["id"], &draft["skus"][0]["id"]].map(|id| id.as_str().expect("an id"));
    for path in [format!("/api/v1/products/{product}"), format!("/api/v1/skus/{sku}/stock")] {
        client.get(&path).await.problem(401, "token_expired");
        shop.anonymous().get(&path).await.problem(404, "not_found");
    }
}

async fn a_session_ends_when_its_user_says_so(engine: Engine) {
    let mut shop = Shop::start(engine).await;
    let lin = shop.buyer("lin").await;
    let credentials = json!({ "login": lin.username, "password": lin.password });
    let log_in = async |shop: &Shop| {
        let answer = shop.anonymous().post("/api/v1/auth/login", &credentials).await.ok(200);
        shop.anonymous().with_token(answer["access_token"].as_str().expect("a token"))
    };
    let (first, second) = (log_in(&shop).await, log_in(&shop).await);
    shop.anonymous().post("/api/v1/auth/logout", &json!({})).await.problem(401, "unauthenticated");
    assert_eq!(first.post("/api/v1/auth/logout", &json!({})).await.status, 204);
    first.get("/api/v1/me").await.problem(401, "unauthenticated");
    second.get("/api/v1/me").await.ok(200);
    assert_eq!(second.post("/api/v1/auth/logout-all", &json!({})).await.status, 204);
    for over in [&first, &second, &lin.client] {
        over.get("/api/v1/me").await.problem(401, "unauthenticated");
    }
    // Whoever comes in again is in, and others were never out.
    let third = log_in(&shop).await;
    third.get("/api/v1/me").await.ok(200);
    shop.admin.get("/api/v1/me").await.ok(200);
    let (second, third) =
        (second.token().expect("a token").to_owned(), third.token().expect("a token").to_owned());
    shop.server.restart().await;
    let visitor = shop.anonymous();
    visitor.with_token(&second).get("/api/v1/me").await.problem(401, "unauthenticated");
    visitor.with_token(&third).get("/api/v1/me").await.ok(200);
}
