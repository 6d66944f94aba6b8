//! What must not be in the kernel and the domain, and what the platform must not know.

use stampede_tests::{Case, once};

use super::{
    assert_none,
    members::{dependencies, manifest},
    source::{Source, line_of, sources},
};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![
        kernel_and_domain_are_pure,
        kernel_and_domain_depend_on_pure_crates_only,
        the_platform_names_no_entity,
        the_walls_hold_when_leaned_on,
    ]
}

/// What pure code may not name: IO, actors, clocks, randomness, logging.
const IMPURE: &[&str] = &[
    "actix",
    "tokio",
    "sqlx",
    "tracing",
    "log::",
    "futures",
    "std::fs",
    "std::net",
    "std::io",
    "std::thread",
    "std::process",
    "std::env",
    "SystemTime",
    "Instant",
    "rand::",
    "now_utc",
    "now_v7",
    "Uuid::now",
    "new_v4",
    "RandomState",
    "async ",
    ".await",
    "print!",
    "println!",
];

/// The crates that pure code may be made of. One that is added here reads no clock and does no IO.
const PURE_CRATES: &[&str] = &[
    "dashmap",
    "fnv",
    "rust_decimal",
    "serde",
    "serde_json",
    "sha2",
    "stampede-kernel",
    "thiserror",
    "time",
    "uuid",
];

/// The entities and records of the shop, which the platform carries without knowing what they are.
const ENTITIES: &[&str] = &["stock", "order", "cart", "product", "account"];

const PURE_MEMBERS: [&str; 2] = ["actors/kernel", "actors/domain"];

fn impurities(source: &Source) -> Vec<String> {
    let named = IMPURE.iter().filter(|word| source.running_code.contains(**word));
    named.map(|word| format!("{}: pure code names `{word}`", source.path)).collect()
}

async fn kernel_and_domain_are_pure() {
    let pure =
        sources(&PURE_MEMBERS.map(|member| format!("{member}/src")).each_ref().map(|folder| &**folder));
    assert_none(&pure.iter().flat_map(impurities).collect::<Vec<_>>());
}

fn impure_crates(member: &str, manifest: &str) -> Vec<String> {
    let crates = dependencies(manifest, false).into_iter();
    let unknown = crates.filter(|name| !PURE_CRATES.contains(&&**name));
    unknown.map(|name| format!("{member}: `{name}` is not known to be pure")).collect()
}

async fn kernel_and_domain_depend_on_pure_crates_only() {
    let impure = PURE_MEMBERS.iter().flat_map(|member| impure_crates(member, &manifest(member)));
    assert_none(&impure.collect::<Vec<_>>());
}

/// The words of a text with their places: names are split where a word in them begins.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let begins = !before.is_alphanumeric() || (c.is_uppercase() && !before.is_uppercase());
        match found.last_mut() {
            _ if !c.is_alphanumeric() => {}
            Some((_, word)) if !begins => word.extend(c.to_lowercase()),
            _ => found.push((at, c.to_lowercase().collect())),
        }
        before = c;
    }
    found
}

fn entities_named(source: &Source) -> Vec<String> {
    let words = words(&source.running);
    let mut faults = Vec::new();
    for (place, (at, word)) in words.iter().enumerate() {
        let entity = ENTITIES.iter().find(|entity| word.strip_suffix('s').unwrap_or(word) == **entity);
        // Rows of a query come in an order, too.
        let of_sql = source.running[*at..].starts_with("ORDER")
            && words.get(place + 1).is_some_and(|(_, next)| next == "by");
        if let Some(entity) = entity.filter(|_| !of_sql) {
            let line = line_of(&source.running, *at);
            faults.push(format!("{}:{line}: the platform names `{entity}`", source.path));
        }
    }
    faults
}

async fn the_platform_names_no_entity() {
    assert_none(&sources(&["actors/platform/src"]).iter().flat_map(entities_named).collect::<Vec<_>>());
}

async fn the_walls_hold_when_leaned_on() {
    let at = |text: &str| Source::of("actors/domain/src/stock/decide.rs", text);
    for text in ["use std::time::Instant;", "async fn f() {}", "fn f() { tracing::info!(\"\") }"] {
        assert_eq!(impurities(&at(text)).len(), 1, "{text}");
    }
    for text in ["// no Instant here\nfn f() {}", "fn f() {}\n#[cfg(test)]\nmod tests { use tokio::main; }"] {
        assert!(impurities(&at(text)).is_empty(), "{text}");
    }
    assert_eq!(
        impure_crates("actors/kernel", "[dependencies]\ntokio.workspace = true\nserde = \"1\"").len(),
        1
    );

    let named = |text: &str| entities_named(&Source::of("actors/platform/src/journal/writer.rs", text)).len();
    for text in ["use domain::Stock;", "fn order_no() {}", "let Carts = \"\";", "\"FROM orders\"", "OrderNo"]
    {
        assert_eq!(named(text), 1, "{text}");
    }
    for text in
        ["/// A stock.\nfn f() {}", "Ordering::Release", "\"SELECT a FROM b ORDER BY a\"", "reorder()"]
    {
        assert_eq!(named(text), 0, "{text}");
    }
}
