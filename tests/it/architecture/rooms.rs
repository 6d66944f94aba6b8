//! The walls between the rooms of a member: a room knows only those above it.

use std::collections::BTreeSet;

use stampede_tests::{Case, once};

use super::{
    assert_none,
    source::{Source, is_of_a_name, sources},
};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![
        rooms_know_only_the_rooms_above_them,
        every_room_has_a_place_in_the_order,
        no_exception_has_outlived_its_reason,
        the_walls_hold_when_leaned_on,
    ]
}

/// Modules in one folder, in their order.
struct House {
    member: &'static str,
    /// The module that they lie in; empty for the member itself.
    module: &'static [&'static str],
    /// From the top. A room knows only those above it; rooms that share a line do not know each other.
    rooms: &'static [&'static [&'static str]],
}

const HOUSES: &[House] = &[
    House { member: "actors/domain", module: &[], rooms: &[&["stock", "cart", "order"]] },
    House {
        member: "actors/platform",
        module: &[],
        rooms: &[&["engine"], &["journal"], &["runtime"], &["cluster"]],
    },
    House {
        member: "actors/shop",
        module: &[],
        rooms: &[
            &["actors", "records"],
            &["sagas"],
            &["projections"],
            &["services"],
            &["rooms"],
            &["transfer"],
        ],
    },
    House {
        member: "actors/shop",
        module: &["records"],
        rooms: &[&["idempotency"], &["account", "catalog"], &["invalidated"]],
    },
    House {
        member: "http/server",
        module: &[],
        rooms: &[
            &["limits"],
            &["settings", "decode_error", "request_id", "trace", "health"],
            &["auth"],
            &["problem"],
            &["middleware"],
            &["extract"],
            &["routes"],
            &["openapi"],
            &["server"],
        ],
    },
    House {
        member: "http/cli",
        module: &[],
        rooms: &[&["config"], &["telemetry"], &["startup"], &["command"]],
    },
];

/// What may name a room that is not above its own, for now: a file and the room. This list only shrinks.
const EXCEPTIONS: &[(&str, &str)] = &[
    // The description is made from the table of routes, and one of these routes serves it.
    ("http/server/src/routes/ops.rs", "openapi"),
];

impl House {
    /// The room that a module belongs to.
    fn room<'a>(&self, module: &'a [String]) -> Option<&'a str> {
        let inside = module.iter().zip(self.module).all(|(name, own)| name == own);
        if inside { module.get(self.module.len()).map(|room| &**room) } else { None }
    }

    fn rank(&self, room: &str) -> Option<usize> {
        self.rooms.iter().position(|level| level.contains(&room))
    }

    /// What a file names of this house that it may not: the room, or what is none.
    fn trespasses(&self, source: &Source) -> BTreeSet<String> {
        let module = source.module().unwrap_or_default();
        let Some((own, rank)) = self.room(&module).and_then(|own| Some((own, self.rank(own)?))) else {
            return BTreeSet::new();
        };
        let inside = |path: &Vec<String>| path.iter().zip(self.module).all(|(name, own)| name == own);
        let named = paths(&source.running_code, &module).into_iter().filter(inside);
        // Rooms are called by their names: what the house hands on as its own shows no room.
        let room = |path: Vec<String>| path.into_iter().nth(self.module.len()).unwrap_or_default();
        named
            .map(room)
            .filter(|room| room != own && self.rank(room).is_none_or(|other| other >= rank))
            .collect()
    }
}

/// The paths from the member's root that a code names by `crate`, `super` or `self`, each entry of a list
/// in braces by itself. What is said inside a module within a file is taken as said in the file.
fn paths(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for root in ["crate", "super", "self"] {
        for (at, _) in code.match_indices(&format!("{root}::")) {
            let before = code[..at].trim_end();
            let goes_on = code[..at].ends_with(is_of_a_name) || before.ends_with("::");
            // `pub(in crate::room)` names who may see it, and uses nothing.
            if goes_on || before.ends_with("(in") {
                continue;
            }
            let mut trees = Vec::new();
            tree(&code[at..], &[], &mut trees);
            found.extend(trees.into_iter().map(|path| absolute(&path, module)));
        }
    }
    found
}

/// Reads a path with all its lists in braces; answers what is left behind it.
pub fn tree<'a>(text: &'a str, prefix: &[String], out: &mut Vec<Vec<String>>) -> &'a str {
    let mut path = prefix.to_vec();
    let mut rest = text.trim_start();
    loop {
        if let Some(mut list) = rest.strip_prefix('{') {
            while !list.trim_start().starts_with('}') && !list.trim_start().is_empty() {
                list = tree(list, &path, out).trim_start();
                if let Some(alias) = list.strip_prefix("as ") {
                    list = alias.trim_start().trim_start_matches(is_of_a_name).trim_start();
                }
                match list.strip_prefix(',') {
                    Some(next) => list = next,
                    None => break,
                }
            }
            return list.trim_start().strip_prefix('}').unwrap_or(list);
        }
        let name = match rest.strip_prefix('*') {
            Some(_) => "*",
            None => &rest[..rest.find(|c| !is_of_a_name(c)).unwrap_or(rest.len())],
        };
        if name.is_empty() {
            break;
        }
        path.push(name.to_owned());
        rest = &rest[name.len()..];
        match rest.trim_start().strip_prefix("::") {
            Some(next) => rest = next.trim_start(),
            None => break,
        }
    }
    out.push(path);
    rest
}

/// A path that is said in a module, from the member's root.
fn absolute(path: &[String], module: &[String]) -> Vec<String> {
    let mut base = if path[0] == "crate" { Vec::new() } else { module.to_vec() };
    let mut names = path.iter().peekable();
    while let Some(name) = names.next_if(|name| ["crate", "super", "self"].contains(&&***name)) {
        if name == "super" {
            base.pop();
        }
    }
    // In `{self, Other}` the word stands for the module before it.
    base.into_iter().chain(names.filter(|name| *name != "self").cloned()).collect()
}

fn found() -> BTreeSet<(String, String)> {
    let of_house = |house: &House| {
        let files = sources(&[&format!("{}/src", house.member)]);
        let named = |source: &Source| {
            house.trespasses(source).into_iter().map(|room| (source.path.clone(), room)).collect::<Vec<_>>()
        };
        files.iter().flat_map(named).collect::<Vec<_>>()
    };
    HOUSES.iter().flat_map(of_house).collect()
}

fn is_excepted((path, room): &(String, String)) -> bool {
    EXCEPTIONS.contains(&(&**path, &**room))
}

async fn rooms_know_only_the_rooms_above_them() {
    let faults = found().into_iter().filter(|fault| !is_excepted(fault));
    assert_none(&faults.map(|(path, room)| format!("{path} may not name `{room}`")).collect::<Vec<_>>());
}

async fn no_exception_has_outlived_its_reason() {
    let found = found();
    for (path, room) in EXCEPTIONS {
        assert!(found.contains(&((*path).to_owned(), (*room).to_owned())), "{path} no longer names `{room}`");
    }
}

async fn every_room_has_a_place_in_the_order() {
    let mut faults = BTreeSet::new();
    for house in HOUSES {
        let files = sources(&[&format!("{}/src", house.member)]);
        let modules: Vec<_> = files
            .iter()
            .filter(|source| !source.running_code.trim().is_empty())
            .filter_map(Source::module)
            .collect();
        let rooms: BTreeSet<&str> = modules.iter().filter_map(|module| house.room(module)).collect();
        for room in &rooms {
            if house.rank(room).is_none() {
                faults.insert(format!("{}: the room `{room}` has no place in the order", house.member));
            }
        }
        for room in house.rooms.iter().flat_map(|level| level.iter()) {
            if !rooms.contains(room) {
                faults.insert(format!("{}: there is no room `{room}`", house.member));
            }
        }
    }
    assert_none(&faults.into_iter().collect::<Vec<_>>());
}

async fn the_walls_hold_when_leaned_on() {
    let [platform, records] = [&HOUSES[1], &HOUSES[3]];
    let named = |house: &House, path: &str, text: &str| {
        house.trespasses(&Source::of(path, text)).into_iter().collect::<Vec<_>>()
    };
    let (append, host) = ("actors/platform/src/journal/append.rs", "actors/platform/src/runtime/host.rs");
    for (path, text, faults) in [
        (append, "fn f() { crate::cluster::start() }", &["cluster"][..]),
        (append, "use crate::{engine::{Database, clock}, runtime::Host};", &["runtime"]),
        (append, "use super::super::runtime::{self, fold};", &["runtime"]),
        (append, "use super::{Entry, super::cluster::Node};", &["cluster"]),
        (append, "use crate::{self as all, engine};", &[""]),
        (append, "use super::super::*;", &["*"]),
        (append, "use crate::Everything;", &["Everything"]),
        (append, "pub(in crate::runtime) fn f() { super::entry(); self::g(); crate::engine::h() }", &[]),
        (append, "// crate::runtime\nfn f() -> &str { \"crate::runtime\" }", &[]),
        (append, "#[cfg(test)]\nmod tests { use crate::cluster::Node; }", &[]),
        (host, "use crate::{engine, journal::{self, Journal as J}, runtime::Live};", &[]),
        ("actors/platform/src/lib.rs", "pub use crate::cluster::Node;", &[]),
        ("actors/platform/src/engine/mod.rs", "use super::journal::Writer;", &["journal"]),
    ] {
        assert_eq!(named(platform, path, text), faults, "{text}");
    }
    let account = "actors/shop/src/records/account/login.rs";
    for (text, faults) in [
        ("use crate::records::{catalog::Catalog, idempotency};", &["catalog"][..]),
        ("use super::super::catalog::{Offer, read::{one, two}};", &["catalog"]),
        ("use crate::records::remembered;", &["remembered"]),
        ("use crate::records;", &[""]),
        ("use crate::sagas::Driver; use super::Account;", &[]),
    ] {
        assert_eq!(named(records, account, text), faults, "{text}");
    }
}
