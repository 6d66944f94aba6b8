//! Hostile text in the middle of other people's purchases: it is refused or kept, and harms nobody.

use hyper::Method;
use serde_json::{Value, json};
use stampede_tests::{Case, Client, Engine, FlashSale, Product, Shop, Traffic, per_engine, shown};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![
        hostile_notes_harm_nobody,
        hostile_keys_harm_nobody,
        hostile_reasons_harm_nobody,
        hostile_names_and_terms_harm_nobody,
    ]
}

/// Buyers of the others.
const OTHERS: usize = 8;

/// A shop in the middle of a sale, and the one who means it harm.
async fn stage(engine: Engine) -> (Shop, Product, Client, Traffic) {
    let shop = Shop::start(engine).await;
    let product = shop.product("19.90", 101_000).await;
    let sale = FlashSale { per_user_limit: 10_000, ..FlashSale::of(100_000) };
    let sale = shop.flash_sale(&product, &sale).await;
    let others = Traffic::start(&shop.crowd(OTHERS).await, &sale, true).await;
    let villain = shop.buyer("villain").await.client;
    (shop, product, villain, others)
}

/// No other's purchase failed, nothing was lost, and the villain holds so many units.
async fn ends_well(shop: &Shop, product: &Product, others: Traffic, held: i64) {
    others.goes_on().await;
    others.troubled_by(&[]);
    others.ends_well(shop, &product.sku_id).await;
    assert_eq!(shop.regular(&product.sku_id).await[1], held);
}

/// Text that a client must escape to send, and what is to come of it.
fn texts() -> Vec<(String, bool)> {
    let fine = [
        "\u{1F9E8}".repeat(255),
        "'; DROP TABLE orders; --".to_owned(),
        "\"}]}\\u0000".to_owned(),
        "\\".repeat(255),
        "{{7*7}} ${jndi:ldap://x} <script>alert(1)</script>".to_owned(),
        "\u{202E}\u{200B}\u{FEFF}\u{FFFF}\u{10FFFF}".to_owned(),
        "e\u{301}\u{301}\u{301}".repeat(80),
    ];
    let refused = ["\0".to_owned(), "a\0b".to_owned(), "x".repeat(501), "\u{1F9E8}".repeat(501)];
    fine.into_iter().map(|text| (text, true)).chain(refused.into_iter().map(|text| (text, false))).collect()
}

/// JSON that holds half a character, in place of a text.
const SURROGATES: [&str; 5] = [r"\ud800", r"\udfff", r"\udc00\ud800", r"a\ud83e", r"\ud83e\u0041"];

async fn hostile_notes_harm_nobody(engine: Engine) {
    let (shop, product, villain, others) = stage(engine).await;
    let body = |note: &str| json!({ "items": [{ "sku_id": product.sku_id, "quantity": 1 }], "note": note });
    let mut held = 0;
    for (note, fine) in texts() {
        let reply = villain.post("/api/v1/orders", &body(&note)).await;
        if fine {
            let order = reply.bought();
            held += 1;
            let shown = shown(&villain, &order).await;
            assert_eq!(shown["note"], note, "a note is kept as it is");
        } else {
            reply.problem(422, "invalid_request");
        }
        others.goes_on().await;
    }
    for half in SURROGATES {
        let text = body("HERE").to_string().replace("HERE", half);
        let reply = villain.request(Method::POST, "/api/v1/orders").bytes("application/json", text);
        let reply = reply.send().await;
        assert!([400, 422].contains(&reply.status), "{half}: {} {}", reply.status, reply.text());
    }
    ends_well(&shop, &product, others, held).await;
}

async fn hostile_keys_harm_nobody(engine: Engine) {
    let (shop, product, villain, others) = stage(engine).await;
    let body = json!({ "items": [{ "sku_id": product.sku_id, "quantity": 1 }] }).to_string();
    let mut held = 0;
    let long = "k".repeat(255);
    for key in
        [&long[..], "'", "\"", "\"; DROP TABLE journal; --", "\\u0000", "%00", "{}", "a,b;c=d", "~!@#$^&*()"]
    {
        let request = || villain.request(Method::POST, "/api/v1/orders").key(key);
        let first = request().bytes("application/json", body.clone()).send().await.bought();
        let again = request().bytes("application/json", body.clone()).send().await;
        assert_eq!(again.header("idempotent-replayed"), "true", "{key}");
        assert_eq!(again.bought()["order_no"], first["order_no"], "{key}");
        held += 1;
        others.goes_on().await;
    }
    let too_long = "k".repeat(256);
    let request = villain.request(Method::POST, "/api/v1/orders").key(&too_long);
    request.bytes("application/json", body.clone()).send().await.problem(422, "invalid_request");

    // What no tidy client can send. Bytes past ASCII may be taken or refused; a zero never passes.
    let token = villain.token().expect("a token");
    let raw = async |key: &[u8]| {
        let head = format!(
            "POST /api/v1/orders HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nidempotency-key: ",
            body.len()
        );
        villain.raw(&[head.as_bytes(), key, b"\r\n\r\n", body.as_bytes()].concat()).await
    };
    for key in ["\u{1F9E8}".as_bytes(), "钥匙".as_bytes(), b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80"] {
        let reply = raw(key).await.expect("an answer");
        match reply.status {
            201 | 202 => held += 1,
            400 | 422 => {}
            status => panic!("{key:?}: {status} {}", reply.text()),
        }
        others.goes_on().await;
    }
    for key in [&b"\0"[..], b"a\0b", b"a\rb", b"a\nb", b"\x7f\x1b"] {
        if let Some(reply) = raw(key).await {
            assert!([400, 422].contains(&reply.status), "{key:?}: {} {}", reply.status, reply.text());
        }
        others.goes_on().await;
    }
    raw(b"").await.expect("an answer").problem(422, "invalid_request");
    ends_well(&shop, &product, others, held).await;
}

async fn hostile_reasons_harm_nobody(engine: Engine) {
    let (shop, product, villain, others) = stage(engine).await;
    let stock = format!("/api/v1/skus/{}/stock", product.sku_id);
    let mut received = 101_000;
    for (reason, fine) in texts() {
        let order = shop.order(&villain, &product, 1).await;
        let number = order["order_no"].as_str().expect("a number");
        let cancel = json!({ "reason": reason });
        let cancelled = villain.post(&format!("/api/v1/orders/{number}/cancel"), &cancel).await;
        let restock = json!({ "quantity": 2, "reason": reason });
        let restocked = shop.admin.post(&format!("{stock}/restock"), &restock).await;
        let adjust = json!({ "delta": -1, "reason": reason });
        let adjusted = shop.admin.post(&format!("{stock}/adjust"), &adjust).await;
        if fine {
            assert_eq!(cancelled.ok(200)["cancel_reason"], reason);
            for reply in [restocked, adjusted] {
                assert!((200..300).contains(&reply.status), "{reason:?}: {}", reply.text());
            }
            received += 1;
        } else {
            for reply in [cancelled, restocked, adjusted] {
                reply.problem(422, "invalid_request");
            }
            villain.post(&format!("/api/v1/orders/{number}/cancel"), &json!({})).await.ok(200);
        }
        others.goes_on().await;
    }
    assert_eq!(shop.stock(&product.sku_id).await["received"], received);
    ends_well(&shop, &product, others, 0).await;
}

async fn hostile_names_and_terms_harm_nobody(engine: Engine) {
    let (shop, product, villain, others) = stage(engine).await;
    for name in ["\0", "a\0b"] {
        let body = json!({ "name": name, "price": "1.00", "stock": 1 });
        shop.admin.post("/api/v1/products", &body).await.problem(422, "invalid_request");
        let body =
            json!({ "username": name, "email": "a@example.com", "password": "a long enough password" });
        shop.anonymous().post("/api/v1/auth/register", &body).await.problem(422, "invalid_request");
        let body = json!({ "login": name, "password": name });
        let reply = shop.anonymous().post("/api/v1/auth/login", &body).await;
        assert!([401, 422].contains(&reply.status), "{}", reply.text());
        others.goes_on().await;
    }
    // Each of these is one of the others' SKU, which must not notice.
    let sku = &product.sku_id;
    let number = i64::MAX;
    for body in [
        json!({ "items": [{ "sku_id": sku, "quantity": number }] }),
        json!({ "items": [{ "sku_id": sku, "quantity": -1 }] }),
        json!({ "items": vec![json!({ "sku_id": sku, "quantity": 1 }); 1_000] }),
        json!({ "items": [{ "sku_id": "\0", "quantity": 1 }] }),
        json!({ "items": [] }),
        Value::Null,
    ] {
        let reply = villain.post("/api/v1/orders", &body).await;
        assert!([400, 409, 422].contains(&reply.status), "{body}: {} {}", reply.status, reply.text());
        others.goes_on().await;
    }
    for (path, body) in [
        ("restock", json!({ "quantity": number })),
        ("restock", json!({ "quantity": 0 })),
        ("adjust", json!({ "delta": -number, "reason": "greed" })),
        ("adjust", json!({ "delta": -1_000_000, "reason": "more than there is" })),
    ] {
        let reply = shop.admin.post(&format!("/api/v1/skus/{sku}/stock/{path}"), &body).await;
        assert!([409, 422].contains(&reply.status), "{path} {body}: {} {}", reply.status, reply.text());
        others.goes_on().await;
    }
    for path in ["/api/v1/flash-sales/%00/purchase", "/api/v1/orders/%00/pay", "/api/v1/orders/%ff%fe/cancel"]
    {
        let reply = villain.post(path, &json!({})).await;
        assert!([400, 404, 422].contains(&reply.status), "{path}: {} {}", reply.status, reply.text());
        others.goes_on().await;
    }
    ends_well(&shop, &product, others, 0).await;
}
