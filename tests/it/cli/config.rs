//! The configuration: read again while the node runs, and printed.

use serde_json::Value;
use stampede_tests::{Case, Engine, Shop, ShopSetup, eventually, per_engine};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![
        sighup_takes_a_good_configuration_and_refuses_a_bad_one,
        the_configuration_is_printed_with_secrets_masked
    ]
}

async fn sighup_takes_a_good_configuration_and_refuses_a_bad_one(engine: Engine) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("shop.toml");
    let write = |text: &str| std::fs::write(&file, text).expect("a file can be written");
    let limits = |per_second: u32, burst: u32| {
        format!("[limits]\nenabled = true\napi_per_second = {per_second}\napi_burst = {burst}\n")
    };
    write(&limits(1_000, 1_000));
    let setup = ShopSetup::new(engine).env("STAMPEDE_LIMITS__ENABLED", "true");
    let shop = setup.arg("--config").arg(&file.to_string_lossy()).start().await;
    let visitor = shop.anonymous();
    let limited = || {
        let visitor = visitor.clone();
        async move {
            let tries = (0..20).map(|_| visitor.get("/api/v1/products"));
            let answers = futures_util::future::join_all(tries).await;
            answers.into_iter().find(|answer| answer.status == 429)
        }
    };
    assert!(limited().await.is_none());
    write(&limits(1, 2));
    shop.server.sighup();
    let refused = eventually(limited, "the new limit is in force").await;
    assert!(!refused.header("retry-after").is_empty(), "{:?}", refused.headers);
    assert!(
        refused.headers.keys().any(|name| name.as_str().starts_with("ratelimit")),
        "{:?}",
        refused.headers
    );
    refused.problem(429, "rate_limited");

    for bad in [
        "this is no configuration",
        "[limits]\napi_per_second = \"many\"\n",
        "[limits]\nno_such_setting = 1\n",
    ] {
        let before = shop.server.log().len();
        write(bad);
        shop.server.sighup();
        let told = || async {
            let log = shop.server.log();
            let news = log.get(before..).unwrap_or_default().to_lowercase();
            (news.contains("warn") || news.contains("error")).then_some(())
        };
        eventually(told, "a bad configuration is reported").await;
        assert!(limited().await.is_some(), "the configuration in force stays");
    }
    write(&limits(1_000, 1_000));
    shop.server.sighup();
    let free = || async { limited().await.is_none().then_some(()) };
    eventually(free, "a good configuration is taken again").await;
}

async fn the_configuration_is_printed_with_secrets_masked(engine: Engine) {
    let shop = Shop::start(engine).await;
    let launch = shop.server.launch().clone().env("STAMPEDE_LIMITS__API_BURST", "4321");
    let output = launch.run(&["config"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("4321"), "{text}");
    for secret in [stampede_tests::ADMIN_PASSWORD, stampede_tests::SIGNING_KEY] {
        assert!(!text.contains(secret), "a secret is printed");
    }
    let parsed: Result<Value, _> = serde_json::from_str(&text);
    assert!(parsed.is_ok() || text.contains('='), "{text}");
}
