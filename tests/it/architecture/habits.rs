//! Habits of the whole code: no cast that hides its failure, no file or function that is too long, nothing
//! sent past the mailbox's bound, no test that is skipped or sleeps.

use std::collections::BTreeSet;

use stampede_tests::{Case, once};

use super::{
    assert_none,
    source::{Source, is_of_a_name, item_end, line_of, sources, words},
};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![
        no_do_send_goes_past_the_mailbox_bound,
        no_test_is_ignored_sleeps_or_allows_a_lint,
        no_cast_fails_to_zero,
        limits_stand_with_the_limits_of_their_room,
        no_file_is_too_long,
        no_function_is_too_long,
        the_walls_hold_when_leaned_on,
    ]
}

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 80;

/// Functions that may be longer, as (file, function).
const LONG_FUNCTIONS: &[(&str, &str)] = &[
    // A table: one line for each code.
    ("http/server/src/problem/table.rs", "describe"),
    // A table: one entry for each metric.
    ("http/cli/src/startup/metrics.rs", "register"),
    // The wiring of a node, part by part; to be cut when each entity registers itself.
    ("http/cli/src/startup/shop.rs", "open"),
];

fn all() -> Vec<Source> {
    sources(&["actors", "http", "tests"])
}

/// Faults at these places of a file's code.
fn at_places<'a>(
    source: &'a Source,
    places: impl IntoIterator<Item = usize> + 'a,
    fault: &'a str,
) -> impl Iterator<Item = String> + 'a {
    places.into_iter().map(move |at| format!("{}:{}: {fault}", source.path, line_of(&source.code, at)))
}

fn sends(source: &Source) -> Vec<String> {
    let places = words(&source.running_code, "do_send");
    at_places(source, places, "do_send ignores the mailbox's bound").collect()
}

async fn no_do_send_goes_past_the_mailbox_bound() {
    assert_none(&sources(&["actors", "http"]).iter().flat_map(sends).collect::<Vec<_>>());
}

fn bad_tests(source: &Source) -> Vec<String> {
    let forbidden = ["#[ignore", "#[allow(", "#![allow("].into_iter();
    let named = forbidden.flat_map(|text| source.test_code.match_indices(text)).map(|(at, _)| at);
    let called = |at: &usize| source.test_code[at + "sleep".len()..].starts_with('(');
    let sleeps = words(&source.test_code, "sleep").filter(called);
    at_places(source, named.chain(sleeps), "a test that is skipped, sleeps or allows a lint").collect()
}

async fn no_test_is_ignored_sleeps_or_allows_a_lint() {
    assert_none(&all().iter().flat_map(bad_tests).collect::<Vec<_>>());
}

/// Casts that become 0 when the number does not fit: the fault then shows elsewhere, or never.
fn zero_casts(source: &Source) -> Vec<String> {
    let code = &source.code;
    let casts = words(code, "try_from").chain(words(code, "try_into"));
    let fails_to_zero = |at: &usize| {
        let Some(open) = code[*at..].find('(') else { return false };
        let rest: String = code[closing(code, at + open)..].split_whitespace().collect();
        let rest = rest.strip_prefix(".ok()").unwrap_or(&rest);
        rest.starts_with(".unwrap_or(0)") || rest.starts_with(".unwrap_or_else(|_|0)")
    };
    at_places(source, casts.filter(fails_to_zero).collect::<Vec<_>>(), "a cast that fails to 0").collect()
}

/// The place behind the bracket that closes the one here.
fn closing(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[from..].char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return from + at + 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

async fn no_cast_fails_to_zero() {
    assert_none(&all().iter().flat_map(zero_casts).collect::<Vec<_>>());
}

/// Constants that are limits by their names, and stand elsewhere than with the limits of their room.
fn stray_limits(source: &Source) -> Vec<String> {
    if source.path.ends_with("/limits.rs") {
        return Vec::new();
    }
    let is_limit = |at: &usize| {
        // What belongs to a type stands with it.
        let of_the_module = source.running_code[..*at]
            .rsplit('\n')
            .next()
            .is_some_and(|line| !line.starts_with(' ') && (line.is_empty() || line.starts_with("pub")));
        let name = source.running_code[at + "const ".len()..].split(':').next().unwrap_or_default();
        of_the_module && (name.ends_with("_MAX") || name.ends_with("_MIN"))
    };
    let places: Vec<usize> = words(&source.running_code, "const").filter(is_limit).collect();
    at_places(source, places, "a limit that stands apart from the others of its room").collect()
}

async fn limits_stand_with_the_limits_of_their_room() {
    let rooms = sources(&["actors", "http/server"]);
    assert_none(&rooms.iter().flat_map(stray_limits).collect::<Vec<_>>());
}

async fn no_file_is_too_long() {
    let long = |source: &Source| {
        let is_long = source.lines > FILE_LINES_MAX;
        is_long.then(|| format!("{} has {} lines", source.path, source.lines))
    };
    assert_none(&all().iter().filter_map(long).collect::<Vec<_>>());
}

/// The functions of a file with more lines than they may have: their names and lines.
fn long_functions(source: &Source) -> Vec<(String, usize)> {
    let code = &source.code;
    let function = |at: usize| {
        let name = code[at + "fn".len()..].trim_start();
        let name = &name[..name.find(|c| !is_of_a_name(c)).unwrap_or(name.len())];
        let lines = code[at..item_end(code, at)].lines().count();
        // A pointer's type has no name.
        (!name.is_empty() && lines > FUNCTION_LINES_MAX).then(|| (name.to_owned(), lines))
    };
    words(code, "fn").filter_map(function).collect()
}

async fn no_function_is_too_long() {
    let (mut met, mut faults) = (BTreeSet::new(), Vec::new());
    for source in all() {
        for (name, lines) in long_functions(&source) {
            let is_it = |(path, function): &&(&str, &str)| *path == source.path && *function == name;
            match LONG_FUNCTIONS.iter().find(is_it) {
                Some(excepted) => drop(met.insert(excepted)),
                None => faults.push(format!("{}: `{name}` has {lines} lines", source.path)),
            }
        }
    }
    let over = LONG_FUNCTIONS.iter().filter(|excepted| !met.contains(excepted));
    faults.extend(over.map(|(path, name)| format!("{path}: `{name}` is no exception any more")));
    assert_none(&faults);
}

async fn the_walls_hold_when_leaned_on() {
    let at = |text: &str| Source::of("actors/platform/src/runtime/host.rs", text);
    assert_eq!(sends(&at("fn f() { a.do_send(1); b.send(2); }\n// do_send")).len(), 1);

    let test = |body: &str| at(&format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{ {body} }}"));
    for bad in ["#[ignore] fn t() {}", "fn t() { time::sleep(x) }", "#[allow(dead_code)] fn t() {}"] {
        assert_eq!(bad_tests(&test(bad)).len(), 1, "{bad}");
    }
    assert!(bad_tests(&test("fn t() { f(\"sleep(\"); asleep(); }")).is_empty());
    assert!(bad_tests(&at("fn f() { sleep(x) }")).is_empty());

    for bad in [
        "u64::try_from(f(a)).unwrap_or(0)",
        "u64::try_from(a)\n    .ok()\n    .unwrap_or(0)",
        "(a + b).try_into().unwrap_or(0)",
    ] {
        assert_eq!(zero_casts(&at(bad)).len(), 1, "{bad}");
    }
    assert!(zero_casts(&at("u64::try_from(a).unwrap_or(u64::MAX) + b.max().unwrap_or(0)")).is_empty());

    for stray in [
        "const WAIT_MS_MAX: u64 = 1;",
        "pub(super) const NAMES_MAX: usize = 2;",
        "\nconst NAMES_MIN: u8 = 1;",
    ] {
        assert_eq!(stray_limits(&at(stray)).len(), 1, "{stray}");
    }
    for fine in ["const VERSION: u8 = 1;", "impl A {\n    const B_MAX: u8 = 1;\n}", "const fn f_MAX() {}"] {
        assert!(stray_limits(&at(fine)).is_empty(), "{fine}");
    }
    assert!(stray_limits(&Source::of("actors/kernel/src/limits.rs", "pub const A_MAX: u8 = 1;")).is_empty());

    let function = |lines: usize| {
        format!("fn long<T>(f: fn(T)) -> [u8; 3]\n{{\n{}}}\nfn g() {{}}", "f();\n".repeat(lines))
    };
    assert_eq!(long_functions(&at(&function(77))), []);
    assert_eq!(long_functions(&at(&function(78))), [("long".to_owned(), 81)]);
    assert_eq!(at("a\nb\n").lines, 2);
}
