//! What the HTTP members leave to the shop: SQL, and whatever a projection answers.

use std::collections::BTreeSet;

use stampede_tests::{Case, once};

use super::{
    assert_none,
    members::{dependencies, manifest},
    rooms::tree,
    source::{Source, line_of, sources},
};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![
        the_http_members_hold_no_sql,
        the_http_members_ask_projections_through_services_only,
        the_walls_hold_when_leaned_on,
    ]
}

const MEMBERS: [&str; 3] = ["http/server", "http/loadtest", "http/cli"];

/// How statements begin.
const SQL: &[&str] = &["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ", "ALTER TABLE "];

/// Files that call projections themselves, for now. This list only shrinks.
const CALL_PROJECTIONS: &[&str] = &[
    // The wiring waits until the tables have caught up, and shows the sales that run as metrics.
    "http/cli/src/startup/shop.rs",
    // `stampede reconcile` compares and rebuilds the tables without a running shop.
    "http/cli/src/command/reconcile.rs",
];

fn all() -> Vec<Source> {
    sources(&MEMBERS.map(|member| format!("{member}/src")).each_ref().map(|folder| &**folder))
}

fn statements(source: &Source) -> Vec<String> {
    let quoted = |at: &usize| source.running[..*at].trim_end().ends_with('"');
    let begins =
        SQL.iter().flat_map(|sql| source.running.match_indices(*sql)).map(|(at, _)| at).filter(quoted);
    let named = source.running_code.match_indices("sqlx::").map(|(at, _)| at);
    begins.chain(named).map(|at| format!("{}:{}: SQL", source.path, line_of(&source.running, at))).collect()
}

async fn the_http_members_hold_no_sql() {
    let mut faults: Vec<String> = all().iter().flat_map(statements).collect();
    let speak = MEMBERS.iter().filter(|member| dependencies(&manifest(member), false).contains("sqlx"));
    faults.extend(speak.map(|member| format!("{member} depends on sqlx")));
    assert_none(&faults);
}

/// What a file names of the projections that is no type: functions, and modules, through which they are
/// called.
fn functions(source: &Source) -> BTreeSet<String> {
    let code = &source.running_code;
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("stampede_shop::") {
        tree(&code[at..], &[], &mut paths);
    }
    let of_projections =
        paths.into_iter().filter(|path| path.get(1).is_some_and(|room| room == "projections"));
    let is_type = |path: &Vec<String>| path.last().is_some_and(|name| name.starts_with(char::is_uppercase));
    of_projections.filter(|path| !is_type(path)).map(|path| path.join("::")).collect()
}

async fn the_http_members_ask_projections_through_services_only() {
    let mut faults = Vec::new();
    for source in all() {
        let (named, excepted) = (functions(&source), CALL_PROJECTIONS.contains(&&*source.path));
        if excepted && named.is_empty() {
            faults.push(format!("{} is no exception any more", source.path));
        } else if !excepted {
            faults.extend(named.iter().map(|name| format!("{}: `{name}`, past the services", source.path)));
        }
    }
    assert_none(&faults);
}

async fn the_walls_hold_when_leaned_on() {
    let at = |text: &str| Source::of("http/server/src/routes/orders/mod.rs", text);
    for text in
        ["fn f() { sqlx::query(x) }", "const S: &str = \"SELECT 1\";", "f(\"\n  DELETE FROM orders\")"]
    {
        assert_eq!(statements(&at(text)).len(), 1, "{text}");
    }
    for text in
        ["// SELECT 1", "\"please SELECT one\"", "#[cfg(test)]\nmod tests { fn f() { g(\"SELECT 1\") } }"]
    {
        assert!(statements(&at(text)).is_empty(), "{text}");
    }
    for text in [
        "use stampede_shop::projections;",
        "use stampede_shop::{projections::{self, OrderFilter}, services::Services};",
        "use stampede_shop::projections::*;",
        "fn f() { stampede_shop::projections::order_page(x) }",
        "use stampede_shop::projections::reconcile::{Report, reconcile};",
    ] {
        assert_eq!(functions(&at(text)).len(), 1, "{text}");
    }
    assert!(
        functions(&at("use stampede_shop::{projections::{OrderFilter, stock::Row}, services};")).is_empty()
    );
}
