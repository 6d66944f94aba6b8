//! The walls between the rooms, checked by reading the sources.

use std::{
    fs,
    path::{Path, PathBuf},
};

use stampede_tests::{Case, once, workspace};

/// The rooms of `actors/src`, from the top. A room knows only those above it; rooms that share a
/// line do not know each other.
const ROOMS: &[&[&str]] = &[
    &["kernel"],
    &["engine"],
    &["journal"],
    &["runtime"],
    &["claim"],
    &["account", "catalog"],
    &["stock", "cart", "order"],
    &["saga"],
    &["projection"],
    &["cluster"],
];

/// What a pure file may not name: IO, actors, clocks, randomness, logging.
const IMPURE: &[&str] = &[
    "actix",
    "tokio",
    "sqlx",
    "tracing",
    "futures_util",
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
    "Uuid::new_v4",
    "async fn",
    ".await",
];

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![
        pure_files_are_pure,
        rooms_know_only_the_rooms_above_them,
        every_room_has_a_place_in_the_order,
        nothing_is_sent_past_the_mailbox_bound,
        no_test_is_ignored_and_none_sleeps,
        the_http_crate_asks_no_projection_to_decide,
        the_walls_hold_when_leaned_on,
    ]
}

/// A source file without its comments and its tests.
struct Source {
    path: PathBuf,
    code: String,
}

impl Source {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        Self { path, code: without_tests(&without_comments(&text)) }
    }

    /// Its room: the first folder, or the file itself, under `actors/src`.
    fn room(&self) -> &str {
        let inside = self.path.strip_prefix(workspace().join("actors/src")).expect("a file of the actors");
        let first = inside.iter().next().and_then(|part| part.to_str()).expect("a name in UTF-8");
        first.trim_end_matches(".rs")
    }

    fn is_pure(&self) -> bool {
        self.room() == "kernel"
            || ["model.rs", "decide.rs", "apply.rs"].iter().any(|pure| self.path.ends_with(pure))
            || ["model", "decide"].iter().any(|folder| self.path.iter().any(|part| part == *folder))
    }
}

fn without_comments(text: &str) -> String {
    text.lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Tests stand last in a file.
fn without_tests(code: &str) -> String {
    code.split_once("#[cfg(test)]\nmod ").map_or(code, |(code, _)| code).to_owned()
}

/// Whether a file holds nothing but tests, by its name or folder.
fn is_all_tests(path: &Path) -> bool {
    let inside = path.strip_prefix(workspace()).unwrap_or(path);
    inside.ends_with("tests.rs") || inside.iter().any(|part| part == "tests")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn sources(folder: &str) -> Vec<Source> {
    let mut files = rust_files(&workspace().join(folder));
    files.retain(|path| !is_all_tests(path));
    assert!(!files.is_empty(), "no sources in {folder}");
    files.into_iter().map(Source::read).collect()
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn impurities(source: &Source) -> Vec<String> {
    let named = IMPURE.iter().filter(|word| source.code.contains(**word));
    named.map(|word| format!("{}: a pure file names `{word}`", source.path.display())).collect()
}

async fn pure_files_are_pure() {
    let pure: Vec<Source> = sources("actors/src").into_iter().filter(Source::is_pure).collect();
    assert!(!pure.is_empty(), "no pure file found");
    assert_none(&pure.iter().flat_map(impurities).collect::<Vec<_>>());
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|level| level.contains(&room))
}

/// The rooms that a file names: the first segment after every `crate::`, and of every entry of a
/// `use crate::{...}` list.
fn rooms_named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(list_heads(list)),
            None => rooms.extend(head(rest)),
        }
    }
    rooms
}

/// The first segment of a path.
fn head(path: &str) -> Option<String> {
    let name: String = path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// The first segments of a brace list, up to its closing brace.
fn list_heads(list: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.extend(head(&list[start..at]));
                start = at + 1;
                if c == '}' {
                    return heads;
                }
            }
            _ => {}
        }
    }
    heads
}

fn trespasses(source: &Source) -> Vec<String> {
    let own = source.room();
    let Some(own_rank) = rank(own) else { return Vec::new() };
    let below = |room: &String| room != own && rank(room).is_some_and(|rank| rank >= own_rank);
    let named = rooms_named(&source.code).into_iter().filter(below);
    named.map(|room| format!("{}: `{own}` may not know `{room}`", source.path.display())).collect()
}

async fn rooms_know_only_the_rooms_above_them() {
    assert_none(&sources("actors/src").iter().flat_map(trespasses).collect::<Vec<_>>());
}

async fn every_room_has_a_place_in_the_order() {
    let unknown = |source: &Source| {
        let room = source.room();
        (room != "lib" && rank(room).is_none())
            .then(|| format!("the room `{room}` has no place in the order"))
    };
    assert_none(&sources("actors/src").iter().filter_map(unknown).collect::<Vec<_>>());
}

async fn nothing_is_sent_past_the_mailbox_bound() {
    let sends = |source: &Source| {
        let found = source.code.contains(".do_send(");
        found.then(|| format!("{}: do_send ignores the mailbox's bound", source.path.display()))
    };
    let all = sources("actors/src").into_iter().chain(sources("http/src"));
    assert_none(&all.filter_map(|source| sends(&source)).collect::<Vec<_>>());
}

async fn no_test_is_ignored_and_none_sleeps() {
    // Written in two parts, so that this file does not name them.
    let forbidden = [concat!("#[ig", "nore"), concat!("sle", "ep("), concat!("#[all", "ow(")];
    let mut faults = Vec::new();
    for folder in ["actors", "http", "tests"] {
        for path in rust_files(&workspace().join(folder)) {
            let text = without_comments(&fs::read_to_string(&path).expect("a source file can be read"));
            let tests = match folder {
                _ if is_all_tests(&path) => text.as_str(),
                _ => text.split_once("#[cfg(test)]\nmod ").map_or("", |(_, tests)| tests),
            };
            let named = forbidden.iter().filter(|word| tests.contains(**word));
            faults.extend(named.map(|word| format!("{}: `{word}` in a test", path.display())));
        }
    }
    assert_none(&faults);
}

async fn the_http_crate_asks_no_projection_to_decide() {
    let decides = |source: &Source| {
        source.code.contains("sqlx::").then(|| format!("{}: SQL outside the actors", source.path.display()))
    };
    assert_none(&sources("http/src").iter().filter_map(decides).collect::<Vec<_>>());
}

async fn the_walls_hold_when_leaned_on() {
    let at = |path: &str, text: &str| Source {
        path: workspace().join("actors/src").join(path),
        code: without_tests(&without_comments(text)),
    };
    assert_eq!(impurities(&at("stock/decide.rs", "use std::time::Instant;")).len(), 1);
    assert!(impurities(&at("stock/decide.rs", "// no Instant here\nfn decide() {}")).is_empty());
    assert!(
        impurities(&at("kernel/time.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use tokio::main; }"))
            .is_empty()
    );
    assert_eq!(trespasses(&at("kernel/id.rs", "use crate::journal::Writer;")).len(), 1);
    assert_eq!(trespasses(&at("stock/actor.rs", "use crate::{kernel::{Code, Money}, cart::Cart};")).len(), 1);
    assert_eq!(trespasses(&at("journal/append.rs", "fn f() { crate::saga::drive() }")).len(), 1);
    assert!(trespasses(&at("saga/purchase.rs", "use crate::{kernel::Code, order::Open, stock};")).is_empty());
}
