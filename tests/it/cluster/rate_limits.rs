//! Rate limits that nodes share through Redis, and what is left of them while it is away.
//!
//! Two nodes here have a database each, but one Redis and one signing key, so that a token of the one
//! is good at the other.

use std::path::Path;

use hyper::Method;
use serde_json::json;
use stampede_tests::{
    Buyer, Case, Certificates, Client, ClusterSetup, Engine, FlashSale, Redis, Shop, ShopSetup, Traffic,
    eventually, once,
};
use uuid::Uuid;

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    let light = once![
        redis_dies_and_comes_back,
        a_node_starts_before_its_redis,
        redis_is_reached_through_tls_with_a_password,
        what_is_not_limited_is_not_asked_about,
        a_redis_that_cannot_be_is_refused_at_the_start,
    ];
    // Alone on the machine, so that Redis answers in time.
    let heavy = once![
        two_nodes_count_a_caller_together,
        two_nodes_count_the_tries_of_an_account_together,
        a_sale_goes_on_without_redis,
    ];
    light.into_iter().chain(heavy.into_iter().map(Case::heavy)).collect()
}

/// Requests that a buyer's bucket holds; it gains one a second.
const BURST: usize = 20;
/// Tries that an account's bucket holds; it gains one a minute.
const TRIES: usize = 4;
/// More requests than any limit here lets through.
const REQUESTS_MAX: usize = 1_000;

const SHARED: &str = "rate limits are shared through Redis";
const AWAY: &str = "Redis is away, this node counts rate limits by itself";

fn node(redis: &str) -> ShopSetup {
    ShopSetup::new(Engine::Embedded)
        .env("REDIS_URL", redis)
        .env("STAMPEDE_LIMITS__ENABLED", "true")
        .env("STAMPEDE_LIMITS__FLASH_PER_SECOND", "1")
        .env("STAMPEDE_LIMITS__FLASH_BURST", &BURST.to_string())
        .env("STAMPEDE_LIMITS__LOGIN_PER_SECOND", "1000")
        .env("STAMPEDE_LIMITS__LOGIN_BURST", "1000")
        .env("STAMPEDE_LIMITS__LOGIN_ACCOUNT_PER_MINUTE", "1")
        .env("STAMPEDE_LIMITS__LOGIN_ACCOUNT_BURST", &TRIES.to_string())
}

/// A metric without labels.
async fn metric(shop: &Shop, name: &str) -> u64 {
    let text = shop.anonymous().get("/metrics").await.text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no `{name}` in\n{text}"))
}

async fn is_shared(shop: &Shop) -> bool {
    metric(shop, "stampede_rate_limit_shared").await == 1
}

async fn fallbacks(shop: &Shop) -> u64 {
    metric(shop, "stampede_rate_limit_fallbacks_total").await
}

async fn shares(shop: &Shop) {
    eventually(|| async { is_shared(shop).await.then_some(()) }, "limits are shared").await;
}

async fn is_alone(shop: &Shop) {
    eventually(|| async { (!is_shared(shop).await).then_some(()) }, "the node counts by itself").await;
}

async fn redis_state(shop: &Shop) -> String {
    let health = shop.anonymous().get("/health").await.ok(200);
    assert_eq!(health["status"], "up", "a shop does its work without Redis: {health}");
    let parts = health["components"].as_array().expect("a list of components");
    let redis = parts.iter().find(|part| part["name"] == "redis").expect("redis is one of them");
    redis["detail"].as_str().expect("a text").to_owned()
}

fn said(shop: &Shop, line: &str) -> usize {
    shop.server.log().matches(line).count()
}

/// The same user at another node.
fn at(shop: &Shop, buyer: &Buyer) -> Client {
    shop.anonymous().with_token(buyer.client.token().expect("a buyer has a token"))
}

/// Buys at each of these in turn until one refuses; how many tries were let through.
async fn spend(buyers: &[&Client]) -> usize {
    // No such sale: what was let through finds nothing.
    let path = format!("/api/v1/flash-sales/{}/purchase", Uuid::now_v7());
    for (count, buyer) in buyers.iter().cycle().take(REQUESTS_MAX).enumerate() {
        let reply = buyer.request(Method::POST, &path).json(&json!({})).send().await;
        if reply.status == 429 {
            assert_eq!(reply.header("ratelimit-limit"), BURST.to_string());
            assert_eq!(reply.header("ratelimit-remaining"), "0");
            assert_eq!((reply.header("retry-after"), reply.header("ratelimit-reset")), ("1", "1"));
            reply.problem(429, "rate_limited");
            return count;
        }
        reply.problem(404, "not_found");
    }
    panic!("{REQUESTS_MAX} requests and no refusal");
}

/// Plays a round until Redis answers every question of one in time. When it is late for one, the node
/// goes on without it, as it should, and the round shows nothing.
async fn undisturbed<T>(nodes: [&Shop; 2], round: impl AsyncFn() -> T) -> T {
    let play = || async {
        let mut before = [0; 2];
        for (node, before) in nodes.iter().zip(&mut before) {
            shares(node).await;
            *before = fallbacks(node).await;
        }
        let outcome = round().await;
        let after = [fallbacks(nodes[0]).await, fallbacks(nodes[1]).await];
        (before == after).then_some(outcome)
    };
    eventually(play, "Redis answers in time").await
}

async fn two_nodes_count_a_caller_together() {
    let redis = Redis::start().await;
    let (one, two) = (node(&redis.url()).start().await, node(&redis.url()).start().await);
    let round = async || {
        let buyer = one.buyer(&format!("lin-{}", Uuid::now_v7().simple())[..32]).await;
        let (here, there) = (buyer.client.clone(), at(&two, &buyer));
        let together = spend(&[&here, &there]).await;
        (together, spend(&[&here]).await, spend(&[&there]).await)
    };
    // Each node alone would let a whole burst through. A second gains one.
    let all_is_one = |(together, here, there): (usize, usize, usize)| {
        assert!((BURST..2 * BURST).contains(&together), "{together} of {BURST} at two nodes");
        assert!(here < BURST / 2 && there < BURST / 2, "{here} and {there} more at each");
    };
    all_is_one(undisturbed([&one, &two], &round).await);

    // A server that has forgotten the script is given it again.
    redis.ask(&["SCRIPT", "FLUSH"]).await;
    all_is_one(undisturbed([&one, &two], &round).await);
    let answers = || async { (redis_state(&one).await == "answers").then_some(()) };
    eventually(answers, "Redis answers a ping in time").await;
}

async fn two_nodes_count_the_tries_of_an_account_together() {
    let redis = Redis::start().await;
    let (one, two) = (node(&redis.url()).start().await, node(&redis.url()).start().await);
    let round = async || {
        let login = format!("nobody-{}", Uuid::now_v7());
        let body = json!({ "login": login, "password": "a lamp that nobody lit" });
        for (count, shop) in [&one, &two].into_iter().cycle().take(REQUESTS_MAX).enumerate() {
            let reply = shop.anonymous().post("/api/v1/auth/login", &body).await;
            if reply.status == 429 {
                let wait: u32 = reply.header("retry-after").parse().expect("seconds");
                assert!((1..=60).contains(&wait), "{wait}");
                return count;
            }
            reply.problem(401, "wrong_credentials");
        }
        panic!("{REQUESTS_MAX} tries and no refusal");
    };
    let let_through = undisturbed([&one, &two], &round).await;
    assert!((TRIES..2 * TRIES).contains(&let_through), "{let_through} tries of {TRIES}");

    let keys = redis.ask(&["KEYS", "*"]).await;
    assert!(keys.iter().any(|key| key.starts_with("stampede:limit:account-window:")), "{keys:?}");
    for key in keys {
        let digest = key.strip_prefix("stampede:limit:").and_then(|key| key.split_once(':'));
        let hashed =
            digest.is_some_and(|(_, hash)| hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(hashed, "{key} shows whom it counts");
    }
}

async fn a_sale_goes_on_without_redis() {
    let mut redis = Redis::start().await;
    // Limits that no buyer here meets, and that every request is counted for all the same.
    let plenty = ["API_PER_SECOND", "API_BURST", "FLASH_PER_SECOND", "FLASH_BURST"];
    let setup = ClusterSetup::new(2).env("REDIS_URL", &redis.url()).env("STAMPEDE_LIMITS__ENABLED", "true");
    let setup =
        plenty.iter().fold(setup, |setup, limit| setup.env(&format!("STAMPEDE_LIMITS__{limit}"), "1000000"));
    let cluster = setup.start().await;
    shares(&cluster.shop).await;
    let product = cluster.product_on(1, "19.90", 100_000).await;
    let terms = FlashSale { per_user_limit: 10_000, ..FlashSale::of(100_000) };
    let sale = cluster.shop.flash_sale(&product, &terms).await;
    let crowd = cluster.shop.crowd(12).await;
    let doors: Vec<Client> =
        crowd.iter().enumerate().map(|(number, user)| cluster.at(number % 2, user)).collect();
    let traffic = Traffic::start(&doors, &sale, true).await;
    redis.kill9();
    is_alone(&cluster.shop).await;
    traffic.goes_on().await;
    redis.restart().await;
    shares(&cluster.shop).await;
    traffic.goes_on().await;
    assert!(fallbacks(&cluster.shop).await > 0, "requests were decided without Redis");
    traffic.troubled_by(&[]);
    traffic.ends_well(&cluster.shop, &product.sku_id).await;
}

async fn redis_dies_and_comes_back() {
    let mut redis = Redis::start().await;
    let shop = node(&redis.url()).start().await;
    let buyer = shop.buyer("lin").await;
    shares(&shop).await;
    let before = (said(&shop, AWAY), said(&shop, SHARED));

    redis.kill9();
    let let_through = spend(&[&buyer.client]).await;
    assert!((BURST..2 * BURST).contains(&let_through), "{let_through} of {BURST} by the node's own count");
    is_alone(&shop).await;
    assert!(fallbacks(&shop).await > let_through as u64, "each of them is counted");
    assert_eq!(redis_state(&shop).await, "away: local limits");
    assert_eq!((said(&shop, AWAY), said(&shop, SHARED)), (before.0 + 1, before.1), "{}", shop.server.log());

    redis.restart().await;
    shares(&shop).await;
    assert_eq!((said(&shop, AWAY), said(&shop, SHARED)), (before.0 + 1, before.1 + 1));
}

async fn a_node_starts_before_its_redis() {
    let mut redis = Redis::start().await;
    redis.kill9();
    let shop = node(&redis.url()).start().await;
    let told = || async { (said(&shop, AWAY) == 1).then_some(()) };
    eventually(told, "the node says that Redis is away").await;
    assert!(!is_shared(&shop).await);
    assert_eq!(redis_state(&shop).await, "away: local limits");
    shop.anonymous().get("/api/v1/products").await.ok(200);
    redis.restart().await;
    shares(&shop).await;
    assert_eq!((said(&shop, AWAY), said(&shop, SHARED)), (1, 1), "{}", shop.server.log());
}

async fn redis_is_reached_through_tls_with_a_password() {
    let redis = Redis::start_with_tls().await;
    let through =
        |authority: &Path| node(&redis.url()).env("STAMPEDE_REDIS__TLS_CA", &authority.to_string_lossy());
    let shop = through(&redis.authority()).start().await;
    shares(&shop).await;

    let strangers = Certificates::make();
    let wary = through(&strangers.authority()).start().await;
    let told = || async { (said(&wary, AWAY) == 1).then_some(()) };
    eventually(told, "the node says that Redis is away").await;
    let log = wary.server.log();
    assert!(log.to_lowercase().contains("certificate") && !log.contains("rp+river"), "{log}");
    assert!(!is_shared(&wary).await, "whoever cannot prove who it is, is not told of anybody");
}

async fn what_is_not_limited_is_not_asked_about() {
    let redis = Redis::start().await;
    let keys = async || redis.ask(&["DBSIZE"]).await[0].clone();
    let unlimited = node(&redis.url()).env("STAMPEDE_LIMITS__ENABLED", "false").start().await;
    shares(&unlimited).await;
    unlimited.anonymous().get("/api/v1/products").await.ok(200);
    assert_eq!(keys().await, "0", "limits are off");

    let shop = node(&redis.url()).start().await;
    shares(&shop).await;
    redis.ask(&["FLUSHALL"]).await;
    for path in ["/live", "/ready", "/health", "/metrics", "/openapi.json", "/problems/internal"] {
        assert_eq!(shop.anonymous().get(path).await.status, 200, "{path}");
    }
    assert_eq!(keys().await, "0", "probes and pages are free");
    let counted = || async {
        shop.anonymous().get("/api/v1/products").await.ok(200);
        (keys().await == "1").then_some(())
    };
    eventually(counted, "an address is counted").await;
}

async fn a_redis_that_cannot_be_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let launch = stampede_tests::Launch::new(folder.path());
    for (url, authority, name) in [
        ("http://127.0.0.1", "", "redis.url"),
        ("redis://127.0.0.1:port", "", "redis.url"),
        ("rediss://127.0.0.1", "/nowhere/ca.pem", "redis.tls_ca"),
    ] {
        let launch = launch.clone().env("REDIS_URL", url).env("STAMPEDE_REDIS__TLS_CA", authority);
        let Err((status, log)) = launch.try_start().await else { panic!("{url} was taken") };
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains(name), "{log}");
    }
}
