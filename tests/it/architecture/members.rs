//! Which member of the workspace may depend on which.

use std::{collections::BTreeSet, fs};

use stampede_tests::{Case, once, workspace};
use toml::{Table, Value};

use super::assert_none;

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    once![
        members_depend_only_on_those_that_they_may_know,
        nothing_in_actors_depends_on_http_or_the_tests,
        the_walls_hold_when_leaned_on,
    ]
}

/// Every member, and those of which it may know. What only its tests use is not judged here.
const MEMBERS: &[(&str, &[&str])] = &[
    ("actors/kernel", &[]),
    ("actors/domain", &["actors/kernel"]),
    ("actors/platform", &["actors/kernel"]),
    ("actors/shop", &["actors/kernel", "actors/domain", "actors/platform"]),
    ("http/server", &["actors/kernel", "actors/domain", "actors/platform", "actors/shop"]),
    ("http/loadtest", &["actors/kernel"]),
    (
        "http/cli",
        &["actors/kernel", "actors/domain", "actors/platform", "actors/shop", "http/server", "http/loadtest"],
    ),
    ("tests", &[]),
];

/// The dependencies of a member's `Cargo.toml`, of its code or of its tests, by their packages' names.
pub fn dependencies(manifest: &str, of_tests: bool) -> BTreeSet<String> {
    let manifest: Table = manifest.parse().expect("Cargo.toml is TOML");
    let kinds: &[&str] =
        if of_tests { &["dev-dependencies"] } else { &["dependencies", "build-dependencies"] };
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let tables = targets.filter_map(|(_, target)| target.as_table()).chain([&manifest]);
    let of_kinds = tables.flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()));
    let package = |(name, what): (&String, &Value)| {
        what.get("package").and_then(Value::as_str).unwrap_or(name).to_owned()
    };
    of_kinds.flatten().map(package).collect()
}

/// A member's `Cargo.toml`.
pub fn manifest(member: &str) -> String {
    fs::read_to_string(workspace().join(member).join("Cargo.toml")).expect("a member has a Cargo.toml")
}

/// The folders of the workspace's members.
fn folders() -> BTreeSet<String> {
    let mut found = BTreeSet::from(["tests".to_owned()]);
    for parent in ["actors", "http"] {
        for entry in fs::read_dir(workspace().join(parent)).expect("a folder").flatten() {
            if entry.path().join("Cargo.toml").is_file() {
                found.insert(format!("{parent}/{}", entry.file_name().to_string_lossy()));
            }
        }
    }
    found
}

/// The member that a package is, if it is one of this workspace.
fn member_of(package: &str) -> Option<&'static str> {
    let name = package.strip_prefix("stampede-")?;
    MEMBERS.iter().map(|(member, _)| *member).find(|member| member.rsplit('/').next() == Some(name))
}

fn trespasses(member: &str, may_know: &[&str], manifest: &str) -> Vec<String> {
    let packages = dependencies(manifest, false);
    let own = packages.iter().filter(|package| package.starts_with("stampede-"));
    let strange = own.filter(|package| !member_of(package).is_some_and(|known| may_know.contains(&known)));
    strange.map(|package| format!("{member} may not depend on {package}")).collect()
}

async fn members_depend_only_on_those_that_they_may_know() {
    let listed: BTreeSet<String> = MEMBERS.iter().map(|(member, _)| (*member).to_owned()).collect();
    assert_eq!(folders(), listed, "every member has its place in the list");
    let faults = MEMBERS.iter().flat_map(|(member, known)| trespasses(member, known, &manifest(member)));
    assert_none(&faults.collect::<Vec<_>>());
}

fn outward(member: &str, manifest: &str) -> Vec<String> {
    let packages = [false, true].into_iter().flat_map(|of_tests| dependencies(manifest, of_tests));
    let out = packages.filter(|package| {
        member_of(package).is_some_and(|known| known.starts_with("http/") || known == "tests")
    });
    out.map(|package| format!("{member} depends on {package}")).collect()
}

async fn nothing_in_actors_depends_on_http_or_the_tests() {
    let actors = MEMBERS.iter().map(|(member, _)| *member).filter(|member| member.starts_with("actors/"));
    assert_none(&actors.flat_map(|member| outward(member, &manifest(member))).collect::<Vec<_>>());
}

async fn the_walls_hold_when_leaned_on() {
    let manifest = "
        [dependencies]
        stampede-kernel = { path = \"../kernel\" }
        renamed = { path = \"../shop\", package = \"stampede-shop\" }
        serde = \"1\"
        [target.'cfg(unix)'.dependencies]
        stampede-server.workspace = true
        [dev-dependencies]
        stampede-tests = { path = \"../../tests\" }
    ";
    let faults = trespasses("actors/platform", &["actors/kernel"], manifest);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert_eq!(trespasses("http/cli", &["actors/kernel", "actors/shop"], manifest).len(), 1);
    assert_eq!(outward("actors/platform", manifest).len(), 2);
    assert_eq!(member_of("stampede-domain"), Some("actors/domain"));
    assert_eq!(trespasses("tests", &[], "[dependencies]\nstampede-unknown = \"1\"").len(), 1);
}
